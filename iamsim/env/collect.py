"""An iam-collect download directory → records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Origin
from iamsim.env.gaad import inline_policies, managed_policy_record
from iamsim.env.organization import Names, node, node_arn, org_policy, organization
from iamsim.env.records import Identity, Managed, Reading, Records, arn_of, entries, policy_of, shape, tags_of, text
from iamsim.env.resources import client_ids, endpoint, resource_policy
from iamsim.env.types import Endpoint, MissingPolicy, Organization, OrgNode, PrincipalKind, Provider, Resource
from iamsim.findings import printable
from iamsim.model.policy import Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Mapping

Folder = dict[str, tuple[Any, Origin]]
Folders = dict[str, Folder]

_PARTITION = re.compile(r"(.*?(?:^|/)aws[\w-]*)/(accounts/\d{12}|organizations/o-\w+|indexes)/.*", re.DOTALL)
_ROLES: dict[str, PrincipalKind | None] = {
    "user": PrincipalKind.USER,
    "role": PrincipalKind.ROLE,
    "group": None,
}
_RESOURCE_FILES = ("metadata.json", "policy.json", "tags.json")
_IDENTITY_FILES = (
    "metadata.json",
    "inline-policies.json",
    "managed-policies.json",
    "groups.json",
    "tags.json",
    "trust-policy.json",
)
_LIMITS = {"user": 2048, "group": 5120, "role": 10240}
_INDEXES = frozenset(("accounts-to-orgs.json", "apigateways-to-accounts.json", "principals-to-trust-policies.json"))


def partition_root(source: str) -> str | None:
    """The directory of a partition (`…/aws/aws`) if the path `source` has the form of a file of a download in it."""
    m = _PARTITION.fullmatch(source.replace("\\", "/"))
    return m[1] if m else None


def read_collect(root: str, files: Mapping[str, Any], reading: Reading) -> tuple[Records, tuple[str, ...]]:
    """What the download of one partition at `root` tells, and the sources that belong to no known part of it.

    `files` are the JSON values by source. File names are lower-cased by iam-collect, so ARNs come from metadata.
    """
    folders: Folders = {}
    for source, value in files.items():
        folder, _, name = source.replace("\\", "/").removeprefix(root + "/").rpartition("/")
        folders.setdefault(folder, {})[name] = (value, Origin(source))
    used: set[str] = set()
    found: list[Any] = []
    profiles = _profiles(folders)
    for path in sorted(folders):
        parts = path.split("/")
        if parts[0] == "accounts" and len(parts) > 2:
            record, names = _taken(folders[path], parts[1], profiles, reading)
            found += [] if record is None else [record]
            used.update(folders[path][n][1].source for n in names if n in folders[path])
        elif parts[0] == "organizations" and len(parts) == 2:
            found += _organization(path, folders, reading, used)
    settings = _indexes(folders.get("indexes", {}), found, reading, used)
    _mark_organization_files(folders, used)
    identities = tuple(x for x in found if isinstance(x, Identity))
    records = Records(
        identities=identities,
        managed=tuple(x for x in found if isinstance(x, Managed)),
        resources=(*(x for x in found if isinstance(x, Resource)), *settings),
        organizations=tuple(x for x in found if isinstance(x, Organization)),
        providers=tuple(x for x in found if isinstance(x, Provider)),
        endpoints=tuple(x for x in found if isinstance(x, Endpoint)),
        accounts=tuple(sorted({i.account for i in identities})),
    )
    return records, tuple(s for s in files if s not in used)


def _profiles(folders: Folders) -> dict[str, list[str]]:
    """The instance profiles of each role ARN."""
    found: dict[str, list[str]] = {}
    for folder in folders.values():
        meta, _ = folder.get("metadata.json", (None, None))
        if isinstance(meta, dict) and isinstance(meta.get("roles"), list) and text(meta, "arn"):
            for role in meta["roles"]:
                if isinstance(role, str):
                    found.setdefault(role, []).append(meta["arn"])
    return found


def _taken(
    folder: Folder, account: str, profiles: dict[str, list[str]], reading: Reading
) -> tuple[Any, tuple[str, ...]]:
    """The record of one thing of an account, if it is one, and the files that belong to it."""
    meta, origin = folder.get("metadata.json", (None, None))
    if not isinstance(meta, dict) or origin is None:
        return None, ()
    fields = arn_of(meta, "arn", origin, reading)
    if fields is None:
        return None, ("metadata.json",)
    kind, _, name = fields[5].partition("/")
    match fields[2], kind:
        case "iam", "user" | "role" | "group":
            record: Any = _identity(meta, fields, folder, tuple(sorted(profiles.get(meta["arn"], ()))), reading)
            return record, _IDENTITY_FILES
        case "iam", "policy":
            record = _managed(meta, name, folder, reading)
            return record, ("metadata.json", "current-policy.json", "tags.json")
        case "iam", "oidc-provider" | "saml-provider":
            record = Provider(arn=meta["arn"], account=fields[4], client_ids=client_ids(meta), origin=origin)
            return record, ("metadata.json",)
        case "iam", _:
            return None, ("metadata.json",)
        case "ec2", "vpc-endpoint":
            names = ("policy.json", "endpoint-policy.json")
            policy = _resource_policy(meta["arn"], PolicyKind.ENDPOINT, folder, names, reading)
            record = endpoint(name, meta, fields[4] or account, policy, origin, known=policy is not None)
            return record, ("metadata.json", *names)
        case _:
            return _resource(meta, fields[4] or account, folder, reading), _RESOURCE_FILES


def _identity(
    meta: dict[str, Any], fields: list[str], folder: Folder, profiles: tuple[str, ...], reading: Reading
) -> Identity:
    kind = fields[5].partition("/")[0]
    origin = folder["metadata.json"][1]
    arn, name = meta["arn"], text(meta, "name") or fields[5].rsplit("/", 1)[-1]
    before = len(reading.out)
    inline: tuple[Policy, ...] = ()
    if "inline-policies.json" in folder:
        value, here = folder["inline-policies.json"]
        inline = inline_policies(entries(value, here, "the inline policies", reading), _LIMITS[kind], reading)
    attached = _names(folder, "managed-policies.json", reading)
    groups = _names(folder, "groups.json", reading) if kind == "user" else ()
    if len(reading.out) > before and any(d.id == "input-shape" for d in reading.out[before:]):
        attached = (*attached, f"unreadable policies of {arn}")
    trust: Policy | MissingPolicy | None = None
    if kind == "role":
        trust = MissingPolicy(f"trust policy of {arn}", origin)
        if "trust-policy.json" in folder:
            value, here = folder["trust-policy.json"]
            trust = policy_of(reading, value, PolicyKind.TRUST, name, here, arn=arn)
        else:
            shape(origin, f"role `{printable(name)}` has no trust policy", reading)
    return Identity(
        arn=arn,
        kind=_ROLES[kind],
        account=fields[4],
        name=name,
        path=text(meta, "path") or "/",
        unique_id=text(meta, "id"),
        inline=inline,
        attached=attached,
        groups=groups,
        boundary=text(meta, "permissionBoundary"),
        trust=trust,
        tags=_tags(folder, reading),
        instance_profiles=profiles if kind == "role" else (),
        origin=origin,
    )


def _tags(folder: Folder, reading: Reading) -> tuple[tuple[str, str], ...]:
    return tags_of(*folder["tags.json"], reading) if "tags.json" in folder else ()


def _names(folder: Folder, name: str, reading: Reading) -> tuple[str, ...]:
    """The list of ARNs in the file `name`, sorted."""
    if name not in folder:
        return ()
    value, origin = folder[name]
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        shape(origin, "the file is not a list of ARNs", reading)
        return ()
    return tuple(sorted(set(value)))


def _managed(meta: dict[str, Any], name: str, folder: Folder, reading: Reading) -> Managed | None:
    if "current-policy.json" not in folder:
        return None
    value, origin = folder["current-policy.json"]
    label = text(meta, "name") or name.rsplit("/", 1)[-1]
    return managed_policy_record(meta["arn"], label, value, origin, reading)


def _resource_policy(
    arn: str, kind: PolicyKind, folder: Folder, names: tuple[str, ...], reading: Reading
) -> Policy | None:
    found = next((folder[n] for n in names if n in folder), None)
    if found is None or found[0] is None:
        return None
    return resource_policy(found[0], arn, kind, found[1], reading)


def _resource(meta: dict[str, Any], account: str, folder: Folder, reading: Reading) -> Resource:
    return Resource(
        arn=meta["arn"],
        account=account,
        policy=_resource_policy(meta["arn"], PolicyKind.RESOURCE, folder, ("policy.json",), reading),
        tags=_tags(folder, reading),
        tags_known="tags.json" in folder,
        origin=folder["metadata.json"][1],
    )


def _indexes(folder: Folder, found: list[Any], reading: Reading, used: set[str]) -> tuple[Resource, ...]:
    """The buckets whose owner an index tells; the endpoints of the VPC index are added to `found`."""
    used.update(folder[n][1].source for n in folder if n in _INDEXES)
    buckets: list[Resource] = []
    index, origin = folder.get("buckets-to-accounts.json", (None, None))
    if isinstance(index, dict) and origin is not None:
        used.add(origin.source)
        for name, row in index.items():
            account = text(row, "accountId") if isinstance(row, dict) else None
            if account is None:
                shape(origin.child(name), "the bucket has no `accountId`", reading)
                continue
            arn = f"arn:aws:s3:::{name}"
            here = origin.child(name)
            buckets.append(Resource(arn=arn, account=account, policy=None, policy_known=False, origin=here))
    index, origin = folder.get("vpcs.json", (None, None))
    if isinstance(index, dict) and origin is not None:
        used.add(origin.source)
        found += _endpoints(index.get("endpoints"), origin.child("endpoints"), reading)
    return tuple(buckets)


def _endpoints(index: Any, origin: Origin, reading: Reading) -> list[Endpoint]:
    found = []
    for name, row in index.items() if isinstance(index, dict) else ():
        here = origin.child(name)
        if not isinstance(row, dict):
            shape(here, "a VPC endpoint is not an object", reading)
            continue
        arn = text(row, "arn")
        fields = arn.split(":", 5) if arn else []
        account = text(row, "accountId") or (fields[4] if len(fields) == 6 else None)
        policy = None
        if row.get("policy") is not None:
            policy = policy_of(reading, row["policy"], PolicyKind.ENDPOINT, name, here.child("policy"), arn=arn)
        found.append(endpoint(name, row, account, policy, here, known=policy is not None))
    return found


def _organization(path: str, folders: Folders, reading: Reading, used: set[str]) -> list[Organization]:
    here = folders[path]
    for name in ("metadata.json", "accounts.json", "ous.json", "structure.json"):
        value, origin = here.get(name, (None, Origin(path)))
        if not isinstance(value, dict):
            shape(origin, f"the organization has no readable `{name}`", reading)
            return []
        used.add(origin.source)
    meta, structure = here["metadata.json"][0], here["structure.json"][0]
    roots = [r for r in structure if r.startswith("r-")]
    organization_id = text(meta, "id")
    if len(roots) != 1 or organization_id is None:
        shape(here["structure.json"][1], "the organization has no single root", reading)
        return []
    policies = _policies(path, folders)
    attached = {**here["accounts.json"][0], **here["ous.json"][0]}
    labels = {
        p.rsplit("/", 1)[-1]: f.get("metadata.json", (None,))[0] for p, f in folders.items() if f"{path}/ous/" in p
    }
    names = {key: text(m, "name") or "" for key, m in labels.items() if isinstance(m, dict)}
    origin = here["structure.json"][1].child(roots[0])
    management = text(meta, "rootAccountId")
    partition = next((a.split(":")[1] for a in policies if a.count(":") > 4), "aws")
    common = Names(partition, management, organization_id)
    parts = _Parts(attached, policies, names, common, here["ous.json"][1], here["accounts.json"][1])
    tree = _node(roots[0], structure[roots[0]], parts, origin, reading)
    return [organization(organization_id, management, tree)]


def _policies(path: str, folders: Folders) -> dict[str, tuple[str, Any, Origin]]:
    """Name, document and place of each SCP and RCP, by ARN."""
    found: dict[str, tuple[str, Any, Origin]] = {}
    for folder_path, folder in folders.items():
        if not folder_path.startswith((f"{path}/scps/", f"{path}/rcps/")) or "metadata.json" not in folder:
            continue
        meta, origin = folder["metadata.json"]
        if isinstance(meta, dict) and text(meta, "arn"):
            value, here = folder.get("policy.json", (None, origin))
            found[meta["arn"]] = (text(meta, "name") or "", value, here)
    return found


@dataclass(frozen=True, slots=True)
class _Parts:
    """The files of an organization: rows of attached policies, policies by ARN, names by id, what ARNs have in common."""

    attached: dict[str, Any]
    policies: dict[str, tuple[str, Any, Origin]]
    names: dict[str, str]
    common: Names
    ous: Origin
    accounts: Origin


def _node(id: str, value: Any, parts: _Parts, origin: Origin, reading: Reading) -> OrgNode:  # noqa: A002
    inside = value if isinstance(value, dict) and origin.pointer.count("/children/") < 50 else {}
    if inside is not value:
        shape(origin, "a node of the organization is not an object, or nested too deeply", reading)
    listed, nested = inside.get("accounts"), inside.get("children")
    children = [
        _node(arn.rsplit("/", 1)[-1], {}, parts, origin.child("accounts"), reading)
        for arn in (listed if isinstance(listed, list) else ())
        if isinstance(arn, str)
    ]
    for key, below in nested.items() if isinstance(nested, dict) else ():
        children.append(_node(key, below, parts, origin.child("children", key), reading))
    found = _attached(id, parts, reading)
    return node((id, node_arn(parts.common, id)), parts.names.get(id, ""), found, tuple(children), origin)


def _attached(id: str, parts: _Parts, reading: Reading) -> dict[PolicyKind, list[Policy]]:  # noqa: A002
    """The SCPs and RCPs attached to the node `id`."""
    row = parts.attached.get(id)
    place = (parts.accounts if id.isdigit() else parts.ous).child(id)
    found: dict[PolicyKind, list[Policy]] = {PolicyKind.SCP: [], PolicyKind.RCP: []}
    for member, kind in (("scps", PolicyKind.SCP), ("rcps", PolicyKind.RCP)):
        arns = row.get(member) if isinstance(row, dict) else None
        for arn in arns if isinstance(arns, list) else ():
            if not isinstance(arn, str):
                shape(place.child(member), "an attached policy is not an ARN", reading)
                continue
            name, content, here = parts.policies.get(arn, (arn.rsplit("/", 1)[-1], None, place.child(member)))
            found[kind].append(org_policy(kind, (name, arn), content, here, reading))
    return found


def _mark_organization_files(folders: Folders, used: set[str]) -> None:
    """Marks the files that only name things: the account's organization, policies and units of an organization."""
    for path, folder in folders.items():
        parts = path.split("/")
        plain = parts[0] == "organizations" and len(parts) == 4 and parts[2] in ("scps", "rcps", "ous")
        for name, (value, origin) in folder.items():
            if plain and name in ("metadata.json", "policy.json"):
                used.add(origin.source)
            if parts[0] == "accounts" and len(parts) == 2 and name == "organization.json" and isinstance(value, dict):
                used.add(origin.source)

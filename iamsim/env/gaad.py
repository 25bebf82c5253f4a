"""Output of `aws iam get-account-authorization-details` → records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from iamsim.diagnostics import Origin
from iamsim.env.plain import Pending, PendingPolicy, pending, plain_managed
from iamsim.env.records import (
    Identity,
    Managed,
    ManagedVersion,
    Page,
    Reading,
    Records,
    arn_of,
    member_of,
    objects,
    shape,
    size_warning,
    sized_policy_of,
    tags_in,
    text,
)
from iamsim.env.resources import client_ids
from iamsim.env.types import MissingPolicy, PrincipalKind, Provider
from iamsim.findings import printable
from iamsim.model.policy import Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS: dict[str, PrincipalKind | None] = {"User": PrincipalKind.USER, "Role": PrincipalKind.ROLE, "Group": None}
_PROVIDERS = {"OpenIDConnectProviders": "oidc-provider/", "SAMLProviders": "saml-provider/"}
_INLINE_LIMIT = {"User": 2048, "Group": 5120, "Role": 10240}


def read_gaad(value: dict[str, Any], origin: Origin, reading: Reading) -> Records:
    """The users, groups, roles and managed policies of one page of account details, and the identity providers that
    people add as `OpenIDConnectProviders` and `SAMLProviders`.

    Source: IAM API Reference, "GetAccountAuthorizationDetails".
    """
    later: list[Pending] = []
    identities = [
        found
        for what in _KINDS
        for record, here in _not_plain(value, what, origin, reading, later)
        if (found := read_identity(record, what, here, reading)) is not None
    ]
    policies_later: list[PendingPolicy] = []
    managed = [
        policy
        for record, here in _not_plain_policies(value, origin, reading, policies_later)
        if (policy := read_managed(record, here, reading)) is not None
    ]
    accounts = {i.account for i in identities} | {p.account for p in later}
    accounts |= {arn.split(":", 5)[4] for arn in (*(m.arn for m in managed), *(p.arn for p in policies_later))}
    accounts = {a for a in accounts if a.isdigit()}
    truncated = value.get("IsTruncated") in (True, "true")
    providers, complete = _providers(value, origin, reading)
    owners = accounts or {p.account for p in providers}
    return Records(
        identities=tuple(identities),
        pending=tuple(later),
        managed=tuple(managed),
        pending_managed=tuple(policies_later),
        pages=tuple(Page(account=a, truncated=truncated, origin=origin) for a in sorted(accounts or {""})),
        providers=tuple(providers),
        providers_known=tuple(owners) if complete and len(owners) == 1 else (),
        accounts=tuple(sorted(accounts)),
    )


def _providers(value: dict[str, Any], origin: Origin, reading: Reading) -> tuple[list[Provider], bool]:
    """The identity providers that a page lists, and whether they are all of them: both kinds, every entry readable.

    Source: IAM API Reference, "ListOpenIDConnectProviders", "ListSAMLProviders".
    """
    found: list[Provider] = []
    before = len(reading.out)
    for member, kind in _PROVIDERS.items():
        for item, here in objects(value, member, origin, reading):
            fields = arn_of(item, "Arn", here, reading)
            if fields is None:
                continue
            if fields[2] != "iam" or not fields[5].startswith(kind):
                shape(here.child("Arn"), f"`{printable(item['Arn'])}` is not the ARN of an identity provider", reading)
                continue
            found.append(Provider(arn=item["Arn"], account=fields[4], client_ids=client_ids(item), origin=here))
    listed = all(isinstance(value.get(member), list) for member in _PROVIDERS)
    return found, listed and len(reading.out) == before


def _not_plain(
    value: dict[str, Any], what: str, origin: Origin, reading: Reading, later: list[Pending]
) -> list[tuple[dict[str, Any], Origin]]:
    """The records of a kind that have to be read now, with their places; the others are added to `later`."""
    member = f"{what}DetailList"
    listed = value.get(member)
    if what == "Group" or type(listed) is not list or not all(type(item) is dict for item in listed):
        return objects(value, member, origin, reading)
    now: list[tuple[dict[str, Any], Origin]] = []
    source, base, known = origin.source, f"{origin.pointer}/{member}/", reading.known
    for i, record in enumerate(listed):
        pointer = base + str(i)
        found = pending(record, what, source, pointer, known)
        if found is None:
            now.append((record, Origin(source, pointer)))
        else:
            later.append(found)
    return now


def _not_plain_policies(
    value: dict[str, Any], origin: Origin, reading: Reading, later: list[PendingPolicy]
) -> list[tuple[dict[str, Any], Origin]]:
    """The managed policies that have to be read now, with their places; the others are added to `later`."""
    now: list[tuple[dict[str, Any], Origin]] = []
    for record, here in objects(value, "Policies", origin, reading):
        if plain_managed(record):
            later.append(PendingPolicy(record["Arn"], record, here.source, here.pointer))
        else:
            now.append((record, here))
    return now


def read_identity(record: dict[str, Any], what: str, origin: Origin, reading: Reading) -> Identity | None:
    """The user, role or group (`what` is what the API calls it) in `record`; None if it has no usable ARN."""
    fields = arn_of(record, "Arn", origin, reading)
    if fields is None:
        return None
    arn, account, is_role = record["Arn"], fields[4], what == "Role"
    if not (account.isdigit() and len(account) == 12 and fields[5].startswith(f"{what.lower()}/")):
        shape(origin.child("Arn"), f"`{printable(arn)}` is not the ARN of a {what.lower()}", reading)
        return None
    name = text(record, f"{what}Name") or fields[5].rsplit("/", 1)[1]
    boundary, last_used = record.get("PermissionsBoundary"), record.get("RoleLastUsed")
    before = len(reading.out)
    inline = _inline(record, what, origin, reading)
    attached = _arns(record, "AttachedManagedPolicies", "PolicyArn", origin, reading)
    groups = _groups(record.get("GroupList"), origin, reading) if what == "User" else ()
    if len(reading.out) > before and any(d.id == "input-shape" for d in reading.out[before:]):
        attached = (*attached, f"unreadable policies of {arn}")
    return Identity(
        arn=arn,
        kind=_KINDS[what],
        account=account,
        name=name,
        path=text(record, "Path") or "/",
        unique_id=text(record, f"{what}Id"),
        inline=inline,
        attached=attached,
        groups=groups,
        boundary=None if boundary is None else _boundary(boundary, origin, reading),
        trust=_trust(record, arn, name, origin, reading) if is_role else None,
        tags=tags_in(record, origin, reading),
        instance_profiles=_arns(record, "InstanceProfileList", "Arn", origin, reading) if is_role else (),
        last_used=text(last_used, "LastUsedDate") if isinstance(last_used, dict) else None,
        origin=origin,
    )


def _inline(record: dict[str, Any], what: str, origin: Origin, reading: Reading) -> tuple[Policy, ...]:
    items = objects(record, f"{what}PolicyList", origin, reading)
    return inline_policies(items, _INLINE_LIMIT[what], reading) if items else ()


def inline_policies(items: Iterable[tuple[dict[str, Any], Origin]], limit: int, reading: Reading) -> tuple[Policy, ...]:
    """The inline policies in objects of `PolicyName` and `PolicyDocument`, sorted by name."""
    found: list[Policy] = []
    documents: list[Any] = []
    about = 0
    for item, here in items:
        name = text(item, "PolicyName")
        if name is None:
            shape(here, "an inline policy has no `PolicyName`", reading)
        document, place = item.get("PolicyDocument"), member_of(here, "PolicyDocument")
        policy, size = sized_policy_of(reading, document, PolicyKind.IDENTITY, name or "", place)
        documents.append(document)
        found.append(policy)
        about += size
    if documents:
        what = "the sum of the inline policies"
        size_warning(documents, limit, what, found[0].origin, reading, about=about)
        found.sort(key=_name)
    return tuple(found)


def _name(policy: Policy) -> str:
    return policy.name


def _arns(record: dict[str, Any], member: str, name: str, origin: Origin, reading: Reading) -> tuple[str, ...]:
    """The ARNs in member `name` of the objects in the list `member`, sorted."""
    value = record.get(member)
    if value is None or value == []:
        return ()
    if isinstance(value, list):
        found = [a for item in value if isinstance(item, dict) and _is_iam_arn(a := item.get(name))]
        if len(found) == len(value):
            return (found[0],) if len(found) == 1 else tuple(sorted(set(found)))
    items = objects(record, member, origin, reading)
    return tuple(sorted({item[name] for item, here in items if arn_of(item, name, here, reading) is not None}))


def _is_iam_arn(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and value.startswith("arn:aws:iam:") and value.count(":") > 4


def _groups(value: Any, origin: Origin, reading: Reading) -> tuple[str, ...]:
    if value is None or value == []:
        return ()
    if not isinstance(value, list) or not all(isinstance(g, str) for g in value):
        shape(origin.child("GroupList"), "`GroupList` is not a list of names", reading)
        return ()
    return tuple(sorted(set(value)))


def _boundary(value: Any, origin: Origin, reading: Reading) -> str | None:
    here = origin.child("PermissionsBoundary")
    if not isinstance(value, dict):
        shape(here, "`PermissionsBoundary` is not an object", reading)
        return f"unreadable permissions boundary at {origin.pointer}"
    if arn_of(value, "PermissionsBoundaryArn", here, reading) is None:
        return f"unreadable permissions boundary at {origin.pointer}"
    return str(value["PermissionsBoundaryArn"])


def _trust(record: dict[str, Any], arn: str, name: str, origin: Origin, reading: Reading) -> Policy | MissingPolicy:
    document = record.get("AssumeRolePolicyDocument")
    if document is None:
        shape(origin, f"role `{printable(name)}` has no `AssumeRolePolicyDocument`", reading)
        return MissingPolicy(f"trust policy of {arn}", origin)
    here = member_of(origin, "AssumeRolePolicyDocument")
    policy, size = sized_policy_of(reading, document, PolicyKind.TRUST, name, here, arn=arn)
    if 2 * size > 4096:
        size_warning([document], 4096, f"the trust policy of `{printable(name)}`", here, reading, about=size)
    return policy


def read_managed(record: dict[str, Any], origin: Origin, reading: Reading) -> Managed | None:
    """The managed policy in `record`; None if it has no usable ARN or no document in force."""
    fields = arn_of(record, "Arn", origin, reading)
    if fields is None:
        return None
    listed = objects(record, "PolicyVersionList", origin, reading)
    version = _default_version(record, listed, origin, reading)
    if version is None:
        return None
    document, here = version
    name = text(record, "PolicyName") or fields[5].rsplit("/", 1)[-1]
    several = len(record["PolicyVersionList"]) > 1
    versions = _versions(record, listed, here, origin, reading) if several else ()
    return managed_policy_record(record["Arn"], name, document, here, reading, versions=versions)


def managed_policy_record(
    arn: str,
    name: str,
    document: Any,
    origin: Origin,
    reading: Reading,
    *,
    versions: tuple[ManagedVersion, ...] | None = None,
) -> Managed:
    """The record of a managed policy with the `document` that is in force, and its stored `versions`."""
    policy, size = sized_policy_of(reading, document, PolicyKind.IDENTITY, name, origin, arn=arn)
    if ":iam::aws:" not in arn:
        size_warning([document], 6144, f"the policy `{printable(name)}`", origin, reading, about=size)
    return Managed(arn=arn, policy=policy, document=document, versions=versions, origin=origin)


def _versions(
    record: dict[str, Any],
    listed: list[tuple[dict[str, Any], Origin]],
    default: Origin,
    origin: Origin,
    reading: Reading,
) -> tuple[ManagedVersion, ...] | None:
    """All stored versions, that of the document at `default` in force; None if they cannot be told apart.

    Source: IAM API Reference, "PolicyVersion".
    """
    found = [
        ManagedVersion(id=name, default=place == default, document=version.get("Document"), origin=place)
        for version, here in listed
        if (name := text(version, "VersionId")) and (place := member_of(here, "Document"))
    ]
    if len({v.id for v in found}) < len(record["PolicyVersionList"]):
        shape(
            origin.child("PolicyVersionList"),
            "a policy has versions without `VersionId`, or two with the same",
            reading,
        )
        return None
    return tuple(sorted(found, key=lambda v: v.id))


def _default_version(
    record: dict[str, Any], listed: list[tuple[dict[str, Any], Origin]], origin: Origin, reading: Reading
) -> tuple[Any, Origin] | None:
    """The document in force: that of the default version."""
    if record.get("PolicyVersionList") is None:
        return None
    wanted = record.get("DefaultVersionId")
    default = [v for v in listed if v[0].get("IsDefaultVersion") is True]
    default = default or [v for v in listed if wanted is not None and v[0].get("VersionId") == wanted]
    if len(default) != 1 or "Document" not in default[0][0]:
        shape(origin.child("PolicyVersionList"), "no single default version has a `Document`", reading)
        return None
    return default[0][0]["Document"], member_of(default[0][1], "Document")

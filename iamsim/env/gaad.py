"""Output of `aws iam get-account-authorization-details` → records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.env.records import (
    Identity,
    Managed,
    Page,
    Reading,
    Records,
    arn_of,
    objects,
    policy_of,
    shape,
    size_warning,
    tags_of,
    text,
)
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.findings import printable
from iamsim.model.policy import Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.diagnostics import Origin

_KINDS: dict[str, PrincipalKind | None] = {"User": PrincipalKind.USER, "Role": PrincipalKind.ROLE, "Group": None}
_INLINE_LIMIT = {"User": 2048, "Group": 5120, "Role": 10240}


def read_gaad(value: dict[str, Any], origin: Origin, reading: Reading) -> Records:
    """The users, groups, roles and managed policies of one page of account details.

    Source: IAM API Reference, "GetAccountAuthorizationDetails".
    """
    identities: list[Identity] = []
    for what in _KINDS:
        member = f"{what}DetailList"
        for record, here in objects(value, member, origin, reading):
            found = _identity(record, what, here, reading)
            if found is not None:
                identities.append(found)
    managed = [
        policy
        for record, here in objects(value, "Policies", origin, reading)
        if (policy := _managed(record, here, reading)) is not None
    ]
    accounts = {i.account for i in identities} | {m.arn.split(":", 5)[4] for m in managed}
    accounts = {a for a in accounts if a.isdigit()}
    truncated = value.get("IsTruncated") in (True, "true")
    return Records(
        identities=tuple(identities),
        managed=tuple(managed),
        pages=tuple(Page(account=a, truncated=truncated, origin=origin) for a in sorted(accounts or {""})),
        accounts=tuple(sorted(accounts)),
    )


def _identity(record: dict[str, Any], what: str, origin: Origin, reading: Reading) -> Identity | None:
    fields = arn_of(record, "Arn", origin, reading)
    if fields is None:
        return None
    arn, account = record["Arn"], fields[4]
    if not (account.isdigit() and len(account) == 12 and fields[5].startswith(f"{what.lower()}/")):
        shape(origin.child("Arn"), f"`{printable(arn)}` is not the ARN of a {what.lower()}", reading)
        return None
    name = text(record, f"{what}Name") or fields[5].rsplit("/", 1)[1]
    boundary = record.get("PermissionsBoundary")
    before = len(reading.out)
    inline = _inline(record, what, origin, reading)
    attached = _arns(record, "AttachedManagedPolicies", "PolicyArn", origin, reading)
    groups = _groups(record.get("GroupList"), origin, reading) if what == "User" else ()
    if any(d.id == "input-shape" for d in reading.out[before:]):
        attached = (*attached, f"unreadable policies of {arn}")
    last_used = record.get("RoleLastUsed")
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
        trust=_trust(record, arn, name, origin, reading) if what == "Role" else None,
        tags=tags_of(record["Tags"], origin.child("Tags"), reading) if "Tags" in record else (),
        instance_profiles=_arns(record, "InstanceProfileList", "Arn", origin, reading) if what == "Role" else (),
        last_used=text(last_used, "LastUsedDate") if isinstance(last_used, dict) else None,
        origin=origin,
    )


def _inline(record: dict[str, Any], what: str, origin: Origin, reading: Reading) -> tuple[Policy, ...]:
    member = f"{what}PolicyList"
    items = list(objects(record, member, origin, reading))
    return inline_policies(items, _INLINE_LIMIT[what], reading) if items else ()


def inline_policies(items: Iterable[tuple[dict[str, Any], Origin]], limit: int, reading: Reading) -> tuple[Policy, ...]:
    """The inline policies in objects of `PolicyName` and `PolicyDocument`, sorted by name."""
    found: list[Policy] = []
    documents: list[Any] = []
    for item, here in items:
        name = text(item, "PolicyName")
        if name is None:
            shape(here, "an inline policy has no `PolicyName`", reading)
        document = item.get("PolicyDocument")
        documents.append(document)
        found.append(policy_of(reading, document, PolicyKind.IDENTITY, name or "", here.child("PolicyDocument")))
    if documents:
        size_warning(documents, limit, "the sum of the inline policies", found[0].origin, reading)
        found.sort(key=lambda p: p.name)
    return tuple(found)


def _arns(record: dict[str, Any], member: str, name: str, origin: Origin, reading: Reading) -> tuple[str, ...]:
    """The ARNs in member `name` of the objects in the list `member`, sorted."""
    if not record.get(member) and record.get(member, []) == []:
        return ()
    items = objects(record, member, origin, reading)
    return tuple(sorted({item[name] for item, here in items if arn_of(item, name, here, reading) is not None}))


def _groups(value: Any, origin: Origin, reading: Reading) -> tuple[str, ...]:
    if value is None:
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
    here = origin.child("AssumeRolePolicyDocument")
    size_warning([document], 4096, f"the trust policy of `{printable(name)}`", here, reading)
    return policy_of(reading, document, PolicyKind.TRUST, name, here, arn=arn)


def _managed(record: dict[str, Any], origin: Origin, reading: Reading) -> Managed | None:
    fields = arn_of(record, "Arn", origin, reading)
    if fields is None:
        return None
    version = _default_version(record, origin, reading)
    if version is None:
        return None
    document, here = version
    return managed_policy_record(
        record["Arn"], text(record, "PolicyName") or fields[5].rsplit("/", 1)[-1], document, here, reading
    )


def managed_policy_record(arn: str, name: str, document: Any, origin: Origin, reading: Reading) -> Managed:
    """The record of a managed policy with the `document` that is in force."""
    if ":iam::aws:" not in arn:
        size_warning([document], 6144, f"the policy `{printable(name)}`", origin, reading)
    policy = policy_of(reading, document, PolicyKind.IDENTITY, name, origin, arn=arn)
    return Managed(arn=arn, policy=policy, document=document, origin=origin)


def _default_version(record: dict[str, Any], origin: Origin, reading: Reading) -> tuple[Any, Origin] | None:
    """The document in force: that of the default version."""
    versions = record.get("PolicyVersionList")
    if versions is None:
        return None
    here = origin.child("PolicyVersionList")
    wanted = record.get("DefaultVersionId")
    listed = list(objects(record, "PolicyVersionList", origin, reading))
    default = [v for v in listed if v[0].get("IsDefaultVersion") is True]
    default = default or [v for v in listed if wanted is not None and v[0].get("VersionId") == wanted]
    if len(default) != 1 or "Document" not in default[0][0]:
        shape(here, "no single default version has a `Document`", reading)
        return None
    return default[0][0]["Document"], default[0][1].child("Document")

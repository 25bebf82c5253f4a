"""Managed policies by ARN, as identity policies and as permissions boundaries, and their stored versions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.diagnostics import Origin
from iamsim.env.memo import once
from iamsim.env.merge import conflict
from iamsim.env.records import ManagedVersion, Reading, policy_of
from iamsim.env.types import MissingPolicy, StoredVersion
from iamsim.findings import diagnostic, printable
from iamsim.model.policy import Malformed, Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iamsim.diagnostics import Diagnostic
    from iamsim.env.records import Managed
    from iamsim.env.types import Environment, Principal

_NUMBER = re.compile(r"v([0-9]{1,9})(?:\..*)?", re.DOTALL)


def managed_policy_of(env: Environment, arn: str) -> Policy | MissingPolicy:
    """The managed policy `arn` in force as an identity policy: of the inputs, else the packaged one of AWS, else missing.

    Source: IAM User Guide, "Managed policies and inline policies".
    """
    return env.managed_policies.get(arn) or once(env.memo, ("managed", arn), _packaged, arn)


def as_boundary(env: Environment, arn: str) -> Policy | MissingPolicy:
    """The managed policy `arn` in force as a permissions boundary.

    Source: IAM User Guide, "Permissions boundaries for IAM entities".
    """

    def made() -> Policy | MissingPolicy:
        policy = managed_policy_of(env, arn)
        return boundary_of(policy) if isinstance(policy, Policy) else policy

    return once(env.memo, ("as-boundary", arn), made)


def in_account(env: Environment, own: Principal, account: str, id_: str) -> Principal:
    """The role that stands for the same permission set in another account: its customer managed policies are those of that account.

    Source: IAM Identity Center User Guide, "Use IAM policies in permission sets".
    """

    def there(arn: str) -> str:
        return arn.replace(f":iam::{own.account}:", f":iam::{account}:")

    policies = tuple(managed_policy_of(env, there(p.arn)) if p.arn is not None else p for p in own.policies)
    boundary = (
        as_boundary(env, there(own.boundary.arn)) if own.boundary is not None and own.boundary.arn else own.boundary
    )
    return replace(own, account=account, unique_id=id_, policies=policies, boundary=boundary)


def boundary_of(policy: Policy) -> Policy:
    """The identity policy `policy` read as a permissions boundary; it also serves a stored version."""
    if policy.malformed is not None:
        return replace(policy, kind=PolicyKind.BOUNDARY)
    return policy_of(Reading(), policy.document, PolicyKind.BOUNDARY, policy.name, policy.origin, arn=policy.arn)


def version_of(env: Environment, arn: str, version: str, *, boundary: bool = False) -> Policy | MissingPolicy:
    """The stored version of that id of the customer managed policy `arn`, as an identity policy or as a permissions
    boundary; missing if no input holds it.
    """
    found = next((v.policy for v in env.versions.get(arn, ()) if v.id == version), None)
    if found is None:
        return MissingPolicy(f"version {version} of {arn}", Origin(""))
    if not boundary:
        return found
    return once(env.memo, ("as-boundary", arn, version), boundary_of, found)


def _packaged(arn: str) -> Policy | MissingPolicy:
    from iamsim.aws.managed import managed_policy

    packaged = managed_policy(arn)
    if packaged is None:
        return MissingPolicy(arn, Origin(""))
    document, name = packaged
    return policy_of(Reading(), document, PolicyKind.IDENTITY, name, Origin(arn), arn=arn)


def merged_versions(records: Sequence[Managed], out: list[Diagnostic]) -> tuple[ManagedVersion, ...] | None:
    """The stored versions of one managed policy from its records, `()` if there is only one, None if no input lists
    them; a version that the inputs tell differently has no document.
    """
    telling = [r for r in records if r.versions is not None]
    lists = [r.versions or () for r in telling]
    if not telling:
        return None
    if all(found == lists[0] for found in lists):
        return lists[0]
    conflict(f"the stored versions of `{printable(records[0].arn)}`", telling, out)
    merged: list[ManagedVersion] = []
    for id_ in sorted({v.id for found in lists for v in found}):
        same = sorted((v for found in lists for v in found if v.id == id_), key=lambda v: str(v.origin))
        first = same[0]
        default = all(v.default for v in same)
        agreed = all(v.document == first.document for v in same) and (default or len(same) == len(lists))
        merged.append(replace(first, default=default, document=first.document if agreed else None))
    return tuple(merged)


def stored_versions(
    records: Sequence[Managed], current: Policy | MissingPolicy, reading: Reading, out: list[Diagnostic]
) -> tuple[StoredVersion, ...] | None:
    """Every version of one customer managed policy in the order of their numbers, `()` if there is only the one in
    force, None if no input lists them; `current` is the policy in force.

    Source: IAM User Guide, "Versioning IAM policies".
    """
    versions = merged_versions(records, out)
    if not versions:
        return versions if versions is None else ()
    name = records[0].policy.name
    return tuple(_stored(v, records[0].arn, name, current, reading) for v in sorted(versions, key=_number))


def _stored(
    version: ManagedVersion, arn: str, name: str, current: Policy | MissingPolicy, reading: Reading
) -> StoredVersion:
    if version.default and isinstance(current, Policy):
        return StoredVersion(version.id, True, current)
    if version.document is not None:
        policy = policy_of(reading, version.document, PolicyKind.IDENTITY, name, version.origin, arn=arn)
        return StoredVersion(version.id, version.default, policy)
    message = f"no single document is known of version `{printable(version.id)}` of the policy `{printable(name)}`"
    reading.out.append(diagnostic("policy-missing", version.origin, message))
    unknown = Policy(
        kind=PolicyKind.IDENTITY,
        name=name,
        arn=arn,
        version="2012-10-17",
        statements=(),
        malformed=Malformed(message),
        origin=version.origin,
    )
    return StoredVersion(version.id, version.default, unknown)


def _number(version: ManagedVersion) -> tuple[int, str]:
    m = _NUMBER.fullmatch(version.id)
    return (int(m[1]) if m else 0), version.id

"""What is larger or more than AWS's quotas: each with the number that was counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.check.model import Found
from iamsim.check.policies import held
from iamsim.env.types import PrincipalKind
from iamsim.findings import printable
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import document_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment

_IAM = 'IAM User Guide, "IAM and AWS STS quotas"'
_ORGANIZATIONS = 'AWS Organizations User Guide, "Quotas and service limits for AWS Organizations"'


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `default` of something; AWS raises it up to `highest` on request (the same: never)."""

    what: str
    default: int
    highest: int
    source: str


QUOTAS = {
    "policies-user": Quota("managed policies attached to a user", 10, 20, _IAM),
    "policies-role": Quota("managed policies attached to a role", 10, 25, _IAM),
    "policies-group": Quota("managed policies attached to a group", 10, 10, _IAM),
    "groups-user": Quota("groups of a user", 10, 10, _IAM),
    "versions": Quota("stored versions of a managed policy", 5, 5, _IAM),
    "tags": Quota("tags of a user or role", 50, 50, _IAM),
    "trust": Quota("characters of a trust policy", 2048, 8192, _IAM),
    "scps": Quota("SCPs attached to one root, unit or account", 5, 10, _ORGANIZATIONS),
    "rcps": Quota("RCPs attached to one root, unit or account", 5, 5, _ORGANIZATIONS),
}
"""Sizes of identity and resource policies are remarked on when they are read (`policy-size`)."""


def find(env: Environment) -> Iterator[Found]:
    """What exceeds a quota. A number above the default but not above the highest may have been granted, and is said to be."""
    for p in env.principals.values():
        kind = "user" if p.kind is PrincipalKind.USER else "role"
        attached = [q for q in p.policies if q.arn]
        yield from _over(f"policies-{kind}", len(attached), p.arn, p.origin)
        yield from _over("tags", len(p.tags), p.arn, p.origin)
        if p.kind is PrincipalKind.USER:
            yield from _over("groups-user", len(p.groups), p.arn, p.origin)
    for arn, group in env.groups.items():
        yield from _over("policies-group", sum(bool(q.arn) for q in group.policies), arn, group.origin)
    for arn, versions in env.versions.items():
        yield from _over("versions", len(versions), arn, versions[0].policy.origin)
    for entry in held(env):
        if entry.policy.kind is PolicyKind.TRUST and entry.policy.document is not None:
            size = document_size(entry.policy.document)
            yield from _over("trust", size, entry.subjects[0], entry.policy.origin)
    for organization in env.organizations:
        todo = [organization.root]
        while todo:
            node = todo.pop()
            todo += node.children
            yield from _over("scps", len(node.scps), node.arn or node.id, node.origin)
            yield from _over("rcps", len(node.rcps), node.arn or node.id, node.origin)


def _over(name: str, count: int, subject: str, origin: object) -> Iterator[Found]:
    quota = QUOTAS[name]
    if count <= quota.default:
        return
    granted = quota.default < count <= quota.highest
    limit = f"AWS's quota is {quota.default}" + (
        f", on request {quota.highest}" if quota.highest > quota.default else ""
    )
    yield Found(
        id="quota",
        message=f"{printable(subject)} has {count} {quota.what}",
        origin=origin,  # type: ignore[arg-type]
        subjects=(subject,),
        proof=(f"{limit} ({quota.source})", *(("the quota must have been raised",) if granted else ())),
    )

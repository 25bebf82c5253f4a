"""Environments without some of their statements and attachments: what remains possible if these are taken away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iamsim.env.amend import rewritten
from iamsim.env.hits import label_of
from iamsim.env.types import MissingPolicy
from iamsim.model.policy import Policy
from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iamsim.diagnostics import Origin
    from iamsim.env.types import Environment, Group, Principal


@dataclass(frozen=True, slots=True)
class Attachment:
    """That a managed policy is attached to a user, role or group: the ARNs of both."""

    who: str
    policy: str


def without(env: Environment, statements: Iterable[Origin], attachments: Iterable[Attachment] = ()) -> Environment:
    """`env` without the statements at these places, wherever their documents are used, and without these attachments.

    In the place of a statement stands one that says nothing, so that the others keep their places.
    """
    places = frozenset(statements)
    gone = frozenset(attachments)
    sources = {p.source for p in places}
    made = rewritten(env, lambda policy: _less(policy, places) if policy.origin.source in sources else policy) or env
    if not gone:
        return made
    principals = {a: replace(p, policies=_left(p, gone)) for a, p in made.principals.items()}
    groups = {a: replace(g, policies=_left(g, gone)) for a, g in made.groups.items()}
    return replace(made, principals=MappingProxyType(principals), groups=MappingProxyType(groups), memo={})


def _left(carrier: Principal | Group, gone: frozenset[Attachment]) -> tuple[Policy | MissingPolicy, ...]:
    return tuple(p for p in carrier.policies if p.arn is None or Attachment(carrier.arn, p.arn) not in gone)


def _less(policy: Policy, places: frozenset[Origin]) -> Policy:
    gone = {s.index for s in policy.statements if label_of(policy, s).origin in places}
    if not gone or not isinstance(policy.document, dict):
        return policy
    raw = policy.document.get("Statement", [])
    kept = [_nothing(s) if i in gone else s for i, s in enumerate(raw)] if isinstance(raw, list) else _nothing(raw)
    document = {**policy.document, "Statement": kept}
    return read_policy(document, policy.kind, policy.name, policy.origin, arn=policy.arn)[0]


def _nothing(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement that denies what does not exist, to whom and on what the given one speaks of."""
    head = {k: v for k, v in statement.items() if k in ("Sid", "Principal", "NotPrincipal", "Resource", "NotResource")}
    return {"Effect": "Deny", "Action": "none:Nothing", **head}


def documents(env: Environment) -> Iterable[tuple[Policy, str]]:
    """The grants of the environment, each with the ARN of who has it: identity policies, trust and resource policies."""
    for principal in env.principals.values():
        for policy in (*principal.policies, principal.trust):
            if policy is not None and not isinstance(policy, MissingPolicy):
                yield policy, principal.arn
    for group in env.groups.values():
        yield from ((p, group.arn) for p in group.policies if isinstance(p, Policy))
    for resource in env.resources.values():
        if isinstance(resource.policy, Policy):
            yield resource.policy, resource.arn
    for managed in env.managed_policies.values():
        yield managed, managed.arn or ""

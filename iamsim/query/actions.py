"""Which of many actions are worth a check: those of which some Allow statement speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.facts import principal_at
from iamsim.env.types import MissingPolicy
from iamsim.model.caller import CallerKind
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.env.types import Environment
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy, Statement

_FEW = 40


def possible_actions(env: Environment, caller: Caller, actions: tuple[str, ...]) -> tuple[str, ...]:
    """The actions of `actions` that some Allow of the caller's identity policies or of a resource policy may grant.

    A superset, and at least one: the first stands for all that nothing grants. Few actions are returned as they are.
    """
    if len(actions) <= _FEW or caller.kind is CallerKind.ROOT:
        return actions
    arn = caller.parent if caller.kind is CallerKind.FEDERATED_USER else caller.arn
    principal = principal_at(env, arn) if arn else None
    if caller.kind in (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.FEDERATED_USER) and principal is None:
        return actions
    from iamsim.aws.universe import universe

    policies: list[Policy | MissingPolicy | None] = list(principal.policies) if principal is not None else []
    for name in principal.groups if principal is not None else ():
        group = env.groups.get(name)
        policies += group.policies if group is not None else (MissingPolicy(name, principal.origin),)  # type: ignore[union-attr]
    policies += [r.policy for r in env.resources.values()]
    policies += [p.trust for p in env.principals.values()]
    bits = _granted(policies)
    names = universe().lower
    kept = tuple(a for a in actions if bits >> _index(names, a.lower()) & 1)
    return kept or actions[:1]


def _index(names: tuple[str, ...], action: str) -> int:
    from bisect import bisect_left

    return bisect_left(names, action)


def _granted(policies: Iterable[Policy | MissingPolicy | None]) -> int:
    """The known actions of which an Allow speaks, as a bit set; all of them where a document cannot be read."""
    from iamsim.aws.universe import universe

    every = universe().all
    bits = 0
    seen: set[int] = set()
    for policy in policies:
        if policy is None or id(policy.statements if not isinstance(policy, MissingPolicy) else policy) in seen:
            continue
        if isinstance(policy, MissingPolicy) or policy.malformed is not None:
            return every
        seen.add(id(policy.statements))
        for statement in policy.statements:
            if statement.effect is not Effect.DENY:
                bits |= _bits(statement, every)
    return bits


def _bits(statement: Statement, every: int) -> int:
    from iamsim.aws.universe import bits_of

    if statement.malformed is not None or statement.action is None:
        return every
    bits = 0
    for p in statement.action.patterns:
        if isinstance(p, Malformed):
            return every
        bits |= every if p.text == "*" else bits_of(p.text.lower())
    return every & ~bits if statement.action.negated else bits

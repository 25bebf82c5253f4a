"""Of which actions statements speak, and the Allow statements of a set of policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.types import MissingPolicy
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.model.policy import Policy, Statement


def granted_actions(policies: Iterable[Policy | MissingPolicy | None]) -> int:
    """The known actions of which an Allow speaks, as a set of `aws.universe`; all of them where a document cannot be read."""
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
                bits |= statement_bits(statement)
    return bits


def has_action(bits: int, action: str) -> bool:
    """True iff the set holds `action` (in lower case), or the action is not among the known ones."""
    from bisect import bisect_left

    from iamsim.aws.universe import universe

    names = universe().lower
    at = bisect_left(names, action)
    return at == len(names) or names[at] != action or bool(bits >> at & 1)


def statement_bits(statement: Statement) -> int:
    """The known actions of which a statement speaks, or may speak, as a set of `aws.universe`."""
    from iamsim.aws.universe import bits_of, universe

    every = universe().all
    if statement.malformed is not None or statement.action is None:
        return every
    bits = 0
    for p in statement.action.patterns:
        if isinstance(p, Malformed):
            return every
        bits |= every if p.text == "*" else bits_of(p.text.lower())
    return every & ~bits if statement.action.negated else bits

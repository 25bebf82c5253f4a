"""Which actions of the catalogue some Allow statement of a principal's policies speaks of."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.model.pattern import match, tokenize
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.aws.escalations import Catalogue
    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy, Statement

Actions = frozenset[str]


def actions_of(env: Environment, catalogue: Catalogue) -> Actions:
    """The actions that techniques call, in lower case, worked out once."""

    def made() -> tuple[Actions, Catalogue]:
        every = (*catalogue.techniques.values(), *catalogue.primitives.values())
        return frozenset(c.action.lower() for t in every for v in t.variants for c in v.calls), catalogue

    return once(env.memo, (id(catalogue), "actions"), made)[0]


@lru_cache(maxsize=65536)
def matching(pattern: str, actions: Actions) -> Actions:
    """The actions that a pattern in lower case fits."""
    if "*" not in pattern and "?" not in pattern:
        return actions & {pattern}
    tokens = tokenize(pattern, variables=False)
    return frozenset(a for a in actions if match(tokens, a))


@lru_cache(maxsize=4096)
def one(actions: Actions) -> Actions:
    """The same set for equal ones: most policies, users and roles of an organization allow what some other allows."""
    return actions


def permitted(env: Environment, policies: Iterable[Policy | MissingPolicy], actions: Actions) -> Actions:
    """The actions of `actions` that some Allow of the policies may grant; all of them where a document cannot be read."""
    out: set[str] = set()
    for policy in policies:
        if isinstance(policy, MissingPolicy) or policy.malformed is not None:
            return actions
        key = (id(policy.statements), "permits", id(actions))
        out |= once(env.memo, key, _granted, policy.statements, actions)[0]
    return frozenset(out)


def not_refused(policy: Policy, actions: Actions) -> Actions:
    """The actions of `actions` that no Deny of the policy refuses on everything and in every context."""
    out = actions
    for s in policy.statements:
        if s.effect is Effect.DENY and s.malformed is None and not s.conditions and _everywhere(s):
            out -= _of(s, actions)
    return out


def _everywhere(statement: Statement) -> bool:
    """Whether a statement is about all resources, and nothing of its actions is unreadable."""
    if statement.action is None or any(isinstance(p, Malformed) for p in statement.action.patterns):
        return False
    on = statement.resource
    return on is not None and not on.negated and any(getattr(p, "text", "") == "*" for p in on.patterns)


def _granted(statements: tuple[Statement, ...], actions: Actions) -> tuple[Actions, tuple[Statement, ...], Actions]:
    """What the Allows may grant, with all whose ids are in the key."""
    speaks = (_of(s, actions) for s in statements if s.effect is not Effect.DENY)
    return one(frozenset[str]().union(*speaks)), statements, actions


def _of(statement: Statement, actions: Actions) -> Actions:
    if statement.malformed is not None or statement.action is None:
        return actions
    found: set[str] = set()
    for p in statement.action.patterns:
        if isinstance(p, Malformed):
            return actions
        found |= actions if p.text == "*" else matching(p.text.lower(), actions)
    return actions - found if statement.action.negated else frozenset(found)

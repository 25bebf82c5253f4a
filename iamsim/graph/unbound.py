"""Users and roles that nothing of their own binds: as they are, and after changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind, denies
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.env.versions import managed_policy_of
from iamsim.graph.names import of_account
from iamsim.graph.sessions import possible, possible_when_written
from iamsim.graph.world import Node
from iamsim.judge.callers import caller_of
from iamsim.model.pattern import Pattern
from iamsim.model.policy import Effect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.env.types import Environment
    from iamsim.model.policy import Match, Policy


def administrators(env: Environment, account: str | None) -> Mapping[str, None]:
    """The users and roles of an account that nothing of their own binds as they are, users first, in order of ARN."""

    def made() -> Mapping[str, None]:
        every = [a for k in PrincipalKind for a in sorted(of_account(env, k, account))]
        return dict.fromkeys(a for a in every if unbound(env, a, frozenset()))

    return once(env.memo, ("administrators", account), made)


def node_in(env: Environment, arn: str) -> Node:
    """The node of a user, or of any session of a role, as the environment has it."""
    principal = env.principals[arn]
    if principal.kind is PrincipalKind.USER:
        return Node(arn, caller_of(env, principal), made=False)
    return Node(arn, possible(env, principal))


def anyhow(env: Environment, arn: str) -> Node:
    """As `node_in`, with tags of choice, and for a role with sessions that its trust policy may come to let in."""
    principal, node = env.principals[arn], node_in(env, arn)
    caller = node.caller if principal.kind is PrincipalKind.USER else possible_when_written(env, principal)
    return replace(node, caller=replace(caller, open_tags=True, stated_tags=True))


def most_of(env: Environment, arn: str) -> frozenset[Change]:
    """Changes after which nothing of its own binds the user or role any more."""
    principal = env.principals.get(arn)
    out = {Change(Kind.WRITES, arn)}
    if principal is None:
        return frozenset(out)
    out.add(Change(Kind.BOUNDARY, arn))
    out |= {Change(Kind.DROPS, arn, p.arn) for p in principal.policies if p.arn and denies(p)}
    out |= {Change(Kind.LEAVES, arn, g) for g in principal.groups}
    return frozenset(out)


def unbound(env: Environment, arn: str, changes: frozenset[Change]) -> bool:
    """True iff nothing but SCPs, RCPs and resource policies keeps the user or role from doing whatever it likes.

    It is allowed everything without condition, and no boundary and no deny of its own or of a group remains.
    """
    principal = env.principals.get(arn)
    if principal is None:
        return False
    made = _made(changes)
    boundary = principal.boundary
    if boundary is not None and arn not in made.lifted and not (boundary.arn and boundary.arn in made.rewritten):
        return False
    written = arn in made.written
    policies = [p for p in principal.policies if not (written and p.arn is None)]
    policies += [managed_policy_of(env, p) for w in (arn, *principal.groups) for p in made.gained.get(w, ())]
    for name in principal.groups:
        group = env.groups.get(name)
        if group is None:
            return False
        policies += [p for p in group.policies if not (name in made.written and p.arn is None)]
    if any(p.arn not in made.rewritten and denies(p) for p in policies):
        return False
    if written or any(n in made.written for n in principal.groups):
        return True
    return any(p.arn in made.rewritten or _all(p) for p in policies)


@dataclass(frozen=True, slots=True)
class _Made:
    """Changes by kind: who was written or lost its boundary, which policies were rewritten, and who gained which."""

    written: frozenset[str]
    lifted: frozenset[str]
    rewritten: frozenset[str]
    gained: Mapping[str, tuple[str, ...]]


@lru_cache(maxsize=256)
def _made(changes: frozenset[Change]) -> _Made:
    gained: dict[str, tuple[str, ...]] = {}
    for c in sorted(c for c in changes if c.kind is Kind.GAINS):
        gained[c.who] = (*gained.get(c.who, ()), c.what)
    return _Made(
        frozenset(c.who for c in changes if c.kind is Kind.WRITES),
        frozenset(c.who for c in changes if c.kind is Kind.BOUNDARY and not c.what),
        frozenset(
            c.who for c in changes if c.kind is Kind.REWRITES or (c.kind is Kind.CREATED and ":policy/" in c.who)
        ),
        gained,
    )


def _all(policy: Policy | MissingPolicy) -> bool:
    """Whether the policy allows everything without condition."""
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return False
    return any(
        s.effect is Effect.ALLOW and s.malformed is None and not s.conditions and _star(s.action) and _star(s.resource)
        for s in policy.statements
    )


def _star(match: Match | None) -> bool:
    return (
        match is not None
        and not match.negated
        and any(isinstance(p, Pattern) and p.text == "*" for p in match.patterns)
    )

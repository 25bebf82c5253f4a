"""Every policy that was read, once, with those who hold it; and how findings speak of statements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.universe import bits_of, universe
from iamsim.env.hits import label_of
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.model.pattern import plain
from iamsim.model.policy import Malformed, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.diagnostics import Origin
    from iamsim.env.types import Environment, OrgNode, Principal
    from iamsim.model.pattern import Pattern
    from iamsim.model.policy import Match, Policy, Statement

GRANTING = (PolicyKind.IDENTITY, PolicyKind.RESOURCE, PolicyKind.TRUST)


@dataclass(frozen=True, slots=True)
class Held:
    """A policy, what to call it (its ARN, else that of what it is part of), and the users and roles that it speaks for."""

    policy: Policy
    subjects: tuple[str, ...]
    holders: tuple[Principal, ...]

    @property
    def own(self) -> bool:
        """False iff AWS wrote the policy."""
        return ":aws:policy/" not in (self.policy.arn or "")


def held(env: Environment) -> tuple[Held, ...]:
    """The policies that were read whole, each once for its place and kind, in a fixed order. Made once per environment."""
    return once(env.memo, "held", _held, env)


def _held(env: Environment) -> tuple[Held, ...]:
    rows: dict[tuple[str, PolicyKind], tuple[Policy, dict[str, None], dict[str, Principal]]] = {}
    for policy, subject, holders in _all(env):
        if isinstance(policy, MissingPolicy) or policy.malformed is not None:
            continue
        row = rows.setdefault((str(policy.origin), policy.kind), (policy, {}, {}))
        row[1].setdefault(policy.arn or subject)
        row[2].update({p.arn: p for p in holders})
    for origin, kind in list(rows):
        # a managed policy that is a boundary is one policy, read twice
        if kind is PolicyKind.BOUNDARY and (origin, PolicyKind.IDENTITY) in rows:
            del rows[origin, kind]
    return tuple(
        Held(p, tuple(subjects), tuple(holders.values())) for _, (p, subjects, holders) in sorted(rows.items())
    )


_Row = tuple["Policy | MissingPolicy", str, "tuple[Principal, ...]"]


def _all(env: Environment) -> Iterator[_Row]:
    for p in env.principals.values():
        yield from ((policy, p.arn, (p,)) for policy in p.policies)
        yield from ((policy, p.arn, ()) for policy in (p.boundary, p.trust) if policy is not None)
    for arn, group in env.groups.items():
        members = tuple(p for p in env.principals.values() if arn in p.groups)
        yield from ((policy, arn, members) for policy in group.policies)
    for arn, resource in env.resources.items():
        if resource.policy is not None:
            yield resource.policy, arn, ()
    for organization in env.organizations:
        yield from _of_nodes(organization.root)
    for name, endpoint in env.endpoints.items():
        if endpoint.policy is not None:
            yield endpoint.policy, name, ()
    for arn, policy in env.managed_policies.items():
        if ":aws:policy/" not in arn:
            yield policy, arn, ()
    yield from ((policy, policy.name, ()) for policy in env.bare_policies)


def _of_nodes(root: OrgNode) -> Iterator[_Row]:
    todo = [root]
    while todo:
        node = todo.pop()
        yield from ((policy, node.arn or node.id, ()) for policy in (*node.scps, *node.rcps))
        todo += node.children


def place_of(held: Held, statement: Statement, *parts: object) -> Origin:
    """Where the statement stands; for a policy of AWS the first of those who hold it."""
    if held.own or not held.holders:
        origin = label_of(held.policy, statement).origin
        return (origin or held.policy.origin).child(*parts)
    return held.holders[0].origin


def title(policy: Policy, statement: Statement) -> str:
    """What to call a statement: its policy, and its Sid or number."""
    return label_of(policy, statement).text


def patterns(match: Match | None) -> tuple[tuple[int, Pattern], ...]:
    """The readable patterns of an element with their numbers; none where there is no element."""
    if match is None:
        return ()
    return tuple((i, p) for i, p in enumerate(match.patterns) if not isinstance(p, Malformed))


def element(name: str, match: Match, index: int) -> tuple[object, ...]:
    """The path below a statement to entry `index` of its element `name` (`Action`, `Resource`)."""
    whole = f"Not{name}" if match.negated else name
    return (whole, index) if len(match.patterns) > 1 else (whole,)


def unique(items: Iterable[str]) -> tuple[str, ...]:
    """The items in order, each once."""
    return tuple(dict.fromkeys(items))


@lru_cache(maxsize=65536)
def action_bits(match: Match | None) -> int:
    """The set of known actions that an action element names, with one bit more for all that are not known."""
    every = universe()
    unknown = 1 << len(every.names)
    if match is None:
        return every.all | unknown
    bits = 0
    for _, pattern in patterns(match):
        text = pattern.text.lower()
        bits |= every.all if text in ("*", "*:*") else bits_of(text)
        bits |= 0 if pattern == plain(pattern.text) else unknown
    return (every.all & ~bits) | unknown if match.negated else bits

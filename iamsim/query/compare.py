"""Is one policy narrower than another: does every request that A allows pass B as well? Known actions, then future ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info
from iamsim.aws.universe import Universe, bits_of, universe
from iamsim.ir.bounds import must
from iamsim.ir.lower import action_term, conditions_term, resource_term
from iamsim.ir.term import (
    FALSE,
    TRUE,
    Like,
    Opaque,
    Present,
    Term,
    all_of,
    any_of,
    has_opaque,
    malformed,
    named,
    not_,
    strip,
    variables,
)
from iamsim.judge.answer import Verdict
from iamsim.judge.axioms import hint_of, shapes
from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, plain
from iamsim.model.policy import Effect, PolicyKind
from iamsim.smt.types import Limits, Sat, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.model.pattern import Part
    from iamsim.model.policy import Condition, Match, Policy, Statement

__all__ = ["Comparison", "narrower", "narrower_in_future"]

Mask = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether A allows nothing that B does not. A NO has an action, and the keys under which A allows and B does not.

    `classes` is the number of classes of actions that had to be solved.
    """

    verdict: Verdict
    action: str | None = None
    assignment: Mapping[str, tuple[str, ...]] | None = None
    reason: str | None = None
    classes: int = 0


def narrower(a: Policy, b: Policy, limits: Limits | None = None) -> Comparison:
    """YES iff every request with a known action that policy `a` allows is one that `b` allows; else NO with a witness.

    Both are read as identity policies of a caller of whom nothing is known.
    """
    solved = 0
    doubt: str | None = None
    seen: dict[tuple[Mask, Mask, str], str | None] = {}
    for mask_a, bits_a in _classes(a):
        if not _allows(a, mask_a):
            continue
        for mask_b, bits_b in _classes(b):
            common = bits_a & bits_b
            if not common or _covered(a, mask_a, b, mask_b):
                continue
            for service, name in _representatives(common):
                key = (mask_a, mask_b, service)
                if key in seen:
                    continue
                solved += 1
                found = _differs(_term(a, mask_a, service), _term(b, mask_b, service), limits or Limits())
                seen[key] = None
                if isinstance(found, Sat):
                    return Comparison(Verdict.NO, name, found.assignment, None, solved)
                if found is not None:
                    doubt = doubt or f"{name}: {found}"
    if doubt is not None:
        return Comparison(Verdict.UNKNOWN, reason=doubt, classes=solved)
    return Comparison(Verdict.YES, classes=solved)


def narrower_in_future(a: Policy, b: Policy, limits: Limits | None = None) -> Comparison:
    """As `narrower`, for actions that the data does not know: the action is a free text, known names excluded."""
    term_a, term_b = _future(a), _future(b)
    new = not_(any_of(Like("action", p, fold_case=True) for p in _named_actions(a, b)))
    shape = Like("action", Pattern("*:*", _service_and_name()), fold_case=True)
    found = _differs(all_of((term_a, new, shape)), term_b, limits or Limits())
    if isinstance(found, Sat):
        return Comparison(Verdict.NO, "".join(found.assignment.get("action", ("",))), found.assignment, None, 1)
    return Comparison(Verdict.YES if found is None else Verdict.UNKNOWN, reason=found, classes=1)


def _service_and_name() -> tuple[Part, ...]:
    return (AnyChar(field=True), Star(field=True), Literal(":"), AnyChar(field=True), Star(field=True))


def _named_actions(*policies: Policy) -> list[Pattern]:
    """The action names that the policies spell out and that are known today."""
    names = {
        p.text.lower()
        for policy in policies
        for s in policy.statements
        if s.action is not None
        for p in s.action.patterns
        if isinstance(p, Pattern) and p.literal is not None and action_info(p.text) is not None
    }
    return [plain(n) for n in sorted(names)]


def _allows(policy: Policy, mask: Mask) -> bool:
    return any(policy.statements[i].effect is not Effect.DENY for i in mask)


def _covered(a: Policy, mask_a: Mask, b: Policy, mask_b: Mask) -> bool:
    """True if B plainly allows what A does: each allowing statement of A, or everything, and no Deny that A lacks."""
    ours, theirs = [a.statements[i] for i in mask_a], [b.statements[i] for i in mask_b]
    if any(s.malformed or s.effect is Effect.BOTH for s in (*ours, *theirs)):
        return False
    denied = {_said(s) for s in ours if s.effect is Effect.DENY}
    if any(_said(s) not in denied for s in theirs if s.effect is Effect.DENY):
        return False
    if denied and a.variables != b.variables:
        return False
    if any(_unconditional(s) for s in theirs if s.effect is Effect.ALLOW):
        return True
    granted = {_said(s) for s in theirs if s.effect is Effect.ALLOW}
    return a.variables == b.variables and all(_said(s) in granted for s in ours if s.effect is Effect.ALLOW)


def _said(statement: Statement) -> tuple[Match | None, tuple[Condition, ...]]:
    """What a statement says besides its effect and its actions."""
    return statement.resource, statement.conditions


def _unconditional(statement: Statement) -> bool:
    resource = statement.resource
    return (
        not statement.conditions
        and resource is not None
        and not resource.negated
        and any(isinstance(p, Pattern) and p.text == "*" for p in resource.patterns)
    )


def _classes(policy: Policy) -> tuple[tuple[Mask, int], ...]:
    return _partition(_Key(policy))


@dataclass(frozen=True, slots=True)
class _Key:
    """A policy by identity, for the caches of this module."""

    policy: Policy

    def __hash__(self) -> int:
        return id(self.policy)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.policy is self.policy


@lru_cache(maxsize=4096)
def _partition(key: _Key) -> tuple[tuple[Mask, int], ...]:
    """The known actions by the set of statements that speak of them, as bit sets."""
    every = universe()
    classes: dict[Mask, int] = {(): every.all}
    for i, statement in enumerate(key.policy.statements):
        bits = _action_bits(statement.action, every) if statement.action is not None else every.all
        following: dict[Mask, int] = {}
        for mask, members in classes.items():
            inside, outside = members & bits, members & ~bits
            if inside:
                following[(*mask, i)] = inside
            if outside:
                following[mask] = outside
        classes = following
    return tuple(classes.items())


def _action_bits(match: Match, every: Universe) -> int:
    bits = 0
    for p in match.patterns:
        bits |= every.all if not isinstance(p, Pattern) else bits_of(p.text.lower())
    return every.all & ~bits if match.negated else bits


def _representatives(bits: int) -> list[tuple[str, str]]:
    """One action for each way in which resources are read: with resource types, and per service without."""
    every = universe()
    out: dict[str, str] = {}
    plain_bits = bits & ~every.wildcard_only
    if plain_bits:
        out[""] = every.names[(plain_bits & -plain_bits).bit_length() - 1]
    rest = bits & every.wildcard_only
    for service, (low, mask) in every.services.items():
        here = rest & mask
        if here:
            out[service] = every.names[(here & -here).bit_length() - 1]
            del low
    return list(out.items())


@lru_cache(maxsize=65536)
def _body(key: _Key, index: int, service: str) -> Term:
    """Resource and conditions of a statement; `service` is set for actions without resource types."""
    policy = key.policy
    s = policy.statements[index]
    parts: list[Term] = [malformed(s.malformed.reason)] if s.malformed is not None else []
    if s.resource is not None:
        parts.append(resource_term(s.resource, PolicyKind.IDENTITY, "*" if service else None, service))
    return strip(all_of([*parts, conditions_term(s, variables=policy.variables)]))


@lru_cache(maxsize=65536)
def _policy_term(key: _Key, mask: Mask, service: str) -> Term:
    allow = any_of(_body(key, i, service) for i in mask if key.policy.statements[i].effect is not Effect.DENY)
    deny = any_of(_body(key, i, service) for i in mask if key.policy.statements[i].effect is not Effect.ALLOW)
    return all_of((allow, not_(deny)))


def _term(policy: Policy, mask: Mask, service: str) -> Term:
    return _policy_term(_Key(policy), mask, service)


def _future(policy: Policy) -> Term:
    allow, deny = [], []
    for i, s in enumerate(policy.statements):
        action = TRUE if s.action is None else action_term(s.action, None)
        term = all_of((action, _body(_Key(policy), i, "")))
        if s.effect is not Effect.DENY:
            allow.append(term)
        if s.effect is not Effect.ALLOW:
            deny.append(term)
    return all_of((any_of(allow), not_(any_of(deny))))


def _differs(a: Term, b: Term, limits: Limits) -> Sat | str | None:
    """A model of `a` and not `b`; None if there is none; a reason if that is not known.

    What is not known of both in the same way cancels out: an unknown is one free truth value per reason.
    """
    from iamsim.smt.solve import solve

    difference = all_of((a, not_(b)))
    if difference is FALSE:
        return None
    problem = _with_shapes(_shared(difference))
    found = solve(problem, hint_of, limits)
    if isinstance(found, Unknown):
        return found.reason
    if not isinstance(found, Sat):
        return None
    if not has_opaque(difference):
        return found
    certain = solve(_with_shapes(must(difference)), hint_of, limits)
    return certain if isinstance(certain, Sat) else "the difference rests on what is not known"


def _shared(term: Term) -> Term:
    """`term` with each unknown as one free variable per reason."""
    if not has_opaque(term):
        return term
    from iamsim.ir.term import And, Each, Named, Not, Or, Some

    match term:
        case Opaque(reason):
            return Present(f"unknown|{reason}")
        case And(args):
            return all_of(_shared(t) for t in args)
        case Or(args):
            return any_of(_shared(t) for t in args)
        case Not(arg):
            return not_(_shared(arg))
        case Named(label, arg):
            return named(label, _shared(arg))
        case Each(var, arg):
            return Each(var, _shared(arg))
        case Some(var, arg):
            return Some(var, _shared(arg))
        case _:
            return term


def _with_shapes(term: Term) -> Term:
    return all_of((term, *shapes(variables(term))))

"""Is one policy narrower than another: does every request that A allows pass B as well? Known actions, then future ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info
from iamsim.aws.universe import Universe, bits_of, shape_groups, universe
from iamsim.ir.bounds import must, reasons
from iamsim.ir.conditions import conditions_term
from iamsim.ir.evaluate import evaluate
from iamsim.ir.lower import RESOURCE, action_term, resource_term
from iamsim.ir.term import (
    FALSE,
    TRUE,
    And,
    Each,
    Like,
    Named,
    Not,
    Opaque,
    Or,
    Present,
    Some,
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
from iamsim.judge.candidates import shape_of
from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, plain
from iamsim.model.policy import Effect, PolicyKind
from iamsim.smt.types import Limits, Sat, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.model.pattern import Part
    from iamsim.model.policy import Condition, Match, Policy, Statement

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


DEFAULT_LIMITS = Limits()


def narrower(a: Policy, b: Policy, limits: Limits | None = None, *, any_resource: bool = False) -> Comparison:
    """YES iff every request with a known action that policy `a` allows is one that `b` allows; else NO with a witness.

    Both are read as identity policies of a caller of whom nothing is known. The resource of a request is of a type that
    its action works on; with `any_resource` it may be any.
    """
    solved = 0
    doubt: str | None = None
    for mask_a, bits_a in classes(a):
        if not allows(a, mask_a):
            continue
        for mask_b, bits_b in classes(b):
            common = bits_a & bits_b
            if not common or covered(a, mask_a, b, mask_b):
                continue
            found = _excess(a, mask_a, b, mask_b, common, limits or DEFAULT_LIMITS, any_resource=any_resource)
            solved += 1
            if found.verdict is Verdict.NO:
                return replace(found, classes=solved)
            doubt = doubt or found.reason
    if doubt is not None:
        return Comparison(Verdict.UNKNOWN, reason=doubt, classes=solved)
    return Comparison(Verdict.YES, classes=solved)


_ANY_ARN = ("arn:*:*:*:*:*",)


def _excess(
    a: Policy, mask_a: Mask, b: Policy, mask_b: Mask, common: int, limits: Limits, *, any_resource: bool
) -> Comparison:
    """Whether A allows a request with one of the actions `common`, of which these statements speak, that B does not."""
    doubt: str | None = None
    for name, service, actions in representatives(common):
        difference = all_of((term_of(a, mask_a, service), not_(term_of(b, mask_b, service))))
        if difference is FALSE:
            continue
        if service or any_resource:
            found, shown = model_of(difference, () if service else _ANY_ARN, limits), name
        else:
            found, shown = _shaped(difference, actions, limits)
        if isinstance(found, Sat):
            return Comparison(Verdict.NO, shown, found.assignment)
        if found is not None:
            doubt = doubt or found
    return Comparison(Verdict.YES) if doubt is None else Comparison(Verdict.UNKNOWN, reason=doubt)


def _shaped(difference: Term, common: int, limits: Limits) -> tuple[Sat | str | None, str]:
    """A model of `difference` whose resource is of a type of one of the actions `common`, and that action."""
    names = universe().names
    doubt: tuple[Sat | str | None, str] = (None, "")
    groups = ((names[(here & -here).bit_length() - 1], p) for bits, p in shape_groups() if (here := common & bits))
    for number, (name, patterns) in enumerate(groups):
        if number == 1 and model_of(difference, (), limits) is None:
            return None, name
        found = model_of(difference, patterns, limits)
        if isinstance(found, Sat):
            return found, name
        if found is not None and doubt[0] is None:
            doubt = found, name
    return doubt


def certainly_allows(policy: Policy, actions: int, limits: Limits = DEFAULT_LIMITS) -> int:
    """Some of `actions` (a bit set) of which the policy certainly allows a request each, or 0 if it does so of none.

    What a policy allows whatever the request is returned whole, else the actions of the first class that has a request.
    """
    out = 0
    for mask, bits in classes(policy):
        stated = [policy.statements[i] for i in mask]
        if bits & actions and all(s.effect is Effect.ALLOW and s.malformed is None for s in stated):
            out |= bits & actions if any(map(_unconditional, stated)) else 0
    if out:
        return out
    for mask, bits in classes(policy):
        if bits & actions and allows(policy, mask):
            for _, service, here in representatives(bits & actions):
                term = must(term_of(policy, mask, service))
                if service and isinstance(model_of(term, (), limits), Sat):
                    return here
                found, name = (None, "") if service else _shaped(term, here, limits)
                if isinstance(found, Sat):
                    return bits_of(name.lower())
    return 0


def may_allow(policy: Policy) -> int:
    """The known actions, as a bit set, of which some statement speaks that may allow."""
    return sum(bits for mask, bits in classes(policy) if allows(policy, mask))


def narrower_in_future(a: Policy, b: Policy, limits: Limits | None = None) -> Comparison:
    """As `narrower`, for actions that the data does not know: the action is a free text, known names excluded."""
    term_a, term_b = _future(a), _future(b)
    shape = Like("action", Pattern("*:*", _service_and_name()), fold_case=True)
    difference = all_of((term_a, shape, not_(term_b)))
    found: Sat | str | None = None
    for number in range(1, _KNOWN_NAMES):
        found = model_of(difference, (), limits or DEFAULT_LIMITS)
        if not isinstance(found, Sat):
            return Comparison(Verdict.YES if found is None else Verdict.UNKNOWN, reason=found, classes=number)
        name = "".join(found.assignment.get("action", ("",)))
        if action_info(name) is None:
            return Comparison(Verdict.NO, name, found.assignment, None, number)
        difference = all_of((difference, not_(Like("action", plain(name.lower()), fold_case=True))))
    return Comparison(Verdict.UNKNOWN, reason="budget:names of known actions", classes=_KNOWN_NAMES)


_KNOWN_NAMES = 64
"""How many known actions are set aside, one at a time, before a new one is given up."""


def _service_and_name() -> tuple[Part, ...]:
    return (AnyChar(field=True), Star(field=True), Literal(":"), AnyChar(field=True), Star(field=True))


def _of_new(match: Match) -> Match:
    """The action element without the names that the data knows, which no new action has."""
    patterns = (
        p for p in match.patterns if not isinstance(p, Pattern) or p.literal is None or not bits_of(p.text.lower())
    )
    return replace(match, patterns=tuple(patterns))


def allows(policy: Policy, mask: Mask) -> bool:
    """True iff one of these statements may allow."""
    return any(policy.statements[i].effect is not Effect.DENY for i in mask)


def covered(a: Policy, mask_a: Mask, b: Policy, mask_b: Mask) -> bool:
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


def classes(policy: Policy) -> tuple[tuple[Mask, int], ...]:
    """The known actions by the statements of the policy that speak of them: indices, and a bit set."""
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


def representatives(bits: int) -> Iterator[tuple[str, str, int]]:
    """The ways in which resources are read: with resource types, and per service without.

    Each is an action, the service if it has no resource types, and the actions that it stands for.
    """
    every = universe()
    typed = bits & ~every.wildcard_only
    if typed:
        yield every.names[(typed & -typed).bit_length() - 1], "", typed
    rest = bits & every.wildcard_only
    while rest:
        name = every.names[(rest & -rest).bit_length() - 1]
        service = name.partition(":")[0].lower()
        here = rest & every.services[service][1]
        yield name, service, here
        rest &= ~here


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


def term_of(policy: Policy, mask: Mask, service: str) -> Term:
    """When these statements of a policy allow; `service` is that of actions without resource types."""
    return _policy_term(_Key(policy), mask, service)


def holding(policy: Policy, action: str, assignment: Mapping[str, tuple[str, ...]], *, deny: bool) -> Iterator[int]:
    """The indices of the statements that allow (or `deny`) the known action under the assignment."""
    service = action.partition(":")[0].lower() if (bits_of(action.lower()) & universe().wildcard_only) else ""
    wanted = Effect.DENY if deny else Effect.ALLOW
    for mask, bits in classes(policy):
        if bits & bits_of(action.lower()):
            for i in mask:
                if policy.statements[i].effect is wanted and evaluate(_body(_Key(policy), i, service), assignment):
                    yield i


def _future(policy: Policy) -> Term:
    allow, deny = [], []
    for i, s in enumerate(policy.statements):
        action = TRUE if s.action is None else action_term(_of_new(s.action), None)
        if action is FALSE:
            continue
        term = all_of((action, _body(_Key(policy), i, "")))
        if s.effect is not Effect.DENY:
            allow.append(term)
        if s.effect is not Effect.ALLOW:
            deny.append(term)
    return all_of((any_of(allow), not_(any_of(deny))))


def model_of(difference: Term, patterns: tuple[str, ...], limits: Limits) -> Sat | str | None:
    """A model of `difference` whose resource is like one of `patterns` (none: any); None if there is none; a reason
    if that is not known.

    What is not known of both policies in the same way cancels out: an unknown is one free truth value per reason.
    """
    from iamsim.smt.solve import solve

    shaped = all_of((difference, _like_one(patterns)))
    if shaped is FALSE:
        return None
    if shaped is TRUE:
        return Sat({}, "fold")
    found = solve(_with_shapes(shared_unknowns(shaped)), hint_of, limits)
    if isinstance(found, Unknown):
        return found.reason
    if not isinstance(found, Sat):
        return None
    if not has_opaque(shaped):
        return found
    certain = solve(_with_shapes(must(shaped)), hint_of, limits)
    return certain if isinstance(certain, Sat) else "; ".join(reasons(shaped))


@lru_cache(maxsize=8192)
def _like_one(patterns: tuple[str, ...]) -> Term:
    return any_of(Like(RESOURCE, shape_of(p)) for p in patterns) if patterns else TRUE


def shared_unknowns(term: Term) -> Term:
    """`term` with each unknown as one free variable per reason."""
    if not has_opaque(term):
        return term
    match term:
        case Opaque(reason):
            return Present(f"unknown|{reason}")
        case And(args):
            return all_of(shared_unknowns(t) for t in args)
        case Or(args):
            return any_of(shared_unknowns(t) for t in args)
        case Not(arg):
            return not_(shared_unknowns(arg))
        case Named(label, arg):
            return named(label, shared_unknowns(arg))
        case Each(var, arg):
            return Each(var, shared_unknowns(arg))
        case Some(var, arg):
            return Some(var, shared_unknowns(arg))
        case _:
            return term


def _with_shapes(term: Term) -> Term:
    return all_of((term, *shapes(variables(term))))

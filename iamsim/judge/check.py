"""One check as a problem: its layers, its authorization over the free keys, and their constraints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS, layers_of
from iamsim.env.context import lookup_of
from iamsim.env.memo import once
from iamsim.ir.bounds import may, must, reasons
from iamsim.ir.decide import decide
from iamsim.ir.evaluate import evaluate
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, Const, Like, Opaque, Term, all_of, iff, implies, not_, subterms, variables
from iamsim.judge.axioms import axioms, constants, hint_of
from iamsim.judge.callers import localized
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import AnyChar, Literal, Star, join
from iamsim.smt.types import Limits, Sat, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.env.applicable import Documents
    from iamsim.env.facts import Facts
    from iamsim.ir.bindings import Lookup
    from iamsim.ir.decide import Authorization, Layers
    from iamsim.model.pattern import Part
    from iamsim.smt.types import Outcome

_KEPT = 4096
"""How many formulas are kept with what a solver found."""

_MODELS = 8
"""How many assignments are tried."""

_HEAD = (Star(field=True), Literal(":")) * 3
_TAIL = (Literal(":"), Star(field=True), Literal(":"), Star())


@dataclass(frozen=True, slots=True)
class Check:
    """One (caller, action, resource, context) evaluation with everything that its verdict rests on."""

    facts: Facts
    documents: Documents
    layers: Layers
    authorization: Authorization
    assumptions: tuple[str, ...]
    lookup: Lookup


@dataclass(slots=True)
class Models:
    """Assignments of formulas that are alike, each with the account that its formula was about, the last used one first."""

    found: list[tuple[str, Mapping[str, tuple[str, ...]]]] = field(default_factory=list)

    def of(self, term: Term, account: str) -> Mapping[str, tuple[str, ...]] | None:
        """One that makes a formula about `account` true, if it speaks of that account instead of its own."""
        for n, (other, model) in enumerate(self.found):
            moved = {k: tuple(v.replace(other, account) for v in values) for k, values in model.items()}
            if evaluate(term, moved) is True:
                self.found.insert(0, self.found.pop(n))
                return moved
        return None

    def add(self, account: str, model: Mapping[str, tuple[str, ...]]) -> None:
        """Keeps an assignment, and forgets the one that was not used for longest."""
        if account:
            self.found.insert(0, (account, model))
            del self.found[_MODELS:]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a solver found: SAT in `sure` is a YES; else SAT in `possible` is an UNKNOWN; both UNSAT is a NO.

    `term` is the formula of which these are the bounds; `stuck` is the solver's reason where it gave up.
    """

    sure: Outcome | None
    possible: bool
    term: Term
    stuck: str | None = None


def check_of(facts: Facts, documents: Documents = NO_DOCUMENTS) -> Check:
    """The check of `facts` with the documents that came with the question."""
    caller = localized(facts.caller, facts.owner, facts.caller.partition)
    if caller is not facts.caller:
        facts = replace(facts, caller=caller)
    if documents.endpoints and caller.kind is not CallerKind.SERVICE:
        facts = replace(facts, inside=True)
    layers, assumptions = layers_of(facts, documents)
    found = decide(layers)
    if facts.env.doubt:
        found = replace(found, allowed=all_of((found.allowed, Opaque(facts.env.doubt))))
    return Check(facts, documents, layers, found, assumptions, lookup_of(facts))


def problem_of(check: Check, when: Term = TRUE) -> Term:
    """What must hold for the check to be allowed and to fit the question, without the constraints between keys."""
    condition = when if when is TRUE else reduce(when, check.lookup)
    return all_of((check.authorization.allowed, condition))


def settle(
    term: Term,
    background: tuple[Facts, ...],
    limits: Limits,
    engine: str = "auto",
    extra: Term = TRUE,
    *,
    models: Models | None = None,
) -> Settled:
    """Whether `term` can hold, certainly or possibly, under the constraints of the contexts of `background`.

    `models` are tried before a solver, so that the assignment depends on what was asked before.
    """
    if isinstance(term, Const):
        return Settled(Sat({}, "fold") if term.value else None, term.value, term)
    certain = must(term)
    if certain is not FALSE:
        outcome = _solve(certain, background, limits, engine, extra, models)
        if isinstance(outcome, Sat):
            return Settled(outcome, True, term)
        stuck = outcome.reason if isinstance(outcome, Unknown) else None
    else:
        stuck = None
    possible = may(term)
    if stuck is None and possible == certain:
        return Settled(None, False, term)
    if possible is FALSE:
        return Settled(None, False, term)
    outcome = _solve(possible, background, limits, engine, extra, models)
    if isinstance(outcome, Unknown):
        stuck = stuck or outcome.reason
    return Settled(None, isinstance(outcome, Sat | Unknown), term, stuck)


def closed(term: Term, background: tuple[Facts, ...], extra: Term = TRUE) -> Term:
    """`term` with the constraints between the keys that it reads."""
    parts: dict[Term, None] = {term: None, extra: None}
    read: frozenset[str] = variables(term) | variables(extra)
    while True:
        added = [t for f in background for t in axioms(f, read)] + constants(read)
        more = read.union(*(variables(t) for t in added if t not in parts))
        parts.update(dict.fromkeys(added))
        if more == read:
            whole = all_of(parts)
            return all_of((whole, *_in_its_region(whole, background, read)))
        read = more


def _in_its_region(term: Term, background: tuple[Facts, ...], read: frozenset[str]) -> Iterator[Term]:
    """What `term` asks of the region of a request, asked of the ARN of its symbolic resource as well.

    The axiom for the region implies it; said so, the region of the one and the ARN of the other are compared without a
    policy variable, across all requests for the resource.
    """
    asked = {(f.hop + "aws:requestedregion", f.resource_name) for f in background if f.resource is None}
    for var, resource in sorted(asked):
        if var not in read:
            continue
        somewhere = not_(Like(resource, join("", [*_HEAD, *_TAIL])))
        for t in dict.fromkeys(subterms(term)):
            region = t.pattern.parts if isinstance(t, Like) and t.var == var else ()
            if not isinstance(t, Like) or not region or t.pattern.variables or any(_colon(p) for p in region):
                continue
            inside = [replace(p, field=True) if isinstance(p, Star | AnyChar) else p for p in region]
            there = Like(resource, join("", [*_HEAD, *inside, *_TAIL]), t.fold_case)
            yield implies(somewhere, iff(t, there))


def _colon(part: Part) -> bool:
    return isinstance(part, Literal) and ":" in part.text


def _solve(
    term: Term, background: tuple[Facts, ...], limits: Limits, engine: str, extra: Term, models: Models | None
) -> Outcome:
    from iamsim.smt.solve import solve

    whole = closed(term, background, extra)
    if whole is TRUE:
        return Sat({}, "fold")
    kept: dict[object, Outcome] = once(background[0].env.memo, "solved", dict)
    key = (whole, limits, engine)
    known = kept.get(key)
    account = background[0].caller.account or ""
    if known is None and models is not None and (model := models.of(whole, account)) is not None:
        return Sat(model, "known")
    if known is None:
        known = solve(whole, hint_of, limits, engine=engine)
        if len(kept) >= _KEPT:
            kept.clear()
        if not isinstance(known, Unknown):  # which may be for want of time
            kept[key] = known
        if models is not None and isinstance(known, Sat):
            models.add(account, known.assignment)
    return known


def reasons_of(term: Term) -> tuple[str, ...]:
    """The reason codes of what is not known in a formula, sorted."""
    return reasons(term)

"""Whether a formula can hold, without the values that make it hold: decided in parts that share no variable.

A closure asks thousands of such questions, of which most parts recur: what a session may do in one call is the same
whichever role the technique is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iamsim.env.memo import once
from iamsim.ir.bounds import may, must
from iamsim.ir.principals import SESSION
from iamsim.ir.term import FALSE, TRUE, And, Const, Not, Or, Term, all_of, not_, strip, variables
from iamsim.judge.axioms import hint_of
from iamsim.judge.check import closed
from iamsim.smt.types import Limits, Sat, Unknown

if TYPE_CHECKING:
    from iamsim.env.facts import Facts


@dataclass(frozen=True, slots=True)
class Outlook:
    """`sure` iff the formula certainly can hold; `possible` false iff it certainly cannot; `stuck`: why a solver gave up."""

    sure: bool
    possible: bool
    stuck: str | None = None


def outlook(term: Term, background: tuple[Facts, ...], limits: Limits, memo: dict[Any, Any] | None = None) -> Outlook:
    """Whether `term` can hold under the constraints of the contexts of `background`: what `settle` says, without a model.

    `memo` keeps what was found of parts of such formulas.
    """
    if isinstance(term, Const):
        return Outlook(term.value, term.value)
    known = {} if memo is None else memo
    certain = must(term)
    stuck = None
    if certain is not FALSE:
        found = _solved(certain, background, limits, known)
        if found is True:
            return Outlook(sure=True, possible=True)
        stuck = found or None
    possible = may(term)
    if possible is FALSE or (stuck is None and possible == certain):
        return Outlook(sure=False, possible=False)
    found = _solved(possible, background, limits, known)
    return Outlook(sure=False, possible=found is not False, stuck=stuck or (found if isinstance(found, str) else None))


def _solved(term: Term, background: tuple[Facts, ...], limits: Limits, memo: dict[Any, Any]) -> bool | str:
    """Whether the term, in which nothing is unknown, can hold; a text says why no solver could tell."""
    parts = [_closed(p, background, memo) for p in components(strip(term), _links(background))]
    read: set[str] = set()
    for part in parts:
        mine = variables(part)
        if mine & read:  # the constraints between keys connect what the formula does not
            parts = list(components(strip(closed(term, background))))
            break
        read |= mine
    reason = ""
    for part in parts:
        for piece in components(part):
            found = _of_part(piece, limits)
            if found is False:
                return False
            reason = reason or (found if isinstance(found, str) else "")
    return reason or True


def _closed(part: Term, background: tuple[Facts, ...], memo: dict[Any, Any]) -> Term:
    """The part with the constraints between the keys that it reads, worked out once for the same contexts."""
    read = variables(part)
    near = tuple(f for f in background if any(v.startswith(f.hop) for v in read) or (f.session or SESSION) in read)
    key = (0, "closed", part, tuple(map(id, near)))
    return once(memo, key, lambda: (strip(closed(part, near)), near))[0]


def _links(background: tuple[Facts, ...]) -> tuple[frozenset[str], ...]:
    """The contexts between which constraints may stand: a request, and the resource that it leaves open."""
    return tuple(frozenset((f.hop, _context(f.resource_name))) for f in background if f.resource is None)


def _context(var: str) -> str:
    """The part of a variable's name that tells of which request, session or resource it is."""
    return var[: var.rfind("|") + 1]


@lru_cache(maxsize=1 << 16)
def _of_part(part: Term, limits: Limits) -> bool | str:
    from iamsim.smt.solve import solve

    if isinstance(part, Const):
        return part.value
    outcome = solve(part, hint_of, limits)
    return outcome.reason if isinstance(outcome, Unknown) else isinstance(outcome, Sat)


def components(term: Term, links: tuple[frozenset[str], ...] | None = None) -> tuple[Term, ...]:
    """Terms without a common variable whose conjunction is `term`, smaller ones first.

    With `links` they have no common context, nor contexts of the same link.
    """
    groups: list[tuple[frozenset[str], list[Term]]] = [(names, []) for names in links or ()]
    for part in dict.fromkeys(_conjuncts(term)):
        read = variables(part)
        if links is not None:
            read = frozenset(map(_context, read))
        mine = [part]
        apart = []
        for names, parts in groups:
            if names & read:
                read |= names
                mine = parts + mine
            else:
                apart.append((names, parts))
        groups = [*apart, (read, mine)]
    return tuple(all_of(parts) for _, parts in sorted(groups, key=lambda g: len(g[1])) if parts)


def _conjuncts(term: Term) -> list[Term]:
    if isinstance(term, And):
        return [c for a in term.args for c in _conjuncts(a)]
    if isinstance(term, Not) and isinstance(term.arg, Or):
        return [c for a in term.arg.args for c in _conjuncts(not_(a))]
    return [] if term is TRUE else [term]

"""Whether a formula can hold, without the values that make it hold: decided in parts that share no variable.

A closure asks thousands of such questions, of which most parts recur: what a session may do in one call is the same
whichever role the technique is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.ir.bounds import may, must
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


def outlook(term: Term, background: tuple[Facts, ...], limits: Limits) -> Outlook:
    """Whether `term` can hold under the constraints of the contexts of `background`: what `settle` says, without a model."""
    if isinstance(term, Const):
        return Outlook(term.value, term.value)
    certain = must(term)
    stuck = None
    if certain is not FALSE:
        found = _solved(certain, background, limits)
        if found is True:
            return Outlook(sure=True, possible=True)
        stuck = found or None
    possible = may(term)
    if possible is FALSE or (stuck is None and possible == certain):
        return Outlook(sure=False, possible=False)
    found = _solved(possible, background, limits)
    return Outlook(sure=False, possible=found is not False, stuck=stuck or (found if isinstance(found, str) else None))


def _solved(term: Term, background: tuple[Facts, ...], limits: Limits) -> bool | str:
    """Whether the term, in which nothing is unknown, can hold; a text says why no solver could tell."""
    reason = ""
    for part in components(strip(closed(term, background))):
        found = _of_part(part, limits)
        if found is False:
            return False
        reason = reason or (found if isinstance(found, str) else "")
    return reason or True


@lru_cache(maxsize=1 << 16)
def _of_part(part: Term, limits: Limits) -> bool | str:
    from iamsim.smt.solve import solve

    if isinstance(part, Const):
        return part.value
    outcome = solve(part, hint_of, limits)
    return outcome.reason if isinstance(outcome, Unknown) else isinstance(outcome, Sat)


def components(term: Term) -> tuple[Term, ...]:
    """Terms without a common variable whose conjunction is `term`, smaller ones first."""
    groups: list[tuple[frozenset[str], list[Term]]] = []
    for part in dict.fromkeys(_conjuncts(term)):
        read = variables(part)
        mine = [part]
        apart = []
        for names, parts in groups:
            if names & read:
                read |= names
                mine = parts + mine
            else:
                apart.append((names, parts))
        groups = [*apart, (read, mine)]
    return tuple(all_of(parts) for _, parts in sorted(groups, key=lambda g: len(g[1])))


def _conjuncts(term: Term) -> list[Term]:
    if isinstance(term, And):
        return [c for a in term.args for c in _conjuncts(a)]
    if isinstance(term, Not) and isinstance(term.arg, Or):
        return [c for a in term.arg.args for c in _conjuncts(not_(a))]
    return [] if term is TRUE else [term]

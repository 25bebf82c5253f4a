"""Conditions as people write them: negations inside, and no presence said that a comparison implies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.ir.term import And, Compare, InNetwork, Like, Not, Or, Parses, Present, all_of, any_of, not_
from iamsim.report.term_text import term_text

if TYPE_CHECKING:
    from iamsim.ir.term import Term

_LONG = 1_000_000


def condition_text(term: Term) -> str:
    """The term as a condition of the query language that means the same and is easier to read."""
    return term_text(_brief(_inside(term, negated=False)), _LONG)


def _inside(term: Term, *, negated: bool) -> Term:
    """`term`, or its negation, with negations at single comparisons only."""
    match term:
        case Not(arg):
            return _inside(arg, negated=not negated)
        case And(args) | Or(args):
            join = all_of if isinstance(term, And) is not negated else any_of
            return join(_inside(a, negated=negated) for a in args)
        case _:
            return not_(term) if negated else term


def _brief(term: Term) -> Term:
    match term:
        case Or(args):
            return any_of(_brief(a) for a in args)
        case And(args):
            kept = [
                a for a in args if not (isinstance(a, Present) and any(_needs(o, a.var) for o in args if o is not a))
            ]
            return all_of(_brief(a) for a in kept)
        case _:
            return term


def _needs(term: Term, var: str) -> bool:
    """True iff the term is false wherever `var` has no value."""
    match term:
        case Like() | Compare() | InNetwork() | Parses():
            return term.var == var
        case Or(args):
            return all(_needs(a, var) for a in args)
        case And(args):
            return any(_needs(a, var) for a in args)
        case _:
            return False

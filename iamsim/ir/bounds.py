"""The two-valued readings of a term with unknowns: what certainly holds, and what may hold."""

from __future__ import annotations

from functools import lru_cache

from iamsim.ir.term import (
    FALSE,
    TRUE,
    And,
    Each,
    Named,
    Not,
    Opaque,
    Or,
    Some,
    Term,
    all_of,
    any_of,
    each,
    not_,
    some,
    subterms,
)


def must(term: Term) -> Term:
    """The strongest certain reading: unknowns that help are false, unknowns that hurt are true; must implies may."""
    return _bound(term, opaque=False) if _has_unknown(term) else term


def may(term: Term) -> Term:
    """The weakest possible reading: unknowns that help are true, unknowns that hurt are false."""
    return _bound(term, opaque=True) if _has_unknown(term) else term


def reasons(term: Term) -> tuple[str, ...]:
    """The reason codes of the unknowns in `term`, sorted."""
    return tuple(sorted({t.reason for t in subterms(term) if isinstance(t, Opaque)}))


@lru_cache(maxsize=1 << 14)
def _has_unknown(term: Term) -> bool:
    return any(isinstance(t, Opaque) for t in subterms(term))


def _bound(term: Term, *, opaque: bool) -> Term:
    match term:
        case Opaque():
            return TRUE if opaque else FALSE
        case And(args):
            return all_of(_bound(a, opaque=opaque) for a in args)
        case Or(args):
            return any_of(_bound(a, opaque=opaque) for a in args)
        case Not(arg):
            return not_(_bound(arg, opaque=not opaque))
        case Named(label, arg):
            inner = _bound(arg, opaque=opaque)
            return inner if inner in (TRUE, FALSE) else Named(label, inner)
        case Each(var, arg):
            return each(var, _bound(arg, opaque=opaque))
        case Some(var, arg):
            return some(var, _bound(arg, opaque=opaque))
        case _:
            return term

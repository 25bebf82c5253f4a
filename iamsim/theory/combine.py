"""The theories together: texts for all variables of a conjunction of literals, or the literals that exclude each other.

Nearly all literals speak of one variable, so each variable is decided alone. Only policy variables and `Within` link
two; they are handled by `variables` and `links`.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING, cast

from iamsim.ir import values
from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import Compare, Const, Each, Like, Parses, Present, Some, Sort, Within, like, present, subterms
from iamsim.model.pattern import plain
from iamsim.theory import globs, intervals, links
from iamsim.theory.hint import Conflict, Hint, Undecided, fits
from iamsim.theory.keys import solve_variable
from iamsim.theory.texts import value_ranges
from iamsim.theory.variables import Fact, captures, inferred, references, relaxed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from iamsim.ir.term import Atom, Term, Var

    Literal = tuple[Atom | Each | Some, bool]
    Group = tuple[tuple[Term, bool], ...]
    Told = dict[tuple[Var, Group], tuple[str, ...] | Conflict | Undecided]
    Hints = Callable[[Var], Hint]
    Values = dict[Var, tuple[str, ...]]

__all__ = ["Conflict", "Hint", "Undecided", "implied", "solve_literals", "solve_variable"]

COMBINATIONS = 48
FRESH = ("111122223333", "q7", "example")


def solve_literals(
    literals: Sequence[Literal],
    hints: Hints,
    budget: int = 20000,
    *,
    tries: int = COMBINATIONS,
    told: Told | None = None,
) -> Values | Conflict | Undecided:
    """Texts for the variables that must be present, such that `literals` hold, or the indices of a conflict.

    All other variables are absent. `budget` bounds the work per variable, `tries` the values for policy variables. `told` keeps
    what single variables came to, for calls with the same hints and budget.
    """
    told = {} if told is None else told
    facts = [Fact(term, sign, frozenset((i,))) for i, (term, sign) in enumerate(literals)]
    linked = any(isinstance(term, Within) or references(term) for term, _ in literals)
    if linked:
        facts = inferred(facts)
    found = _each_variable(facts, hints, budget, told)
    if not linked or not isinstance(found, dict) or _hold(literals, found):
        return found
    return _instantiated(literals, facts, found, hints, budget, tries, told)


def implied(term: Term, sign: bool) -> tuple[tuple[Var, Term, bool], ...]:
    """What the literal says of single variables: (variable, term, value), where the term has no policy variables."""
    match term:
        case Within(first, second):
            return tuple((v, Parses(v, Sort.DATE), True) for v in (first, second)) if sign else ()
        case Like(var, pattern) if pattern.variables:
            refs = [(v.key, present(v.key), True) for v in dict.fromkeys(pattern.variables) if v.default is None]
            return ((var, relaxed(term, sign=True), True), *refs) if sign else ()
        case Each(var) | Some(var):
            return ((var, relaxed(term, sign=sign), sign),)
        case _:
            return ((cast("Present", term).var, term, sign),)


def _hold(literals: Sequence[Literal], found: Values) -> bool:
    return all(evaluate(term, found) is sign for term, sign in literals)


def _each_variable(facts: Sequence[Fact], hints: Hints, budget: int, told: Told) -> Values | Conflict | Undecided:
    """The answer where each variable is decided alone, and then the links between dates."""
    groups: dict[Var, list[tuple[Term, bool, frozenset[int]]]] = {}
    for fact in facts:
        if isinstance(fact.term, Const):
            if fact.term.value is not fact.sign:
                return Conflict(tuple(sorted(fact.because)))
            continue
        for var, term, sign in implied(fact.term, fact.sign):
            if not isinstance(term, Const) or term.value is not sign:
                groups.setdefault(var, []).append((term, sign, fact.because))
    out: Values = {}
    doubt: Undecided | None = None
    for var, group in groups.items():
        key = (var, tuple((term, sign) for term, sign, _ in group))
        found = told.get(key)
        if found is None:
            found = told[key] = solve_variable(var, key[1], hints(var), budget)
        match found:
            case Conflict(indices):
                return Conflict(tuple(sorted(frozenset().union(*(group[i][2] for i in indices)))))
            case Undecided():
                doubt = doubt or found
            case _:
                if found:
                    out[var] = found
    if doubt is not None:
        return doubt
    withins = [f for f in facts if isinstance(f.term, Within) and evaluate(f.term, out) is not f.sign]
    return _linked(facts, out, hints) if withins else out


# --- two variables -----------------------------------------------------------------------------------------------


def _linked(facts: Sequence[Fact], found: Values, hints: Hints) -> Values | Conflict | Undecided:
    """`found` with other dates, so that all links of `facts` hold as stated."""
    open_links = [
        f
        for f in facts
        if isinstance(f.term, Within)
        and (f.sign or None not in (_date(found.get(f.term.first)), _date(found.get(f.term.second))))
    ]
    linked = dict.fromkeys(v for f in open_links for v in (cast("Within", f.term).first, cast("Within", f.term).second))
    ranges: dict[Var, Sequence[intervals.Interval]] = {}
    because = frozenset[int]().union(*(f.because for f in open_links))
    sure = True
    for var in linked:
        own = [f for f in facts if any(v == var for v, _, _ in _implied(f))]
        because = because.union(*(f.because for f in own))
        fixed = [f.term.pattern.literal for f in own if isinstance(f.term, Like) and f.sign and not f.term.fold_case]
        text = next((t for t in fixed if t is not None), None)
        moment = None if text is None else values.date(text)
        literals = [(cast("Atom", f.term), f.sign) for f in own if isinstance(f.term, Compare)]
        ranges[var] = value_ranges(literals, hints(var), Sort.DATE)
        if moment is not None:
            ranges[var] = (intervals.Interval(moment, moment, low_closed=True, high_closed=True),)
        read = any(f.sign and isinstance(f.term, Compare | Parses | Within) for f in own)
        sure = sure and (read or text is not None or hints(var).sort is Sort.DATE)
    dates = links.solve_dates(ranges, [(cast("Within", f.term), f.sign) for f in open_links])
    if isinstance(dates, bool):
        return Conflict(tuple(sorted(because))) if sure and not dates else Undecided("linked dates")
    moved = {v: (values.date_text(d), *found[v][1:]) for v, d in dates.items() if _date(found.get(v)) != d}
    return {**found, **moved}


def _implied(fact: Fact) -> tuple[tuple[Var, Term, bool], ...]:
    return () if isinstance(fact.term, Const) else implied(fact.term, fact.sign)


def _date(texts: tuple[str, ...] | None) -> Fraction | None:
    return values.date(texts[0]) if texts else None


def _instantiated(
    literals: Sequence[Literal], facts: Sequence[Fact], found: Values, hints: Hints, budget: int, tries: int, told: Told
) -> Values | Undecided:
    """Texts for which `literals` hold, with values tried for the policy variables that are still open."""
    refs = tuple(dict.fromkeys(v.key for f in facts for v in references(f.term)))
    if not refs:
        return Undecided("linked dates")
    wanted = {v.key for f in facts if f.sign or not isinstance(f.term, Like) for v in references(f.term)}
    options = {ref: _options(ref, facts, found, hints, budget) for ref in refs}
    for chosen in dict.fromkeys((tuple(r for r in refs if r in wanted), refs)):
        for choice in islice(product(*(options[r] for r in chosen)), tries):
            tried = [
                Fact(present(ref) if text is None else like(ref, plain(text)), text is not None, frozenset())
                for ref, text in zip(chosen, choice, strict=True)
            ]
            again = _each_variable(inferred([*facts, *tried]), hints, budget, told)
            if isinstance(again, dict) and _hold(literals, again):
                return again
    return Undecided(f"policy variable `${{{refs[0]}}}`")


def _options(ref: Var, facts: Sequence[Fact], found: Values, hints: Hints, budget: int) -> list[str | None]:
    """Values to try for the policy variable `ref`, None for its absence."""
    hint = hints(ref)
    texts: dict[str | None, None] = {found[ref][0] if ref in found else None: None}
    letters = hint.alphabet or ""
    for fact in facts:
        for part in subterms(fact.term):
            if isinstance(part, Like) and any(v.key == ref for v in part.pattern.variables):
                letters = letters or hints(part.var).alphabet or ""
                for text in found.get(part.var, ()):
                    texts.update((t, None) for t in captures(part.pattern, text).get(ref, ()))
    own = [(t, s) for f in facts for v, t, s in _implied(f) if v == ref]
    texts.update((t, None) for t in (*hint.samples, *FRESH) if fits(t, hint))
    alone = solve_variable(ref, [*own, (present(ref), True)], hint, budget)
    if isinstance(alone, tuple):
        texts[alone[0]] = None
    globbed = [(globs.GlobAtom(t.pattern, t.fold_case), s) for t, s in own if isinstance(t, Like)]
    inside, outside = ([g for g, sign in globbed if sign is s] for s in (True, False))
    texts.update((t, None) for t in globs.instances(inside, outside, limit=6, budget=1000, alphabet_hint=letters))
    return list(texts)

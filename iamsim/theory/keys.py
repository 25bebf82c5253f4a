"""One variable: its texts under literals about it alone, several where it may have several."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from iamsim.ir.term import And, Const, Each, Named, Not, Or, Present, Some, Within
from iamsim.theory import elements
from iamsim.theory.hint import Conflict, Hint, Undecided
from iamsim.theory.texts import solve_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from iamsim.ir.term import Atom, Term, Var

BRANCHES = 256


def solve_variable(
    var: Var, literals: Sequence[tuple[Term, bool]], hint: Hint, budget: int
) -> tuple[str, ...] | Conflict | Undecided:
    """Texts for `var` such that `literals`, which speak of it alone, hold; () iff it need not be present."""
    need = absent = -1
    for i, (term, sign) in enumerate(literals):
        if isinstance(term, Const):
            if term.value is not sign:
                return Conflict((i,))
        elif isinstance(term, Each):
            need = i if need < 0 and not sign else need
        elif sign:
            need = i if need < 0 else need
        elif isinstance(term, Present):
            absent = i
    if need < 0:
        return ()
    if absent >= 0:
        return Conflict((need, absent) if need < absent else (absent, need))
    if any(isinstance(term, Each | Some) for term, _ in literals):
        return _several(var, literals, need, hint, budget)
    found = solve_text(cast("Sequence[tuple[Atom, bool]]", literals), hint, budget)
    match found:
        case str():
            return (found,)
        case Conflict(indices) if need not in indices:
            return Conflict(tuple(sorted((need, *indices))))
        case _:
            return found


def _several(
    var: Var, literals: Sequence[tuple[Term, bool]], need: int, hint: Hint, budget: int
) -> tuple[str, ...] | Conflict | Undecided:
    """The texts of a variable that `Each` or `Some` speak of; it is present by literal `need`."""
    first: list[tuple[int, Term, bool]] = []
    demands: list[tuple[tuple[int, Term, bool], ...]] = []
    bounds: list[tuple[tuple[int, Term, bool], ...]] = []
    for i, (term, sign) in enumerate(literals):
        match term:
            case Each(_, arg) | Some(_, arg):
                kind = bounds if isinstance(term, Each) is sign else demands
                kind.append(((i, arg, sign),))
            case Present() | Const():
                pass
            case _:
                first.append((i, term, sign))
    if first:
        demands.insert(0, tuple(first))
    if not hint.multivalued and demands:
        demands = [tuple(d for demand in demands for d in demand)]

    def solve_one(
        asked: Sequence[tuple[tuple[int, Term, bool], ...]],
    ) -> elements.Element[str] | elements.NoElement | elements.Undecided:
        flat = [(k, term, sign) for k, part in enumerate(asked) for _, term, sign in part]
        found = _element(var, [(term, sign) for _, term, sign in flat], hint, budget)
        match found:
            case str():
                return elements.Element(found)
            case Conflict(indices):
                return elements.NoElement(tuple(sorted({flat[i][0] for i in indices})))
            case _:
                return elements.Undecided()

    match elements.solve_elements(demands, bounds, solve_one):
        case elements.Elements(texts):
            return texts
        case elements.ElementConflict(failed, limits):
            blamed = {i for d in failed for i, _, _ in demands[d]} | {i for b in limits for i, _, _ in bounds[b]}
            return Conflict(tuple(sorted(blamed if failed else blamed | {need})))
        case _:
            return Undecided("conditions on the values of one key")


def _element(var: Var, asked: Sequence[tuple[Term, bool]], hint: Hint, budget: int) -> str | Conflict | Undecided:
    """A text that satisfies Boolean terms over it, one branch of their disjunctive form after the other."""
    blamed: set[int] = set()
    doubt: Undecided | None = None
    for count, branch in enumerate(_branches([(t, s, i) for i, (t, s) in enumerate(asked)])):
        if count >= BRANCHES:
            return Undecided("conditions on the values of one key")
        if isinstance(branch, frozenset):
            blamed |= branch
            continue
        if any(isinstance(t, Each | Some | Within) or t.var != var for t, _, _ in branch):  # type: ignore[union-attr]
            return Undecided("two keys in one condition")
        found = solve_text([(cast("Atom", t), s) for t, s, _ in branch], hint, budget)
        match found:
            case str():
                return found
            case Conflict(indices):
                blamed |= {branch[i][2] for i in indices}
            case Undecided():
                doubt = doubt or found
    return doubt or Conflict(tuple(sorted(blamed)))


Branch = list[tuple["Term", bool, int]]


def _branches(todo: Sequence[tuple[Term, bool, int]]) -> Iterator[Branch | frozenset[int]]:
    """The branches of the disjunctive form of a conjunction, as literals; a set names terms that are false together.

    Each part carries the index of the term that it comes from.
    """
    literals: Branch = []
    work = [*reversed(todo)]
    while work:
        term, sign, i = work.pop()
        match term:
            case Const(value):
                if value is not sign:
                    yield frozenset((i,))
                    return
            case Named(_, arg):
                work.append((arg, sign, i))
            case Not(arg):
                work.append((arg, not sign, i))
            case And(args) | Or(args):
                if isinstance(term, And) is sign:
                    work.extend((a, sign, i) for a in reversed(args))
                    continue
                rest = [*literals, *reversed(work)]
                for arg in args:
                    yield from _branches([*rest, (arg, sign, i)])
                yield frozenset((i,))
                return
            case _:
                literals.append((term, sign, i))
    yield literals

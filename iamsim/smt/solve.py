"""The solver: the cheapest back-end that decides, and minimal cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.errors import InternalError, QueryError
from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import TRUE, all_of
from iamsim.smt.skeleton import problem
from iamsim.smt.tableau import OVER, tableau
from iamsim.smt.types import Limits, Sat, Unknown, Unsat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from iamsim.ir.term import Term, Var
    from iamsim.smt.skeleton import Problem
    from iamsim.smt.types import Outcome
    from iamsim.theory.hint import Hint

ENGINES = ("auto", "tableau", "z3", "z3-strings", "cvc5")
DEFAULT = Limits()


def solve(term: Term, hints: Callable[[Var], Hint], limits: Limits = DEFAULT, *, engine: str = "auto") -> Outcome:
    """Sat with an assignment under which `term` is true, Unsat iff none that `hints` allows is, or Unknown.

    No part of `term` may be U. The assignment has the variables that must be present; all others are absent. `auto`
    climbs from the cheapest back-end to the dearest; the other engines force one back-end.
    """
    asked = problem(term)
    match engine:
        case "auto":
            outcome = _climb(term, asked, hints, limits)
        case "tableau":
            outcome = tableau(asked, hints, limits)
        case "z3":
            outcome = _skeleton(asked, hints, limits)
        case "z3-strings" | "cvc5":
            outcome = _strings(term, hints, limits, engine)
        case _:
            raise QueryError(f"unknown engine `{engine}`", help=f"engines are {', '.join(ENGINES)}")
    if isinstance(outcome, Sat) and evaluate(term, outcome.assignment) is not True:
        raise InternalError(f"the assignment of {outcome.engine} does not satisfy the term", (term, outcome))
    return outcome


def _climb(term: Term, asked: Problem, hints: Callable[[Var], Hint], limits: Limits) -> Outcome:
    outcome = tableau(asked, hints, limits)
    if isinstance(outcome, Unknown) and outcome.reason == OVER:
        outcome = _skeleton(asked, hints, limits)
    if not isinstance(outcome, Unknown) or limits.strings_seconds <= 0:
        return outcome
    last = _strings(term, hints, limits, "z3-strings")
    return outcome if isinstance(last, Unknown) else last


def _skeleton(asked: Problem, hints: Callable[[Var], Hint], limits: Limits) -> Outcome:
    from iamsim.smt.encode import skeleton

    return skeleton(asked, hints, limits)


def _strings(term: Term, hints: Callable[[Var], Hint], limits: Limits, engine: str) -> Outcome:
    from iamsim.smt.strings import solve_strings

    return solve_strings(term, hints, limits, engine=engine)


def minimal_core(
    conjuncts: Sequence[Term],
    hints: Callable[[Var], Hint],
    limits: Limits = DEFAULT,
    background: Term = TRUE,
    *,
    engine: str = "auto",
) -> tuple[int, ...]:
    """The indices of conjuncts that are unsatisfiable together with `background`, of which none can be dropped.

    Of several such sets, the one whose last conjunct comes first, and so on. What is not shown to be dispensable stays,
    so the answer is all of `conjuncts` where their conjunction is not shown to be unsatisfiable.
    """

    def refuted(indices: Sequence[int]) -> bool:
        whole = all_of([background, *(conjuncts[i] for i in indices)])
        return isinstance(solve(whole, hints, limits, engine=engine), Unsat)

    rest = list(range(len(conjuncts)))
    needed: list[int] = []
    if not refuted(rest):
        return tuple(rest)
    while not refuted(needed):
        low, high = 0, len(rest)  # the prefix of length `high` is refuted
        while high - low > 1:
            middle = (low + high) // 2
            if refuted([*rest[:middle], *needed]):
                high = middle
            else:
                low = middle
        needed.insert(0, rest[high - 1])
        rest = rest[: high - 1]
    return tuple(needed)

"""Can a statement, or a condition, ever hold? Terms without a request, decided by the solver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.ir.bounds import may, must
from iamsim.ir.conditions import condition_term
from iamsim.ir.lower import resource_term
from iamsim.ir.term import FALSE, TRUE, Term, all_of, has_opaque, strip, variables
from iamsim.judge.axioms import hint_of, shapes
from iamsim.smt.types import Limits, Sat, Unsat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iamsim.model.policy import Policy, Statement

LIMITS = Limits()


def model_of(term: Term, limits: Limits = LIMITS) -> Mapping[str, tuple[str, ...]] | str | None:
    """Values of keys under which `term` certainly holds; None iff it can hold under none; else why that is not known.

    The values fit the types of their keys; nothing else is known of the request.
    """
    from iamsim.smt.solve import solve

    bare = strip(term)
    wide = strip(may(bare))
    if wide is FALSE:
        return None
    found = solve(_typed(wide), hint_of, limits)
    if isinstance(found, Unsat):
        return None
    if not isinstance(found, Sat):
        return found.reason
    if not has_opaque(bare):
        return found.assignment
    certain = solve(_typed(must(bare)), hint_of, limits)
    return certain.assignment if isinstance(certain, Sat) else "it rests on what is not known"


def clash(parts: Sequence[Term], limits: Limits = LIMITS) -> tuple[int, ...]:
    """The indices of a smallest set of `parts` that cannot hold together; all of them where that is not shown."""
    from iamsim.smt.solve import minimal_core

    wide = [strip(may(strip(p))) for p in parts]
    background = all_of(shapes(frozenset(v for p in wide for v in variables(p))))
    return minimal_core(wide, hint_of, limits, background)


def parts_of(policy: Policy, statement: Statement) -> tuple[Term, ...]:
    """What a statement demands of resource and conditions: the term of its resources, then one for each condition."""
    parts: list[Term] = [TRUE]
    if statement.resource is not None:
        parts[0] = resource_term(statement.resource, policy.kind, None, "")
    parts += [condition_term(c, variables=policy.variables) for c in statement.conditions]
    return tuple(parts)


def _typed(term: Term) -> Term:
    return all_of((term, *shapes(variables(term))))

"""A tableau with theories: branches of the skeleton, each checked variable by variable, without Z3.

Every assertion carries the set of decisions that it rests on, as the bits of an integer. A conflict is such a set too,
so a branch that does not take part in a conflict of its own is not tried again on its other sides.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from iamsim.ir.term import Const, Within
from iamsim.smt.skeleton import Node, true_under, truth
from iamsim.smt.types import Cost, Sat, Unknown, Unsat
from iamsim.theory.combine import COMBINATIONS, Conflict, Undecided, implied, solve_literals, solve_variable
from iamsim.theory.variables import references

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from iamsim.ir.term import Term, Var
    from iamsim.smt.skeleton import Problem
    from iamsim.smt.types import Limits, Outcome
    from iamsim.theory.combine import Told
    from iamsim.theory.hint import Hint

DEPTH = 150
DOUBTS = 8  # branches without an answer, after which fewer values are tried
OVER = "too many branches"

Values = dict["Var", tuple[str, ...]]
Entry = tuple[int, "Term", bool]  # a literal, and what it says of one variable
Found = Values | int | Undecided  # a model, the decisions of a conflict, or neither
Disjunction = tuple[tuple[int | Node, ...], int]


@dataclass(slots=True)
class _Search:
    """What all branches share. `told` holds answers per variable and literals, `alone` those per variable and terms, `says` what a
    literal says of single variables.
    """

    problem: Problem
    hints: Callable[[Var], Hint]
    limits: Limits
    deadline: float
    nodes: int = 0
    doubts: int = 0
    stopped: str = ""
    told: dict[tuple[Var, tuple[int, ...]], tuple[str, ...] | Conflict | Undecided] = field(default_factory=dict)
    alone: Told = field(default_factory=dict)
    says: dict[int, tuple[tuple[Var, Term, bool], ...]] = field(default_factory=dict)


@dataclass(slots=True)
class _Branch:
    """One branch: literals and open disjunctions with the decisions that they rest on, and values found so far."""

    literals: dict[int, int] = field(default_factory=dict)
    open: list[Disjunction] = field(default_factory=list)
    entries: dict[Var, tuple[Entry, ...]] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    linked: tuple[int, ...] = ()
    doubt: Undecided | None = None

    def copy(self) -> _Branch:
        """A branch that can be changed alone."""
        return _Branch(
            dict(self.literals), list(self.open), dict(self.entries), dict(self.values), self.linked, self.doubt
        )


def tableau(problem: Problem, hints: Callable[[Var], Hint], limits: Limits) -> Outcome:
    """Sat with an assignment that makes the skeleton true, Unsat iff there is none, or Unknown.

    The reason is OVER iff the budget of decisions was too small.
    """
    if isinstance(problem.root, bool):
        return Sat({}, "fold") if problem.root else Unsat("fold")
    search = _Search(problem, hints, limits, time.monotonic() + limits.seconds)
    found = _explore(search, _Branch(), [(problem.root, 0)], 0)
    engine = "tableau" if search.nodes else "theory"
    match found:
        case int():
            return Unsat(engine, Cost(search.nodes))
        case Undecided(reason):
            return Unknown(search.stopped or reason, Cost(search.nodes))
        case _:
            return Sat(found, engine, Cost(search.nodes))


def _explore(search: _Search, branch: _Branch, asserted: list[tuple[int | Node, int]], level: int) -> Found:
    """The answer for `branch` with `asserted` added; `level` decisions were made before."""
    conflict = _assert(search, branch, asserted)
    if conflict is not None:
        return conflict
    model = _model(search, branch)
    if isinstance(model, int):
        return model
    wrong = branch.open
    if isinstance(model, dict):
        memo: dict[int, bool] = {}
        wrong = [d for d in branch.open if not any(true_under(p, search.problem, model, memo) for p in d[0])]
        if not wrong:
            return model
    if not wrong:
        return cast("Undecided", model)
    parts, rests = min(wrong, key=lambda d: len(d[0]))
    branch.open = [d for d in branch.open if d[0] is not parts]
    return _decide(search, branch, parts, rests, level)


def _decide(search: _Search, branch: _Branch, parts: tuple[int | Node, ...], rests: int, level: int) -> Found:
    """The answer where one of `parts` has to hold, which rests on the decisions `rests`."""
    bit = 1 << level
    doubt: Undecided | None = None
    blame = rests
    for part in sorted(parts, key=lambda p: _weight(search, branch, p)):
        search.nodes += 1
        if search.nodes > search.limits.nodes or level >= DEPTH:
            search.stopped = OVER
        elif time.monotonic() > search.deadline:
            search.stopped = "out of time"
        if search.stopped:
            return Undecided(search.stopped)
        found = _explore(search, branch.copy(), [(part, rests | bit)], level + 1)
        if isinstance(found, dict):
            return found
        if isinstance(found, Undecided):
            if search.stopped:
                return found
            doubt = doubt or found
        elif not found & bit:
            return found
        else:
            blame |= found & ~bit
    return doubt if doubt is not None else blame


def _weight(search: _Search, branch: _Branch, part: int | Node) -> int:
    """How much `part` seems to ask for: nothing new, absence, presence, several things."""
    if isinstance(part, Node):
        return 3 + (not part.conjunction)
    if part in branch.literals:
        return 0
    term, sign = search.problem.literal(part)
    return 0 if truth(term, branch.values) is sign else 2 if sign else 1


# --- one branch --------------------------------------------------------------------------------------------------


def _assert(search: _Search, branch: _Branch, asserted: list[tuple[int | Node, int]]) -> int | None:
    """Add assertions and what follows from them; the decisions of a conflict, if there is one."""
    while asserted:
        fresh: list[int] = []
        while asserted:
            node, rests = asserted.pop()
            if isinstance(node, Node):
                if node.conjunction:
                    asserted.extend((p, rests) for p in reversed(node.parts))
                else:
                    branch.open.append((node.parts, rests))
            elif node not in branch.literals:
                if -node in branch.literals:
                    return rests | branch.literals[-node]
                branch.literals[node] = rests
                fresh.append(node)
        conflict = _propagate(branch, asserted)
        if conflict is not None:
            return conflict
        conflict = _check(search, branch, fresh)
        if conflict is not None:
            return conflict
    return None


def _propagate(branch: _Branch, asserted: list[tuple[int | Node, int]]) -> int | None:
    """Drop the disjunctions that hold, assert what is left of those with one open part."""
    literals = branch.literals
    kept: list[Disjunction] = []
    for disjunction in branch.open:
        parts, rests = disjunction
        left: list[int | Node] = []
        for part in parts:
            if isinstance(part, Node):
                left.append(part)
            elif part in literals:
                break
            elif -part in literals:
                rests |= literals[-part]
            else:
                left.append(part)
        else:
            if not left:
                return rests
            if len(left) == 1:
                asserted.append((left[0], rests))
            else:
                kept.append(disjunction if len(left) == len(parts) else (tuple(left), rests))
    branch.open = kept
    return None


def _check(search: _Search, branch: _Branch, fresh: Sequence[int]) -> int | None:
    """Values for the variables that the literals `fresh` speak of; the decisions of a conflict, if there is one."""
    touched: dict[Var, list[Entry]] = {}
    for literal in fresh:
        says = search.says.get(literal)
        if says is None:
            says = search.says[literal] = implied(*search.problem.literal(literal))
        if not says or _is_linked(search, literal):
            branch.linked += (literal,)
        for var, term, sign in says:
            if isinstance(term, Const):
                if term.value is not sign:
                    return branch.literals[literal]
                continue
            touched.setdefault(var, []).append((literal, term, sign))
    for var, added in touched.items():
        entries = branch.entries[var] = (*branch.entries.get(var, ()), *added)
        known = branch.values if var in branch.values or len(added) == len(entries) else None
        if known is not None and all(truth(t, known) is s for _, t, s in added):
            continue
        key = (var, tuple(n for n, _, _ in entries))
        found = search.told.get(key)
        if found is None:
            asked = [(t, s) for _, t, s in entries]
            found = search.told[key] = solve_variable(var, asked, search.hints(var), search.limits.states)
        match found:
            case Conflict(indices):
                return _union(branch.literals[entries[i][0]] for i in indices)
            case Undecided():
                branch.doubt = branch.doubt or found
                branch.values.pop(var, None)
            case ():
                branch.values.pop(var, None)
            case _:
                branch.values[var] = found
    return None


def _is_linked(search: _Search, literal: int) -> bool:
    term, _ = search.problem.literal(literal)
    return isinstance(term, Within) or bool(references(term))


def _union(masks: Iterable[int]) -> int:
    out = 0
    for mask in masks:
        out |= mask
    return out


def _model(search: _Search, branch: _Branch) -> Mapping[Var, tuple[str, ...]] | int | Undecided:
    """Values under which all literals of the branch hold, the decisions of a conflict, or neither."""
    literals = list(branch.literals)
    if branch.doubt is None and all(_holds(search, n, branch.values) for n in branch.linked):
        return branch.values
    asked = [search.problem.literal(n) for n in literals]
    tries = COMBINATIONS if search.doubts < DOUBTS else 4
    found = solve_literals(asked, search.hints, search.limits.states, tries=tries, told=search.alone)
    search.doubts += isinstance(found, Undecided)
    if isinstance(found, Conflict):
        return _union(branch.literals[literals[i]] for i in found.indices)
    return found


def _holds(search: _Search, literal: int, values: Values) -> bool:
    term, sign = search.problem.literal(literal)
    return truth(term, values) is sign

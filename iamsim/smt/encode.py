"""The Boolean skeleton in Z3, with lemmas from the theories added as its models ask for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import z3

from iamsim.smt.skeleton import Node
from iamsim.smt.types import Cost, Sat, Unknown, Unsat
from iamsim.theory.combine import Conflict, Undecided, solve_literals

if TYPE_CHECKING:
    from collections.abc import Callable

    from iamsim.ir.term import Var
    from iamsim.smt.skeleton import Problem
    from iamsim.smt.types import Limits, Outcome
    from iamsim.theory.hint import Hint


def skeleton(problem: Problem, hints: Callable[[Var], Hint], limits: Limits) -> Outcome:
    """Sat with an assignment that makes the skeleton true, Unsat iff there is none, or Unknown.

    Z3 proposes truth values for the atoms. They are cut to literals that suffice, for which the theories find texts or
    a conflict; the negation of the conflict goes back to Z3.
    """
    if isinstance(problem.root, bool):
        return Sat({}, "fold") if problem.root else Unsat("fold")
    context = z3.Context()
    names = [z3.Bool(f"a{i}", context) for i in range(1, len(problem.atoms) + 1)]
    solver = z3.SolverFor("QF_FD", ctx=context)
    solver.set("random_seed", 0)
    solver.set("rlimit", limits.rlimit)
    solver.add(z3.parse_smt2_string(_text(problem), ctx=context))
    deadline = time.monotonic() + limits.seconds
    doubt = ""
    for rounds in range(1, limits.rounds + 1):
        answer = solver.check()
        cost = Cost(rounds=rounds)
        if answer == z3.unsat:
            return Unknown(doubt, cost) if doubt else Unsat("z3", cost)
        if answer != z3.sat:
            return Unknown("too much work for z3", cost)
        if time.monotonic() > deadline:
            return Unknown("out of time", cost)
        literals = _sufficient(problem.root, solver.model(), names)
        found = solve_literals([problem.literal(n) for n in literals], hints, limits.states)
        match found:
            case Conflict(indices):
                lemma = [literals[i] for i in indices]
            case Undecided(reason):
                doubt = doubt or reason
                lemma = literals
            case _:
                return Sat(found, "z3", cost)
        solver.add(z3.Or([z3.Not(names[n - 1]) if n > 0 else names[-n - 1] for n in lemma], context))
    return Unknown("too many models", Cost(rounds=limits.rounds))


def _text(problem: Problem) -> str:
    """The skeleton in SMT-LIB: an atom is a Boolean `a<number>`; shared nodes are defined once."""
    lines = [f"(declare-const a{i} Bool)" for i in range(1, len(problem.atoms) + 1)]
    defined: dict[int, str] = {}

    def write(node: int | Node) -> str:
        if not isinstance(node, Node):
            return f"a{node}" if node > 0 else f"(not a{-node})"
        name = defined.get(id(node))
        if name is None:
            body = " ".join([write(p) for p in node.parts])
            name = defined[id(node)] = f"n{len(defined)}"
            lines.append(f"(define-fun {name} () Bool ({'and' if node.conjunction else 'or'} {body}))")
        return name

    if not isinstance(problem.root, bool):
        lines.append(f"(assert {write(problem.root)})")
    return "\n".join(lines)


def _sufficient(root: int | Node, model: z3.ModelRef, names: list[z3.BoolRef]) -> list[int]:
    """Literals, true in `model`, that make the skeleton true: all parts of a conjunction, one of a disjunction."""
    truth: dict[int, bool] = {}
    known: dict[int, bool] = {}
    chosen: dict[int, None] = {}

    def holds(node: int | Node) -> bool:
        if isinstance(node, Node):
            value = known.get(id(node))
            if value is None:
                test = all if node.conjunction else any
                value = known[id(node)] = test(holds(p) for p in node.parts)
            return value
        number = abs(node)
        if number not in truth:
            truth[number] = z3.is_true(model.eval(names[number - 1]))
        return truth[number] is (node > 0)

    def rank(node: int | Node) -> int:
        return 3 if isinstance(node, Node) else 0 if node in chosen else 1 if node < 0 else 2

    work: list[int | Node] = [root]
    later: list[Node] = []
    seen: set[int] = set()
    while work or later:
        if not work:
            work.append(min((p for p in later.pop().parts if holds(p)), key=rank))
        node = work.pop()
        if not isinstance(node, Node):
            chosen[node] = None
        elif id(node) not in seen:
            seen.add(id(node))
            if node.conjunction:
                work.extend(reversed(node.parts))
            else:
                later.append(node)
    return list(chosen)

"""The Boolean skeleton of a term: negations at the atoms, atoms numbered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never, cast

from iamsim.errors import InternalError
from iamsim.ir.evaluate import atom_value, evaluate
from iamsim.ir.term import (
    And,
    Compare,
    Const,
    Each,
    InNetwork,
    Like,
    Named,
    Not,
    Opaque,
    Or,
    Parses,
    Present,
    Some,
    Sort,
    Within,
)
from iamsim.model.pattern import Star, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.ir.term import Atom, Term, Var
    from iamsim.model.pattern import Pattern

ANYTHING = (Star(),)
PLAIN = frozenset({Present, Compare, InNetwork, Within, Each, Some})


@dataclass(frozen=True, slots=True)
class Node:
    """All (`conjunction`) or some of `parts`; a literal is plus or minus the number of its atom, counted from 1."""

    conjunction: bool
    parts: tuple[int | Node, ...]


Skeleton = int | Node | bool


@dataclass(frozen=True, slots=True)
class Problem:
    """A skeleton and its atoms; atom 1 is the first."""

    root: Skeleton
    atoms: tuple[Atom | Each | Some, ...]

    def literal(self, number: int) -> tuple[Atom | Each | Some, bool]:
        """The atom of a literal and its sign."""
        return self.atoms[abs(number) - 1], number > 0


def problem(term: Term) -> Problem:
    """The skeleton of `term`, in which no part may be U; constants occur only as the whole."""
    numbers: dict[Term, int] = {}
    cache: dict[tuple[int, bool], Skeleton] = {}
    root = _build(term, True, numbers, cache)
    return Problem(root, cast("tuple[Atom | Each | Some, ...]", tuple(numbers)))


def _build(term: Term, sign: bool, numbers: dict[Term, int], cache: dict[tuple[int, bool], Skeleton]) -> Skeleton:
    if type(term) in PLAIN:
        number = numbers.setdefault(term, len(numbers) + 1)
        return number if sign else -number
    match term:
        case And(args) | Or(args):
            key = (id(term), sign)
            found = cache.get(key)
            if found is None:
                found = cache[key] = _join(args, sign, isinstance(term, And) is sign, numbers, cache)
            return found
        case Not(arg):
            return _build(arg, not sign, numbers, cache)
        case Named(_, arg):
            return _build(arg, sign, numbers, cache)
        case Const(value):
            return value is sign
        case Opaque():
            raise InternalError("an unknown part reached the solver", term)
        case Like(var, pattern) if pattern.parts == ANYTHING:
            term = Present(var)
        case Like(var, pattern) if _is_itself(var, pattern):
            term = Present(var)
        case Parses(var, Sort.STRING):
            term = Present(var)
        case Like() | Compare() | InNetwork() | Parses() | Present() | Within() | Each() | Some():
            pass
        case _:
            assert_never(term)
    number = numbers.setdefault(term, len(numbers) + 1)
    return number if sign else -number


def _is_itself(var: Var, pattern: Pattern) -> bool:
    """True iff the pattern is the policy variable `var` among stars, so that it matches every value of `var`."""
    own = [p for p in pattern.parts if isinstance(p, Variable)]
    return len(own) == 1 and own[0].key == var and all(isinstance(p, Star | Variable) for p in pattern.parts)


def _join(
    args: tuple[Term, ...],
    sign: bool,
    conjunction: bool,
    numbers: dict[Term, int],
    cache: dict[tuple[int, bool], Skeleton],
) -> Skeleton:
    parts: list[int | Node] = []
    literals: set[int] = set()
    nodes: set[int] = set()
    for arg in args:
        part = _build(arg, sign, numbers, cache)
        if part is True or part is False:
            if part is not conjunction:
                return part
            continue
        for p in part.parts if isinstance(part, Node) and part.conjunction is conjunction else (part,):
            if isinstance(p, Node):
                if id(p) not in nodes:
                    nodes.add(id(p))
                    parts.append(p)
            elif -p in literals:
                return not conjunction
            elif p not in literals:
                literals.add(p)
                parts.append(p)
    if not parts:
        return conjunction
    return parts[0] if len(parts) == 1 else Node(conjunction, tuple(parts))


def truth(atom: Term, assignment: Mapping[Var, tuple[str, ...]]) -> bool:
    """The value of an atom, `Each` or `Some`, as `evaluate` has it."""
    if isinstance(atom, Like | Present | Compare | InNetwork | Parses | Within):
        return atom_value(atom, assignment)
    return evaluate(atom, assignment) is True


def true_under(
    node: int | Node, atoms: Problem, assignment: Mapping[Var, tuple[str, ...]], memo: dict[int, bool]
) -> bool:
    """The value of `node` under `assignment`; `memo` keeps the values of atoms."""
    if isinstance(node, Node):
        if node.conjunction:
            return all(true_under(p, atoms, assignment, memo) for p in node.parts)
        return any(true_under(p, atoms, assignment, memo) for p in node.parts)
    number = abs(node)
    value = memo.get(number)
    if value is None:
        value = memo[number] = truth(atoms.atoms[number - 1], assignment)
    return value is (node > 0)

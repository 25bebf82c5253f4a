"""Multivalued keys: the elements that demands and bounds ask for, or those that exclude each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

D = TypeVar("D")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Element(Generic[V]):
    """One value that satisfies all that was asked of it."""

    value: V


@dataclass(frozen=True, slots=True)
class NoElement:
    """No value satisfies the arguments with these indices together."""

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Elements(Generic[V]):
    """The different values of the key, in the order of the demands."""

    values: tuple[V, ...]


@dataclass(frozen=True, slots=True)
class ElementConflict:
    """The indices of a demand (none iff presence alone demands an element) and of bounds that exclude each other."""

    demands: tuple[int, ...]
    bounds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """Neither a value nor a conflict was found."""


def solve_elements(
    demands: Sequence[D],
    bounds: Sequence[D],
    solve_one: Callable[[Sequence[D]], Element[V] | NoElement | Undecided],
    *,
    present: bool = True,
) -> Elements[V] | ElementConflict | Undecided:
    """Values such that each demand holds for one of them and each bound for all of them, or a conflict.

    A demand is what a true `ForAnyValue` or a false `ForAllValues` asks of one element; a bound is what a true
    `ForAllValues` or a false `ForAnyValue` asks of every element. `solve_one` decides a conjunction of demands and
    bounds for one element, and names its arguments by index where it finds a conflict; the answers are as good as
    its own. With `present` (asserted apart from demands and bounds) at least one element is needed, else no element is
    needed without demands. A conflict prevails over a demand that was not decided.
    Source: IAM User Guide, "Set operators for multivalued context keys".
    """
    values: dict[V, None] = {}
    undecided = False
    lone: list[tuple[tuple[int, ...], Sequence[D]]] = [((i,), (demand, *bounds)) for i, demand in enumerate(demands)]
    if not demands and present:
        lone = [((), tuple(bounds))]
    for demand, conjunction in lone:
        match solve_one(conjunction):
            case Element(value):
                values.setdefault(value)
            case NoElement(indices):
                shift = len(demand)
                needed = tuple(sorted({i - shift for i in indices if i >= shift}))
                blamed = demand if 0 in indices or not present else ()
                return ElementConflict(blamed, needed)
            case Undecided():
                undecided = True
    return Undecided() if undecided else Elements(tuple(values))

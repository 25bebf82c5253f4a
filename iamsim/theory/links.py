"""Linked dates: values for variables between which differences are bounded, or a proof that there are none.

A choice of one interval per variable and of one side per denied link is a system of bounds on differences; such a
system has a solution iff it has no negative cycle.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import islice, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from iamsim.ir.term import Var, Within
    from iamsim.theory.intervals import Interval

CHOICES = 512
TYPICAL = Fraction(1767225600)  # the beginning of 2026
Bound = tuple[Fraction, bool]  # a difference is at most the number; less than it iff the flag is false
Difference = tuple[int, int, Bound]  # the first node minus the second


def solve_dates(
    ranges: Mapping[Var, Sequence[Interval]], links: Sequence[tuple[Within, bool]]
) -> dict[Var, Fraction] | bool:
    """Dates within `ranges` for which the links hold or not as stated; False iff there are none; True: undecided.

    All variables of `links` are in `ranges`.
    """
    order = list(ranges)
    nodes = {var: i + 1 for i, var in enumerate(order)}
    sides = [_sides(link, sign, nodes) for link, sign in links]
    choices = list(islice(product(product(*(ranges[v] for v in order)), product(*sides)), CHOICES + 1))
    if len(choices) > CHOICES:
        return True
    for pieces, chosen in choices:
        differences = [d for side in chosen for d in side]
        for node, piece in enumerate(pieces, 1):
            differences += _of_interval(node, piece)
        found = _solve(len(order), differences)
        if found is not None:
            return dict(zip(order, found, strict=True))
    return False


def _sides(link: Within, sign: bool, nodes: Mapping[Var, int]) -> list[list[Difference]]:
    """The ways in which the link has the value `sign`, each a list of bounds."""
    first, second = nodes[link.first], nodes[link.second]
    zero = Fraction(0)
    if sign:
        late = [] if link.seconds is None else [(second, first, (Fraction(link.seconds), True))]
        return [[(first, second, (zero, True)), *late]]
    early: list[Difference] = [(second, first, (zero, False))]
    if link.seconds is None:
        return [early]
    return [early, [(first, second, (Fraction(-link.seconds), False))]]


def _of_interval(node: int, piece: Interval) -> Iterator[Difference]:
    if piece.low is not None:
        yield 0, node, (-piece.low, piece.low_closed)
    if piece.high is not None:
        yield node, 0, (piece.high, piece.high_closed)


def _solve(count: int, differences: Sequence[Difference]) -> list[Fraction] | None:
    """Numbers for the nodes 1 to `count` (node 0 is zero) within the bounds, integers where possible."""
    out: list[Fraction] = []
    fixed = list(differences)
    for node in range(1, count + 1):
        matrix = _closure(count, fixed)
        if matrix is None:
            return None
        value = _pick(matrix[0][node], matrix[node][0])
        out.append(value)
        fixed += [(node, 0, (value, True)), (0, node, (-value, True))]
    return out if _closure(count, fixed) is not None else None


def _closure(count: int, differences: Sequence[Difference]) -> list[list[Bound | None]] | None:
    """The tightest bound on each difference, or None if they contradict each other."""
    size = count + 1
    tight: list[list[Bound | None]] = [[None] * size for _ in range(size)]
    for i in range(size):
        tight[i][i] = (Fraction(0), True)
    for a, b, bound in differences:
        old = tight[a][b]
        if old is None or bound < old:
            tight[a][b] = bound
    for k, i, j in product(range(size), repeat=3):
        left, right, old = tight[i][k], tight[k][j], tight[i][j]
        if left is None or right is None:
            continue
        through = (left[0] + right[0], left[1] and right[1])
        if old is None or through < old:
            tight[i][j] = through
    if any(own is not None and own < (Fraction(0), True) for own in (tight[i][i] for i in range(size))):
        return None
    return tight


def _pick(below: Bound | None, above: Bound | None) -> Fraction:
    """A number between minus the first and the second, an integer if there is one."""
    low = None if below is None else -below[0]
    if low is None or below is None:
        if above is None:
            return TYPICAL
        return Fraction(math.floor(above[0]) if above[1] else math.ceil(above[0]) - 1)
    whole = Fraction(math.ceil(low) if below[1] else math.floor(low) + 1)
    if above is None or whole < above[0] or (above[1] and whole == above[0]):
        return whole
    return low if low == above[0] else (low + above[0]) / 2

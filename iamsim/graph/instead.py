"""The sets of changes that make one request possible, instead of the one that was found first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind
from iamsim.graph.goals import Reached, goal_of
from iamsim.graph.order import replaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Closure, Fact
    from iamsim.graph.world import Node
    from iamsim.judge.candidates import Target

_SETS = 40
"""Sets of changes that are left out in turn for one request of one node."""


def after_each_set(closure: Closure, node: Node, target: Target, depth: Mapping[Fact, int]) -> Iterator[Reached]:
    """The request by the node after each minimal set of changes after which it is certainly allowed."""
    todo: list[frozenset[Change]] = [frozenset()]
    tried: set[frozenset[Change]] = set()
    seen: set[frozenset[Change]] = set()
    while todo and len(tried) < _SETS:
        without = todo.pop(0)
        if without in tried:
            continue
        tried.add(without)
        goal = goal_of(_without(closure, without), node, target, [], depth)
        if goal is None:
            continue
        if goal.sure and goal.needs not in seen:
            seen.add(goal.needs)
            yield goal
        todo += [without | {c} for c in sorted(goal.needs) if c.kind is not Kind.CREATED]


def after_one_instead(
    closure: Closure, goal: Reached, fired: tuple[Firing, ...], depth: Mapping[Fact, int]
) -> Iterator[Reached]:
    """The request after a change that is made on the way anyway and replaced by another one, in place of that one."""
    made = {g for f in fired for g in f.gains if isinstance(g, Change)}
    for last in sorted(goal.needs & made):
        for kept in sorted(c for c in made if replaces(c, last) and c != last):
            rest = frozenset(c for c in closure.changes if replaces(c, kept) and c != kept)
            other = goal_of(_without(closure, rest), goal.node, goal.target, [], depth)
            if other is not None and other.sure:
                yield other


def _without(closure: Closure, changes: frozenset[Change]) -> Closure:
    return replace(closure, how={k: v for k, v in closure.how.items() if k not in changes}) if changes else closure

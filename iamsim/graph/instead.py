"""The sets of changes that make one request possible, instead of the one that was found first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind
from iamsim.graph.goals import Reached, goal_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


def _without(closure: Closure, changes: frozenset[Change]) -> Closure:
    return replace(closure, how={k: v for k, v in closure.how.items() if k not in changes}) if changes else closure

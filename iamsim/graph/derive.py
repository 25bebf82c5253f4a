"""The smallest sets of firings from which a fact follows, in the AND-OR graph of facts and firings."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

from iamsim.graph.direct import direct, takers
from iamsim.graph.exact import along, routes
from iamsim.graph.state import BASE, Closure, Fact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.env.changes import Change
    from iamsim.graph.moves import Firing

MAX_EXPANDED = 4000
"""Partial derivations that one search may extend."""


def smallest(closure: Closure, node: str, needs: frozenset[Change]) -> tuple[Firing, ...] | None:
    """The firings of a smallest set from which control of `node` and all of `needs` follow, in an order in which they work."""
    return next(derivations(closure, node, needs), None)


def derivations(
    closure: Closure, node: str, needs: frozenset[Change], given: tuple[Firing, ...] = ()
) -> Iterator[tuple[Firing, ...]]:
    """The minimal sets of firings from which control of `node` and all of `needs` follow, smaller ones first.

    All of them contain the firings `given`. Shared firings count once. Of equally large sets those with fewer assumptions
    come first, then by name.
    """
    facts: set[Fact] = {node, *needs, *(p for f in given for p in _premises(f))}
    goal: frozenset[Fact] = frozenset(facts) - BASE - _facts(given)
    number = count()
    depth = depths(closure)
    heap: list[tuple[int, int, int, frozenset[Fact], tuple[Firing, ...]]] = [(0, 0, next(number), goal, given)]
    seen: set[object] = set()
    found: list[frozenset[Firing]] = []
    expanded = 0
    while heap and expanded < MAX_EXPANDED:
        _, _, _, open_, chosen = heapq.heappop(heap)
        key = (open_, frozenset(chosen))
        if key in seen:
            continue
        seen.add(key)
        expanded += 1
        if not open_:
            whole = frozenset(chosen)
            if any(known <= whole for known in found):
                continue
            order = _ordered(chosen, goal | _facts(given))
            if order is not None:
                found.append(whole)
                yield order
            continue
        fact = max(open_, key=lambda f: (depth.get(f, 0), str(f)))
        for added in _ways_to(closure, fact):
            premises = tuple(p for f in added for p in _premises(f))
            if any(p not in depth for p in premises):
                continue
            have = {*_facts(chosen), *_facts(added), *BASE}
            after = tuple(dict.fromkeys((*chosen, *added)))
            rest: frozenset[Fact] = frozenset((*open_, *premises)) - BASE - have
            steps = len(after) + max((depth.get(f, 1) for f in rest), default=0)
            assumed = sum(len(f.assumed) for f in after)
            heapq.heappush(heap, (steps, assumed, next(number), rest, after))


def _ways_to(closure: Closure, fact: Fact) -> Iterator[tuple[Firing, ...]]:
    """What gives the fact at once: a firing, with the hops to the session that it depends on if it does."""
    for fired in _best_first(closure, fact):
        if not fired.session or not closure.nodes[fired.node].made:
            yield (fired,)
            continue
        for route in routes(closure, fired.node):
            found = along(closure, fired, route)
            if found is not None and found[0] >= closure.sure:
                yield (*route.basis, fired)


def _best_first(closure: Closure, fact: Fact) -> list[Firing]:
    found = closure.how.get(fact, ())
    more = (f for fired in found for f in direct(closure, fired))
    return sorted(dict.fromkeys((*found, *more)), key=lambda f: (len(f.assumed), f.technique, f.node))


def depths(closure: Closure) -> dict[Fact, int]:
    """For each fact the least number of firings one after the other that lead to it; worked out once for what is known."""
    for key in ("depths", "depths with more"):
        known = closure.done.get(key)
        if known is not None and known[0] is closure.how and known[1:3] == (len(closure.how), closure.count):  # type: ignore[index]
            return known[3]  # type: ignore[index,no-any-return]
    return _keep(closure, "depths", _depths(closure))


def deepen(closure: Closure, before: Closure) -> None:
    """Works out the depths of `closure` from those of what it holds more of than `before`, on which nothing else rests."""
    out, near = dict(depths(before)), takers(closure)
    for fact, fired in closure.how.items():
        if fired is not before.how.get(fact):
            found = _depth(out, fired, near)
            if fact in out and found < out[fact]:
                return  # what rests on it may be nearer too
            if found < _FAR:
                out[fact] = found
    _keep(closure, "depths with more", out)


def _keep(closure: Closure, key: str, found: dict[Fact, int]) -> dict[Fact, int]:
    closure.done[key] = (closure.how, len(closure.how), closure.count, found)
    return found


_FAR = 1 << 30


def _depth(out: dict[Fact, int], fired: tuple[Firing, ...], near: Mapping[str, tuple[str, ...]]) -> int:
    """The least depth by one of the firings, where those who took an administrator over may do without it (`direct`)."""
    every = (_premises(f) for f in fired)
    known = (1 + max(out[p] for p in premises) for premises in every if all(p in out for p in premises))
    least = min(known, default=_FAR)
    for f in fired if near else ():
        if f.node in near and f.node in out:
            rest = max((out.get(p, _FAR) for p in f.needs), default=0)
            least = min(least, *(1 + max(rest, out.get(n, _FAR)) for n in near[f.node]))
    return least


def _depths(closure: Closure) -> dict[Fact, int]:
    out: dict[Fact, int] = dict.fromkeys(BASE, 0)
    near = takers(closure)
    more = True
    while more:
        more = False
        for fact, fired in closure.how.items():
            found = _depth(out, fired, near)
            if found < out.get(fact, _FAR):
                out[fact] = found
                more = True
    return out


def _premises(fired: Firing) -> tuple[Fact, ...]:
    return (*fired.callers, *fired.needs)


def _facts(chosen: tuple[Firing, ...]) -> set[Fact]:
    from iamsim.graph.world import Node

    return {g.name if isinstance(g, Node) else g for f in chosen for g in f.gains}


def _ordered(chosen: tuple[Firing, ...], goal: frozenset[Fact]) -> tuple[Firing, ...] | None:
    """The firings in an order in which each rests on those before it, or None if they only rest on each other."""
    have: set[Fact] = set(BASE)
    out: list[Firing] = []
    left = list(chosen)
    while left:
        ready = [f for f in left if f.node in have and f.needs <= have]
        if not ready:
            return None
        first = ready[0]
        left.remove(first)
        out.append(first)
        have |= _facts((first,))
    return tuple(out) if goal <= have else None

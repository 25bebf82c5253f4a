"""The smallest sets of firings from which a fact follows, in the AND-OR graph of facts and firings."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.exact import along, routes
from iamsim.graph.outcomes import fact_of
from iamsim.graph.state import BASE, Closure, Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.env.changes import Change
    from iamsim.graph.absorbed import Absorbed
    from iamsim.graph.moves import Firing

    How = Mapping[Fact, tuple[Firing, ...]]

MAX_EXPANDED = 4000
"""Partial derivations that one search may extend."""


def smallest(closure: Closure, node: str, needs: frozenset[Change]) -> tuple[Firing, ...] | None:
    """The firings of a smallest set from which control of `node` and all of `needs` follow, in an order in which they work."""
    return next(derivations(closure, node, needs), None)


def derivations(
    closure: Closure,
    node: str,
    needs: frozenset[Change],
    given: tuple[Firing, ...] = (),
    needless: Callable[[tuple[Firing, ...], frozenset[Fact]], bool] = lambda *_: False,
) -> Iterator[tuple[Firing, ...]]:
    """The minimal sets of firings from which control of `node` and all of `needs` follow, smaller ones first.

    All of them contain the firings `given`; none contains firings that are `needless` with the facts still to be had. Shared
    firings count once. Of equally large sets those with fewer assumptions come first, then by name.
    """
    facts: set[Fact] = {node, *needs, *(p for f in given for p in _premises(f))}
    goal: frozenset[Fact] = frozenset(facts) - BASE - _facts(given)
    number = count()
    depth, ways = _counted(closure)
    have = BASE | _facts(given)
    heap: list[tuple[int, int, int, frozenset[Fact], tuple[Firing, ...], frozenset[Fact]]]
    heap = [(0, 0, next(number), goal, given, have)]
    seen: set[object] = set()
    found: list[frozenset[Firing]] = []
    expanded = 0
    while heap and expanded < MAX_EXPANDED:
        _, _, _, open_, chosen, have = heapq.heappop(heap)
        key = (open_, frozenset(chosen))
        if key in seen or needless(chosen, open_):
            continue
        seen.add(key)
        expanded += 1
        if not open_:
            whole = frozenset(chosen)
            if any(known <= whole for known in found):
                continue
            order = ordered(chosen, goal | _facts(given))
            if order is not None:
                found.append(whole)
                yield order
            continue
        fact = _deepest(open_, depth)
        if fact not in ways:
            ways[fact] = list(_steps_to(closure, fact, depth))
        for added, premises, gained in ways[fact]:
            after = tuple(dict.fromkeys((*chosen, *added)))
            then = have | gained
            rest = open_.union(premises) - then
            steps = len(after) + max((depth.get(f, 1) for f in rest), default=0)
            assumed = sum(len(f.assumed) for f in after)
            heapq.heappush(heap, (steps, assumed, next(number), rest, after, then))


def _deepest(facts: frozenset[Fact], depth: Mapping[Fact, int]) -> Fact:
    """The fact that is furthest away, the last by name of several."""
    most = max(depth.get(f, 0) for f in facts)
    among = [f for f in facts if depth.get(f, 0) == most]
    return among[0] if len(among) == 1 else max(among, key=str)


def _steps_to(
    closure: Closure, fact: Fact, depth: Mapping[Fact, int]
) -> Iterator[tuple[tuple[Firing, ...], tuple[Fact, ...], set[Fact]]]:
    """What gives the fact at once, if what it rests on can be had: with that, and with all that it gives."""
    for added in _ways_to(closure, fact):
        premises = tuple(p for f in added for p in _premises(f))
        if all(p in depth for p in premises):
            yield added, premises, _facts(added)


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
    return sorted(closure.how.get(fact, ()), key=lambda f: (len(f.assumed), f.technique, f.node))


def depths(closure: Closure) -> dict[Fact, int]:
    """For each fact the least number of firings one after the other that lead to it; worked out once for what is known."""
    return _counted(closure)[0]


_Ways = dict["Fact", list[tuple[tuple["Firing", ...], tuple["Fact", ...], set["Fact"]]]]
"""For facts what gives them at once, each with what it rests on and with all that it gives."""


def _counted(closure: Closure) -> tuple[dict[Fact, int], _Ways]:
    """The depths of the facts, and their ways as far as somebody asked for them."""
    for key in ("depths", "depths with more"):
        known = closure.done.get(key)
        if known is None:
            break
        if known[0] is closure.how and known[1:3] == (len(closure.how), closure.count):  # type: ignore[index]
            return known[3:]  # type: ignore[index,no-any-return]
    base: Absorbed | None = closure.done.get("beneath")  # type: ignore[assignment]
    found = _above(closure.how, base) if base is not None else None
    if found is None:
        found = dict.fromkeys(BASE, 0)
        _deepen(found, closure.how)
    closure.done[key] = (closure.how, len(closure.how), closure.count, found, {})
    return found, closure.done[key][4]  # type: ignore[index]


def _above(how: How, base: Absorbed) -> dict[Fact, int] | None:
    """The depths of facts among which are those of `base`: the depths there, counted on from its start, but for what
    something else leads to sooner. None if nothing but itself leads to that start, or if not all of `base` is there.
    """
    own = {fact: fired for fact, fired in how.items() if base.how.get(fact) is not fired}
    if not how.keys() >= base.how.keys() or not all(set(base.how.get(f, ())) <= set(fired) for f, fired in own.items()):
        return None
    first: dict[Fact, int] = dict.fromkeys(BASE, 0)
    _deepen(first, own)
    if base.start not in first:
        return None
    made = once(base.source.done, ("beneath", base.start), _beneath, base)
    at = first[base.start]
    out = {fact: found + at for fact, found in made.depths.items()} | dict.fromkeys(BASE, 0)
    todo = _deepen(out, {fact: how[fact] for fact in made.loose})
    for fact, found in first.items():
        if found < out.get(fact, _FAR):
            out[fact] = found
            todo.append(fact)
    while todo:
        for fact in todo:
            if fact not in made.depths:
                continue  # nothing of the base rests on what it does not have
            for other in once(base.source.done, ("resting", base.start), _resting, base).get(fact, ()):
                found = _depth(out, list(map(_premises, how[other])))
                if found < out.get(other, _FAR):
                    out[other] = found
                    todo.append(other)
        todo = _deepen(out, own)
    return out


@dataclass(frozen=True, slots=True)
class _Beneath:
    """The depths of what is absorbed, from its start, and the facts that rest on nothing found."""

    depths: dict[Fact, int]
    loose: list[Fact]


def _beneath(base: Absorbed) -> _Beneath:
    found, every = depths(base.source), BASE - {base.start}
    loose = [fact for fact, fired in base.how.items() if any(every.issuperset(_premises(f)) for f in fired)]
    return _Beneath({fact: found[fact] for fact in base.how if fact in found}, loose)


def _resting(base: Absorbed) -> dict[Fact, list[Fact]]:
    """The facts of what is absorbed that rest on each fact."""
    out: dict[Fact, list[Fact]] = {}
    for fact, fired in base.how.items():
        for premise in {p for f in fired for p in _premises(f)}:
            out.setdefault(premise, []).append(fact)
    return out


_FAR = 1 << 30


def _depth(out: dict[Fact, int], each: list[tuple[Fact, ...]]) -> int:
    """The depth of what follows from any of these premises."""
    least = _FAR
    for premises in each:
        found = 0
        for premise in premises:
            found = max(found, out.get(premise, _FAR))
        least = min(least, 1 + found)
    return least


def _deepen(out: dict[Fact, int], how: How) -> list[Fact]:
    """Puts the depths of the facts of `how` into `out` as far as they are less than those there, and returns these facts."""
    changed: list[Fact] = []
    resting = [(fact, list(map(_premises, fired))) for fact, fired in how.items()]
    more = True
    while more:
        before = len(changed)
        for fact, each in resting:
            found = _depth(out, each)
            if found < out.get(fact, _FAR):
                out[fact] = found
                changed.append(fact)
        more = len(changed) > before
    return changed


def _premises(fired: Firing) -> tuple[Fact, ...]:
    return (*fired.callers, *fired.needs) if fired.others else (fired.node, *fired.needs)


def _facts(chosen: tuple[Firing, ...]) -> set[Fact]:
    return {fact_of(g) for f in chosen for g in f.gains}


def ordered(chosen: tuple[Firing, ...], goal: frozenset[Fact]) -> tuple[Firing, ...] | None:
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

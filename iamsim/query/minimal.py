"""The minimal ways in one closure, in order of cost; what another of those listed before makes superfluous is left out."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from iamsim.graph.derive import depths, derivations
from iamsim.graph.ever import along_routes, holds
from iamsim.graph.instead import after_each_set
from iamsim.graph.outcomes import fact_of
from iamsim.graph.reach import within_reach
from iamsim.graph.state import BASE, OUTSIDER, START
from iamsim.ir.term import strip
from iamsim.judge.witness import witness_of
from iamsim.query.ever import hop_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.graph.ever import Way
    from iamsim.graph.goals import Reached
    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Closure, Fact
    from iamsim.graph.world import Node
    from iamsim.ir.term import Term
    from iamsim.judge.answer import Hop, Witness
    from iamsim.judge.candidates import Target
    from iamsim.query.prepare import Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One way: its steps, and `witness`, the request at its end (None where control of `target` was asked for).

    No step can be left out. `caller` is the ARN of the principal that it leads to, `residual` what the last request
    has to satisfy.
    """

    source: str
    target: str | None
    caller: str
    hops: tuple[Hop, ...]
    witness: Witness | None
    residual: Term | None

    @property
    def techniques(self) -> tuple[str, ...]:
        """The ids of the techniques of the steps, in order."""
        return tuple(h.technique for h in self.hops)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the steps take for granted."""
        return tuple(dict.fromkeys(a for h in self.hops for a in h.assumptions))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for ways: the question as `can` takes it, and the ARNs that the last caller must have (None: any)."""

    about: Prepared
    source: str
    target: str | None
    principals: frozenset[str] | None
    control: bool


Priced = tuple[tuple[int, int], "Path", tuple["Firing", ...]]
Measure = tuple[frozenset[object], frozenset["Fact"], frozenset[str]]


def measure(fired: tuple[Firing, ...]) -> Measure:
    """The firings as they are told, what they gain, and what they assume."""
    facts: set[Fact] = {fact_of(g) for f in fired for g in f.gains}
    told = frozenset((f.technique, f.variant, f.node, f.others, f.bound) for f in fired)
    return told, frozenset(facts), frozenset(a for f in fired for a in f.assumed)


def superfluous(fired: tuple[Firing, ...], done: list[Measure]) -> bool:
    """True iff one of the ways listed before is part of these firings, or gains less and assumes no more."""
    own, facts, assumed = measure(fired)
    return any(d <= own or (gained < facts and taken_for_granted <= assumed) for d, gained, taken_for_granted in done)


@dataclass(slots=True)
class _Needless:
    """Which firings lead to superfluous ways alone, to whatever they are completed in the closure."""

    closure: Closure
    done: list[Measure]
    apart: dict[Fact, frozenset[Fact]] = field(default_factory=dict)

    def firings(self, fired: tuple[Firing, ...], wanted: frozenset[Fact]) -> bool:
        """True only if all ways are superfluous that contain the firings and by which the facts `wanted` follow."""
        own, facts, assumed = measure(fired)
        for told, gained, granted in self.done:
            if told <= own:
                return True
            more = granted <= assumed and not facts.union(wanted).issubset(gained)
            if more and all(g in facts or not wanted <= self._without(g) for g in gained):
                return True
        return False

    def _without(self, fact: Fact) -> frozenset[Fact]:
        """The facts that follow from others than this one."""
        if fact not in self.apart:
            have = set(BASE)
            left = [f for fired in self.closure.how.values() for f in fired]
            before = -1
            while before != len(have):
                before, later = len(have), []
                for f in left:
                    if have.issuperset(f.callers) and have.issuperset(f.needs):
                        have.update(g for g in map(fact_of, f.gains) if g != fact)
                    else:
                        later.append(f)
                left = later
            self.apart[fact] = frozenset(have)
        return self.apart[fact]


def ways(
    asked: Asked, closure: Closure, targets: tuple[Target, ...], done: list[Measure], most: int | None = None
) -> Iterator[Priced]:
    """The ways of at most `most` steps in one closure in order of cost: goals are worked out when nothing cheaper is left."""
    depth = depths(closure)
    number, needless = count(), _Needless(closure, done)
    # entries are (steps, assumptions, number, what): a node to look at, or a set of firings with those that come after it
    heap: list[tuple[int, int, int, Any]] = [
        (depth.get(name, 0), 0, next(number), node) for name, node in sorted(closure.nodes.items())
        if fits(asked, name, node) and within_reach(node, closure.search.action)
    ]  # fmt: skip
    heapq.heapify(heap)

    def push(goal: Reached, more: Iterator[tuple[Firing, ...]]) -> None:
        fired = next(more, None)
        if fired is not None:
            cost = (len(fired), sum(len(f.assumed) for f in fired))
            heapq.heappush(heap, (*cost, next(number), (goal, fired, more)))

    while heap:
        steps, assumed, _, what = heapq.heappop(heap)
        if most is not None and steps > most:
            return
        if not isinstance(what, tuple):
            if needless.firings((), frozenset({what.name}) - BASE):
                continue
            for goal in chain(*(after_each_set(closure, what, t, depth) for t in targets)):
                push(goal, derivations(closure, goal.node.name, goal.needs, needless=needless.firings))
                if goal.session:  # what is done again, for another session, is in no smallest set
                    push(goal, iter(along_routes(closure, goal)))
            continue
        goal, fired, more = what
        way = None if superfluous(fired, done) else holds(closure, goal, fired, _within(closure, fired))
        if way is not None and len(way.steps) >= len(fired):
            yield (steps, assumed), path_of(asked, closure, goal, way), fired
        push(goal, more)


def fits(asked: Asked, name: str, node: Node) -> bool:
    """Whether the last caller may be the node, as far as the question says who it has to be."""
    if name == OUTSIDER or (asked.control and name == START):
        return False
    return asked.principals is None or (node.caller.parent or node.caller.arn) in asked.principals


def _within(closure: Closure, fired: tuple[Firing, ...]) -> Closure:
    """The closure with the given firings only, so that a way is put together from them alone."""
    return replace(closure, how={fact: tuple(f for f in known if f in fired) for fact, known in closure.how.items()})


def path_of(asked: Asked, closure: Closure, goal: Reached, way: Way) -> Path:
    """The way with its steps and its request, each with a witness."""
    caller = goal.node.caller
    return Path(
        source=asked.source,
        target=asked.target,
        caller=caller.parent or caller.arn or "",
        hops=tuple(hop_of(closure, step) for step in way.steps),
        witness=None if asked.control else witness_of(way.last.check, way.assignment),
        residual=None if asked.control else strip(way.last.term),
    )

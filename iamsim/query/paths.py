"""All minimal ways by which one principal comes to control another, or to have a request allowed; cheapest first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, fields, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from iamsim.env.changes import Change, Kind
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.graph.closure import grow
from iamsim.graph.derive import depths, derivations
from iamsim.graph.ever import along_routes, holds, taken, with_changes_to
from iamsim.graph.goals import asked_of, goal_of
from iamsim.graph.outcomes import fact_of
from iamsim.graph.reach import within_reach
from iamsim.graph.state import OUTSIDER, START, begin
from iamsim.graph.unlisted import with_unlisted
from iamsim.graph.world import Search
from iamsim.ir.term import strip
from iamsim.judge.answer import Verdict
from iamsim.judge.callers import read_callers
from iamsim.judge.witness import witness_of
from iamsim.query.can import can
from iamsim.query.ever import hop_of
from iamsim.query.prepare import VIA, Options, prepare
from iamsim.query.techniques import catalogue_of, no_techniques, read_ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.graph.ever import Way
    from iamsim.graph.goals import Reached
    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Closure, Fact
    from iamsim.graph.world import Node
    from iamsim.ir.term import Term
    from iamsim.judge.answer import Hop, Witness
    from iamsim.judge.candidates import Target
    from iamsim.query.prepare import Prepared

    Progress = Callable[[int], None]

_PROOF = "sts:GetCallerIdentity"
"""An action that needs no permission: whoever controls a session may do it."""

_SETS = 40
"""Sets of changes that are tried for one principal."""


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


def paths(
    env: Environment,
    source: str,
    target: str | None = None,
    *,
    action: str | None = None,
    resource: str | None = None,
    via: str = "escalation",
    limit: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Iterator[Path]:
    """The minimal ways from `source` to control of the principal `target`, or to a request of `action` on `resource`.

    With both, the ways by which the request is made as `target`. Cheapest first: fewest steps, then fewest assumptions.
    Ways are worked out one by one as they are asked for, at most `limit`. Only certain ways are listed; a way is not if
    another is part of it, or gains only part of what it gains on the way and assumes no more. `options` are those of
    `can`; `progress` is called with the number of principals controlled so far. Raises QueryError for a question that
    cannot be asked.
    """
    found = _found(_asked(env, source, target, action, resource, via, options), progress)
    return islice(found, limit) if limit is not None else found


def doubts(
    env: Environment,
    source: str,
    target: str | None = None,
    *,
    action: str | None = None,
    resource: str | None = None,
    via: str = "escalation",
    **options: Any,
) -> tuple[str, ...]:
    """The reasons why there may be a way although `paths` lists none; empty iff there certainly is none."""
    asked = _asked(env, source, target, action, resource, via, options)
    reasons = set(_of_strangers(asked))
    for search, targets in _searches(asked):
        start = begin(search)
        wide = start if via == "direct" else grow(grow(start, sure=True), sure=False)
        every = with_unlisted(wide, targets) if via == "escalation" else targets
        wide = taken(wide, every) if via == "escalation" else wide
        reasons |= wide.unsettled
        goal = next(_goals(asked, wide, every), None)
        extra = asked_of(wide, every) if goal is None and via == "escalation" and not asked.control else ()
        if extra:
            wide = taken(with_changes_to(wide, extra), every)
            reasons |= wide.unsettled
            goal = next(_goals(asked, wide, every), None)
        if goal is not None:
            fired = next(derivations(wide, goal.node.name, goal.needs), ())
            reasons.update((*goal.reasons, *(r for f in fired for r in f.reasons)) or ("budget:techniques",))
    return tuple(sorted(reasons))


def _of_strangers(asked: Asked) -> Iterator[str]:
    """Why the way to a principal that no input holds is not known; nothing where the caller certainly may not assume it."""
    env, options = asked.about.ask.env, asked.about.options
    for arn in sorted(asked.principals or ()):
        if arn in env.principals or arn.endswith(":root") or options.missing == "closed":
            continue
        if ":role/" not in arn:
            yield f"missing:{arn} is not in the snapshot"
        elif can(env, asked.source, "sts:AssumeRole", arn, **_as_options(options)).verdict is not Verdict.NO:
            yield f"missing:trust policy of {arn}"


def _as_options(options: Options) -> dict[str, Any]:
    return {f.name: getattr(options, f.name) for f in fields(options)}


# --- the question


def _asked(
    env: Environment,
    source: str,
    target: str | None,
    action: str | None,
    resource: str | None,
    via: str,
    options: Mapping[str, Any],
) -> Asked:
    if via not in VIA:
        raise QueryError(f"`{printable(via)}` is no way to follow", "--via takes direct, roles or escalation")
    if (action is None) != (resource is None):
        raise QueryError("a request has an action and a resource", "give both --action and --resource")
    if action is None and target is None:
        raise QueryError("no target is given", "name a principal, or give --action and --resource")
    control = action is None
    about = prepare(env, source, action or _PROOF, resource or "*", Options(via=via, **options))
    wanted = None
    if target is not None:
        wanted = named(env, source, target) if control else frozenset(_principal(env, target))
    return Asked(about, source, target, wanted, control)


def named(env: Environment, source: str, target: str) -> frozenset[str]:
    """The ARNs of the users and roles that `target` means. Raises QueryError if it is no such, or `source` is one of them."""
    wanted = frozenset(_principal(env, target))
    if wanted & {c.parent or c.arn for c in read_callers(env, source)}:
        raise QueryError(f"`{printable(target)}` is the caller itself", "name another principal")
    return wanted


def _principal(env: Environment, text: str) -> Iterator[str]:
    for caller in read_callers(env, text):
        arn = caller.parent or caller.arn
        if arn is None:
            raise QueryError(f"`{printable(text)}` cannot be controlled", "name a user or a role")
        yield arn


def _searches(asked: Asked) -> Iterator[tuple[Search, tuple[Target, ...]]]:
    about = asked.about
    options = about.options
    every = catalogue_of(options.techniques)[0]
    ruling = read_ruling(asked.about.ask.env, every, options.assume, options.rule_out)
    catalogue = every if options.via == "escalation" else no_techniques()
    for caller, action, targets in about.runs:
        names = tuple(t.resource for t in targets if t.resource is not None)
        wanted = tuple(sorted(asked.principals or ()))
        yield Search(about.ask, action, caller, catalogue, ruling, (*names, *wanted)), targets


# --- the ways


def _found(asked: Asked, progress: Progress | None) -> Iterator[Path]:
    """The ways of all searches, merged in order of cost; what contains another is left out."""
    via = asked.about.options.via
    number = count()
    heap: list[tuple[int, int, int, Path, tuple[Firing, ...], Iterator[_Priced]]] = []
    done: list[_Measure] = []

    def push(more: Iterator[_Priced]) -> None:
        for cost, path, fired in more:
            heapq.heappush(heap, (*cost, next(number), path, fired, more))
            return

    for search, targets in _searches(asked):
        closure = begin(search, every=True)
        if via != "direct":
            closure = grow(closure, sure=True, progress=progress)
        if via == "escalation" and not asked.control:
            every = with_unlisted(closure, targets)
            push(_asked_for(asked, taken(closure, every), every, done))
        else:
            push(_asked_for(asked, closure, targets, done))
    while heap:
        *_, path, fired, more = heapq.heappop(heap)
        if not _superfluous(fired, done):
            done.append(_measure(fired))
            yield path
        push(more)


_Priced = tuple[tuple[int, int], "Path", tuple["Firing", ...]]
_Measure = tuple[frozenset["Firing"], frozenset["Fact"], frozenset[str]]


def _measure(fired: tuple[Firing, ...]) -> _Measure:
    """The firings, what they gain, and what they assume."""
    facts: set[Fact] = {fact_of(g) for f in fired for g in f.gains}
    return frozenset(fired), frozenset(facts), frozenset(a for f in fired for a in f.assumed)


def _superfluous(fired: tuple[Firing, ...], done: list[_Measure]) -> bool:
    """True iff one of the ways listed before is part of these firings, or gains less and assumes no more."""
    own, facts, assumed = _measure(fired)
    return any(d <= own or (gained < facts and taken_for_granted <= assumed) for d, gained, taken_for_granted in done)


def _asked_for(asked: Asked, closure: Closure, targets: tuple[Target, ...], done: list[_Measure]) -> Iterator[_Priced]:
    """The ways in a closure; if there is none, those with changes to the principals of whom the request itself asks."""
    none = True
    for found in _ways(asked, closure, targets, done):
        none = False
        yield found
    extra = asked_of(closure, targets) if none and asked.about.options.via == "escalation" and not asked.control else ()
    if extra:
        yield from _ways(asked, taken(with_changes_to(closure, extra), targets), targets, done)


def _ways(asked: Asked, closure: Closure, targets: tuple[Target, ...], done: list[_Measure]) -> Iterator[_Priced]:
    """The ways in one closure in order of cost: goals are worked out when nothing cheaper is left."""
    depth = depths(closure)
    number = count()
    # entries are (steps, assumptions, number, what): a node to look at, or a set of firings with those that come after it
    heap: list[tuple[int, int, int, Any]] = [
        (depth.get(name, 0), 0, next(number), node) for name, node in sorted(closure.nodes.items())
        if _fits(asked, closure, name, node)
    ]  # fmt: skip
    heapq.heapify(heap)

    def push(goal: Reached, more: Iterator[tuple[Firing, ...]]) -> None:
        fired = next(more, None)
        if fired is not None:
            cost = (len(fired), sum(len(f.assumed) for f in fired))
            heapq.heappush(heap, (*cost, next(number), (goal, fired, more)))

    while heap:
        steps, assumed, _, what = heapq.heappop(heap)
        if not isinstance(what, tuple):
            for goal in _alternatives(closure, what, targets, depth):
                push(goal, derivations(closure, goal.node.name, goal.needs))
                if goal.session:  # what is done again, for another session, is in no smallest set
                    push(goal, iter(along_routes(closure, goal)))
            continue
        goal, fired, more = what
        way = None if _superfluous(fired, done) else holds(closure, goal, fired, _within(closure, fired))
        if way is not None and len(way.steps) >= len(fired):
            yield (steps, assumed), _path(asked, closure, goal, way), fired
        push(goal, more)


def _fits(asked: Asked, closure: Closure, name: str, node: Node) -> bool:
    if name == OUTSIDER or not within_reach(node, closure.search.action):
        return False
    if asked.control and name == START:
        return False
    return asked.principals is None or (node.caller.parent or node.caller.arn) in asked.principals


def _goals(asked: Asked, closure: Closure, targets: tuple[Target, ...]) -> Iterator[Reached]:
    depth = depths(closure)
    for name in sorted(closure.nodes, key=lambda n: (depth.get(n, 0), n)):
        if _fits(asked, closure, name, closure.nodes[name]):
            for target in targets:
                goal = goal_of(closure, closure.nodes[name], target, [], depth)
                if goal is not None:
                    yield goal


def _alternatives(
    closure: Closure, node: Node, targets: tuple[Target, ...], depth: Mapping[Fact, int]
) -> Iterator[Reached]:
    """The request by the node after each minimal set of changes that makes it possible."""
    for target in targets:
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


def _within(closure: Closure, fired: tuple[Firing, ...]) -> Closure:
    """The closure with the given firings only, so that a way is put together from them alone."""
    return replace(closure, how={fact: tuple(f for f in known if f in fired) for fact, known in closure.how.items()})


def _path(asked: Asked, closure: Closure, goal: Reached, way: Way) -> Path:
    caller = goal.node.caller
    return Path(
        source=asked.source,
        target=asked.target,
        caller=caller.parent or caller.arn or "",
        hops=tuple(hop_of(closure, step) for step in way.steps),
        witness=None if asked.control else witness_of(way.last.check, way.assignment),
        residual=None if asked.control else strip(way.last.term),
    )

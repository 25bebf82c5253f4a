"""Whether a caller can ever have a request allowed: the goal above the closure, and the steps that lead to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, changed
from iamsim.env.collector import undisturbed
from iamsim.graph.accept import accept
from iamsim.graph.candidates import is_picky
from iamsim.graph.clock import path_term, reads_clock
from iamsim.graph.closure import grow
from iamsim.graph.derive import depths, derivations, smallest
from iamsim.graph.direct import direct
from iamsim.graph.exact import ASSUMES, Route, crew, joined, joint, routes, verdict_of
from iamsim.graph.given import given_for, when_for
from iamsim.graph.goals import MAX_TARGETS, Reached, asked_of, goal_along, goals, joint_goal, request_of
from iamsim.graph.granted import Bounds
from iamsim.graph.hops import read_of
from iamsim.graph.instead import after_each_set, after_one_instead
from iamsim.graph.kept import keep_closure
from iamsim.graph.last import last_steps
from iamsim.graph.likewise import keep, like, sign_of
from iamsim.graph.order import in_some_order
from iamsim.graph.state import START, Closure, begin
from iamsim.graph.takeover import takeovers
from iamsim.graph.timing import in_one_world, tied
from iamsim.graph.unlisted import with_unlisted
from iamsim.graph.world import Node, relevant, subject
from iamsim.ir.term import FALSE, TRUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.graph.firing import Attempt
    from iamsim.graph.hops import HopCheck
    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Fact
    from iamsim.graph.timing import Times
    from iamsim.graph.world import Search
    from iamsim.judge.candidates import Target
    from iamsim.judge.judge import Found

Assignment = "Mapping[str, tuple[str, ...]]"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a way: a firing with the hop or the calls that make it, and one model of them."""

    fired: Firing
    hop: HopCheck | None
    tried: Attempt | None
    assignment: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Way:
    """The steps that lead to an allowed request, and that request with its model."""

    steps: tuple[Step, ...]
    last: Found
    assignment: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Ever:
    """The outcome for one action: a way, or the reasons why there may be one; `reached` are the nodes considered."""

    way: Way | None
    reasons: tuple[str, ...]
    closure: Closure
    refuted: tuple[Found, ...] = ()


def ever(search: Search, targets: tuple[Target, ...]) -> Ever:
    """A way by which the start can have the request allowed on one of the targets, or that there is none."""
    refuted: list[Found] = []
    led, with_resources = certainly(search, targets, refuted)
    if led is not None:
        return Ever(led.way, (), with_resources)
    wide = closed(search, sure=False)
    targets = with_unlisted(wide, targets)
    whole = taken(wide, targets)
    found = _nearest(whole, targets)
    if found.reasons is None:
        extra = asked_of(wide, targets)
        if extra:
            whole = taken(with_changes_to(wide, extra), targets)
            found = _nearest(whole, targets)
    return Ever(None, tuple(sorted({*whole.unsettled, *(found.reasons or ())})), whole, found.refuted)


@dataclass(frozen=True, slots=True)
class Led:
    """A way, and the goal to which it leads by the firings `fired`."""

    way: Way
    goal: Reached
    fired: tuple[Firing, ...]


def certainly(
    search: Search,
    targets: tuple[Target, ...],
    refuted: list[Found],
    fits: Callable[[str, Node], bool] = lambda *_: True,
) -> tuple[Led | None, Closure]:
    """A way of fewest steps to one of the targets, for a node that `fits`, None if no way is certain; and the closure that has it.

    What is refuted on the way is added to `refuted`.
    """
    certain = closed(search, sure=True)
    targets = with_unlisted(certain, targets)
    with_resources = taken(certain, targets)
    found = _shortest(with_resources, targets, refuted, fits)
    if found is None:
        extra = asked_of(with_resources, targets)
        if extra:
            with_resources = taken(with_changes_to(certain, extra), targets)
            found = _shortest(with_resources, targets, refuted, fits)
    return found, with_resources


@dataclass(frozen=True, slots=True)
class _Nearest:
    """Why the request may be allowed to the nearest node to which it may be, None if there is none, and what was refuted."""

    reasons: frozenset[str] | None
    refuted: tuple[Found, ...]


def _nearest(whole: Closure, targets: tuple[Target, ...]) -> _Nearest:
    refuted: list[Found] = []
    goal = next(goals(whole, targets, refuted, depths(whole)), None)
    if goal is None:
        return _Nearest(None, tuple(refuted))
    reasons = {*goal.reasons, *(r for f in smallest(whole, goal.node.name, goal.needs) or () for r in f.reasons)}
    if not reasons and not whole.unsettled:
        reasons.add("budget:techniques" if not goal.sure else unordered(whole.search.env))
    return _Nearest(frozenset(reasons), tuple(refuted))


def with_changes_to(closure: Closure, extra: frozenset[str]) -> Closure:
    """The fixpoint with all changes to the principals `extra`, which may be new ones."""
    search = closure.search
    fresh = frozenset(a for a in extra if a not in search.env.principals)
    return grow(replace(closure, search=replace(search, fresh=fresh)), sure=closure.sure, extra=extra)


def _shortest(
    closure: Closure, targets: tuple[Target, ...], refuted: list[Found], fits: Callable[[str, Node], bool]
) -> Led | None:
    """The way of fewest steps to the request; nodes that are further away than the best found was, with its detours, are not
    looked at.
    """
    depth = depths(closure)
    best: Led | None = None
    bounds, asked = Bounds(), False
    for served in (True, False):
        for goal in goals(closure, targets, refuted if served else [], depth, bounds, fits, served=served):
            asked = True
            late = max((depth.get(c, 0) for c in goal.needs), default=0)
            if not goal.sure or (bounds.steps is not None and late >= bounds.steps):
                continue
            found = _led(closure, goal, depth, bounds.steps)
            if found is not None:
                best, bounds.far = found
                bounds.steps = len(best.way.steps)
        if best is not None or not asked:
            break  # else those are asked as well who are no nearer than one that can have it in no order
    return best


def _led(closure: Closure, goal: Reached, depth: Mapping[Fact, int], most: int | None) -> tuple[Led, int] | None:
    """A way to the goal, which may also be had after other changes, of fewer steps than `most`, and how many it has with its
    detours; None if none is known.
    """
    for each in _each(closure, goal, depth):
        if (found := _first_of(closure, each, most)) is not None:
            for other in after_one_instead(closure, each, found[0].fired, depth):
                found = _first_of(closure, other, len(found[0].way.steps)) or found
            return found
        if most is not None:
            break
    return None


def _first_of(closure: Closure, goal: Reached, most: int | None) -> tuple[Led, int] | None:
    """The first way to the goal after its changes that holds, of fewer steps than `most`, and how many it has with its detours."""
    for fired in _derivations(closure, goal):
        if most is not None and len(fired) >= most:
            return None
        way = directly(closure, goal, fired)
        if way is not None:
            return Led(way, goal, tuple(s.fired for s in way.steps)), len(fired)
    return None


def _each(closure: Closure, goal: Reached, depth: Mapping[Fact, int]) -> Iterator[Reached]:
    """The goal, and if no way to it holds, the same after few other sets of changes."""
    yield goal
    others = after_each_set(closure, goal.node, goal.target, depth) if goal.needs else iter(())
    yield from islice((o for o in others if o.needs != goal.needs), _TRIES)


def directly(closure: Closure, goal: Reached, fired: tuple[Firing, ...]) -> Way | None:
    """The way made of the firings, without detours where it holds so; None if it holds not at all."""
    straight, within = direct(closure, fired, goal.node.name, goal.needs)
    way = None if straight == fired else holds(closure, goal, straight, within)
    return way or holds(closure, goal, fired)


def holds(closure: Closure, goal: Reached, fired: tuple[Firing, ...], within: Closure | None = None) -> Way | None:
    """The way made of the firings, put together from those of `within`; None if they cannot be made in any order."""
    way = way_of(within or closure, goal, fired)
    return way if way is not None and in_some_order(closure, fired, goal.needs, _allowed_in(closure, goal)) else None


def controlled(
    closure: Closure, name: str, needs: frozenset[Change] = frozenset(), *, straight: bool = True
) -> tuple[Firing, ...] | None:
    """The firings of few steps by which control of the node and all of `needs` follow in some order, if `straight` without
    detours; None if none are known.
    """
    for fired in islice(derivations(closure, name, needs), _TRIES):
        found, within = direct(closure, fired, name, needs) if straight else (fired, closure)
        for firings, known in {found: within, fired: closure}.items():
            if in_some_order(closure, firings, needs, lambda _: True) and _in_time(known, firings):
                return firings
    return None


def _in_time(closure: Closure, fired: tuple[Firing, ...]) -> bool:
    """Whether the firings can be made one after the other, each at a time at which it is possible."""
    search = closure.search
    return not tied(search.env) or in_one_world(search, lambda t: _steps(closure, fired, t)) is not None


def _allowed_in(closure: Closure, goal: Reached) -> Callable[[frozenset[Change]], bool]:
    """Whether the goal's request is certainly allowed in the state after some changes."""
    arn = subject(goal.node.caller)
    resource = goal.target.resource
    about = (arn, resource) if resource and ":iam:" in resource else (arn,)

    def allowed(state: frozenset[Change]) -> bool:
        bearing = relevant(closure.search.env, state, (*about, f"arn:aws:of::{goal.target.owner}:resource"))
        env = changed(closure.search.env, bearing, about)
        last = request_of(closure, goal.node, goal.target, env)
        found = None if last.term is FALSE else verdict_of(closure, last.term, (last.check.facts,))
        return found is not None and found[0]

    return allowed


def _derivations(closure: Closure, goal: Reached) -> Iterator[tuple[Firing, ...]]:
    """Few of the sets of firings that lead to the goal."""
    if goal.session:
        yield from along_routes(closure, goal)
    else:
        yield from islice(derivations(closure, goal.node.name, goal.needs), _TRIES)


def along_routes(closure: Closure, goal: Reached) -> list[tuple[Firing, ...]]:
    """For each route to a session to which the goal's request is certainly allowed the firings that lead there, fewest first."""
    found = []
    for route in routes(closure, goal.node.name):
        if goal_along(closure, route, goal.target, goal.needs):
            start = route.entry.name if route.entry.name in closure.nodes and not route.entry.made else goal.node.name
            start = goal.node.name if route.basis else start
            found += list(islice(derivations(closure, start, goal.needs, route.basis), 1))
    return sorted(found, key=len)


def unordered(env: Environment) -> str:
    """The reason why nothing certainly follows from firings that may be made in no order."""
    return f"{_ORDER}, each at a time at which it is possible" if reads_clock(env) else _ORDER


_ORDER = "budget:no order of the steps was found in which none takes away what another needs"

_TRIES = 5
"""Derivations that are tried for one goal."""


def closed(search: Search, *, sure: bool) -> Closure:
    """The fixpoint from the start; worked out once where the question says nothing of the requests on the way."""
    ask = search.ask
    around = given_for(ask.given, search.action, search.start, first=True, last=False)
    when = when_for(ask.when, search.action, search.start, first=True, last=False)
    plain = not around and when is TRUE and ask.documents.session is None
    action = search.action.lower() if is_picky(search.env) else None
    key = ("closure", search.start, ask.missing, ask.ever, search.ruling, id(search.catalogue), sure, action)
    found: Closure | None = search.env.memo.get(key) if plain else None
    if found is None:
        sign = sign_of(search) if plain and sure else None
        found = like(search, sign) if sign is not None else None
        own = found is None
        with undisturbed():
            if found is None:
                found = grow(begin(search) if sure else closed(search, sure=True), sure=sure)
                if sign is not None:
                    keep(found, sign, key)
            if plain:
                keep_closure(search.env, key, found, own=own)
    return replace(found, search=search) if found.search is not search else found


def taken(closure: Closure, targets: tuple[Target, ...]) -> Closure:
    """The closure with what may be done to the policies of the resources asked for, and with other steps before the request."""
    about = targets[:MAX_TARGETS]
    asked = replace(closure, unsettled=set(closure.unsettled))  # what is left open here is so for these targets alone
    fired = [*last_steps(asked, about), *(f for target in about for f in takeovers(asked, target))]
    if not fired:
        return closure if asked.unsettled == closure.unsettled else asked
    out = replace(asked, nodes=dict(closure.nodes), how=dict(closure.how), cost=dict(closure.cost))
    out.index = closure.known.beside(out.how, out.nodes)
    for f in fired:
        accept(out, f)
    return out


def way_of(closure: Closure, goal: Reached, fired: tuple[Firing, ...]) -> Way | None:
    """The firings that lead to the goal, each with its calls and a model; None if they cannot be put together."""
    return in_one_world(closure.search, lambda times: _way_in(closure, goal, fired, times))


def _way_in(closure: Closure, goal: Reached, fired: tuple[Firing, ...], times: Times) -> Way | None:
    steps = _steps(closure, fired, times)
    if steps is None:
        return None
    rests: tuple[Fact, ...] = (goal.node.name, *goal.needs)
    if not goal.node.made or goal.node.name == START:
        model = times.last(goal.found.term, (goal.found.check.facts,), (), rests)
        return None if model is None else Way(steps, goal.found, model)
    for route in _routes_within(closure, goal.node.name, fired):
        made = joint_goal(closure, route.entry, route.hops, goal.target, goal.needs)
        if made is None:
            continue
        checks, last, term, background = made
        model = times.last(term, background, route.hops, rests)  # type: ignore[arg-type]
        if model is not None:
            own = {f: Step(f, c, None, model) for f, c in zip(route.hops, checks, strict=True)}
            return Way(tuple(own.get(s.fired, s) for s in steps), last, model)
    return None


def _steps(closure: Closure, fired: tuple[Firing, ...], times: Times) -> tuple[Step, ...] | None:
    """The steps of the firings, one after the other; None if one cannot be made."""
    steps: list[Step] = []
    for f in fired:
        step = _step(closure, f, fired, times)
        if step is None:
            return None
        steps.append(step)
    return tuple(steps)


def _routes_within(closure: Closure, name: str, fired: tuple[Firing, ...]) -> Iterator[Route]:
    """The routes to a node that rest on the given firings alone."""
    return (r for r in routes(closure, name) if all(f in fired for f in r.basis))


def _step(closure: Closure, fired: Firing, within: tuple[Firing, ...], times: Times) -> Step | None:
    """The step of one firing, made by a session that exists: with a model of its calls and of the hops to the session."""
    node = closure.nodes[fired.node]
    every = _routes_within(closure, fired.node, within) if node.made else iter((Route(node, (), ()),))
    for route in every:
        if fired.technique in ASSUMES:
            found = joined(closure, route.entry, (*route.hops, fired))
            if found is None:
                continue
            checks, _ = found
            read = read_of(checks, ())
            term = path_term(checks, read)
            model = times.made(term, tuple(h.check.facts for h in checks), route.hops, fired)
            if model is not None:
                return Step(fired, checks[-1], None, model)
            continue
        made = joint(closure, route.entry, route.hops, fired) if node.made else _plain(closure, node, fired)
        if made is None:
            continue
        model = times.made(made[1].term, made[1].background, route.hops, fired)
        if model is not None:
            return Step(fired, None, made[1], model)
    return None


def _plain(closure: Closure, node: Node, fired: Firing) -> tuple[tuple[HopCheck, ...], Attempt] | None:
    from iamsim.graph.firing import attempt

    search = closure.search
    technique = search.catalogue.entry(fired.technique)
    variant = technique.variants[fired.variant]
    tried = attempt(search, node, technique, variant, dict(fired.bound), fired.needs, crew(closure, fired))
    return None if tried is None else ((), tried)

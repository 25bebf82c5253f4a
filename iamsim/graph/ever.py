"""Whether a caller can ever have a request allowed: the goal above the closure, and the steps that lead to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind, changed
from iamsim.graph.candidates import FRESH, is_picky
from iamsim.graph.closure import OUTSIDER, START, Closure, begin, grow, ruler_of
from iamsim.graph.derive import depths, derivations, smallest
from iamsim.graph.dominated import request_dominated
from iamsim.graph.edges import of_session
from iamsim.graph.exact import ASSUMES, Route, joined, joint, routes, verdict_of
from iamsim.graph.firing import settled
from iamsim.graph.given import given_for, when_for
from iamsim.graph.hops import documents_for, hop_term, last_facts, read_of
from iamsim.graph.order import in_some_order
from iamsim.graph.reach import within_reach
from iamsim.graph.takeover import takeovers
from iamsim.graph.unbound import most_of, node_in
from iamsim.graph.world import Node, caller_in, own_creation, relevant, worlds
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, Term, all_of, variables
from iamsim.judge.check import Check, check_of, problem_of, settle
from iamsim.judge.judge import Found, facts_of
from iamsim.model.caller import CallerKind
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.graph.closure import Fact
    from iamsim.graph.firing import Attempt
    from iamsim.graph.hops import HopCheck
    from iamsim.graph.moves import Firing
    from iamsim.graph.world import Search
    from iamsim.judge.candidates import Target

Assignment = "Mapping[str, tuple[str, ...]]"


@dataclass(frozen=True, slots=True)
class Reached:
    """A request that is allowed to `node` once the changes `needs` are made. `session`: it depends on the session.

    `found` is its check with the term that had to hold; `needs` are such that none can be left out.
    """

    node: Node
    target: Target
    found: Found
    needs: frozenset[Change]
    sure: bool
    session: bool
    reasons: tuple[str, ...] = ()


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
    certain = closed(search, sure=True)
    with_resources = _taken(certain, targets)
    refuted: list[Found] = []
    way = _shortest(with_resources, targets, refuted)
    if way is None:
        extra = _asked_of(with_resources, targets)
        if extra:
            with_resources = _taken(grow(certain, sure=True, extra=extra), targets)
            way = _shortest(with_resources, targets, refuted)
    if way is not None:
        return Ever(way, (), with_resources)
    wide = closed(search, sure=False)
    extra = _asked_of(wide, targets)
    whole = _taken(grow(wide, sure=False, extra=extra) if extra else wide, targets)
    reasons: set[str] = set(whole.unsettled)
    refuted = []
    for goal in _goals(whole, targets, refuted, depths(whole), lambda: None):
        reasons.update(goal.reasons)
        reasons.update(r for f in smallest(whole, goal.node.name, goal.needs) or () for r in f.reasons)
        if not reasons:
            reasons.add("budget:techniques" if not goal.sure else ORDER)
        break
    return Ever(None, tuple(sorted(reasons)), whole, tuple(refuted))


def _shortest(closure: Closure, targets: tuple[Target, ...], refuted: list[Found]) -> Way | None:
    """The way of fewest steps to the request; nodes that are further away than the best found are not looked at."""
    depth = depths(closure)
    best: list[tuple[int, Way]] = []
    for goal in _goals(closure, targets, refuted, depth, lambda: best[-1][0] if best else None):
        if not goal.sure:
            continue
        for fired in _derivations(closure, goal):
            if best and len(fired) >= best[-1][0]:
                break
            way = way_of(closure, goal, fired)
            if way is not None and not in_some_order(closure, fired, goal.needs, _allowed_in(closure, goal)):
                way = None
            if way is not None:
                best.append((len(fired), way))
                break
    return best[-1][1] if best else None


def _allowed_in(closure: Closure, goal: Reached) -> Callable[[frozenset[Change]], bool]:
    """Whether the goal's request is certainly allowed in the state after some changes."""
    arn = goal.node.caller.arn or ""
    resource = goal.target.resource
    about = (arn, resource) if resource and ":iam:" in resource else (arn,)

    def allowed(state: frozenset[Change]) -> bool:
        bearing = relevant(closure.search.env, state, (*about, f"arn:aws:of::{goal.target.owner}:resource"))
        env = changed(closure.search.env, bearing, about)
        last = _request(closure, goal.node, goal.target, env)
        found = None if last.term is FALSE else verdict_of(closure, last.term, (last.check.facts,))
        return found is not None and found[0]

    return allowed


def _asked_of(closure: Closure, targets: tuple[Target, ...]) -> frozenset[str]:
    """The principals of whom the request itself asks: it might be allowed to them if nothing of their own bound them.

    The closure did not look for changes to these where another of their account may do everything.
    """
    env = closure.search.env
    out = set()
    for account in sorted(closure.rulers() - _hopeless(closure, targets, [], {})):
        fresh = [f"arn:{closure.search.start.partition}:iam::{account}:{kind}/{FRESH}" for kind in ("user", "role")]
        for arn in (*sorted(closure.held(account)), *fresh):
            if closure.free(arn) or (arn not in env.principals and arn not in fresh):
                continue
            most = most_of(env, arn) | ({Change(Kind.CREATED, arn, ",,")} if arn in fresh else frozenset())
            there = changed(env, most, (arn,))
            node = node_in(there, arn)
            node = replace(node, caller=replace(node.caller, open_tags=True, stated_tags=True))
            for target in targets[:_TARGETS]:
                last = _request(closure, node, target, there)
                if last.term is not FALSE and verdict_of(closure, last.term, (last.check.facts,)) is not None:
                    out.add(arn)
                    break
    return frozenset(out) - closure.extra


def _derivations(closure: Closure, goal: Reached) -> Iterator[tuple[Firing, ...]]:
    """The sets of firings that lead to the goal, with the hops to the session that it depends on if it does."""
    if not goal.session:
        yield from islice(derivations(closure, goal.node.name, goal.needs), _TRIES)
        return
    found = []
    for route in routes(closure, goal.node.name):
        if _goal_along(closure, route, goal.target, goal.needs):
            start = route.entry.name if route.entry.name in closure.nodes and not route.entry.made else goal.node.name
            start = goal.node.name if route.basis else start
            found += list(islice(derivations(closure, start, goal.needs, route.basis), 1))
    yield from sorted(found, key=len)


ORDER = "budget:no order of the steps was found in which none takes away what another needs"

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
    found = search.env.memo.get(key) if plain else None
    if found is None:
        below = begin(search) if sure else closed(search, sure=True)
        found = grow(below, sure=sure)
        if plain:
            _keep(search.env, key, found)
    made: Closure = found
    return replace(made, search=search) if made.search is not search else made


_KEPT = 256
"""How many closures are kept, the last ones asked for: those of a large organization are megabytes each."""


def _keep(env: Environment, key: tuple[object, ...], found: Closure) -> None:
    order: dict[tuple[object, ...], None] = env.memo.setdefault("closures", {})
    order[key] = None
    env.memo[key] = found
    if len(order) > _KEPT:
        oldest = next(iter(order))
        del order[oldest], env.memo[oldest]


def _taken(closure: Closure, targets: tuple[Target, ...]) -> Closure:
    """The closure with what may be done to the policies of the resources asked for."""
    from iamsim.graph.closure import accept

    fired = [f for target in targets[:_TARGETS] for f in takeovers(closure, target)]
    if not fired:
        return closure
    out = replace(
        closure, nodes=dict(closure.nodes), how={k: list(v) for k, v in closure.how.items()}, cost=dict(closure.cost)
    )
    for f in fired:
        accept(out, f)
    return out


_TARGETS = 20


def _goals(
    closure: Closure,
    targets: tuple[Target, ...],
    refuted: list[Found],
    depth: Mapping[Fact, int],
    limit: Callable[[], int | None],
) -> Iterator[Reached]:
    """Nodes that may be allowed the request, nearer ones first, as long as they are nearer than `limit` says."""
    search = closure.search
    hopeless = _hopeless(closure, targets, refuted, depth)
    for name in sorted(closure.nodes, key=lambda n: (depth.get(n, 0), n)):
        node = closure.nodes[name]
        if node.caller.account in hopeless and node.caller.kind in _OF_ACCOUNTS and name != START:
            continue
        most = limit()
        if most is not None and depth.get(name, 0) >= most:
            return
        if name == OUTSIDER or not within_reach(node, search.action):
            continue
        for target in targets:
            goal = _goal(closure, node, target, refuted, depth)
            if goal is not None:
                yield goal


_OF_ACCOUNTS = (CallerKind.USER, CallerKind.ROLE_SESSION)


def _hopeless(
    closure: Closure, targets: tuple[Target, ...], refuted: list[Found], depth: Mapping[Fact, int]
) -> frozenset[str]:
    """Accounts in which nobody can have the request allowed, since whoever may do everything there cannot."""
    if not request_dominated(closure.search, targets):
        return frozenset()
    out = set()
    for account in sorted(closure.rulers()):
        name = ruler_of(closure, account)
        node = closure.nodes.get(name) if name is not None else None
        if node is None or not node.full or not within_reach(node, closure.search.action):
            continue
        if all(_goal(closure, node, t, refuted, depth) is None for t in targets):
            out.add(account)
    return frozenset(out)


def _goal(
    closure: Closure, node: Node, target: Target, refuted: list[Found], depth: Mapping[Fact, int]
) -> Reached | None:
    search = closure.search
    arn = node.caller.arn or ""
    about = (arn, target.resource) if target.resource and ":iam:" in target.resource else (arn,)
    changes = relevant(search.env, closure.changes, (*about, f"arn:aws:of::{target.owner}:resource"))
    needs = own = own_creation(changes, about)
    found = _best(closure, node, target, needs, about)
    if changes > own and (found is None or found[1] is None or not found[1][0]):
        better = _best(closure, node, target, changes, about)
        if better is not None and better[1] is not None and (found is None or found[1] is None or better[1][0]):
            needs, found = changes, better
            for change in sorted(changes - own, key=lambda c: (-depth.get(c, 0), c)):
                less = _best(closure, node, target, needs - {change}, about)
                if less is not None and less[1] is not None and less[1][0] >= better[1][0]:
                    needs, found = needs - {change}, less
        elif better is not None and better[1] is None and (found is None or found[1] is None):
            found = better  # what refutes it after every change is what a reader must hear
    if found is None or found[1] is None:
        if found is not None:
            refuted.append(found[0])
        return None
    last, (sure, reasons) = found[0], found[1] or (False, ())
    reads = node.made and any(of_session(v) for v in variables(last.term))
    if reads and node.name != START:
        exact = _exact_goal(closure, node, target, needs)
        if (exact is None or not exact[0]) and changes > needs:
            # what the session lacks, some change may make up for
            for tries in (*({c} for c in sorted(changes - needs)), changes):
                made_up = _exact_goal(closure, node, target, needs | tries)
                if made_up is not None and (exact is None or made_up[0] > exact[0]):
                    exact, needs = made_up, needs | tries
                    again = _best(closure, node, target, needs, about)
                    last = again[0] if again is not None else last
                    break
        if exact is None:
            return None
        sure, reasons = exact
    return Reached(node, target, last, needs, sure, reads, reasons)


Outcome = "tuple[bool, tuple[str, ...]]"


def _best(
    closure: Closure, node: Node, target: Target, changes: frozenset[Change], about: tuple[str, ...]
) -> tuple[Found, tuple[bool, tuple[str, ...]] | None] | None:
    """The request in the environment in which it fares best, and whether it is allowed there (None: it is not)."""
    kept, key = closure.search.kept, ("best", node, target, changes, about)
    if key not in kept:
        kept[key] = _best_of(closure, node, target, changes, about)
    best: tuple[Found, tuple[bool, tuple[str, ...]] | None] | None = kept[key]
    return best


def _best_of(
    closure: Closure, node: Node, target: Target, changes: frozenset[Change], about: tuple[str, ...]
) -> tuple[Found, tuple[bool, tuple[str, ...]] | None] | None:
    best: tuple[Found, tuple[bool, tuple[str, ...]] | None] | None = None
    for env in worlds(closure.search.env, changes, about):
        last = _request(closure, node, target, env)
        outcome = None if last.term is FALSE else verdict_of(closure, last.term, (last.check.facts,))
        if best is None or (outcome is not None and (best[1] is None or outcome[0] > best[1][0])):
            best = (last, outcome)
        if outcome is not None and outcome[0]:
            break
    return best


def _request(closure: Closure, node: Node, target: Target, env: Environment) -> Found:
    """The question's own request by the node, not decided."""
    search = closure.search
    ask = search.ask
    first = node.name == START
    given = given_for(ask.given, search.action, search.start, first=first, last=True)
    mine = replace(target, owner=node.caller.account) if target.resource == "*" else target
    facts = replace(
        facts_of(ask, caller_in(search.env, env, node.caller), search.action, mine),
        env=env,
        given=given,
        on_path=node.made or not first,
    )
    check = check_of(facts, ask.documents if first else documents_for(ask.documents, search.start, last=True))
    return _found(check, all_of((when_for(ask.when, search.action, search.start, first=first, last=True), mine.domain)))


def _found(check: Check, demanded: Term) -> Found:
    when = demanded if demanded is TRUE else reduce(demanded, check.lookup)
    return Found(check, when, None, (), all_of((problem_of(check), when)))


def _exact_goal(
    closure: Closure, node: Node, target: Target, needs: frozenset[Change]
) -> tuple[bool, tuple[str, ...]] | None:
    reasons: set[str] = set()
    possible = False
    for route in routes(closure, node.name):
        made = _joint_goal(closure, route.entry, route.hops, target, needs)
        found = None if made is None else verdict_of(closure, made[2], made[3])
        if found is None:
            continue
        if found[0]:
            return True, ()
        possible = True
        reasons.update(found[1])
    return (False, tuple(sorted(reasons))) if possible else None


def _goal_along(closure: Closure, route: Route, target: Target, needs: frozenset[Change]) -> bool:
    """Whether the request is certainly allowed to the session to which the route leads."""
    made = _joint_goal(closure, route.entry, route.hops, target, needs)
    found = None if made is None else verdict_of(closure, made[2], made[3])
    return found is not None and found[0]


def _joint_goal(
    closure: Closure, entry: Node, hops: tuple[Firing, ...], target: Target, needs: frozenset[Change]
) -> tuple[tuple[HopCheck, ...], Found, Term, tuple[object, ...]] | None:
    """Hops and request as one problem."""
    found = joined(closure, entry, hops)
    if found is None:
        return None
    checks, session = found
    search = closure.search
    arn = session.caller.arn or ""
    about = (arn, target.resource) if target.resource and ":iam:" in target.resource else (arn,)
    for env in worlds(search.env, needs, about):
        ask = replace(search.ask, env=env)
        session = replace(session, caller=caller_in(search.env, env, session.caller))
        mine = replace(target, owner=session.caller.account) if target.resource == "*" else target
        facts = last_facts(facts_of(ask, session.caller, search.action, mine), session, ask, search.start)
        check = check_of(facts, documents_for(ask.documents, search.start, last=True))
        last = _found(
            check, all_of((when_for(ask.when, search.action, search.start, first=False, last=True), mine.domain))
        )
        if last.term is FALSE:
            continue
        read = read_of(checks, [last.term])
        term = all_of([*(hop_term(h, read) for h in checks), last.term])
        background = (*(h.check.facts for h in checks), check.facts)
        if verdict_of(closure, term, background) is not None:
            return checks, last, term, background
    return None


def way_of(closure: Closure, goal: Reached, fired: tuple[Firing, ...]) -> Way | None:
    """The firings that lead to the goal, each with its calls and a model; None if they cannot be put together."""
    search = closure.search
    steps: list[Step] = []
    for f in fired:
        step = _step(closure, f, fired)
        if step is None:
            return None
        steps.append(step)
    if not goal.node.made or goal.node.name == START:
        outcome = settle(goal.found.term, (goal.found.check.facts,), search.ask.limits, search.ask.engine)
        return Way(tuple(steps), goal.found, outcome.sure.assignment) if isinstance(outcome.sure, Sat) else None
    for route in _routes_within(closure, goal.node.name, fired):
        made = _joint_goal(closure, route.entry, route.hops, goal.target, goal.needs)
        if made is None:
            continue
        checks, last, term, background = made
        outcome = settle(term, background, search.ask.limits, search.ask.engine)  # type: ignore[arg-type]
        if isinstance(outcome.sure, Sat):
            own = {f: Step(f, c, None, outcome.sure.assignment) for f, c in zip(route.hops, checks, strict=True)}
            return Way(tuple(own.get(s.fired, s) for s in steps), last, outcome.sure.assignment)
    return None


def _routes_within(closure: Closure, name: str, fired: tuple[Firing, ...]) -> Iterator[Route]:
    """The routes to a node that rest on the given firings alone."""
    return (r for r in routes(closure, name) if all(f in fired for f in r.basis))


def _step(closure: Closure, fired: Firing, within: tuple[Firing, ...]) -> Step | None:
    """The step of one firing, made by a session that exists: with a model of its calls and of the hops to the session."""
    search = closure.search
    node = closure.nodes[fired.node]
    every = _routes_within(closure, fired.node, within) if node.made else iter((Route(node, (), ()),))
    for route in every:
        if fired.technique in ASSUMES:
            found = joined(closure, route.entry, (*route.hops, fired))
            if found is None:
                continue
            checks, _ = found
            read = read_of(checks, ())
            term = all_of(hop_term(h, read) for h in checks)
            outcome = settle(term, tuple(h.check.facts for h in checks), search.ask.limits)
            if isinstance(outcome.sure, Sat):
                return Step(fired, checks[-1], None, outcome.sure.assignment)
            continue
        made = joint(closure, route.entry, route.hops, fired) if node.made else _plain(closure, node, fired)
        if made is None:
            continue
        outcome = settled(search, made[1])
        if isinstance(outcome.sure, Sat):
            return Step(fired, None, made[1], outcome.sure.assignment)
    return None


def _plain(closure: Closure, node: Node, fired: Firing) -> tuple[tuple[HopCheck, ...], Attempt] | None:
    from iamsim.graph.firing import attempt

    search = closure.search
    technique = search.catalogue.techniques.get(fired.technique) or search.catalogue.primitives[fired.technique]
    tried = attempt(search, node, technique, technique.variants[fired.variant], dict(fired.bound), fired.needs)
    return None if tried is None else ((), tried)

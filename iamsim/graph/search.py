"""The search over role hops: which roles may be reached, then the walks to them, each decided as one joint problem."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.abroad import unspoken
from iamsim.graph.clock import path_term
from iamsim.graph.edges import Edge, edges_from, possible_session
from iamsim.graph.given import given_for, requests_kept, when_for
from iamsim.graph.hops import HopCheck, documents_for, hop_check, last_facts, read_of
from iamsim.graph.outside import role_at
from iamsim.graph.sessions import Session, assumed
from iamsim.graph.trusts import roles_for
from iamsim.graph.walks import Graph, walks
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, all_of, variables
from iamsim.judge.answer import SHOWN
from iamsim.judge.check import Check, check_of, problem_of, reasons_of, settle
from iamsim.judge.judge import Found, facts_of
from iamsim.model.caller import CallerKind
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.ir.term import Term
    from iamsim.judge.candidates import Target
    from iamsim.judge.judge import Ask
    from iamsim.model.caller import Caller

MAX_WALKS = 300
"""Walks that one question may decide before it is UNKNOWN."""

_NO_HOPS = (CallerKind.ANONYMOUS, CallerKind.ROOT, CallerKind.FEDERATED_USER)
_BUDGET = f"budget:more than {MAX_WALKS} role paths to decide"


@dataclass(frozen=True, slots=True)
class Route:
    """A path that leads to an allowed request: the checks of its hops, that of the request, and one model of all."""

    hops: tuple[HopCheck, ...]
    last: Found
    assignment: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found: a route, or the reasons why there may be one; `reached` are the roles that were considered."""

    route: Route | None
    reasons: tuple[str, ...]
    reached: tuple[str, ...]
    refuted: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class _Goal:
    """A role of which some session may be allowed the request.

    `targets` are the meanings of the request that may be allowed, each with whether it certainly is for some session;
    `read` the variables that they read.
    """

    targets: tuple[tuple[Target, bool], ...]
    read: frozenset[str]


def search(
    ask: Ask, caller: Caller, action: str, targets: tuple[Target, ...], among: frozenset[str] | None = None
) -> Searched:
    """A path of one or more role hops from `caller` to a request allowed to a role (one of `among`), or that there is none."""
    if caller.kind in _NO_HOPS:
        return Searched(None, (), ())
    edges = reachable(ask, caller, action)
    reached = tuple(sorted({role for found in edges.values() for role in found}))
    goals, refuted = _goals(ask, caller, reached, action, targets)
    goals = goals if among is None else {arn: goal for arn, goal in goals.items() if arn in among}
    if not goals:
        return Searched(None, (), reached, tuple(refuted))
    graph = Graph(_bringing(ask, caller), edges, {arn: g.read for arn, g in goals.items()})
    route, reasons = _along(ask, caller, action, goals, walks(graph, lambda p: _open(ask, caller, p, action)))
    return Searched(route, reasons, reached, () if route else tuple(refuted))


def doors(ask: Ask, caller: Caller, action: str) -> tuple[Check, ...]:
    """The checks of the first hops that loaded roles might offer `caller` by what their trust policies name."""
    session = Session(caller, ever=ask.ever)
    return tuple(hop_check(ask, session, r, 1, action).check for r in roles_for(ask.env, caller, "closed"))


def _along(
    ask: Ask,
    caller: Caller,
    action: str,
    goals: Mapping[str, _Goal],
    found: Iterator[tuple[tuple[str, ...], bool] | None],
) -> tuple[Route | None, tuple[str, ...]]:
    """The first route along the walks found; else the reasons why there may be one, of which an example is enough."""
    unknown: set[str] = set()
    hope = any(sure for g in goals.values() for _, sure in g.targets)
    count = 0
    for walk in found:
        if walk is None or count > MAX_WALKS:
            return None, tuple(sorted({*unknown, _BUDGET}))
        path, sure_walk = walk
        for target, sure in goals[path[-1]].targets:
            if unknown and not (sure and sure_walk):
                continue  # an UNKNOWN at best, and there is one
            count += 1
            outcome = _decide(ask, caller, path, action, target)
            if isinstance(outcome, Route):
                return outcome, ()
            unknown.update(outcome)
        if unknown and not hope:
            break
    return None, tuple(sorted(unknown))


def _bringing(ask: Ask, caller: Caller) -> Caller:
    """The caller with the source identity that the question gives it."""
    given = ask.given.get("aws:sourceidentity")
    return replace(caller, source_identity=given[0]) if given else caller


def reachable(ask: Ask, caller: Caller, action: str) -> dict[str, dict[str, Edge]]:
    """The hops that sessions of `caller` may make: for each node (ARN of a role, "" for the caller itself) the next ones.

    A superset: every hop is possible by itself, for some session that its role can have.
    """
    found: dict[str, dict[str, Edge]] = {}
    todo = [""]
    while todo:
        node = todo.pop()
        found[node] = edges_from(ask, caller, node, action)
        todo += [role for role in found[node] if role not in found and role not in todo]
    return found


def _goals(
    ask: Ask, start: Caller, reached: tuple[str, ...], action: str, targets: tuple[Target, ...]
) -> tuple[dict[str, _Goal], list[Found]]:
    """The reached roles of which some session may be allowed the request, with the targets that may be."""
    goals: dict[str, _Goal] = {}
    refuted: list[Found] = []
    for role in reached:
        if len(refuted) >= SHOWN and all(_is_unspoken(ask, role, action, t) for t in targets):
            continue
        goal, no = _goal_at(ask, start, role, action, targets)
        refuted += no
        if goal.targets:
            goals[role] = goal
    return goals, refuted


def _is_unspoken(ask: Ask, role: str, action: str, target: Target) -> bool:
    return target.holder is None and unspoken(
        ask.env, role, action.lower(), (target.resource, target.owner), ask.missing
    )


def _goal_at(
    ask: Ask, start: Caller, role: str, action: str, targets: tuple[Target, ...]
) -> tuple[_Goal, tuple[Found, ...]]:
    """The targets that some session of the role may be allowed, and the checks of the others; kept where they are the same
    whoever asks.
    """
    session, ever = possible_session(ask, start, role_at(ask.env, role))
    kept = requests_kept(ask)
    if kept is None:
        return _goal(ask, start, session, ever, action, targets)
    key = ("role", role, ever, action, targets, ask.missing, ask.limits)
    return once(kept, key, _goal, ask, start, session, ever, action, targets)


def _goal(
    ask: Ask, start: Caller, session: Session, ever: bool, action: str, targets: tuple[Target, ...]
) -> tuple[_Goal, tuple[Found, ...]]:
    documents = documents_for(ask.documents, start, last=True)
    demanded = when_for(ask.when, action, start, first=False, last=True)
    given = given_for(ask.given, action, start, first=False, last=True)
    open_: list[tuple[Target, bool]] = []
    read: set[str] = set()
    refuted: list[Found] = []
    for target in targets:
        mine = _at_home(target, session.caller)
        facts = replace(facts_of(ask, session.caller, action, mine), given=given, ever=ever, on_path=True)
        check = check_of(facts, documents)
        when = _reduced(all_of((demanded, mine.domain)), check)
        term = all_of((problem_of(check), when))
        settled = settle(term, (check.facts,), ask.limits)
        if settled.possible:
            open_.append((mine, isinstance(settled.sure, Sat)))
            read |= variables(term)
        else:
            refuted.append(Found(check, when, None, (), term))
    return _Goal(tuple(open_), frozenset(read)), tuple(refuted)


def _reduced(when: Term, check: Check) -> Term:
    return when if when is TRUE else reduce(when, check.lookup)


def _at_home(target: Target, caller: Caller) -> Target:
    """A wildcard-only request belongs to the account of whoever makes it."""
    return replace(target, owner=caller.account) if target.resource == "*" else target


def _hops(ask: Ask, caller: Caller, path: tuple[str, ...], action: str) -> tuple[tuple[HopCheck, ...], Session] | None:
    """The checks of the hops of a path and the session to which they lead, or None if one is refused outright."""
    session = Session(caller, ever=ask.ever)
    hops: list[HopCheck] = []
    for number, arn in enumerate(path, start=1):
        role = role_at(ask.env, arn)
        hop = hop_check(ask, session, role, number, action)
        if hop.tags is None:
            return None
        hops.append(hop)
        session = assumed(ask.env, role, session, hop.check.facts, number)
    return tuple(hops), session


def _open(ask: Ask, caller: Caller, path: tuple[str, ...], action: str) -> bool | None:
    """Whether all hops of a path are certainly possible together; None if they are not."""
    found = _hops(ask, caller, path, action)
    if found is None:
        return None
    hops, _ = found
    read = read_of(hops, ())
    term = path_term(hops, read)
    settled = settle(term, tuple(h.check.facts for h in hops), ask.limits)
    return isinstance(settled.sure, Sat) if settled.possible else None


def _decide(ask: Ask, caller: Caller, path: tuple[str, ...], action: str, target: Target) -> Route | tuple[str, ...]:
    """The route along `path` if its joint problem has a model; else the reasons why that is not known (none: refuted)."""
    found = _hops(ask, caller, path, action)
    if found is None:
        return ()
    hops, session = found
    facts = last_facts(facts_of(ask, session.caller, action, target), session, ask, caller)
    check = check_of(facts, documents_for(ask.documents, caller, last=True))
    demanded = when_for(ask.when, action, caller, first=False, last=True)
    when = _reduced(all_of((demanded, target.domain)), check)
    goal = all_of((problem_of(check), when))
    if goal is FALSE:
        return ()
    read = read_of(hops, [goal])
    term = path_term(hops, read, goal)
    background = (*(h.check.facts for h in hops), check.facts)
    settled = settle(term, background, ask.limits, ask.engine)
    if isinstance(settled.sure, Sat):
        last = Found(check, when, settled.sure.assignment, (), goal)
        return Route(hops, last, settled.sure.assignment)
    if not settled.possible:
        return ()
    reasons = set(reasons_of(term))
    if settled.stuck:
        reasons.add(f"budget:{settled.stuck}")
    return tuple(sorted(reasons)) or ("budget:solver",)

"""The search over role hops: reachable roles first, then the paths to them, each decided as one joint problem."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.graph.hops import HopCheck, hop_check, hop_facts, hop_term, last_facts, read_by
from iamsim.graph.sessions import Session, assumed, possible
from iamsim.graph.trusts import roles_for
from iamsim.ir.bounds import may
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, all_of
from iamsim.judge.check import check_of, problem_of, reasons_of, settle
from iamsim.judge.judge import Found, facts_of
from iamsim.model.caller import CallerKind
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.env.types import Environment, Principal
    from iamsim.judge.candidates import Target
    from iamsim.judge.judge import Ask
    from iamsim.model.caller import Caller

MAX_PATHS = 300
"""Paths that one question may decide before it is UNKNOWN."""

_NO_HOPS = (CallerKind.ANONYMOUS, CallerKind.ROOT, CallerKind.FEDERATED_USER)


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


def search(ask: Ask, caller: Caller, action: str, targets: tuple[Target, ...]) -> Searched:
    """A path of one or more role hops from `caller` to an allowed request, or that there is none."""
    if caller.kind in _NO_HOPS:
        return Searched(None, (), ())
    edges = reachable(ask, caller)
    goals, refuted, reasons = _goals(ask, edges, action, targets)
    if not goals:
        return Searched(None, (), tuple(sorted(edges)), tuple(refuted))
    unknown: set[str] = set()
    count = 0
    for path, target in _paths(ask.env, edges, goals):
        count += 1
        if count > MAX_PATHS:
            unknown.add("budget:more than 300 paths to decide")
            break
        found = _decide(ask, caller, path, action, target)
        if isinstance(found, Route):
            return Searched(found, (), tuple(sorted(edges)))
        unknown.update(found)
    return Searched(None, tuple(sorted(unknown)), tuple(sorted(edges)), tuple(refuted))


def reachable(ask: Ask, caller: Caller) -> dict[str, tuple[str, ...]]:
    """For each role that sessions of `caller` may reach, the nodes it may be entered from ("" is the caller itself).

    A superset: every hop is possible by itself, for some session that its role can have.
    """
    found: dict[str, list[str]] = {}
    todo: list[str] = [""]
    seen = {""}
    while todo:
        node = todo.pop(0)
        for role in _next(ask, caller, node):
            found.setdefault(role, []).append(node)
            if role not in seen:
                seen.add(role)
                todo.append(role)
    return {role: tuple(sorted(nodes)) for role, nodes in found.items()}


def _next(ask: Ask, caller: Caller, node: str) -> tuple[str, ...]:
    """The roles that can follow `node`; edges between roles do not depend on the question unless it fixes something."""
    env = ask.env
    plain = ask.ever and not ask.given
    key = ("edges", node, ask.missing)
    if node and plain and key in env.memo:
        known: tuple[str, ...] = env.memo[key]
        return known
    who = caller if node == "" else possible(env, env.principals[node])
    session = Session(who)
    out = []
    for role in roles_for(env, who):
        facts = hop_facts(ask, session, role, 1 if node == "" else 2)
        check = check_of(facts)
        term = check.authorization.allowed
        if term is FALSE or may(term) is FALSE:
            continue
        settled = settle(term, (check.facts,), ask.limits, "auto")
        if settled.possible:
            out.append(role.arn)
    if node and plain:
        env.memo[key] = tuple(out)
    return tuple(out)


def _goals(
    ask: Ask, edges: Mapping[str, tuple[str, ...]], action: str, targets: tuple[Target, ...]
) -> tuple[dict[str, list[Target]], list[Found], set[str]]:
    """The reached roles of which some session may be allowed the request, with the targets that may be."""
    goals: dict[str, list[Target]] = {}
    refuted: list[Found] = []
    for role in sorted(edges):
        who = possible(ask.env, ask.env.principals[role])
        for target in targets:
            mine = _at_home(target, who)
            given = {k: v for k, v in ask.given.items() if not k.startswith(("aws:principal", "aws:multifactor"))}
            facts = replace(facts_of(ask, who, action, mine), given=given)
            check = check_of(facts, ask.documents)
            when = reduce(all_of((ask.when, mine.domain)), check.lookup)
            term = all_of((problem_of(check), when))
            settled = settle(term, (check.facts,), ask.limits)
            if settled.possible:
                goals.setdefault(role, []).append(mine)
            else:
                refuted.append(Found(check, when, None, (), term))
    return goals, refuted, set()


def _at_home(target: Target, caller: Caller) -> Target:
    """A wildcard-only request belongs to the account of whoever makes it."""
    return replace(target, owner=caller.account) if target.resource == "*" else target


def _paths(
    env: Environment, edges: Mapping[str, tuple[str, ...]], goals: Mapping[str, list[Target]]
) -> Iterator[tuple[tuple[Principal, ...], Target]]:
    """All paths without repeated roles from the caller to a goal, shortest first, then by ARN; found from the goal back."""
    layer: list[tuple[str, ...]] = [(g,) for g in sorted(goals)]
    while layer:
        following: list[tuple[str, ...]] = []
        for path in layer:
            for node in edges[path[0]]:
                if node == "":
                    roles = tuple(env.principals[a] for a in path)
                    for target in goals[path[-1]]:
                        yield roles, target
                elif node not in path:
                    following.append((node, *path))
        layer = following[: MAX_PATHS * 20]


def _decide(
    ask: Ask, caller: Caller, path: tuple[Principal, ...], action: str, target: Target
) -> Route | tuple[str, ...]:
    """The route along `path` if its joint problem has a model; else the reasons why that is not known (none: refuted)."""
    session = Session(caller)
    hops: list[HopCheck] = []
    for number, role in enumerate(path, start=1):
        hop = hop_check(ask, session, role, number)
        if hop.check.authorization.allowed is FALSE:
            return ()
        hops.append(hop)
        session = assumed(ask.env, role, session, hop.check.facts, number)
    facts = last_facts(facts_of(ask, session.caller, action, target), session, dict(ask.given))
    check = check_of(facts, ask.documents)
    when = reduce(all_of((ask.when, target.domain)), check.lookup)
    goal = all_of((problem_of(check), when))
    if goal is FALSE:
        return ()
    read = read_by([goal, *(h.check.authorization.allowed for h in hops)])
    term = all_of([*(hop_term(h, read) for h in hops), goal])
    background = (*(h.check.facts for h in hops), check.facts)
    settled = settle(term, background, ask.limits, ask.engine)
    if isinstance(settled.sure, Sat):
        last = Found(check, when, settled.sure.assignment, (), goal)
        return Route(tuple(hops), last, settled.sure.assignment)
    if not settled.possible:
        return ()
    reasons = set(reasons_of(term))
    if settled.stuck:
        reasons.add(f"budget:{settled.stuck}")
    return tuple(sorted(reasons)) or ("budget:solver",)




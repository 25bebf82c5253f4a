"""Firings and requests that depend on the session which makes them: decided jointly with the hops that create it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.aws.service_sessions import ISSUED_FOR, passing_of
from iamsim.env.changes import changed
from iamsim.graph.clock import path_term
from iamsim.graph.firing import ONE, Requests, attempt, numbered
from iamsim.graph.hops import read_of
from iamsim.graph.sessions import Session
from iamsim.graph.state import START, Closure, later
from iamsim.graph.world import Node, caller_in, is_again
from iamsim.ir.bounds import may
from iamsim.ir.lower import RESOURCE
from iamsim.ir.term import FALSE, TRUE, Like, Present, all_of, any_of
from iamsim.judge.check import reasons_of
from iamsim.judge.outlook import outlook
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.pattern import Literal, Pattern, Star, Variable, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.graph.firing import Attempt
    from iamsim.graph.hops import HopCheck
    from iamsim.graph.moves import Firing
    from iamsim.ir.term import Term

ASSUMES = ("sts-assume-role", "sts-web-identity-wide-trust", "eks-irsa-service-account")
"""Techniques that are a hop: what the session carries depends on the session before."""

APART = 90
"""Numbers of requests that no path reaches, from this on."""

MAX_ROUTES = 40
MAX_LENGTH = 8


# The role that a service obtains, among the names of a hop that stands for what a technique makes it do.
_ISSUED = "$issued-role"


@dataclass(frozen=True, slots=True)
class Route:
    """A way to come to sessions of a node: a caller of which all is known, and the hops from it.

    `basis` are the firings that make the route; it begins with control of the entry if that is none of their gains.
    """

    entry: Node
    hops: tuple[Firing, ...]
    basis: tuple[Firing, ...]


def routes(closure: Closure, name: str) -> Iterator[Route]:
    """The ways to come to sessions of a node, shortest first.

    A caller of which all is known is the start, a user, or a session that a service creates. Those come last in which a role
    assumes itself, for another session.
    """
    todo: list[tuple[str, tuple[Firing, ...]]] = [(name, ())]
    later: list[tuple[str, tuple[Firing, ...]]] = []
    count = 0
    while (todo or later) and count < MAX_ROUTES:
        if not todo:
            todo, later = later, []
        here, path = todo.pop(0)
        node = closure.nodes[here]
        if not node.made:
            count += 1
            yield Route(node, path, path)
            continue
        if len(path) < MAX_LENGTH and all(here != g.name for f in path for g in f.gains if isinstance(g, Node)):
            later += [(here, (again, *path)) for again in _itself(closure, node)]
        for fired in closure.how[here]:
            if fired.technique in ASSUMES:
                if len(path) < MAX_LENGTH and [f.node for f in path].count(fired.node) < 2:
                    todo.append((fired.node, (fired, *path)))
            else:
                count += 1
                entry, first = issuing(closure, node, fired)
                yield Route(entry, (*first, *path), (fired, *path))


def _itself(closure: Closure, node: Node) -> tuple[Firing, ...]:
    """The hop from a session of a role to another of the same, if its trust policy lets it."""
    from iamsim.graph.entering import edge_in
    from iamsim.graph.moves import Firing

    key, role = ("itself-again", node.name), node.caller.arn or ""
    if key not in closure.done:
        known = node.full and role in closure.search.env.principals and not is_again(node)
        edge = edge_in(closure, node, closure.search.env, role) if known else None
        fired = Firing(ASSUMES[0], 0, node.name, (("$target-role", role),), (node,), True, frozenset(), True)
        closure.done[key] = () if edge is None or not edge.sure else (fired,)
    return closure.done[key]  # type: ignore[return-value]


def issuing(closure: Closure, node: Node, fired: Firing) -> tuple[Node, tuple[Firing, ...]]:
    """The known caller with whom the sessions begin that a technique gives, and the hops from it to them.

    A service obtains the role in a hop of its own if that fixes what the session carries: tags, a source identity, or for
    what it was issued.
    Source: Amazon EKS User Guide, "Grant Pods access to AWS resources based on tags"; IAM Roles Anywhere User Guide, "Trust
    model in AWS Identity and Access Management Roles Anywhere".
    """
    services = services_of(closure, fired)
    if passing_of(services) is None and not any(s in ISSUED_FOR for s in services):
        return issued(closure, node, fired), ()
    caller = Caller(kind=CallerKind.SERVICE, services=services, partition=node.caller.partition)
    entry = Node(f"service {services[0]}", caller, made=False)
    return entry, (replace(fired, bound=((_ISSUED, node.caller.arn or ""), *fired.bound)),)


def services_of(closure: Closure, fired: Firing) -> tuple[str, ...]:
    """The service that creates the sessions which a technique gives, if one does."""
    technique = closure.search.catalogue.techniques.get(fired.technique)
    if technique is None:
        return ()
    if technique.passed_to:
        return (technique.passed_to,)
    demanded = technique.variants[fired.variant].preconditions
    role = {n for n, v in fired.bound if n == "$target-role"}
    return tuple(
        c.get("service") for c in demanded if c.fact == "role-trusts-service" and (c.get("role") in role or not role)
    )[:1]


def issued(closure: Closure, node: Node, fired: Firing) -> Node:
    """The sessions of a role that a service or another issuer creates for whoever fired the technique."""
    technique = closure.search.catalogue.techniques.get(fired.technique)
    certain = services_of(closure, fired)
    services = certain or node.caller.open_services
    provided = technique is not None and any(
        c.fact == "role-trusts-federated" for v in technique.variants for c in v.preconditions
    )
    caller = replace(
        node.caller, open_tags=False, open_source_identity=False, open_provider=provided, open_services=services,
        issuing_service=next(iter(certain), None),
    )  # fmt: skip
    return replace(node, caller=caller, made=False)


def joined(closure: Closure, entry: Node, hops: tuple[Firing, ...]) -> tuple[tuple[HopCheck, ...], Session] | None:
    """The checks of the hops from a known caller, and the session to which they lead; None if one is refused outright."""
    from iamsim.graph.hops import hop_check
    from iamsim.graph.outside import role_at
    from iamsim.graph.sessions import assumed

    search = closure.search
    ask = search.ask if entry.name == START else later(search.ask, search.action, search)
    session = Session(entry.caller, ever=ask.ever, made=entry.caller is not search.start and entry.name != START)
    out: list[HopCheck] = []
    for number, fired in enumerate(hops, start=1):
        names = dict(fired.bound)
        role_arn = names.get(_ISSUED) or names["$target-role"]
        env = changed(search.env, fired.needs, (session.caller.arn or "", role_arn))
        here = replace(ask, env=env)
        session = replace(session, caller=caller_in(search.env, env, session.caller))
        role = role_at(env, role_arn)
        hop = hop_check(here, session, role, number, search.action)
        if hop.tags is None:
            return None
        if _ISSUED in names:
            about = issued_for(closure, entry, fired)
            if about is FALSE:
                return None
            hop = replace(hop, when=all_of((hop.when, about)))
        out.append(hop)
        session = assumed(env, role, session, hop.check.facts, number)
    return tuple(out), session


def issued_for(closure: Closure, entry: Node, fired: Firing) -> Term:
    """What the key that tells for what a session was issued is: a resource on which the technique works.

    Whether it works is decided apart; this says only which names of the resource it allows.
    Source: AWS Lambda Developer Guide, "Using source function ARN to control function access behavior".
    """
    key, kind = ISSUED_FOR.get(entry.caller.services[0], ("", ""))
    technique = closure.search.catalogue.entry(fired.technique)
    variant = technique.variants[fired.variant]
    among = {f"${how}-{kind}" for how in ("new", "held", "any")}
    names = sorted({r for c in variant.calls for r in c.resources if r in among})
    if not key:
        return TRUE
    if not names:
        return Present(f"1|{key}")
    apart = crew(closure, fired, Requests(APART))
    tried = attempt(
        closure.search, closure.nodes[fired.node], technique, variant, dict(fired.bound), fired.needs, apart
    )
    if tried is None:
        return FALSE
    arn = f"1|{key}"
    same = []
    for name in names:
        if name in dict(fired.bound):
            same.append(Like(arn, plain(dict(fired.bound)[name])))
            continue
        resource = f"{name}|{RESOURCE}"
        qualified = Pattern("", (Variable(arn), Literal(":"), Star()))
        same += [Like(arn, Pattern("", (Variable(resource),))), Like(resource, qualified)]
    return all_of((may(tried.term), Present(arn), any_of(same)))


def joint(
    closure: Closure, entry: Node, hops: tuple[Firing, ...], fired: Firing
) -> tuple[tuple[HopCheck, ...], Attempt] | None:
    """The hops and the firing by the session that they create, as one problem; None if that certainly has no solution."""
    found = joined(closure, entry, hops)
    if found is None:
        return None
    checks, session = found
    search = closure.search
    there = changed(search.env, fired.needs, (session.caller.arn or "",))
    session = replace(session, caller=caller_in(search.env, there, session.caller))
    technique = search.catalogue.entry(fired.technique)
    # the last session is one that the hops created, or the known caller itself
    caller = Node(entry.name if not hops else fired.node, session.caller, made=bool(hops))
    requests = crew(closure, fired, Requests(len(hops) + 1, together=not hops, session=session if hops else None))
    tried = attempt(
        search, caller, technique, technique.variants[fired.variant], dict(fired.bound), fired.needs, requests
    )
    if tried is None:
        return None
    read = read_of(checks, [tried.term])
    own = (f"{n}|" for n in dict.fromkeys(n for n, _ in numbered(technique.variants[fired.variant].calls, requests)))
    term = path_term(checks, read, tried.term, at=tuple(own))
    background = (*(h.check.facts for h in checks), *tried.background)
    return checks, replace(tried, term=term, background=background)


def crew(closure: Closure, fired: Firing, requests: Requests = ONE) -> Requests:
    """`requests` with the nodes that make some of them in place of the firing's own."""
    return replace(requests, others=tuple((n, closure.nodes[name]) for n, name in fired.others))


def exactly(closure: Closure, fired: Firing) -> tuple[bool, tuple[str, ...]] | None:
    """None if no session that can be had makes the firing work; else whether one certainly does, and reasons if not."""
    reasons: set[str] = set()
    possible = False
    count = 0
    for route in routes(closure, fired.node):
        count += 1
        found = along(closure, fired, route)
        if found is None:
            continue
        possible = True
        if found[0]:
            return True, ()
        reasons.update(found[1])
    if count >= MAX_ROUTES:
        possible = True
        reasons.add(f"budget:more than {MAX_ROUTES} role paths to decide")
    return (False, tuple(sorted(reasons)) or ("budget:solver",)) if possible else None


def _outcome(found: tuple[object, Attempt] | None, closure: Closure) -> tuple[bool, tuple[str, ...]] | None:
    if found is None:
        return None
    return verdict_of(closure, found[1].term, found[1].background)


def verdict_of(closure: Closure, term: object, background: object) -> tuple[bool, tuple[str, ...]] | None:
    """None if the problem has no solution; else whether it certainly has one, and the reasons if that is not known."""
    found = outlook(term, background, closure.search.ask.limits, closure.search.env.memo)  # type: ignore[arg-type]
    if found.sure:
        return True, ()
    if not found.possible:
        return None
    stuck = (f"budget:{found.stuck}",) if found.stuck else ()
    return False, (*reasons_of(term), *stuck)  # type: ignore[arg-type]


def along(closure: Closure, fired: Firing, route: Route) -> tuple[bool, tuple[str, ...]] | None:
    """Whether the firing works with the session to which the route leads, as `exactly` has it; worked out once."""
    key = ("along", fired, route.basis, route.entry.name)
    if key not in closure.done:
        closure.done[key] = (_along(closure, fired, route),)
    return closure.done[key][0]  # type: ignore[index,no-any-return]


def _along(closure: Closure, fired: Firing, route: Route) -> tuple[bool, tuple[str, ...]] | None:
    if fired.technique not in ASSUMES:
        return _outcome(joint(closure, route.entry, route.hops, fired), closure)
    found = joined(closure, route.entry, (*route.hops, fired))
    if found is None:
        return None
    checks, _ = found
    read = read_of(checks, ())
    term = path_term(checks, read)
    return verdict_of(closure, term, tuple(h.check.facts for h in checks))

"""Whether the steps of a way can be made one after the other, where a change costs what an earlier step still needed."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind, changed
from iamsim.env.costs import may_cost
from iamsim.env.facts import Facts
from iamsim.graph.entering import edge_in
from iamsim.graph.exact import ASSUMES, crew
from iamsim.graph.firing import Requests, attempt, outcome_of
from iamsim.graph.outcomes import fact_of
from iamsim.graph.state import BASE, START, Closure
from iamsim.graph.timing import tied
from iamsim.graph.world import OUTSIDE, Node, caller_in, relevant
from iamsim.ir.bounds import must
from iamsim.ir.term import FALSE
from iamsim.judge.check import check_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iamsim.env.types import Environment
    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Fact

MAX_ORDERS = 60
"""Orders of the steps of one way that are tried."""

State = frozenset[Change]


def in_some_order(closure: Closure, fired: tuple[Firing, ...], needs: State, allowed: Callable[[State], bool]) -> bool:
    """True iff the firings can be made in some order, each in the state that those before it leave, and `allowed` tells that
    the request is allowed in the last state. What a change has cost may be put back where someone may do so.
    """
    used = needs.union(*(f.needs for f in fired))
    costly = frozenset(c for c in (*used, *_besides(fired)) if OUTSIDE not in c.who and may_cost(closure.search.env, c))
    if not costly:
        return True
    return any(_made(closure, order, used, costly, allowed) for order in islice(_orders(fired), MAX_ORDERS))


def at_no_cost(closure: Closure) -> set[Fact]:
    """Facts that follow in any order, at any time: by firings of known callers that neither need nor make a change which may
    cost something, where nothing else ties steps together.
    """
    plain: set[Fact] = set(BASE)
    if tied(closure.search.env):
        return plain
    costs = {c for c in closure.changes if OUTSIDE not in c.who and may_cost(closure.search.env, c)}
    left = [
        f
        for fired in closure.how.values()
        for f in fired
        if costs.isdisjoint(f.needs) and costs.isdisjoint(g for g in f.gains if isinstance(g, Change))
        if not f.session or not closure.nodes[f.node].made
    ]
    while True:
        later = []
        for f in left:
            if plain.issuperset(f.callers) and f.needs <= plain:
                plain.update(fact_of(g) for g in f.gains)
            else:
                later.append(f)
        if len(later) == len(left):
            return plain
        left = later


def _besides(fired: tuple[Firing, ...]) -> frozenset[Change]:
    """The tags that calls set which set others, needed or not."""
    return frozenset(
        g for f in fired if len(f.gains) > 1 for g in f.gains if isinstance(g, Change) and g.kind is Kind.TAGS
    )


def _orders(fired: tuple[Firing, ...]) -> Iterator[tuple[Firing, ...]]:
    """The orders in which every firing comes after those that it rests on; that of `fired` first."""

    def further(
        done: tuple[Firing, ...], have: frozenset[object], left: tuple[Firing, ...]
    ) -> Iterator[tuple[Firing, ...]]:
        if not left:
            yield done
        for f in left:
            if have.issuperset(f.callers) and all(n in have or not any(n in o.gains for o in fired) for n in f.needs):
                gains = frozenset(fact_of(g) for g in f.gains)
                yield from further((*done, f), have | gains, tuple(o for o in left if o is not f))

    yield from further((), frozenset(BASE), fired)


def _made(
    closure: Closure, order: tuple[Firing, ...], used: State, costly: State, allowed: Callable[[State], bool]
) -> bool:
    state: State = frozenset(c for c in used if OUTSIDE in c.who)
    by: dict[Change, Firing] = {}
    nodes = [START]
    for fired in order:
        again = all(_undone(closure, state, c, by.get(c), nodes) for c in state & costly)
        if not _with_undoing(closure, state, costly, by, nodes, partial(_works, closure, fired, again=again)):
            return False
        for gain in fired.gains:
            if isinstance(gain, Node):
                nodes.append(gain.name)
            elif gain in used or gain in _besides((fired,)):
                state = frozenset(c for c in state if not replaces(gain, c)) | {gain}
                by[gain] = fired
    return _with_undoing(closure, state, costly, by, nodes, allowed)


def replaces(later: Change, earlier: Change) -> bool:
    """Whether nothing is left of the earlier change: another boundary, version, or value of the tag."""
    if (later.kind, later.who) != (earlier.kind, earlier.who):
        return False
    same = later.what.partition("=")[0] == earlier.what.partition("=")[0]
    return later.kind in (Kind.BOUNDARY, Kind.SWITCHES, Kind.MOVED) or (later.kind in (Kind.TAGS, Kind.LABELS) and same)


def _with_undoing(
    closure: Closure,
    state: State,
    costly: State,
    by: dict[Change, Firing],
    nodes: list[str],
    works: Callable[[State], bool],
) -> bool:
    if works(state):
        return True
    back = frozenset(c for c in state & costly if _undone(closure, state, c, by.get(c), nodes))
    if any(works(state - {c}) for c in sorted(back)) or (len(back) > 1 and works(state - back)):
        return True
    return any(works(s) for s in _exchanged(closure, state, nodes))


def _exchanged(closure: Closure, state: State, nodes: list[str]) -> Iterator[State]:
    """The states in which a boundary that was set is exchanged for another that someone may set now."""
    for change in sorted(c for c in state if c.kind is Kind.BOUNDARY):
        for other in sorted(
            c for c in closure.changes if c.kind is Kind.BOUNDARY and c.who == change.who and c != change
        ):
            ways = (f for f in closure.how[other] if set(f.callers) <= set(nodes))
            if any(_works(closure, f, state) for f in ways):
                yield state - {change} | {other}


def _works(closure: Closure, fired: Firing, state: State, *, again: bool = False) -> bool:
    """Whether the firing works in a state, or, if the changes may be taken back and made `again`, chosen for each request."""
    search = closure.search
    node = closure.nodes[fired.node]
    arn = node.caller.arn or ""
    if fired.technique in ASSUMES:
        role = dict(fired.bound)["$target-role"]
        edge = edge_in(closure, node, changed(search.env, relevant(search.env, state, (arn, role)), (arn, role)), role)
        return edge is not None and edge.sure
    technique = search.catalogue.entry(fired.technique)
    variant = technique.variants[fired.variant]
    tried = attempt(
        search, node, technique, variant, dict(fired.bound), state, crew(closure, fired, Requests(exact=True))
    )
    if tried is not None and (outcome_of(search, tried) or (False,))[0]:
        return True
    if len(variant.calls) < 2 or not again:
        return False
    tried = attempt(search, node, technique, variant, dict(fired.bound), state, crew(closure, fired))
    return tried is not None and (outcome_of(search, tried) or (False,))[0]


_AGAIN = (Kind.SWITCHES, Kind.LABELS)
"""Kinds of changes that the same call takes back."""


def _undone(closure: Closure, state: State, change: Change, fired: Firing | None, nodes: list[str]) -> bool:
    """Whether someone who is controlled may take the change back in this state."""
    if change.kind in _AGAIN:
        return fired is not None and _works(closure, fired, state)
    call = _reverse(closure.search.env, change)
    return call is not None and any(_may(closure, closure.nodes[n], state, *call) for n in nodes if n in closure.nodes)


def _reverse(env: Environment, change: Change) -> tuple[str, str, dict[str, tuple[str, ...]]] | None:
    """The action, resource and fixed keys by which a change is taken back."""
    kind = "User" if ":user/" in change.who else "Role" if ":role/" in change.who else "Group"
    managed: dict[str, tuple[str, ...]] = {"iam:policyarn": (change.what,)}
    own = env.principals.get(change.who)
    match change.kind:
        case Kind.BOUNDARY if own is not None and own.boundary is not None:
            bound = (own.boundary.arn,) if own.boundary.arn else ()
            return f"iam:Put{kind}PermissionsBoundary", change.who, {"iam:permissionsboundary": bound}
        case Kind.BOUNDARY:
            return f"iam:Delete{kind}PermissionsBoundary", change.who, {}
        case Kind.TAGS:
            key = change.what.partition("=")[0]
            value = next((v for k, v in (own.tags if own is not None else ()) if k.lower() == key), None)
            if value is None:
                return f"iam:Untag{kind}", change.who, {"aws:tagkeys": (key,)}
            return f"iam:Tag{kind}", change.who, {"aws:tagkeys": (key,), f"aws:requesttag/{key}": (value,)}
        case Kind.LEAVES:
            return "iam:AddUserToGroup", change.what, {}
        case Kind.JOINS:
            return "iam:RemoveUserFromGroup", change.what, {}
        case Kind.GAINS:
            return f"iam:Detach{kind}Policy", change.who, managed
        case Kind.DROPS if change.what.startswith("inline/"):
            return f"iam:Put{kind}Policy", change.who, {}
        case Kind.DROPS:
            return f"iam:Attach{kind}Policy", change.who, managed
        case _:
            return None


def _may(
    closure: Closure, node: Node, state: State, action: str, resource: str, fixed: dict[str, tuple[str, ...]]
) -> bool:
    search, arn = closure.search, node.caller.arn or ""
    env = changed(search.env, relevant(search.env, state, (arn, resource)), (arn, resource))
    facts = Facts(
        env=env,
        caller=caller_in(search.env, env, node.caller),
        action=action.lower(),
        resource=resource,
        owner=resource.split(":")[4],
        given=fixed,
        ever=search.ask.ever,
        missing=search.ask.missing,
        on_path=node.made,
    )
    return must(check_of(facts).authorization.allowed) is not FALSE

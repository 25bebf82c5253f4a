"""Roles whose trust policies the attacker writes, passed to a service that they then name instead of being assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind
from iamsim.graph.candidates import FRESH
from iamsim.graph.dominated import not_dominated
from iamsim.graph.issued import services_of, told_issuers
from iamsim.graph.means import NODES, techniques_of
from iamsim.graph.moves import firings
from iamsim.graph.renewed import look_again, renewable, some_issued
from iamsim.graph.ruled import ruled, signature
from iamsim.graph.state import SIGNED, Closure, account_of, loaded
from iamsim.graph.world import Node, name_made
from iamsim.judge.callers import trusted_services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.aws.escalations import Technique
    from iamsim.graph.moves import Firing
    from iamsim.graph.world import Search


def passed(closure: Closure) -> Iterator[Firing]:
    """The techniques that make a service use a role of which nobody holds a session although its trust policy can be written."""
    known = closure.known
    written = {c.who for c in known.of_kind(Kind.TRUST, Kind.CREATED) if ":role/" in c.who}
    held = frozenset(written & known.controlled) if told_issuers(closure.search.env) else frozenset[str]()
    more = frozenset(
        r for a in {account_of(r) for r in held} for r in renewable(closure, a, held) if account_of(r) == a
    )
    more |= {r for r in held if r.endswith("/" + FRESH) and r not in closure.search.env.principals}
    more |= _by_rulers(closure)
    left = [(frozenset(written - known.controlled), frozenset[Change]()), (more, frozenset[Change]())]
    anew = (c for c in known.again if ":role/" in c.who and name_made(c) not in closure.nodes)
    left += [(frozenset({c.who}), frozenset({c})) for c in anew]
    for roles, made in left:
        again = roles is more
        for fired in _of(closure, roles, made, again=again) if roles else ():
            if again:
                look_again(closure, {g.caller.arn or "" for g in fired.gains if isinstance(g, Node)} & more)
            yield fired


def _by_rulers(closure: Closure) -> frozenset[str]:
    """The roles that whoever may do everything in an account holds, and that services whose sessions are told apart may have."""
    told, env = told_issuers(closure.search.env), closure.search.env
    if not told or closure.every:
        return frozenset()
    every = (r for a in closure.rulers() for r in some_issued(closure, a) & closure.known.controlled)
    return frozenset(r for r in every if not told.isdisjoint(trusted_services(env.principals[r].trust)))


def _of(closure: Closure, left: frozenset[str], made: frozenset[Change], *, again: bool) -> Iterator[Firing]:
    """The techniques that give these roles; `made` creates them again. `again`: they are held, and given as other sessions."""
    search, every = closure.search, _by_service(closure.search)
    if again:
        every = [t for t in every if t.passed_to and services_of(t) & told_issuers(search.env)]
    for name, node in list(closure.nodes.items()):
        roles = frozenset(r for r in left if account_of(r) == node.caller.account)
        if not roles or not closure.follows(name) or node.caller.kind not in SIGNED or not loaded(closure, node):
            continue
        changes = signature(closure, node) | closure.relevant(*sorted(roles)) | made
        key = ("passed", name, roles, changes, again)
        if key in closure.done:
            continue
        closure.done[key] = True
        techniques = every
        if not closure.every and ruled(closure, node):
            techniques = not_dominated(search.env, every, node.caller.arn or "")
        yield from firings(search, node, changes, techniques, {"who": roles}, every=closure.every or again)


def _by_service(search: Search) -> list[Technique]:
    """The techniques that give a role that trusts a service."""
    key = (id(search.catalogue), "by-service")
    found: tuple[list[Technique], object] | None = search.env.memo.get(key)
    if found is None:
        every = [t for t in techniques_of(search, NODES) if _serves(t)]
        found = search.env.memo[key] = (every, search.catalogue)
    return found[0]


def _serves(technique: Technique) -> bool:
    return bool(services_of(technique))

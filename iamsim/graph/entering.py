"""Role assumption by the sessions of a node, as trust policies stand in the environments that it may choose among."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind, changed
from iamsim.env.costs import may_cost
from iamsim.env.memo import once
from iamsim.graph.apart import tags_matter
from iamsim.graph.candidates import texts_of
from iamsim.graph.dominated import roles_beside
from iamsim.graph.edges import asking, edge_to, edges_of
from iamsim.graph.hops import hop_technique
from iamsim.graph.issued import of_session
from iamsim.graph.moves import Firing
from iamsim.graph.outside import role_at
from iamsim.graph.renewed import issued_as_written
from iamsim.graph.ruled import ruled
from iamsim.graph.sessions import possible
from iamsim.graph.settled import asked_for_by_none
from iamsim.graph.state import NO_HOPS, Closure
from iamsim.graph.world import Node, caller_in, made_of, own_creation, relevant, worlds
from iamsim.model.pattern import tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.graph.edges import Edge


def hops(closure: Closure, node: Node, mine: frozenset[Change]) -> Iterator[Firing]:
    """Role assumption by the node's sessions."""
    search = closure.search
    if not node.full or node.caller.kind in NO_HOPS:
        return
    if asked_for_by_none(closure, node):
        return
    arn = node.caller.arn or ""
    own = relevant(search.env, mine, (arn,)) | issued_as_written(closure, node)
    seen: dict[str, bool] = {}
    tags_alone = all(c.kind is Kind.TAGS for c in own if may_cost(search.env, c))
    for number, env in enumerate(worlds(search.env, own, (arn,))):
        for role, edge in _worth_entering(closure, node, env, tagged=tags_alone and number > 0).items():
            plain = not node.made or (edge.plain and not any(of_session(v) for v in edge.read))
            sure = edge.sure and role in env.principals
            if seen.get(role, False) >= sure and role in seen:
                continue
            seen[role] = sure
            needs = own_creation(own, (arn,))
            if own > needs and role not in edges_of(search, node, changed(search.env, needs, (arn,))):
                needs = fewest_to_enter(closure, node, role, own, sure)
            target = role_at(env, role)
            itself = role == arn and made_of(node) is not None
            gain = Node(node.name if itself else role, possible(env, target))
            reasons = () if role in env.principals else (f"missing:trust policy of {role}",)
            fired = Firing(
                hop_technique(node.caller),
                0,
                node.name,
                (("$target-role", role),),
                (gain,),
                sure,
                needs,
                not plain,
                (),
                reasons,
            )
            yield fired
            if not edge.plain:
                yield from _with_other_tags(closure, node, fired, own)


_PASSED = ("aws:requesttag/", "sts:rolesessionname", "sts:sourceidentity")


def told_of_the_caller(env: Environment) -> frozenset[str]:
    """Tags (lower case) of the caller of which some policy says that a hop passes them on, to be a part of what its session is."""

    def made() -> frozenset[str]:
        texts = (t.lower() for ts in texts_of(env, _PASSED).values() for t in ts if "${" in t)
        every = (v.key.lower() for t in texts for v in tokenize(t).variables)
        return frozenset(k.partition("/")[2] for k in every if k.startswith("aws:principaltag/"))

    return once(env.memo, "told-of-the-caller", made)


def _with_other_tags(closure: Closure, node: Node, fired: Firing, own: frozenset[Change]) -> Iterator[Firing]:
    """The hop after changes to tags of its caller that it passes on, since what its session can do may hang on them."""
    arn, (gain, *_), search = node.caller.arn or "", fired.gains, closure.search
    told = told_of_the_caller(search.env)
    mine = (c for c in sorted(own - fired.needs) if c.kind is Kind.TAGS and c.who == arn) if told else ()
    for change in (c for c in mine if c.what.partition("=")[0].lower() in told):
        assert isinstance(gain, Node)
        other = replace(fired, needs=fired.needs | {change})
        if other.needs in [f.needs for f in closure.how.get(gain.name, ()) if f.node == node.name]:
            continue
        edge = edge_in(closure, node, changed(search.env, other.needs, (arn, gain.name)), gain.name)
        if edge is None or (closure.sure and not edge.sure):
            continue
        for key in [k for k in closure.done if isinstance(k, tuple) and k[0] == "given"]:
            del closure.done[key]  # what its session, and those after it, could not do before they may do now
        yield replace(other, sure=fired.sure and edge.sure)


def _worth_entering(closure: Closure, node: Node, env: Environment, *, tagged: bool) -> dict[str, Edge]:
    """The hops of the node; of one whose account is held anyway, those to roles that are not.

    With `tagged` only those for which tags of the node may matter, which are all that is new in `env`.
    """
    if closure.every or not ruled(closure, node):
        return edges_of(closure.search, node, env)
    caller = node.caller if node.made else caller_in(closure.search.env, env, node.caller)
    found = {}
    # into others whoever may do everything in the node's account enters, or nobody of that
    for role in roles_beside(env, caller, closure.search.ask.missing, closure.known.controlled):
        if tagged and not tags_matter(env, caller.arn or "", role):
            continue
        edge = edge_in(closure, node, env, role.arn)
        if edge is not None:
            found[role.arn] = edge
    return found


def edge_in(closure: Closure, node: Node, env: Environment, role: str) -> Edge | None:
    """The hop of the node to one role of `env`."""
    search = closure.search
    ask = asking(search, node, env)
    if ask is None:
        return None
    caller = search.start if node.made else caller_in(search.env, env, node.caller)
    return edge_to(ask, caller, (node.caller.arn or "") if node.made else "", role_at(env, role), search.action)


def fewest_to_enter(
    closure: Closure, node: Node, role: str, changes: frozenset[Change], sure: bool
) -> frozenset[Change]:
    """Changes without which the node may not assume the role, none of them superfluous."""
    arn = node.caller.arn or ""
    base = own_creation(changes, (arn, role))

    def enough(some: frozenset[Change]) -> bool:
        found = (edge_in(closure, node, env, role) for env in worlds(closure.search.env, some, (arn, role)))
        return any(e is not None and e.sure >= sure for e in found)

    if base and enough(base):
        return base
    for change in sorted(changes - base):
        if enough(base | {change}):
            return base | {change}
    needs = changes
    for change in sorted(changes - base, reverse=True):
        if enough(needs - {change}):
            needs -= {change}
    return needs

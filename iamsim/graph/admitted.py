"""Role assumption where a trust policy, or the tags of a role, were changed for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Kind, changed
from iamsim.graph.dominated import same_ceilings
from iamsim.graph.edges import of_session
from iamsim.graph.entering import edge_in, fewest_to_enter
from iamsim.graph.moves import Firing
from iamsim.graph.ruled import ruled, ruler_of
from iamsim.graph.sessions import possible
from iamsim.graph.state import ASSUME, OUTSIDE, OUTSIDER, Closure, account_of, loaded
from iamsim.graph.wants import worthwhile
from iamsim.graph.world import Node, own_creation, relevant, worlds
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.candidates import Target
from iamsim.judge.check import check_of
from iamsim.judge.judge import facts_of
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterator


def admitted(closure: Closure) -> Iterator[Firing]:
    """Roles whose trust policy or tags were changed, assumed by whichever node may."""
    search = closure.search
    about = sorted(
        {c.who for c in closure.changes if c.kind in (Kind.TRUST, Kind.TAGS, Kind.CREATED) and ":role/" in c.who}
    )
    for role in about:
        if role in closure.nodes and any(f.technique == ASSUME for f in closure.how[role]):
            continue
        if role in closure.nodes and not closure.every and not worthwhile(closure, role):
            continue
        for name, node in sorted(closure.nodes.items(), key=lambda n: n[0] == OUTSIDER):
            if (
                not node.full
                or node.caller.kind not in (CallerKind.USER, CallerKind.ROLE_SESSION)
                or not loaded(closure, node)
            ):
                continue
            if name != OUTSIDER and not closure.follows(name):
                continue
            arn = node.caller.arn or ""
            changes = relevant(search.env, closure.changes, (arn, role))
            if name == OUTSIDER:
                if not any(c.who == role and c.kind in (Kind.TRUST, Kind.CREATED) for c in changes) or any(
                    f.sure for f in closure.how.get(role, ())
                ):
                    continue
                changes |= OUTSIDE
            key = ("admitted", name, role, changes)
            if key in closure.done:
                continue
            closure.done[key] = True
            opened = {c for c in changes if c.who == role and c.kind in (Kind.TRUST, Kind.CREATED)}
            home = account_of(role) == node.caller.account
            if (
                opened
                and not closure.every
                and ruled(closure, node)
                and same_ceilings(search.env, _ENTERING, arn)
                and (ruler_of(closure, node.caller.account) or "") in closure.nodes
            ):
                continue  # the administrator of its account enters, or nobody of it
            if name != OUTSIDER and home and opened and _enters(closure, node):
                needs = frozenset(opened) | own_creation(changes, (arn,))
                there = changed(search.env, needs, (role,))
                gain = Node(role, possible(there, there.principals[role]))
                yield Firing(ASSUME, 0, name, (("$target-role", role),), (gain,), True, needs)
                break
            found = None
            for env in worlds(search.env, changes, (arn, role)):
                edge = edge_in(closure, node, env, role)
                if edge is not None and (found is None or edge.sure):
                    found = edge
            if found is None:
                continue
            target = changed(search.env, changes, (role,)).principals[role]
            gain = Node(role, possible(changed(search.env, changes, (role,)), target))
            sure = found.sure
            plain = not node.made or not any(of_session(v) for v in found.read)
            needs = changes if name == OUTSIDER else fewest_to_enter(closure, node, role, changes, sure)
            yield Firing(ASSUME, 0, name, (("$target-role", role),), (gain,), sure, needs, not plain)
            if sure:
                break


_ENTERING = frozenset({"sts:assumerole"})


def _enters(closure: Closure, node: Node) -> bool:
    """Whether the node may assume whatever role of its account names it: nothing denies it that, anywhere, ever."""
    search = closure.search
    arn = node.caller.arn or ""
    env = changed(search.env, own_creation(closure.changes, (arn,)), (arn,))
    key = ("enters", node.caller, search.ask.missing, search.ask.ever)
    found: bool | None = env.memo.get(key)
    if found is None:
        target = Target(None, node.caller.account)
        check = check_of(
            replace(facts_of(replace(search.ask, given={}), node.caller, "sts:AssumeRole", target), env=env)
        )
        found = check.authorization.denied is FALSE and all(t is TRUE for _, t in check.authorization.limits)
        env.memo[key] = found
    return found and not search.ask.given and search.ask.when is TRUE

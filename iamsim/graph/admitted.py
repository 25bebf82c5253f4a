"""Role assumption where a trust policy, or the tags of a role, were changed for it."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from iamsim.aws.refusals import REFUSALS
from iamsim.env.changes import Kind, changed
from iamsim.env.memo import once
from iamsim.graph.candidates import texts_of
from iamsim.graph.dominated import same_ceilings
from iamsim.graph.entering import edge_in, fewest_to_enter
from iamsim.graph.issued import of_session
from iamsim.graph.known import last
from iamsim.graph.moves import Firing
from iamsim.graph.outdone import fully
from iamsim.graph.renewed import look_again, renewed
from iamsim.graph.ruled import ruled, ruler_of
from iamsim.graph.sessions import possible, possible_when_written
from iamsim.graph.state import ASSUME, OUTSIDE, OUTSIDER, Closure, account_of, loaded
from iamsim.graph.wants import taggable, tagged, worthwhile
from iamsim.graph.world import Node, caller_in, own_creation, worlds
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.candidates import Target
from iamsim.judge.check import check_of
from iamsim.judge.judge import facts_of
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.changes import Change
    from iamsim.env.types import Environment
    from iamsim.graph.world import Search


def admitted(closure: Closure) -> Iterator[Firing]:
    """Roles whose trust policy or tags were changed, or that were created, assumed by whichever node may."""
    search = closure.search
    known = (len(closure.how), len(closure.nodes), closure.count, closure.late)
    if closure.done.get("admitted") == known:
        return  # nothing was found since all of them were looked at
    more = renewed(closure)
    for target, made in _worth_admitting(closure, more):
        role = target if made is None else made.who
        again = target in more
        for name, node in _callers(closure):
            arn = node.caller.arn or ""
            changes = closure.relevant_to(node, arn, role)
            changes = closure.with_way(changes, made)
            if name == OUTSIDER:
                if not any(c.who == role and c.kind in (Kind.TRUST, Kind.CREATED) for c in changes) or any(
                    f.sure for f in closure.how.get(target, ())
                ):
                    continue
                changes |= OUTSIDE
            key = ("admitted", name, target, changes)
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
            means = _entering(closure, node) if name != OUTSIDER and home and opened else None
            if means is not None:
                needs = frozenset(opened) | means
                gain = _entered(search, target, role, needs)
                if again:
                    look_again(closure, (role,))
                yield Firing(ASSUME, 0, name, (("$target-role", role),), (gain,), True, needs)
                break
            found = None
            for env in worlds(search.env, changes, (arn, role)):
                edge = edge_in(closure, node, env, role)
                if edge is not None and (found is None or edge.sure):
                    found = edge
            if found is None:
                continue
            there = changed(search.env, changes, (role,))
            gain = Node(target, possible(there, there.principals[role]))
            sure = found.sure
            plain = not node.made or (found.plain and not any(of_session(v) for v in found.read))
            needs = changes if name == OUTSIDER else fewest_to_enter(closure, node, role, changes, sure)
            if again:
                needs |= opened
                look_again(closure, (role,))
            yield Firing(ASSUME, 0, name, (("$target-role", role),), (gain,), sure, needs, not plain)
            if sure:
                break
    closure.done["admitted"] = known


def _worth_admitting(closure: Closure, more: frozenset[str]) -> Iterator[tuple[str, Change | None]]:
    """The names of nodes of roles that may be assumed now, those that are created with their creation, and `more`."""
    late = closure.late and bool(texts_of(closure.search.env, ("aws:principaltag/",)))
    about, opened = {*_pending(closure), *more}, closure.known.opened
    if late:
        about |= opened.keys() & taggable(closure)
    for target in sorted(about):
        made = opened.get(target)
        role = target if made is None else made.who
        if made is None and role not in closure.search.env.principals:
            continue  # one that is created is assumed as what it was created
        if made is not None and not closure.every and made != _fullest(closure, made):
            continue
        if target in more:
            yield target, made
            continue
        held = target in closure.nodes
        asked = late and held and tagged(closure, role)
        if held and any(f.technique == ASSUME and (not asked or f.needs) for f in closure.how[target]):
            continue
        if held and not closure.every and not (asked or worthwhile(closure, role)):
            continue
        yield target, made


def _fullest(closure: Closure, made: Change) -> Change:
    """The way to create the same role with a policy of choice and without a boundary; else the way itself."""
    ways = (c for c in closure.known.by_who.get(made.who, ()) if c.kind is Kind.CREATED)
    return next((c for c in ways if fully(c)), made)


def _pending(closure: Closure) -> list[str]:
    """The roles whose trust policy or tags were changed and that nobody was found to assume."""
    opened = closure.known.opened
    before: tuple[int, list[str]] = closure.done.get("pending", (0, []))  # type: ignore[assignment]
    seen, left = before
    every = (*left, *last(opened, len(opened) - seen))
    found = [r for r in every if not any(f.technique == ASSUME for f in closure.how.get(r, ()))]
    closure.done["pending"] = (len(opened), found)
    return found


def _callers(closure: Closure) -> list[tuple[str, Node]]:
    """The nodes that may assume roles, the user outside last."""
    created = len(closure.known.by_kind.get(Kind.CREATED, ()))
    key, size = "callers", len(closure.nodes)
    known = closure.done.get(key)
    if known is None or known[:2] != (size, created):  # type: ignore[index]
        found, seen = ([], 0) if known is None or known[1] != created else (known[2][:-1], known[0])  # type: ignore[index]
        found += [
            (name, node)
            for name, node in islice(closure.nodes.items(), seen, None)
            if node.full and node.caller.kind in _ASSUMING and loaded(closure, node) and closure.follows(name)
        ]
        found.append((OUTSIDER, closure.nodes[OUTSIDER]))
        known = closure.done[key] = (size, created, found)
    return known[2]  # type: ignore[index,no-any-return]


_ASSUMING = (CallerKind.USER, CallerKind.ROLE_SESSION)
_LINKED = next(r.reason for r in REFUSALS if r.id == "refuse-assume-service-linked-role")
_ENTERING = frozenset({"sts:assumerole"})


def _entering(closure: Closure, node: Node) -> frozenset[Change] | None:
    """Changes after which the node may assume whatever role of its account names it: nothing denies it that, anywhere, ever.

    None of them is superfluous. None if there are none such.
    """
    search = closure.search
    if search.ask.given or search.ask.when is not TRUE:
        return None
    arn = node.caller.arn or ""
    own = closure.relevant_to(node, arn)
    least = own_creation(own, (arn,))
    tries = (least, *(least | {c} for c in sorted(own - least)), *((own,) if len(own) > len(least) + 1 else ()))
    found: frozenset[Change] | None = next((some for some in tries if _enters(search, node, some)), None)
    if found is None or len(found) <= len(least) + 1:
        return found
    for change in sorted(found - least, reverse=True):
        if _enters(search, node, found - {change}):
            found -= {change}
    return found


def _entered(search: Search, target: str, role: str, needs: frozenset[Change]) -> Node:
    """The sessions of the role after changes, as the node `target`."""
    principal = search.env.principals.get(role)
    if principal is not None and all(c.kind is Kind.TRUST for c in needs if c.who == role):
        return Node(target, possible_when_written(search.env, principal))
    there = changed(search.env, needs, (role,))
    return Node(target, possible(there, there.principals[role]))


def _enters(search: Search, node: Node, changes: frozenset[Change]) -> bool:
    env = changed(search.env, changes, (node.caller.arn or "",))
    key = ("enters", node.caller, search.ask.missing, search.ask.ever)
    return once(env.memo, key, _nothing_denies, search, node, env)


def _nothing_denies(search: Search, node: Node, env: Environment) -> bool:
    caller = caller_in(search.env, env, node.caller)
    facts = facts_of(replace(search.ask, given={}), caller, "sts:AssumeRole", Target(None, caller.account))
    check = check_of(replace(facts, env=env))
    # a role whose trust policy can be changed is not linked to a service
    limits = (t for label, t in check.authorization.limits if label.text != _LINKED)
    return check.authorization.denied is FALSE and all(t is TRUE for t in limits)

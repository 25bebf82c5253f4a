"""Nodes that need not be looked at: what they give was worked out with another closure, or whoever rules their account gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.env.changes import Kind
from iamsim.env.memo import once
from iamsim.graph.dominated import asked_by, naming_beside, not_dominated
from iamsim.graph.edges import brings, edges_of
from iamsim.graph.known import last
from iamsim.graph.means import LATE, NODES, may_do, techniques_of, within_means
from iamsim.graph.outside import outside_roles
from iamsim.graph.renewed import as_others, issued_as_written
from iamsim.graph.ruled import ruled, ruler_of, signature
from iamsim.graph.state import OF_ACCOUNTS, OUTSIDER, START, Closure, account_of
from iamsim.graph.trusts import entered
from iamsim.graph.world import is_again, subjects_of
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from iamsim.env.changes import Change
    from iamsim.graph.absorbed import Absorbed
    from iamsim.graph.world import Node, Search


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes of which all that they give was worked out after `changes`."""

    names: Collection[str]
    changes: frozenset[Change]


def unsettled(closure: Closure) -> list[str]:
    """The nodes that may give something here: those that are followed and that no group settles; made once for what is known."""
    seen, made = (closure.count, len(closure.how), len(closure.nodes)), closure.done.get("unsettled")
    if made is None or made[0] != seen:  # type: ignore[index]
        made = closure.done["unsettled"] = (seen, _unsettled(closure))
    return made[1]  # type: ignore[index,no-any-return]


def _unsettled(closure: Closure) -> list[str]:
    base: Absorbed | None = closure.done.get("base")  # type: ignore[assignment]
    of: dict[str, list[Group]] = closure.done.get("groups", {})  # type: ignore[assignment]
    since = _Since(closure, base.group.changes if base is not None and not of else frozenset())
    names: Collection[str] = closure.nodes
    renewed = as_others(closure)
    if base is not None and not closure.extra and since.nothing(base.group):
        names = (*base.rest, *last(closure.nodes, len(closure.nodes) - len(base.nodes)))
        names = (*names, *sorted(renewed - {*names}))
        if stands_alone(closure):
            names = [n for n in names if n == START or n != base.whole]
    out, settled = [], base.group.names if base is not None else frozenset[str]()
    for name in names:
        groups = of.get(name, ())
        if base is not None and name in settled:
            groups = (base.group, *groups)
        if closure.follows(name) and (name in renewed or not (groups and since.settle(groups, name))):
            out.append(name)
    return out


def stands_alone(closure: Closure) -> bool:
    """True only if beside the start the closure holds nothing but what follows from one who rules its account, and no change that
    matters to anybody else: then the others, alone and together, give what they were found to give.
    """
    base: Absorbed | None = closure.done.get("base")  # type: ignore[assignment]
    if base is None or base.whole is None or closure.extra:
        return False
    start, more = closure.search.start.arn, closure.changes - base.group.changes
    if any(c.who != start or not _its_own(c) for c in more) or (
        base.whole != START and start not in base.known.controlled
    ):
        return False
    return {*last(closure.nodes, len(closure.nodes) - len(base.nodes))} <= {START, OUTSIDER, base.whole}


def _its_own(change: Change) -> bool:
    """Whether a change to a user or role is of no consequence to what others may do to it, or with what."""
    return change.kind in (Kind.WRITES, Kind.DROPS) or (change.kind is Kind.GAINS and ":iam::aws:" in change.what)


@dataclass(slots=True)
class _Since:
    """What was found since groups were worked out; every one of them was worked out after the changes `floor`."""

    closure: Closure
    floor: frozenset[Change]
    sorts: tuple[set[Change], Mapping[str, set[Change]]] | None = None
    found: dict[tuple[int, str | None], set[str]] = field(default_factory=dict)
    around: dict[tuple[int, str], set[str] | None] = field(default_factory=dict)
    """What the changes in an account are about that were found since a group; None if some bear on every account."""

    def nothing(self, group: Group) -> bool:
        """Whether no change to what somebody may do was found since, those to the start itself aside."""
        return not self._about(group, None) and not any(self._about(group, a) for a in self._sorted()[1])

    def settle(self, groups: Sequence[Group], name: str) -> bool:
        """Whether after one of the groups was worked out none of them is about the node."""
        closure, node, around = self.closure, self.closure.nodes[name], self.around
        account = node.caller.account or ""
        for group in groups:
            key = (id(group), account)
            if key not in around:
                around[key] = None if self._about(group, None) else self._about(group, account)
            near = around[key]
            if near is None or (closure.extra and closure.frees(node)):
                continue
            if not near or near.isdisjoint(subjects_of(closure.search.env, node.caller.arn or "")):
                return True
        return False

    def _about(self, group: Group, account: str | None) -> set[str]:
        """What the changes in an account are about that were found since, with None those that bear on every account."""
        key = (id(group), account)
        if key not in self.found:
            everywhere, by_account = self._sorted()
            more = (everywhere if account is None else by_account.get(account, set())) - group.changes
            search, own = self.closure.search, frozenset[str]()
            if more:
                start = search.start.arn or ""
                mine = self.closure.known.by_who.get(start, ())
                own = subjects_of(search.env, start, [c for c in mine if c not in group.changes])
            self.found[key] = {c.who for c in more if c.who not in own}
        return self.found[key]

    def _sorted(self) -> tuple[set[Change], Mapping[str, set[Change]]]:
        """The changes to what somebody may do that are not in `floor`: those that bear on all accounts, others by account."""
        if self.sorts is None:
            everywhere: set[Change] = set()
            by_account: dict[str, set[Change]] = {}
            for change in self.closure.changes - self.floor:
                if change.kind in (Kind.TRUST, Kind.ENTERED):
                    continue
                if ":iam:" in change.who:
                    by_account.setdefault(account_of(change.who), set()).add(change)
                else:
                    everywhere.add(change)
            self.sorts = (everywhere, by_account)
        return self.sorts


def busy(closure: Closure, names: list[str]) -> Iterator[str]:
    """Those of `names` that may give what whoever rules their account does not."""
    idle: dict[str, bool] = closure.done.setdefault("idle", {})  # type: ignore[assignment]
    ends, quiet, renewed = dead_ends(closure), _quiet(closure), as_others(closure)
    for name in names:
        if name in quiet and name not in renewed:
            continue
        node = closure.nodes[name]
        if name in renewed:
            yield name
        elif (name in ends or name in idle) and is_untouched(closure, node) and not issued_as_written(closure, node):
            quiet.add(name)
        elif _is_idle(closure, node):
            idle[name] = True
        elif _is_dead_end(closure, node):
            ends.add(name)
        elif not (is_barren(closure, node) and closure.done.get(("given", "hops", name)) == signature(closure, node)):
            yield name


def _quiet(closure: Closure) -> set[str]:
    """The names of nodes that give nothing, and that no change bears on, as long as nothing more is changed that does on any."""
    known = closure.known
    seen, made = (len(known.acting), Kind.MOVED in known.by_kind), closure.done.get("quiet")
    if made is None or made[0] is not known or made[1] != seen:  # type: ignore[index]
        made = closure.done["quiet"] = (known, seen, set[str]())
    return made[2]  # type: ignore[index,no-any-return]


def dead_ends(closure: Closure) -> set[str]:
    """The names of roles whose sessions can do nothing that leads on as long as no change is about them, as far as was found."""
    ask = closure.search.ask
    if closure.every or closure.bound:
        return set()
    key = ("dead-ends", ask.missing, ask.ever or brings(ask, closure.search.start), id(closure.search.catalogue))
    return once(closure.search.env.memo, key, lambda: (set[str](), closure.search.catalogue))[0]


def _is_dead_end(closure: Closure, node: Node) -> bool:
    """Whether sessions of the role can use no technique and enter no role, whatever else is controlled."""
    if not node.made or not node.full or node.caller.kind is not CallerKind.ROLE_SESSION or closure.bound:
        return False
    if not is_barren(closure, node) or issued_as_written(closure, node):
        return False
    return not edges_of(closure.search, node, closure.search.env)


def is_barren(closure: Closure, node: Node) -> bool:
    """True only if the node can use no technique at all, so that all that it gives are the roles that let it in."""
    search, arn, task = closure.search, node.caller.arn or "", node.caller.task_policy
    loaded = node.caller.kind in OF_ACCOUNTS and arn in search.env.principals
    if closure.every or not (loaded or task) or not is_untouched(closure, node):
        return False
    key = ("barren", arn, node.caller.kind, task, search.ask.missing, id(search.catalogue))
    return once(search.env.memo, key, _uses_nothing, search, node)[0]


def _uses_nothing(search: Search, node: Node) -> tuple[bool, object]:
    means = may_do(search, search.env, node)
    return not (within_means(search, NODES, means) or within_means(search, None, means, leave=LATE)), search.catalogue


def is_untouched(closure: Closure, node: Node) -> bool:
    """Whether no change is about what the node may do, or about where accounts stand."""
    known = closure.known
    if is_again(node) or Kind.MOVED in known.by_kind:
        return False
    return not known.stamp(closure.search.env, node.caller.arn or "")


def _is_idle(closure: Closure, node: Node) -> bool:
    """True only if whoever rules the node's account gives all that the node gives, after the changes about it that are known."""
    search, arn = closure.search, node.caller.arn or ""
    if closure.every or closure.extra or node.caller.kind not in OF_ACCOUNTS:
        return False
    if arn not in search.env.principals:
        return _is_idle_new(closure, node)
    if not ruled(closure, node) or not asked_for_by_none(closure, node):
        return False
    if not is_untouched(closure, node):
        key = ("idle-changed", arn, id(search.catalogue))
        return not is_again(node) and once(search.env.memo, key, _is_beneath, search, arn)[0]
    loaded = ("idle", arn, node.caller.kind, search.ask.missing, id(search.catalogue))
    return once(search.env.memo, loaded, _has_no_means, search, node)[0]


def _is_idle_new(closure: Closure, node: Node) -> bool:
    """As `_is_idle`, of one who is created, whatever changes are about it: no document tells it from whoever rules the account."""
    search, known = closure.search, closure.known
    if not node.full or is_again(node) or not ruled(closure, node) or Kind.MOVED in known.by_kind:
        return False
    if ruler_of(closure, node.caller.account) not in closure.nodes:
        return False
    key = ("idle-new", node.caller.arn, node.caller.kind, search.ask.missing, id(search.catalogue))
    asking = once(search.env.memo, key, _beside_new, search, node)[0]
    return asking is not None and all(map(known.controlled.issuperset, asking))


def _beside_new(search: Search, node: Node) -> tuple[tuple[frozenset[str], ...] | None, object]:
    """The roles that ask for the new one and not alike for an administrator, in sets; None if it may give more than these."""
    env, arn = search.env, node.caller.arn or ""
    every = (techniques_of(search, NODES), techniques_of(search, None, leave=LATE))
    outside = outside_roles(env, search.ask.missing)
    if any(not_dominated(env, techniques, arn) for techniques in every) or entered(env, node.caller, set(), outside):
        return None, search.catalogue
    return naming_beside(env, node.caller), search.catalogue


def _has_no_means(search: Search, node: Node) -> tuple[bool, object]:
    """Whether the node can use no technique that an administrator of its account cannot use in its place."""
    env, arn = search.env, node.caller.arn or ""
    means = may_do(search, env, node)
    every = (within_means(search, NODES, means), within_means(search, None, means, leave=LATE))
    return not any(not_dominated(env, techniques, arn) for techniques in every), search.catalogue


def _is_beneath(search: Search, arn: str) -> tuple[bool, object]:
    """Whether there is no technique at all that an administrator of its account cannot use in the place of the user or role."""
    every = (techniques_of(search, NODES), techniques_of(search, None, leave=LATE))
    return not any(not_dominated(search.env, techniques, arn) for techniques in every), search.catalogue


def asked_for_by_none(closure: Closure, node: Node) -> bool:
    """True only if no role that is not held lets the node in where it does not let in whoever rules its account, whatever
    changes to the node's own policies were made.
    """
    env, arn, known = closure.search.env, node.caller.arn or "", closure.known
    if closure.every or arn not in env.principals or not ruled(closure, node) or Kind.MOVED in known.by_kind:
        return False
    if not all(map(known.controlled.issuperset, asked_by(env, arn))):
        return False
    outside = outside_roles(env, closure.search.ask.missing)
    return not outside or (not known.own(env, arn) and not entered(env, node.caller, set(), outside))

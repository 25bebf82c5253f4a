"""Facts and firings to the fixpoint: whom an attacker can come to control, and what it can come to change.

Nothing that was gained is lost, since the attacker chooses the order; so the facts only grow, and the order in which they
are found does not matter. A fact is a node (a controlled caller) or a change. Only changes that can matter are looked
for: those to what is controlled, or to what leads to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.changes import Change, Kind, changed
from iamsim.env.types import PrincipalKind
from iamsim.graph.candidates import FRESH, is_picky, new_principals, texts_of
from iamsim.graph.dominated import dominated, same_ceilings
from iamsim.graph.edges import edge_to, edges_from, of_session
from iamsim.graph.exact import exactly
from iamsim.graph.given import given_for, when_for
from iamsim.graph.hops import hop_technique
from iamsim.graph.moves import NODES, TAKEOVERS, Firing, firings, fully, may_do, techniques_of
from iamsim.graph.names import of_account
from iamsim.graph.outside import is_known, role_at
from iamsim.graph.sessions import possible
from iamsim.graph.tags import tag_firings
from iamsim.graph.trusts import roles_for
from iamsim.graph.unbound import administrators, most_of, node_in, unbound
from iamsim.graph.world import OUTSIDE as OUTSIDE_ACCOUNT
from iamsim.graph.world import Node, Search, caller_in, own_creation, reads_paths, relevant, subjects_of, worlds
from iamsim.ir.term import FALSE, TRUE, all_of
from iamsim.judge.callers import caller_of
from iamsim.judge.candidates import Target
from iamsim.judge.check import check_of
from iamsim.judge.judge import facts_of
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.aws.escalations import Technique
    from iamsim.env.types import Environment
    from iamsim.graph.edges import Edge
    from iamsim.graph.roles import Link
    from iamsim.judge.judge import Ask

Fact = str | Change
START = ""
"""The name of the node that the search starts from."""

OUTSIDER = "outsider"
"""The name of the node of a user of the attacker's own account, whom a trust policy that it writes may name."""

_OWN = f"arn:aws:iam::{OUTSIDE_ACCOUNT}:user/outsider"
OUTSIDE = frozenset({Change(Kind.CREATED, _OWN), Change(Kind.LEFT, OUTSIDE_ACCOUNT)})
"""What makes that user: it may do anything in its account, which is in none of the organizations."""

BASE: frozenset[Fact] = frozenset({START, OUTSIDER, *OUTSIDE})
"""The facts that hold from the beginning."""

ASSUME = "sts-assume-role"
_SIGNED = (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.ROOT)
_NO_HOPS = (CallerKind.ANONYMOUS, CallerKind.ROOT, CallerKind.FEDERATED_USER)
MAX_ROUNDS = 60


@dataclass(slots=True)
class Closure:
    """What follows from control of the start: each fact with the firings that give it, in the order in which they were found.

    `sure`: every firing in it is certain. `every`: all firings were looked for, also those that give what others give.
    `local`: what callers of this account give is followed, that of others is not. `extra` are principals of which all changes
    are looked for. `unsettled` are reasons why more may follow than was found. `late`: all else was looked for, so that
    now comes what is needless once more accounts are reached: changes to principals for whom some role asks, and tags.
    """

    search: Search
    sure: bool
    nodes: dict[str, Node]
    how: dict[Fact, list[Firing]]
    cost: dict[Fact, int]
    every: bool = False
    extra: frozenset[str] = frozenset()
    local: str | None = None
    unsettled: set[str] = field(default_factory=set)
    done: dict[object, object] = field(default_factory=dict)
    late: bool = False

    @property
    def changes(self) -> frozenset[Change]:
        """All changes that can be made."""
        known = self.done.get("changes")
        if known is None or known[0] != len(self.how):  # type: ignore[index]
            found = frozenset(f for f in self.how if isinstance(f, Change))
            known = self.done["changes"] = (len(self.how), found)
        return known[1]  # type: ignore[index,no-any-return]

    def follows(self, name: str) -> bool:
        """True iff what the node gives is followed here."""
        return name != OUTSIDER and (self.local is None or self.nodes[name].caller.account == self.local)

    def held(self, account: str | None) -> frozenset[str]:
        """The ARNs of the callers of an account that are controlled."""
        return self._held()[0].get(account, frozenset())

    @property
    def held_anywhere(self) -> frozenset[str]:
        """The ARNs of all callers that are controlled."""
        return self._held()[1]

    def _held(self) -> tuple[dict[str | None, frozenset[str]], frozenset[str]]:
        known = self.done.get("held")
        if known is None or known[0] != len(self.nodes):  # type: ignore[index]
            found: dict[str | None, set[str]] = {}
            for node in self.nodes.values():
                if node.caller.arn:
                    found.setdefault(node.caller.account, set()).add(node.caller.arn)
            every = frozenset[str]().union(*found.values())
            known = self.done["held"] = (len(self.nodes), ({a: frozenset(v) for a, v in found.items()}, every))
        return known[1]  # type: ignore[index,no-any-return]

    def free(self, arn: str) -> bool:
        """True iff nothing but SCPs, RCPs and resource policies keeps the user or role from doing whatever it likes."""
        changes = self.changes
        key = ("free", arn)
        known = self.done.get(key)
        if known is None or known[0] != len(changes):  # type: ignore[index]
            known = self.done[key] = (len(changes), unbound(self.search.env, arn, changes))
        return bool(known[1])  # type: ignore[index]

    @property
    def bound(self) -> bool:
        """Whether the question binds the start: by keys, a condition, or a session policy."""
        ask = self.search.ask
        return bool(ask.given) or ask.when is not TRUE or ask.documents != NO_DOCUMENTS

    def rulers(self) -> frozenset[str]:
        """The accounts in which some node may do everything, as far as it is for the account to say."""
        key, size = "rulers", (len(self.nodes), len(self.changes))
        known = self.done.get(key)
        if known is None or known[0] != size:  # type: ignore[index]
            found = (
                n.caller.account
                for k, n in self.nodes.items()
                if n.full and n.caller.account and self.free(n.caller.arn or "") and not (k == START and self.bound)
            )
            known = self.done[key] = (size, frozenset(found))
        return known[1]  # type: ignore[index,no-any-return]


def begin(search: Search, *, every: bool = False) -> Closure:
    """Control of the start alone."""
    node = Node(START, search.start, made=False)
    return Closure(search, True, {START: node, OUTSIDER: outsider(search)}, {START: []}, {START: 0}, every)


def outsider(search: Search) -> Node:
    """The node of a user outside whom the attacker has anyway."""
    env = changed(search.env, OUTSIDE, (_OWN,))
    return Node(OUTSIDER, caller_of(env, env.principals[_OWN]), made=False)


def later(ask: Ask, action: str, search: Search) -> Ask:
    """`ask` for requests after the first: what it says of the first caller alone is left out."""
    start = search.start
    given = {
        **given_for(ask.given, action, start, first=False, last=False),
        **given_for(ask.given, action, start, first=False, last=True),
    }
    parts = [when_for(ask.when, action, start, first=False, last=x) for x in (False, True)]
    return replace(ask, given=given, when=all_of(dict.fromkeys(parts)))


def grow(
    closure: Closure,
    *,
    sure: bool,
    extra: frozenset[str] = frozenset(),
    done: dict[object, object] | None = None,
    progress: object = None,
) -> Closure:
    """The fixpoint above `closure`: with `sure` of certain firings, else of all that may be possible.

    `done` is what was worked out already and still holds.
    """
    if done is None:
        done = {k: v for k, v in closure.done.items() if isinstance(k, tuple) and k[0] == "absorbed"}
    out = replace(
        closure,
        sure=sure,
        nodes=dict(closure.nodes),
        how={k: list(v) for k, v in closure.how.items()},
        cost=dict(closure.cost),
        extra=closure.extra | extra,
        unsettled=set(closure.unsettled),
        done=dict(done),
    )
    for _ in range(MAX_ROUNDS):
        before = (len(out.how), sum(len(v) for v in out.how.values()))
        _round(out)
        if before == (len(out.how), sum(len(v) for v in out.how.values())):
            if out.late or out.local is not None:
                return out
            out.late = True
        else:
            out.late = False
        if progress is not None:
            progress(len(out.nodes))  # type: ignore[operator]
    out.unsettled.add(f"budget:more than {MAX_ROUNDS} rounds of techniques")
    return out


def _round(closure: Closure) -> None:
    for name in _order(closure):
        _of_node(closure, name)
    for fired in _admitted(closure):
        accept(closure, fired)
    for fired in tag_firings(closure) if closure.late else ():
        accept(closure, fired)


def _order(closure: Closure) -> list[str]:
    """The nodes to look at: whoever may do everything in its account first, since it makes most of the others needless."""
    done = settled(closure)
    names = [n for n in closure.nodes if n not in done and closure.follows(n)]
    return sorted(names, key=lambda n: not closure.free(closure.nodes[n].caller.arn or ""))


def settled(closure: Closure) -> frozenset[str]:
    """The nodes of which all was worked out with an administrator of their account, and which nothing found since is about."""
    merged: dict[str, frozenset[Change]] = closure.done.setdefault("merged", {})  # type: ignore[assignment]
    if not merged:
        return frozenset()
    own = subjects_of(closure.search.env, closure.search.start.arn or "", closure.changes)
    out: set[str] = set()
    known: dict[tuple[str | None, frozenset[Change]], frozenset[str] | None] = {}
    env = closure.search.env
    for name, changes in merged.items():
        arn = closure.nodes[name].caller.arn or ""
        if closure.extra and closure.free(arn):
            continue
        about = (closure.nodes[name].caller.account, changes)
        if about not in known:
            more = [c for c in closure.changes - changes if c.who not in own]
            near = [c for c in more if ":iam:" not in c.who or _account(c.who) == about[0]]
            known[about] = None if any(":iam:" not in c.who for c in near) else frozenset(c.who for c in near)
        concerned = known[about]
        if concerned is not None and not concerned & subjects_of(env, arn):
            out.add(name)
    return frozenset(out)


def _of_node(closure: Closure, name: str) -> None:
    node = closure.nodes[name]
    if not closure.every:
        _free_itself(closure, name, node)
        if closure.free(node.caller.arn or ""):
            _absorb(closure, node)
    mine = _signature(closure, node)
    if closure.done.get(("moves", name)) != mine:
        closure.done["moves", name] = mine
        for fired in _moves(closure, node, mine):
            accept(closure, fired)
        for fired in _hops(closure, node, mine):
            accept(closure, fired)
    if closure.free(node.caller.arn or ""):
        # roles that can be opened first: then fewer other changes can matter
        for fired in _changes_by(closure, name, node, ("rewrites-trust",)):
            accept(closure, fired)
        for fired in _admitted(closure):
            accept(closure, fired)
    for fired in _changes_by(closure, name, node):
        accept(closure, fired)


_OWN_CHANGES = ("arbitrary-identity-policy", "gains-managed-policy", "lifts-boundary", "rewrites-policy")


def _free_itself(closure: Closure, name: str, node: Node) -> None:
    """Changes that the node may make to itself, which come first: with them most others are needless."""
    arn = node.caller.arn or ""
    mine = _signature(closure, node)
    if closure.done.get(("itself", name)) == mine or closure.free(arn) or node.caller.kind not in _SIGNED:
        return
    closure.done["itself", name] = mine
    if not _loaded(closure, node) or arn not in closure.search.env.principals:
        return
    if ruled(closure, node):
        return  # what it needs of this is found as a change by the other
    own = subjects_of(closure.search.env, arn, closure.changes)
    policies = frozenset(s for s in own if ":policy/" in s)
    wanted = {"who": frozenset({arn}), "policy": policies}
    for technique in techniques_of(closure.search, _OWN_CHANGES):
        subject = _SUBJECT[technique.outcome.type]
        for fired in firings(closure.search, node, mine, [technique], {subject: wanted[subject]}):
            accept(closure, fired)


def _absorb(closure: Closure, node: Node) -> None:
    """Adds what follows from an administrator of the node's account, worked out once for all who can be one."""
    search, account = closure.search, node.caller.account
    if ("absorbed", account) in closure.done or search.ask.given or search.ask.when is not TRUE:
        return
    every = administrators(search.env, account)
    if (
        node.name == START
        and search.start.arn in every
        and node.caller.kind is CallerKind.USER
        and _free(closure, node)
    ):
        closure.done["absorbed", account] = START
        _merge(closure, _rule(search, node, sure=closure.sure, local=False), START)
        return
    if not any(a in closure.nodes for a in every[:_RULERS]):
        wanted = {"who": frozenset(every[:_RULERS]) - {node.caller.arn or ""}}
        mine = _signature(closure, node)
        for fired in firings(search, node, mine, techniques_of(search, NODES), wanted):
            accept(closure, fired)
            if fired.sure and not fired.session:
                break
    ruler = next((a for a in every[:_RULERS] if a in closure.nodes), None)
    if ruler is None:
        return
    closure.done["absorbed", account] = ruler
    local = closure.local is not None or _RULING in closure.done  # rulers of two accounts may lead to each other
    _merge(closure, _rule(search, closure.nodes[ruler], sure=closure.sure, local=local), ruler)


_RULING = "ruling"

_RULERS = 3
"""How many administrators of an account are tried as the one of whom all others make use."""


def _rule(search: Search, node: Node, *, sure: bool, local: bool) -> Closure:
    """What follows from one administrator; with `local` only what callers of its account give is followed."""
    ask = search.ask
    action = search.action.lower() if is_picky(search.env) else None
    key = ("rule", node.caller, ask.missing, ask.ever, search.ruling, id(search.catalogue), sure, action, local)
    found: Closure | None = search.env.memo.get(key)
    if found is None and not local:
        inner = _rule(search, node, sure=sure, local=True)
        done: dict[object, object] = {
            k: v for k, v in inner.done.items() if isinstance(k, tuple) and k[0] in ("admitted", "moves", "offered")
        }
        below = replace(inner, local=None, done=done)
        below.done["absorbed", node.caller.account], below.done[_RULING] = START, True
        opened = _left_open(inner)
        below.done["merged"] = {
            n: inner.changes
            for n in inner.nodes
            if n not in BASE and n not in opened and inner.nodes[n].caller.account == inner.local
        }
        found = search.env.memo[key] = grow(below, sure=sure, done=below.done)
    if found is None:
        own = replace(search, start=node.caller, ask=replace(ask, documents=NO_DOCUMENTS))
        below = Closure(
            own, sure, {START: replace(node, name=START)}, {START: []}, {START: 0}, local=node.caller.account
        )
        below.nodes[OUTSIDER] = outsider(own)
        below.done["absorbed", node.caller.account] = START
        found = search.env.memo[key] = grow(below, sure=sure)
    return found


def _merge(closure: Closure, other: Closure, name: str) -> None:
    """Adds the facts of `other`, whose start is the node `name` here."""
    for fact, fired in other.how.items():
        if fact in (START, name):
            continue
        known = closure.how.setdefault(fact, [])
        known += [replace(f, node=name) if f.node == START else f for f in fired if not known or f not in known]
        closure.cost.setdefault(fact, other.cost.get(fact, 1) + closure.cost.get(name, 0))
        if isinstance(fact, str):
            closure.nodes.setdefault(fact, other.nodes[fact])
    merged: dict[str, frozenset[Change]] = closure.done.setdefault("merged", {})  # type: ignore[assignment]
    opened = _left_open(other)
    if other.local is None:
        for key, ruler in other.done.items():
            if isinstance(key, tuple) and key[0] == "absorbed":
                closure.done[key] = name if ruler == START else ruler
    for node in other.nodes:
        if node in BASE or node in opened:
            continue  # what its sessions carry was left open there
        if other.local is None or closure.nodes[node].caller.account == other.local:
            merged[node] = other.changes


def _left_open(closure: Closure) -> set[str]:
    """The nodes with firings that depend on how the sessions of an administrator came to be, of which nothing is known."""
    found = closure.done.setdefault("open", set())
    assert isinstance(found, set)
    return found


def ruled(closure: Closure, node: Node) -> bool:
    """True iff another node of the same account may do everything there, as far as it is for the account to say."""
    ruler = ruler_of(closure, node.caller.account)
    return ruler is not None and ruler != node.name


def ruler_of(closure: Closure, account: str | None) -> str | None:
    """The name of the node of an account that stands for all that may do everything there."""
    absorbed = closure.done.get(("absorbed", account))
    if isinstance(absorbed, str) and absorbed:
        return absorbed
    key, size = ("ruler", account), (len(closure.nodes), len(closure.changes))
    known = closure.done.get(key)
    if known is None or (known[0] is None and known[1] != size):  # type: ignore[index]
        mine = (k for k, n in closure.nodes.items() if n.caller.account == account and n.full and _free(closure, n))
        known = closure.done[key] = (next(mine, None), size)
    return known[0]  # type: ignore[index,no-any-return]


def _free(closure: Closure, node: Node) -> bool:
    if node.name == START and closure.bound:
        return False
    arn = node.caller.arn or ""
    made = any(c.kind is Kind.CREATED and c.who == arn and fully(c) for c in closure.changes)
    return node.name != OUTSIDER and (made or closure.free(arn))


def not_held(closure: Closure, account: str | None) -> frozenset[str]:
    """The users and roles of an account that are not controlled, those aside that nobody may change."""
    env = closure.search.env
    key = ("not-held", account)
    known = closure.done.get(key)
    if known is None or known[0] != len(closure.nodes):  # type: ignore[index]
        held = {n.caller.arn for n in closure.nodes.values() if n.full}
        every = (a for k in PrincipalKind for a in of_account(env, k, account))
        found = frozenset(a for a in every if a not in held and not env.principals[a].path.startswith(_FIXED))
        known = closure.done[key] = (len(closure.nodes), found)
    return known[1]  # type: ignore[index,no-any-return]


_FIXED = ("/aws-service-role/", "/aws-reserved/")


def _signature(closure: Closure, node: Node) -> frozenset[Change]:
    """The changes that bear on what the node may do by itself, worked out once for what is known."""
    key, size = ("signature", node.name), (len(closure.nodes), len(closure.changes))
    known = closure.done.get(key)
    if known is None or known[0] != size:  # type: ignore[index]
        known = closure.done[key] = (size, _bearing_on(closure, node))
    return known[1]  # type: ignore[index,no-any-return]


def _bearing_on(closure: Closure, node: Node) -> frozenset[Change]:
    mine = relevant(closure.search.env, closure.changes, (node.caller.arn or "",))
    if ruled(closure, node) and not closure.every:
        return mine
    about = _of(closure.search.env, node.caller.account)
    return mine | {c for c in closure.changes if c.who in about and c.kind in (Kind.TAGS, Kind.BOUNDARY)}


def accept(closure: Closure, fired: Firing) -> None:
    """Adds what a firing gives, unless it is not certain where it must be."""
    if closure.sure and not fired.sure:
        return
    if fired.session and fired.node == START and closure.nodes[START].made:
        if closure.sure:
            return  # the sessions of an administrator of whom nothing more is known; decided where it is known
    elif fired.session and fired.node:
        found = exactly(closure, fired)
        if found is None or not found[0]:
            fired, found = _retagged(closure, fired, found)
        if closure.nodes[START].made and (found is None or not found[0]):
            _left_open(closure).add(fired.node)
        if found is None or (closure.sure and not found[0]):
            return
        fired = replace(fired, sure=found[0] and fired.sure, reasons=found[1])
    cost = 1 + closure.cost.get(fired.node, 0) + sum(closure.cost.get(c, 0) for c in fired.needs)
    for gain in fired.gains:
        fact: Fact = gain.name if isinstance(gain, Node) else gain
        if fact in (START, fired.node):
            continue
        known = closure.how.setdefault(fact, [])
        if any(
            (k.technique, k.node, k.bound, k.needs) == (fired.technique, fired.node, fired.bound, fired.needs)
            for k in known
        ):
            continue
        known.append(fired)
        closure.cost[fact] = min(cost, closure.cost.get(fact, cost))
        if isinstance(gain, Node) and fact not in closure.nodes:
            closure.nodes[gain.name] = gain


def _retagged(closure: Closure, fired: Firing, found: Exact) -> tuple[Firing, Exact]:
    """The firing with the first tag of the caller changed with which some session makes it work; else as it was."""
    arn = closure.nodes[fired.node].caller.arn or ""
    for change in sorted(c for c in closure.changes if c.kind is Kind.TAGS and c.who == arn and c not in fired.needs):
        other = replace(fired, needs=fired.needs | {change})
        better = exactly(closure, other)
        if better is not None and better[0]:
            return other, better
    return fired, found


Exact = tuple[bool, tuple[str, ...]] | None


def _moves(closure: Closure, node: Node, mine: frozenset[Change]) -> Iterable[Firing]:
    """The techniques by which the node gives further callers; worked out once for the same changes."""
    search = closure.search
    if node.caller.kind not in _SIGNED or not _loaded(closure, node):
        return ()
    if not closure.every and ruled(closure, node):
        # whoever may do everything has the means of the others of its account, but for conditions on who they are
        free = not_held(closure, node.caller.account)
        arn = node.caller.arn or ""
        own = [t for t in techniques_of(search, NODES) if not dominated(search.env, t, arn)] if free else []
        return tuple(firings(search, node, mine, own, {"who": free})) if own else ()
    key = _key(search, "moves", node, mine)
    found = search.env.memo.get(key) if key is not None else None
    if found is None:
        found = tuple(firings(search, node, mine, techniques_of(search, NODES), every=closure.every))
        if key is not None:
            search.env.memo[key] = found
    return tuple(f if f.node == node.name else replace(f, node=node.name) for f in found)


def _key(search: Search, what: str, node: Node, mine: frozenset[Change]) -> object:
    ask = search.ask
    around = given_for(ask.given, search.action, search.start, first=node.name == START, last=False)
    when = when_for(ask.when, search.action, search.start, first=node.name == START, last=False)
    if around or when is not TRUE:
        return None
    return (
        search.action.lower() if is_picky(search.env) else None,
        what,
        node.caller,
        node.reach,
        node.only,
        node.made,
        mine,
        ask.missing,
        ask.ever,
        search.ruling,
        id(search.catalogue),
    )


def _loaded(closure: Closure, node: Node) -> bool:
    caller = node.caller
    if caller.kind is CallerKind.ROOT:
        return True
    arn = caller.arn or ""
    return (
        node.name == OUTSIDER
        or arn in closure.search.env.principals
        or any(c.kind is Kind.CREATED and c.who == arn for c in closure.changes)
    )


def _hops(closure: Closure, node: Node, mine: frozenset[Change]) -> Iterator[Firing]:
    """Role assumption by the node's sessions."""
    search = closure.search
    if not node.full or node.caller.kind in _NO_HOPS:
        return
    arn = node.caller.arn or ""
    own = relevant(search.env, mine, (arn,))
    seen: dict[str, bool] = {}
    for env in worlds(search.env, own, (arn,)):
        for role, edge in _worth_entering(closure, node, env).items():
            plain = not node.made or not any(of_session(v) for v in edge.read)
            sure = edge.sure and role in env.principals
            if seen.get(role, False) >= sure and role in seen:
                continue
            seen[role] = sure
            needs = own_creation(own, (arn,))
            if own > needs and role not in _edges(closure, node, changed(search.env, needs, (arn,))):
                needs = _fewest(closure, node, role, own, sure)
            target = role_at(env, role)
            gain = Node(role, possible(env, target))
            reasons = () if role in env.principals else (f"missing:trust policy of {role}",)
            yield Firing(
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


def _worth_entering(closure: Closure, node: Node, env: Environment) -> dict[str, Edge]:
    """The hops of the node; of one whose account is held anyway, those to roles that are not."""
    if closure.every or not ruled(closure, node):
        return _edges(closure, node, env)
    caller = node.caller if node.made else caller_in(closure.search.env, env, node.caller)
    found = {}
    for role in roles_for(env, caller, closure.search.ask.missing):
        if role.arn not in closure.held(role.account) and (edge := edge_in(closure, node, env, role.arn)) is not None:
            found[role.arn] = edge
    return found


def _asking(closure: Closure, node: Node, env: Environment) -> Ask | None:
    """What the node's requests in `env` are asked with; None if it does not exist there."""
    search = closure.search
    if node.made and not is_known(env, node.caller.arn or ""):
        return None
    ask = search.ask if node.name == START else later(search.ask, search.action, search)
    return replace(ask, env=env)


def _edges(closure: Closure, node: Node, env: Environment) -> dict[str, Edge]:
    search = closure.search
    ask = _asking(closure, node, env)
    if ask is None:
        return {}
    if node.made:
        return edges_from(ask, search.start, node.caller.arn or "", search.action)
    return edges_from(ask, caller_in(search.env, env, node.caller), "", search.action)


def edge_in(closure: Closure, node: Node, env: Environment, role: str) -> Edge | None:
    """The hop of the node to one role of `env`."""
    search = closure.search
    ask = _asking(closure, node, env)
    if ask is None:
        return None
    caller = search.start if node.made else caller_in(search.env, env, node.caller)
    return edge_to(ask, caller, (node.caller.arn or "") if node.made else "", role_at(env, role), search.action)


def _admitted(closure: Closure) -> Iterator[Firing]:
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
                or not _loaded(closure, node)
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
            home = _account(role) == node.caller.account
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
            needs = changes if name == OUTSIDER else _fewest(closure, node, role, changes, sure)
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


def _fewest(closure: Closure, node: Node, role: str, changes: frozenset[Change], sure: bool) -> frozenset[Change]:
    """Changes without which the node may not assume the role, none of them superfluous."""
    arn = node.caller.arn or ""
    base = own_creation(changes, (arn, role))

    def enough(some: frozenset[Change]) -> bool:
        found = (edge_in(closure, node, env, role) for env in worlds(closure.search.env, some, (arn, role)))
        return any(e is not None and e.sure >= sure for e in found)

    for change in sorted(changes - base):
        if enough(base | {change}):
            return base | {change}
    needs = changes
    for change in sorted(changes - base, reverse=True):
        if enough(needs - {change}):
            needs -= {change}
    return needs


def _changes_by(closure: Closure, name: str, node: Node, types: tuple[str, ...] | None = None) -> Iterator[Firing]:
    """Changes that the node may make to what is controlled, and to the trust of roles that are not."""
    search = closure.search
    if node.caller.kind not in _SIGNED or not _loaded(closure, node):
        return
    techniques = techniques_of(search, types, leave=(*NODES, *TAKEOVERS, "sets-tags"))
    mine = _signature(closure, node)
    arn = node.caller.arn or ""
    among = worlds(search.env, relevant(search.env, mine, (arn,)), (arn,))
    able = frozenset[str]().union(*(may_do(search, env, node) for env in among))
    techniques = [t for t in techniques if any(able.issuperset(v.actions) for v in t.variants)]
    if not techniques:
        return
    wanted = _wants(closure, node.caller.account)
    if (
        types is None
        and not any(wanted.values())
        and not _governs(closure, node)
        and ("offered", name) in closure.done
        and closure.done["offered", name] == mine
    ):
        return
    if types is None:
        closure.done["offered", name] = mine
    spared = not closure.every and node.caller.kind is not CallerKind.ROOT and ruled(closure, node)
    for technique in techniques:
        if spared and dominated(search.env, technique, arn):
            continue
        if technique.outcome.type in ("lifts-org-policy", "moves-account") and _all_lifted(closure):
            continue
        subject = _SUBJECT.get(technique.outcome.type)
        if subject is None:
            if _once(closure, name, technique.id, mine):
                continue
            if (
                technique.outcome.type == "creates-principal"
                and not closure.every
                and not _creatable(closure, node, technique)
            ):
                continue
            yield from firings(search, node, mine, [technique], {})
            continue
        what = _WANTED.get(technique.outcome.type, subject)
        if any(c.fact == "role-is-permission-set" for v in technique.variants for c in v.preconditions):
            every = frozenset().union(
                *(_wants(closure, a)[what] for a in {n.caller.account for n in closure.nodes.values()})
            )
        else:
            every = wanted[what]
        left = every - _tried(closure, name, technique.id, subject, mine)
        if left:
            _mark(closure, name, technique.id, subject, mine, left)
            fresh = frozenset(c for c in closure.changes if c.kind is Kind.CREATED)
            yield from firings(search, node, mine | fresh, [technique], {subject: left})


def _wants(closure: Closure, account: str | None) -> dict[str, frozenset[str]]:
    """`_wanted`, worked out once for what is known."""
    key, size = ("wanted", account), (len(closure.nodes), len(closure.changes), closure.late)
    known = closure.done.get(key)
    if known is None or known[0] != size:  # type: ignore[index]
        known = closure.done[key] = (size, _wanted(closure, account))
    return known[1]  # type: ignore[index,no-any-return]


def _governs(closure: Closure, node: Node) -> bool:
    """Whether the node's account may change what belongs to the whole organization."""
    account = node.caller.account
    return any(
        account == o.management_account or account in {a for a, _ in o.delegated}
        for o in closure.search.env.organizations
    )


def _all_lifted(closure: Closure) -> bool:
    """Whether no SCP and no RCP need be left, and nothing else depends on where an account stands."""
    off = {c.what for c in closure.changes if c.kind is Kind.DISABLED}
    return not closure.every and off >= {"scp", "rcp"} and not reads_paths(closure.search.env)


def _creatable(closure: Closure, node: Node, technique: Technique) -> bool:
    """Whether a name for which the technique could create a principal does not have a free one yet."""
    made = {c.who for c in closure.changes if c.kind is Kind.CREATED and fully(c)}
    names = new_principals(closure.search.env, node, technique.outcome.get("who"))
    if closure.free(node.caller.arn or "") or ruled(closure, node):
        # an ordinary new principal could do no more than the node itself
        names = (n for n in names if not n.endswith("/" + FRESH) or n in closure.extra)
    return any(n not in made for n in names)


_SUBJECT = {
    "arbitrary-identity-policy": "who", "gains-managed-policy": "who", "arbitrary-group-policy": "group",
    "group-gains-managed-policy": "group", "joins-group": "user", "leaves-group": "user", "rewrites-policy": "policy",
    "switches-policy-version": "policy", "drops-identity-deny": "who", "drops-group-deny": "group",
    "drops-inline-policies": "who", "drops-group-inline-policies": "group", "lifts-boundary": "who",
    "replaces-boundary": "who", "rewrites-trust": "role",
}  # fmt: skip
"""The field of an outcome that says what is changed."""

_WANTED = {
    "gains-managed-policy": "unwritten", "group-gains-managed-policy": "unwritten-group", "joins-group": "unwritten-user",
    "lifts-boundary": "bounded", "replaces-boundary": "rebounded",
}  # fmt: skip
"""Where only some of what the field could name is worth a change: which."""


def _tried(closure: Closure, node: str, technique: str, field: str, mine: frozenset[Change]) -> frozenset[str]:
    found = closure.done.get(("changes", node, technique, field, mine), frozenset())
    assert isinstance(found, frozenset)
    return found


def _mark(
    closure: Closure, node: str, technique: str, field: str, mine: frozenset[Change], what: frozenset[str]
) -> None:
    closure.done["changes", node, technique, field, mine] = _tried(closure, node, technique, field, mine) | what


def _once(closure: Closure, node: str, technique: str, mine: frozenset[Change]) -> bool:
    key = ("once", node, technique, mine)
    if key in closure.done:
        return True
    closure.done[key] = True
    return False


def _wanted(closure: Closure, account: str | None) -> dict[str, frozenset[str]]:
    """What of an account may usefully be changed, by the field of the outcomes that name it."""
    env, changes = closure.search.env, closure.changes
    written = {c.who for c in changes if c.kind is Kind.WRITES}
    lifted = {c.who for c in changes if c.kind is Kind.BOUNDARY and not c.what}
    tested = bool(texts_of(env, ("iam:permissionsboundary",)))
    controlled = sorted(a for a in closure.held(account) if a in env.principals)
    created = {c.who for c in changes if c.kind is Kind.CREATED and _account(c.who) == account}
    who: set[str] = set()
    groups: set[str] = set()
    policies: set[str] = set()
    users: set[str] = set()
    rulers = closure.rulers()
    for arn in (*controlled, *sorted(created)):
        if closure.free(arn):
            continue
        plain = _account(arn) in rulers and not closure.every and arn not in closure.extra
        if plain and not (closure.late and _special(closure, arn)):
            continue
        who.add(arn)
        principal = env.principals.get(arn)
        if principal is None:
            made = next(c for c in changes if c.kind is Kind.CREATED and c.who == arn)
            policies.update(p for p in made.what.split(",")[:2] if p)
            if ":user/" in arn:
                users.add(arn)
                groups.update(g for g in made.what.split(",")[2:] if g in env.groups)
            continue
        if principal.kind is PrincipalKind.USER:
            users.add(arn)
            joined = [c.what for c in changes if c.kind is Kind.JOINS and c.who == arn]
            groups.update(g for g in (*principal.groups, *joined) if g in env.groups)
        if principal.boundary is not None and principal.boundary.arn:
            policies.add(principal.boundary.arn)
    bounded = frozenset(a for a in who if a in created or env.principals[a].boundary is not None) - lifted
    for carrier in (*who, *groups):
        own = env.principals.get(carrier) or env.groups.get(carrier)
        policies.update(p.arn for p in (own.policies if own is not None else ()) if p.arn)
    policies.update(c.what for c in changes if c.kind is Kind.GAINS)
    return {
        "who": frozenset(who - written),
        "unwritten": frozenset(who - written),
        "unwritten-group": frozenset(groups - written),
        "unwritten-user": frozenset(users - written),
        "bounded": bounded,
        "rebounded": frozenset(who) | _of(env, account) if tested else bounded,
        "group": frozenset(groups - written),
        "policy": frozenset(policies - {c.who for c in changes if c.kind is Kind.REWRITES}),
        "user": frozenset(users),
        "role": _roles(closure, account),
    }


def _of(env: Environment, account: str | None) -> frozenset[str]:
    return frozenset(a for k in PrincipalKind for a in of_account(env, k, account))


def _account(arn: str) -> str:
    return arn.split(":")[4]


def worthwhile(closure: Closure, arn: str) -> bool:
    """Whether changes to a principal may matter: it is not held yet, or nobody of its account has the means it would give."""
    if closure.free(arn):
        return False
    if _account(arn) not in closure.rulers() or closure.every or arn in closure.extra:
        return True
    if arn in not_held(closure, _account(arn)):
        return True
    asking = _naming(closure.search, arn) - closure.held_anywhere
    return any(_could_enter(closure, arn, r) == "tagged" for r in sorted(asking))


def _special(closure: Closure, arn: str) -> bool:
    """Whether some role that is not held yet asks for this very principal, once nothing of its own binds it."""
    search = closure.search
    env = search.env
    if arn not in env.principals:
        return False
    return any(_could_enter(closure, arn, r) for r in sorted(_naming(search, arn) - closure.held_anywhere))


def _naming(search: Search, arn: str) -> frozenset[str]:
    """The roles of other accounts, and those of its own, whose trust policies may name the principal."""
    key = ("naming", arn)
    found: frozenset[str] | None = search.env.memo.get(key)
    if found is None:
        env = changed(search.env, most_of(search.env, arn), (arn,))
        found = search.env.memo[key] = frozenset(r.arn for r in roles_for(env, node_in(env, arn).caller, "closed"))
    return found


def _could_enter(closure: Closure, arn: str, role: str) -> str:
    """Whether the principal might assume the role if nothing of its own bound it: `tagged` where it hangs on its tags, `yes`,
    or nothing; worked out once.
    """
    search = closure.search
    ask = search.ask
    plain = not ask.given and ask.when is TRUE
    key = ("could-enter", arn, role, ask.missing, ask.ever)
    found: str | None = search.env.memo.get(key) if plain else None
    if found is None:
        env = changed(search.env, most_of(search.env, arn), (arn,))
        node = node_in(env, arn)
        edge = edge_in(closure, replace(node, caller=replace(node.caller, open_tags=True, stated_tags=True)), env, role)
        tagged = edge is not None and any("aws:principaltag/" in v for v in edge.read)
        found = "" if edge is None else "tagged" if tagged else "yes"
        if plain:
            search.env.memo[key] = found
    return found


def _roles(closure: Closure, account: str | None) -> frozenset[str]:
    """Roles of the account that are not controlled yet, and those asked for."""
    env = closure.search.env
    have = {c.who for c in closure.changes if c.kind in (Kind.TRUST, Kind.CREATED)}
    held = {n.caller.arn for n in closure.nodes.values() if n.made and n.full and n.caller.account == account}
    out = {r for r in of_account(env, PrincipalKind.ROLE, account) if r not in held}
    out |= {e for e in closure.extra if e in env.principals and env.principals[e].kind is PrincipalKind.ROLE}
    return frozenset(out - have)


def links(ask: Ask, action: str = "iam:CreateUser") -> Iterator[Link]:
    """What each loaded user and role gains by one use of one technique, as it is: an edge for every principal gained.

    Role assumption is not among them, nor is what only a change made before makes possible.
    """
    from iamsim.aws.escalations import catalogue
    from iamsim.graph.roles import Link

    env = ask.env
    every = catalogue()
    for principal in env.principals.values():
        search = Search(ask, action, caller_of(env, principal), every)
        own = begin(search)
        for fired in _moves(own, own.nodes[START], frozenset()):
            technique = every.techniques[fired.technique]
            for gain in fired.gains:
                if isinstance(gain, Node) and gain.caller.arn is not None:
                    yield Link(
                        source=principal.arn,
                        target=gain.caller.arn,
                        technique=fired.technique,
                        kind=technique.kind,
                        sure=fired.sure,
                        guard=TRUE,
                        statements=(),
                        assumptions=fired.assumed,
                    )

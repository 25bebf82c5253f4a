"""Who stands for whom: the node of an account that may do everything there, and what that leaves to the others."""

from __future__ import annotations

from iamsim.env.changes import Change, Kind
from iamsim.env.types import PrincipalKind
from iamsim.graph.moves import fully
from iamsim.graph.names import of_account
from iamsim.graph.state import OUTSIDER, START, Closure, account_of, everyone_of
from iamsim.graph.world import Node, of_node, relevant, subjects_of


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
        mine = (k for k, n in closure.nodes.items() if n.caller.account == account and n.full and is_free(closure, n))
        known = closure.done[key] = (next(mine, None), size)
    return known[0]  # type: ignore[index,no-any-return]


def is_free(closure: Closure, node: Node) -> bool:
    """True iff nothing but SCPs, RCPs and resource policies keeps the node from doing whatever it likes."""
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
            near = [c for c in more if ":iam:" not in c.who or account_of(c.who) == about[0]]
            known[about] = None if any(":iam:" not in c.who for c in near) else frozenset(c.who for c in near)
        concerned = known[about]
        if concerned is not None and not concerned & subjects_of(env, arn):
            out.add(name)
    return frozenset(out)


def left_open(closure: Closure) -> set[str]:
    """The nodes with firings that depend on how the sessions of an administrator came to be, of which nothing is known."""
    found = closure.done.setdefault("open", set())
    assert isinstance(found, set)
    return found


def signature(closure: Closure, node: Node) -> frozenset[Change]:
    """The changes that bear on what the node may do by itself, worked out once for what is known."""
    key, size = ("signature", node.name), (len(closure.nodes), len(closure.changes))
    known = closure.done.get(key)
    if known is None or known[0] != size:  # type: ignore[index]
        known = closure.done[key] = (size, _bearing_on(closure, node))
    return known[1]  # type: ignore[index,no-any-return]


def _bearing_on(closure: Closure, node: Node) -> frozenset[Change]:
    changes = of_node(closure.changes, node)
    mine = relevant(closure.search.env, changes, (node.caller.arn or "",)) | _new_policies(closure, node)
    if ruled(closure, node) and not closure.every:
        return mine
    about = everyone_of(closure.search.env, node.caller.account)
    return mine | {c for c in closure.changes if c.who in about and c.kind in (Kind.TAGS, Kind.BOUNDARY)}


def _new_policies(closure: Closure, node: Node) -> frozenset[Change]:
    """The managed policies of the node's account that can be created."""
    made = (c for c in closure.changes if c.kind is Kind.CREATED and ":policy/" in c.who)
    return frozenset(c for c in made if account_of(c.who) == node.caller.account)

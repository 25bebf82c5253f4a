"""Who stands for whom: the node of an account that may do everything there, and what that leaves to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.paths import FIXED
from iamsim.env.changes import Change, Kind
from iamsim.env.memo import once
from iamsim.graph.outdone import fully
from iamsim.graph.state import OUTSIDER, START, Closure, account_of, everyone_of
from iamsim.graph.world import is_again

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.graph.world import Node


def ruled(closure: Closure, node: Node) -> bool:
    """True iff another node of the same account may do everything there, as far as it is for the account to say."""
    ruler = ruler_of(closure, node.caller.account)
    return ruler is not None and ruler != node.name


def ruler_of(closure: Closure, account: str | None) -> str | None:
    """The name of the node of an account that stands for all that may do everything there."""
    absorbed = closure.done.get(("absorbed", account))
    if isinstance(absorbed, str) and absorbed:
        return absorbed
    key, seen = ("ruler", account), closure.known.seen.get(account, 0)
    known = closure.done.get(key)
    if known is None or (known[0] is None and known[1] != seen):  # type: ignore[index]
        mine = closure.perhaps_free(account)
        known = closure.done[key] = (next((k for k, n in mine if n.full and is_free(closure, n)), None), seen)
    return known[0]  # type: ignore[index,no-any-return]


def is_free(closure: Closure, node: Node) -> bool:
    """True iff nothing but SCPs, RCPs and resource policies keeps the node from doing whatever it likes."""
    if node.name == START and closure.bound:
        return False
    arn = node.caller.arn or ""
    made = any(c.kind is Kind.CREATED and fully(c) for c in closure.known.by_who.get(arn, ()))
    return node.name != OUTSIDER and (made or closure.frees(node))


def granted_to_some(closure: Closure) -> bool:
    """Whether the policy of a resource may come to grant something to one caller alone, so that no administrator has it as well."""
    return any(";" in c.what for c in closure.known.of_kind(Kind.GRANTED))


def not_held(closure: Closure, account: str | None) -> frozenset[str]:
    """The users and roles of an account that are not controlled, those aside that nobody may change."""
    env = closure.search.env
    key, mine = ("not-held", account), closure.known.of_account.get(account, ())
    known = closure.done.get(key)
    if known is None or known[0] != len(mine):  # type: ignore[index]
        # the session that has session policies of the question is not all that there is of its role
        limited = closure.search.ask.documents.session is not None
        whole = (closure.nodes[k] for k in mine if not (limited and k == START))
        held = {n.caller.arn for n in whole if n.full and not is_again(n)}
        found = once(env.memo, ("changeable", account), _changeable, env, account) - held
        known = closure.done[key] = (len(mine), found)
    return known[1]  # type: ignore[index,no-any-return]


def _changeable(env: Environment, account: str | None) -> frozenset[str]:
    return frozenset(a for a in everyone_of(env, account) if not env.principals[a].path.startswith(FIXED))


def left_open(closure: Closure) -> set[str]:
    """The nodes with firings that depend on how the sessions of an administrator came to be, of which nothing is known."""
    found = closure.done.setdefault("open", set())
    assert isinstance(found, set)
    return found


def signature(closure: Closure, node: Node) -> frozenset[Change]:
    """The changes that bear on what the node may do by itself, worked out once for what is known."""
    known, arn, account = closure.known, node.caller.arn or "", node.caller.account
    alone = ruled(closure, node) and not closure.every
    key = ("signature", node.name)
    created = len(known.by_kind.get(Kind.CREATED, ()))
    around = -1 if alone and not is_again(node) else known.seen.get(account, 0)
    stamp = (known.stamp(closure.search.env, arn), len(known.everywhere), created, around)
    made = closure.done.get(key)
    if made is None or made[0] != stamp:  # type: ignore[index]
        made = closure.done[key] = (stamp, _bearing_on(closure, node, alone=alone))
    return made[1]  # type: ignore[index,no-any-return]


def _bearing_on(closure: Closure, node: Node, *, alone: bool) -> frozenset[Change]:
    bearing = closure.relevant_to(node, node.caller.arn or "") | _new_policies(closure, node)
    mine = frozenset(c for c in bearing if c.kind is not Kind.TRUST)  # says who may be the node, not what it may do
    if alone:
        return mine
    others = frozenset(c for c in closure.known.of_kind(Kind.TAGS, Kind.BOUNDARY) if c not in mine)
    if not others:
        return mine
    about = everyone_of(closure.search.env, node.caller.account)
    return mine | {c for c in others if c.who in about}


def _new_policies(closure: Closure, node: Node) -> frozenset[Change]:
    """The managed policies of the node's account that can be created."""
    made = (c for c in closure.known.of_kind(Kind.CREATED) if ":policy/" in c.who)
    return frozenset(c for c in made if account_of(c.who) == node.caller.account)

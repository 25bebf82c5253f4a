"""The callers whom a node gives by techniques of its own, worked out once for nodes that are alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.candidates import is_picky
from iamsim.graph.dominated import not_dominated
from iamsim.graph.given import given_for, when_for
from iamsim.graph.moves import NODES, Firing, firings, techniques_of
from iamsim.graph.ruled import not_held, ruled
from iamsim.graph.state import SIGNED, START, Closure, loaded
from iamsim.ir.term import TRUE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.aws.escalations import Technique
    from iamsim.env.changes import Change
    from iamsim.graph.world import Node, Search


def moves_by(closure: Closure, node: Node, mine: frozenset[Change]) -> Iterable[Firing]:
    """The techniques by which the node gives further callers; worked out once for the same changes."""
    search = closure.search
    if node.caller.kind not in SIGNED or not loaded(closure, node):
        return ()
    if not closure.every and (ruled(closure, node) or closure.free(node.caller.arn or "")):
        return _of_ruled(closure, node, mine, techniques_of(search, NODES))
    key = _key(search, "moves", node, mine)
    found = search.env.memo.get(key) if key is not None else None
    if found is None:
        found = tuple(firings(search, node, mine, techniques_of(search, NODES), every=closure.every))
        if key is not None:
            search.env.memo[key] = found
    return tuple(f if f.node == node.name else replace(f, node=node.name) for f in found)


def users_by(closure: Closure, node: Node, mine: frozenset[Change]) -> Iterable[Firing]:
    """The users of its account whom the node takes over by techniques of its own."""
    search = closure.search
    if closure.every or node.caller.kind not in SIGNED or not loaded(closure, node):
        return ()
    return _of_ruled(closure, node, mine, _of_users(search))


def _of_users(search: Search) -> list[Technique]:
    """The techniques that give a user."""
    key = (id(search.catalogue), "of-users")
    return once(search.env.memo, key, _made_of_users, search)[0]


def _made_of_users(search: Search) -> tuple[list[Technique], object]:
    every = techniques_of(search, NODES)
    return [t for t in every if t.outcome.get("who") == "$target-user"], search.catalogue


def _of_ruled(closure: Closure, node: Node, mine: frozenset[Change], techniques: list[Technique]) -> Iterable[Firing]:
    """The firings of an administrator, or of one of its account beside it, that give whom the account still lacks."""
    search, left = closure.search, not_held(closure, node.caller.account)
    if ruled(closure, node):
        # whoever may do everything has the means of the others of its account, but for conditions on who they are
        techniques = not_dominated(search.env, techniques, node.caller.arn or "")
    if not left:
        techniques = [t for t in techniques if t.outcome.type != "becomes"]
    return tuple(firings(search, node, mine, techniques, {"who": left})) if techniques else ()


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

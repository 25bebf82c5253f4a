"""The callers whom a node gives by techniques of its own, worked out once for nodes that are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.memo import once
from iamsim.graph.alike import alike, shared
from iamsim.graph.candidates import is_picky
from iamsim.graph.dominated import not_dominated
from iamsim.graph.given import given_for, when_for
from iamsim.graph.means import NODES, techniques_of
from iamsim.graph.moves import Firing, firings
from iamsim.graph.names import spared
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
    about = asked_about(closure, node)
    if about is None:
        return tuple(firings(search, node, mine, techniques_of(search, NODES), every=closure.every))
    key = ("moves", node.caller, node.reach, node.only, node.made, mine, about)
    found = once(search.env.memo, key, _moves, closure, node, mine, about)
    return tuple(f if f.node == node.name else f.by(node.name) for f in found)


def _moves(closure: Closure, node: Node, mine: frozenset[Change], about: object) -> tuple[Firing, ...]:
    """The uses of techniques by the node: those of a node that is like it, and those in which the two differ."""
    search = closure.search
    every = techniques_of(search, NODES)
    kin = alike(search, node, mine, NODES) if not closure.every else None
    if kin is None:
        return tuple(firings(search, node, mine, every, every=closure.every))
    same, own = once(search.env.memo, (id(every), "shared"), _shared, every)[0]
    spare, made = spared(search, node), lambda: tuple(firings(search, node, mine, same, kin=kin, itself=True))
    found = (f for f in once(search.env.memo, ("kin", kin, about), made) if f.target != spare)
    rest = firings(search, node, mine, own, kin=kin)
    place = {t.id: n for n, t in enumerate(every)}
    return tuple(sorted((*found, *rest), key=lambda f: (place[f.technique], f.variant, f.bound)))


def _shared(techniques: list[Technique]) -> tuple[tuple[list[Technique], list[Technique]], object]:
    return shared(techniques), techniques


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


def asked_about(closure: Closure, node: Node) -> object | None:
    """What the uses of techniques depend on besides the node and the changes; None if they are the question's own."""
    search, ask = closure.search, closure.search.ask
    starts = node.name == START
    around = given_for(ask.given, search.action, search.start, first=starts, last=False)
    when = when_for(ask.when, search.action, search.start, first=starts, last=False)
    if around or when is not TRUE:
        return None
    action = search.action.lower() if is_picky(search.env) else None
    documents = ask.documents if starts else NO_DOCUMENTS
    return (action, closure.every, documents, ask.missing, ask.ever, search.ruling, id(search.catalogue))

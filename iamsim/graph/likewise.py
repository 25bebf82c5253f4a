"""Starts that are alike: who makes the same requests and enters the same roles comes to the same, what is about itself aside.

That holds where nobody who is controlled has the means for a change: then a start counts only for the requests that it makes,
alone or with others, and for the roles that it enters, and it is nothing that others are after unless they are found to be.
It holds as well where a start that may change nothing comes to be one who rules its account, controls it anyway, and can do
nothing else that the ruler could not: all the rest is then what follows from the ruler.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.env.facts import place
from iamsim.env.memo import once
from iamsim.graph.alike import OWN_NAMES, alike, told_alike
from iamsim.graph.candidates import is_picky
from iamsim.graph.combined import shareable_of
from iamsim.graph.dominated import asked_by, not_dominated
from iamsim.graph.edges import edges_of
from iamsim.graph.gains import asked_about
from iamsim.graph.means import LATE, NODES, means_of, of_organizations, techniques_of, within_means
from iamsim.graph.names import names_in
from iamsim.graph.newtags import tagging_new
from iamsim.graph.opened import uses_of
from iamsim.graph.ruled import ruled
from iamsim.graph.settled import stands_alone
from iamsim.graph.state import BASE, OF_ACCOUNTS, OUTSIDER, SIGNED, START, Closure, loaded
from iamsim.graph.world import Node, Ruling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.graph.absorbed import Absorbed
    from iamsim.graph.world import Search

Actions = frozenset[str]


@dataclass(frozen=True, slots=True)
class Sign:
    """What of a start decides what it gives by itself: `node` is the start, `kin` stands for all that are alike for techniques that
    give callers, `key` for those of them who enter the same roles; `means` are the actions that it may be allowed.
    """

    node: Node
    kin: object
    key: object
    means: Actions


@dataclass(frozen=True, slots=True)
class _Usable:
    """The techniques that controlled nodes have the means for between them, and the actions that decide what comes of them."""

    techniques: tuple[str, ...]
    actions: Actions
    besides: Actions


@dataclass(frozen=True, slots=True)
class _Found:
    """A closure by its key in the memo: the means of all its nodes but the start, what these and the start may use, what
    stands for all starts that are alike for that, and the ARNs of all whom the closure is about. `governing`: one of these nodes
    is of an account that may act for its organization.
    """

    key: object
    others: Actions
    governing: bool
    usable: _Usable
    told: object
    about: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Led:
    """The closure of a start that comes to be a ruler, by its key in the memo: the roles that ask for the start, the ARNs of all
    whom its own uses are about, and of what was worked out what holds for all of them.
    """

    key: object
    asked: tuple[frozenset[str], ...]
    about: frozenset[str]
    done: dict[object, object]


def sign_of(search: Search) -> Sign | None:
    """The sign of the search's start; None if it is like no other."""
    env, ask, start = search.env, search.ask, search.start
    if start.kind not in OF_ACCOUNTS or (start.arn or "") not in env.principals or env.endpoints:
        return None
    if search.ruling != Ruling() or search.avoided or search.fresh or any(start.arn in u.who for u in uses_of(search)):
        return None
    node = Node(START, start, made=False)
    kin = alike(search, node, frozenset(), NODES)
    if kin is None:
        return None
    means = means_of(search, (env,), node)
    if _usable(search, means, governing=_governs(search, start.account)) is None:
        return None
    action = search.action.lower() if is_picky(env) else None
    entered = frozenset(edges_of(search, node, env).items())
    key = ("like", kin, entered, ask.missing, ask.ever, id(search.catalogue), action)
    return Sign(node, kin, key, means)


def like(search: Search, sign: Sign) -> Closure | None:
    """The closure of a start with the same sign that makes the same requests where others need it for theirs, with this one for
    its start; None if none is kept.
    """
    for found in search.env.memo.get(sign.key, ()):
        closure: Closure | None = search.env.memo.get(found.key)
        if closure is None or search.start.arn in found.about or not _fits(search, sign, closure, found):
            continue
        nodes = closure.nodes | {START: sign.node}
        done = dict(found.done) if isinstance(found, _Led) else {}
        return replace(closure, search=search, nodes=nodes, unsettled=set(), done=done, index=None)
    return None


def _fits(search: Search, sign: Sign, closure: Closure, found: _Found | _Led) -> bool:
    if isinstance(found, _Led):
        arn = search.start.arn or ""
        return found.asked == asked_by(search.env, arn) and _is_led(search, arn, closure)
    governing = found.governing or _governs(search, search.start.account)
    usable = _usable(search, sign.means | found.others, governing=governing)
    return usable == found.usable and _told(search, sign, found.usable) == found.told


def keep(closure: Closure, sign: Sign, key: object) -> None:
    """Keeps the closure, which the memo holds as `key`, for starts with this sign, unless it may hang on which of them it is."""
    search, start = closure.search, sign.node.caller.arn or ""
    if closure.unsettled or "of-sessions" in closure.done or start in _given_to_likes(closure, sign):
        return
    found = _led(closure, start, key) if "base" in closure.done else _changeless(closure, sign, key)
    if found is not None and start not in found.about:
        search.env.memo.setdefault(sign.key, []).append(found)


def _changeless(closure: Closure, sign: Sign, key: object) -> _Found | None:
    search = closure.search
    if any(c not in BASE for c in closure.changes):
        return None
    acting = list(_acting(closure))
    others = frozenset[str]().union(*(means_of(search, (search.env,), n) for n in acting))
    governing = any(_governs(search, a) for a in {n.caller.account for n in acting})
    usable = _usable(search, sign.means | others, governing=governing or _governs(search, search.start.account))
    told = None if usable is None else _told(search, sign, usable)
    if usable is None or told is None:
        return None
    return _Found(key, others, governing, usable, told, frozenset(_about(closure)))


def _led(closure: Closure, start: str, key: object) -> _Led | None:
    base: Absorbed = closure.done["base"]  # type: ignore[assignment]
    if not stands_alone(closure) or closure.changes != base.group.changes or "groups" in closure.done:
        return None
    if not ruled(closure, closure.nodes[START]) or not _is_led(closure.search, start, closure):
        return None
    own = (fired for fact, fired in closure.how.items() if fired is not base.how.get(fact))
    about = frozenset(value for fired in own for f in fired if START in f.callers for _, value in f.bound)
    kept: dict[object, object] = {
        k: v for k, v in closure.done.items() if k == "base" or (isinstance(k, tuple) and k[0] in _RULERS)
    }
    return _Led(key, asked_by(closure.search.env, start), about, kept)


_RULERS = ("absorbed", "ruler of")
"""What is kept of who stands for which account."""


def _is_led(search: Search, arn: str, closure: Closure) -> bool:
    """True only if the ruler controls the user or role, and all that it might do beside what it does by itself the ruler does: no
    role asks for it that is not held, and it can use no technique where the ruler cannot.
    """
    base: Absorbed = closure.done["base"]  # type: ignore[assignment]
    held, every = base.known.controlled, (techniques_of(search, NODES), shareable_of(search).techniques)
    return (
        arn in held
        and all(map(held.issuperset, asked_by(search.env, arn)))
        and not uses_of(search)
        and not any(not_dominated(search.env, techniques, arn) for techniques in every)
    )


def _acting(closure: Closure) -> Iterator[Node]:
    """The nodes that may make requests, the start aside."""
    for node in closure.nodes.values():
        if node.name not in (START, OUTSIDER) and node.caller.kind in SIGNED and loaded(closure, node):
            yield node


def _governs(search: Search, account: str | None) -> bool:
    """False only if the account neither manages its organization nor is a delegated administrator in it."""
    found = place(search.env, account) if account else None
    if found is None or search.ask.missing == "strict":
        return search.ask.missing == "strict"
    return account == found[0].management_account or account in {a for a, _ in found[0].delegated}


def _usable(search: Search, means: Actions, *, governing: bool) -> _Usable | None:
    """What those may use who have these means between them; None if they may change something, or who they are counts.

    `governing`: one of them is of an account that may act for its organization.
    """
    key = (id(search.catalogue), "usable", means, governing)
    return once(search.env.memo, key, _made_usable, search, means, governing)[0]


def _made_usable(search: Search, means: Actions, governing: bool) -> tuple[_Usable | None, object]:
    found = within_means(search, NODES, means)
    changing = within_means(search, None, means, leave=LATE) or within_means(search, ("sets-tags",), means)
    if not governing:
        changing = [t for t in changing if not all(map(of_organizations, t.variants))]
    variants = [(t, v) for t in found for v in t.variants if means.issuperset(v.actions)]
    if changing or any(not OWN_NAMES.isdisjoint(names_in(t, v)) for t, v in variants):
        return None, search.catalogue
    opened = (u.technique.variants[u.number].actions for u in uses_of(search))
    besides = frozenset[str]().union(*opened, *(tagging_new(search, v.calls) for _, v in variants))
    actions = frozenset[str]().union(*(v.actions for _, v in variants))
    return _Usable(tuple(t.id for t in found), actions, besides), search.catalogue


def _told(search: Search, sign: Sign, usable: _Usable) -> object | None:
    """What stands for all starts that are alike for the requests that they may make; None if the start is like no other."""
    actions = (usable.actions & sign.means) | usable.besides
    return told_alike(search, sign.node, frozenset(), (search.env,), actions)


def _about(closure: Closure) -> Iterator[str]:
    """The ARNs of all whom the closure is about, the start aside."""
    yield from (n.caller.arn or "" for n in closure.nodes.values() if n.name != START)
    yield from (value for fired in closure.how.values() for f in fired for _, value in f.bound)


def _given_to_likes(closure: Closure, sign: Sign) -> frozenset[str]:
    """Whom others that are alike come to be by themselves: the start may be among them, which it does not find itself."""
    search = closure.search
    if not within_means(search, NODES, sign.means):
        return frozenset()
    every = search.env.memo.get(("kin", sign.kin, asked_about(closure, sign.node)))
    return frozenset({sign.node.caller.arn or ""} if every is None else (f.target for f in every))

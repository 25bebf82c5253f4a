"""Facts and firings to the fixpoint: whom an attacker can come to control, and what it can come to change.

Nothing that was gained is lost, since the attacker chooses the order; so the facts only grow, and the order in which they
are found does not matter. A fact is a node (a controlled caller) or a change. Only changes that can matter are looked
for: those to what is controlled, or to what leads to it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.forgetting import trim
from iamsim.env.memo import once
from iamsim.graph.absorbed import absorb
from iamsim.graph.accept import accept
from iamsim.graph.admitted import admitted
from iamsim.graph.candidates import is_picky
from iamsim.graph.changing import changes_by, free_itself
from iamsim.graph.combined import combined
from iamsim.graph.entering import hops
from iamsim.graph.gains import moves_by, users_by
from iamsim.graph.means import NODES, techniques_of
from iamsim.graph.moves import firings
from iamsim.graph.names import values
from iamsim.graph.opened import opened
from iamsim.graph.outcomes import barehanded
from iamsim.graph.passed import passed
from iamsim.graph.ruled import is_free, left_open, signature
from iamsim.graph.settled import Group, busy, is_barren, unsettled
from iamsim.graph.state import BASE, OUTSIDER, START, Closure, outsider
from iamsim.graph.tags import tag_firings
from iamsim.graph.unbound import administrators, node_in
from iamsim.ir.term import TRUE
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from iamsim.aws.escalations import Technique
    from iamsim.env.changes import Change
    from iamsim.graph.moves import Firing
    from iamsim.graph.world import Node, Search


MAX_ROUNDS = 60


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
    out = closure
    for out in growing(closure, sure=sure, extra=extra, done=done):
        if progress is not None:
            progress(len(out.nodes))  # type: ignore[operator]
    return out


def growing(
    closure: Closure, *, sure: bool, extra: frozenset[str] = frozenset(), done: dict[object, object] | None = None
) -> Iterator[Closure]:
    """The closure above `closure` as `grow` has it, after each round; it is one that grows, and the fixpoint comes last."""
    if done is None:
        done = _kept(closure)
    out = replace(
        closure,
        sure=sure,
        nodes=dict(closure.nodes),
        how=dict(closure.how),
        cost=dict(closure.cost),
        extra=closure.extra | extra,
        unsettled=set(closure.unsettled),
        done=dict(done),
    )
    out.index = closure.known.beside(out.how, out.nodes)
    if closure.sure and not sure:
        _widen(out)
    for _ in range(MAX_ROUNDS):
        before = (len(out.how), out.count)
        _round(out)
        found = before != (len(out.how), out.count)
        if not found and (out.late or out.local is not None):
            break
        out.late = not found
        yield out
    else:
        out.unsettled.add(f"budget:more than {MAX_ROUNDS} rounds of techniques")
    yield out


def _round(closure: Closure) -> None:
    for name in _order(closure):
        _of_node(closure, name)
        trim(closure.search.env)  # whoever rules an organization makes more of them than fit
    for fired in admitted(closure):
        accept(closure, fired)
    for fired in chain(*(f(closure) for f in _LATE)) if closure.late else ():
        accept(closure, fired)


_LATE = (tag_firings, combined, passed, opened)
"""What is looked for once the rest is found."""


def _order(closure: Closure) -> list[str]:
    """The nodes to look at: whoever may do everything in its account first, since it makes most of the others needless."""
    names = busy(closure, unsettled(closure))
    return sorted(names, key=lambda n: (not closure.frees(closure.nodes[n]), n != START))


def _of_node(closure: Closure, name: str) -> None:
    node = closure.nodes[name]
    if is_barren(closure, node):
        _give(closure, node, hops)
        return
    if not closure.every:
        free_itself(closure, name, node)
        if closure.frees(node):
            _absorb(closure, node)
    free = closure.frees(node)
    if free:
        # users that can be taken over and roles that can be opened first: what is left for all else is little
        _give(closure, node, hops)
        _give(closure, node, users_by)
        for fired in changes_by(closure, name, node, ("rewrites-trust",)):
            accept(closure, fired)
        for fired in admitted(closure):
            accept(closure, fired)
    _give(closure, node, moves_by)
    if not free:
        _give(closure, node, hops)
    for fired in changes_by(closure, name, node):
        accept(closure, fired)


def _give(closure: Closure, node: Node, giving: Callable[[Closure, Node, frozenset[Change]], Iterable[Firing]]) -> None:
    """Adds what the node gives by itself in one way, unless nothing that bears on it has changed since."""
    mine, key = signature(closure, node), ("given", giving.__name__, node.name)
    if closure.done.get(key) != mine:
        closure.done[key] = mine
        for fired in giving(closure, node, mine):
            accept(closure, fired)


def _absorb(closure: Closure, node: Node) -> None:
    """Adds what follows from an administrator of the node's account, worked out once for all who can be one."""
    search, account = closure.search, node.caller.account
    if ("absorbed", account) in closure.done or search.ask.given or search.ask.when is not TRUE:
        return
    every = tuple(administrators(search.env, account))
    if node.name == START and is_free(closure, node) and search.start.arn in _starting(node, every):
        _absorb_ruler(closure, account, START, local=False)
        return
    if not any(a in closure.nodes for a in every[:_RULERS]):
        wanted = {"who": frozenset(every[:_RULERS]) - {node.caller.arn or ""}}
        mine = signature(closure, node)
        for fired in firings(search, node, mine, leading_to(search, node, mine, wanted["who"]), wanted):
            accept(closure, fired)
            if fired.sure and not fired.session:
                break
    ruler = next((a for a in every[:_RULERS] if a in closure.nodes), None)
    if ruler is None:
        return
    # rulers of two accounts may lead to each other
    _absorb_ruler(closure, account, ruler, local=closure.local is not None or _RULING in closure.done)


def _starting(node: Node, every: tuple[str, ...]) -> tuple[str, ...]:
    """The administrators of an account who, where they are the start, have what others have by them.

    A role but the first has that by another one.
    """
    return every[:1] if node.caller.kind is CallerKind.ROLE_SESSION else every


def _absorb_ruler(closure: Closure, account: str | None, ruler: str, *, local: bool) -> None:
    closure.done["absorbed", account] = ruler
    closure.done["ruler of", account] = (ruler, local)
    node = closure.nodes[ruler]
    if ruler == START and closure.local is None and _RULING not in closure.done:
        node = _taken_over(closure.search, node)
    absorb(closure, _rule(closure.search, node, sure=closure.sure, local=local), ruler)


def _taken_over(search: Search, node: Node) -> Node:
    """The start as whoever takes it over has it: a user without a second factor, a role with whatever session."""
    if node.caller.kind is CallerKind.ROLE_SESSION:
        return node_in(search.env, node.caller.arn or "")
    return barehanded(search, node)


def _widen(closure: Closure) -> None:
    """Adds what may follow from the administrators of whom what certainly follows was added."""
    for key, about in list(closure.done.items()):
        if isinstance(key, tuple) and key[0] == "ruler of":
            assert isinstance(about, tuple)
            _absorb_ruler(closure, key[1], about[0], local=about[1])


def leading_to(search: Search, node: Node, mine: frozenset[Change], who: frozenset[str]) -> list[Technique]:
    """The techniques that may give the node one of `who`, other users and roles of its account, or no user or role at all: the
    rest can only name others, as long as no change makes one of `who` anew.
    """
    if any(c.who in who for c in mine):
        return techniques_of(search, NODES)
    key = (id(search.catalogue), "leading-to", node.caller.account, who, search.ruling)
    return once(search.env.memo, key, _naming, search, node, who)[0]


def _naming(search: Search, node: Node, who: frozenset[str]) -> tuple[list[Technique], object]:
    def fits(technique: Technique) -> bool:
        if technique.outcome.type != "becomes":
            return True
        name = technique.outcome.get("who")
        every = (values(search, search.env, node, v, name, {}) for v in technique.variants)
        return any(not who.isdisjoint(found) for found in every)

    return [t for t in techniques_of(search, NODES) if fits(t)], search.catalogue


_RULING = "ruling"

_RULERS = 3
"""How many administrators of an account are tried as the one of whom all others make use."""


def _rule(search: Search, node: Node, *, sure: bool, local: bool) -> Closure:
    """What follows from one administrator; with `local` only what callers of its account give is followed."""
    ask = search.ask
    action = search.action.lower() if is_picky(search.env) else None
    key = ("rule", node.caller, ask.missing, ask.ever, search.ruling, id(search.catalogue), sure, action, local)
    found: Closure | None = search.env.memo.get(key)
    if found is None and not sure:
        found = search.env.memo[key] = _wide_rule(search, node, local=local)
    if found is None and not local:
        inner = _rule(search, node, sure=True, local=True)
        done: dict[object, object] = {
            k: v for k, v in inner.done.items() if isinstance(k, tuple) and k[0] in ("admitted", "given", "offered")
        }
        below = replace(inner, local=None, done=done)
        below.done["absorbed", node.caller.account], below.done[_RULING] = START, True
        opened = left_open(inner)
        here = (n for n, node in inner.nodes.items() if node.caller.account == inner.local)
        group = Group(frozenset(n for n in here if n not in BASE and n not in opened), inner.changes)
        below.done["groups"] = {n: [group] for n in group.names}
        left_open(below).update(opened & {START})
        found = search.env.memo[key] = grow(below, sure=True, done=below.done)
        lighten(inner)
        lighten(found)
        inner.index = found.index = None  # what is known is told again by `absorbed`, in the names that it has there
    if found is None:
        own = replace(search, start=node.caller, ask=replace(ask, documents=NO_DOCUMENTS))
        below = Closure(
            own, True, {START: replace(node, name=START)}, {START: ()}, {START: 0}, local=node.caller.account
        )
        below.nodes[OUTSIDER] = outsider(own)
        below.done["absorbed", node.caller.account] = START
        found = search.env.memo[key] = grow(below, sure=True)
        trim(search.env)
    return found


def _wide_rule(search: Search, node: Node, *, local: bool) -> Closure:
    """What may follow from one administrator, above what certainly does."""
    certain = _rule(search, node, sure=True, local=local)
    if local:
        return grow(certain, sure=False)
    done = _kept(certain)
    done["ruler of", node.caller.account], done[_RULING] = (START, True), True
    return grow(certain, sure=False, done=done)


def lighten(closure: Closure) -> None:
    """Lets go of what only tells a closure that still grows what was tried in it."""
    for key in [k for k in closure.done if isinstance(k, tuple) and k[0] in _MARKS]:
        del closure.done[key]
    for name in ("callers", "quiet", "renewed", "unsettled"):
        closure.done.pop(name, None)


_MARKS = ("signature", "all made", "given", "itself", "offered", "changes", "once", "admitted", "tags", "tag of new")


def _kept(closure: Closure) -> dict[object, object]:
    """Of what was worked out what holds whatever counts: who stands for which account, and what was absorbed first."""
    return {
        k: v
        for k, v in closure.done.items()
        if k == "beneath" or (isinstance(k, tuple) and k[0] in ("absorbed", "ruler of"))
    }

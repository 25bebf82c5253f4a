"""Ways without a detour: what somebody does in one, done by whoever took that one over and may do everything in the account.

All that follows from the administrators of an account is worked out for one of them (`absorbed`), and firings name that
one. Who came to control it mostly has no need of it; nobody should be told of a step, or an assumption, that is none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import changed
from iamsim.graph.derive import derivations, ordered
from iamsim.graph.entering import edge_in, fewest_to_enter
from iamsim.graph.exact import ASSUMES
from iamsim.graph.hops import hop_technique
from iamsim.graph.issued import of_session
from iamsim.graph.moves import fire
from iamsim.graph.outcomes import fact_of, gained
from iamsim.graph.state import START, Closure, Fact
from iamsim.graph.world import Node, own_creation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.env.changes import Change
    from iamsim.graph.moves import Firing


def direct(
    closure: Closure, fired: tuple[Firing, ...], name: str, needs: frozenset[Change]
) -> tuple[tuple[Firing, ...], Closure]:
    """Firings by which control of the node `name` and all of `needs` follow with fewer steps, or assumptions, than by `fired`, from
    which they do, and the closure of these alone; where there are none, `fired` and the closure as they are.
    """
    here = closure
    for taken in _taking(closure, fired):
        found = None if taken not in fired else _without(closure, fired, taken, name, needs)
        if found is not None:
            fired, here = found
    return fired, here


def _taking(closure: Closure, fired: tuple[Firing, ...]) -> tuple[Firing, ...]:
    """The firings by which somebody who may do everything in an account takes over a user or role of it, or creates one."""
    out = []
    for f in fired:
        node = closure.nodes.get(f.node)
        gains = [g for g in f.gains if isinstance(g, Node) and g.name != f.node]
        if gains and node is not None and not f.others and closure.frees(node):
            out += [f] if gains[0].caller.account == node.caller.account else []
    return tuple(out)


def _without(
    closure: Closure, fired: tuple[Firing, ...], taken: Firing, name: str, needs: frozenset[Change]
) -> tuple[tuple[Firing, ...], Closure] | None:
    """The same for less, where whoever makes the firing `taken` does what is done by whom it gives; None if that is not so."""
    needless = next(g.name for g in taken.gains if isinstance(g, Node))
    if needless == name:
        return None
    instead: dict[Firing, tuple[Firing, ...]] = {}
    for f in fired:
        if f is not taken and needless in f.callers:
            instead[f] = _instead(closure, closure.nodes[taken.node], f)
            if not instead[f]:
                return None
    found = _exchanged(closure, fired, taken, instead, {name, *needs})
    if found is not None:
        return found, _within(closure, found)
    every = [*fired, *(o for others in instead.values() for o in others)]
    have = {fact_of(g) for f in every for g in f.gains}
    for change in sorted({c for f in every for c in f.needs if c not in have}):
        ways = closure.how.get(change, ())
        every += [f for f in ways if all(n in have and n != needless for n in f.callers) and f.sure]
    within = _within(closure, every)
    best = next(derivations(within, name, needs), None)
    return (best, within) if best is not None and _cost(best) < _cost(fired) else None


def _exchanged(
    closure: Closure,
    fired: tuple[Firing, ...],
    taken: Firing,
    instead: dict[Firing, tuple[Firing, ...]],
    goal: set[Fact],
) -> tuple[Firing, ...] | None:
    """`fired` without `taken`, one for one, and what nothing rests on then; None if that is not enough, or hangs on sessions."""
    left = list(dict.fromkeys(instead[f][0] if f in instead else f for f in fired if f is not taken))
    if any(f.session and closure.nodes[f.node].made for f in left):
        return None
    for f in reversed(tuple(left)):
        asked = goal.union(*((*o.callers, *o.needs) for o in left if o is not f))
        if asked.isdisjoint(fact_of(g) for g in f.gains):
            left.remove(f)
    return ordered(tuple(left), frozenset(goal))


def _within(closure: Closure, firings: Iterable[Firing]) -> Closure:
    """The closure with these firings only. What was found of its sessions is kept for all such."""
    how: dict[Fact, tuple[Firing, ...]] = {START: ()}
    for f in firings:
        _put(how, f)
    kept: dict[object, object] = closure.done.setdefault("within", {})  # type: ignore[assignment]
    return replace(closure, how=how, done=kept)


def _put(how: dict[Fact, tuple[Firing, ...]], fired: Firing) -> None:
    for gain in fired.gains:
        fact = fact_of(gain)
        if fired not in how.get(fact, ()):
            how[fact] = (*how.get(fact, ()), fired)


def _cost(fired: tuple[Firing, ...]) -> tuple[int, int]:
    return len(fired), sum(len(f.assumed) for f in fired)


def _instead(closure: Closure, node: Node, fired: Firing) -> tuple[Firing, ...]:
    """The same use of a technique by another node, where that certainly works for some session of it."""
    key = ("direct", closure.count, node.name, fired)
    found = closure.done.get(key)
    if found is None:
        able = not fired.others and node.name not in {fact_of(g) for g in fired.gains}
        found = closure.done[key] = tuple(_by(closure, node, fired)) if able else ()
    return found  # type: ignore[return-value]


def _by(closure: Closure, node: Node, fired: Firing) -> Iterator[Firing]:
    """The firing by another node, after as few changes as it needs, where it certainly works (for some session of the node)."""
    bound, search = dict(fired.bound), closure.search
    about = (node.caller.arn or "", *sorted(v for v in bound.values() if ":" in v))
    changes = frozenset(
        c for c in closure.relevant_to(node, *about) if c in fired.needs or _else(closure, c, fired.node)
    )
    if fired.technique in ASSUMES:
        yield from _hops(closure, node, fired, changes)
        return
    technique = search.catalogue.entry(fired.technique)
    own = own_creation(changes, about)
    env = changed(search.env, own, about) if own else search.env
    gains = gained(search, env, technique, technique.variants[fired.variant], node, bound)
    if {fact_of(g) for g in gains} == {fact_of(g) for g in fired.gains}:
        made = fire(search, node, technique, fired.variant, bound, changes, fired.gains)
        if made is not None and made.sure:
            yield made


def _else(closure: Closure, change: Change, ruler: str) -> bool:
    """Whether another than the administrator makes the change."""
    return any(f.node != ruler for f in closure.how.get(change, ()))


def _hops(closure: Closure, node: Node, fired: Firing, changes: frozenset[Change]) -> Iterator[Firing]:
    """Role assumption as loaded, and, if it depends on the session or is refused, after changes."""
    search, arn, role = closure.search, node.caller.arn or "", dict(fired.bound)["$target-role"]
    plainly, technique = own_creation(changes, (arn, role)), hop_technique(node.caller)
    for needs in (plainly, changes) if changes > plainly else (plainly,):
        edge = edge_in(closure, node, changed(search.env, needs, (arn, role)), role)
        if edge is None or not edge.sure:
            continue
        plain = not node.made or (edge.plain and not any(of_session(v) for v in edge.read))
        few = fewest_to_enter(closure, node, role, needs, sure=True) if needs > plainly else plainly
        yield replace(fired, technique=technique, node=node.name, needs=few, session=not plain, reasons=())
        if plain:
            return

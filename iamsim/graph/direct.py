"""Steps without a detour: what an administrator gives, given by whoever took that administrator over and may do the same.

All that follows from the administrators of an account is worked out for one of them (`absorbed`), and firings name that
one. Who came to control it mostly has no need of it; nobody should be told of a step, or an assumption, that is none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import changed
from iamsim.graph.edges import of_session
from iamsim.graph.entering import edge_in, fewest_to_enter
from iamsim.graph.exact import ASSUMES
from iamsim.graph.hops import hop_technique
from iamsim.graph.moves import fire
from iamsim.graph.outcomes import gained
from iamsim.graph.state import START, Closure, Fact
from iamsim.graph.world import Node, own_creation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.env.changes import Change
    from iamsim.graph.moves import Firing

_TAKERS = 2
"""How many of those who control an administrator are tried in its place."""


def direct(closure: Closure, fired: Firing) -> tuple[Firing, ...]:
    """The same use by those who took over the node of the firing, if that stands for its account and they need it not."""
    if fired.others or fired.node not in closure.nodes:
        return ()
    names = takers(closure).get(fired.node, ())
    if not names:
        return ()
    key = ("direct", closure.count, fired)
    found = closure.done.get(key)
    if found is None:
        gains = {_fact(g) for g in fired.gains}
        found = tuple(f for n in names if n not in gains for f in _by(closure, closure.nodes[n], fired))
        closure.done[key] = found
    return found  # type: ignore[return-value]


def takers(closure: Closure) -> Mapping[str, tuple[str, ...]]:
    """For each node that stands for its account, those of the account who took it over and may do as much."""
    known = closure.done.get("takers")
    if known is None or known[0] is not closure.how or known[1] != closure.count:  # type: ignore[index]
        every = {r: k[1] for k, r in closure.done.items() if isinstance(k, tuple) and k[0] == "absorbed"}
        made = {r: _takers(closure, r, account) for r, account in every.items() if r in closure.nodes and r != START}
        known = closure.done["takers"] = (closure.how, closure.count, {r: names for r, names in made.items() if names})
    return known[2]  # type: ignore[index,no-any-return]


def _takers(closure: Closure, ruler: str, account: str) -> tuple[str, ...]:
    names = dict.fromkeys(f.node for f in closure.how[ruler] if not f.others and f.sure)
    near = (n for n in names if n in closure.nodes and closure.nodes[n].caller.account == account)
    return tuple(n for n in near if n != ruler and closure.frees(closure.nodes[n]))[:_TAKERS]


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
    if {_fact(g) for g in gains} == {_fact(g) for g in fired.gains}:
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


def _fact(gain: object) -> Fact:
    return gain.name if isinstance(gain, Node) else gain  # type: ignore[return-value]

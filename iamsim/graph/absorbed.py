"""What follows from an administrator, added to another closure: made once, and copied whole where that closure knows little yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from iamsim.graph.known import Known
from iamsim.graph.ruled import left_open
from iamsim.graph.settled import Group
from iamsim.graph.state import ASSUME, BASE, START, Closure, Fact

if TYPE_CHECKING:
    from iamsim.graph.moves import Firing
    from iamsim.graph.world import Node

_FEW = 4
"""How many times as much a closure must bring as the other holds, to be copied and not added fact by fact."""


@dataclass(slots=True)
class Absorbed:
    """The facts of the closure `source` as they stand for one who controls its start under the name `start`, that start aside.

    `group` are the nodes of which all was worked out, `rest` the others, `pending` the roles opened and not assumed,
    `rulers` the nodes that stand for their accounts. `costs` are those of the facts, by that of control of the start.
    `whole` is the name of the start if all was worked out that it gives, alone and with others.
    """

    source: Closure
    start: str
    how: dict[Fact, tuple[Firing, ...]]
    nodes: dict[str, Node]
    known: Known
    group: Group
    rest: tuple[str, ...]
    pending: tuple[str, ...]
    rulers: dict[object, str]
    whole: str | None
    costs: dict[int, dict[Fact, int]] = field(default_factory=dict)


def absorb(closure: Closure, other: Closure, name: str) -> None:
    """Adds the facts of `other`, whose start is the node `name` here."""
    made = _absorbed(other, name)
    at = closure.cost.get(name, 0)
    if "base" not in closure.done and len(made.how) >= _FEW * len(closure.how):
        _copy(closure, made, _costs(made, other, at))
    else:
        _add(closure, made, _costs(made, other, at))
    closure.done.update(made.rulers)
    closure.unsettled |= other.unsettled
    closure.count += 1


def _absorbed(other: Closure, name: str) -> Absorbed:
    key = ("absorbed as", name)
    found = other.done.get(key)
    if found is None:
        found = other.done[key] = _made(other, name)
    assert isinstance(found, Absorbed)
    return found


def _made(other: Closure, name: str) -> Absorbed:
    how = {
        fact: fired if name == START else tuple(_started(f, name) if START in f.callers else f for f in fired)
        for fact, fired in other.how.items()
        if fact not in (START, name)
    }
    nodes = {n: other.nodes[n] for n in how if isinstance(n, str)}
    known = Known(how, nodes)
    known.update()
    opened = left_open(other)  # what the sessions of these carry was left open there
    worked_out = frozenset(
        n
        for n in other.nodes
        if n not in BASE and n not in opened and other.local in (None, other.nodes[n].caller.account)
    )
    rulers: dict[object, str] = {
        key: name if ruler == START else ruler
        for key, ruler in (other.done.items() if other.local is None else ())
        if isinstance(key, tuple) and key[0] == "absorbed" and isinstance(ruler, str)
    }
    return Absorbed(
        other,
        name,
        how,
        nodes,
        known,
        Group(worked_out, known.changes()),
        tuple(n for n in nodes if n not in worked_out),
        tuple(r for r in known.opened if not any(f.technique == ASSUME for f in how.get(r, ()))),
        rulers,
        name if other.local is None and START not in opened else None,
    )


def _started(fired: Firing, name: str) -> Firing:
    """The firing where the start is the node `name`."""
    if not fired.others:
        return fired.by(fired.node or name)
    return replace(fired, node=fired.node or name, others=tuple((n, o or name) for n, o in fired.others))


def _costs(made: Absorbed, other: Closure, at: int) -> dict[Fact, int]:
    if at not in made.costs:
        made.costs[at] = {fact: other.cost.get(fact, 1) + at for fact in made.how}
    return made.costs[at]


def _copy(closure: Closure, made: Absorbed, costs: dict[Fact, int]) -> None:
    """Puts what the closure holds behind what it absorbs."""
    how = dict(made.how)
    for fact, fired in closure.how.items():
        more = made.how.get(fact, ())
        how[fact] = (*fired, *(f for f in more if f not in fired))
    nodes = made.nodes | closure.nodes
    cost = costs | closure.cost
    closure.how, closure.nodes, closure.cost = how, nodes, cost
    closure.index = made.known.beside(how, nodes)
    closure.done["base"] = closure.done["beneath"] = made
    closure.done["pending"] = (len(made.known.opened), list(made.pending))
    closure.done.pop("callers", None)  # was made in the order of the nodes before


def _add(closure: Closure, made: Absorbed, costs: dict[Fact, int]) -> None:
    for fact, fired in made.how.items():
        before = closure.how.get(fact, ())
        more = [f for f in fired if f not in before] if before else fired
        if more:
            closure.how[fact] = (*before, *more) if before else fired
        closure.cost.setdefault(fact, costs[fact])
        if isinstance(fact, str):
            closure.nodes.setdefault(fact, made.nodes[fact])
    groups: dict[str, list[Group]] = closure.done.setdefault("groups", {})  # type: ignore[assignment]
    for node in made.group.names:
        groups.setdefault(node, []).append(made.group)

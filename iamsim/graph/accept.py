"""How a firing becomes part of what is known: its gains with what they cost, if it is certain enough."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Kind
from iamsim.env.widest import TOO_MANY
from iamsim.graph.exact import exactly
from iamsim.graph.ruled import left_open
from iamsim.graph.state import START, Closure, Fact
from iamsim.graph.world import Node, choices

if TYPE_CHECKING:
    from iamsim.env.changes import Change
    from iamsim.graph.moves import Firing


def accept(closure: Closure, fired: Firing) -> None:
    """Adds what a firing gives, unless it is not certain where it must be."""
    if closure.sure and not fired.sure:
        return
    if fired.session and fired.node == START and closure.nodes[START].made:
        left_open(closure).add(START)
        return  # the sessions of an administrator of whom nothing more is known; decided where it is known
    if fired.session and fired.node:
        closure.done["of-sessions"] = True
        found = exactly(closure, fired)
        if found is None or not found[0]:
            fired, found = _retagged(closure, fired, found)
        if closure.nodes[START].made and (found is None or not found[0]):
            left_open(closure).add(fired.node)
            return
        if found is None or (closure.sure and not found[0]):
            return
        fired = replace(fired, sure=found[0] and fired.sure, reasons=found[1])
    cost = 1 + sum(closure.cost.get(n, 0) for n in fired.callers) + sum(closure.cost.get(c, 0) for c in fired.needs)
    for gain in fired.gains:
        fact: Fact = gain.name if isinstance(gain, Node) else gain
        if fact in (START, *fired.callers) or _avoided(closure, gain):
            continue
        known = closure.how.get(fact, ())
        if any(map(fired.is_use, known)):
            continue
        closure.how[fact] = (*known, fired)
        closure.count += 1
        closure.cost[fact] = min(cost, closure.cost.get(fact, cost))
        if isinstance(gain, Node) and fact not in closure.nodes:
            closure.nodes[gain.name] = gain


def _avoided(closure: Closure, gain: Change | Node) -> bool:
    avoided = closure.search.avoided
    return bool(avoided) and isinstance(gain, Node) and (gain.caller.parent or gain.caller.arn) in avoided


def _retagged(closure: Closure, fired: Firing, found: Exact) -> tuple[Firing, Exact]:
    """The firing with as few tags of the caller changed as possible with which some session makes it work; else as it was."""
    arn = closure.nodes[fired.node].caller.arn or ""
    mine = (c for c in closure.changes if c.kind is Kind.TAGS and c.who == arn and c not in fired.needs)
    sets, every = choices(sorted(mine))
    for some in sorted(sets, key=lambda s: (len(s), sorted(s))):
        other = replace(fired, needs=fired.needs | some)
        better = exactly(closure, other) if some else None
        if better is not None and better[0]:
            return other, better
    if not every:
        closure.unsettled.add(TOO_MANY)
    return fired, found


Exact = tuple[bool, tuple[str, ...]] | None

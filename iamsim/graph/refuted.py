"""The refutation of one node: the request by it, after all changes that help, in the form that a core can be made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.graph.exact import verdict_of
from iamsim.graph.goals import request_of
from iamsim.graph.world import worlds
from iamsim.ir.term import FALSE

if TYPE_CHECKING:
    from iamsim.graph.state import Closure
    from iamsim.graph.world import Node
    from iamsim.judge.candidates import Target
    from iamsim.judge.judge import Found

_TARGETS = 20


def refuted(closure: Closure, node: Node, targets: tuple[Target, ...]) -> tuple[Found, bool]:
    """The node's request where it fares best, and whether some context would allow it there (then what refutes it is that no
    session of the node can be had in which it would).
    """
    first: Found | None = None
    for target in targets[:_TARGETS]:
        arn = node.caller.arn or ""
        about = (arn, target.resource) if target.resource and ":iam:" in target.resource else (arn,)
        changes = closure.relevant_to(node, *about)
        for env in worlds(closure.search.env, changes, about):
            found = request_of(closure, node, target, env)
            if found.term is not FALSE and verdict_of(closure, found.term, (found.check.facts,)) is not None:
                return found, True
            first = first or found
    assert first is not None
    return first, False

"""Whom policies of the resources of a question grant the request, as they stand and once rewritten; and how far to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.env.resource_policy import policy_holder, whole_of
from iamsim.graph.abroad import granted_abroad

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.graph.state import Closure, Fact
    from iamsim.judge.candidates import Target


@dataclass(slots=True)
class Bounds:
    """How far what is still looked for may be: the steps of the best way that was found, without detours and with them (`far`);
    None as long as there is none.
    """

    steps: int | None = None
    far: int | None = None

    def beyond(self, depth: int, change: int) -> bool:
        """Whether a node, or a change that it needs, is too deep."""
        return (self.far is not None and depth >= self.far) or (self.steps is not None and change >= self.steps)


def may_be_rewritten(closure: Closure, target: Target) -> bool:
    """Whether some change is about the resource, or its policy is not the loaded one."""
    holder = policy_holder(closure.search.env, target.resource) if target.resource is not None else None
    return target.holder not in (None, holder) or not _about(closure, target).isdisjoint(closure.known.by_who)


def _about(closure: Closure, target: Target) -> frozenset[str]:
    """The ARNs of the resource and of the one whose policy governs it."""
    if target.resource is None:
        return frozenset()
    holder = policy_holder(closure.search.env, target.resource)
    return frozenset({target.resource, holder.arn if holder is not None else whole_of(target.resource)})


def granted_at_once(
    closure: Closure, targets: tuple[Target, ...], depth: Mapping[Fact, int]
) -> tuple[frozenset[str | None] | None, int]:
    """The accounts whose users and roles may be allowed the request by policies of resources as they stand, None if perhaps any;
    and the depth of the first change to one of these.
    """
    changes = [c for t in targets for arn in _about(closure, t) for c in closure.known.by_who.get(arn, ())]
    return granted_to(closure, targets, as_loaded=True), min((depth.get(c, 0) for c in changes), default=0)


def granted_to(
    closure: Closure, targets: tuple[Target, ...], *, as_loaded: bool = False
) -> frozenset[str | None] | None:
    """The accounts whose users and roles the request may be allowed as far as policies of resources tell, which may be rewritten
    unless they count `as_loaded`; None: perhaps any.
    """
    search, out = closure.search, set[str | None]()
    for t in targets:
        found = granted_abroad(search.env, t.resource, search.action.lower(), search.ask.missing)
        if as_loaded and found is None and t.resource is not None and policy_holder(search.env, t.resource) is None:
            found = frozenset()  # what no input lists certainly grants nothing
        if found is None or t.owner is None or (not as_loaded and may_be_rewritten(closure, t)):
            return None
        out |= {t.owner, *found}
    return frozenset(out)

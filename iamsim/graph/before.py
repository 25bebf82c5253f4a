"""What must hold before a technique is used: its preconditions together, worked out once for what they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.preconditions import holds
from iamsim.ir.bounds import may, reasons
from iamsim.ir.term import FALSE, TRUE, strip, variables
from iamsim.judge.check import closed
from iamsim.judge.outlook import outlook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.aws.escalations import Variant
    from iamsim.env.facts import Facts
    from iamsim.env.types import Environment
    from iamsim.graph.preconditions import Held
    from iamsim.graph.world import Node, Search
    from iamsim.ir.term import Term


@dataclass(frozen=True, slots=True)
class Before:
    """All preconditions of a variant in one case: when they hold, the contexts of their checks, and what was assumed.

    `held` are the preconditions one by one.
    """

    terms: tuple[Term, ...]
    facts: tuple[Facts, ...]
    assumed: tuple[str, ...]
    held: tuple[Held, ...]


def held_before(
    search: Search, env: Environment, node: Node, variant: Variant, bound: Mapping[str, str]
) -> Before | None:
    """The preconditions of the variant, or None if one of them certainly does not hold; worked out once for what they are about.

    Of who uses the variant they read the kind, the account and, where a version of a policy must go, the name.
    """
    caller, ask = node.caller, search.ask
    own = (caller.parent, caller.arn) if any(c.fact == _SLOT for c in variant.preconditions) else None
    around = (caller.kind, caller.account, caller.partition, own, ask.missing, ask.ever, search.ruling)
    key = ("before", id(variant), id(search.catalogue), around)
    made = once(env.memo, key, _none_before, variant, search.catalogue)[0]
    about = tuple([bound.get(name) for name in variant.asked])
    return once(made, about, _held_before, search, env, node, variant, bound)


_SLOT = "policy-version-slot-free"


def _none_before(*kept: object) -> tuple[dict[object, Before | None], object]:
    return {}, kept  # what is kept keeps its id


def _held_before(
    search: Search, env: Environment, node: Node, variant: Variant, bound: Mapping[str, str]
) -> Before | None:
    every: list[Held] = []
    for condition in variant.preconditions:
        held = holds(search, env, node, condition, bound, variant.calls)
        if held.term is FALSE or may(held.term) is FALSE:
            return None
        every.append(held)
    facts, terms = tuple(c.facts for h in every for c in h.checks), tuple(h.term for h in every)
    return Before(terms, facts, tuple(h.assumed for h in every if h.assumed), tuple(every))


def told_before(search: Search, env: Environment, before: Before) -> object:
    """What of the preconditions decides whether a variant works: names of statements are left out, and of what nothing else can
    bear on there is only whether it can hold. Worked out once.
    """
    return once(env.memo, ("told-before", id(before)), _told_before, search, env, before)[0]


def _told_before(search: Search, env: Environment, before: Before) -> tuple[object, Before]:
    some = (h for h in before.held if h.term is not TRUE)
    return tuple((_told(search, env, h, before.held), reasons(h.term)) for h in some), before  # kept, so its id stays


def _told(search: Search, env: Environment, held: Held, every: tuple[Held, ...]) -> object:
    """What decides whether a precondition and all else can hold together: whether it can, where it reads nothing but what comes
    with its own request, which no call and no other precondition reads; else the term.
    """
    facts = tuple(c.facts for c in held.checks)
    hops = {f.hop for f in facts}
    if len(hops) == 1 and not any(c.facts.hop in hops for h in every if h is not held for c in h.checks):
        hop = hops.pop()
        if all(v.startswith(hop) for v in variables(closed(held.term, facts))):
            return outlook(held.term, facts, search.ask.limits, env.memo)
    return strip(held.term)

"""Existing resources that their own policies open to a controlled principal, in its account or in another, made to work for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.resource_policy import owner_of
from iamsim.env.types import PrincipalKind
from iamsim.graph.calls import Wanted, check_in, told_keys
from iamsim.graph.moves import fire, techniques_of
from iamsim.graph.names import of_account, trusting
from iamsim.graph.outcomes import node_of
from iamsim.graph.reach import fires_within_reach
from iamsim.graph.sources import filled
from iamsim.graph.state import SIGNED, Closure, loaded
from iamsim.graph.world import Node, relevant, worlds
from iamsim.ir.bounds import may
from iamsim.ir.term import FALSE
from iamsim.model.pattern import match, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.aws.escalations import Technique, Variant
    from iamsim.env.changes import Change
    from iamsim.env.types import Environment
    from iamsim.graph.moves import Firing
    from iamsim.graph.world import Search

_HELD = "$held-"
Use = tuple["Technique", int, str, str]
"""A technique, the number of a variant, the name of its resource, and the ARN of a resource of that type with a policy."""


def opened(closure: Closure) -> Iterator[Firing]:
    """The techniques whose calls are all on one existing resource that has a policy, for roles that are not controlled yet."""
    search = closure.search
    uses = once(search.env.memo, (id(search.catalogue), "opened"), _uses, search)[0]
    for technique, number, name, arn in uses:
        owner = owner_of(search.env, arn, None)
        variant = technique.variants[number]
        for role in _roles(search, variant, owner) if owner else ():
            gain = node_of(search.env, role, technique.outcome.reach, technique.outcome.only)
            if role in closure.nodes or any(f.sure >= closure.sure for f in closure.how.get(gain.name, ())):
                continue
            for node in list(closure.nodes.values()):
                if not closure.follows(node.name) or node.caller.kind not in SIGNED or not loaded(closure, node):
                    continue
                bound = {name: arn, "$target-role": role, "$self": node.caller.parent or node.caller.arn or ""}
                about = relevant(search.env, closure.changes, (node.caller.arn or "", role, arn))
                key = ("opened", node.name, technique.id, number, arn, role, about)
                if key in closure.done:
                    continue
                closure.done[key] = True
                if _plausible(closure, node, technique, variant, arn, about):
                    fired = fire(search, node, technique, number, bound, closure.changes, (gain,))
                    if fired is not None:
                        yield fired
                        if fired.sure and not fired.session:
                            break


def _uses(search: Search) -> tuple[list[Use], object]:
    out: list[Use] = []
    env = search.env
    with_policy = [a for a, r in env.resources.items() if r.policy is not None and "$" not in a]
    for technique in techniques_of(search, ("becomes",)) if with_policy else ():
        for number, variant in enumerate(technique.variants):
            names = {r for c in variant.calls for r in c.resources}
            if len(names) != 1 or technique.outcome.get("who") != "$target-role":
                continue
            (name,) = names
            template = search.catalogue.resource_types.get(name.removeprefix(_HELD)) if name.startswith(_HELD) else None
            if template is not None:
                pattern = tokenize(filled(template, "*", "*"), variables=False)
                out += [(technique, number, name, a) for a in sorted(with_policy) if match(pattern, a)]
    return out, search.catalogue


def _roles(search: Search, variant: Variant, account: str | None) -> tuple[str, ...]:
    """The roles of the account as which the resource may run."""
    for condition in variant.preconditions:
        if condition.fact == "role-trusts-service" and condition.get("role") == "$target-role":
            return trusting(search.env, account, condition.get("service"))
    return of_account(search.env, PrincipalKind.ROLE, account)


def _plausible(
    closure: Closure, node: Node, technique: Technique, variant: Variant, arn: str, about: frozenset[Change]
) -> bool:
    """False only if some call on the resource is never allowed to the node."""
    search = closure.search
    if not fires_within_reach(node, tuple(c.action for c in variant.calls)):
        return False
    among = worlds(search.env, about, (node.caller.arn or "", arn))
    return all(
        any(_allowed(search, env, node, Wanted(c.action, arn, told_keys(technique, c, arn, env))) for env in among)
        for c in variant.calls
    )


def _allowed(search: Search, env: Environment, node: Node, wanted: Wanted) -> bool:
    allowed = check_in(search, env, node, wanted).authorization.allowed
    return allowed is not FALSE and may(allowed) is not FALSE

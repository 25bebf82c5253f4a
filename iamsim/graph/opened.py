"""Existing resources that their own policies open to a controlled principal, in its account or in another, made to work for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.resource_policy import owner_of
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.graph.calls import Wanted, check_in, told_keys
from iamsim.graph.means import techniques_of
from iamsim.graph.moves import fire
from iamsim.graph.names import of_account, trusting
from iamsim.graph.outcomes import node_of
from iamsim.graph.reach import fires_within_reach
from iamsim.graph.sources import filled
from iamsim.graph.state import SIGNED, Closure, loaded
from iamsim.graph.world import Node, worlds
from iamsim.ir.bounds import may
from iamsim.ir.lower import action_term
from iamsim.ir.term import FALSE
from iamsim.model.arn import parse_arn
from iamsim.model.pattern import match, tokenize
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.aws.escalations import Technique, Variant
    from iamsim.env.changes import Change
    from iamsim.env.types import Environment
    from iamsim.graph.moves import Firing
    from iamsim.graph.world import Search
    from iamsim.model.policy import Policy

_HELD = "$held-"


@dataclass(frozen=True, slots=True)
class Use:
    """A variant of a technique whose calls are all on one resource, `name`, and a resource `arn` of that type with a policy.

    `who` are the accounts and the ARNs that Allow statements on these calls name, `*` for anyone.
    """

    technique: Technique
    number: int
    name: str
    arn: str
    owner: str
    who: frozenset[str]


def opened(closure: Closure) -> Iterator[Firing]:
    """The techniques whose calls are all on one existing resource that has a policy, for roles that are not controlled yet."""
    search = closure.search
    for use in uses_of(search):
        gains = [
            g for g in _gains(closure, use) if not any(f.sure >= closure.sure for f in closure.how.get(g.name, ()))
        ]
        for node in list(closure.nodes.values()) if gains else ():
            if not closure.follows(node.name) or node.caller.kind not in SIGNED or not loaded(closure, node):
                continue
            about = closure.relevant_to(node, node.caller.arn or "", use.arn)
            key = ("opened", node.name, use.technique.id, use.number, use.arn, about)
            if key in closure.done or not _named(node, use):
                continue
            closure.done[key] = True
            if _plausible(closure, node, use, about):
                for gain in gains:
                    bound = {use.name: use.arn, "$target-role": gain.caller.arn or "",
                             "$self": node.caller.parent or node.caller.arn or ""}  # fmt: skip
                    fired = fire(search, node, use.technique, use.number, bound, closure.changes, (gain,))
                    if fired is not None:
                        yield fired


def _gains(closure: Closure, use: Use) -> list[Node]:
    """The roles that are not held yet and as which the resource may run."""
    env, outcome = closure.search.env, use.technique.outcome
    roles = _roles(closure.search, use.technique.variants[use.number], use.owner)
    return [node_of(env, r, outcome.reach, outcome.only) for r in roles if r not in closure.nodes]


def _named(node: Node, use: Use) -> bool:
    return bool(use.who & {"*", node.caller.account, node.caller.arn, node.caller.parent})


def uses_of(search: Search) -> list[Use]:
    """The variants that an existing resource may be open to, by its policy."""
    return once(search.env.memo, (id(search.catalogue), "opened"), _uses, search)[0]


def _uses(search: Search) -> tuple[list[Use], object]:
    out: list[Use] = []
    with_policy = [(a, r.policy) for a, r in sorted(search.env.resources.items()) if r.policy is not None]
    for technique in techniques_of(search, ("becomes",)) if with_policy else ():
        for number, variant in enumerate(technique.variants):
            names = {r for c in variant.calls for r in c.resources}
            if len(names) != 1 or technique.outcome.get("who") != "$target-role":
                continue
            (name,) = names
            template = search.catalogue.resource_types.get(name.removeprefix(_HELD)) if name.startswith(_HELD) else None
            pattern = tokenize(filled(template, "*", "*"), variables=False) if template is not None else None
            for arn, policy in with_policy:
                if pattern is not None and match(pattern, arn):
                    who = frozenset(_who(policy, variant.actions))
                    owner = owner_of(search.env, arn, None)
                    if who and owner:
                        out.append(Use(technique, number, name, arn, owner, who))
    return out, search.catalogue


def _who(policy: Policy | MissingPolicy, actions: frozenset[str]) -> Iterator[str]:
    """The accounts and ARNs that the Allow statements on some of the actions name; `*` where that may be anyone."""
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        yield "*"
        return
    for s in policy.statements:
        spoken = (
            s.malformed is not None or s.action is None or any(action_term(s.action, a) is not FALSE for a in actions)
        )
        if s.effect is Effect.DENY or not spoken:
            continue
        for e in s.principal.entries if s.principal is not None and not s.principal.negated else (None,):
            if e is None or isinstance(e, Malformed) or e.value == "*":
                yield "*"
            elif e.type == "AWS":
                parsed = parse_arn(e.value)
                yield e.value if parsed is None or parsed.resource != "root" else parsed.account
                if parsed is not None and parsed.service == "sts":
                    yield f"arn:{parsed.partition}:iam::{parsed.account}:role/{parsed.resource.split('/')[1]}"


def _roles(search: Search, variant: Variant, account: str | None) -> tuple[str, ...]:
    """The roles of the account as which the resource may run."""
    for condition in variant.preconditions:
        if condition.fact == "role-trusts-service" and condition.get("role") == "$target-role":
            return trusting(search.env, account, condition.get("service"))
    return of_account(search.env, PrincipalKind.ROLE, account)


def _plausible(closure: Closure, node: Node, use: Use, about: frozenset[Change]) -> bool:
    """False only if some call on the resource is never allowed to the node."""
    search, variant = closure.search, use.technique.variants[use.number]
    if not fires_within_reach(node, tuple(c.action for c in variant.calls)):
        return False
    among = worlds(search.env, about, (node.caller.arn or "", use.arn))
    asked = [Wanted(c.action, use.arn, told_keys(use.technique, c, use.arn, search.env)) for c in variant.calls]
    return all(any(_allowed(search, env, node, wanted) for env in among) for wanted in asked)


def _allowed(search: Search, env: Environment, node: Node, wanted: Wanted) -> bool:
    allowed = check_in(search, env, node, wanted).authorization.allowed
    return allowed is not FALSE and may(allowed) is not FALSE

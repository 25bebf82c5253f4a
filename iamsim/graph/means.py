"""What a principal has the means for: the techniques of the catalogue whose calls its identity policies may allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.aws.resource_policies import may_meet_policy
from iamsim.env.applicable import task_policy_at
from iamsim.env.hits import slice_policy
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.graph.permitted import actions_of, matching, not_refused, one, permitted
from iamsim.graph.service_roles import ACROSS, across
from iamsim.ir.lower import resource_term
from iamsim.ir.term import FALSE, TRUE
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.policy import Effect

if TYPE_CHECKING:
    from iamsim.aws.escalations import Technique, Variant
    from iamsim.env.hits import Row
    from iamsim.env.types import Environment
    from iamsim.graph.world import Node, Search
    from iamsim.model.policy import Policy

NODES = ("becomes", "gains-root-task")
"""Types of outcomes that give a caller who is there."""

UNBLOCKS = "lifts-public-access-block"
TAKEOVERS = ("rewrites-resource-policy", "gains-resource-actions", UNBLOCKS)
"""Types of outcomes that change the policy of a resource, or what keeps it from being in force."""

LATE = (*NODES, *TAKEOVERS, "sets-tags")
"""Types of outcomes that are no changes to policies of users and roles, or are looked for when all else is known."""


def techniques_of(search: Search, types: tuple[str, ...] | None, *, leave: tuple[str, ...] = ()) -> list[Technique]:
    """The techniques and primitives with outcomes of these types (None: all but `leave`); composed ones are their parts."""
    key = (id(search.catalogue), "techniques", types, leave)
    found: tuple[list[Technique], object] | None = search.env.memo.get(key)
    if found is None:
        every = (*search.catalogue.techniques.values(), *search.catalogue.primitives.values())
        wanted = types is not None and set(types) <= set(ENDS)
        ends = {t.id for t in ending(search)}
        fitting = [
            t
            for t in every
            if not t.composed_of
            and t.id != "sts-assume-role"
            and (wanted or (t.id not in ends and t.outcome.type not in ENDS))
            and (t.outcome.type in types if types is not None else t.outcome.type not in leave)
        ]
        # what the id belongs to is kept, so that it stays its own
        found = search.env.memo[key] = (fitting, search.catalogue)
    return found[0]


FEDERATES, LABELS = "federates", "tags-resource"
ENDS = (FEDERATES, LABELS)
"""Types of outcomes that are of use for the request alone."""


def ending(search: Search) -> list[Technique]:
    """The techniques whose gain is control for actions that no technique calls: nothing but the request rests on them."""
    return once(search.env.memo, (id(search.catalogue), "ending"), _ending, search)[0]


def _ending(search: Search) -> tuple[list[Technique], object]:
    every = (*search.catalogue.techniques.values(), *search.catalogue.primitives.values())
    called = actions_of(search.env, search.catalogue)
    only = [t for t in every if t.outcome.type not in ENDS and t.outcome.reach == "only"]
    return [t for t in only if not any(matching(a.lower(), called) for a in t.outcome.only)], search.catalogue


def may_do(search: Search, env: Environment, node: Node) -> frozenset[str]:
    """The actions of the catalogue, in lower case, that identity policies of the node, or its task policy, may allow."""
    return may_do_of(search, env, node, actions_of(search.env, search.catalogue))


def may_do_of(search: Search, env: Environment, node: Node, every: frozenset[str]) -> frozenset[str]:
    """Those of some actions (lower case; a set that is kept) that identity policies of the node, or its task policy, may allow."""
    caller = node.caller
    if caller.kind is CallerKind.ROOT:
        task = caller.task_policy
        return every if task is None else once(env.memo, ("may-do", task, id(every)), _of_task, env, task, every)[0]
    name = caller.parent or caller.arn or ""
    key = ("may-do", name, id(every), caller.kind, search.ask.missing)
    return once(env.memo, key, _may_do, search, env, caller, every)[0]


def _may_do(
    search: Search, env: Environment, caller: Caller, every: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    return one(_allowed(search, env, caller, every)), every  # kept, so that its id stays its own


def _of_task(env: Environment, task: str, every: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    policy = task_policy_at(env, task)
    return (every if policy is None or policy.malformed is not None else not_refused(policy, every)), every


def _allowed(search: Search, env: Environment, caller: Caller, every: frozenset[str]) -> frozenset[str]:
    principal = env.principals.get(caller.parent or caller.arn or "")
    if principal is None:
        unread = search.ask.missing != "closed" and caller.kind in (CallerKind.USER, CallerKind.ROLE_SESSION)
        return every if unread else frozenset()
    policies = list(principal.policies)
    for name in principal.groups:
        group = env.groups.get(name)
        policies += group.policies if group is not None else (MissingPolicy(name, principal.origin),)
    return permitted(env, policies, every)


def means_of(search: Search, among: tuple[Environment, ...], node: Node) -> frozenset[str]:
    """The actions of the catalogue that identity policies of the node may allow, and its boundary, in one of the environments."""
    if len(among) == 1:
        return _within_bounds(search, among[0], node)
    return frozenset[str]().union(*(_within_bounds(search, env, node) for env in among))


def _within_bounds(search: Search, env: Environment, node: Node) -> frozenset[str]:
    able, name = may_do(search, env, node), node.caller.parent or node.caller.arn or ""
    principal = env.principals.get(name)
    boundary = principal.boundary if principal is not None else None
    if boundary is None or isinstance(boundary, MissingPolicy) or boundary.malformed is not None:
        return able
    key = ("may-do", name, "bounded", id(able))
    return once(env.memo, key, _bounded, env, boundary, able, actions_of(env, search.catalogue))[0]


def _bounded(
    env: Environment, boundary: Policy, able: frozenset[str], every: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """What of `able` the boundary may allow: no policy of a resource can where none has a say."""
    within = permitted(env, (boundary,), every)
    left = frozenset(a for a in able if a in within or may_meet_policy(a))
    return one(not_refused(boundary, left)), able  # kept, so that its id stays its own


def within_means(
    search: Search, types: tuple[str, ...] | None, means: frozenset[str], *, leave: tuple[str, ...] = ()
) -> list[Technique]:
    """The `techniques_of` these types of which some variant calls nothing but what is in `means`; without those
    that are about roles of all accounts (`ACROSS`) of which none is loaded.
    """
    key = (id(search.catalogue), "within", types, leave, means)
    return once(search.env.memo, key, _within_means, search, types, means, leave)[0]


def _within_means(
    search: Search, types: tuple[str, ...] | None, means: frozenset[str], leave: tuple[str, ...]
) -> tuple[list[Technique], object]:
    every = techniques_of(search, types, leave=leave)
    none = {f for f in ACROSS if not across(search.env, f)}
    every = [t for t in every if not all(across_accounts(v) & none for v in t.variants)]
    return [t for t in every if any(v.calls and means.issuperset(v.actions) for v in t.variants)], search.catalogue


def of_organizations(variant: Variant) -> bool:
    """Whether only an account that acts for its organization can use the variant."""
    return any(c.fact == "caller-in" and c.get("where") != "a member account" for c in variant.preconditions)


def across_accounts(variant: Variant) -> set[str]:
    """The preconditions of the variant that are about roles of all accounts."""
    return {c.fact for c in variant.preconditions if c.fact in ACROSS}


def plausible(env: Environment, node: Node, action: str, resource: str | None) -> bool:
    """False only if no identity policy of the node can allow `action` on the resource (an ARN; None: on anything), or its task
    policy refuses it.
    """
    caller = node.caller
    if caller.kind is CallerKind.ROOT:
        return resource is None or not _task_refuses(env, caller, action, resource)
    principal = env.principals.get(caller.parent or caller.arn or "")
    if principal is None:
        return True
    policies = list(principal.policies)
    for name in principal.groups:
        group = env.groups.get(name)
        if group is None:
            return True
        policies += group.policies
    return any(_may_allow(env, p, action, resource) for p in policies)


def _task_refuses(env: Environment, caller: Caller, action: str, resource: str) -> bool:
    """True only if the task policy of the root session denies the call on the resource without condition."""
    policy = task_policy_at(env, caller.task_policy) if caller.task_policy is not None else None
    if policy is None or policy.malformed is not None:
        return False
    service = action.partition(":")[0]
    return any(
        r.statement.effect is Effect.DENY
        and r.action is TRUE
        and r.conditions is TRUE
        and (
            r.statement.resource is None or resource_term(r.statement.resource, policy.kind, resource, service) is TRUE
        )
        for r in rows_on(env, action, policy)
    )


def _may_allow(env: Environment, policy: object, action: str, resource: str | None) -> bool:
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:  # type: ignore[attr-defined]
        return True
    service = action.partition(":")[0]
    for row in rows_on(env, action, policy):  # type: ignore[arg-type]
        statement = row.statement
        if statement.effect is Effect.DENY:
            continue
        if statement.resource is None or row.certain is not None or resource is None:
            return True
        if resource_term(statement.resource, row.policy.kind, resource, service) is not FALSE:
            return True
    return False


def rows_on(env: Environment, action: str, policy: Policy) -> tuple[Row, ...]:
    """The statements of a policy that may speak of the action (lower case)."""
    return slice_policy(_About(env, action), policy)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _About:
    env: Environment
    action: str

"""All policies of an environment, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.model.arn import parse_arn
from iamsim.model.policy import Effect, Malformed, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy


def every_policy(env: Environment) -> tuple[Policy, ...]:
    """All policies of the environment that could be read, each document once: also those that may yet be attached."""
    return once(env.memo, "every-policy", lambda: tuple(_every(env)))


def _every(env: Environment) -> Iterator[Policy]:
    seen: set[int] = set()
    many: list[Policy | MissingPolicy | None] = []
    for p in env.principals.values():
        many += [*p.policies, p.boundary, p.trust]
    for g in env.groups.values():
        many += g.policies
    many += [*env.managed_policies.values(), *(v.policy for stored in env.versions.values() for v in stored)]
    many += [r.policy for r in env.resources.values()]
    for o in env.organizations:
        stack = [o.root]
        while stack:
            node = stack.pop()
            many += [*node.scps, *node.rcps]
            stack += node.children
    for policy in many:
        if policy is None or isinstance(policy, MissingPolicy) or id(policy.statements) in seen:
            continue
        seen.add(id(policy.statements))
        yield policy


def open_to_all(env: Environment) -> bool:
    """Whether the policy of some resource or role allows something to everyone, or to a user or role of a loaded account that
    does not exist, so that a new principal counts that has no policies.

    Source: IAM User Guide, "Policy evaluation logic", resource-based policies within one account.
    """
    return once(env.memo, "open-to-all", lambda: any(_names_everyone(env, p) for p in every_policy(env)))


def _names_everyone(env: Environment, policy: Policy) -> bool:
    if policy.kind is PolicyKind.RCP:
        return False
    return any(
        isinstance(e, Malformed) or e.value == "*" or _is_missing(env, e.value)
        for s in policy.statements
        if s.effect is not Effect.DENY and s.principal is not None
        for e in s.principal.entries
    )


def _is_missing(env: Environment, name: str) -> bool:
    arn = parse_arn(name)
    if arn is None or arn.account not in env.accounts:
        return False
    kind, _, rest = arn.resource.partition("/")
    if kind == "assumed-role":
        return (arn.account, rest.partition("/")[0]) not in once(env.memo, "role-names", _role_names, env)
    return kind in ("user", "role") and str(arn) not in env.principals


def _role_names(env: Environment) -> frozenset[tuple[str, str]]:
    return frozenset((p.account, p.name) for p in env.principals.values() if p.kind is PrincipalKind.ROLE)

"""All policies of an environment, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.types import MissingPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy


def every_policy(env: Environment) -> Iterator[Policy]:
    """All policies of the environment that could be read, each document once."""
    seen: set[int] = set()
    many: list[Policy | MissingPolicy | None] = []
    for p in env.principals.values():
        many += [*p.policies, p.boundary, p.trust]
    for g in env.groups.values():
        many += g.policies
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

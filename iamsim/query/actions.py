"""Which of many actions are worth a check: those of which some Allow statement speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.facts import principal_at
from iamsim.env.granted import granted_actions, has_action
from iamsim.env.types import MissingPolicy
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy

_FEW = 40


def possible_actions(env: Environment, caller: Caller, actions: tuple[str, ...]) -> tuple[str, ...]:
    """The actions of `actions` that some Allow of the caller's identity policies or of a resource policy may grant.

    A superset, and at least one: the first stands for all that nothing grants. Few actions are returned as they are.
    """
    if len(actions) <= _FEW or caller.kind is CallerKind.ROOT:
        return actions
    arn = caller.parent if caller.kind is CallerKind.FEDERATED_USER else caller.arn
    principal = principal_at(env, arn) if arn else None
    if caller.kind in (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.FEDERATED_USER) and principal is None:
        return actions
    policies: list[Policy | MissingPolicy | None] = list(principal.policies) if principal is not None else []
    for name in principal.groups if principal is not None else ():
        group = env.groups.get(name)
        policies += group.policies if group is not None else (MissingPolicy(name, principal.origin),)  # type: ignore[union-attr]
    policies += [r.policy for r in env.resources.values()]
    policies += [p.trust for p in env.principals.values()]
    bits = granted_actions(policies)
    kept = tuple(a for a in actions if has_action(bits, a.lower()))
    return kept or actions[:1]

"""Which changes may cost something: what was allowed before may be refused once they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind, denies
from iamsim.env.organization import below
from iamsim.env.types import MissingPolicy
from iamsim.env.versions import managed_policy_of
from iamsim.model.policy import Effect

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy


def may_cost(env: Environment, change: Change) -> bool:
    """True iff a request may also fare worse after the change, so that it counts whether it was made before."""
    match change.kind:
        case Kind.TAGS:
            return not change.what.endswith("=*")
        case Kind.SWITCHES | Kind.LEAVES | Kind.LABELS | Kind.MOVED | Kind.LEFT:
            return True
        case Kind.UNGUARDED:
            return not change.what
        case Kind.BOUNDARY:
            return bool(change.what)
        case Kind.GAINS:
            return denies(managed_policy_of(env, change.what))
        case Kind.JOINS:
            group = env.groups.get(change.what)
            return group is None or any(denies(p) for p in group.policies)
        case Kind.DROPS:
            carrier = env.principals.get(change.who) or env.groups.get(change.who)
            policies = () if carrier is None else carrier.policies
            return any(_allows(p) for p in policies if change.what in (p.arn, f"inline/{getattr(p, 'name', '')}"))
        case Kind.LIFTED:
            return change.who != "*" and _lets_pass(env, change.what)
        case _:
            return False


def _lets_pass(env: Environment, arn: str) -> bool:
    """Whether the SCP or RCP, of which also the effect on what passes counts, holds more than denies."""
    for organization in env.organizations:
        for node in below(organization.root):
            for policy in node.scps:
                if policy.arn == arn:
                    return _allows(policy)
    return False


def _allows(policy: Policy | MissingPolicy) -> bool:
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return True
    return any(s.effect is not Effect.DENY for s in policy.statements)

"""From which accounts a resource can be used: nobody of another account is allowed anything that its policy does not grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.resource_policies import has_resource_policy
from iamsim.env.memo import once
from iamsim.env.resource_policy import policy_holder
from iamsim.graph.apart import is_about, speaking
from iamsim.model.arn import parse_arn
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.model.policy import PrincipalMatch

_BY_OTHER_RULES = ("organizations:", "sts:", "sso:", "sso-directory:", "identitystore:", "elasticfilesystem:client")
"""Actions that some rule may allow to callers of other accounts without a resource policy."""


def granted_abroad(env: Environment, resource: str | None, action: str, missing: str) -> frozenset[str] | None:
    """The accounts beside that of its owner to whose users and roles the policy of a resource may allow the action (lower case),
    whatever their own policies say; None: perhaps any.

    Source: IAM User Guide, "Cross-account policy evaluation logic".
    """
    if resource in (None, "*") or missing == "strict" or action.startswith(_BY_OTHER_RULES):
        return None
    return once(env.memo, ("abroad", resource, action), _granted, env, resource, action)


def _granted(env: Environment, resource: str, action: str) -> frozenset[str] | None:
    holder = policy_holder(env, resource)
    if holder is None:
        return None if has_resource_policy(resource, action) else frozenset()
    if holder.policy is None or holder.kms_grants:
        return None
    out: set[str] = set()
    for statement in speaking(holder.policy, frozenset({action})):
        if statement is None or statement.malformed is not None:
            return None
        if statement.effect is Effect.DENY or not is_about(statement, resource, action):
            continue
        named = _accounts(statement.principal) if statement.principal is not None else None
        if named is None:
            return None
        out |= named
    return frozenset(out)


def _accounts(who: PrincipalMatch) -> set[str] | None:
    """The accounts of the users and roles that a Principal element may name; None: perhaps any."""
    if who.negated:
        return None
    out: set[str] = set()
    for entry in who.entries:
        if isinstance(entry, Malformed) or entry.type not in ("AWS", "Service"):
            return None
        if entry.type == "Service":
            continue
        arn = parse_arn(entry.value)
        account = entry.value if arn is None else arn.account
        if not (len(account) == _ID and account.isdigit()):
            return None
        out.add(account)
    return out


_ID = 12
"""The digits of an account's id."""

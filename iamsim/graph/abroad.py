"""Requests across accounts: both the policy of the resource and those of who makes them have to allow them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.resource_policies import has_resource_policy
from iamsim.env.memo import once
from iamsim.env.resource_policy import policy_holder
from iamsim.graph.apart import is_about, speaking
from iamsim.model.arn import is_account_id, parse_arn
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from iamsim.env.types import Environment, MissingPolicy
    from iamsim.model.policy import Policy, PrincipalMatch

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


def unspoken(env: Environment, arn: str, action: str, about: tuple[str | None, str | None], missing: str) -> bool:
    """True only if the user or role `arn` cannot be allowed the action (lower case) on a resource, `about` being its ARN and
    its owner: none of the user's or role's own policies grants it, nor does that of the resource to its account.

    Source: IAM User Guide, "Cross-account policy evaluation logic" and "Policy evaluation for requests within a single account".
    """
    (resource, owner), principal = about, env.principals.get(arn)
    if principal is None or resource in (None, "*") or owner is None or not owner.isdigit() or missing == "strict":
        return False
    groups = [env.groups.get(g) for g in principal.groups]
    if None in groups or action.startswith((*_BY_OTHER_RULES, "kms:")):
        return False
    if owner == principal.account:
        granted = granted_abroad(env, resource, action, missing)
        if granted is None or owner in granted:
            return False
    joined = (p for g in groups if g is not None for p in g.policies)
    return not any(
        once(env.memo, (id(p), "may-allow", action, resource), _may_allow, p, action, resource)[0]
        for p in (*principal.policies, *joined)
    )


def _may_allow(policy: Policy | MissingPolicy, action: str, resource: str) -> tuple[bool, object]:
    """Whether some statement of a policy may allow the action on the resource; with the policy, so that its id stays its own."""
    said = speaking(policy, frozenset({action}))
    return any(s is None or (s.effect is not Effect.DENY and is_about(s, resource, action)) for s in said), policy


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
        if not is_account_id(account):
            return None
        out.add(account)
    return out

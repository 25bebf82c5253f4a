"""Roles of accounts that no input holds, as far as policies name them: what a path through them does is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.diagnostics import Origin
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy, Principal, PrincipalKind
from iamsim.model.arn import is_account_id, parse_arn
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy

SOME = "some-role-of-this-account"
"""The name of the role that stands for any role of an account that a policy trusts as a whole."""


def outside_roles(env: Environment, missing: str) -> dict[str, Principal]:
    """The roles, by ARN, that Allow statements of trust and resource policies name and that no input holds.

    An account that is trusted as a whole gives one role that stands for all of its roles. With `closed` there are none:
    then the snapshot is all there is.
    """
    if missing == "closed":
        return {}
    return once(env.memo, "outside", lambda: {r.arn: r for r in _roles(env)})


def role_at(env: Environment, arn: str) -> Principal:
    """The role with this ARN, loaded or outside."""
    role = env.principals.get(arn)
    return role if role is not None else outside_roles(env, "assume")[arn]


def is_known(env: Environment, arn: str) -> bool:
    """True iff the role is loaded, or named by a policy that is."""
    return arn in env.principals or arn in outside_roles(env, "assume")


def _roles(env: Environment) -> Iterable[Principal]:
    policies = [p.trust for p in env.principals.values()] + [r.policy for r in env.resources.values()]
    names = {n for p in policies if p is not None and not isinstance(p, MissingPolicy) for n in _named(p)}
    for arn in sorted(names):
        parsed = parse_arn(arn)
        if parsed is None or parsed.account in env.accounts or not parsed.account.isdigit():
            continue
        path, _, name = parsed.resource.removeprefix("role/").rpartition("/")
        yield Principal(
            arn=arn,
            kind=PrincipalKind.ROLE,
            account=parsed.account,
            name=name,
            path=f"/{path}/" if path else "/",
            unique_id=None,
            policies=(MissingPolicy(f"{arn} is not in the snapshot", Origin("")),),
            trust=MissingPolicy(f"trust policy of {arn}", Origin("")),
            tags_known=False,
            origin=Origin(""),
        )


def _named(policy: Policy) -> Iterable[str]:
    """The role ARNs that the Allow statements of a policy name, directly, by a session, or by their account."""
    for statement in policy.statements:
        if statement.effect is Effect.DENY or statement.principal is None or statement.principal.negated:
            continue
        for entry in statement.principal.entries:
            if isinstance(entry, Malformed) or entry.type != "AWS":
                continue
            if is_account_id(entry.value):
                yield f"arn:aws:iam::{entry.value}:role/{SOME}"
                continue
            arn = parse_arn(entry.value)
            if arn is None:
                continue
            head = f"arn:{arn.partition}:iam::{arn.account}:role/"
            if arn.service == "iam" and arn.resource == "root":
                yield head + SOME
            elif arn.service == "iam" and arn.resource.startswith("role/"):
                yield entry.value
            elif arn.service == "sts" and arn.resource.startswith("assumed-role/"):
                yield head + arn.resource.split("/")[1]

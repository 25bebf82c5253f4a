"""Strangers: a principal with every permission in each account that is not loaded, so that trust alone decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from iamsim.diagnostics import Origin
from iamsim.env.facts import place
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy, Principal, PrincipalKind
from iamsim.model.arn import parse_arn
from iamsim.model.policy import Effect, Malformed, PolicyKind
from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy, PrincipalEntry

NAME = "iamsim-stranger"
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True, slots=True)
class Wider:
    """An environment with strangers: `by_account` has the ARN of that of each account, `nobody` that of an account which
    nothing names.
    """

    env: Environment
    by_account: MappingProxyType[str, str]
    nobody: str


def with_strangers(env: Environment) -> Wider:
    """The environment with a user who has every permission in each account that a trust or resource policy names and that
    is not loaded, and in one account that nothing names. Made once per environment.
    """
    return once(env.memo, "strangers", _made, env)


def _made(env: Environment) -> Wider:
    named = {a for p in trusting(env) for a in accounts_of(p)} - env.accounts
    free = next(f"{n:012d}" for n in range(999_999_999_999, 0, -1) if f"{n:012d}" not in named | env.accounts)
    strangers = {a: _stranger(a) for a in sorted({*named, free})}
    everybody = {**env.principals, **{p.arn: p for p in strangers.values()}}
    wider = replace(
        env,
        accounts=env.accounts | strangers.keys(),
        principals=MappingProxyType(dict(sorted(everybody.items()))),
        memo={},
    )
    return Wider(wider, MappingProxyType({a: p.arn for a, p in strangers.items()}), strangers[free].arn)


def _stranger(account: str) -> Principal:
    arn = f"arn:aws:iam::{account}:user/{NAME}"
    here = Origin("<stranger>")
    everything, _ = read_policy(_EVERYTHING, PolicyKind.IDENTITY, "everything", here)
    return Principal(
        arn=arn,
        kind=PrincipalKind.USER,
        account=account,
        name=NAME,
        path="/",
        unique_id=None,
        policies=(everything,),
        origin=here,
    )


def trusting(env: Environment) -> Iterator[Policy]:
    """The trust policies and resource policies that were read."""
    for principal in env.principals.values():
        if principal.trust is not None and not isinstance(principal.trust, MissingPolicy):
            yield principal.trust
    for resource in env.resources.values():
        if resource.policy is not None and not isinstance(resource.policy, MissingPolicy):
            yield resource.policy


def accounts_of(policy: Policy) -> set[str]:
    """The accounts of the AWS principals that an Allow statement of `policy` names."""
    return {
        a
        for s in policy.statements
        if s.effect is not Effect.DENY and s.principal is not None and not s.principal.negated
        for e in s.principal.entries
        if not isinstance(e, Malformed) and (a := account_of(e)) is not None
    }


def account_of(entry: PrincipalEntry) -> str | None:
    """The account of an AWS principal; None for others, for `*`, and for unique ids."""
    if entry.type != "AWS":
        return None
    arn = parse_arn(entry.value)
    if arn is not None:
        return arn.account if arn.account.isdigit() else None
    return entry.value if entry.value.isdigit() and len(entry.value) == 12 else None


def whole_account(entry: PrincipalEntry) -> str | None:
    """The account that an entry names as a whole, or None if it does not."""
    arn = parse_arn(entry.value) if entry.type == "AWS" else None
    if arn is not None:
        return arn.account if arn.resource == "root" else None
    return account_of(entry)


def third_party(env: Environment, account: str) -> bool:
    """True iff no input holds the account, neither its identities nor an organization that it is in."""
    return account not in env.accounts and place(env, account) is None

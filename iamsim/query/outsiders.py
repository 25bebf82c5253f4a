"""Callers outside an environment whom policies that changed may let in: services, accounts, holders of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.errors import QueryError
from iamsim.graph.outside import SOME
from iamsim.judge.callers import read_callers
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.policy import Malformed, Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.env.types import Environment

_STRANGER = "999999999999"


def outsiders(before: Environment, after: Environment, changed: Iterable[str]) -> tuple[Caller, ...]:
    """The callers that the policies of the resources and roles `changed` name and that neither environment has.

    An account that is not loaded is stood for by its root user or, since no root user assumes roles, in trust policies by some
    role of it; `*` by that of an account of nobody's.
    """
    known = before.accounts | after.accounts
    names: set[str] = set()
    for arn in changed:
        for env in (before, after):
            for policy in _policies(env, arn):
                for statement in policy.statements:
                    for entry in statement.principal.entries if statement.principal is not None else ():
                        if not isinstance(entry, Malformed):
                            trusts = policy.kind is PolicyKind.TRUST
                            names.update(_named(entry.type, entry.value, known, trusts=trusts))
    out: dict[str, Caller] = {}
    for name in sorted(names):
        for caller in _callers(after, name):
            out[str(caller)] = caller
    return tuple(out.values())


def _policies(env: Environment, arn: str) -> Iterator[Policy]:
    principal, resource = env.principals.get(arn), env.resources.get(arn)
    for policy in (principal.trust if principal else None, resource.policy if resource else None):
        if isinstance(policy, Policy):
            yield policy


def _named(type_: str, value: str, known: frozenset[str], *, trusts: bool) -> Iterator[str]:
    match type_:
        case "Service":
            yield value
        case "Federated" if ":saml-provider/" in value:
            yield f"saml://{value}"
        case "Federated":
            yield "oidc://" + value.partition(":oidc-provider/")[2] if ":oidc-provider/" in value else f"oidc://{value}"
        case _ if value == "*":
            yield from _some_of(_STRANGER, value, trusts=trusts)
        case "AWS":
            account = value if value.isdigit() else value.split(":")[4] if value.count(":") >= 5 else ""
            if account.isdigit() and account not in known:
                yield from _some_of(account, value, trusts=trusts)


def _some_of(account: str, value: str, *, trusts: bool) -> Iterator[str]:
    """Who stands for an account: the principal that an ARN names, or some role; the root user where it may call."""
    if not trusts:
        yield f"root {account}"
    elif ":role/" in value or ":user/" in value:
        yield value
    else:
        partition = value.split(":")[1] if value.count(":") >= 5 else "aws"
        yield f"arn:{partition}:iam::{account}:role/{SOME}"


def _callers(env: Environment, name: str) -> tuple[Caller, ...]:
    if name.startswith("root "):
        account = name.removeprefix("root ")
        return (Caller(kind=CallerKind.ROOT, arn=f"arn:aws:iam::{account}:root", account=account),)
    try:
        return read_callers(env, name)
    except QueryError:
        return ()  # no principal that could call

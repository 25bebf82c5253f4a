"""Callers outside an environment whom policies that changed may let in: services, accounts, holders of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.errors import QueryError
from iamsim.judge.callers import read_callers
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.policy import Malformed, Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.env.types import Environment

_STRANGER = "999999999999"


def outsiders(before: Environment, after: Environment, changed: Iterable[str]) -> tuple[Caller, ...]:
    """The callers that the policies of the resources and roles `changed` name and that neither environment has.

    An account that is not loaded is stood for by its root user, and `*` by the root user of an account of nobody's.
    """
    known = before.accounts | after.accounts
    names: set[str] = set()
    for arn in changed:
        for env in (before, after):
            for policy in _policies(env, arn):
                for statement in policy.statements:
                    for entry in statement.principal.entries if statement.principal is not None else ():
                        if not isinstance(entry, Malformed):
                            names.update(_named(entry.type, entry.value, known))
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


def _named(type_: str, value: str, known: frozenset[str]) -> Iterator[str]:
    match type_:
        case "Service":
            yield value
        case "Federated" if ":saml-provider/" in value:
            yield f"saml://{value}"
        case "Federated":
            yield "oidc://" + value.partition(":oidc-provider/")[2] if ":oidc-provider/" in value else f"oidc://{value}"
        case _ if value == "*":
            yield f"root {_STRANGER}"
        case "AWS":
            account = value if value.isdigit() else value.split(":")[4] if value.count(":") >= 5 else ""
            if account.isdigit() and account not in known:
                yield f"root {account}"


def _callers(env: Environment, name: str) -> tuple[Caller, ...]:
    if name.startswith("root "):
        account = name.removeprefix("root ")
        return (Caller(kind=CallerKind.ROOT, arn=f"arn:aws:iam::{account}:root", account=account),)
    try:
        return read_callers(env, name)
    except QueryError:
        return ()  # no principal that could call

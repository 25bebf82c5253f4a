"""The nodes of the role-assumption graph: what they are called and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.aws.paths import LINKED
from iamsim.aws.services import BUILT_IN_PROVIDERS
from iamsim.env.facts import place
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.errors import QueryError
from iamsim.graph.outside import SOME, outside_roles
from iamsim.judge.callers import read_callers
from iamsim.model.arn import is_account_id, parse_arn
from iamsim.model.caller import CallerKind
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Statement

ANYONE = "anyone"
"""The node of whoever has an AWS account, and of nobody in particular."""

_ACCOUNT = "account "


@dataclass(frozen=True, slots=True)
class Outsiders:
    """Who is named by trust policies and in no input: accounts as a whole, users, and `nobody`, an account not named."""

    accounts: tuple[str, ...]
    users: tuple[Caller, ...]
    nobody: str


def account_node(account: str) -> str:
    """The name of the node of an account that no input holds."""
    return _ACCOUNT + account


def node_of(env: Environment, arn: str) -> str:
    """The node of a role: its ARN, but the account for the role that stands for any role of an outside account."""
    if arn in env.principals or not arn.endswith(f":role/{SOME}"):
        return arn
    return account_node(arn.split(":")[4])


def services(env: Environment) -> tuple[str, ...]:
    """The services that Allow statements of trust policies name, in order."""
    return tuple(sorted({value.lower() for kind, value in _entries(env) if kind == "Service"}))


def providers(env: Environment) -> tuple[tuple[str, CallerKind], ...]:
    """The identity providers that the inputs list or trust policies name, in order, each with the kind of its callers.

    Source: IAM User Guide, "AWS JSON policy elements: Principal", federated principals.
    """
    named = {value for kind, value in _entries(env) if kind == "Federated"} | set(env.providers)
    return tuple(
        (name, CallerKind.SAML if ":saml-provider/" in name else CallerKind.WEB_IDENTITY)
        for name in sorted(named)
        if name in BUILT_IN_PROVIDERS or parse_arn(name) is not None
    )


def outsiders(env: Environment, missing: str) -> Outsiders:
    """Who is outside; nobody but an account not named if `missing` is `closed`."""
    accounts = {r.account for r in outside_roles(env, missing).values() if r.name == SOME}
    named = {value for kind, value in _entries(env) if kind == "AWS"}
    known = env.accounts | {a.account for v in named if (a := parse_arn(v))} | named
    if missing == "closed":
        return Outsiders((), (), _unused(env, known))
    accounts |= {a for a in _in_conditions(env) if a not in env.accounts}
    return Outsiders(tuple(sorted(accounts)), tuple(_users(env, named)), _unused(env, known | accounts))


def _users(env: Environment, named: set[str]) -> Iterator[Caller]:
    for value in sorted(named):
        arn = parse_arn(value)
        if arn is None or arn.service != "iam" or not arn.resource.startswith("user/") or arn.account in env.accounts:
            continue
        try:
            yield from read_callers(env, str(arn))
        except QueryError:
            continue


def _unused(env: Environment, known: set[str] | frozenset[str]) -> str:
    number = 999999999999
    while str(number) in known or place(env, str(number)) is not None:
        number -= 1
    return str(number)


def _statements(env: Environment) -> Iterator[Statement]:
    for principal in env.principals.values():
        trust = principal.trust
        if trust is not None and not isinstance(trust, MissingPolicy) and trust.malformed is None:
            yield from (s for s in trust.statements if s.effect is not Effect.DENY)


def _entries(env: Environment) -> set[tuple[str, str]]:
    """Type and text of all that Allow statements of trust policies name."""
    return once(env.memo, "trusted", _named_in_trusts, env)


def _named_in_trusts(env: Environment) -> set[tuple[str, str]]:
    return {
        (e.type, e.value)
        for s in _statements(env)
        if s.principal is not None and not s.principal.negated
        for e in s.principal.entries
        if not isinstance(e, Malformed)
    }


def _in_conditions(env: Environment) -> set[str]:
    """Accounts to which conditions of trust policies restrict the callers."""
    return {
        value
        for s in _statements(env)
        for c in s.conditions
        if c.key.lower() == "aws:principalaccount"
        for value in c.values
        if is_account_id(value)
    }


def describe(env: Environment, name: str) -> dict[str, Any]:
    """The attributes of a node by its name; absent where nothing is known."""
    principal = env.principals.get(name)
    if principal is not None:
        return {
            "kind": principal.kind.value,
            "name": principal.name,
            "arn": name,
            "account": principal.account,
            "path": principal.path,
            "tags": tuple(f"{k}={v}" for k, v in principal.tags),
            "boundary": principal.boundary is not None,
            "service_linked": principal.path.startswith(LINKED),
            "outside": False,
        }
    if name == ANYONE:
        return {"kind": "anyone", "name": name, "outside": True}
    if name.startswith(_ACCOUNT):
        return {"kind": "account", "name": name, "account": name.removeprefix(_ACCOUNT), "outside": True}
    arn = parse_arn(name)
    if arn is None:
        kind = "oidc-provider" if name in BUILT_IN_PROVIDERS else "service" if ".amazonaws.com" in name else "resource"
        return {"kind": kind, "name": name, "outside": False}
    kind, slash, rest = arn.resource.partition("/")
    if arn.service != "iam" or kind not in ("user", "role", "oidc-provider", "saml-provider"):
        kind, slash = "resource", ""
    path, _, last = rest.rpartition("/")
    bare = rest if kind.endswith("-provider") else last if slash else arn.resource
    outside = kind in ("user", "role") or bool(arn.account and arn.account not in env.accounts)
    more = {"path": f"/{path}/" if path else "/"} if kind in ("user", "role") else {}
    return {"kind": kind, "name": bare, "arn": name, "account": arn.account, **more, "outside": outside}

"""Who a question means: ARNs, short names, services, anonymous callers and holders of tokens, as callers."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from iamsim.aws.paths import LINKED
from iamsim.aws.services import BUILT_IN_PROVIDERS
from iamsim.env.facts import principal_at
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.errors import QueryError
from iamsim.ir.lower import action_term
from iamsim.ir.term import FALSE
from iamsim.judge.tokens import read_token
from iamsim.model.arn import is_account_id, parse_arn
from iamsim.model.caller import Caller, CallerKind, Credentials
from iamsim.model.pattern import match, tokenize
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.env.types import Environment, Principal
    from iamsim.model.policy import Policy

_SESSION = re.compile(r"[\w+=,.@-]+", re.ASCII)
_ATTRIBUTES = (
    "credentials", "mfa", "parent", "session", "source-identity", "instance", "transitive", "assumed-root",
    "task-policy", "tag.KEY",
)  # fmt: skip


def read_callers(env: Environment, text: str) -> tuple[Caller, ...]:
    """The callers that `text` means: one, or several for a pattern (then: some such caller), in order of ARN.

    Raises QueryError if nothing or more than one thing fits a name.
    """
    text = text.strip()
    if text.startswith(("oidc://", "saml://")):
        return (read_token(text),)
    base, _, query = text.partition("?") if _has_attributes(text) else (text, "", "")
    attributes = dict(parse_qsl(query, keep_blank_values=True))
    found = _named(env, base)
    return tuple(_with_attributes(env, c, attributes, text) for c in found)


def _has_attributes(text: str) -> bool:
    return "?" in text and "=" in text.partition("?")[2]


def _named(env: Environment, text: str) -> tuple[Caller, ...]:
    if text in ("anonymous", "anyone"):
        return (Caller(kind=CallerKind.ANONYMOUS),)
    name = text.removeprefix("service ").strip()
    if name.endswith((".amazonaws.com", ".amazonaws.com.cn")) and "/" not in name and ":" not in name:
        return (Caller(kind=CallerKind.SERVICE, services=(name.lower(),)),)
    if text.startswith("arn:"):
        return _arn(env, text)
    return _short(env, text)


def _arn(env: Environment, text: str) -> tuple[Caller, ...]:
    arn = parse_arn(text)
    if arn is None:
        raise QueryError(f"`{text}` is no ARN", "an ARN has six fields: arn:aws:iam::ACCOUNT:user/NAME")
    wild = "*" in text or "?" in text
    if arn.service in ("iam", "sts") and not wild and not is_account_id(arn.account):
        raise QueryError(f"`{text}` names no account", "an account id has 12 digits")
    if arn.service == "sts":
        return (_session(env, text),)
    if arn.service != "iam":
        raise QueryError(f"`{text}` is no principal", "principals are users, roles, root users and sessions of them")
    if arn.resource == "root":
        return (_root(arn.partition, arn.account),)
    if wild:
        pattern = tokenize(text, variables=False)
        found = [p for a, p in env.principals.items() if match(pattern, a)]
        if not found:
            raise QueryError(f"no loaded user or role matches `{text}`", "list what is loaded with `iamsim can -v`")
        return tuple(caller_of(env, p) for p in found)
    principal = principal_at(env, text)
    if principal is not None:
        return (caller_of(env, principal),)
    return (_outsider(env, text),)


def _outsider(env: Environment, text: str) -> Caller:
    """A user or role that no input holds; in a loaded account that is most likely a slip of the pen."""
    arn = parse_arn(text)
    assert arn is not None
    kind, _, path = arn.resource.partition("/")
    if kind not in ("user", "role") or not path:
        raise QueryError(f"`{text}` is no user or role", "groups, policies and instance profiles make no calls")
    if arn.account in env.accounts:
        near = get_close_matches(text, list(env.principals), n=1)
        raise QueryError(
            f"`{text}` is not in the snapshot, though account {arn.account} is",
            f"did you mean `{near[0]}`?" if near else "check the name and its path",
        )
    role = kind == "role"
    return Caller(
        kind=CallerKind.ROLE_SESSION if role else CallerKind.USER,
        arn=text,
        account=arn.account,
        partition=arn.partition,
        name=path.rpartition("/")[2],
        tags_known=False,
        open_tags=role,
        open_source_identity=role,
    )


def _root(partition: str, account: str) -> Caller:
    return Caller(
        kind=CallerKind.ROOT, arn=f"arn:{partition}:iam::{account}:root", account=account, partition=partition
    )


def _session(env: Environment, text: str) -> Caller:
    arn = parse_arn(text)
    assert arn is not None
    kind, _, rest = arn.resource.partition("/")
    if kind == "federated-user" and rest:
        return Caller(kind=CallerKind.FEDERATED_USER, arn=text, account=arn.account, partition=arn.partition, name=rest)
    name, _, session = rest.partition("/")
    if kind != "assumed-role" or not name or not session:
        raise QueryError(f"`{text}` is no session", "a session is arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION")
    _check_session(session)
    roles = [
        p
        for p in env.principals.values()
        if p.account == arn.account and p.kind is PrincipalKind.ROLE and p.name == name
    ]
    if roles:
        return replace(caller_of(env, roles[0]), session=session)
    outsider = _outsider(env, f"arn:{arn.partition}:iam::{arn.account}:role/{name}")
    return replace(outsider, session=session)


def _check_session(name: str) -> None:
    """Raises QueryError for what no session is called. Source: AWS STS API Reference, "AssumeRole", RoleSessionName."""
    if not _SESSION.fullmatch(name):
        remedy = (
            "name the role instead for any of its sessions"
            if "*" in name or "?" in name
            else "it has letters, digits and _+=,.@-"
        )
        raise QueryError(f"`{name}` is no name of a session", remedy)


def _short(env: Environment, text: str) -> tuple[Caller, ...]:
    account, _, name = text.rpartition(":")
    kind, _, path = name.partition("/")
    if name == "root":
        accounts = [account] if account else sorted(env.accounts)
        if len(accounts) != 1:
            raise QueryError("`root` fits several accounts", _listing([f"{a}:root" for a in accounts]))
        return (_root("aws", accounts[0]),)
    if kind not in ("user", "role") or not path:
        near = [f"{p.kind.value}/{p.name}" for p in env.principals.values() if p.name.lower() == text.lower()]
        raise QueryError(
            f"`{text}` names no caller",
            f"did you mean `{near[0]}`?"
            if near
            else "give an ARN, user/NAME, role/NAME, ACCOUNT:role/NAME, anonymous, a service principal, "
            "oidc://ISSUER?sub=… or saml://PROVIDER-ARN?…",
        )
    fits = [p for p in env.principals.values() if p.kind.value == kind and (not account or p.account == account)]
    found = _fitting(fits, path)
    if not found:
        names = [f"{kind}/{p.name}" for p in fits]
        near = get_close_matches(f"{kind}/{path}", names, n=1)
        remedy = f"did you mean `{near[0]}`?" if near else "check the name, and that its account is loaded"
        raise QueryError(f"no loaded {kind} is called `{path}`", remedy)
    wild = "*" in path or "?" in path
    if len(found) > 1 and not wild:
        raise QueryError(f"`{text}` fits {len(found)} principals", _listing([p.arn for p in found]))
    return tuple(caller_of(env, p) for p in found)


def _fitting(fits: list[Principal], path: str) -> list[Principal]:
    if "*" in path or "?" in path:
        pattern = tokenize(path, variables=False)
        return [p for p in fits if match(pattern, p.name) or match(pattern, p.arn.partition("/")[2])]
    full = [p for p in fits if p.arn.partition("/")[2] == path]
    return full or [p for p in fits if p.name == path]


def _listing(names: list[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:8])
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"say which one: {shown}{more}"


def caller_of(env: Environment, principal: Principal) -> Caller:
    """The caller that a loaded user is, or some session of a loaded role with a free name (made once per principal)."""
    return once(env.memo, ("caller", principal.arn), _make, principal)


def _make(principal: Principal) -> Caller:
    arn, role = parse_arn(principal.arn), principal.kind is PrincipalKind.ROLE
    token = trust_allows(principal, "sts:assumerolewithwebidentity") or trust_allows(
        principal, "sts:assumerolewithsaml"
    )
    return Caller(
        kind=CallerKind.ROLE_SESSION if role else CallerKind.USER,
        arn=principal.arn,
        account=principal.account,
        partition=intern(arn.partition) if arn else "aws",
        name=principal.name,
        unique_id=principal.unique_id,
        tags=principal.tags,
        tags_known=principal.tags_known,
        bounded=principal.boundary is not None,
        service_linked=role and principal.path.startswith(LINKED),
        open_tags=role and trust_allows(principal, "sts:tagsession"),
        open_source_identity=role and trust_allows(principal, "sts:setsourceidentity"),
        open_provider=role and token,
        open_services=trusted_services(principal.trust) if role else (),
    )


def trust_allows(role: Principal, action: str) -> bool:
    """True iff some Allow statement of the role's trust policy speaks of `action`, or the trust policy is not known."""
    if role.trust is None or isinstance(role.trust, MissingPolicy) or role.trust.malformed is not None:
        return True
    return any(
        s.effect is not Effect.DENY
        and (s.malformed is not None or s.action is None or action_term(s.action, action) is not FALSE)
        for s in role.trust.statements
    )


def trusted_services(trust: Policy | MissingPolicy | None) -> tuple[str, ...]:
    """The services (lower case) that Allow statements of a trust policy name, sorted; one object for all that name the same."""
    if trust is None or isinstance(trust, MissingPolicy):
        return ()
    return _one_of(
        tuple(
            sorted(
                {
                    e.value.lower()
                    for s in trust.statements
                    if s.effect is Effect.ALLOW and s.principal is not None
                    for e in s.principal.entries
                    if not isinstance(e, Malformed) and e.type == "Service"
                }
            )
        )
    )


@lru_cache(maxsize=4096)
def _one_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The first tuple that was equal to this one: there are few, and many callers hold one."""
    return names


def localized(caller: Caller, account: str | None, partition: str = "aws") -> Caller:
    """A token's holder as the account of a role sees it: its OIDC provider has an ARN in that account."""
    if caller.kind is not CallerKind.WEB_IDENTITY or caller.provider is None or account is None:
        return caller
    if caller.provider in BUILT_IN_PROVIDERS or caller.provider.startswith("arn:"):
        return caller
    return replace(caller, provider=f"arn:{partition}:iam::{account}:oidc-provider/{caller.provider}")


def _with_attributes(env: Environment, caller: Caller, attributes: Mapping[str, str], text: str) -> Caller:
    """`?credentials=session-token&mfa=true&tag.team=x…` behind a caller: how its credentials came about."""
    for name, value in attributes.items():
        caller = _attribute(env, caller, name, value, text)
    return caller


def _attribute(env: Environment, caller: Caller, name: str, value: str, text: str) -> Caller:
    match name:
        case "credentials" if value in [c.value for c in Credentials]:
            return replace(caller, credentials=Credentials(value))
        case "mfa" if value in ("true", "false"):
            return replace(caller, mfa=value == "true")
        case "parent":
            parent = _named(env, value)[0]
            return replace(
                caller, parent=parent.arn, tags=parent.tags, bounded=parent.bounded, unique_id=parent.unique_id
            )
        case "session":
            _check_session(value)
            return replace(caller, session=value)
        case "source-identity":
            return replace(caller, source_identity=value)
        case "instance":
            return replace(caller, instance=value, session=caller.session or value.rpartition("/")[2])
        case "transitive":
            return replace(caller, transitive=tuple(value.split(",")), open_tags=False)
        case "assumed-root":
            return replace(caller, assumed_root=value == "true")
        case "task-policy":
            return replace(caller, assumed_root=True, task_policy=value)
        case _ if name.startswith("tag."):
            key = name.removeprefix("tag.")
            others = tuple((k, v) for k, v in caller.tags if k.lower() != key.lower())
            # who states tags of a session states all of them
            return replace(caller, tags=(*others, (key, value)), open_tags=False, stated_tags=True)
        case _:
            raise QueryError(f"`{name}={value}` in `{text}` is no attribute of a caller", _known())


def _known() -> str:
    return "attributes are " + ", ".join(_ATTRIBUTES)

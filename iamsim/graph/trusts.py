"""The trust index: which roles could let a caller in, by what their trust policies name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.facts import principal_at
from iamsim.env.memo import Memo, once
from iamsim.env.overlay import Overlay
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.graph.outside import outside_roles, role_at
from iamsim.ir.lower import action_term, resource_term
from iamsim.ir.term import FALSE
from iamsim.model.arn import is_account_id, parse_arn
from iamsim.model.caller import CallerKind
from iamsim.model.policy import Effect, Malformed, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iamsim.env.types import Environment, Principal
    from iamsim.model.caller import Caller
    from iamsim.model.policy import PrincipalEntry, Statement

_ANY = "*"


def roles_for(env: Environment, caller: Caller, missing: str = "assume") -> tuple[Principal, ...]:
    """The roles whose trust policy may name `caller`, in order of ARN: a superset of those that it can assume.

    The roles of accounts that are not loaded are among them, unless `missing` is `closed`.

    Where no identity policy of the caller speaks of `sts:AssumeRole` for the role, it must be in the caller's account and name it.
    """
    found = naming_anyone(env) | naming_itself(env, caller)
    if caller.kind not in (CallerKind.USER, CallerKind.ROLE_SESSION):
        return _roles(env, caller, found | naming_account(env, caller.account), outside_roles(env, missing))
    if _spoken(env, caller) == ():
        return tuple(env.principals[a] for a in sorted(found) if env.principals[a].account == caller.account)
    return entered(env, caller, found | naming_account(env, caller.account), outside_roles(env, missing))


def entered(env: Environment, caller: Caller, found: set[str], outside: Iterable[str]) -> tuple[Principal, ...]:
    """Those of the roles `found` and `outside` that the user's or role's policies may allow it to assume where they must."""
    spoken, every = _spoken(env, caller), _roles(env, caller, found, outside)
    return every if spoken is None else tuple(r for r in every if _may_let_in(env, caller, r, spoken))


def naming_anyone(env: Environment) -> set[str]:
    """The roles whose trust policies name everybody, or whom they name cannot be told."""
    return set(_index(env).get(_ANY, ()))


def naming_itself(env: Environment, caller: Caller) -> set[str]:
    """The roles whose trust policies name the caller other than by its account."""
    index = _index(env)
    return {arn for key in _keys(caller) for arn in index.get(key, ())}


def naming_account(env: Environment, account: str | None) -> set[str]:
    """The roles whose trust policies name the account."""
    return set(_index(env).get(account or "", ()))


def _roles(env: Environment, caller: Caller, found: set[str], outside: Iterable[str]) -> tuple[Principal, ...]:
    every = found.union(outside)
    every.discard(caller.arn if caller.arn not in env.principals else "")
    return tuple(role_at(env, a) for a in sorted(every))


def _may_let_in(env: Environment, caller: Caller, role: Principal, spoken: tuple[Statement, ...]) -> bool:
    """False only if the caller's identity policies would have to allow it to assume the role, and do not.

    Across accounts, and where a trust policy leaves the decision to the account, they must.
    """
    if role.account == caller.account and not _leaves_to_accounts(env, role):
        return True
    return any(
        s.malformed is not None
        or s.resource is None
        or resource_term(s.resource, PolicyKind.IDENTITY, role.arn, "sts") is not FALSE
        for s in spoken
    )


def _leaves_to_accounts(env: Environment, role: Principal) -> bool:
    """Whether a trust policy grants users and roles nothing but through their whole account."""
    trust = role.trust
    if trust is None or isinstance(trust, MissingPolicy) or trust.malformed is not None:
        return False
    return once(env.memo, (id(trust), "leaves"), lambda: (all(map(_only_accounts, trust.statements)), trust))[0]


def _only_accounts(statement: Statement) -> bool:
    if statement.effect is Effect.DENY:
        return True
    if statement.malformed is not None or statement.principal is None or statement.principal.negated:
        return False
    entries = statement.principal.entries
    return all(not isinstance(e, Malformed) and (e.type in ("Service", "Federated") or _is_account(e)) for e in entries)


def _is_account(entry: PrincipalEntry) -> bool:
    arn = parse_arn(entry.value)
    root = arn is not None and arn.service == "iam" and arn.resource == "root"
    return entry.type == "AWS" and (root or is_account_id(entry.value))


def _keys(caller: Caller) -> list[str]:
    """The index keys of a caller, its account aside."""
    match caller.kind:
        case CallerKind.USER:
            return [caller.arn or "", caller.unique_id or "?"]
        case CallerKind.ROLE_SESSION:
            sessions = f"session:{caller.account}:{caller.name}"
            return [caller.arn or "", sessions, caller.unique_id or "?"]
        case CallerKind.SERVICE:
            return [f"service:{s}" for s in caller.services]
        case CallerKind.WEB_IDENTITY:
            provider = (caller.provider or "").lower()
            return [f"provider:{provider.partition('oidc-provider/')[2] or provider}"]
        case CallerKind.SAML:
            return [f"provider:{(caller.provider or '').lower()}"]
        case _:
            return []


def _spoken(env: Environment, caller: Caller) -> tuple[Statement, ...] | None:
    """The Allow statements of the identity policies of a user or role that speak of `sts:AssumeRole`; None: not all are known."""
    principal = principal_at(env, caller.arn) if caller.arn else None
    if principal is None:
        return None

    def made() -> tuple[Statement, ...] | None:
        policies = list(principal.policies)
        for name in principal.groups:
            group = env.groups.get(name)
            policies += group.policies if group is not None else (MissingPolicy(name, principal.origin),)
        known = [p for p in policies if not isinstance(p, MissingPolicy) and p.malformed is None]
        every = tuple(s for p in known for s in p.statements if _speaks(s))
        return every if len(known) == len(policies) else None

    return once(env.memo, ("assumes", principal.arn), made)


def _speaks(statement: Statement) -> bool:
    if statement.effect is Effect.DENY:
        return False
    if statement.malformed is not None or statement.action is None:
        return True
    return action_term(statement.action, "sts:assumerole") is not FALSE


def _index(env: Environment) -> Mapping[str, tuple[str, ...]]:
    return once(env.memo, "trusts", _indexed, env)


def _indexed(env: Environment) -> Mapping[str, tuple[str, ...]]:
    before = env.memo.parent.get("trusts") if isinstance(env.memo, Memo) else None
    if before is not None and isinstance(env.principals, Overlay):
        return _after(before, env.principals)
    return _by_named(env.principals.values())


def _after(before: Mapping[str, tuple[str, ...]], principals: Overlay) -> Mapping[str, tuple[str, ...]]:
    """The index after some principals were replaced or added."""
    out: dict[str, tuple[str, ...]] = {}
    for arn in principals.top:
        old = principals.base.get(arn)
        for key in _named(old) if old is not None and old.kind is PrincipalKind.ROLE else ():
            out[key] = tuple(a for a in out.get(key, before.get(key, ())) if a != arn)
    for key, arns in _by_named(principals.top.values()).items():
        out[key] = (*out.get(key, before.get(key, ())), *arns)
    return Overlay(before, out)


def _by_named(principals: Iterable[Principal]) -> Mapping[str, tuple[str, ...]]:
    out: dict[str, list[str]] = {}
    for principal in principals:
        if principal.kind is PrincipalKind.ROLE:
            for key in _named(principal):
                out.setdefault(key, []).append(principal.arn)
    return {key: tuple(arns) for key, arns in out.items()}


def _named(role: Principal) -> set[str]:
    """Index keys of everything that an Allow of the trust policy may name; `*` where that cannot be told."""
    trust = role.trust
    if trust is None or isinstance(trust, MissingPolicy) or trust.malformed is not None:
        return {_ANY}
    out: set[str] = set()
    for statement in trust.statements:
        if statement.effect is Effect.DENY:
            continue
        if statement.malformed is not None or statement.principal is None or statement.principal.negated:
            out.add(_ANY)
            continue
        for entry in statement.principal.entries:
            out.add(_ANY if isinstance(entry, Malformed) else _key(entry.type, entry.value))
    return out


def _key(kind: str, value: str) -> str:
    if value == "*" or kind not in ("AWS", "Service", "Federated"):
        return _ANY
    if kind == "Service":
        return f"service:{value.lower()}"
    if kind == "Federated":
        low = value.lower()
        return f"provider:{low.partition('oidc-provider/')[2] or low}"
    arn = parse_arn(value)
    if arn is None:
        return value.partition(":")[0]
    if arn.service == "iam":
        return arn.account if arn.resource == "root" else value
    if arn.service == "sts" and arn.resource.startswith("assumed-role/"):
        return f"session:{arn.account}:{arn.resource.split('/')[1]}"
    return value

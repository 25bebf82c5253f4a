"""The trust index: which roles could let a caller in, by what their trust policies name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.facts import principal_at
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.graph.outside import outside_roles, role_at
from iamsim.ir.lower import action_term
from iamsim.ir.term import FALSE
from iamsim.model.arn import parse_arn
from iamsim.model.caller import CallerKind
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from iamsim.env.types import Environment, Principal
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy

_ANY = "*"


def roles_for(env: Environment, caller: Caller, missing: str = "assume") -> tuple[Principal, ...]:
    """The roles whose trust policy may name `caller`, in order of ARN: a superset of those that it can assume.

    The roles of accounts that are not loaded are among them, unless `missing` is `closed`.

    Where no identity policy of the caller speaks of `sts:AssumeRole`, a role must be in its account and name it.
    """
    index = _index(env)
    found: set[str] = set(index.get(_ANY, ()))
    for key in _keys(caller):
        found.update(index.get(key, ()))
    if caller.kind not in (CallerKind.USER, CallerKind.ROLE_SESSION) or _may_assume(env, caller):
        found.update(index.get(caller.account or "", ()))
        found.update(outside_roles(env, missing))
        found.discard(caller.arn if caller.arn not in env.principals else "")
        return tuple(role_at(env, a) for a in sorted(found))
    return tuple(env.principals[a] for a in sorted(found) if env.principals[a].account == caller.account)


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


def _may_assume(env: Environment, caller: Caller) -> bool:
    """False iff the identity policies of a loaded user or role hold no Allow that speaks of `sts:AssumeRole`."""
    principal = principal_at(env, caller.arn) if caller.arn else None
    if principal is None:
        return True
    key = ("assumes", principal.arn)
    found: bool | None = env.memo.get(key)
    if found is None:
        policies = list(principal.policies)
        for name in principal.groups:
            group = env.groups.get(name)
            policies += group.policies if group is not None else (MissingPolicy(name, principal.origin),)
        found = env.memo[key] = any(_speaks(p) for p in policies)
    return found


def _speaks(policy: Policy | MissingPolicy) -> bool:
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return True
    return any(
        s.effect is not Effect.DENY
        and (s.malformed is not None or s.action is None or action_term(s.action, "sts:assumerole") is not FALSE)
        for s in policy.statements
    )


def _index(env: Environment) -> dict[str, list[str]]:
    found: dict[str, list[str]] | None = env.memo.get("trusts")
    if found is None:
        found = {}
        for arn, principal in env.principals.items():
            if principal.kind is PrincipalKind.ROLE:
                for key in _named(principal):
                    found.setdefault(key, []).append(arn)
        env.memo["trusts"] = found
    return found


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

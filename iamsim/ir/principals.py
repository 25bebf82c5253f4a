"""Principal elements: which class of grant an entry gives a caller, and NotPrincipal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.ir.term import FALSE, TRUE, Like, Opaque, any_of, const, not_
from iamsim.model.arn import parse_arn
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import plain
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.ir.term import Term
    from iamsim.model.caller import Caller
    from iamsim.model.policy import PrincipalEntry, PrincipalMatch

SESSION = "session"
"""The variable of the session name of a role session."""


@dataclass(frozen=True, slots=True)
class Classes:
    """In which classes an Allow grants a caller (semantics 2.4): the caller itself, through its role or user, or its
    account.
    """

    direct: Term = FALSE
    via: Term = FALSE
    account: Term = FALSE

    @property
    def some(self) -> Term:
        """Whether the entry matches the caller at all, which is what a Deny asks."""
        return any_of((self.direct, self.via, self.account))


NONE = Classes()
DIRECT = Classes(direct=TRUE)
VIA = Classes(via=TRUE)
ACCOUNT = Classes(account=TRUE)


def unknown(reason: str) -> Classes:
    """All classes U."""
    return Classes(Opaque(reason), Opaque(reason), Opaque(reason))


def match_principal(
    match: PrincipalMatch, caller: Caller, entities: Mapping[str, str], effect: Effect, *, trust: bool = False
) -> Classes:
    """The classes that a Principal or NotPrincipal element gives `caller`; `entities` maps unique ids to ARNs.

    In a trust policy (`trust`) it is unclear whether `*` includes the holders of tokens (semantics X41).

    Source: IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal".
    """
    if match.negated:
        return _not_principal(match, caller, entities, effect, trust=trust)
    found = [_entry(e, caller, entities, trust=trust) for e in match.entries]
    if len(found) == 1:
        return found[0]
    return Classes(any_of(f.direct for f in found), any_of(f.via for f in found), any_of(f.account for f in found))


def _entry(
    entry: PrincipalEntry | Malformed, caller: Caller, entities: Mapping[str, str], *, trust: bool = False
) -> Classes:
    if isinstance(entry, Malformed):
        return unknown(f"malformed:{entry.reason}")
    if entry.type == "*" or (entry.type == "AWS" and entry.value == "*"):
        federated = caller.kind in (CallerKind.WEB_IDENTITY, CallerKind.SAML)
        return unknown("X41") if federated and trust else DIRECT
    match entry.type:
        case "AWS":
            return _aws(entry.value, caller, entities)
        case "Service":
            hit = caller.kind is CallerKind.SERVICE and entry.value.lower() in caller.services
            return DIRECT if hit else NONE
        case "Federated":
            return _federated(entry.value, caller) if trust else NONE
        case "CanonicalUser":
            return Classes(account=Opaque("missing:canonical user id")) if caller.account else NONE
        case _:
            return unknown(f"malformed:principal type {entry.type}")


def _federated(value: str, caller: Caller) -> Classes:
    if caller.kind not in (CallerKind.WEB_IDENTITY, CallerKind.SAML) or caller.provider is None:
        return NONE
    if provider_key(value) == provider_key(caller.provider):
        return DIRECT
    return unknown("X44") if value.lower() == caller.provider.lower() else NONE


def provider_key(name: str) -> str:
    """The name of an identity provider, an ARN or a host, as it is compared: what ignores case is in lower case.

    Source: IAM User Guide, "AWS JSON policy elements: Principal", federated principals.
    """
    arn = parse_arn(name)
    if arn is None:
        return name.lower()
    kind, slash, rest = arn.resource.partition("/")
    if kind != "oidc-provider":
        return str(arn)
    host, path, tail = rest.partition("/")
    return str(replace(arn, resource=f"{kind}{slash}{host.lower()}{path}{tail}"))


def _aws(value: str, caller: Caller, entities: Mapping[str, str]) -> Classes:
    if len(value) == 12 and value.isdigit():
        return _account(value, caller)
    arn = parse_arn(value)
    if arn is None:
        return _unique_id(value, caller, entities)
    if arn.partition != caller.partition:
        return NONE
    if arn.service == "iam" and arn.resource == "root":
        return _account(arn.account, caller)
    if arn.service == "iam":
        return _identity(str(arn), caller)
    return _session(str(arn), caller)


def _account(account: str, caller: Caller) -> Classes:
    if caller.account != account or not caller.signed:
        return NONE
    return DIRECT if caller.kind is CallerKind.ROOT else ACCOUNT


def _identity(value: str, caller: Caller) -> Classes:
    if caller.kind is CallerKind.USER and value == caller.arn:
        return DIRECT
    if caller.kind is CallerKind.ROLE_SESSION and value == caller.arn:
        return VIA
    if caller.kind is CallerKind.FEDERATED_USER and value == caller.parent:
        return VIA
    return NONE


def _session(value: str, caller: Caller) -> Classes:
    """Exactly one session; the session ARN names the role without its path."""
    if caller.kind is CallerKind.FEDERATED_USER:
        return DIRECT if value == caller.arn else NONE
    if caller.kind is not CallerKind.ROLE_SESSION:
        return NONE
    head = f"arn:{caller.partition}:sts::{caller.account}:assumed-role/{caller.name}/"
    if not value.startswith(head):
        return NONE
    name = value[len(head) :]
    if caller.session is not None:
        return Classes(direct=const(caller.session == name))
    return Classes(direct=Like(SESSION, plain(name)))


def _unique_id(value: str, caller: Caller, entities: Mapping[str, str]) -> Classes:
    """A unique id names the loaded entity that has exactly this id, or nobody."""
    base, _, session = value.partition(":")
    arn = entities.get(base)
    if arn is None and base == caller.unique_id:
        arn = caller.arn
    if arn is None:
        return NONE
    if session:
        if caller.kind is not CallerKind.ROLE_SESSION or arn != caller.arn:
            return NONE
        return Classes(
            direct=const(caller.session == session) if caller.session is not None else Like(SESSION, plain(session))
        )
    return _identity(arn, caller)


def _not_principal(
    match: PrincipalMatch, caller: Caller, entities: Mapping[str, str], effect: Effect, *, trust: bool
) -> Classes:
    """NotPrincipal (semantics 2.6): whom a Deny spares, and that boundaries are never spared.

    Source: IAM User Guide, "AWS JSON policy elements: NotPrincipal".
    """
    bad = next((e for e in match.entries if isinstance(e, Malformed)), None)
    entries = [e for e in match.entries if not isinstance(e, Malformed)]
    if effect is Effect.DENY and caller.bounded:
        return DIRECT
    if any(e.type == "*" or (e.type == "AWS" and e.value == "*") for e in entries):
        return NONE
    listed = _listed([_entry(e, caller, entities, trust=trust) for e in entries], caller)
    every, some = _all(listed), any_of(listed)
    if bad is not None:
        return unknown(f"malformed:{bad.reason}")
    if effect is not Effect.DENY:
        return Classes(direct=_both(FALSE, every, Opaque("unsupported:NotPrincipal with Allow")))
    spared = every
    # nothing listed: denied; everything listed: spared; some of it: U (X19)
    return Classes(direct=any_of((not_(some), _both(FALSE, spared, Opaque("X19")))))


def _both(then: Term, test: Term, other: Term) -> Term:
    from iamsim.ir.term import ite

    return ite(test, then, other)


def _all(parts: list[Term]) -> Term:
    from iamsim.ir.term import all_of

    return all_of(parts)


def _listed(found: list[Classes], caller: Caller) -> list[Term]:
    """For each member of the caller's chain and its account: whether some entry lists it."""
    direct = any_of(f.direct for f in found)
    via = any_of(f.via for f in found)
    account = any_of(f.account for f in found)
    match caller.kind:
        case CallerKind.USER:
            return [direct, account]
        case CallerKind.ROLE_SESSION | CallerKind.FEDERATED_USER:
            return [direct, via, account]
        case _:
            return [direct]

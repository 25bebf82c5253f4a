"""What a session carries from the call that created it: name, tags, source identity, token claims."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from iamsim.aws.service_sessions import ISSUED_FOR
from iamsim.env.context import lookup_of
from iamsim.env.memo import once
from iamsim.env.whatever import whatever
from iamsim.graph.outside import SOME
from iamsim.ir.bindings import ABSENT, Alias, Ambivalent, Cases, Known
from iamsim.ir.term import FALSE, TRUE, Like, Present, Some, Term, all_of, any_of, const, not_
from iamsim.judge.callers import caller_of, trusted_services
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import plain
from iamsim.model.policy import PolicyKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.env.facts import Facts
    from iamsim.env.types import Environment, Principal
    from iamsim.ir.bindings import Binding, Lookup
    from iamsim.model.caller import Caller

HELD_TRANSITIVE = "0|sts:transitivetagkeys"
"""The variable of the transitive tag keys with which the caller of the question may have come."""

_PROVIDER_KEYS = {"www.amazon.com": ("app_id", "user_id"), "graph.facebook.com": ("app_id", "id")}


@dataclass(frozen=True, slots=True)
class Session:
    """A caller somewhere on a path. `hop` is the number of the call that created it, 0 for the caller of the question.

    `parent` is the session that made that call, `call` the facts of the call and `passed` its context. `ever` is false
    where keys that are not given are absent. `made` is true where the caller stands for any session that a path creates.
    """

    caller: Caller
    hop: int = 0
    parent: Session | None = None
    call: Facts | None = None
    passed: Lookup | None = None
    ever: bool = True
    made: bool = False

    @property
    def name_var(self) -> str | None:
        """The variable that holds the session name: the one requested in the call that created the session."""
        return None if self.hop == 0 else f"{self.hop}|sts:rolesessionname"


def assumed(env: Environment, role: Principal, parent: Session, call: Facts, hop: int) -> Session:
    """The session of `role` that the call `call` of `parent` creates.

    Credentials that a service issues carry that service's keys.
    """
    passed = lookup_of(call)
    name = passed("sts:rolesessionname")
    services = parent.caller.services if parent.caller.kind is CallerKind.SERVICE else ()
    caller = replace(
        caller_of(env, role),
        session=name.values[0] if isinstance(name, Known) and name.values else None,
        open_tags=False,
        open_source_identity=False,
        open_provider=False,
        open_services=services,
        issuing_service=next(iter(services), None),
        any_role=role.name == SOME,
    )
    return Session(caller, hop, parent, call, passed, call.ever)


def possible(env: Environment, role: Principal) -> Caller:
    """Some session of `role` whatever created it, with a free name, free tags and a free source identity.

    It contains every session that a path can create.
    """
    found, of = once(env.memo, ("possible", role.arn), _possible, env, role)
    return found if of is role else _possible(env, role)[0]


def _possible(env: Environment, role: Principal) -> tuple[Caller, Principal]:
    some = replace(
        caller_of(env, role),
        session=None,
        open_tags=True,
        open_source_identity=True,
        open_provider=True,
        any_role=role.name == SOME,
    )
    return some, role


def possible_when_written(env: Environment, role: Principal) -> Caller:
    """As `possible`, once the role's trust policy, which tells nothing else of its sessions, was written by whoever likes."""
    return once(env.memo, ("possible", role.arn, "written"), _when_written, env, role)


def _when_written(env: Environment, role: Principal) -> Caller:
    return replace(possible(env, role), open_services=_every_service())


@cache
def _every_service() -> tuple[str, ...]:
    """The services that whoever writes a trust policy may name."""
    return trusted_services(whatever(PolicyKind.TRUST, ""))


def carried(session: Session) -> Mapping[str, Binding]:
    """The bindings of the keys that the session brings into every request it makes, tags excepted.

    Source: IAM User Guide, "Available keys for AWS web identity federation" and "Available keys for SAML-based AWS STS
    federation".
    """
    if session.call is None or session.passed is None:
        return {}
    out: dict[str, Binding] = {"aws:sourceidentity": source_identity(session)}
    caller = session.call.caller
    issued_for = ISSUED_FOR.get(caller.services[0]) if caller.kind is CallerKind.SERVICE else None
    if issued_for is not None and session.ever:
        out[issued_for[0]] = Alias(f"{session.hop}|{issued_for[0]}")
    if caller.kind is CallerKind.WEB_IDENTITY and caller.provider:
        out["aws:federatedprovider"] = Known((caller.provider,))
        issuer = (caller.provider.partition("oidc-provider/")[2] or caller.provider).lower()
        keys = [f"{issuer}:{claim}" for claim in _PROVIDER_KEYS.get(issuer, ("aud", "sub", "amr"))]
        out.update((k, session.passed(k)) for k in keys)
    elif caller.kind is CallerKind.SAML and caller.provider:
        out["aws:federatedprovider"] = Ambivalent(ABSENT, Known((caller.provider,)), "X18")
        out.update((k, session.passed(k)) for k in ("saml:sub", "saml:sub_type", "saml:namequalifier"))
    return out


def source_identity(session: Session) -> Binding:
    """The source identity of an assumed session: inherited if the calling session has one, else as set in the call.

    Source: IAM User Guide, "Monitor and control actions taken with assumed roles".
    """
    assert session.passed is not None
    before, set_now = session.passed("aws:sourceidentity"), session.passed("sts:sourceidentity")
    if before == ABSENT:
        return set_now
    return before if isinstance(before, Known) else Cases(presence(before), before, set_now)


def presence(binding: Binding) -> Term:
    """Whether a bound key has a value."""
    match binding:
        case Known(values):
            return const(bool(values))
        case Alias(var):
            return Present(var)
        case Cases(test, then, other):
            return any_of((all_of((test, presence(then))), all_of((not_(test), presence(other)))))
        case _:
            return TRUE


def tag(session: Session, name: str) -> Binding:
    """The principal tag `name` (lower case) of an assumed session: transitive inherited, else passed, else the role's.

    Source: IAM User Guide, "Pass session tags in AWS STS".
    """
    assert session.passed is not None
    assert session.parent is not None
    own = _own(session, name)
    passed = session.passed(f"aws:requesttag/{name}")
    mine = own if passed == ABSENT else Cases(presence(passed), passed, own)
    inherited = transitive(session.parent, name)
    return mine if inherited is FALSE else Cases(inherited, session.passed(f"aws:principaltag/{name}"), mine)


def _own(session: Session, name: str) -> Binding:
    """The role's own tag; free where the format of the input carries no tags."""
    caller = session.caller
    found: Binding = next((Known((v,)) for k, v in caller.tags if k.lower() == name), ABSENT)
    assert session.call is not None
    if found != ABSENT or caller.tags_known or not session.ever or session.call.missing == "closed":
        return found
    return Alias(f"{caller.arn}|aws:principaltag/{name}")


def transitive(session: Session, name: str) -> Term:
    """Whether the session has a transitive tag `name` (lower case), which every session that it creates inherits."""
    if session.parent is None or session.passed is None:
        held = const(name in {k.lower() for k in session.caller.transitive})
        return any_of((held, _some(HELD_TRANSITIVE, name))) if may_hold_transitive(session) else held
    before = transitive(session.parent, name)
    match session.passed("sts:transitivetagkeys"):
        case Known(values):
            return any_of((before, const(name in {v.lower() for v in values})))
        case Alias(var):
            return any_of((before, _some(var, name)))
        case _:
            return before


def _some(var: str, name: str) -> Term:
    return Some(var, Like(var, plain(name), fold_case=True))


def may_hold_transitive(session: Session) -> bool:
    """Whether the caller of the question is a session that may have been created with transitive tags of any key."""
    caller = session.caller
    return session.hop == 0 and session.ever and caller.open_tags and caller.kind is CallerKind.ROLE_SESSION

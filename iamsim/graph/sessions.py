"""What a session carries from the call that created it: name, tags, source identity, token claims."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.ir.bindings import ABSENT, Alias, Cases, Known
from iamsim.ir.term import FALSE, TRUE, Like, Present, Some, Term, all_of, any_of, const, not_
from iamsim.judge.callers import caller_of
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.env.facts import Facts
    from iamsim.env.types import Environment, Principal
    from iamsim.ir.bindings import Binding
    from iamsim.model.caller import Caller


@dataclass(frozen=True, slots=True)
class Session:
    """A caller somewhere on a path. `hop` is the number of the call that created it, 0 for the caller of the question.

    `parent` is the session that made that call, `parent_facts` the facts of the call.
    """

    caller: Caller
    hop: int = 0
    parent: Session | None = None
    call: Facts | None = None

    @property
    def name_var(self) -> str | None:
        """The variable that holds the session name: the one requested in the call that created the session."""
        return None if self.hop == 0 else f"{self.hop}|sts:rolesessionname"


def assumed(env: Environment, role: Principal, parent: Session, call: Facts, hop: int) -> Session:
    """The session of `role` that the call `call` of `parent` creates."""
    caller = replace(
        caller_of(env, role),
        session=None,
        open_tags=False,
        open_source_identity=False,
        open_provider=False,
        open_services=(),
    )
    return Session(caller, hop, parent, call)


def possible(env: Environment, role: Principal) -> Caller:
    """Some session of `role` whatever created it: its name, tags and source identity are free. Contains every session
    that a path can create.
    """
    return replace(
        caller_of(env, role), session=None, open_tags=True, open_source_identity=True, open_provider=True
    )


def carried(session: Session) -> Mapping[str, Binding]:
    """The bindings of the keys that the session brings into every request it makes, tags excepted."""
    if session.hop == 0 or session.call is None:
        return {}
    out: dict[str, Binding] = {"aws:sourceidentity": source_identity(session)}
    caller = session.call.caller
    if caller.kind is CallerKind.WEB_IDENTITY and caller.provider:
        out["aws:federatedprovider"] = Known((caller.provider,))
        issuer = caller.provider.partition("oidc-provider/")[2] or caller.provider
        claims = dict(caller.claims)
        for claim in ("aud", "sub", "amr"):
            key = f"{issuer.lower()}:{claim}"
            known = claims.get(key) or session.call.given.get(key)
            out[key] = Known(known) if known else Alias(f"{session.hop}|{key}")
    elif caller.kind is CallerKind.SAML:
        claims = dict(caller.claims)
        for key in ("saml:sub", "saml:sub_type", "saml:namequalifier"):
            out[key] = Known(claims[key]) if key in claims else Alias(f"{session.hop}|{key}")
    return out


def source_identity(session: Session) -> Binding:
    """The source identity of the session: inherited if the calling session has one, else as set in the call.

    Source: IAM User Guide, "Monitor and control actions taken with assumed roles".
    """
    if session.hop == 0 or session.parent is None or session.call is None:
        caller = session.caller
        if caller.source_identity is not None:
            return Known((caller.source_identity,))
        if caller.open_source_identity and session.hop == 0 and caller.kind is CallerKind.ROLE_SESSION:
            return Alias("aws:sourceidentity")
        return ABSENT
    before = source_identity(session.parent)
    passed = _passed(session, "sts:sourceidentity")
    if before == ABSENT:
        return passed
    return Cases(presence(before), before, passed)


def _passed(session: Session, key: str) -> Binding:
    assert session.call is not None
    if key in session.call.given:
        return Known(session.call.given[key])
    if not session.call.ever:
        return ABSENT
    if session.call.caller.kind is CallerKind.WEB_IDENTITY and not _tags_in_tokens(session.call.caller):
        claims = dict(session.call.caller.claims)
        return Known(claims[key]) if key in claims else ABSENT
    return Alias(f"{session.hop}|{key}")


def _tags_in_tokens(caller: Caller) -> bool:
    """Whether tokens of the issuer can carry session tags or a source identity; those of GitHub Actions do not.

    Source: GitHub Docs, "OpenID Connect reference"; IAM User Guide, "Pass session tags in AWS STS".
    """
    return "token.actions.githubusercontent.com" not in (caller.provider or "")


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
    """The principal tag `name` (lower case) of the session: transitive inherited, else passed, else the role's.

    Source: IAM User Guide, "Pass session tags in AWS STS".
    """
    own = next((Known((v,)) for k, v in session.caller.tags if k.lower() == name), ABSENT)
    if session.hop == 0 or session.parent is None:
        if session.caller.open_tags and session.caller.kind is CallerKind.ROLE_SESSION:
            free = f"aws:principaltag/{name}"
            return Cases(Present(free), Alias(free), own) if own is not ABSENT else Alias(free)
        return own
    passed = _passed(session, f"aws:requesttag/{name}")
    mine = own if passed == ABSENT else Cases(presence(passed), passed, own)
    inherited = transitive(session.parent, name)
    if inherited is FALSE:
        return mine
    return Cases(inherited, tag(session.parent, name), mine)


def transitive(session: Session, name: str) -> Term:
    """Whether the session has a transitive tag `name`, which every session that it creates inherits."""
    if session.hop == 0 or session.parent is None or session.call is None:
        return const(name in {k.lower() for k in session.caller.transitive})
    before = transitive(session.parent, name)
    if not session.call.ever or session.call.caller.kind is CallerKind.WEB_IDENTITY:
        return before
    var = f"{session.hop}|sts:transitivetagkeys"
    return any_of((before, Some(var, Like(var, plain(name), fold_case=True))))

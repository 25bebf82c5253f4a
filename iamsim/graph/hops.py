"""One hop of a path: the checks of AssumeRole and its federated forms, in one common context."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from iamsim.aws.service_sessions import passing_of
from iamsim.env.applicable import NO_DOCUMENTS, Documents
from iamsim.env.facts import Facts, principal_at
from iamsim.env.hits import slice_policy
from iamsim.env.types import MissingPolicy
from iamsim.graph.given import given_for, when_for
from iamsim.graph.sessions import HELD_TRANSITIVE, carried, may_hold_transitive, presence, tag, transitive
from iamsim.ir.bindings import ABSENT, Alias, Known
from iamsim.ir.reduce import reduce
from iamsim.ir.term import (
    FALSE,
    TRUE,
    Each,
    Like,
    Opaque,
    Present,
    Some,
    Term,
    all_of,
    any_of,
    iff,
    implies,
    not_,
    subterms,
    variables,
)
from iamsim.judge.callers import localized
from iamsim.judge.check import Check, check_of
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import AnyChar, Literal, Star, plain, tokenize
from iamsim.model.policy import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.aws.service_sessions import Passing
    from iamsim.env.types import Principal
    from iamsim.graph.sessions import Session
    from iamsim.ir.bindings import Lookup
    from iamsim.judge.judge import Ask
    from iamsim.model.caller import Caller
    from iamsim.model.pattern import Pattern


# Stands for the keys of tags that no condition names.
_OTHER = "other-key"


@dataclass(frozen=True, slots=True)
class HopCheck:
    """A hop: its main check, and when tags may be passed and a source identity be set in it, which count only if they are.

    These two are None where the main check is refused. `when` is what the question demands of the call.
    """

    check: Check
    tags: Term | None
    identity: Term | None
    session: Session
    role: Principal
    when: Term = TRUE


def action_of(caller: Caller) -> str:
    """The STS action by which the caller obtains a role."""
    if caller.kind is CallerKind.WEB_IDENTITY:
        return "sts:assumerolewithwebidentity"
    return "sts:assumerolewithsaml" if caller.kind is CallerKind.SAML else "sts:assumerole"


def hop_technique(caller: Caller) -> str:
    """The id of the technique by which the caller obtains a role."""
    if caller.kind is not CallerKind.WEB_IDENTITY:
        return "sts-assume-role"
    return "eks-irsa-service-account" if "oidc.eks." in (caller.provider or "") else "sts-web-identity-wide-trust"


def hop_facts(ask: Ask, session: Session, role: Principal, number: int, action: str) -> Facts:
    """The facts of the call with which `session` obtains `role` as hop `number` of a path to a request of `action`."""
    caller = localized(session.caller, role.account, role.arn.split(":", 2)[1])
    return Facts(
        env=ask.env,
        caller=caller,
        action=action_of(caller),
        resource=role.arn,
        owner=role.account,
        given=given_for(ask.given, action, caller, first=number == 1, last=False),
        ever=ask.ever,
        missing=ask.missing,
        hop=f"{number}|",
        **session_facts(session),  # type: ignore[arg-type]
    )


def session_facts(session: Session) -> dict[str, object]:
    """The fields of the facts of a request that say what `session` brings into it."""
    if session.hop == 0:
        held = {"carried_transitive": partial(transitive, session)} if may_hold_transitive(session) else {}
        return {"session": "0|session", "on_path": session.made, **held}
    return {
        "on_path": True,
        "session": session.name_var,
        "carried": carried(session),
        "carried_tags": partial(tag, session),
        "carried_transitive": partial(transitive, session),
    }


def last_facts(facts: Facts, session: Session, ask: Ask, start: Caller) -> Facts:
    """The facts of the question's own request, made with `session` after the hops of `start`."""
    return replace(
        facts,
        caller=session.caller,
        hop="",
        given=given_for(ask.given, facts.action or "", start, first=False, last=True),
        **session_facts(session),  # type: ignore[arg-type]
    )


def documents_for(documents: Documents, start: Caller, *, last: bool) -> Documents:
    """The documents of the question that bind the first or the last of several requests.

    A session policy is one of the credentials that the question names; where these have none, of those that make the
    last request. An endpoint policy is that of the endpoint through which the last request goes.
    """
    if documents == NO_DOCUMENTS:
        return documents
    own = start.kind in (CallerKind.ROLE_SESSION, CallerKind.FEDERATED_USER, CallerKind.ROOT)
    if last:
        return Documents(None if own else documents.session, documents.endpoints)
    return Documents(documents.session if own else None)


def hop_check(ask: Ask, session: Session, role: Principal, number: int, action: str) -> HopCheck:
    """The checks of one hop: AssumeRole, and TagSession and SetSourceIdentity in the same context."""
    facts = hop_facts(ask, session, role, number, action)
    documents = documents_for(ask.documents, session.caller, last=False) if number == 1 else NO_DOCUMENTS
    check = check_of(facts, documents)
    if check.authorization.allowed is FALSE:
        return HopCheck(check, None, None, session, role)
    when = when_for(ask.when, action, session.caller, first=number == 1, last=False)
    return HopCheck(
        check,
        _permission(facts, documents, "sts:tagsession"),
        _permission(facts, documents, "sts:setsourceidentity"),
        session,
        role,
        when if when is TRUE else reduce(when, check.lookup),
    )


def _permission(facts: Facts, documents: Documents, action: str) -> Term:
    """When the call may include what `action` permits. Nothing but the trust policy can grant it."""
    role = principal_at(facts.env, facts.resource or "")
    also = replace(facts, action=action)
    if role is not None and role.trust is not None and not isinstance(role.trust, MissingPolicy):
        trust = role.trust
        if trust.malformed is None and all(r.statement.effect is Effect.DENY for r in slice_policy(also, trust)):
            return FALSE
    return check_of(also, documents).authorization.allowed


def main_term(hop: HopCheck) -> Term:
    """What the hop demands whatever is passed."""
    return all_of((hop.check.authorization.allowed, hop.when))


@dataclass(frozen=True, slots=True)
class Read:
    """What the formulas of a path read: their variables, and the keys of tags (lower case) that any of them may mean."""

    variables: frozenset[str]
    names: tuple[str, ...]


def read_of(hops: tuple[HopCheck, ...], terms: Iterable[Term]) -> Read:
    """What the formulas of a path read, those of the permissions to tag and to set a source identity included."""
    terms = [*terms, *(main_term(h) for h in hops)]
    extra: list[Term] = []
    while True:
        read = frozenset(v for t in (*terms, *extra) for v in variables(t))
        more = [t for h in hops for t in _permissions(h, read)]
        if len(more) == len(extra):
            break
        extra = more
    names = {v.partition("/")[2] for v in read if "aws:requesttag/" in v or "aws:principaltag/" in v}
    names.update(n for t in (*terms, *extra) for n in _listed(t))
    if any(v.endswith("sts:transitivetagkeys") for v in read):
        names.add(_OTHER)
    for hop in hops[:1]:
        names.update(k.lower() for k in hop.session.caller.transitive)
        names.update(_claimed(hop), _served(hop))
    return Read(read, tuple(sorted(names)))


def _permissions(hop: HopCheck, read: frozenset[str]) -> list[Term]:
    if hop.tags is None or hop.identity is None:
        return []
    if passing_of(hop.session.caller.services) is not None:
        return [hop.tags, hop.identity]
    tags = [hop.tags] if _touched(hop, read) else []
    return [*tags, hop.identity] if hop.check.facts.hop + "sts:sourceidentity" in read else tags


def _touched(hop: HopCheck, read: frozenset[str]) -> bool:
    n = hop.check.facts.hop
    return any(v.startswith((n + "aws:requesttag/", n + "aws:tagkeys", n + "sts:transitivetagkeys")) for v in read)


def _listed(term: Term) -> Iterable[str]:
    """Keys of tags that conditions on `aws:TagKeys` and `sts:TransitiveTagKeys` name; an example for each pattern."""
    for t in subterms(term):
        if isinstance(t, Like) and t.var.endswith("tagkeys") and not t.pattern.variables:
            yield _example(t.pattern).lower()


def _example(pattern: Pattern) -> str:
    out = []
    for part in pattern.parts:
        match part:
            case Literal(text):
                out.append(text)
            case Star() | AnyChar():
                out.append("x")
            case _:
                pass
    return "".join(out) or "x"


def _claimed(hop: HopCheck) -> list[str]:
    """The keys of tags that the token of a federation call is said to carry."""
    head = "aws:requesttag/"
    return [k.removeprefix(head) for k, _ in hop.session.caller.claims if k.startswith(head)]


def _served(hop: HopCheck) -> list[str]:
    """Keys of tags that the service passes; of a kind of them, one."""
    passing = passing_of(hop.session.caller.services)
    return [] if passing is None else [t.replace("*", "cn") for t in passing.tags]


def hop_term(hop: HopCheck, read: Read) -> Term:
    """What the hop demands, given what the formulas of the whole path read.

    Source: AWS STS API Reference, "AssumeRole"; IAM User Guide, "Pass session tags in AWS STS".
    """
    parts = [main_term(hop)]
    if hop.tags is None or hop.identity is None:
        return parts[0]
    parts += _tag_rules(hop, read)
    parts += _identity_rules(hop, read.variables)
    parts += _service_rules(hop, read)
    return all_of(parts)


def _tag_rules(hop: HopCheck, read: Read) -> list[Term]:
    assert hop.tags is not None
    allowed = hop.tags
    parts: list[Term] = []
    claimed = _claimed(hop)
    if claimed:
        parts.append(allowed)
    if hop.check.facts.ever and (claimed or _touched(hop, read.variables)):
        parts += _passing(hop, read, claimed)
    parts += _held(hop, read)
    inherited = any_of(transitive(hop.session, n) for n in read.names)
    if inherited is not FALSE:
        parts.append(implies(inherited, any_of((allowed, Opaque("X25")))))
    return parts


def _passing(hop: HopCheck, read: Read, claimed: list[str]) -> list[Term]:
    """How the tags, tag keys and transitive keys of one call hang together, where they are free."""
    assert hop.tags is not None
    number = hop.check.facts.hop
    keys, passes = number + "aws:tagkeys", number + "sts:transitivetagkeys"
    if hop.check.lookup("aws:tagkeys") == ABSENT:
        return []
    parts: list[Term] = [implies(Present(keys), hop.tags)]
    for name in read.names:
        listed = Some(keys, Like(keys, plain(name), fold_case=True))
        tagged: Term = TRUE if name in claimed else presence(hop.check.lookup(f"aws:requesttag/{name}"))
        parts += [implies(tagged, listed), implies(listed, tagged)]
        parts.append(implies(Some(passes, Like(passes, plain(name), fold_case=True)), listed))
        parts.append(not_(all_of((tagged, transitive(hop.session, name)))))
    parts.append(Each(passes, any_of(Like(passes, plain(n), fold_case=True) for n in read.names)))
    return parts


def _held(hop: HopCheck, read: Read) -> list[Term]:
    """The transitive tags with which the caller of the question may have come are tags of its session."""
    if not may_hold_transitive(hop.session):
        return []
    out = []
    for name in read.names:
        key = f"aws:principaltag/{name}"
        has = presence(Known(hop.check.facts.given[key])) if key in hop.check.facts.given else Present(f"1|{key}")
        out.append(implies(Some(HELD_TRANSITIVE, Like(HELD_TRANSITIVE, plain(name), fold_case=True)), has))
    return out


def _identity_rules(hop: HopCheck, read: frozenset[str]) -> list[Term]:
    assert hop.identity is not None
    allowed = hop.identity
    parts: list[Term] = []
    binding = hop.check.lookup("sts:sourceidentity")
    passed = presence(binding)
    free = hop.check.facts.hop + "sts:sourceidentity"
    if passed != Present(free) or free in read:
        parts.append(implies(passed, allowed))
    before = presence(hop.check.lookup("aws:sourceidentity"))
    if before is not FALSE and hop.session.caller.kind in (CallerKind.USER, CallerKind.ROLE_SESSION):
        parts.append(implies(before, any_of((allowed, Opaque("X25")))))
        parts.append(implies(before, not_(passed)) if passed != Present(free) or free in read else TRUE)
    return parts


def _service_rules(hop: HopCheck, read: Read) -> list[Term]:
    """What a service that passes tags or a source identity demands and passes in every call.

    Source: IAM Roles Anywhere User Guide, "Trust model in AWS Identity and Access Management Roles Anywhere"; Amazon EKS
    User Guide, "Create IAM role with trust policy required by EKS Pod Identity".
    """
    passing = passing_of(hop.session.caller.services)
    if passing is None or hop.tags is None or hop.identity is None:
        return []
    permissions = {"sts:tagsession": hop.tags, "sts:setsourceidentity": hop.identity}
    parts = [permissions[a] for a in passing.also]
    return [*parts, *passed_terms(passing, hop.check.lookup, read.names)]


def passed_terms(passing: Passing, lookup: Lookup, names: Iterable[str]) -> list[Term]:
    """What the service passes: its source identity, and of transitive tags among `names` all or none, never empty."""
    parts: list[Term] = []
    identity = lookup("sts:sourceidentity")
    if passing.identity is not None and isinstance(identity, Alias):
        parts.append(Like(identity.var, tokenize(passing.identity + "*", variables=False)))
    keys = lookup("sts:transitivetagkeys")
    tags = [n for n in names if passing.tag(n)]
    if passing.transitive and isinstance(keys, Alias) and tags:
        values = {n: lookup(f"aws:requesttag/{n}") for n in tags}
        has = {n: presence(v) for n, v in values.items()}
        for n, value in values.items():
            parts.append(iff(has[n], Some(keys.var, Like(keys.var, plain(n), fold_case=True))))
            parts.append(iff(has[n], has[tags[0]]))
            if isinstance(value, Alias):
                parts.append(implies(has[n], Like(value.var, tokenize("?*", variables=False))))
    return parts

"""One hop of a path: the checks of AssumeRole and its federated forms, in one common context."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from iamsim.env.facts import Facts
from iamsim.graph.sessions import carried, presence, source_identity, tag, transitive
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
    implies,
    not_,
    variables,
)
from iamsim.judge.callers import localized
from iamsim.judge.check import Check, check_of
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import plain

if TYPE_CHECKING:
    from iamsim.env.types import Principal
    from iamsim.graph.sessions import Session
    from iamsim.judge.judge import Ask
    from iamsim.model.caller import Caller

# Keys of the network, transport and time: given ones hold for every request of a path.
_AROUND = (
    "aws:sourceip", "aws:vpcsourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn", "aws:vpceaccount",
    "aws:vpceorgid", "aws:vpceorgpaths", "aws:securetransport", "aws:currenttime", "aws:epochtime", "aws:useragent",
)  # fmt: skip
# Keys of the caller: given ones describe the caller of the question, who makes the first request.
_CALLER = (
    "aws:principal", "aws:userid", "aws:username", "aws:multifactorauth", "aws:tokenissuetime", "aws:sourceidentity",
    "aws:federatedprovider", "aws:assumedroot", "ec2:sourceinstancearn", "ec2:roledelivery", "aws:ec2instance",
    "lambda:sourcefunctionarn",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HopCheck:
    """A hop: its main check, and the further checks that count only if tags or a source identity are in play."""

    check: Check
    tags: Check | None
    identity: Check | None
    session: Session
    role: Principal


def action_of(caller: Caller) -> str:
    """The STS action by which the caller obtains a role."""
    if caller.kind is CallerKind.WEB_IDENTITY:
        return "sts:assumerolewithwebidentity"
    return "sts:assumerolewithsaml" if caller.kind is CallerKind.SAML else "sts:assumerole"


def given_for(given: dict[str, tuple[str, ...]], *, first: bool, last: bool) -> dict[str, tuple[str, ...]]:
    """The given keys that speak of one request of a path: the network's of all, the caller's of the first, else the last's."""
    if first and last:
        return given
    return {
        k: v
        for k, v in given.items()
        if k.startswith(_AROUND) or (k.startswith(_CALLER) if first else last and not k.startswith(_CALLER))
    }


def hop_facts(ask: Ask, session: Session, role: Principal, number: int) -> Facts:
    """The facts of the call with which `session` obtains `role` as hop `number`."""
    caller = localized(session.caller, role.account)
    return Facts(
        env=ask.env,
        caller=caller,
        action=action_of(caller),
        resource=role.arn,
        owner=role.account,
        given=given_for(dict(ask.given), first=number == 1, last=False),
        ever=ask.ever,
        missing=ask.missing,
        hop=f"{number}|",
        **_of_session(session),
    )


def _of_session(session: Session) -> dict[str, object]:
    if session.hop == 0:
        return {"session": "0|session"}
    return {
        "session": session.name_var,
        "carried": carried(session),
        "carried_tags": partial(tag, session),
        "carried_transitive": partial(transitive, session),
    }


def last_facts(facts: Facts, session: Session, given: dict[str, tuple[str, ...]]) -> Facts:
    """The facts of the question's own request, made with `session`."""
    return replace(
        facts,
        caller=session.caller,
        hop="",
        given=given_for(given, first=False, last=True),
        **_of_session(session),  # type: ignore[arg-type]
    )


def hop_check(ask: Ask, session: Session, role: Principal, number: int) -> HopCheck:
    """The checks of one hop: AssumeRole, and TagSession and SetSourceIdentity in the same context."""
    facts = hop_facts(ask, session, role, number)
    check = check_of(facts)
    if check.authorization.allowed is FALSE:
        return HopCheck(check, None, None, session, role)
    return HopCheck(
        check,
        check_of(replace(facts, action="sts:tagsession")),
        check_of(replace(facts, action="sts:setsourceidentity")),
        session,
        role,
    )


def hop_term(hop: HopCheck, read: frozenset[str]) -> Term:
    """What the hop demands; `read` are the variables of the whole path, of which only those in play need rules.

    Source: AWS STS API Reference, "AssumeRole"; IAM User Guide, "Pass session tags in AWS STS".
    """
    parts = [hop.check.authorization.allowed]
    number = hop.check.facts.hop
    if hop.tags is None or hop.identity is None:
        return parts[0]
    parts += _tag_rules(hop, number, read)
    parts += _identity_rules(hop, number, read)
    return all_of(parts)


def _tag_rules(hop: HopCheck, number: str, read: frozenset[str]) -> list[Term]:
    assert hop.tags is not None
    keys = number + "aws:tagkeys"
    names = sorted({v.partition("/")[2] for v in read if "aws:requesttag/" in v or "aws:principaltag/" in v} | _fixed(hop.session))
    touched = any(v.startswith((number + "aws:requesttag/", keys, number + "sts:transitivetagkeys")) for v in read)
    allowed = hop.tags.authorization.allowed
    parts: list[Term] = []
    if touched and hop.check.facts.ever:
        parts.append(implies(Present(keys), allowed))
        passes = number + "sts:transitivetagkeys"
        for name in names:
            word = plain(name)
            listed = Some(keys, Like(keys, word, fold_case=True))
            tagged = Present(f"{number}aws:requesttag/{name}")
            parts += [implies(tagged, listed), implies(listed, tagged)]
            parts.append(implies(Some(passes, Like(passes, word, fold_case=True)), listed))
            parts.append(not_(all_of((tagged, transitive(hop.session, name)))))
        known = any_of(Like(passes, plain(n), fold_case=True) for n in names)
        parts.append(Each(passes, known))
    inherited = any_of(transitive(hop.session, n) for n in names)
    if inherited is not FALSE:
        parts.append(implies(inherited, any_of((allowed, Opaque("X25")))))
    return parts


def _fixed(session: Session) -> set[str]:
    """The transitive tags that the caller of the question is said to have."""
    while session.parent is not None:
        session = session.parent
    return {k.lower() for k in session.caller.transitive}


def _identity_rules(hop: HopCheck, number: str, read: frozenset[str]) -> list[Term]:
    assert hop.identity is not None
    var = number + "sts:sourceidentity"
    allowed = hop.identity.authorization.allowed
    parts: list[Term] = []
    if var in read:
        parts.append(implies(Present(var), allowed))
    before = presence(source_identity(hop.session))
    if before is not FALSE:
        parts.append(implies(before, any_of((allowed, Opaque("X25")))))
        parts.append(implies(before, not_(Present(var))) if var in read else TRUE)
    return parts


def read_by(terms: list[Term]) -> frozenset[str]:
    """The variables of a path's formulas."""
    return frozenset(v for t in terms for v in variables(t))

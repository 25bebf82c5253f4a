"""Role hops as links: of every user and role, and what trust policies say of services, providers and outsiders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.aws.escalations import catalogue
from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.context import lookup_of
from iamsim.env.facts import Facts, entities
from iamsim.env.hits import resource_side
from iamsim.env.memo import once
from iamsim.env.types import EMPTY, PrincipalKind
from iamsim.graph.edges import passed_or_inherited, possible_session
from iamsim.graph.gains import moves_by
from iamsim.graph.hops import hop_check, hop_facts, hop_term, read_of
from iamsim.graph.nodes import ANYONE, account_node, node_of, outsiders, providers, services
from iamsim.graph.outside import SOME, outside_roles
from iamsim.graph.roles import Link
from iamsim.graph.sessions import Session
from iamsim.graph.state import START, begin
from iamsim.graph.trusts import roles_for
from iamsim.graph.world import Node, Search
from iamsim.ir.bounds import may
from iamsim.ir.decide import Hit, Side, decide
from iamsim.ir.term import (
    FALSE,
    TRUE,
    And,
    Compare,
    InNetwork,
    Label,
    LabelKind,
    Like,
    Present,
    all_of,
    strip,
    variables,
)
from iamsim.judge.callers import caller_of
from iamsim.judge.check import check_of, settle
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.policy import Effect, Malformed, Policy
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.env.types import Environment, Principal
    from iamsim.ir.term import Term
    from iamsim.judge.check import Check
    from iamsim.judge.judge import Ask

_TECHNIQUES = {
    CallerKind.WEB_IDENTITY: "sts-web-identity-wide-trust",
    CallerKind.SAML: "sts-assume-role-with-saml",
}
_NO_ORGANIZATION: Mapping[str, tuple[str, ...]] = {"aws:principalorgid": (), "aws:principalorgpaths": ()}
_OWN_ORGANIZATION: Mapping[str, tuple[str, ...]] = {
    "aws:principalorgid": ("o-0000000000",),
    "aws:principalorgpaths": ("o-0000000000/r-0000/",),
}


def role_links(ask: Ask) -> Iterator[Link]:
    """Every single role hop: of users and roles, loaded or named by policies, then of all that trust policies name else.

    Of the question only `missing` and `limits` count: keys are free. Ordered by source, then by target.
    """
    ask = replace(ask, given=EMPTY, when=TRUE, ever=True, documents=NO_DOCUMENTS, also=())
    yield from _hops(ask)
    yield from _federated(ask)
    yield from _outside(ask)


def technique_links(ask: Ask, action: str = "iam:CreateUser") -> Iterator[Link]:
    """What each loaded user and role gains by one use of one technique, as it is: an edge for every principal gained.

    Role assumption is not among them, nor is what only a change made before makes possible.
    """
    env = ask.env
    every = catalogue()
    for principal in env.principals.values():
        search = Search(ask, action, caller_of(env, principal), every)
        own = begin(search)
        for fired in moves_by(own, own.nodes[START], frozenset()):
            technique = every.entry(fired.technique)
            for gain in fired.gains:
                if isinstance(gain, Node) and gain.caller.arn is not None:
                    yield Link(
                        source=principal.arn,
                        target=gain.caller.arn,
                        technique=fired.technique,
                        kind=technique.kind,
                        sure=fired.sure,
                        guard=TRUE,
                        statements=(),
                        assumptions=fired.assumed,
                    )


def _hops(ask: Ask) -> Iterator[Link]:
    env = ask.env
    for arn, principal in env.principals.items():
        start = caller_of(env, principal)
        if principal.kind is PrincipalKind.USER:
            yield from _from(ask, arn, Session(start), 1, "assume")
        else:
            yield from _from(ask, arn, possible_session(ask, start, principal)[0], 2, "assume")
    for role in outside_roles(env, ask.missing).values():
        if role.name != SOME:
            session, _ = possible_session(ask, caller_of(env, role), role)
            yield from _from(ask, role.arn, session, 2, "assume")
    for user in outsiders(env, ask.missing).users:
        yield from _from(ask, user.arn or "", Session(user), 1, "assume")


def _federated(ask: Ask) -> Iterator[Link]:
    for name in services(ask.env):
        caller = Caller(kind=CallerKind.SERVICE, services=(name,))
        yield from _from(ask, name, Session(caller), 1, "trust")
    for name, kind in providers(ask.env):
        caller = Caller(kind=kind, provider=name)
        yield from _from(ask, name, Session(caller), 1, "trust")


def _from(ask: Ask, source: str, session: Session, number: int, kind: str) -> Iterator[Link]:
    for role in roles_for(ask.env, session.caller, ask.missing):
        found = _hop(ask, session, role, number)
        if found is not None:
            check, sure = found
            yield _link(source, node_of(ask.env, role.arn), check, kind, sure=sure)


def _hop(ask: Ask, session: Session, role: Principal, number: int) -> tuple[Check, bool] | None:
    """The main check of a hop that may be possible, and whether it certainly is: what `edges.edges_from` says of it.

    Tags and a source identity count only if the main check reads them: a call that passes none needs no permission.
    """
    facts = replace(hop_facts(ask, session, role, number, "*"), hop="")
    if _is_wide(ask.env, role) and _never_trusts(facts, role):
        return None
    check = check_of(facts)
    term = check.authorization.allowed
    if term is FALSE or may(term) is FALSE:
        return None
    if any(passed_or_inherited(v) for v in variables(term)):
        hop = hop_check(ask, session, role, number, "*")
        settled = settle(hop_term(hop, read_of((hop,), ())), (hop.check.facts,), ask.limits)
    else:
        settled = settle(term, (facts,), ask.limits)
    return (check, isinstance(settled.sure, Sat)) if settled.possible else None


def _is_wide(env: Environment, role: Principal) -> bool:
    """Whether some Allow of a trust policy is for all principals, so that every caller is a candidate."""

    def made() -> bool:
        statements = role.trust.statements if isinstance(role.trust, Policy) else ()
        return any(
            not isinstance(e, Malformed) and e.value == "*"
            for s in statements
            if s.effect is not Effect.DENY and s.principal is not None
            for e in s.principal.entries
        ) and not (isinstance(role.trust, Policy) and role.trust.malformed)

    return once(env.memo, ("wide", role.arn), made)


def _never_trusts(facts: Facts, role: Principal) -> bool:
    """Whether the trust policy alone refuses a call: a third of the work of a check, and most callers end here."""
    assert isinstance(role.trust, Policy)
    label = Label(LabelKind.LAYER, "trust policy")
    return not resource_side(facts, lookup_of(facts), label, role.trust, entities(facts.env)).side.allow


def _outside(ask: Ask) -> Iterator[Link]:
    """Trust in outside accounts and in anyone. Whoever controls an account decides what it allows, so that is assumed."""
    env = ask.env
    found = outsiders(env, ask.missing)
    wide: set[str] = set()
    for link in _by_account(ask, ANYONE, found.nobody, (_NO_ORGANIZATION, _OWN_ORGANIZATION)):
        if link.sure:
            wide.add(link.target)
        yield link
    for account in found.accounts:
        name = account_node(account)
        yield from (k for k in _by_account(ask, name, account, (EMPTY,)) if k.target not in wide)


def _by_account(
    ask: Ask, source: str, account: str, contexts: tuple[Mapping[str, tuple[str, ...]], ...]
) -> Iterator[Link]:
    """What the trust policies of loaded roles let some user or role of `account` do that its own account allows."""
    arn = f"arn:aws:iam::{account}"
    role = Caller(
        kind=CallerKind.ROLE_SESSION, arn=f"{arn}:role/{SOME}", account=account, name=SOME, any_role=True,
        tags_known=False, open_tags=True, open_source_identity=True, open_provider=True,
    )  # fmt: skip
    user = Caller(kind=CallerKind.USER, arn=f"{arn}:user/{SOME}", account=account, name=SOME, tags_known=False)
    note = f"{'the account of the caller' if source == ANYONE else source} allows its caller the call"
    for target in roles_for(ask.env, role, "closed"):
        if target.account == account:
            continue
        best: Link | None = None
        callers = (user, *_named_alike(target, account), *(() if _elsewhere(target, account) else (role,)))
        for caller, given in ((c, g) for c in callers for g in contexts):
            found = _trusting(ask, caller, target, given)
            if found is not None and (best is None or found[1]):
                made = _link(source, target.arn, found[0], "trust", sure=found[1])
                best = replace(made, assumptions=tuple(sorted({*made.assumptions, note})))
            if best is not None and best.sure:
                break
        if best is not None:
            yield best


def _named_alike(target: Principal, account: str) -> Iterator[Caller]:
    """Users and roles of `account`, which chooses their names, with ARNs like those that the target's trust policy asks for."""
    trust = target.trust if isinstance(target.trust, Policy) else None
    asked = [c for s in trust.statements for c in s.conditions if c.key.lower() == "aws:principalarn"] if trust else []
    for value in dict.fromkeys(v for c in asked for v in c.values):
        resource = value.rpartition(":")[2].replace("*", "x").replace("?", "x")
        kind, _, path = resource.partition("/")
        if kind not in ("user", "role") or not path:
            continue
        yield Caller(
            kind=CallerKind.USER if kind == "user" else CallerKind.ROLE_SESSION,
            arn=f"arn:aws:iam::{account}:{resource}", account=account, name=path.rpartition("/")[2], tags_known=False,
            open_tags=kind == "role", open_source_identity=kind == "role", open_provider=kind == "role",
        )  # fmt: skip


_EXACTLY = ("ArnLike", "ArnEquals", "StringLike", "StringEquals")


def _elsewhere(target: Principal, account: str) -> bool:
    """Whether every Allow of a trust policy asks for `aws:PrincipalArn` of accounts that it names, and not of `account`."""
    trust = target.trust
    if not isinstance(trust, Policy) or trust.malformed is not None:
        return False
    allows = [s for s in trust.statements if s.effect is not Effect.DENY]
    return all(
        any(
            c.key.lower() == "aws:principalarn"
            and c.operator in _EXACTLY
            and not (c.quantifier or c.if_exists or c.malformed)
            and all(_is_of_another(v, account) for v in c.values)
            for c in s.conditions
        )
        for s in allows
    )


def _is_of_another(pattern: str, account: str) -> bool:
    head = pattern.split(":", 5)[:5]
    return len(head) == 5 and not set("*?$") & set("".join(head)) and head[4].isdigit() and head[4] != account


def _trusting(
    ask: Ask, caller: Caller, role: Principal, given: Mapping[str, tuple[str, ...]]
) -> tuple[Check, bool] | None:
    """The check of AssumeRole by a caller whose identity policies allow everything, and whether it certainly passes."""
    facts = Facts(
        env=ask.env, caller=caller, action="sts:assumerole", resource=role.arn, owner=role.account, given=given,
        missing=ask.missing, on_path=True,
    )  # fmt: skip
    check = check_of(facts)
    label = Label(LabelKind.LAYER, f"identity policies in {caller.account}")
    layers = replace(check.layers, identity=Side(label, (Hit(label, TRUE),)))
    check = replace(check, layers=layers, authorization=decide(layers))
    term = check.authorization.allowed
    if term is FALSE or may(term) is FALSE:
        return None
    settled = settle(term, (facts,), ask.limits)
    # a permission to tag is another check, of which nothing is said here
    plain = not any(passed_or_inherited(v) for v in variables(term))
    return (check, isinstance(settled.sure, Sat) and plain) if settled.possible else None


def _link(source: str, target: str, check: Check, kind: str, *, sure: bool) -> Link:
    layers = check.layers
    hits = (*layers.identity.allow, *(layers.resource.side.allow if layers.resource is not None else ()))
    labels = dict.fromkeys(h.label.text for h in hits if h.label.kind is LabelKind.STATEMENT)
    return Link(
        source=source,
        target=target,
        technique=_TECHNIQUES.get(check.facts.caller.kind, "sts-assume-role"),
        kind=kind,
        sure=sure,
        guard=_lean(strip(check.authorization.allowed)),
        statements=tuple(labels),
        assumptions=check.assumptions,
    )


def _lean(term: Term) -> Term:
    """The same without `has KEY` beside an atom over KEY, which is false where KEY is absent."""
    if not isinstance(term, And):
        return term
    read = {a.var for a in term.args if isinstance(a, Like | Compare | InNetwork)}
    return all_of(a for a in term.args if not (isinstance(a, Present) and a.var in read))

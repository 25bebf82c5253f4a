"""Single hops by themselves: which roles a session may obtain, whatever created it, and what that depends on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.memo import Memo, once
from iamsim.graph.alike import held_of
from iamsim.graph.apart import ENTERING, told_at_the_door
from iamsim.graph.doors import door_of, lets_in_others
from iamsim.graph.given import given_for, when_for
from iamsim.graph.hops import HopCheck, hop_check, hop_term, main_term, read_of
from iamsim.graph.outside import is_known, role_at
from iamsim.graph.sessions import Session, possible
from iamsim.graph.state import START, later
from iamsim.graph.trusts import roles_for
from iamsim.graph.world import caller_in
from iamsim.ir.bindings import ABSENT
from iamsim.ir.bounds import may
from iamsim.ir.term import FALSE, TRUE, Term, variables
from iamsim.judge.outlook import outlook
from iamsim.model.caller import CallerKind, kin_of

if TYPE_CHECKING:
    from iamsim.env.types import Environment, Principal
    from iamsim.graph.world import Node, Search
    from iamsim.judge.judge import Ask
    from iamsim.model.caller import Caller


@dataclass(frozen=True, slots=True)
class Edge:
    """A hop that may be possible. `sure`: it certainly is, for some session of the role it starts from.

    `read` are the variables of its main check and of the permissions below. `tags` and `identity` tell whether tags and a
    source identity may be passed or inherited: TRUE, FALSE, or None where that depends on more. `plain`: the main check
    reads nothing of what the call passes or the session inherits.
    """

    sure: bool
    read: frozenset[str]
    tags: bool | None
    identity: bool | None
    plain: bool


def possible_session(ask: Ask, start: Caller, role: Principal) -> tuple[Session, bool]:
    """A session that contains every one which a path from `start` can create of `role`, and whether its keys are free.

    What `start` brings along reaches later sessions also in one concrete request.
    """
    ever = ask.ever or brings(ask, start)
    return Session(possible(ask.env, role), ever=ever, made=True), ever


def brings(ask: Ask, start: Caller) -> bool:
    """Whether sessions that `start` obtains may carry what it brought along."""
    federated = start.kind in (CallerKind.WEB_IDENTITY, CallerKind.SAML, CallerKind.SERVICE)
    fixed = bool(start.transitive) or start.source_identity is not None
    return federated or fixed or "aws:sourceidentity" in ask.given or "sts:sourceidentity" in ask.given


def asking(search: Search, node: Node, env: Environment) -> Ask | None:
    """What the node's requests in `env` are asked with; None if it does not exist there."""
    if node.made and not is_known(env, node.caller.arn or ""):
        return None
    ask = search.ask if node.name == START else later(search.ask, search.action, search)
    return ask if ask.env is env else replace(ask, env=env)


def edges_of(search: Search, node: Node, env: Environment) -> dict[str, Edge]:
    """The hops that the node may make in `env`, by role."""
    ask = asking(search, node, env)
    if ask is None:
        return {}
    if node.made:
        return edges_from(ask, search.start, node.caller.arn or "", search.action)
    return edges_from(ask, caller_in(search.env, env, node.caller), "", search.action)


def edges_from(ask: Ask, start: Caller, node: str, action: str) -> dict[str, Edge]:
    """The hops that sessions of `node` (ARN of a role, "" for `start` itself) may make, by role, in order of ARN.

    Those between roles depend on the question only as far as it gives keys that speak of every request.
    """
    if node == "":
        session, number, mine = Session(start, ever=ask.ever), 1, ask
        when = when_for(ask.when, action, start, first=True, last=False)
        given = given_for(ask.given, action, start, first=True, last=False)
        alone = when is TRUE and not given and ask.documents == NO_DOCUMENTS
        key: object = ("edges", start, ask.missing, ask.ever)
    else:
        (session, ever), number = possible_session(ask, start, role_at(ask.env, node)), 2
        given = given_for(ask.given, action, start, first=False, last=False)
        mine, alone = replace(ask, ever=ever), not given
        key = ("edges", node, ask.missing, ever)
    if alone:
        return once(ask.env.memo, key, _edges, mine, session, number, action, True)
    return _edges(mine, session, number, action, False)


def edge_to(ask: Ask, start: Caller, node: str, role: Principal, action: str) -> Edge | None:
    """The hop that sessions of `node` ("" for `start` itself) may make to one role, or None; kept with changed environments."""
    if node == "":
        session, number, mine = Session(start, ever=ask.ever), 1, ask
    else:
        (session, ever), number = possible_session(ask, start, role_at(ask.env, node)), 2
        mine = replace(ask, ever=ever)
    if not isinstance(ask.env.memo, Memo) or ask.given or ask.when is not TRUE or ask.documents != NO_DOCUMENTS:
        return _edge_of(mine, session, role, number, action)
    key = ("edge-to", session.caller, node, role.arn, session.ever, ask.missing)
    kin = _kin(ask.env, session.caller)
    return once(ask.env.memo, key, _shared_edge, mine, session, role, number, action, kin)


def _edges(ask: Ask, session: Session, number: int, action: str, alone: bool) -> dict[str, Edge]:
    roles = roles_for(ask.env, session.caller, ask.missing)
    kin = _kin(ask.env, session.caller) if alone else None
    found = {r.arn: _shared_edge(ask, session, r, number, action, kin) for r in roles}
    return {arn: edge for arn, edge in found.items() if edge is not None}


def _kin(env: Environment, caller: Caller) -> object | None:
    """What of the user or role decides which roles it may assume, its ARN and its tags aside; None if that cannot be told."""
    principal = env.principals.get(caller.arn or "")
    if principal is None or caller.kind not in (CallerKind.USER, CallerKind.ROLE_SESSION):
        return None
    held = held_of(env, principal, ENTERING)
    return None if held is None else (kin_of(caller), held)


def _shared_edge(ask: Ask, session: Session, role: Principal, number: int, action: str, kin: object) -> Edge | None:
    """`_edge_of`, worked out once for callers whom nothing tells apart that decides about the role, and for roles alike to it."""
    env, arn = ask.env, session.caller.arn or ""
    if kin is not None and lets_in_others(env, role, arn):
        return None
    told = None if kin is None else told_at_the_door(env, arn, role)
    if told is None:
        return _edge_of(ask, session, role, number, action)
    door = door_of(env, arn, role) or role.arn
    key = ("edge", kin, told, door, number, session.made, session.ever, ask.missing, ask.ever)
    return once(env.memo, key, _edge_of, ask, session, role, number, action)


def _edge_of(ask: Ask, session: Session, role: Principal, number: int, action: str) -> Edge | None:
    hop = hop_check(ask, session, role, number, action)
    term = main_term(hop)
    if term is FALSE or may(term) is FALSE:
        return None
    whole = hop_term(hop, read_of((hop,), ()))
    found = outlook(whole, (hop.check.facts,), ask.limits)
    return _edge(hop, term, sure=found.sure) if found.possible else None


def _edge(hop: HopCheck, term: Term, *, sure: bool) -> Edge:
    assert hop.tags is not None
    assert hop.identity is not None
    tags, identity = hop.tags, hop.identity
    if hop.check.lookup("aws:tagkeys") == ABSENT:
        tags = FALSE
    if hop.check.lookup("sts:sourceidentity") == ABSENT:
        identity = FALSE
    main = variables(term)
    return Edge(
        sure=sure,
        read=main | variables(tags) | variables(identity),
        tags=tags is TRUE if tags in (TRUE, FALSE) else None,
        identity=identity is TRUE if identity in (TRUE, FALSE) else None,
        plain=not any(passed_or_inherited(v) for v in main),
    )


def passed_or_inherited(var: str) -> bool:
    """Whether a variable is about tags or a source identity, of the call or of the session."""
    name = var.rpartition("|")[2]
    return name.startswith(("aws:requesttag/", "aws:principaltag/")) or name in (
        "aws:tagkeys", "sts:transitivetagkeys", "sts:sourceidentity", "aws:sourceidentity",
    )  # fmt: skip

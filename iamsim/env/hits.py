"""Policies against one check: the statements that may match, as hits of a layer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.diagnostics import Origin
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.ir.conditions import conditions_term
from iamsim.ir.decide import Hit, ResourceSide, Side
from iamsim.ir.lower import action_term, resource_term
from iamsim.ir.principals import Classes, match_principal, unknown
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, Label, LabelKind, Opaque, all_of, any_of, malformed, variables
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import Pattern
from iamsim.model.policy import Effect, Malformed, PolicyKind, PrincipalEntry, PrincipalMatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iamsim.env.facts import Facts
    from iamsim.ir.bindings import Lookup
    from iamsim.ir.term import Term
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Match, Policy, Statement

_ACCOUNT = re.compile(r"\d{12}|arn:[\w-]+:iam::\d{12}:root", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A statement that speaks of an action: its label, the term of its action element, and that of its conditions.

    `certain` is its hit if it matches every resource in every context, else None.
    """

    statement: Statement
    policy: Policy
    label: Label
    action: Term
    conditions: Term
    certain: Hit | None


def label_of(policy: Policy, statement: Statement) -> Label:
    """The label of a statement: its policy, its Sid or number, and its place in that policy's own file.

    Equal documents share their statements, so the place is the policy's with the statement's pointer in the document.
    """
    name = f"statement {statement.sid}" if statement.sid else f"statement {statement.index + 1}"
    at = statement.origin.pointer.rfind("/Statement")
    tail = statement.origin.pointer[at:] if at >= 0 else ""
    place = Origin(policy.origin.source, policy.origin.pointer + tail)
    return Label(LabelKind.STATEMENT, f"{policy.kind} {policy.name}, {name}", place)


def slice_policy(facts: Facts, policy: Policy) -> tuple[Row, ...]:
    """The statements of `policy` that speak of the asked action; made once for a policy and an action."""
    return once(facts.env.memo, (id(policy), facts.action), _rows, policy, facts.action)[0]


def _rows(policy: Policy, action: str | None) -> tuple[tuple[Row, ...], Policy]:
    made = (_row(policy, statement, _action(statement, action)) for statement in policy.statements)
    return tuple(r for r in made if r is not None), policy


def _row(policy: Policy, statement: Statement, action: Term) -> Row | None:
    if action is FALSE:
        return None
    label = label_of(policy, statement)
    certain = action is TRUE and not statement.conditions and _everything(statement.resource)
    conditions = conditions_term(statement, variables=policy.variables)
    return Row(statement, policy, label, action, conditions, Hit(label, TRUE) if certain else None)


def _everything(resource: Match | None) -> bool:
    if resource is None:
        return True
    return not resource.negated and any(isinstance(p, Pattern) and p.text == "*" for p in resource.patterns)


def _action(statement: Statement, action: str | None) -> Term:
    if statement.inert:
        return FALSE
    term = TRUE if statement.action is None else action_term(statement.action, action)
    return term if statement.malformed is None else all_of((malformed(statement.malformed.reason), term))


def _body(facts: Facts, lookup: Lookup, row: Row) -> Term:
    """The term of action, resource and conditions of a statement in this check."""
    if row.certain is not None:
        return TRUE
    statement, action = row.statement, row.action
    if action is not TRUE and facts.action is None:
        action = reduce(action, lookup)
    resource: Term = TRUE
    if statement.resource is not None:
        service = (facts.action or "").partition(":")[0]
        resource = resource_term(statement.resource, row.policy.kind, facts.resource, service)
        if resource is FALSE:
            return FALSE
        if resource is not TRUE:
            resource = reduce(resource, lookup)
            if resource is FALSE:
                return FALSE
    if row.conditions is TRUE:
        return action if resource is TRUE else all_of((action, resource))
    held = reduce(row.conditions, lookup)
    return held if resource is TRUE and action is TRUE else all_of((action, resource, held))


def side(
    facts: Facts, lookup: Lookup, label: Label, policies: Iterable[Policy | MissingPolicy], *, deny_only: bool = False
) -> Side:
    """The layer of `policies`, which have no principals, in this check."""
    allow: list[Hit] = []
    deny: list[Hit] = []
    lost: list[Term] = []
    for policy in policies:
        if isinstance(policy, MissingPolicy):
            lost.append(Opaque(f"missing:{policy.arn}"))
            continue
        if policy.malformed is not None:
            lost.append(malformed(policy.malformed.reason))
            continue
        for row in slice_policy(facts, policy):
            if deny_only and row.statement.effect is Effect.ALLOW:
                continue
            term = _body(facts, lookup, row)
            if term is not FALSE:
                _add(allow, deny, row, term)
    return Side(label, tuple(allow), tuple(deny), _lost(lost))


_SIDES = 4096
"""How many outcomes of one ceiling are kept."""


def ceiling(
    facts: Facts, lookup: Lookup, label: Label, policies: tuple[Policy, ...], *, deny_only: bool = False
) -> Side:
    """`side` for policies that many callers share: made once for each action and each value of what they read."""
    if facts.action is None:
        return side(facts, lookup, label, policies, deny_only=deny_only)

    def nothing() -> tuple[tuple[tuple[str, ...], bool], dict[object, Side], tuple[Policy, ...]]:
        return _reads(facts, policies), {}, policies

    (names, resource), made, _ = once(facts.env.memo, ("ceiling", id(policies), facts.action, deny_only), nothing)
    values = ((facts.resource, facts.resource_name) if resource else None, *map(lookup, names))
    known: Side | None = made.get(values)
    if known is None:
        if len(made) >= _SIDES:
            made.clear()
        known = made[values] = side(facts, lookup, label, policies, deny_only=deny_only)
    return known


def _reads(facts: Facts, policies: tuple[Policy, ...]) -> tuple[tuple[str, ...], bool]:
    """The variables that the statements on the action read, and whether some of them looks at the resource."""
    rows = [r for p in policies if p.malformed is None for r in slice_policy(facts, p)]
    names = {v for r in rows for v in variables(all_of((r.action, r.conditions)))}
    resource = False
    for row in rows:
        if not _everything(row.statement.resource):
            resource = True
            patterns = row.statement.resource.patterns if row.statement.resource else ()
            names |= {v.key for p in patterns if isinstance(p, Pattern) for v in p.variables}
    return tuple(sorted(names)), resource


def _lost(lost: list[Term]) -> Term:
    return lost[0] if len(lost) == 1 else FALSE if not lost else any_of(lost)


def _add(allow: list[Hit], deny: list[Hit], row: Row, term: Term) -> None:
    label = row.label
    hit = row.certain if term is TRUE and row.certain is not None else Hit(label, term)
    match row.statement.effect:
        case Effect.ALLOW:
            allow.append(hit)
        case Effect.DENY:
            deny.append(hit)
        case Effect.BOTH:
            unsure = all_of((Opaque("malformed:Effect"), term))
            allow.append(Hit(label, unsure))
            deny.append(Hit(label, unsure))


def resource_side(
    facts: Facts,
    lookup: Lookup,
    label: Label,
    policy: Policy,
    entities: Mapping[str, str],
    extra: tuple[tuple[str, Hit], ...] = (),
) -> ResourceSide:
    """A resource or trust policy in this check, by class of grant. `extra` are further (class, hit) pairs: KMS grants."""
    if policy.malformed is not None:
        return ResourceSide(Side(label, unknown=malformed(policy.malformed.reason)))
    by_class: dict[str, list[Hit]] = {"direct": [], "via": [], "account": []}
    deny: list[Hit] = []
    for row in slice_policy(facts, policy):
        statement = row.statement
        classes = principal_classes(facts, statement, entities, trust=policy.kind is PolicyKind.TRUST)
        if classes.some is FALSE:
            continue
        term = _body(facts, lookup, row)
        if term is FALSE:
            continue
        name = row.label
        if statement.effect is not Effect.ALLOW:
            hit = all_of((term, reduce(classes.some, lookup)))
            deny.append(Hit(name, _unsure(statement, hit)))
        if statement.effect is not Effect.DENY:
            for kind, test in (("direct", classes.direct), ("via", classes.via), ("account", classes.account)):
                hit = all_of((term, reduce(test, lookup)))
                if hit is not FALSE:
                    by_class[kind].append(Hit(name, _unsure(statement, hit)))
    for kind, more in extra:
        by_class[kind].append(more)
    deny = [h for h in deny if h.term is not FALSE]
    allow = tuple(h for hits in by_class.values() for h in hits)
    return ResourceSide(
        Side(label, allow, tuple(deny)),
        tuple(by_class["direct"]),
        tuple(by_class["via"]),
        tuple(by_class["account"]),
    )


def _unsure(statement: Statement, term: Term) -> Term:
    return all_of((Opaque("malformed:Effect"), term)) if statement.effect is Effect.BOTH else term


def principal_classes(
    facts: Facts, statement: Statement, entities: Mapping[str, str], *, trust: bool = False
) -> Classes:
    """The classes of a statement's principal element for the caller; a malformed statement is U in all of them."""
    if statement.principal is None or (statement.malformed is not None and statement.principal.negated):
        return unknown(f"malformed:{statement.malformed.reason if statement.malformed else 'no Principal'}")
    return match_principal(statement.principal, facts.caller, entities, statement.effect, trust=trust)


def endpoint_side(
    facts: Facts, lookup: Lookup, label: Label, policy: Policy, entities: Mapping[str, str], *, gateway: bool
) -> Side:
    """A VPC endpoint policy: principals of any class match; a gateway endpoint knows only `*` and root users.

    Source: AWS PrivateLink Guide, "Control access to VPC endpoints using endpoint policies".
    """
    if policy.malformed is not None:
        return Side(label, unknown=malformed(policy.malformed.reason))
    allow: list[Hit] = []
    deny: list[Hit] = []
    for row in slice_policy(facts, policy):
        statement = row.statement
        if gateway and statement.principal is not None:
            statement = replace(statement, principal=_gateway(statement.principal, facts.caller))
        who = principal_classes(facts, statement, entities).some
        if who is FALSE:
            continue
        term = all_of((_body(facts, lookup, row), reduce(who, lookup)))
        if term is not FALSE:
            _add(allow, deny, row, term)
    return Side(label, tuple(allow), tuple(deny))


def _gateway(match: PrincipalMatch, caller: Caller) -> PrincipalMatch:
    """`match` as a gateway endpoint reads it: an account means its root user, and other names than `*` are not valid."""
    out: list[PrincipalEntry | Malformed] = []
    for e in match.entries:
        if isinstance(e, Malformed) or e.value == "*":
            out.append(e)
        elif e.type != "AWS" or not _ACCOUNT.fullmatch(e.value):
            out.append(Malformed("principal of a gateway endpoint policy"))
        elif caller.kind is CallerKind.ROOT:
            out.append(e)
    return PrincipalMatch(match.negated, tuple(out))

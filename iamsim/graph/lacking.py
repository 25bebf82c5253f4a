"""What a single refused request lacks: the amendments each of which may be enough to have it allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.amend import Amendment, Lack
from iamsim.env.facts import entities, place
from iamsim.env.hits import principal_classes, slice_policy
from iamsim.env.types import MissingPolicy
from iamsim.ir.bounds import may
from iamsim.ir.conditions import condition_term
from iamsim.ir.lower import resource_term
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.core import parts_of
from iamsim.judge.problem import policies_of
from iamsim.model.policy import Effect, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.hits import Row
    from iamsim.ir.term import Term
    from iamsim.judge.answer import Cited
    from iamsim.judge.check import Check
    from iamsim.model.policy import Condition, Policy

Amendments = frozenset[Amendment]
NONE: Amendments = frozenset()
EVERYTHING = "*"
"""The action of an amendment by which a whole ceiling goes, for ways that it stops more than once."""

_GRANTS = ("grant", "grants")


def lacking(check: Check, on: str, when: Term = TRUE) -> Amendments:
    """The amendments of which one alone may have the check allowed; `on` is the resource that a new statement names.

    Where several parts of the check fail by themselves, an amendment must mend them all. Where none does, the parts
    contradict each other (or what else the request must satisfy), and every statement that says anything may be the one.
    """
    if check.layers.refused is not None:
        return NONE
    parts = parts_of(check, when)
    failing = [cited for cited, term in parts if may(term) is FALSE]
    if failing:
        out = _mends(check, failing[0], on)
        for cited in failing[1:]:
            out = meet(out, _mends(check, cited, on))
        return out
    out = NONE
    for cited, term in parts:
        if term is not TRUE:
            out |= _mends(check, cited, on)
    return out


def meet(some: Amendments, others: Amendments) -> Amendments:
    """The amendments that mend both: those in both and, where one action is missing on two resources, it on all."""
    same = {(a.who, a.what): a.on for a in others if a.lack is Lack.PERMISSION}
    wide = (a for a in some if a.lack is Lack.PERMISSION and same.get((a.who, a.what), a.on) != a.on)
    return (some & others).union(replace(a, on="*") for a in wide)


def spoken(check: Check) -> bool:
    """True iff an Allow statement of the caller's policies or of the resource's speaks of the action."""
    policies = policies_of(check)
    return any(True for p in (*policies["identity"], policies["resource"]) for _ in _allows(check, p))


def _mends(check: Check, cited: Cited, on: str) -> Amendments:
    arn = check.facts.caller.arn or ""
    action = check.facts.action or ""
    policies = policies_of(check)
    match cited.role:
        case "deny":
            return frozenset({Amendment(Lack.DENY, cited.text, place=cited.origin)}) if cited.origin else NONE
        case "identity":
            return _conditions(check, policies["identity"]) | {Amendment(Lack.PERMISSION, arn, action, on)}
        case "boundary":
            own = frozenset({Amendment(Lack.BOUNDARY, arn, action, on), Amendment(Lack.BOUNDARY, arn, EVERYTHING, "*")})
            return _conditions(check, [policies["boundary"]]) | own
        case "scp":
            return _scps(check, cited, action)
        case "resource":
            return _conditions(check, [policies["resource"]]) | _admission(check, arn, action)
        case role if role in _GRANTS:
            permission = Amendment(Lack.PERMISSION, arn, action, on)
            either = [*policies["identity"], policies["resource"]]
            return _conditions(check, either) | {permission} | _admission(check, arn, action)
        case _:
            return NONE


def _admission(check: Check, arn: str, action: str) -> Amendments:
    """That the trust policy or the resource policy names the caller."""
    resource = check.facts.resource or (check.facts.holder.arn if check.facts.holder is not None else None)
    env = check.facts.env
    if resource is None or not arn.startswith("arn:"):
        return NONE
    if ":role/" in resource and resource in env.principals:
        return frozenset({Amendment(Lack.TRUST, resource, "sts:AssumeRole", f"AWS {arn}")}) if action.startswith(
            "sts:") else NONE  # fmt: skip
    bucket = resource.partition("/")[0] if ":s3:::" in resource else resource
    return frozenset({Amendment(Lack.GRANT, bucket, action, f"AWS {arn}")}) if bucket in env.resources else NONE


def _scps(check: Check, cited: Cited, action: str) -> Amendments:
    found = place(check.facts.env, check.facts.caller.account or "")
    if found is None:
        return NONE
    nodes = [n for n in found[1] if n.origin == cited.origin]
    out = frozenset(Amendment(Lack.SCP, n.id, what) for n in nodes for what in (action, EVERYTHING))
    return out.union(*(_conditions(check, list(n.scps)) for n in nodes))


def _conditions(check: Check, policies: list[Policy | MissingPolicy | None]) -> Amendments:
    """The conditions but for which a statement that speaks of the request would allow it: the only one that fails, or any."""
    out: set[Amendment] = set()
    for policy in policies:
        for row in _allows(check, policy):
            if _names(check, row):
                out.update(_of_row(check, row))
    return frozenset(out)


def _of_row(check: Check, row: Row) -> Iterator[Amendment]:
    conditions = row.statement.conditions
    terms = [reduce(condition_term(c, variables=row.policy.variables), check.lookup) for c in conditions]
    failing = [c for c, t in zip(conditions, terms, strict=True) if may(t) is FALSE]
    open_ = [c for c, t in zip(conditions, terms, strict=True) if t is not TRUE]
    if len(failing) > 1:
        return
    for condition in failing or open_:
        what = spelled(condition)
        yield Amendment(Lack.CONDITION, row.label.text, what, condition.key, row.label.origin)


def spelled(condition: Condition) -> str:
    """The operator as AWS spells it, with its quantifier."""
    quantifier = f"{condition.quantifier.value}:" if condition.quantifier is not None else ""
    return f"{quantifier}{condition.operator}{'IfExists' if condition.if_exists else ''}"


def _allows(check: Check, policy: Policy | MissingPolicy | None) -> Iterator[Row]:
    if policy is None or isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return
    for row in slice_policy(check.facts, policy):
        if row.statement.effect is Effect.ALLOW and row.statement.malformed is None:
            yield row


def _names(check: Check, row: Row) -> bool:
    """Whether the statement is about the caller and the resource."""
    facts, statement = check.facts, row.statement
    if statement.principal is not None:
        trust = row.policy.kind is PolicyKind.TRUST
        if principal_classes(facts, statement, entities(facts.env), trust=trust).some is FALSE:
            return False
    if statement.resource is None:
        return True
    service = (facts.action or "").partition(":")[0]
    return (
        may(reduce(resource_term(statement.resource, row.policy.kind, facts.resource, service), check.lookup))
        is not FALSE
    )

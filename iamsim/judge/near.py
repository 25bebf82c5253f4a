"""Near misses: the Allow statements that come closest to a request that is not allowed, and why they do not match."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.hits import principal_classes, slice_policy
from iamsim.env.types import MissingPolicy
from iamsim.ir.bounds import may
from iamsim.ir.conditions import condition_term
from iamsim.ir.lower import resource_term
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE
from iamsim.judge.problem import policies_of
from iamsim.model.policy import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.judge.check import Check
    from iamsim.model.policy import Policy, Statement

_SHOWN = 4


def near_misses(check: Check, role: str) -> tuple[str, ...]:
    """Sentences on the Allow statements of one layer (or of the grants) that speak of the action but do not match."""
    policies = policies_of(check)
    if role == "scp":
        found: list[Policy | MissingPolicy | None] = [p for level in policies["scp"] or [] for p in level]
    elif role in ("grant", "grants"):
        found = [*policies["identity"], policies["resource"]]
    elif role == "endpoint":
        found = [p for _, p in check.documents.endpoints]
    else:
        value = policies.get(role)
        found = list(value) if isinstance(value, list) else [value]
    rows = [r for p in found if p is not None and not isinstance(p, MissingPolicy) for r in _policy(check, p)]
    if len(rows) > _SHOWN:
        rows = [*rows[:_SHOWN], f"and {len(rows) - _SHOWN} more statements on the action do not match"]
    return tuple(rows) or ("no Allow statement speaks of the action",)


def _policy(check: Check, policy: Policy) -> Iterable[str]:
    for row in slice_policy(check.facts, policy):
        statement = row.statement
        if statement.effect is Effect.ALLOW and statement.malformed is None:
            why = _why_not(check, policy, statement)
            if why:
                yield f"{row.label.text}: {why}"


def _why_not(check: Check, policy: Policy, statement: Statement) -> str:
    facts = check.facts
    if statement.principal is not None:
        from iamsim.env.facts import entities

        if principal_classes(facts, statement, entities(facts.env)).some is FALSE:
            return "it does not name the caller"
    if statement.resource is not None:
        service = (facts.action or "").partition(":")[0]
        term = reduce(resource_term(statement.resource, policy.kind, facts.resource, service), check.lookup)
        if may(term) is FALSE:
            return "its resources do not match"
    for condition in statement.conditions:
        term = reduce(condition_term(condition, variables=policy.variables), check.lookup)
        if may(term) is FALSE:
            values = ", ".join(f"`{v}`" for v in condition.values[:3])
            return f"condition {condition.operator} {condition.key} ({values}) does not hold"
    return ""

"""Roles that let in alike: no document tells them apart, or tells who calls from those whom they let in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.aws.paths import FIXED
from iamsim.env.memo import Memo, once
from iamsim.env.types import MissingPolicy
from iamsim.graph.apart import ENTERING, ceilings, speaking
from iamsim.ir.lower import resource_term
from iamsim.ir.term import FALSE, TRUE
from iamsim.model.pattern import match, tokenize
from iamsim.model.policy import Effect, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.env.types import Environment, Principal
    from iamsim.model.pattern import Pattern
    from iamsim.model.policy import Condition, Match, Policy, Statement


def lets_in_others(env: Environment, role: Principal, arn: str) -> bool:
    """True only if every Allow statement of the role's trust policy asks for users and roles with other ARNs than `arn`."""
    if role.trust is None or isinstance(role.trust, MissingPolicy):
        return False
    asked = once(env.memo, (id(role.trust), "asked-arns"), _asked_arns, role.trust)[0]
    return asked is not None and not any(all(any(match(p, arn) for p in ps) for ps in every) for every in asked)


_Asked = tuple[tuple[tuple["Pattern", ...], ...], ...]


def _asked_arns(trust: Policy) -> tuple[_Asked | None, Policy]:
    """For each Allow statement the ARNs that each of its conditions on the caller's asks for; None: some asks for none."""
    out = []
    for s in trust.statements:
        if s.effect is Effect.DENY:
            continue
        asked = tuple(tuple(tokenize(v, variables=False) for v in c.values) for c in s.conditions if _asks_for_arn(c))
        if s.effect is not Effect.ALLOW or s.malformed is not None or not asked:
            return None, trust
        out.append(asked)
    return (tuple(out) if trust.malformed is None else None), trust


def _asks_for_arn(condition: Condition) -> bool:
    return (
        condition.key.lower() == "aws:principalarn"
        and condition.operator in ("ArnLike", "ArnEquals", "StringLike", "StringEquals")
        and condition.quantifier is None
        and condition.malformed is None
        and all(v.startswith("arn:") and v.count(":") >= _COLONS and "${" not in v for v in condition.values)
    )


_COLONS = 5
"""The colons of an ARN up to its resource."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What statements on assuming roles say of roles: their resource elements, but those that mean everything, and whether they
    read tags of what is called.
    """

    elements: tuple[Match, ...]
    tags: bool


def door_of(env: Environment, arn: str, role: Principal) -> object | None:
    """What of a role decides, beside what of the user or role `arn` does, whether that one may assume it; None: the role itself.

    Nothing that speaks of these calls reads more of a role than its account, its tags, and which resource elements it fits. To
    be asked where what of the caller decides is told.
    """
    trust = role.trust
    if arn == role.arn or trust is None or isinstance(trust, MissingPolicy) or trust.malformed is not None:
        return None
    own = once(env.memo, ("assumes", arn, "elements"), _of_principal, env, arn)
    all_ = once(env.memo, ("spared", ENTERING, "elements"), lambda: _said(ceilings(env, ENTERING)))
    if own is None or all_ is None:
        return None
    same, tagged = once(env.memo, (id(trust.statements), "same", trust.variables), _numbered, env, trust)[0]
    fitting = []
    for element in (*own.elements, *all_.elements):
        fits = resource_term(element, PolicyKind.SCP, role.arn, "sts")
        if fits not in (TRUE, FALSE):
            return None
        fitting += [element] if fits is TRUE else []
    tags = (role.tags, role.tags_known, role.open_tags) if tagged or own.tags or all_.tags else ()
    fixed = role.path if role.path.startswith(FIXED) else ""
    return (role.account, same, frozenset(fitting), tags, fixed)


def _numbered(env: Environment, trust: Policy) -> tuple[tuple[int, bool], object]:
    root = env.memo
    while isinstance(root, Memo):
        root = root.parent  # one numbering for all environments that come of one
    numbers: dict[object, int] = root.setdefault("trusts-numbered", {})
    number = numbers.setdefault((trust.variables, trust.statements), len(numbers))
    return (number, any(map(_reads_tags, trust.statements))), trust.statements


def _of_principal(env: Environment, arn: str) -> _Said | None:
    principal = env.principals.get(arn)
    groups = [env.groups.get(g) for g in principal.groups] if principal is not None else [None]
    if principal is None or None in groups:
        return None
    own = [*principal.policies, *(p for g in groups if g is not None for p in g.policies)]
    own += [principal.boundary] if principal.boundary is not None else []
    return _said(s for p in own for s in speaking(p, ENTERING))


def _said(statements: Iterable[Statement | None]) -> _Said | None:
    """None if some of the statements cannot be read."""
    elements: dict[Match, None] = {}
    tags = False
    for s in statements:
        if s is None or s.malformed is not None:
            return None
        tags = tags or _reads_tags(s)
        if s.resource is not None and not (len(s.resource.patterns) == 1 and _everything(s.resource)):
            elements[s.resource] = None
    return _Said(tuple(elements), tags)


def _reads_tags(statement: Statement) -> bool:
    return any(":resourcetag/" in c.key.lower() for c in statement.conditions)


def _everything(element: Match) -> bool:
    return not element.negated and getattr(element.patterns[0], "text", "") == "*"

"""Concrete questions about objects of one bucket, which the policies tell apart by their patterns alone.

Beside the patterns of statements nothing looks at the name of an object: its bucket, with the policy, owner and settings, is the
same. Two objects that the same patterns match are decided alike, so one is recalled for the other. A pattern with a policy
variable matches both alike if the same values of the variable make it match.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iamsim.env.hits import slice_policy
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.ir.lower import RESOURCE, resource_term
from iamsim.ir.term import FALSE, TRUE, And, Like, Not, Opaque, Or, Present, variables
from iamsim.judge.check import check_of
from iamsim.judge.judge import facts_of
from iamsim.judge.problem import flat, policies_of
from iamsim.model.pattern import Literal, Pattern, Variable
from iamsim.model.pattern import match as fits
from iamsim.query.prepare import Options, prepare

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.ir.term import Term
    from iamsim.model.policy import Match, PolicyKind
    from iamsim.query.recall import Shape

    Elements = tuple[tuple[Match, PolicyKind], ...]

_OBJECT = re.compile(r"(arn:[a-z-]+:s3:::[a-z0-9.-]+/)[A-Za-z0-9/._=+@-]+")
"""An object of S3 with a name that no rule takes for anything else: a wildcard, a variable, a field, a letter of two cases."""

_MOST = 400
"""Patterns of one caller and action beyond which its objects are not compared."""


def alike(env: Environment, shape: Shape) -> object:
    """What a concrete question depends on, beside the keys that are given, if its resource is an object; else its shape."""
    principal, action, resource, missing, any_resource, account = shape
    found = _OBJECT.fullmatch(resource)
    if found is None or env.endpoints or resource in env.resources:
        return shape
    whole = (principal, action, found[1], missing, any_resource, account)
    elements: Elements | None = once(env.memo, ("objects", whole), _elements, env, shape)
    if elements is None:
        return shape
    matched: list[object] = []
    for element, kind in elements:
        term = resource_term(element, kind, resource, "s3")
        told: object = term is TRUE
        if term is not TRUE and term is not FALSE:
            told = _told(term, resource)
            if told is None:
                return shape
        matched.append(told)
    return whole, tuple(matched)


def _told(term: Term, resource: str) -> object | None:
    """What a term about the name of an object comes to: for names that match alike it is the same; None if it is not plain."""
    match term:
        case And(args) | Or(args):
            found = [_told(t, resource) for t in args]
            return None if None in found else (type(term), *found)
        case Not(arg):
            inner = _told(arg, resource)
            return None if inner is None else (Not, inner)
        case Like(var, pattern, False) if var == RESOURCE:
            return _fitting(pattern, resource)
        case Opaque() | Present() | Like():
            return None if RESOURCE in variables(term) else term
        case _:
            return None


def _fitting(pattern: Pattern, resource: str) -> object | None:
    """Whether a pattern matches a text; of one with a variable behind fixed text, the variable and its values for which it does."""
    if not pattern.variables:
        return fits(pattern, resource)
    match pattern.parts:
        case (Literal(head), Variable() as variable, *rest) if len(pattern.variables) == 1:
            pass
        case _:
            return None
    after, tail = Pattern("", tuple(rest)), resource[len(head) :]
    ends = range(len(tail) + 1) if resource.startswith(head) else ()
    return variable, tuple(tail[:n] for n in ends if _may_follow(after, tail, n) and fits(after, tail[n:]))


def _may_follow(after: Pattern, tail: str, n: int) -> bool:
    first = after.parts[0] if after.parts else None
    return tail.startswith(first.text, n) if isinstance(first, Literal) else True


def _elements(env: Environment, shape: Shape) -> Elements | None:
    """The resource elements that bear on the question for any object of its bucket; None if they are too many."""
    principal, action, resource, missing, any_resource, account = shape
    options = Options(via="direct", strict=True, missing=missing, any_resource=any_resource, resource_account=account)
    asked = prepare(env, principal, action, resource, options)
    out: dict[tuple[Match, PolicyKind], None] = {}
    for caller, name, targets in asked.runs:
        for target in targets:
            check = check_of(facts_of(asked.ask, caller, name, target))
            for policy in flat(policies_of(check)):
                if policy is None or isinstance(policy, MissingPolicy) or policy.malformed is not None:
                    continue
                for row in slice_policy(check.facts, policy):
                    if row.statement.resource is not None:
                        out[row.statement.resource, policy.kind] = None
    return tuple(out) if sum(len(element.patterns) for element, _ in out) <= _MOST else None

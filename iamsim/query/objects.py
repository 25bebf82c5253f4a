"""Concrete questions about objects of one bucket, which the policies tell apart by their patterns alone.

Beside the patterns of statements nothing looks at the name of an object: its bucket, with the policy, owner and settings, is the
same. Two objects that the same patterns match are decided alike, so one is recalled for the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iamsim.env.hits import slice_policy
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.ir.lower import resource_term
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.check import check_of
from iamsim.judge.judge import facts_of
from iamsim.judge.problem import flat, policies_of
from iamsim.query.prepare import Options, prepare

if TYPE_CHECKING:
    from iamsim.env.types import Environment
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
    matched = []
    for element, kind in elements:
        term = resource_term(element, kind, resource, "s3")
        if term is not TRUE and term is not FALSE:
            return shape  # it has a variable, or may match
        matched.append(term is TRUE)
    return whole, tuple(matched)


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

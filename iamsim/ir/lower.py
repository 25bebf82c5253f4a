"""Statements to terms: actions and resources."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.ir.policy_variables import substituted, without_value
from iamsim.ir.term import FALSE, TRUE, Like, Opaque, all_of, any_of, const, malformed, not_
from iamsim.model.pattern import (
    AnyChar,
    Literal,
    Pattern,
    Star,
    join,
    single_characters,
)
from iamsim.model.policy import Malformed, PolicyKind

if TYPE_CHECKING:
    from iamsim.ir.term import Term, Var
    from iamsim.model.pattern import Part
    from iamsim.model.policy import Match

RESOURCE: Var = "resource"
ACTION: Var = "action"


def action_term(match: Match, action: str | None) -> Term:
    """Whether `action` (lower case; None: the variable `action`) is among the actions of a statement.

    Source: IAM User Guide, "IAM JSON policy elements: Action" and "NotAction".
    """
    parts: list[Term] = []
    for p in match.patterns:
        if isinstance(p, Malformed):
            parts.append(malformed(p.reason))
        elif action is None:
            parts.append(Like(ACTION, p, fold_case=True))
        elif _action_matches(p, action):
            return FALSE if match.negated else TRUE
    if not parts:
        return TRUE if match.negated else FALSE
    found = any_of(parts)
    return not_(found) if match.negated else found


@lru_cache(maxsize=200_000)
def _action_matches(pattern: Pattern, action: str) -> bool:
    from iamsim.model.pattern import match

    return match(pattern, action, fold_case=True)


def resource_term(match: Match, kind: PolicyKind, resource: str | None, service: str) -> Term:
    """Whether the requested resource is among the resources of a statement.

    `resource` is an ARN as `normal_arn` gives it, `*` for a wildcard-only action (of `service`), or None for the
    variable `resource`. Terms over policy variables remain.
    Source: IAM User Guide, "IAM JSON policy elements: Resource" and "NotResource".
    """
    parts: list[Term] = []
    for p in match.patterns:
        term = malformed(p.reason) if isinstance(p, Malformed) else _entry(p, kind, resource, service)
        if match.negated and not isinstance(p, Malformed):
            term = any_of((term, without_value(p, Opaque("X43"))))
        if term is TRUE:
            return FALSE if match.negated else TRUE
        parts.append(term)
    found = any_of(parts)
    return not_(found) if match.negated else found


def _entry(pattern: Pattern, kind: PolicyKind, resource: str | None, service: str) -> Term:
    if pattern.text == "*":
        return TRUE
    if resource == "*":
        return _wildcard_only(pattern, service)
    full, padded = arn_pattern(pattern)
    found = _match_resource(full, resource)
    if isinstance(found, Like):
        found = substituted(full, found)
    if padded is None or found is TRUE:
        return found
    short = _match_resource(padded, resource)
    if kind is PolicyKind.IDENTITY:
        return any_of((found, short))
    return any_of((found, all_of((Opaque("X2"), short))))


def _match_resource(pattern: Pattern, resource: str | None) -> Term:
    if resource is not None and not pattern.variables:
        from iamsim.model.pattern import match

        return const(match(pattern, resource))
    return Like(RESOURCE, pattern)


def _wildcard_only(pattern: Pattern, service: str) -> Term:
    """Semantics X3: AWS's pages contradict each other on a service-wide ARN for an action without resource types."""
    if all(isinstance(p, Star) for p in pattern.parts) and pattern.parts:
        return TRUE
    fields = pattern.text.split(":", 5)
    fields += ["*"] * (6 - len(fields))
    if fields[2].lower() in (service, "*") and fields[5] and fields[5].strip("*") == "":
        return Opaque("X3")
    return FALSE


@lru_cache(maxsize=100_000)
def arn_pattern(pattern: Pattern) -> tuple[Pattern, Pattern | None]:
    """A Resource pattern as tokens that know ARN fields, and its padded form if it has fewer than six segments.

    A `*` before the fifth colon matches no colon unless a colon follows it or it is last; literals there are in lower
    case, as `normal_arn` makes the resource.
    Source: IAM User Guide, "IAM JSON policy elements: Resource", wildcards in ARNs.
    """
    if all(isinstance(p, Star) for p in pattern.parts) and pattern.parts:
        return Pattern(pattern.text, (Star(),)), None
    parts: list[Part] = []
    colons = 0
    tokens = single_characters(pattern)
    for i, p in enumerate(tokens):
        if colons >= 5:
            parts.append(p)
        elif isinstance(p, Literal):
            colons += p.text == ":"
            parts.append(Literal(p.text.lower()))
        elif isinstance(p, Star):
            after = tokens[i + 1] if i + 1 < len(tokens) else None
            parts.append(Star(field=not (after is None or after == Literal(":"))))
        elif isinstance(p, AnyChar):
            parts.append(AnyChar(field=True))
        else:
            parts.append(p)
    full = join(pattern.text, parts)
    if colons >= 5:
        return full, None
    padding: list[Part] = []
    for _ in range(5 - colons):
        padding += [Literal(":"), Star()]
    return full, join(pattern.text, [*parts, *padding])


@lru_cache(maxsize=65536)
def normal_arn(text: str) -> str:
    """`text` with everything before the fifth colon in lower case; texts that are no ARN stay as they are."""
    fields = text.split(":", 5)
    if len(fields) < 6:
        return text
    return ":".join([*(f.lower() for f in fields[:5]), fields[5]])

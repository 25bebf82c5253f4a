"""JSON values of Action, Resource and Principal elements → matches and diagnostics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iamsim.findings import diagnostic, printable
from iamsim.model.arn import is_account_id
from iamsim.model.pattern import Literal, Pattern, Variable, tokenize
from iamsim.model.policy import Malformed, Match, PrincipalEntry, PrincipalMatch
from iamsim.model.read_condition import odd_characters

if TYPE_CHECKING:
    from collections.abc import Callable

    from iamsim.diagnostics import Diagnostic, Origin

_SPACE = re.compile(r"\s")
_UNIQUE_ID = re.compile(r"(AIDA|AROA)[A-Z0-9]*(:.+)?", re.ASCII)
_PRINCIPAL_ARN = re.compile(
    r"arn:[\w-]+:(?:iam::(?:\d{12}|cloudfront):(?:root|user/.+|role/.+)|sts::\d{12}:(?:assumed-role/[^/]+/.+|federated-user/.+))",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
PRINCIPAL_TYPES = ("AWS", "Service", "Federated", "CanonicalUser")
"""The types of principals in a policy. Source: IAM User Guide, "AWS JSON policy elements: Principal"."""


@lru_cache(maxsize=65536)
def action_pattern(text: str) -> Pattern | Malformed:
    """The pattern of an Action entry, malformed iff it is neither `*` nor `prefix:Name` with a fixed prefix.

    `*:*` is read as `*`. Source: IAM User Guide, "IAM JSON policy elements: Action".
    """
    if text in ("*", "*:*"):
        return Pattern(text, tokenize("*").parts)
    prefix, colon, name = text.partition(":")
    shown = printable(text)
    if not colon or not prefix:
        return Malformed(f"action `{shown}` has no service prefix")
    if not name:
        return Malformed(f"action `{shown}` has no name")
    if "*" in prefix or "?" in prefix:
        return Malformed(f"action `{shown}` has a wildcard in its service prefix")
    if _SPACE.search(text):
        return Malformed(f"action `{shown}` has white space")
    return tokenize(text, wildcards=True, variables=False)


@lru_cache(maxsize=65536)
def resource_pattern(text: str, variables: bool) -> Pattern | Malformed:
    """The pattern of a Resource entry, malformed iff it is neither `*` nor an ARN with a fixed service.

    Source: IAM User Guide, "IAM JSON policy elements: Resource".
    """
    pattern = tokenize(text, variables=variables)
    if text == "*":
        return pattern
    shown = printable(text)
    colons = 0
    for part in pattern.parts:
        if isinstance(part, Literal):
            colons += part.text.count(":")
        elif isinstance(part, Variable) and colons < 5:
            return Malformed(f"resource `{shown}` has a policy variable before its fifth colon")
    if text[:4].lower() != "arn:":
        return Malformed(f"resource `{shown}` is neither `*` nor an ARN")
    fields = text.split(":", 3)
    if len(fields) > 2 and ("*" in fields[2] or "?" in fields[2]):
        return Malformed(f"resource `{shown}` has a wildcard in its service")
    return pattern


@lru_cache(maxsize=65536)
def principal_entry(type: str, text: str) -> PrincipalEntry | Malformed:  # noqa: A002 - the name of the field
    """The entry `text` of the principal type `type`, malformed iff AWS would not store it.

    Source: IAM User Guide, "AWS JSON policy elements: Principal".
    """
    if type not in PRINCIPAL_TYPES:
        return Malformed(f"unknown principal type `{printable(type)}`")
    shown = printable(text)
    if type == "AWS" and text == "*":
        return PrincipalEntry(type, text)
    if not text:
        return Malformed("a principal is empty")
    if "${" in text:
        return Malformed(f"principal `{shown}` has a policy variable")
    if "*" in text or "?" in text:
        return Malformed(f"principal `{shown}` has a wildcard")
    if type == "AWS" and not (is_account_id(text) or _PRINCIPAL_ARN.fullmatch(text) or _UNIQUE_ID.fullmatch(text)):
        return Malformed(f"`{shown}` cannot be a principal")
    return PrincipalEntry(type, text)


def read_actions(negated: bool, value: Any, origin: Origin, out: list[Diagnostic]) -> Match:
    """The Action (or, if `negated`, NotAction) element `value` of the statement at `origin`."""
    clean = _clean_match(value, _clean_action, negated)
    if clean is not None:
        return clean
    return Match(negated, _patterns(value, action_pattern, _Place("policy-action", "Action", negated, origin), out))


def read_resources(negated: bool, value: Any, variables: bool, origin: Origin, out: list[Diagnostic]) -> Match:
    """The Resource (or, if `negated`, NotResource) element `value` of the statement at `origin`."""
    clean = _clean_match(value, _clean_with_variables if variables else _clean_without_variables, negated)
    if clean is not None:
        return clean
    read = _with_variables if variables else _without_variables
    return Match(negated, _patterns(value, read, _Place("policy-resource", "Resource", negated, origin), out))


def _with_variables(text: str) -> Pattern | Malformed:
    return resource_pattern(text, True)


def _without_variables(text: str) -> Pattern | Malformed:
    return resource_pattern(text, False)


def _clean_match(value: Any, clean: Callable[[Any], Match | None], negated: bool) -> Match | None:
    """The element `value` if there is nothing to remark on it, else None."""
    if isinstance(value, str):
        found = clean(value)
        return found if found is None or not negated else Match(True, found.patterns)
    try:
        every = list(map(clean, value)) if isinstance(value, list) else None
    except TypeError:  # an entry that has no hash is no string
        return None
    if not every:
        return None
    patterns = [m.patterns[0] for m in every if m is not None]
    return Match(negated, tuple(patterns)) if len(patterns) == len(every) else None


@lru_cache(maxsize=65536)
def _clean_action(text: Any) -> Match | None:
    return _clean(text, action_pattern)


@lru_cache(maxsize=65536)
def _clean_with_variables(text: Any) -> Match | None:
    return _clean(text, _with_variables)


@lru_cache(maxsize=65536)
def _clean_without_variables(text: Any) -> Match | None:
    return _clean(text, _without_variables)


def _clean(text: Any, read: Callable[[str], Pattern | Malformed]) -> Match | None:
    """The match of the one entry `text` if there is nothing to remark on it, else None."""
    pattern = read(text) if isinstance(text, str) and text.isascii() and text.isprintable() else None
    return Match(False, (pattern,)) if isinstance(pattern, Pattern) else None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where patterns stand, and the finding for malformed ones; the origin is spelled out only when it is told."""

    finding: str
    element: str
    negated: bool
    statement: Origin

    def origin(self, value: Any, index: int) -> Origin:
        here = self.statement.child(f"Not{self.element}" if self.negated else self.element)
        return here.child(index) if isinstance(value, list) else here


def _patterns(
    value: Any, read: Callable[[str], Pattern | Malformed], place: _Place, out: list[Diagnostic]
) -> tuple[Pattern | Malformed, ...]:
    found = []
    for i, text in enumerate(value if isinstance(value, list) else (value,)):
        pattern = read(text) if isinstance(text, str) else Malformed("an entry is not a string")
        if isinstance(pattern, Malformed):
            out.append(diagnostic(place.finding, place.origin(value, i), pattern.reason))
        elif not text.isascii() or not text.isprintable():
            odd_characters(text, place.origin(value, i), out)
        found.append(pattern)
    return tuple(found)


def read_principals(negated: bool, value: Any, origin: Origin, out: list[Diagnostic]) -> PrincipalMatch:
    """The Principal (or, if `negated`, NotPrincipal) element `value` at `origin`."""
    if value == "*":
        return PrincipalMatch(negated, (PrincipalEntry("*", "*"),))
    if not isinstance(value, dict):
        return PrincipalMatch(negated, (_bad("a principal is `*` or an object of principal types", origin, out),))
    found: list[PrincipalEntry | Malformed] = []
    for kind, texts in value.items():
        many = isinstance(texts, list)
        if texts == []:
            found.append(_bad(f"no principal of type `{printable(kind)}` is named", origin.child(kind), out))
        for i, text in enumerate(texts if many else (texts,)):
            entry = principal_entry(kind, text) if isinstance(text, str) else Malformed("a principal is not a string")
            if isinstance(entry, Malformed):
                here = origin.child(kind, i) if many else origin.child(kind)
                out.append(diagnostic("policy-principal", here, entry.reason))
            found.append(entry)
    if not found:
        found.append(_bad("no principal is named", origin, out))
    return PrincipalMatch(negated, tuple(found))


def _bad(reason: str, origin: Origin, out: list[Diagnostic]) -> Malformed:
    out.append(diagnostic("policy-principal", origin, reason))
    return Malformed(reason)

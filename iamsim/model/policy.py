"""Policies as they are written: kinds, statements, matches and conditions. No AWS rule is applied here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Origin

if TYPE_CHECKING:
    from iamsim.model.pattern import Pattern


class PolicyKind(StrEnum):
    """What a policy is attached to, which decides the elements that it takes."""

    IDENTITY = "identity policy"
    RESOURCE = "resource policy"
    TRUST = "trust policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    SCP = "SCP"
    RCP = "RCP"
    ENDPOINT = "endpoint policy"


class Effect(StrEnum):
    """The effect of a statement; BOTH marks a statement without a usable one, which is unknown both ways."""

    ALLOW = "Allow"
    DENY = "Deny"
    BOTH = "unknown effect"


class Quantifier(StrEnum):
    """The set operators of condition operators."""

    ALL = "ForAllValues"
    ANY = "ForAnyValue"


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that AWS would not store and whose value therefore cannot be known; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class PrincipalEntry:
    """One entry of a Principal element: its type (`*`, `AWS`, `Service`, `Federated`, `CanonicalUser`) and text."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Match:
    """Action/NotAction or Resource/NotResource: the patterns, malformed ones kept as such."""

    negated: bool
    patterns: tuple[Pattern | Malformed, ...]


@dataclass(frozen=True, slots=True)
class PrincipalMatch:
    """Principal or NotPrincipal: the entries, malformed ones kept as such."""

    negated: bool
    entries: tuple[PrincipalEntry | Malformed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One operator and key of a Condition element, with its values as JSON text.

    `operator` is the base operator in AWS's spelling. `malformed` is set if the operator is unknown or the value list
    empty: then the leaf is unknown. `key` keeps the spelling of the policy; keys compare without case.
    """

    operator: str
    quantifier: Quantifier | None
    if_exists: bool
    key: str
    values: tuple[str, ...]
    malformed: Malformed | None = None
    origin: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. An element is None where the statement lacks it; `malformed` makes all of it unknown.

    `inert` marks the one storable lack: a KMS key policy statement without Action or Resource has no effect.
    """

    sid: str | None
    effect: Effect
    principal: PrincipalMatch | None
    action: Match | None
    resource: Match | None
    conditions: tuple[Condition, ...]
    malformed: Malformed | None = None
    inert: bool = False
    index: int = field(default=0, compare=False)
    origin: Origin = field(default=Origin("<memory>"), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy document with its place. `malformed` means that the document as a whole is unknown.

    `variables` is true iff the version is 2012-10-17, in which policy variables exist. `document` is the JSON value that
    was read.
    """

    kind: PolicyKind
    name: str
    arn: str | None
    version: str
    statements: tuple[Statement, ...]
    malformed: Malformed | None = None
    origin: Origin = field(default=Origin("<memory>"), compare=False)
    document: Any = field(default=None, compare=False, repr=False)

    @property
    def variables(self) -> bool:
        """True iff policy variables are substituted (version 2012-10-17)."""
        return self.version == "2012-10-17"

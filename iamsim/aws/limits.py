"""Which limit binds which grant: the rows behind the policy evaluation logic."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

_LOGIC = 'IAM User Guide, "Policy evaluation logic"'
_WITHIN = 'IAM User Guide, "How AWS enforcement code logic evaluates requests to allow or deny access"'
_ACROSS = 'IAM User Guide, "Cross-account policy evaluation logic"'
_BOUNDARY = 'IAM User Guide, "Permissions boundaries for IAM entities"'
_SESSION = 'IAM User Guide, "Policies and permissions in AWS Identity and Access Management", session policies'


class Grant(StrEnum):
    """What can allow a request: an identity policy, or one of three classes of resource grants."""

    IDENTITY = "identity"
    DIRECT = "direct"
    VIA = "via"
    ACCOUNT = "account"


class Limit(StrEnum):
    """What a grant must pass besides. IDENTITY means that the identity policies must allow as well."""

    IDENTITY = "identity"
    BOUNDARY = "boundary"
    SESSION = "session"
    SCP = "scp"
    RCP = "rcp"
    ENDPOINT = "endpoint"
    SERVICE = "service"


class Scope(StrEnum):
    """Where caller and owner stand: one account, two accounts, the root user at home, or an unsigned or service call."""

    SAME = "same"
    CROSS = "cross"
    ROOT = "root"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True)
class LimitRow:
    """In `scope`, `grant` is bound by `limits`; a grant without a row grants nothing there."""

    id: str
    scope: Scope
    grant: Grant
    limits: tuple[Limit, ...]
    source: str


_ALL = (Limit.IDENTITY, Limit.BOUNDARY, Limit.SESSION)
_OWN = (Limit.BOUNDARY, Limit.SESSION)

ROWS: tuple[LimitRow, ...] = (
    LimitRow("limit-same-identity", Scope.SAME, Grant.IDENTITY, _OWN, _BOUNDARY),
    LimitRow("limit-same-direct", Scope.SAME, Grant.DIRECT, (), _WITHIN),
    LimitRow("limit-same-via", Scope.SAME, Grant.VIA, _OWN, _WITHIN),
    LimitRow("limit-same-account", Scope.SAME, Grant.ACCOUNT, _ALL, _LOGIC),
    LimitRow("limit-cross-direct", Scope.CROSS, Grant.DIRECT, _ALL, _ACROSS),
    LimitRow("limit-cross-via", Scope.CROSS, Grant.VIA, _ALL, _ACROSS),
    LimitRow("limit-cross-account", Scope.CROSS, Grant.ACCOUNT, _ALL, _ACROSS),
    LimitRow("limit-root-identity", Scope.ROOT, Grant.IDENTITY, (Limit.SESSION,), _SESSION),
    LimitRow("limit-root-direct", Scope.ROOT, Grant.DIRECT, (Limit.SESSION,), _SESSION),
    LimitRow("limit-root-account", Scope.ROOT, Grant.ACCOUNT, (Limit.SESSION,), _SESSION),
    LimitRow("limit-unsigned-direct", Scope.UNSIGNED, Grant.DIRECT, (), _LOGIC),
)

ALWAYS: tuple[Limit, ...] = (Limit.SCP, Limit.RCP, Limit.ENDPOINT, Limit.SERVICE)
"""These bind every grant in every scope; where they do not apply, the environment gives none."""

BINDS = MappingProxyType({(row.scope, row.grant): row.limits for row in ROWS})

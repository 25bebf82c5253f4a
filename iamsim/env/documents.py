"""Policy documents → policies, each distinct document read once."""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field
from typing import Any

from iamsim.diagnostics import Diagnostic, Origin
from iamsim.model.policy import Policy, PolicyKind
from iamsim.model.read_policy import is_kms_key, lacks_resource, read_policy

Parsed = tuple[Policy, tuple[Diagnostic, ...]]
Cache = dict[Any, Parsed]
"""Documents that were read once: (kind, what the place changes, bytes of the value) → what was read and said."""


UNKNOWN_SIZE = 1 << 62


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of the readers: the documents read so far, what there was to say, ARNs known to be in order (all grow).

    With `skim` documents are not read: policies have no statements and no version.
    """

    cache: Cache = field(default_factory=dict)
    out: list[Diagnostic] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    skim: bool = False


def policy_of(
    reading: Reading, value: Any, kind: PolicyKind, name: str, origin: Origin, *, arn: str | None = None
) -> Policy:
    """`read_policy` with each distinct document read once; its statements are shared and keep their first origin."""
    return sized_policy_of(reading, value, kind, name, origin, arn=arn)[0]


def sized_policy_of(
    reading: Reading, value: Any, kind: PolicyKind, name: str, origin: Origin, *, arn: str | None = None
) -> tuple[Policy, int]:
    """`policy_of`, and about how many bytes the document takes: at least half of the characters that AWS counts."""
    if reading.skim:
        return Policy(kind=kind, name=name, arn=arn, version="", statements=(), origin=origin, document=value), 0
    place: object = None
    if kind is PolicyKind.RESOURCE:
        place = (is_kms_key(arn), lacks_resource(arn))
    elif kind is PolicyKind.RCP:
        place = name == "RCPFullAWSAccess"
    try:
        code = marshal.dumps(value, 2)
    except ValueError:
        policy, said = read_policy(value, kind, name, origin, arn=arn)
        reading.out.extend(said)
        return policy, UNKNOWN_SIZE
    key, size = (kind, place, code), len(code)
    known = reading.cache.get(key)
    if known is None:
        policy, said = read_policy(value, kind, name, origin, arn=arn)
        reading.cache[key] = (policy, said)
        reading.out.extend(said)
        return policy, size
    first, said = known
    if said:
        reading.out.extend(_moved(d, first.origin, origin) for d in said)
    policy = Policy(
        kind=kind,
        name=name,
        arn=arn,
        version=first.version,
        statements=first.statements,
        malformed=first.malformed,
        origin=origin,
        document=first.document,
    )
    return policy, size


def _moved(d: Diagnostic, first: Origin, now: Origin) -> Diagnostic:
    origin = Origin(now.source, now.pointer + d.origin.pointer[len(first.pointer) :])
    return Diagnostic(id=d.id, message=d.message, origin=origin, severity=d.severity, span=d.span, help=d.help)

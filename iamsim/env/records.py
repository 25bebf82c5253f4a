"""What the readers yield before references are resolved, and the helpers that all of them use."""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Diagnostic, Origin
from iamsim.findings import diagnostic, printable
from iamsim.model.policy import Policy, PolicyKind
from iamsim.model.read_policy import document_size, is_kms_key, lacks_resource, read_policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.env.plain import Pending, PendingPolicy
    from iamsim.env.types import (
        Endpoint,
        MissingPolicy,
        Organization,
        PrincipalKind,
        Provider,
        Resource,
        Tags,
    )

Parsed = tuple[Policy, tuple[Diagnostic, ...]]
Cache = dict[Any, Parsed]
"""Documents that were read once: (kind, what the place changes, bytes of the value) → what was read and said."""


_UNKNOWN_SIZE = 1 << 62


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of the readers: the documents read so far, what there was to say, ARNs known to be in order (all grow).

    With `skim` documents are not read: policies have no statements and no version.
    """

    cache: Cache = field(default_factory=dict)
    out: list[Diagnostic] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    skim: bool = False


@dataclass(slots=True, kw_only=True)
class Identity:
    """A user, role or (kind None) group as one input tells it; attached policies and groups are still names.

    `groups` are group ARNs or bare group names. `boundary` is an ARN. `tags` are None after a conflict. Not frozen, yet
    never changed: there are thousands, and of so many fields a frozen constructor costs five times as much.
    """

    arn: str
    kind: PrincipalKind | None
    account: str
    name: str
    path: str
    unique_id: str | None
    inline: tuple[Policy, ...]
    attached: tuple[str, ...]
    groups: tuple[str, ...] = ()
    boundary: str | None = None
    trust: Policy | MissingPolicy | None = None
    tags: Tags | None = ()
    instance_profiles: tuple[str, ...] = ()
    last_used: str | None = None
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedVersion:
    """A stored version of a managed policy; `document` is None where no input tells it."""

    id: str
    default: bool
    document: Any
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """A managed policy as one input tells it; `document` is for reading it again as a boundary.

    `versions` are all stored versions, `()` if there is only the one in force, None if the input does not list them.
    """

    arn: str
    policy: Policy
    document: Any
    versions: tuple[ManagedVersion, ...] | None = None
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of account details: whose it is and whether another must follow."""

    account: str
    truncated: bool
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Everything that one or more inputs tell. What is pending needs no remark and is read when it is asked for."""

    identities: tuple[Identity, ...] = ()
    pending: tuple[Pending, ...] = ()
    managed: tuple[Managed, ...] = ()
    pending_managed: tuple[PendingPolicy, ...] = ()
    pages: tuple[Page, ...] = ()
    resources: tuple[Resource, ...] = ()
    organizations: tuple[Organization, ...] = ()
    providers: tuple[Provider, ...] = ()
    providers_known: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    restrict_public_buckets: tuple[tuple[str, bool], ...] = ()
    bare_policies: tuple[Policy, ...] = ()
    accounts: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def usable(self) -> bool:
        """True iff there is something besides diagnostics."""
        return any(getattr(self, f.name) for f in fields(self) if f.name != "diagnostics")


def joined(parts: Iterable[Records]) -> Records:
    """All records of `parts` in one."""
    every = tuple(parts)
    names = [f.name for f in fields(Records)]
    return Records(**{name: tuple(x for part in every for x in getattr(part, name)) for name in names})


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
        return policy, _UNKNOWN_SIZE
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


def size_warning(
    documents: list[Any], limit: int, what: str, origin: Origin, reading: Reading, *, about: int = _UNKNOWN_SIZE
) -> None:
    """Warns if `documents`, `about` so large by `sized_policy_of`, together have more characters than `limit`, white
    space not counted.

    Source: IAM User Guide, "IAM and AWS STS quotas".
    """
    if 2 * about <= limit:
        return
    try:
        size = sum(document_size(d) for d in documents)
    except (ValueError, TypeError, RecursionError):
        return
    if size > limit:
        reading.out.append(
            diagnostic("policy-size", origin, f"{what} has {size} characters, AWS stores at most {limit}")
        )


def shape(origin: Origin, message: str, reading: Reading) -> None:
    """Reports a record of the wrong shape."""
    reading.out.append(diagnostic("input-shape", origin, message))


def objects(
    record: dict[str, Any], member: str, origin: Origin, reading: Reading
) -> list[tuple[dict[str, Any], Origin]]:
    """The objects in the list `member` of `record`, each with its place; all else but an absent list is reported."""
    value = record.get(member)
    if value:
        return entries(value, origin.child(member), f"`{member}`", reading)
    if value is not None and value != []:
        shape(origin.child(member), f"`{member}` is not a list", reading)
    return []


def entries(value: Any, origin: Origin, what: str, reading: Reading) -> list[tuple[dict[str, Any], Origin]]:
    """The objects in the list `value`, each with its place; all else is reported."""
    if not isinstance(value, list):
        shape(origin, f"{what} is not a list", reading)
        return []
    source, base = origin.source, f"{origin.pointer}/"
    found = [(item, Origin(source, base + str(i))) for i, item in enumerate(value) if isinstance(item, dict)]
    if len(found) < len(value):
        for i, item in enumerate(value):
            if not isinstance(item, dict):
                shape(origin.child(i), f"an entry of {what} is not an object", reading)
    return found


def text(record: dict[str, Any], name: str) -> str | None:
    """The string member `name`, or None if it is absent, empty or no string."""
    value = record.get(name)
    return value if isinstance(value, str) and value else None


def arn_of(record: dict[str, Any], name: str, origin: Origin, reading: Reading) -> list[str] | None:
    """The six fields of the ARN in member `name`, or None after reporting that it has none."""
    value = record.get(name)
    if isinstance(value, str):
        parts = value.split(":", 5)
        if len(parts) == 6 and parts[0] == "arn" and parts[1] and parts[2]:
            return parts
    shown = f": `{printable(value)}`" if isinstance(value, str) else ""
    shape(origin, f"the record has no ARN in `{name}`{shown}", reading)
    return None


def member_of(origin: Origin, name: str) -> Origin:
    """`origin.child(name)` for a name without `/` and `~`, at a third of the price."""
    return Origin(origin.source, f"{origin.pointer}/{name}")


def tags_in(record: dict[str, Any], origin: Origin, reading: Reading) -> Tags:
    """The tags in the member `Tags` of `record`, sorted by key; none if it has no such member."""
    value = record.get("Tags", ())
    if isinstance(value, list):
        pairs = [
            (k, v)
            for item in value
            if isinstance(item, dict)
            and isinstance(k := item.get("Key"), str)
            and isinstance(v := item.get("Value", ""), str)
        ]
        if len(pairs) == len(value):
            return tuple(sorted(pairs))
    return tags_of(value, origin.child("Tags"), reading) if value != () else ()


def tags_of(value: Any, origin: Origin, reading: Reading) -> Tags:
    """The tags in a list of `Key` and `Value`, or in an object, sorted by key."""
    if isinstance(value, dict):
        pairs = [(k, v) for k, v in value.items() if isinstance(v, str)]
        if len(pairs) < len(value):
            shape(origin, "a tag is not a string", reading)
        return tuple(sorted(pairs))
    found: list[tuple[str, str]] = []
    for item, here in entries(value, origin, "the tags", reading):
        key, tag = item.get("Key"), item.get("Value", "")
        if isinstance(key, str) and isinstance(tag, str):
            found.append((key, tag))
        else:
            shape(here, "a tag needs `Key` and `Value`", reading)
    return tuple(sorted(found))

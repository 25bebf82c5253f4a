"""What the readers yield before references are resolved, and the helpers that all of them use."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Diagnostic, Origin
from iamsim.env.documents import UNKNOWN_SIZE, Reading, policy_of, sized_policy_of
from iamsim.findings import diagnostic, printable
from iamsim.model.read_policy import document_size

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
    from iamsim.model.policy import Policy

__all__ = [
    "Identity",
    "Managed",
    "ManagedVersion",
    "Page",
    "Reading",
    "Records",
    "arn_of",
    "entries",
    "joined",
    "member_of",
    "objects",
    "policy_of",
    "shape",
    "size_warning",
    "sized_policy_of",
    "tags_in",
    "tags_of",
    "text",
]


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


def size_warning(
    documents: list[Any], limit: int, what: str, origin: Origin, reading: Reading, *, about: int = UNKNOWN_SIZE
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

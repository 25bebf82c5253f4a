"""Plain data → the environment. Principals, policies and documents are read one by one, when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Diagnostic, Origin, Severity
from iamsim.env.cache_file import HEAD, TABLES, BrokenCacheError, Content
from iamsim.env.documents import Reading, policy_of
from iamsim.env.lazy import Later, Lazy
from iamsim.env.types import (
    Endpoint,
    Environment,
    Group,
    KmsGrant,
    MissingPolicy,
    Organization,
    OrgNode,
    Principal,
    PrincipalKind,
    Provider,
    Resource,
    StoredVersion,
)
from iamsim.errors import InputError
from iamsim.model.policy import Malformed, Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reader = Callable[[Any, "Store"], Any]


@dataclass(frozen=True, slots=True)
class Store:
    """An opened cache file. `made` are the policies read so far by their number, `reading` their documents (both grow)."""

    content: Content
    made: dict[int, Policy] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    sources: list[str] = field(default_factory=list)


def environment(content: Content, rescue: Callable[[], Environment]) -> Environment:
    """The environment that `content` tells. What turns out to be no such record when it is asked for is taken from the
    environment that `rescue` gives; raises BrokenCacheError if the head is none.
    """
    store = Store(content, sources=_list_of(_section(content, "origins"), str))
    head = content.head.get("environment")
    if not isinstance(head, dict):
        raise BrokenCacheError("the head holds no environment")
    buckets = head.get("restrict_public_buckets")
    if not isinstance(buckets, dict) or not all(type(v) is bool for v in buckets.values()):
        raise BrokenCacheError("a setting is no boolean")
    rescued: dict[str, Environment] = {}

    def instead() -> Environment:
        return rescued.get("") or rescued.setdefault("", rescue())

    found: dict[str, Any] = {name: _table(store, name, instead) for name in TABLES}
    found.update((name, HEAD_READERS[name](head.get(name), store)) for name in HEAD)
    return Environment(
        **found,
        restrict_public_buckets=buckets,
        memo={"entities": Later(lambda: _entities(content, instead))},
    )


def _section(content: Content, name: str) -> Any:
    if name not in content.sections:
        raise BrokenCacheError("a section is missing")
    return content.sections[name].value(0)


def _list_of(value: Any, kind: type) -> list[Any]:
    if type(value) is not list or not all(type(v) is kind for v in value):
        raise BrokenCacheError("a list is none")
    return value


def _entities(content: Content, instead: Callable[[], Environment]) -> Mapping[str, str]:
    try:
        found = _section(content, "entities")
        if type(found) is dict and all(type(v) is str for v in found.values()):
            return found
    except BrokenCacheError:
        pass
    found = instead().memo["entities"]
    return dict(found)


def _table(store: Store, name: str, instead: Callable[[], Environment]) -> Mapping[str, Any]:
    """The mapping `name` of the environment."""
    rows, keys = store.content.sections.get(name), store.content.sections.get(f"{name}.keys")
    if rows is None or keys is None or len(keys) != 1:
        raise BrokenCacheError("a table is missing")
    read = ROWS[name]

    def index() -> Mapping[str, Any]:
        try:
            found = _list_of(keys.value(0), str)
            if len(set(found)) == len(rows):
                return {key: (key, i) for i, key in enumerate(found)}
        except BrokenCacheError:
            pass
        return {key: (key, -1) for key in getattr(instead(), name)}

    def made(place: tuple[str, int]) -> Any:
        key, number = place
        try:
            value = read(rows.value(number), store)
            if getattr(value, "arn", key) == key or name == "endpoints":
                return value
        except (BrokenCacheError, ValueError, TypeError, KeyError, IndexError, RecursionError):
            pass
        whole = getattr(instead(), name)
        if key not in whole:
            raise InputError("the compiled snapshot was changed by somebody", (), "it was removed: ask again")
        return whole[key]

    return Lazy(Later(index), made)


def _origin(value: Any, store: Store) -> Origin:
    number, pointer = value
    if type(number) is not int or number < 0 or type(pointer) is not str:
        raise BrokenCacheError("a place is none")
    return Origin(store.sources[number], pointer)


def _stored_policy(value: Any, store: Store) -> Policy:
    """The policy of the number `value`."""
    if type(value) is not int:
        raise BrokenCacheError("a policy has no number")
    known = store.made.get(value)
    if known is not None:
        return known
    kind, name, arn, place, document, *rest = store.content.sections["policies"].value(value)
    what, label, own, origin = PolicyKind(kind), _text(name, store), _maybe_text(arn, store), _origin(place, store)
    if document is None:
        version, reason = (_text(t, store) for t in rest)
        bad = Malformed(reason)
        policy = Policy(kind=what, name=label, arn=own, version=version, statements=(), malformed=bad, origin=origin)
    else:
        written = store.content.sections["documents"].value(document)
        policy = policy_of(store.reading, written, what, label, origin, arn=own)
    store.reading.out.clear()
    return store.made.setdefault(value, policy)


def _attached(value: Any, store: Store) -> Policy | MissingPolicy:
    if type(value) is int:
        return _stored_policy(value, store)
    arn, place = value
    return MissingPolicy(_text(arn, store), _origin(place, store))


def _exactly(kind: type) -> Reader:
    def read(value: Any, _: Store) -> Any:
        if type(value) is not kind:
            raise BrokenCacheError("a field is of another type")
        return value

    return read


def _maybe(reader: Reader) -> Reader:
    return lambda value, store: None if value is None else reader(value, store)


def _many(reader: Reader) -> Reader:
    def read(value: Any, store: Store) -> tuple[Any, ...]:
        if type(value) is not list:
            raise BrokenCacheError("a field is no list")
        return tuple([reader(v, store) for v in value])

    return read


def _both(first: Reader, second: Reader) -> Reader:
    def read(value: Any, store: Store) -> tuple[Any, Any]:
        one, other = value
        return first(one, store), second(other, store)

    return read


def _record(kind: type) -> Reader:
    """The reader of a record of that kind."""

    def read(value: Any, store: Store) -> Any:
        row = RECORDS[kind]
        if type(value) is not list or len(value) != len(row):
            raise BrokenCacheError("a record has other fields")
        return kind(**{name: reader(v, store) for (name, reader), v in zip(row.items(), value, strict=True)})

    return read


_text, _flag = _exactly(str), _exactly(bool)
_maybe_text = _maybe(_text)
_texts = _many(_text)
_tags = _many(_both(_text, _text))
_maybe_attached = _maybe(_attached)

RECORDS: dict[type, dict[str, Reader]] = {
    OrgNode: {
        "id": _text,
        "kind": _text,
        "name": _text,
        "scps": _many(_stored_policy),
        "rcps": _many(_stored_policy),
        "children": _many(_record(OrgNode)),
        "arn": _maybe_text,
        "origin": _origin,
    },
    Organization: {
        "id": _text,
        "management_account": _maybe_text,
        "root": _record(OrgNode),
        "scps_enabled": _flag,
        "rcps_enabled": _flag,
        "delegated": _tags,
        "delegated_known": _flag,
        "left": _texts,
        "origin": _origin,
    },
    KmsGrant: {
        "grantee": _text,
        "operations": _texts,
        "encryption_context_subset": _tags,
        "encryption_context_equals": _tags,
        "source_arn": _maybe_text,
        "origin": _origin,
    },
    Diagnostic: {
        "id": _text,
        "message": _text,
        "origin": _origin,
        "severity": lambda value, _: Severity(value),
        "span": _maybe(_both(_exactly(int), _exactly(int))),
        "help": _text,
    },
    Principal: {
        "arn": _text,
        "kind": lambda value, _: PrincipalKind(value),
        "account": _text,
        "name": _text,
        "path": _text,
        "unique_id": _maybe_text,
        "policies": _many(_attached),
        "groups": _texts,
        "boundary": _maybe_attached,
        "trust": _maybe_attached,
        "tags": _tags,
        "tags_known": _flag,
        "open_tags": _texts,
        "instance_profiles": _texts,
        "last_used": _maybe_text,
        "second_factor": _flag,
        "origin": _origin,
    },
    Group: {"arn": _text, "account": _text, "name": _text, "policies": _many(_attached), "origin": _origin},
    Resource: {
        "arn": _text,
        "account": _maybe_text,
        "policy": _maybe_attached,
        "policy_known": _flag,
        "tags": _tags,
        "tags_known": _flag,
        "restrict_public_buckets": _maybe(_flag),
        "kms_grants": _maybe(_many(_record(KmsGrant))),
        "origin": _origin,
    },
    StoredVersion: {"id": _text, "default": _flag, "policy": _stored_policy},
    Provider: {"arn": _text, "account": _text, "client_ids": _maybe(_texts), "origin": _origin},
    Endpoint: {
        "id": _text,
        "vpc": _maybe_text,
        "account": _maybe_text,
        "type": _text,
        "policy": _maybe_attached,
        "policy_known": _flag,
        "origin": _origin,
    },
}
"""The fields of the records in the order in which they are written, each with its reader."""

ROWS: dict[str, Reader] = {
    "principals": _record(Principal),
    "groups": _record(Group),
    "resources": _record(Resource),
    "managed_policies": _stored_policy,
    "versions": _many(_record(StoredVersion)),
    "providers": _record(Provider),
    "endpoints": _record(Endpoint),
}
HEAD_READERS: dict[str, Reader] = {
    "accounts": lambda value, store: frozenset(_texts(value, store)),
    "versions_unknown": lambda value, store: frozenset(_texts(value, store)),
    "organizations": _many(_record(Organization)),
    "providers_known": lambda value, store: frozenset(_texts(value, store)),
    "bare_policies": _many(_stored_policy),
    "sources": _texts,
    "diagnostics": _many(_record(Diagnostic)),
}


def complete() -> bool:
    """True iff every field of an environment and of its records is written and read back."""
    known = {*TABLES, *HEAD, "restrict_public_buckets", "memo", "doubt"}  # no environment that is loaded has a doubt
    return {f.name for f in fields(Environment)} == known and all(
        [f.name for f in fields(kind)] == list(row) for kind, row in RECORDS.items()
    )

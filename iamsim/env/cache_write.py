"""The environment → plain data: a head, and tables of which each row can be read for itself.

A record is the list of its fields; a policy is its number in a table whose rows name the number of its document, so that
equal documents are stored once. Policies are read from their documents again, by the same reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Origin
from iamsim.env.cache_file import HEAD, TABLES, json_bytes
from iamsim.env.documents import Reading, policy_of
from iamsim.env.lazy import skimmed
from iamsim.env.types import MissingPolicy
from iamsim.model.policy import Policy

if TYPE_CHECKING:
    from iamsim.env.types import Environment


class UnfitError(Exception):
    """The environment holds something that cannot be written and read back."""


@dataclass(slots=True)
class _Writer:
    """The tables that grow while an environment is written. `kept` keeps the policies, so that their ids stay theirs."""

    policies: dict[int, int] = field(default_factory=dict)
    rows: dict[bytes, int] = field(default_factory=dict)
    documents: dict[bytes, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    kept: list[Policy] = field(default_factory=list)
    reading: Reading = field(default_factory=Reading)


def written(env: Environment) -> tuple[dict[str, Any], dict[str, list[bytes]]]:
    """The head and the sections that tell all of `env`; raises UnfitError if they cannot."""
    writer = _Writer()
    sections: dict[str, list[bytes]] = {}
    try:
        head = _written(env, writer, sections)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnfitError(str(error)) from error
    return {"environment": head}, sections


def _written(env: Environment, writer: _Writer, sections: dict[str, list[bytes]]) -> dict[str, Any]:
    """The environment's own part of the head; its tables are put into `sections`."""
    for name in TABLES:
        keys, rows = [], []
        for key, value in skimmed(getattr(env, name)):
            keys.append(key)
            rows.append(json_bytes(_plain(value, writer)))
        sections[f"{name}.keys"] = [json_bytes(keys)]
        sections[name] = rows
    # the order of sets must not show: the same environment is the same bytes
    head = {n: _plain(sorted(v) if isinstance(v := getattr(env, n), frozenset) else v, writer) for n in HEAD}
    head["restrict_public_buckets"] = dict(env.restrict_public_buckets)
    sections["entities"] = [json_bytes(dict(env.memo["entities"]))]
    sections["policies"], sections["documents"] = list(writer.rows), list(writer.documents)
    sections["origins"] = [json_bytes(list(writer.sources))]
    return head


_SCALARS = frozenset((str, int, bool, type(None)))


def _plain(value: Any, writer: _Writer) -> Any:
    kind: Any = type(value)
    if kind in _SCALARS:
        return value
    if kind is tuple or kind is list:
        return [_plain(v, writer) for v in value] if value else []
    if kind is Origin:
        return [writer.sources.setdefault(value.source, len(writer.sources)), value.pointer]
    if kind is Policy:
        return _policy(value, writer)
    if kind is MissingPolicy:
        return [value.arn, _plain(value.origin, writer)]
    if isinstance(value, StrEnum):
        return value.value
    return [_plain(getattr(value, name), writer) for name in _names(kind)]


@cache
def _names(kind: type) -> tuple[str, ...]:
    """The names of the fields of the dataclass `kind`."""
    return tuple(f.name for f in fields(kind))


def _policy(policy: Policy, writer: _Writer) -> int:
    """The number of `policy` in the table of policies."""
    number = writer.policies.get(id(policy))
    if number is not None:
        return number
    row: list[Any] = [policy.kind.value, policy.name, policy.arn, _plain(policy.origin, writer)]
    if policy.malformed is not None:
        row += [None, policy.version, policy.malformed.reason]
    else:
        row.append(_document(policy, writer))
    # the same policy may be there as it was read and as it was skimmed
    number = writer.policies[id(policy)] = writer.rows.setdefault(json_bytes(row), len(writer.rows))
    writer.kept.append(policy)
    return number


def _document(policy: Policy, writer: _Writer) -> int:
    """The number of the document of `policy`, from which reading it gives the same policy."""
    if policy.version and _read(policy.document, policy, writer.reading) != policy:
        raise UnfitError(f"policy {policy.name} is not what its document says")
    return writer.documents.setdefault(json_bytes(policy.document), len(writer.documents))


def _read(document: Any, like: Policy, reading: Reading) -> Policy:
    return policy_of(reading, document, like.kind, like.name, like.origin, arn=like.arn)

"""Files or values → the environment: files are decoded, recognised and read; the records are resolved."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Diagnostic, Origin
from iamsim.env.cache import Seen, hash_of, saved, sign_of
from iamsim.env.collect import partition_root, read_collect
from iamsim.env.document import read_document
from iamsim.env.files import Decoded, bytes_of, decode
from iamsim.env.gaad import read_gaad
from iamsim.env.organization import read_organization
from iamsim.env.recognise import InputKind, pages, recognised
from iamsim.env.records import Reading, Records, joined
from iamsim.env.resolve import build, tidied
from iamsim.env.resources import read_resources
from iamsim.errors import InputError
from iamsim.findings import diagnostic, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from iamsim.env.cache import Walk
    from iamsim.env.types import Environment

REMEDY = "give account authorization details, resource policies, an organization tree or an iam-collect download"


def read_walk(
    walk: Walk,
    progress: Callable[[str, int, int], None] | None,
    directory: Path | None,
) -> Environment:
    """The environment that the files of `walk` tell, kept in `directory` if there is one; raises InputError."""
    started = time.time_ns()
    reading = Reading(out=list(walk.remarks))
    parts: list[Records] = []
    values: dict[str, tuple[Any, ...]] = {}
    seen: dict[str, Seen] = {}
    read: set[str] = set()
    for number, file in enumerate(walk.files, 1):
        if progress is not None:
            progress(file, number, len(walk.files))
        sign = sign_of(file) if directory is not None else None
        data = bytes_of(file)
        if isinstance(data, Diagnostic):
            reading.out.append(data)
            continue
        if sign is not None:
            seen[file] = Seen(sign, hash_of(data))
        decoded = _decoded(file, data, explicit=file in walk.explicit)
        reading.out.extend(decoded.diagnostics)
        if decoded.values and partition_root(file) is None:
            # one file at a time: what the records do not keep of it is dropped before the next is decoded
            parts += _read_file(file, decoded.values, reading)
            read.add(file)
        elif decoded.values:
            values[file] = decoded.values
    env = environment_from(parts, values, frozenset(read), reading)
    if directory is not None:
        if progress is not None:
            progress(str(directory), 0, len(walk.files))
        remark = saved(directory, walk, seen, started, env)
        return env if remark is None else replace(env, diagnostics=(*env.diagnostics, remark))
    return env


def _decoded(path: str, data: bytes, *, explicit: bool) -> Decoded:
    """The values in the content `data` of the file `path`; a file that was not asked for and is no JSON is only mentioned."""
    decoded = decode(data, path)
    if decoded.values or explicit or path.lower().endswith((".json", ".json.gz", ".jsonl")):
        return decoded
    start = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start in (b"{", b"["):
        return decoded
    return Decoded(path, (), (diagnostic("input-skipped", Origin(path), f"`{printable(path)}` is no JSON"),))


def environment_from(
    parts: list[Records], values: Mapping[str, tuple[Any, ...]], read: frozenset[str], reading: Reading
) -> Environment:
    """The environment of the records `parts`, which the files `read` told, and of the `values` of other files; raises
    InputError if none could be used.
    """
    downloads, others = _downloads(values)
    for root, files in sorted(downloads.items()):
        records, left = read_collect(root, files, reading)
        parts.append(records)
        others += left
    for source in sorted(others):
        parts += _read_file(source, values[source], reading)
    records = joined([*parts, Records(diagnostics=tuple(reading.out))])
    if not records.usable:
        errors = tidied(records.diagnostics)
        worst = [d for d in errors if d.severity == "error"] or list(errors)
        message = f"no input could be used: {worst[0].message}" if worst else "no input could be used"
        raise InputError(message, errors, (worst[0].help if worst else "") or REMEDY)
    return build(records, sources=(*read, *values), reading=reading)


def _downloads(values: Mapping[str, tuple[Any, ...]]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The files of each iam-collect partition by its root, and the other sources."""
    found: dict[str, dict[str, Any]] = {}
    others: list[str] = []
    for source, content in values.items():
        root = partition_root(source) if len(content) == 1 else None
        if root is None:
            others.append(source)
        else:
            found.setdefault(root, {})[source] = content[0]
    for root in [r for r, files in found.items() if not any(f"{r}/accounts/" in s.replace("\\", "/") for s in files)]:
        others += found.pop(root)
    return found, others


def _read_file(source: str, content: tuple[Any, ...], reading: Reading) -> list[Records]:
    """The records of the values of one file; those of unknown shape are reported once, with their number."""
    origin, nested = Origin(source), len(content) > 1
    if not nested and (inside := pages(content[0])) is not None:
        content, nested = inside, True
    found: list[Records] = []
    unknown: list[tuple[int, str]] = []
    for i, value in enumerate(content):
        kind, reason = recognised(value)
        if kind is InputKind.UNKNOWN:
            unknown.append((i, reason))
        else:
            found.append(_read(kind, value, origin.child(i) if nested else origin, reading))
    if unknown:
        first, reason = unknown[0]
        shown, count = printable(source), len(content)
        if count == 1:
            message = f"`{shown}` is not read: {reason}"
        elif len(unknown) == count:
            message = f"none of the {count} values in `{shown}` is read; of the first: {reason}"
        else:
            origin = origin.child(first)
            message = (
                f"{len(unknown)} of the {count} values in `{shown}` cannot be read; of the first of them: {reason}"
            )
        reading.out.append(diagnostic("input-unknown-shape", origin, message))
    return found


def _read(kind: InputKind, value: Any, origin: Origin, reading: Reading) -> Records:
    """The records of `value`, which is of a known `kind`."""
    match kind:
        case InputKind.GAAD:
            return read_gaad(value, origin, reading)
        case InputKind.RESOURCES:
            return read_resources(value, origin, reading)
        case InputKind.ORGANIZATION:
            return read_organization(value, origin, reading)
        case InputKind.POLICY:
            return read_document(value, origin, reading)
        case InputKind.UNKNOWN:
            return Records()

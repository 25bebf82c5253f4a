"""Paths or values → the environment: files are found, decoded, recognised and read; the records are resolved."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Diagnostic, Origin
from iamsim.env.collect import partition_root, read_collect
from iamsim.env.document import read_document
from iamsim.env.files import Decoded, bytes_of, decode, paths_below
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

    from iamsim.env.types import Environment

__all__ = ["build", "environment_of", "load"]

_REMEDY = "give account authorization details, resource policies, an organization tree or an iam-collect download"


def load(*paths: str | os.PathLike[str], progress: Callable[[str, int, int], None] | None = None) -> Environment:
    """The environment that the files and directories `paths` tell together, in whatever order.

    `progress` is called with the file, its number from 1 and the count. What cannot be used is said in the
    diagnostics of the environment; raises InputError if a path does not exist, a directory is empty, or nothing
    could be used.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _loaded([os.fspath(p) for p in paths], progress)
    finally:
        # what was loaded lives as long as the environment: the collector need not walk over it again and again
        gc.freeze()
        if collecting:
            gc.enable()


def environment_of(files: Mapping[str, Any]) -> Environment:
    """The environment that JSON values tell, by the name of their source; raises InputError if none could be used."""
    reading, values = Reading(), {source: (value,) for source, value in files.items()}
    return _environment([], values, frozenset(), reading)


def _loaded(paths: list[str], progress: Callable[[str, int, int], None] | None) -> Environment:
    said: list[Diagnostic] = []
    asked: dict[str, bool] = {}
    for path in paths:
        found, problems = paths_below(path)
        said += problems
        for file in found:
            asked[file] = asked.get(file, False) or file == path
    fatal = [d for d in said if d.id in ("input-missing", "input-empty-directory")]
    if fatal or not paths:
        raise InputError(
            fatal[0].message if fatal else "no input is given", tidied(said), fatal[0].help if fatal else _REMEDY
        )
    reading = Reading(out=said)
    parts: list[Records] = []
    values: dict[str, tuple[Any, ...]] = {}
    read: set[str] = set()
    for number, file in enumerate(sorted(asked), 1):
        if progress is not None:
            progress(file, number, len(asked))
        decoded = _decoded(file, explicit=asked[file])
        said += decoded.diagnostics
        if decoded.values and partition_root(file) is None:
            # one file at a time: what the records do not keep of it is dropped before the next is decoded
            parts += _read_file(file, decoded.values, reading)
            read.add(file)
        elif decoded.values:
            values[file] = decoded.values
    return _environment(parts, values, frozenset(read), reading)


def _decoded(path: str, *, explicit: bool) -> Decoded:
    """The content of the file `path`; a file that was not asked for and is no JSON is only mentioned."""
    data = bytes_of(path)
    if isinstance(data, Diagnostic):
        return Decoded(path, (), (data,))
    decoded = decode(data, path)
    if decoded.values or explicit or path.lower().endswith((".json", ".json.gz", ".jsonl")):
        return decoded
    start = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start in (b"{", b"["):
        return decoded
    return Decoded(path, (), (diagnostic("input-skipped", Origin(path), f"`{printable(path)}` is no JSON"),))


def _environment(
    parts: list[Records], values: Mapping[str, tuple[Any, ...]], read: frozenset[str], reading: Reading
) -> Environment:
    """The environment of the records `parts`, which the files `read` told, and of the `values` of other files."""
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
        raise InputError(message, errors, (worst[0].help if worst else "") or _REMEDY)
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

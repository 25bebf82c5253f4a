"""The file of a compiled snapshot: a checksum, a head, and sections of numbered slices. Plain data, read as such.

The file is read into memory and not mapped: it may be cut off by somebody else while it is in use. The checksum finds what
was damaged by accident; who may write the file may write anything, so only files of the user or of root are opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

TABLES = ("principals", "groups", "resources", "managed_policies", "versions", "providers", "endpoints")
"""The mappings of an environment that are read back item by item."""

HEAD = ("accounts", "versions_unknown", "organizations", "providers_known", "bare_policies", "sources", "diagnostics")
"""What is read back at once, beside `restrict_public_buckets`."""

MAGIC = b"iamsim-cache/1\n\0"
_SUM = 32
_LENGTH = 8
_START = len(MAGIC) + _SUM + _LENGTH


class BrokenCacheError(Exception):
    """The content of a cache file is not what iamsim writes."""


@dataclass(frozen=True, slots=True)
class Slices:
    """Numbered slices of one section: the `i`-th ends at `ends[i]`, where the next begins."""

    data: memoryview
    ends: memoryview

    def __len__(self) -> int:
        return len(self.ends)

    def value(self, number: int) -> Any:
        """The JSON value in the slice `number`; raises BrokenCacheError if there is none."""
        if not 0 <= number < len(self.ends):
            raise BrokenCacheError("a number is out of range")
        start = self.ends[number - 1] if number else 0
        return json_value(self.data[start : self.ends[number]])


@dataclass(frozen=True, slots=True)
class Content:
    """What a cache file holds: the head (a JSON object) and the slices by name."""

    head: dict[str, Any]
    sections: Mapping[str, Slices]


def json_value(data: memoryview | bytes) -> Any:
    """The JSON value in `data`; raises BrokenCacheError if there is none."""
    try:
        return json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise BrokenCacheError("a part is no JSON") from error


def json_bytes(value: Any) -> bytes:
    """`value` as JSON; raises ValueError or RecursionError if it cannot be written."""
    return _ENCODER.encode(value).encode("ascii")


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def packed(head: dict[str, Any], sections: Mapping[str, Iterable[bytes]]) -> list[bytes]:
    """The parts of a cache file, to be written one after the other."""
    body: list[bytes] = []
    table: dict[str, list[int]] = {}
    at = 0
    for name, slices in sections.items():
        ends, total = array("Q"), 0
        listed = list(slices)
        for part in listed:
            total += len(part)
            ends.append(total)
        index = ends.tobytes()
        table[name] = [at, len(index), total]
        at += len(index) + total
        body += [index, b"".join(listed)]
    first = json_bytes({"sections": table, **head})
    length = len(first).to_bytes(_LENGTH, "little")
    digest = hashlib.sha256(length)
    for part in (first, *body):
        digest.update(part)
    return [MAGIC, digest.digest(), length, first, *body]


def unpacked(data: bytes) -> Content:
    """What the cache file of the content `data` holds; raises BrokenCacheError if it is damaged."""
    whole = memoryview(data)
    if data[: len(MAGIC)] != MAGIC or len(data) < _START:
        raise BrokenCacheError("it does not begin as a cache file")
    if hashlib.sha256(whole[len(MAGIC) + _SUM :]).digest() != whole[len(MAGIC) : len(MAGIC) + _SUM]:
        raise BrokenCacheError("its checksum is wrong")
    end = _START + int.from_bytes(whole[_START - _LENGTH : _START], "little")
    head = json_value(whole[_START:end])
    table = head.get("sections") if isinstance(head, dict) else None
    if not isinstance(table, dict):
        raise BrokenCacheError("it has no sections")
    return Content(head, {name: _slices(whole[end:], row) for name, row in table.items()})


def _slices(body: memoryview, row: Any) -> Slices:
    if not isinstance(row, list) or len(row) != 3 or not all(type(n) is int and n >= 0 for n in row):
        raise BrokenCacheError("a section has no place")
    start, index, total = row
    if index % 8 or start + index + total > len(body):
        raise BrokenCacheError("a section is out of range")
    return Slices(body[start + index : start + index + total], body[start : start + index].cast("Q"))


def read_own(path: Path) -> bytes | None:
    """The content of the regular file `path`, None if there is none; raises BrokenCacheError if it is not the user's or root's, or
    others may write it, and OSError.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        number = os.open(path, flags)
    except FileNotFoundError:
        return None
    with os.fdopen(number, "rb") as file:
        info = os.fstat(number)
        if not stat.S_ISREG(info.st_mode):
            raise BrokenCacheError("it is no regular file")
        if hasattr(os, "geteuid") and (info.st_uid not in (0, os.geteuid()) or info.st_mode & 0o022):
            raise BrokenCacheError("somebody else may write it")
        return file.read()


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Makes `parts` the content of `path`, all or nothing; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    number = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.writelines(parts)
        own.replace(path)
    except BaseException:
        own.unlink(missing_ok=True)
        raise

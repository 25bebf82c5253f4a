"""Bytes → JSON value, and paths → files: every obstacle becomes a diagnostic with file, place and remedy."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Diagnostic, Origin
from iamsim.findings import diagnostic, printable
from iamsim.model.json_text import DUPLICATE, counting_decoder, decoder, written_members

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEP = "the JSON is nested too deeply to be read"
_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN', re.DOTALL)
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]+")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The JSON values of one file (several if it holds concatenated pages; none if it cannot be read)."""

    source: str
    values: tuple[Any, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


def decode(data: bytes, source: str) -> Decoded:
    """The JSON values in `data`, plain or gzipped, UTF-8 or (with a byte order mark) UTF-16; never raises."""
    text = text_of(data, source)
    if isinstance(text, Diagnostic):
        return Decoded(source, (), (text,))
    # what was gzipped or UTF-16 is not the text's own bytes
    own = data if data[:2] not in (b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff") else None
    origin = Origin(source)
    if not text or text.isspace():
        return Decoded(source, (), (diagnostic("input-empty", origin, "the file is empty"),))
    if "\x00" in text:
        span = line_column(text, text.index("\x00"))
        return Decoded(source, (), (diagnostic("input-null-byte", origin, "the text has a null byte", span=span),))
    repeated: list[str] = []
    values, problem = _values(text, own, origin, repeated)
    if problem is None and (repeated or ("\\u" in text and _ESCAPED_SURROGATE.search(text))):
        try:
            return Decoded(source, *_cleaned(values, origin))
        except RecursionError:
            problem = diagnostic("input-too-deep", origin, _DEEP)
    return Decoded(source, tuple(values)) if problem is None else Decoded(source, (), (problem,))


def text_of(data: bytes, source: str) -> str | Diagnostic:
    """The text of a file without its byte order mark, or why there is none."""
    origin = Origin(source)
    if data[:2] == b"\x1f\x8b":
        import gzip
        import zlib

        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return diagnostic("input-gzip", origin, "the gzip data is broken or cut off")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        column = e.start - (data.rfind(b"\n", 0, e.start) + 1) + 1
        message = f"byte {e.start + 1} is not {encoding.removesuffix('-sig').upper()}"
        return diagnostic("input-encoding", origin, message, span=(line, column))


def _values(text: str, data: bytes | None, origin: Origin, repeated: list[str]) -> tuple[list[Any], Diagnostic | None]:
    """The values in `text`, which is `data` as UTF-8 if that is known."""
    reader, members = counting_decoder()
    found, problem = _read_all(text, origin, reader)
    if problem is None and members() != written_members(
        text.encode("utf-8", "surrogatepass") if data is None else data
    ):
        return _read_all(text, origin, decoder(repeated))
    return found, problem


def _read_all(text: str, origin: Origin, reader: json.JSONDecoder) -> tuple[list[Any], Diagnostic | None]:
    found: list[Any] = []
    at = _skip(text, 0)
    try:
        while at < len(text):
            value, at = reader.raw_decode(text, at)
            found.append(value)
            at = _skip(text, at)
    except json.JSONDecodeError as e:
        return [], _syntax(text, e, origin)
    except RecursionError:
        return [], diagnostic("input-too-deep", origin, _DEEP)
    except ValueError as e:
        constant = next((m for m in _TOKEN.finditer(text) if m[0][0] != '"'), None)
        span = line_column(text, constant.start()) if constant else None
        return [], diagnostic("input-not-json", origin, f"the text is not JSON: {_short(e)}", span=span)
    return found, None


def _short(e: ValueError) -> str:
    return "a number has too many digits" if "digit" in str(e) else str(e)


def _syntax(text: str, e: json.JSONDecodeError, origin: Origin) -> Diagnostic:
    span = line_column(text, e.pos)
    if e.msg.startswith("Unterminated string") or e.pos >= len(text.rstrip()):
        return diagnostic(
            "input-truncated", origin, "the JSON ends in the middle", span=line_column(text, len(text.rstrip()))
        )
    what = e.msg[:1].lower() + e.msg[1:]
    return diagnostic("input-not-json", origin, f"the text is not JSON: {what}", span=span)


def _cleaned(values: list[Any], origin: Origin) -> tuple[tuple[Any, ...], tuple[Diagnostic, ...]]:
    """`values` without lone surrogates, and a diagnostic for each of them and for each repeated member."""
    out: list[Diagnostic] = []
    many = len(values) > 1
    clean = tuple(_clean(v, origin.child(i) if many else origin, out) for i, v in enumerate(values))
    return clean, tuple(out)


def _clean(value: Any, origin: Origin, out: list[Diagnostic]) -> Any:
    """`value` with U+FFFD for lone surrogates; the marks of repeated members stay."""
    if isinstance(value, str):
        if _SURROGATE.search(value) is None:
            return value
        out.append(
            diagnostic("input-surrogate", origin, f"the string `{printable(value)}` has half of a surrogate pair")
        )
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(v, origin.child(i), out) for i, v in enumerate(value)]
    if isinstance(value, dict):
        if DUPLICATE in value:
            message = f"member `{printable(value[DUPLICATE])}` occurs twice in one object"
            out.append(diagnostic("input-duplicate-member", origin, message))
        return {(name := _SURROGATE.sub("\ufffd", k)): _clean(v, origin.child(name), out) for k, v in value.items()}
    return value


def _skip(text: str, at: int) -> int:
    m = _SPACE.match(text, at)
    return m.end() if m else at


def line_column(text: str, position: int) -> tuple[int, int]:
    """The line and column, from 1, of the character at `position`."""
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def pointer_line(text: str, pointer: str) -> tuple[int, int] | None:
    """The line and column of the value that the JSON pointer `pointer` names in `text`, or of the nearest value above
    it that exists (a policy stored as text ends the way); None iff `text` does not begin with a JSON value. Of
    concatenated values the first part of the pointer picks one.
    """
    parts = [p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:]]
    at = _skip(text, 1 if text.startswith("\ufeff") else 0)
    if at >= len(text):
        return None
    end = _value_end(text, at)
    if parts and parts[0].isdigit() and text[at] == "{" and end is not None and _skip(text, end) < len(text):
        for _ in range(int(parts.pop(0))):
            following = _skip(text, end) if end is not None else len(text)
            if following >= len(text):
                break
            at, end = following, _value_end(text, following)
    for part in parts:
        child = next((start for name, start in _children(text, at) if name == part), None)
        if child is None:
            break
        at = child
    return line_column(text, at)


def _children(text: str, at: int) -> Iterator[tuple[str, int]]:
    """The member names or indices of the value at `at`, each with the position of its value."""
    if text[at] not in "{[":
        return
    is_object, index = text[at] == "{", 0
    at = _skip(text, at + 1)
    while at < len(text) and text[at] not in "}]":
        name = str(index)
        if is_object:
            key = _STRING.match(text, at)
            if key is None:
                return
            try:
                name = json.loads(key[0], strict=False)
            except ValueError:
                return
            at = _skip(text, _skip(text, key.end()) + 1)
        if at >= len(text):
            return
        yield name, at
        end = _value_end(text, at)
        if end is None:
            return
        at, index = _skip(text, end), index + 1
        if at < len(text) and text[at] == ",":
            at = _skip(text, at + 1)


_SCANNER = json.JSONDecoder(strict=False)
_BRACKET = re.compile(r'[{}\[\]]|"(?:[^"\\]|\\.)*"', re.DOTALL)


def _value_end(text: str, at: int) -> int | None:
    """The position after the value at `at`, or None if it does not end."""
    try:
        return _SCANNER.raw_decode(text, at)[1]
    except (ValueError, RecursionError):
        return _value_end_of_broken(text, at)


def _value_end_of_broken(text: str, at: int) -> int | None:
    """The same for text that is no JSON, or nested too deeply: brackets are counted."""
    if text[at] not in "{[":
        m = (_STRING if text[at] == '"' else _SCALAR).match(text, at)
        return m.end() if m else None
    depth = 0
    for m in _BRACKET.finditer(text, at):
        if m[0] in ("{", "["):
            depth += 1
        elif m[0] in ("}", "]"):
            depth -= 1
            if depth == 0:
                return m.end()
    return None


def paths_below(path: str) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """The regular files at or below `path` in sorted order, and what is not read: loops, pipes, hidden directories."""
    out: list[Diagnostic] = []
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a bare path may be no path at all; this says why
    except (OSError, ValueError) as e:
        return (), (_unusable(path, e),)
    if not stat.S_ISDIR(mode):
        if stat.S_ISREG(mode):
            return (path,), ()
        return (), (diagnostic("input-not-regular", Origin(path), f"`{printable(path)}` is not a regular file"),)
    files: list[str] = []
    seen: dict[tuple[int, int], str] = {}
    todo = [path]
    while todo:
        _directory(todo.pop(), files, todo, seen, out)
    if not files:
        out.append(diagnostic("input-empty-directory", Origin(path), f"no file is in `{printable(path)}`"))
    return tuple(sorted(files)), tuple(out)


def _directory(
    path: str, files: list[str], todo: list[str], seen: dict[tuple[int, int], str], out: list[Diagnostic]
) -> None:
    try:
        info = os.stat(path)  # noqa: PTH116 - one kind of call for files and directories
        first = seen.setdefault((info.st_dev, info.st_ino), path)
        if first != path:
            loop = f"{path}/".startswith(f"{first}/")
            message = (
                f"`{printable(path)}` leads back to `{printable(first)}`"
                if loop
                else f"`{printable(first)}` is the same"
            )
            out.append(diagnostic("input-link-loop" if loop else "input-seen", Origin(path), message))
            return
        with os.scandir(path) as entries:
            found = sorted(entries, key=lambda e: e.name)
    except OSError as e:
        out.append(_unusable(path, e))
        return
    for entry in found:
        _entry(entry, files, todo, out)


def _entry(entry: os.DirEntry[str], files: list[str], todo: list[str], out: list[Diagnostic]) -> None:
    try:
        if entry.is_dir():
            if entry.name.startswith("."):
                out.append(diagnostic("input-hidden", Origin(entry.path), f"`{printable(entry.path)}` is hidden"))
            else:
                todo.append(entry.path)
        elif entry.is_file():
            files.append(entry.path)
        else:
            entry.stat()
            message = f"`{printable(entry.path)}` is not a regular file"
            out.append(diagnostic("input-not-regular", Origin(entry.path), message))
    except OSError:
        message = f"`{printable(entry.path)}` leads nowhere"
        out.append(diagnostic("input-link-loop", Origin(entry.path), message))


def bytes_of(path: str) -> bytes | Diagnostic:
    """The content of the regular file `path`, or why it cannot be read."""
    try:
        with open(path, "rb") as f:  # noqa: PTH123 - a thousand small files: Path costs a third
            return f.read()
    except (OSError, ValueError) as e:
        return _unusable(path, e)


def _unusable(path: str, e: OSError | ValueError) -> Diagnostic:
    shown = printable(path)
    if isinstance(e, FileNotFoundError):
        return diagnostic("input-missing", Origin(path), f"`{shown}` does not exist")
    reason = (e.strerror or "it cannot be opened").lower() if isinstance(e, OSError) else "the path has a null byte"
    return diagnostic("input-unreadable", Origin(path), f"`{shown}` cannot be read: {reason}")

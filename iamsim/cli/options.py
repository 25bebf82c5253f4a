"""The values of options: choices, given condition keys, JSON files, and the snapshots to read."""

from __future__ import annotations

import os
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Any

from iamsim.errors import InputError, QueryError
from iamsim.findings import printable

Given = dict[str, str | list[str] | None]

# what the running command was told; all are set anew by each command line that has them
_CACHE: ContextVar[str | None] = ContextVar("cache", default=None)
_CACHED: ContextVar[bool] = ContextVar("cached", default=True)
_JOBS: ContextVar[int | None] = ContextVar("jobs", default=None)
_SCHEDULER: ContextVar[str | None] = ContextVar("scheduler", default=None)

NO_SNAPSHOT = (
    "give one with -s PATH, in IAMSIM_SNAPSHOT, or as `snapshot` of `[tool.iamsim]` in pyproject.toml; "
    "`aws iam get-account-authorization-details > account.json` makes one"
)


class Expect(StrEnum):
    """The verdict that makes the exit status 0."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class OnUnknown(StrEnum):
    """What an unexpected unknown is: status 0 or 1 instead of 3."""

    PASS = "pass"  # noqa: S105 - a word of the command line
    FAIL = "fail"


class Via(StrEnum):
    """Which hops count."""

    DIRECT = "direct"
    ROLES = "roles"
    ESCALATION = "escalation"


class Missing(StrEnum):
    """What is assumed of facts that the snapshot lacks."""

    ASSUME = "assume"
    STRICT = "strict"
    CLOSED = "closed"


class Engine(StrEnum):
    """The back-end that decides."""

    AUTO = "auto"
    TABLEAU = "tableau"
    Z3 = "z3"
    Z3_STRINGS = "z3-strings"
    CVC5 = "cvc5"


class Format(StrEnum):
    """The form of the output."""

    TEXT = "text"
    JSON = "json"


def given_keys(pairs: list[str], file: str | None) -> Given:
    """The condition keys of `--context-file` and, before them, of `--context KEY=VALUE`.

    A repeated key has several values; `KEY=null` is known to be absent. The case of keys does not matter.
    """
    given = {} if file is None else context_values(json_file(file, "a JSON object of condition keys"), f"`{file}`")
    said: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise QueryError(f"`--context {printable(pair)}` is no KEY=VALUE", "write --context aws:SourceIp=10.1.2.3")
        said.setdefault(key.strip().lower(), []).append(value)
    for key, values in said.items():
        if "null" in values and len(values) > 1:
            raise QueryError(f"`{printable(key)}` is both absent and present", "give `KEY=null` alone, or values alone")
        given[key] = None if values == ["null"] else values[0] if len(values) == 1 else values
    return given


def further_checks(pairs: list[str]) -> list[tuple[str, str]]:
    """The (action, resource) pairs of `--also ACTION=RESOURCE`."""
    out = []
    for pair in pairs:
        action, equals, resource = pair.partition("=")
        if not equals or not action.strip() or not resource.strip():
            raise QueryError(f"`--also {printable(pair)}` is no ACTION=RESOURCE", "write --also iam:PassRole=ROLE-ARN")
        out.append((action.strip(), resource.strip()))
    return out


def context_values(value: Any, where: str) -> Given:
    """The condition keys of a JSON object: texts, numbers, booleans, lists of these, or null for absent."""
    if not isinstance(value, dict):
        raise QueryError(f"{where}: the context is not a JSON object", 'write {"aws:SourceIp": "10.1.2.3"}')
    given: Given = {}
    for key, found in value.items():
        lower = key.lower()
        if key.startswith("\x00") or lower in given:
            again = found if key.startswith("\x00") else key
            raise QueryError(
                f"{where}: condition key `{printable(str(again))}` occurs twice", "give its values as a list"
            )
        if found is None:
            given[lower] = None
        elif isinstance(found, list) and all(_is_scalar(v) for v in found):
            given[lower] = [_text(v) for v in found]
        elif _is_scalar(found):
            given[lower] = _text(found)
        else:
            raise QueryError(
                f"{where}: the value of `{printable(key)}` is no text",
                "give a text, a list of texts, or null for absent",
            )
    return given


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def json_file(path: str, what: str) -> Any:
    """The one JSON value in the file; InputError with place and remedy if there is none."""
    from iamsim.env.files import bytes_of

    data = bytes_of(path)
    if not isinstance(data, bytes):
        raise InputError(data.message, (data,), data.help)
    return json_value(data, path, what)


def json_value(data: bytes, source: str, what: str) -> Any:
    """The one JSON value in `data`; repeated members are marked, as `model.json_text` has it."""
    from iamsim.env.files import decode

    decoded = decode(data, source)
    if not decoded.values:
        first = decoded.diagnostics[0]
        raise InputError(first.message, decoded.diagnostics, first.help)
    if len(decoded.values) > 1:
        raise InputError(f"`{printable(source)}` holds several JSON values", (), f"give {what}")
    return decoded.values[0]


def use_cache(directory: str | None) -> str | None:
    """Notes what `--cache` says."""
    _CACHE.set(directory)
    return directory


def use_no_cache(off: bool) -> bool:
    """Notes what `--no-cache` says."""
    _CACHED.set(not off)
    return off


def use_jobs(count: int | None) -> int | None:
    """Notes what `--jobs` says."""
    _JOBS.set(count)
    return count


def use_scheduler(address: str | None) -> str | None:
    """Notes what `--scheduler` says."""
    _SCHEDULER.set(address)
    return address


def workers_wanted() -> tuple[int | None, str | None]:
    """The number of worker processes and the address of a scheduler, each None if it was not given."""
    return _JOBS.get(), _SCHEDULER.get()


def cache_directory() -> tuple[Path | None, bool]:
    """The directory of compiled snapshots (None: there is none), and whether the user named it: with `--cache`, in
    IAMSIM_CACHE (`off`: none), else the user's cache directory.
    """
    if not _CACHED.get():
        return None, True
    named = _CACHE.get() or os.environ.get("IAMSIM_CACHE")
    if named:
        return (None if named == "off" and not _CACHE.get() else Path(named)), True
    from iamsim.env.cache import default_directory

    return default_directory(os.environ), False


def snapshots(given: list[str]) -> tuple[str, ...]:
    """The paths to read: those given, else of IAMSIM_SNAPSHOT, else of the nearest configuration file."""
    found = tuple(given) or _of_environment() or _of_configuration(Path.cwd())
    if not found:
        raise QueryError("no snapshot is given", NO_SNAPSHOT)
    return found


def _of_environment() -> tuple[str, ...]:
    return tuple(p for p in os.environ.get("IAMSIM_SNAPSHOT", "").split(os.pathsep) if p)


def _of_configuration(start: Path) -> tuple[str, ...]:
    """`snapshot` of `[tool.iamsim]` in iamsim.toml or pyproject.toml, of the first folder upwards that has it."""
    for folder in (start, *start.parents):
        for name in ("iamsim.toml", "pyproject.toml"):
            file = folder / name
            if file.is_file() and (found := _configured(file)):
                return found
    return ()


def _configured(file: Path) -> tuple[str, ...]:
    import tomllib

    try:
        value: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = printable(str(error)).lower()
        raise InputError(f"`{file}` cannot be read: {reason}", (), "correct it, or give -s PATH") from error
    table = value.get("tool")
    section = table.get("iamsim") if isinstance(table, dict) else None
    if section is None and file.name == "iamsim.toml":
        section = value
    paths = section.get("snapshot", []) if isinstance(section, dict) else []
    listed = [paths] if isinstance(paths, str) else paths
    if not isinstance(listed, list) or not all(isinstance(p, str) for p in listed):
        raise InputError(f"`{file}`: `snapshot` is no list of paths", (), 'write snapshot = ["snapshot/"]')
    return tuple(str(file.parent / p) for p in listed)

"""`iamsim batch`: one JSON question per line in, one JSON answer per line out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from iamsim.cli.options import context_values, json_value, snapshots
from iamsim.cli.output import Loud, Status, environment, say_internal, technique_remarks, unread, unread_notes
from iamsim.errors import InputError, QueryError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from iamsim.env.types import Environment

_TEXTS = ("principal", "action", "resource")
_OPTIONAL = ("when", "via", "missing", "resource_account", "techniques")
_FLAGS = ("strict", "any_resource")
_LISTS = ("assume", "rule_out")
_DOCUMENTS = ("session_policy", "endpoint_policy")
_KNOWN = frozenset({"id", "snapshot", "context", "also", *_TEXTS, *_OPTIONAL, *_FLAGS, *_LISTS, *_DOCUMENTS})
_DUPLICATE = "\x00duplicate"

Cache = dict[tuple[str, ...], "Environment | InputError"]


def batch(file: str, given: list[str], loud: Loud) -> int:
    """Answers each line of `file` (`-`: standard input) in order; 2 iff some line or snapshot had an error, 70 if a bug."""
    worst = Status.AS_EXPECTED
    cache: Cache = {}
    files: dict[str, bool] = {}
    with _opened(file) as lines:
        for number, raw in enumerate(lines, 1):
            if raw.strip():
                worst = max(worst, _line(raw, f"{file}:{number}", given, cache, files, loud))
    if any(files.values()) or any(not isinstance(env, InputError) and unread(env) for env in cache.values()):
        worst = max(worst, Status.INPUT)
    return worst


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = open(file, "rb")  # noqa: PTH123, SIM115 - closed below; a path that is none is reported
    except (OSError, ValueError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is no path"
        raise InputError(
            f"`{printable(file)}` cannot be read: {why}", (), "give a file of questions, or - for input"
        ) from error
    with stream:
        yield stream


def _line(raw: bytes, where: str, given: list[str], cache: Cache, files: dict[str, bool], loud: Loud) -> Status:
    """Answers one line and flushes it."""
    from iamsim.report.json import error_json, json_line

    id_: Any = None
    status = Status.AS_EXPECTED
    try:
        asked = _object(raw, where)
        id_ = asked.get("id")
        result = _answered(asked, where, given, cache, files, loud)
    except (InputError, QueryError) as error:
        result, status = error_json(error, id_), Status.INPUT
    except Exception as error:  # noqa: BLE001 - the other lines are answered all the same
        say_internal(error)
        result, status = error_json(error, id_), Status.INTERNAL
    sys.stdout.write(json_line(result) + "\n")
    sys.stdout.flush()
    return status


def _object(raw: bytes, where: str) -> dict[str, Any]:
    try:
        value = json_value(raw, where, "one question on each line")
    except InputError as error:
        raise InputError(f"{where}: {error}", (), error.help) from error
    if not isinstance(value, dict):
        raise QueryError(f"{where}: the line is not a JSON object", "write one question as an object on each line")
    if _DUPLICATE in value:
        raise QueryError(f"{where}: member `{printable(value[_DUPLICATE])}` occurs twice", "keep one of the two")
    return value


def _answered(
    asked: dict[str, Any], where: str, given: list[str], cache: Cache, files: dict[str, bool], loud: Loud
) -> dict[str, Any]:
    from iamsim.query.can import can
    from iamsim.report.json import answer_json

    notes = _strange(asked, where)
    texts = [_text(asked, name, where) for name in _TEXTS]
    options: dict[str, Any] = {n: _text(asked, n, where) for n in _OPTIONAL if asked.get(n) is not None}
    for name in _FLAGS:
        if asked.get(name) is not None:
            options[name] = _flag(asked[name], name, where)
    for name in _LISTS:
        if asked.get(name) is not None:
            options[name] = _texts(asked[name], name, where)
    for name in _DOCUMENTS:
        if asked.get(name) is not None:
            options[name] = asked[name]
    if asked.get("context") is not None:
        options["context"] = context_values(asked["context"], where)
    if asked.get("also") is not None:
        options["also"] = _also(asked["also"], where)
    env = _environment(_paths(asked, where, given), cache, loud)
    techniques = options.get("techniques")
    if techniques is not None and techniques not in files:
        files[techniques] = technique_remarks(techniques, loud)
    answer = can(env, *texts, **options)
    return answer_json(answer, asked.get("id"), more_notes=(*notes, *unread_notes(env)))


def _also(value: Any, where: str) -> list[tuple[str, str]]:
    """The further checks of an operation: a list of objects with an action and a resource."""
    items = value if isinstance(value, list) else [value]
    if not all(
        isinstance(i, dict) and isinstance(i.get("action"), str) and isinstance(i.get("resource"), str) for i in items
    ):
        raise QueryError(f"{where}: `also` is no list of checks", 'write [{"action": "…", "resource": "…"}]')
    return [(i["action"], i["resource"]) for i in items]


def _strange(asked: dict[str, Any], where: str) -> tuple[str, ...]:
    """Notes on members that no question has; one that is almost a known name is an error, for it would change the question."""
    strange = [name for name in asked if name not in _KNOWN]
    if not strange:
        return ()
    from difflib import get_close_matches

    for name in strange:
        near = get_close_matches(name.lower().replace("-", "_"), sorted(_KNOWN), 1, 0.85)
        if near:
            raise QueryError(f"{where}: no question has `{printable(name)}`", f"did you mean `{near[0]}`?")
    return tuple(f"member `{printable(n)}` of the question was ignored" for n in strange if n not in ("expect", "why"))


def _text(asked: dict[str, Any], name: str, where: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        what = "is missing" if value is None else "is no text"
        raise QueryError(f"{where}: `{name}` {what}", f'add "{name}": "…" to the question')
    return value


def _flag(value: Any, name: str, where: str) -> bool:
    if not isinstance(value, bool):
        raise QueryError(f"{where}: `{name}` is neither true nor false", "write it without quotes")
    return value


def _texts(value: Any, name: str, where: str) -> list[str]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(v, str) for v in listed):
        raise QueryError(f"{where}: `{name}` is neither a text nor a list of texts", "name facts of the catalogue")
    return listed


def _paths(asked: dict[str, Any], where: str, given: list[str]) -> tuple[str, ...]:
    value = asked.get("snapshot")
    if value is None:
        return snapshots(given)
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(p, str) for p in listed):
        raise QueryError(f"{where}: `snapshot` is neither a path nor a list of paths", 'write "snapshot": ["dir/"]')
    return tuple(listed)


def _environment(paths: tuple[str, ...], cache: Cache, loud: Loud) -> Environment:
    """The environment of the paths, read once; a failure is kept and raised again."""
    if paths not in cache:
        try:
            cache[paths] = environment(paths, loud)
        except InputError as error:
            cache[paths] = error
    found = cache[paths]
    if isinstance(found, InputError):
        raise found
    return found

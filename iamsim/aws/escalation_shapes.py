"""The shape of the entries of a catalogue of escalation techniques: which members there are, and of what kind."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iamsim.findings import diagnostic, printable
from iamsim.model.json_text import DUPLICATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from iamsim.diagnostics import Diagnostic, Origin


@dataclass(frozen=True, slots=True)
class _Object:
    members: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    other: Any = None


@dataclass(frozen=True, slots=True)
class _List:
    of: Any
    least: int = 0


_TEXT, _VALUE, _FIELD = "a text", "a text that may be empty", "a text, true, false or a list of texts"
_TEXTS = _List(_TEXT)
_CALL = _Object({"action": _TEXT, "resource": _FIELD, "context": _Object(other=_VALUE)}, ("action", "resource"))
_PRECONDITION = _Object({"fact": _TEXT, "offline": _TEXT}, ("fact",), _FIELD)
_ALTERNATIVE = _Object(
    {
        "when": _TEXT,
        "replaces": _TEXTS,
        "adds": _List(_CALL),
        "drops": _TEXTS,
        "preconditions": _List(_PRECONDITION),
    },
    ("when",),
)
_ENTRY = _Object(
    {
        "id": _TEXT,
        "title": _TEXT,
        "aliases": _Object(other=_TEXTS),
        "kind": _TEXT,
        "requires": _List(_CALL),
        "alternatives": _List(_ALTERNATIVE),
        "preconditions": _List(_PRECONDITION),
        "passed_to": _TEXT,
        "outcome": _Object({"type": _TEXT, "reach": "a reach"}, ("type",), _FIELD),
        "composed_of": _TEXTS,
        "helpful": _TEXTS,
        "condition_keys": _TEXTS,
        "limits": _Object({"on_the_calls": _TEXTS, "on_the_result": _TEXTS}),
        "offline": _Object({"gaad_alone": _TEXT, "also_needs": _TEXTS, "assumes": _TEXTS}),
        "confidence": _TEXT,
        "sources": _List(_TEXT, 1),
        "note": _TEXT,
    },
    ("id", "title", "kind", "requires", "outcome", "sources"),
)
_ONLY = _Object({"only": _List(_TEXT, 1)}, ("only",))


def shape_mistakes(entry: Any, at: Origin) -> Iterator[Diagnostic]:
    """The mistakes in the shape of one technique or primitive, in any JSON value."""
    return _shape(entry, _ENTRY, at)


def _shape(value: Any, shape: Any, at: Origin) -> Iterator[Diagnostic]:
    """What of `value` does not have `shape`."""
    match shape:
        case _Object():
            yield from _object(value, shape, at)
        case _List():
            if not isinstance(value, list) or len(value) < shape.least:
                wanted = "a list that is not empty" if shape.least else "a list"
                yield diagnostic("technique-shape", at, f"{_kind(value)} where {wanted} belongs")
                return
            for i, item in enumerate(value):
                yield from _shape(item, shape.of, at.child(i))
        case "a reach":
            yield from _shape(value, _ONLY if isinstance(value, dict) else _TEXT, at)
        case _ if shape == _FIELD and isinstance(value, list):
            yield from _shape(value, _List(_TEXT, 1), at)
        case _ if (shape == _FIELD and isinstance(value, bool)) or (shape == _VALUE and value == ""):
            return
        case _ if not isinstance(value, str) or not value.strip():
            yield diagnostic("technique-shape", at, f"{_kind(value)} where {shape} belongs")


def _object(value: Any, shape: _Object, at: Origin) -> Iterator[Diagnostic]:
    if not isinstance(value, dict):
        yield diagnostic("technique-shape", at, f"{_kind(value)} where an object belongs")
        return
    for name in shape.required:
        if name not in value:
            yield diagnostic("technique-missing", at, f"`{name}` is missing", help=f"add `{name}`")
    for name, item in value.items():
        inner = shape.members.get(name, shape.other) if isinstance(name, str) else None
        if inner is None or name == DUPLICATE:
            yield unknown_member(name, item, shape.members, at)
        else:
            yield from _shape(item, inner, at.child(name))


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case str():
            return "a text" if value.strip() else "an empty text"
        case int() | float():
            return "a number"
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "an object"
        case _:
            return "something else"


def unknown_name(
    id_: str, what: str, name: str, known: Iterable[str], at: Origin, near: str | None = None
) -> Diagnostic:
    """The remark on a `name` that is none of `known`, with the nearest of them as the remedy."""
    names = sorted(known)
    close = [near] if near else difflib.get_close_matches(name, names, 1, 0.5)
    help_ = None
    if close:
        help_ = f"the nearest name is `{close[0]}`"
    elif 0 < len(names) <= 30:
        help_ = "known names: " + ", ".join(f"`{n}`" for n in names)
    return diagnostic(id_, at, f"unknown {what} `{printable(name)}`", help=help_)


def unknown_member(name: Any, value: Any, known: Iterable[str], at: Origin) -> Diagnostic:
    """The remark on a member of a file that has no meaning, or that is the mark of a repeated one."""
    if name == DUPLICATE:
        message = f"`{printable(str(value))}` occurs twice"
        return diagnostic("technique-member", at, message, help="keep one of the two")
    return unknown_name("technique-member", "member", str(name), known, at.child(name))

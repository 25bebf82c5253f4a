"""JSON text → value, with the members that occur twice marked instead of silently dropped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

DUPLICATE = "\x00duplicate"
"""The extra member that `decode` adds to an object with a repeated member; its value is the repeated name."""


def marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of `pairs`; a repeated name keeps its last value and is noted under `DUPLICATE`."""
    out = dict(pairs)
    if len(out) != len(pairs):
        out[DUPLICATE] = _first_repeated(pairs)
    return out


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise ValueError("no name is repeated")


def decoder(repeated: list[str]) -> json.JSONDecoder:
    """A decoder of JSON as RFC 8259 has it, which marks repeated members and adds their names to `repeated`."""

    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) != len(pairs):
            out = marked(pairs)
            repeated.append(out[DUPLICATE])
        return out

    return json.JSONDecoder(object_pairs_hook=noted, parse_constant=_constant)


def counting_decoder() -> tuple[json.JSONDecoder, Callable[[], int]]:
    """A decoder of JSON that marks nothing, and what tells, once, how many members its objects had.

    Fewer than `written_members` of the text iff a member was repeated: then `decoder` must read it again.
    """
    counter = _counter()
    next(counter)
    return json.JSONDecoder(object_hook=counter.send, parse_constant=_constant), lambda: counter.send(None)


def _counter() -> Generator[Any, Any, None]:
    """Gives back each object that is sent, and their number of members at None; a function would cost thrice as much."""
    total, value = 0, (yield)
    while value is not None:
        total += len(value)
        value = yield value
    yield total


def written_members(text: bytes) -> int:
    """The number of members in the JSON text, repeated ones included, or more where strings look like members."""
    data = text.translate(None, b" \t\n\r")
    found = data.count(b'":')
    quoted = data.count(b'\\":') if b'\\"' in data else 0
    return found if b'\\\\"' in data else found - quoted


def _constant(name: str) -> Any:
    raise ValueError(f"`{name}` is not a JSON value")


DECODER = json.JSONDecoder(object_pairs_hook=marked, parse_constant=_constant)
"""Decodes JSON as RFC 8259 has it (no NaN, no Infinity), with repeated members marked."""


def read_document_text(text: str) -> tuple[Any, str | None]:
    """The JSON value of a policy that is stored as text, plain or percent-encoded, and why it has none, if so.

    Source: IAM API Reference, "GetAccountAuthorizationDetails" (policies are URL-encoded by RFC 3986).
    """
    body = text.strip()
    if body[:3].upper() in ("%7B", "%20", "%0A"):
        body = unquote(body)
    try:
        return DECODER.decode(body.lstrip("\ufeff")), None
    except json.JSONDecodeError as e:
        return None, f"the policy text is not JSON: {e.msg.lower()} at character {e.pos + 1}"
    except RecursionError:
        return None, "the policy text is nested too deeply"
    except ValueError as e:
        return None, f"the policy text is not JSON: {e}"


def duplicate_of(value: Any) -> str | None:
    """The name of some repeated member anywhere in a decoded `value`, or None."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if DUPLICATE in item:
                return str(item[DUPLICATE])
            todo.extend(v for v in item.values() if isinstance(v, (dict, list)))
        elif isinstance(item, list):
            todo.extend(v for v in item if isinstance(v, (dict, list)))
    return None

"""Origins as places that an editor can open: `file:line`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.files import bytes_of, pointer_line, text_of
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from iamsim.diagnostics import Diagnostic, Origin

Place = "Callable[[Origin | None], str]"


def places() -> Callable[[Origin | None], str]:
    """A function from an origin to `file:line`, to `file#pointer` if the file cannot be read again or is YAML, or to nothing.

    It reads each file once. A policy that is stored as one text has the line of that text.
    """
    texts: dict[str, str | None] = {}

    def place(origin: Origin | None) -> str:
        if origin is None:
            return ""
        if origin.source not in texts:
            texts[origin.source] = _text(origin.source)
        text = texts[origin.source]
        found = pointer_line(text, origin.pointer) if text is not None else None
        if found is None:
            return printable(str(origin))
        return f"{printable(origin.source)}:{found[0]}"

    return place


def _text(source: str) -> str | None:
    if source.lower().endswith((".yaml", ".yml")):
        return None  # pointers are found in JSON only
    data = bytes_of(source)
    if not isinstance(data, bytes):
        return None
    text = text_of(data, source)
    return text if isinstance(text, str) else None


def diagnostic_text(diagnostic: Diagnostic, place: Callable[[Origin | None], str]) -> str:
    """The diagnostic on one line: severity, place, message and remedy."""
    origin, span = diagnostic.origin, diagnostic.span
    if span is not None:
        where = f"{printable(origin.source)}:{span[0]}:{span[1]}"
    elif origin.pointer:
        where = place(origin)
    else:
        where = printable(origin.source)
    said_already = f"`{where}`" in diagnostic.message or where.startswith("<")
    remedy = f"; help: {printable(diagnostic.help)}" if diagnostic.help else ""
    message = printable(diagnostic.message, 500)
    return f"{diagnostic.severity.value}: {'' if said_already else where + ': '}{message}{remedy}"

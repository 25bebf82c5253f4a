"""Origins as regions of files: file, line and column, for formats that other tools read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.env.files import bytes_of, pointer_line, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from iamsim.diagnostics import Origin


@dataclass(frozen=True, slots=True)
class Region:
    """A place in a file; line and column (from 1) are None where they are not known."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        known = [str(n) for n in (self.line, self.column) if n is not None]
        return ":".join([self.file, *known])


def regions() -> Callable[[Origin, tuple[int, int] | None], Region]:
    """A function from an origin, and the span where one is known, to a region. It reads each file once.

    A policy that is stored as one text has the place of that text.
    """
    texts: dict[str, str | None] = {}
    known: dict[Origin, Region] = {}

    def region(origin: Origin, span: tuple[int, int] | None = None) -> Region:
        if span is not None:
            return Region(origin.source, *span)
        if origin not in known:
            if origin.source not in texts:
                texts[origin.source] = _text(origin.source)
            text = texts[origin.source]
            at = pointer_line(text, origin.pointer) if text is not None and origin.pointer else None
            known[origin] = Region(origin.source, *(at or ()))
        return known[origin]

    return region


def _text(source: str) -> str | None:
    if source.lower().endswith((".yaml", ".yml")):
        return None  # pointers are found in JSON only
    data = bytes_of(source)
    text = text_of(data, source) if isinstance(data, bytes) else None
    return text if isinstance(text, str) else None

"""Lines of styled text: what a report is made of before it is wrapped and printed, with colours or without."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WORD = re.compile(r" *[^ ]+")


class Style(StrEnum):
    """What a piece of text is; the value is how rich shows it."""

    PLAIN = ""
    YES = "bold green"
    NO = "bold red"
    UNKNOWN = "bold yellow"
    HEAD = "bold"
    PLACE = "dim"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text in one style. The text is printable: what users wrote went through `findings.printable`."""

    text: str
    style: Style = Style.PLAIN


@dataclass(frozen=True, slots=True)
class Line:
    """One paragraph: `indent` spaces before it, and `hang` more before the rows that follow the first; `whole`: one row."""

    spans: tuple[Span, ...]
    indent: int = 0
    hang: int = 2
    whole: bool = False


def line(text: str, *, indent: int = 0, hang: int = 2, style: Style = Style.PLAIN) -> Line:
    """A paragraph in one style."""
    return Line((Span(text, style),), indent, hang)


def rows(lines: Iterable[Line], width: int) -> Iterator[tuple[Span, ...]]:
    """The lines as rows of at most `width` characters, broken at spaces; longer words stay whole."""
    for paragraph in lines:
        used = paragraph.indent
        row: list[Span] = []
        for span in paragraph.spans:
            for word in _WORD.findall(span.text):
                if row and word[0] == " " and used + len(word) > width and not paragraph.whole:
                    yield tuple(row)
                    row = []
                    used = paragraph.indent + paragraph.hang
                text = word if row else " " * used + word.lstrip(" ")
                used = used + len(word) if row else len(text)
                row.append(Span(text, span.style))
        yield tuple(row)


def plain_text(lines: Iterable[Line], width: int) -> str:
    """The lines as text without styles, each row ended by a line feed."""
    return "".join("".join(s.text for s in row) + "\n" for row in rows(lines, width))


def print_styled(lines: Iterable[Line], width: int) -> None:
    """Prints the lines on standard output in colour."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=width, highlight=False, soft_wrap=True)
    with console.capture() as captured:  # else each row is flushed
        for row in rows(lines, width):
            console.print(Text.assemble(*((s.text, s.style.value) for s in row)), soft_wrap=True)
    sys.stdout.write(captured.get())

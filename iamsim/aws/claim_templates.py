"""Templates of the claims of tokens: `{name}` is a given value or any text without a colon, `**` any text.

In a given value `*` stands for any text without a colon.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

from iamsim.model.grammar import nearest
from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, join

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.model.pattern import Part

_PLACE = re.compile(r"\{([a-z-]+)\}|(\*\*)|([^{*]+)")


def named_in(template: str) -> tuple[str, ...]:
    """The names for which the template has a place, each once, in order."""
    return tuple(dict.fromkeys(m[1] for m in _PLACE.finditer(template) if m[1]))


def filled(template: str, values: Mapping[str, str], choices: Mapping[str, tuple[str, ...]]) -> Iterator[Pattern]:
    """The patterns that `template` stands for: one for each choice of what is not given."""
    open_ = [n for n in named_in(template) if n in choices and n not in values]
    for chosen in product(*(choices[n] for n in open_)):
        told = {**values, **dict(zip(open_, chosen, strict=True))}
        parts: list[Part] = []
        for place in _PLACE.finditer(template):
            if place[1]:
                parts += value_parts(told[place[1]]) if place[1] in told else _any()
            else:
                parts.append(Star() if place[2] else Literal(place[3]))
        yield join("", parts)


def _any() -> list[Part]:
    return [AnyChar(field=True), Star(field=True)]


def value_parts(text: str) -> list[Part]:
    """The parts of a given value: `*` is any text without a colon."""
    out: list[Part] = []
    for n, piece in enumerate(text.split("*")):
        out += [Star(field=True)] if n else []
        out += [Literal(piece)] if piece else []
    return out


def choice(word: str, names: list[str]) -> str:
    """The remedy for a word that is none of `names`."""
    close = nearest(word, names)
    return f"did you mean `{close}`?" if close else "one of " + ", ".join(names)

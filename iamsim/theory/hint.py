"""What is known of the values of a variable, and what the theories answer when they find none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from iamsim.ir import values
from iamsim.ir.evaluate import parses
from iamsim.ir.term import Sort

if TYPE_CHECKING:
    from fractions import Fraction

READ_SORTS = (Sort.BOOL, Sort.NUMBER, Sort.DATE, Sort.ADDRESS, Sort.BINARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What is known of the values of a variable.

    A value of a BOOL, NUMBER, DATE, ADDRESS or BINARY variable can be read as such. `multivalued` allows more than one
    value. `samples` are plausible values, tried first. `alphabet` and the lengths bound the texts; `minimum`,
    `maximum` and `integers` bound the numbers and dates.
    """

    sort: Sort = Sort.STRING
    multivalued: bool = False
    samples: tuple[str, ...] = ()
    alphabet: str | None = None
    min_length: int = 0
    max_length: int | None = None
    minimum: Fraction | None = None
    maximum: Fraction | None = None
    integers: bool = False


ANY = Hint()


@dataclass(frozen=True, slots=True)
class Conflict:
    """The indices of literals that no assignment satisfies together."""

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """Neither a value nor a conflict was found."""

    reason: str


def fits(text: str, hint: Hint) -> bool:
    """True iff `hint` allows `text`."""
    if hint.max_length is not None and len(text) > hint.max_length:
        return False
    if len(text) < hint.min_length or (hint.alphabet is not None and not set(text) <= set(hint.alphabet)):
        return False
    if hint.sort not in READ_SORTS:
        return True
    if not parses(text, hint.sort):
        return False
    if hint.sort not in (Sort.NUMBER, Sort.DATE):
        return True
    value = cast("Fraction", values.number(text) if hint.sort is Sort.NUMBER else values.date(text))
    low = hint.minimum is None or hint.minimum <= value
    return low and (hint.maximum is None or value <= hint.maximum) and not (hint.integers and value.denominator != 1)

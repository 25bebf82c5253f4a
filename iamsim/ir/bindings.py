"""What is known of a variable before solving: its value, another variable that it equals, or that it cannot be known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iamsim.ir.term import Term, Var


@dataclass(frozen=True, slots=True)
class Known:
    """The variable has exactly these values; none means that it is absent."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alias:
    """The variable is free, and called `var` in the problem. No value of it is one of `never` or begins with one and a slash."""

    var: Var
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prefixed:
    """The value is `prefix` followed by the value of `var`, which is always present."""

    prefix: str
    var: Var


@dataclass(frozen=True, slots=True)
class Cases:
    """`then` where `test` holds, `other` elsewhere."""

    test: Term
    then: Binding
    other: Binding


@dataclass(frozen=True, slots=True)
class Ambivalent:
    """Two readings: a condition that has one value under both has that value, else it is U with `reason`."""

    first: Binding
    second: Binding
    reason: str


@dataclass(frozen=True, slots=True)
class Unknowable:
    """A condition that reads the variable is U with `reason`."""

    reason: str


Binding = Known | Alias | Prefixed | Cases | Ambivalent | Unknowable
ABSENT = Known(())
Lookup = Callable[[str], Binding]

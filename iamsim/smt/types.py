"""What the solver takes and gives: hints, limits, outcomes and their cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.theory.hint import Hint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.ir.term import Var

__all__ = ["Cost", "Hint", "Limits", "Outcome", "Sat", "Unknown", "Unsat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The budgets of one question. All but the two numbers of seconds make the same runs give the same answers.

    `nodes` bounds the decisions of the tableau, `rounds` the models that Z3 proposes, `states` the product of the
    patterns on one variable, `rlimit` the work of Z3. `seconds` is the safety net for all of it but the string
    solvers, which are killed after `strings_seconds`; 0 leaves them out.
    """

    nodes: int = 400
    rounds: int = 400
    states: int = 20000
    rlimit: int = 50_000_000
    seconds: float = 30.0
    strings_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Cost:
    """The work done: decisions of the tableau, and models that Z3 proposed."""

    nodes: int = 0
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class Sat:
    """The term is true under `assignment`; variables that it lacks are absent."""

    assignment: Mapping[Var, tuple[str, ...]]
    engine: str
    cost: Cost = field(default=Cost(), compare=False)


@dataclass(frozen=True, slots=True)
class Unsat:
    """No assignment that the hints allow makes the term true."""

    engine: str
    cost: Cost = field(default=Cost(), compare=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Neither was found, for `reason`."""

    reason: str
    cost: Cost = field(default=Cost(), compare=False)


Outcome = Sat | Unsat | Unknown

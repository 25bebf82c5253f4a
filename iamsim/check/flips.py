"""Rules that hold in one environment and not in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.check.run import check

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from iamsim.check.model import Outcome, Report, RuleFile
    from iamsim.env.types import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A rule by its id, and its outcome before and after; None where its question cannot be asked of that side, and why."""

    rule: str
    before: Outcome | None
    after: Outcome | None
    reason: str = ""

    @property
    def states(self) -> tuple[str, str]:
        """`holds`, `broken`, `unknown` or `not askable`, before and after."""
        old, new = ("not askable" if o is None else o.state.value for o in (self.before, self.after))
        return old, new


def flips(before: Environment, after: Environment, files: Iterable[RuleFile], today: date) -> tuple[Flip, ...]:
    """The rules whose state differs between the environments, in the order of the files.

    A rule counts by its state, waived or not. Files with problems of their own are for the caller to refuse.
    """
    listed = tuple(files)
    old, new = (check(env, listed, today, found=()) for env in (before, after))
    mine, theirs = _by_id(old), _by_id(new)
    out = []
    for rule in dict.fromkeys(r.id for f in listed for r in f.rules):
        one, other = mine.get(rule), theirs.get(rule)
        flip = Flip(
            rule=rule,
            before=one,
            after=other,
            reason=_why(old, new, listed, rule) if one is None or other is None else "",
        )
        if flip.states[0] != flip.states[1]:
            out.append(flip)
    return tuple(out)


def _by_id(report: Report) -> dict[str, Outcome]:
    return {o.rule.id: o for o in report.outcomes}


def _why(old: Report, new: Report, files: tuple[RuleFile, ...], rule: str) -> str:
    places = {(r.source, r.line) for f in files for r in f.rules if r.id == rule}
    return next((p.message for p in (*new.problems, *old.problems) if (p.source, p.line) in places), "")

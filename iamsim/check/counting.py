"""What of a report counts: by severity, waivers, suppressions, and what an unknown answer is taken for."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iamsim.check.model import Counted, Outcome, Report
    from iamsim.diagnostics import Severity


class FailOn(StrEnum):
    """The lowest severity that makes a check fail."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


class Result(StrEnum):
    """What a check comes to. UNREADABLE: some rule could not be read or asked, whatever the others say."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"


_RANK = {"error": 0, "warning": 1, "info": 2}


def grave(severity: Severity, fail_on: FailOn) -> bool:
    """True iff something of this severity counts."""
    return fail_on is not FailOn.NEVER and _RANK[severity.value] <= _RANK[fail_on.value]


def fails(item: Outcome | Counted, fail_on: FailOn, unknown: str | None = None) -> bool:
    """True iff this broken rule or finding makes the check fail; an unknown rule does iff `unknown` is `fail`."""
    from iamsim.check.model import Outcome, State

    if isinstance(item, Outcome):
        bad = item.state is State.BROKEN or (item.state is State.UNKNOWN and unknown == "fail")
        return bad and not item.waived and grave(item.rule.severity, fail_on)
    return item.suppressed is None and grave(item.found.severity, fail_on)


def result_of(report: Report, fail_on: FailOn = FailOn.ERROR, unknown: str | None = None) -> Result:
    """What the report comes to. `unknown`: an unknown rule passes (`pass`), fails (`fail`), or makes the result UNKNOWN."""
    from iamsim.check.model import State

    if report.problems:
        return Result.UNREADABLE
    if any(fails(o, fail_on, unknown) for o in report.outcomes) or any(fails(c, fail_on) for c in report.findings):
        return Result.FAILED
    open_ = [o for o in report.outcomes if o.state is State.UNKNOWN and not o.waived]
    if unknown is None and any(grave(o.rule.severity, fail_on) for o in open_):
        return Result.UNKNOWN
    return Result.PASSED


def summary(report: Report) -> str:
    """What was checked and how it went, as one sentence."""
    states = Counter("waived" if o.waived else o.state.value for o in report.outcomes)
    told = [f"{states[s]} {word}" for s, word in _STATES.items() if states[s]]
    parts = [f"{_many(len(report.outcomes), 'rule')}{': ' if told else ''}{', '.join(told)}"]
    counted = [c for c in report.findings if c.suppressed is None]
    kinds = Counter(c.found.severity.value for c in counted)
    told = [_many(kinds[s], _WORDS[s]) for s in _RANK if kinds[s]]
    parts.append(f"{_many(len(counted), 'finding')}{': ' if told else ''}{', '.join(told)}")
    hidden = len(report.findings) - len(counted)
    if hidden:
        parts.append(f"{hidden} suppressed")
    if report.problems:
        parts.append(f"{_many(len(report.problems), 'rule')} that could not be read")
    return "; ".join(parts)


_STATES = {"broken": "broken", "unknown": "unknown", "waived": "waived", "holds": "hold"}
_WORDS = {"error": "error", "warning": "warning", "info": "note"}


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"

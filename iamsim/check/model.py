"""What a check finds: findings with their proof, rules with their outcome, and the report of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from iamsim.findings import finding
from iamsim.judge.answer import Verdict

if TYPE_CHECKING:
    from iamsim.diagnostics import Origin, Severity
    from iamsim.judge.answer import Answer, Hop, Witness
    from iamsim.query.language import Question, Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding: its row (`id`), what it is about, and what shows it.

    `subjects` are the ARNs or names that a suppression may name. `proof` are sentences; `witness` is a request that AWS would
    allow, where one shows it. `span` is line and column where the reader knows them.
    """

    id: str
    message: str
    origin: Origin
    subjects: tuple[str, ...]
    proof: tuple[str, ...] = ()
    witness: Witness | None = None
    help: str = ""
    span: tuple[int, int] | None = None

    @property
    def severity(self) -> Severity:
        """The severity of its row."""
        return finding(self.id).severity

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return self.help or finding(self.id).help


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An entry of a file of rules that means nothing: where it stands, and on further lines (`help`) what would."""

    source: str
    line: int
    column: int
    message: str
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An invariant: the questions that one entry stands for, all of which must be answered by `expect`.

    `id` is its name, or file and line; `text` the entry on one line.
    """

    id: str
    questions: tuple[Question, ...]
    text: str
    source: str
    line: int
    column: int
    expect: str
    severity: Severity
    reason: str | None = None
    waiver: Waiver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """Findings that do not count: those whose id and one of whose subjects match, until the end of the day `until`."""

    finding: str
    subject: str
    reason: str
    until: str | None
    source: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """A file of rules: what could be read, and what could not."""

    source: str
    rules: tuple[Rule, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    problems: tuple[Problem, ...] = ()


class State(StrEnum):
    """Whether a rule holds; an answer that is not known is neither."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The answer to one question of a rule: who was asked about, the verdict, and what shows it.

    `answer` is None where whole paths were asked for; then `hops` lead to control or, with `witness`, to a request. Under a
    NO they are those of a caller who needs not go through a role.
    """

    who: str
    verdict: Verdict
    word: str
    answer: Answer | None = None
    hops: tuple[Hop, ...] = ()
    witness: Witness | None = None
    reasons: tuple[str, ...] = ()

    @property
    def way(self) -> tuple[tuple[Hop, ...], Witness | None] | None:
        """The hops that show it and the request at their end, None if nothing does."""
        if self.answer is not None:
            return (self.answer.path, self.answer.witness) if self.verdict is Verdict.YES else None
        return (self.hops, self.witness) if self.hops or self.witness is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A rule and whether it holds. `said` are the answers that decide it: those that break it, else those not known.

    `asked` is the number of questions. `waived`: broken or unknown, and a waiver is in force; `expired`: one was.
    """

    rule: Rule
    state: State
    said: tuple[Said, ...]
    asked: int
    waived: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A finding, and the suppression that keeps it from counting, or (`expired`) one that no longer does."""

    found: Found
    suppressed: Suppression | None = None
    expired: Suppression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a check says. `idle` are suppressions that no finding matches; `today` is the day that was assumed."""

    outcomes: tuple[Outcome, ...]
    findings: tuple[Counted, ...]
    problems: tuple[Problem, ...]
    idle: tuple[Suppression, ...]
    today: str
    data_date: str
    notes: tuple[str, ...] = field(default=())

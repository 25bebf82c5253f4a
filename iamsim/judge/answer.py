"""Answers: the verdict with what proves it (a witness or a core), or what is missing, and what was assumed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

from iamsim.env.types import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iamsim.diagnostics import Diagnostic, Origin
    from iamsim.ir.term import Term


SHOWN = 6
"""How many requests that are refuted beside the question's own an answer shows at most."""


class Verdict(StrEnum):
    """Whether some request that the question describes is allowed."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Decision(StrEnum):
    """The verdict in AWS's words; a NO is explicit if a Deny decides it."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cited:
    """A statement or layer that an answer names: what it is, why it matters, and where it stands."""

    text: str
    role: str
    origin: Origin | None = None
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A concrete request. `caller` is the ARN that signs (or a name for callers without one).

    `resource` is an ARN or `*`. `context` maps AWS's spelling of each present condition key to its values; `chosen` are
    the keys that are neither derived nor given: what the request must bring.
    """

    caller: str
    action: str
    resource: str
    owner: str | None
    context: Mapping[str, tuple[str, ...]]
    chosen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A request that AWS would allow, and the statements that allow it."""

    request: Request
    allowed_by: tuple[Cited, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One step of a path: `caller` obtains a session of `target` by `action`; `witness` is the request that does it.

    A step by another technique than role assumption has its id in `technique`, all of its calls in `calls` (`witness` is
    the first, `action` names all), what it gains in `gains`, and what had to be assumed in `assumptions`.
    """

    caller: str
    action: str
    target: str
    witness: Witness
    checks: tuple[str, ...] = ()
    technique: str = "sts-assume-role"
    title: str = ""
    gains: str = ""
    calls: tuple[Witness, ...] = ()
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Core:
    """Why not: statements and layers that together forbid every request; none of them can be left out."""

    items: tuple[Cited, ...]
    remedy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as it was understood. `context` holds the given keys in lower case; () means known to be absent."""

    principal: str
    action: str
    resource: str
    via: str = "escalation"
    strict: bool = False
    missing: str = "assume"
    context: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    when: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What backs a verdict: the witness and path of a YES, the core of a NO, the residual of either; the techniques of the path, or
    what works them out when somebody looks at them.
    """

    decision: Decision
    witness: Witness | None = None
    path: tuple[Hop, ...] = ()
    core: Core | None = None
    residual: Term | None = None
    techniques: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()


class Answer:
    """The answer to one question. Compare `verdict` with a `Verdict`; an answer has no truth value of its own.

    `witness` is set for YES: the last request, with `path` the hops before it (empty for a direct YES). `core` is set for
    NO. `reasons` are codes of what is not known (semantics ledger), `assumptions` and `notes` sentences. `residual` is
    what the request must satisfy. `data_date` is the date of the action data.

    The evidence of an answer that needed no solver is computed when it is first looked at; a witness is never seen
    before the independent evaluator has confirmed it (else InternalError).
    """

    __slots__ = ("_evidence", "assumptions", "data_date", "notes", "question", "reasons", "verdict", "warnings")

    def __init__(
        self,
        *,
        question: Question,
        verdict: Verdict,
        decision: Decision = Decision.UNKNOWN,
        witness: Witness | None = None,
        path: tuple[Hop, ...] = (),
        core: Core | None = None,
        residual: Term | None = None,
        evidence: Callable[[], Evidence] | None = None,
        reasons: tuple[str, ...] = (),
        assumptions: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        warnings: tuple[Diagnostic, ...] = (),
        data_date: str = "",
    ) -> None:
        self.question = question
        self.verdict = verdict
        self.reasons = reasons
        self.assumptions = assumptions
        self.notes = notes
        self.warnings = warnings
        self.data_date = data_date
        self._evidence: Evidence | Callable[[], Evidence] = evidence or Evidence(
            decision=decision, witness=witness, path=path, core=core, residual=residual
        )

    @property
    def evidence(self) -> Evidence:
        """The evidence, computed once."""
        if not isinstance(self._evidence, Evidence):
            self._evidence = self._evidence()
        return self._evidence

    @property
    def decision(self) -> Decision:
        """The verdict in AWS's words."""
        return self.evidence.decision

    @property
    def witness(self) -> Witness | None:
        """The request that AWS would allow, for a YES."""
        return self.evidence.witness

    @property
    def path(self) -> tuple[Hop, ...]:
        """The hops before the witness."""
        return self.evidence.path

    @property
    def core(self) -> Core | None:
        """What forbids every request, for a NO."""
        return self.evidence.core

    @property
    def residual(self) -> Term | None:
        """What a request has to satisfy."""
        return self.evidence.residual

    def __reduce__(self) -> tuple[Any, ...]:
        _ = self.techniques  # what works them out stays here
        said = (self.question, self.verdict, self.reasons, self.assumptions, self.notes, self.warnings, self.data_date)
        return _again, (*said, self.evidence)

    def __repr__(self) -> str:
        q = self.question
        return f"<Answer {self.verdict.value}: can {q.principal} do {q.action} on {q.resource}>"

    def __bool__(self) -> NoReturn:
        raise TypeError("an answer has three values: compare `answer.verdict` with `Verdict.YES`, `NO` or `UNKNOWN`")

    @property
    def techniques(self) -> tuple[str, ...]:
        """The techniques by which the path works: those of its steps, those that do as well, and those composed of them."""
        found = self.evidence.techniques
        if callable(found):
            found = found()
            self._evidence = replace(self.evidence, techniques=found)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """The hops and the final request as one dict each: caller, action, resource, context."""
        hops = [h.witness for h in self.path] + ([self.witness] if self.witness else [])
        return [
            {
                "caller": w.request.caller,
                "action": w.request.action,
                "resource": w.request.resource,
                "context": {k: list(v) for k, v in w.request.context.items()},
                "allowed_by": [c.text for c in w.allowed_by],
            }
            for w in hops
        ]

    def _repr_html_(self) -> str:
        from iamsim.report.html import answer_html

        return answer_html(self)


def _again(
    question: Question,
    verdict: Verdict,
    reasons: tuple[str, ...],
    assumptions: tuple[str, ...],
    notes: tuple[str, ...],
    warnings: tuple[Diagnostic, ...],
    data_date: str,
    evidence: Evidence,
) -> Answer:
    """An answer of another process, whose evidence was made there."""
    return Answer(
        question=question,
        verdict=verdict,
        evidence=lambda: evidence,
        reasons=reasons,
        assumptions=assumptions,
        notes=notes,
        warnings=warnings,
        data_date=data_date,
    )

"""A question of the language and what answers it: what `iamsim shell` and `%iamsim` ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.errors import QueryError
from iamsim.ir.term import TRUE
from iamsim.judge.answer import Verdict
from iamsim.query.condition import print_condition
from iamsim.query.language import Question, Verb, parse_question

if TYPE_CHECKING:
    from iamsim.diagnostics import Diagnostic
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Answer
    from iamsim.query.explain import Explanation
    from iamsim.query.paths import Path
    from iamsim.query.what_can import What
    from iamsim.query.who_can import Who

_WAYS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question and its answer: one of the fields below `question` is set, by the verb.

    `ways` are at most three; if it is empty, `reasons` says why that is not known, empty where there certainly is none.
    """

    question: Question
    answer: Answer | None = None
    explanation: Explanation | None = None
    callers: tuple[Who, ...] | None = None
    permissions: tuple[What, ...] | None = None
    ways: tuple[Path, ...] | None = None
    reasons: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What has to be said of the question itself."""
        if self.answer is not None:
            return self.answer.warnings
        return self.explanation.answer.warnings if self.explanation is not None else ()

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of a question that has one."""
        if self.answer is not None:
            return self.answer.verdict
        if self.explanation is not None:
            return self.explanation.answer.verdict
        if self.ways is not None:
            return Verdict.YES if self.ways else Verdict.UNKNOWN if self.reasons else Verdict.NO
        return None


def asked(env: Environment, text: str) -> Asked:
    """The answer to the one question that `text` asks.

    Raises QueryError with place and remedy for a text that asks nothing, and for a question that cannot be asked.
    """
    return answered(env, parse_question(text))


def answered(env: Environment, q: Question) -> Asked:
    """The answer to a question. `who can` counts the callers' own permissions unless it says `via`.

    Raises QueryError for a question that cannot be asked.
    """
    from iamsim.query.can import can
    from iamsim.query.explain import explain
    from iamsim.query.paths import doubts, paths
    from iamsim.query.what_can import what_can
    from iamsim.query.who_can import excused, who_can

    options = _options(q)
    match q.verb:
        case Verb.CAN:
            answer = can(env, q.caller, q.action, q.resource, **options)
            answer.evidence  # noqa: B018 - it is worked out here, where it can be interrupted
            return Asked(question=q, answer=answer)
        case Verb.WHY:
            return Asked(question=q, explanation=explain(env, q.caller, q.action, q.resource, **options))
        case Verb.WHO_CAN:
            left_out = excused(env, q.except_)
            rows = who_can(env, q.action, q.resource, **{**options, "via": q.via or "direct"})
            return Asked(question=q, callers=tuple(r for r in rows if not left_out(r)))
        case Verb.WHAT_CAN:
            options.pop("via"), options.pop("any_resource")
            return Asked(question=q, permissions=tuple(what_can(env, q.caller, q.resource or None, **options)))
        case Verb.REACH | Verb.PATHS:
            options.pop("any_resource")
            ends: dict[str, Any] = (
                {"target": q.resource} if not q.action else {"action": q.action, "resource": q.resource}
            )
            ways = tuple(paths(env, q.caller, limit=_WAYS, **ends, **options))
            return Asked(question=q, ways=ways, reasons=() if ways else doubts(env, q.caller, **ends, **options))
        case Verb.ONLY_VIA:
            help_ = f"ask `who can do {q.action} on {q.resource} via escalation`"
            raise QueryError("`only via` is not answered here", help_)


def _options(question: Question) -> dict[str, Any]:
    """The options of the functions that the clauses of a question mean."""
    context: dict[str, Any] = dict(question.given)
    via = question.via or "escalation"
    if "." in via:
        context = {"aws:ViaAWSService": "true", "aws:CalledVia": [via], **context}
        via = "direct"
    return {
        "context": context,
        "when": None if question.when is TRUE else print_condition(question.when),  # so that the answer can show it
        "via": via,
        "missing": question.missing or "assume",
        "any_resource": question.any_resource,
    }

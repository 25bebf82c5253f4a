"""Texts of the query language asked of a snapshot: every question answered by the function of its verb."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from iamsim.check.answers import WORDS, answers, as_expected, asked_only, callers_of, excepted, options_of
from iamsim.check.files import entries, problem_of, too_deep
from iamsim.check.model import Problem, Said, State
from iamsim.errors import QueryError
from iamsim.judge.answer import Verdict
from iamsim.query.condition import Refused
from iamsim.query.explain import Explanation, explain
from iamsim.query.language import Verb, print_question, questions_of
from iamsim.query.only_via import OnlyVia
from iamsim.query.paths import doubts, paths
from iamsim.query.what_can import what_can
from iamsim.query.what_policy import merged
from iamsim.query.who_can import ask_who, excused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.diagnostics import Diagnostic
    from iamsim.env.types import Environment
    from iamsim.query.language import Question
    from iamsim.query.minimal import Path
    from iamsim.query.what_can import What
    from iamsim.query.who_rows import Who

WAYS = 10
"""Ways that are listed for one question."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to `can`, `can … reach`, and to `who can` with an expectation: one for each caller that was asked about."""

    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """The answers to `why can`, one for each caller, with what stands behind them."""

    each: tuple[Explanation, ...]


@dataclass(frozen=True, slots=True)
class Callers:
    """The answer to `who can`: whoever can, or may."""

    rows: tuple[Who, ...]
    via: str


@dataclass(frozen=True, slots=True)
class Table:
    """The answer to `what can`: what each caller can do, as `iamsim.what_can` lists it."""

    callers: tuple[tuple[str, tuple[What, ...]], ...]


@dataclass(frozen=True, slots=True)
class Ways:
    """The answer to `paths`: the ways of each caller that was asked about, the cheapest first.

    `more` iff there are more than those; `reasons` say, if none is listed, why there may be one.
    """

    callers: tuple[tuple[str, tuple[Path, ...]], ...]
    more: bool
    reasons: tuple[str, ...]


Result = Answers | Explained | Callers | Table | OnlyVia | Ways


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One question of a text with its answer.

    `text` is the question on one line. `verdict` is YES iff some caller certainly can, there is something that it can do, some
    way, or nobody can without the role; UNKNOWN iff that is not known. `state` is None where nothing is expected; else it holds
    iff all answers are as expected, and is broken iff some answer is certain and another.
    """

    question: Question
    source: str
    line: int
    column: int
    verdict: Verdict
    result: Result
    state: State | None = None
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def text(self) -> str:
        """The question on one line."""
        return print_question(self.question)


def ask(
    env: Environment, text: str, *, source: str = "<question>", names: dict[str, tuple[str, ...]] | None = None
) -> tuple[Reply, ...]:
    """The answers to the questions of `text`, in order: one per line or between `;`, indented lines continue a question.

    A question about sets (`let`) has one answer for each member. `names` holds sets that are known already, and those that the
    text names are added. `via` is `escalation` where it is not said. Raises QueryError, with place and remedy, at the first
    question that cannot be read or asked; `replies` goes on.
    """
    out: list[Reply] = []
    for reply in replies(env, text, source=source, names=names):
        if isinstance(reply, Problem):
            place = f"{reply.source}:{reply.line}:{reply.column}"
            raise QueryError(f"{place}: {reply.message}", reply.help)
        out.append(reply)
    return tuple(out)


def replies(
    env: Environment,
    text: str,
    *,
    source: str = "<question>",
    names: dict[str, tuple[str, ...]] | None = None,
    limit: int = WAYS,
) -> Iterator[Reply | Problem]:
    """As `ask`, one by one as they are worked out; a question that cannot be read or asked is a problem, and the rest is asked.

    At most `limit` ways are listed for a question for ways.
    """
    known: dict[str, tuple[str, ...]] = {} if names is None else names
    parsed, problems = entries(text, source)
    found = [
        (segment.line + node.line - 1, node.column, segment, node) for segment, root in parsed for node in root.nodes()
    ]
    listed: list[tuple[int, int, Any, Any]] = [*found, *((p.line, p.column, None, p) for p in problems)]
    for line, column, segment, node in sorted(listed, key=lambda e: e[:2]):
        if segment is None:
            yield node
            continue
        if node.name == "suppress":
            continue
        try:
            questions = questions_of(node, known)
        except Refused as refused:
            yield problem_of(refused, source, segment)
            continue
        except RecursionError:
            yield problem_of(too_deep(node), source, segment)
            continue
        for question in [q for q in questions if not _spared(env, q)] or questions:
            yield _reply(env, question, (source, line, column), limit)


def _spared(env: Environment, question: Question) -> bool:
    """True iff the question asks nothing: all of its callers are excepted."""
    if not question.except_ or question.verb in (Verb.WHO_CAN, Verb.ONLY_VIA):
        return False
    try:
        return not callers_of(env, question)
    except QueryError:
        return False


def _reply(env: Environment, question: Question, place: tuple[str, int, int], limit: int) -> Reply | Problem:
    source, line, column = place
    try:
        verdict, state, result, warnings = _answered(env, question, limit)
    except QueryError as error:
        return Problem(source=source, line=line, column=column, message=str(error), help=error.help)
    return Reply(
        question=question, source=source, line=line, column=column, verdict=verdict, result=result,
        state=None if question.expect is None else state, warnings=warnings,
    )  # fmt: skip


_Answered = tuple[Verdict, State, Result, tuple["Diagnostic", ...]]


def _answered(env: Environment, question: Question, limit: int) -> _Answered:
    """The verdict, how it stands to what is expected, what was found, and remarks about the question."""
    if question.expect in WORDS and question.verb not in (Verb.CAN, Verb.WHY):
        raise QueryError(f"`{question.verb.value}` is answered by yes, no or unknown", "expect one of these")
    match question.verb:
        case Verb.WHY:
            return _why(env, question)
        case Verb.WHAT_CAN:
            return _expected(question, *_what(env, question))
        case Verb.PATHS:
            return _expected(question, *_paths(env, question, limit))
        case Verb.ONLY_VIA:
            found = asked_only(env, question)
            return _expected(question, found.verdict, found)
        case Verb.WHO_CAN if question.expect is None:
            return _who(env, question)
        case _:
            return _said(env, question)


def _expected(question: Question, verdict: Verdict, result: Result) -> _Answered:
    said = Said(who=question.caller, verdict=verdict, word=verdict.value)
    return verdict, _state((said,), question), result, ()


def _state(said: Iterable[Said], question: Question) -> State:
    against = [s for s in said if not as_expected(s, question.expect or "")]
    certain = any(s.verdict is not Verdict.UNKNOWN for s in against)
    return State.BROKEN if certain else State.UNKNOWN if against else State.HOLDS


def _said(env: Environment, question: Question) -> _Answered:
    said = tuple(answers(env, question, strict=question.expect is not None))
    if not said:
        raise QueryError("the question asks nothing: all of its callers are excepted", "leave some of them in")
    warnings = tuple(w for s in said if s.answer is not None for w in s.answer.warnings)
    return _of(s.verdict for s in said), _state(said, question), Answers(said), tuple(dict.fromkeys(warnings))


def _of(verdicts: Iterator[Verdict]) -> Verdict:
    """YES if one is, else UNKNOWN if one is."""
    found = set(verdicts)
    return next((v for v in (Verdict.YES, Verdict.UNKNOWN) if v in found), Verdict.NO)


def _why(env: Environment, question: Question) -> _Answered:
    strict = question.expect in WORDS and not question.ever
    if question.within is not None:
        raise QueryError("`within` has no meaning behind `why`", "ask `can … within …`")
    each = tuple(
        explain(where, who, question.action, question.resource, flip=True, strict=strict, **options_of(question))
        for where, who in callers_of(env, question)
    )
    said = tuple(
        Said(who=e.answer.question.principal, verdict=e.verdict, word=WORDS_OF.get(e.answer.decision, "unknown")
             if question.expect in WORDS else e.verdict.value)
        for e in each
    )  # fmt: skip
    warnings = tuple(dict.fromkeys(w for e in each for w in e.answer.warnings))
    return _of(e.verdict for e in each), _state(said, question), Explained(each), warnings


WORDS_OF = {decision: word for word, decision in WORDS.items()}


def _who(env: Environment, question: Question) -> _Answered:
    strangers = "outsiders" in question.except_
    skipped = excused(env, [*excepted(env, (e for e in question.except_ if e != "outsiders"))])
    asked = ask_who(env, question.action, question.resource, **options_of(question))
    rows = tuple(
        r
        for r in asked.rows
        if not skipped(r)
        and not (strangers and (r.kind == "outside" or (r.account is not None and r.account not in env.accounts)))
        and (question.within is None or len(r.steps) <= question.within)
    )
    return _of(r.verdict for r in rows), State.HOLDS, Callers(rows, asked.via), asked.warnings


def _what(env: Environment, question: Question) -> tuple[Verdict, Result]:
    if question.via not in (None, "direct") or question.within is not None:
        raise QueryError(
            "`what can` lists what a caller can do itself", "leave out `via` and `within`, or ask for `paths`"
        )
    options = {k: v for k, v in options_of(question).items() if k in ("context", "when", "missing")}
    resource = None if question.resource == "*" else question.resource
    callers = tuple(
        (who, tuple(merged(what_can(where, who, resource, **options)))) for where, who in callers_of(env, question)
    )
    verdicts = {w.verdict for _, rows in callers for w in rows}
    verdict = Verdict.YES if verdicts & {"yes", "conditional"} else Verdict.UNKNOWN if verdicts else Verdict.NO
    return verdict, Table(callers)


def _paths(env: Environment, question: Question, limit: int) -> tuple[Verdict, Result]:
    target = None if question.action else question.resource
    request = {"action": question.action, "resource": question.resource} if question.action else {}
    options = {**options_of(question), **request}
    callers: list[tuple[str, tuple[Path, ...]]] = []
    reasons: set[str] = set()
    more = False
    if target is not None:
        del options["any_resource"]
    for where, who in callers_of(env, question):
        listed = tuple(islice(paths(where, who, target, **options), limit + 1))
        if not listed:
            reasons.update(doubts(where, who, target, **options))
        kept = tuple(p for p in listed if question.within is None or len(p.hops) <= question.within)
        more = more or len(kept) > limit
        callers.append((who, kept[:limit]))
    any_ = any(ways for _, ways in callers)
    verdict = Verdict.YES if any_ else Verdict.UNKNOWN if reasons else Verdict.NO
    return verdict, Ways(tuple(callers), more, tuple(sorted(reasons)) if not any_ else ())

"""Rules asked of a snapshot: each question of a rule answered, and whether the rule holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.check.findings import count, findings
from iamsim.check.model import Outcome, Problem, Report, Said, State
from iamsim.check.outsiders import NAME, with_strangers
from iamsim.errors import QueryError
from iamsim.judge.answer import Decision, Verdict
from iamsim.judge.callers import read_callers
from iamsim.query.can import can
from iamsim.query.language import Verb
from iamsim.query.only_via import only_via
from iamsim.query.paths import doubts, paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from iamsim.check.model import Found, Rule, RuleFile
    from iamsim.env.types import Environment
    from iamsim.query.language import Question
    from iamsim.query.only_via import OnlyVia

WORDS = {"allow": Decision.ALLOWED, "implicit deny": Decision.IMPLICIT_DENY, "explicit deny": Decision.EXPLICIT_DENY}
_MOST_SAID = 20
"""Answers of one rule that are kept; how many there are is said besides."""


def check(
    env: Environment,
    files: Iterable[RuleFile],
    today: date,
    *,
    found: Iterable[Found] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """The rules of `files` and the findings of `env` as of the day `today`; `found`: these instead, `()` if none were looked for.

    A rule whose question cannot be asked of this snapshot is a problem, as is one that cannot be read.
    """
    from iamsim.aws.actions import data_date

    listed = tuple(files)
    outcomes: list[Outcome] = []
    problems = [p for f in listed for p in f.problems]
    ids: dict[str, Rule] = {}
    for rule in (r for f in listed for r in f.rules):
        first = ids.setdefault(rule.id, rule)
        if first is not rule:
            problems.append(_problem(rule, f"the id `{rule.id}` is taken", f"the first is {first.source}:{first.line}"))
        if progress is not None:
            progress(rule.id)
        try:
            outcomes.append(decide(env, rule, today))
        except QueryError as error:
            problems.append(_problem(rule, str(error), error.help))
    all_found = findings(env) if found is None else tuple(found)
    counted, idle = count(all_found, (s for f in listed for s in f.suppressions), today)
    return Report(
        outcomes=tuple(outcomes),
        findings=counted,
        problems=tuple(sorted(problems, key=lambda p: (p.source, p.line, p.column))),
        idle=idle if all_found or found is None else (),
        today=today.isoformat(),
        data_date=data_date(),
    )


def _problem(rule: Rule, message: str, help: str) -> Problem:  # noqa: A002 - the name of the field
    return Problem(source=rule.source, line=rule.line, column=rule.column, message=message, help=help)


def decide(env: Environment, rule: Rule, today: date) -> Outcome:
    """Whether `rule` holds in `env` on the day `today`. Raises QueryError if one of its questions cannot be asked.

    It holds iff all of its questions are answered as expected; it is broken iff some answer is certain and another.
    """
    against: list[Said] = []
    open_: list[Said] = []
    asked = 0
    for question in rule.questions:
        for said in answers(env, question):
            asked += 1
            if as_expected(said, rule.expect):
                continue
            (open_ if said.verdict is Verdict.UNKNOWN else against).append(said)
    if not asked:
        raise QueryError("the rule asks nothing: all of its callers are excepted", "leave some of them in")
    state = State.BROKEN if against else State.UNKNOWN if open_ else State.HOLDS
    waiver = rule.waiver if state is not State.HOLDS else None
    live = waiver is not None and today.isoformat() <= waiver.until
    return Outcome(
        rule=rule,
        state=state,
        said=tuple((against or open_)[:_MOST_SAID]),
        asked=asked,
        waived=live,
        expired=waiver is not None and not live,
    )


def as_expected(said: Said, expect: str) -> bool:
    """True iff an answer is the one that `expect` names."""
    return said.word == expect if expect in WORDS else said.verdict.value == expect


def answers(env: Environment, question: Question, *, strict: bool = True) -> Iterator[Said]:
    """The answers to a question with a verdict: one, or for `who can` and with `except` one for each caller it means.

    With `strict` a question about an action that does not exist cannot be asked: whatever is expected of it would say nothing.
    """
    match question.verb:
        case Verb.REACH:
            for where, who in callers_of(env, question):
                yield _reach(where, question, who)
        case Verb.WHO_CAN:
            yield from _who_can(env, question, strict=strict)
        case Verb.ONLY_VIA:
            yield _only_via(env, question)
        case _:
            for where, who in callers_of(env, question):
                yield _can(where, question, who, strict=strict)


def callers_of(env: Environment, question: Question) -> tuple[tuple[Environment, str], ...]:
    """The callers that the question is about, each with the environment that has it: as written, or one by one.

    They are taken one by one for an account, for `outsiders`, and where some of them do not count.
    """
    text = question.caller
    spared = _spared(env, question.except_) if question.except_ else frozenset()
    if text == "outsiders":
        wider = with_strangers(env)
        return tuple((wider.env, arn) for arn in wider.by_account.values() if arn not in spared)
    if text.startswith("account "):
        account = text.removeprefix("account ")
        named = [p.arn for p in env.principals.values() if p.account == account]
        if not named:
            raise QueryError(f"no user or role of `{text}` is loaded", "load its account details")
    elif question.except_:
        named = [c.arn or text for c in read_callers(env, text)]
    else:
        named = [text]
    return tuple((env, n) for n in named if n not in spared)


def _spared(env: Environment, texts: Iterable[str]) -> frozenset[str]:
    out: set[str] = set()
    for text in texts:
        if text in ("anonymous", "anyone", "outsiders"):
            out.add("outsiders" if text == "outsiders" else "anonymous")
        elif text.startswith("account "):
            account = text.removeprefix("account ")
            out.update(p.arn for p in env.principals.values() if p.account == account)
            out.add(f"arn:aws:iam::{account}:user/{NAME}")
        else:
            out.update(c.arn or text for c in read_callers(env, text))
    return frozenset(out)


def _who_can(env: Environment, question: Question, *, strict: bool) -> Iterator[Said]:
    """Every user and role but those excepted, a caller without credentials, and strangers of the accounts that are named."""
    wider = with_strangers(env)
    spared = _spared(env, question.except_)
    for arn in wider.env.principals:
        stranger = arn not in env.principals
        if arn not in spared and not (stranger and "outsiders" in spared):
            yield _can(wider.env if stranger else env, question, arn, strict=strict)
    if not spared & {"anonymous", "outsiders"}:
        yield _can(env, question, "anonymous", strict=strict)


def options_of(question: Question) -> dict[str, Any]:
    """The options of `can` that the clauses of a question mean."""
    context: dict[str, Any] = dict(question.given)
    via = question.via or "escalation"
    if "." in via:
        context = {"aws:ViaAWSService": "true", "aws:CalledVia": [via], **context}
        via = "direct"
    return {
        "context": context,
        "when": question.when,
        "via": via,
        "missing": question.missing or "assume",
        "any_resource": question.any_resource,
    }


def _can(env: Environment, question: Question, who: str, *, strict: bool) -> Said:
    options = options_of(question)
    single = question.expect in WORDS and not question.ever
    answer = can(env, who, question.action, question.resource, strict=single, **options)
    for warning in answer.warnings if strict else ():
        # nobody can do what does not exist, so that a rule about it would hold whatever is written
        raise QueryError(warning.message, warning.help)
    verdict = answer.verdict
    if question.within is not None and verdict is Verdict.YES and len(answer.path) > question.within:
        shorter = next(paths(env, who, action=question.action, resource=question.resource, **options), None)
        if shorter is not None and len(shorter.hops) > question.within:
            verdict = Verdict.NO
    # the decision in AWS's words takes the evidence of a no, which is dear: it is asked for only where it matters
    word = _word(answer.decision) if question.expect in WORDS else verdict.value
    return Said(who=who, verdict=verdict, word=word, answer=answer, reasons=answer.reasons)


def _word(decision: Decision) -> str:
    return next((w for w, d in WORDS.items() if d is decision), "unknown")


def _reach(env: Environment, question: Question, who: str) -> Said:
    options = {k: v for k, v in options_of(question).items() if k != "any_resource"}
    path = next(paths(env, who, question.resource, limit=1, **options), None)
    if path is not None and question.within is not None and len(path.hops) > question.within:
        return Said(who=who, verdict=Verdict.NO, word="no")
    if path is not None:
        return Said(who=who, verdict=Verdict.YES, word="yes", hops=path.hops)
    reasons = doubts(env, who, question.resource, **options)
    verdict = Verdict.UNKNOWN if reasons else Verdict.NO
    return Said(who=who, verdict=verdict, word=verdict.value, reasons=reasons)


def _only_via(env: Environment, question: Question) -> Said:
    """The answer about a role; a NO shows the way of one who needs none."""
    found = asked_only(env, question, most=1)
    first = found.bypasses[0] if found.verdict is Verdict.NO else None
    return Said(
        who=question.caller if first is None else f"{question.caller}, but also {first.row.principal}",
        verdict=found.verdict,
        word=found.verdict.value,
        hops=() if first is None else first.hops,
        witness=None if first is None else first.witness,
        reasons=found.reasons,
    )


def asked_only(env: Environment, question: Question, *, most: int | None = None) -> OnlyVia:
    """What `only_via` says of a question. Raises QueryError for a clause that has no meaning there."""
    if question.within is not None:
        raise QueryError("`within` has no meaning behind `only via`", "leave it out: no way may lead past the role")
    options = options_of(question)
    if "." in (question.via or ""):
        options["via"] = "roles"
    if "outsiders" in question.except_:
        raise QueryError(
            "`except outsiders` has no meaning behind `only via`", "name the accounts: `except account 111122223333`"
        )
    options["except_"] = tuple(excepted(env, question.except_))
    return only_via(env, question.caller, question.action, question.resource, most=most, **options)


def excepted(env: Environment, texts: Iterable[str]) -> Iterator[str]:
    """The callers that `except` names, as `excused` takes them: of an account all that are loaded, and its root user."""
    for text in texts:
        kind, _, name = text.partition(" ")
        if kind == "account":
            yield from (p.arn for p in env.principals.values() if p.account == name)
            yield f"arn:aws:iam::{name}:root"
        elif text in ("anyone", "anonymous"):
            yield "anonymous"
        else:
            yield name if kind == "service" else text

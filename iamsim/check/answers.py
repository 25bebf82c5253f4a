"""The answers to questions with a verdict: about whom each is, and what is said of each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.check.model import Said
from iamsim.check.outsiders import NAME, with_strangers
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.ir.term import variables
from iamsim.judge.answer import Decision, Verdict
from iamsim.judge.callers import read_callers
from iamsim.query.can import can
from iamsim.query.language import Verb
from iamsim.query.only_via import only_via
from iamsim.query.paths import doubts, paths
from iamsim.query.prepare import unlisted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.env.types import Environment
    from iamsim.query.language import Question
    from iamsim.query.only_via import OnlyVia

WORDS = {"allow": Decision.ALLOWED, "implicit deny": Decision.IMPLICIT_DENY, "explicit deny": Decision.EXPLICIT_DENY}


def as_expected(said: Said, expect: str) -> bool:
    """True iff an answer is the one that `expect` names."""
    return said.word == expect if expect in WORDS else said.verdict.value == expect


def answers(env: Environment, question: Question, *, strict: bool = True) -> Iterator[Said]:
    """The answers to a question with a verdict: one, or for `who can` and with `except` one for each caller it means.

    With `strict` a question about an action that does not exist, or with a misspelt condition key, cannot be asked: whatever is
    expected of it would say nothing.
    """
    return (said(where, question, who, strict=strict) for where, who in asked_about(env, question))


def said(env: Environment, question: Question, who: str, *, strict: bool = True) -> Said:
    """The answer to a question about one of those whom it is `asked_about`."""
    if strict:
        _refuse_misspelt(question)
    match question.verb:
        case Verb.REACH:
            return _reach(env, question, who)
        case Verb.ONLY_VIA:
            return _only_via(env, question)
        case _:
            return _can(env, question, who, strict=strict)


def _refuse_misspelt(question: Question) -> None:
    keys = {k for k, _ in question.given} | {v.rpartition("|")[2] for v in variables(question.when)}
    for key, near in unlisted(keys):
        if near:
            raise QueryError(
                f"no request is known to have the condition key `{printable(key)}`", f"did you mean `{near}`?"
            )


def asked_about(env: Environment, question: Question) -> tuple[tuple[Environment, str], ...]:
    """The callers that a question with a verdict is about, in order, each with the environment that has it."""
    match question.verb:
        case Verb.WHO_CAN:
            return tuple(_who_can(env, question))
        case Verb.ONLY_VIA:
            return ((env, question.caller),)
        case _:
            return callers_of(env, question)


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


def _who_can(env: Environment, question: Question) -> Iterator[tuple[Environment, str]]:
    """Every user and role but those excepted, a caller without credentials, and strangers of the accounts that are named."""
    wider = with_strangers(env)
    spared = _spared(env, question.except_)
    for arn in wider.env.principals:
        stranger = arn not in env.principals
        if arn not in spared and not (stranger and "outsiders" in spared):
            yield wider.env if stranger else env, arn
    if not spared & {"anonymous", "outsiders"}:
        yield env, "anonymous"


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

"""Rules asked of a snapshot: each question of a rule answered, and whether the rule holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.check.answers import answers, as_expected, asked_about, said
from iamsim.check.findings import count, findings
from iamsim.check.model import Outcome, Problem, Report, State
from iamsim.errors import QueryError
from iamsim.judge.answer import Verdict
from iamsim.query.spread import slices, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor
    from datetime import date

    from iamsim.check.model import Found, Rule, RuleFile, Said
    from iamsim.env.types import Environment
    from iamsim.query.language import Question

_MOST_SAID = 20
"""Answers of one rule that are kept; how many there are is said besides."""


def check(
    env: Environment,
    files: Iterable[RuleFile],
    today: date,
    *,
    found: Iterable[Found] | None = None,
    progress: Callable[[str], None] | None = None,
    executor: Executor | None = None,
) -> Report:
    """The rules of `files` and the findings of `env` as of the day `today`; `found`: these instead, `()` if none were looked for.

    A rule whose question cannot be asked of this snapshot is a problem, as is one that cannot be read. With `executor` its
    workers answer the questions and look for findings, with the same report.
    """
    from iamsim.aws.actions import data_date

    listed = tuple(files)
    outcomes: list[Outcome] = []
    problems = [p for f in listed for p in f.problems]
    ids: dict[str, Rule] = {}
    rules = [r for f in listed for r in f.rules]
    decided = (_tried(env, rule) for rule in rules) if executor is None else _spread(executor, env, rules)
    for rule in rules:
        first = ids.setdefault(rule.id, rule)
        if first is not rule:
            problems.append(_problem(rule, f"the id `{rule.id}` is taken", f"the first is {first.source}:{first.line}"))
        if progress is not None:
            progress(rule.id)
        try:
            outcomes.append(_outcome(rule, _sound(next(decided)), today))
        except QueryError as error:
            problems.append(_problem(rule, str(error), error.help))
    all_found = findings(env, executor=executor) if found is None else tuple(found)
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


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers of one rule: how many there were, and the first that are against it or not known."""

    asked: int = 0
    against: tuple[Said, ...] = ()
    open: tuple[Said, ...] = ()


def decide(env: Environment, rule: Rule, today: date) -> Outcome:
    """Whether `rule` holds in `env` on the day `today`. Raises QueryError if one of its questions cannot be asked.

    It holds iff all of its questions are answered as expected; it is broken iff some answer is certain and another.
    """
    return _outcome(rule, _sound(_tried(env, rule)), today)


def _tried(env: Environment, rule: Rule) -> Tally | QueryError:
    """The answers to all questions of `rule`, or why one cannot be asked."""
    try:
        return _added([_tally(rule.expect, answers(env, question)) for question in rule.questions])
    except QueryError as error:
        return error


def _sound(tally: Tally | QueryError) -> Tally:
    if isinstance(tally, QueryError):
        raise tally
    return tally


def _tally(expect: str, every: Iterable[Said]) -> Tally:
    against: list[Said] = []
    open_: list[Said] = []
    asked = 0
    for one in every:
        asked += 1
        if as_expected(one, expect):
            continue
        kept = open_ if one.verdict is Verdict.UNKNOWN else against
        if len(kept) < _MOST_SAID:
            kept.append(one)
    return Tally(asked, tuple(against), tuple(open_))


def _added(tallies: Iterable[Tally]) -> Tally:
    """The answers of all; of those that are kept, the first."""
    listed = tuple(tallies)
    against = tuple(s for t in listed for s in t.against)[:_MOST_SAID]
    open_ = tuple(s for t in listed for s in t.open)[:_MOST_SAID]
    return Tally(sum(t.asked for t in listed), against, open_)


def _outcome(rule: Rule, tally: Tally, today: date) -> Outcome:
    if not tally.asked:
        raise QueryError("the rule asks nothing: all of its callers are excepted", "leave some of them in")
    state = State.BROKEN if tally.against else State.UNKNOWN if tally.open else State.HOLDS
    waiver = rule.waiver if state is not State.HOLDS else None
    live = waiver is not None and today.isoformat() <= waiver.until
    return Outcome(
        rule=rule,
        state=state,
        said=tally.against or tally.open,
        asked=tally.asked,
        waived=live,
        expired=waiver is not None and not live,
    )


# --- on an executor

_PART = 25


def _spread(executor: Executor, env: Environment, rules: Sequence[Rule]) -> Iterator[Tally | QueryError]:
    """What `_tried` says of each rule, worked out by callers: a rule about many is as many units as it takes."""
    counts = [_parts(env, rule) for rule in rules]
    units = [(rule.expect, *unit) for rule, parts in zip(rules, counts, strict=True) for unit in parts]
    found = spread(executor, (env,), _unit, None, units)
    for parts in counts:
        tallies = [next(found) for _ in parts]
        error = next((t for t in tallies if isinstance(t, QueryError)), None)
        yield error or _added(t for t in tallies if isinstance(t, Tally))


def _parts(env: Environment, rule: Rule) -> list[tuple[Question, int, int]]:
    """The questions of a rule, each with start and stop of some of its callers."""
    out = []
    for question in rule.questions:
        try:
            count = len(asked_about(env, question))
        except QueryError:
            count = 1  # a worker finds the same, in its turn
        out += [(question, start, stop) for start, stop in slices(count, _PART)]
    return out


def _unit(envs: tuple[Environment, ...], _: None, unit: tuple[str, Question, int, int]) -> Tally | QueryError:
    """In a worker: the answers of some callers of a question, or why it cannot be asked."""
    expect, question, start, stop = unit
    env = envs[0]
    try:
        return _tally(expect, (said(where, question, who) for where, who in asked_about(env, question)[start:stop]))
    except QueryError as error:
        return error

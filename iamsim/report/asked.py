"""Answers to texts of the query language, as text and as JSON: `iamsim ask`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from iamsim.check.ask import Answers, Callers, Explained, Table, Ways
from iamsim.check.model import State
from iamsim.findings import printable
from iamsim.judge.answer import Verdict
from iamsim.query.only_via import OnlyVia
from iamsim.report.checked import answer_sentence, problem_lines, said_json, why_unknown
from iamsim.report.explained import explained_json, explained_lines
from iamsim.report.json import SCHEMA, diagnostic_json, path_json
from iamsim.report.lines import Line, Span, Style, line, plain_text
from iamsim.report.only import only_json, only_lines
from iamsim.report.places import places
from iamsim.report.text import answer_lines, steps_lines
from iamsim.report.ways import none_lines, path_lines
from iamsim.report.what import Listed, nothing_lines, what_lines, what_rows
from iamsim.report.who import Told, end_lines, row_json, row_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.check.ask import Reply
    from iamsim.check.model import Problem, Said

_TEXT = 2000
_SAID = 5


def asked_text(found: Iterable[Reply | Problem], *, width: int = 100, verbose: bool = False) -> str:
    """The answers as text without colours."""
    listed = list(found)
    lines = (part for one in listed for part in reply_lines(one, headed=len(listed) > 1, verbose=verbose))
    return plain_text(lines, width)


def reply_lines(reply: Reply | Problem, *, headed: bool = True, verbose: bool = False) -> Iterator[Line]:
    """One answer, or why the question cannot be asked; with `headed` under its place and question."""
    from iamsim.check.model import Problem

    if isinstance(reply, Problem):
        yield from problem_lines(reply)
        return
    if headed:
        place = Span(f"{printable(reply.source)}:{reply.line}:", Style.PLACE)
        yield Line((place, Span(f" {printable(reply.text, _TEXT)}", Style.HEAD)))
    yield from _result(reply, verbose=verbose)
    if reply.state is not None:
        yield _expectation(reply)
    if headed:
        yield line("")


def _expectation(reply: Reply) -> Line:
    expected = printable(reply.question.expect or "")
    if reply.state is State.HOLDS:
        return Line((Span("as expected", Style.YES), Span(f": {expected}")))
    if reply.state is State.UNKNOWN:
        return Line((Span("not known", Style.UNKNOWN), Span(f" whether it is as expected: {expected}")))
    return Line((Span("not as expected", Style.NO), Span(f": {expected}")))


def _result(reply: Reply, *, verbose: bool) -> Iterator[Line]:
    found = reply.result
    match found:
        case Answers():
            yield from _answers(found.said, reply, verbose=verbose)
        case Explained():
            for one in found.each:
                yield from explained_lines(one, verbose=verbose)
        case Callers():
            told = Told(verbose=verbose)
            for row in found.rows:
                yield from row_lines(row, told)
            yield from end_lines(told)
        case Table():
            yield from _table(found, reply, verbose=verbose)
        case OnlyVia():
            yield from only_lines(found, verbose=verbose)
        case Ways():
            yield from _ways(found, reply, verbose=verbose)
        case _:
            assert_never(found)


def _answers(said: tuple[Said, ...], reply: Reply, *, verbose: bool) -> Iterator[Line]:
    if len(said) == 1 and said[0].answer is not None and said[0].verdict is said[0].answer.verdict:
        yield from answer_lines(said[0].answer, verbose=verbose)
        return
    place = places()
    expect = reply.question.expect or "yes"
    order = sorted(said, key=lambda s: [Verdict.YES, Verdict.UNKNOWN, Verdict.NO].index(s.verdict))
    shown = order if verbose else order[:_SAID]
    styles = {Verdict.YES: Style.YES, Verdict.UNKNOWN: Style.UNKNOWN, Verdict.NO: Style.NO}
    yield Line((Span(reply.verdict.value.upper(), styles[reply.verdict]), Span(f"  {_counted(said)}", Style.HEAD)))
    for one in shown:
        yield line(f"- {answer_sentence(one, expect)}", indent=2)
        yield from (line(f"not known: {reason}", indent=4) for reason in why_unknown(one))
        if one.way is not None:
            yield from steps_lines(*one.way, place, verbose=verbose, indent=4)
    if len(order) > len(shown):
        yield line(f"and {len(order) - len(shown)} more answers (-v shows them)", indent=2)


def _counted(said: tuple[Said, ...]) -> str:
    parts = [f"{n} {v.value}" for v in Verdict if (n := sum(s.verdict is v for s in said))]
    many = f"{len(said)} callers" if len(said) > 1 else "1 caller"
    return f"{many}: {', '.join(parts)}"


def _table(found: Table, reply: Reply, *, verbose: bool) -> Iterator[Line]:
    resource = None if reply.question.resource == "*" else reply.question.resource
    for who, rows in found.callers:
        if len(found.callers) > 1:
            yield line(printable(who, _TEXT), style=Style.HEAD)
        listed = Listed(verbose=verbose)
        for row in rows:
            yield from what_lines(row, listed)
        if not rows:
            yield from nothing_lines(who, resource)


def _ways(found: Ways, reply: Reply, *, verbose: bool) -> Iterator[Line]:
    question = reply.question
    task = f"{question.action} on {question.resource}" if question.action else question.resource
    within = "" if question.within is None else f" within {question.within}"
    number = 0
    for _, ways in found.callers:
        for path in ways:
            number += 1
            yield from path_lines(path, number, verbose=verbose)
    if not number:
        yield from none_lines(f"leads from {question.caller} to {task}{within}", found.reasons)
    if found.more:
        yield line("")
        yield line("and more ways")


def asked_json(found: Iterable[Reply | Problem], notes: tuple[str, ...], data_date: str) -> dict[str, Any]:
    """The answers and problems as one JSON value with members in fixed order."""
    from iamsim.check.model import Problem

    listed = list(found)
    return {
        "schema": SCHEMA,
        "answers": [reply_json(r) for r in listed if not isinstance(r, Problem)],
        "problems": [
            {"file": p.source, "line": p.line, "column": p.column, "message": p.message, "help": p.help}
            for p in listed
            if isinstance(p, Problem)
        ],
        "notes": list(notes),
        "data_date": data_date,
    }


def reply_json(reply: Reply) -> dict[str, Any]:
    """One answer: the question, its verdict, and a member that depends on its verb."""
    return {
        "question": reply.text,
        "verb": reply.question.verb.value,
        "file": reply.source,
        "line": reply.line,
        "column": reply.column,
        "verdict": reply.verdict.value,
        "expect": reply.question.expect,
        "state": None if reply.state is None else reply.state.value,
        "warnings": [diagnostic_json(d) for d in reply.warnings],
        **_result_json(reply),
    }


def _result_json(reply: Reply) -> dict[str, Any]:
    found = reply.result
    match found:
        case Answers():
            return {"answers": [said_json(s) for s in found.said]}
        case Explained():
            return {"answers": [explained_json(e) for e in found.each]}
        case Callers():
            return {"via": found.via, "rows": [row_json(r) for r in found.rows]}
        case Table():
            return {"callers": [{"principal": who, "rows": what_rows(rows)} for who, rows in found.callers]}
        case OnlyVia():
            return {"only_via": only_json(found)}
        case Ways():
            callers = [{"principal": who, "paths": [path_json(p) for p in ways]} for who, ways in found.callers]
            return {"callers": callers, "more": found.more, "reasons": list(found.reasons)}
        case _:
            assert_never(found)

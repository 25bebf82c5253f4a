"""Reports of a check as text and as JSON, and the sentences that all of its forms share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.check.counting import FailOn, result_of, summary
from iamsim.check.model import State
from iamsim.findings import finding, printable
from iamsim.judge.answer import Verdict
from iamsim.report.json import SCHEMA, answer_json
from iamsim.report.lines import Line, Span, Style, line
from iamsim.report.places import places
from iamsim.report.reasons import explain
from iamsim.report.regions import regions
from iamsim.report.text import steps_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iamsim.check.model import Counted, Outcome, Problem, Report, Said, Suppression
    from iamsim.diagnostics import Origin
    from iamsim.judge.answer import Hop, Witness
    from iamsim.report.regions import Region

    Place = Callable[[Origin | None], str]
    Regions = Callable[[Origin, tuple[int, int] | None], Region]

_TEXT = 2000
_SAID = 3
"""Answers of one rule that are shown unless everything is asked for."""

_STYLES = {"error": Style.NO, "warning": Style.UNKNOWN, "info": Style.PLACE}


# --- sentences


def heading(outcome: Outcome) -> str:
    """What is to be said of a rule, on one line."""
    rule = outcome.rule
    return printable(f"{rule.id}: {rule.text}, expected {rule.expect}", _TEXT)


def answer_sentence(said: Said, expect: str) -> str:
    """One answer of a rule on one line: who, and what the answer is."""
    who = "a caller without credentials" if said.who == "anonymous" else said.who
    hops, witness = said.way if said.way is not None else ((), None)
    steps = len(hops) + (witness is not None)
    how = f" in {steps} step{'s' if steps != 1 else ''}" if hops and said.verdict is Verdict.YES else ""
    word = said.word if expect not in ("yes", "no", "unknown") else said.verdict.value
    return printable(f"{who}: {word}{how}", _TEXT)


def why_unknown(said: Said) -> tuple[str, ...]:
    """What is not known, a sentence each."""
    return tuple(printable(explain(code).sentence, _TEXT) for code in said.reasons)


def waiver_sentence(outcome: Outcome) -> str:
    """What the waiver of a rule says, if it matters; else nothing."""
    waiver = outcome.rule.waiver
    if waiver is None or not (outcome.waived or outcome.expired):
        return ""
    word = "waived until" if outcome.waived else "the waiver expired on"
    return printable(f"{word} {waiver.until}: {waiver.reason}", _TEXT)


def suppression_sentence(counted: Counted) -> str:
    """Why a finding does not count, or no longer; else nothing."""
    found = counted.suppressed or counted.expired
    if found is None:
        return ""
    word = "suppressed" if counted.suppressed else "the suppression expired on"
    until = f" {found.until}" if counted.expired else f" until {found.until}" if found.until else ""
    return printable(f"{word}{until}: {found.reason}", _TEXT)


def idle_sentence(suppression: Suppression) -> str:
    """What is to be said of a suppression that no finding matches."""
    return printable(f"`suppress {suppression.finding} on {suppression.subject}` matches no finding", _TEXT)


def hop_sentence(hop: Hop) -> str:
    """One step of a path on one line."""
    return printable(f"{hop.caller} does {hop.action} on {hop.target} ({hop.technique})", _TEXT)


def witness_sentence(witness: Witness) -> str:
    """The request at the end of a path on one line."""
    request = witness.request
    return printable(f"{request.caller} does {request.action} on {request.resource}", _TEXT)


# --- text


def report_lines(report: Report, fail_on: FailOn, unknown: str | None, *, verbose: bool = False) -> Iterator[Line]:
    """The report: what could not be read, rules that do not hold, findings, and a summary; `verbose` leaves nothing out."""
    place, region = places(), regions()
    for problem in report.problems:
        yield from problem_lines(problem)
    for outcome in report.outcomes:
        if verbose or outcome.state is not State.HOLDS:
            yield from outcome_lines(outcome, place, verbose=verbose)
    for counted in report.findings:
        if verbose or counted.suppressed is None:
            yield from _finding(counted, region, place, verbose=verbose)
    for suppression in report.idle:
        yield line(f"note: {idle_sentence(suppression)} ({printable(suppression.source)}:{suppression.line})")
    result = result_of(report, fail_on, unknown)
    style = {"passed": Style.YES, "unknown": Style.UNKNOWN}.get(result.value, Style.NO)
    yield Line((Span(result.value.upper(), style), Span(f"  {summary(report)}", Style.HEAD)))
    yield line(f"as of {report.today}, data on actions of {printable(report.data_date)}", style=Style.PLACE)


def problem_lines(problem: Problem) -> Iterator[Line]:
    """An entry that cannot be read or asked: its place, what is wrong, and what would be right."""
    where = f"{printable(problem.source)}:{problem.line}:{problem.column}"
    yield Line((Span("UNREADABLE", Style.NO), Span(f"  {where}: {printable(problem.message, _TEXT)}", Style.HEAD)))
    for row in problem.help.split("\n") if problem.help else ():
        shown = printable(row, _TEXT)
        bare = shown.lstrip(" ")
        # carets stand below what they point at, so a line of the source is not broken
        yield Line((Span(bare),), indent=2 + len(shown) - len(bare), hang=0, whole=bare != shown)
    yield line("")


def outcome_lines(outcome: Outcome, place: Place, *, verbose: bool) -> Iterator[Line]:
    """A rule, its place, and the answers that decide it; `verbose` leaves none out."""
    style = {State.HOLDS: Style.YES, State.UNKNOWN: Style.UNKNOWN, State.BROKEN: Style.NO}[outcome.state]
    word = "WAIVED" if outcome.waived else outcome.state.value.upper()
    rule = outcome.rule
    yield Line((Span(word, style), Span(f"  {heading(outcome)}", Style.HEAD)), hang=2)
    where = f"{printable(rule.source)}:{rule.line}"
    yield Line((Span(f"{rule.severity.value},"), Span(f" {where}", Style.PLACE)), indent=2)
    if rule.reason:
        yield line(f"because: {printable(rule.reason, _TEXT)}", indent=2)
    if waiver := waiver_sentence(outcome):
        yield line(waiver, indent=2)
    shown = outcome.said if verbose else outcome.said[:_SAID]
    for number, said in enumerate(shown):
        yield line(f"- {answer_sentence(said, rule.expect)}", indent=2)
        if said.verdict is Verdict.UNKNOWN:
            yield from (line(f"not known: {reason}", indent=4) for reason in why_unknown(said))
        elif (way := said.way) is not None and (verbose or number == 0):
            yield from steps_lines(*way, place, verbose=verbose, indent=4)
        elif said.answer is not None and said.answer.core is not None:
            for item in said.answer.core.items:
                yield line(f"forbidden by: {printable(item.text, _TEXT)}", indent=4)
    if len(outcome.said) > len(shown):
        yield line(f"and {len(outcome.said) - len(shown)} more answers (-v shows them)", indent=2)
    yield line("")


def _finding(counted: Counted, region: Regions, place: Place, *, verbose: bool) -> Iterator[Line]:
    found = counted.found
    style = _STYLES[found.severity.value]
    word = found.severity.value.upper()
    head = f"  {found.id}: {printable(found.message, _TEXT)}"
    yield Line((Span(word, style), Span(head, Style.HEAD)))
    yield Line((Span(printable(str(region(found.origin, found.span))), Style.PLACE),), indent=2)
    for sentence in found.proof:
        yield line(f"- {printable(sentence, _TEXT)}", indent=2)
    if found.witness is not None:
        yield line(f"- shown by: {witness_sentence(found.witness)}", indent=2)
        if verbose:
            yield from steps_lines((), found.witness, place, verbose=True, indent=4)
    yield line(f"help: {printable(found.remedy, _TEXT)}", indent=2)
    if sentence := suppression_sentence(counted):
        yield line(sentence, indent=2)
    yield line("")


# --- JSON


def report_json(report: Report, fail_on: FailOn, unknown: str | None) -> dict[str, Any]:
    """The report as a JSON value with members in fixed order."""
    region = regions()
    return {
        "schema": SCHEMA,
        "result": result_of(report, fail_on, unknown).value,
        "today": report.today,
        "data_date": report.data_date,
        "rules": [_outcome_json(o) for o in report.outcomes],
        "findings": [_finding_json(c, region) for c in report.findings],
        "problems": [
            {"file": p.source, "line": p.line, "column": p.column, "message": p.message, "help": p.help}
            for p in report.problems
        ],
        "idle_suppressions": [
            {"finding": s.finding, "subject": s.subject, "file": s.source, "line": s.line} for s in report.idle
        ],
        "notes": list(report.notes),
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    rule = outcome.rule
    return {
        "id": rule.id,
        "state": outcome.state.value,
        "severity": rule.severity.value,
        "text": rule.text,
        "expect": rule.expect,
        "reason": rule.reason,
        "waiver": None if rule.waiver is None else {"until": rule.waiver.until, "reason": rule.waiver.reason},
        "waived": outcome.waived,
        "expired": outcome.expired,
        "file": rule.source,
        "line": rule.line,
        "column": rule.column,
        "asked": outcome.asked,
        "answers": [said_json(s) for s in outcome.said],
    }


def said_json(said: Said) -> dict[str, Any]:
    """One answer with what shows it."""
    return {
        "caller": said.who,
        "verdict": said.verdict.value,
        "reasons": list(said.reasons),
        "techniques": [h.technique for h in (said.way[0] if said.way is not None else ())],
        "answer": None if said.answer is None else answer_json(said.answer),
    }


def _finding_json(counted: Counted, region: Regions) -> dict[str, Any]:
    found = counted.found
    where = region(found.origin, found.span)
    return {
        "id": found.id,
        "severity": found.severity.value,
        "message": found.message,
        "file": where.file,
        "line": where.line,
        "column": where.column,
        "pointer": found.origin.pointer,
        "subjects": list(found.subjects),
        "proof": list(found.proof),
        "request": None if found.witness is None else _request(found.witness),
        "help": found.remedy,
        "page": finding(found.id).page,
        "suppressed": None if counted.suppressed is None else counted.suppressed.reason,
        "suppression_expired": None if counted.expired is None else counted.expired.until,
    }


def _request(witness: Witness) -> dict[str, Any]:
    request = witness.request
    return {
        "caller": request.caller,
        "action": request.action,
        "resource": request.resource,
        "context": {key: list(request.context[key]) for key in sorted(request.context)},
    }

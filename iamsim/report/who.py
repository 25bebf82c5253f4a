"""Who can do something, as text and as JSON: `iamsim who-can`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.answer import Verdict
from iamsim.report.conditions import condition_text
from iamsim.report.json import SCHEMA, diagnostic_json
from iamsim.report.lines import Line, Span, Style, line, plain_text
from iamsim.report.numbered import Numbered
from iamsim.report.reasons import explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.diagnostics import Diagnostic
    from iamsim.query.who_rows import Who

_TEXT = 2000
_INDENT = 9
_SHOWN = 10
_STYLES = {Verdict.YES: Style.YES, Verdict.UNKNOWN: Style.UNKNOWN}


@dataclass(slots=True)
class Told:
    """What was said so far of a list of callers: conditions and reasons by number, and what is summed up at its end.

    `only`: the list is held against a claim; `expected` callers may be in it, `can` and `unknown` count the others.
    """

    only: bool = False
    verbose: bool = False
    numbered: Numbered = field(default_factory=Numbered)
    assumptions: dict[str, None] = field(default_factory=dict)
    can: int = 0
    unknown: int = 0
    expected: int = 0


def who_text(rows: Iterable[Who], *, width: int = 100) -> str:
    """The callers as text without colours."""
    told = Told()
    lines = [part for row in rows for part in row_lines(row, told)]
    return plain_text([*lines, *end_lines(told)], width)


def row_lines(row: Who, told: Told, *, expected: bool = False) -> Iterator[Line]:
    """One caller: whether it can, under which condition, by which way. `told` is brought up to date."""
    told.expected += expected
    if not expected:
        told.can += row.verdict is Verdict.YES
        told.unknown += row.verdict is Verdict.UNKNOWN
    told.assumptions |= dict.fromkeys(row.assumptions)
    known = condition_of(row)
    number = told.numbered.conditions.get(known, 0)
    more = f", under condition {number}" if number else ""
    old = told.numbered.known_reasons(row.reasons)
    more += f", not known for {_plural(len(old), 'reason')} {', '.join(old)}" if old else ""
    more += ", as claimed" if expected else ""
    mark = row.verdict.value.upper()
    name = " " * (_INDENT - len(mark)) + printable(_name(row), _TEXT)
    yield Line((Span(mark, _STYLES[row.verdict]), Span(name, Style.HEAD), Span(more)), hang=_INDENT)
    if row.steps:
        yield line("by way of " + ", ".join(printable(s, _TEXT) for s in row.steps), indent=_INDENT)
    yield from told.numbered.tell(known, row.reasons, verbose=told.verbose, indent=_INDENT)


def condition_of(row: Who) -> str:
    """The condition under which a caller certainly can, as text; empty if there is none or it is not certain."""
    if row.verdict is not Verdict.YES or row.condition in (TRUE, FALSE):
        return ""
    return condition_text(row.condition)


def _name(row: Who) -> str:
    if row.kind == "outside":
        return "principals of other accounts, which are not loaded"
    return f"{row.principal} and whom that account lets" if row.kind == "account" else row.principal


def end_lines(told: Told) -> Iterator[Line]:
    """How many can; whether the claim holds, where there is one; and what was assumed."""
    if told.can or told.unknown or told.expected:
        yield line("")
    if told.only:
        yield _claim(told)
    else:
        unknown = f"; of {_count(told.unknown, 'caller')} it is not known" if told.unknown else ""
        yield line(f"{_count(told.can, 'caller') if told.can else 'nobody'} can{unknown}", style=Style.HEAD)
    remedies = dict.fromkeys(explain(code).remedy for code in told.numbered.reasons)
    yield from _listed("to decide it", list(remedies), told.verbose)
    yield from _listed("assumed", sorted(told.assumptions), told.verbose)


def _claim(told: Told) -> Line:
    others = f"{_count(told.can, 'other caller')} can" if told.can else ""
    unsure = f"of {_count(told.unknown, 'other caller')} it is not known" if told.unknown else ""
    if told.can:
        both = ", ".join(t for t in (others, unsure) if t)
        return Line((Span("NO", Style.NO), Span(f"  the claim does not hold: {both}")), hang=4)
    if told.unknown:
        return Line((Span("UNKNOWN", Style.UNKNOWN), Span(f"  whether the claim holds: {unsure}")), hang=9)
    return Line((Span("YES", Style.YES), Span("  the claim holds: nobody else can")), hang=5)


def _listed(head: str, sentences: list[str], verbose: bool) -> Iterator[Line]:
    if not sentences:
        return
    yield line("")
    yield line(head, style=Style.HEAD)
    shown = sentences if verbose else sentences[:_SHOWN]
    for sentence in shown:
        yield line(f"- {printable(sentence, _TEXT)}", indent=2)
    if len(shown) < len(sentences):
        yield line(f"- and {len(sentences) - len(shown)} more (-v shows all)", indent=2)


def _count(number: int, what: str) -> str:
    return f"{number} {_plural(number, what)}"


def _plural(number: int, what: str) -> str:
    return what if number == 1 else f"{what}s"


def row_json(row: Who, *, expected: bool | None = None) -> dict[str, Any]:
    """One caller as a JSON value with members in fixed order; `expected` (null without a claim): the claim names it."""
    always = row.verdict is Verdict.YES and row.condition is TRUE
    return {
        "principal": row.principal,
        "kind": row.kind,
        "account": row.account,
        "verdict": row.verdict.value,
        "expected": expected,
        "action": row.action,
        "resource": row.resource,
        "always": always,
        "condition": condition_of(row) or None,
        "path": list(row.steps),
        "reasons": list(row.reasons),
        "assumptions": list(row.assumptions),
    }


def who_json(
    asked: tuple[str, str, str],
    rows: list[dict[str, Any]],
    claim: str | None,
    warnings: tuple[Diagnostic, ...],
    notes: tuple[str, ...],
    data_date: str,
) -> dict[str, Any]:
    """The list as one JSON value; `claim` is the verdict on `--only`, None without it."""
    action, resource, via = asked
    return {
        "schema": SCHEMA,
        "action": action,
        "resource": resource,
        "via": via,
        "claim": claim,
        "rows": rows,
        "notes": list(notes),
        "warnings": [diagnostic_json(d) for d in warnings],
        "data_date": data_date,
    }

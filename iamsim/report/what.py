"""What one caller can do, as text and as JSON: `iamsim what-can`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.ir.term import TRUE
from iamsim.report.conditions import condition_text
from iamsim.report.json import SCHEMA
from iamsim.report.lines import Line, Span, Style, line
from iamsim.report.numbered import Numbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.query.what_can import What

_TEXT = 2000
_ACTIONS = 8
_BUT = 4
_INDENT = 15
_STYLES = {"yes": Style.YES, "conditional": Style.HEAD, "unknown": Style.UNKNOWN}


@dataclass(slots=True)
class Listed:
    """What was said so far of a table: the service, and conditions and reasons by number."""

    verbose: bool = False
    service: str = ""
    numbered: Numbered = field(default_factory=Numbered)
    rows: int = 0


def what_lines(row: What, listed: Listed) -> Iterator[Line]:
    """One row of the table, under the head of its service."""
    service = row.actions[0].partition(":")[0]
    if service != listed.service:
        if listed.rows:
            yield line("")
        yield line(service, style=Style.HEAD)
        listed.service = service
    listed.rows += 1
    names = [printable(a.partition(":")[2] or a) for a in row.actions]
    shown = names if listed.verbose else names[:_ACTIONS]
    more = f" and {len(names) - len(shown)} more (-v shows all)" if len(shown) < len(names) else ""
    mark = row.verdict.upper()
    known = condition_text(row.condition) if row.verdict == "conditional" and row.condition is not TRUE else ""
    number = listed.numbered.conditions.get(known, 0)
    old = listed.numbered.known_reasons(row.reasons)
    end = f", under condition {number}" if number else f", reason {', '.join(old)}" if old else ""
    spans = (
        Span(mark, _STYLES[row.verdict]),
        Span(" " * (_INDENT - 2 - len(mark)) + ", ".join(shown) + more),
        Span(f" on {printable(row.resource, _TEXT)}{end}"),
    )
    yield Line(spans, indent=2, hang=_INDENT - 2)
    yield from listed.numbered.tell(known, row.reasons, verbose=listed.verbose, indent=_INDENT)
    yield from _but(row, listed)


def _but(row: What, listed: Listed) -> Iterator[Line]:
    """The exceptions that have no row of their own: what is refused."""
    texts = [f"{t} (unknown)" if v == "unknown" else t for t, v in row.but if v in ("no", "unknown")]
    if texts:
        shown = texts if listed.verbose else texts[:_BUT]
        more = f" and {len(texts) - len(shown)} more" if len(shown) < len(texts) else ""
        yield line(f"but not on {printable(', '.join(shown), _TEXT)}{more}", indent=_INDENT)


def nothing_lines(principal: str, resource: str | None) -> Iterator[Line]:
    """That the caller can do nothing."""
    where = f" on {printable(resource, _TEXT)}" if resource else ""
    yield line(f"{printable(principal, _TEXT)} can do nothing{where}", style=Style.HEAD)


def what_json(
    principal: str, resource: str | None, rows: list[What], notes: tuple[str, ...], date: str
) -> dict[str, Any]:
    """The table as one JSON value with members in fixed order."""
    return {
        "schema": SCHEMA,
        "principal": principal,
        "resource": resource,
        "rows": what_rows(rows),
        "notes": list(notes),
        "data_date": date,
    }


def what_rows(rows: Iterable[What]) -> list[dict[str, Any]]:
    """The rows of a table as JSON values."""
    return [_row(row) for row in rows]


def _row(row: What) -> dict[str, Any]:
    conditional = row.verdict == "conditional"
    return {
        "actions": list(row.actions),
        "resource": row.resource,
        "verdict": row.verdict,
        "condition": condition_text(row.condition) if conditional else None,
        "reasons": list(row.reasons),
        "but": [{"resource": text, "verdict": verdict} for text, verdict in row.but],
    }

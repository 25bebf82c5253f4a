"""Differences in whom principals can become: as text, as JSON, and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.report.checked import hop_sentence
from iamsim.report.diff import listed, short
from iamsim.report.json import SCHEMA, way_json
from iamsim.report.lines import Line, Span, Style, line
from iamsim.report.places import places
from iamsim.report.reasons import explain
from iamsim.report.text import steps_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.query.reach import ReachDiff, ReachRow

_TEXT = 2000


def _parts(found: ReachDiff) -> Iterator[tuple[str, Style, list[ReachRow]]]:
    for gained, head, style in ((True, "can now become", Style.NO), (False, "can no longer become", Style.YES)):
        rows = [r for r in found.rows if r.gained is gained and not r.reasons]
        if rows:
            yield head, style, rows
    unsure = [r for r in found.rows if r.reasons]
    if unsure:
        yield "not known", Style.UNKNOWN, unsure


def reach_lines(found: ReachDiff, *, verbose: bool = False) -> Iterator[Line]:
    """Who can become whom newly, and who no longer, each with a way; and what is not known."""
    if not found.rows:
        yield Line((Span("SAME", Style.YES), Span("  nobody can become anybody newly, or no longer", Style.HEAD)))
    place = places()
    for number, (head, style, rows) in enumerate(_parts(found)):
        if number:
            yield line("")
        yield Line((Span(head.upper(), style),))
        for row in rows:
            yield line("")
            yield line(listed([short(p) for p in row.sources], verbose=verbose), indent=2, style=Style.HEAD)
            arrow = "→" if row.gained else "↛"
            yield line(f"{arrow} {listed([short(p) for p in row.targets], verbose=verbose)}", indent=4)
            yield from (line(f"- {printable(explain(code).sentence, _TEXT)}", indent=6) for code in row.reasons)
            if row.hops:
                lead = "e.g." if row.gained else "e.g. before"
                yield line(f"{lead} {short(row.sources[0])} → {short(row.targets[0])}", indent=6)
                yield from steps_lines(row.hops, None, place, verbose=verbose, indent=8)
    yield line("")
    yield line(f"by {found.via}, data on actions of {found.data_date}", style=Style.PLACE)


def reach_markdown(found: ReachDiff) -> str:
    """The same for a pull request: a table, and the ways folded up."""
    if not found.rows:
        return "Nobody can become anybody newly, or no longer.\n"
    out = []
    for head, _, rows in _parts(found):
        out += [f"### {head.capitalize()}", "", "| who | whom |", "| --- | --- |"]
        out += [f"| {_cells(r.sources)} | {_cells(r.targets)} |" for r in rows]
        steps = [f"{n}. {hop_sentence(h)}" for r in rows for n, h in enumerate(r.hops, 1)]
        steps += [explain(code).sentence for r in rows for code in r.reasons]
        if steps:
            out += ["", "<details><summary>how</summary>", "", "```", *steps, "```", "", "</details>"]
        out.append("")
    return "\n".join(out)


def _cells(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{short(n)}`".replace("|", "\\|") for n in names)


def reach_json(found: ReachDiff) -> dict[str, Any]:
    """The differences as one JSON value with members in fixed order."""
    return {
        "schema": SCHEMA,
        "via": found.via,
        "rows": [
            {
                "gained": r.gained,
                "sources": list(r.sources),
                "targets": list(r.targets),
                "path": way_json(r.hops, None)["path"],
                "reasons": list(r.reasons),
            }
            for r in found.rows
        ],
        "data_date": found.data_date,
    }

"""Whether only one role is a way to a request, as text and as JSON: `iamsim only-via`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.judge.answer import Verdict
from iamsim.report.cut import cut_json, cut_lines, piece_json, pieces_lines
from iamsim.report.json import SCHEMA, way_json
from iamsim.report.lines import Line, Span, Style, line
from iamsim.report.places import places
from iamsim.report.reasons import explain
from iamsim.report.text import steps_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iamsim.diagnostics import Origin
    from iamsim.query.cut import Cut
    from iamsim.query.only_via import Bypass, OnlyVia
    from iamsim.query.pieces import Piece

    Place = Callable[[Origin | None], str]

_TEXT = 2000
_SHOWN = 3
_NAMED = 20


def only_lines(
    found: OnlyVia, opened: tuple[Piece, ...] = (), closing: Cut | None = None, *, verbose: bool = False
) -> Iterator[Line]:
    """Whether it holds, and who needs not go through the role: the first with their ways, or with `verbose` all.

    `opened` opens the first of these, `closing` closes them all.
    """
    yield _verdict(found)
    place = places()
    shown = len(found.bypasses) if verbose else _SHOWN
    for bypass in found.bypasses[:shown]:
        yield line("")
        yield line(printable(name_of(bypass), _TEXT), indent=2, style=Style.HEAD)
        yield from bypass_lines(bypass, place, verbose=verbose)
    others = found.bypasses[shown:]
    if others:
        yield line("")
        yield line("and without it", indent=2, style=Style.HEAD)
    for bypass in others[:_NAMED]:
        doubt = "" if bypass.verdict is Verdict.YES else " (not known)"
        yield line(f"- {printable(name_of(bypass), _TEXT)}{doubt}", indent=4)
    if len(others) > _NAMED:
        yield line(f"- and {len(others) - _NAMED} more (-v lists them all)", indent=4)
    if opened:
        yield line("")
        yield line("what opens the first", indent=2, style=Style.HEAD)
        yield from pieces_lines(opened, place, indent=4)
    if closing is not None and found.verdict is Verdict.NO:
        yield line("")
        asked = f"leads past {found.role} to {found.action} on {found.resource}"
        yield from cut_lines(closing, asked, verbose=verbose)


def _verdict(found: OnlyVia) -> Line:
    role = printable(found.role, _TEXT)
    task = printable(f"do {found.action} on {found.resource}", _TEXT)
    ways = "" if found.via == "escalation" else " by direct requests and roles"
    match found.verdict:
        case Verdict.YES:
            own = {Verdict.NO: ", and it cannot either", Verdict.UNKNOWN: ", and of it that is not known"}.get(
                found.own, ""
            )
            return Line(
                (Span("YES", Style.YES), Span(f"  nobody can {task}{ways} without {role}{own}", Style.HEAD)), hang=5
            )
        case Verdict.NO:
            some = sum(b.verdict is Verdict.YES for b in found.bypasses)
            count = f"{some} caller{'s' if some != 1 else ''}" + ("" if found.complete else " or more")
            return Line((Span("NO", Style.NO), Span(f"  {count} can {task}{ways} without {role}", Style.HEAD)), hang=4)
        case _:
            return Line(
                (
                    Span("UNKNOWN", Style.UNKNOWN),
                    Span(f"  whether anybody can {task}{ways} without {role}", Style.HEAD),
                ),
                hang=9,
            )


def name_of(bypass: Bypass) -> str:
    """The caller, and for a role who gets to it."""
    who = "principals of other accounts, which are not loaded" if bypass.row.principal == "*" else bypass.row.principal
    return f"{who}, to which {bypass.entered_by[0]} gets" if bypass.entered_by else who


def bypass_lines(bypass: Bypass, place: Place | None = None, *, verbose: bool = False) -> Iterator[Line]:
    """The way past the role, step by step; or why it is not known whether there is one."""
    if bypass.verdict is Verdict.UNKNOWN:
        for code in bypass.reasons:
            reason = explain(code)
            yield line(f"not known: {printable(reason.sentence, _TEXT)}", indent=4)
            yield line(f"to decide it: {printable(reason.remedy, _TEXT)}", indent=6)
        return
    if bypass.hops or bypass.witness is not None:
        yield from steps_lines(bypass.hops, bypass.witness, place or places(), verbose=verbose, indent=4)


def only_json(
    found: OnlyVia, opened: tuple[Piece, ...] = (), closing: Cut | None = None, notes: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The answer as one JSON value with members in fixed order."""
    return {
        "schema": SCHEMA,
        "role": found.role,
        "action": found.action,
        "resource": found.resource,
        "via": found.via,
        "verdict": found.verdict.value,
        "own": found.own.value,
        "complete": found.complete,
        "bypasses": [
            {
                "principal": b.row.principal,
                "kind": b.row.kind,
                "verdict": b.verdict.value,
                "entered_by": list(b.entered_by),
                **way_json(b.hops, b.witness),
                "reasons": list(b.reasons),
            }
            for b in found.bypasses
        ],
        "opened_by": [piece_json(p) for p in opened],
        "cut": None if closing is None else cut_json(closing),
        "notes": list(notes),
    }

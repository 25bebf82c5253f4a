"""What has to go so that no way is left, as text and as JSON: `iamsim cut`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.graph.world import short
from iamsim.judge.answer import Verdict
from iamsim.report.json import SCHEMA, way_json
from iamsim.report.lines import Line, Span, Style, line
from iamsim.report.places import places
from iamsim.report.reasons import explain
from iamsim.report.text import steps_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from iamsim.diagnostics import Origin
    from iamsim.query.cut import Cut, Way
    from iamsim.query.pieces import Piece

    Place = Callable[[Origin | None], str]

_TEXT = 2000
_CARRIERS = 5
_WAYS = 10


def cut_lines(found: Cut, asked: str, *, verbose: bool = False) -> Iterator[Line]:
    """The pieces, the ways that they close, or the way that nothing closes; `asked` says what the ways lead to."""
    about = printable(asked, _TEXT)
    place = places()
    if found.open_ is not None:
        yield Line(
            (Span("NO", Style.NO), Span(f"  nothing that can be taken away closes every way {about}", Style.HEAD)),
            hang=4,
        )
        yield from steps_lines(found.open_.hops, found.open_.witness, place, verbose=verbose)
        return
    yield _head(found, about)
    yield from pieces_lines(found.pieces, place)
    if found.reasons:
        yield line("")
        yield line("not known", indent=2, style=Style.HEAD)
        yield from (line(f"- {printable(explain(code).sentence, _TEXT)}", indent=4) for code in found.reasons)
    if found.ways:
        yield from _ways(found, place, verbose=verbose)


def _head(found: Cut, about: str) -> Line:
    if not found.ways and found.verdict is Verdict.YES:
        return Line((Span("YES", Style.YES), Span(f"  no way {about}: nothing has to go", Style.HEAD)), hang=5)
    count = "1 thing has" if len(found.pieces) == 1 else f"{len(found.pieces)} things have"
    if found.verdict is Verdict.YES:
        text = f"  {count} to go so that no way {about}; with fewer gone there is one"
        return Line((Span("YES", Style.YES), Span(text, Style.HEAD)), hang=5)
    gone = "this is" if len(found.pieces) == 1 else "these are"
    return Line((Span("UNKNOWN", Style.UNKNOWN), Span(f"  whether a way {about} when {gone} gone", Style.HEAD)), hang=9)


def pieces_lines(pieces: Iterable[Piece], place: Place, *, indent: int = 2) -> Iterator[Line]:
    """The pieces, numbered, each with its place and who loses it."""
    for number, piece in enumerate(pieces, 1):
        where = place(piece.origin)
        spans = (Span(f"{number}. {printable(piece.text, _TEXT)}"), Span(f" ({where})" if where else "", Style.PLACE))
        yield Line(spans, indent=indent, hang=3)
        shown = ", ".join(printable(short(c), _TEXT) for c in piece.carriers[:_CARRIERS])
        more = f" and {len(piece.carriers) - _CARRIERS} more" if len(piece.carriers) > _CARRIERS else ""
        yield line(f"of {shown}{more}", indent=indent + 3)


def _ways(found: Cut, place: Place, *, verbose: bool) -> Iterator[Line]:
    yield line("")
    many = "the way" if len(found.ways) == 1 else f"{len(found.ways)} ways"
    yield line(f"{many} that this closes", indent=2, style=Style.HEAD)
    shown = found.ways if verbose else found.ways[:_WAYS]
    for way in shown:
        yield line(f"- {_way(way)}", indent=4)
        if verbose:
            yield from steps_lines(way.hops, way.witness, place, indent=6)
    if len(shown) < len(found.ways):
        yield line(f"- and {len(found.ways) - len(shown)} more (-v shows all, with their steps)", indent=4)


def _way(way: Way) -> str:
    steps = [f"{short(h.target) if ':' in h.target else h.target} ({h.technique})" for h in way.hops]
    last = [] if way.witness is None else [f"{way.witness.request.action} on {way.witness.request.resource}"]
    return printable(", ".join([*steps, *last]), _TEXT)


def piece_json(piece: Piece) -> dict[str, Any]:
    """One piece as a JSON value with members in fixed order."""
    origin = piece.origin
    return {
        "text": piece.text,
        "file": None if origin is None else origin.source,
        "pointer": None if origin is None else origin.pointer,
        "attachment": None
        if piece.attachment is None
        else {"who": piece.attachment.who, "policy": piece.attachment.policy},
        "carriers": list(piece.carriers),
    }


def cut_json(found: Cut, notes: tuple[str, ...] = ()) -> dict[str, Any]:
    """The cut as one JSON value with members in fixed order."""
    return {
        "schema": SCHEMA,
        "verdict": found.verdict.value,
        "pieces": [piece_json(p) for p in found.pieces],
        "ways": [
            {**way_json(w.hops, w.witness), "pieces": [piece_json(p) for p in sorted(w.pieces, key=lambda p: p.key)]}
            for w in found.ways
        ],
        "open": None if found.open_ is None else way_json(found.open_.hops, found.open_.witness),
        "reasons": list(found.reasons),
        "notes": list(notes),
    }

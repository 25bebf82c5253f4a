"""Rules that hold before a change and not after it, or the other way round: as text, JSON and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.report.lines import Line, Span, Style, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from iamsim.check.flips import Flip

_STYLES = {"holds": Style.YES, "broken": Style.NO}


def flips_lines(flips: Sequence[Flip]) -> Iterator[Line]:
    """A heading and one line per rule whose state differs: its state before and after."""
    yield line("")
    yield Line((Span("RULES", Style.HEAD), Span("" if flips else "  no rule changes its state")))
    for flip in flips:
        old, new = flip.states
        yield Line(
            (Span(f"{old} → {new}", _STYLES.get(new, Style.UNKNOWN)), Span(f"  {printable(flip.rule)}")), indent=2
        )
        if flip.reason:
            yield line(f"- {printable(flip.reason)}", indent=4)


def flips_json(flips: Sequence[Flip]) -> list[dict[str, Any]]:
    """One value per rule whose state differs."""
    return [{"rule": f.rule, "before": f.states[0], "after": f.states[1], "reason": f.reason or None} for f in flips]


def flips_markdown(flips: Sequence[Flip]) -> str:
    """A table of the rules whose state differs."""
    if not flips:
        return "\n**No rule changes its state.**\n"
    rows = [f"| {_cell(f.rule)} | {f.states[0]} | {f.states[1]} | {_cell(f.reason)} |" for f in flips]
    return (
        "\n".join(["", "### Rules", "", "| rule | before | after | because |", "| --- | --- | --- | --- |", *rows])
        + "\n"
    )


def _cell(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\|`*_<>[]#~@" else c for c in printable(text))

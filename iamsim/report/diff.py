"""Differences between environments: as text, as JSON, and as Markdown for a pull request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from iamsim.aws.universe import bits_of, universe
from iamsim.findings import printable
from iamsim.report.json import SCHEMA
from iamsim.report.lines import Line, Span, Style, line
from iamsim.report.places import places
from iamsim.report.reasons import explain
from iamsim.report.text import grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from iamsim.diagnostics import Origin
    from iamsim.query.diff_rows import Diff, Row

_LONG = 2000
_FEW = 8


def compressed(actions: Iterable[str]) -> tuple[str, ...]:
    """The actions with wildcards for those of a service, or of one verb in it, that are all there (of the known ones)."""
    every = universe()
    left = 0
    unknown = []
    for action in actions:
        bit = bits_of(action.lower())
        left |= bit
        if not bit:
            unknown.append(action)
    if left == every.all:
        return ("*", *unknown)
    out: list[str] = []
    for service, (_, bits) in sorted(every.services.items()):
        here = left & bits
        if here == bits and here:
            out.append(f"{service}:*")
        elif here:
            out += _by_verb(here)
    return (*out, *sorted(unknown))


def _by_verb(bits: int) -> list[str]:
    """The actions of a service in a set, those of one first word as one wildcard where no other action has that word."""
    names = []
    while bits:
        low = bits & -bits
        names.append(universe().names[low.bit_length() - 1])
        bits ^= low
    given = sum(bits_of(n.lower()) for n in names)
    out: list[str] = []
    covered = 0
    for name in names:
        if bits_of(name.lower()) & covered:
            continue
        verb = _verb(name)
        pattern = f"{verb}*"
        found = bits_of(pattern.lower())
        if verb != name and found.bit_count() > 1 and not found & ~given:
            out.append(pattern)
            covered |= found
        else:
            out.append(name)
    return out


def _verb(action: str) -> str:
    """`s3:Get` of `s3:GetObject`."""
    service, _, name = action.partition(":")
    end = next((i for i in range(1, len(name)) if name[i].isupper() and not name[i - 1].isupper()), len(name))
    return f"{service}:{name[:end]}"


def short(principal: str) -> str:
    """`user/x (account)` for the ARN of a principal, other callers as they are."""
    fields = principal.split(":", 5)
    if len(fields) < 6:
        return printable(principal)
    return printable(f"{fields[5]} ({fields[4]})")


def listed(items: Sequence[str], *, verbose: bool = False) -> str:
    """The items, the first of them where they are many."""
    shown = list(items) if verbose or len(items) <= _FEW else list(items[: _FEW - 1])
    more = f" and {len(items) - len(shown)} more" if len(shown) < len(items) else ""
    return ", ".join(printable(i, _LONG) for i in shown) + more


def _parts(found: Diff) -> Iterator[tuple[str, Style, list[Row]]]:
    for gained, head, style in ((True, "became possible", Style.YES), (False, "ceased to be possible", Style.NO)):
        rows = [r for r in found.rows if r.gained is gained and not r.reasons]
        if rows:
            yield head, style, rows
    unsure = [r for r in found.rows if r.reasons]
    if unsure:
        yield "not known", Style.UNKNOWN, unsure


def diff_lines(found: Diff, *, verbose: bool = False) -> Iterator[Line]:
    """What became possible, what ceased to be, and what is not known, grouped by principals."""
    if not found.rows:
        yield Line((Span("SAME", Style.YES), Span("  nothing became possible or ceased to be", Style.HEAD)))
    place = places()
    for number, (head, style, rows) in enumerate(_parts(found)):
        if number:
            yield line("")
        yield Line((Span(head.upper(), style),))
        for row in rows:
            yield line("")
            yield line(listed([short(p) for p in row.principals], verbose=verbose), indent=2, style=Style.HEAD)
            yield from _row_lines(row, place, verbose=verbose)
    if found.notes:
        yield line("")
        yield from (line(f"note: {printable(n, _LONG)}") for n in found.notes)
    yield line("")
    yield line(f"data on actions of {found.data_date}", style=Style.PLACE)


def _row_lines(row: Row, place: Callable[[Origin | None], str], *, verbose: bool) -> Iterator[Line]:
    yield line(listed(compressed(row.actions), verbose=verbose), indent=4)
    yield line(f"on {listed(row.resources, verbose=verbose)}", indent=4)
    for code in row.reasons:
        yield line(f"- {printable(explain(code).sentence, _LONG)}", indent=6)
    if row.witness is None:
        return
    request = row.witness.request
    chosen = {k: v for k, v in request.context.items() if k in request.chosen}
    keys = "".join(f", {printable(k)} = {_values(v)}" for k, v in chosen.items())
    yield line(f"e.g. {printable(request.action)} on {printable(request.resource, _LONG)}{keys}", indent=6)
    word = "allowed by" if row.gained else "was allowed by"
    for cited, where in grouped(row.witness.allowed_by, place):
        yield line(f"{word} {printable(cited.text, _LONG)}{f' ({where})' if where else ''}", indent=6)


def _values(values: Iterable[str]) -> str:
    return " and ".join(printable(json.dumps(v, ensure_ascii=False)) for v in values)


def diff_markdown(found: Diff) -> str:
    """The same as tables for a pull request; cells are escaped, so that a name cannot break out of its own."""
    if not found.rows:
        out = ["**Nothing became possible or ceased to be.**"]
    else:
        gained = sum(r.gained and not r.reasons for r in found.rows)
        lost = sum(not r.gained and not r.reasons for r in found.rows)
        out = [f"**{gained} became possible, {lost} ceased to be possible** (groups of requests)"]
    place = places()
    for head, _, rows in _parts(found):
        out += ["", f"### {head.capitalize()}", "", "| who | actions | resources | for example | by |"]
        out += ["| --- | --- | --- | --- | --- |"]
        out += [_markdown_row(row, place) for row in rows]
    out += [f"\n> {_cell(n)}" for n in found.notes]
    return "\n".join(out) + "\n"


def _markdown_row(row: Row, place: Callable[[Origin | None], str]) -> str:
    example, by = "", [explain(code).sentence for code in row.reasons]
    if row.witness is not None:
        request = row.witness.request
        keys = "".join(f", {k} = {_values(v)}" for k, v in request.context.items() if k in request.chosen)
        example = f"`{_code(request.action)}` on `{_code(request.resource)}`{_cell(keys)}"
        by = [f"{c.text} ({where})" if where else c.text for c, where in grouped(row.witness.allowed_by, place)]
    cells = (
        listed([short(p) for p in row.principals]),
        listed(compressed(row.actions)),
        listed(row.resources),
    )
    return "| " + " | ".join([*map(_cell, cells), example, "<br>".join(map(_cell, by))]) + " |"


def _cell(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\|`*_<>[]#~@" else c for c in printable(text, _LONG))


def _code(text: str) -> str:
    return printable(text, _LONG).replace("`", "'").replace("|", "\\|")


def diff_json(found: Diff) -> dict[str, Any]:
    """The differences as a JSON value of the schema `iamsim/1`; actions in full, and compressed."""
    return {
        "schema": SCHEMA,
        "rows": [
            {
                "change": "gained" if r.gained else "lost",
                "sure": not r.reasons,
                "principals": list(r.principals),
                "actions": list(r.actions),
                "patterns": list(compressed(r.actions)),
                "resources": list(r.resources),
                "request": None if r.witness is None else _request(r),
                "reasons": list(r.reasons),
            }
            for r in found.rows
        ],
        "notes": list(found.notes),
        "data_date": found.data_date,
    }


def _request(row: Row) -> dict[str, Any]:
    assert row.witness is not None
    request = row.witness.request
    return {
        "caller": request.caller,
        "action": request.action,
        "resource": request.resource,
        "context": {k: list(v) for k, v in request.context.items()},
        "allowed_by": [{"text": c.text, "place": str(c.origin) if c.origin else None} for c in row.witness.allowed_by],
    }

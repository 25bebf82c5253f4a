"""Ways and escalations as text: `iamsim paths` and `iamsim escalations`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.findings import printable
from iamsim.graph.world import short
from iamsim.report.lines import Line, Span, Style, line, plain_text
from iamsim.report.places import places
from iamsim.report.reasons import explain
from iamsim.report.text import steps_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from iamsim.query.escalations import Escalations
    from iamsim.query.minimal import Path

_TEXT = 2000
_UNDECIDED = 10
_REACH = {
    "session": "",
    "console": "console only",
    "api-any": "calls only",
    "api-write": "calls that write",
    "provision": "what provisioning does",
    "only": "some calls",
}


def path_text(path: Path, *, width: int = 100) -> str:
    """One way as text without colours."""
    return plain_text(path_lines(path, 1), width)


def escalations_text(found: Escalations, *, width: int = 100) -> str:
    """What one principal can become as text without colours."""
    return plain_text(escalations_lines(found), width)


def path_lines(path: Path, number: int, *, verbose: bool = False) -> Iterator[Line]:
    """One way, numbered, step by step."""
    if number > 1:
        yield line("")
    steps = len(path.hops)
    requests = "" if path.witness is None else " and the request"
    count = "the request alone" if not steps else f"{_count(steps, 'step')}{requests}"
    assumed = f", {_count(len(path.assumptions), 'assumption')}" if path.assumptions else ""
    names = ": " + ", ".join(printable(t, _TEXT) for t in path.techniques) if steps else ""
    yield Line((Span(f"way {number}", Style.YES), Span(f"  {count}{assumed}{names}", Style.HEAD)), hang=7)
    yield from steps_lines(path.hops, path.witness, places(), verbose=verbose)


def none_lines(asked: str, reasons: tuple[str, ...]) -> Iterator[Line]:
    """That there is no way; or, with reasons, that this is not known."""
    if not reasons:
        yield Line((Span("NO", Style.NO), Span(f"  no way {printable(asked, _TEXT)}", Style.HEAD)), hang=4)
        return
    yield Line((Span("UNKNOWN", Style.UNKNOWN), Span(f"  whether a way {printable(asked, _TEXT)}")), hang=9)
    yield line("")
    yield line("not known", indent=2, style=Style.HEAD)
    for code in reasons:
        reason = explain(code)
        yield line(f"- {printable(reason.sentence, _TEXT)}", indent=4)
        yield line(f"to decide it: {printable(reason.remedy, _TEXT)}", indent=6)


def escalations_lines(found: Escalations, *, verbose: bool = False) -> Iterator[Line]:
    """What one principal can become and change, administrators first."""
    many = _count(len(found.rows), "principal")
    what = f"can become {many}" if found.rows else "can become nobody else"
    admins = sum(r.admin for r in found.rows)
    more = f", {_count(admins, 'administrator')} among them" if admins else ""
    own = " (an administrator already)" if found.admin else ""
    yield Line((Span(f"{printable(found.source, _TEXT)}{own} {what}{more}", Style.HEAD),))
    if found.rows:
        yield line("")
        rows = [
            (
                short(r.principal),
                _account(r.principal),
                *_marks(r.admin, r.created, r.reach),
                str(r.steps),
                ", ".join(r.techniques),
            )
            for r in found.rows
        ]
        yield from _table(("principal", "account", "", "steps", "techniques"), rows)
    if found.changes:
        yield line("")
        yield line("changes that it can make", style=Style.HEAD)
        yield line("")
        yield from _table(
            ("change", "steps", "techniques"),
            [(c.change, str(c.steps), ", ".join(c.techniques)) for c in found.changes],
        )
    assumed = {a for r in found.rows for a in r.assumptions} | {a for c in found.changes for a in c.assumptions}
    yield from _listed("assumed", sorted(assumed), None if verbose else _UNDECIDED)
    undecided = [
        f"{short(p)} ({_account(p)}): {'; '.join(explain(r).sentence for r in why)}" for p, why in found.undecided
    ]
    yield from _listed("not known whether it can become", undecided, None if verbose else _UNDECIDED)


def all_lines(found: Iterable[Escalations]) -> Iterator[Line]:
    """A table of the principals that can escalate: those that can become administrators first."""
    listed = list(found)
    able = [e for e in listed if e.rows]
    rising = sum(e.administrator is not None for e in able)
    yield line(
        f"{len(able)} of {_count(len(listed), 'principal')} can become another, {rising} of them an administrator; "
        f"{_count(sum(e.admin for e in listed), 'administrator')} as they stand",
        style=Style.HEAD,
    )
    if able:
        yield line("")
        yield from _table(
            ("principal", "account", "becomes", "", "steps", "first technique", "in all"),
            [_able(e) for e in sorted(able, key=_able_order)],
        )
    unsettled = [e for e in listed if e.undecided and not e.rows]
    if unsettled:
        names = [f"{short(e.source)} ({_account(e.source)})" for e in unsettled]
        yield from _listed("not known whether they can become another", names, None)


def _able_order(found: Escalations) -> tuple[bool, int, int, str]:
    first = found.rows[0]
    return (not first.admin, first.steps, -len(found.rows), found.source)


def _able(found: Escalations) -> tuple[str, ...]:
    row = found.rows[0]
    return (
        short(found.source), _account(found.source), short(row.principal), *_marks(row.admin, row.created, row.reach),
        str(row.steps), row.first, str(len(found.rows)),
    )  # fmt: skip


def _marks(admin: bool, created: bool, reach: str) -> tuple[str]:
    said = ["administrator"] if admin else []
    said += ["new"] if created else []
    said += [_REACH.get(reach, reach)] if reach != "session" else []
    return (", ".join(said),)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Line]:
    """The rows in columns as wide as their longest cell; the last column is not filled."""
    cells = [[printable(c, _TEXT) for c in row] for row in (head, *rows)]
    kept = [i for i in range(len(head)) if head[i] or any(row[i] for row in cells)]
    widths = [max(len(row[i]) for row in cells) for i in kept]
    for number, row in enumerate(cells):
        text = "  ".join(row[i].ljust(w) for i, w in zip(kept, widths, strict=True)).rstrip()
        yield line(text, indent=2, hang=4, style=Style.HEAD if number == 0 else Style.PLAIN)


def _listed(head: str, sentences: Sequence[str], limit: int | None) -> Iterator[Line]:
    if not sentences:
        return
    yield line("")
    yield line(head, style=Style.HEAD)
    for sentence in sentences[:limit]:
        yield line(f"- {printable(sentence, _TEXT)}", indent=2)
    if limit is not None and len(sentences) > limit:
        yield line(f"- and {len(sentences) - limit} more (-v shows all)", indent=2)


def _account(arn: str) -> str:
    return arn.split(":")[4] if arn.count(":") >= 5 else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

"""Lists of callers and permissions, changes, and answers to questions of the language, as HTML for notebooks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.check.ask import Answers, Callers, Table, Ways
from iamsim.check.model import Said, State
from iamsim.ir.term import TRUE
from iamsim.judge.answer import Verdict
from iamsim.query.only_via import OnlyVia
from iamsim.report.asked import reply_lines
from iamsim.report.conditions import condition_text
from iamsim.report.diff import compressed, short
from iamsim.report.html import answer_html, path_html
from iamsim.report.html_parts import badge, code, framed, head, listed, table, text
from iamsim.report.html_pictures import way_picture
from iamsim.report.lines import plain_text
from iamsim.report.places import places
from iamsim.report.reasons import explain
from iamsim.report.text import grouped
from iamsim.report.who import condition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from iamsim.check.ask import Reply
    from iamsim.diagnostics import Origin
    from iamsim.query.diff_rows import Diff, Row
    from iamsim.query.what_can import What
    from iamsim.query.what_if import WhatIf
    from iamsim.query.who_rows import Who

_FEW = 8
_WORDS = {"yes": Verdict.YES, "conditional": Verdict.YES, "unknown": Verdict.UNKNOWN}


def diff_html(found: Diff) -> str:
    """What became possible and what ceased to be, as tables of an HTML fragment."""
    return framed(_diff(found))


def what_if_html(found: WhatIf) -> str:
    """What edits change, as tables of an HTML fragment."""
    return diff_html(found.diff)


def _diff(found: Diff) -> Iterator[str]:
    place = places()
    parts = (
        ("became possible", Verdict.YES, [r for r in found.rows if r.gained and not r.reasons]),
        ("ceased to be possible", Verdict.NO, [r for r in found.rows if not r.gained and not r.reasons]),
        ("not known", Verdict.UNKNOWN, [r for r in found.rows if r.reasons]),
    )
    if not found.rows:
        yield f"<p>{badge(Verdict.YES, 'SAME')}nothing became possible or ceased to be</p>"
    for word, colour, rows in parts:
        if rows:
            yield f"<p>{badge(colour, word)}</p>"
            columns = ("who", "actions", "resources", "for example", "by")
            yield table(columns, [_diff_row(r, place) for r in rows])
    yield listed("Notes", found.notes)
    if found.data_date:
        yield f"<small>data on actions of {text(found.data_date)}</small>"


def _diff_row(row: Row, place: Callable[[Origin | None], str]) -> tuple[str, ...]:
    example, by = "", "<br>".join(text(explain(r).sentence) for r in row.reasons)
    if row.witness is not None:
        request = row.witness.request
        example = f"{code(request.action)} on {code(request.resource)}"
        by = "<br>".join(
            f"{text(c.text)}{f' <small>{text(where)}</small>' if where else ''}"
            for c, where in grouped(row.witness.allowed_by, place)
        )
    return (
        _several([short(p) for p in row.principals]),
        _several(compressed(row.actions)),
        _several(row.resources),
        example,
        by,
    )


def _several(names: Sequence[str]) -> str:
    shown = names if len(names) <= _FEW else names[: _FEW - 1]
    more = f"<br>and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return "<br>".join(code(n) for n in shown) + more


def callers_html(rows: Iterable[Who]) -> str:
    """Who can, as a table of an HTML fragment."""
    found = list(rows)
    shown = [
        (
            badge(r.verdict),
            code(r.principal),
            "<br>→ ".join(["", *(code(s) for s in r.steps)]).removeprefix("<br>"),
            code(condition_of(r)) if condition_of(r) else "<br>".join(text(explain(c).sentence) for c in r.reasons),
        )
        for r in found
    ]
    can = sum(r.verdict is Verdict.YES for r in found)
    said = f"{can} caller{'' if can == 1 else 's'} can" if can else "nobody can"
    unsure = len(found) - can
    said += f"; of {unsure} it is not known" if unsure else ""
    assumed = sorted({a for r in found for a in r.assumptions})
    columns = ("", "caller", "by way of", "condition, or why it is not known")
    return framed([head(said), table(columns, shown) if shown else "", listed("Assumed", assumed)])


def permissions_html(rows: Iterable[What]) -> str:
    """What one caller can do, as a table of an HTML fragment."""
    shown = [
        (
            badge(_WORDS.get(r.verdict, Verdict.UNKNOWN), r.verdict),
            _several(r.actions),
            code(r.resource) + _but(r),
            code(condition_text(r.condition)) if r.verdict == "conditional" and r.condition is not TRUE else "",
        )
        for r in rows
    ]
    return framed([table(("", "actions", "resource", "condition"), shown) if shown else "<p>can do nothing</p>"])


def _but(row: What) -> str:
    names = [resource for resource, verdict in row.but if verdict in ("no", "unknown")]
    return f"<br>but not {_several(names)}" if names else ""


def reply_html(reply: Reply) -> str:
    """The answer to a question of the language as an HTML fragment."""
    end = ""
    if reply.state is not None:
        colour = {State.HOLDS: Verdict.YES, State.UNKNOWN: Verdict.UNKNOWN}.get(reply.state, Verdict.NO)
        word = {State.HOLDS: "as expected", State.UNKNOWN: "not known"}.get(reply.state, "not as expected")
        end = framed([f"<p>{badge(colour, word)}{text(reply.question.expect or '')}</p>"])
    return _result(reply) + end


def _result(reply: Reply) -> str:
    found = reply.result
    match found:
        case Answers((Said(answer=answer, verdict=verdict),)) if answer is not None and verdict is answer.verdict:
            return answer_html(answer)
        case Callers():
            return callers_html(found.rows)
        case Table():
            return "".join(_of_caller(who, permissions_html(rows), found.callers) for who, rows in found.callers)
        case Ways() if reply.verdict is Verdict.YES:
            ways = [w for _, listed_ in found.callers for w in listed_]
            return "".join(framed([head(f"way {n}")]) + path_html(w) for n, w in enumerate(ways, 1))
        case OnlyVia():
            return only_html(found)
        case _:
            return framed(
                [f"<pre>{_rows_of(plain_text(reply_lines(replace(reply, state=None), headed=False), 110))}</pre>"]
            )


def _of_caller(who: str, fragment: str, callers: Sequence[object]) -> str:
    return (framed([head(who)]) if len(callers) > 1 else "") + fragment


def only_html(found: OnlyVia) -> str:
    """Whether a role is the only way, and ways around it, as an HTML fragment."""
    return framed(_only(found))


def _only(found: OnlyVia) -> Iterator[str]:
    yield f"<p>{badge(found.verdict)}only via {code(found.role)}: {code(found.action)} on {code(found.resource)}</p>"
    if found.bypasses:
        yield head("Without it")
    for bypass in found.bypasses[:_FEW]:
        doubt = "" if bypass.verdict is Verdict.YES else " (not known)"
        yield f"<p>{code(bypass.row.principal)}{doubt}</p>"
        yield way_picture(bypass.hops, bypass.witness)
    if len(found.bypasses) > _FEW:
        yield f"<p>and {len(found.bypasses) - _FEW} more</p>"
    yield listed("Not known", [explain(r).sentence for r in found.reasons])


def _rows_of(value: str) -> str:
    """Several rows of printable text, escaped."""
    return "\n".join(text(row) for row in value.split("\n"))

"""Answers, ways and environments as self-contained HTML for notebooks; every text is escaped."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from iamsim.diagnostics import Severity
from iamsim.findings import printable
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.answer import Decision, Verdict
from iamsim.report.controls import MEANING, control_of
from iamsim.report.places import diagnostic_text, places
from iamsim.report.reasons import explain
from iamsim.report.term_text import term_text
from iamsim.report.text import question_text, values_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from iamsim.diagnostics import Origin
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Answer, Cited, Hop, Witness
    from iamsim.query.escalations import Escalations
    from iamsim.query.paths import Path

    Place = Callable[[Origin | None], str]

_COLOURS = {Verdict.YES: "#1a7f37", Verdict.NO: "#cf222e", Verdict.UNKNOWN: "#9a6700"}
_TEXT = 2000
_SHOWN = 10


def answer_html(answer: Answer) -> str:
    """The answer as an HTML fragment without scripts, styles of the page, or links."""
    return f'<div style="font-family: sans-serif; max-width: 60em">{"".join(_parts(answer))}</div>'


def environment_html(environment: Environment) -> str:
    """What was loaded, counted, and the first of what was not understood, as an HTML fragment."""
    kinds = Counter(p.kind.value + "s" for p in environment.principals.values())
    counts = {
        "accounts": len(environment.accounts),
        "users": kinds["users"],
        "roles": kinds["roles"],
        "groups": len(environment.groups),
        "resources": len(environment.resources),
        "organizations": len(environment.organizations),
    }
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{count}</td></tr>" for name, count in counts.items())
    place = places()
    said = [d for d in environment.diagnostics if d.severity is not Severity.INFO]
    shown = [diagnostic_text(d, place) for d in said[:_SHOWN]]
    if len(said) > _SHOWN:
        shown.append(f"and {len(said) - _SHOWN} more")
    head = "<b>Environment</b>" + (f" from {len(environment.sources)} files" if environment.sources else "")
    return f"<div>{head}<table>{cells}</table>{_list('Diagnostics', shown)}</div>"


def path_html(path: Path) -> str:
    """One way, step by step, as an HTML fragment."""
    place = places()
    steps = [_hop(h, place) for h in path.hops] + ([_step(path.witness, place)] if path.witness else [])
    end = "" if path.witness is not None else f"<p>{_code(path.source)} controls {_code(path.caller)}</p>"
    return f"<div>{end}<ol>{''.join(f'<li>{s}</li>' for s in steps)}</ol></div>"


def escalations_html(found: Escalations) -> str:
    """What one principal can become and change, as tables of an HTML fragment."""
    head = "<tr><th>principal</th><th>administrator</th><th>steps</th><th>techniques</th></tr>"
    rows = "".join(
        f"<tr><td>{_code(r.principal)}</td><td>{'yes' if r.admin else ''}</td><td>{r.steps}</td>"
        f"<td>{escape(printable(', '.join(r.techniques), _TEXT))}</td></tr>"
        for r in found.rows
    )
    own = " is an administrator" if found.admin else ""
    table = f"<table>{head}{rows}</table>" if rows else "<p>can become nobody else</p>"
    assumed = sorted({a for r in found.rows for a in r.assumptions})
    changes = _list("Changes that it can make", [c.change for c in found.changes])
    undecided = _list("Not known whether it can become", [p for p, _ in found.undecided])
    return f"<div><b>{_code(found.source)}</b>{own}{table}{changes}{_list('Assumed', assumed)}{undecided}</div>"


def _parts(answer: Answer) -> Iterator[str]:
    place = places()
    colour = _COLOURS[answer.verdict]
    yield f'<p><b style="color: {colour}">{answer.verdict.value.upper()}</b> {_code(question_text(answer.question))}'
    if answer.verdict is Verdict.NO:
        yield " — " + ("explicit deny" if answer.decision is Decision.EXPLICIT_DENY else "nothing allows it")
    yield "</p>"
    steps = [_hop(h, place) for h in answer.path] + ([_step(answer.witness, place)] if answer.witness else [])
    if steps:
        yield "<ol>" + "".join(f"<li>{s}</li>" for s in steps) + "</ol>"
    if answer.core is not None:
        yield _head("Forbidden by") + _items(_cited(c, place, role=True) for c in answer.core.items)
        yield _list("What would have to change", answer.core.remedy)
    yield _list("Not known", [f"{r.sentence}; to decide it: {r.remedy}" for r in map(explain, answer.reasons)])
    if answer.residual is not None and answer.residual not in (TRUE, FALSE):
        yield _head("Condition") + f"<p>{_code(term_text(answer.residual, _TEXT))}</p>"
    yield _list("Assumed", answer.assumptions)
    yield _list("Notes", answer.notes)
    if answer.data_date:
        yield f"<small>data on actions of {escape(printable(answer.data_date))}</small>"


def _hop(hop: Hop, place: Place) -> str:
    """One step of a path: its technique, its calls, what it gains and what it takes for granted."""
    calls = hop.calls or (hop.witness,)
    shown = hop.title and hop.technique != "sts-assume-role"
    head = f"{escape(printable(hop.title, _TEXT))} ({_code(hop.technique)})" if shown else ""
    gains = hop.gains if hop.calls else f"a session of {hop.target}"
    body = _step(calls[0], place) if len(calls) == 1 else _items(_step(c, place) for c in calls)
    assumed = "".join(f"<br>assumed: {escape(printable(a, _TEXT))}" for a in hop.assumptions)
    return f"{head}{'<br>' if head and len(calls) == 1 else ''}{body}→ {escape(printable(gains, _TEXT))}{assumed}"


def _step(witness: Witness, place: Place) -> str:
    request = witness.request
    text = f"{_code(request.caller)} does {_code(request.action)} on {_code(request.resource)}"
    brings = "".join(
        f"<tr><td>{_code(key)}</td><td>{_code(values_text(request.context[key]))}</td>"
        f'<td title="{escape(MEANING[control_of(key)])}">{escape(control_of(key).value)}</td></tr>'
        for key in sorted(request.chosen)
        if key in request.context
    )
    table = f"<table><tr><th>the request brings</th><th></th><th>who controls it</th></tr>{brings}</table>"
    return f"{text}{_items(_cited(c, place) for c in witness.allowed_by)}{table if brings else ''}"


def _cited(cited: Cited, place: Place, *, role: bool = False) -> str:
    where = place(cited.origin)
    lead = f"{escape(printable(cited.role))}: " if role else ""
    at = f" <small>{escape(where)}</small>" if where else ""
    details = _items(escape(printable(d, _TEXT)) for d in cited.details) if cited.details else ""
    return f"{lead}{escape(printable(cited.text, _TEXT))}{at}{details}"


def _code(text: str) -> str:
    return f"<code>{escape(printable(text, _TEXT))}</code>"


def _head(text: str) -> str:
    return f"<p><b>{escape(text)}</b></p>"


def _items(parts: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{p}</li>" for p in parts) + "</ul>"


def _list(head: str, sentences: Iterable[str]) -> str:
    listed = [escape(printable(s, _TEXT)) for s in sentences]
    return _head(head) + _items(listed) if listed else ""

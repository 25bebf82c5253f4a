"""Answers, ways, environments, changes and graphs as self-contained HTML for notebooks; every text is escaped."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from iamsim.diagnostics import Severity
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.answer import Decision, Verdict
from iamsim.report.controls import MEANING, control_of
from iamsim.report.html_parts import badge, code, folded, framed, head, items, listed, table, text
from iamsim.report.html_pictures import graph_picture, way_picture
from iamsim.report.places import diagnostic_text, places
from iamsim.report.reasons import explain
from iamsim.report.term_text import term_text
from iamsim.report.text import FORBIDS, grouped, question_text, values_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import networkx as nx

    from iamsim.diagnostics import Origin
    from iamsim.env.types import Environment, OrgNode
    from iamsim.judge.answer import Answer, Cited, Hop, Witness
    from iamsim.query.escalations import Escalations
    from iamsim.query.minimal import Path

    Place = Callable[[Origin | None], str]

_TEXT = 2000
_SHOWN = 10


def answer_html(answer: Answer) -> str:
    """The answer as an HTML fragment without scripts, links, or anything to load."""
    return framed(_parts(answer))


def environment_html(environment: Environment) -> str:
    """What was loaded, counted by account, and the first of what was not understood, as an HTML fragment."""
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
    files = f" from {len(environment.sources)} files" if environment.sources else ""
    remarks = (
        folded(f"{len(said)} remark{'' if len(said) == 1 else 's'} on what was not understood", items(map(text, shown)))
        if said
        else ""
    )
    return framed([f"<b>Environment</b>{files}<table>{cells}</table>", _accounts(environment), remarks])


def _accounts(environment: Environment) -> str:
    """The accounts with what each holds."""
    names = {n.id: n.name for o in environment.organizations for n in _nodes(o.root) if n.kind.lower() == "account"}
    found = Counter((p.account, p.kind.value) for p in environment.principals.values())
    owned = Counter(r.account for r in environment.resources.values())
    rows = [
        (code(a), text(names.get(a, "")), str(found[a, "user"]), str(found[a, "role"]), str(owned[a]))
        for a in sorted(environment.accounts)
    ]
    body = table(("account", "name", "users", "roles", "resources"), rows)
    return folded("by account", body) if len(rows) > 1 else ""


def _nodes(node: OrgNode) -> Iterator[OrgNode]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def path_html(path: Path) -> str:
    """One way, as a picture and step by step, as an HTML fragment."""
    place = places()
    steps = [_hop(h, place) for h in path.hops] + ([_step(path.witness, place)] if path.witness else [])
    end = "" if path.witness is not None else f"<p>{code(path.source)} controls {code(path.caller)}</p>"
    assumed = listed("Assumed", path.assumptions)
    return framed([end, way_picture(path.hops, path.witness), _steps(steps), assumed])


def _steps(steps: list[str]) -> str:
    """Steps in full, several of them folded."""
    if len(steps) == 1:
        return items(steps, "ol")
    return folded(f"{len(steps)} steps, with the statements that allow them", items(steps, "ol"))


def escalations_html(found: Escalations) -> str:
    """What one principal can become and change, as tables of an HTML fragment."""
    rows = [
        (code(r.principal), "yes" if r.admin else "", str(r.steps), text(", ".join(r.techniques))) for r in found.rows
    ]
    own = " is an administrator" if found.admin else ""
    columns = ("principal", "administrator", "steps", "techniques")
    shown = table(columns, rows) if rows else "<p>can become nobody else</p>"
    assumed = sorted({a for r in found.rows for a in r.assumptions})
    changes = listed("Changes that it can make", [c.change for c in found.changes])
    undecided = listed("Not known whether it can become", [p for p, _ in found.undecided])
    return framed([f"<b>{code(found.source)}</b>{own}{shown}{changes}", listed("Assumed", assumed), undecided])


def graph_html(graph: nx.MultiDiGraph) -> str:
    """A role graph as a picture, as an HTML fragment."""
    drawn, left_out = graph_picture(graph)
    more = f"; {left_out} more are not drawn" if left_out else ""
    nodes, edges = graph.number_of_nodes(), graph.number_of_edges()
    return framed([f"<b>Graph</b> of {nodes} nodes and {edges} edges{more}", drawn])


def _parts(answer: Answer) -> Iterator[str]:
    place = places()
    yield f"<p>{badge(answer.verdict)}{text(question_text(answer.question))}"
    if answer.verdict is Verdict.NO:
        why = "explicit deny" if answer.decision is Decision.EXPLICIT_DENY else "nothing allows it"
        yield f' <span class="quiet">({why})</span>'
    yield "</p>"
    steps = [_hop(h, place) for h in answer.path] + ([_step(answer.witness, place)] if answer.witness else [])
    yield way_picture(answer.path, answer.witness)
    yield _steps(steps) if steps else ""
    if answer.core is not None:
        yield head("Forbidden by" if len(answer.core.items) == 1 else "Forbidden by these together")
        yield items(_forbidding(c, place) for c in answer.core.items)
        yield listed("What would have to change", answer.core.remedy)
    yield listed("Not known", [f"{r.sentence}; to decide it: {r.remedy}" for r in map(explain, answer.reasons)])
    if answer.residual is not None and answer.residual not in (TRUE, FALSE):
        yield head("Allowed whenever" if answer.verdict is Verdict.YES else "Condition")
        yield f"<p>{code(term_text(answer.residual, _TEXT))}</p>"
    yield listed("Assumed", answer.assumptions)
    yield listed("Notes", answer.notes)
    if answer.data_date:
        yield f"<small>data on actions of {text(answer.data_date)}</small>"


def _hop(hop: Hop, place: Place) -> str:
    """One step of a path: its technique, its calls, what it gains and what it takes for granted."""
    calls = hop.calls or (hop.witness,)
    shown = hop.title and hop.technique != "sts-assume-role"
    lead = f"{text(hop.title)} ({code(hop.technique)})" if shown else ""
    gains = hop.gains if hop.calls else f"a session of {hop.target}"
    body = _step(calls[0], place) if len(calls) == 1 else items(_step(c, place) for c in calls)
    assumed = "".join(f"<br>assumed: {text(a)}" for a in hop.assumptions)
    return f"{lead}{'<br>' if lead and len(calls) == 1 else ''}{body}→ {text(gains)}{assumed}"


def _step(witness: Witness, place: Place) -> str:
    request = witness.request
    said = f"{code(request.caller)} does {code(request.action)} on {code(request.resource)}"
    brings = "".join(
        f"<tr><td>{code(key)}</td><td>{code(values_text(request.context[key]))}</td>"
        f'<td title="{escape(MEANING[control_of(key)])}">{escape(control_of(key).value)}</td></tr>'
        for key in sorted(request.chosen)
        if key in request.context
    )
    shown = f"<table><tr><th>the request brings</th><th></th><th>who controls it</th></tr>{brings}</table>"
    allowed = items(_statement(c, where) for c, where in grouped(witness.allowed_by, place))
    return f"{said}{allowed}{shown if brings else ''}"


def _forbidding(cited: Cited, place: Place) -> str:
    lead = f"{FORBIDS.get(cited.role, 'no Allow')}: "
    return lead + _statement(cited, place(cited.origin))


def _statement(cited: Cited, where: str) -> str:
    at = f" <small>{text(where)}</small>" if where else ""
    details = items(map(text, cited.details)) if cited.details else ""
    return f"{text(cited.text)}{at}{details}"

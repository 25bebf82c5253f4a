"""How policies stand to each other: as text, as JSON, and the order of a set of them as a DOT graph."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.query.relation import Relation
from iamsim.report.json import SCHEMA
from iamsim.report.lines import Line, Span, Style, line
from iamsim.report.places import places
from iamsim.report.reasons import explain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.query.lattice import Lattice
    from iamsim.query.relation import Compared, Excess

_LONG = 2000
_SHOWN = 8
_SAID = {
    Relation.EQUIVALENT: "allows exactly what {b} allows",
    Relation.NARROWER: "allows less than {b}, and nothing else",
    Relation.WIDER: "allows all that {b} does, and more",
    Relation.INCOMPARABLE: "allows something that {b} does not, and the other way round",
    Relation.UNDECIDED: "cannot be ordered with {b}",
}
_STYLES = {Relation.INCOMPARABLE: Style.NO, Relation.UNDECIDED: Style.UNKNOWN}


def compared_lines(found: Compared, a: str, b: str) -> Iterator[Line]:
    """The relation of the policies called `a` and `b`, with the requests that tell them apart."""
    a, b = printable(a), printable(b)
    said = _SAID[found.relation].format(b=b)
    style = _STYLES.get(found.relation, Style.YES)
    yield Line((Span(found.relation.value.upper(), style), Span(f"  {a} {said}", Style.HEAD)), hang=4)
    for name, other, excess in ((a, b, found.only_a), (b, a, found.only_b)):
        if excess is not None:
            yield line("")
            yield line(f"allowed by {name}, not by {other}", indent=2, style=Style.HEAD)
            yield from _excess(excess)
    if found.reasons:
        yield line("")
        yield line("not known", indent=2, style=Style.HEAD)
        for code in found.reasons:
            yield line(f"- {printable(explain(code).sentence, _LONG)}", indent=4)
    yield from _future(found, a, b)
    yield line("")
    yield line(f"data on actions of {found.data_date}", style=Style.PLACE)


def _excess(excess: Excess) -> Iterator[Line]:
    place = places()
    yield line(f"{printable(excess.action)} on {printable(excess.resource, _LONG)}", indent=4)
    for key, values in excess.context.items():
        yield line(
            f"with {printable(key)} = {', '.join(printable(json.dumps(v, ensure_ascii=False)) for v in values)}",
            indent=6,
        )
    for word, cited in (("allowed", excess.allowed_by), ("denied", excess.denied_by)):
        for item in cited:
            where = "" if (item.origin is None or item.origin.source.startswith("arn:")) else f" ({place(item.origin)})"
            yield line(f"{word} by {printable(item.text, _LONG)}{where}", indent=6)


def _future(found: Compared, a: str, b: str) -> Iterator[Line]:
    """What is different once actions count that AWS may add; nothing where that changes nothing."""
    if found.future is found.relation:
        return
    yield line("")
    yield line("actions that AWS may add one day", indent=2, style=Style.HEAD)
    yield line(f"with them, {a} {_SAID[found.future].format(b=b)}", indent=4)
    for name, action in ((a, found.future_a), (b, found.future_b)):
        if action is not None:
            yield line(f"only {name} would allow an action called {printable(action)}", indent=6)


def compared_json(found: Compared, a: str, b: str) -> dict[str, Any]:
    """The relation as a JSON value of the schema `iamsim/1`."""
    return {
        "schema": SCHEMA,
        "a": a,
        "b": b,
        "relation": found.relation.value,
        "differences": found.rows(),
        "reasons": list(found.reasons),
        "future": {"relation": found.future.value, "only_a": found.future_a, "only_b": found.future_b},
        "data_date": found.data_date,
    }


def lattice_lines(found: Lattice) -> Iterator[Line]:
    """One paragraph per class: its policies, and those next above it."""
    policies = sum(map(len, found.classes))
    steps = sum(map(len, found.above))
    yield line(
        f"{_count(policies, 'policy', 'policies')}, {_count(len(found.classes), 'class', 'classes')} that differ, "
        f"{_count(steps, 'step', 'steps')}",
        style=Style.HEAD,
    )
    for i, names in enumerate(found.classes):
        yield line("")
        yield line(" = ".join(map(printable, names)), indent=2, hang=4)
        for j in found.above[i]:
            yield line(f"< {printable(found.classes[j][0])}", indent=4)
    if found.undecided:
        yield line("")
        yield line("not known whether narrower", indent=2, style=Style.HEAD)
        for i, reason in sorted({(i, reason) for i, _, reason in found.undecided}):
            than = [printable(found.classes[j][0]) for k, j, why in found.undecided if (k, why) == (i, reason)]
            more = f" and {len(than) - _SHOWN} more" if len(than) > _SHOWN else ""
            codes = "; ".join(explain(code).sentence for code in reason.split("; "))
            yield line(f"- {printable(found.classes[i][0])} than {', '.join(than[:_SHOWN])}{more}: {codes}", indent=4)


def lattice_json(found: Lattice) -> dict[str, Any]:
    """The order of the policies as a JSON value of the schema `iamsim/1`."""
    return {
        "schema": SCHEMA,
        "classes": found.rows(),
        "undecided": [
            {"policy": found.classes[i][0], "other": found.classes[j][0], "reasons": why.split("; ")}
            for i, j, why in found.undecided
        ],
    }


def lattice_dot(found: Lattice) -> str:
    """The order as a graph for Graphviz: an arrow leads to what allows more; classes without arrows are left out."""
    linked = {i for i, above in enumerate(found.above) if above} | {j for above in found.above for j in above}
    out = ["digraph policies {", "  rankdir=BT;", "  node [shape=box];"]
    out += [f"  n{i} [label={_quoted(' = '.join(found.classes[i]))}];" for i in sorted(linked)]
    out += [f"  n{i} -> n{j};" for i, above in enumerate(found.above) for j in above]
    return "\n".join([*out, "}", ""])


def _quoted(text: str) -> str:
    return '"' + printable(text, _LONG).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"

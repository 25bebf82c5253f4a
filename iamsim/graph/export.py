"""Graphs as text: GraphML, DOT, Mermaid, JSON node-link, and BloodHound OpenGraph. Deterministic for one graph."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from iamsim.errors import QueryError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import networkx as nx

    from iamsim.ir.term import Term

    GuardText = Callable[[Term], str]

MERMAID_EDGES = 150
"""Edges that a Mermaid picture may have unless more are asked for: larger ones are neither drawn nor read."""

_GUARD = 120
# What XML 1.0 cannot hold, and what a terminal may obey.
_UNSTORABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHAPES = {
    "user": ("([", "])"),
    "role": ("[", "]"),
    "service": ("{{", "}}"),
    "oidc-provider": ("[/", "/]"),
    "saml-provider": ("[/", "/]"),
    "account": ("[[", "]]"),
    "anyone": ("((", "))"),
}
_DOT_SHAPES = {
    "user": "ellipse",
    "role": "box",
    "service": "hexagon",
    "oidc-provider": "parallelogram",
    "saml-provider": "parallelogram",
    "account": "box3d",
    "anyone": "doublecircle",
}
# What could end a quoted text of Mermaid, or begin an entity, markup, a comment or a directive.
_SPECIAL = re.compile(r'["#&<>`;\\%|{}]')


def graphml(graph: nx.MultiDiGraph, guard_text: GuardText) -> str:
    """GraphML that networkx reads back: lists as text with a line for each item, characters that XML cannot hold escaped."""
    import networkx as nx

    out = nx.MultiDiGraph()
    for name, attributes in _nodes(graph):
        out.add_node(_xml(name), **{k: _xml_value(v) for k, v in attributes.items()})
    for source, target, key, attributes in _edges(graph, guard_text):
        values = {k: _xml_value(v) for k, v in attributes.items()}
        out.add_edge(_xml(source), _xml(target), key=key, **values)
    return "\n".join(nx.generate_graphml(out)) + "\n"


def _xml_value(value: Any) -> Any:
    if isinstance(value, list):
        return "\n".join(_xml(v) for v in value)
    return _xml(value) if isinstance(value, str) else value


def _xml(text: str) -> str:
    return _UNSTORABLE.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def node_link(graph: nx.MultiDiGraph, guard_text: GuardText) -> str:
    """JSON in networkx's node-link form: `networkx.node_link_graph(value, edges="edges")` reads it back."""
    value = {
        "directed": True,
        "multigraph": True,
        "graph": {},
        "nodes": [{"id": _plain(name), **attributes} for name, attributes in _nodes(graph)],
        "edges": [
            {"source": _plain(source), "target": _plain(target), "key": key, **attributes}
            for source, target, key, attributes in _edges(graph, guard_text)
        ],
    }
    return _json(value)


def dot(graph: nx.MultiDiGraph, guard_text: GuardText) -> str:
    """A Graphviz digraph of the nodes that have edges; edges that are not sure are dashed, administrators bold."""
    rows = ["digraph iamsim {", "  rankdir=LR;", "  node [fontsize=10];", "  edge [fontsize=8];"]
    for account, members in _by_account(graph):
        if account:
            rows.append(f"  subgraph {_quoted('cluster_' + account)} {{")
            rows.append(f"    label={_quoted(account)};")
        for name, attributes in members:
            style = ', style="bold"' if attributes.get("admin") else ""
            label, shape = _quoted(str(attributes["name"])), _DOT_SHAPES.get(str(attributes["kind"]), "note")
            rows.append(f"  {'  ' if account else ''}{_quoted(name)} [label={label}, shape={shape}{style}];")
        if account:
            rows.append("  }")
    for source, target, _, attributes in _edges(graph, guard_text):
        style = "" if attributes["sure"] else ', style="dashed"'
        label = _quoted(_edge_label(attributes))
        rows.append(f"  {_quoted(source)} -> {_quoted(target)} [label={label}{style}];")
    return "\n".join([*rows, "}"]) + "\n"


def _quoted(text: str) -> str:
    """A double-quoted string of DOT. A backslash would begin one of its escapes, so it is doubled.

    Source: Graphviz, "DOT Language" and "escString".
    """
    return '"' + printable(text, 2000).replace("\\", "\\\\").replace('"', '\\"') + '"'


def mermaid(graph: nx.MultiDiGraph, guard_text: GuardText, limit: int = MERMAID_EDGES) -> str:
    """A Mermaid flowchart of the nodes that have edges; edges that are not sure are dotted.

    Raises QueryError if there are more than `limit` edges.
    """
    count = graph.number_of_edges()
    if count > limit:
        raise QueryError(
            f"the graph has {count} edges, and Mermaid is limited to {limit}",
            f"narrow it with --from, --to or --account, raise the limit with --limit {count}, or take --format dot",
        )
    rows = ["flowchart LR"]
    ids: dict[str, str] = {}
    admins: list[str] = []
    for account, members in _by_account(graph):
        if account:
            rows.append(f'  subgraph {f"account{len(ids)}"}["{_entities(account)}"]')
        for name, attributes in members:
            ids[name] = f"n{len(ids)}"
            before, after = _SHAPES.get(str(attributes["kind"]), (">", "]"))
            label = f'{before}"{_entities(str(attributes["name"]))}"{after}'
            rows.append(f"  {'  ' if account else ''}{ids[name]}{label}")
            admins += [ids[name]] if attributes.get("admin") else []
        if account:
            rows.append("  end")
    for source, target, _, attributes in _edges(graph, guard_text):
        arrow = "-->" if attributes["sure"] else "-.->"
        rows.append(f'  {ids[source]} {arrow}|"{_entities(_edge_label(attributes))}"| {ids[target]}')
    if admins:
        rows += ["  classDef admin stroke-width:3px", f"  class {','.join(admins)} admin"]
    return "\n".join(rows) + "\n"


def _entities(text: str) -> str:
    """What stands in a quoted text of Mermaid, special characters as entities.

    Source: Mermaid, "Flowcharts - Basic Syntax", special characters that break syntax.
    """
    return _SPECIAL.sub(lambda m: f"#{ord(m[0])};", printable(text, 300))


def _edge_label(attributes: dict[str, Any]) -> str:
    guard = str(attributes["guard"])
    shown = "" if guard == "true" else f": {guard[:_GUARD]}{'…' if len(guard) > _GUARD else ''}"
    return f"{attributes['technique']}{shown}"


def opengraph(graph: nx.MultiDiGraph, guard_text: GuardText) -> str:
    """JSON that BloodHound ingests: kinds of letters, digits and underscores, at most three to a node; properties are
    texts, numbers, Booleans or lists of one of these, their names in lower case; no `objectid`, which is `id`.

    Source: BloodHound documentation, "OpenGraph Nodes" (bloodhound.specterops.io/opengraph/developer/nodes) and
    "OpenGraph Edges" (…/opengraph/developer/edges), and the JSON schemas of its repository, jsonschema/node.json and
    edge.json.
    """
    nodes = [
        {"id": _plain(name), "kinds": [_kind(str(attributes["kind"])), "IAMSim"], "properties": _properties(attributes)}
        for name, attributes in _nodes(graph)
    ]
    edges = [
        {
            "kind": _kind(str(attributes["technique"])),
            "start": {"match_by": "id", "value": _plain(source)},
            "end": {"match_by": "id", "value": _plain(target)},
            "properties": _properties(attributes),
        }
        for source, target, _, attributes in _edges(graph, guard_text)
    ]
    return _json({"metadata": {"source_kind": "IAMSim"}, "graph": {"nodes": nodes, "edges": edges}})


def _kind(word: str) -> str:
    """`sts-assume-role` → `IAMSim_StsAssumeRole`."""
    parts = re.findall(r"[A-Za-z0-9]+", word)
    return "IAMSim_" + "".join(p[:1].upper() + p[1:] for p in parts)


def _properties(attributes: dict[str, Any]) -> dict[str, Any]:
    return {k.replace("_", "").lower(): v for k, v in attributes.items() if k != "objectid"}


def _nodes(graph: nx.MultiDiGraph) -> Iterator[tuple[str, dict[str, Any]]]:
    """The nodes in order, their attributes as JSON values without null."""
    for name in sorted(graph):
        yield name, {k: _plain(v) for k, v in graph.nodes[name].items() if v is not None}


def _edges(graph: nx.MultiDiGraph, guard_text: GuardText) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """The edges in order: source, target, key, attributes as JSON values, with the guard as text."""
    for source, target, key in sorted(graph.edges(keys=True)):
        found = dict(graph.edges[source, target, key])
        found["guard"] = guard_text(found["guard"])
        yield source, target, key, {k: _plain(v) for k, v in found.items()}


def _plain(value: Any) -> Any:
    """Texts without halves of surrogate pairs, which UTF-8 cannot hold; tuples as lists."""
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _by_account(graph: nx.MultiDiGraph) -> list[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """The nodes that have edges, by account; those without one first, under an empty text."""
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, attributes in _nodes(graph):
        if graph.degree(name):
            groups.setdefault(str(attributes.get("account", "")), []).append((name, attributes))
    return sorted(groups.items())


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"

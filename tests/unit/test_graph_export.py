"""Exported graphs: each format is read back, and no name of a user can break it."""

from __future__ import annotations

import io
import json
import re

import networkx as nx
import pytest
from page_files import Snapshot

from iamsim.env.build import environment_of
from iamsim.errors import QueryError
from iamsim.graph import export
from iamsim.graph.roles import Link, role_graph
from iamsim.ir.term import TRUE
from iamsim.judge.judge import Ask
from iamsim.query.language import parse_condition
from iamsim.report.term_text import term_text

A = "111122223333"
HOSTILE = [
    'quote"quote', "--> x", "a\nb", "\x1b[31mred\x1b[0m", "]]>", "</node><x>", "a\x00b", "a\x0bb", "back\\slash", "back\\",
    'end"]', "#quot;", "&amp;", "%%{init: {}}%%", "`x`", "a;b", "a|b", "{x}", "é\u202eabc", "\ud800", "\ufffe", "🦊",
    "subgraph", "end", "-->|x|", "a\u2028b", "\r\n", "\\N", "<b>x</b>", "style x fill:#f00", "click n0 href",
]  # fmt: skip
EVERY = [export.graphml, export.dot, export.mermaid, export.node_link, export.opengraph]


def graph_of(*links):
    return role_graph(Ask(env=environment_of(Snapshot().files())), links)


def link(source, target, technique="sts-assume-role", *, guard=TRUE, sure=True, statements=("s",), assumptions=()):
    return Link(source, target, technique, "assume", sure, guard, statements, assumptions)


def arn(name):
    return f"arn:aws:iam::{A}:role/{name}"


@pytest.fixture(scope="module")
def small():
    guard = parse_condition('sts:ExternalId = "x\\"1" and aws:SourceIp in 10.0.0.0/8')
    return graph_of(
        link(f"arn:aws:iam::{A}:user/u", arn("a"), guard=guard, statements=("one", "two"), assumptions=("it is so",)),
        link(arn("a"), arn("b"), sure=False),
        link(arn("a"), arn("b"), "iam-update-assume-role-policy"),
        link("lambda.amazonaws.com", arn("b")),
        link("anyone", arn("a")),
    )


def hostile(name):
    guard = parse_condition(f"sts:ExternalId = {json.dumps(name)}")
    return graph_of(
        link(arn(name), arn("b"), guard=guard, statements=(name,), assumptions=(name,)), link(name, arn(name))
    )


def clean(text):
    """True iff nothing in `text` is a control, surrogate or direction character, line feeds aside."""
    return not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\ud800-\udfff]", text)


@pytest.mark.parametrize("write", EVERY)
def test_the_same_graph_gives_the_same_text(write, small):
    turned = nx.MultiDiGraph()
    turned.add_nodes_from(reversed(list(small.nodes(data=True))))
    turned.add_edges_from(reversed(list(small.edges(keys=True, data=True))))
    assert write(small, term_text) == write(turned, term_text)


@pytest.mark.parametrize("write", EVERY)
def test_a_graph_without_edges(write):
    assert write(graph_of(), term_text)


def test_graphml_is_read_back(small):
    back = nx.read_graphml(io.BytesIO(export.graphml(small, term_text).encode()))
    assert set(back) == set(small)
    assert {(u, v, k) for u, v, k in back.edges(keys=True)} == set(small.edges(keys=True))
    assert back.nodes[arn("a")]["kind"] == "role"
    assert back.nodes[arn("a")]["outside"] is True
    (found,) = back.get_edge_data(f"arn:aws:iam::{A}:user/u", arn("a")).values()
    assert found["statements"] == "one\ntwo"
    assert found["sure"] is True
    keys = re.findall(r'<key id="([^"]*)"', export.graphml(small, term_text))
    assert len(keys) == len(set(keys))
    assert found["guard"].startswith('sts:ExternalId = "x\\"1"')


def test_node_link_is_read_back(small):
    back = nx.node_link_graph(json.loads(export.node_link(small, term_text)), edges="edges")
    assert isinstance(back, nx.MultiDiGraph)
    assert set(back) == set(small)
    assert set(back.edges(keys=True)) == set(small.edges(keys=True))
    assert back.edges[arn("a"), arn("b"), "sts-assume-role"]["sure"] is False


def dot_tokens(text):
    """The tokens of a DOT text; fails on anything that is none."""
    token = re.compile(r'\s+|"(?:[^"\\\n]|\\["\\])*"|->|[{}\[\];=,]|[A-Za-z_][A-Za-z0-9_]*|[0-9]+')
    at, out = 0, []
    while at < len(text):
        m = token.match(text, at)
        assert m, f"no token at {text[at : at + 40]!r}"
        at = m.end()
        if m[0].strip():
            out.append(m[0])
    return out


def check_dot(text, edges):
    tokens = dot_tokens(text)
    assert tokens[:3] == ["digraph", "iamsim", "{"]
    assert tokens.count("{") == tokens.count("}")
    assert tokens.count("->") == edges
    for i, t in enumerate(tokens):
        if t == "->":
            assert tokens[i - 1].startswith('"')
            assert tokens[i + 1].startswith('"')


def test_dot_is_well_formed(small):
    text = export.dot(small, term_text)
    check_dot(text, 5)
    assert text.count("dashed") == 1
    assert f'label="{A}";' in text


def check_mermaid(text, edges):
    """Each line is one of the few that are written, with quoted texts that hold no special character."""
    quoted = r'"(?:[^"#&<>`;\\%|{}\n]|#[0-9]+;)*"'
    shape = rf"(?:\[{quoted}\]|\(\[{quoted}\]\)|\{{\{{{quoted}\}}\}}|\[/{quoted}/\]|\[\[{quoted}\]\]|\(\({quoted}\)\)|>{quoted}\])"
    row = re.compile(
        rf"flowchart LR|  subgraph account[0-9]+\[{quoted}\]|  end| {{2,4}}n[0-9]+{shape}|"
        rf"(?P<edge>  n[0-9]+ (?:-->|-\.->)\|{quoted}\| n[0-9]+)|  classDef admin [a-z0-9:-]+|  class [n0-9,]+ admin"
    )
    found = [row.fullmatch(r) for r in text.split("\n")[:-1]]
    assert all(found), text
    assert sum(m["edge"] is not None for m in found) == edges
    declared = re.findall(r"^ {2,4}(n[0-9]+)(?! )", text, re.MULTILINE)
    assert len(declared) == len(set(declared))


def test_mermaid_is_well_formed(small):
    text = export.mermaid(small, term_text)
    check_mermaid(text, 5)
    assert text.count("-.->") == 1


def test_mermaid_draws_no_large_graph(small):
    assert export.mermaid(small, term_text, 5)
    with pytest.raises(QueryError, match="5 edges") as caught:
        export.mermaid(small, term_text, 4)
    assert "--limit 5" in caught.value.help
    assert "--from" in caught.value.help


def check_opengraph(value, nodes, edges):
    """The rules of "OpenGraph Nodes", "OpenGraph Edges", and of BloodHound's node.json, edge.json and metadata.json."""
    assert set(value) == {"metadata", "graph"}
    assert set(value["metadata"]) == {"source_kind"}
    assert set(value["graph"]) == {"nodes", "edges"}
    ids = {n["id"] for n in value["graph"]["nodes"]}
    assert len(ids) == len(value["graph"]["nodes"]) == nodes
    assert len(value["graph"]["edges"]) == edges
    for node in value["graph"]["nodes"]:
        assert set(node) == {"id", "kinds", "properties"}
        assert 1 <= len(node["kinds"]) <= 3
        assert all(re.fullmatch(r"[A-Za-z0-9_]+", k) for k in node["kinds"])
        check_properties(node["properties"])
    for edge in value["graph"]["edges"]:
        assert set(edge) == {"kind", "start", "end", "properties"}
        assert re.fullmatch(r"[A-Za-z0-9_]+", edge["kind"])
        for end in (edge["start"], edge["end"]):
            assert end["match_by"] == "id"
            assert end["value"] in ids
        check_properties(edge["properties"])


def check_properties(properties):
    for name, value in properties.items():
        assert re.fullmatch(r"[a-z0-9]+", name)
        assert name != "objectid"
        items = value if isinstance(value, list) else [value]
        assert len({type(i) for i in items}) <= 1
        assert all(isinstance(i, str | int | float | bool) for i in items)


def test_opengraph_follows_the_schema(small):
    value = json.loads(export.opengraph(small, term_text))
    check_opengraph(value, 5, 5)
    kinds = {n["id"]: n["kinds"][0] for n in value["graph"]["nodes"]}
    assert kinds[arn("a")] == "IAMSim_Role"
    assert kinds["anyone"] == "IAMSim_Anyone"
    assert {e["kind"] for e in value["graph"]["edges"]} == {"IAMSim_StsAssumeRole", "IAMSim_IamUpdateAssumeRolePolicy"}


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
@pytest.mark.parametrize("write", EVERY)
def test_hostile_names_do_not_break_a_format(write, name):
    graph = hostile(name)
    text = write(graph, term_text)
    assert clean(text), repr(text)
    text.encode("utf-8")
    nodes, edges = len(graph), graph.number_of_edges()
    match write.__name__:
        case "graphml":
            back = nx.read_graphml(io.BytesIO(text.encode()))
            assert (len(back), back.number_of_edges()) == (nodes, edges)
        case "node_link":
            back = nx.node_link_graph(json.loads(text), edges="edges")
            assert (len(back), back.number_of_edges()) == (nodes, edges)
        case "opengraph":
            check_opengraph(json.loads(text), nodes, edges)
        case "dot":
            check_dot(text, edges)
        case _:
            check_mermaid(text, edges)

"""`iamsim graph`: the forms of the graph, its parts, and what is said about bad input."""

import io
import json

import networkx as nx
import pytest

TINY = "corpus/organizations/tiny/snapshot"
ACME = "corpus/organizations/acme/snapshot"
ALICE = "arn:aws:iam::123456789012:user/alice"
WRITER = "arn:aws:iam::123456789012:role/ReportWriter"
DRAWN = """\
flowchart LR
  subgraph account0["123456789012"]
    n0["ReportWriter"]
    n1(["alice"])
  end
  n1 -->|"sts-assume-role"| n0
"""


@pytest.fixture
def graph(cli):
    """Runs `iamsim graph` over role hops."""

    def run(*argv):
        return cli("graph", *argv, "--only", "hops")

    return run


@pytest.fixture
def names(graph):
    """The names of the nodes and the pairs of edges of the graph that is asked for."""

    def run(*argv):
        status, out, err = graph(*argv, "--format", "json")
        assert status == 0, err
        found = nx.node_link_graph(json.loads(out), edges="edges")
        return {d["name"] for _, d in found.nodes(data=True)}, {
            (found.nodes[u]["name"], found.nodes[v]["name"]) for u, v in found.edges()
        }

    return run


def test_mermaid_is_the_default(graph):
    assert graph("-s", TINY)[:2] == (0, DRAWN)
    assert graph("-s", TINY, "--format", "mermaid")[:2] == (0, DRAWN)


@pytest.mark.parametrize(
    ("file", "begin"),
    [
        ("g.graphml", "<graphml"),
        ("g.dot", "digraph"),
        ("g.gv", "digraph"),
        ("g.mmd", "flowchart"),
        ("g.json", "{"),
        ("g.txt", "flowchart"),
    ],
)
def test_the_suffix_chooses_the_format(graph, tmp_path, file, begin):
    status, out, _ = graph("-s", TINY, "-o", tmp_path / file)
    assert (status, out) == (0, "")
    assert (tmp_path / file).read_text().startswith(begin)
    assert graph("-s", TINY, "-o", tmp_path / file, "--format", "dot")[0] == 0
    assert (tmp_path / file).read_text().startswith("digraph")


def test_formats_are_read_back(graph):
    back = nx.read_graphml(io.BytesIO(graph("-s", TINY, "--format", "graphml")[1].encode()))
    assert set(back.edges()) == {(ALICE, WRITER)}
    back = nx.node_link_graph(json.loads(graph("-s", TINY, "--format", "json")[1]), edges="edges")
    assert set(back.edges()) == {(ALICE, WRITER)}
    value = json.loads(graph("-s", TINY, "--format", "opengraph")[1])
    assert [(e["start"]["value"], e["kind"]) for e in value["graph"]["edges"]] == [(ALICE, "IAMSim_StsAssumeRole")]
    assert graph("-s", TINY, "--format", "dot", "-o", "-")[1].startswith("digraph")


def test_output_is_deterministic(graph):
    assert graph("-s", ACME, "--format", "dot") == graph("-s", ACME, "--format", "dot")


def test_from_and_to(names):
    everything, edges = names("-s", ACME)
    nodes, inner = names("-s", ACME, "--from", "user/olivia")
    assert ("olivia", "OrgAdmin") in inner
    assert inner < edges
    assert nodes < everything
    github = "token.actions.githubusercontent.com"
    assert names("-s", ACME, "--from", f"arn:aws:iam::333344445555:oidc-provider/{github}")[0] == {
        github,
        "WebDeployDev",
    }
    assert names("-s", ACME, "--from", f"oidc://{github}")[0] == {github, "WebDeployDev", "WebDeploy", "DocsDeploy"}
    before, _ = names("-s", ACME, "--to", "role/SecurityAdmin")
    assert "SecurityAdmin" in before
    both, between = names("-s", ACME, "--from", "lambda.amazonaws.com", "--to", "role/DevFunction")
    assert ("lambda.amazonaws.com", "DevFunction") in between
    assert both == {"lambda.amazonaws.com", "DevFunction"}


def test_account(names):
    nodes, edges = names("-s", ACME, "--account", "333344445555")
    assert "DevFunction" in nodes
    assert ("lambda.amazonaws.com", "DevFunction") in edges
    assert nodes < names("-s", ACME)[0]


def test_mermaid_has_a_limit(graph):
    status, out, err = graph("-s", TINY, "--limit", "1")
    assert (status, out) == (0, DRAWN)
    status, out, err = graph("-s", ACME, "--limit", "3")
    assert (status, out) == (2, "")
    assert "Mermaid is limited to 3" in err
    assert "--from" in err
    assert graph("-s", ACME, "--limit", "3", "--format", "dot")[0] == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("-s", TINY, "--from", "user/nobody"), "no loaded user is called `nobody`"),
        (("-s", TINY, "--to", "glue.amazonaws.com"), "`glue.amazonaws.com` is not in the graph"),
        (("-s", TINY, "--to", "\x1b[31m"), "\\x1b[31m"),
        (("-s", TINY, "--from", "arn:aws:iam::999988887777:user/x"), "is not in the graph"),
        (("-s", TINY, "--account", "999988887777"), "no principal is of account `999988887777`"),
        (("-s", TINY, "--limit", "0"), "leaves no edge"),
        (("-s", TINY, "-o", "/no/such/folder/g.dot"), "`/no/such/folder/g.dot` cannot be written: no such file"),
        (("-s", TINY, "-o", "a\x00b"), "cannot be written: it is no path"),
        (("-s", "no/such/file"), "no/such/file"),
        (("-s", TINY, "--format", "svg"), "svg"),
    ],
)
def test_bad_input(graph, argv, said):
    status, out, err = graph(*argv)
    assert (status, out) == (2, "")
    assert said in err
    assert "\x1b" not in err


def test_all_techniques_are_the_default(cli):
    status, out, err = cli("graph", "-s", TINY)
    assert status == 0, err
    assert '|"sts-assume-role"|' in out

"""The role-assumption graph: links between principals as a networkx graph, and questions about its walks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.env.facts import Facts
from iamsim.env.types import MissingPolicy
from iamsim.graph.nodes import describe
from iamsim.ir.lower import action_term
from iamsim.ir.term import FALSE
from iamsim.judge.callers import caller_of
from iamsim.judge.check import check_of, settle
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import networkx as nx

    from iamsim.env.types import Environment, Principal
    from iamsim.ir.term import Term
    from iamsim.judge.judge import Ask


@dataclass(frozen=True, slots=True)
class Link:
    """`source` can obtain, or act as, `target` by `technique`; both are names of nodes.

    `kind` is the sort of technique: assume, trust (of services, providers and outsiders), passrole, credential, policy,
    boundary or resource. `sure` iff it certainly can in some context, else that is not known. `guard` is what the
    context must satisfy, `statements` are the labels of the statements that may allow it.
    """

    source: str
    target: str
    technique: str
    kind: str
    sure: bool
    guard: Term
    statements: tuple[str, ...]
    assumptions: tuple[str, ...]


def is_admin(ask: Ask, principal: Principal) -> bool:
    """True iff some session of `principal` is certainly allowed any action of IAM, EC2 and S3 on all resources.

    Boundaries, SCPs and Denies of everything count; Denies of single actions do not.
    """
    if not any(_speaks_of_any(p) for p in _policies(ask.env, principal)):
        return False
    caller = caller_of(ask.env, principal)
    for service in ("iam", "ec2", "s3"):
        facts = Facts(
            env=ask.env, caller=caller, action=f"{service}:anyactionatall", resource="*", owner=principal.account,
            missing=ask.missing, on_path=True,
        )  # fmt: skip
        if not isinstance(settle(check_of(facts).authorization.allowed, (facts,), ask.limits).sure, Sat):
            return False
    return True


def _policies(env: Environment, principal: Principal) -> Iterator[Any]:
    yield from principal.policies
    for name in principal.groups:
        if name in env.groups:
            yield from env.groups[name].policies


def _speaks_of_any(policy: Any) -> bool:
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return False
    return any(s.action is None or action_term(s.action, "iam:anyactionatall") is not FALSE for s in policy.statements)


def role_graph(ask: Ask, links: Iterable[Link]) -> nx.MultiDiGraph:
    """The graph of `links` over all loaded users and roles, in order of names.

    Nodes have `kind` (user, role, service, oidc-provider, saml-provider, account, anyone, resource), `name`, and as far
    as they apply `arn`, `account`, `path`, `tags`, `admin`, `boundary`, `service_linked` and `outside` (in no input).
    An edge has the fields of its link but the ends; its key is the technique.
    """
    import networkx as nx

    best: dict[tuple[str, str, str], Link] = {}
    for link in links:
        key = (link.source, link.target, link.technique)
        if key not in best or (link.sure and not best[key].sure):
            best[key] = link
    graph = nx.MultiDiGraph()
    for name in sorted({*ask.env.principals, *(end for k in best for end in k[:2])}):
        attributes = describe(ask.env, name)
        principal = ask.env.principals.get(name)
        if principal is not None:
            attributes["admin"] = is_admin(ask, principal)
        graph.add_node(name, **attributes)
    for (source, target, technique), link in sorted(best.items()):
        graph.add_edge(
            source, target, key=technique, technique=technique, kind=link.kind, sure=link.sure, guard=link.guard,
            statements=link.statements, assumptions=link.assumptions,
        )  # fmt: skip
    return graph


def certain(graph: nx.MultiDiGraph) -> nx.MultiDiGraph:
    """A view of the graph with its sure edges only."""
    import networkx as nx

    return nx.subgraph_view(graph, filter_edge=lambda u, v, k: graph.edges[u, v, k]["sure"])


def reachable_from(graph: nx.MultiDiGraph, *sources: str) -> set[str]:
    """The nodes that some of `sources` reaches, these included: whom they may become, if every guard can hold at once.

    A superset of what is possible: what one hop demands may contradict what another does.
    """
    import networkx as nx

    return set(sources).union(*(nx.descendants(graph, s) for s in sources))


def reaching(graph: nx.MultiDiGraph, *targets: str) -> set[str]:
    """The nodes that reach some of `targets`, these included: who may become them, if every guard can hold at once."""
    import networkx as nx

    return set(targets).union(*(nx.ancestors(graph, t) for t in targets))


def between(graph: nx.MultiDiGraph, sources: Iterable[str], targets: Iterable[str]) -> nx.MultiDiGraph:
    """The part of the graph on walks from `sources` (none given: anything) to `targets` (none given: anything)."""
    first, last = tuple(sources), tuple(targets)
    kept = set(graph)
    if first:
        kept &= reachable_from(graph, *first)
    if last:
        kept &= reaching(graph, *last)
    return graph.subgraph(kept)


def of_account(graph: nx.MultiDiGraph, account: str) -> nx.MultiDiGraph:
    """The nodes of `account` with the edges that touch them, and the other ends of these."""
    import networkx as nx

    inside = {n for n, found in graph.nodes(data="account") if found == account}
    nodes = inside.union(*({u, v} for u, v in graph.edges() if u in inside or v in inside))
    return nx.subgraph_view(
        graph, filter_node=lambda n: n in nodes, filter_edge=lambda u, v, _: u in inside or v in inside
    )


def cycles(graph: nx.MultiDiGraph) -> tuple[tuple[str, ...], ...]:
    """The largest sets of nodes each of which reaches all others of its set: whoever holds one may come to hold all.

    Nodes in order, sets in order of size (largest first), then of nodes; a node that only assumes itself is no cycle.
    """
    import networkx as nx

    found = [tuple(sorted(c)) for c in nx.strongly_connected_components(graph) if len(c) > 1]
    return tuple(sorted(found, key=lambda c: (-len(c), c)))


def choke_points(graph: nx.MultiDiGraph, sources: Iterable[str], targets: Iterable[str]) -> tuple[str, ...] | None:
    """A smallest set of other nodes that every walk from `sources` to `targets` passes, in order; of several smallest
    sets one nearest to the targets. Empty iff no walk leads there; None iff a source is a target or one hop away from it.
    """
    import networkx as nx

    first, last = set(sources) & set(graph), set(targets) & set(graph)
    if first & last:
        return None
    flow = nx.DiGraph()
    flow.add_nodes_from(("source", "sink"))
    for name in between(graph, first, last) if first and last else ():
        fixed = name in first or name in last
        flow.add_edge(("in", name), ("out", name), **({} if fixed else {"capacity": 1}))
    flow.add_edges_from((("out", u), ("in", v)) for u, v in graph.edges() if ("in", u) in flow and ("in", v) in flow)
    flow.add_edges_from(("source", ("in", name)) for name in first if ("in", name) in flow)
    flow.add_edges_from((("out", name), "sink") for name in last if ("out", name) in flow)
    try:
        _, (near, far) = nx.minimum_cut(flow, "source", "sink")
    except nx.NetworkXUnbounded:
        return None
    return tuple(
        sorted(name for side, name in (n for n in near if n != "source") if side == "in" and ("out", name) in far)
    )

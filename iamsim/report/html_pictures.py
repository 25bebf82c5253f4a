"""Pictures of ways and of the role graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.graph.world import short
from iamsim.report.picture import Arrow, Box, picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import networkx as nx

    from iamsim.judge.answer import Hop, Witness

MOST = 40
"""Boxes of a picture; of a larger graph those with most arrows are drawn."""

_NAMES = {
    "sts-assume-role": "AssumeRole",
    "sts-assume-role-with-web-identity": "web identity",
    "sts-assume-role-with-saml": "SAML",
}


def way_picture(hops: Sequence[Hop], witness: Witness | None) -> str:
    """The steps of a way, and the request at its end; empty if there are no steps."""
    if not hops:
        return ""
    boxes: dict[str, Box] = {}
    arrows = []
    for hop in hops:
        for arn in (hop.caller, hop.target):
            boxes.setdefault(_key(arn), _of_arn(arn))
        arrows.append(Arrow(_key(hop.caller), _key(hop.target), _NAMES.get(hop.technique, hop.technique)))
    start = _key(hops[0].caller)
    boxes[start] = _strong(boxes[start])
    if witness is not None:
        request = witness.request
        boxes.setdefault(_key(request.caller), _of_arn(request.caller))
        service, _, name = request.action.partition(":")
        below = f"{service} · {short(request.resource)}"
        tip = f"{request.action} on {request.resource}"
        boxes["request"] = Box(name or service, below, "request", tip, strong=True)
        arrows.append(Arrow(_key(request.caller), "request"))
    return picture(boxes, arrows, [start])


def graph_picture(graph: nx.MultiDiGraph) -> tuple[str, int]:
    """The nodes of a role graph that have edges, at most `MOST`, and how many were left out."""
    busy = [n for n in graph if graph.degree(n)]
    kept = set(sorted(busy, key=lambda n: (-graph.degree(n), n))[:MOST])
    boxes = {n: _of_node(n, graph.nodes[n]) for n in sorted(kept)}
    arrows = [
        Arrow(s, t, _NAMES.get(found["technique"], found["technique"]), not found["sure"])
        for s, t, key in sorted(graph.edges(keys=True))
        if s in kept and t in kept and s != t
        for found in (graph.edges[s, t, key],)
    ]
    return picture(boxes, arrows), len(busy) - len(kept)


def _of_node(name: str, attributes: dict[str, Any]) -> Box:
    kind = str(attributes.get("kind", ""))
    shown = str(attributes.get("name") or short(name))
    label = f"{kind}/{shown}" if kind in ("user", "role") else shown
    parts: Iterable[str] = (str(attributes.get("account") or kind), "administrator" if attributes.get("admin") else "")
    return Box(label, " · ".join(p for p in parts if p), kind, name, strong=bool(attributes.get("admin")))


def _strong(box: Box) -> Box:
    return Box(box.name, box.below, box.kind, box.tip, strong=True)


def _fields(arn: str) -> tuple[str, str] | None:
    """Account and resource of an ARN, a session as its role, without path; None for what is none."""
    fields = arn.split(":", 5)
    if len(fields) < 6:
        return None
    kind, _, rest = fields[5].partition("/")
    if kind == "assumed-role":
        return fields[4], f"role/{rest.partition('/')[0]}"
    return fields[4], f"{kind}/{rest.rpartition('/')[2]}" if rest else kind


def _key(arn: str) -> str:
    fields = _fields(arn)
    return arn if fields is None else ":".join(fields)


def _of_arn(arn: str) -> Box:
    fields = _fields(arn)
    if fields is None:
        kind = "service" if arn.endswith((".amazonaws.com", ".amazonaws.com.cn")) else ""
        return Box(arn, "", kind, arn)
    account, resource = fields
    return Box(resource, account, resource.partition("/")[0], arn)

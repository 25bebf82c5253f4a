"""Walks over role hops: enough of them that a goal is reached by one of these if it is reached at all."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.graph.edges import passed_or_inherited
from iamsim.graph.issued import of_session
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.graph.edges import Edge
    from iamsim.model.caller import Caller

MAX_STEPS = 5000
"""Walks that may be extended for one question."""

MAX_CHECKS = 400
"""Walks of which one question may check whether their hops are possible together."""

VISITS = 3
"""How often a walk may come to a role: again with another name, other tags or another source identity."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The hops that `start` ("") and the roles may make, and the variables that the request reads at each goal."""

    start: Caller
    edges: Mapping[str, Mapping[str, Edge]]
    goals: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Walk:
    """A walk: its roles, what its last session may carry from further back, and whether every hop is sure."""

    path: tuple[str, ...]
    carried: tuple[object, ...]
    sure: bool


def walks(
    graph: Graph, is_open: Callable[[tuple[str, ...]], bool | None]
) -> Iterator[tuple[tuple[str, ...], bool] | None]:
    """Walks to goals as tuples of roles, shortest first, then by ARN, each with whether all hops are sure by themselves;
    None if there are too many to go on.

    Of walks that lead to the same session state only the first is extended. `is_open` tells whether the hops of a walk
    are certainly possible together (None: they are not). Walks that may be completed in fewer hops are looked at first:
    detours only once no shorter walk led to a goal.
    """
    far = _far(graph)
    readers = {n for n in far if _reads_session(graph, n, far)}
    history = _history_matters(graph, far)
    seen: dict[object, bool] = {}
    todo: list[tuple[int, int, tuple[str, ...], _Walk, Edge | None]]
    todo = [(far.get("", 0), 0, (), _Walk((), _start_state(graph.start), sure=True), None)]
    steps = checks = 0
    while todo:
        _, _, _, walk, edge = heapq.heappop(todo)
        if steps > MAX_STEPS or checks > MAX_CHECKS:
            yield None
            return
        here = walk.path[-1] if walk.path else ""
        tail = _tail(graph, walk.path, readers) if walk.path else ()
        if edge is not None:
            key = (tail, walk.carried if history else ())
            if seen.get(key, False) or (key in seen and not walk.sure):
                continue
            if walk.path[1:] and any(of_session(v) or (history and passed_or_inherited(v)) for v in edge.read):
                checks += 1
                certain = is_open(walk.path)
                if certain is None:
                    continue
                walk = replace(walk, sure=walk.sure and certain)
            seen[key] = walk.sure
            if here in graph.goals:
                yield walk.path, walk.sure
        steps += 1
        for role, edge in sorted(graph.edges.get(here, {}).items()):
            if role not in far or walk.path.count(role) >= (VISITS if history or role in readers else 1):
                continue
            following = _extended(walk, role, edge, tail)
            length = len(following.path)
            heapq.heappush(todo, (length + far[role], length, following.path, following, edge))


def _far(graph: Graph) -> dict[str, int]:
    """The nodes from which some goal may be reached, each with the least number of hops to one."""
    into: dict[str, list[str]] = {}
    for node, found in graph.edges.items():
        for role in found:
            into.setdefault(role, []).append(node)
    out = dict.fromkeys(graph.goals, 0)
    todo = list(out)
    for role in todo:
        for node in into.get(role, ()):
            if node not in out:
                out[node] = out[role] + 1
                todo.append(node)
    return out


def _reads_session(graph: Graph, node: str, far: Mapping[str, int]) -> bool:
    read = graph.goals.get(node, frozenset())
    edges = [e.read for r, e in graph.edges.get(node, {}).items() if r in far]
    return any(of_session(v) for r in (read, *edges) for v in r)


def _history_matters(graph: Graph, far: Mapping[str, int]) -> bool:
    """Whether some request reads tags or a source identity that could have been set more than one hop before."""
    edges = [e for n in far for r, e in graph.edges.get(n, {}).items() if r in far]
    read = {v.rpartition("|")[2] for r in (*graph.goals.values(), *(e.read for e in edges)) for v in r}
    start = graph.start
    if start.transitive or start.source_identity is not None:
        return True
    tags = any(v.startswith(("aws:principaltag/", "aws:requesttag/")) or v.endswith("tagkeys") for v in read)
    if tags and (start.open_tags or any(e.tags is not False for e in edges)):
        return True
    named = any(v.endswith("sourceidentity") for v in read)
    return named and (start.open_source_identity or any(e.identity is not False for e in edges))


# What may come from further back, for tags and for a source identity each: nothing, only with a permission that may be
# missing (X25), or anything that some hop can set.
_NONE, _UNSURE, _ANY = "none", "unsure", "any"


def _start_state(start: Caller) -> tuple[object, ...]:
    role = start.kind is CallerKind.ROLE_SESSION
    tags = _ANY if role and start.open_tags else _NONE
    fixed_tags = _ANY if start.transitive else _NONE
    identity = _ANY if role and start.open_source_identity else _NONE
    fixed_identity = _ANY if start.source_identity is not None else _NONE
    return ((), tags, fixed_tags, identity, fixed_identity)


def _extended(walk: _Walk, role: str, edge: Edge, tail: tuple[str, ...]) -> _Walk:
    """The walk with one more hop. A hop that constrains what is carried starts a new account of it."""
    path = (*walk.path, role)
    sure = walk.sure and edge.sure
    if not edge.plain or edge.tags is None or edge.identity is None:
        return _Walk(path, ((walk.carried, tail, role), _NONE, _ANY, _NONE, _ANY), sure)
    before, tags, fixed_tags, identity, fixed_identity = walk.carried
    state = (
        before,
        _step(tags, can_set=edge.tags, fixed=False),
        _step(fixed_tags, can_set=edge.tags, fixed=True),
        _step(identity, can_set=edge.identity, fixed=False),
        _step(fixed_identity, can_set=edge.identity, fixed=True),
    )
    return _Walk(path, state, sure)


def _step(state: object, *, can_set: bool, fixed: bool) -> str:
    """What may be carried after a hop whose permission to set it is there or not."""
    if can_set:
        return str(state) if fixed else _ANY
    return _NONE if state == _NONE else _UNSURE


def _tail(graph: Graph, path: tuple[str, ...], readers: set[str]) -> tuple[str, ...]:
    """The end of a walk on which the state of its last session depends, tags and source identity from before aside."""
    if path[-1] not in readers:
        return path[-1:]
    nodes = ("", *path)
    at = len(nodes) - 2
    while at > 0 and any(of_session(v) for v in graph.edges[nodes[at]][nodes[at + 1]].read):
        at -= 1
    return nodes[at:]

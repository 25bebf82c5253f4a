"""Laws of walks over role hops: those that may be completed in fewer hops come first, and nothing else changes."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from iamsim.graph.edges import Edge, passed_or_inherited
from iamsim.graph.issued import of_session
from iamsim.graph.walks import (
    VISITS,
    Graph,
    _extended,
    _far,
    _history_matters,
    _reads_session,
    _start_state,
    _tail,
    _Walk,
    walks,
)
from iamsim.model.caller import Caller, CallerKind

SOME = 30
ROLES = "abcdef"
READ = ("2|aws:principaltag/team", "2|aws:sourceidentity", "2|aws:requesttag/team", "2|aws:sourceip")
READS = st.frozensets(st.sampled_from(READ), max_size=2)
TOLD = st.sampled_from((True, False, None))
EDGE = st.builds(Edge, sure=st.booleans(), read=READS, tags=TOLD, identity=TOLD, plain=st.booleans())
EDGES = st.dictionaries(st.sampled_from(ROLES), EDGE, max_size=4)
START = st.sampled_from((
    Caller(kind=CallerKind.USER, arn="arn:aws:iam::111111111111:user/u"),
    Caller(kind=CallerKind.ROLE_SESSION, arn="arn:aws:iam::111111111111:role/r", open_tags=True, open_source_identity=True),
))  # fmt: skip
GRAPH = st.builds(
    Graph,
    START,
    st.fixed_dictionaries(dict.fromkeys(("", *ROLES), EDGES)),
    st.dictionaries(st.sampled_from(ROLES), READS, min_size=1, max_size=2),
)


def breadth_first(graph, is_open):
    """The walks with all of one length looked at before any longer one."""
    far = _far(graph)
    readers = {n for n in far if _reads_session(graph, n, far)}
    history = _history_matters(graph, far)
    seen, todo = {}, deque([_Walk((), _start_state(graph.start), sure=True)])
    while todo:
        walk = todo.popleft()
        here = walk.path[-1] if walk.path else ""
        tail = _tail(graph, walk.path, readers) if walk.path else ()
        for role, edge in sorted(graph.edges.get(here, {}).items()):
            if role not in far or walk.path.count(role) >= (VISITS if history or role in readers else 1):
                continue
            following = _extended(walk, role, edge, tail)
            key = (_tail(graph, following.path, readers), following.carried if history else ())
            if seen.get(key, False) or (key in seen and not following.sure):
                continue
            if walk.path and any(of_session(v) or (history and passed_or_inherited(v)) for v in edge.read):
                certain = is_open(following.path)
                if certain is None:
                    continue
                following = replace(following, sure=following.sure and certain)
            seen[key] = following.sure
            if role in graph.goals:
                yield following.path, following.sure
            todo.append(following)


@given(GRAPH, st.integers(0, 1 << 20))
def test_walks_are_those_of_a_breadth_first_search(graph, seed):
    def is_open(path):
        return (True, True, False, None)[sum(map(ord, "".join(path))) * (seed | 1) // 7 % 4]

    found = list(islice(walks(graph, is_open), SOME))
    mine = [walk for walk in found if walk is not None]
    whole = len(found) < SOME and None not in found
    assert list(islice(breadth_first(graph, is_open), None if whole else len(mine))) == mine

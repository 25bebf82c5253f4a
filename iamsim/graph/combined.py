"""Techniques of several calls that no controlled principal can make alone, but several of one account can between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.alike import OWN_NAMES, told_alike
from iamsim.graph.calls import Wanted, check_in
from iamsim.graph.changing import SUBJECT, WANTED
from iamsim.graph.crews import as_loaded, may_give, requests_of, uses
from iamsim.graph.dominated import not_dominated
from iamsim.graph.firing import sweeping
from iamsim.graph.gains import asked_about
from iamsim.graph.issued import issuer, told_issuers
from iamsim.graph.means import TAKEOVERS, may_do, may_do_of, means_of, plausible, techniques_of
from iamsim.graph.names import to_bind
from iamsim.graph.newtags import tagging_created, tagging_new
from iamsim.graph.outcomes import RECREATES
from iamsim.graph.permitted import one
from iamsim.graph.policies import every_policy
from iamsim.graph.reach import fires_within_reach
from iamsim.graph.ruled import not_held, ruled, ruler_of, signature
from iamsim.graph.settled import is_untouched, stands_alone, unsettled
from iamsim.graph.state import SIGNED, Closure, loaded
from iamsim.graph.wants import creatable, wanted_anywhere
from iamsim.graph.world import Node, relevant, worlds
from iamsim.ir.bounds import may
from iamsim.ir.term import FALSE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from iamsim.aws.escalations import Call, Technique, Variant
    from iamsim.env.changes import Change
    from iamsim.env.types import Environment
    from iamsim.graph.crews import Worlds
    from iamsim.graph.moves import Firing
    from iamsim.graph.world import Search

MAX_CREWS = 500
"""Ways to share out the requests of one variant that are tried."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A node that may make a request, and what stands for all that are alike for it."""

    node: Node
    kin: object


def combined(closure: Closure) -> Iterator[Firing]:
    """The uses of techniques whose requests several controlled principals of an account share, for what is not held yet."""
    of_account = closure.known.of_account
    left: dict[str | None, list[Node]] = {}
    for node in map(closure.nodes.__getitem__, unsettled(closure)):
        left.setdefault(node.caller.account, []).append(node)
    for account in left if not stands_alone(closure) else [a for a in left if _may_join(closure, left[a])]:
        # both only grow
        key, mine = ("combined", account), (len(of_account.get(account, ())), len(closure.changes))
        if closure.done.get(key) == mine:
            continue
        closure.done[key] = mine
        every = (closure.nodes[n] for n in of_account.get(account, ()) if closure.follows(n))
        nodes = [n for n in every if n.caller.kind in SIGNED and loaded(closure, n)]
        if len(nodes) > 1:
            yield from _of_account(closure, account, nodes)


def _may_join(closure: Closure, nodes: list[Node]) -> bool:
    """Whether some of the nodes, of an account that another rules, may be needed in a crew."""
    search = closure.search
    shareable = shareable_of(search)
    able = _with_means(closure, shareable, nodes)
    return any(_unruled(search, shareable.techniques, n, ruled=ruled(closure, n)) for n in able)


def _of_account(closure: Closure, account: str | None, nodes: list[Node]) -> Iterable[Firing]:
    search = closure.search
    ruler = None if closure.every else ruler_of(closure, account)
    shareable = shareable_of(search)
    nodes = _of_most_reach(closure, _with_means(closure, shareable, nodes))
    if len(nodes) < 2:
        return ()
    nodes = sorted(nodes, key=lambda n: n.name != ruler)
    every = shareable.techniques
    # whoever may do everything makes the requests of all others whom no policy spares what it refuses the ruler
    free = {n.name: _unruled(search, every, n, ruled=ruler not in (None, n.name)) for n in nodes}
    nodes = [n for n in nodes if free[n.name]]
    if len(nodes) < 2:
        return ()
    return tuple(_of_nodes(closure, shareable, nodes, free))


def _of_most_reach(closure: Closure, nodes: list[Node]) -> list[Node]:
    """The nodes, but for those of principals that are controlled fully as well, as long as no policy tells apart which service
    issued their sessions.
    """
    if closure.every or told_issuers(closure.search.env):
        return nodes
    full = {n.name for n in nodes if n.full}
    return [n for n in nodes if n.full or n.name.rpartition("#")[0] not in full]


def _of_nodes(
    closure: Closure, shareable: _Shareable, nodes: list[Node], free: dict[str, frozenset[str]]
) -> Iterator[Firing]:
    search = closure.search
    among: Worlds = {}
    who: dict[str, object] = {}
    for node in nodes:
        arn, mine = node.caller.arn or "", signature(closure, node)
        among[node.name] = worlds(search.env, relevant(search.env, mine, (arn,)), (arn,))
        who[node.name] = _as_node(closure, node, mine)
    means = {n.name: means_of(search, among[n.name], n) for n in nodes}
    most = frozenset[str]().union(*means.values())
    worth: dict[str, bool] = {}
    plain = as_loaded(closure, nodes, among)
    # nodes that have the same means and may be needed for the same techniques, with their places among all
    sorts: dict[tuple[frozenset[str], frozenset[str]], list[int]] = {}
    for place, node in enumerate(nodes):
        sorts.setdefault((means[node.name], free[node.name]), []).append(place)
    for technique, number, requests, actions, tags in shareable.variants:
        variant = technique.variants[number]
        if not most.issuperset(variant.actions):
            continue
        if technique.id not in worth:
            worth[technique.id] = any(technique.id in f for f in free.values()) and _worth(closure, technique, nodes)
        if not worth[technique.id]:
            continue
        fit = [(m, places) for (m, f), places in sorts.items() if technique.id in f]
        having = [[nodes[i] for i in sorted(i for m, places in fit if m >= a for i in places)] for a in actions]
        if not all(having) or not may_give(closure, technique, number, plain):
            continue
        taggers = [n for n in nodes if tags and any(_may_tag(search, e, n, tags) for e in among[n.name])]
        between = any(h != having[0] or len(h) > 1 for h in having)
        if not taggers and not between:
            continue
        able = [
            _able(closure, technique, number, place, c, h, among, who)
            for place, (c, h) in enumerate(zip(requests, having, strict=True))
        ]
        if between:
            yield from _of_variant(closure, technique, number, able, among)
        if taggers:
            yield from _of_variant(closure, technique, number, able, among, taggers)


def _as_node(closure: Closure, node: Node, mine: frozenset[Change]) -> object | None:
    """What decides the requests that the node may make after the changes `mine`; None if the question does."""
    about = asked_about(closure, node)
    if about is None:
        return None
    key = ("as-node", node.caller, node.reach, node.only, node.made, mine, about)
    return once(closure.search.env.memo, key, object)


@dataclass(frozen=True, slots=True)
class _Shareable:
    """The techniques with a variant of several requests, and these variants: by number, their requests, what each
    calls, and the actions that tag what they create.

    `actions` are all that they call, `tags` those with which what they create may have to be tagged.
    """

    techniques: list[Technique]
    variants: tuple[tuple[Technique, int, list[tuple[Call, ...]], tuple[frozenset[str], ...], frozenset[str]], ...]
    actions: frozenset[str]
    tags: frozenset[str]


def shareable_of(search: Search) -> _Shareable:
    """What can be shared out, worked out once for a catalogue."""
    return once(search.env.memo, (id(search.catalogue), "shareable"), _shareable, search)[0]


def _shareable(search: Search) -> tuple[_Shareable, object]:
    """What can be shared out, with the catalogue that it is of."""
    every = techniques_of(search, None, leave=("sets-tags", *TAKEOVERS))
    found = [(t, n, requests_of(v)) for t in every for n, v in enumerate(t.variants)]
    variants = tuple(
        (t, n, r, tuple(map(_actions, r)), _tagging(search, t.variants[n])) for t, n, r in found if len(r) > 1
    )
    called = frozenset[str]().union(*(a for *_, actions, _ in variants for a in actions))
    tags = frozenset(a.lower() for *_, mine in variants for a in mine)
    return _Shareable(list(dict.fromkeys(t for t, *_ in variants)), variants, called, tags), search.catalogue


def _with_means(closure: Closure, shareable: _Shareable, nodes: list[Node]) -> list[Node]:
    """Those of the nodes that may make some request, or tag for one."""
    search = closure.search
    key = ("with-means", search.ask.missing, id(search.catalogue))
    known = once(search.env.memo, key, lambda: (dict[str, bool](), search.catalogue))[0]
    out = []
    for node in nodes:
        if node.made and is_untouched(closure, node):
            if node.name not in known:
                able = not may_do(search, search.env, node).isdisjoint(shareable.actions)
                known[node.name] = able or bool(may_do_of(search, search.env, node, shareable.tags))
            if not known[node.name]:
                continue
        out.append(node)
    return out


def _unruled(search: Search, every: list[Technique], node: Node, *, ruled: bool) -> frozenset[str]:
    """The techniques, of a list that is kept with the environment, for whose calls the node may be needed."""
    key = (id(every), "unruled", node.caller.arn if ruled else None)
    return once(search.env.memo, key, _unruled_ids, search, every, node, ruled)[0]


def _unruled_ids(
    search: Search, every: list[Technique], node: Node, ruled: bool
) -> tuple[frozenset[str], list[Technique]]:
    some = not_dominated(search.env, every, node.caller.arn or "") if ruled else every
    return one(frozenset(t.id for t in some)), every  # kept, so that its id stays its own


def _tagging(search: Search, variant: Variant) -> frozenset[str]:
    """The actions that tag what the variant creates, where some policy reads tags of resources."""
    if not once(search.env.memo, "reads-resource-tags", _reads_tags, search.env):
        return frozenset()
    return tagging_created(search, variant.calls)


def _may_tag(search: Search, env: Environment, node: Node, actions: frozenset[str]) -> bool:
    spoken = (a for a in sorted(actions) if plausible(env, node, a.lower(), None))
    checks = (check_in(search, env, node, Wanted(a, "$any", ())) for a in spoken)
    return any(may(c.authorization.allowed) is not FALSE for c in checks)


def _reads_tags(env: Environment) -> bool:
    return any(":resourcetag/" in c.key.lower() for p in every_policy(env) for s in p.statements for c in s.conditions)


def _actions(calls: tuple[Call, ...]) -> frozenset[str]:
    return frozenset(c.action.lower() for c in calls)


def _able(
    closure: Closure,
    technique: Technique,
    number: int,
    place: int,
    calls: tuple[Call, ...],
    nodes: list[Node],
    among: Worlds,
    who: dict[str, object],
) -> list[_Member]:
    """The nodes that may make one request; of those that are alike one, and of those that may make it in any case one alone."""
    memo, out = closure.search.env.memo, dict[object, _Member]()
    for node in nodes:
        same, of = who[node.name], (closure, technique, calls, node, among[node.name])
        kin, always = (
            _makes(*of) if same is None else once(memo, ("makes", technique.id, number, place, same), _makes, *of)
        )
        if kin is not None:
            member = _Member(node, kin)
            if always:
                return [member]
            out.setdefault(kin, member)
    return list(out.values())


def _makes(
    closure: Closure, technique: Technique, calls: tuple[Call, ...], node: Node, among: tuple[Environment, ...]
) -> tuple[object, bool]:
    """What stands for all nodes that are alike for a request, None if the node cannot make it; and whether it can in any case."""
    search = closure.search
    if not fires_within_reach(node, tuple(c.action for c in calls)):
        return None, False
    kin = told_alike(search, node, signature(closure, node), among, _actions(calls) | tagging_new(search, calls))
    swept = None
    if len(among) == 1 and (node.name or not search.ask.given):
        swept = sweeping(search, node, technique, calls, among[0], kin)
    if swept is False:
        return None, False
    return (node.caller, node.reach, node.only, node.made) if kin is None else kin, swept is True


def _of_variant(
    closure: Closure,
    technique: Technique,
    number: int,
    able: list[list[_Member]],
    among: Worlds,
    taggers: Sequence[Node] = (),
) -> Iterator[Firing]:
    """The uses of a variant by the crews that can be made up, or by those with one more of whom only a tag is needed."""
    search, variant = closure.search, technique.variants[number]
    crews = (c for c in product(*able) if len({m.node.name for m in c}) > 1)
    if taggers:
        beside = [_Member(n, None) for n in taggers]
        crews = (c for c in product(*able, beside) if c[-1].node not in [m.node for m in c[:-1]])
    told = (
        not taggers
        and not tagging_new(search, variant.calls)
        and OWN_NAMES.isdisjoint(to_bind(search, technique, number))
    )
    for tried, members in enumerate(islice(crews, MAX_CREWS + 1)):
        if tried == MAX_CREWS:
            closure.unsettled.add(f"budget:more than {MAX_CREWS} ways to share out the calls of {technique.id}")
            return
        crew = tuple(m.node for m in members)
        about = tuple(asked_about(closure, n) for n in crew)
        kin = None
        if told and None not in about:
            same = tuple(crew.index(n) for n in crew)  # who makes two requests is not like two who make one each
            key = ("crew", technique.id, number, about, same, *(m.kin for m in members))
            kin = once(search.env.memo, key, object)
        yield from uses(closure, technique, number, crew, among, kin)


def _worth(closure: Closure, technique: Technique, nodes: list[Node]) -> bool:
    """Whether the technique can give something that is not held yet."""
    kind = technique.outcome.type
    if closure.sure and kind in RECREATES:
        return False
    if kind == "becomes":
        told = closure.every or technique.outcome.reach not in _FULL or bool(issuer(closure.search.env, technique))
        return told or bool(not_held(closure, nodes[0].caller.account))
    if kind == "creates-principal":
        return any(creatable(closure, n, technique) for n in nodes)
    subject = SUBJECT.get(kind)
    return subject is None or any(wanted_anywhere(closure, WANTED.get(kind, subject)))


_FULL = ("session", "console", "api-any")

"""Techniques of several calls that no controlled principal can make alone, but several of one account can between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.alike import OWN_NAMES, told_alike
from iamsim.graph.calls import Wanted, check_in
from iamsim.graph.changing import SUBJECT, WANTED
from iamsim.graph.dominated import not_dominated
from iamsim.graph.firing import ONE, Requests, attempt, numbered, outcome_of, sweeping
from iamsim.graph.gains import asked_about
from iamsim.graph.means import TAKEOVERS, may_do, may_do_of, means_of, plausible, techniques_of
from iamsim.graph.moves import BESIDES, Firing, fewest_of
from iamsim.graph.names import each_binding, names_in, values
from iamsim.graph.newtags import tagging
from iamsim.graph.outcomes import AGAIN, RECREATES, gained, named_node
from iamsim.graph.policies import every_policy
from iamsim.graph.reach import fires_within_reach
from iamsim.graph.ruled import not_held, ruler_of, signature
from iamsim.graph.settled import is_untouched, unsettled
from iamsim.graph.state import SIGNED, Closure, Fact, loaded
from iamsim.graph.wants import creatable, wants
from iamsim.graph.world import Node, own_creation, relevant, worlds
from iamsim.ir.bounds import may
from iamsim.ir.term import FALSE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from iamsim.aws.escalations import Call, Technique, Variant
    from iamsim.env.changes import Change
    from iamsim.env.types import Environment
    from iamsim.graph.outcomes import Gain
    from iamsim.graph.world import Search

MAX_CREWS = 200
"""Ways to share out the requests of one variant that are tried."""

Crew = tuple[Node, ...]
"""The node that makes each request of a variant."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A node that may make a request, and what stands for all that are alike for it."""

    node: Node
    kin: object


Worlds = dict[str, tuple["Environment", ...]]


def combined(closure: Closure) -> Iterator[Firing]:
    """The uses of techniques whose requests several controlled principals of an account share, for what is not held yet."""
    of_account = closure.known.of_account
    for account in dict.fromkeys(closure.nodes[n].caller.account for n in unsettled(closure)):
        every = ((n, closure.nodes[n]) for n in of_account.get(account, ()) if closure.follows(n))
        nodes = [node for _, node in every if node.caller.kind in SIGNED and loaded(closure, node)]
        key = ("combined", account, frozenset(n.name for n in nodes), closure.changes)
        if len(nodes) > 1 and key not in closure.done:
            closure.done[key] = True
            yield from _of_account(closure, account, nodes)


def _of_account(closure: Closure, account: str | None, nodes: list[Node]) -> Iterable[Firing]:
    search = closure.search
    ruler = None if closure.every else ruler_of(closure, account)
    shareable = once(search.env.memo, (id(search.catalogue), "shareable"), _shareable, search)[0]
    nodes = _with_means(closure, shareable, nodes)
    if len(nodes) < 2:
        return ()
    nodes = sorted(nodes, key=lambda n: n.name != ruler)
    every = shareable.techniques
    # whoever may do everything makes the requests of all others whom no policy spares what it refuses the ruler
    free = {n.name: _unruled(search, every, n, ruled=ruler not in (None, n.name)) for n in nodes}
    nodes = [n for n in nodes if free[n.name]]
    if len(nodes) < 2:
        return ()
    about = tuple((n, tuple(sorted(free[n.name])), asked_about(closure, n)) for n in nodes)
    if any(a is None for _, _, a in about):
        return _of_nodes(closure, shareable, nodes, free)
    key, before = ("combined", about, closure.sure, frozenset(closure.how)), len(closure.unsettled)
    found: tuple[Firing, ...] | None = search.env.memo.get(key)
    if found is None:
        found = tuple(_of_nodes(closure, shareable, nodes, free))
        if before == len(closure.unsettled):
            search.env.memo[key] = found
    return found


def _of_nodes(
    closure: Closure, shareable: _Shareable, nodes: list[Node], free: dict[str, frozenset[str]]
) -> Iterator[Firing]:
    search = closure.search
    among: Worlds = {}
    for node in nodes:
        arn = node.caller.arn or ""
        among[node.name] = worlds(search.env, relevant(search.env, signature(closure, node), (arn,)), (arn,))
    means = {n.name: means_of(search, among[n.name], n) for n in nodes}
    most = frozenset[str]().union(*means.values())
    worth: dict[str, bool] = {}
    # nodes that have the same means and may be needed for the same techniques, with their places among all
    sorts: dict[tuple[frozenset[str], frozenset[str]], list[int]] = {}
    for place, node in enumerate(nodes):
        sorts.setdefault((means[node.name], free[node.name]), []).append(place)
    for technique, number, requests, actions in shareable.variants:
        variant = technique.variants[number]
        if not most.issuperset(variant.actions):
            continue
        if technique.id not in worth:
            worth[technique.id] = any(technique.id in f for f in free.values()) and _worth(closure, technique, nodes)
        if not worth[technique.id]:
            continue
        mine = [(m, places) for (m, f), places in sorts.items() if technique.id in f]
        having = [[nodes[i] for i in sorted(i for m, places in mine if m >= a for i in places)] for a in actions]
        if any(h != having[0] or len(h) > 1 for h in having):
            able = [_able(closure, technique, c, h, among) for c, h in zip(requests, having, strict=True)]
            yield from _of_variant(closure, technique, number, able, among)
        tags = _tagging(search, variant) if all(having) else frozenset()
        taggers = [n for n in nodes if tags and any(_may_tag(search, e, n, tags) for e in among[n.name])]
        if taggers:
            able = [_able(closure, technique, c, h, among) for c, h in zip(requests, having, strict=True)]
            yield from _of_variant(closure, technique, number, able, among, taggers)


@dataclass(frozen=True, slots=True)
class _Shareable:
    """The techniques with a variant of several requests, and these variants: by number, their requests and what each calls.

    `actions` are all that they call, `tags` those with which what they create may have to be tagged.
    """

    techniques: list[Technique]
    variants: tuple[tuple[Technique, int, list[tuple[Call, ...]], tuple[frozenset[str], ...]], ...]
    actions: frozenset[str]
    tags: frozenset[str]


def _shareable(search: Search) -> tuple[_Shareable, object]:
    """What can be shared out, with the catalogue that it is of."""
    every = techniques_of(search, None, leave=("sets-tags", *TAKEOVERS))
    found = [(t, n, _requests(v)) for t in every for n, v in enumerate(t.variants)]
    variants = tuple((t, n, r, tuple(map(_actions, r))) for t, n, r in found if len(r) > 1)
    called = frozenset[str]().union(*(a for *_, actions in variants for a in actions))
    tags = frozenset(a.lower() for t, n, *_ in variants for a in _tagging(search, t.variants[n]))
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
    """The techniques for whose calls the node may be needed."""
    return frozenset(t.id for t in (not_dominated(search.env, every, node.caller.arn or "") if ruled else every))


def _tagging(search: Search, variant: Variant) -> frozenset[str]:
    """The actions that tag what the variant creates, where some policy reads tags of resources."""
    if not once(search.env.memo, "reads-resource-tags", _reads_tags, search.env):
        return frozenset()
    new = {r for c in variant.calls for r in c.resources if r.startswith("$new-")}
    templates = (search.catalogue.resource_types.get(r.removeprefix("$new-"), "") for r in new)
    return frozenset(a for t in templates for a in tagging(t))


def _may_tag(search: Search, env: Environment, node: Node, actions: frozenset[str]) -> bool:
    spoken = (a for a in sorted(actions) if plausible(env, node, a.lower(), None))
    checks = (check_in(search, env, node, Wanted(a, "$any", ())) for a in spoken)
    return any(may(c.authorization.allowed) is not FALSE for c in checks)


def _reads_tags(env: Environment) -> bool:
    return any(":resourcetag/" in c.key.lower() for p in every_policy(env) for s in p.statements for c in s.conditions)


def _actions(calls: tuple[Call, ...]) -> frozenset[str]:
    return frozenset(c.action.lower() for c in calls)


def _requests(variant: Variant) -> list[tuple[Call, ...]]:
    """The calls of each request, in the order of their numbers."""
    out: dict[int, list[Call]] = {}
    for n, call in numbered(variant.calls, ONE):
        out.setdefault(n, []).append(call)
    return [tuple(out[n]) for n in sorted(out)]


def _able(
    closure: Closure,
    technique: Technique,
    calls: tuple[Call, ...],
    nodes: list[Node],
    among: Worlds,
) -> list[_Member]:
    """The nodes that may make one request; of those that are alike one, and of those that may make it in any case one alone."""
    search = closure.search
    out: dict[object, _Member] = {}
    actions = _actions(calls)
    for node in nodes:
        if not fires_within_reach(node, tuple(c.action for c in calls)):
            continue
        here = among[node.name]
        alike = told_alike(search, node, signature(closure, node), here, actions)
        swept = _sweeps(closure, technique, calls, node, here, alike)
        if swept is not False:
            kin = (node.caller, node.reach, node.only, node.made) if alike is None else alike
            member = _Member(node, kin)
            if swept:
                return [member]
            out.setdefault(kin, member)
    return list(out.values())


def _sweeps(
    closure: Closure,
    technique: Technique,
    calls: tuple[Call, ...],
    node: Node,
    among: tuple[Environment, ...],
    alike: object,
) -> bool | None:
    if len(among) != 1 or (not node.name and closure.search.ask.given):
        return None
    return sweeping(closure.search, node, technique, calls, among[0], alike)


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
    told = not taggers and not _tagging(search, variant) and OWN_NAMES.isdisjoint(names_in(technique, variant))
    for tried, members in enumerate(islice(crews, MAX_CREWS + 1)):
        if tried == MAX_CREWS:
            closure.unsettled.add(f"budget:more than {MAX_CREWS} ways to share out the calls of {technique.id}")
            return
        crew = tuple(m.node for m in members)
        about = tuple(asked_about(closure, n) for n in crew)
        kin = None
        if told and None not in about:
            kin = once(search.env.memo, ("crew", technique.id, number, about, *(m.kin for m in members)), object)
        for bound in _bindings(closure, technique, number, crew, among):
            fired = _fire(closure, technique, number, crew, bound, among, kin)
            if fired is not None:
                yield fired


def _bindings(
    closure: Closure, technique: Technique, number: int, crew: Crew, among: Worlds
) -> Iterator[dict[str, str]]:
    """What the names of the variant can stand for, each call on it plausible for its caller."""
    search, variant = closure.search, technique.variants[number]
    names = names_in(technique, variant)
    by = {id(c): node for calls, node in zip(_requests(variant), crew, strict=False) for c in calls}
    becomes = technique.outcome.get("who") if technique.outcome.type == "becomes" else None

    def choices(name: str, bound: dict[str, str]) -> Iterator[str]:
        every = (
            v for n in dict.fromkeys(crew) for e in among[n.name] for v in values(search, e, n, variant, name, bound)
        )
        callers = [(c, by[id(c)]) for c in variant.calls if name in c.resources]
        for value in dict.fromkeys(every):
            if name == becomes and _becomes_nobody_new(closure, technique, value):
                continue
            if all(
                ":" not in value or any(plausible(e, n, c.action.lower(), value) for e in among[n.name])
                for c, n in callers
            ):
                yield value

    yield from each_binding(names, choices)


def _fire(
    closure: Closure,
    technique: Technique,
    number: int,
    crew: Crew,
    bound: dict[str, str],
    among: Worlds,
    kin: object = None,
) -> Firing | None:
    """The use of a variant by a crew in one binding; `kin` stands for all crews that are alike for it."""
    search, variant = closure.search, technique.variants[number]
    gains = gained(search, among[crew[0].name][0], technique, variant, crew[0], bound)
    if not gains or not _lacking(closure, technique, gains):
        return None
    about = (*(n.caller.arn or "" for n in crew), *sorted(v for v in bound.values() if ":" in v))
    needs = closure.relevant_to_all(crew, *about)
    vain = _in_vain(search, crew, bound) if kin is not None and not needs else set()
    if (kin, *sorted(bound.items())) in vain:
        return None
    requests = len(_requests(variant))

    def shared(main: Node) -> Requests:
        return Requests(others=_others(crew, requests, main))

    def works(some: frozenset[Change]) -> tuple[bool, tuple[str, ...]] | None:
        tried = attempt(search, main, technique, variant, bound, some, shared(main))
        return None if tried is None else outcome_of(search, tried)

    main = crew[requests - 1]
    tried = attempt(search, main, technique, variant, bound, needs, shared(main))
    found = None if tried is None else outcome_of(search, tried)
    if tried is None or found is None:
        vain.add((kin, *sorted(bound.items())))
        return None
    readers = [n for n in dict.fromkeys(crew) if n.made and n.caller in tried.readers]
    main = readers[0] if readers else main
    sure, reasons = found
    if len(readers) > 1:
        sure, reasons = False, ("unsupported:calls of two sessions of which both depend on what they carry",)
    if technique.outcome.type in RECREATES:
        sure, reasons = False, AGAIN
    needs = fewest_of(own_creation(needs, about), needs, lambda some: (works(some) or (False,))[0] >= found[0])
    others = tuple((r, n.name) for r, n in _others(crew, requests, main))
    names = tuple(sorted(bound.items()))
    return Firing(
        technique.id, number, main.name, names, gains, sure, needs, bool(readers), tried.assumed, reasons, others
    )  # fmt: skip


def _in_vain(search: Search, crew: Crew, bound: dict[str, str]) -> set[object]:
    """What crews were found to try in vain as everything was loaded, unless it is about one of them."""
    if any(n.caller.arn in bound.values() for n in crew):
        return set()
    return once(search.env.memo, "tried-in-vain", set)


def _others(crew: Crew, requests: int, main: Node) -> tuple[tuple[int, Node], ...]:
    """The nodes of the crew but `main`, by the numbers of their requests; behind those of the requests who only tags."""
    numbers = (*range(1, requests + 1), BESIDES)
    return tuple((r, n) for r, n in zip(numbers, crew, strict=False) if n is not main)


def _worth(closure: Closure, technique: Technique, nodes: list[Node]) -> bool:
    """Whether the technique can give something that is not held yet."""
    kind = technique.outcome.type
    if closure.sure and kind in RECREATES:
        return False
    if kind == "becomes":
        return closure.every or technique.outcome.reach not in _FULL or bool(not_held(closure, nodes[0].caller.account))
    if kind == "creates-principal":
        return any(creatable(closure, n, technique) for n in nodes)
    subject = SUBJECT.get(kind)
    return subject is None or any(wants(closure, a)[WANTED.get(kind, subject)] for a in closure.known.of_account)


_FULL = ("session", "console", "api-any")


def _lacking(closure: Closure, technique: Technique, gains: tuple[Gain, ...]) -> bool:
    """Whether some gain is not held yet and worth having."""
    facts: list[Fact] = [g.name if isinstance(g, Node) else g for g in gains]
    if all(f in closure.how and any(k.sure >= closure.sure for k in closure.how[f]) for f in facts):
        return False
    if technique.outcome.type not in SUBJECT or technique.outcome.type == "recreates-elsewhere":
        return not (len(gains) == 1 and isinstance(gains[0], Node) and _held(closure, gains[0]))
    what = WANTED.get(technique.outcome.type, SUBJECT[technique.outcome.type])
    return any(getattr(g, "who", None) in wants(closure, a)[what] for g in gains for a in closure.known.of_account)


def _becomes_nobody_new(closure: Closure, technique: Technique, arn: str) -> bool:
    """Whether what a technique gives that makes one the user or role is held already."""
    known = closure.how.get(named_node(arn, technique.outcome.reach), ())
    return any(k.sure >= closure.sure for k in known) or (not closure.every and arn in closure.nodes)


def _held(closure: Closure, gain: Node) -> bool:
    """Whether its principal is controlled fully already."""
    return not closure.every and (gain.caller.arn or "") in closure.nodes

"""The uses of a technique by a crew, whose nodes make its requests between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.before import held_before
from iamsim.graph.candidates import names_between, names_renewed
from iamsim.graph.changing import SUBJECT, WANTED
from iamsim.graph.firing import ONE, Requests, attempt, numbered, outcome_of
from iamsim.graph.issued import issuer
from iamsim.graph.means import plausible
from iamsim.graph.moves import BESIDES, Firing, fewest_of
from iamsim.graph.names import each_binding, to_bind, unnamed, values
from iamsim.graph.outcomes import AGAIN, RECREATES, fact_of, gained, named_node
from iamsim.graph.twins import Common, may_be_about, twins_among, unfit
from iamsim.graph.wants import fully_made, wanted_anywhere
from iamsim.graph.world import UNCHANGED, Node, own_creation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from iamsim.aws.escalations import Call, Technique, Variant
    from iamsim.env.changes import Change
    from iamsim.env.types import Environment
    from iamsim.graph.firing import Attempt
    from iamsim.graph.outcomes import Gain
    from iamsim.graph.state import Closure, Fact
    from iamsim.graph.twins import Twins
    from iamsim.graph.world import Search

Crew = tuple[Node, ...]
"""The node that makes each request of a variant; behind them perhaps one who only tags."""

Worlds = dict[str, tuple["Environment", ...]]


def uses(
    closure: Closure, technique: Technique, number: int, crew: Crew, among: Worlds, kin: object
) -> Iterator[Firing]:
    """The uses of a variant by the crew, for what is not held yet; `kin` stands for all crews that are alike for it, if any."""
    tried = None if kin is None else _tried(closure, technique, number, crew, among, kin)
    if tried is not None:
        yield from _of_alike(closure, technique, number, crew, among, tried)
        return
    for bound in _bindings(closure, technique, number, crew, among):
        fired = _fire(closure, technique, number, crew, bound, among, kin)
        if fired is not None:
            yield fired


def as_loaded(closure: Closure, nodes: Sequence[Node], among: Worlds) -> tuple[Node, ...] | None:
    """One of the nodes for each that targets of techniques may tell apart; None if some change is about a node."""
    env = closure.search.env
    if any(len(among[n.name]) != 1 or among[n.name][0] is not env for n in nodes):
        return None
    return tuple({(n.caller.kind, n.caller.account, n.caller.partition): n for n in nodes}.values())


def may_give(closure: Closure, technique: Technique, number: int, nodes: tuple[Node, ...] | None) -> bool:
    """False only if whatever the variant is about is held, or does not meet its preconditions, whoever uses it of those of whom the
    nodes are `as_loaded`.
    """
    search, names = closure.search, to_bind(closure.search, technique, number)
    if technique.outcome.type != "becomes" or names != (technique.outcome.get("who"),) or closure.known.everywhere:
        return True
    if nodes is None:
        return True
    for node in nodes:
        if may_be_about(search, node, technique, number, lambda v: not _becomes_nobody_new(closure, technique, v)):
            return True
        if closure.known.who and any(
            closure.relevant(v) and not _becomes_nobody_new(closure, technique, v)
            for v in unfit(search, node, technique, number)
        ):
            return True
    return False


def requests_of(variant: Variant) -> list[tuple[Call, ...]]:
    """The calls of each request, in the order of their numbers."""
    out: dict[int, list[Call]] = {}
    for n, call in numbered(variant.calls, ONE):
        out.setdefault(n, []).append(call)
    return [tuple(out[n]) for n in sorted(out)]


@dataclass(slots=True)
class _Tried:
    """What crews that are alike come to with each target as everything was loaded.

    `left` are the targets that were not tried in vain, in order; `made` is what it came to with those of them that were tried.
    """

    twins: Twins
    left: list[str]
    made: dict[str, Common] = field(default_factory=dict)


def _tried(
    closure: Closure, technique: Technique, number: int, crew: Crew, among: Worlds, kin: object
) -> _Tried | None:
    """What is kept for crews like this one; None if it is about more than one target, or changes bear on the crew."""
    search, names = closure.search, to_bind(closure.search, technique, number)
    if technique.outcome.type != "becomes" or names != (technique.outcome.get("who"),):
        return None
    if any(len(among[n.name]) != 1 or among[n.name][0] is not search.env for n in crew):
        return None
    if closure.relevant(*(n.caller.arn or "" for n in crew)):
        return None
    twins = twins_among(search, _callers(technique.variants[number], crew), technique, number, kin)
    if twins is None:
        return None
    return once(search.env.memo, ("tried", kin), _untried, search, technique, number, crew, twins)


def _callers(variant: Variant, crew: Crew) -> tuple[Node, ...]:
    """The node that makes each call."""
    return tuple(crew[n - 1] for n, _ in numbered(variant.calls, ONE))


def _untried(search: Search, technique: Technique, number: int, crew: Crew, twins: Twins) -> _Tried:
    variant, env = technique.variants[number], search.env
    by = zip(variant.calls, _callers(variant, crew), strict=True)
    callers = [(c.action.lower(), n) for c, n in by if twins.name in c.resources]
    every = dict.fromkeys(values(search, env, unnamed(crew[0]), variant, twins.name, {}))
    return _Tried(twins, [v for v in every if all(plausible(env, n, a, v) for a, n in callers)])


def _of_alike(
    closure: Closure, technique: Technique, number: int, crew: Crew, among: Worlds, tried: _Tried
) -> Iterator[Firing]:
    """The uses by a crew on which no change bears: what crews like it came to, but for targets that are of it or changed."""
    search, name, vain = closure.search, tried.twins.name, set[str]()
    own = [n.caller.arn or "" for n in crew]
    # what is the first of the crew is a target for the others alone, and comes last
    last = [v for v in tried.left if v == own[0] and any(o != v for o in own)]
    for value in (*(v for v in tried.left if v != own[0]), *last):
        if _becomes_nobody_new(closure, technique, value):
            continue
        bound = {name: value}
        if value in own or closure.relevant(value):
            fired = _fire(closure, technique, number, crew, bound, among, None)
            if fired is not None:
                yield fired
            continue
        use = tried.made.get(value) or _as_twins(search, technique, number, crew, bound, tried)
        if use is None:
            vain.add(value)
            continue
        tried.made[value] = use
        gains = gained(search, search.env, technique, technique.variants[number], crew[0], bound)
        yield _fired(technique, number, crew, bound, gains, use, UNCHANGED)
    if vain:
        tried.left = [v for v in tried.left if v not in vain]


def _as_twins(
    search: Search, technique: Technique, number: int, crew: Crew, bound: dict[str, str], tried: _Tried
) -> Common | None:
    """What the crew comes to with one target, tried for one of those that nothing tells apart."""
    variant, twins = technique.variants[number], tried.twins
    main = crew[len(requests_of(variant)) - 1]
    before = held_before(search, search.env, main, variant, bound)
    if before is None:
        return None
    key = twins.key(search, bound, before)
    if key not in twins.made:
        found = _use(search, technique, number, crew, bound, UNCHANGED)
        use = None if found is None else found[0]
        if use is not None:
            use = replace(use, assumed=tuple(a for a in use.assumed if a not in before.assumed))
        twins.made[key] = use
    made = twins.made[key]
    return None if made is None else replace(made, assumed=tuple(dict.fromkeys((*before.assumed, *made.assumed))))


def _bindings(
    closure: Closure, technique: Technique, number: int, crew: Crew, among: Worlds
) -> Iterator[dict[str, str]]:
    """What the names of the variant can stand for, each call on it plausible for its caller."""
    search, variant = closure.search, technique.variants[number]
    names = to_bind(search, technique, number)
    by = {id(c): node for c, node in zip(variant.calls, _callers(variant, crew), strict=True)}
    becomes = technique.outcome.get("who") if technique.outcome.type == "becomes" else None
    before = next((n for n in names if n.startswith(_BEFORE) and _AFTER + n.removeprefix(_BEFORE) in names), "")
    kind = before.removeprefix(_BEFORE)
    made = fully_made(closure) if closure.every and technique.outcome.type == "creates-principal" else frozenset()
    fit = {n for c in {*crew} for e in among[c.name] for n in names_renewed(search, e, c, kind)} if before else set()

    def choices(name: str, bound: dict[str, str]) -> Iterator[str]:
        every = (
            v for n in dict.fromkeys(crew) for e in among[n.name] for v in values(search, e, n, variant, name, bound)
        )
        callers = [(c, by[id(c)]) for c in variant.calls if name in c.resources]
        found = dict.fromkeys(every)
        if name in ("$new-user", "$new-role") and not before and callers:
            calls = tuple((c.action, among[n.name][0], n) for c, n in callers)
            found.update(dict.fromkeys(names_between(search, calls, name, found)))
        for value in found:
            if name == becomes and _becomes_nobody_new(closure, technique, value):
                continue
            if value in made and name == technique.outcome.get("who"):
                continue
            if name == before and value.rpartition("/")[2] not in fit:
                continue
            if all(
                ":" not in value or any(plausible(e, n, c.action.lower(), value) for e in among[n.name])
                for c, n in callers
            ):
                yield value

    yield from each_binding(names, choices)


_BEFORE, _AFTER = "$any-", "$new-"
"""How the names begin of a user or role, and of what is created in its place."""


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
    if closure.every and _by_one(closure, technique, number, crew, bound, gains):
        needs = own_creation(needs, about)
    vain = _in_vain(search, crew, bound) if kin is not None and not needs else set()
    if (kin, *sorted(bound.items())) in vain:
        return None
    found = _use(search, technique, number, crew, bound, needs)
    if found is None:
        vain.add((kin, *sorted(bound.items())))
        return None
    return _fired(technique, number, crew, bound, gains, *found)


def _by_one(
    closure: Closure, technique: Technique, number: int, crew: Crew, bound: dict[str, str], gains: tuple[Gain, ...]
) -> bool:
    """Whether one of the crew does the same by itself: then the others are of use only if that saves all changes."""
    names, one = tuple(sorted(bound.items())), {n.name for n in crew}
    return any(
        f.node in one and not f.others and (f.technique, f.variant, f.bound) == (technique.id, number, names)
        for f in closure.how.get(fact_of(gains[0]), ())
    )


_BOTH = "unsupported:calls of two sessions of which both depend on what they carry"


def _use(
    search: Search, technique: Technique, number: int, crew: Crew, bound: dict[str, str], needs: frozenset[Change]
) -> tuple[Common, frozenset[Change]] | None:
    """What the use of a variant by a crew in one binding comes to after `needs`, and as few of these as are enough."""
    variant = technique.variants[number]
    requests = len(requests_of(variant))
    main = requests - 1

    def attempted(some: frozenset[Change]) -> Attempt | None:
        shared = Requests(others=_others(crew, requests, crew[main]))
        return attempt(search, crew[main], technique, variant, bound, some, shared)

    tried = attempted(needs)
    found = None if tried is None else outcome_of(search, tried)
    if tried is None or found is None:
        return None
    readers = [n for n in dict.fromkeys(crew) if n.made and n.caller in tried.readers]
    main = crew.index(readers[0]) if readers else main
    sure, reasons = found
    if len(readers) > 1:
        sure, reasons = False, (_BOTH,)
    if technique.outcome.type in RECREATES:
        sure, reasons = False, AGAIN
    about = (*(n.caller.arn or "" for n in crew), *(v for v in bound.values() if ":" in v))
    own, sure_at_all = own_creation(needs, about), found[0]

    def enough(some: frozenset[Change]) -> bool:
        less = attempted(some)
        outcome = None if less is None else outcome_of(search, less)
        return outcome is not None and outcome[0] >= sure_at_all

    needs = own if needs == own or enough(own) else fewest_of(own, needs, enough)
    return Common(sure, bool(readers), tried.assumed, reasons, main), needs


def _fired(
    technique: Technique,
    number: int,
    crew: Crew,
    bound: dict[str, str],
    gains: tuple[Gain, ...],
    use: Common,
    needs: frozenset[Change],
) -> Firing:
    main, requests = crew[use.main], len(requests_of(technique.variants[number]))
    others = tuple((r, n.name) for r, n in _others(crew, requests, main))
    names = tuple(sorted(bound.items()))
    return Firing(
        technique.id, number, main.name, names, gains, use.sure, needs, use.session, use.assumed, use.reasons, others
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


def _lacking(closure: Closure, technique: Technique, gains: tuple[Gain, ...]) -> bool:
    """Whether some gain is not held yet and worth having."""
    facts: list[Fact] = [fact_of(g) for g in gains]
    mark = issuer(closure.search.env, technique)
    if all(_known_as(closure, f, mark) for f in facts):
        return False
    if mark:
        return True
    if technique.outcome.type not in SUBJECT or technique.outcome.type == "recreates-elsewhere":
        return not (len(gains) == 1 and isinstance(gains[0], Node) and _held(closure, gains[0]))
    what = WANTED.get(technique.outcome.type, SUBJECT[technique.outcome.type])
    return any(getattr(g, "who", None) in some for some in wanted_anywhere(closure, what) for g in gains)


def _becomes_nobody_new(closure: Closure, technique: Technique, arn: str) -> bool:
    """Whether what a technique gives that makes one the user or role is held already."""
    mark = issuer(closure.search.env, technique)
    if not closure.every and not mark and arn in closure.nodes:
        return True
    return _known_as(closure, named_node(arn, technique.outcome.reach), mark)


def _known_as(closure: Closure, fact: Fact, mark: tuple[str, ...]) -> bool:
    """Whether the fact is known well enough, from the service `mark` if that is one whose sessions some policy tells apart."""
    search = closure.search
    found = [k for k in closure.how.get(fact, ()) if k.sure >= closure.sure]
    if not mark:
        return bool(found)
    every = (search.catalogue.techniques.get(k.technique) for k in found)
    return any(t is not None and issuer(search.env, t) == mark for t in every)


def _held(closure: Closure, gain: Node) -> bool:
    """Whether its principal is controlled fully already."""
    return not closure.every and (gain.caller.arn or "") in closure.nodes

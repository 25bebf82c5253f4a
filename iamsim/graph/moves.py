"""What one controlled principal can do by itself: the techniques that it may use, and what each gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind, changed
from iamsim.graph.before import held_before
from iamsim.graph.firing import attempt, may_be_with, outcome_of, sweeping
from iamsim.graph.issued import issuer
from iamsim.graph.means import means_of, plausible
from iamsim.graph.names import TARGETS, accounts_entered, each_binding, to_bind, unnamed, values
from iamsim.graph.outcomes import Gain, disables, fact_of, gained, named_node
from iamsim.graph.outdone import as_made, beaten, beats, fully, subject, told_apart
from iamsim.graph.preconditions import holds
from iamsim.graph.reach import fires_within_reach
from iamsim.graph.twins import Common, fits_some, may_be_made, twins_of
from iamsim.graph.world import UNCHANGED, Node, each_way, of_node, own_creation, relevant, worlds
from iamsim.ir.term import FALSE, TRUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from iamsim.aws.escalations import Technique, Variant
    from iamsim.env.types import Environment
    from iamsim.graph.twins import Twins
    from iamsim.graph.world import Search


@dataclass(frozen=True, slots=True)
class Firing:
    """One use of a technique by `node`: what is bound, what it gains, whether that is certain, and what it rests on.

    `needs` are the changes that must have been made before; none of them can be left out. `session`: it depends on the
    session of the node with which it is made. `reasons` say why it is not certain. `others` are the nodes that make some of
    the requests in place of `node`, by the number of the request.
    """

    technique: str
    variant: int
    node: str
    bound: tuple[tuple[str, str], ...]
    gains: tuple[Gain, ...]
    sure: bool
    needs: frozenset[Change] = UNCHANGED
    session: bool = False
    assumed: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    others: tuple[tuple[int, str], ...] = ()

    def __hash__(self) -> int:
        # what is gained follows from what is bound; the hash of all of it is slow
        return hash((self.technique, self.variant, self.node, self.bound, self.others))

    def by(self, node: str) -> Firing:
        """The same use by another node."""
        return Firing(
            self.technique, self.variant, node, self.bound, self.gains, self.sure, self.needs, self.session, self.assumed,
            self.reasons, self.others,
        )  # fmt: skip

    def is_use(self, other: Firing) -> bool:
        """True iff the other is the same use, by the same nodes and after the same changes."""
        return (
            self.node == other.node
            and self.technique == other.technique
            and self.bound == other.bound
            and self.needs == other.needs
            and self.callers == other.callers
        )

    @property
    def callers(self) -> tuple[str, ...]:
        """The nodes that make the calls."""
        return (self.node, *(name for _, name in self.others))

    @property
    def target(self) -> str:
        """What the firing is about: the ARN of a principal, policy or resource."""
        first = self.gains[0]
        return (first.caller.arn or first.name) if isinstance(first, Node) else first.who


BESIDES = 0
"""The number of no request: a node among the `others` of a firing that is controlled and makes no call."""


def firings(
    search: Search,
    node: Node,
    changes: frozenset[Change],
    techniques: list[Technique],
    wanted: Mapping[str, frozenset[str]] | None = None,
    *,
    every: bool = False,
    kin: object = None,
    itself: bool = False,
) -> Iterator[Firing]:
    """The uses of `techniques` by `node` after `changes`. `kin` stands for all nodes that are `alike` for them.

    `wanted` gives for the names of an outcome what they may stand for; with `itself` a target may be the node itself. Of the uses
    with one gain, whose sessions no policy tells apart, only the first that is certain is returned unless `every` is set; those
    before it are not certain.
    """
    arn, changes = node.caller.arn or "", of_node(changes, node)
    mine = relevant(search.env, changes, (arn,))
    among = worlds(search.env, mine, (arn,))
    able = means_of(search, among, node)
    if not able:
        return
    have: set[object] = set()
    anyone = unnamed(node) if itself else node
    for technique in techniques:
        for number, variant in sorted(enumerate(technique.variants), key=lambda v: not disables(v[1])):
            if not variant.calls or not able.issuperset(variant.actions):
                continue
            if not fires_within_reach(node, tuple(c.action for c in variant.calls)):
                continue
            if not changes and wanted is None and not fits_some(search, node, technique, number):
                continue
            if not _plain_hold(search, among, node, variant):
                continue
            swept = (
                sweeping(search, node, technique, variant.calls, among[0], kin)
                if len(among) == 1 and (node.name or not search.ask.given)
                else None
            )
            if swept is False:
                continue
            sweeps = swept is True and _sweepable(technique, variant)
            least = _least(search, node, technique, variant, mine) if sweeps else mine
            # a way to create a principal that allows it less is none even where all are asked for
            creates, have = technique.outcome.type == "creates-principal", set() if every else have
            done, mark = have if creates or not every else set(), issuer(search.env, technique)
            twins = twins_of(search, node, technique, number, kin)
            about = (search, among, node, technique, number, wanted, changes, done, twins)
            for bound in _bindings(*about, sweeps=sweeps, anyone=anyone):
                for way in each_way(changes, bound.values()) if changes else (changes,):
                    gains = gained(search, _there(search, among[0], bound, way), technique, variant, node, bound)
                    gains = tuple(as_made(g, way) for g in gains) if way else gains
                    what = (*map(fact_of, gains), *mark)
                    if not gains or (creates and (subject(gains) in have or beaten(gains, have))):
                        continue
                    if not every and (not have.isdisjoint((what, subject(gains))) or beaten(gains, have)):
                        continue
                    if sweeps:
                        fired = _swept(search, node, technique, number, bound, gains, way, least, twins)
                    else:
                        fired = fire(search, node, technique, number, bound, way, gains, twins)
                    if fired is not None:
                        if fired.sure and not fired.session:
                            have.update((what, *beats(gains)))
                            last = gains[-1]
                            if fully(last) and not told_apart(search.env, last):
                                have.add(subject(gains))
                        yield fired


def _there(search: Search, env: Environment, bound: Mapping[str, str], changes: frozenset[Change]) -> Environment:
    """`env`, with the principals among what is bound that changes create."""
    if not changes:
        return env
    made = own_creation(changes, bound.values())
    return env if not made else changed(search.env, made, sorted(c.who for c in made))


def _plain_hold(search: Search, among: tuple[Environment, ...], node: Node, variant: Variant) -> bool:
    """False if a precondition that is about the caller alone does not hold."""
    for condition in variant.preconditions:
        if any(v.startswith("$") for _, vs in condition.fields for v in vs):
            continue
        if all(holds(search, env, node, condition, {}, variant.calls).term is FALSE for env in among):
            return False
    return True


def _sweepable(technique: Technique, variant: Variant) -> bool:
    """Whether calls that are allowed on whatever they are made leave only the preconditions to be seen to."""
    if technique.outcome.type == "creates-principal":
        return False
    dependent = any(v.startswith("$") and v != "$self" for c in variant.calls for _, v in c.context)
    return not dependent or technique.outcome.type in ("gains-managed-policy", "group-gains-managed-policy")


def _least(
    search: Search, node: Node, technique: Technique, variant: Variant, mine: frozenset[Change]
) -> frozenset[Change]:
    """Changes after which the calls are allowed on whatever they are made, none of them superfluous."""
    arn = node.caller.arn or ""
    base = own_creation(mine, (arn,))

    def enough(some: frozenset[Change]) -> bool:
        return sweeping(search, node, technique, variant.calls, changed(search.env, some, (arn,))) is True

    return base if mine == base or enough(base) else fewest_of(base, mine, enough)


def fewest_of(
    base: frozenset[Change], needs: frozenset[Change], enough: Callable[[frozenset[Change]], bool]
) -> frozenset[Change]:
    """`base` with as few of `needs` as are enough: one, or what is left when the superfluous are gone."""
    for change in sorted(needs - base):
        if enough(base | {change}):
            return base | {change}
    for change in sorted(needs - base, reverse=True):
        if enough(needs - {change}):
            needs -= {change}
    return needs


def _swept(
    search: Search,
    node: Node,
    technique: Technique,
    number: int,
    bound: Mapping[str, str],
    gains: tuple[Gain, ...],
    changes: frozenset[Change],
    needs: frozenset[Change],
    twins: Twins | None = None,
) -> Firing | None:
    """The use of a variant whose calls are allowed on whatever they are made after the changes `needs`."""
    if not changes:
        before = held_before(search, search.env, node, technique.variants[number], bound)
        if before is None:
            return None
        if any(t is not TRUE for t in before.terms):
            return fire(search, node, technique, number, bound, changes, gains, twins)
        assumed_ = tuple(dict.fromkeys(before.assumed))
        return Firing(technique.id, number, node.name, tuple(sorted(bound.items())), gains, True, assumed=assumed_)
    env = changed(search.env, needs, (node.caller.arn or "",))
    assumed: list[str] = []
    for condition in technique.variants[number].preconditions:
        held = holds(search, env, node, condition, bound, technique.variants[number].calls)
        if held.term is FALSE and changes <= needs:
            return None
        if held.term is not TRUE:
            return fire(search, node, technique, number, bound, changes, gains)
        assumed += [held.assumed] if held.assumed else []
    names = tuple(sorted(bound.items()))
    return Firing(technique.id, number, node.name, names, gains, True, needs, False, tuple(dict.fromkeys(assumed)))


def fire(
    search: Search,
    node: Node,
    technique: Technique,
    number: int,
    bound: Mapping[str, str],
    changes: frozenset[Change],
    gains: tuple[Gain, ...],
    twins: Twins | None = None,
) -> Firing | None:
    """The use of a variant in one binding, after as few of `changes` as are enough; None if it does not work.

    `twins` keeps what it came to with targets that nothing tells apart, without changes: if it works then, these are not tried.
    """
    variant = technique.variants[number]
    focus = (node.caller.arn or "", *sorted(v for v in bound.values() if ":" in v))
    needs = own = own_creation(changes, focus)
    if twins is not None and not own:
        plain = _as_twins(search, node, technique, number, bound, gains, twins)
        if not changes or (plain is not None and plain.sure):
            return plain
    tried = attempt(search, node, technique, variant, bound, needs)
    found = None if tried is None else outcome_of(search, tried)
    rest = relevant(search.env, changes, focus)
    if rest > own and (found is None or not found[0]):
        more = attempt(search, node, technique, variant, bound, rest)
        better = None if more is None else outcome_of(search, more)
        if more is not None and better is not None and (found is None or better[0] > found[0]):
            tried, found, needs = more, better, _fewest(search, node, technique, variant, bound, rest, sure=better[0])
            tried = attempt(search, node, technique, variant, bound, needs) or tried
    if found is None or tried is None:
        return None
    names = tuple(sorted(bound.items()))
    return Firing(
        technique.id, number, node.name, names, gains, found[0], needs, tried.reads_session, tried.assumed, found[1]
    )  # fmt: skip


def _as_twins(
    search: Search,
    node: Node,
    technique: Technique,
    number: int,
    bound: Mapping[str, str],
    gains: tuple[Gain, ...],
    twins: Twins,
) -> Firing | None:
    """The use of a variant as everything was loaded, tried for one of the targets that nothing tells apart."""
    before = held_before(search, search.env, node, technique.variants[number], bound)
    if before is None:
        return None
    key = twins.key(search, bound, before)
    if key not in twins.made:
        found = fire(search, node, technique, number, bound, UNCHANGED, gains)
        twins.made[key] = (
            None
            if found is None
            else Common(
                found.sure, found.session, tuple(a for a in found.assumed if a not in before.assumed), found.reasons
            )
        )
        return found
    made = twins.made[key]
    if made is None:
        return None
    assumed = tuple(dict.fromkeys((*before.assumed, *made.assumed)))
    names = tuple(sorted(bound.items()))
    return Firing(
        technique.id, number, node.name, names, gains, made.sure, UNCHANGED, made.session, assumed, made.reasons
    )  # fmt: skip


def _fewest(
    search: Search,
    node: Node,
    technique: Technique,
    variant: Variant,
    bound: Mapping[str, str],
    needs: frozenset[Change],
    *,
    sure: bool,
) -> frozenset[Change]:
    """Changes under which the variant works as well as under all of `needs`, none of them superfluous."""
    base = own_creation(needs, [c.who for c in needs])

    def enough(some: frozenset[Change]) -> bool:
        less = attempt(search, node, technique, variant, bound, some)
        found = None if less is None else outcome_of(search, less)
        return found is not None and found[0] >= sure

    return fewest_of(base, needs, enough)


def _bindings(
    search: Search,
    among: tuple[Environment, ...],
    node: Node,
    technique: Technique,
    number: int,
    wanted: Mapping[str, frozenset[str]] | None,
    changes: frozenset[Change],
    have: set[object],
    twins: Twins | None,
    *,
    sweeps: bool,
    anyone: Node,
) -> Iterator[dict[str, str]]:
    variant, names = technique.variants[number], to_bind(search, technique, number)
    created = technique.outcome.get("who") if technique.outcome.type == "creates-principal" else None
    subjects = {} if wanted is None else {v: wanted[k] for k, vs in technique.outcome.fields if k in wanted for v in vs}
    becomes = technique.outcome.get("who") if technique.outcome.type == "becomes" else None
    mark = issuer(search.env, technique)

    def needless(bound: Mapping[str, str]) -> bool:
        return created is not None and created in bound and (Kind.CREATED, bound[created]) in have

    def choices(name: str, bound: dict[str, str]) -> Iterator[str]:
        if needless(bound):
            return
        opened = (Kind.CREATED, Kind.TRUST) if name == "$target-role" else (Kind.CREATED,)
        kind = ":policy/" if name in _NEW_POLICIES else f":{name.rpartition('-')[2]}/"
        fresh: Iterable[str] = (c.who for c in changes if c.kind in opened and kind in c.who)
        by = anyone if name in TARGETS else node
        every = (v for env in among for v in values(search, env, by, variant, name, bound))
        fresh = accounts_entered(search.env, node, changes) if name == "$org-account" else fresh
        mine, seen = [c for c in variant.calls if name in c.resources], set[str]()
        for value in (*every, *(fresh if name in _FRESH or (name == "$target-role" and name in subjects) else ())):
            if needless(bound):
                return  # found since
            if value in seen or (name in subjects and value not in subjects[name]) or needless({name: value}):
                continue
            seen.add(value)
            if name == becomes and (named_node(value, technique.outcome.reach), *mark) in have:
                continue
            if not sweeps and not all(_plausible(among, node, c.action, value) for c in mine):
                continue
            if name in _NEW_POLICIES and not any(
                may_be_with(search, e, node, variant.calls, name, value) for e in among
            ):
                continue
            if name.startswith("$new-") and not may_be_made(search, among, node, technique, mine, name, value, twins):
                continue
            yield value

    for bound in each_binding(names, choices):
        if not needless(bound):
            yield bound


_NEW_POLICIES = ("$granting-policy", "$chosen-boundary")
_FRESH = ("$any-user", "$any-role", "$either-user", "$org-account", *_NEW_POLICIES)
"""Names that also stand for principals, policies and members of organizations that changes create."""


def _plausible(among: tuple[Environment, ...], node: Node, action: str, resource: str) -> bool:
    return ":" not in resource or any(plausible(env, node, action.lower(), resource) for env in among)

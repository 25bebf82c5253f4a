"""Whom principals can become in one environment and not in another: differences that follow by hops and techniques."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import data_date
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.graph.closure import grow
from iamsim.graph.derive import depths, derivations, smallest
from iamsim.graph.ever import controlled, directly, unordered
from iamsim.graph.goals import goal_of
from iamsim.graph.order import at_no_cost
from iamsim.graph.reach import within_reach
from iamsim.graph.state import BASE, begin
from iamsim.graph.world import Search
from iamsim.query.affected import chosen
from iamsim.query.ever import hop_of
from iamsim.query.prepare import Options, prepare
from iamsim.query.spread import spread
from iamsim.query.techniques import catalogue_of, no_techniques, read_ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from concurrent.futures import Executor

    from iamsim.env.types import Environment
    from iamsim.graph.state import Closure
    from iamsim.judge.answer import Hop
    from iamsim.judge.candidates import Target
    from iamsim.query.prepare import Run

    Progress = Callable[[int], None]

_PROOF = "sts:GetCallerIdentity"
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachRow:
    """Each of `sources` can become each of `targets` (ARNs) now (`gained`), or no longer.

    `hops` is the way of the first source to the first target, on the side where there is one; none where it is not known
    (`reasons`).
    """

    gained: bool
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    hops: tuple[Hop, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachDiff:
    """What differs between two environments in whom principals can become: rows, gains first."""

    via: str
    rows: tuple[ReachRow, ...]
    data_date: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class _Reached:
    """Whom one principal can become: `sure` ones, and `open_` ones with the reasons why that is not known."""

    sure: frozenset[str]
    open_: Mapping[str, tuple[str, ...]]


def reach_diff(
    before: Environment,
    after: Environment,
    *,
    via: str = "roles",
    principals: str | None = None,
    missing: str = "assume",
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> ReachDiff:
    """Which users and roles can become which others by `via` (`roles` or `escalation`) in one environment and not in the other.

    Principals that only techniques create are left out. A row with `reasons` may be a difference. `principals` is a pattern of
    ARNs that narrows who begins; QueryError if none fits. `progress` is called with the number of principals that are done. With
    `executor` its workers look for them, with the same rows.
    """
    if via not in ("roles", "escalation"):
        raise QueryError(f"`{printable(via)}` is no way to become another", "--via takes roles or escalation")
    names = chosen(sorted({*before.principals, *after.principals}), principals)
    found: dict[_Found, list[str]] = {}
    units = [(source, via, missing) for source in names]
    parts: Iterable[list[_Found]] = (_unit((before, after), None, u) for u in units)
    if executor is not None:
        parts = spread(executor, (before, after), _unit, None, units)
    for number, (source, part) in enumerate(zip(names, parts, strict=True), 1):
        for key in part:
            found.setdefault(key, []).append(source)
        if progress is not None:
            progress(number)
    rows = (_row(after if key[0] else before, via, missing, *key) for key in _grouped(found))
    return ReachDiff(via=via, rows=tuple(rows), data_date=data_date())


_Found = tuple[bool, str, tuple[str, ...]]


def _unit(envs: tuple[Environment, ...], _: None, unit: tuple[str, str, str]) -> list[_Found]:
    """What differs for one source: whether it is a gain, the target, and the reasons why that is not known."""
    old, new = (_reached(env, *unit) for env in envs)
    out: list[_Found] = []
    for gained, mine, other in ((True, new, old), (False, old, new)):
        targets = sorted({*mine.sure, *mine.open_} - other.sure - (mine.open_.keys() & other.open_.keys()))
        out += [(gained, t, other.open_.get(t, ()) or mine.open_.get(t, ())) for t in targets]
    return out


_Key = tuple[bool, tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def _grouped(found: Mapping[_Found, list[str]]) -> Iterable[_Key]:
    """Targets that the same sources came to reach as one, gains first, what is not known last."""
    alike: dict[tuple[bool, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (gained, target, reasons), sources in found.items():
        alike.setdefault((gained, tuple(sources), reasons), []).append(target)
    keys = [(gained, sources, tuple(targets), reasons) for (gained, sources, reasons), targets in alike.items()]
    return sorted(keys, key=lambda k: (not k[0], bool(k[3]), k[2], k[1]))


def _row(
    env: Environment, via: str, missing: str, gained: bool, sources: tuple[str, ...], targets: tuple[str, ...],
    reasons: tuple[str, ...],
) -> ReachRow:  # fmt: skip
    hops = () if reasons else way_to(env, sources[0], targets[:1], via=via, missing=missing)
    return ReachRow(gained=gained, sources=sources, targets=targets, hops=hops, reasons=reasons)


def _closures(env: Environment, source: str, via: str, options: Mapping[str, Any]) -> Iterator[tuple[Closure, Run]]:
    """What certainly follows from control of each caller that `source` means."""
    about = prepare(env, source, _PROOF, "*", Options(via=via, **options))
    every = catalogue_of(about.options.techniques)[0]
    ruling = read_ruling(env, every, about.options.assume, about.options.rule_out)
    catalogue = every if via == "escalation" else no_techniques()
    for run in about.runs:
        start = begin(Search(about.ask, run[1], run[0], catalogue, ruling))
        yield (start if via == "direct" else grow(start, sure=True)), run


def _reached(env: Environment, source: str, via: str, missing: str) -> _Reached:
    if source not in env.principals:
        return _Reached(frozenset(), {})
    certain, _ = next(_closures(env, source, via, {"missing": missing}))
    named = _names(certain, source)
    plain = at_no_cost(certain)
    sure = frozenset(
        a for a, names in named.items() if any(n in plain or controlled(certain, n, straight=False) for n in names)
    )
    wide = grow(certain, sure=False)
    possible = _names(wide, source)
    open_: dict[str, tuple[str, ...]] = {arn: (unordered(env),) for arn in sorted(named) if arn not in sure}
    for name, node in sorted(wide.nodes.items()):
        arn = node.caller.parent or node.caller.arn or ""
        if arn in named or arn not in possible:
            continue
        fired = smallest(wide, name, frozenset()) or ()
        open_.setdefault(arn, tuple(sorted({r for f in fired for r in f.reasons})) or ("budget:techniques",))
    return _Reached(sure, open_)


def _names(closure: Closure, source: str) -> Mapping[str, list[str]]:
    """The loaded users and roles of which anything is controlled, with their nodes."""
    out: dict[str, list[str]] = {}
    for name, node in closure.nodes.items():
        arn = node.caller.parent or node.caller.arn or ""
        if name not in BASE and arn != source and arn in closure.search.env.principals:
            out.setdefault(arn, []).append(name)
    return out


def way_to(
    env: Environment, source: str, targets: Collection[str], *, via: str = "escalation", **options: Any
) -> tuple[Hop, ...]:
    """The steps of a way by which `source` certainly comes to control one of the users and roles `targets` (ARNs), none if
    there is none.

    The steps are few, but other than by `paths` not certainly the fewest: what somebody reached gives in several ways is looked
    for in one.
    """
    for closure, (_, action, asked) in _closures(env, source, via, options):
        depth = depths(closure)
        named = [k for k, n in closure.nodes.items() if (n.caller.parent or n.caller.arn) in targets and k not in BASE]
        for name in sorted(named, key=lambda n: (not within_reach(closure.nodes[n], action), depth.get(n, 0), n)):
            found = _steps(closure, name, asked)
            if found:
                return found
    return ()


def _steps(closure: Closure, name: str, targets: tuple[Target, ...]) -> tuple[Hop, ...]:
    for target in targets:
        goal = goal_of(closure, closure.nodes[name], target, [], depths(closure))
        if goal is None:
            continue
        for number, fired in enumerate(derivations(closure, name, goal.needs)):
            way = directly(closure, goal, fired)
            if way is not None:
                return tuple(hop_of(closure, step) for step in way.steps)
            if number >= _TRIES:
                break
    return ()

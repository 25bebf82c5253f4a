"""All minimal ways by which one principal comes to control another, or to have a request allowed; cheapest first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import count, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.graph.closure import grow, growing
from iamsim.graph.derive import depths, derivations
from iamsim.graph.ever import certainly, taken, with_changes_to
from iamsim.graph.goals import asked_of, goal_of
from iamsim.graph.reach import within_reach
from iamsim.graph.search import search as search_hops
from iamsim.graph.state import begin
from iamsim.graph.unlisted import with_unlisted
from iamsim.graph.world import Search
from iamsim.judge.answer import Verdict
from iamsim.judge.callers import read_callers
from iamsim.query.can import can, evidence_of_route
from iamsim.query.ever import gained_by_hop
from iamsim.query.minimal import Asked, Path, fits, measure, path_of, superfluous, ways
from iamsim.query.prepare import VIA, Options, prepare
from iamsim.query.techniques import catalogue_of, no_techniques, read_ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.graph.ever import Led
    from iamsim.graph.goals import Reached
    from iamsim.graph.state import Closure
    from iamsim.judge.candidates import Target
    from iamsim.query.minimal import Measure, Priced

    Progress = Callable[[int], None]

_PROOF = "sts:GetCallerIdentity"
"""An action that needs no permission: whoever controls a session may do it."""


def paths(
    env: Environment,
    source: str,
    target: str | None = None,
    *,
    action: str | None = None,
    resource: str | None = None,
    via: str = "escalation",
    limit: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Iterator[Path]:
    """The minimal ways from `source` to control of the principal `target`, or to a request of `action` on `resource`.

    With both, the ways by which the request is made as `target`. Cheapest first: fewest steps, then fewest assumptions,
    behind the way that `can` tells. Ways are worked out one by one as they are asked for, at most `limit`. Only certain
    ways are listed; a way is not if another is part of it, or gains only part of what it gains on the way and assumes no
    more. `options` are those of `can`; `progress` is called with the number of principals controlled so far. Raises
    QueryError for a question that cannot be asked.
    """
    found = _found(_asked(env, source, target, action, resource, via, options), progress)
    return islice(found, limit) if limit is not None else found


def doubts(
    env: Environment,
    source: str,
    target: str | None = None,
    *,
    action: str | None = None,
    resource: str | None = None,
    via: str = "escalation",
    **options: Any,
) -> tuple[str, ...]:
    """The reasons why there may be a way although `paths` lists none; empty iff there certainly is none."""
    asked = _asked(env, source, target, action, resource, via, options)
    reasons = set(_of_strangers(asked))
    for search, targets in _searches(asked):
        start = begin(search)
        wide = start if via == "direct" else grow(grow(start, sure=True), sure=False)
        every = with_unlisted(wide, targets) if via == "escalation" else targets
        wide = taken(wide, every) if via == "escalation" else wide
        reasons |= wide.unsettled
        goal = next(_goals(asked, wide, every), None)
        extra = asked_of(wide, every) if goal is None and via == "escalation" and not asked.control else ()
        if extra:
            wide = taken(with_changes_to(wide, extra), every)
            reasons |= wide.unsettled
            goal = next(_goals(asked, wide, every), None)
        if goal is not None:
            fired = next(derivations(wide, goal.node.name, goal.needs), ())
            reasons.update((*goal.reasons, *(r for f in fired for r in f.reasons)) or ("budget:techniques",))
    return tuple(sorted(reasons))


def _of_strangers(asked: Asked) -> Iterator[str]:
    """Why the way to a principal that no input holds is not known; nothing where the caller certainly may not assume it."""
    env, options = asked.about.ask.env, asked.about.options
    for arn in sorted(asked.principals or ()):
        if arn in env.principals or arn.endswith(":root") or options.missing == "closed":
            continue
        if ":role/" not in arn:
            yield f"missing:{arn} is not in the snapshot"
        elif can(env, asked.source, "sts:AssumeRole", arn, **_as_options(options)).verdict is not Verdict.NO:
            yield f"missing:trust policy of {arn}"


def _as_options(options: Options) -> dict[str, Any]:
    return {f.name: getattr(options, f.name) for f in fields(options)}


# --- the question


def _asked(
    env: Environment,
    source: str,
    target: str | None,
    action: str | None,
    resource: str | None,
    via: str,
    options: Mapping[str, Any],
) -> Asked:
    if via not in VIA:
        raise QueryError(f"`{printable(via)}` is no way to follow", "--via takes direct, roles or escalation")
    if (action is None) != (resource is None):
        raise QueryError("a request has an action and a resource", "give both --action and --resource")
    if action is None and target is None:
        raise QueryError("no target is given", "name a principal, or give --action and --resource")
    control = action is None
    about = prepare(env, source, action or _PROOF, resource or "*", Options(via=via, **options))
    wanted = None
    if target is not None:
        wanted = named(env, source, target) if control else frozenset(_principal(env, target))
    return Asked(about, source, target, wanted, control)


def named(env: Environment, source: str, target: str) -> frozenset[str]:
    """The ARNs of the users and roles that `target` means. Raises QueryError if it is no such, or `source` is one of them."""
    wanted = frozenset(_principal(env, target))
    if wanted & {c.parent or c.arn for c in read_callers(env, source)}:
        raise QueryError(f"`{printable(target)}` is the caller itself", "name another principal")
    return wanted


def _principal(env: Environment, text: str) -> Iterator[str]:
    for caller in read_callers(env, text):
        arn = caller.parent or caller.arn
        if arn is None:
            raise QueryError(f"`{printable(text)}` cannot be controlled", "name a user or a role")
        yield arn


def _searches(asked: Asked) -> Iterator[tuple[Search, tuple[Target, ...]]]:
    about = asked.about
    options = about.options
    every = catalogue_of(options.techniques)[0]
    ruling = read_ruling(asked.about.ask.env, every, options.assume, options.rule_out)
    catalogue = every if options.via == "escalation" else no_techniques()
    for caller, action, targets in about.runs:
        names = tuple(t.resource for t in targets if t.resource is not None)
        wanted = tuple(sorted(asked.principals or ()))
        yield Search(about.ask, action, caller, catalogue, ruling, (*names, *wanted)), targets


# --- the ways


def _found(asked: Asked, progress: Progress | None) -> Iterator[Path]:
    """The way that `can` tells, at once; then those of all searches in order of cost, as far as closures that grow by a round at a
    time hold all of that cost.
    """
    done: list[Measure] = []
    first = _first(asked)
    if first is not None:
        led, closure = first
        done.append(measure(led.fired))
        yield path_of(asked, closure, led.goal, led.way)
    # whether changes are looked for to the principals of whom the request itself asks
    beyond = first is None or bool(first[1].extra)
    growths = [_Growth(search, targets, _growing(asked, search)) for search, targets in _searches(asked)]
    for rounds in count(1):
        for growth in growths:
            growth.further()
            if progress is not None:
                progress(len(growth.closure.nodes))
        whole = all(g.whole for g in growths)
        every = [
            _asked_for(asked, g, done, None if whole else rounds, beyond=beyond) for g in growths if g.new or whole
        ]
        for _, path, fired in heapq.merge(*every, key=itemgetter(0)):
            if not superfluous(fired, done):
                done.append(measure(fired))
                yield path
        if whole:
            break
    if not done:
        yield from _by_hops(asked)


@dataclass(slots=True)
class _Growth:
    """A search, and its closure as far as it was looked for; `whole` once nothing is left, `new` if the last round found something.

    `listed`: some way was found in it.
    """

    search: Search
    targets: tuple[Target, ...]
    rounds: Iterator[Closure]
    closure: Closure = field(init=False)
    whole: bool = False
    new: bool = False
    listed: bool = False
    size: int = -1

    def further(self) -> None:
        """One more round."""
        found = None if self.whole else next(self.rounds, None)
        self.whole = found is None
        if found is not None:
            self.closure = found
        self.new, self.size = self.closure.count != self.size, self.closure.count


def _growing(asked: Asked, search: Search) -> Iterator[Closure]:
    start = begin(search, every=True)
    return iter((start,)) if asked.about.options.via == "direct" else growing(start, sure=True)


def _first(asked: Asked) -> tuple[Led, Closure] | None:
    """The way of fewest steps that `can` knows of, with the closure that has it; None if there is none."""
    best: tuple[Led, Closure] | None = None
    for search, targets in _searches(asked) if asked.about.options.via == "escalation" else ():
        led, closure = certainly(search, targets, [], partial(fits, asked))
        if led is not None and (best is None or len(led.way.steps) < len(best[0].way.steps)):
            best = led, closure
    return best


def _by_hops(asked: Asked) -> Iterator[Path]:
    """The way over role hops that `can` knows of, however many these are, if there is one."""
    for search, targets in _searches(asked) if asked.about.options.via != "direct" else ():
        found = search_hops(search.ask, search.start, search.action, targets, asked.principals).route
        if found is not None:
            told = evidence_of_route(found)
            titles = search.catalogue.techniques
            hops = tuple(
                replace(
                    h, title=titles[h.technique].title if h.technique in titles else "", gains=gained_by_hop(h.target)
                )
                for h in told.path
            )
            witness, residual = (None, None) if asked.control else (told.witness, told.residual)
            yield Path(
                source=asked.source,
                target=asked.target,
                caller=hops[-1].target,
                hops=hops,
                witness=witness,
                residual=residual,
            )
            return


def _asked_for(
    asked: Asked, growth: _Growth, done: list[Measure], most: int | None, *, beyond: bool
) -> Iterator[Priced]:
    """The ways of at most `most` steps in what has grown; in the end (None), if there is none, those with changes to the principals
    of whom the request itself asks.
    """
    request = asked.about.options.via == "escalation" and not asked.control
    targets = with_unlisted(growth.closure, growth.targets) if request else growth.targets
    closure = taken(growth.closure, targets) if request else growth.closure
    for found in ways(asked, closure, targets, done, most):
        growth.listed = True
        yield found
    extra = asked_of(closure, targets) if beyond and request and most is None and not growth.listed else ()
    if extra:
        yield from ways(asked, taken(with_changes_to(closure, extra), targets), targets, done)


def _goals(asked: Asked, closure: Closure, targets: tuple[Target, ...]) -> Iterator[Reached]:
    depth = depths(closure)
    for name in sorted(closure.nodes, key=lambda n: (depth.get(n, 0), n)):
        node = closure.nodes[name]
        if fits(asked, name, node) and within_reach(node, closure.search.action):
            for target in targets:
                goal = goal_of(closure, closure.nodes[name], target, [], depth)
                if goal is not None:
                    yield goal

"""What the steps of a way have in common: each is made once what it rests on is there, at a time at which its requests are allowed,
and all of them in one world, in which an account is in one organization.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice, product
from typing import TYPE_CHECKING, TypeVar

from iamsim.env.memo import once
from iamsim.env.organization import below
from iamsim.graph.candidates import texts_of
from iamsim.graph.clock import CLOCKS, NOW, reads_clock
from iamsim.graph.exact import APART
from iamsim.graph.outcomes import fact_of
from iamsim.ir.term import Compare, Like, Present, Sort, all_of, not_, variables
from iamsim.ir.values import date, number
from iamsim.judge.check import settle
from iamsim.model.pattern import plain
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from fractions import Fraction

    from iamsim.env.facts import Facts
    from iamsim.env.types import Environment
    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Fact
    from iamsim.graph.world import Search
    from iamsim.ir.term import Term

    Assignment = Mapping[str, tuple[str, ...]]

_T = TypeVar("_T")


@dataclass(slots=True)
class Times:
    """Since when each fact is there that the steps so far gave, in seconds since 1970; one that is not among `ready` may be there
    at any time. What was gained stays, so as early as possible is best for all later steps. `world` are the values of variables
    that are the same for all steps, an empty one of those that are absent; `read` are those in each of the models.
    """

    search: Search
    world: Assignment = field(default_factory=dict)
    read: list[Assignment] = field(default_factory=list)
    ready: dict[Fact, Fraction] = field(default_factory=dict)

    def made(self, term: Term, background: Sequence[Facts], hops: Sequence[Firing], fired: Firing) -> Assignment | None:
        """A model of a step, with the hops of `hops` to the session that makes it, as early as it can be; None if there is none.

        What the step gives is there from then on.
        """
        own = self._since((*fired.callers, *fired.needs))
        found = self._solve(term, background, hops, own)
        if found is None:
            return None
        assignment, at = found
        if at is not None:
            self.ready.update((f, min(at, self.ready.get(f, at))) for f in map(fact_of, fired.gains))
        return assignment

    def last(
        self, term: Term, background: Sequence[Facts], hops: Sequence[Firing], facts: Iterable[Fact]
    ) -> Assignment | None:
        """As `made`, of the request at the end, which rests on `facts`."""
        found = self._solve(term, background, hops, self._since(facts), self.search.ask.engine)
        return None if found is None else found[0]

    def _since(self, facts: Iterable[Fact]) -> Fraction | None:
        return max((self.ready[f] for f in facts if f in self.ready), default=None)

    def _solve(
        self,
        term: Term,
        background: Sequence[Facts],
        hops: Sequence[Firing],
        own: Fraction | None,
        engine: str = "auto",
    ) -> tuple[Assignment, Fraction | None] | None:
        """A model of the term as early as it can be, and the time of its last request; None: that may be any."""
        term = all_of((term, *(_is(v, self.world[v]) for v in sorted(variables(term) & self.world.keys()))))
        bounds = [self._since((*h.callers, *h.needs)) for h in hops]
        clocks = [v for v in variables(term) if v.rpartition("|")[2] == NOW and _number(v) < APART]
        lows = [Compare(v, ">=", low, Sort.DATE) for v in clocks if (low := _of_number(v, bounds, own)) is not None]
        latest = max((b for b in (*bounds, own) if b is not None), default=None)
        for at in self._instants(latest) if clocks else ():
            early = (Compare(v, "<=", at, Sort.DATE) for v in clocks)
            found = self._settled(all_of((term, *lows, *early)), background, engine)
            if found is not None:
                return found, at
        found = self._settled(all_of((term, *lows)), background, engine)
        if found is None:
            return None
        times = [t for v in clocks for text in found.get(v, ()) if (t := date(text)) is not None]
        return found, max(times, default=latest)

    def _settled(self, term: Term, background: Sequence[Facts], engine: str) -> Assignment | None:
        outcome = settle(term, tuple(background), self.search.ask.limits, engine)
        if not isinstance(outcome.sure, Sat):
            return None
        model = outcome.sure.assignment
        self.read.append({v: model.get(v, ()) for v in variables(term) if v.endswith(_HOME)})
        return model

    def others(self) -> Iterator[Assignment]:
        """One choice after the other of what the models have different values for, though it is the same for all steps; none if
        there is no such thing.
        """
        found: dict[str, dict[tuple[str, ...], None]] = {}
        for var, values in (pair for model in self.read for pair in sorted(model.items())):
            found.setdefault(var, {})[values] = None
        if any(len(values) > 1 for values in found.values()):
            for chosen in islice(product(*found.values()), _WORLDS):
                yield dict(zip(found, chosen, strict=True))

    def _instants(self, latest: Fraction | None) -> list[Fraction]:
        """The times at which something may come to be allowed, from `latest` on."""
        every = once(self.search.env.memo, "instants", _instants, self.search.env)
        return every if latest is None else [latest, *(t for t in every if t > latest)]


def in_one_world(search: Search, made: Callable[[Times], _T | None]) -> _T | None:
    """What is made of all steps of a way where they have in common what they must."""
    times = Times(search)
    found = made(times)
    for world in times.others() if found is not None else ():
        times = Times(search, world)
        found = made(times)
        if found is not None and not any(times.others()):
            return found
        found = None
    return found


def tied(env: Environment) -> bool:
    """Whether steps may have more in common than what they need: the time, or an organization that no input tells."""
    return reads_clock(env) or (bool(texts_of(env, _ORGANIZATIONS)) and once(env.memo, "unplaced", _unplaced, env))


def _unplaced(env: Environment) -> bool:
    """Whether no input tells the organization of some account."""
    return not env.accounts <= {node.id for o in env.organizations for node in below(o.root)}


_ORGANIZATIONS = ("aws:principalorg", "aws:resourceorg", "aws:sourceorg")


def _is(var: str, values: tuple[str, ...]) -> Term:
    return all_of((Present(var), *(Like(var, plain(v)) for v in values))) if values else not_(Present(var))


_HOME = "|aws:orgid"
"""How the variables end that say in which organization an account is that no input tells."""

_WORLDS = 16
"""Choices that are tried for one way."""


def _instants(env: Environment) -> list[Fraction]:
    """Every time for which some policy asks, and the seconds before and after it."""
    texts = (t for ts in texts_of(env, CLOCKS).values() for t in ts)
    read = (date(t) if date(t) is not None else number(t) for t in texts)
    return sorted({t + s for t in read if t is not None for s in (-1, 0, 1)})


def _of_number(var: str, bounds: Sequence[Fraction | None], own: Fraction | None) -> Fraction | None:
    """The earliest time of the request whose clock a variable is: of one of the hops by number, or of the step itself."""
    of = _number(var)
    return bounds[of - 1] if 0 < of <= len(bounds) else own


def _number(var: str) -> int:
    """The number of the request that a variable is about, 0 for one that has none."""
    head = var.partition("|")[0]
    return int(head) if head.isdigit() else 0

"""What the times of the requests of a path have to do with each other: a session is used once it was created, and not for long."""

from __future__ import annotations

from itertools import accumulate, combinations
from typing import TYPE_CHECKING

from iamsim.graph.candidates import texts_of
from iamsim.graph.hops import hop_term
from iamsim.ir.term import Within, all_of
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.env.types import Environment
    from iamsim.graph.hops import HopCheck, Read
    from iamsim.ir.term import Term

NOW, _ISSUED = "aws:currenttime", "aws:tokenissuetime"
CLOCKS = (NOW, "aws:epochtime")
"""The keys that tell the time of a request."""

_HOUR = 3600
_LONGEST = 12 * _HOUR
"""How long a session of a role lasts at most. Source: AWS STS API Reference, "AssumeRole", DurationSeconds."""

_CHAINED = _HOUR
"""How long one lasts that a session of a role obtained. Source: IAM User Guide, "IAM roles", role chaining."""


def reads_clock(env: Environment) -> bool:
    """Whether some policy asks for the time of a request."""
    return bool(texts_of(env, CLOCKS))


def path_term(hops: tuple[HopCheck, ...], read: Read, *goal: Term, at: tuple[str, ...] = ("",)) -> Term:
    """What the hops and the requests behind them demand together; `at` begin the names of these requests' variables."""
    times = (t for a in at for t in _times(hops, read.variables, a))
    return all_of([*(hop_term(h, read) for h in hops), *goal, *times])


def in_turn(read: frozenset[str], first: str, after: Iterable[str]) -> Iterator[Term]:
    """That requests whose variables begin with one of `after` are made once that of `first` was: they work on what it creates."""
    for later in dict.fromkeys(after):
        if later != first and {first + NOW, later + NOW} <= read:
            yield Within(first + NOW, later + NOW, None)


def _times(hops: tuple[HopCheck, ...], read: frozenset[str], at: str) -> Iterator[Term]:
    """Each session is created when the call that obtains it is made; those that are renewed are newer whenever that is needed."""
    spans = [_lasts(h, hops[n:]) for n, h in enumerate(hops, start=1)]
    until = [0, *accumulate(s or 0 for s in spans)]
    renewed = [n for n, s in enumerate(spans) if s is None]
    told: list[tuple[int, str]] = []
    for number, head in enumerate((*(h.check.facts.hop for h in hops), at)):
        told += [(number, head + NOW)] if head + NOW in read else []
        if number and number - 1 not in renewed and head + _ISSUED in read:
            told.append((number - 1, head + _ISSUED))
    for (first, earlier), (last, later) in combinations(sorted(told), 2):
        for_ever = any(first <= n < last for n in renewed)
        yield Within(earlier, later, None if for_ever else until[last] - until[first])


def _lasts(hop: HopCheck, later: tuple[HopCheck, ...]) -> int | None:
    """The seconds for which the session that the hop creates lasts at most; None if there is a new one whenever it is needed:
    from the service that obtains it, or since one of the hops `later` obtains the same role, as those before it may have.
    """
    if hop.session.caller.kind is CallerKind.SERVICE or any(h.role.arn == hop.role.arn for h in later):
        return None
    return _CHAINED if hop.session.caller.kind is CallerKind.ROLE_SESSION else _LONGEST

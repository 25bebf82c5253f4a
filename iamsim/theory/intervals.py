"""Numbers, dates and addresses: a value that satisfies comparisons, or the comparisons that exclude each other.

Numbers and dates are fractions. The solutions of comparisons are a union of intervals, so the answers are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Comparison = tuple[str, Fraction]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Source = tuple[bool, int]

NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
DOCUMENTATION = ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "2001:db8::/32")
UNICAST = ((4, int(ip_address("1.0.0.0")), int(ip_address("223.255.255.255"))),)
WIDTH = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers between two ends, which belong to it iff closed; an end that is None is infinite."""

    low: Fraction | None
    high: Fraction | None
    low_closed: bool
    high_closed: bool

    def __contains__(self, value: Fraction) -> bool:
        above = self.low is None or self.low < value or (self.low_closed and self.low == value)
        return above and (self.high is None or value < self.high or (self.high_closed and self.high == value))


@dataclass(frozen=True, slots=True)
class NumberConflict:
    """The indices of positive and negative comparisons that no number satisfies together."""

    positive: tuple[int, ...]
    negative: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AddressConflict:
    """The indices of positive and negative networks that no address satisfies together."""

    positive: tuple[int, ...]
    negative: tuple[int, ...]


# --- numbers and dates -------------------------------------------------------------------------------------------


def solve_numbers(
    positive: Sequence[Comparison],
    negative: Sequence[Comparison],
    *,
    integers: bool = False,
    minimum: Fraction | None = None,
    maximum: Fraction | None = None,
) -> Fraction | NumberConflict:
    """A number (an integer if `integers`) for which all of `positive` and none of `negative` hold, or a conflict.

    The number also lies between `minimum` and `maximum`, where given. Preferred is a non-negative integer: the
    smallest where there is a lower end, else the largest.
    """
    found = ranges(positive, negative, integers=integers, minimum=minimum, maximum=maximum)
    if found:
        return _plausible(found)
    return _number_conflict(_sourced(positive, negative), integers=integers, minimum=minimum, maximum=maximum)


def ranges(
    positive: Sequence[Comparison],
    negative: Sequence[Comparison],
    *,
    integers: bool = False,
    minimum: Fraction | None = None,
    maximum: Fraction | None = None,
) -> tuple[Interval, ...]:
    """All numbers for which all of `positive` and none of `negative` hold, as sorted disjoint intervals.

    With `integers` the finite ends are closed and integers, and only the integers between them are meant.
    """
    comparisons = [c for c, _ in _sourced(positive, negative)]
    comparisons += [(">=", minimum)] if minimum is not None else []
    comparisons += [("<=", maximum)] if maximum is not None else []
    hull = Interval(None, None, low_closed=False, high_closed=False)
    for op, value in comparisons:
        hull = _narrowed(hull, op, value)
    holes = sorted({value for op, value in comparisons if op == "!=" and value in hull})
    if not integers:
        pieces = _split(hull, holes)
        return tuple(i for i in pieces if not _empty(i))
    pieces = [_integral(i) for i in _split(hull, [h for h in holes if h.denominator == 1])]
    return tuple(i for i in pieces if not _empty(i))


def _sourced(positive: Sequence[Comparison], negative: Sequence[Comparison]) -> list[tuple[Comparison, Source]]:
    """All comparisons as positive ones, each with its list and index; an operator may now be `!=`."""
    return [
        *((c, (True, i)) for i, c in enumerate(positive)),
        *(((NEGATED[op], value), (False, i)) for i, (op, value) in enumerate(negative)),
    ]


def _narrowed(hull: Interval, op: str, value: Fraction) -> Interval:
    low, high, low_closed, high_closed = hull.low, hull.high, hull.low_closed, hull.high_closed
    if op in (">", ">=", "=="):
        closed = op != ">"
        if low is None or value > low:
            low, low_closed = value, closed
        elif value == low:
            low_closed = low_closed and closed
    if op in ("<", "<=", "=="):
        closed = op != "<"
        if high is None or value < high:
            high, high_closed = value, closed
        elif value == high:
            high_closed = high_closed and closed
    return Interval(low, high, low_closed, high_closed)


def _split(hull: Interval, holes: Sequence[Fraction]) -> list[Interval]:
    lows = [(hull.low, hull.low_closed), *((h, False) for h in holes)]
    highs = [*((h, False) for h in holes), (hull.high, hull.high_closed)]
    return [Interval(low, high, lc, hc) for (low, lc), (high, hc) in zip(lows, highs, strict=True)]


def _empty(interval: Interval) -> bool:
    low, high = interval.low, interval.high
    if low is None or high is None:
        return False
    return low > high or (low == high and not (interval.low_closed and interval.high_closed))


def _integral(interval: Interval) -> Interval:
    """The interval from the first to the last integer of `interval`."""
    low, high = interval.low, interval.high
    if low is not None:
        low = Fraction(math.ceil(low) if interval.low_closed else math.floor(low) + 1)
    if high is not None:
        high = Fraction(math.floor(high) if interval.high_closed else math.ceil(high) - 1)
    return Interval(low, high, low is not None, high is not None)


def _plausible(found: Sequence[Interval]) -> Fraction:
    """A number of these intervals, as `solve_numbers` promises."""
    pairs = [(i, _narrowed(i, ">=", Fraction(0))) for i in found]
    natural = [(i, clipped) for i, clipped in pairs if not _empty(clipped)] or [(i, i) for i in found]
    for interval, clipped in natural:
        whole = _integral(clipped)
        if _empty(whole):
            continue
        if whole.high is not None and (interval.low is None or whole.low is None):
            return whole.high
        return whole.low if whole.low is not None else Fraction(0)
    ends = [end for end in (natural[0][1].low, natural[0][1].high) if end is not None]
    return sum(ends, Fraction(0)) / len(ends)


def _number_conflict(
    sourced: Sequence[tuple[Comparison, Source]],
    *,
    integers: bool,
    minimum: Fraction | None,
    maximum: Fraction | None,
) -> NumberConflict:
    """A minimal set of the comparisons that no number satisfies together."""
    kept = list(sourced)
    for item in sourced:
        fewer = [k for k in kept if k is not item]
        if not ranges([c for c, _ in fewer], (), integers=integers, minimum=minimum, maximum=maximum):
            kept = fewer
    return NumberConflict(
        tuple(i for _, (is_positive, i) in kept if is_positive),
        tuple(i for _, (is_positive, i) in kept if not is_positive),
    )


# --- addresses ---------------------------------------------------------------------------------------------------


def solve_addresses(
    positive: Sequence[Network], negative: Sequence[Network], *, families: Sequence[int] = (4, 6)
) -> Address | AddressConflict:
    """An address in all of `positive` and none of `negative`, of one of `families`, or a conflict.

    Preferred is the first address of the smallest positive network; where a whole family is open, one of a network
    reserved for documentation, the tenth of it if possible.
    """
    free = _free(positive, negative, families)
    if not free:
        return _address_conflict(positive, negative, families)
    narrowest = max((n.prefixlen for n in positive), default=0)
    if narrowest == 0:
        for first, last, family in _wished(families):
            for low, high in free.get(family, ()):
                if low <= last and first <= high:
                    return _address(max(low, first), family)
    family = next(f for f in (*families, *free) if f in free)
    return _address(free[family][0][0], family)


def _wished(families: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """First and last address and family of the ranges to try first."""
    reserved = [_bounds(n) for n in map(ip_network, DOCUMENTATION) if n.version in families]
    tenths = [(first + 10, first + 10, family) for first, _, family in reserved]
    for family in families:
        yield from (r for r in tenths if r[2] == family)
        yield from (r for r in reserved if r[2] == family)
        yield from ((first, last, f) for f, first, last in UNICAST if f == family)


def _free(
    positive: Sequence[Network], negative: Sequence[Network], families: Sequence[int]
) -> dict[int, list[tuple[int, int]]]:
    """For each family that has solutions, all of them as sorted disjoint ranges of integers."""
    out: dict[int, list[tuple[int, int]]] = {}
    for family in families:
        low, high = 0, (1 << WIDTH[family]) - 1
        for network in positive:
            first, last, version = _bounds(network)
            low, high = (max(low, first), min(high, last)) if version == family else (1, 0)
        taken = sorted(_bounds(n)[:2] for n in negative if n.version == family)
        gaps = []
        for first, last in taken:
            if low <= min(high, first - 1):
                gaps.append((low, min(high, first - 1)))
            low = max(low, last + 1)
        if low <= high:
            gaps.append((low, high))
        if gaps:
            out[family] = gaps
    return out


def _bounds(network: Network) -> tuple[int, int, int]:
    return int(network.network_address), int(network.broadcast_address), network.version


def _address(value: int, family: int) -> Address:
    return IPv4Address(value) if family == 4 else IPv6Address(value)


def _address_conflict(
    positive: Sequence[Network], negative: Sequence[Network], families: Sequence[int]
) -> AddressConflict:
    """A minimal set of the networks that no address satisfies together."""
    kept = [*((True, i) for i in range(len(positive))), *((False, i) for i in range(len(negative)))]
    for item in tuple(kept):
        fewer = [k for k in kept if k != item]
        inside = [positive[i] for is_positive, i in fewer if is_positive]
        outside = [negative[i] for is_positive, i in fewer if not is_positive]
        if not _free(inside, outside, families):
            kept = fewer
    return AddressConflict(
        tuple(i for is_positive, i in kept if is_positive), tuple(i for is_positive, i in kept if not is_positive)
    )

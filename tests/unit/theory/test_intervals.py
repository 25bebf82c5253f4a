from __future__ import annotations

import itertools
import operator
import random
from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest

from iamsim.theory.intervals import (
    AddressConflict,
    Interval,
    NumberConflict,
    ranges,
    solve_addresses,
    solve_numbers,
)

OPS = {"==": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
GRID = [Fraction(n, 4) for n in range(-16, 33)]


def comparisons(*texts):
    return [(t.split()[0], Fraction(t.split()[1])) for t in texts]


def holds(value, positive, negative):
    return all(OPS[op](value, v) for op, v in positive) and not any(OPS[op](value, v) for op, v in negative)


def random_comparisons(rnd, n):
    return [(rnd.choice(list(OPS)), Fraction(rnd.randint(-2, 6), rnd.choice((1, 1, 2)))) for _ in range(n)]


@pytest.mark.parametrize("integers", [False, True])
def test_against_a_grid(integers):
    rnd = random.Random(5)
    conflicts = 0
    for _ in range(2000):
        positive, negative = random_comparisons(rnd, rnd.randint(0, 3)), random_comparisons(rnd, rnd.randint(0, 3))
        low, high = rnd.choice((None, Fraction(-2))), rnd.choice((None, Fraction(3), Fraction(-3)))
        inside = [
            g
            for g in GRID
            if holds(g, positive, negative)
            and (low is None or g >= low)
            and (high is None or g <= high)
            and (not integers or g.denominator == 1)
        ]
        options = {"integers": integers, "minimum": low, "maximum": high}
        found = ranges(positive, negative, **options)
        grid = [g for g in GRID if not integers or g.denominator == 1]
        assert [g for g in grid if any(g in i for i in found)] == inside
        match solve_numbers(positive, negative, **options):
            case NumberConflict(p, n):
                conflicts += 1
                assert not inside
                core = [positive[i] for i in p], [negative[i] for i in n]
                assert not ranges(*core, **options)
                for i in range(len(p)):
                    assert ranges(core[0][:i] + core[0][i + 1 :], core[1], **options)
                for i in range(len(n)):
                    assert ranges(core[0], core[1][:i] + core[1][i + 1 :], **options)
            case value:
                assert inside
                assert holds(value, positive, negative)
                assert any(value in i for i in found)
                assert value.denominator == 1 or not integers
    assert conflicts > 200


@pytest.mark.parametrize(
    ("positive", "negative", "value"),
    [
        ([], [], 0),
        (["< 3600"], [], 3599),
        (["<= 3600"], [], 3600),
        (["> 5"], [], 6),
        ([], ["== 0"], 1),
        (["< 0"], [], -1),
        (["> 1/4", "< 1/2"], [], Fraction(3, 8)),
        (["== 7/3"], [], Fraction(7, 3)),
        (["> -5"], [], 0),
        (["> -5", "< -3"], [], -4),
        (["> -1/2", "<= -1/4"], [], Fraction(-3, 8)),
    ],
)
def test_plausible_number(positive, negative, value):
    assert solve_numbers(comparisons(*positive), comparisons(*negative)) == value


def test_number_conflict():
    assert solve_numbers(comparisons("> 1", "< 9", "< 1"), []) == NumberConflict((0, 2), ())
    assert solve_numbers(comparisons("== 1"), comparisons("== 2", "== 1")) == NumberConflict((0,), (1,))
    assert solve_numbers(comparisons("== 1/2"), [], integers=True) == NumberConflict((0,), ())
    assert solve_numbers(comparisons("< 0"), [], minimum=Fraction(0)) == NumberConflict((0,), ())


def test_ranges_are_split_at_holes():
    found = ranges(comparisons(">= 0", "< 2"), comparisons("== 1"))
    assert found == (
        Interval(Fraction(0), Fraction(1), low_closed=True, high_closed=False),
        Interval(Fraction(1), Fraction(2), low_closed=False, high_closed=False),
    )
    assert 1 not in found[0]
    assert 1 not in found[1]
    assert ranges(comparisons("> 1/2", "< 7/2"), [], integers=True) == (
        Interval(Fraction(1), Fraction(3), low_closed=True, high_closed=True),
    )


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("positive", "negative", "address"),
    [
        (["203.0.113.0/24"], [], "203.0.113.0"),
        (["203.0.113.0/24"], ["203.0.113.0/25"], "203.0.113.128"),
        ([], [], "203.0.113.10"),
        ([], ["203.0.113.10/32"], "198.51.100.10"),
        ([], ["203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/25"], "192.0.2.128"),
        ([], ["203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24"], "1.0.0.0"),
        (["0.0.0.0/0"], [], "203.0.113.10"),
        (["::/0"], [], "2001:db8::a"),
        ([], ["0.0.0.0/0"], "2001:db8::a"),
        ([], ["0.0.0.0/0", "2001:db8::/32"], "::"),
        (["10.0.0.0/8", "10.1.0.0/16"], ["10.1.0.0/32", "10.1.0.2/31"], "10.1.0.1"),
        (["2001:db8:1::/48"], ["2001:db8:1::/64"], "2001:db8:1:1::"),
        ([], ["0.0.0.0/1", "192.0.0.0/2", "::/0"], "128.0.0.0"),
    ],
)
def test_address(positive, negative, address):
    found = solve_addresses([*map(ip_network, positive)], [*map(ip_network, negative)])
    assert found == ip_address(address)


@pytest.mark.parametrize(
    ("positive", "negative", "conflict"),
    [
        (["10.0.0.0/8", "0.0.0.0/0", "11.0.0.0/8"], [], AddressConflict((0, 2), ())),
        (["10.0.0.0/8", "2001:db8::/32"], [], AddressConflict((0, 1), ())),
        (["10.0.0.0/8"], ["10.0.0.0/9", "9.0.0.0/8", "10.128.0.0/9"], AddressConflict((0,), (0, 2))),
        ([], ["0.0.0.0/0", "::/0", "10.0.0.0/8"], AddressConflict((), (0, 1))),
    ],
)
def test_address_conflict(positive, negative, conflict):
    assert solve_addresses([*map(ip_network, positive)], [*map(ip_network, negative)]) == conflict


def test_one_family():
    assert solve_addresses([], [], families=(6,)) == ip_address("2001:db8::a")
    assert solve_addresses([], [ip_network("0.0.0.0/0")], families=(4,)) == AddressConflict((), (0,))
    assert solve_addresses([ip_network("::/0")], [], families=(4,)) == AddressConflict((0,), ())


def small_networks():
    base4, base6 = int(ip_address("10.0.0.0")), int(ip_address("2001:db8::"))
    for length, cls, base, bits in ((32, IPv4Network, base4, 3), (128, IPv6Network, base6, 2)):
        for size in range(bits + 1):
            for i in range(0, 1 << bits, 1 << size):
                yield cls((base + i, length - size))


def test_addresses_against_enumeration():
    networks = list(small_networks())
    universe = [a for n in (ip_network("10.0.0.0/29"), ip_network("2001:db8::/126")) for a in n]
    rnd = random.Random(6)
    for _ in range(1500):
        positive = rnd.sample(networks, rnd.randint(1, 2))
        negative = rnd.sample(networks, rnd.randint(0, 6))
        inside = [a for a in universe if all(a in n for n in positive) and not any(a in n for n in negative)]
        match solve_addresses(positive, negative):
            case AddressConflict(p, n):
                assert not inside
                core = [positive[i] for i in p], [negative[i] for i in n]
                assert isinstance(solve_addresses(*core), AddressConflict)
            case address:
                assert address == inside[0]
    assert len(list(itertools.islice(small_networks(), 3))) == 3

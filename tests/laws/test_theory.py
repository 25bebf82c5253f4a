"""Law: covers, disjoint, derivative and the theories agree with match."""

from __future__ import annotations

from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network

from hypothesis import given, settings
from hypothesis import strategies as st

from iamsim.model.pattern import AnyChar, Literal, Star, join, match
from iamsim.theory import intervals
from iamsim.theory.globs import Conflict, Found, GlobAtom, covers, derivative, disjoint, instances, solve

LAW = settings(max_examples=100, deadline=None)
TEXT = st.text("abAK:/é", max_size=6)
PART = st.one_of(TEXT.filter(bool).map(Literal), st.booleans().map(Star), st.booleans().map(AnyChar))
PATTERN = st.lists(PART, max_size=5).map(lambda parts: join("", parts))
ATOMS = st.lists(st.builds(GlobAtom, PATTERN, st.booleans()), max_size=4)


def holds(text, positive, negative):
    return all(match(a.pattern, text, fold_case=a.fold_case) for a in positive) and not any(
        match(a.pattern, text, fold_case=a.fold_case) for a in negative
    )


@LAW
@given(ATOMS, ATOMS, st.lists(TEXT, max_size=20))
def test_a_text_is_a_match_and_a_conflict_has_none(positive, negative, texts):
    match solve(positive, negative):
        case Found(text):
            assert holds(text, positive, negative)
        case Conflict(p, n):
            core = [positive[i] for i in p], [negative[i] for i in n]
            assert not any(holds(text, *core) for text in texts)
            assert list(instances(*core)) == []


@LAW
@given(ATOMS, ATOMS)
def test_instances_match_and_exist_when_solve_finds_one(positive, negative):
    found = list(instances(positive, negative, limit=8))
    assert all(holds(text, positive, negative) for text in found)
    assert len(set(found)) == len(found)
    assert [len(t) for t in found] == sorted(len(t) for t in found)
    assert bool(found) == isinstance(solve(positive, negative), Found)


@LAW
@given(PATTERN, PATTERN, TEXT, st.booleans())
def test_covers_and_disjoint_agree_with_match(a, b, text, fold_case):
    in_a, in_b = match(a, text, fold_case=fold_case), match(b, text, fold_case=fold_case)
    if covers(a, b, fold_case=fold_case):
        assert in_a or not in_b
    if disjoint(a, b, fold_case=fold_case):
        assert not (in_a and in_b)


@LAW
@given(PATTERN, PATTERN, st.booleans())
def test_covers_and_disjoint_agree_with_solve(a, b, fold_case):
    one, other = GlobAtom(a, fold_case), GlobAtom(b, fold_case)
    assert covers(a, b, fold_case=fold_case) == isinstance(solve([other], [one]), Conflict)
    assert disjoint(a, b, fold_case=fold_case) == isinstance(solve([one, other], []), Conflict)
    assert covers(a, a, fold_case=fold_case)
    assert not disjoint(a, a, fold_case=fold_case)


@LAW
@given(PATTERN, TEXT, TEXT, st.booleans())
def test_derivative_agrees_with_match(pattern, prefix, rest, fold_case):
    tails = derivative(pattern, prefix, fold_case=fold_case)
    assert any(match(t, rest, fold_case=fold_case) for t in tails) == match(pattern, prefix + rest, fold_case=fold_case)


NUMBER = st.fractions(-4, 4, max_denominator=3)
COMPARISONS = st.lists(st.tuples(st.sampled_from(("==", "<", "<=", ">", ">=")), NUMBER), max_size=4)


@LAW
@given(COMPARISONS, COMPARISONS, st.booleans(), NUMBER)
def test_numbers_lie_in_their_ranges(positive, negative, integers, value):
    found = intervals.ranges(positive, negative, integers=integers)
    solution = intervals.solve_numbers(positive, negative, integers=integers)
    assert isinstance(solution, Fraction) == bool(found)
    if isinstance(solution, Fraction):
        assert any(solution in i for i in found)
    for candidate in (value, solution):
        if isinstance(candidate, Fraction) and (not integers or candidate.denominator == 1):
            inside = all(_compare(candidate, c) for c in positive) and not any(_compare(candidate, c) for c in negative)
            assert inside == any(candidate in i for i in found)


def _compare(value, comparison):
    op, bound = comparison
    return {"==": value == bound, "<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound}[
        op
    ]


NETWORK = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda t: IPv4Network(t, strict=False)),
    st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(lambda t: IPv6Network(t, strict=False)),
    st.integers(0, 2).map(lambda n: IPv4Network(("0.0.0.0", n))),
)


@LAW
@given(st.lists(NETWORK, max_size=2), st.lists(NETWORK, max_size=5))
def test_an_address_is_in_the_networks(positive, negative):
    match intervals.solve_addresses(positive, negative):
        case intervals.AddressConflict(p, n):
            core = intervals.solve_addresses([positive[i] for i in p], [negative[i] for i in n])
            assert isinstance(core, intervals.AddressConflict)
        case address:
            assert all(address in n for n in positive)
            assert not any(address in n for n in negative)

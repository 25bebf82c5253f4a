from __future__ import annotations

import itertools

from iamsim.theory.elements import Element, ElementConflict, Elements, NoElement, Undecided, solve_elements

UNIVERSE = range(3)


def one_of(sets):
    common = set(UNIVERSE).intersection(*sets)
    if common:
        return Element(min(common))
    kept = list(range(len(sets)))
    for i in tuple(kept):
        fewer = [k for k in kept if k != i]
        if not set(UNIVERSE).intersection(*(sets[k] for k in fewer)):
            kept = fewer
    return NoElement(tuple(kept))


SUBSETS = [frozenset(s) for n in range(4) for s in itertools.combinations(UNIVERSE, n)]
KEYS = [frozenset(s) for n in range(4) for s in itertools.combinations(UNIVERSE, n)]


def possible(demands, bounds, *, present):
    return any(
        all(any(e in d for e in key) for d in demands) and all(e in b for b in bounds for e in key)
        for key in KEYS
        if key or not present
    )


def test_against_all_keys_of_a_small_universe():
    lists = [c for n in range(3) for c in itertools.combinations(SUBSETS, n)]
    for demands, bounds, present in itertools.product(lists, lists, (True, False)):
        match solve_elements(demands, bounds, one_of, present=present):
            case Elements(values):
                assert len(set(values)) == len(values)
                assert values or not (present or demands)
                assert all(any(v in d for v in values) for d in demands)
                assert all(v in b for b in bounds for v in values)
            case ElementConflict(d, b):
                core = [demands[i] for i in d], [bounds[i] for i in b]
                assert not possible(*core, present=present)


def test_equal_elements_are_merged_in_order():
    sets = [{2}, {1, 2}, {2}]
    assert solve_elements(sets, [], one_of) == Elements((2, 1))


def test_presence_alone_needs_an_element():
    assert solve_elements([], [{1}, {2}], one_of) == ElementConflict((), (0, 1))
    assert solve_elements([], [{1}, {2}], one_of, present=False) == Elements(())
    assert solve_elements([], [{1, 2}], one_of) == Elements((1,))


def test_demand_is_blamed_for_needing_an_element():
    assert solve_elements([{0}], [{1}, {2}], one_of, present=False).demands == (0,)


def test_undecided_gives_way_to_a_conflict():
    def solver(sets):
        return Undecided() if 9 in sets[0] else one_of(sets)

    assert solve_elements([{9}, {1}], [], solver) == Undecided()
    assert solve_elements([{9}, {1}], [{2}], solver) == ElementConflict((1,), (0,))

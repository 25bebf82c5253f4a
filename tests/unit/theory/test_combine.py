from fractions import Fraction
from ipaddress import ip_network
from itertools import product

import pytest

from iamsim.ir import values
from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import Compare, InNetwork, Parses, Sort, Within, all_of, any_of, each, like, not_, present, some
from iamsim.model.pattern import tokenize
from iamsim.theory.combine import Conflict, Hint, Undecided, implied, solve_literals
from iamsim.theory.hint import fits
from iamsim.theory.intervals import Interval
from iamsim.theory.links import solve_dates
from iamsim.theory.shapes import SHAPES
from iamsim.theory.texts import holds, solve_text
from iamsim.theory.variables import Fact, captures, filled, inferred, relaxed

HINTS = {
    "d": Hint(sort=Sort.DATE),
    "e": Hint(sort=Sort.DATE),
    "many": Hint(multivalued=True),
    "n": Hint(sort=Sort.NUMBER),
    "b": Hint(sort=Sort.BOOL),
    "x64": Hint(sort=Sort.BINARY),
}


def hints(var):
    return HINTS.get(var, Hint())


def lk(var, text, **options):
    return like(var, tokenize(text), **options)


def test_a_conflict_names_only_what_it_needs():
    literals = [(lk("r", "a*"), True), (lk("k", "x"), True), (lk("r", "b*"), True), (lk("k", "y*"), False)]
    assert solve_literals(literals, hints) == Conflict((0, 2))


def test_absence_conflicts_with_what_needs_presence():
    assert solve_literals([(lk("r", "*"), False), (present("r"), True)], hints) == Conflict((0, 1))
    assert solve_literals([(present("r"), False), (lk("r", "a"), False)], hints) == {}
    assert solve_literals([(present("r"), False), (lk("k", "${r}"), True)], hints) == Conflict((0, 1))


def test_values_need_not_be_first():
    literals = [
        (some("many", lk("many", "a")), True),
        (lk("many", "b*"), True),
        (each("many", lk("many", "??")), False),
    ]
    found = solve_literals(literals, hints)
    assert isinstance(found, dict)
    assert all(evaluate(t, found) is s for t, s in literals)


def test_one_value_serves_all_demands_of_a_key_that_has_one_value():
    one = [(some("k", lk("k", "a*")), True), (some("k", lk("k", "b*")), True)]
    assert solve_literals(one, hints) == Conflict((0, 1))
    many = [(some("many", lk("many", "a*")), True), (some("many", lk("many", "b*")), True)]
    assert isinstance(solve_literals(many, hints), dict)


def test_conditions_on_elements_may_be_disjunctions():
    inner = any_of([lk("many", "a*"), all_of([lk("many", "b*"), not_(lk("many", "bb"))])])
    found = solve_literals([(some("many", inner), True), (some("many", lk("many", "a*")), False)], hints)
    assert found == {"many": ("bx",)}
    refuted = [(some("many", inner), True), (each("many", lk("many", "c*")), True)]
    assert solve_literals(refuted, hints) == Conflict((0, 1))


def test_bytes_are_compared_by_value():
    same = Compare("x64", "==", b"A", Sort.BINARY)
    assert solve_literals([(same, True)], hints) == {"x64": ("QQ==",)}
    assert solve_literals([(same, True), (Compare("x64", "==", b"B", Sort.BINARY), True)], hints) == Conflict((0, 1))
    other = solve_literals([(same, False), (present("x64"), True)], hints)
    assert evaluate(same, other) is False


def test_a_policy_variable_takes_the_value_that_fits_everywhere():
    literals = [
        (lk("r", "a/${u}/b"), True),
        (lk("q", "${u}-x"), True),
        (lk("q", "v*"), True),
        (lk("r", "a/v??/b"), True),
    ]
    found = solve_literals(literals, hints)
    assert isinstance(found, dict | Undecided)
    if isinstance(found, dict):
        assert all(evaluate(t, found) is s for t, s in literals)


def test_equal_variables_share_what_holds_of_them():
    literals = [(lk("a", "${b}"), True), (lk("b", "${c}"), True), (lk("c", "1*"), True), (lk("a", "1*"), False)]
    assert solve_literals(literals, hints) == Conflict((0, 1, 2, 3))


def test_what_a_literal_implies():
    assert implied(lk("a", "x${b}"), True) == (("a", lk("a", "x*"), True), ("b", present("b"), True))
    assert implied(lk("a", "x${b}"), False) == ()
    assert implied(Within("d", "e", 1), True) == (
        ("d", Parses("d", Sort.DATE), True),
        ("e", Parses("e", Sort.DATE), True),
    )


def test_a_relaxed_term_is_weaker():
    term = some("many", any_of([not_(lk("many", "${u}")), lk("many", "a${u}")]))
    weaker = relaxed(term, sign=True)
    for u, v in product(("a", "b", ""), ("a", "ab", "b")):
        assignment = {"many": (v,), "u": (u,)}
        assert not evaluate(term, assignment) or evaluate(weaker, assignment)


def test_filled_patterns_use_defaults_and_fail_without():
    assert filled(lk("a", "x-${u, 'd'}"), {"u": None}) == lk("a", "x-d")
    assert evaluate(filled(lk("a", "x-${u}"), {"u": None}), {"a": ("x-",)}) is False
    assert filled(lk("a", "x-${u}"), {"u": "*"}).pattern.literal == "x-*"


def test_captures_give_both_readings():
    assert captures(tokenize("${u}/*"), "a/b/c") == {"u": ["a", "a/b"]}
    assert captures(tokenize("${u}/*"), "a") == {}


def test_inference_fixes_a_variable_between_known_ends():
    facts = [Fact(lk("a", "x-${u}-y"), True, frozenset((0,))), Fact(lk("a", "x-1-y"), True, frozenset((1,)))]
    assert Fact(lk("u", "1"), True, frozenset((0, 1))) in inferred(facts)


def piece(low, high, low_closed, high_closed):
    ends = [None if end is None else Fraction(end) for end in (low, high)]
    return Interval(*ends, low_closed, high_closed)


@pytest.mark.parametrize("signs", list(product((True, False), repeat=2)))
def test_linked_dates_agree_with_a_grid(signs):
    grid = [Fraction(n, 2) for n in range(-1, 12)]
    ends = [(0, 1), (2, 2), (1, 4), (3, None), (None, 2)]
    for (a, b), (c, d), seconds, closed in product(ends, ends, (0, 2, None), (True, False)):
        one = (piece(a, b, True, closed or a == b),)
        two = (piece(c, d, closed or c == d, True),)
        links = [(Within("d", "e", seconds), signs[0]), (Within("e", "d", 1), signs[1])]
        found = solve_dates({"d": one, "e": two}, links)
        able = any(
            x in one[0] and y in two[0] and all(ok(x, y, link, sign) for link, sign in links)
            for x in grid
            for y in grid
        )
        if isinstance(found, dict):
            assert found["d"] in one[0]
            assert found["e"] in two[0]
            assert all(ok(found["d"], found["e"], link, sign) for link, sign in links)
        else:
            assert found is False
            assert not able


def ok(d, e, link, sign):
    first, second = (d, e) if link.first == "d" else (e, d)
    return (first <= second and (link.seconds is None or second <= first + link.seconds)) is sign


@pytest.mark.parametrize(
    ("sort", "texts"),
    [
        (Sort.NUMBER, ["0", "+1", "-1", "1.", ".5", "-.5", "1.25"]),
        (Sort.DATE, ["2020", "5", "-5", "2020-01", "2020-01-01", "2020-01-01T00:00Z", "2020-01-01T00:00:01.5+01:00"]),
        (Sort.DATE, ["2020-01-01T00:00-05:00", "+20200101"]),
        (Sort.ADDRESS, ["1.2.3.4", "::", "::ffff:1.2.3.4", "2001:DB8::1"]),
        (Sort.BINARY, ["", "QQ==", "QUJD", "+/+/"]),
    ],
)
def test_every_text_of_a_sort_has_one_of_its_shapes(sort, texts):
    for text in texts:
        hint = Hint(sort=sort)
        assert fits(text, hint)
        pattern = lk("x", text.replace("*", ""))
        assert solve_text([(pattern, True)], hint, 1000) == text
        shapes = [s for s in SHAPES[sort] if s.letters is None or set(text) <= set(s.letters)]
        assert any(
            all(evaluate(like("x", g.pattern), {"x": (text,)}) for g in s.like)
            and not any(evaluate(like("x", g.pattern), {"x": (text,)}) for g in s.unlike)
            for s in shapes
        ), text


def test_bounds_of_texts():
    hint = Hint(alphabet="ab", min_length=2, max_length=3)
    for literals in ([], [(lk("x", "*a"), False)], [(lk("x", "a*"), True), (lk("x", "?b*"), False)]):
        found = solve_text(literals, hint, 1000)
        assert isinstance(found, str)
        assert fits(found, hint)
        assert holds(found, literals)
    assert solve_text([(lk("x", "????*"), True)], hint, 1000) == Conflict((0,))
    assert solve_text([(lk("x", "c"), True)], hint, 1000) == Conflict((0,))


def test_a_date_key_takes_a_pattern_on_its_text():
    literals = [(lk("d", "2030-*"), True), (Compare("d", "<", values.date("2031"), Sort.DATE), True)]
    found = solve_literals(literals, hints)
    assert isinstance(found, dict)
    assert found["d"][0].startswith("2030-")


def test_networks_and_patterns_on_one_address():
    literals = [(InNetwork("ip", ip_network("10.0.0.0/8")), True), (lk("ip", "10.*.7"), True)]
    found = solve_literals(literals, lambda _: Hint(sort=Sort.ADDRESS))
    assert isinstance(found, dict | Undecided)

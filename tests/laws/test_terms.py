"""Laws of the terms: factories keep the value, bounds enclose it, reduction agrees with evaluation."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import ATOM_VALUES, VARS, assignments, lark_pattern_texts, pattern_texts, terms

from iamsim.ir import term as t
from iamsim.ir.bindings import ABSENT, Alias, Ambivalent, Cases, Known, Unknowable
from iamsim.ir.bounds import may, must, reasons
from iamsim.ir.evaluate import evaluate
from iamsim.ir.reduce import reduce
from iamsim.model.pattern import Literal, Star, folded, join, match, plain, substitute, tokenize

KLEENE = {True: 1.0, None: 0.5, False: 0.0}
TRUTH = {1.0: True, 0.5: None, 0.0: False}


def value(term, assignment):
    """The value as a number: 0 for false, 0.5 for U, 1 for true."""
    return KLEENE[evaluate(term, assignment)]


# --- factories


@given(st.lists(terms(), max_size=4), assignments())
def test_all_of_is_the_minimum(args, assignment):
    assert value(t.all_of(args), assignment) == min((value(a, assignment) for a in args), default=1.0)


@given(st.lists(terms(), max_size=4), assignments())
def test_any_of_is_the_maximum(args, assignment):
    assert value(t.any_of(args), assignment) == max((value(a, assignment) for a in args), default=0.0)


@given(terms(), assignments())
def test_not_is_the_complement(term, assignment):
    assert value(t.not_(term), assignment) == 1 - value(term, assignment)
    assert t.not_(t.not_(term)) == term or isinstance(term, t.Not)


@given(terms(), terms(), terms(), assignments())
def test_ite_chooses(test, then, other, assignment):
    found = evaluate(t.ite(test, then, other), assignment)
    chosen = evaluate(test, assignment)
    if chosen is not None:
        assert found == evaluate(then if chosen else other, assignment)


@given(terms(), terms(), assignments())
def test_agree_is_the_common_value_or_unknown(a, b, assignment):
    one, other = evaluate(a, assignment), evaluate(b, assignment)
    found = evaluate(t.agree(a, b, "X"), assignment)
    assert found == (one if one == other else None)


@given(terms(), terms(), assignments())
def test_iff_and_implies(a, b, assignment):
    one, other = value(a, assignment), value(b, assignment)
    assert value(t.implies(a, b), assignment) == max(1 - one, other)
    assert value(t.iff(a, b), assignment) == min(max(1 - one, other), max(1 - other, one))


@given(terms(), assignments())
def test_strip_keeps_the_value_and_loses_the_names(term, assignment):
    bare = t.strip(term)
    assert evaluate(bare, assignment) == evaluate(term, assignment)
    assert not any(isinstance(s, t.Named) for s in t.subterms(bare))
    assert t.strip(bare) == bare


@given(terms())
def test_conjunctions_are_flat_and_without_repetition(term):
    for s in t.subterms(term):
        if isinstance(s, t.And | t.Or):
            assert len(s.args) >= 2
            assert len(set(s.args)) == len(s.args)
            assert not any(isinstance(a, type(s) | t.Const) for a in s.args)


@given(terms(), assignments(), assignments())
def test_only_its_variables_matter(term, one, other):
    read = t.variables(term)
    mixed = {v: one[v] if v in read else other[v] for v in VARS}
    assert evaluate(term, mixed) == evaluate(term, one)


@given(terms(), assignments())
def test_absent_and_empty_are_the_same(term, assignment):
    assert evaluate(term, {v: x for v, x in assignment.items() if x}) == evaluate(term, assignment)


# --- bounds


@given(terms(), assignments())
def test_must_implies_the_value_implies_may(term, assignment):
    low, high = evaluate(must(term), assignment), evaluate(may(term), assignment)
    found = evaluate(term, assignment)
    assert low is not None
    assert high is not None
    assert not low or found is True
    assert found is not True or high
    assert high or found is False
    assert found is not False or not low


@given(terms(), assignments())
def test_must_and_may_are_the_value_in_three_values(term, assignment):
    pair = (evaluate(must(term), assignment), evaluate(may(term), assignment))
    found = evaluate(term, assignment)
    assert pair == {True: (True, True), False: (False, False), None: (False, True)}[found]


@given(terms())
def test_bounds_have_nothing_opaque(term):
    assert not t.has_opaque(must(term))
    assert not t.has_opaque(may(term))
    assert (reasons(term) == ()) == (not t.has_opaque(term))


@given(terms(opaque=False), assignments())
def test_without_opaque_the_bounds_are_the_term(term, assignment):
    assert evaluate(must(term), assignment) == evaluate(may(term), assignment) == evaluate(term, assignment)


@given(terms())
def test_bounds_are_dual(term):
    assert must(t.not_(term)) == t.not_(may(term))


# --- reduction


def bound(assignment):
    return lambda name: Known(assignment.get(name, ()))


@given(terms(), assignments())
def test_reduce_with_everything_bound_is_evaluate(term, assignment):
    left = reduce(term, bound(assignment))
    assert t.variables(left) == frozenset()
    assert evaluate(left, {}) == evaluate(term, assignment)


@given(terms(opaque=False), assignments())
def test_reduce_with_everything_bound_is_a_constant(term, assignment):
    assert isinstance(t.strip(reduce(term, bound(assignment))), t.Const)


@given(terms(), assignments(), st.sets(st.sampled_from(VARS)))
def test_reduce_may_stop_half_way(term, assignment, some):
    def half(name):
        return Known(assignment[name]) if name in some else Alias(name)

    left = reduce(term, half)
    assert not t.variables(left) & some
    assert evaluate(left, assignment) == evaluate(term, assignment)


@given(terms(), assignments())
def test_reduce_renames(term, assignment):
    left = reduce(term, lambda name: Alias(f"1|{name}"))
    assert evaluate(left, {f"1|{v}": x for v, x in assignment.items()}) == evaluate(term, assignment)


@given(terms(max_leaves=6), terms(opaque=False, max_leaves=3), assignments(), ATOM_VALUES)
def test_reduce_splits_cases(term, test, assignment, text):
    def lookup(name):
        return Cases(test, Known((text,)), ABSENT) if name == "x" else Alias(name)

    chosen = (text,) if evaluate(test, assignment) else ()
    expected = evaluate(term, {**assignment, "x": chosen})
    assume("x" not in t.variables(test))
    found = evaluate(reduce(term, lookup), assignment)
    # Within speaks of times, which no binding splits: U there
    assert found == expected or (found is None and any(isinstance(s, t.Within) for s in t.subterms(term)))


@given(terms(max_leaves=6), assignments())
def test_an_unknowable_variable_never_makes_a_wrong_certainty(term, assignment):
    def lookup(name):
        return Unknowable("U") if name == "x" else Alias(name)

    found = evaluate(reduce(term, lookup), assignment)
    assert found is None or found == evaluate(term, assignment) or evaluate(term, assignment) is None


@given(terms(max_leaves=6), assignments(), ATOM_VALUES)
def test_an_ambivalent_variable_has_either_reading_or_none(term, assignment, text):
    def lookup(name):
        return Ambivalent(Known((text,)), ABSENT, "X15") if name == "x" else Alias(name)

    found = evaluate(reduce(term, lookup), {**assignment, "=" + text: (text,)})
    readings = {evaluate(term, {**assignment, "x": x}) for x in ((text,), ())}
    assert found is None or readings == {found} or None in readings


# --- patterns


@given(pattern_texts(), pattern_texts())
def test_match_ignores_how_a_pattern_is_joined(text, other):
    pattern = tokenize(text, variables=False)
    assert match(pattern, other) == match(join(text, list(pattern.parts)), other)


@given(pattern_texts())
def test_a_plain_pattern_matches_itself_only(text):
    assert match(plain(text), text)
    assert not match(plain(text), text + "x")
    assert plain(text).literal == text


@given(lark_pattern_texts())
def test_tokens_of_generated_patterns_are_joined(text):
    parts = tokenize(text).parts
    for a, b in pairwise(parts):
        assert not (isinstance(a, Literal) and isinstance(b, Literal))
        assert not (isinstance(a, Star) and isinstance(b, Star))


@given(pattern_texts(), st.text("aAb", max_size=4))
def test_fold_case_matches_lower_case(text, other):
    pattern = tokenize(text, variables=False)
    assert match(pattern, other, fold_case=True) == match(folded(pattern), other.lower())


@given(lark_pattern_texts(), st.text("ab*?", max_size=3))
def test_substituted_values_are_literal(text, inserted):
    pattern = tokenize(text)
    whole = substitute(pattern, {v.key: inserted for v in pattern.variables})
    assert whole.variables == ()
    if not any(not isinstance(p, Literal) for p in whole.parts):
        assert match(whole, "".join(p.text for p in whole.parts))

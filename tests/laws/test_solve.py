"""Laws of the solver: its answers agree with evaluation, with brute force and with each other's back-ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solver_terms import HINTS, brute, drawn, hints, sample

from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import FALSE, Label, LabelKind, Like, all_of, any_of, named, not_, subterms
from iamsim.smt.solve import minimal_core, solve
from iamsim.smt.types import Limits, Sat, Unknown, Unsat

CHEAP = Limits(strings_seconds=0)
RANDOM = st.randoms(use_true_random=False)


def verdict(outcome):
    return type(outcome).__name__


@given(RANDOM)
def test_a_sat_assignment_satisfies_the_term(rng):
    term = drawn(rng, 3)
    outcome = solve(term, hints, CHEAP)
    if isinstance(outcome, Sat):
        assert evaluate(term, outcome.assignment) is True
        assert all(outcome.assignment.values())


@given(RANDOM)
def test_what_brute_force_satisfies_is_not_refuted(rng):
    term = drawn(rng, 2)
    if isinstance(solve(term, hints, CHEAP), Unsat):
        assert brute(term, 1500) is None


@pytest.mark.parametrize("chunk", range(4))
def test_no_seeded_refutation_is_contradicted_by_brute_force(chunk):
    for seed in range(chunk * 150, chunk * 150 + 150):
        term = sample(seed)
        if isinstance(solve(term, hints, CHEAP), Unsat):
            assert brute(term, 3000) is None, seed


def test_few_seeded_terms_are_undecided_without_strings():
    open_ones = [seed for seed in range(500) if isinstance(solve(sample(seed), hints, CHEAP), Unknown)]
    assert len(open_ones) <= 5, open_ones


def test_tableau_and_z3_skeleton_agree():
    for seed in range(1000, 1120):
        term = sample(seed, 3)
        found = {verdict(solve(term, hints, CHEAP, engine=e)) for e in ("tableau", "z3")} - {"Unknown"}
        assert len(found) <= 1, seed


@pytest.mark.parametrize("engine", ["z3-strings", "cvc5"])
def test_string_solvers_agree_with_the_tableau(engine):
    if engine == "cvc5":
        pytest.importorskip("cvc5", reason="a second solver, of iamsim[dev], to compare with")
    for seed in range(2000, 2024):
        term = sample(seed)
        found = {verdict(solve(term, hints, engine=e)) for e in ("tableau", engine)} - {"Unknown"}
        assert len(found) <= 1, seed


@given(RANDOM)
def test_a_term_or_its_negation_is_satisfiable(rng):
    term = drawn(rng, 2)
    assert not (isinstance(solve(term, hints, CHEAP), Unsat) and isinstance(solve(not_(term), hints, CHEAP), Unsat))


@given(RANDOM)
def test_order_duplicates_and_names_do_not_change_the_verdict(rng):
    a, b = drawn(rng, 2), drawn(rng, 2)
    outcomes = {
        verdict(solve(t, hints, CHEAP))
        for t in (all_of((a, b)), all_of((b, a, a)), named(Label(LabelKind.RULE, "both"), all_of((b, a))))
    }
    assert not {"Sat", "Unsat"} <= outcomes


@given(RANDOM)
def test_conjunction_is_no_easier_and_disjunction_no_harder(rng):
    a, b = drawn(rng, 1), drawn(rng, 1)
    alone = verdict(solve(a, hints, CHEAP))
    if alone == "Unsat":
        assert not isinstance(solve(all_of((a, b)), hints, CHEAP), Sat)
    if alone == "Sat":
        assert not isinstance(solve(any_of((a, b)), hints, CHEAP), Unsat)


@given(RANDOM)
def test_a_minimal_core_is_unsatisfiable_and_loses_that_with_each_member(rng):
    conjuncts = [drawn(rng, 1) for _ in range(5)]
    if not isinstance(solve(all_of(conjuncts), hints, CHEAP), Unsat):
        return
    core = minimal_core(conjuncts, hints, CHEAP)
    assert isinstance(solve(all_of(conjuncts[i] for i in core), hints, CHEAP), Unsat)
    for left in core:
        fewer = all_of(conjuncts[i] for i in core if i != left)
        assert not isinstance(solve(fewer, hints, CHEAP), Unsat)


def test_the_same_question_has_the_same_answer_twice():
    for seed in range(60):
        term = sample(seed, 3)
        assert solve(term, hints, CHEAP) == solve(term, hints, CHEAP)


def test_the_sample_covers_all_kinds_of_variables_and_templates():
    atoms = [t for seed in range(300) for t in subterms(sample(seed))]
    assert {getattr(t, "var", None) for t in atoms} >= set(HINTS) - {"date"}
    assert any(isinstance(t, Like) and t.pattern.variables for t in atoms)
    assert FALSE not in [sample(seed) for seed in range(20)]

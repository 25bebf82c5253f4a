import importlib.util
import re
from fractions import Fraction

import pytest

from iamsim.errors import QueryError
from iamsim.ir.term import Compare, Sort, all_of, each, like, not_, some
from iamsim.model.pattern import Literal, Pattern, Star, tokenize
from iamsim.smt import regex
from iamsim.smt.smtlib import smtlib
from iamsim.smt.solve import solve
from iamsim.smt.strings import _model
from iamsim.smt.types import Hint, Limits, Sat, Unknown


def hints(var):
    return Hint(multivalued=var == "many")


def lk(var, text, **options):
    return like(var, tokenize(text), **options)


def test_the_text_names_the_variables_in_comments():
    text = smtlib(lk("aws:sourceip", "a*"), hints)
    assert "; aws:sourceip is 0" in text
    assert text.splitlines()[0] == "(set-logic ALL)"
    assert text.endswith("(check-sat)\n(get-model)\n")
    assert "aws" not in smtlib(lk("aws:sourceip", "a*"), hints, names=False)


def test_the_star_is_a_loop_over_the_full_range():
    # `re.all` means the same and is hundreds of times slower in Z3
    assert '(re.* (re.range "\\u{0}" "\\u{2ffff}"))' in smtlib(lk("x", "a*"), hints)
    assert "re.all" not in smtlib(lk("x", "a*?"), hints)


def test_each_demand_has_a_slot():
    term = all_of([some("many", lk("many", "a")), some("many", lk("many", "b")), each("many", lk("many", "?"))])
    names = set(re.findall(r"declare-const (p_\S+)", smtlib(term, hints)))
    assert names == {"p_0", "p_0_1", "p_0_2", "p_0_3"}


def test_strings_are_escaped():
    assert regex.quoted('a"\\\n\u00e9') == '"a""\\u{5c}\\u{a}\\u{e9}"'
    assert _model('((s_0 "a""\\u{5c}\\u{a}\\u{e9}") (n_0 (- (/ 1.0 2.0))) (p_0 true) (a4_0 #x0000000a))') == {
        "s_0": 'a"\\\n\u00e9',
        "n_0": Fraction(-1, 2),
        "p_0": True,
        "a4_0": 10,
    }


def test_characters_beyond_the_alphabet_are_left_open():
    assert regex.of_pattern(Pattern("", (Literal("\U00030000"), Star())), fold_case=False) is None
    assert isinstance(solve(lk("x", "\U00030000?"), hints, engine="z3-strings"), Sat | Unknown)


@pytest.mark.parametrize("text", ["a:b", 'q"uote', "back\\slash", "caf\u00e9", "${*}"])
def test_texts_survive_the_string_solver(text):
    term = all_of([lk("x", text), not_(lk("x", "z*"))])
    assert isinstance(solve(term, hints, engine="z3-strings"), Sat)


def test_a_text_that_is_also_a_number_is_found_by_the_theories():
    term = all_of([Compare("x", ">", Fraction(3), Sort.NUMBER), lk("x", "*"), not_(lk("x", "?")), not_(lk("x", "??"))])
    assert isinstance(solve(term, hints), Sat)


def test_a_killed_solver_is_unknown():
    quick = Limits(strings_seconds=0.001)
    assert isinstance(solve(lk("x", "a*"), hints, quick, engine="z3-strings"), Unknown)


def test_a_missing_solver_has_a_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(QueryError, match="cvc5 is not installed") as found:
        solve(lk("x", "a*"), hints, engine="cvc5")
    assert found.value.help == "pip install 'iamsim[cvc5]'"


def test_two_policy_variables_that_z3_cannot_decide():
    # `h/${u}/` and `h/${v}/` both begin the text, u and v differ and have no slash
    term = all_of(
        [lk("r", "h/${u}/*"), lk("r", "h/${v}/*"), not_(lk("u", "${v}")), not_(lk("u", "*/*")), not_(lk("v", "*/*"))]
    )
    pytest.importorskip("cvc5", reason="a second solver, of iamsim[dev], to compare with")
    assert not isinstance(solve(term, hints, Limits(strings_seconds=2), engine="cvc5"), Sat)
    assert not isinstance(solve(term, hints, Limits(strings_seconds=0)), Sat)

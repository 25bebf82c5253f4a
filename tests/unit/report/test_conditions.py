"""Conditions that are easier to read mean the same."""

from hypothesis import given
from strategies import terms

from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import FALSE, Like, Not, Or, Present, all_of
from iamsim.model.pattern import plain
from iamsim.report.conditions import _brief, _inside, condition_text


def test_negations_go_inside():
    here, a, b = Present("s3:prefix"), Like("s3:prefix", plain("a")), Like("s3:prefix", plain("b"))
    term = Not(Or((Not(here), Not(Or((a, b))))))
    assert condition_text(term) == 's3:prefix = "a" or s3:prefix = "b"'
    assert condition_text(all_of((here, Not(a)))) == 'has s3:prefix and s3:prefix != "a"'
    assert condition_text(FALSE) == "false"


@given(terms())
def test_the_meaning_stays(term):
    for values in (
        {},
        {"aws:useragent": ("a",), "s3:prefix": ("red",)},
        {"aws:username": ("u",), "aws:sourceip": ("10.1.2.3",)},
    ):
        assert evaluate(_brief(_inside(term, negated=False)), values) == evaluate(term, values)

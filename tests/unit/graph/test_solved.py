"""What the names of new principals cannot be is told without the solver, and never of a name that will do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iamsim.graph.solved import _fits, _only, meets, named
from iamsim.ir.term import all_of, any_of, not_
from iamsim.model.pattern import match, tokenize

HEADS = tuple(
    f"arn:aws:iam::{account}:{kind}/" for account in ("111111111111", "222222222222") for kind in ("role", "user")
)
NAMES = st.from_regex(r"(a|ab|team)(/(a|b))?/?[ab]{1,2}", fullmatch=True)
ARNS = st.builds(str.__add__, st.sampled_from(HEADS), NAMES)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """The ARN of a user or role with some of it replaced by wildcards, at colons too."""
    arn = draw(ARNS)
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted((draw(st.integers(0, len(arn))), draw(st.integers(0, len(arn)))))
        arn = arn[:start] + draw(st.sampled_from("*?")) + arn[end:]
    return arn


@given(texts(), st.sampled_from(HEADS), NAMES)
def test_a_text_that_a_name_can_match_fits(text: str, head: str, name: str) -> None:
    if match(tokenize(text, variables=False), head + name):
        assert _fits(head, text)


@given(texts(), texts(), texts(), ARNS)
def test_who_meets_a_demand_has_one_of_its_names(one: str, other: str, refused: str, arn: str) -> None:
    demand = all_of((any_of((named(one), named(other))), not_(named(refused))))
    names = _only(demand)
    if names is not None and meets(demand, arn):
        assert arn.rpartition("/")[2].lower() in names


def test_texts_of_other_accounts_and_kinds_and_those_with_more_fields_do_not_fit() -> None:
    head = HEADS[0]
    assert _fits(head, "arn:aws:iam::*:role/team/*")
    assert _fits(head, "arn:*role/team/x")
    for text in ("arn:aws:iam::222222222222:role/*", "arn:aws:iam::*:user/*", "arn:aws:iam::*:role", f"{head}a:b"):
        assert not _fits(head, text)


def test_the_names_of_a_demand_are_told_only_where_every_part_tells_them() -> None:
    assert _only(named("arn:aws:iam::*:role/Admin")) == {"admin"}
    assert _only(any_of((named("*/a"), named("*/b")))) == {"a", "b"}
    assert _only(any_of((named("*/a"), named("*/b*")))) is None
    assert _only(not_(named("*/a"))) is None
    assert _only(named("")) is None

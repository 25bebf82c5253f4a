from __future__ import annotations

from fractions import Fraction
from ipaddress import ip_network

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iamsim.errors import QueryError
from iamsim.ir.term import (
    FALSE,
    TRUE,
    Compare,
    InNetwork,
    Label,
    LabelKind,
    Like,
    Opaque,
    Parses,
    Present,
    Some,
    Sort,
    Within,
    all_of,
    any_of,
    each,
    named,
    not_,
    some,
    variables,
)
from iamsim.model.pattern import plain, tokenize
from iamsim.query.condition import print_condition
from iamsim.query.language import Question, Verb, Waiver, parse_condition, parse_file, parse_question, print_question

TEXT = st.text(max_size=6) | st.sampled_from(
    ["a b", 'say "x"', "'", "#", "a;b", "\\", "\n", "10.0.0.0/8", "ärger", "${", "${*}", "$"]
)
KEYS = st.sampled_from(
    [
        "aws:sourceip",
        "aws:requesttag/a b",
        "has",
        "no",
        "true",
        "s3:max-keys",
        "1|aws:x",
        'q"',
        "aws:tagkeys",
        "a=b",
        "#",
    ]
)
PATTERNS = (
    st.lists(st.sampled_from(["*", "?", "${*}", "${aws:username}", "${k, 'd'}", "a", "$", "{", "}", '"', " "]))
    .map("".join)
    .map(tokenize)
)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9).map(
    Fraction
)
DATES = st.builds(Fraction, st.integers(-62_135_596_800_000, 253_402_300_799_000), st.just(1000))
NETWORKS = st.builds(
    lambda a, n: ip_network((a, n), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)
) | st.builds(lambda a, n: ip_network((a, n), strict=False), st.integers(2**32, 2**128 - 1), st.integers(0, 128))
OPS = st.sampled_from(["==", "<", "<=", ">", ">="])


def refusal(text):
    try:
        parse_file(text, "q")
    except QueryError as error:
        return error
    return None


def atoms(keys):
    return (
        st.builds(Present, keys)
        | st.builds(Like, keys, TEXT.map(plain) | PATTERNS, st.booleans())
        | st.builds(Compare, keys, OPS, NUMBERS, st.just(Sort.NUMBER))
        | st.builds(Compare, keys, OPS, DATES, st.just(Sort.DATE))
        | st.builds(InNetwork, keys, NETWORKS)
        | st.builds(Parses, keys, st.sampled_from(Sort))
    )


def larger(inner):
    lists = st.lists(inner, min_size=1, max_size=3)
    return (
        lists.map(all_of)
        | lists.map(any_of)
        | inner.map(not_)
        | st.builds(some, KEYS, inner)
        | st.builds(each, KEYS, inner)
    )


TERMS = st.recursive(atoms(KEYS) | st.sampled_from([TRUE, FALSE]), larger, max_leaves=8)
CALLERS = st.sampled_from(["user/a", "role/team/x", "444455556666:role/r", "account 111122223333", "service lambda.amazonaws.com", "anyone", "anonymous", "outsiders", "root", "arn:aws:iam::111122223333:user/a b", "oidc://h?sub=a%20b&aud=c", "user/a,b", "role/*"])  # fmt: skip
ACTIONS = st.sampled_from(["*", "s3:*", "s3:GetObject", "iam:Pass?ole"])
RESOURCES = st.sampled_from(["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/a b;c,d", "role/admin", 'arn:aws:s3:::b/"', "arn:aws:s3:::b/#x", "arn:aws:s3:::b/x\ny"])  # fmt: skip
GIVEN = st.lists(
    st.tuples(KEYS, st.none() | st.lists(TEXT, min_size=1, max_size=3).map(tuple)), max_size=3, unique_by=lambda g: g[0]
).map(tuple)


@st.composite
def questions(draw):
    verb = draw(st.sampled_from(Verb))
    to_caller = verb is Verb.REACH or (verb is Verb.PATHS and draw(st.booleans()))
    return Question(
        verb=verb,
        caller="" if verb is Verb.WHO_CAN else draw(CALLERS),
        action="" if to_caller or verb is Verb.WHAT_CAN else draw(ACTIONS),
        resource=draw(CALLERS if to_caller else RESOURCES),
        given=draw(GIVEN),
        when=draw(TERMS),
        via=draw(st.sampled_from([None, "direct", "roles", "escalation", "athena.amazonaws.com"])),
        ever=draw(st.booleans()),
        missing=draw(st.sampled_from([None, "assume", "strict", "closed"])),
        any_resource=draw(st.booleans()),
        expect=draw(st.sampled_from([None, "yes", "no", "unknown", "allow", "implicit deny", "explicit deny"])),
        because=draw(st.none() | st.sampled_from(["X13", "boundary", "a b", "when"])),
        within=draw(st.none() | st.integers(0, 99)),
        examples=draw(st.sampled_from([(), ("12",), ("58a", "58b")])),
        except_=draw(st.lists(CALLERS, max_size=2).map(tuple)),
        id=draw(st.none() | st.sampled_from(["a-b", "a b", "1", 'q"'])),
        severity=draw(st.sampled_from([None, "error", "warning", "info"])),
        reason=draw(st.none() | TEXT),
        waiver=draw(st.none() | st.builds(Waiver, st.dates().map(str), TEXT)),
    )


@settings(deadline=None)
@given(TERMS)
def test_reading_a_printed_condition_gives_it_back(term):
    assume(not any("${" in var for var in variables(term)))  # a variable inside a variable is malformed (X34)
    assert parse_condition(print_condition(term)) == term


@settings(deadline=None)
@given(questions())
def test_reading_a_printed_question_gives_it_back(question):
    text = print_question(question)
    assert "\n" not in text
    assert parse_question(text) == question
    assert parse_file(f"# first\n{text}\n\n{text};") == (question, question)


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(["can", "user/a", "do", "s3:x", "on", "*", "when", "with", "a", "=", '"b"', "(", ")", "not", "no", "in", "10.0.0.0/8", "<", "5", ";", "\n", "#", "'", "expect", "because", "via", "roles"])).map(" ".join))  # fmt: skip
def test_every_text_is_read_or_refused_with_a_place(text):
    error = refusal(text)
    assert error is None or (str(error).startswith("q:") and "\n" not in str(error) and "^" in error.help)


def test_all_clauses():
    question = parse_question(
        '58a, 58b: can user/u do ec2:CreateTags on * with aws:TagKeys = ["a", "b"], no aws:SourceIp, aws:SecureTransport = false '
        "when has aws:MultiFactorAuthAge unless aws:MultiFactorAuthAge > 3600 via roles ever missing strict any-resource "
        "expect implicit deny because identity"
    )
    assert question == Question(
        verb=Verb.CAN,
        caller="user/u",
        action="ec2:CreateTags",
        resource="*",
        given=(("aws:TagKeys", ("a", "b")), ("aws:SourceIp", None), ("aws:SecureTransport", ("false",))),
        when=all_of(
            [
                Present("aws:multifactorauthage"),
                not_(Compare("aws:multifactorauthage", ">", Fraction(3600), Sort.NUMBER)),
            ]
        ),
        via="roles",
        ever=True,
        missing="strict",
        any_resource=True,
        expect="implicit deny",
        because="identity",
        examples=("58a", "58b"),
    )


def test_a_file_has_a_question_per_line_and_indented_lines_continue():
    text = "# all of them\ncan user/a do s3:x on *   # one\n  expect no\n\nwho can do s3:x on *; what can role/r do\n"
    first, second, third = parse_file(text)
    assert (first.expect, first.span) == ("no", (2, 1))
    assert (second.verb, second.span) == (Verb.WHO_CAN, (5, 1))
    assert (third.verb, third.resource, third.span) == (Verb.WHAT_CAN, "*", (5, 23))


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ('aws:X = "v"', Like("aws:x", plain("v"))),
        ('aws:X != "v"', not_(Like("aws:x", plain("v")))),
        ("aws:X = [a, b]", any_of([Like("aws:x", plain("a")), Like("aws:x", plain("b"))])),
        ("aws:X like a*", Like("aws:x", tokenize("a*"))),
        ("aws:X = '*'", Like("aws:x", plain("*"))),
        ("aws:X = v ignoring case", Like("aws:x", plain("v"), fold_case=True)),
        ("aws:TagKeys has v", Some("aws:tagkeys", Like("aws:tagkeys", plain("v")))),
        ("aws:TagKeys has like 'v*'", Some("aws:tagkeys", Like("aws:tagkeys", tokenize("v*")))),
        ("aws:SourceIp in 10.1.2.3/8", InNetwork("aws:sourceip", ip_network("10.0.0.0/8"))),
        ("aws:SourceIp in 2001:db8::1", InNetwork("aws:sourceip", ip_network("2001:db8::1/128"))),
        ("s3:max-keys <= 10.0", Compare("s3:max-keys", "<=", Fraction(10), Sort.NUMBER)),
        ("aws:CurrentTime < 1970-01-02", Compare("aws:currenttime", "<", Fraction(86400), Sort.DATE)),
        ("aws:CurrentTime since 86400", Compare("aws:currenttime", ">=", Fraction(86400), Sort.DATE)),
        (
            "no aws:X and has aws:Y or has aws:Z",
            any_of([all_of([not_(Present("aws:x")), Present("aws:y")]), Present("aws:z")]),
        ),
        ("not (has a or has b)", not_(any_of([Present("a"), Present("b")]))),
        ("not has a and has b", all_of([not_(Present("a")), Present("b")])),
        ('"aws:RequestTag/a b" = "x"', Like("aws:requesttag/a b", plain("x"))),
    ],
)
def test_the_meaning_of_conditions(text, term):
    assert parse_condition(text) == term


def test_a_condition_alone_is_refused_with_its_place():
    with pytest.raises(QueryError) as caught:
        parse_condition("has a\n and aws:SourceIp in nowhere")
    assert str(caught.value) == "<when>:2:22: `nowhere` is no CIDR block"
    assert "^^^^^^^" in caught.value.help


def test_odd_callers():
    assert parse_question('can "service lambda.amazonaws.com" do s3:x on *').caller == "service lambda.amazonaws.com"
    with pytest.raises(QueryError) as caught:
        parse_question('can "a b" do s3:x on *')
    assert "write an ARN" in caught.value.help


def test_nodes_outside_the_language_are_printed_for_the_eye():
    origin = Label(LabelKind.STATEMENT, "s")
    assert print_condition(named(origin, Present("a"))) == "has a"
    assert print_condition(Opaque("X13")) == "unknown (X13)"
    assert print_condition(Compare("a", "==", b"\x01", Sort.BINARY)) == "a == 0x01"
    assert print_condition(Within("a", "b", 60)) == "a precedes b by at most 60 s"
    assert print_condition(Within("a", "b", None)) == "a precedes b"
    assert print_condition(Compare("a", "<", Fraction(1, 3), Sort.NUMBER)).startswith("a < 0.333")


def test_very_deep_conditions_are_refused():
    with pytest.raises(QueryError, match="nested too deeply"):
        parse_condition("(" * 5000 + "has a" + ")" * 5000)
    with pytest.raises(QueryError, match="nested too deeply"):
        parse_question("can user/a do s3:x on * when " + "not " * 5000 + "has a")

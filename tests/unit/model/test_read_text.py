from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamsim.errors import InputError
from iamsim.model.json_text import DECODER, DUPLICATE
from iamsim.model.pattern import AnyChar, Literal, Star, Variable, tokenize
from iamsim.model.read_text import SpanKind, pattern_of_spans, pattern_spans, read_json_text

POLICY = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"]}
  ]
}"""

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
FRAGMENTS = st.sampled_from(
    ['"', "{", "}", "[", "]", ",", ":", " ", "\n", "\\", "\\u00e9", "\\ud800", "0", "1", "-", ".", "e", "true", "null", "NaN", "a", "\t", "\x00", '"a"', '"a":', "01"]
)  # fmt: skip


def resolve(value, pointer):
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def pointers(value, at=""):
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from pointers(inner, f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}")


def test_places_are_those_of_the_values():
    value, spans = read_json_text(POLICY, "p.json")
    assert value == json.loads(POLICY)
    assert spans[""] == (1, 1)
    assert spans["/Version"] == (2, 14)
    assert spans["/Statement/0/Action/1"] == (4, 52)


def test_a_repeated_member_is_marked_where_it_stands_again():
    value, spans = read_json_text('{"a": 1,\n "b": 2, "a": 3}', "p.json")
    assert value == {"a": 3, "b": 2, DUPLICATE: "a"}
    assert spans["/" + DUPLICATE] == (2, 10)


@pytest.mark.parametrize(
    ("text", "place", "finding", "remedy"),
    [
        ("", (1, 1), "input-truncated", "the file was cut off: export it again"),
        ('{"a": [1, 2}', (1, 12), "input-not-json", None),
        ('{"a": [1, 2', (1, 12), "input-truncated", "the `[` in line 1 is not closed"),
        ('{"a": 1,}', (1, 9), "input-not-json", "remove the comma before it"),
        ('{"a": 1 "b": 2}', (1, 9), "input-not-json", "a comma is missing before it"),
        ("{'a': 1}", (1, 2), "input-not-json", 'JSON quotes with `"`'),
        ('{"a": True}', (1, 7), "input-not-json", "write `true`, `false` or `null`"),
        ('{\n  // why\n  "a": 1}', (2, 3), "input-not-json", "JSON has no comments"),
        ('{"a": NaN}', (1, 7), "input-not-json", "JSON has neither NaN nor Infinity"),
        (
            "[01]",
            (1, 3),
            "input-not-json",
            "a number has no leading zero, no `+`, and digits on both sides of its point",
        ),
        (
            '["a\\x"]',
            (1, 2),
            "input-not-json",
            'only `\\"`, `\\\\`, `\\/`, `\\b`, `\\f`, `\\n`, `\\r`, `\\t` and `\\uXXXX` are escapes',
        ),
        ("[{} {}]", (1, 5), "input-not-json", "a comma is missing before it"),
        ('{"a" "b"}', (1, 6), "input-not-json", "correct the text at this place, or export it again"),
        ("[1]]", (1, 4), "input-not-json", None),
        ('{"a": {"b": ["]"], "c": 1}', (1, 27), "input-truncated", "the `{` in line 1 is not closed"),
        ('["a\nb"]', (1, 2), "input-not-json", "a text ends in its line; write `\\n` and `\\t` for control characters"),
        ("\ufeff{}", (1, 1), "input-not-json", "remove the byte order mark"),
        ("{a: 1}", (1, 2), "input-not-json", 'texts and member names stand between `"`'),
        ("[" * 600 + "]" * 600, (1, 502), "input-too-deep", None),
        ("1" * 5000, (1, 1), "input-not-json", None),
    ],
)
def test_an_error_has_place_and_remedy(text, place, finding, remedy):
    with pytest.raises(InputError) as caught:
        read_json_text(text, "p.json")
    found = caught.value.diagnostics[0]
    assert (found.id, found.span) == (finding, place)
    assert str(caught.value).startswith(f"p.json:{place[0]}:{place[1]}: ")
    assert "^" in caught.value.help
    if remedy is not None:
        assert found.help == remedy


def test_very_deep_nesting_is_one_clear_error():
    with pytest.raises(InputError, match="nested deeper"):
        read_json_text("[" * 20_000 + "]" * 20_000, "p.json")


@settings(deadline=None)
@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_values_and_pointers_are_those_of_json(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found, spans = read_json_text(text, "p.json")
    assert found == json.loads(text)
    assert set(spans) == set(pointers(found))
    lines = text.split("\n")
    for pointer, (line, column) in spans.items():
        start = sum(len(x) + 1 for x in lines[: line - 1]) + column - 1
        assert DECODER.raw_decode(text, start)[0] == resolve(found, pointer)


@settings(deadline=None)
@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_both_readers_accept_and_refuse_the_same_texts(text):
    try:
        expected = DECODER.decode(text)
    except ValueError:
        with pytest.raises(InputError):
            read_json_text(text, "p.json")
    else:
        assert read_json_text(text, "p.json")[0] == expected


def test_the_spans_of_a_pattern():
    text = "a*${aws:UserName}?${*}${aws:PrincipalTag/x, 'd'}${"
    assert [(s.kind, text[s.start : s.end], s.part) for s in pattern_spans(text)] == [
        (SpanKind.STAR, "*", Star()),
        (SpanKind.VARIABLE, "${aws:UserName}", Variable("aws:username")),
        (SpanKind.ANY_CHAR, "?", AnyChar()),
        (SpanKind.ESCAPE, "${*}", Literal("*")),
        (SpanKind.VARIABLE, "${aws:PrincipalTag/x, 'd'}", Variable("aws:principaltag/x", "d")),
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["*", "?", "$", "{", "}", "${", "${*}", "${a:B}", ",", "'", "a", "\n", " ", "${k, 'd'}"])
    ).map("".join)
    | st.text()
)
def test_spans_agree_with_the_tokenizer(text):
    spans = pattern_spans(text)
    assert pattern_of_spans(text, spans) == tokenize(text)
    assert all(a.end <= b.start for a, b in pairwise(spans))

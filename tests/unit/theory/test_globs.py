from __future__ import annotations

import itertools
import random
import re

import pytest

from iamsim.model.pattern import AnyChar, Literal, Star, Variable, join, match, tokenize
from iamsim.theory.globs import (
    Conflict,
    Found,
    GlobAtom,
    OutOfBudget,
    covers,
    derivative,
    disjoint,
    instances,
    solve,
)

ALPHABET = "ab:A"
TEXTS = ["".join(t) for n in range(5) for t in itertools.product(ALPHABET, repeat=n)]


def pattern(text, *, field=False):
    parts = [Star(field) if c == "*" else AnyChar(field) if c == "?" else Literal(c) for c in text]
    return join(text, parts)


def atom(text, *, field=False, fold_case=False):
    return GlobAtom(pattern(text, field=field), fold_case)


def atoms(*texts):
    return [atom(t) for t in texts]


def as_re(one):
    some, any_one = "[^:]", "."
    out = []
    for part in one.pattern.parts:
        if isinstance(part, Literal):
            out.append(re.escape(part.text))
        else:
            out.append((some if part.field else any_one) + ("*" if isinstance(part, Star) else ""))
    flags = re.DOTALL | (re.IGNORECASE if one.fold_case else 0)
    return re.compile("".join(out), flags)


def check(positive, negative, result, compiled=as_re):
    """The result holds: a text that `re` accepts, or a conflict that no short text refutes."""
    pos, neg = [compiled(a) for a in positive], [compiled(a) for a in negative]
    match result:
        case Found(text):
            assert all(r.fullmatch(text) for r in pos), (positive, negative, text)
            assert not any(r.fullmatch(text) for r in neg), (positive, negative, text)
        case Conflict(p, n):
            assert list(p) == sorted(set(p))
            assert list(n) == sorted(set(n))
            for text in TEXTS:
                ok = all(pos[i].fullmatch(text) for i in p) and not any(neg[i].fullmatch(text) for i in n)
                assert not ok, (positive, negative, text)
        case _:
            pytest.fail("out of budget")


def short_globs(size):
    return ["".join(t) for n in range(size + 1) for t in itertools.product("a:*?", repeat=n)]


def test_pairs_of_short_globs_against_re():
    compiled = {}
    memo = lambda a: compiled.setdefault(a, as_re(a))  # noqa: E731
    accepted = {}
    plain = [atom(t) for t in short_globs(3)]
    field = [atom(t, field=True) for t in short_globs(3) if "*" in t or "?" in t]
    for a in plain + field:
        accepted[a] = frozenset(t for t in TEXTS if memo(a).fullmatch(t))
    rnd = random.Random(7)
    pairs = [(a, b) for a in plain + field for b in rnd.sample(plain + field, 40)]
    for a, b in pairs:
        both, only = solve([a, b], []), solve([a], [b])
        assert isinstance(both, Found) == bool(accepted[a] & accepted[b]), (a, b)
        assert isinstance(only, Found) == bool(accepted[a] - accepted[b]), (a, b)
        for result, positive, negative in ((both, [a, b], []), (only, [a], [b])):
            if isinstance(result, Found):
                check(positive, negative, result, memo)
        assert covers(b.pattern, a.pattern) == (accepted[a] <= accepted[b]), (a, b)
        assert disjoint(a.pattern, b.pattern) == accepted[a].isdisjoint(accepted[b]), (a, b)


def random_atom(rnd, *, letters="ab:"):
    text = "".join(rnd.choice(letters + "**?") for _ in range(rnd.randint(0, 5)))
    parts = [
        Star(rnd.random() < 0.3) if c == "*" else AnyChar(rnd.random() < 0.3) if c == "?" else Literal(c) for c in text
    ]
    return GlobAtom(join(text, parts), rnd.random() < 0.3)


def test_random_cases_against_re():
    rnd = random.Random(3)
    conflicts = 0
    for _ in range(1500):
        positive = [random_atom(rnd, letters="abA:") for _ in range(rnd.randint(0, 3))]
        negative = [random_atom(rnd, letters="abA:") for _ in range(rnd.randint(0, 4))]
        result = solve(positive, negative)
        check(positive, negative, result)
        if isinstance(result, Conflict):
            conflicts += 1
            core = solve([positive[i] for i in result.positive], [negative[i] for i in result.negative])
            assert isinstance(core, Conflict)
    assert 300 < conflicts < 1200


def test_conflicts_are_minimal():
    rnd = random.Random(4)
    seen = 0
    while seen < 60:
        positive = [random_atom(rnd) for _ in range(2)]
        negative = [random_atom(rnd) for _ in range(3)]
        result = solve(positive, negative)
        if not isinstance(result, Conflict):
            continue
        seen += 1
        p, n = [positive[i] for i in result.positive], [negative[i] for i in result.negative]
        for i in range(len(p)):
            assert isinstance(solve(p[:i] + p[i + 1 :], n), Found)
        for i in range(len(n)):
            assert isinstance(solve(p, n[:i] + n[i + 1 :]), Found)


@pytest.mark.parametrize(
    ("positive", "negative", "text"),
    [
        ([], [], "x"),
        (["arn:aws:s3:::b/*"], [], "arn:aws:s3:::b/x"),
        (["abc"], ["ab", "b*"], "abc"),
        (["abc", "a*"], [], "abc"),
        (["arn:aws:s3:::*"], ["arn:aws:s3:::x*", "arn:aws:s3:::q*"], "arn:aws:s3:::"),
        (["?"], ["x", "q"], "1"),
        ([], ["x"], "q7"),
        (["*"], ["", "?"], "xx"),
        (["*a*", "*b*"], ["*xq", "q7"], "ab"),
    ],
)
def test_witness(positive, negative, text):
    assert solve(atoms(*positive), atoms(*negative)) == Found(text)


@pytest.mark.parametrize(
    ("positive", "negative", "conflict"),
    [
        (["abc", "abd"], [], Conflict((0, 1), ())),
        (["abc"], ["x", "a*"], Conflict((0,), (1,))),
        (["a*", "*", "b*"], [], Conflict((0, 2), ())),
        (["*a", "*b"], [], Conflict((0, 1), ())),
        (["*"], ["q*", "*"], Conflict((), (1,))),
        (["a*"], ["b*", "*", "a"], Conflict((), (1,))),
        (["a*", "??"], ["b*", "a?", "c"], Conflict((0, 1), (1,))),
        ([], ["?*", ""], Conflict((), (0, 1))),
    ],
)
def test_conflict(positive, negative, conflict):
    assert solve(atoms(*positive), atoms(*negative)) == conflict


def test_hint_is_preferred():
    assert solve(atoms("a*"), [], alphabet_hint="7") == Found("a7")
    assert solve(atoms("a?*"), atoms("a7*", "aq*"), alphabet_hint="789") == Found("a8")


def test_ignoring_case():
    fold = atom("getObject", fold_case=True)
    assert solve([fold, atom("GET*")], []) == Found("GETObject")
    assert solve([fold], [atom("*T*", fold_case=True)]) == Conflict((0,), (0,))
    assert solve([fold], []) == Found("getObject")
    assert solve([fold, atom("getobject", fold_case=True)], []) == Found("getObject")
    assert isinstance(solve([atom("ab", fold_case=True)], atoms("ab", "AB", "Ab")), Found)
    assert solve([atom("ab", fold_case=True)], atoms("ab", "AB", "Ab", "aB")) == Conflict((0,), (0, 1, 2, 3))


def test_only_ascii_letters_are_folded():
    assert isinstance(solve([atom("k", fold_case=True)], atoms("k", "K")), Conflict)
    assert not match(pattern("k"), "\u212a", fold_case=True)
    for text in ("ΑΣ*", "İ*", "ß?", "Straße*"):
        result = solve([atom(text, fold_case=True)], [atom(text[:-1] + "x")])
        assert isinstance(result, Found)
        assert match(pattern(text), result.text, fold_case=True)


def test_a_field_wildcard_stops_at_colons():
    assert solve([atom("a:*", field=True)], [atom("a:*")]) == Conflict((0,), (0,))
    assert solve([atom("a:*")], [atom("a:*", field=True)]) == Found("a::")
    assert solve([atom("?"), atom(":")], [atom("?", field=True)]) == Found(":")
    assert solve([atom("?")], [atom("?", field=True)]) == Found(":")
    assert solve([atom("a*")], [atom("a*:*"), atom("a*", field=True)]) == Conflict((0,), (0, 1))


def test_variables_are_refused():
    with pytest.raises(TypeError, match="variable"):
        solve([GlobAtom(join("", [Variable("aws:username"), Star()])), atom("*")], [atom("x*")])


# --- the hard cases -----------------------------------------------------------------------------------------------


def test_inside_a_prefix_and_outside_a_hundred():
    negative = atoms(*(f"arn:aws:s3:::{c}{i}*" for i in range(50) for c in "xq"), "arn:aws:s3:::q", "arn:aws:s3:::x")
    check(atoms("arn:aws:s3:::?*"), negative, solve(atoms("arn:aws:s3:::?*"), negative, budget=500))


def test_one_glob_inside_a_union():
    negative = atoms(*(f"arn:aws:s3:::bucket-{i}/*" for i in range(100)))
    result = solve(atoms("arn:aws:s3:::bucket-77/logs/*"), negative, budget=500)
    assert result == Conflict((0,), (77,))


def test_many_stars_negated():
    positive = atoms("arn:aws:ecs:*:*:task/*/*")
    negative = atoms(*(f"arn:aws:ecs:*:{i:012}:task/c{i}*/x*" for i in range(100)), "*:x:*", "*:q:*")
    check(positive, negative, solve(positive, negative, budget=5000))


def test_repeats():
    result = solve(atoms("ab*b*b*b*b*b*b*b*b"), atoms("a*b*b*b*b*b*b*b*b"), budget=200)
    assert result == Conflict((0,), (0,))


@pytest.mark.parametrize("n", [8, 16, 32])
def test_many_contained_tokens(n):
    positive = atoms(*(f"*tok{i}x{i * 7}*" for i in range(n)))
    check(positive, [], solve(positive, []))


def test_over_budget():
    tokens = [f"{chr(97 + i)}{chr(98 + i)}" for i in range(14)]
    positive = atoms(*(f"*{t}*" for t in tokens), "????????????")
    assert solve(positive, [], budget=2500) == OutOfBudget()
    assert list(instances(positive, [], limit=3, budget=100)) == []


def test_more_tokens_than_a_merge_can_place():
    positive = [*atoms(*(f"*{c}{c}*" for c in "abcdefghij")), atom("q*", field=True)]
    result = solve(positive, atoms("*x*"))
    assert isinstance(result, Found)
    check(positive, atoms("*x*"), result)


# --- covers, disjoint, derivative, instances ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("*", "a?", True),
        ("a*", "abc*d", True),
        ("a*", "*", False),
        ("a*", "b", False),
        ("abc", "a*", False),
        ("*?", "*", False),
        ("*?", "?*", True),
        ("a*b*", "a*cb*", True),
        ("*.txt", "a*b.txt", True),
        ("", "*", False),
        ("*", "", True),
    ],
)
def test_covers(a, b, expected):
    assert covers(pattern(a), pattern(b)) is expected


def test_covers_ignoring_case():
    assert covers(pattern("S3:*"), pattern("s3:Get*"), fold_case=True) is True
    assert covers(pattern("S3:*"), pattern("s3:Get*")) is False
    assert disjoint(pattern("S3:*"), pattern("s3:Get*"), fold_case=True) is False
    assert disjoint(pattern("S3:*"), pattern("s3:Get*")) is True


def test_undecided_is_none():
    # which of the last 21 characters are a, and which b: 2^20 sets of positions
    a, b = pattern("*a" + "?" * 20), pattern("*b" + "?" * 20)
    assert covers(pattern("?*a" + "?" * 20), pattern("*a*a" + "?" * 20)) in (True, None)
    assert disjoint(a, b) is True or disjoint(a, b) is None


def test_derivative_of_short_globs():
    for size, text in ((3, "a"), (3, "a:"), (2, ""), (3, "::a")):
        for glob in short_globs(size):
            for field in (False, True):
                one = pattern(glob, field=field)
                rest = derivative(one, text)
                for tail in TEXTS[:25]:
                    assert any(match(p, tail) for p in rest) == match(one, text + tail), (glob, text, tail)


def test_derivative_ignoring_case():
    assert derivative(pattern("s3:Get*"), "S3:g", fold_case=True) == (pattern("et*"),)
    assert derivative(pattern("s3:Get*"), "S3:g") == ()
    assert derivative(pattern("*b?"), "ab")[0].text == "*b?" or len(derivative(pattern("*b?"), "ab")) == 2


def test_instances_are_all_the_short_texts_of_a_finite_language():
    found = list(instances([atom("?b", fold_case=True), atom("a*", fold_case=True)], [atom("aB")], limit=10))
    assert sorted(found) == ["AB", "Ab", "ab"]


def test_instances_come_by_length_and_differ():
    found = list(instances(atoms("a*"), atoms("a", "?x*"), limit=12))
    assert len(set(found)) == len(found) == 12
    assert [len(t) for t in found] == sorted(len(t) for t in found)
    assert all(match(pattern("a*"), t) and t != "a" and t[1] != "x" for t in found)
    assert list(instances(atoms("a"), atoms("*"))) == []
    assert list(instances(atoms("a", "b"), [])) == []
    assert list(instances(atoms("*"), [], limit=3, alphabet_hint="01")) == ["", "0", "1"]


def test_instances_over_budget_give_one():
    positive = atoms(*(f"*tok{i}*" for i in range(12)))
    assert len(list(instances(positive, [], limit=3, budget=100))) == 1


def test_tokenized_patterns_are_accepted():
    assert solve([GlobAtom(tokenize("a${*}*"))], [GlobAtom(tokenize("a*x"))]) == Found("a*q")


def test_derivative_refuses_variables():
    with pytest.raises(TypeError, match="variable"):
        derivative(join("", [Literal("a"), Variable("aws:username")]), "a")


def test_a_conflict_shrinks_by_more_than_one_atom_at_a_time():
    positive = atoms("?*", "*?", "??", "*a*", "*b*")
    negative = atoms("a?", "?b", "*a", "b*")
    result = solve(positive, negative)
    check(positive, negative, result)
    assert isinstance(result, Conflict)
    assert len(result.positive) + len(result.negative) < 7


def test_allowed_characters_against_enumeration():
    rnd = random.Random(8)
    for _ in range(800):
        positive = [random_atom(rnd, letters="abA:") for _ in range(rnd.randint(0, 2))]
        negative = [random_atom(rnd, letters="abA:") for _ in range(rnd.randint(0, 3))]
        allowed = "".join(rnd.sample(ALPHABET, rnd.randint(0, 3)))
        texts = ["".join(t) for n in range(6) for t in itertools.product(sorted(allowed), repeat=n)]
        pos, neg = [as_re(a) for a in positive], [as_re(a) for a in negative]

        def inside(p, n, pos=pos, neg=neg, texts=texts):
            return any(all(pos[i].fullmatch(t) for i in p) and not any(neg[i].fullmatch(t) for i in n) for t in texts)

        found = list(instances(positive, negative, limit=5, allowed=allowed))
        match solve(positive, negative, allowed=allowed):
            case Found(text):
                assert set(text) <= set(allowed)
                check(positive, negative, Found(text))
                assert found
                assert all(set(t) <= set(allowed) for t in found)
            case Conflict(p, n):
                assert not inside(p, n)
                assert not found


def test_allowed_characters():
    assert solve([], [], allowed="0123") == Found("1")
    assert solve([], [], allowed="") == Found("")
    assert solve(atoms("?"), [], allowed="") == Conflict((0,), ())
    assert solve(atoms("a?"), atoms("a0"), allowed="a0") == Found("aa")
    assert solve(atoms("*", "ab"), [], allowed="a") == Conflict((1,), ())
    assert solve([atom("ab", fold_case=True)], [], allowed="AB") == Found("AB")
    assert solve(atoms("????", "*"), atoms("1*"), allowed="0123456789", alphabet_hint="1") == Found("0111")

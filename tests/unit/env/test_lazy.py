"""Mappings that make their values later."""

from __future__ import annotations

import pytest

from iamsim.env.lazy import Later, Lazy, skimmed


def test_each_value_is_made_once_and_only_when_asked_for():
    made = []
    lazy = Lazy({"a": 1, "b": 2}, lambda n: made.append(n) or [n])
    assert ("a" in lazy, "c" in lazy, len(lazy), list(lazy)) == (True, False, 2, ["a", "b"])
    assert made == []
    assert lazy["a"] is lazy["a"] is lazy.get("a")
    assert made == [1]
    assert lazy == {"a": [1], "b": [2]}
    assert made == [1, 2]


def test_what_is_not_there():
    lazy = Lazy({"a": 1}, str)
    assert (lazy.get("x"), lazy.get("x", 7)) == (None, 7)
    with pytest.raises(KeyError):
        lazy["x"]


def test_skimming_makes_nothing_that_is_kept():
    lazy = Lazy({"a": 1}, lambda n: [n], lambda n: (n,))
    assert list(skimmed(lazy)) == [("a", (1,))]
    assert lazy["a"] == [1]
    assert list(skimmed({"a": 1})) == [("a", 1)]


def test_later_loads_once():
    loads = []
    later = Later(lambda: loads.append(1) or {"a": 1})
    assert loads == []
    assert (later["a"], later.get("b", 2), len(later), "a" in later, list(later)) == (1, 2, 1, True, ["a"])
    assert dict(later.items()) == {"a": 1}
    assert loads == [1]


def test_what_was_read_is_let_go():
    raw = {"a": 1, "b": 2}
    lazy = Lazy(raw, lambda n: [n], lambda n: (n,))
    first = lazy["a"]
    assert 1 not in raw.values()
    assert lazy["a"] is first
    assert ("a" in lazy, len(lazy), list(lazy)) == (True, 2, ["a", "b"])
    assert list(skimmed(lazy)) == [("a", [1]), ("b", (2,))]


def test_one_who_asks_meanwhile_gets_the_same_value():
    def make(n):
        if not again:
            again.append(0)
            again.append(lazy["a"])
        return [n]

    again = []
    lazy = Lazy({"a": 1}, make)
    assert lazy["a"] is again[1]
    assert lazy.get("a") is again[1]

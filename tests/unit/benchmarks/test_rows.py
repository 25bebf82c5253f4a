"""Rows of benchmarks, saved and compared."""

from __future__ import annotations

import json

from benchmarks.rows import Row, comparison, save, table


def row(name="loading", value=10.0, **more):
    return Row(name=name, value=value, floor=5.0, unit="ms", **more)


def test_bounds():
    assert row(bound=2.0).ok
    assert not row(bound=1.9).ok
    assert row(bound=2.0, at_least=True).ok
    assert not row(bound=2.1, at_least=True).ok
    assert row().ok
    assert not row(failed=True).ok
    assert not row(bound=2.0, peak=11.0, most=10.0).ok
    assert row(bound=2.0, peak=9.0, most=10.0).ok


def test_a_run_is_saved_and_two_are_compared(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    save([row(peak=9.0), row("gone")], first)
    save([row(value=15.0, bound=2.0, peak=8.0), row("new")], second)
    assert [r["ratio"] for r in json.loads(first.read_text())["rows"]] == [2.0, 2.0]
    lines = comparison(first, second).splitlines()
    assert lines[1].split() == ["loading", "2.00", "3.00", "+50%", "9", "→", "8", "FAILED"]
    assert lines[2].split() == ["gone", "2.00"]
    assert lines[3].split() == ["new", "2.00"]


def test_the_table_names_what_failed():
    text = table([row(bound=1.0, remark="why"), row("other", peak=3.0)])
    assert "FAILED  why" in text
    assert text.splitlines()[2].split()[-2:] == ["3", "ok"]

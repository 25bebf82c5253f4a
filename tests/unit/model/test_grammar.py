from __future__ import annotations

import pytest

from iamsim.errors import InternalError
from iamsim.model.grammar import Node, SyntaxProblem, grammar_folder, parse, position, snippet


def test_the_grammars_of_an_installed_package_come_first(tmp_path):
    package = tmp_path / "iamsim"
    package.mkdir()
    with pytest.raises(InternalError):
        grammar_folder(package)
    for folder in (tmp_path / "grammar", package / "grammar"):
        folder.mkdir()
        (folder / "query.lark").touch()
        assert grammar_folder(package) == folder


def test_a_problem_has_place_word_and_expectation():
    found = parse("query", "can user/a\n  du s3:x on *", start="single", source="q")
    assert isinstance(found, SyntaxProblem)
    assert found.message == "q:2:3: `du` is out of place: expected `do` or `reach`"
    assert found.snippet == "    du s3:x on *\n    ^^"
    end = parse("query", "can user/a do s3:x on\n\n", start="single", source="q")
    assert isinstance(end, SyntaxProblem)
    assert (end.line, end.column, end.found) == (1, 22, "")


def test_long_lines_are_cut_around_the_place_and_controls_are_not_printed():
    shown, carets = snippet("x" * 200 + "HERE\x1b", 1, 201, 4).split("\n")
    assert shown.index("HERE") == carets.index("^^^^")
    assert shown.endswith("HERE\N{REPLACEMENT CHARACTER}")
    assert len(shown) < 110


def test_positions():
    assert position("ab\ncd", 4) == (2, 2)
    assert position("ab\ncd\n\n", 99) == (2, 3)
    assert position("", 0) == (1, 1)


def test_every_node_has_its_place():
    root = parse("policy", '{\n "a": [1]}')
    assert isinstance(root, Node)
    array = root.all("member")[0].all("array")[0]
    assert (array.line, array.column) == (2, 7)

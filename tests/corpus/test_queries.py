"""Every page of corpus/queries: accepted texts with their meaning, rejected texts with message and remedy."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from pages import CORPUS

from iamsim.errors import QueryError
from iamsim.ir.term import TRUE, And, Compare, Const, Each, InNetwork, Like, Not, Or, Parses, Present, Some, Sort
from iamsim.ir.values import date_text
from iamsim.model.pattern import Literal
from iamsim.query.language import parse_file, parse_question, print_question

EXAMPLE = re.compile(r"^## (?P<title>.+)\n(?P<prose>(?:(?!```|## ).*\n)*)```ask\n(?P<text>(?:.*\n)*?)```\n+```(?P<kind>meaning|error)\n(?P<wanted>(?:.*\n)*?)```$", re.MULTILINE)  # fmt: skip


def examples():
    for path in sorted((CORPUS / "queries").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        found = list(EXAMPLE.finditer(text))
        assert len(found) == text.count("\n## "), f"{path.name}: a section is not in the format"
        for m in found:
            yield pytest.param(m["text"], m["kind"], m["wanted"], id=f"{path.stem}: {m['title']}")


def show(term):
    """A term as an expression over its nodes, which shares nothing with the printer of the language."""
    match term:
        case Const(value):
            return str(value)
        case And(args) | Or(args):
            return f"{type(term).__name__}({', '.join(map(show, args))})"
        case Not(arg):
            return f"Not({show(arg)})"
        case Present(var):
            return f"Present({var})"
        case Like(var, pattern, fold):
            parts = [repr(p.text) if isinstance(p, Literal) else part_name(p) for p in pattern.parts]
            return f"Like({', '.join([var, ' '.join(parts) or repr(''), *(['fold_case'] * fold)])})"
        case Compare(var, op, value, sort):
            return f"Compare({var} {op} {date_text(value) if sort is Sort.DATE else value}, {sort})"
        case InNetwork(var, network):
            return f"InNetwork({var}, {network})"
        case Parses(var, sort):
            return f"Parses({var}, {sort})"
        case Each(var, arg) | Some(var, arg):
            return f"{type(term).__name__}({var}, {show(arg)})"
        case _:
            raise AssertionError(term)


def part_name(part):
    if hasattr(part, "key"):
        return f"Variable({part.key}{'' if part.default is None else f', {part.default!r}'})"
    return type(part).__name__


def meaning(question):
    """What is set in a question, a line each."""
    out = []
    for f in fields(question):
        value = getattr(question, f.name)
        if f.name == "span" or value in ("", (), None, False, TRUE):
            continue
        name = f.name.rstrip("_")
        if name == "given":
            out += [f"given: {k} {'absent' if v is None else '= ' + ' | '.join(v)}" for k, v in value]
        elif name == "when":
            out.append(f"when: {show(value)}")
        else:
            out.append(f"{name}: {', '.join(value) if isinstance(value, tuple) else value}")
    return "".join(line + "\n" for line in out)


def outcome(text):
    try:
        return "meaning", "---\n".join(meaning(q) for q in parse_file(text))
    except QueryError as error:
        return "error", f"{error}\n{error.help}\n"


@pytest.mark.parametrize(("text", "kind", "wanted"), tuple(examples()))
def test_a_text_means_what_its_page_says(text, kind, wanted):
    assert outcome(text) == (kind, wanted)


@pytest.mark.parametrize("text", [p.values[0] for p in examples() if p.values[1] == "meaning"])
def test_an_accepted_text_survives_printing(text):
    for question in parse_file(text):
        assert parse_question(print_question(question)) == question


def test_two_questions_are_refused_where_one_is_asked():
    with pytest.raises(QueryError) as caught:
        parse_question("can user/a do s3:x on *\ncan user/b do s3:x on *")
    assert caught.value.help.splitlines()[-1].startswith("one question was expected")

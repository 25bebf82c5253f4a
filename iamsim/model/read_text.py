"""The text of single documents: JSON with positions, and the wildcards and variables inside pattern texts.

`read_policy` stays the only reader of what a policy says; this module only finds places. It is for one document that
somebody is editing; snapshots are read by `json`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Origin
from iamsim.errors import InputError
from iamsim.findings import diagnostic
from iamsim.model.grammar import Leaf, Node, SyntaxProblem, parse, position, snippet
from iamsim.model.json_text import DUPLICATE
from iamsim.model.pattern import AnyChar, Literal, Part, Pattern, Star, Variable, join

if TYPE_CHECKING:
    from collections.abc import Mapping

DEEPEST = 500
Spans = dict[str, tuple[int, int]]


def read_json_text(text: str, source: str) -> tuple[Any, Mapping[str, tuple[int, int]]]:
    """The JSON value that `text` writes, and for each JSON pointer into it line and column of the value (from 1).

    The value is that of `json.loads`, but an object in which a member occurs twice gets one more member, DUPLICATE,
    that names the first such; its pointer leads to the second occurrence of the name. NaN and Infinity are no JSON.
    InputError, with place and remedy, for a text that is no JSON or is nested deeper than 500 levels.
    """
    root = parse("policy", text, source=source)
    if isinstance(root, SyntaxProblem):
        finding = "input-not-json" if root.found else "input-truncated"
        tail = root.message.removeprefix(f"{source}:{root.line}:{root.column}: ")
        raise _error(finding, source, (root.line, root.column), tail, (root.snippet, _remedy(root, text)))
    spans: Spans = {}
    holder: list[Any] = [None]
    todo: list[tuple[Node, str, Any, Any, int]] = [(root, "", holder, 0, 0)]
    while todo:
        node, pointer, container, slot, depth = todo.pop()
        place = spans[pointer] = (node.line, node.column)
        if depth > DEEPEST:
            message = f"nested deeper than {DEEPEST} levels"
            raise _error("input-too-deep", source, place, message, (snippet(text, *place), ""))
        if node.name == "array":
            items = node.nodes()
            container[slot] = [None] * len(items)
            todo.extend((n, f"{pointer}/{i}", container[slot], i, depth + 1) for i, n in enumerate(items))
        elif node.name == "object":
            container[slot], members = _members(node, pointer, spans)
            todo.extend((n, f"{pointer}/{_escaped(k)}", container[slot], k, depth + 1) for k, n in members.items())
        else:
            container[slot] = _scalar(node, text, source)
    return holder[0], spans


def _members(node: Node, pointer: str, spans: Spans) -> tuple[dict[str, Any], dict[str, Node]]:
    """member: string ":" value — an object with its members to be filled in, and the nodes of their values."""
    members: dict[str, Node] = {}
    twice: str | None = None
    for member in node.all("member"):
        name, value = member.nodes()
        key = json.loads(name.leaves()[0].text)
        if key in members and twice is None:
            twice = key
            spans[f"{pointer}/{DUPLICATE}"] = (name.line, name.column)
        members[key] = value
    filled: dict[str, Any] = dict.fromkeys(members)
    if twice is not None:
        filled[DUPLICATE] = twice
    return filled, members


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _scalar(node: Node, text: str, source: str) -> Any:
    leaf = node.leaves()[0]
    try:
        return json.loads(leaf.text)
    except ValueError:
        place = (leaf.line, leaf.column)
        message = "the number has too many digits"
        raise _error("input-not-json", source, place, message, (snippet(text, *place, len(leaf.text)), "")) from None


def _error(finding: str, source: str, place: tuple[int, int], message: str, shown: tuple[str, str]) -> InputError:
    """The error of a finding; `shown` are the snippet and the remedy, which is that of the finding if empty."""
    found = diagnostic(finding, Origin(source), message, span=place, help=shown[1] or None)
    return InputError(f"{source}:{place[0]}:{place[1]}: {message}", (found,), f"{shown[0]}\n{found.help}")


REMEDIES = (
    (r"'", 'JSON quotes with `"`'),
    (r"//|/\*|#", "JSON has no comments"),
    (r"(True|False|None)\b", "write `true`, `false` or `null`"),
    (r"(NaN|-?Infinity)\b", "JSON has neither NaN nor Infinity"),
    (r"[+-]?[0-9.]", "a number has no leading zero, no `+`, and digits on both sides of its point"),
    ("\ufeff", "remove the byte order mark"),
    (r"[\u201c\u201d\u201e]", 'these are typographic quotes, JSON quotes with `"`'),
    (r"[A-Za-z_$]", 'texts and member names stand between `"`'),
)


TEXT = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"'


def _remedy(problem: SyntaxProblem, text: str) -> str:
    """The remedy of a frequent mistake, told by what stands at its place and before it."""
    lines = text.split("\n")
    rest = lines[problem.line - 1][problem.column - 1 :] if problem.line <= len(lines) else ""
    before = "\n".join([*lines[: problem.line - 1], lines[problem.line - 1][: problem.column - 1]]).rstrip()
    if not problem.found:
        return _closing(text)
    if rest[:1] in "}]" and before.endswith(","):
        return "remove the comma before it"
    if rest[:1] in '"{[' and "`,`" in problem.expected:
        return "a comma is missing before it"
    if rest[:1] == '"' and not re.match(TEXT, rest):
        return _text_mistake(rest)
    return next((remedy for pattern, remedy in REMEDIES if re.match(pattern, rest)), "")


def _text_mistake(rest: str) -> str:
    """What is wrong with a text that begins a line's `rest` and cannot be read."""
    if re.match(TEXT.removesuffix('"') + r"\\", rest):
        return 'only `\\"`, `\\\\`, `\\/`, `\\b`, `\\f`, `\\n`, `\\r`, `\\t` and `\\uXXXX` are escapes'
    return "a text ends in its line; write `\\n` and `\\t` for control characters"


def _closing(text: str) -> str:
    """Which bracket is not closed, where it stands."""
    opened: list[tuple[str, int]] = []
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text, re.DOTALL):
        if token[0] in "[{":
            opened.append((token[0], token.start()))
        elif token[0] in "]}" and opened:
            opened.pop()
    if not opened:
        return ""
    sign, offset = opened[-1]
    return f"the `{sign}` in line {position(text, offset)[0]} is not closed"


class SpanKind(StrEnum):
    """What stands at a place of a pattern text."""

    STAR = "*"
    ANY_CHAR = "?"
    ESCAPE = "escaped character"
    VARIABLE = "policy variable"


@dataclass(frozen=True, slots=True)
class PatternSpan:
    """A wildcard, escape or variable of a pattern text: `text[start:end]`, and the part that it means."""

    kind: SpanKind
    start: int
    end: int
    part: Part


def pattern_spans(text: str) -> tuple[PatternSpan, ...]:
    """The wildcards, escapes and policy variables of a pattern text, in order; what lies between is plain text.

    Source: IAM User Guide, "IAM policy elements: Variables and tags".
    """
    root = parse("pattern", text)
    assert isinstance(root, Node), "every text is a pattern"
    return tuple(_span(leaf) for leaf in root.leaves() if leaf.name != "TEXT")


def _span(leaf: Leaf) -> PatternSpan:
    end = leaf.start + len(leaf.text)
    match leaf.name:
        case "STAR":
            return PatternSpan(SpanKind.STAR, leaf.start, end, Star())
        case "ANY_CHAR":
            return PatternSpan(SpanKind.ANY_CHAR, leaf.start, end, AnyChar())
        case "ESCAPE":
            return PatternSpan(SpanKind.ESCAPE, leaf.start, end, Literal(leaf.text[2]))
        case _:
            return PatternSpan(SpanKind.VARIABLE, leaf.start, end, _variable(leaf.text[2:-1]))


def _variable(body: str) -> Variable:
    """One that is neither `key` nor `key, 'default'` is kept whole as its key."""
    key, comma, default = body.partition(", '")
    odd = set(",{}'$")
    named = key and not set(key) & odd and key == key.strip()
    if not named or (comma and (not default.endswith("'") or set(default[:-1]) & (odd - {","}))):
        return Variable(body)
    return Variable(key.lower(), default[:-1] if comma else None)


def pattern_of_spans(text: str, spans: tuple[PatternSpan, ...]) -> Pattern:
    """The pattern that `spans` make of `text`; equal to `tokenize(text)` if they are its spans."""
    parts: list[Part] = []
    last = 0
    for span in spans:
        parts += [Literal(text[last : span.start]), span.part]
        last = span.end
    return join(text, [*parts, Literal(text[last:])])

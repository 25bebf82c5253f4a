"""Files of rules: questions with expectations, names of sets, suppressions. One broken entry does not spoil the others."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from iamsim.check.model import Problem, Rule, RuleFile, Suppression
from iamsim.diagnostics import Severity
from iamsim.env.files import bytes_of, text_of
from iamsim.errors import InputError
from iamsim.findings import FINDINGS
from iamsim.model.grammar import SyntaxProblem, nearest, parse, snippet
from iamsim.model.pattern import match, tokenize
from iamsim.query.condition import Refused
from iamsim.query.condition import text_of as token_text
from iamsim.query.language import Verb, questions_of, read_day, remedy_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.model.grammar import Node
    from iamsim.query.language import Question

CHECKED = (Verb.CAN, Verb.REACH, Verb.WHO_CAN, Verb.ONLY_VIA)
"""The verbs of rules: those whose answer is a verdict."""

# a quoted text, a comment, or the end of an entry, as the terminals of lexical.lark have them
_CUT = re.compile(
    r'"(?:[^"\\\x00-\x1f]|\\.)*"'
    r"|(?<![^\s;,(\[=<>!])'[^'\x00-\x1f]*'"
    r"|(?<![^\s;,])#[^\n]*"
    r"|(?P<end>;|\n(?=[^\s#;]))"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a file with the line of its first character; its text is indented to where it stood."""

    text: str
    line: int


def read_file(path: str) -> RuleFile:
    """The rules of the file `path`. Raises InputError if it cannot be read at all."""
    return read_rules(read_questions(path), path)


def read_questions(path: str) -> str:
    """The text of a file of questions. Raises InputError if it cannot be read at all."""
    data = bytes_of(path)
    if not isinstance(data, bytes):
        raise InputError(data.message, (data,), data.help)
    text = text_of(data, path)
    if not isinstance(text, str):
        raise InputError(text.message, (text,), text.help)
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def read_rules(text: str, source: str) -> RuleFile:
    """The rules, suppressions and problems of `text`, in order; entries that mean nothing are problems."""
    return _read(source, *entries(text, source))


def entries(text: str, source: str) -> tuple[list[tuple[Segment, Node]], list[Problem]]:
    """The parts of `text` that can be parsed, each with its tree of entries, and the problems of the others."""
    whole = Segment(text, 1)
    found = parse("query", text, start="file", source=source)
    if not isinstance(found, SyntaxProblem):
        return [(whole, found)], []
    parsed: list[tuple[Segment, Node]] = []
    problems: list[Problem] = []
    for segment in _segments(text):
        one = parse("query", segment.text, start="file", source=source)
        if isinstance(one, SyntaxProblem):
            problems.append(_syntax(one, segment))
        else:
            parsed.append((segment, one))
    return parsed, problems or [_syntax(found, whole)]


def _segments(text: str) -> Iterator[Segment]:
    line, start, indent = 1, 0, 0
    for cut in _CUT.finditer(text):
        if cut["end"] is None:
            continue
        piece = text[start : cut.start()]
        yield Segment(" " * indent + piece, line)
        line += text.count("\n", start, cut.end())
        start = cut.end()
        indent = start - (text.rfind("\n", 0, start) + 1)
    yield Segment(" " * indent + text[start:], line)


def _syntax(problem: SyntaxProblem, segment: Segment) -> Problem:
    moved = replace(problem, line=problem.line + segment.line - 1)
    _, _, message = moved.message.partition(f"{moved.source}:{moved.line}:{moved.column}: ")
    remedy = "\n".join(p for p in (problem.snippet, remedy_of(problem, "file")) if p)
    return Problem(source=problem.source, line=moved.line, column=moved.column, message=message, help=remedy)


def _read(source: str, parsed: list[tuple[Segment, Node]], problems: list[Problem]) -> RuleFile:
    names: dict[str, tuple[str, ...]] = {}
    rules: dict[str, Rule] = {}
    suppressions: list[Suppression] = []
    for segment, root in parsed:
        for node in root.nodes():
            try:
                if node.name == "suppress":
                    suppressions.append(_suppression(node, source, segment))
                elif questions := questions_of(node, names):
                    rule = _rule(questions, node, source, segment)
                    _new(rule, rules, node)
                    rules[rule.id] = rule
            except Refused as refused:
                problems.append(problem_of(refused, source, segment))
            except RecursionError:
                problems.append(problem_of(too_deep(node), source, segment))
    problems.sort(key=lambda p: (p.line, p.column))
    return RuleFile(
        source=source, rules=tuple(rules.values()), suppressions=tuple(suppressions), problems=tuple(problems)
    )


def _new(rule: Rule, rules: dict[str, Rule], node: Node) -> None:
    if rule.id in rules:
        first = rules[rule.id]
        place = node.all("id")[0].leaves()[0] if node.all("id") else node
        help_ = f"the first stands in line {first.line}"
        raise Refused(f"the id `{rule.id}` is taken", place.line, place.column, found=rule.id, help=help_)


def too_deep(node: Node) -> Refused:
    """What is wrong with an entry that cannot be read for its depth."""
    return Refused("the condition is nested too deeply", node.line, node.column)


def problem_of(refused: Refused, source: str, segment: Segment) -> Problem:
    """What is wrong with an entry of the segment, at its place in the file."""
    line, column = max(1, refused.line), max(1, refused.column)
    shown = snippet(segment.text, line, column, max(1, len(refused.found)))
    remedy = "\n".join(p for p in (shown, refused.help) if p)
    return Problem(source=source, line=line + segment.line - 1, column=column, message=refused.message, help=remedy)


def _rule(questions: tuple[Question, ...], node: Node, source: str, segment: Segment) -> Rule:
    """One entry as a rule. Refused if it is a question without a verdict, or expects nothing."""
    first = questions[0]
    if first.verb not in CHECKED:
        raise Refused(
            f"`{first.verb.value}` is no question with a verdict",
            node.line,
            node.column,
            found=first.verb.value,
            help="rules ask `can …`, `can … reach …`, `who can … except …` or `only via …`",
        )
    if first.expect is None:
        raise Refused("the rule expects nothing", node.line, node.column, help="add `expect no` or `expect yes`")
    if first.verb is not Verb.CAN and first.expect not in ("yes", "no", "unknown"):
        raise Refused(f"`{first.verb.value}` is answered by yes, no or unknown", node.line, node.column)
    line = node.line + segment.line - 1
    return Rule(
        id=first.id or f"{PurePath(source).name}:{line}",
        questions=questions,
        text=_text(node, segment.text),
        source=source,
        line=line,
        column=node.column,
        expect=first.expect,
        severity=Severity(first.severity or "error"),
        reason=first.reason,
        waiver=first.waiver,
    )


def _text(node: Node, text: str) -> str:
    """The body of the entry on one line: what stands before the first clause that says how it counts."""
    rows = text.split("\n")
    start = sum(len(r) + 1 for r in rows[: node.line - 1]) + node.column - 1
    told = [c for c in node.nodes() if c.name in ("id", "severity", "reason", "waived", "expect")]
    end = len(text)
    for cut in _CUT.finditer(text, start):
        if cut["end"] is not None:
            end = cut.start()
            break
    for clause in told:
        leaf = clause.leaves()[0]
        word = "waived" if clause.name == "waived" else clause.name
        end = min(end, max(start, text.rfind(word, start, leaf.start)))
    plain = re.sub(r"(?<!\S)#[^\n]*", "", text[start:end])
    return " ".join(plain.split())


def _suppression(node: Node, source: str, segment: Segment) -> Suppression:
    """suppress: "suppress" NAME "on" resource ("until" DATE)? "for" (WORD | STRING)"""
    name, *rest = node.leaves()
    if name.text not in FINDINGS:
        near = nearest(name.text, FINDINGS)
        hint = f"did you mean `{near}`?" if near else "see the list of findings in the documentation"
        raise Refused(f"`{name.text}` is no finding", name.line, name.column, found=name.text, help=hint)
    return Suppression(
        finding=name.text,
        subject=token_text(node.all("resource")[0].leaves()[0]),
        reason=token_text(rest[-1]),
        until=read_day(rest[0]) if len(rest) == 2 else None,
        source=source,
        line=node.line + segment.line - 1,
        column=node.column,
    )


def covers(suppression: Suppression, id: str, subjects: tuple[str, ...]) -> bool:  # noqa: A002 - the name of the column
    """True iff the suppression names the finding `id` and one of its subjects: by ARN, or by a short name as callers have."""
    if suppression.finding != id:
        return False
    pattern = tokenize(suppression.subject, variables=False)
    return any(match(pattern, name) for s in subjects for name in _names(s))


def _names(subject: str) -> tuple[str, ...]:
    """`arn:aws:iam::1:role/x/y` is also called `1:role/x/y`, `1:role/y`, `role/x/y` and `role/y`."""
    fields = subject.split(":", 5)
    if len(fields) != 6 or fields[2] != "iam" or "/" not in fields[5]:
        return (subject,)
    kind, _, path = fields[5].partition("/")
    short = f"{kind}/{path.rpartition('/')[2]}"
    return (subject, f"{fields[4]}:{fields[5]}", f"{fields[4]}:{short}", fields[5], short)

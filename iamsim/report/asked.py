"""Answers to questions of the language as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.findings import printable
from iamsim.report.explained import explained_lines
from iamsim.report.lines import Line, Span, Style, line
from iamsim.report.text import answer_lines
from iamsim.report.ways import none_lines, path_lines
from iamsim.report.what import Listed, nothing_lines, what_lines
from iamsim.report.who import Told, end_lines, row_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.query.asked import Asked


def asked_lines(found: Asked, *, verbose: bool = False) -> Iterator[Line]:
    """The answer, and whether it is the expected one where the question says what is expected."""
    if found.answer is not None:
        yield from answer_lines(found.answer, verbose=verbose)
    elif found.explanation is not None:
        yield from explained_lines(found.explanation, verbose=verbose)
    elif found.callers is not None:
        told = Told(verbose=verbose)
        for caller in found.callers:
            yield from row_lines(caller, told)
        yield from end_lines(told)
    elif found.permissions is not None:
        listed = Listed(verbose=verbose)
        for row in found.permissions:
            yield from what_lines(row, listed)
        if not found.permissions:
            yield from nothing_lines(found.question.caller, found.question.resource or None)
    else:
        yield from _ways(found, verbose=verbose)
    expected, verdict = found.question.expect, found.verdict
    if expected in ("yes", "no", "unknown") and verdict is not None:
        said = "as expected" if verdict.value == expected else f"expected {expected}"
        yield line("")
        yield Line((Span(said, Style.YES if verdict.value == expected else Style.NO),))


def _ways(found: Asked, *, verbose: bool) -> Iterator[Line]:
    question = found.question
    target = f"{question.action} on {question.resource}" if question.action else question.resource
    for number, path in enumerate(found.ways or (), 1):
        yield from path_lines(path, number, verbose=verbose)
    if not found.ways:
        yield from none_lines(f"leads from {printable(question.caller)} to {printable(target)}", found.reasons)

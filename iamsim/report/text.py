"""Answers as text: the verdict, the path hop by hop, what decides, what the request must bring, what was assumed."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, assert_never

from iamsim.findings import printable
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.answer import Decision, Verdict, Witness
from iamsim.report.controls import control_of
from iamsim.report.lines import Line, Span, Style, line, plain_text, print_styled
from iamsim.report.places import places
from iamsim.report.reasons import explain
from iamsim.report.term_text import spelling, term_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from iamsim.diagnostics import Origin
    from iamsim.judge.answer import Answer, Cited, Hop, Question, Request

    Place = Callable[[Origin | None], str]

_WIDTH = 100
_TEXT = 2000
_SHORT_RESIDUAL = 400
# What a cited part of a core does, by its role.
FORBIDS = {"deny": "explicit deny", "rule": "rule of AWS", "when": "asked for"}


def answer_text(answer: Answer, *, width: int = _WIDTH, verbose: bool = False) -> str:
    """The answer as text without colours, in rows of `width` characters where words allow."""
    return plain_text(answer_lines(answer, verbose=verbose), width)


def print_answer(answer: Answer, *, verbose: bool = False) -> None:
    """Prints the answer, in colour iff standard output is a terminal that wants colour."""
    print_lines(answer_lines(answer, verbose=verbose))


def print_lines(lines: Iterable[Line]) -> None:
    """Prints a report, in colour iff standard output is a terminal that wants colour."""
    if colour():
        print_styled(lines, width())
    else:
        sys.stdout.write(encodable(plain_text(lines, width())))


def encodable(text: str) -> str:
    """The text with backslash escapes for what standard output cannot encode."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def width() -> int:
    """The columns of the terminal, or of COLUMNS; 100 where neither tells."""
    return shutil.get_terminal_size((_WIDTH, 24)).columns


def colour() -> bool:
    """True iff standard output is a terminal that wants colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def answer_lines(answer: Answer, *, verbose: bool = False) -> Iterator[Line]:
    """The paragraphs of the report, verdict first; `verbose` adds the whole request context and long conditions."""
    place = places()
    yield _verdict(answer)
    match answer.verdict:
        case Verdict.YES:
            yield from _path(answer, place, verbose=verbose)
            yield from _residual(answer, "allowed whenever", verbose=verbose)
        case Verdict.NO:
            yield from _core(answer, place)
        case Verdict.UNKNOWN:
            yield from _reasons(answer)
            if verbose:
                yield from _residual(answer, "it hangs on", verbose=True)
        case _:
            assert_never(answer.verdict)
    yield from _sentences("assumed", answer.assumptions)
    yield from _sentences("notes", answer.notes)
    if answer.data_date:
        yield line("")
        yield line(f"data on actions of {printable(answer.data_date)}", style=Style.PLACE)


def question_text(question: Question, verb: str = "can do") -> str:
    """The question as it was understood, as a sentence on one line with `verb` between caller and action."""
    parts = [f"{question.principal} {verb} {question.action} on {question.resource}"]
    given = [_given(key, values) for key, values in sorted(question.context.items())]
    if given:
        parts.append("with " + ", ".join(given))
    if question.when:
        parts.append(f"when {question.when}")
    if question.via != "escalation":
        parts.append(f"via {question.via}")
    if question.strict:
        parts.append("(one request, nothing else in its context)")
    if question.missing != "assume":
        parts.append(f"(missing facts: {question.missing})")
    return printable(" ".join(parts), _TEXT)


def _given(key: str, values: tuple[str, ...] | None) -> str:
    return f"{spelling(key)} = {values_text(values)}" if values else f"no {spelling(key)}"


def values_text(values: tuple[str, ...]) -> str:
    """The values of a condition key: one as text in quotes, several as a list."""
    quoted = [f'"{v}"' for v in values]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


def _verdict(answer: Answer) -> Line:
    question = answer.question
    match answer.verdict:
        case Verdict.YES:
            return Line((Span("YES", Style.YES), Span(f"  {question_text(question)}", Style.HEAD)), hang=5)
        case Verdict.NO:
            why = "explicit deny" if answer.decision is Decision.EXPLICIT_DENY else "nothing allows it"
            asked = question_text(question, "cannot do")
            return Line((Span("NO", Style.NO), Span(f"  {asked}", Style.HEAD), Span(f" ({why})", Style.NO)), hang=4)
        case _:
            asked = f"  whether {question_text(question)}"
            return Line((Span("UNKNOWN", Style.UNKNOWN), Span(asked, Style.HEAD)), hang=9)


def _path(answer: Answer, place: Place, *, verbose: bool) -> Iterator[Line]:
    yield from steps_lines(answer.path, answer.witness, place, verbose=verbose)


def steps_lines(
    hops: Iterable[Hop], witness: Witness | None, place: Place, *, verbose: bool = False, indent: int = 2
) -> Iterator[Line]:
    """The steps of a path and the request at its end, if there is one, numbered iff there are several."""
    listed: list[Hop | Witness] = [*hops, *([witness] if witness is not None else [])]
    for number, part in enumerate(listed, 1):
        yield line("")
        lead = f"{number}." if len(listed) > 1 else ""
        if isinstance(part, Witness):
            yield _step(part.request, lead, indent)
            yield from _witness(part, place, indent + 3, verbose=verbose)
        else:
            yield from _hop(part, lead, place, indent, verbose=verbose)


def _hop(hop: Hop, number: str, place: Place, indent: int, *, verbose: bool) -> Iterator[Line]:
    calls = hop.calls or (hop.witness,)
    if len(calls) == 1:
        yield _step(calls[0].request, number, indent)
    else:
        caller = printable(hop.caller, _TEXT)
        head = Span(f"{number} {caller}" if number else caller, Style.HEAD)
        yield Line((head, Span(f" makes {len(calls)} calls")), indent, 3)
    inner = indent + 3
    if hop.title and hop.technique != "sts-assume-role":
        yield line(f"{printable(hop.title, _TEXT)} ({printable(hop.technique, _TEXT)})", indent=inner)
    gains = hop.gains if hop.calls else f"a session of {hop.target}"
    yield line(f"→ {printable(gains, _TEXT)}", indent=inner)
    for assumed in hop.assumptions:
        yield line(f"assumed: {printable(assumed, _TEXT)}", indent=inner)
    if hop.checks:
        yield line(f"decided together: {printable(', '.join(hop.checks), _TEXT)}", indent=inner)
    if len(calls) == 1:
        yield from _witness(calls[0], place, inner, verbose=verbose)
        return
    for letter, call in zip(_LETTERS, calls, strict=False):
        request = call.request
        who = "" if request.caller == hop.caller else f"{printable(request.caller, _TEXT)} does "
        text = f"{letter}) {who}{printable(request.action)} on {printable(request.resource, _TEXT)}"
        yield line(text, indent=inner, hang=3)
        yield from _witness(call, place, inner + 3, verbose=verbose)


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _step(request: Request, number: str, indent: int = 2) -> Line:
    resource = printable(request.resource, _TEXT)
    caller = printable(request.caller, _TEXT)
    spans = (
        Span(f"{number} {caller}" if number else caller, Style.HEAD),
        Span(f" does {printable(request.action)} on {resource}"),
    )
    return Line(spans, indent=indent, hang=3)


def _witness(witness: Witness, place: Place, indent: int, *, verbose: bool) -> Iterator[Line]:
    request = witness.request
    yield line("allowed by", indent=indent, style=Style.HEAD)
    for cited, where in grouped(witness.allowed_by, place):
        yield from _cited(cited, "", where, indent + 2)
    chosen = [key for key in sorted(request.context) if verbose or key in request.chosen]
    if chosen:
        yield line("the request brings" if not verbose else "the request", indent=indent, style=Style.HEAD)
    for key in chosen:
        value = f"- {printable(key)} = {printable(values_text(request.context[key]), _TEXT)}"
        who = f" ({control_of(key).value})" if key in request.chosen else ""
        yield Line((Span(value), Span(who, Style.PLACE)), indent=indent + 2)


def _cited(cited: Cited, lead: str, where: str, indent: int) -> Iterator[Line]:
    spans = [Span(f"- {lead}{printable(cited.text, _TEXT)}")]
    if where:
        spans.append(Span(f" ({where})", Style.PLACE))
    yield Line(tuple(spans), indent=indent)
    for detail in cited.details:
        yield line(f"· {printable(detail, _TEXT)}", indent=indent + 4)


def grouped(items: tuple[Cited, ...], place: Place) -> Iterator[tuple[Cited, str]]:
    """The items, those of equal text as one with all of their places."""
    found: dict[str, tuple[Cited, list[str]]] = {}
    for cited in items:
        _, where = found.setdefault(cited.text, (cited, []))
        here = place(cited.origin)
        if here and here not in where:
            where.append(here)
    for cited, where in found.values():
        first = where[0].rpartition(":")[0] + ":" if where else ""
        yield cited, ", ".join([*where[:1], *(w.removeprefix(first) for w in where[1:])])


def _core(answer: Answer, place: Place) -> Iterator[Line]:
    core = answer.core
    if core is None:
        return
    yield line("")
    head = "forbidden by" if len(core.items) == 1 else "forbidden by these together"
    yield line(head, indent=2, style=Style.HEAD)
    for cited in core.items:
        lead = FORBIDS.get(cited.role, "no Allow")
        yield from _cited(cited, f"{lead}: ", place(cited.origin), 4)
    if core.remedy:
        yield line("")
        yield line("what would have to change", indent=2, style=Style.HEAD)
    for remedy in core.remedy:
        yield line(f"- {printable(remedy, _TEXT)}", indent=4)


def _reasons(answer: Answer) -> Iterator[Line]:
    yield line("")
    yield line("not known", indent=2, style=Style.HEAD)
    for code in answer.reasons:
        reason = explain(code)
        lead = f"{code}: " if code != reason.sentence and ":" not in code else ""
        yield line(f"- {printable(lead + reason.sentence, _TEXT)}", indent=4)
        yield line(f"to decide it: {printable(reason.remedy, _TEXT)}", indent=6)


def _residual(answer: Answer, head: str, *, verbose: bool) -> Iterator[Line]:
    term = answer.residual
    if term is None or term in (TRUE, FALSE):
        return
    text = term_text(term)
    if len(text) > _SHORT_RESIDUAL and not verbose:
        return
    yield line("")
    yield line(head, indent=2, style=Style.HEAD)
    yield line(text, indent=4)


def _sentences(head: str, sentences: tuple[str, ...]) -> Iterator[Line]:
    if sentences:
        yield line("")
        yield line(head, indent=2, style=Style.HEAD)
    for sentence in sentences:
        yield line(f"- {printable(sentence, _TEXT)}", indent=4)

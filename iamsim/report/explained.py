"""Explanations as text and JSON: `iamsim can --explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.judge.answer import Decision, Verdict
from iamsim.report.json import answer_json
from iamsim.report.lines import Line, Span, Style, line, plain_text
from iamsim.report.places import places
from iamsim.report.text import answer_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iamsim.diagnostics import Origin
    from iamsim.query.explain import Ceiling, Explanation, NearMiss, Refused, Taken

    Place = Callable[[Origin | None], str]

_TEXT = 2000
_REACHED = 20
_NEAR = 10
_CITED = 3


def explained_text(found: Explanation, *, width: int = 100, verbose: bool = False) -> str:
    """The answer and what stands behind it, as text without colours."""
    return plain_text(explained_lines(found, verbose=verbose), width)


def explained_lines(found: Explanation, *, verbose: bool = False) -> Iterator[Line]:
    """The answer; then of a YES what has to go, where that was asked for; else who is refused and why, and near misses.

    `verbose` shows all callers and near misses, else the first of them.
    """
    yield from answer_lines(found.answer, verbose=verbose)
    if found.verdict is Verdict.YES:
        yield from _flip(found, verbose=verbose)
        return
    place = places()
    yield from _reached(found, place, len(found.reached) if verbose else _REACHED)
    yield from _ceilings(found.ceilings, place)
    if found.verdict is Verdict.NO:
        yield from _near(found, len(found.near) if verbose else _NEAR)


def _flip(found: Explanation, *, verbose: bool) -> Iterator[Line]:
    """What has to go to make a YES a NO."""
    if found.cut is None:
        return
    from iamsim.report.cut import cut_lines

    question = found.answer.question
    yield line("")
    asked = f"leads from {question.principal} to {question.action} on {question.resource}"
    yield from cut_lines(found.cut, asked, verbose=verbose)


def _reached(found: Explanation, place: Place, most: int) -> Iterator[Line]:
    yield line("")
    many = len(found.reached)
    all_ = "the only caller that is controlled is" if many == 1 else f"all {many} callers that are controlled are"
    said = f"{all_} refused" if found.verdict is Verdict.NO else f"{_count(many, 'caller')} may be controlled"
    yield line(said, indent=2, style=Style.HEAD)
    for number, caller in enumerate(found.reached[:most], 1):
        yield from _caller(caller, number, place)
    if many > most:
        yield line(f"and {many - most} more (-v lists them all)", indent=4)


def _caller(caller: Refused, number: int, place: Place) -> Iterator[Line]:
    doubt = "" if caller.sure else " (if the steps to it can be taken)"
    yield Line((Span(f"{number}. {printable(caller.caller, _TEXT)}", Style.HEAD), Span(doubt)), indent=4, hang=3)
    for taken in caller.steps:
        yield line(_step(taken), indent=7)
    if caller.core is None:
        yield line(printable(caller.why, _TEXT), indent=7)
        return
    kind = "explicit deny" if caller.decision is Decision.EXPLICIT_DENY else "nothing allows it"
    for cited in caller.core.items[:_CITED]:
        where = place(cited.origin)
        yield Line(
            (Span(f"{kind}: {printable(cited.text, _TEXT)}"), Span(f" ({where})" if where else "", Style.PLACE)),
            indent=7,
        )


def _step(taken: Taken) -> str:
    return f"← {printable(taken.gains, _TEXT)}: {printable(taken.caller)} by {printable(taken.technique)}"


def _ceilings(ceilings: tuple[Ceiling, ...], place: Place) -> Iterator[Line]:
    if not ceilings:
        return
    yield line("")
    yield line("stopped by", indent=2, style=Style.HEAD)
    for ceiling in ceilings:
        where = place(ceiling.cited.origin)
        text = f"- {printable(ceiling.cited.text, _TEXT)}: {_count(ceiling.callers, 'caller')}"
        yield Line((Span(text), Span(f" ({where})" if where else "", Style.PLACE)), indent=4)


def _near(found: Explanation, most: int) -> Iterator[Line]:
    yield line("")
    yield line(
        "one thing short, nearest first" if found.near else "no single thing would change that",
        indent=2,
        style=Style.HEAD,
    )
    for number, miss in enumerate(found.near[:most], 1):
        yield Line(
            (Span(f"{number}. {printable(miss.text, _TEXT)}"), Span(f" ({_way(miss)})", Style.PLACE)), indent=4, hang=3
        )
    if len(found.near) > most:
        yield line(f"and {len(found.near) - most} more (-v lists them all)", indent=4)
    if found.left:
        yield line(f"{_count(found.left, 'candidate')} more not tried", indent=4)
    if not found.complete:
        yield line("not all cases were looked at", indent=4)


def _way(miss: NearMiss) -> str:
    doubt = "" if miss.verdict is Verdict.YES else ", then not known"
    if not miss.steps:
        return f"the request itself{doubt}"
    by = f", {printable(miss.technique)}" if miss.technique else ""
    return f"{_count(miss.steps, 'step')}{by}{doubt}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def explained_json(
    found: Explanation,
    id: Any = None,  # noqa: A002
    *,
    more_notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The answer of `answer_json` with a member `explanation`, null for a YES."""
    value = answer_json(found.answer, id, more_notes=more_notes)
    if found.verdict is Verdict.YES:
        if found.cut is None:
            return {**value, "explanation": None}
        from iamsim.report.cut import cut_json

        return {**value, "explanation": {"cut": cut_json(found.cut)}}
    explanation = {
        "reached": [_refused_json(r) for r in found.reached],
        "ceilings": [
            {"text": c.cited.text, "role": c.cited.role, **_place(c.cited.origin), "callers": c.callers}
            for c in found.ceilings
        ],
        "near": [
            {
                "lack": m.lack.value,
                "text": m.text,
                "who": m.who,
                "what": m.what,
                "on": m.on,
                "technique": m.technique or None,
                "steps": m.steps,
                "held": m.held,
                "verdict": m.verdict.value,
                **_place(m.amendment.place),
            }
            for m in found.near
        ],
        "left": found.left,
        "complete": found.complete,
    }
    return {**value, "explanation": explanation}


def _refused_json(refused: Refused) -> dict[str, Any]:
    items = refused.core.items if refused.core is not None else ()
    return {
        "caller": refused.caller,
        "steps": [{"caller": t.caller, "technique": t.technique, "gains": t.gains} for t in refused.steps],
        "sure": refused.sure,
        "decision": refused.decision.value,
        "core": [{"text": c.text, "role": c.role, **_place(c.origin)} for c in items],
        "why": refused.why or None,
    }


def _place(origin: Origin | None) -> dict[str, str | None]:
    return {
        "file": None if origin is None else origin.source,
        "pointer": None if origin is None else origin.pointer,
    }

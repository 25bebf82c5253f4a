"""Reports of a check as Markdown for a comment on a pull request: short, and nothing that users wrote is markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iamsim.check.counting import FailOn, fails, result_of, summary
from iamsim.check.model import State
from iamsim.findings import printable
from iamsim.report.checked import (
    answer_sentence,
    hop_sentence,
    idle_sentence,
    suppression_sentence,
    waiver_sentence,
    why_unknown,
    witness_sentence,
)
from iamsim.report.regions import regions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iamsim.check.model import Counted, Outcome, Report
    from iamsim.diagnostics import Origin
    from iamsim.report.regions import Region

LONGEST = 60_000
"""Characters of a comment; a pull request takes 65,536."""

# signs anywhere, lists and headings at the start, and what becomes a link, a mention or a picture by itself
_MARKUP = re.compile(r"[\\`*_{}\[\]<>!|~&@#$]|:(?=\S)|^\s*[-+=]|(?<=\d)[.)](?=\s)|(?<=\bwww)\.", re.IGNORECASE)
_TEXT = 1000


def plain(text: str) -> str:
    """`text` on one line, of which Markdown makes nothing: neither markup nor links, mentions or HTML."""
    return _MARKUP.sub(lambda m: "".join(f"&#{ord(c)};" for c in m[0]), printable(text, _TEXT))


def code(text: str) -> str:
    """`text` on one line as a code span; a bar is kept from ending a cell of a table."""
    shown = printable(text, _TEXT)
    if "|" in shown or not shown.strip():
        return f"<code>{plain(shown)}</code>"
    runs = [len(r) for r in re.findall(r"`+", shown)]
    fence = "`" * (1 + max(runs, default=0))
    return f"{fence} {shown} {fence}" if runs else f"`{shown}`"


def report_markdown(report: Report, fail_on: FailOn = FailOn.ERROR, unknown: str | None = None) -> str:
    """The report as Markdown of at most `LONGEST` characters: what fails first; what had to be left out is counted."""
    result = result_of(report, fail_on, unknown)
    head = [f"## iamsim: {result.value}", "", plain(summary(report)), ""]
    out, size, left = head, sum(map(len, head)), 0
    for block in _blocks(report, fail_on, unknown):
        size += len(block) + 2
        if size > LONGEST:
            left += 1
        else:
            out += [block, ""]
    if left:
        out += [f"{left} more are left out here.", ""]
    out.append(f"<sub>as of {plain(report.today)}, data on actions of {plain(report.data_date)}</sub>")
    return "\n".join(out) + "\n"


def _blocks(report: Report, fail_on: FailOn, unknown: str | None) -> Iterator[str]:
    for problem in report.problems:
        where = code(f"{problem.source}:{problem.line}:{problem.column}")
        yield f"**unreadable** {where} {plain(problem.message)}\n\n{_fenced(problem.help)}".rstrip()
    order = sorted(report.outcomes, key=lambda o: not fails(o, fail_on, unknown))
    yield from (_outcome(o) for o in order if o.state is not State.HOLDS)
    region = regions()
    counted = [c for c in report.findings if c.suppressed is None]
    if counted:
        yield "### Findings"
    yield from (_finding(c, region) for c in counted)
    yield from (f"note: {plain(idle_sentence(s))}" for s in report.idle)


def _fenced(text: str) -> str:
    if not text:
        return ""
    rows = "\n".join(printable(row, _TEXT) for row in text.split("\n"))
    fence = "`" * max(3, 1 + max((len(r) for r in re.findall(r"`+", rows)), default=0))
    return f"{fence}text\n{rows}\n{fence}"


def _outcome(outcome: Outcome) -> str:
    rule = outcome.rule
    word = "waived" if outcome.waived else outcome.state.value
    head = f"**{word}** ({rule.severity.value}) {code(rule.id)}: {code(rule.text)}, expected {rule.expect}"
    rows = [head, ""]
    if rule.reason:
        rows += [f"> {plain(rule.reason)}", ""]
    if waiver := waiver_sentence(outcome):
        rows += [plain(waiver), ""]
    steps: list[str] = []
    for said in outcome.said:
        steps.append(answer_sentence(said, rule.expect))
        steps += [f"  not known: {reason}" for reason in why_unknown(said)]
        if (way := said.way) is not None:
            hops, witness = way
            steps += [f"  {number}. {hop_sentence(h)}" for number, h in enumerate(hops, 1)]
            if witness is not None:
                steps.append(f"  {len(hops) + 1}. {witness_sentence(witness)}")
    inner = _fenced("\n".join(steps))
    rows += ["<details><summary>how</summary>", "", inner, "", "</details>"] if inner else []
    return "\n".join(rows)


def _finding(counted: Counted, region: Callable[[Origin, tuple[int, int] | None], Region]) -> str:
    found = counted.found
    told = [plain(sentence) for sentence in found.proof]
    if found.witness is not None:
        told.append(f"shown by {code(witness_sentence(found.witness))}")
    told.append(f"help: {plain(found.remedy)}")
    if sentence := suppression_sentence(counted):
        told.append(plain(sentence))
    where = code(str(region(found.origin, found.span)))
    head = f"- **{found.severity.value}** {code(found.id)}: {plain(found.message)} ({where})"
    return "\n".join([head, *(f"  - {t}" for t in told)])

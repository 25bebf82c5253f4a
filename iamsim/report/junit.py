"""Reports of a check as JUnit XML, as CI servers read it: a test case for each rule, finding, and unreadable entry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from iamsim.check.counting import FailOn, fails
from iamsim.check.model import State
from iamsim.findings import printable
from iamsim.report.checked import (
    answer_sentence,
    heading,
    hop_sentence,
    suppression_sentence,
    waiver_sentence,
    why_unknown,
    witness_sentence,
)
from iamsim.report.regions import regions

if TYPE_CHECKING:
    from collections.abc import Callable

    from iamsim.check.model import Counted, Outcome, Problem, Report
    from iamsim.diagnostics import Origin
    from iamsim.report.regions import Region

# What XML 1.0 cannot hold. Source: W3C, "Extensible Markup Language (XML) 1.0", production Char.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report_junit(report: Report, fail_on: FailOn = FailOn.ERROR, unknown: str | None = None) -> str:
    """The report as one XML document. What does not count is a skipped test, with the reason as its message."""
    region = regions()
    root = ET.Element("testsuites", name="iamsim")
    suites = (
        ("iamsim.rules", [_outcome(o, fail_on, unknown) for o in report.outcomes]),
        ("iamsim.findings", [_finding(c, fail_on, region) for c in report.findings]),
        ("iamsim.unreadable", [_problem(p) for p in report.problems]),
    )
    for name, cases in suites:
        counts = {tag: sum(c.find(tag[:-1] if tag != "skipped" else tag) is not None for c in cases) for tag in _TAGS}
        attributes = {"name": name, "tests": str(len(cases)), **{t: str(n) for t, n in counts.items()}}
        ET.SubElement(root, "testsuite", attributes).extend(cases)
    for key in ("tests", *_TAGS):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


_TAGS = ("failures", "errors", "skipped")


def _case(name: str, group: str, file: str, line: int | None) -> ET.Element:
    attributes = {"name": _xml(name), "classname": _xml(group), "file": _xml(file)}
    if line is not None:
        attributes["line"] = str(line)
    return ET.Element("testcase", attributes)


def _xml(text: str) -> str:
    """`text` with what XML cannot hold, and what a terminal would obey, escaped."""
    rows = (printable(row, 4000) for row in text.split("\n"))
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", "\n".join(rows))


def _note(case: ET.Element, tag: str, kind: str, message: str, text: str = "") -> ET.Element:
    element = ET.SubElement(case, tag, {"message": _xml(message), **({} if tag == "skipped" else {"type": _xml(kind)})})
    if text:
        element.text = _xml(text)
    return case


def _outcome(outcome: Outcome, fail_on: FailOn, unknown: str | None) -> ET.Element:
    rule = outcome.rule
    case = _case(rule.id, rule.source, rule.source, rule.line)
    if outcome.state is State.HOLDS:
        return case
    if outcome.waived:
        return _note(case, "skipped", "", waiver_sentence(outcome))
    message = f"{outcome.state.value}: {heading(outcome)}"
    text = "\n".join([*_told(outcome), *([waiver_sentence(outcome)] if outcome.expired else [])])
    if outcome.state is State.UNKNOWN and unknown is None:
        return _note(case, "error", "unknown", message, text)
    if fails(outcome, fail_on, unknown):
        return _note(case, "failure", rule.severity.value, message, text)
    return _note(case, "skipped", "", f"{rule.severity.value}, does not count: {message}")


def _told(outcome: Outcome) -> list[str]:
    out = [outcome.rule.reason] if outcome.rule.reason else []
    for said in outcome.said:
        out.append(answer_sentence(said, outcome.rule.expect))
        out += [f"  {reason}" for reason in why_unknown(said)]
        if (way := said.way) is not None:
            out += [f"  {hop_sentence(h)}" for h in way[0]]
            if way[1] is not None:
                out.append(f"  {witness_sentence(way[1])}")
    return out


def _finding(
    counted: Counted, fail_on: FailOn, region: Callable[[Origin, tuple[int, int] | None], Region]
) -> ET.Element:
    found = counted.found
    where = region(found.origin, found.span)
    case = _case(f"{found.id}: {found.message}", found.id, where.file, where.line)
    if counted.suppressed is not None:
        return _note(case, "skipped", "", suppression_sentence(counted))
    if not fails(counted, fail_on):
        return _note(case, "skipped", "", f"{found.severity.value}, does not count")
    expired = [suppression_sentence(counted)] if counted.expired else []
    shown = [f"shown by: {witness_sentence(found.witness)}"] if found.witness is not None else []
    text = "\n".join([str(where), *found.proof, *shown, f"help: {found.remedy}", *expired])
    return _note(case, "failure", found.severity.value, found.message, text)


def _problem(problem: Problem) -> ET.Element:
    case = _case(f"line {problem.line}", problem.source, problem.source, problem.line)
    return _note(case, "error", "unreadable", problem.message, problem.help)

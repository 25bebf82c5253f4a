"""Reports of a check as SARIF 2.1.0, for code scanning: paths are code flows, waivers and suppressions are suppressions."""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from iamsim.check.counting import FailOn, Result, result_of
from iamsim.check.model import State
from iamsim.findings import finding, printable
from iamsim.report.checked import (
    answer_sentence,
    heading,
    hop_sentence,
    suppression_sentence,
    waiver_sentence,
    why_unknown,
    witness_sentence,
)
from iamsim.report.regions import Region, regions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from iamsim.check.model import Counted, Outcome, Problem, Report, Said
    from iamsim.diagnostics import Origin
    from iamsim.judge.answer import Witness

    Regions = Callable[[Origin, tuple[int, int] | None], Region]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_TEXT = 4000


def report_sarif(
    report: Report, fail_on: FailOn = FailOn.ERROR, unknown: str | None = None, *, version: str = ""
) -> dict[str, Any]:
    """The report of iamsim `version` as a SARIF log with one run.

    Rules that hold are no results; what is not known is of the kind `open`.

    Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
    """
    region = regions()
    broken = [o for o in report.outcomes if o.state is not State.HOLDS]
    rules = _rules(report, broken)
    index = {rule["id"]: i for i, rule in enumerate(rules)}
    results = [_outcome(o, index, region) for o in broken] + [_finding(c, index, region) for c in report.findings]
    readable = result_of(report, fail_on, unknown) is not Result.UNREADABLE
    invocation: dict[str, Any] = {"executionSuccessful": readable}
    if report.problems:
        invocation["toolConfigurationNotifications"] = [_problem(p) for p in report.problems]
    driver = {
        "name": "iamsim",
        "version": version,
        "rules": rules,
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": {"dataDate": report.data_date, "today": report.today},
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(report: Report, broken: Iterable[Outcome]) -> list[dict[str, Any]]:
    out = []
    for o in broken:
        about = o.rule.reason or o.rule.text
        out.append(
            _rule(o.rule.id, f"{o.rule.text}, expected {o.rule.expect}", about, o.rule.severity.value, "invariant")
        )
    for id_ in sorted({c.found.id for c in report.findings}):
        row = finding(id_)
        out.append(_rule(id_, row.title, f"{row.help}; see {row.page}", row.severity.value, "finding"))
    return out


def _rule(id: str, title: str, about: str, severity: str, tag: str) -> dict[str, Any]:  # noqa: A002
    return {
        "id": printable(id, _TEXT),
        "shortDescription": _message(title),
        "help": _message(about),
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"tags": ["security", "iam", tag]},
    }


def _message(text: str) -> dict[str, str]:
    return {"text": printable(text, _TEXT)}


def _outcome(outcome: Outcome, index: dict[str, int], region: Regions) -> dict[str, Any]:
    rule = outcome.rule
    told = [answer_sentence(s, rule.expect) for s in outcome.said]
    told += [r for s in outcome.said for r in why_unknown(s)]
    expired = [waiver_sentence(outcome)] if outcome.expired else []
    text = "; ".join([f"{heading(outcome)}: {outcome.state.value}", *dict.fromkeys(told), *expired])
    open_ = outcome.state is State.UNKNOWN
    here = Region(rule.source, rule.line, rule.column)
    flows = [f for s in outcome.said if (f := _flow(s, region)) is not None]
    result: dict[str, Any] = {
        "ruleId": printable(rule.id, _TEXT),
        "ruleIndex": index[printable(rule.id, _TEXT)],
        "kind": "open" if open_ else "fail",
        "level": "none" if open_ else _LEVELS[rule.severity.value],
        "message": _message(text),
        "locations": [_location(here)],
        "partialFingerprints": {"iamsimRule/v1": _print(rule.id)},
    }
    if flows:
        result["codeFlows"] = flows
    if outcome.waived and rule.waiver is not None:
        result["suppressions"] = [{"kind": "external", "justification": waiver_sentence(outcome)}]
    return result


def _flow(said: Said, region: Regions) -> dict[str, Any] | None:
    """The path of a yes: a location for each step, at the first statement that allows it."""
    if said.way is None:
        return None
    hops, last = said.way
    steps = [_step(hop_sentence(h), h.witness, region) for h in hops]
    if last is not None:
        steps.append(_step(witness_sentence(last), last, region))
    return {"threadFlows": [{"locations": steps}]} if steps else None


def _step(text: str, witness: Witness, region: Regions) -> dict[str, Any]:
    origins = [c.origin for c in witness.allowed_by if c.origin is not None]
    where = region(origins[0], None) if origins else None
    return {"location": {**(_location(where) if where is not None else {}), "message": _message(text)}}


def _finding(counted: Counted, index: dict[str, int], region: Regions) -> dict[str, Any]:
    found = counted.found
    text = "; ".join([found.message, *found.proof, *([suppression_sentence(counted)] if counted.expired else [])])
    result: dict[str, Any] = {
        "ruleId": found.id,
        "ruleIndex": index[found.id],
        "kind": "fail",
        "level": _LEVELS[found.severity.value],
        "message": _message(text),
        "locations": [_location(region(found.origin, found.span))],
        "partialFingerprints": {"iamsimFinding/v1": _print(found.id, found.message, *found.subjects)},
    }
    if found.witness is not None:
        steps = [_step(witness_sentence(found.witness), found.witness, region)]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    if counted.suppressed is not None:
        result["suppressions"] = [{"kind": "external", "justification": suppression_sentence(counted)}]
    return result


def _problem(problem: Problem) -> dict[str, Any]:
    here = Region(problem.source, problem.line, problem.column)
    return {"level": "error", "message": _message(problem.message), "locations": [_location(here)]}


def _location(region: Region) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(region.file)}}
    if region.line is not None:
        physical["region"] = {"startLine": region.line, "startColumn": region.column or 1}
    return {"physicalLocation": physical}


def _uri(file: str) -> str:
    """The file as a URI: relative to the root of the repository, or absolute."""
    path = PurePath(file)
    text = quote(path.as_posix().encode("utf-8", "surrogateescape"), safe="/._-~+")
    return f"file://{text}" if path.is_absolute() else text


def _print(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

"""`iamsim check`: rules that must hold, and findings, over a snapshot."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from iamsim.check.counting import FailOn, Result, result_of
from iamsim.cli.options import OnUnknown, snapshots
from iamsim.cli.output import Loud, Status, environment, or_json, unread, unread_notes, working
from iamsim.cli.workers import workers
from iamsim.errors import InputError, QueryError
from iamsim.findings import printable

if TYPE_CHECKING:
    from iamsim.check.model import Report, RuleFile


class CheckFormat(StrEnum):
    """The form of a report."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What `iamsim check` was given."""

    files: list[str]
    snapshot: list[str]
    findings: bool
    fail_on: FailOn
    unknown: OnUnknown | None
    today: str | None
    format: CheckFormat
    reports: list[str]
    loud: Loud


def check_command(options: CheckOptions) -> int:
    """Checks, writes the reports, and returns the status: 2 for what could not be read, 1 for what counts, 3 for unknowns."""
    return or_json(options.format, lambda: _check(options))


def _check(options: CheckOptions) -> Status:
    from iamsim.check.run import check

    wanted = [(options.format, None), *(_report(text) for text in options.reports)]
    today = _day(options.today)
    files = rule_files(options.files)
    if not files and not options.findings:
        raise QueryError("nothing is to be checked", "give a file of rules, or leave out --no-findings")
    env = environment(snapshots(options.snapshot), options.loud)
    with workers() as executor, working("checking", options.loud, "rules") as progress:
        done = [0]

        def next_rule(_: str) -> None:
            if progress is not None:
                progress(done[0])
            done[0] += 1

        found = None if options.findings else ()
        report = check(env, files, today, found=found, progress=next_rule, executor=executor)
    report = replace(report, notes=unread_notes(env))
    for form, file in wanted:
        _write(report, form, file, options)
    return Status.INPUT if unread(env) else _status(report, options)


def _status(report: Report, options: CheckOptions) -> Status:
    return {
        Result.PASSED: Status.AS_EXPECTED,
        Result.FAILED: Status.NOT_EXPECTED,
        Result.UNKNOWN: Status.UNKNOWN,
        Result.UNREADABLE: Status.INPUT,
    }[result_of(report, options.fail_on, _unknown(options))]


def _unknown(options: CheckOptions) -> str | None:
    return None if options.unknown is None else options.unknown.value


def _day(text: str | None) -> date:
    if text is None:
        return date.today()  # noqa: DTZ011 - a waiver ends with the day of whoever runs the check
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise QueryError(f"`--today {printable(text)}` is no day", "write it as 2030-01-31") from None


def _report(text: str) -> tuple[CheckFormat, str]:
    form, equals, file = text.partition("=")
    known = [f.value for f in CheckFormat]
    if not equals or not file or form not in known:
        from iamsim.model.grammar import nearest

        near = nearest(form, known)
        remedy = f"did you mean `{near}={file}`?" if near and file else f"formats are {', '.join(known)}"
        raise QueryError(f"`--report {printable(text)}` is no FORMAT=FILE", remedy)
    return CheckFormat(form), file


def rule_files(given: list[str]) -> list[RuleFile]:
    """The files of rules that were given; of a folder all `*.iamq` below it."""
    from iamsim.check.files import read_file

    out: dict[str, RuleFile] = {}
    for name in given:
        paths = [name]
        if "\x00" not in name and Path(name).is_dir():
            paths = sorted(str(p) for p in Path(name).rglob("*.iamq"))
            if not paths:
                raise InputError(f"no file `*.iamq` is in `{printable(name)}`", (), "give a file, or another folder")
        for path in paths:
            if path not in out:
                out[path] = read_file(path)
    return list(out.values())


def _write(report: Report, form: CheckFormat, file: str | None, options: CheckOptions) -> None:
    """Writes the report to a file, or to standard output."""
    if form is CheckFormat.TEXT and file is None:
        from iamsim.report.checked import report_lines
        from iamsim.report.text import print_lines

        verbose = options.loud is Loud.VERBOSE
        print_lines(report_lines(report, options.fail_on, _unknown(options), verbose=verbose))
        return
    text = _text(report, form, options)
    if file is None:
        from iamsim.report.text import encodable

        sys.stdout.write(encodable(text))
        return
    try:
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as stream:  # noqa: PTH123 - as --smtlib
            stream.write(text)
    except (OSError, ValueError) as error:
        raise InputError(f"`{printable(file)}` cannot be written: {error}", (), "give another file") from error


def _text(report: Report, form: CheckFormat, options: CheckOptions) -> str:
    counted, unknown = options.fail_on, _unknown(options)
    match form:
        case CheckFormat.JSON:
            from iamsim.report.checked import report_json
            from iamsim.report.json import json_line

            return json_line(report_json(report, counted, unknown)) + "\n"
        case CheckFormat.SARIF:
            from iamsim import __version__
            from iamsim.report.sarif import report_sarif

            return json.dumps(report_sarif(report, counted, unknown, version=__version__), indent=2) + "\n"
        case CheckFormat.JUNIT:
            from iamsim.report.junit import report_junit

            return report_junit(report, counted, unknown)
        case CheckFormat.MARKDOWN:
            from iamsim.report.markdown import report_markdown

            return report_markdown(report, counted, unknown)
        case _:
            from iamsim.report.checked import report_lines
            from iamsim.report.lines import plain_text

            return plain_text(report_lines(report, counted, unknown), 100)

"""`iamsim diff`: what became possible and what ceased to be between two environments."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from iamsim.cli.options import Missing
from iamsim.cli.output import Loud, Status, environment, or_json, unread, working
from iamsim.errors import QueryError

if TYPE_CHECKING:
    from iamsim.query.diff import Diff


class DiffFormat(StrEnum):
    """The form of a diff."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class ExpectChange(StrEnum):
    """What a change may do for the exit status 0."""

    NOTHING = "nothing"
    NO_GAIN = "no-gain"
    NO_LOSS = "no-loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions:
    """What `iamsim diff` was given beside the two sides."""

    principals: str | None
    actions: str | None
    missing: Missing
    expect: ExpectChange | None
    format: DiffFormat
    loud: Loud


def diff_command(before: str, after: str, options: DiffOptions) -> int:
    """Prints the diff; 0 iff it is as expected, 1 if not, 3 if that is not known, 2 for bad input."""
    return or_json(options.format, lambda: _diff(before, after, options))


def _diff(before: str, after: str, options: DiffOptions) -> int:
    from iamsim.query.diff import diff

    first, second = (environment((path,), options.loud) for path in (before, after))
    for path, env in ((before, first), (after, second)):
        if not env.principals and not env.resources and not env.organizations:
            raise QueryError(
                f"`{path}` holds no environment",
                "give a snapshot: account details, resource policies or an organization; two policies: iamsim compare",
            )
    with working("comparing what principals can do", options.loud) as progress:
        found = diff(
            first,
            second,
            principals=options.principals,
            actions=options.actions,
            missing=options.missing.value,
            progress=progress,
        )
    print_diff(found, options.format, options.loud)
    return Status.INPUT if unread(first) or unread(second) else status_of(found, options.expect)


def print_diff(found: Diff, form: DiffFormat, loud: Loud) -> None:
    """Prints a diff in the form asked for."""
    from iamsim.report.diff import diff_json, diff_lines, diff_markdown
    from iamsim.report.json import json_line
    from iamsim.report.text import encodable, print_lines

    match form:
        case DiffFormat.JSON:
            sys.stdout.write(json_line(diff_json(found)) + "\n")
        case DiffFormat.MARKDOWN:
            sys.stdout.write(encodable(diff_markdown(found)))
        case DiffFormat.TEXT:
            print_lines(diff_lines(found, verbose=loud is Loud.VERBOSE))


def status_of(found: Diff, expect: ExpectChange | None) -> Status:
    """0 iff nothing is expected or all rows are of the other kind; a row that is not known makes it 3."""
    if expect is None:
        return Status.AS_EXPECTED
    bad = [r for r in found.rows if expect is ExpectChange.NOTHING or r.gained is (expect is ExpectChange.NO_GAIN)]
    if any(not r.reasons for r in bad):
        return Status.NOT_EXPECTED
    return Status.UNKNOWN if bad else Status.AS_EXPECTED

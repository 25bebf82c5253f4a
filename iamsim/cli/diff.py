"""`iamsim diff`: what became possible and what ceased to be between two environments."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from iamsim.cli.options import Missing, Via, json_file
from iamsim.cli.output import Loud, Status, environment, or_json, remarks, unread, working
from iamsim.cli.workers import workers
from iamsim.errors import InputError, QueryError
from iamsim.findings import printable

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy
    from iamsim.query.diff import Diff
    from iamsim.query.reach import ReachDiff


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
    via: Via | None
    expect: ExpectChange | None
    format: DiffFormat
    loud: Loud


def diff_command(before: str, after: str, options: DiffOptions) -> int:
    """Prints the diff; 0 iff it is as expected, 1 if not, 3 if that is not known, 2 for bad input."""
    return or_json(options.format, lambda: _diff(before, after, options))


def _diff(before: str, after: str, options: DiffOptions) -> int:
    from iamsim.query.diff import diff

    documents = [_document(path, options.loud) for path in (before, after)]
    if any(documents):
        return _policies(documents, (before, after), options)
    first, second = (environment((path,), options.loud) for path in (before, after))
    for path, env in ((before, first), (after, second)):
        if not env.principals and not env.resources and not env.organizations:
            raise QueryError(
                f"`{path}` holds no environment",
                "give a snapshot: account details, resource policies or an organization; or two policies",
            )
    if options.via is not None:
        return _transitive(first, second, options)
    with workers() as executor, working("comparing what principals can do", options.loud) as progress:
        found = diff(
            first,
            second,
            principals=options.principals,
            actions=options.actions,
            missing=options.missing.value,
            progress=progress,
            executor=executor,
        )
    print_diff(found, options.format, options.loud)
    return Status.INPUT if unread(first) or unread(second) else status_of(found, options.expect)


def _document(path: str, loud: Loud) -> Policy | None:
    """The policy document in a file, None if it holds anything else."""
    from iamsim.query.documents import named_policy

    if "\x00" in path or not path.lower().endswith(".json") or not Path(path).is_file():
        return None
    if Path(path).stat().st_size > _LARGEST:
        return None
    try:
        value = json_file(path, "one policy document")
    except InputError:
        return None  # what is no single JSON value may still be a snapshot
    found = named_policy(value, path)
    if found is None:
        return None
    remarks(found[1], loud)
    return found[0]


_LARGEST = 1_000_000
"""Bytes of a file above which it is no policy document: AWS stores none of a tenth of that."""


def _policies(documents: list[Policy | None], names: tuple[str, str], options: DiffOptions) -> int:
    from iamsim.query.policy_diff import diff_policies

    first, second = documents
    if first is None or second is None:
        wrong, other = names if first is None else names[::-1]
        raise QueryError(
            f"`{printable(other)}` is a policy document, `{printable(wrong)}` is none", "give two of a kind"
        )
    if options.principals is not None or options.actions is not None or options.via is not None:
        raise QueryError(
            "two policy documents have no principals to choose from", "leave out --principals, --actions and --via"
        )
    with working("comparing what the policies allow", options.loud) as progress:
        found = diff_policies(first, second, progress=progress)
    print_diff(found, options.format, options.loud)
    return status_of(found, options.expect)


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


def _transitive(first: Environment, second: Environment, options: DiffOptions) -> int:
    """The diff of whom principals can become."""
    from iamsim.query.reach import reach_diff

    if options.actions is not None:
        raise QueryError("`--actions` speaks of direct requests", "leave it out with --via roles or --via escalation")
    via = (options.via or Via.DIRECT).value
    with workers() as executor, working("comparing whom principals can become", options.loud) as progress:
        found = reach_diff(
            first,
            second,
            via=via,
            principals=options.principals,
            missing=options.missing.value,
            progress=progress,
            executor=executor,
        )
    _print_reach(found, options)
    if unread(first) or unread(second):
        return Status.INPUT
    wanted = options.expect
    bad = [] if wanted is None else [
        r for r in found.rows if wanted is ExpectChange.NOTHING or r.gained is (wanted is ExpectChange.NO_GAIN)
    ]  # fmt: skip
    if any(not r.reasons for r in bad):
        return Status.NOT_EXPECTED
    return Status.UNKNOWN if bad else Status.AS_EXPECTED


def _print_reach(found: ReachDiff, options: DiffOptions) -> None:
    from iamsim.report.json import json_line
    from iamsim.report.reach import reach_json, reach_lines, reach_markdown
    from iamsim.report.text import encodable, print_lines

    match options.format:
        case DiffFormat.JSON:
            sys.stdout.write(json_line(reach_json(found)) + "\n")
        case DiffFormat.MARKDOWN:
            sys.stdout.write(encodable(reach_markdown(found)))
        case DiffFormat.TEXT:
            print_lines(reach_lines(found, verbose=options.loud is Loud.VERBOSE))

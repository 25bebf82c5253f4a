"""`iamsim who-can` and `iamsim what-can`: the callers that can do something, and what one caller can do."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from iamsim.cli.options import Format, Missing, OnUnknown, Via, given_keys, json_file, snapshots
from iamsim.cli.output import (
    Loud,
    Status,
    doubts_of_question,
    environment,
    or_json,
    technique_remarks,
    unknown_status,
    unread,
    unread_notes,
    working,
)
from iamsim.cli.workers import workers
from iamsim.errors import QueryError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iamsim.env.types import Environment
    from iamsim.query.what_can import What
    from iamsim.query.who_can import WhoAsked
    from iamsim.query.who_rows import Who


class WhatFormat(StrEnum):
    """The form of what a caller can do."""

    TEXT = "text"
    JSON = "json"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoOptions:
    """What `iamsim who-can` was given beside action and resource."""

    snapshot: list[str]
    context: list[str]
    context_file: str | None
    when: str | None
    resource_account: str | None
    strict: bool
    missing: Missing
    any_resource: bool
    via: Via
    only: list[str]
    excepted: list[str]
    unknown: OnUnknown | None
    assume: list[str]
    rule_out: list[str]
    techniques: str | None
    format: Format
    loud: Loud


def who_can_command(action: str, resource: str, options: WhoOptions) -> int:
    """Lists the callers as they are decided. With `--only` 0 iff nobody else can, 1 if somebody can, 3 if that is not known;
    else 0; 2 for bad input.
    """
    return or_json(options.format, lambda: _who_can(action, resource, options))


def _arguments(options: WhoOptions) -> dict[str, Any]:
    return {
        "context": given_keys(options.context, options.context_file),
        "when": options.when,
        "via": options.via.value,
        "strict": options.strict,
        "missing": options.missing.value,
        "any_resource": options.any_resource,
        "resource_account": options.resource_account,
        "assume": options.assume,
        "rule_out": options.rule_out,
        "techniques": options.techniques,
    }


def _who_can(action: str, resource: str, options: WhoOptions) -> int:
    from iamsim.query.who_can import ask_who, excused
    from iamsim.report.who import Told

    arguments = _arguments(options)
    env = environment(snapshots(options.snapshot), options.loud)
    broken = technique_remarks(options.techniques, options.loud)
    claimed, skipped = excused(env, options.only), excused(env, options.excepted)
    reached = [0]
    told = Told(only=bool(options.only), verbose=options.loud is Loud.VERBOSE)
    listed: list[dict[str, Any]] = []
    with workers() as executor:
        with working("making an index of who may do what", options.loud):
            asked = ask_who(
                env, action, resource, progress=lambda n: reached.__setitem__(0, n), executor=executor, **arguments
            )
        _begin(asked, options)
        while True:
            with working("looking for callers", options.loud) as progress:
                if progress is not None:
                    progress(reached[0])
                row = next(asked.rows, None)
            if row is None:
                break
            if not skipped(row):
                _say_row(row, told, listed, claimed, options)
    _end(env, (action, resource, asked.via), told, listed, options, asked.warnings)
    return Status.INPUT if broken or unread(env) else _status(told, options)


def _begin(asked: WhoAsked, options: WhoOptions) -> None:
    """Says what is odd about the question; a claim about an action that does not exist is refused."""
    if asked.warnings and options.only:
        warning = asked.warnings[0]
        raise QueryError(f"{warning.message}, so that a claim about it would be empty", warning.help or "")
    doubts_of_question(asked.warnings, options.loud)


def _say_row(
    row: Who, told: Any, listed: list[dict[str, Any]], claimed: Callable[[Who], bool], options: WhoOptions
) -> None:
    from iamsim.report.text import print_lines
    from iamsim.report.who import row_json, row_lines

    expected = told.only and claimed(row)
    lines = list(row_lines(row, told, expected=expected))
    if options.format is Format.JSON:
        listed.append(row_json(row, expected=expected if told.only else None))
        return
    print_lines(lines)
    sys.stdout.flush()


def _end(
    env: Environment,
    asked: tuple[str, str, str],
    told: Any,
    listed: list[dict[str, Any]],
    options: WhoOptions,
    warnings: tuple[Any, ...],
) -> None:
    from iamsim.aws.actions import data_date

    if options.format is Format.JSON:
        from iamsim.report.json import json_line
        from iamsim.report.who import who_json

        claim = None if not told.only else "no" if told.can else "unknown" if told.unknown else "yes"
        value = who_json(asked, listed, claim, warnings, unread_notes(env), data_date())
        sys.stdout.write(json_line(value) + "\n")
        return
    from iamsim.report.text import print_lines
    from iamsim.report.who import end_lines

    print_lines(end_lines(told))


def _status(told: Any, options: WhoOptions) -> Status:
    if not told.only or not (told.can or told.unknown):
        return Status.AS_EXPECTED
    if told.can:
        return Status.NOT_EXPECTED
    return unknown_status(options.unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatOptions:
    """What `iamsim what-can` was given beside principal and resource."""

    snapshot: list[str]
    context: list[str]
    context_file: str | None
    when: str | None
    strict: bool
    missing: Missing
    session_policy: str | None
    bound: str
    format: WhatFormat
    loud: Loud


def what_can_command(principal: str, resource: str | None, options: WhatOptions) -> int:
    """Lists what the caller can do, or writes it as a policy; 2 iff some input could not be read whole, else 0."""
    form = Format.JSON if options.format is WhatFormat.JSON else Format.TEXT
    return or_json(form, lambda: _what_can(principal, resource, options))


def _what_can(principal: str, resource: str | None, options: WhatOptions) -> int:
    from iamsim.query.what_can import what_can
    from iamsim.query.what_policy import BOUNDS, merged

    if options.bound not in BOUNDS:
        raise QueryError(f"`{printable(options.bound)}` is no bound", "--bound takes upper or lower")
    arguments: dict[str, Any] = {
        "context": given_keys(options.context, options.context_file),
        "when": options.when,
        "strict": options.strict,
        "missing": options.missing.value,
    }
    if options.session_policy is not None:
        arguments["session_policy"] = json_file(options.session_policy, "one policy document")
    env = environment(snapshots(options.snapshot), options.loud)
    found = merged(what_can(env, principal, resource, **arguments))
    rows = _print_rows(found, options) if options.format is WhatFormat.TEXT else _collected(found, options)
    _finish_what(env, principal, resource, rows, options)
    return Status.INPUT if unread(env) else Status.AS_EXPECTED


def _collected(found: Iterator[What], options: WhatOptions) -> list[What]:
    with working("looking for permissions", options.loud):
        return list(found)


def _print_rows(found: Iterator[What], options: WhatOptions) -> list[What]:
    from iamsim.report.text import print_lines
    from iamsim.report.what import Listed, what_lines

    listed = Listed(verbose=options.loud is Loud.VERBOSE)
    rows: list[What] = []
    while True:
        with working("looking for permissions", options.loud):
            row = next(found, None)
        if row is None:
            return rows
        rows.append(row)
        print_lines(list(what_lines(row, listed)))
        sys.stdout.flush()


def _finish_what(
    env: Environment, principal: str, resource: str | None, rows: list[What], options: WhatOptions
) -> None:
    if options.format is WhatFormat.POLICY:
        import json

        from iamsim.query.what_policy import policy_of

        sys.stdout.write(json.dumps(policy_of(rows, options.bound), indent=2) + "\n")
    elif options.format is WhatFormat.JSON:
        from iamsim.aws.actions import data_date
        from iamsim.report.json import json_line
        from iamsim.report.what import what_json

        sys.stdout.write(json_line(what_json(principal, resource, rows, unread_notes(env), data_date())) + "\n")
    elif not rows:
        from iamsim.report.text import print_lines
        from iamsim.report.what import nothing_lines

        print_lines(nothing_lines(principal, resource))

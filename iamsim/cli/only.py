"""`iamsim only-via`: whether one role is the only way to a request."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from iamsim.cli.options import Format, Missing, OnUnknown, Via, given_keys, snapshots
from iamsim.cli.output import Loud, Status, environment, or_json, unknown_status, unread, unread_notes, working


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyOptions:
    """What `iamsim only-via` was given beside role, action and resource."""

    snapshot: list[str]
    excepted: list[str]
    unknown: OnUnknown | None
    context: list[str]
    when: str | None
    missing: Missing
    any_resource: bool
    via: Via
    cut: bool
    format: Format
    loud: Loud


def only_via_command(role: str, action: str, resource: str, options: OnlyOptions) -> int:
    """Prints who needs not go through the role. 0 iff nobody, 1 if somebody, 3 if that is not known, 2 for bad input."""
    return or_json(options.format, lambda: _only_via(role, action, resource, options))


def _only_via(role: str, action: str, resource: str, options: OnlyOptions) -> int:
    from iamsim.judge.answer import Verdict
    from iamsim.query.cut import cut_only_via, openings
    from iamsim.query.only_via import only_via

    asked: dict[str, Any] = {
        "except_": options.excepted,
        "via": options.via.value,
        "context": given_keys(options.context, None),
        "when": options.when,
        "missing": options.missing.value,
        "any_resource": options.any_resource,
    }
    env = environment(snapshots(options.snapshot), options.loud)
    with working("looking for ways past the role", options.loud) as progress:
        found = only_via(env, role, action, resource, progress=progress, **asked)
    opened = openings(env, found)
    closing = None
    if options.cut and found.verdict is Verdict.NO:
        with working("closing ways past the role", options.loud):
            closing = cut_only_via(env, role, action, resource, **asked)
    if options.format is Format.JSON:
        from iamsim.report.json import json_line
        from iamsim.report.only import only_json

        sys.stdout.write(json_line(only_json(found, opened, closing, unread_notes(env))) + "\n")
    else:
        from iamsim.report.only import only_lines
        from iamsim.report.text import print_lines

        print_lines(only_lines(found, opened, closing, verbose=options.loud is Loud.VERBOSE))
    if unread(env):
        return Status.INPUT
    match found.verdict:
        case Verdict.YES:
            return Status.AS_EXPECTED
        case Verdict.NO:
            return Status.NOT_EXPECTED
        case _:
            return unknown_status(options.unknown)

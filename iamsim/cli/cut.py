"""`iamsim cut`: the smallest set of statements without which no way is left."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from iamsim.cli.options import Format, Missing, OnUnknown, Via, given_keys, snapshots
from iamsim.cli.output import (
    Loud,
    Status,
    doubts_of_action,
    environment,
    or_json,
    unknown_status,
    unread,
    unread_notes,
    working,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOptions:
    """What `iamsim cut` was given beside the two ends."""

    snapshot: list[str]
    action: str | None
    resource: str | None
    unknown: OnUnknown | None
    context: list[str]
    when: str | None
    missing: Missing
    via: Via
    format: Format
    loud: Loud


def cut_command(source: str, target: str | None, options: CutOptions) -> int:
    """Prints what has to go. 0 iff that closes every way, 1 if nothing does, 3 if it is not known, 2 for bad input."""
    return or_json(options.format, lambda: _cut(source, target, options))


def _cut(source: str, target: str | None, options: CutOptions) -> int:
    from iamsim.judge.answer import Verdict
    from iamsim.query.cut import cut

    given = given_keys(options.context, None)
    env = environment(snapshots(options.snapshot), options.loud)
    doubts_of_action(options.action, options.loud)
    with working("closing ways", options.loud):
        found = cut(
            env,
            source,
            target,
            action=options.action,
            resource=options.resource,
            via=options.via.value,
            context=given,
            when=options.when,
            missing=options.missing.value,
        )
    if options.format is Format.JSON:
        from iamsim.report.cut import cut_json
        from iamsim.report.json import json_line

        sys.stdout.write(json_line(cut_json(found, unread_notes(env))) + "\n")
    else:
        from iamsim.report.cut import cut_lines
        from iamsim.report.text import print_lines

        task = target if options.action is None else f"{options.action} on {options.resource}"
        asked = f"leads from {source} to {task}"
        print_lines(cut_lines(found, asked, verbose=options.loud is Loud.VERBOSE))
    if unread(env):
        return Status.INPUT
    match found.verdict:
        case Verdict.YES:
            return Status.AS_EXPECTED
        case Verdict.NO:
            return Status.NOT_EXPECTED
        case _:
            return unknown_status(options.unknown)

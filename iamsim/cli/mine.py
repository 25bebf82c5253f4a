"""`iamsim mine`: rules that hold today, as a file of rules."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from iamsim.cli.options import Format, Via, snapshots
from iamsim.cli.output import Loud, Status, environment, or_json, say, unread, unread_notes, working
from iamsim.errors import InputError
from iamsim.findings import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class MineOptions:
    """What `iamsim mine` was given."""

    snapshot: list[str]
    via: Via
    accounts: list[str]
    output: str | None
    format: Format
    loud: Loud


def mine_command(options: MineOptions) -> int:
    """Writes the rules; 2 iff some input could not be read whole, else 0."""
    return or_json(options.format, lambda: _mine(options))


def _mine(options: MineOptions) -> int:
    from iamsim.check.mine import mine
    from iamsim.report.mined import mined_json, mined_text

    paths = snapshots(options.snapshot)
    env = environment(paths, options.loud)
    with working("looking for rules that hold", options.loud) as progress:
        found = mine(env, via=options.via.value, accounts=options.accounts, progress=progress)
    if options.format is Format.JSON:
        from iamsim.report.json import json_line

        text = json_line(mined_json(found, unread_notes(env))) + "\n"
    else:
        text = mined_text(found, paths)
    if options.output is None:
        from iamsim.report.text import encodable

        sys.stdout.write(encodable(text))
    else:
        _write(text, options.output)
        if options.loud is not Loud.QUIET:
            say(f"{len(found)} rules in {printable(options.output)}")
    return Status.INPUT if unread(env) else Status.AS_EXPECTED


def _write(text: str, file: str) -> None:
    try:
        with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a path that is none is reported
            stream.write(text)
    except (OSError, ValueError) as error:
        raise InputError(f"`{printable(file)}` cannot be written: {error}", (), "give another file") from error

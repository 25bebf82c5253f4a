"""`iamsim equivalent-roles`: roles that may do the same, and roles that may do part of what others may."""

from __future__ import annotations

import sys

from iamsim.cli.options import Format, snapshots
from iamsim.cli.output import Loud, Status, environment, or_json, unread, unread_notes, working


def equivalent_command(pattern: str, given: list[str], form: Format, loud: Loud) -> int:
    """Prints the order of the roles; 2 iff some input could not be read whole, else 0."""
    return or_json(form, lambda: _equivalent(pattern, given, form, loud))


def _equivalent(pattern: str, given: list[str], form: Format, loud: Loud) -> int:
    from iamsim.query.equivalent import equivalent_roles

    env = environment(snapshots(given), loud)
    with working("ordering roles", loud) as progress:
        found = equivalent_roles(env, pattern, progress=progress)
    if form is Format.JSON:
        from iamsim.aws.actions import data_date
        from iamsim.report.equivalent import roles_json
        from iamsim.report.json import json_line

        sys.stdout.write(json_line(roles_json(found, unread_notes(env), data_date())) + "\n")
    else:
        from iamsim.report.equivalent import roles_lines
        from iamsim.report.text import print_lines

        print_lines(roles_lines(found))
    return Status.INPUT if unread(env) else Status.AS_EXPECTED

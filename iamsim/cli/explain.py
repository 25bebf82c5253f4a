"""`iamsim explain`: why yes, why no, and the nearest change that would make the answer another one."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from iamsim.cli.options import Format, Missing, OnUnknown, Via, given_keys, snapshots
from iamsim.cli.output import (
    Loud,
    Status,
    doubts_of_question,
    environment,
    or_json,
    unknown_status,
    unread,
    unread_notes,
    working,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """What `iamsim explain` was given beside the question."""

    snapshot: list[str]
    unknown: OnUnknown | None
    context: list[str]
    when: str | None
    strict: bool
    missing: Missing
    via: Via
    format: Format
    loud: Loud


def explain_command(principal: str, action: str, resource: str, options: ExplainOptions) -> int:
    """Prints the explanation. 0 for a yes or no, 3 if the answer is not known, 2 for bad input."""
    return or_json(options.format, lambda: _explain(principal, action, resource, options))


def _explain(principal: str, action: str, resource: str, options: ExplainOptions) -> int:
    from iamsim.judge.answer import Verdict
    from iamsim.query.explain import explain
    from iamsim.report.explained import explained_json, explained_lines

    given = given_keys(options.context, None)
    env = environment(snapshots(options.snapshot), options.loud)
    with working("looking for reasons", options.loud):
        found = explain(
            env,
            principal,
            action,
            resource,
            flip=True,
            context=given,
            when=options.when,
            strict=options.strict,
            missing=options.missing.value,
            via=options.via.value,
        )
        found.answer.evidence  # noqa: B018 - it is worked out here
    doubts_of_question(found.answer.warnings, options.loud)
    if options.format is Format.JSON:
        from iamsim.report.json import json_line

        sys.stdout.write(json_line(explained_json(found, more_notes=unread_notes(env))) + "\n")
    else:
        from iamsim.report.text import print_lines

        print_lines(explained_lines(found, verbose=options.loud is Loud.VERBOSE))
    if unread(env):
        return Status.INPUT
    return unknown_status(options.unknown) if found.verdict is Verdict.UNKNOWN else Status.AS_EXPECTED

"""`iamsim paths` and `iamsim escalations`: the ways to a principal or a request, and what principals can become."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.cli.options import Format, Missing, Via, given_keys, snapshots
from iamsim.cli.output import (
    Loud,
    Status,
    doubts_of_action,
    environment,
    or_json,
    technique_remarks,
    unread,
    unread_notes,
    working,
)
from iamsim.cli.workers import workers
from iamsim.errors import QueryError
from iamsim.findings import printable

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.query.minimal import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsOptions:
    """What `iamsim paths` was given beside its two ends."""

    snapshot: list[str]
    action: str | None
    resource: str | None
    limit: int
    context: list[str]
    when: str | None
    missing: Missing
    via: Via
    assume: list[str]
    rule_out: list[str]
    techniques: str | None
    format: Format
    loud: Loud


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationsOptions:
    """What `iamsim escalations` was given beside the principal."""

    snapshot: list[str]
    every: bool
    missing: Missing
    assume: list[str]
    rule_out: list[str]
    techniques: str | None
    format: Format
    loud: Loud


def paths_command(source: str, target: str | None, options: PathsOptions) -> int:
    """Lists the ways as they are found; 0 iff there is one, 1 if there is none, 3 if that is not known, 2 for bad input."""
    return or_json(options.format, lambda: _paths(source, target, options))


def escalations_command(source: str | None, options: EscalationsOptions) -> int:
    """Lists what the principal can become, or for a pattern a table; 2 iff some input could not be read whole, else 0."""
    return or_json(options.format, lambda: _escalations(source, options))


def _paths(source: str, target: str | None, options: PathsOptions) -> int:
    from iamsim.query.paths import paths

    if options.limit < 1:
        raise QueryError(f"`--limit {options.limit}` leaves no way", "give a number from 1 upwards")
    arguments: dict[str, Any] = {
        "action": options.action,
        "resource": options.resource,
        "via": options.via.value,
        "missing": options.missing.value,
        "context": given_keys(options.context, None),
        "when": options.when,
        "assume": options.assume,
        "rule_out": options.rule_out,
        "techniques": options.techniques,
    }
    env = environment(snapshots(options.snapshot), options.loud)
    broken = technique_remarks(options.techniques, options.loud)
    doubts_of_action(options.action, options.loud)
    listed: list[Path] = []
    more = False
    found = paths(env, source, target, **arguments)
    while len(listed) <= options.limit:
        with working("looking for ways", options.loud):
            path = next(found, None)
        if path is None:
            break
        if len(listed) == options.limit:
            more = True
            break
        listed.append(path)
        if options.format is Format.TEXT:
            _say_path(path, len(listed), options)
    reasons = () if listed else _reasons(env, source, target, arguments, options.loud)
    _finish(source, target, listed, reasons, env, options, more=more)
    if broken or unread(env):
        return Status.INPUT
    return Status.AS_EXPECTED if listed else Status.UNKNOWN if reasons else Status.NOT_EXPECTED


def _reasons(
    env: Environment, source: str, target: str | None, arguments: dict[str, Any], loud: Loud
) -> tuple[str, ...]:
    from iamsim.query.paths import doubts

    with working("making sure that there is no way", loud):
        return doubts(env, source, target, **arguments)


def _say_path(path: Path, number: int, options: PathsOptions) -> None:
    from iamsim.report.text import print_lines
    from iamsim.report.ways import path_lines

    print_lines(path_lines(path, number, verbose=options.loud is Loud.VERBOSE))
    sys.stdout.flush()


def _finish(
    source: str,
    target: str | None,
    listed: list[Path],
    reasons: tuple[str, ...],
    env: Environment,
    options: PathsOptions,
    *,
    more: bool,
) -> None:
    if options.format is Format.JSON:
        from iamsim.report.json import json_line, paths_json

        value = paths_json(listed, more=more, reasons=reasons, notes=unread_notes(env))
        sys.stdout.write(json_line(value) + "\n")
        return
    if more:
        sys.stdout.write(f"\nand more ways (--limit {2 * options.limit} lists more)\n")
    if not listed:
        from iamsim.report.text import print_lines
        from iamsim.report.ways import none_lines

        print_lines(none_lines(_asked(source, target, options), reasons))


def _asked(source: str, target: str | None, options: PathsOptions) -> str:
    what = f"{options.action} on {options.resource}" + (f" as {target}" if target else "")
    return f"leads from {source} to {what if options.action else target}"


def _escalations(source: str | None, options: EscalationsOptions) -> int:
    if source is None and not options.every:
        raise QueryError("no principal is given", "name one, or give --all")
    if source is not None and options.every and source.strip() != "*":
        raise QueryError(f"`{printable(source)}` and --all contradict each other", "give one of the two")
    env = environment(snapshots(options.snapshot), options.loud)
    broken = technique_remarks(options.techniques, options.loud)
    arguments: dict[str, Any] = {
        "missing": options.missing.value,
        "assume": options.assume,
        "rule_out": options.rule_out,
        "techniques": options.techniques,
    }
    if source is None or "*" in source or "?" in source.partition("=")[0]:
        _table(env, source or "*", arguments, options)
    else:
        _one(env, source, arguments, options)
    return Status.INPUT if broken or unread(env) else Status.AS_EXPECTED


def _one(env: Environment, source: str, arguments: dict[str, Any], options: EscalationsOptions) -> None:
    from iamsim.query.escalations import escalations

    with working("looking for escalations", options.loud) as progress:
        found = escalations(env, source, progress=progress, **arguments)
    if options.format is Format.JSON:
        from iamsim.report.json import all_escalations_json, json_line

        sys.stdout.write(json_line(all_escalations_json([found], unread_notes(env))) + "\n")
        return
    from iamsim.report.text import print_lines
    from iamsim.report.ways import escalations_lines

    print_lines(escalations_lines(found, verbose=options.loud is Loud.VERBOSE))


def _table(env: Environment, pattern: str, arguments: dict[str, Any], options: EscalationsOptions) -> None:
    from iamsim.query.escalations import all_escalations

    found = []
    with workers() as executor, working("looking for escalations", options.loud) as progress:
        for number, one in enumerate(all_escalations(env, pattern, executor=executor, **arguments), 1):
            found.append(one)
            if progress is not None:
                progress(number)
    if options.format is Format.JSON:
        from iamsim.report.json import all_escalations_json, json_line

        sys.stdout.write(json_line(all_escalations_json(found, unread_notes(env))) + "\n")
        return
    from iamsim.report.text import print_lines
    from iamsim.report.ways import all_lines

    print_lines(all_lines(found))

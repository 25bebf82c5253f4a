"""The commands: each parses its options, calls a query and a report, and returns the exit status."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.cli.options import (
    Engine,
    Expect,
    Format,
    Missing,
    OnUnknown,
    Via,
    further_checks,
    given_keys,
    json_file,
    snapshots,
)
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
from iamsim.errors import InputError

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Answer
    from iamsim.query.explain import Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class CanOptions:
    """What `iamsim can` was given beside the question."""

    snapshot: list[str]
    context: list[str]
    context_file: str | None
    when: str | None
    session_policy: str | None
    endpoint_policy: str | None
    resource_account: str | None
    also: list[str]
    strict: bool
    missing: Missing
    any_resource: bool
    expect: Expect
    unknown: OnUnknown | None
    via: Via
    assume: list[str]
    rule_out: list[str]
    techniques: str | None
    engine: Engine
    smtlib: str | None
    explain: bool
    format: Format
    loud: Loud


def can_command(principal: str, action: str, resource: str, options: CanOptions) -> int:
    """Asks one question, prints the answer, and returns the status that `--expect` and `--unknown` make of it."""
    return or_json(options.format, lambda: _can(principal, action, resource, options))


def _can(principal: str, action: str, resource: str, options: CanOptions) -> int:
    arguments = _arguments(options)
    env = environment(snapshots(options.snapshot), options.loud)
    if options.smtlib is not None:
        _write_smtlib(env, (principal, action, resource), arguments, options.smtlib)
        if options.smtlib == "-":
            return Status.INPUT if unread(env) else Status.AS_EXPECTED
    broken = technique_remarks(options.techniques, options.loud)
    with working("looking for ways", options.loud):
        answer, found = _answered(env, (principal, action, resource), arguments, explains=options.explain)
        answer.evidence  # noqa: B018 - it is worked out here
    doubts_of_question(answer.warnings, options.loud)
    _print(answer, found, env, options)
    return Status.INPUT if broken or unread(env) else _status(answer, options)


def _arguments(options: CanOptions) -> dict[str, Any]:
    """The options of the question, as `can` and `smtlib` take them."""
    arguments: dict[str, Any] = {
        "context": given_keys(options.context, options.context_file),
        "when": options.when,
        "via": options.via.value,
        "strict": options.strict,
        "missing": options.missing.value,
        "any_resource": options.any_resource,
        "resource_account": options.resource_account,
        "also": further_checks(options.also),
        "engine": options.engine.value,
        "assume": options.assume,
        "rule_out": options.rule_out,
        "techniques": options.techniques,
    }
    if options.session_policy is not None:
        arguments["session_policy"] = json_file(options.session_policy, "one policy document")
    if options.endpoint_policy is not None:
        arguments["endpoint_policy"] = json_file(options.endpoint_policy, "one policy document or a list of them")
    return arguments


def _answered(
    env: Environment, asked: tuple[str, str, str], arguments: dict[str, Any], *, explains: bool
) -> tuple[Answer, Explanation | None]:
    """The answer, and what stands behind it where that is asked for."""
    if explains:
        from iamsim.query.explain import explain

        found = explain(env, *asked, **arguments)
        return found.answer, found
    from iamsim.query.can import can

    return can(env, *asked, **arguments), None


def _write_smtlib(env: Environment, asked: tuple[str, str, str], arguments: dict[str, Any], file: str) -> None:
    from iamsim.query.can import smtlib

    text = smtlib(env, *asked, **arguments)
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a path that is none is reported
            stream.write(text)
    except (OSError, ValueError) as error:
        raise InputError(f"`{file}` cannot be written: {error}", (), "give another file, or -") from error


def _print(answer: Answer, found: Explanation | None, env: Environment, options: CanOptions) -> None:
    """Prints the answer, with what stands behind it where that was `found`."""
    from iamsim.report.explained import explained_json, explained_lines
    from iamsim.report.json import answer_json, json_line
    from iamsim.report.text import answer_lines, print_lines

    if options.format is Format.JSON:
        notes = unread_notes(env)
        value = answer_json(answer, more_notes=notes) if found is None else explained_json(found, more_notes=notes)
        sys.stdout.write(json_line(value) + "\n")
        return
    verbose = options.loud is Loud.VERBOSE
    print_lines(answer_lines(answer, verbose=verbose) if found is None else explained_lines(found, verbose=verbose))


def _status(answer: Answer, options: CanOptions) -> Status:
    if answer.verdict.value == options.expect.value:
        return Status.AS_EXPECTED
    if answer.verdict.value != "unknown":
        return Status.NOT_EXPECTED
    return unknown_status(options.unknown)

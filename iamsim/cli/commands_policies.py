"""The commands that check rules and compare policies and snapshots."""

from __future__ import annotations

from typing import Annotated

import typer

from iamsim.check.counting import FailOn
from iamsim.cli import complete
from iamsim.cli.arguments import Cache, Jobs, Missed, NoCache, Quiet, Scheduler, Snapshot, Verbose, loudness
from iamsim.cli.check import CheckFormat
from iamsim.cli.compare import CompareFormat, ExpectRelation
from iamsim.cli.diff import DiffFormat, ExpectChange
from iamsim.cli.options import Missing, OnUnknown, Via
from iamsim.cli.output import guarded


def check(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Files of rules, or folders that hold *.iamq.")
    ] = None,
    *,
    snapshot: Snapshot = None,
    findings: Annotated[bool, typer.Option("--findings/--no-findings", help="Look for what needs no rule.")] = True,
    fail_on: Annotated[FailOn, typer.Option(help="The lowest severity that makes the exit status 1.")] = FailOn.ERROR,
    unknown: Annotated[OnUnknown | None, typer.Option(help="Exit 0 or 1 instead of 3 for an unknown.")] = None,
    today: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day on which waivers are in force, as 2030-01-31.")
    ] = None,
    format: Annotated[CheckFormat, typer.Option(help="Form of the output.")] = CheckFormat.TEXT,  # noqa: A002
    report: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT=FILE", help="Write a further report (repeatable).")
    ] = None,
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    jobs: Jobs = None,  # noqa: ARG001 - its callback notes it
    scheduler: Scheduler = None,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check rules that must hold, and look for flaws that need no rule.

    Exit status: 0 nothing counts, 1 something does, 2 usage, input or an unreadable rule, 3 unknown.
    """

    def run() -> int:
        from iamsim.cli.check import CheckOptions, check_command

        options = CheckOptions(
            files=files or [],
            snapshot=snapshot or [],
            findings=findings,
            fail_on=fail_on,
            unknown=unknown,
            today=today,
            format=format,
            reports=report or [],
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return check_command(options)

    raise typer.Exit(guarded(run))


def compare(
    policies: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="A B", autocompletion=complete.managed, help="Files, or AWS managed policies by name or ARN."
        ),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="The order of any number of policies.")] = False,
    managed: Annotated[bool, typer.Option("--managed", help="The order of all AWS managed policies as well.")] = False,
    expect: Annotated[ExpectRelation | None, typer.Option(help="What A must be to B for the exit status 0.")] = None,
    future: Annotated[bool, typer.Option("--future", help="Expect it of actions that AWS may add, too.")] = False,
    any_resource: Annotated[
        bool, typer.Option("--any-resource", help="Count requests whose ARN does not fit the action.")
    ] = False,
    format: Annotated[CompareFormat, typer.Option(help="Form of the answer.")] = CompareFormat.TEXT,  # noqa: A002
    jobs: Jobs = None,  # noqa: ARG001 - its callback notes it
    scheduler: Scheduler = None,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say whether policy A allows as much as, less than, or more than policy B, with requests that show it.

    Exit status: 0 as expected, 1 not as expected, 2 usage or input, 3 unknown.
    """

    def run() -> int:
        from iamsim.cli.compare import CompareOptions, compare_command

        options = CompareOptions(
            every=every,
            managed=managed,
            expect=expect,
            future=future,
            any_resource=any_resource,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return compare_command(policies or [], options)

    raise typer.Exit(guarded(run))


def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="Snapshot, or a policy document.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="What to compare it with.")],
    *,
    principals: Annotated[
        str | None, typer.Option("--principals", metavar="PATTERN", help="Only principals whose ARN is like this.")
    ] = None,
    actions: Annotated[str | None, typer.Option("--actions", metavar="PATTERN", help="Only actions like this.")] = None,
    via: Annotated[
        Via | None, typer.Option(help="Whom principals can become: by roles or escalation (else: what they can do).")
    ] = None,
    missing: Missed = Missing.ASSUME,
    expect: Annotated[ExpectChange | None, typer.Option(help="What the exit status 0 asks for.")] = None,
    format: Annotated[DiffFormat, typer.Option(help="Form of the answer.")] = DiffFormat.TEXT,  # noqa: A002
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    jobs: Jobs = None,  # noqa: ARG001 - its callback notes it
    scheduler: Scheduler = None,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say what became possible, and what ceased to be, between two snapshots or policies, with requests that show it.

    Exit status: 0 as expected, 1 not as expected, 2 usage or input, 3 unknown.
    """

    def run() -> int:
        from iamsim.cli.diff import DiffOptions, diff_command

        options = DiffOptions(
            principals=principals,
            actions=actions,
            missing=missing,
            via=None if via is Via.DIRECT else via,
            expect=expect,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return diff_command(before, after, options)

    raise typer.Exit(guarded(run))

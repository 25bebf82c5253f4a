"""The commands that list who can do something, and what somebody can do."""

from __future__ import annotations

from typing import Annotated

import typer

from iamsim.cli import complete
from iamsim.cli.arguments import (
    Assume,
    Cache,
    Context,
    Follow,
    Jobs,
    Missed,
    NoCache,
    Quiet,
    RuleOut,
    Scheduler,
    Shape,
    Snapshot,
    Techniques,
    Verbose,
    When,
    loudness,
)
from iamsim.cli.options import Format, Missing, OnUnknown, Via
from iamsim.cli.output import guarded
from iamsim.cli.who import WhatFormat


def who_can(
    action: Annotated[str, typer.Argument(metavar="ACTION", autocompletion=complete.actions, help="As of `can`.")],
    resource: Annotated[
        str, typer.Argument(metavar="RESOURCE", autocompletion=complete.resources, help="As of `can`.")
    ],
    *,
    snapshot: Snapshot = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CALLER",
            autocompletion=complete.principals,
            help="Claim that nobody else can (repeatable; `nobody`: that nobody can).",
        ),
    ] = None,
    excepted: Annotated[
        list[str] | None,
        typer.Option(
            "--except",
            metavar="CALLER",
            autocompletion=complete.principals,
            help="Leave out (repeatable; `root`: root users).",
        ),
    ] = None,
    unknown: Annotated[OnUnknown | None, typer.Option(help="Exit 0 or 1 instead of 3 for an unknown claim.")] = None,
    context: Context = None,
    context_file: Annotated[str | None, typer.Option(metavar="FILE", help="JSON object of condition keys.")] = None,
    when: When = None,
    resource_account: Annotated[str | None, typer.Option(metavar="ID", help="Account that owns the resource.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Keys neither given nor derivable are absent.")] = False,
    missing: Missed = Missing.ASSUME,
    any_resource: Annotated[
        bool, typer.Option("--any-resource", help="Ask even if the ARN does not fit the action.")
    ] = False,
    via: Follow = Via.DIRECT,
    assume: Assume = None,
    rule_out: RuleOut = None,
    techniques: Techniques = None,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    jobs: Jobs = None,  # noqa: ARG001 - its callback notes it
    scheduler: Scheduler = None,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List everybody who can do ACTION on RESOURCE, or check who may be in that list.

    Exit status: 0; with --only 0 nobody else can, 1 somebody else can, 3 that is not known; 2 usage or input.
    """

    def run() -> int:
        from iamsim.cli.who import WhoOptions, who_can_command

        options = WhoOptions(
            snapshot=snapshot or [],
            context=context or [],
            context_file=context_file,
            when=when,
            resource_account=resource_account,
            strict=strict,
            missing=missing,
            any_resource=any_resource,
            via=via,
            only=only or [],
            excepted=excepted or [],
            unknown=unknown,
            assume=assume or [],
            rule_out=rule_out or [],
            techniques=techniques,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return who_can_command(action, resource, options)

    raise typer.Exit(guarded(run))


def what_can(
    principal: Annotated[
        str, typer.Argument(metavar="PRINCIPAL", autocompletion=complete.principals, help="As of `can`; one caller.")
    ],
    resource: Annotated[
        str | None,
        typer.Argument(metavar="[RESOURCE]", autocompletion=complete.resources, help="ARN, also with wildcards."),
    ] = None,
    *,
    snapshot: Snapshot = None,
    context: Context = None,
    context_file: Annotated[str | None, typer.Option(metavar="FILE", help="JSON object of condition keys.")] = None,
    when: When = None,
    strict: Annotated[bool, typer.Option("--strict", help="Keys neither given nor derivable are absent.")] = False,
    missing: Missed = Missing.ASSUME,
    session_policy: Annotated[str | None, typer.Option(metavar="FILE", help="Session policy that was passed.")] = None,
    bound: Annotated[
        str, typer.Option(metavar="BOUND", help="Of a policy: upper (all that it can) or lower.")
    ] = "upper",
    format: Annotated[WhatFormat, typer.Option(help="Table, JSON, or policy document.")] = WhatFormat.TEXT,  # noqa: A002
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List what PRINCIPAL can do itself: actions by service with their resources and conditions.

    Exit status: 0 whatever is listed, 2 usage or input.
    """

    def run() -> int:
        from iamsim.cli.who import WhatOptions, what_can_command

        options = WhatOptions(
            snapshot=snapshot or [],
            context=context or [],
            context_file=context_file,
            when=when,
            strict=strict,
            missing=missing,
            session_policy=session_policy,
            bound=bound,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return what_can_command(principal, resource, options)

    raise typer.Exit(guarded(run))

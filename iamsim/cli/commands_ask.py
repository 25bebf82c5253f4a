"""The commands that ask in the query language, and whether one role is the only way."""

from __future__ import annotations

from typing import Annotated

import typer

from iamsim.cli import complete
from iamsim.cli.arguments import (
    Cache,
    Context,
    Follow,
    Missed,
    NoCache,
    Quiet,
    Shape,
    Snapshot,
    Verbose,
    When,
    loudness,
)
from iamsim.cli.options import Format, Missing, OnUnknown, Via
from iamsim.cli.output import guarded


def ask(
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="One or more questions, `;` between them.")
    ] = None,
    *,
    file: Annotated[
        list[str] | None, typer.Option("-f", "--file", metavar="FILE", help="File of questions (repeatable; -: input).")
    ] = None,
    snapshot: Snapshot = None,
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many ways for a question for ways.")] = 10,
    unknown: Annotated[OnUnknown | None, typer.Option(help="Exit 0 or 1 instead of 3 for an unknown.")] = None,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Answer questions of the query language.

    Exit status: 0 everything as expected, 1 something is not, 2 usage, input or a question that cannot be asked, 3 unknown.
    """

    def run() -> int:
        from iamsim.cli.ask import AskOptions, ask_command

        options = AskOptions(
            files=file or [],
            snapshot=snapshot or [],
            limit=limit,
            unknown=unknown,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return ask_command(text, options)

    raise typer.Exit(guarded(run))


def only_via(
    role: Annotated[str, typer.Argument(metavar="ROLE", autocompletion=complete.principals, help="ARN or role/NAME.")],
    action: Annotated[str, typer.Argument(metavar="ACTION", autocompletion=complete.actions, help="As of `can`.")],
    resource: Annotated[
        str, typer.Argument(metavar="RESOURCE", autocompletion=complete.resources, help="As of `can`.")
    ],
    *,
    snapshot: Snapshot = None,
    excepted: Annotated[
        list[str] | None,
        typer.Option(
            "--except",
            metavar="CALLER",
            autocompletion=complete.principals,
            help="May do it, too (repeatable; `root`: root users).",
        ),
    ] = None,
    unknown: Annotated[OnUnknown | None, typer.Option(help="Exit 0 or 1 instead of 3 for an unknown.")] = None,
    context: Context = None,
    when: When = None,
    missing: Missed = Missing.ASSUME,
    any_resource: Annotated[
        bool, typer.Option("--any-resource", help="Ask even if the ARN does not fit the action.")
    ] = False,
    via: Follow = Via.ESCALATION,
    cut: Annotated[
        bool, typer.Option("--cut", help="Find the fewest statements that have to go so that it holds.")
    ] = False,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say whether everybody who can ever do ACTION on RESOURCE does it through ROLE, and who need not.

    Exit status: 0 yes, 1 no, 2 usage or input, 3 unknown.
    """

    def run() -> int:
        from iamsim.cli.only import OnlyOptions, only_via_command

        options = OnlyOptions(
            snapshot=snapshot or [],
            excepted=excepted or [],
            unknown=unknown,
            context=context or [],
            when=when,
            missing=missing,
            any_resource=any_resource,
            via=via,
            cut=cut,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return only_via_command(role, action, resource, options)

    raise typer.Exit(guarded(run))

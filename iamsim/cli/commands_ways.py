"""The commands that say what an answer hangs on."""

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


def cut(
    source: Annotated[
        str, typer.Argument(metavar="FROM", autocompletion=complete.principals, help="Caller, as of `can`.")
    ],
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TO]", autocompletion=complete.principals, help="User or role that must not come to be controlled."
        ),
    ] = None,
    *,
    snapshot: Snapshot = None,
    action: Annotated[
        str | None, typer.Option(metavar="ACTION", autocompletion=complete.actions, help="Instead of TO: a request.")
    ] = None,
    resource: Annotated[
        str | None, typer.Option(metavar="RESOURCE", autocompletion=complete.resources, help="With --action.")
    ] = None,
    unknown: Annotated[OnUnknown | None, typer.Option(help="Exit 0 or 1 instead of 3 for an unknown.")] = None,
    context: Context = None,
    when: When = None,
    missing: Missed = Missing.ASSUME,
    via: Follow = Via.ESCALATION,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find the fewest statements that have to go so that no way leads from FROM to TO, or to a request.

    Exit status: 0 these close every way, 1 nothing does, 2 usage or input, 3 unknown.
    """

    def run() -> int:
        from iamsim.cli.cut import CutOptions, cut_command

        options = CutOptions(
            snapshot=snapshot or [],
            action=action,
            resource=resource,
            unknown=unknown,
            context=context or [],
            when=when,
            missing=missing,
            via=via,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return cut_command(source, target, options)

    raise typer.Exit(guarded(run))


def explain(
    principal: Annotated[
        str, typer.Argument(metavar="PRINCIPAL", autocompletion=complete.principals, help="As of `can`.")
    ],
    action: Annotated[str, typer.Argument(metavar="ACTION", autocompletion=complete.actions, help="As of `can`.")],
    resource: Annotated[
        str, typer.Argument(metavar="RESOURCE", autocompletion=complete.resources, help="As of `can`.")
    ],
    *,
    snapshot: Snapshot = None,
    unknown: Annotated[OnUnknown | None, typer.Option(help="Exit 0 or 1 instead of 3 for an unknown.")] = None,
    context: Context = None,
    when: When = None,
    strict: Annotated[bool, typer.Option("--strict", help="Keys neither given nor derivable are absent.")] = False,
    missing: Missed = Missing.ASSUME,
    via: Follow = Via.ESCALATION,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say why PRINCIPAL can or cannot do ACTION on RESOURCE, and the nearest change that would turn the answer.

    Exit status: 0 yes or no, 2 usage or input, 3 unknown.
    """

    def run() -> int:
        from iamsim.cli.explain import ExplainOptions, explain_command

        options = ExplainOptions(
            snapshot=snapshot or [],
            unknown=unknown,
            context=context or [],
            when=when,
            strict=strict,
            missing=missing,
            via=via,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return explain_command(principal, action, resource, options)

    raise typer.Exit(guarded(run))


def equivalent_roles(
    pattern: Annotated[
        str, typer.Argument(metavar="[ROLES]", autocompletion=complete.principals, help="Pattern of roles.")
    ] = "role/*",
    *,
    snapshot: Snapshot = None,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find roles that may do the same, and roles that may do part of what others may, with requests that show it.

    Exit status: 0, 2 usage or input.
    """

    def run() -> int:
        from iamsim.cli.equivalent import equivalent_command

        return equivalent_command(pattern, snapshot or [], format, loudness(quiet=quiet, verbose=verbose))

    raise typer.Exit(guarded(run))


def mine(
    *,
    snapshot: Snapshot = None,
    via: Follow = Via.ROLES,
    accounts: Annotated[
        list[str] | None, typer.Option("--account", metavar="ID", help="Only of this account (repeatable).")
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write the rules to a file.")
    ] = None,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Propose rules for `iamsim check` that hold today: who may do what is sensitive, and nobody else.

    Exit status: 0, 2 usage or input.
    """

    def run() -> int:
        from iamsim.cli.mine import MineOptions, mine_command

        options = MineOptions(
            snapshot=snapshot or [],
            via=via,
            accounts=accounts or [],
            output=output,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return mine_command(options)

    raise typer.Exit(guarded(run))

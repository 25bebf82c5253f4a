"""The shell, and the commands about iamsim itself: `doctor` and `data`."""

from __future__ import annotations

from typing import Annotated

import typer

from iamsim.cli.arguments import Cache, NoCache, Quiet, Shape, Snapshot, Verbose, loudness
from iamsim.cli.options import Format
from iamsim.cli.output import guarded

data_app = typer.Typer(
    help="Show the data of AWS that are in use, or install newer ones.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)


def shell(
    *,
    snapshot: Snapshot = None,
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Ask one question of the query language after the other, with history and completion.

    Exit status: 0; 2 if the input is no terminal and held a question without an answer.
    """

    def run() -> int:
        from iamsim.cli.shell import shell_command

        return shell_command(snapshot or [], loudness(quiet=quiet, verbose=verbose))

    raise typer.Exit(guarded(run))


def doctor(*, format: Shape = Format.TEXT) -> None:  # noqa: A002 - the option
    """Show versions, data and their dates, solvers, cache and terminal, and what needs a remedy.

    Exit status: 0 nothing needs a remedy, 1 something does.
    """

    def run() -> int:
        from iamsim.cli.doctor import doctor_command

        return doctor_command(format)

    raise typer.Exit(guarded(run))


def status(*, format: Shape = Format.TEXT) -> None:  # noqa: A002 - the option
    """List the sets of data in use with their dates, sources and licences."""

    def run() -> int:
        from iamsim.cli.data import status_command

        return status_command(format)

    raise typer.Exit(guarded(run))


def update(
    *,
    source: Annotated[
        str, typer.Option("--from", metavar="PATH", help="Wheel, folder or file that you have; nothing is downloaded.")
    ],
    older: Annotated[
        bool, typer.Option("--older", help="Install data that are older than those in use as well.")
    ] = False,
) -> None:
    """Install newer data from a wheel, folder or file into your data directory, after checking them.

    Data are copied, code is never run. Your data directory is IAMSIM_DATA, else the one of your platform.
    """

    def run() -> int:
        from iamsim.cli.data import update_command

        return update_command(source, older=older)

    raise typer.Exit(guarded(run))


def reset(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SET]...", help="actions, managed-policies, escalations; none: all.")
    ] = None,
) -> None:
    """Remove what `update` installed: the data of the packages are in use again."""

    def run() -> int:
        from iamsim.cli.data import reset_command

        return reset_command(names or [])

    raise typer.Exit(guarded(run))

"""The application: its commands for typer, and the entry point."""

from __future__ import annotations

import os
import sys
from copy import copy
from typing import Annotated

import typer

from iamsim.cli.commands_about import data_app, doctor, reset, shell, status, update
from iamsim.cli.commands_ask import ask, only_via
from iamsim.cli.commands_callers import batch, can, escalations, graph, paths
from iamsim.cli.commands_lists import what_can, who_can
from iamsim.cli.commands_policies import check, compare, diff
from iamsim.cli.commands_ways import cut, equivalent_roles, explain, mine
from iamsim.cli.commands_what_if import what_if
from iamsim.cli.examples import epilog
from iamsim.cli.output import Status, guarded

app = typer.Typer(
    name="iamsim",
    help="Offline simulator for AWS IAM: can X ever do Y on Z, and how?",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        from iamsim import __version__
        from iamsim.aws.actions import data_date

        typer.echo(f"iamsim {__version__}, data on actions of {data_date()}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    *,
    no_pager: Annotated[
        bool, typer.Option("--no-pager", help="Never show long text by IAMSIM_PAGER, PAGER or less.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Offline simulator for AWS IAM: can X ever do Y on Z, and how?

    Exit status: 0 as expected, 1 not as expected, 2 usage or input, 3 unknown, 70 internal error.
    """
    if sys.stdout.isatty() and ctx.invoked_subcommand != "shell":
        from iamsim.cli.pager import paged_output

        ctx.with_resource(paged_output(wanted=not no_pager))


app.command(epilog=epilog("can"))(can)
app.command(epilog=epilog("who-can"), name="who-can")(who_can)
app.command(epilog=epilog("what-can"), name="what-can")(what_can)
app.command(epilog=epilog("only-via"), name="only-via")(only_via)
app.command(epilog=epilog("paths"))(paths)
app.command(epilog=epilog("escalations"))(escalations)
app.command(epilog=epilog("explain"))(explain)
app.command(epilog=epilog("cut"))(cut)
app.command(epilog=epilog("graph"))(graph)
app.command(epilog=epilog("batch"))(batch)
app.command(epilog=epilog("check"))(check)
app.command(epilog=epilog("mine"))(mine)
app.command(epilog=epilog("compare"))(compare)
app.command(epilog=epilog("equivalent-roles"), name="equivalent-roles")(equivalent_roles)
app.command(epilog=epilog("diff"))(diff)
app.command(epilog=epilog("what-if"), name="what-if")(what_if)
app.command(epilog=epilog("ask"))(ask)
app.command(epilog=epilog("shell"))(shell)
app.command(epilog=epilog("doctor"))(doctor)
data_app.command(epilog=epilog("data status"))(status)
data_app.command(epilog=epilog("data update"))(update)
data_app.command(epilog=epilog("data reset"))(reset)
app.add_typer(data_app, name="data")


def _asked(words: list[str]) -> typer.Typer:
    """The program with the one command that is asked for: to make the parameters of all takes as long as many an answer.

    All of it where the first word names no command, or the shell asks for completions.
    """
    name = next((w for w in words if w != "--no-pager"), "")
    found = [c for c in app.registered_commands if (c.name or getattr(c.callback, "__name__", "")) == name]
    if not found or "_IAMSIM_COMPLETE" in os.environ:
        return app
    alone = copy(app)
    alone.registered_commands, alone.registered_groups = found, []
    return alone


def main() -> int:
    """Runs the command line and returns the exit status."""
    if hasattr(sys.stderr, "reconfigure"):
        sys.stderr.reconfigure(errors="backslashreplace")

    words = sys.argv[1 : sys.argv.index("--") if "--" in sys.argv else None]
    if "--no-pager" in words:  # wherever it stands, it is about the whole command line
        sys.argv.remove("--no-pager")
        sys.argv.insert(1, "--no-pager")

    def run() -> int:
        try:
            _asked(sys.argv[1:])()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else Status.AS_EXPECTED
        return Status.AS_EXPECTED

    return guarded(run)

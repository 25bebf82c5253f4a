"""The application: its commands for typer, and the entry point."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from iamsim.cli.commands_ask import ask, only_via
from iamsim.cli.commands_callers import batch, can, escalations, graph, paths
from iamsim.cli.commands_lists import what_can, who_can
from iamsim.cli.commands_policies import check, compare, diff
from iamsim.cli.commands_ways import cut, equivalent_roles, explain, mine
from iamsim.cli.commands_what_if import what_if
from iamsim.cli.output import Status, guarded

app = typer.Typer(
    name="iamsim",
    help="Offline simulator for AWS IAM: can X ever do Y on Z, and how?",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from iamsim import __version__
        from iamsim.aws.actions import data_date

        typer.echo(f"iamsim {__version__}, data on actions of {data_date()}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Offline simulator for AWS IAM: can X ever do Y on Z, and how?

    Exit status: 0 as expected, 1 not as expected, 2 usage or input, 3 unknown, 70 internal error.
    """


app.command(epilog="Example: iamsim can user/carol s3:GetObject 'arn:aws:s3:::vault/*' -s snapshot/ --expect no")(can)
app.command(epilog='A line: {"principal": "user/carol", "action": "s3:GetObject", "resource": "arn:aws:s3:::vault/k"}')(
    batch
)
app.command(
    epilog="Examples: iamsim paths user/carol 555566667777:role/EC2DeleteRole; "
    "iamsim paths user/carol --action s3:GetObject --resource 'arn:aws:s3:::vault/*' --limit 3"
)(paths)
app.command(epilog="Examples: iamsim escalations user/carol; iamsim escalations --all; iamsim escalations 'user/*'")(
    escalations
)
app.command(epilog="Example: iamsim graph -s snapshot/ --to role/Admin -o admin.dot")(graph)
app.command(
    "who-can",
    epilog="Example: iamsim who-can s3:DeleteObject 'arn:aws:s3:::backups/*' -s snapshot/ --only role/breakglass --except root",
)(who_can)
app.command(
    "what-can",
    epilog="Examples: iamsim what-can user/alice; iamsim what-can role/ci 'arn:aws:s3:::b/*' --format policy",
)(what_can)
app.command(
    epilog="Examples: iamsim check invariants.iamq -s snapshot/; "
    "iamsim check rules/ -s snapshot/ --report sarif=iamsim.sarif --report junit=iamsim.xml --format markdown"
)(check)
app.command(
    epilog="Examples: iamsim compare new.json old.json --expect narrower-or-equal; iamsim compare SecurityAudit ReadOnlyAccess; "
    "iamsim compare --managed --format dot"
)(compare)
app.command(epilog="Example: iamsim diff before/ after/ --format markdown --expect no-gain")(diff)
app.command(
    "what-if",
    epilog="Example: iamsim what-if -s snapshot/ --detach role/ci=AdministratorAccess --add-scp ou-x=deny.json --rules r.iamq",
)(what_if)

app.command(
    epilog="Examples: iamsim ask 'who can do s3:GetObject on arn:aws:s3:::vault/* via direct'; iamsim ask -f questions.iamq"
)(ask)
app.command(
    "only-via",
    epilog="Example: iamsim only-via role/breakglass s3:DeleteObject 'arn:aws:s3:::backups/*' -s snapshot/ --except root",
)(only_via)
app.command(
    epilog="Examples: iamsim cut user/carol role/EC2DeleteRole; "
    "iamsim cut user/carol --action s3:GetObject --resource 'arn:aws:s3:::vault/*'"
)(cut)
app.command(epilog="Example: iamsim explain user/carol s3:GetObject 'arn:aws:s3:::vault/*' -s snapshot/")(explain)
app.command("equivalent-roles", epilog="Example: iamsim equivalent-roles '555566667777:role/*' -s snapshot/")(
    equivalent_roles
)
app.command(epilog="Example: iamsim mine -s snapshot/ -o invariants.iamq && iamsim check invariants.iamq -s snapshot/")(
    mine
)


def main() -> int:
    """Runs the command line and returns the exit status."""
    if hasattr(sys.stderr, "reconfigure"):
        sys.stderr.reconfigure(errors="backslashreplace")

    def run() -> int:
        try:
            app()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else Status.AS_EXPECTED
        return Status.AS_EXPECTED

    return guarded(run)

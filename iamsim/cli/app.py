"""The application: commands and their options for typer, and the entry point."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from iamsim.cli.options import Engine, Expect, Format, Missing, OnUnknown, Via
from iamsim.cli.output import Loud, Status, guarded

app = typer.Typer(
    name="iamsim",
    help="Offline simulator for AWS IAM: can X ever do Y on Z, and how?",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Snapshot = Annotated[
    list[str] | None,
    typer.Option(
        "-s", "--snapshot", metavar="PATH", help="File or directory to read (repeatable; else IAMSIM_SNAPSHOT)."
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing about the snapshot.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say everything about snapshot and answer.")]


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


@app.command()
def can(
    principal: Annotated[
        str,
        typer.Argument(metavar="PRINCIPAL", help="ARN, user/NAME, role/NAME, anonymous, a service, oidc://…, saml://…"),
    ],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="service:Action, wildcards for some such action")],
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help="ARN or *, wildcards for some such resource")],
    *,
    snapshot: Snapshot = None,
    context: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Value of a condition key (repeatable; KEY=null: known to be absent)."),
    ] = None,
    context_file: Annotated[str | None, typer.Option(metavar="FILE", help="JSON object of condition keys.")] = None,
    when: Annotated[str | None, typer.Option(metavar="TEXT", help="Condition on the keys that are free.")] = None,
    session_policy: Annotated[str | None, typer.Option(metavar="FILE", help="Session policy that was passed.")] = None,
    endpoint_policy: Annotated[str | None, typer.Option(metavar="FILE", help="Policy of the VPC endpoint.")] = None,
    resource_account: Annotated[str | None, typer.Option(metavar="ID", help="Account that owns the resource.")] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="ACTION=RESOURCE", help="Further check of the same operation (repeatable)."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Keys neither given nor derivable are absent.")] = False,
    missing: Annotated[
        Missing, typer.Option(help="What is assumed of facts that the snapshot lacks.")
    ] = Missing.ASSUME,
    any_resource: Annotated[
        bool, typer.Option("--any-resource", help="Ask even if the ARN does not fit the action.")
    ] = False,
    expect: Annotated[Expect, typer.Option(help="The verdict that makes the exit status 0.")] = Expect.YES,
    unknown: Annotated[OnUnknown | None, typer.Option(help="Exit 0 or 1 instead of 3 for an unknown.")] = None,
    via: Annotated[Via, typer.Option(help="Follow no hops, or role assumption.")] = Via.ROLES,
    engine: Annotated[Engine, typer.Option(help="Force a back-end.")] = Engine.AUTO,
    smtlib: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the formula (-: to output, and stop).")
    ] = None,
    format: Annotated[Format, typer.Option(help="Form of the answer.")] = Format.TEXT,  # noqa: A002 - the option
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say whether PRINCIPAL can do ACTION on RESOURCE, and what shows it."""

    def run() -> int:
        from iamsim.cli.commands import CanOptions, can_command

        options = CanOptions(
            snapshot=snapshot or [],
            context=context or [],
            context_file=context_file,
            when=when,
            session_policy=session_policy,
            endpoint_policy=endpoint_policy,
            resource_account=resource_account,
            also=also or [],
            strict=strict,
            missing=missing,
            any_resource=any_resource,
            expect=expect,
            unknown=unknown,
            via=via,
            engine=engine,
            smtlib=smtlib,
            format=format,
            loud=_loud(quiet=quiet, verbose=verbose),
        )
        return can_command(principal, action, resource, options)

    raise typer.Exit(guarded(run))


@app.command()
def batch(
    file: Annotated[str, typer.Argument(metavar="FILE", help="One JSON question per line; - for standard input.")],
    *,
    snapshot: Snapshot = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Answer one JSON question per line, in order, one JSON answer per line."""

    def run() -> int:
        from iamsim.cli.batch import batch as answer_all

        return answer_all(file, snapshot or [], _loud(quiet=quiet, verbose=verbose))

    raise typer.Exit(guarded(run))


def _loud(*, quiet: bool, verbose: bool) -> Loud:
    return Loud.QUIET if quiet else Loud.VERBOSE if verbose else Loud.NORMAL


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

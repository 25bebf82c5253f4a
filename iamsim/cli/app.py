"""The application: commands and their options for typer, and the entry point."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from iamsim.cli.compare import CompareFormat, ExpectRelation
from iamsim.cli.diff import DiffFormat, ExpectChange
from iamsim.cli.graph import GraphFormat, Only
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

Context = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Value of a condition key (repeatable; KEY=null: known to be absent)."),
]
When = Annotated[str | None, typer.Option(metavar="TEXT", help="Condition on the keys that are free.")]
Follow = Annotated[Via, typer.Option(help="Follow nothing, role assumption, or every technique.")]
Assume = Annotated[
    list[str] | None,
    typer.Option(metavar="FACT", help="Take a fact of the catalogue to hold, as FACT or FACT:user/NAME (repeatable)."),
]
RuleOut = Annotated[list[str] | None, typer.Option(metavar="FACT", help="Take a fact not to hold (repeatable).")]
Techniques = Annotated[str | None, typer.Option(metavar="FILE", help="YAML or JSON file of further techniques.")]
Missed = Annotated[Missing, typer.Option(help="What is assumed of facts that the snapshot lacks.")]
Shape = Annotated[Format, typer.Option(help="Form of the answer.")]


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


@app.command(epilog="Example: iamsim can user/carol s3:GetObject 'arn:aws:s3:::vault/*' -s snapshot/ --expect no")
def can(
    principal: Annotated[
        str,
        typer.Argument(metavar="PRINCIPAL", help="ARN, user/NAME, role/NAME, anonymous, a service, oidc://…, saml://…"),
    ],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="service:Action, wildcards for some such action")],
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help="ARN or *, wildcards for some such resource")],
    *,
    snapshot: Snapshot = None,
    context: Context = None,
    context_file: Annotated[str | None, typer.Option(metavar="FILE", help="JSON object of condition keys.")] = None,
    when: When = None,
    session_policy: Annotated[str | None, typer.Option(metavar="FILE", help="Session policy that was passed.")] = None,
    endpoint_policy: Annotated[str | None, typer.Option(metavar="FILE", help="Policy of the VPC endpoint.")] = None,
    resource_account: Annotated[str | None, typer.Option(metavar="ID", help="Account that owns the resource.")] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="ACTION=RESOURCE", help="Further check of the same operation (repeatable)."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Keys neither given nor derivable are absent.")] = False,
    missing: Missed = Missing.ASSUME,
    any_resource: Annotated[
        bool, typer.Option("--any-resource", help="Ask even if the ARN does not fit the action.")
    ] = False,
    expect: Annotated[Expect, typer.Option(help="The verdict that makes the exit status 0.")] = Expect.YES,
    unknown: Annotated[OnUnknown | None, typer.Option(help="Exit 0 or 1 instead of 3 for an unknown.")] = None,
    via: Follow = Via.ESCALATION,
    assume: Assume = None,
    rule_out: RuleOut = None,
    techniques: Techniques = None,
    engine: Annotated[Engine, typer.Option(help="Force a back-end.")] = Engine.AUTO,
    smtlib: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the formula (-: to output, and stop).")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why not: who is refused, the ceilings that hold, and near misses.")
    ] = False,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
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
            assume=assume or [],
            rule_out=rule_out or [],
            techniques=techniques,
            engine=engine,
            smtlib=smtlib,
            explain=explain,
            format=format,
            loud=_loud(quiet=quiet, verbose=verbose),
        )
        return can_command(principal, action, resource, options)

    raise typer.Exit(guarded(run))


@app.command(epilog='A line: {"principal": "user/carol", "action": "s3:GetObject", "resource": "arn:aws:s3:::vault/k"}')
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


@app.command(
    epilog="Examples: iamsim paths user/carol 555566667777:role/EC2DeleteRole; "
    "iamsim paths user/carol --action s3:GetObject --resource 'arn:aws:s3:::vault/*' --limit 3"
)
def paths(
    source: Annotated[str, typer.Argument(metavar="FROM", help="Who starts; as PRINCIPAL of `can`.")],
    target: Annotated[str | None, typer.Argument(metavar="[TO]", help="The principal to control.")] = None,
    *,
    snapshot: Snapshot = None,
    action: Annotated[str | None, typer.Option(metavar="ACTION", help="The action to be allowed.")] = None,
    resource: Annotated[str | None, typer.Option(metavar="RESOURCE", help="The resource of the action.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="How many ways to list.")] = 10,
    context: Context = None,
    when: When = None,
    missing: Missed = Missing.ASSUME,
    via: Follow = Via.ESCALATION,
    assume: Assume = None,
    rule_out: RuleOut = None,
    techniques: Techniques = None,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the minimal ways from FROM to control of TO, or to a request, cheapest first.

    Exit status: 0 there is a way, 1 there is none, 2 usage or input, 3 that is not known.
    """

    def run() -> int:
        from iamsim.cli.ways import PathsOptions, paths_command

        options = PathsOptions(
            snapshot=snapshot or [],
            action=action,
            resource=resource,
            limit=limit,
            context=context or [],
            when=when,
            missing=missing,
            via=via,
            assume=assume or [],
            rule_out=rule_out or [],
            techniques=techniques,
            format=format,
            loud=_loud(quiet=quiet, verbose=verbose),
        )
        return paths_command(source, target, options)

    raise typer.Exit(guarded(run))


@app.command(epilog="Examples: iamsim escalations user/carol; iamsim escalations --all; iamsim escalations 'user/*'")
def escalations(
    source: Annotated[
        str | None, typer.Argument(metavar="[FROM]", help="Who starts; a pattern or * for a table of several.")
    ] = None,
    *,
    snapshot: Snapshot = None,
    every: Annotated[bool, typer.Option("--all", help="All users and roles.")] = False,
    missing: Missed = Missing.ASSUME,
    assume: Assume = None,
    rule_out: RuleOut = None,
    techniques: Techniques = None,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List what FROM can become, administrators first, and the changes that it can make.

    Exit status: 0 whatever is listed, 2 usage or input.
    """

    def run() -> int:
        from iamsim.cli.ways import EscalationsOptions, escalations_command

        options = EscalationsOptions(
            snapshot=snapshot or [],
            every=every,
            missing=missing,
            assume=assume or [],
            rule_out=rule_out or [],
            techniques=techniques,
            format=format,
            loud=_loud(quiet=quiet, verbose=verbose),
        )
        return escalations_command(source, options)

    raise typer.Exit(guarded(run))


@app.command(epilog="Example: iamsim graph -s snapshot/ --to role/Admin -o admin.dot")
def graph(
    *,
    snapshot: Snapshot = None,
    format: Annotated[  # noqa: A002 - the option
        GraphFormat | None, typer.Option(help="Form of the graph (else by the suffix of FILE, else mermaid).")
    ] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write it.")] = None,
    source: Annotated[
        list[str] | None, typer.Option("--from", metavar="PRINCIPAL", help="Only what it may become (repeatable).")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--to", metavar="PRINCIPAL", help="Only who may become it (repeatable).")
    ] = None,
    account: Annotated[str | None, typer.Option(metavar="ID", help="Only edges that touch this account.")] = None,
    only: Annotated[Only, typer.Option(help="Role hops, or all techniques.")] = Only.ALL,
    missing: Missed = Missing.ASSUME,
    limit: Annotated[int, typer.Option(metavar="N", help="Edges that a Mermaid picture may have.")] = 150,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write who may obtain whose session as a graph: GraphML, DOT, Mermaid, JSON, or BloodHound OpenGraph."""

    def run() -> int:
        from iamsim.cli.graph import GraphOptions, graph_command

        options = GraphOptions(
            snapshot=snapshot or [],
            format=format,
            output=output,
            sources=source or [],
            targets=target or [],
            account=account,
            only=only,
            missing=missing,
            limit=limit,
            loud=_loud(quiet=quiet, verbose=verbose),
        )
        return graph_command(options)

    raise typer.Exit(guarded(run))


@app.command(
    epilog="Examples: iamsim compare new.json old.json --expect narrower-or-equal; iamsim compare SecurityAudit ReadOnlyAccess; "
    "iamsim compare --managed --format dot"
)
def compare(
    policies: Annotated[
        list[str] | None, typer.Argument(metavar="A B", help="Files, or AWS managed policies by name or ARN.")
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
            loud=_loud(quiet=quiet, verbose=verbose),
        )
        return compare_command(policies or [], options)

    raise typer.Exit(guarded(run))


@app.command(epilog="Example: iamsim diff before/ after/ --format markdown --expect no-gain")
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="Snapshot: a file or a directory.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Snapshot to compare it with.")],
    *,
    principals: Annotated[
        str | None, typer.Option("--principals", metavar="PATTERN", help="Only principals whose ARN is like this.")
    ] = None,
    actions: Annotated[str | None, typer.Option("--actions", metavar="PATTERN", help="Only actions like this.")] = None,
    missing: Missed = Missing.ASSUME,
    expect: Annotated[ExpectChange | None, typer.Option(help="What the exit status 0 asks for.")] = None,
    format: Annotated[DiffFormat, typer.Option(help="Form of the answer.")] = DiffFormat.TEXT,  # noqa: A002
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say what became possible, and what ceased to be, between two snapshots, with requests that show it.

    Exit status: 0 as expected, 1 not as expected, 2 usage or input, 3 unknown.
    """

    def run() -> int:
        from iamsim.cli.diff import DiffOptions, diff_command

        options = DiffOptions(
            principals=principals,
            actions=actions,
            missing=missing,
            expect=expect,
            format=format,
            loud=_loud(quiet=quiet, verbose=verbose),
        )
        return diff_command(before, after, options)

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

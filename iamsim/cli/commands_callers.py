"""The commands that ask what one caller can do and become."""

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
from iamsim.cli.graph import GraphFormat, Only
from iamsim.cli.options import Engine, Expect, Format, Missing, OnUnknown, Via
from iamsim.cli.output import guarded


def can(
    principal: Annotated[
        str,
        typer.Argument(
            metavar="PRINCIPAL",
            autocompletion=complete.principals,
            help="ARN, user/NAME, role/NAME, anonymous, a service, oidc://…, saml://…",
        ),
    ],
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION", autocompletion=complete.actions, help="service:Action, wildcards for some such action"
        ),
    ],
    resource: Annotated[
        str,
        typer.Argument(
            metavar="RESOURCE", autocompletion=complete.resources, help="ARN or *, wildcards for some such resource"
        ),
    ],
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
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
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
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return can_command(principal, action, resource, options)

    raise typer.Exit(guarded(run))


def batch(
    file: Annotated[str, typer.Argument(metavar="FILE", help="One JSON question per line; - for standard input.")],
    *,
    snapshot: Snapshot = None,
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Answer one JSON question per line, in order, one JSON answer per line."""

    def run() -> int:
        from iamsim.cli.batch import batch as answer_all

        return answer_all(file, snapshot or [], loudness(quiet=quiet, verbose=verbose))

    raise typer.Exit(guarded(run))


def paths(
    source: Annotated[
        str,
        typer.Argument(metavar="FROM", autocompletion=complete.principals, help="Who starts; as PRINCIPAL of `can`."),
    ],
    target: Annotated[
        str | None, typer.Argument(metavar="[TO]", autocompletion=complete.principals, help="The principal to control.")
    ] = None,
    *,
    snapshot: Snapshot = None,
    action: Annotated[
        str | None, typer.Option(metavar="ACTION", autocompletion=complete.actions, help="The action to be allowed.")
    ] = None,
    resource: Annotated[
        str | None,
        typer.Option(metavar="RESOURCE", autocompletion=complete.resources, help="The resource of the action."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="How many ways to list.")] = 10,
    context: Context = None,
    when: When = None,
    missing: Missed = Missing.ASSUME,
    via: Follow = Via.ESCALATION,
    assume: Assume = None,
    rule_out: RuleOut = None,
    techniques: Techniques = None,
    format: Shape = Format.TEXT,  # noqa: A002 - the option
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
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
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return paths_command(source, target, options)

    raise typer.Exit(guarded(run))


def escalations(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[FROM]",
            autocompletion=complete.principals,
            help="Who starts; a pattern or * for a table of several.",
        ),
    ] = None,
    *,
    snapshot: Snapshot = None,
    every: Annotated[bool, typer.Option("--all", help="All users and roles.")] = False,
    missing: Missed = Missing.ASSUME,
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
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return escalations_command(source, options)

    raise typer.Exit(guarded(run))


def graph(
    *,
    snapshot: Snapshot = None,
    format: Annotated[  # noqa: A002 - the option
        GraphFormat | None, typer.Option(help="Form of the graph (else by the suffix of FILE, else mermaid).")
    ] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write it.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="PRINCIPAL",
            autocompletion=complete.principals,
            help="Only what it may become (repeatable).",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="PRINCIPAL", autocompletion=complete.principals, help="Only who may become it (repeatable)."
        ),
    ] = None,
    account: Annotated[str | None, typer.Option(metavar="ID", help="Only edges that touch this account.")] = None,
    only: Annotated[Only, typer.Option(help="Role hops, or all techniques.")] = Only.ALL,
    missing: Missed = Missing.ASSUME,
    limit: Annotated[int, typer.Option(metavar="N", help="Edges that a Mermaid picture may have.")] = 150,
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
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
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return graph_command(options)

    raise typer.Exit(guarded(run))

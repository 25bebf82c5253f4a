"""The command that asks what edits of a snapshot would change."""

from __future__ import annotations

from typing import Annotated

import typer

from iamsim.cli import complete
from iamsim.cli.arguments import Cache, Missed, NoCache, Quiet, Snapshot, Verbose, loudness
from iamsim.cli.diff import DiffFormat, ExpectChange
from iamsim.cli.options import Missing
from iamsim.cli.output import guarded

Several = list[str] | None


def what_if(
    *,
    snapshot: Snapshot = None,
    delete: Annotated[
        Several,
        typer.Option(metavar="WHO", autocompletion=complete.principals, help="Delete a role or user (repeatable)."),
    ] = None,
    detach: Annotated[
        Several, typer.Option(metavar="WHO=POLICY", help="Detach a managed, or delete an inline, policy (repeatable).")
    ] = None,
    attach: Annotated[Several, typer.Option(metavar="WHO=POLICY", help="Attach a managed policy (repeatable).")] = None,
    put_policy: Annotated[
        Several,
        typer.Option(
            metavar="WHO=NAME=FILE", help="Write an inline policy; policy/NAME=FILE: a managed one (repeatable)."
        ),
    ] = None,
    trust: Annotated[Several, typer.Option(metavar="ROLE=FILE", help="Replace a trust policy (repeatable).")] = None,
    add_scp: Annotated[
        Several, typer.Option(metavar="NODE=FILE", help="Add an SCP to a root, unit or account (repeatable).")
    ] = None,
    rules: Annotated[
        Several, typer.Option(metavar="FILE", help="Rules of iamsim check: which flip? (repeatable).")
    ] = None,
    principals: Annotated[
        str | None, typer.Option("--principals", metavar="PATTERN", help="Only principals whose ARN is like this.")
    ] = None,
    actions: Annotated[str | None, typer.Option("--actions", metavar="PATTERN", help="Only actions like this.")] = None,
    missing: Missed = Missing.ASSUME,
    expect: Annotated[ExpectChange | None, typer.Option(help="What the exit status 0 asks for.")] = None,
    format: Annotated[DiffFormat, typer.Option(help="Form of the answer.")] = DiffFormat.TEXT,  # noqa: A002
    cache: Cache = None,  # noqa: ARG001 - its callback notes it
    no_cache: NoCache = False,  # noqa: ARG001 - its callback notes it
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say what edits of a snapshot would make possible, what they would end, and which rules would flip.

    The edits are made in the order of these options. Exit status: 0 as expected and no rule newly broken, 1 not so, 2 usage
    or input, 3 unknown.
    """

    def run() -> int:
        from iamsim.cli.diff import DiffOptions
        from iamsim.cli.what_if import Edits, what_if_command

        edits = Edits(
            delete=delete or [],
            detach=detach or [],
            attach=attach or [],
            put_policy=put_policy or [],
            trust=trust or [],
            add_scp=add_scp or [],
        )
        options = DiffOptions(
            principals=principals,
            actions=actions,
            missing=missing,
            via=None,
            expect=expect,
            format=format,
            loud=loudness(quiet=quiet, verbose=verbose),
        )
        return what_if_command(snapshot or [], edits, rules or [], options)

    raise typer.Exit(guarded(run))

"""The options that several commands have in common, for typer."""

from __future__ import annotations

from typing import Annotated

import typer

from iamsim.cli import complete
from iamsim.cli.options import Format, Missing, Via, use_cache, use_jobs, use_no_cache, use_scheduler
from iamsim.cli.output import Loud

Snapshot = Annotated[
    list[str] | None,
    typer.Option(
        "-s", "--snapshot", metavar="PATH", help="File or directory to read (repeatable; else IAMSIM_SNAPSHOT)."
    ),
]
Cache = Annotated[
    str | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        callback=use_cache,
        help="Directory of compiled snapshots (else IAMSIM_CACHE, else the user's).",
    ),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", callback=use_no_cache, help="Neither use nor keep a compiled snapshot.")
]
Jobs = Annotated[int | None, typer.Option("--jobs", metavar="N", min=1, callback=use_jobs, help="Work in N processes.")]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        callback=use_scheduler,
        help="Work on the Dask cluster of this scheduler (iamsim[dask]).",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing about the snapshot.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say everything about snapshot and answer.")]
Context = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        autocompletion=complete.keys,
        help="Value of a condition key (repeatable; KEY=null: known to be absent).",
    ),
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


def loudness(*, quiet: bool, verbose: bool) -> Loud:
    """How much is told about snapshot and answer."""
    return Loud.QUIET if quiet else Loud.VERBOSE if verbose else Loud.NORMAL

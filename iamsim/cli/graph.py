"""`iamsim graph`: who may obtain whose session, as a graph for other tools."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING

from iamsim.cli.options import Missing, snapshots
from iamsim.cli.output import Loud, Status, environment, unread
from iamsim.errors import InputError, QueryError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import networkx as nx

    from iamsim.env.types import Environment
    from iamsim.graph.roles import Link


class GraphFormat(StrEnum):
    """The form of a graph."""

    GRAPHML = "graphml"
    DOT = "dot"
    MERMAID = "mermaid"
    JSON = "json"
    OPENGRAPH = "opengraph"


class Only(StrEnum):
    """Which links are in a graph: role hops, or all techniques."""

    HOPS = "hops"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOptions:
    """What `iamsim graph` was given."""

    snapshot: list[str]
    format: GraphFormat | None
    output: str | None
    sources: list[str]
    targets: list[str]
    account: str | None
    only: Only
    missing: Missing
    limit: int
    loud: Loud


_SUFFIXES = {
    ".graphml": GraphFormat.GRAPHML,
    ".xml": GraphFormat.GRAPHML,
    ".dot": GraphFormat.DOT,
    ".gv": GraphFormat.DOT,
    ".mmd": GraphFormat.MERMAID,
    ".mermaid": GraphFormat.MERMAID,
    ".json": GraphFormat.JSON,
}


def graph_command(options: GraphOptions) -> int:
    """Writes the graph, or the part of it that is asked for; 2 iff some input could not be read whole, else 0."""
    if options.limit < 1:
        raise QueryError(f"`--limit {options.limit}` leaves no edge", "give a number from 1 upwards")
    env = environment(snapshots(options.snapshot), options.loud)
    text = _text(_made(env, options), options)
    if options.output is None or options.output == "-":
        sys.stdout.write(text)
    else:
        _write(text, options.output)
    return Status.INPUT if unread(env) else Status.AS_EXPECTED


def _made(env: Environment, options: GraphOptions) -> nx.MultiDiGraph:
    from iamsim.query.role_graph import role_graph

    shown = options.loud is not Loud.QUIET and sys.stderr.isatty()
    try:
        return role_graph(
            env, from_=options.sources, to=options.targets, account=options.account, only=options.only.value,
            missing=options.missing.value, watched=_counted if shown else None,
        )  # fmt: skip
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")


def _counted(links: Iterable[Link]) -> Iterator[Link]:
    last = time.monotonic()
    for number, link in enumerate(links, 1):
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            sys.stderr.write(f"\r\x1b[Kedges so far: {number}")
            sys.stderr.flush()
        yield link


def _text(graph: nx.MultiDiGraph, options: GraphOptions) -> str:
    from iamsim.graph import export
    from iamsim.report.term_text import term_text

    chosen = options.format or _SUFFIXES.get(PurePath(options.output or "").suffix.lower(), GraphFormat.MERMAID)
    match chosen:
        case GraphFormat.GRAPHML:
            return export.graphml(graph, term_text)
        case GraphFormat.DOT:
            return export.dot(graph, term_text)
        case GraphFormat.MERMAID:
            return export.mermaid(graph, term_text, options.limit)
        case GraphFormat.JSON:
            return export.node_link(graph, term_text)
        case GraphFormat.OPENGRAPH:
            return export.opengraph(graph, term_text)


def _write(text: str, file: str) -> None:
    try:
        with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a path that is none is reported
            stream.write(text)
    except (OSError, ValueError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is no path"
        raise InputError(f"`{printable(file)}` cannot be written: {why}", (), "give another file, or -") from error

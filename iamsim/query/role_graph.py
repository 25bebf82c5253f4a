"""The graph of who may obtain whose session, or the part of it that somebody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.judge.callers import read_callers
from iamsim.judge.judge import Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import networkx as nx

    from iamsim.env.types import Environment
    from iamsim.graph.roles import Link


def role_graph(
    env: Environment,
    *,
    from_: Iterable[str] = (),
    to: Iterable[str] = (),
    account: str | None = None,
    only: str = "all",
    missing: str = "assume",
    watched: Callable[[Iterable[Link]], Iterable[Link]] | None = None,
) -> nx.MultiDiGraph:
    """The graph of `iamsim.graph.roles.role_graph`: its part on walks from and to the given principals (none: any), of edges
    that touch `account`.

    `only` is `hops` for role assumption alone. `watched` is handed the links and hands them on. Raises QueryError for a
    principal or an account that is not in the graph.
    """
    from iamsim.graph.roles import role_graph as made

    ask = Ask(env=env, missing=missing)
    links = _links(ask, only)
    return _part(env, made(ask, links if watched is None else watched(links)), list(from_), list(to), account)


def _links(ask: Ask, only: str) -> Iterator[Link]:
    from iamsim.graph.links import role_links, technique_links

    yield from role_links(ask)
    if only == "all":
        yield from technique_links(ask)


def _part(
    env: Environment, graph: nx.MultiDiGraph, sources: list[str], targets: list[str], account: str | None
) -> nx.MultiDiGraph:
    from iamsim.graph.roles import between, of_account

    first = [n for text in sources for n in _named(env, graph, text)]
    last = [n for text in targets for n in _named(env, graph, text)]
    if first or last:
        graph = between(graph, first, last)
    if account is None:
        return graph
    if account not in {found for _, found in graph.nodes(data="account")}:
        known = ", ".join(sorted(env.accounts)[:8])
        raise QueryError(f"no principal is of account `{printable(account)}`", f"accounts are {known}")
    return of_account(graph, account)


def _named(env: Environment, graph: nx.MultiDiGraph, text: str) -> list[str]:
    """The nodes that `text` means: the name of a node, an account's number, or anything that `can` takes as principal."""
    from iamsim.graph.nodes import account_node

    for name in (text, account_node(text), text.lower()):
        if name in graph:
            return [name]
    found: list[str] = []
    for caller in read_callers(env, text):
        names: tuple[Any, ...] = (caller.arn, *caller.services[:1])
        if caller.provider is not None:
            names = tuple(n for n in graph if n == caller.provider or n.endswith(f":oidc-provider/{caller.provider}"))
        elif caller.arn is None and not caller.services:
            names = ("anyone",)
        found += [n for n in names if n in graph]
    if not found:
        raise QueryError(
            f"`{printable(text)}` is not in the graph",
            "it names no user or role that is loaded, and no policy trusts it",
        )
    return found

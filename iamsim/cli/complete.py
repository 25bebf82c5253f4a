"""What the shell of the user's completes behind `iamsim`: principals, actions, resources, condition keys, snapshots.

A completion never fails and says nothing: without a snapshot that can be read there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iamsim.env.types import Environment

# typer tells what a callback gets by the names of its parameters


def principals(ctx: Any, incomplete: str) -> list[str]:
    """The users and roles of the snapshot that is named on the command line, or configured."""
    return _offered(ctx, lambda env: _complete().principals(env, incomplete))


def resources(ctx: Any, incomplete: str) -> list[str]:
    """The resources of the snapshot."""
    return _offered(ctx, lambda env: _complete().resources(env, incomplete))


def actions(incomplete: str) -> list[str]:
    """The known actions."""
    return list(_complete().actions(incomplete))


def keys(incomplete: str) -> list[str]:
    """Condition keys, with the sign that a value follows."""
    return [f"{key}=" for key in _complete().keys(incomplete)] if "=" not in incomplete else []


def managed(incomplete: str) -> list[str]:
    """The names of AWS managed policies, and files."""
    from iamsim.aws.managed import managed_policies

    names = sorted(str(row["name"]) for row in managed_policies().values())
    return [n for n in names if n.lower().startswith(incomplete.lower())] if incomplete else []


def _complete() -> Any:
    from iamsim.query import complete

    return complete


def _offered(ctx: Any, names: Any) -> list[str]:
    from iamsim.errors import IamsimError

    try:
        return list(names(_environment(ctx)))
    except (IamsimError, OSError):
        return []


def _environment(ctx: Any) -> Environment:
    from iamsim.cli.options import cache_directory, snapshots
    from iamsim.env.build import load

    given = ctx.params.get("snapshot")
    directory, _ = cache_directory()
    return load(*snapshots(list(given or ())), cache=directory)

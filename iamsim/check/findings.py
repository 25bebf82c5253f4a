"""All findings of a snapshot, in order, and which of them are suppressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.check import names, oidc, quotas, roles, statements, trust, wide
from iamsim.check.files import covers
from iamsim.check.model import Counted, Found
from iamsim.query.spread import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from datetime import date

    from iamsim.check.model import Suppression
    from iamsim.env.types import Environment

FAMILIES = (names, statements, wide, trust, oidc, roles, quotas)
"""The modules whose `find` yields findings, each about one topic."""

_ORDER = {"error": 0, "warning": 1, "info": 2}


def findings(
    env: Environment, progress: Callable[[int], None] | None = None, *, executor: Executor | None = None
) -> tuple[Found, ...]:
    """Everything that is found in `env`, what its readers remarked on included: errors first, then by id and place.

    `progress` is called with the number of findings so far. With `executor` its workers look, each for a family.
    """
    seen: dict[tuple[str, str, str], Found] = {}
    for found in (*_read(env), *(_families(env) if executor is None else _spread(executor, env))):
        seen.setdefault((found.id, found.message, str(found.origin)), found)
        if progress is not None:
            progress(len(seen))
    return tuple(
        sorted(seen.values(), key=lambda f: (_ORDER[f.severity.value], f.id, str(f.origin), f.span or (), f.message))
    )


def _families(env: Environment) -> Iterator[Found]:
    for family in FAMILIES:
        yield from family.find(env)


def _spread(executor: Executor, env: Environment) -> Iterator[Found]:
    for found in spread(executor, (env,), _unit, None, range(len(FAMILIES))):
        yield from found


def _unit(envs: tuple[Environment, ...], _: None, family: int) -> list[Found]:
    """In a worker: the findings of one family."""
    return list(FAMILIES[family].find(envs[0]))


def _read(env: Environment) -> Iterator[Found]:
    """What the readers of the snapshot did not understand: malformed policies and records, with their places."""
    for d in env.diagnostics:
        if d.severity != "info":
            yield Found(
                id=d.id, message=d.message, origin=d.origin, subjects=(str(d.origin),), help=d.help, span=d.span
            )


def count(
    found: Iterable[Found], suppressions: Iterable[Suppression], today: date
) -> tuple[tuple[Counted, ...], tuple[Suppression, ...]]:
    """The findings with what suppresses them on the day `today`, and the suppressions that no finding matches.

    A suppression is in force until the end of its day; one that is not says so on the finding, which counts.
    """
    listed = tuple(suppressions)
    used: set[int] = set()
    out = []
    for one in found:
        fits = [(i, s) for i, s in enumerate(listed) if covers(s, one.id, one.subjects)]
        used.update(i for i, _ in fits)
        live = next((s for _, s in fits if s.until is None or today.isoformat() <= s.until), None)
        over = None if live is not None else next((s for _, s in fits), None)
        out.append(Counted(found=one, suppressed=live, expired=over))
    return tuple(out), tuple(s for i, s in enumerate(listed) if i not in used)

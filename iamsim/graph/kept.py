"""The closures that are kept for the questions to come: as many as fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.env.collector import retained
from iamsim.env.forgetting import trim
from iamsim.env.memo import once
from iamsim.graph.closure import lighten

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.graph.absorbed import Absorbed
    from iamsim.graph.state import Closure

_KEPT = 500_000
"""How much the closures that are kept may hold together, the last ones asked for, in facts that are copied from what follows from
an administrator: those of a large organization have tens of thousands each.
"""

_OWN = 3
"""How many times as much memory as such a fact one takes that was found for a single closure, with its firings and nodes."""

_MANY = 200
"""After how many facts the collector is told of them, which would else walk over all of them again and again."""


def keep_closure(env: Environment, key: tuple[object, ...], found: Closure, *, own: bool) -> None:
    """Keeps a closure in the memo of the environment, and lets those go that were asked for longest ago if they are too many."""
    kept: _Kept = once(env.memo, "closures", _Kept)
    lighten(found)
    base: Absorbed | None = found.done.get("base")  # type: ignore[assignment]
    if base is not None:
        found.index = None  # is soon told again from what is known of the administrator
    copied = 0 if base is None else len(base.how)
    size = kept.sizes[key] = copied + _OWN * (len(found.how) - copied) if own else 1
    env.memo[key] = found
    kept.whole += size
    kept.since += len(found.how) if own else 1
    if kept.since > _MANY:
        kept.since = 0
        retained()
    while kept.whole > _KEPT and len(kept.sizes) > 1:
        oldest = next(iter(kept.sizes))
        kept.whole -= kept.sizes.pop(oldest)
        del env.memo[oldest]
    trim(env)


@dataclass(slots=True)
class _Kept:
    """The closures that are kept, by the size of each: `whole` of all; `since` are the facts since the collector was told."""

    sizes: dict[tuple[object, ...], int] = field(default_factory=dict)
    whole: int = 0
    since: int = 0

"""What was worked out and is let go again where there is much of it, so that memory does not grow with an organization.

All of it is made anew if it is asked for again. Environments after changes, and what is kept with them, refer to each other,
and the collector does not walk over what lasts (`collector`): they are taken apart here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.memo import Memo

if TYPE_CHECKING:
    from iamsim.env.types import Environment

_CHANGED = "environments after changes"

MANY_CHANGED = 6_000
"""Environments after changes that are kept: an account of a thousand principals makes some hundreds of them, each of five KiB with
what is worked out in it.
"""

MANY_KEPT = 600_000
"""Entries that are kept with an environment: a thousand principals make about ten thousand of them."""

_PASSING = frozenset(
    {
        "assumes", "before", "best", "check", "edge", "edge-to", "edges", "makes", "may-do", "possible", "sweeping", "told-before",
    }
)  # fmt: skip
"""Of what is kept with an environment what is about one request or one principal, and soon made anew."""


def noted(memo: dict[object, object], key: object) -> None:
    """Takes note of an environment after changes that `memo` is about to hold as `key`."""
    root = memo
    while isinstance(root, Memo):
        root = root.parent
    root.setdefault(_CHANGED, []).append((memo, key))  # type: ignore[attr-defined]


def trim(env: Environment) -> None:
    """Lets go of environments after changes if there are many, and of what is kept with `env` itself."""
    every: list[tuple[dict[object, object], object]] = env.memo.get(_CHANGED, [])
    if len(every) > MANY_CHANGED:
        for memo, key in every:
            there = dict.pop(memo, key, None)
            if there is not None:
                there.memo.clear()  # type: ignore[attr-defined]
        every.clear()
    if len(env.memo) > env.memo.get(_KEPT, MANY_KEPT):
        for key in [k for k in env.memo if isinstance(k, tuple) and k[0] in _PASSING]:
            del env.memo[key]
        env.memo[_KEPT] = len(env.memo) + MANY_KEPT // 8


_KEPT = "entries that are kept"

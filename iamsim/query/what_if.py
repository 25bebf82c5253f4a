"""What edits of an environment would make possible, and what they would end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.env.edit import Edit, EditKind, edited
from iamsim.query.diff import diff

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.env.types import Environment
    from iamsim.query.diff_rows import Diff

__all__ = ["Edit", "EditKind", "WhatIf", "what_if"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The environment after the edits, and how it differs from the one before."""

    after: Environment
    diff: Diff


def what_if(env: Environment, edits: Iterable[Edit], **options: Any) -> WhatIf:
    """What `edits`, made in order, change of `env`; `options` are those of `iamsim.query.diff.diff`.

    Raises QueryError or InputError as `iamsim.env.edit.edited` does.
    """
    after = edited(env, edits)
    return WhatIf(after=after, diff=diff(env, after, **options))

"""The garbage collector, kept out of the way while much is made that stays."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def undisturbed(*, lasting: bool = False) -> Iterator[None]:
    """Nothing is collected within. What there is afterwards need never be walked over again if it is `lasting`."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if lasting:
            retained()
        if collecting:
            gc.enable()


def retained() -> None:
    """What there is now is not walked over again; it still goes once nothing refers to it, but for what refers to itself."""
    gc.freeze()

"""What a question says of techniques: facts to assume or to rule out, and a file of the user's own."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iamsim.aws.escalation_files import with_file
from iamsim.aws.escalations import Catalogue, catalogue
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.graph.outcomes import SECOND_FACTOR
from iamsim.graph.world import Ruling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iamsim.diagnostics import Diagnostic


def catalogue_of(file: str | None) -> tuple[Catalogue, tuple[Diagnostic, ...]]:
    """The bundled catalogue, with the techniques of the file added or replaced, and what was wrong in the file."""
    if file is None:
        return catalogue(), ()
    try:
        at = Path(file).stat()
    except (OSError, ValueError):
        return with_file(catalogue(), file)
    return _read(file, at.st_mtime_ns, at.st_size)


@lru_cache(maxsize=1)
def no_techniques() -> Catalogue:
    """The catalogue for role assumption alone, made once."""
    empty: Mapping[str, Any] = MappingProxyType({})
    return Catalogue(empty, empty, empty)


@lru_cache(maxsize=8)
def _read(file: str, time: int, size: int) -> tuple[Catalogue, tuple[Diagnostic, ...]]:
    """The catalogue with the file as it is now: one object for one state, as what is worked out with it is kept."""
    del time, size
    return with_file(catalogue(), file)


def fact_names() -> tuple[str, ...]:
    """The names of facts that may be assumed or ruled out."""
    found = {c.fact for t in catalogue().techniques.values() for v in t.variants for c in v.preconditions}
    return tuple(sorted(found | {SECOND_FACTOR}))


def read_ruling(assume: Sequence[str], rule_out: Sequence[str]) -> Ruling:
    """What the user says of facts. Raises QueryError for a fact that the catalogue does not have."""
    if not assume and not rule_out:
        return Ruling()
    known = fact_names()
    for text in (*assume, *rule_out):
        fact = text.partition(":")[0]
        if fact not in known:
            near = get_close_matches(fact, known, n=1)
            raise QueryError(
                f"`{printable(text)}` is no fact of the catalogue",
                f"did you mean `{near[0]}`?" if near else "facts are " + ", ".join(known),
            )
    both = sorted(set(assume) & set(rule_out))
    if both:
        raise QueryError(f"`{printable(both[0])}` is both assumed and ruled out", "say one of the two")
    return Ruling(frozenset(assume), frozenset(rule_out))

"""What the texts of numbers, dates, addresses and bytes look like, as globs: more texts than those that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.ir.term import Sort
from iamsim.model.pattern import AnyChar, Pattern, Star, tokenize
from iamsim.theory import globs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iamsim.theory.hint import Hint

DIGITS = "1023456789"
HEX = DIGITS + "abcdefABCDEF"


@dataclass(frozen=True, slots=True)
class Shape:
    """Texts of `letters` (None: any) that match all of `like` and none of `unlike`."""

    letters: str | None
    like: tuple[globs.GlobAtom, ...]
    unlike: tuple[globs.GlobAtom, ...] = ()


def _shape(letters: str | None, like: str, unlike: str = "") -> Shape:
    return Shape(
        letters,
        tuple(globs.GlobAtom(tokenize(p)) for p in like.split()),
        tuple(globs.GlobAtom(tokenize(p)) for p in unlike.split()),
    )


_INTEGER = _shape(DIGITS + "+-", "?*", "?*+* ?*-* *+ *-")
SHAPES = {
    Sort.NUMBER: (_INTEGER, _shape(DIGITS + "+-.", "*.*", "?*+* ?*-* *.*.* . +. -.")),
    Sort.DATE: (
        _INTEGER,
        _shape(DIGITS + "-", "????-??", "*-*-*"),
        _shape(DIGITS + "-", "????-??-??", "*-*-*-*"),
        _shape(DIGITS + "-:.TZ", "????-??-??T??:??*Z", "*-*-*-* *T*T* *Z*Z*"),
        _shape(DIGITS + "-:.T+", "????-??-??T??:??*+??:??", "*-*-*-* *T*T*"),
        _shape(DIGITS + "-:.T", "????-??-??T??:??*-??:??", "*T*T*"),
    ),
    Sort.ADDRESS: (
        _shape(DIGITS + ".", "?*.?*.?*.?*", "*.*.*.*.*"),
        _shape(HEX + ":.", "*:*:*"),
        _shape(None, "*:*:*%?*"),
    ),
    Sort.BINARY: (
        _shape("Aabcdefghijklmnopqrstuvwxyz" + "BCDEFGHIJKLMNOPQRSTUVWXYZ" + DIGITS + "+/=", "*"),
    ),
}  # fmt: skip


def bounded(
    positive: Sequence[globs.GlobAtom], negative: Sequence[globs.GlobAtom], hint: Hint
) -> tuple[list[globs.GlobAtom], list[globs.GlobAtom]]:
    """`positive` and `negative`, followed by patterns for the lengths that `hint` allows."""
    more, less = [*positive], [*negative]
    if hint.min_length:
        more.append(globs.GlobAtom(Pattern("?*", (AnyChar(),) * hint.min_length + (Star(),))))
    if hint.max_length is not None:
        less.append(globs.GlobAtom(Pattern("?*", (AnyChar(),) * (hint.max_length + 1) + (Star(),))))
    return more, less


def shaped(
    sort: Sort, positive: Sequence[globs.GlobAtom], negative: Sequence[globs.GlobAtom], hint: Hint, budget: int
) -> list[str] | globs.Conflict:
    """Texts that match `positive` and not `negative` and look like `sort`, or a conflict, iff there is none.

    The list is empty if that was not decided. `hint` bounds the texts too.
    """
    more, less = bounded(positive, negative, hint)
    texts: list[str] = []
    used: tuple[set[int], set[int]] = (set(), set())
    sure = True
    for shape in SHAPES[sort]:
        letters = shape.letters
        if hint.alphabet is not None:
            letters = hint.alphabet if letters is None else "".join(c for c in letters if c in hint.alphabet)
        found = globs.solve(
            [*more, *shape.like], [*less, *shape.unlike], budget=budget, alphabet_hint=DIGITS[:1], allowed=letters
        )
        match found:
            case globs.Found(text):
                texts.append(text)
            case globs.Conflict(pos, neg):
                used[0].update(i for i in pos if i < len(positive))
                used[1].update(i for i in neg if i < len(negative))
            case _:
                sure = False
    if texts or not sure:
        return texts
    return globs.Conflict(tuple(sorted(used[0])), tuple(sorted(used[1])))

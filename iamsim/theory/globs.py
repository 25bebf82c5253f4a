"""Globs: a text that matches some patterns and not others, or a proof that there is none."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.model.pattern import Literal, Pattern, Star, fold, match
from iamsim.theory.product import (
    GlobAtom,
    Member,
    automaton,
    build,
    distances,
    graph,
    search,
    settle,
    tail_after,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Conflict",
    "Found",
    "GlobAtom",
    "GlobResult",
    "OutOfBudget",
    "covers",
    "derivative",
    "disjoint",
    "instances",
    "solve",
]

PLAUSIBLE = "x1abcdefghijklmnopqrstuvwyz023456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~+=@,!%&"
FIRST_ROUND = 2000
MINIMISED = 16
MINIMISE_BUDGET = 300


@dataclass(frozen=True, slots=True)
class Letters:
    """The characters to prefer, and all that are allowed (None: every character)."""

    hint: str
    allowed: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Found:
    """A text that matches every positive atom and no negative one."""

    text: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """The indices of positive and negative atoms that no text satisfies together."""

    positive: tuple[int, ...]
    negative: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OutOfBudget:
    """Neither a text nor a proof was found within the budget."""


GlobResult = Found | Conflict | OutOfBudget


def solve(
    positive: Sequence[GlobAtom],
    negative: Sequence[GlobAtom],
    *,
    budget: int = 20000,
    alphabet_hint: str = "",
    allowed: str | None = None,
) -> GlobResult:
    """A text that matches all of `positive` and none of `negative`, a conflict iff there is none, or OutOfBudget.

    A positive pattern with one `x` for each wildcard is preferred; else the text is a shortest one, or, where the
    product of the patterns is large, any. `alphabet_hint` holds the characters to prefer where every character will
    do; `allowed`, if given, all the characters that a text may consist of. `budget` bounds the states of the product.
    """
    letters = Letters(alphabet_hint + PLAUSIBLE, None if allowed is None else frozenset(allowed))
    filler = _filler(letters)
    if allowed is None and not negative and len(positive) < 2:
        return Found(_instance(positive[0].pattern, filler) if positive else filler)
    settled = _by_literal(positive, negative, letters)
    if settled is not None:
        return settled
    for text in _candidates(positive, filler):
        if _holds(text, positive, negative, letters):
            return Found(text)
    return _by_product(positive, negative, budget, letters)


def covers(a: Pattern, b: Pattern, *, fold_case: bool = False) -> bool | None:
    """True iff every text that matches `b` matches `a`; None if that was not decided within the budget."""
    if a.parts == b.parts or a.parts == (Star(),):
        return True
    if b.literal is not None:
        return match(a, b.literal, fold_case=fold_case)
    if a.literal is not None:
        return False
    head, tail = _affixes(a, fold_case=fold_case)
    other_head, other_tail = _affixes(b, fold_case=fold_case)
    if not other_head.startswith(head) or not other_tail.endswith(tail):
        return False
    if len(a.parts) == 2 and Star() in a.parts and (head or tail):
        return True
    return _unsatisfiable((GlobAtom(b, fold_case),), (GlobAtom(a, fold_case),))


def disjoint(a: Pattern, b: Pattern, *, fold_case: bool = False) -> bool | None:
    """True iff no text matches both `a` and `b`; None if that was not decided within the budget."""
    if a.literal is not None:
        return not match(b, a.literal, fold_case=fold_case)
    if b.literal is not None:
        return not match(a, b.literal, fold_case=fold_case)
    if _affixes_disjoint(_affixes(a, fold_case=fold_case), _affixes(b, fold_case=fold_case)):
        return True
    if _open_ended(a) and _open_ended(b):
        return False
    return _unsatisfiable((GlobAtom(a, fold_case), GlobAtom(b, fold_case)), ())


def derivative(pattern: Pattern, prefix: str, *, fold_case: bool = False) -> tuple[Pattern, ...]:
    """Patterns such that a text matches one of them iff `pattern` matches `prefix` followed by that text.

    There is none iff `pattern` matches no text that begins with `prefix`. With `fold_case` both matches ignore case.
    """
    one = automaton(pattern, fold_case=fold_case)
    state = 1
    for char in prefix:
        colon = char == ":"
        advance = one.literals.get(char, 0) | one.any_free | (0 if colon else one.any_field)
        loop = one.loop_free | (0 if colon else one.loop_field)
        state = ((state & advance) << 1) | (state & loop)
    star = (state & one.loop_free).bit_length() - 1
    live = [p for p in range(one.size + 1) if state >> p & 1 and p >= star]
    return tuple(tail_after(pattern, position) for position in live)


def instances(
    positive: Sequence[GlobAtom],
    negative: Sequence[GlobAtom],
    *,
    limit: int = 20,
    budget: int = 20000,
    alphabet_hint: str = "",
    allowed: str | None = None,
) -> Iterator[str]:
    """At most `limit` different texts that match all of `positive` and none of `negative`, shortest first.

    Where any character will do, two stand for all the others: those that `alphabet_hint` begins with, if given. So
    there is a text iff `solve` finds one, but the texts are not all that there are. Over budget, what `solve` finds.
    `allowed` is as in `solve`.
    """
    hint, letters = alphabet_hint + PLAUSIBLE, None if allowed is None else frozenset(allowed)
    product = build(_indexed(positive, negative), hint, letters)
    edges = graph(product, budget)
    if edges is None:
        result = solve(positive, negative, budget=budget, alphabet_hint=alphabet_hint, allowed=allowed)
        if isinstance(result, Found) and limit > 0:
            yield result.text
        return
    distance = distances(product, edges)
    start = settle(product, product.start)
    heap = [(distance[start], 0, "", start)] if start in distance else []
    pushed = found = 0
    while heap and found < limit:
        length, _, text, state = heapq.heappop(heap)
        if length == len(text):
            found += 1
            yield text
        for char, target in reversed(edges[state]):
            if target in distance:
                pushed -= 1
                heapq.heappush(heap, (len(text) + 1 + distance[target], pushed, text + char, target))


# --- answers without a product -----------------------------------------------------------------------------------


def _filler(letters: Letters) -> str:
    """The preferred character, or nothing if no character is known to be allowed."""
    if letters.allowed is None:
        return letters.hint[0]
    return next((c for c in letters.hint if c in letters.allowed), "")


def _instance(pattern: Pattern, filler: str) -> str:
    return "".join(p.text if isinstance(p, Literal) else filler for p in pattern.parts)


def _holds(text: str, positive: Sequence[GlobAtom], negative: Sequence[GlobAtom], letters: Letters) -> bool:
    if letters.allowed is not None and not letters.allowed.issuperset(text):
        return False
    return all(match(a.pattern, text, fold_case=a.fold_case) for a in positive) and not any(
        match(a.pattern, text, fold_case=a.fold_case) for a in negative
    )


def _by_literal(positive: Sequence[GlobAtom], negative: Sequence[GlobAtom], letters: Letters) -> GlobResult | None:
    """The answer if some positive pattern leaves one text only, else None."""
    for i, atom in enumerate(positive):
        text = atom.pattern.literal
        if text is None:
            continue
        if letters.allowed is not None and not letters.allowed.issuperset(text):
            return None if atom.fold_case else Conflict((i,), ())
        for j, other in enumerate(positive):
            if not match(other.pattern, text, fold_case=other.fold_case):
                one_text = not atom.fold_case or other.fold_case
                return Conflict(tuple(sorted((i, j))), ()) if one_text else None
        for j, other in enumerate(negative):
            if match(other.pattern, text, fold_case=other.fold_case):
                one_text = not atom.fold_case or other.fold_case
                return Conflict((i,), (j,)) if one_text else None
        return Found(text)
    return None


def _candidates(positive: Sequence[GlobAtom], filler: str) -> Iterator[str]:
    if not positive:
        yield filler
        yield "q7"
    for atom in positive[:4]:
        yield _instance(atom.pattern, filler)
        yield _instance(atom.pattern, "q")


def _merged(positive: Sequence[GlobAtom], filler: str) -> str:
    """The longest ends of the positive patterns around all their middles: often a common match if there are stars."""
    ends = [_affixes(a.pattern, fold_case=False) for a in positive]
    inner = [
        _instance(Pattern("", a.pattern.parts[bool(head) : len(a.pattern.parts) - bool(tail)]), filler)
        for a, (head, tail) in zip(positive, ends, strict=True)
    ]
    longest_head = max((head for head, _ in ends), key=len, default="")
    longest_tail = max((tail for _, tail in ends), key=len, default="")
    return longest_head + "".join(inner) + longest_tail


def _affixes(pattern: Pattern, *, fold_case: bool) -> tuple[str, str]:
    """The literal texts that every match of a pattern begins and ends with."""
    if not pattern.parts:
        return "", ""
    first, last = pattern.parts[0], pattern.parts[-1]
    head = first.text if isinstance(first, Literal) else ""
    tail = last.text if isinstance(last, Literal) else ""
    return (fold(head), fold(tail)) if fold_case else (head, tail)


def _affixes_disjoint(a: tuple[str, str], b: tuple[str, str]) -> bool:
    return not ((a[0].startswith(b[0]) or b[0].startswith(a[0])) and (a[1].endswith(b[1]) or b[1].endswith(a[1])))


def _atoms_apart(a: GlobAtom, b: GlobAtom) -> bool:
    fold = a.fold_case or b.fold_case
    return _affixes_disjoint(_affixes(a.pattern, fold_case=fold), _affixes(b.pattern, fold_case=fold))


def _outermost(positive: Sequence[GlobAtom]) -> tuple[int, ...]:
    """The indices of the positive atoms with the longest head and the longest tail: they exclude most."""
    ends = [_affixes(a.pattern, fold_case=False) for a in positive]
    if not ends:
        return ()
    first = max(range(len(ends)), key=lambda i: len(ends[i][0]))
    last = max(range(len(ends)), key=lambda i: len(ends[i][1]))
    return (first,) if first == last else (first, last)


def _open_ended(pattern: Pattern) -> bool:
    """True iff the first and the last wildcard are stars that also match colons."""
    wild = [p for p in pattern.parts if not isinstance(p, Literal)]
    return bool(wild) and wild[0] == Star() and wild[-1] == Star()


def _unsatisfiable(positive: tuple[GlobAtom, ...], negative: tuple[GlobAtom, ...]) -> bool | None:
    match solve(positive, negative):
        case Conflict():
            return True
        case Found():
            return False
        case _:
            return None


# --- answers by the product --------------------------------------------------------------------------------------


def _indexed(positive: Sequence[GlobAtom], negative: Sequence[GlobAtom]) -> list[Member]:
    """Both lists as (positive, index, atom), without the negative atoms that the positive ones exclude anyway."""
    outer = [positive[i] for i in _outermost(positive)]
    return [
        *((True, i, a) for i, a in enumerate(positive)),
        *((False, i, a) for i, a in enumerate(negative) if not any(_atoms_apart(a, o) for o in outer)),
    ]


def _by_product(
    positive: Sequence[GlobAtom], negative: Sequence[GlobAtom], budget: int, letters: Letters
) -> GlobResult:
    outer = _outermost(positive)
    for i in outer:
        for j, atom in enumerate(positive):
            if _atoms_apart(atom, positive[i]):
                return Conflict(tuple(sorted((i, j))), ())
    members = _indexed(positive, negative)
    result = search(build(members, letters.hint, letters.allowed), min(budget, FIRST_ROUND), greedy=False)
    if result is None:
        text = _merged(positive, _filler(letters))
        if _holds(text, positive, negative, letters):
            return Found(text)
        result = search(build(members, letters.hint, letters.allowed), budget, greedy=True)
    match result:
        case None:
            return OutOfBudget()
        case str(text):
            return Found(text)
        case blamed:
            return _minimised([m for m in members if m[:2] in blamed], letters)


def _minimised(members: list[Member], letters: Letters) -> Conflict:
    """The conflict of `members`, without those that it does not need, as far as that is cheap to see.

    One atom alone excludes every text only if it is a denied `*`, which the search blames alone, or by `allowed`.
    """
    if (2 if letters.allowed is None else 1) < len(members) <= MINIMISED:
        for member in tuple(members):
            fewer = [m for m in members if m is not member]
            blamed = search(build(fewer, letters.hint, letters.allowed), MINIMISE_BUDGET, greedy=False)
            if isinstance(blamed, set):
                members = [m for m in fewer if m[:2] in blamed]
    return Conflict(
        tuple(i for is_positive, i, _ in members if is_positive),
        tuple(i for is_positive, i, _ in members if not is_positive),
    )

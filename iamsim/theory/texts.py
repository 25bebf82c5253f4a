"""One text: a value that satisfies literals about one variable that is present, or the literals that exclude it.

Patterns alone are decided by globs, comparisons by intervals, networks by address ranges, each exactly. Where they meet
on one text, texts are tried; a conflict is reported only where one of the parts is enough for it.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_network
from itertools import chain, product
from typing import TYPE_CHECKING, cast

from iamsim.ir import values
from iamsim.ir.evaluate import atom_value
from iamsim.ir.term import Compare, InNetwork, Like, Parses, Present, Sort, like
from iamsim.model.pattern import tokenize
from iamsim.theory import globs, intervals, shapes
from iamsim.theory.hint import ANY, READ_SORTS, Conflict, Hint, Undecided, fits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from iamsim.ir.term import Atom

Literal = tuple["Atom", bool]

ARN_COLONS = tokenize("arn:*:*:*:*:*")
ARN_SHAPE = globs.GlobAtom(tokenize("arn:aws:*:*:*:*"))
BOOLEANS = tuple(
    dict.fromkeys(
        ["true", "false"]
        + ["".join(cs) for word in ("true", "false") for cs in product(*((c, c.upper()) for c in word))]
    )
)
INSTANCES = 24

__all__ = ["ANY", "Conflict", "Hint", "Undecided", "fits", "holds", "solve_text", "value_ranges"]


def solve_text(literals: Sequence[Literal], hint: Hint, budget: int) -> str | Conflict | Undecided:
    """A text that satisfies `literals`, which speak of one variable that is present, without policy variables.

    A conflict is reported only if there is no such text among those that `hint` allows.
    """
    for sample in hint.samples:
        if fits(sample, hint) and holds(sample, literals):
            return sample
    literals = [(_as_pattern(atom), sign) for atom, sign in literals]
    for i, (atom, sign) in enumerate(literals):
        if isinstance(atom, Present) and not sign:
            return Conflict((i,))
        if sign and isinstance(atom, Like) and not atom.fold_case and atom.pattern.literal is not None:
            return _fixed(i, atom.pattern.literal, literals, hint)
    likes = [i for i, (atom, _) in enumerate(literals) if isinstance(atom, Like)]
    if hint.sort not in READ_SORTS and all(isinstance(atom, Like | Present) for atom, _ in literals):
        return _by_globs(likes, literals, hint, budget)
    return _mixed(likes, literals, hint, budget)


def _as_pattern(atom: Atom) -> Atom:
    """`atom`, as a pattern if it asks for the shape of an ARN."""
    if isinstance(atom, Parses) and atom.sort is Sort.ARN:
        return cast("Like", like(atom.var, ARN_COLONS))
    return atom


def holds(text: str, literals: Sequence[Literal]) -> bool:
    """True iff `text` as the value of their one variable satisfies `literals`."""
    return _first_false(text, literals) is None


def _first_false(text: str, literals: Sequence[Literal]) -> int | None:
    found = (text,)
    for i, (atom, sign) in enumerate(literals):
        if atom_value(atom, {atom.var: found}) is not sign:  # type: ignore[union-attr]
            return i
    return None


def _fixed(index: int, text: str, literals: Sequence[Literal], hint: Hint) -> str | Conflict:
    """The answer where literal `index` leaves `text` only."""
    if not fits(text, hint):
        return Conflict((index,))
    bad = _first_false(text, literals)
    return text if bad is None else Conflict(tuple(sorted({index, bad})))


# --- patterns ----------------------------------------------------------------------------------------------------


def _by_globs(likes: Sequence[int], literals: Sequence[Literal], hint: Hint, budget: int) -> str | Conflict | Undecided:
    """A text that `hint` allows and that satisfies the pattern literals `likes`, or a conflict iff there is none."""
    positive = [i for i in likes if literals[i][1]]
    negative = [i for i in likes if not literals[i][1]]
    atoms = [_glob(literals[i][0]) for i in positive]
    denied = [_glob(literals[i][0]) for i in negative]
    if hint.sort is Sort.ARN and not atoms:
        likely = globs.solve((ARN_SHAPE,), denied, budget=budget)
        if isinstance(likely, globs.Found) and fits(likely.text, hint):
            return likely.text
    found = globs.solve(atoms, denied, budget=budget, alphabet_hint=(hint.alphabet or "")[:1])
    if isinstance(found, globs.Found) and not fits(found.text, hint):
        more, less = shapes.bounded(atoms, denied, hint)
        found = globs.solve(more, less, budget=budget, allowed=hint.alphabet)
    match found:
        case globs.Found(text):
            return text if fits(text, hint) else Undecided("bounds of a text")
        case globs.Conflict(pos, neg):
            used = [positive[i] for i in pos if i < len(positive)] + [negative[i] for i in neg if i < len(negative)]
            return Conflict(tuple(sorted(used)))
        case _:
            return Undecided("too many patterns on one key")


def _glob(atom: Atom) -> globs.GlobAtom:
    like = cast("Like", atom)
    return globs.GlobAtom(like.pattern, like.fold_case)


# --- several readings of one text --------------------------------------------------------------------------------


def _mixed(likes: Sequence[int], literals: Sequence[Literal], hint: Hint, budget: int) -> str | Conflict | Undecided:
    needed = _needed(literals, hint)
    for i, (atom, sign) in enumerate(literals):
        if isinstance(atom, Parses) and not sign and (atom.sort in needed or atom.sort is Sort.STRING):
            return _conflict(i, needed.get(atom.sort, -1))
    if Sort.BOOL in needed:
        return _finite(BOOLEANS, literals, hint, needed[Sort.BOOL])
    if likes:
        shaped = _by_globs(likes, literals, Hint(alphabet=hint.alphabet, min_length=hint.min_length,
                                                 max_length=hint.max_length), budget)  # fmt: skip
        if isinstance(shaped, Conflict):
            return shaped
    if Sort.ADDRESS in needed:
        for sort in (Sort.NUMBER, Sort.DATE):
            if sort in needed:
                return _conflict(needed[sort], needed[Sort.ADDRESS])
    shaped_texts: list[str] = []
    for sort in needed:
        clash = _one_sort(sort, literals, hint, needed[sort])
        if clash is not None:
            return clash
        found = _shaped(sort, likes, literals, hint, budget)
        if isinstance(found, globs.Conflict):
            positive, negative = ([i for i in likes if literals[i][1] is s] for s in (True, False))
            return _conflict(
                needed[sort], *(positive[i] for i in found.positive), *(negative[i] for i in found.negative)
            )
        shaped_texts += found
    for text in chain(_candidates(needed, likes, literals, hint, budget), shaped_texts):
        if fits(text, hint) and holds(text, literals):
            return text
    if Sort.NUMBER in needed and Sort.DATE in needed:
        return _number_and_date(literals, hint, needed)
    return Undecided("patterns and values on one key" if likes else "several readings of one key")


def _shaped(
    sort: Sort, likes: Sequence[int], literals: Sequence[Literal], hint: Hint, budget: int
) -> list[str] | globs.Conflict:
    """Texts that look like `sort` and satisfy the patterns, or the patterns that exclude all such texts."""
    if not likes and hint.alphabet is None and not hint.min_length and hint.max_length is None:
        return []
    positive = [_glob(literals[i][0]) for i in likes if literals[i][1]]
    negative = [_glob(literals[i][0]) for i in likes if not literals[i][1]]
    return shapes.shaped(sort, positive, negative, hint, budget)


def _conflict(*indices: int) -> Conflict:
    return Conflict(tuple(sorted({i for i in indices if i >= 0})))


def _needed(literals: Sequence[Literal], hint: Hint) -> dict[Sort, int]:
    """The sorts that the text can be read as in any case, each with the literal that says so (-1: the hint)."""
    out: dict[Sort, int] = {hint.sort: -1} if hint.sort in READ_SORTS else {}
    for i, (atom, sign) in enumerate(literals):
        if not sign:
            continue
        match atom:
            case Compare(_, _, _, sort):
                out.setdefault(sort, i)
            case InNetwork():
                out.setdefault(Sort.ADDRESS, i)
            case Parses(_, sort) if sort in READ_SORTS:
                out.setdefault(sort, i)
            case _:
                pass
    return out


def _finite(texts: Sequence[str], literals: Sequence[Literal], hint: Hint, why: int) -> str | Conflict:
    """The answer where the text is one of `texts`, if literal `why` holds."""
    allowed = [t for t in texts if fits(t, hint)]
    for text in allowed:
        if holds(text, literals):
            return text
    kept = list(range(len(literals)))
    for i in range(len(literals)):
        fewer = [literals[k] for k in kept if k != i]
        if i != why and not any(holds(t, fewer) for t in allowed):
            kept.remove(i)
    return Conflict(tuple(kept))


def _one_sort(sort: Sort, literals: Sequence[Literal], hint: Hint, why: int) -> Conflict | None:
    """The conflict among the literals that read the text as `sort`, which literal `why` says can be done, if any."""
    if sort is Sort.ADDRESS:
        positive, negative = _split(literals, InNetwork)
        found = intervals.solve_addresses(
            [cast("InNetwork", literals[i][0]).network for i in positive],
            [cast("InNetwork", literals[i][0]).network for i in negative],
        )
        if isinstance(found, intervals.AddressConflict):
            return _conflict(why, *(positive[i] for i in found.positive), *(negative[i] for i in found.negative))
        return None
    positive, negative = _split(literals, Compare, sort)
    if sort is Sort.BINARY:
        wanted = {cast("Compare", literals[i][0]).value: i for i in positive}
        if len(wanted) > 1:
            return _conflict(*list(wanted.values())[:2])
        return next((_conflict(wanted[v], i) for i in negative if (v := _value(literals[i])) in wanted), None)
    numbers = _solve_numbers(literals, hint, sort)
    if isinstance(numbers, intervals.NumberConflict):
        return _conflict(why, *(positive[i] for i in numbers.positive), *(negative[i] for i in numbers.negative))
    return None


def _split(literals: Sequence[Literal], kind: type, sort: Sort | None = None) -> tuple[list[int], list[int]]:
    """The indices of the positive and of the negative literals of one kind."""
    hits = [(i, s) for i, (a, s) in enumerate(literals) if isinstance(a, kind) and (sort is None or a.sort is sort)]  # type: ignore[union-attr]
    return [i for i, s in hits if s], [i for i, s in hits if not s]


def _value(literal: Literal) -> Fraction | bytes:
    return cast("Compare", literal[0]).value


def _comparison(literal: Literal) -> tuple[str, Fraction]:
    atom = cast("Compare", literal[0])
    return atom.op, cast("Fraction", atom.value)


def _solve_numbers(literals: Sequence[Literal], hint: Hint, sort: Sort) -> Fraction | intervals.NumberConflict:
    """A number or date that satisfies the literals of `sort`, or a conflict among the indices of `_split`."""
    positive, negative = _split(literals, Compare, sort)
    own = hint if hint.sort is sort else ANY
    return intervals.solve_numbers(
        [_comparison(literals[i]) for i in positive],
        [_comparison(literals[i]) for i in negative],
        integers=own.integers,
        minimum=own.minimum,
        maximum=own.maximum,
    )


def value_ranges(literals: Sequence[Literal], hint: Hint, sort: Sort) -> tuple[intervals.Interval, ...]:
    """All numbers or dates that satisfy the literals of `sort` and that `hint` allows."""
    positive, negative = _split(literals, Compare, sort)
    own = hint if hint.sort is sort else ANY
    return intervals.ranges(
        [_comparison(literals[i]) for i in positive],
        [_comparison(literals[i]) for i in negative],
        integers=own.integers,
        minimum=own.minimum,
        maximum=own.maximum,
    )


# --- texts to try ------------------------------------------------------------------------------------------------


def _candidates(
    needed: dict[Sort, int], likes: Sequence[int], literals: Sequence[Literal], hint: Hint, budget: int
) -> Iterator[str]:
    for sort in needed:
        yield from _texts_of(sort, literals, hint)
    if not needed and not likes:
        yield from ("x", "a:b:c:d:e:f", "q7")
    positive = [_glob(literals[i][0]) for i in likes if literals[i][1]]
    negative = [_glob(literals[i][0]) for i in likes if not literals[i][1]]
    for atom in positive:
        forms = (atom.pattern.literal,) if atom.pattern.literal is not None else ()
        for form in forms:
            yield from dict.fromkeys((form, form.lower(), form.upper()))
    if likes:
        letters = hint.alphabet or ("0123456789" if needed else "")
        yield from globs.instances(positive, negative, limit=INSTANCES, budget=budget // 10, alphabet_hint=letters)
    if not needed:
        for sort in (Sort.NUMBER, Sort.DATE, Sort.ADDRESS, Sort.BINARY):
            yield from _texts_of(sort, literals, hint)
        yield from (*BOOLEANS[:2], "arn:aws:s3:::x")


def _texts_of(sort: Sort, literals: Sequence[Literal], hint: Hint) -> Iterator[str]:
    """Texts that can be read as `sort`, at and around the ends of what the literals allow."""
    match sort:
        case Sort.ADDRESS:
            yield from _addresses(literals)
        case Sort.BINARY:
            given = [cast("bytes", a.value) for a, s in literals if isinstance(a, Compare) and a.sort is sort and s]
            for octets in given or [b"x", b"", *(b"x%d" % i for i in range(len(literals)))]:
                yield base64.b64encode(octets).decode()
        case Sort.NUMBER | Sort.DATE:
            write = values.number_text if sort is Sort.NUMBER else values.date_text
            for value in _numbers(literals, hint, sort):
                yield write(value)
                if sort is Sort.DATE and value.denominator == 1:
                    yield str(value.numerator)
            if sort is Sort.NUMBER:
                yield from (f"{v.numerator}.0" for v in _numbers(literals, hint, sort) if v.denominator == 1)
        case _:
            return


def _numbers(literals: Sequence[Literal], hint: Hint, sort: Sort) -> Iterator[Fraction]:
    first = _solve_numbers(literals, hint, sort)
    if isinstance(first, intervals.NumberConflict):
        return
    yield first
    for part in value_ranges(literals, hint, sort):
        ends = [e for e in (part.low, part.high) if e is not None]
        near = [*ends, *(e + d for e in ends for d in (1, -1, 2, -2, 86400, -86400, Fraction(1, 2)))]
        near += [sum(ends, Fraction(0)) / 2] if len(ends) == 2 else []
        near += [Fraction(n) for n in (0, 1, 5, 100, 2000000000)] if not ends else []
        yield from (n for n in near if n in part)


def _addresses(literals: Sequence[Literal]) -> Iterator[str]:
    positive, negative = _split(literals, InNetwork)
    inside = [cast("InNetwork", literals[i][0]).network for i in positive]
    outside = [cast("InNetwork", literals[i][0]).network for i in negative]
    for families in ((4, 6), (6, 4)):
        for _ in range(8):
            found = intervals.solve_addresses(inside, outside, families=families)
            if isinstance(found, intervals.AddressConflict):
                break
            yield str(found)
            outside = [*outside, ip_network(found)]


def _number_and_date(literals: Sequence[Literal], hint: Hint, needed: dict[Sort, int]) -> str | Conflict | Undecided:
    """The answer where the text is both a number and a date: an integer, or a year of four digits."""
    both = Conflict(
        tuple(
            sorted(
                {i for i, (a, _) in enumerate(literals) if isinstance(a, Compare | Parses)}
                | {i for i in needed.values() if i >= 0}
            )
        )
    )
    years = [f"{year:04}" for year in range(1, 10000)]
    shared: list[Literal] = [
        (replace(a, sort=Sort.NUMBER), s)
        for a, s in literals
        if isinstance(a, Compare) and a.sort in (Sort.NUMBER, Sort.DATE)
    ]
    whole = Hint(sort=Sort.NUMBER, minimum=hint.minimum, maximum=hint.maximum, integers=True)
    found = _solve_numbers(shared, whole, Sort.NUMBER)
    texts = [] if isinstance(found, intervals.NumberConflict) else [str(found), f"+{found}", f"0{found}"]
    for text in (*texts, *years):
        if fits(text, hint) and holds(text, literals):
            return text
    only = all(isinstance(a, Compare | Parses | Present) for a, _ in literals)
    return both if not texts and only else Undecided("number and date on one key")

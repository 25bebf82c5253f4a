"""The product of many globs, searched for a text that some of them match and others do not.

All positions of all patterns are the bits of one integer. A step on a character is an AND, a shift and an OR; the
search walks over reachable integers and branches only on characters that some live position waits for, on the colon
where a field wildcard tells it apart, and on one other character that stands for all the rest.

The alphabet is every character whose lower case is one character whatever its neighbours: Unicode without U+0130 and
U+03A3 (matching that ignores case lower-cases the text).
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, join

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class GlobAtom:
    """A pattern without variables, and whether it ignores case."""

    pattern: Pattern
    fold_case: bool = False


Member = tuple[bool, int, GlobAtom]


@dataclass(frozen=True, slots=True)
class Automaton:
    """One pattern: bit p is live iff the first p characters of the pattern, stars aside, are matched; `size` accepts.

    The masks say which positions advance on a character, on any (`field`: but the colon), or loop likewise.
    """

    size: int
    literals: dict[str, int]
    any_free: int
    any_field: int
    loop_free: int
    loop_field: int


@dataclass(frozen=True, slots=True)
class Product:
    """Many automata side by side, their bits in one integer.

    `moves` are (character, positions that tell it from others, positions that advance on it, positions that loop);
    `groups` are (all bits, accepting bit) of the positive automata, `sinks` the accepting bits of negative ones that
    accept all that follows, `above` maps the bit of a star to what it does not make redundant.
    """

    start: int
    moves: tuple[tuple[str, int, int, int], ...]
    advance_other: int
    loop_other: int
    groups: tuple[tuple[int, int], ...]
    wanted: int
    unwanted: int
    sinks: int
    stars: int
    above: dict[int, int]
    members: dict[int, tuple[bool, int]]
    waiting: dict[str, int]
    others: str


def _flat(pattern: Pattern) -> list[Literal | Star | AnyChar]:
    """The parts with one character per literal."""
    out: list[Literal | Star | AnyChar] = []
    for part in pattern.parts:
        if isinstance(part, Literal):
            out.extend(map(Literal, part.text))
        elif isinstance(part, Star | AnyChar):
            out.append(part)
        else:
            raise TypeError(f"pattern {part!r} still has a variable")
    return out


def tail_after(pattern: Pattern, position: int) -> Pattern:
    """What remains of `pattern` after `position` characters of it."""
    flat = _flat(pattern)
    index = 0
    while position:
        position -= not isinstance(flat[index], Star)
        index += 1
    rest = join("", [*flat[index:]])
    text = "".join(p.text if isinstance(p, Literal) else "*" if isinstance(p, Star) else "?" for p in rest.parts)
    return Pattern(text, rest.parts)


@lru_cache(maxsize=4096)
def _cases(char: str) -> str:
    """The characters that `fold` does not tell from `char`, itself first."""
    other = char.swapcase() if char.isascii() else char
    return char if other == char else char + other


@lru_cache(maxsize=65536)
def automaton(pattern: Pattern, *, fold_case: bool) -> Automaton:
    """The automaton of a pattern without variables."""
    literals: dict[str, int] = {}
    any_free = any_field = loop_free = loop_field = 0
    bit = 1
    for part in _flat(pattern):
        match part:
            case Literal(char):
                for case in _cases(char) if fold_case else char:
                    literals[case] = literals.get(case, 0) | bit
                bit <<= 1
            case AnyChar(field):
                any_field |= bit if field else 0
                any_free |= 0 if field else bit
                bit <<= 1
            case Star(field):
                loop_field |= bit if field else 0
                loop_free |= 0 if field else bit
    return Automaton(bit.bit_length() - 1, literals, any_free, any_field, loop_free, loop_field)


def build(members: Sequence[Member], hint: str, allowed: frozenset[str] | None = None) -> Product:
    """The product of `members`, over the characters `allowed` (None: all).

    `hint` holds the characters to prefer where every character will do.
    """
    placed = []
    offset = 0
    for _, _, atom in members:
        one = automaton(atom.pattern, fold_case=atom.fold_case)
        placed.append((offset, one))
        offset += one.size + 1
    accepts = [1 << o + a.size for o, a in placed]
    waiting: dict[str, int] = {}
    for o, a in placed:
        for char, mask in a.literals.items():
            waiting[char] = waiting.get(char, 0) | mask << o
    any_free = sum(a.any_free << o for o, a in placed)
    any_field = sum(a.any_field << o for o, a in placed)
    loop_free = sum(a.loop_free << o for o, a in placed)
    loop_field = sum(a.loop_field << o for o, a in placed)
    literal_colon = waiting.get(":", 0)
    if any_field or loop_field:
        waiting[":"] = literal_colon | any_field | loop_field
    above = {
        1 << o + p: ~(((1 << p) - 1) << o) for o, a in placed for p in range(1, a.size + 1) if a.loop_free >> p & 1
    }
    unwanted = sum(accept for accept, member in zip(accepts, members, strict=True) if not member[0])
    return Product(
        start=sum(1 << o for o, _ in placed),
        moves=tuple(
            (c, m, literal_colon | any_free, loop_free)
            if c == ":"
            else (c, m, m | any_free | any_field, loop_free | loop_field)
            for c, m in waiting.items()
            if allowed is None or c in allowed
        ),
        advance_other=any_free | any_field,
        loop_other=loop_free | loop_field,
        groups=tuple(
            ((accept << 1) - (1 << o), accept)
            for accept, (o, _), member in zip(accepts, placed, members, strict=True)
            if member[0]
        ),
        wanted=sum(accepts) - unwanted,
        unwanted=unwanted,
        sinks=unwanted & loop_free,
        stars=sum(above),
        above=above,
        members={accept: member[:2] for accept, member in zip(accepts, members, strict=True)},
        waiting=waiting,
        others=_others(waiting, hint, allowed),
    )


def _others(waiting: dict[str, int], hint: str, allowed: frozenset[str] | None) -> str:
    """Characters to stand for those that nothing waits for, in order of preference, each class of them included."""
    if allowed is not None:
        return "".join(dict.fromkeys(c for c in (*hint, *sorted(allowed)) if c in allowed))
    far = next(c for c in map(chr, range(0x4E00, 0x9FFF)) if c not in waiting)
    return "".join(dict.fromkeys(hint)) + far


def settle(product: Product, state: int) -> int:
    """`state` without the positions that a later star of the same pattern makes redundant."""
    live = state & product.stars
    while live:
        top = 1 << live.bit_length() - 1
        keep = product.above[top]
        state &= keep
        live = (live & keep) ^ top
    return state


def _steps(product: Product, state: int) -> Iterator[tuple[str, int]]:
    """Each character to branch on, with the state it leads to; the last stands for all the others."""
    for char, waiting, advance, loop in product.moves:
        if state & waiting:
            yield char, settle(product, (state & advance) << 1 | state & loop)
    other = next(_others_at(product, state), None)
    if other is not None:
        yield other, settle(product, (state & product.advance_other) << 1 | state & product.loop_other)


def _others_at(product: Product, state: int) -> Iterator[str]:
    """The characters that no position of `state` waits for."""
    waiting = product.waiting
    return (c for c in product.others if not (c in waiting and state & waiting[c]))


def dead_atoms(product: Product, state: int) -> int:
    """The accepting bits of the atoms that already fail, whatever follows; 0 iff there is none."""
    sunk = state & product.sinks
    if sunk:
        return sunk
    for group, accept in product.groups:
        if not state & group:
            return accept
    return 0


def wrong_atoms(product: Product, state: int) -> int:
    """The accepting bits of the atoms that fail if the text ends here; 0 iff it is a solution."""
    return product.wanted & ~state | state & product.unwanted


def search(product: Product, budget: int, *, greedy: bool) -> str | set[tuple[bool, int]] | None:
    """A shortest solution (any, if `greedy`), or the atoms that exclude all together, or None if over budget.

    A set of atoms is enough for a proof iff each state that is given up fails by one of them.
    """
    start = settle(product, product.start)
    dead = dead_atoms(product, start)
    wrong = dead or wrong_atoms(product, start)
    if not wrong:
        return ""
    blame = wrong & -wrong
    parents: dict[int, tuple[int, str]] = {start: (-1, "")}
    queue = deque([] if dead else [start])
    heap = [(0, 0, state) for state in queue]
    while heap if greedy else queue:
        if len(parents) > budget:
            return None
        state = heapq.heappop(heap)[2] if greedy else queue.popleft()
        for char, target in _steps(product, state):
            if target in parents:
                continue
            dead = dead_atoms(product, target)
            wrong = dead or wrong_atoms(product, target)
            if not wrong:
                return _text(parents, state) + char
            if not wrong & blame:
                blame |= wrong & -wrong
            if dead:
                continue
            parents[target] = (state, char)
            if greedy:
                heapq.heappush(heap, (_remaining(product, target), len(parents), target))
            else:
                queue.append(target)
    return {member for accept, member in product.members.items() if accept & blame}


def _remaining(product: Product, state: int) -> int:
    """How many characters the positive patterns still wait for, each alone, at least."""
    return sum(accept.bit_length() - (state & group).bit_length() for group, accept in product.groups)


def _text(parents: dict[int, tuple[int, str]], state: int) -> str:
    out = []
    while state >= 0:
        state, char = parents[state]
        out.append(char)
    return "".join(reversed(out))


def graph(product: Product, budget: int) -> dict[int, list[tuple[str, int]]] | None:
    """All reachable states that are not dead, with their steps, or None if there are more than `budget`."""
    start = settle(product, product.start)
    edges: dict[int, list[tuple[str, int]]] = {}
    queue = [] if dead_atoms(product, start) else [start]
    while queue:
        state = queue.pop()
        if state in edges:
            continue
        if len(edges) >= budget:
            return None
        steps = [(c, t) for c, t in _steps(product, state) if not dead_atoms(product, t)]
        free = list(islice(_others_at(product, state), 2))
        if len(free) == 2 and steps and steps[-1][0] == free[0]:
            steps.append((free[1], steps[-1][1]))
        edges[state] = steps
        queue.extend(t for _, t in steps if t not in edges)
    return edges


def distances(product: Product, edges: dict[int, list[tuple[str, int]]]) -> dict[int, int]:
    """For each state from which a solution can be reached, the length of the shortest way there."""
    before: dict[int, list[int]] = {}
    for state, steps in edges.items():
        for _, target in steps:
            before.setdefault(target, []).append(state)
    distance = {state: 0 for state in edges if not wrong_atoms(product, state)}
    queue = deque(distance)
    while queue:
        state = queue.popleft()
        for source in before.get(state, ()):
            if source not in distance:
                distance[source] = distance[state] + 1
                queue.append(source)
    return distance

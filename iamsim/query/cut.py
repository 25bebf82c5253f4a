"""Cuts: the smallest set of statements and attachments without which no way is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.errors import QueryError
from iamsim.judge.answer import Verdict
from iamsim.query.can import can
from iamsim.query.only_via import only_via
from iamsim.query.paths import doubts, named
from iamsim.query.pieces import Piece, Pieces, pieces_of, removed
from iamsim.query.reach import way_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from iamsim.env.types import Environment
    from iamsim.judge.answer import Hop, Witness
    from iamsim.query.only_via import Bypass, OnlyVia

    Progress = Callable[[int], None]

MOST_ROUNDS = 300
"""Environments in which one search for a cut asks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way that has to be closed: its steps, the request at its end, and the pieces of which one must go."""

    hops: tuple[Hop, ...]
    witness: Witness | None
    pieces: frozenset[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What has to go so that no way is left.

    `verdict`: YES, without `pieces` there certainly is none, which was asked again, and with fewer pieces gone there is; UNKNOWN,
    no certain way is left without them, and `reasons` say why there may be one; NO, nothing that can be taken away closes
    `open_`, a way. `ways` are those that were found, each closed by one of the pieces. No pieces: there is no way as it is.
    """

    verdict: Verdict
    pieces: tuple[Piece, ...]
    ways: tuple[Way, ...]
    open_: Way | None = None
    reasons: tuple[str, ...] = ()


Found = tuple[list[Way], tuple[str, ...]]
Ask = "Callable[[Environment, Pieces], Found]"


def cut(
    env: Environment,
    source: str,
    target: str | None = None,
    *,
    action: str | None = None,
    resource: str | None = None,
    via: str = "escalation",
    progress: Progress | None = None,
    **options: Any,
) -> Cut:
    """The smallest set of statements and attachments without which `source` neither comes to control `target` nor has a request
    of `action` on `resource` allowed, whichever is asked.

    What may go are Allow statements of identity, trust and resource policies, and attachments of policies of AWS, which nobody
    can edit. A set is smallest by the number of its members. `options` are those of `can`; `progress` is called with the number
    of ways found. Raises QueryError for a question that cannot be asked.
    """
    if (target is None) == (action is None) or (action is None) != (resource is None):
        raise QueryError("one end of the ways is to be given", "name a principal, or give --action and --resource")

    targets = frozenset(named(env, source, target)) if target is not None else frozenset()

    def ways(changed: Environment, pieces: Pieces) -> Found:
        if action is not None and resource is not None:
            answer = can(changed, source, action, resource, via=via, **options)
            return _one(answer.path, answer.witness, answer.verdict, answer.reasons, pieces)
        hops = way_to(changed, source, targets, via=via, **options)
        if hops:
            return [Way(hops=hops, witness=None, pieces=pieces.of_way(hops, None))], ()
        return [], doubts(changed, source, target, via=via, **options)

    return smallest(env, ways, progress)


def cut_only_via(
    env: Environment,
    role: str,
    action: str,
    resource: str,
    *,
    except_: Sequence[str] | str = (),
    progress: Progress | None = None,
    **options: Any,
) -> Cut:
    """The smallest set of statements and attachments without which everybody needs `role`, as `only_via` has it."""

    def ways(changed: Environment, pieces: Pieces) -> Found:
        found = only_via(changed, role, action, resource, except_=except_, most=1, **options)
        first = found.bypasses[:1] if found.verdict is Verdict.NO else ()
        return [Way(hops=b.hops, witness=b.witness, pieces=opened_by(b, pieces)) for b in first], found.reasons

    return smallest(env, ways, progress)


def openings(env: Environment, found: OnlyVia) -> tuple[Piece, ...]:
    """The statements and attachments that open the first way past a role, sorted; nothing if none is certain."""
    if found.verdict is not Verdict.NO:
        return ()
    return tuple(sorted(opened_by(found.bypasses[0], pieces_of(env)), key=lambda p: p.key))


def opened_by(bypass: Bypass, pieces: Pieces) -> frozenset[Piece]:
    """The pieces that open a way past a role."""
    out = pieces.of_way(bypass.hops, bypass.witness)
    for role in bypass.through:
        out |= pieces.of_role(role, whole=role != bypass.row.principal)
    return out


def _one(
    hops: tuple[Hop, ...], witness: Witness | None, verdict: Verdict, reasons: tuple[str, ...], pieces: Pieces
) -> Found:
    if verdict is Verdict.YES:
        return [Way(hops=hops, witness=witness, pieces=pieces.of_way(hops, witness))], ()
    return [], reasons


def smallest(env: Environment, ways: Callable[[Environment, Pieces], Found], progress: Progress | None = None) -> Cut:
    """The smallest set of pieces without which `ways` finds none.

    Implicit hitting sets: a smallest set that closes all known ways is taken away; a way that is still there is a new one; the
    first set without any left is smallest, since every set that closes all ways closes those.
    """
    pieces = pieces_of(env)
    known: list[Way] = []
    for _ in range(MOST_ROUNDS):
        gone = hitting([w.pieces for w in known])
        found, reasons = ways(removed(env, gone), pieces)
        for way in found:
            if not way.pieces - set(gone):
                return Cut(verdict=Verdict.NO, pieces=(), ways=tuple(known), open_=way)
        if not found:
            verdict = Verdict.UNKNOWN if reasons else Verdict.YES
            return Cut(verdict=verdict, pieces=gone, ways=tuple(known), reasons=reasons)
        known += [Way(hops=w.hops, witness=w.witness, pieces=w.pieces - set(gone)) for w in found]
        if progress is not None:
            progress(len(known))
    return Cut(
        verdict=Verdict.UNKNOWN,
        pieces=(),
        ways=tuple(known),
        reasons=(f"budget:more than {MOST_ROUNDS} ways to close",),
    )


def hitting(sets: Sequence[frozenset[Piece]]) -> tuple[Piece, ...]:
    """A smallest set that has a member in common with each of `sets`, none of which is empty; sorted by `Piece.key`.

    Of equally small sets one is preferred whose members fewer principals carry.
    """
    needed = [s for s in dict.fromkeys(sets) if not any(o < s for o in sets)]
    for size in range(len(needed) + 1):
        found = _hit(needed, size)
        if found is not None:
            return tuple(sorted(found, key=lambda p: p.key))
    raise AssertionError("one member of each set hits all")


def _hit(sets: Sequence[frozenset[Piece]], size: int) -> frozenset[Piece] | None:
    """A set of at most `size` pieces that hits all sets, or None if there is none."""
    if not sets:
        return frozenset()
    if size == 0 or _apart(sets) > size:
        return None
    narrow = min(sets, key=lambda s: (len(s), sorted(p.key for p in s)))
    for piece in sorted(narrow, key=lambda p: p.key):
        rest = _hit([s for s in sets if piece not in s], size - 1)
        if rest is not None:
            return rest | {piece}
    return None


def _apart(sets: Iterable[frozenset[Piece]]) -> int:
    """A number of sets that share no member: so many pieces are needed at least."""
    taken: set[Piece] = set()
    count = 0
    for one in sorted(sets, key=len):
        if not one & taken:
            taken |= one
            count += 1
    return count

"""The order of a set of policies: which allow the same, and which of them allow all that others do.

Few pairs need more than a look at bit sets: a policy that certainly allows an action which another never allows is not
narrower. What follows from other pairs is not asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.aws.universe import universe
from iamsim.judge.answer import Verdict
from iamsim.query.compare import DEFAULT_LIMITS, certainly_allows, may_allow, narrower

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from iamsim.model.policy import Policy
    from iamsim.smt.types import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """The order of a set of policies, by name.

    `classes` are the names of the policies that allow the same, sorted, each class once. `above` has for each class the
    classes next above it, by index: those that allow more, with none of the set in between. `undecided` are pairs of
    classes (the first may be narrower than the second) with what is not known. `pairs` is the number of ordered pairs.
    """

    classes: tuple[tuple[str, ...], ...]
    above: tuple[tuple[int, ...], ...]
    undecided: tuple[tuple[int, int, str], ...]
    pairs: int

    def rows(self) -> list[dict[str, object]]:
        """One dict per class: its policies, and the first policy of each class next above and next below it."""
        below: list[list[int]] = [[] for _ in self.classes]
        for i, above in enumerate(self.above):
            for j in above:
                below[j].append(i)
        return [
            {
                "policies": list(names),
                "narrower_than": [self.classes[j][0] for j in self.above[i]],
                "wider_than": [self.classes[j][0] for j in below[i]],
            }
            for i, names in enumerate(self.classes)
        ]


def lattice(
    policies: Mapping[str, Policy],
    *,
    any_resource: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
) -> Lattice:
    """The order of identity policies by name, for known actions; `progress` is told how many policies are done.

    Two policies are in one class iff each is narrower than the other, in the sense of `narrower`.
    """
    names = sorted(policies)
    alike: dict[object, list[str]] = {}
    for name in names:
        policy = policies[name]
        alike.setdefault((policy.statements, policy.variables, policy.malformed), []).append(name)
    groups = list(alike.values())
    found, undecided = _order([policies[g[0]] for g in groups], limits, progress, any_resource=any_resource)
    return hasse(groups, found, undecided, len(names) * (len(names) - 1))


def _order(
    listed: Sequence[Policy], limits: Limits, progress: Callable[[int], None] | None, *, any_resource: bool
) -> tuple[list[int], dict[tuple[int, int], str]]:
    """For each policy the set (by bits) of those that allow all that it does, and the pairs of which that is not known."""
    every = universe().all
    reach = [may_allow(p) for p in listed]
    lacks = [every & ~r for r in reach]
    sure = [certainly_allows(p, r, limits) for p, r in zip(listed, reach, strict=True)]
    above = [1 << i for i in range(len(listed))]
    undecided: dict[tuple[int, int], str] = {}
    # wide policies first: what is above a policy is then known before the policies below it are asked
    order = sorted(range(len(listed)), key=lambda i: (-reach[i].bit_count(), i))
    for number, i in enumerate(order):
        for j in reversed(order):
            if sure[i] & lacks[j] or above[i] >> j & 1:
                continue
            beyond = reach[i] & lacks[j]
            if beyond and (more := certainly_allows(listed[i], beyond, limits)):
                sure[i] |= more
                continue
            found = narrower(listed[i], listed[j], limits, any_resource=any_resource)
            if found.verdict is Verdict.YES:
                above[i] |= above[j]
            elif found.verdict is Verdict.UNKNOWN:
                undecided[i, j] = found.reason or ""
        if progress is not None:
            progress(number + 1)
    return above, undecided


def hasse(groups: list[list[str]], above: list[int], undecided: Mapping[tuple[int, int], str], pairs: int) -> Lattice:
    """The classes of mutual order, sorted by their first names, with the steps between neighbours only."""
    for i, wider in enumerate(above):  # an order that was found one way round only
        for j in _bits(wider):
            above[i] |= above[j]
    home: dict[int, int] = {}
    members: list[list[int]] = []
    for i in range(len(groups)):
        same = next((m[0] for m in members if above[i] >> m[0] & 1 and above[m[0]] >> i & 1), None)
        if same is None:
            home[i] = len(members)
            members.append([i])
        else:
            home[i] = home[same]
            members[home[same]].append(i)
    classes = [sorted(n for i in m for n in groups[i]) for m in members]
    order = sorted(range(len(classes)), key=lambda c: classes[c])
    rank = {c: r for r, c in enumerate(order)}
    wider_than = {rank[home[m[0]]]: {rank[home[j]] for j in _bits(above[m[0]])} - {rank[home[m[0]]]} for m in members}
    steps = []
    for r in range(len(order)):
        skipped = {k for j in wider_than[r] for k in wider_than[j]}
        steps.append(tuple(sorted(wider_than[r] - skipped)))
    open_ = {
        (rank[home[i]], rank[home[j]], why)
        for (i, j), why in undecided.items()
        if rank[home[j]] not in wider_than[rank[home[i]]] and home[i] != home[j]
    }
    return Lattice(
        classes=tuple(tuple(classes[c]) for c in order),
        above=tuple(steps),
        undecided=tuple(sorted(open_)),
        pairs=pairs,
    )


def _bits(value: int) -> list[int]:
    out = []
    while value:
        low = value & -value
        out.append(low.bit_length() - 1)
        value ^= low
    return out

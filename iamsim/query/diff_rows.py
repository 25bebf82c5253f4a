"""The rows of a diff: requests with the same actions and resources, of all principals to which that happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import action_info
from iamsim.model.pattern import match, tokenize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from iamsim.judge.answer import Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A group of requests that became possible (`gained`) or ceased to be: for each of `principals`, with each of `actions`,
    some request on each of `resources` (ARNs, and patterns of ARNs). `witness` is one of them, allowed on one side and
    denied on the other; None where it is not known (`reasons`).
    """

    gained: bool
    principals: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    witness: Witness | None
    reasons: tuple[str, ...] = ()

    def covers(self, principal: str, action: str, resource: str) -> bool:
        """True iff the row speaks of this principal (by ARN, service or `anonymous`), action and resource."""
        return (
            principal in self.principals
            and action.lower() in (a.lower() for a in self.actions)
            and any(match(tokenize(p, variables=False), resource) for p in self.resources)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What differs between two environments: rows, gains first, and sentences on what was left out or assumed."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    data_date: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A request that only one side allows: the free keys of `action` by the caller `party` on a resource, which is symbolic where
    `resource` is None. `denied`: the other side, which the caller is in as well, decides it.
    """

    gained: bool
    party: str
    action: str
    resource: str | None
    owner: str | None
    holder: str | None
    found: Mapping[str, tuple[str, ...]]
    denied: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """One caller, the actions that are decided alike, one meaning of a resource: a difference in one direction.

    `confirmed` makes its witness, of what it claims, or says why there is none; it is None where the difference is not known
    (`reasons`).
    """

    gained: bool
    party: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    confirmed: Callable[[], tuple[Witness | None, tuple[str, ...]]] | None
    reasons: tuple[str, ...]
    assumed: bool = False
    claim: Claim | None = None


def grouped(hits: Iterable[Hit]) -> tuple[Row, ...]:
    """The hits of callers and actions with the same resources as one row each."""
    places: dict[tuple[bool, bool, str, str], tuple[set[str], Hit]] = {}
    for hit in hits:
        for action in hit.actions:
            key = (not hit.gained, hit.confirmed is None, hit.party, action)
            known = places.setdefault(key, (set(), hit))
            known[0].update(hit.resources)
    by_caller: dict[tuple[bool, bool, str, tuple[str, ...]], list[tuple[str, Hit]]] = {}
    for (lost, unsure, party, action), (resources, hit) in places.items():
        by_caller.setdefault((lost, unsure, party, _tidy(resources)), []).append((action, hit))
    merged: dict[tuple[Any, ...], tuple[list[str], Hit]] = {}
    for (lost, unsure, party, where), found in by_caller.items():
        found.sort(key=lambda pair: pair[0].lower())
        actions = tuple(a for a, _ in found)
        same = merged.setdefault((lost, unsure, actions, where), ([], found[0][1]))
        same[0].append(party)
    rows = []
    for (lost, _, actions, where), (who, hit) in merged.items():
        witness, reasons = (None, hit.reasons) if hit.confirmed is None else hit.confirmed()
        rows.append(
            Row(
                gained=not lost,
                principals=tuple(sorted(who)),
                actions=tuple(_spelled(a) for a in actions),
                resources=where,
                witness=witness,
                reasons=reasons,
            )
        )
    return tuple(sorted(rows, key=lambda r: (not r.gained, bool(r.reasons), r.principals, r.actions, r.resources)))


def _spelled(action: str) -> str:
    info = action_info(action)
    return info.name if info is not None else action


def _tidy(resources: set[str]) -> tuple[str, ...]:
    """The patterns and ARNs without those that another one covers."""
    if "*" in resources:
        return ("*",)
    compiled = {r: tokenize(r, variables=False) for r in resources if "*" in r or "?" in r}
    return tuple(sorted(r for r in resources if not any(p != r and match(g, r) for p, g in compiled.items())))

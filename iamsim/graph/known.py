"""The facts of a closure by what they are about: kept beside them, and brought up to date with those that are new."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from iamsim.env.changes import Change, Kind, again
from iamsim.graph.world import EVERYWHERE, UNCHANGED, bearing, is_again, name_before, name_made, subjects_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.env.types import Environment
    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Fact
    from iamsim.graph.world import Node

_K = TypeVar("_K")
_V = TypeVar("_V")

OPENING = (Kind.TRUST, Kind.TAGS, Kind.CREATED)
"""The kinds of changes after which a role may be assumed that could not be before."""


@dataclass(slots=True)
class Known:
    """What the facts of `how` and `nodes` say, by subject, account and kind; `update` adds what was found since.

    `seen` counts for each account what was found about it, so that whatever hangs on it alone is worked out again only then.
    `controlled` are the ARNs of all callers, those aside that are created again and so are others than the ones of the same
    name. `acting` are the subjects of changes that bear on what somebody may do; a trust policy bears on who may be its role.
    `again` are the changes that create principals again.
    """

    how: dict[Fact, tuple[Firing, ...]]
    nodes: dict[str, Node]
    facts: int = 0
    callers: int = 0
    who: set[str] = field(default_factory=set)
    acting: set[str] = field(default_factory=set)
    by_who: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    by_kind: dict[Kind, dict[Change, None]] = field(default_factory=dict)
    everywhere: tuple[Change, ...] = ()
    off: frozenset[str] = frozenset()
    opened: dict[str, Change | None] = field(default_factory=dict)
    again: dict[Change, None] = field(default_factory=dict)
    seen: dict[str | None, int] = field(default_factory=dict)
    held: dict[str | None, dict[str, None]] = field(default_factory=dict)
    controlled: set[str] = field(default_factory=set)
    of_account: dict[str | None, dict[str, None]] = field(default_factory=dict)
    whole: frozenset[Change] = frozenset()
    fresh: list[Change] = field(default_factory=list)

    def beside(self, how: dict[Fact, tuple[Firing, ...]], nodes: dict[str, Node]) -> Known:
        """What is known of `how` and `nodes`, which begin with all that these hold."""
        return replace(
            self,
            how=how,
            nodes=nodes,
            who=set(self.who),
            acting=set(self.acting),
            by_who=dict(self.by_who),
            by_kind={k: dict(v) for k, v in self.by_kind.items()},
            opened=dict(self.opened),
            again=dict(self.again),
            seen=dict(self.seen),
            held={k: dict(v) for k, v in self.held.items()},
            controlled=set(self.controlled),
            of_account={k: dict(v) for k, v in self.of_account.items()},
            whole=self.changes(),
            fresh=[],
        )

    def update(self) -> None:
        """Takes in the facts that were added to `how` and `nodes`."""
        for fact in last(self.how, len(self.how) - self.facts):
            if isinstance(fact, Change):
                self._add(fact)
        self.facts = len(self.how)
        for name in last(self.nodes, len(self.nodes) - self.callers):
            caller = self.nodes[name].caller
            self.seen[caller.account] = self.seen.get(caller.account, 0) + 1
            self.of_account.setdefault(caller.account, {})[name] = None
            if caller.arn and not is_again(self.nodes[name]):
                self.held.setdefault(caller.account, {})[caller.arn] = None
                self.controlled.add(caller.arn)
        self.callers = len(self.nodes)

    def _add(self, change: Change) -> None:
        if again(change):
            self._add_again(change)
            return
        self.by_who[change.who] = (*self.by_who.get(change.who, ()), change)
        self.who.add(change.who)
        if change.kind is not Kind.TRUST:
            self.acting.add(change.who)
        self.by_kind.setdefault(change.kind, {})[change] = None
        self.fresh.append(change)
        account = change.who.split(":", 5)[4] if change.who.count(":") >= _ACCOUNT else None
        self.seen[account] = self.seen.get(account, 0) + 1
        if change.kind in EVERYWHERE:
            self.everywhere = (*self.everywhere, change)
            if change.kind is Kind.DISABLED:
                self.off |= {change.what}
        if change.kind in OPENING and ":role/" in change.who:
            created = change.kind is Kind.CREATED
            self.opened.setdefault(name_made(change) if created else change.who, change if created else None)

    def _add_again(self, change: Change) -> None:
        """Takes in that a principal may be created again, which bears on nothing but what it then is: a node of its own."""
        self.again[change] = None
        account = change.who.split(":", 5)[4]
        self.seen[account] = self.seen.get(account, 0) + 1
        if ":role/" in change.who:
            self.opened[name_made(change)] = change

    def changes(self) -> frozenset[Change]:
        """All changes, as one set that is made once for what is known."""
        if self.fresh:
            self.whole = self.whole.union(self.fresh)
            self.fresh = []
        return self.whole

    def of_kind(self, *kinds: Kind) -> Iterable[Change]:
        """The changes of these kinds."""
        return (c for k in kinds for c in self.by_kind.get(k, ()))

    def subjects(self, env: Environment, arn: str) -> set[str]:
        """Everything whose change bears on what the principal `arn` may do, policies that it gained included."""
        mine = self.by_who.get(arn, ())
        about = {*subjects_of(env, arn, mine)}
        for before in (name_before(c) for c in mine if c.kind is Kind.CREATED):
            about |= subjects_of(env, before, self.by_who.get(before, ())) if before else set()
        attached = (c.what for who in about for c in self.by_who.get(who, ()) if c.kind in (Kind.GAINS, Kind.BOUNDARY))
        return {*about, *attached}

    def stamp(self, env: Environment, arn: str) -> int:
        """A number that grows with every change to what the principal `arn` may do; 0 as long as there is none."""
        if not self.acting or subjects_of(env, arn).isdisjoint(self.acting):
            return 0
        return sum(len(self.by_who.get(who, ())) for who in self.subjects(env, arn))

    def own(self, env: Environment, arn: str) -> frozenset[Change]:
        """The changes to what the principal `arn` may do, those to whole organizations and to resources aside."""
        if not self.acting or subjects_of(env, arn).isdisjoint(self.acting):
            return UNCHANGED
        every = (c for who in self.subjects(env, arn) for c in self.by_who.get(who, ()))
        return frozenset(c for c in every if c.kind is not Kind.TRUST)

    def relevant(self, env: Environment, focus: tuple[str, ...]) -> frozenset[Change]:
        """The changes that bear on checks about the principals `focus`."""
        if not self.everywhere and all(subjects_of(env, arn).isdisjoint(self.who) for arn in focus):
            return UNCHANGED
        return bearing(env, self.by_who, self.everywhere, self.off, focus)


def last(found: dict[_K, _V], count: int) -> list[_K]:
    """The keys that were added last, in the order in which they were."""
    return list(islice(reversed(found), count))[::-1]


_ACCOUNT = 5
"""The colons of an ARN up to its resource."""

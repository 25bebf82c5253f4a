"""What a search holds: the facts found so far with the firings that give them, and what was worked out on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.changes import Change, Kind, again, changed
from iamsim.env.memo import once
from iamsim.env.types import PrincipalKind
from iamsim.graph.given import given_for, when_for
from iamsim.graph.known import Known
from iamsim.graph.names import of_account
from iamsim.graph.unbound import administrators, unbound
from iamsim.graph.world import OUTSIDE as OUTSIDE_ACCOUNT
from iamsim.graph.world import Node, Search, is_again, made_of, made_only, subjects_of
from iamsim.ir.term import TRUE, all_of
from iamsim.judge.callers import caller_of
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from iamsim.env.types import Environment
    from iamsim.graph.absorbed import Absorbed
    from iamsim.graph.moves import Firing
    from iamsim.judge.judge import Ask


Fact = str | Change
START = ""
"""The name of the node that the search starts from."""

OUTSIDER = "outsider"
"""The name of the node of a user of the attacker's own account, whom a trust policy that it writes may name."""

_OWN = f"arn:aws:iam::{OUTSIDE_ACCOUNT}:user/outsider"
OUTSIDE = frozenset({Change(Kind.CREATED, _OWN), Change(Kind.LEFT, OUTSIDE_ACCOUNT)})
"""What makes that user: it may do anything in its account, which is in none of the organizations."""

BASE: frozenset[Fact] = frozenset({START, OUTSIDER, *OUTSIDE})
"""The facts that hold from the beginning."""

ASSUME = "sts-assume-role"
SIGNED = (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.ROOT)
OF_ACCOUNTS = (CallerKind.USER, CallerKind.ROLE_SESSION)
"""The kinds of callers that are users and roles of an account."""

NO_HOPS = (CallerKind.ANONYMOUS, CallerKind.ROOT, CallerKind.FEDERATED_USER)


@dataclass(slots=True)
class Closure:
    """What follows from control of the start: each fact with the firings that give it, in the order in which they were found.

    `sure`: every firing in it is certain. `every`: all firings were looked for, also those that give what others give.
    `local`: what callers of this account give is followed, that of others is not. `extra` are principals of which all changes
    are looked for. `unsettled` are reasons why more may follow than was found. `late`: all else was looked for, so that
    now comes what is needless once more accounts are reached: changes to principals for whom some role asks, and tags.
    `count` grows with every firing that is added.
    """

    search: Search
    sure: bool
    nodes: dict[str, Node]
    how: dict[Fact, tuple[Firing, ...]]
    cost: dict[Fact, int]
    every: bool = False
    extra: frozenset[str] = frozenset()
    local: str | None = None
    unsettled: set[str] = field(default_factory=set)
    done: dict[object, object] = field(default_factory=dict)
    late: bool = False
    count: int = 0
    index: Known | None = None

    @property
    def known(self) -> Known:
        """The facts by what they are about."""
        found = self.index
        if found is None or found.how is not self.how or found.nodes is not self.nodes:
            base: Absorbed | None = self.done.get("base")  # type: ignore[assignment]
            found = Known(self.how, self.nodes) if base is None else base.known.beside(self.how, self.nodes)
            self.index = found
        if found.facts != len(self.how) or found.callers != len(self.nodes):
            found.update()
        return found

    @property
    def changes(self) -> frozenset[Change]:
        """All changes that can be made."""
        return self.known.changes()

    def relevant(self, *focus: str) -> frozenset[Change]:
        """The changes that bear on checks about the principals `focus`."""
        return self.known.relevant(self.search.env, focus)

    def relevant_to(self, node: Node, *focus: str) -> frozenset[Change]:
        """As `relevant`, without other ways in which the principal of the node may come to be."""
        return self.with_way(self.relevant(*focus), made_of(node))

    def relevant_to_all(self, nodes: Iterable[Node], *focus: str) -> frozenset[Change]:
        """As `relevant_to`, of several nodes."""
        found = self.relevant(*focus)
        for node in nodes:
            found = self.with_way(found, made_of(node))
        return found

    def with_way(self, changes: frozenset[Change], made: Change | None) -> frozenset[Change]:
        """`changes` with `made` as the one way in which its principal comes to be."""
        if made is None:
            return changes
        if again(made):
            changes = changes.union({made}, *(self.known.by_who.get(p, ()) for p in made.what.split(",")[:2]))
        return made_only(changes, made)

    def follows(self, name: str) -> bool:
        """True iff what the node gives is followed here."""
        return name != OUTSIDER and (self.local is None or self.nodes[name].caller.account == self.local)

    def held(self, account: str | None) -> Collection[str]:
        """The ARNs of the callers of an account that are controlled."""
        return self.known.held.get(account, ())

    def frees(self, node: Node) -> bool:
        """As `free`, of the principal as the node has it."""
        made = made_of(node)
        if made is not None and again(made):
            return made.what == f",,,{made.who}"
        return self.free(node.caller.arn or "")

    def free(self, arn: str) -> bool:
        """True iff nothing but SCPs, RCPs and resource policies keeps the user or role from doing whatever it likes."""
        env = self.search.env
        stamp, key = self.known.stamp(env, arn), ("free", arn)
        if not stamp:
            return arn in env.principals and arn in administrators(env, account_of(arn))
        if any(c.who == account_of(arn) for c in self.known.by_kind.get(Kind.ENTERED, ())):
            # nothing in an account of one's own binds those who are created without a boundary
            return any(c.kind is Kind.CREATED and not c.what.strip(",") for c in self.known.by_who.get(arn, ()))
        known = self.done.get(key)
        if known is None or known[0] != stamp:  # type: ignore[index]
            known = self.done[key] = (stamp, unbound(env, arn, self.known.own(env, arn)))
        return bool(known[1])  # type: ignore[index]

    def perhaps_free(self, account: str | None) -> Iterator[tuple[str, Node]]:
        """The nodes of an account that are free as loaded, or that changes bear on, with their names: no other is free."""
        env, known = self.search.env, self.known
        every = administrators(env, account)
        for name in known.of_account.get(account, ()):
            node = self.nodes[name]
            arn = node.caller.arn or ""
            if arn in every or is_again(node) or (known.acting and not subjects_of(env, arn).isdisjoint(known.acting)):
                yield name, node

    @property
    def bound(self) -> bool:
        """Whether the question binds the start: by keys, a condition, or a session policy."""
        ask = self.search.ask
        return bool(ask.given) or ask.when is not TRUE or ask.documents != NO_DOCUMENTS

    def ruled_from_within(self, account: str | None) -> bool:
        """Whether some node may do everything in the account, as far as it is for the account to say."""
        known = self.known
        key, seen = ("rulers", account), known.seen.get(account, 0)
        made = self.done.get(key)
        if made is None or made[0] != seen:  # type: ignore[index]
            mine = self.perhaps_free(account) if account else ()
            found = any(n.full and self.frees(n) and not (k == START and self.bound) for k, n in mine)
            made = self.done[key] = (seen, found)
        return bool(made[1])  # type: ignore[index]

    def rulers(self) -> frozenset[str]:
        """The accounts in which some node may do everything, as far as it is for the account to say."""
        return frozenset(a for a in self.known.of_account if a and self.ruled_from_within(a))


def begin(search: Search, *, every: bool = False) -> Closure:
    """Control of the start alone."""
    node = Node(START, search.start, made=False)
    return Closure(search, True, {START: node, OUTSIDER: outsider(search)}, {START: ()}, {START: 0}, every)


def outsider(search: Search) -> Node:
    """The node of a user outside whom the attacker has anyway."""
    env = changed(search.env, OUTSIDE, (_OWN,))
    return Node(OUTSIDER, caller_of(env, env.principals[_OWN]), made=False)


def later(ask: Ask, action: str, search: Search) -> Ask:
    """`ask` for requests after the first: what it says of the first caller alone is left out."""
    if not ask.given and ask.when is TRUE:
        return ask
    start = search.start
    given = {
        **given_for(ask.given, action, start, first=False, last=False),
        **given_for(ask.given, action, start, first=False, last=True),
    }
    parts = [when_for(ask.when, action, start, first=False, last=x) for x in (False, True)]
    return replace(ask, given=given, when=all_of(dict.fromkeys(parts)))


def loaded(closure: Closure, node: Node) -> bool:
    """Whether what the node may do is known: it is in the environment, or a change created it."""
    caller = node.caller
    if caller.kind is CallerKind.ROOT:
        return True
    arn = caller.arn or ""
    return (
        node.name == OUTSIDER
        or arn in closure.search.env.principals
        or any(c.kind is Kind.CREATED for c in closure.known.by_who.get(arn, ()))
    )


def everyone_of(env: Environment, account: str | None) -> frozenset[str]:
    """The users and roles of an account."""
    return once(env.memo, ("everyone", account), _everyone, env, account)


def _everyone(env: Environment, account: str | None) -> frozenset[str]:
    return frozenset(a for k in PrincipalKind for a in of_account(env, k, account))


def account_of(arn: str) -> str:
    """The account in an ARN."""
    return arn.split(":")[4]

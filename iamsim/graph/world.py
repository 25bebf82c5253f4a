"""What an attacker holds: callers, and changes made; and the environments in which a request of theirs may be evaluated."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, combinations, islice, pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any

from iamsim.env.changes import Change, Kind, again, changed
from iamsim.env.costs import may_cost
from iamsim.env.forgetting import noted
from iamsim.env.memo import once
from iamsim.env.widest import widest
from iamsim.graph.candidates import texts_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from iamsim.aws.escalations import Catalogue
    from iamsim.env.types import Environment
    from iamsim.judge.judge import Ask
    from iamsim.model.caller import Caller

OUTSIDE = "999999999999"
"""The attacker's own account, which is in none of the organizations."""

NEWCOMER = "999999999998"
"""An account of the attacker that becomes a member of the first organization; that of the next has the number before it."""

_ALTERNATIVES = 64
"""The environments that are looked at for one request."""

UNCHANGED: frozenset[Change] = frozenset()
"""No changes: one object for all firings that need none."""

SUBSETS = 5
"""Of so many changes every choice is among these environments."""


@dataclass(frozen=True, slots=True)
class Node:
    """A caller whom the attacker controls, and how fully.

    `reach` is that of the catalogue; `only` the actions for reach `only`. `made`: sessions that steps of the path create;
    then `caller` stands for all of them. `name` tells nodes apart: the ARN, with the reach unless it is a session.
    """

    name: str
    caller: Caller
    reach: str = "session"
    only: tuple[str, ...] = ()
    made: bool = True

    @property
    def full(self) -> bool:
        """True iff the attacker holds credentials, so that the node can do whatever its policies allow."""
        return self.reach in ("session", "console", "api-any")


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the user says of facts that no input tells: those that hold, and those that do not.

    A fact is named as in the catalogue, alone or with a subject, which is an ARN or a type of resource of the catalogue:
    `access-key-slot-free`, `resource-exists:ec2-instance`. What is said of a subject goes before what is said of all.
    """

    assumed: frozenset[str] = frozenset()
    ruled_out: frozenset[str] = frozenset()

    def says(self, fact: str, subjects: Iterable[str]) -> bool | None:
        """True or False where the user has spoken of the fact about one of the subjects, or about all, else None."""
        if not self.assumed and not self.ruled_out:
            return None
        for names in ([f"{fact}:{s}" for s in subjects], [fact]):
            if any(n in self.ruled_out for n in names):
                return False
            if any(n in self.assumed for n in names):
                return True
        return None


def short(arn: str) -> str:
    """The resource part of an ARN, as people name it: `user/bob`."""
    return arn.split(":", 5)[5] if arn.count(":") >= 5 else arn


@dataclass(frozen=True, slots=True)
class Search:
    """What one search for ways shares: the question's `ask`, the action it ends in, who starts, the catalogue.

    `targets` are the resources that the question asks about, as far as they are single ones; `kept` is what was found
    for this question alone. `fresh` are ARNs of users and roles for which the question asks and that do not exist. No way
    leads through a caller that is, or is a session of, one of `avoided` (ARNs); what is remembered with an environment does not
    tell them apart, so such a search has an environment of its own.
    """

    ask: Ask
    action: str
    start: Caller
    catalogue: Catalogue
    ruling: Ruling = field(default_factory=Ruling)
    targets: tuple[str, ...] = ()
    fresh: frozenset[str] = frozenset()
    kept: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    avoided: frozenset[str] = frozenset()

    @property
    def env(self) -> Environment:
        """The environment as it was loaded."""
        return self.ask.env


def subject(caller: Caller) -> str:
    """The ARN of the user or role whose policies bind the caller."""
    return caller.parent or caller.arn or ""


def caller_in(base: Environment, env: Environment, caller: Caller) -> Caller:
    """The caller as it is in the changed environment `env`: with the tags and the boundary that it has there."""
    arn = subject(caller)
    before, after = base.principals.get(arn), env.principals.get(arn)
    if after is not None and after.second_factor and caller.mfa is False:
        caller = replace(caller, mfa=None)
    if after is None or before is after:
        return caller
    tags = caller.tags if caller.stated_tags else after.tags
    keys = () if caller.stated_tags else after.open_tags
    return replace(caller, tags=tags, open_keys=keys, bounded=after.boundary is not None)


def subjects_of(env: Environment, arn: str, changes: Collection[Change] = ()) -> frozenset[str]:
    """Everything whose change bears on what the principal `arn` may do: itself, its groups, policies and boundary."""
    if not changes:
        return once(env.memo, ("subjects", arn, ()), _subjects_as_loaded, env, arn)
    made = (p for c in changes if c.kind is Kind.CREATED and c.who == arn for p in c.what.split(",") if p)
    joined = (*(c.what for c in changes if c.kind is Kind.JOINS and c.who == arn), *made)
    return once(env.memo, ("subjects", arn, joined), lambda: frozenset(_subjects(env, arn, joined)))


def _subjects_as_loaded(env: Environment, arn: str) -> frozenset[str]:
    return frozenset(_subjects(env, arn, ()))


def _subjects(env: Environment, arn: str, joined: tuple[str, ...]) -> Iterable[str]:
    yield arn
    principal = env.principals.get(arn)
    if principal is None:
        for name in joined:
            yield name
            group = env.groups.get(name)
            yield from (p.arn for p in group.policies if p.arn) if group is not None else ()
        return
    yield from (p.arn for p in principal.policies if p.arn)
    if principal.boundary is not None and principal.boundary.arn:
        yield principal.boundary.arn
    for name in (*principal.groups, *joined):
        yield name
        group = env.groups.get(name)
        yield from (p.arn for p in group.policies if p.arn) if group is not None else ()


EVERYWHERE = (
    Kind.LIFTED,
    Kind.ATTACHED,
    Kind.DISABLED,
    Kind.MOVED,
    Kind.LEFT,
    Kind.ENTERED,
    Kind.DELEGATED,
    Kind.RESOURCE,
    Kind.UNGUARDED,
    Kind.GRANTED,
    Kind.UNBLOCKED,
    Kind.LABELS,
)
"""The kinds of changes that are made outside the policies of one account's users and roles."""


def relevant(env: Environment, changes: frozenset[Change], focus: tuple[str, ...]) -> frozenset[Change]:
    """The changes that bear on checks about the principals `focus`."""
    if not changes:
        return changes
    return bearing(env, *_by_subject(changes), focus)


def bearing(
    env: Environment,
    own: Mapping[str, Sequence[Change]],
    everywhere: Iterable[Change],
    off: frozenset[str],
    focus: tuple[str, ...],
) -> frozenset[Change]:
    """As `relevant`, of changes by what they are about, those outside the accounts' own policies, and the types switched off."""
    about: set[str] = set()
    renamed = (name_before(c) for a in focus for c in own.get(a, ()) if c.kind is Kind.CREATED and name_before(c))
    for arn in (*focus, *renamed):
        mine = own.get(arn, ())
        about |= subjects_of(env, arn, mine)
    gained = {c.what for who in about for c in own.get(who, ()) if c.kind in (Kind.GAINS, Kind.BOUNDARY)}
    accounts = {a.split(":")[4] for a in focus if a.count(":") >= _ACCOUNT}
    found = [c for who in about | gained for c in own.get(who, ())]
    if everywhere:
        off = frozenset() if reads_paths(env) else off
        found += [c for c in everywhere if _bears(c, accounts, off)]
    return frozenset(found) if found else UNCHANGED


_PATHS = ("aws:principalorgpaths", "aws:resourceorgpaths", "aws:sourceorgpaths")


def reads_paths(env: Environment) -> bool:
    """Whether some policy asks where in its organization an account stands."""
    return bool(texts_of(env, _PATHS))


def name_before(change: Change) -> str:
    """The user who has the name of the one that the change creates, or nothing."""
    return (*change.what.split(","), "", "", "", "")[3]


@lru_cache(maxsize=64)
def _by_subject(
    changes: frozenset[Change],
) -> tuple[Mapping[str, tuple[Change, ...]], tuple[Change, ...], frozenset[str]]:
    """The changes by what they are about, those outside the accounts' own policies, and the policy types switched off."""
    own: dict[str, list[Change]] = {}
    for c in changes:
        own.setdefault(c.who, []).append(c)
    everywhere = tuple(c for c in changes if c.kind in EVERYWHERE)
    off = frozenset(c.what for c in everywhere if c.kind is Kind.DISABLED)
    return {k: tuple(v) for k, v in own.items()}, everywhere, off


_ACCOUNT = 5
"""The colons of an ARN up to its resource."""


def _bears(change: Change, accounts: set[str], off: frozenset[str]) -> bool:
    """Whether a change outside the accounts' own policies bears on requests of these accounts; `off`: policy types switched off."""
    match change.kind:
        case Kind.LEFT:
            return change.who in accounts or change.who == OUTSIDE
        case Kind.ENTERED:
            return change.who in accounts
        case Kind.MOVED:
            return change.who in accounts and off != {"scp", "rcp"}
        case Kind.ATTACHED:
            return "scp" not in off
        case Kind.LIFTED:
            return ("rcp" if "/resource_control_policy/" in change.what else "scp") not in off
        case _:
            return True


def worlds(env: Environment, changes: frozenset[Change], focus: tuple[str, ...]) -> tuple[Environment, ...]:
    """The environments among which the attacker chooses for one request: one for each choice of what may also cost.

    `changes` are relevant ones. The first is that with all changes that cost nothing. Where there are too many choices, the
    last one stands for those that are left out: in it nothing certainly is allowed.
    """
    if not changes:
        return (env,)
    other = {c.who for c in changes if c.kind in (Kind.REWRITES, Kind.SWITCHES)}
    plain = frozenset(
        c for c in changes if c.who == OUTSIDE or not (may_cost(env, c) or (c.kind is Kind.DROPS and c.what in other))
    )
    extra = changes - plain
    chosen, all_ = choices(sorted(extra))
    chosen.sort(key=lambda s: (not _all_gains(s), len(s)))
    out = tuple(changed(env, plain | s, focus) for s in chosen[:_ALTERNATIVES])
    if all_:
        return out
    key = ("widest", changes, focus)
    if key not in env.memo:
        noted(env.memo, key)
    return (*out, once(env.memo, key, widest, env, plain, extra, focus))


def choices(extra: list[Change]) -> tuple[list[frozenset[Change]], bool]:
    """Sets of changes that can be made together, and whether these are all sets: if not, those of which few are made, or all,
    or few of the policies are there that may be added or taken away.
    """
    about: dict[tuple[str, ...], list[tuple[Change, ...]]] = {}
    for c in extra:
        about.setdefault(_about(c), [()]).append((c,))
    if prod(map(len, about.values())) <= _ALTERNATIVES:
        return [frozenset(chain(*found)) for found in product(*about.values())], True
    gone = frozenset(c for c in extra if c.kind in (Kind.DROPS, Kind.LEAVES))
    there = gone | {c for c in extra if c.kind in (Kind.GAINS, Kind.JOINS)}
    every = frozenset(found[-1][0] for found in about.values())
    few = [frozenset[Change](), *(frozenset({c}) for c in extra)]
    pairs = (frozenset({a, b}) for a, b in combinations(extra, 2) if _about(a) != _about(b))
    some = (*few, *islice(pairs, _ALTERNATIVES))
    bare = [gone ^ s for s in islice((s for s in few if s <= there), _ALTERNATIVES)]
    return list(dict.fromkeys((*some[: _ALTERNATIVES // 2], every, *bare, *some)))[:_ALTERNATIVES], False


def _all_gains(chosen: frozenset[Change]) -> bool:
    return bool(chosen) and all(c.kind in (Kind.GAINS, Kind.JOINS, Kind.DROPS, Kind.LEFT, Kind.LIFTED) for c in chosen)


def _about(change: Change) -> tuple[str, ...]:
    """What only one change can be made to at a time: one version, one boundary, one value of a tag, in or out of a group."""
    match change.kind:
        case Kind.TAGS | Kind.LABELS:
            return (change.kind, change.who, change.what.partition("=")[0].lower())
        case Kind.SWITCHES | Kind.BOUNDARY | Kind.MOVED:
            return (change.kind, change.who)
        case Kind.JOINS | Kind.LEAVES:
            return ("member", change.who, change.what)
        case _:
            return (change.kind, change.who, change.what)


def own_creation(changes: frozenset[Change], focus: Iterable[str]) -> frozenset[Change]:
    """The changes that created one of `focus`, or brought its account along: without these it does not exist."""
    who = set(focus)
    made = {c for c in changes if c.kind is Kind.CREATED and c.who in who}
    homes = {c.who.split(":")[4] for c in made}
    return frozenset(made | {c for c in changes if c.kind is Kind.ENTERED and c.who in homes}) if made else UNCHANGED


def name_made(change: Change) -> str:
    """The name of the node of the user or role that the change creates: that of each way to create it is another."""
    return f"{change.who}#{change.what}" if change.what.strip(",") else change.who


def made_only(changes: frozenset[Change], made: Change) -> frozenset[Change]:
    """`changes` without other ways in which the user or role that `made` creates may come to be: a name is given once."""
    return frozenset(c for c in changes if c == made or c.kind is not Kind.CREATED or c.who != made.who)


def made_of(node: Node) -> Change | None:
    """The change that creates the principal of the node, where that may be done in several ways."""
    if "," not in node.name:
        return None
    arn, what, *_ = (*node.name.split("#"), "")
    return Change(Kind.CREATED, arn, what) if "," in what else None


def is_again(node: Node) -> bool:
    """True iff the principal of the node was deleted and created again."""
    if "," not in node.name:
        return False
    made = made_of(node)
    return made is not None and again(made)


def of_node(changes: frozenset[Change], node: Node) -> frozenset[Change]:
    """`changes` without other ways in which the principal of the node may come to be; with that of one created again."""
    made = made_of(node)
    if made is None:
        return changes
    return made_only(changes, made) | {made} if again(made) else made_only(changes, made)


def each_way(changes: frozenset[Change], who: Iterable[str]) -> Iterator[frozenset[Change]]:
    """`changes` with one way to create each of `who`, for each choice of these."""
    made = [c for c in sorted(own_creation(changes, who)) if ":policy/" not in c.who]
    several = {c.who for c, other in pairwise(made) if c.who == other.who}
    ways = [[c for c in made if c.who == w] for w in sorted(several)]
    for chosen in product(*ways):
        some = changes
        for c in chosen:
            some = made_only(some, c)
        yield some

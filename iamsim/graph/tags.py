"""Tags of users and roles that an attacker may set, so that conditions on them come out otherwise."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind
from iamsim.env.memo import once
from iamsim.env.types import PrincipalKind
from iamsim.graph.apart import told_with_tags
from iamsim.graph.calls import MORE, stated
from iamsim.graph.candidates import FRESH, texts_of
from iamsim.graph.dominated import not_dominated
from iamsim.graph.firing import attempt, outcome_of, settled
from iamsim.graph.means import may_do, techniques_of, within_means
from iamsim.graph.moves import Firing, fewest_of
from iamsim.graph.names import of_account
from iamsim.graph.ruled import ruled
from iamsim.graph.settled import is_untouched, unsettled
from iamsim.graph.state import account_of
from iamsim.graph.tag_values import ASKED, names_told, tag_values
from iamsim.graph.twins import told_among_new
from iamsim.graph.wants import worth_tagging
from iamsim.graph.world import is_again, own_creation, worlds
from iamsim.ir.term import variables
from iamsim.model.caller import CallerKind
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.aws.escalations import Technique, Variant
    from iamsim.env.types import Environment
    from iamsim.graph.firing import Attempt
    from iamsim.graph.state import Closure
    from iamsim.graph.world import Node, Search


def tag_firings(closure: Closure) -> Iterator[Firing]:
    """The tags of keys that some policy reads, on any user or role of the account, with each value that matters."""
    env = closure.search.env
    values = tag_values(closure.search)
    if not values:
        return
    worth: dict[str | None, frozenset[str]] = {}
    for name in unsettled(closure):
        node = closure.nodes[name]
        if node.caller.task_policy is not None:
            continue  # no task policy speaks of tags
        own = node.caller.arn or ""
        if node.caller.kind not in _TAGGING or not _may_tag(closure, node):
            continue
        account, every = node.caller.account, techniques_of(closure.search, ("sets-tags",))
        if account not in worth:
            worth[account] = worth_tagging(closure, account)
        needed = _needed(closure, node, every)
        if _worthless(worth[account], needed):
            continue
        among = worlds(env, closure.relevant_to(node, own), (own,))
        able = frozenset[str]().union(*(may_do(closure.search, e, node) for e in among))
        for technique in every:
            for number, variant in enumerate(technique.variants):
                if not able.issuperset(variant.actions):
                    continue
                key, seen = ("tags", name, technique.id, number), len(closure.changes)  # they only grow
                if closure.done.get(key) == seen:
                    continue
                closure.done[key] = seen
                new = technique in needed
                for target in _targets(closure, node, technique, variant, worth[account], new=new):
                    yield from _of_target(closure, node, technique, number, target)


_TAGGING = (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.ROOT)


def _may_tag(closure: Closure, node: Node) -> bool:
    """False only if no identity policy of the node allows what some technique that sets tags calls."""
    search, arn = closure.search, node.caller.arn or ""
    key = ("may-tag", arn, node.caller.kind, search.ask.missing, id(search.catalogue))
    if is_again(node) or once(search.env.memo, key, _may_tag_as_loaded, search, node)[0]:
        return True
    return bool(closure.known.stamp(search.env, arn))


def _may_tag_as_loaded(search: Search, node: Node) -> tuple[bool, object]:
    if (node.caller.arn or "") not in search.env.principals:
        return True, search.catalogue
    return bool(within_means(search, ("sets-tags",), may_do(search, search.env, node))), search.catalogue


def _targets(
    closure: Closure, node: Node, technique: Technique, variant: Variant, worth: frozenset[str], *, new: bool
) -> Iterator[str]:
    who = technique.outcome.get("who")
    env, own = closure.search.env, node.caller.arn or ""
    role = any("Role" in c.action for c in variant.calls)
    made = _new_users(closure, node.caller.account) if new and not role else []
    if who == "$self":
        principal = env.principals.get(own)
        if own in made or (principal is not None and own in worth and (principal.kind is PrincipalKind.ROLE) == role):
            yield own
        return
    kind = PrincipalKind.ROLE if role else PrincipalKind.USER
    yield from (a for a in of_account(env, kind, node.caller.account) if a != own and a in worth)
    yield from (a for a in made if a != own)


def _needed(closure: Closure, node: Node, techniques: list[Technique]) -> list[Technique]:
    """Those of the techniques that nobody else uses who may do everything in the node's account."""
    if closure.every or node.caller.kind is CallerKind.ROOT or not ruled(closure, node):
        return techniques
    return not_dominated(closure.search.env, techniques, node.caller.arn or "")


def _worthless(worth: frozenset[str], needed: list[Technique]) -> bool:
    """Whether a node has nobody to tag: nobody is worth it, and new users are left to whoever rules the account."""
    return not worth and not needed


def _new_users(closure: Closure, account: str | None) -> list[str]:
    """The users of an account that changes create; roles that are created have sessions with tags of choice.

    Where somebody rules the account these are an ordinary one and those whom some statement that reads tags tells by name.
    """
    key, seen = "new-users", len(closure.known.by_kind.get(Kind.CREATED, ()))
    made = closure.done.get(key)
    if made is None or made[0] != seen:  # type: ignore[index]
        every: dict[str, set[str]] = {}
        for change in closure.known.of_kind(Kind.CREATED):
            if ":user/" in change.who:
                every.setdefault(account_of(change.who), set()).add(change.who)
        made = closure.done[key] = (seen, {a: sorted(whom) for a, whom in every.items()})
    mine: list[str] = made[1].get(account, [])  # type: ignore[index]
    if closure.every or not closure.ruled_from_within(account):
        return mine
    fresh = f":user/{FRESH}"
    return [a for a in mine if a.endswith(fresh) or a in closure.extra or told_with_tags(closure.search.env, a)]


def _of_target(closure: Closure, node: Node, technique: Technique, number: int, target: str) -> Iterator[Firing]:
    search = closure.search
    variant = technique.variants[number]
    removes = any("Untag" in c.action for c in variant.calls)
    have = _tags_of(search.env, target)
    name = technique.outcome.get("who")
    own = names_told(search.env, node, target)
    for key, values in tag_values(search).items():
        anything = None if removes else _any_value(closure, node, technique, number, target, key)
        if anything is not None:
            yield anything
            continue
        for value in ("",) if removes else dict.fromkeys((*values, *own)):
            what = key if removes else f"{key}={value}"
            change = Change(Kind.TAGS, target, what)
            if change in closure.how or (removes and key not in have) or (not removes and have.get(key) == value):
                continue
            bound = {name: target, "$self": node.caller.arn or "", "$key": key, "$value": value}
            yield from _as_twin(closure, node, technique, number, bound, change)


def _as_twin(
    closure: Closure, node: Node, technique: Technique, number: int, bound: dict[str, str], change: Change
) -> Iterator[Firing]:
    """The first way in which the tag is set; that of one new user is that of all whom no statement tells apart from it."""
    search, own, name = closure.search, node.caller.arn or "", technique.outcome.get("who")
    key: object = None
    if change.who not in search.env.principals and change.who != own and is_untouched(closure, node):
        told = told_among_new(search, node, technique.variants[number], name, change.who)
        key = ("tag of new", node.name, technique.id, number, change.what, closure.relevant(own), told)
        made = closure.done.get(key)
        if made is not None:
            assert isinstance(made, Firing)
            needs = own_creation(closure.relevant(own, change.who), (own, change.who))
            again = {**dict(made.bound), name: change.who}
            yield replace(made, bound=tuple(sorted(again.items())), gains=(change,), needs=needs)
            return
    tries = (_tried(closure, node, technique, number, b, change) for b in alone(search.env, bound))
    for fired in islice((t for t in tries if t is not None), 1):
        plainly = own_creation(closure.relevant(own, change.who), (own, change.who))
        if key is not None and fired.gains == (change,) and fired.needs == plainly:
            closure.done[key] = fired
        yield fired


def alone(env: Environment, bound: dict[str, str]) -> Iterator[dict[str, str]]:
    """The tag is set alone, or, where policies ask what else is set, with others."""
    yield bound
    if texts_of(env, (ASKED, "aws:tagkeys")):
        yield {**bound, MORE: "yes"}


def _tried(
    closure: Closure, node: Node, technique: Technique, number: int, bound: dict[str, str], change: Change
) -> Firing | None:
    search = closure.search
    changes = closure.relevant(node.caller.arn or "", change.who)
    plain = None if MORE in bound else _unaided(closure, node, technique, number, bound, change)
    if plain is not None:
        return plain
    tried = attempt(search, node, technique, technique.variants[number], bound, changes)
    found = None if tried is None else outcome_of(search, tried)
    if found is None or tried is None:
        return None
    gains: tuple[Change, ...] = (change,)
    if MORE in bound:
        besides = _besides(closure, node, technique, number, bound, change, tried)
        if besides is not None:
            gains, bound = (change, *_changed_by(search.env, change.who, besides)), bound | {MORE: stated(besides)}
    return Firing(
        technique.id, number, node.name, tuple(sorted(bound.items())), gains, found[0],
        _fewest(closure, node, technique, number, bound),
        session=tried.reads_session, assumed=tried.assumed, reasons=found[1],
    )  # fmt: skip


def _unaided(
    closure: Closure, node: Node, technique: Technique, number: int, bound: dict[str, str], change: Change
) -> Firing | None:
    """The use after no other changes than the creation of those whom it is about, if it certainly works then, in every session;
    where no value is bound, with every value.

    The environments after all the others need not be looked at then, of which there are more with each tag that is found.
    """
    search, who = closure.search, (node.caller.arn or "", *(v for v in bound.values() if ":" in v))
    own = own_creation(closure.relevant(*who), who)
    tried = attempt(search, node, technique, technique.variants[number], bound, own)
    if tried is None or tried.reads_session or _asks(tried, bound) or outcome_of(search, tried) != (True, ()):
        return None
    names = tuple(sorted(bound.items()))
    return Firing(technique.id, number, node.name, names, (change,), True, own, assumed=tried.assumed)


def _asks(tried: Attempt, bound: dict[str, str]) -> bool:
    """Whether the value of the tag is free, and matters."""
    return "$value" not in bound and any(v.endswith(ASKED + bound["$key"]) for v in variables(tried.term))


Tags = tuple[tuple[str, str | None], ...]
"""Keys in lower case, each with its value or that it has none."""


def _besides(
    closure: Closure,
    node: Node,
    technique: Technique,
    number: int,
    bound: dict[str, str],
    change: Change,
    tried: Attempt,
) -> Tags | None:
    """What a request sets other tags to that it may have to set: what they are, if it may; None if there are none."""
    search = closure.search
    mine = _tags_of(search.env, change.who)
    read = {v.rpartition("|")[2]: v for v in variables(tried.term)}
    own = change.what.partition("=")[0].lower()
    others = {k.removeprefix(ASKED): v for k, v in read.items() if k.startswith(ASKED) and k != ASKED + own}
    if not others:
        return None
    kept = tuple((k, mine.get(k)) for k in sorted(others))
    as_it_was = bound | {MORE: stated(kept)}
    changes = closure.relevant(node.caller.arn or "", change.who)
    same = attempt(search, node, technique, technique.variants[number], as_it_was, changes)
    if same is not None and (outcome_of(search, same) or (False,))[0]:
        return kept
    model = settled(search, tried).sure
    chosen = model.assignment if isinstance(model, Sat) else {}
    return tuple((k, next(iter(chosen.get(v, ())), None)) for k, v in sorted(others.items()))


def _tags_of(env: Environment, arn: str) -> dict[str, str]:
    principal = env.principals.get(arn)
    return {} if principal is None else {k.lower(): v for k, v in principal.tags}


def _changed_by(env: Environment, who: str, tags: Tags) -> Iterator[Change]:
    have = _tags_of(env, who)
    yield from (Change(Kind.TAGS, who, f"{k}={v}") for k, v in tags if v is not None and have.get(k) != v)


def _fewest(
    closure: Closure, node: Node, technique: Technique, number: int, bound: dict[str, str]
) -> frozenset[Change]:
    """The changes that must have been made before the tag can be set, none of them superfluous."""
    search = closure.search
    who = (node.caller.arn or "", *(v for v in bound.values() if ":" in v))
    needs = closure.relevant(*who)
    own = own_creation(needs, who)

    def enough(some: frozenset[Change]) -> bool:
        less = attempt(search, node, technique, technique.variants[number], bound, some)
        found = None if less is None else outcome_of(search, less)
        return found is not None and found[0]

    if enough(own):
        return own
    return fewest_of(own, needs, enough) if enough(needs) else needs


def _any_value(closure: Closure, node: Node, technique: Technique, number: int, target: str, key: str) -> Firing | None:
    """The firing that sets the tag to any value, if the node may do so whatever the value is."""
    search = closure.search
    name = technique.outcome.get("who")
    change = Change(Kind.TAGS, target, f"{key}=*")
    if change in closure.how:
        return None
    bound = {name: target, "$self": node.caller.arn or "", "$key": key}
    plain = _unaided(closure, node, technique, number, bound, change)
    if plain is not None:
        return plain
    changes = closure.relevant(node.caller.arn or "", target)
    tried = attempt(search, node, technique, technique.variants[number], bound, changes)
    if tried is None or tried.reads_session or _asks(tried, bound):
        return None
    found = outcome_of(search, tried)
    if found is None or not found[0]:
        return None
    needs = _fewest(closure, node, technique, number, bound)
    return Firing(
        technique.id, number, node.name, tuple(sorted(bound.items())), (change,), True, needs, assumed=tried.assumed
    )  # fmt: skip

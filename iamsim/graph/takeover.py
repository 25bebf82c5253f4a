"""Resource policies that controlled principals may rewrite: those of the resources that a question asks about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.aws.resource_policies import has_resource_policy
from iamsim.env.changes import WITHOUT, Change, Kind
from iamsim.env.memo import once
from iamsim.env.resource_policy import owner_of, policy_holder, restricts, whole_of
from iamsim.graph.abroad import granted_abroad, unspoken
from iamsim.graph.candidates import texts_of
from iamsim.graph.dominated import favoured_on
from iamsim.graph.firing import attempt, outcome_of
from iamsim.graph.means import TAKEOVERS, UNBLOCKS, techniques_of
from iamsim.graph.moves import Firing, fire
from iamsim.graph.reach import fires_within_reach
from iamsim.graph.ruled import granted_to_some, ruled, ruler_of
from iamsim.graph.sources import filled, values_in
from iamsim.graph.state import OF_ACCOUNTS, OUTSIDER
from iamsim.graph.world import is_again, subject
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import match, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.aws.escalations import Outcome, Technique, Variant
    from iamsim.graph.state import Closure
    from iamsim.graph.world import Node, Search
    from iamsim.judge.candidates import Target
    from iamsim.model.pattern import Pattern

_SIGNED = (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.ROOT)


def takeovers(closure: Closure, target: Target) -> Iterator[Firing]:
    """The techniques by which some node may rewrite, delete or extend the policy that governs the target."""
    search = closure.search
    for technique in rewriting(search, target):
        name = technique.outcome.get("resource")
        arn = governing(search, target, name.removeprefix("$owned-"))
        if arn is None or not has_resource_policy(arn, search.action):
            continue
        if technique.outcome.type == UNBLOCKS and not _is_closed(search, arn):
            continue
        asked = _asked(technique.outcome.all("actions"), search.action)
        change = _change(technique.outcome, arn)
        for number, variant in enumerate(technique.variants):
            fired = None
            places = {name: arn, **asked, **beside(search, variant, name, arn)}
            hopeless = _Hopeless(closure, technique, variant, name, places)
            unplaced = _is_unplaced(search, arn)
            at_home = hopeless.at_home or (target.owner is not None and unplaced)
            doubts = (_OWNERLESS,) if target.owner is None and unplaced else ()
            for name_, node in closure.nodes.items():
                actions = tuple(c.action for c in variant.calls)
                if name_ == OUTSIDER or node.caller.kind not in _SIGNED or not fires_within_reach(node, actions):
                    continue
                if hopeless.includes(node) or (at_home and node.caller.account != target.owner):
                    continue
                bound = {**places, "$self": subject(node.caller)}
                tried = attempt(search, node, technique, variant, bound, closure.changes)
                found = None if tried is None else outcome_of(search, tried)
                if found is None or tried is None:
                    yield from _for_others(closure, node, technique, number, bound, change) if not doubts else ()
                    continue
                fired = Firing(
                    technique.id, number, node.name, tuple(sorted(bound.items())), (change,), found[0] and not doubts,
                    closure.changes, tried.reads_session, tried.assumed, (*found[1], *doubts),
                )  # fmt: skip
                yield _with_fewest(closure, fired, node.name)
                if found[0]:
                    break
            if fired is not None and fired.sure:
                break


@dataclass(slots=True)
class _Hopeless:
    """Who need not be tried: users and roles of an account to which the policy of the resource grants nothing, those to whom no
    policy of their own grants the call either, and those of an account of which whoever may do everything there tries in vain, if
    neither the policy of the resource nor a ceiling favours them.
    """

    closure: Closure
    technique: Technique
    variant: Variant
    name: str
    bound: dict[str, str]
    action: str = ""
    owner: str | None = None
    granted: frozenset[str] | None = None
    favoured: tuple[Pattern, ...] | None = None
    at_home: bool = False  # a call that names no resource is about one of the caller's own account
    tried: dict[str | None, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        holder = self.closure.search.env.resources.get(self.bound[self.name])
        policies = [holder.policy] if holder is not None and holder.policy is not None else []
        search, arn, calls = self.closure.search, self.bound[self.name], self.variant.calls
        alone = arn if all(c.resources == (self.name,) for c in calls) else None
        if not granted_to_some(self.closure):
            self.favoured = favoured_on(search, self.variant.actions, policies, alone)
        self.at_home = not any(self.name in c.resources for c in calls)
        if arn not in self.closure.known.by_who and not self.at_home:
            self.owner = owner_of(search.env, arn, None)
            self.action = next(c.action.lower() for c in calls if self.name in c.resources)
            self.granted = granted_abroad(search.env, arn, self.action, search.ask.missing)

    def includes(self, node: Node) -> bool:
        """Whether the node is one of them."""
        account, arn = node.caller.account, node.caller.arn or ""
        if node.caller.kind not in OF_ACCOUNTS:
            return False
        if self.granted is not None and self.owner not in (None, account) and account not in self.granted:
            return True
        if (
            self.action
            and node.name
            and not is_again(node)
            and not self.closure.known.own(self.closure.search.env, arn)
        ):
            about = (self.bound[self.name], self.owner)
            if unspoken(self.closure.search.env, arn, self.action, about, self.closure.search.ask.missing):
                return True
        if self.favoured is None or not node.name or not ruled(self.closure, node):
            return False
        if account not in self.tried:
            self.tried[account] = self._in_vain(account)
        return self.tried[account] and not any(match(p, arn) for p in self.favoured)

    def _in_vain(self, account: str | None) -> bool:
        name = ruler_of(self.closure, account)
        ruler = self.closure.nodes[name] if name is not None else None
        if ruler is None or not ruler.full:
            return False
        search, bound = self.closure.search, {**self.bound, "$self": subject(ruler.caller)}
        tried = attempt(search, ruler, self.technique, self.variant, bound, self.closure.changes)
        return tried is None or outcome_of(search, tried) is None


def _for_others(
    closure: Closure, node: Node, technique: Technique, number: int, bound: dict[str, str], change: Change
) -> Iterator[Firing]:
    """The grants to other controlled callers, where a policy asks who is granted to."""
    search, variant = closure.search, technique.variants[number]
    keys = tuple(k.lower() for c in variant.calls for k, v in c.context if v == "$self")
    texts = texts_of(search.env, keys) if keys and change.kind is Kind.GRANTED else {}
    if not texts:
        return
    said = [tokenize("*" if "${" in t else t, variables=False) for ts in texts.values() for t in ts]
    own = bound["$self"]
    others = {n.caller.arn or "" for k, n in closure.nodes.items() if k != OUTSIDER and n.caller.kind in _SIGNED}
    # those first that conditions speak of; the others are alike for them
    named = {a for a in others if any(match(p, a) for p in said)}
    every = sorted(others - {own, ""}, key=lambda a: (a not in named, a))
    if len(named) > _OTHERS:
        closure.unsettled.add(f"budget:more than {_OTHERS} callers to grant to")
    for arn in every[:_OTHERS]:
        gain = Change(Kind.GRANTED, change.who, f"{change.what};{arn}")
        fired = fire(search, node, technique, number, {**bound, "$self": arn}, frozenset(closure.changes), (gain,))
        if fired is not None:
            yield fired


_OTHERS = 40
"""Callers to whom a grant is tried."""


def _with_fewest(closure: Closure, fired: Firing, name: str) -> Firing:
    from dataclasses import replace

    search, node = closure.search, closure.nodes[name]
    technique = search.catalogue.entry(fired.technique)
    variant = technique.variants[fired.variant]
    needs = closure.relevant_to(node, node.caller.arn or "")
    for change in sorted(needs, reverse=True):
        tried = attempt(search, node, technique, variant, dict(fired.bound), needs - {change})
        found = None if tried is None else outcome_of(search, tried)
        if found is not None and found[0] >= fired.sure:
            needs -= {change}
    return replace(fired, needs=needs)


def _asked(actions: tuple[str, ...], action: str) -> dict[str, str]:
    """The name of the operation of the question, bound if the operation is among `actions`."""
    operation = next((a.partition(":")[2] for a in actions if a.lower() == action.lower()), None)
    return {} if operation is None else {"$operation": operation}


def _change(outcome: Outcome, arn: str) -> Change:
    actions, gains = ",".join(outcome.all("actions")), outcome.get("gains")
    match outcome.type:
        case "gains-resource-actions":
            return Change(Kind.GRANTED, arn, actions)
        case "lifts-public-access-block":
            return Change(Kind.UNBLOCKED, arn, outcome.get("scope"))
        case _ if gains.startswith("whatever identity policies"):
            return Change(Kind.UNGUARDED, arn)
        case _ if gains.startswith("whatever the rest"):
            return Change(Kind.UNGUARDED, arn, "Sid")
        case _ if gains.startswith("no action"):
            return Change(Kind.RESOURCE, arn, WITHOUT)
        case _:
            return Change(Kind.RESOURCE, arn, actions)


_OWNERLESS = "missing:owner of the resource"


def _is_unplaced(search: Search, arn: str) -> bool:
    """Whether nothing but the question tells whose the resource is: no input lists it, and its ARN has no account."""
    return arn not in search.env.resources and owner_of(search.env, arn, None) is None


def _is_closed(search: Search, arn: str) -> bool:
    """Whether Block Public Access may close the policy of the bucket to other accounts."""
    holder = search.env.resources.get(arn)
    return holder is not None and holder.account is not None and bool(restricts(search.env, holder))


def beside(search: Search, variant: Variant, name: str, arn: str) -> dict[str, str]:
    """The other resources of the calls whose ARNs follow from that of the resource whose policy is written, `name`: those of which
    each variable is one of its own.
    """
    types = search.catalogue.resource_types
    others = {r for c in variant.calls for r in c.resources if r.startswith(_ANY) and r.removeprefix(_ANY) in types}
    found = values_in(types[name.removeprefix("$owned-")], arn) if others else None
    out = {}
    for other in sorted(others) if found is not None else ():
        template = types[other.removeprefix(_ANY)]
        for variable, value in (found or {}).items():
            template = template.replace(f"${{{variable}}}", value)
        if "${" not in template:
            out[other] = template
    return out


_ANY = "$any-"


def rewriting(search: Search, target: Target) -> list[Technique]:
    """The techniques that rewrite, delete or extend policies of resources of the target's service."""
    by_service = once(search.env.memo, (id(search.catalogue), "rewriting"), _by_service, search)[0]
    arn = _arn_of(target)
    return by_service.get(arn.split(":")[2], []) if arn is not None and arn.count(":") > 1 else []


def _by_service(search: Search) -> tuple[dict[str, list[Technique]], object]:
    out: dict[str, list[Technique]] = {}
    for technique in techniques_of(search, TAKEOVERS):
        template = search.catalogue.resource_types.get(technique.outcome.get("resource").removeprefix("$owned-"))
        if template is not None:
            out.setdefault(template.split(":")[2], []).append(technique)
    return out, search.catalogue


def _arn_of(target: Target) -> str | None:
    """The ARN of the target, or of the resource whose policy governs what it stands for."""
    return target.resource or (target.holder.arn if target.holder is not None else None)


def governing(search: Search, target: Target, kind: str) -> str | None:
    """The ARN of the resource of type `kind` whose policy governs the target, or None."""
    template = search.catalogue.resource_types.get(kind)
    if template is None:
        return None
    pattern = tokenize(filled(template, "*", target.owner or "*"), variables=False)
    arn = _arn_of(target)
    if arn is None or arn == "*":
        return None
    holder = policy_holder(search.env, arn)
    arn = holder.arn if holder is not None else whole_of(arn)
    return arn if match(pattern, arn) else None

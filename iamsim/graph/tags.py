"""Tags of users and roles that an attacker may set, so that conditions on them come out otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind
from iamsim.env.types import PrincipalKind
from iamsim.graph.candidates import tag_values
from iamsim.graph.firing import attempt, outcome_of
from iamsim.graph.moves import Firing, may_do, plausible, techniques_of
from iamsim.graph.names import of_account
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.aws.escalations import Technique, Variant
    from iamsim.graph.closure import Closure
    from iamsim.graph.world import Node


def tag_firings(closure: Closure) -> Iterator[Firing]:
    """The tags of keys that some policy reads, on any user or role of the account, with each value that matters."""
    from iamsim.graph.closure import worthwhile

    env = closure.search.env
    values = tag_values(env)
    if not values:
        return
    every = [a for a, p in env.principals.items() if p.account in {n.caller.account for n in closure.nodes.values()}]
    worth = frozenset(a for a in every if worthwhile(closure, a))
    if not worth:
        return
    for name, node in list(closure.nodes.items()):
        if name == "outsider" or node.caller.kind not in (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.ROOT):
            continue
        able = may_do(closure.search, env, node)
        for technique in techniques_of(closure.search, ("sets-tags",)):
            for number, variant in enumerate(technique.variants):
                if not all(c.action.lower() in able for c in variant.calls):
                    continue
                key = ("tags", name, technique.id, number, closure.changes)
                if key in closure.done:
                    continue
                closure.done[key] = True
                for target in _targets(closure, node, technique, variant, worth):
                    yield from _of_target(closure, node, technique, number, target)


def _targets(
    closure: Closure, node: Node, technique: Technique, variant: Variant, worth: frozenset[str]
) -> Iterator[str]:
    who = technique.outcome.get("who")
    env, own = closure.search.env, node.caller.arn or ""
    role = any("Role" in c.action for c in variant.calls)
    if who == "$self":
        principal = env.principals.get(own)
        if principal is not None and own in worth and (principal.kind is PrincipalKind.ROLE) == role:
            yield own
        return
    kind = PrincipalKind.ROLE if role else PrincipalKind.USER
    for arn in of_account(env, kind, node.caller.account):
        if arn != own and arn in worth and all(plausible(env, node, c.action.lower(), arn) for c in variant.calls):
            yield arn


def _of_target(closure: Closure, node: Node, technique: Technique, number: int, target: str) -> Iterator[Firing]:
    search = closure.search
    variant = technique.variants[number]
    removes = any("Untag" in c.action for c in variant.calls)
    have = {k.lower(): v for k, v in search.env.principals[target].tags}
    name = technique.outcome.get("who")
    for key, values in tag_values(search.env).items():
        for value in ("",) if removes else values:
            what = key if removes else f"{key}={value}"
            change = Change(Kind.TAGS, target, what)
            if change in closure.how or (removes and key not in have) or (not removes and have.get(key) == value):
                continue
            bound = {name: target, "$self": node.caller.arn or "", "$key": key, "$value": value}
            tried = attempt(search, node, technique, variant, bound, frozenset(closure.changes))
            found = None if tried is None else outcome_of(search, tried)
            if found is None or tried is None:
                continue
            yield Firing(
                technique.id, number, node.name, tuple(sorted(bound.items())), (change,), found[0],
                session=tried.reads_session, assumed=tried.assumed, reasons=found[1],
            )  # fmt: skip

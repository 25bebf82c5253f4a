"""Steps that lead to nothing but the request itself: credentials for one service, and federated users of one's own naming."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.changes import Change, Kind
from iamsim.env.memo import once
from iamsim.graph.candidates import texts_of
from iamsim.graph.federated import MOST, federated, told_apart
from iamsim.graph.firing import attempt
from iamsim.graph.means import FEDERATES, LABELS, ending, may_do, techniques_of
from iamsim.graph.moves import fire, firings
from iamsim.graph.reach import fires_within_reach, within_reach
from iamsim.graph.state import OUTSIDER, SIGNED, Closure
from iamsim.graph.tag_values import ASKED, names_told, reads_resource_tags, tag_values, values_of_resources
from iamsim.graph.tags import alone
from iamsim.graph.takeover import governing
from iamsim.graph.world import Node, relevant, subject
from iamsim.ir.term import TRUE, variables
from iamsim.model.caller import Caller, CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from iamsim.aws.escalations import Technique
    from iamsim.graph.moves import Firing
    from iamsim.graph.world import Search
    from iamsim.judge.candidates import Target

_FEW = 3
"""Users of an account of which somebody may do everything: they differ in little but their names."""


def last_steps(closure: Closure, targets: tuple[Target, ...]) -> Iterator[Firing]:
    """The steps before the request that no other step rests on."""
    for target in targets:
        yield from _labels(closure, target)
    search = closure.search
    for technique in ending(search):
        gain = Node("", Caller(kind=CallerKind.USER), technique.outcome.reach, technique.outcome.only)
        if within_reach(gain, search.action):
            for node in _callers(closure):
                yield from firings(search, node, frozenset(closure.changes), [technique], every=True)
    if told_apart(search.env) or texts_of(search.env, ("aws:principaltag/",)):
        yield from _federated(closure)


def _labels(closure: Closure, target: Target) -> Iterator[Firing]:
    """The tags of the resource of the request that some node may set or remove; of one that no input shows, all are possible."""
    search, changes = closure.search, frozenset(closure.changes)
    for technique in techniques_of(search, (LABELS,)) if reads_resource_tags(search.env) else ():
        name = technique.outcome.get("resource")
        arn = governing(search, target, name.removeprefix("$owned-")) or ""
        resource = search.env.resources.get(arn)
        if resource is None or not resource.tags_known:
            continue
        have = {k.lower(): v for k, v in resource.tags}
        values = values_of_resources(search)
        for node in _callers(closure):
            if not fires_within_reach(node, tuple(technique.variants[0].actions)):
                continue
            for number, key, value in _choices(values, have, names_told(search.env, node, "")):
                bound = {name: arn, "$self": subject(node.caller), "$key": key, "$value": value}
                change = Change(Kind.LABELS, arn, f"{key}={value}" if number == 0 else key)
                for one in alone(search.env, bound):
                    fired = fire(search, node, technique, number, one, changes, (change,))
                    if fired is not None:
                        yield fired
                        break


def _choices(
    values: Mapping[str, tuple[str, ...]], have: Mapping[str, str], own: tuple[str, ...]
) -> Iterator[tuple[int, str, str]]:
    """The variant of a technique, the key, and the value: set, or removed."""
    for key, among in values.items():
        yield from ((0, key, v) for v in dict.fromkeys((*among, *own)) if have.get(key) != v)
        if key in have:
            yield 1, key, ""


def _callers(closure: Closure) -> Iterator[Node]:
    named = (n for k, n in closure.nodes.items() if k != OUTSIDER)
    return (n for n in named if n.caller.kind in SIGNED and n.caller.task_policy is None)


def _federated(closure: Closure) -> Iterator[Firing]:
    search = closure.search
    technique = next(iter(techniques_of(search, (FEDERATES,))), None)
    if technique is None:
        return  # the catalogue of a question may be a part of the whole
    few: dict[str | None, int] = {}
    rulers = closure.rulers()
    for node in _callers(closure):
        account = node.caller.account
        if node.caller.kind is not CallerKind.USER or not node.full or few.get(account, 0) >= _FEW:
            continue
        if not closure.relevant_to(node, node.caller.arn or "") and _CALL not in may_do(search, search.env, node):
            continue
        few[account] = few.get(account, 0) + (account in rulers)
        others = tuple(federated(search.env, node))
        if len(others) == MOST:
            closure.unsettled.add(f"budget:{MOST} names of federated users or more")
        for other in others:
            yield from _becoming(closure, node, technique, other)


def _becoming(closure: Closure, node: Node, technique: Technique, other: Node) -> Iterable[Firing]:
    """How the federated user is had; worked out once for the changes that bear on it, unless the question says more."""
    search = closure.search
    ask, env = search.ask, search.env
    changes = relevant(env, closure.changes, (node.caller.arn or "", other.caller.arn or ""))
    if ask.given or ask.when is not TRUE or ask.documents != NO_DOCUMENTS:
        return _of(search, node, technique, other, changes)
    asked = search.targets if texts_of(env, (ASKED,)) else ()
    about = (node.name, node.caller, other.name, changes, asked, ask.missing, ask.ever, search.ruling)
    key = (id(technique), "federated", *about)
    return once(env.memo, key, lambda: (tuple(_of(search, node, technique, other, changes)), technique))[0]


def _of(search: Search, node: Node, technique: Technique, other: Node, changes: frozenset[Change]) -> Iterator[Firing]:
    """The federated user without tags of its own, and with those that may be passed."""
    bound = {"$federated-user": other.caller.arn or "", "$self": node.caller.arn or ""}
    fired = fire(search, node, technique, 0, bound, changes, (other,)) if told_apart(search.env) else None
    if fired is not None:
        yield fired
    if not texts_of(search.env, ("aws:principaltag/",)):
        return
    tried = attempt(search, node, technique, technique.variants[1], bound, changes)
    if tried is None:
        return
    if not any(v.endswith("aws:tagkeys") or "aws:requesttag/" in v for v in variables(tried.term)):
        anyhow = replace(other, name=other.name + "#tags", caller=replace(other.caller, open_tags=True))
        fired = fire(search, node, technique, 1, bound, changes, (anyhow,))
        if fired is not None:
            yield fired
        return
    for key, values in tag_values(search).items():
        for value in dict.fromkeys((*values, *names_told(search.env, node, ""))):
            tagged = {**bound, "$key": key, "$value": value}
            tags = (*((k, v) for k, v in other.caller.tags if k.lower() != key), (key, value))
            gain = replace(
                other, name=f"{other.name}#{key}={value}", caller=replace(other.caller, tags=tags, stated_tags=True)
            )
            for one in alone(search.env, tagged):
                fired = fire(search, node, technique, 1, one, changes, (gain,))
                if fired is not None:
                    yield fired
                    break


_CALL = "sts:getfederationtoken"

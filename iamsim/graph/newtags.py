"""Tags of a resource that a technique creates: those that some caller of the technique may give it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.actions import access_level, action_info, expand, fits
from iamsim.env.memo import once
from iamsim.graph.calls import Wanted, check_in
from iamsim.graph.candidates import texts_of
from iamsim.ir.term import FALSE, TRUE, Like, Present, Term, all_of, any_of, implies, variables
from iamsim.model.pattern import Pattern, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from iamsim.aws.actions import ActionInfo
    from iamsim.aws.escalations import Call
    from iamsim.env.facts import Facts
    from iamsim.env.types import Environment
    from iamsim.graph.calls import CallChecks
    from iamsim.graph.sessions import Session
    from iamsim.graph.world import Node, Search

Tagger = tuple["Node", tuple["Environment", ...], "Session | None"]
"""Who may tag: the node, the environments that it may choose among, and its session where one is known."""

_FIRST = 60
"""Requests that tag have numbers from it on."""

_TAG = "resourcetag/"


def tags_given(
    search: Search, name: str, creator: str, made: Sequence[CallChecks], taggers: Sequence[Tagger]
) -> tuple[Term, tuple[Facts, ...]]:
    """When the calls `made` find on the new resource `name` only tags that it can have, and the contexts of what gives them.

    A tag comes with its creation (the request whose keys begin with `creator`) where its service has no action that tags, else
    from a call of that action, which creation with tags needs as well.
    Source: IAM User Guide, "Controlling access during AWS requests".
    """
    read = sorted({v for c in made for k in c.checks for v in variables(k.authorization.allowed) if _of(v, k.facts)})
    terms: list[Term] = []
    background: list[Facts] = []
    template = search.catalogue.resource_types.get(name.removeprefix("$new-"), "")
    actions = tagging(template) if read else ()
    for place, var in enumerate(read):
        key = var.partition(_TAG)[2]
        ways: list[Term] = [] if actions else [_same(var, f"{creator}aws:requesttag/{key}")]
        for number, (node, among, session) in enumerate(taggers):
            hop = f"{_FIRST + len(taggers) * place + number}|"
            asked = [
                check_in(
                    search, env, node, Wanted(action, made[0].resource, (), hop, f"@tag{n}|" if n else ""), session
                )
                for n, action in enumerate(actions)
                for env in among
            ]
            asked = [c for c in asked if c.authorization.allowed is not FALSE]
            background += [c.facts for c in asked]
            allowed = any_of(c.authorization.allowed for c in asked)
            ways.append(all_of((allowed, _same(var, f"{hop}aws:requesttag/{key}"))))
        terms.append(implies(Present(var), any_of(ways)))
    return all_of(terms), tuple(background)


def tags_allowed(search: Search, name: str, first: CallChecks, creator: Tagger) -> tuple[Term, tuple[Facts, ...]]:
    """When the call with which `creator` creates the resource `name` passes only tags that it may give it in the same request.

    Source: IAM User Guide, "Controlling access during AWS requests".
    """
    hop = first.checks[0].facts.hop
    heads = (f"{hop}aws:requesttag/", f"{hop}aws:tagkeys")
    read = sorted({v for c in first.checks for v in variables(c.authorization.allowed) if v.startswith(heads)})
    template = search.catalogue.resource_types.get(name.removeprefix("$new-"), "")
    actions = tagging(template) if read else ()
    if not actions:
        return TRUE, ()
    node, among, session = creator
    asked = [
        check_in(search, env, node, Wanted(action, first.resource, (), hop, f"@with{n}|"), session)
        for n, action in enumerate(actions)
        for env in among
    ]
    able = any_of(c.authorization.allowed for c in asked)
    return implies(any_of(map(Present, read)), able), tuple(c.facts for c in asked)


def tagging_new(search: Search, calls: Iterable[Call]) -> frozenset[str]:
    """The actions (lower case) that tag what the calls create, where some policy reads tags of resources or of requests."""
    if not once(search.env.memo, "reads-new-tags", _reads_tags, search.env):
        return frozenset()
    return tagging_created(search, calls)


def _reads_tags(env: Environment) -> bool:
    return any(":resourcetag/" in k or k.startswith(("aws:requesttag/", "aws:tagkeys")) for k in texts_of(env, ("",)))


def tagging_created(search: Search, calls: Iterable[Call]) -> frozenset[str]:
    """The actions (lower case) that tag resources of the types that the calls create."""
    new = {r for c in calls for r in c.resources if r.startswith("$new-")}
    templates = (search.catalogue.resource_types.get(r.removeprefix("$new-"), "") for r in new)
    return frozenset(a for t in templates for a in tagging(t))


def _of(var: str, facts: Facts) -> bool:
    return _TAG in var and var.startswith(f"{facts.part}{facts.hop}")


def _same(var: str, other: str) -> Term:
    return all_of((Present(other), Like(var, Pattern("", (Variable(other),)))))


@lru_cache(maxsize=512)
def tagging(template: str) -> tuple[str, ...]:
    """The actions that tag a resource of the type with this template of ARNs, in lower case."""
    service = template.split(":")[2] if template.count(":") > 1 else ""
    return tuple(_tagging(service, template)) if service else ()


def _tagging(service: str, template: str) -> Iterable[str]:
    arn, pattern = (re.sub(r"\$\{[^}]*\}", x, template) for x in "x*")
    for info in _adding_tags(service):
        if any(pattern in use.arn_patterns for use in info.resource_types) or fits(info.name, arn):
            yield info.name.lower()


@lru_cache(maxsize=256)
def _adding_tags(service: str) -> tuple[ActionInfo, ...]:
    """The actions of the service that set tags; those that remove them have the same access level."""
    names = (a for a in expand(f"{service}:*") if "Tagging" in access_level(a))
    adding = (a for a in names if not any(word in a.lower() for word in ("untag", "delete", "remove")))
    return tuple(info for info in map(action_info, adding) if info is not None)

"""Effective permissions as an IAM policy document, and lists of actions made short."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import expand
from iamsim.aws.universe import universe
from iamsim.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from iamsim.query.what_can import What

BOUNDS = ("upper", "lower")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|.")


def policy_of(rows: Iterable[What], bound: str = "upper") -> dict[str, Any]:
    """The rows as an identity policy, an upper or a lower bound of what the caller can do; it has no conditions.

    `upper`: every request that `can` answers with yes is allowed by the document, so that nothing beyond it is known to be
    possible; what is unknown because of the caller's own policies is in it as well, not what policies of resources that no
    input holds may grant. `lower`: everything that the document allows, `can` answers with yes, whatever the condition keys
    are; rows with a condition are left out. Both speak of known actions on resources of the caller's account, `upper` also
    of loaded ones. Raises QueryError for another `bound`.
    """
    if bound not in BOUNDS:
        raise QueryError(f"`{bound}` is no bound", "--bound takes upper or lower")
    allow: dict[str, set[str]] = {}
    deny: dict[str, set[str]] = {}
    for row in rows:
        if bound == "lower" and row.verdict != "yes":
            continue
        actions = [a for p in row.actions for a in expand(p)]
        allow.setdefault(row.resource, set()).update(actions)
        for text, verdict in row.but:
            if verdict == "no" or (bound == "lower" and verdict != "yes"):
                deny.setdefault(text, set()).update(actions)
    short = bound == "upper"
    statements = [*_statements("Allow", allow, short=short), *_statements("Deny", deny, short=False)]
    return {"Version": "2012-10-17", "Statement": statements}


def _statements(effect: str, by_resource: dict[str, set[str]], *, short: bool) -> list[dict[str, Any]]:
    by_actions: dict[tuple[str, ...], list[str]] = {}
    for resource, actions in by_resource.items():
        named = compressed(sorted(actions)) if short else tuple(sorted(actions))
        by_actions.setdefault(named, []).append(resource)
    return [
        {"Effect": effect, "Action": list(actions), "Resource": sorted(resources)}
        for actions, resources in sorted(by_actions.items())
    ]


def compressed(actions: Sequence[str]) -> tuple[str, ...]:
    """The known actions as patterns that match no other known action: `*`, `s3:*`, `s3:Get*`, or a name."""
    every = universe()
    if len(set(actions)) == len(every.names):
        return ("*",)
    services: dict[str, set[str]] = {}
    for action in actions:
        service, _, name = action.partition(":")
        services.setdefault(service, set()).add(name)
    out: list[str] = []
    for service, names in sorted(services.items()):
        low, bits = every.services.get(service.lower(), (0, 0))
        known = [n.partition(":")[2] for n in every.names[low : low + bits.bit_count()]]
        out += [f"{service}:{p}" for p in _prefixes(sorted(names), known)]
    return tuple(out)


def _prefixes(names: list[str], known: list[str]) -> list[str]:
    """The names, those that are all known ones with their first words as one pattern; wildcards never split a word."""
    if len(names) == len(known):
        return ["*"]
    held = set(names)
    out: list[str] = []
    for name in names:
        if out and out[-1].endswith("*") and name.lower().startswith(out[-1][:-1].lower()):
            continue
        head = ""
        for word in _WORD.findall(name):
            head += word
            alike = [k for k in known if k.lower().startswith(head.lower())]
            if len(alike) > 1 and held.issuperset(alike):
                break
        else:
            head = ""
        out.append(f"{head}*" if head else name)
    return out


def merged(rows: Iterable[What]) -> Iterator[What]:
    """The rows service by service, those that say the same of one pattern as one, their actions as `compressed` gives them."""
    service = ""
    held: dict[tuple[object, ...], list[What]] = {}
    for row in rows:
        own = row.actions[0].partition(":")[0]
        if own != service:
            yield from _flushed(held)
            service, held = own, {}
        held.setdefault((row.resource, row.verdict, row.condition, row.reasons, row.but), []).append(row)
    yield from _flushed(held)


def _flushed(held: dict[tuple[object, ...], list[What]]) -> Iterator[What]:
    found = []
    for alike in held.values():
        actions = compressed(sorted({a for row in alike for a in row.actions}))
        found.append(replace(alike[0], actions=actions))
    yield from sorted(found, key=lambda row: (row.actions, row.resource))

"""Actions in groups that every document and every rule of two environments treats alike, and what they work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.aws.actions import resource_arn_patterns
from iamsim.aws.keys import key_row
from iamsim.aws.refusals import REFUSALS
from iamsim.aws.services import CALLS, KMS_CROSS_ACCOUNT
from iamsim.aws.universe import universe
from iamsim.env.granted import statement_bits
from iamsim.env.memo import once
from iamsim.judge.candidates import targets
from iamsim.model.pattern import Pattern
from iamsim.query.affected import bit_indices, documents_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.env.types import Environment
    from iamsim.judge.candidates import Target
    from iamsim.model.policy import Policy, Statement

SPECIAL = frozenset(
    {a.partition(":")[0] for a in KMS_CROSS_ACCOUNT}
    | {r.service for r in REFUSALS}
    | {a.partition(":")[0] for row in CALLS for a in getattr(row, "actions", ())}
    | {"iam", "sts", "kms", "s3", "elasticfilesystem", "execute-api"}
)
"""Services of which some action has a rule of its own: their actions are decided one by one."""


@dataclass(frozen=True, slots=True)
class Family:
    """Actions of one service that are decided alike but for the types of their resources.

    `shapes` are the groups of those with the same types, each with its first.
    """

    first: str
    shapes: tuple[tuple[str, ...], ...]


def families(before: Environment, after: Environment, both: Environment, bits: int) -> Iterator[Family]:
    """The known actions of a set in families: of one service, spoken of by the same statements, with the same of the keys
    that those read.
    """
    yield from once(both.memo, ("families", bits), lambda: tuple(_families((before, after), both, bits)))


def _families(envs: tuple[Environment, ...], both: Environment, bits: int) -> Iterator[Family]:
    every = universe()
    alike: dict[object, dict[object, list[str]]] = {}
    for number, (members, keys) in enumerate(_classes(envs, both, bits)):
        for index in bit_indices(members):
            name = every.names[index]
            service = name.partition(":")[0].lower()
            types = resource_arn_patterns(name)
            own = name if service in SPECIAL else None
            key = (number, service, bool(every.wildcard_only >> index & 1), _absent(name, keys), own)
            alike.setdefault(key, {}).setdefault(types, []).append(name)
    for shapes in alike.values():
        groups = tuple(tuple(names) for names in shapes.values())
        yield Family(groups[0][0], groups)


def _absent(action: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the keys that requests of the action cannot have, and how the others come to be in them."""
    lower = action.lower()
    rows = ((k, key_row(k, lower)) for k in keys)
    return tuple(f"{k} {r.got} {r.present}" for k, r in rows)


def _classes(envs: tuple[Environment, ...], both: Environment, bits: int) -> list[tuple[int, tuple[str, ...]]]:
    """The actions of a set by the statements, of any document of either side, that speak of them; with the keys that those
    read and that not all actions have alike.
    """

    def made() -> list[tuple[int, frozenset[str]]]:
        read: dict[int, set[str]] = {}
        for said, keys in _statements(envs):
            read.setdefault(said, set()).update(keys)
        return [(b, frozenset(read[b])) for b in sorted(read)]

    classes: list[tuple[int, frozenset[str]]] = [(bits, frozenset())]
    for one, keys in once(both.memo, "bits of statements", made):
        if one & bits:
            parts = ((c & one, k | keys, c & ~one, k) for c, k in classes)
            classes = [(c, k) for inside, more, outside, k0 in parts for c, k in ((inside, more), (outside, k0)) if c]
    return [(c, tuple(sorted(k))) for c, k in classes]


def _statements(envs: Iterable[Environment]) -> Iterator[tuple[int, frozenset[str]]]:
    seen: dict[int, Policy] = {}
    for env in envs:
        for policy in documents_of(env):
            if id(policy) not in seen:
                seen[id(policy)] = policy
                yield from ((statement_bits(s), frozenset(_keys(s))) for s in policy.statements)


def _keys(statement: Statement) -> Iterator[str]:
    """The keys that a statement reads, in its conditions or as policy variables, and that depend on the action."""
    names = {c.key.lower() for c in statement.conditions}
    elements = [statement.resource] if statement.resource is not None else []
    patterns = [p for e in elements for p in e.patterns if isinstance(p, Pattern)]
    names |= {v.key.lower() for p in patterns for v in p.variables}
    names |= {name.lower() for c in statement.conditions for value in c.values for name in _variables(value)}
    if any(n.startswith("aws:requesttag/") for n in names):
        names.add("aws:tagkeys")
    return (n for n in names if not n.startswith(_EVERYWHERE))


def _variables(text: str) -> Iterator[str]:
    for part in text.split("${")[1:]:
        yield part.partition("}")[0].partition(",")[0].strip()


# Keys whose presence does not depend on the action. Any other may.
_EVERYWHERE = (
    "aws:sourceip", "aws:requestedregion", "aws:securetransport", "aws:currenttime", "aws:epochtime", "aws:useragent",
    "aws:principal", "aws:userid", "aws:username", "aws:multifactorauth", "aws:tokenissuetime",
)  # fmt: skip


def targets_of(both: Environment, action: str, account: str | None, missing: str) -> tuple[Target, ...]:
    """What the action can work on for a caller of the account, made once for actions with the same resource types."""
    service = action.partition(":")[0].lower()

    def made() -> tuple[Target, ...]:
        found = targets(both, action, "*", account, any_resource=False, owner=None, closed=missing == "closed")
        # what is in a bucket is of the bucket's service: the first fields of an ARN hold no colon
        services = {p.split(":")[2] for p in resource_arn_patterns(action)}
        return tuple(t for t in found if t.holder is None or services & {"*", t.holder.arn.split(":")[2]})

    key = ("targets", action if service in SPECIAL else (service, resource_arn_patterns(action)), account)
    return once(both.memo, key, made)

"""Actions that are alike for one caller: the same statements speak of them, and AWS treats their requests alike."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info, resource_arn_patterns
from iamsim.aws.keys import key_row
from iamsim.aws.refusals import REFUSALS
from iamsim.aws.resource_policies import RESOURCE_POLICIES, region_of
from iamsim.aws.services import (
    CALLS,
    KMS_CROSS_ACCOUNT,
    ORGANIZATION_WIDE,
    OWNER_ROOT_ACTIONS,
    TRUST_ACTIONS,
    Effect,
    call_row,
)
from iamsim.aws.universe import bits_of, universe
from iamsim.env.granted import statement_bits
from iamsim.env.types import MissingPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy

_OWN = ("iam:passrole", "kms:retiregrant", "logs:createlogstream")
_OWN_PREFIXES = (*TRUST_ACTIONS, "elasticfilesystem:client", "elasticloadbalancing:")


def free_actions(caller: Caller) -> int:
    """The known actions that need no permission from `caller`, as a set of `aws.universe`."""
    bits = 0
    for row in CALLS:
        if row.effect is Effect.FREE and caller.kind in row.callers:
            for action in row.actions:
                bits |= bits_of(action)
    return bits


def alike(
    bits: int,
    policies: Iterable[Policy | MissingPolicy | None],
    caller: Caller,
    read: Callable[[str], frozenset[str]],
) -> Iterator[tuple[str, ...]]:
    """The known actions of the set `bits` in classes, each sorted, in order: no statement of `policies` and no rule of AWS
    tells two actions of a class apart. `read` gives the condition keys that are read for actions of a service.
    """
    parts = [bits] if bits else []
    for chosen in _choices(policies):
        split: list[int] = []
        for part in parts:
            split += [p for p in (part & chosen, part & ~chosen) if p]
        parts = split
    keys = {s: tuple(sorted(read(s))) for s in universe().services}
    names = universe().names
    found: list[tuple[str, ...]] = []
    for part in parts:
        groups: dict[object, list[str]] = {}
        for i in _members(part):
            groups.setdefault(_traits(names[i], caller, keys[names[i].partition(":")[0].lower()]), []).append(names[i])
        found += [tuple(g) for g in groups.values()]
    yield from sorted(found)


def _members(bits: int) -> Iterator[int]:
    text = bin(bits)[:1:-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


def _choices(policies: Iterable[Policy | MissingPolicy | None]) -> list[int]:
    """The sets of actions of which statements speak, each once."""
    out: dict[int, None] = {}
    seen: set[int] = set()
    for policy in policies:
        if policy is None or isinstance(policy, MissingPolicy) or id(policy.statements) in seen:
            continue
        seen.add(id(policy.statements))
        for statement in policy.statements:
            out[statement_bits(statement)] = None
    return list(out)


def _traits(action: str, caller: Caller, keys: tuple[str, ...]) -> object:
    """What AWS's tables say of an action, as far as it can make a difference for a request of the caller."""
    low = action.lower()
    row = call_row(low, caller.kind, caller.credentials, caller.mfa)
    rows = tuple((r.present, r.got, r.listing) for r in (key_row(k, low) for k in keys))
    return (_fixed_traits(action), None if row is None else row.id, rows)


@lru_cache(maxsize=32768)
def _fixed_traits(action: str) -> object:
    """What holds of an action whoever calls it."""
    low = action.lower()
    service = low.partition(":")[0]
    info = action_info(action)
    return (
        service,
        low if low in _OWN or low.startswith(_OWN_PREFIXES) else None,
        None if info is None else info.wildcard_only,
        resource_arn_patterns(action),
        tuple(r.id for r in REFUSALS if r.service == service and any(fnmatchcase(low, a) for a in r.actions)),
        low in KMS_CROSS_ACCOUNT,
        low in OWNER_ROOT_ACTIONS,
        low.startswith(ORGANIZATION_WIDE),
        tuple(i for i, r in enumerate(RESOURCE_POLICIES) if r.service == service and low.startswith(r.actions or "")),
        region_of("*", low),
    )

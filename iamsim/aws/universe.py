"""All known actions as one sorted list, so that patterns of actions are bit sets."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info, expand, resource_arn_patterns
from iamsim.model.pattern import match, tokenize

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Universe:
    """The known actions. `lower` is sorted; bit i of a set stands for `names[i]`.

    `wildcard_only` are the actions without resource types; `services` maps a prefix to (first bit, set of its actions).
    """

    names: tuple[str, ...]
    lower: tuple[str, ...]
    all: int
    wildcard_only: int
    services: Mapping[str, tuple[int, int]]


@lru_cache(maxsize=1)
def universe() -> Universe:
    """The universe of the installed action data, made once."""
    names = tuple(sorted(expand("*"), key=str.lower))
    lower = tuple(n.lower() for n in names)
    wildcard = 0
    services: dict[str, tuple[int, int]] = {}
    for i, name in enumerate(names):
        info = action_info(name)
        if info is not None and info.wildcard_only:
            wildcard |= 1 << i
        service = lower[i].partition(":")[0]
        low, bits = services.get(service, (i, 0))
        services[service] = (low, bits | 1 << i)
    return Universe(names, lower, (1 << len(names)) - 1, wildcard, services)


@lru_cache(maxsize=65536)
def bits_of(pattern: str) -> int:
    """The set of known actions that match `pattern`, which is in lower case."""
    every = universe()
    head = min((pattern.index(c) for c in "*?" if c in pattern), default=-1)
    if head < 0:
        at = bisect_left(every.lower, pattern)
        return 1 << at if at < len(every.lower) and every.lower[at] == pattern else 0
    low = bisect_left(every.lower, pattern[:head])
    high = bisect_left(every.lower, pattern[:head] + chr(0x10FFFF))
    if pattern[head:] == "*":
        return (1 << high) - (1 << low)
    tokens = tokenize(pattern, variables=False)
    bits = 0
    for i in range(low, high):
        if match(tokens, every.lower[i]):
            bits |= 1 << i
    return bits


@lru_cache(maxsize=1)
def shape_groups() -> tuple[tuple[int, tuple[str, ...]], ...]:
    """The known actions that have resource types by the ARN templates of these, as bit sets."""
    groups: dict[tuple[str, ...], int] = {}
    every = universe()
    for i, name in enumerate(every.names):
        if not every.wildcard_only >> i & 1:
            patterns = tuple(sorted(resource_arn_patterns(name)))
            groups[patterns] = groups.get(patterns, 0) | 1 << i
    return tuple((bits, patterns) for patterns, bits in groups.items())

"""Mappings with some values replaced or added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Overlay(Mapping[str, Any]):
    """A mapping with some values replaced or added, in the order of `base` and then of what was added."""

    __slots__ = ("base", "top")

    def __init__(self, base: Mapping[str, Any], top: Mapping[str, Any]) -> None:
        self.base = base
        self.top = top

    def __getitem__(self, key: str) -> Any:
        return self.top[key] if key in self.top else self.base[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`, or `default`."""
        return self.top[key] if key in self.top else self.base.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self.top or key in self.base

    def __iter__(self) -> Iterator[str]:
        yield from self.base
        yield from (k for k in self.top if k not in self.base)

    def __len__(self) -> int:
        return len(self.base) + sum(k not in self.base for k in self.top)

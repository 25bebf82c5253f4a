"""Mappings whose values are made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping
from typing import Any, TypeVar

V = TypeVar("V")


class Lazy(Mapping[str, V]):
    """The mapping of the keys of `raw`, in their order, to what `make` makes of their values, each made once.

    `raw` belongs to the mapping from then on, and holds no None. Two threads that ask at once get the same value. What `skim`
    makes of a value is the same but for the statements of its policies.
    """

    __slots__ = ("_made", "_make", "_raw", "_skim")

    def __init__(
        self, raw: Mapping[str, Any], make: Callable[[Any], V], skim: Callable[[Any], V] | None = None
    ) -> None:
        self._raw = raw
        self._make = make
        self._skim = skim
        self._made: dict[str, V] = {}

    def __getitem__(self, key: str) -> V:
        found = self._made.get(key)
        return found if found is not None else self._read(key, self._raw[key])

    def get(self, key: str, default: Any = None) -> Any:
        """The value for `key`, or `default` iff there is none."""
        found = self._made.get(key)
        if found is not None:
            return found
        raw = self._raw.get(key)
        return default if raw is None else self._read(key, raw)

    def _read(self, key: str, raw: Any) -> V:
        """What is made of `raw`, which is let go: it may hold a whole record, of which much is not needed again."""
        if raw is _READ:
            return self._made[key]
        found = self._made.setdefault(key, self._make(raw))
        if isinstance(self._raw, dict):
            self._raw[key] = _READ
        return found

    def __contains__(self, key: object) -> bool:
        return key in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"

    def skimmed(self) -> Iterator[tuple[str, V]]:
        """The items with policies whose statements are not read; nothing of it is kept."""
        make = self._skim or self._make
        return ((key, self._made[key] if raw is _READ else make(raw)) for key, raw in self._raw.items())


_READ = object()
"""Stands for what was read."""


class Later(Mapping[str, V]):
    """The mapping that `load` gives, which is called when something is first asked for."""

    __slots__ = ("_found", "_load")

    def __init__(self, load: Callable[[], Mapping[str, V]]) -> None:
        self._load = load
        self._found: Mapping[str, V] | None = None

    def _all(self) -> Mapping[str, V]:
        found = self._found
        if found is None:
            found = self._found = self._load()
        return found

    def __getitem__(self, key: str) -> V:
        return self._all()[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The value for `key`, or `default` iff there is none."""
        return self._all().get(key, default)

    def items(self) -> ItemsView[str, V]:
        """The keys with their values."""
        return self._all().items()

    def __contains__(self, key: object) -> bool:
        return key in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def skimmed(mapping: Mapping[str, V]) -> Iterator[tuple[str, V]]:
    """The items of `mapping`; of a lazy one without reading the statements of policies."""
    return mapping.skimmed() if isinstance(mapping, Lazy) else iter(mapping.items())

"""What was worked out for an environment and is kept with it: looked up by key, made at the first question.

Every key stands in one module. A key that begins with the `id` of an object goes with a value that holds the object, so
that the id stays its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_NOTHING = object()
_SHARED = frozenset({"ceiling", "node", "keys", "task", "managed", "as-boundary"})


def once(memo: dict[Any, Any], key: Hashable, make: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
    """What `memo` holds for `key`: `make` is called with the rest iff it holds nothing. None is a value like any other."""
    found: _T = memo.get(key, _NOTHING)
    if found is _NOTHING:
        found = memo[key] = make(*args)
    return found


class Memo(dict[Any, Any]):
    """What was worked out for a changed environment; what the changes do not touch is taken from the one before."""

    __slots__ = ("added", "moved", "parent", "resources", "trusts", "who")

    def __init__(
        self,
        parent: dict[Any, Any],
        who: frozenset[str],
        *,
        trusts: bool,
        moved: bool,
        resources: bool,
        added: bool = False,
    ) -> None:
        super().__init__()
        self.parent = parent
        self.who = who
        self.trusts = trusts
        self.moved = moved
        self.resources = resources
        self.added = added

    def get(self, key: Any, default: Any = None) -> Any:
        """The value for `key` of this environment or, where it is the same there, of the one before."""
        if dict.__contains__(self, key):
            return dict.__getitem__(self, key)
        return self.parent.get(key, default) if self._same(key) else default

    def __getitem__(self, key: Any) -> Any:
        if dict.__contains__(self, key):
            return dict.__getitem__(self, key)
        if self._same(key):
            return self.parent[key]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or (self._same(key) and key in self.parent)

    def _same(self, key: Any) -> bool:
        match key:
            case (int(), *_):
                return True
            case (str() as name, *_) if name in _SHARED:
                return True
            case ("identity" | "named" | "caller" | "assumes" | "may-do" | "possible", str() as arn, *_):
                return arn not in self.who
            case ("edges", who, *_):
                return not (self.trusts or self.moved) and getattr(who, "arn", who) not in self.who
            case "places":
                return not self.moved
            case "owners" | "outside":
                return not self.resources
            case "entities" | "tag-values" | "linked" | "solved":
                return True
            case "of-account":
                return not self.added
            case ("spared", *_):
                return not self.moved
            case ("favoured", *_):
                return not self.resources
            case ("picky", *_):
                return not self.trusts
            case "trusts":
                return not self.trusts
            case _:
                return False

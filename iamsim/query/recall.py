"""Concrete questions that differ only in their keys: what decides is worked out once, and looked up afterwards.

A decision looks at few of the given keys. Which ones it asks for, in which order, is written down while it is made: a tree whose
nodes are keys and whose branches are values. Another question of the same caller, action and resource that takes the same
branches is decided alike, for nothing else of what was given was seen. Proofs are not kept: they are made for the request itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iamsim.env.memo import once
from iamsim.errors import InternalError
from iamsim.judge.answer import Answer, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from iamsim.env.types import Environment
    from iamsim.judge.answer import Evidence

    Values = tuple[str, ...]
    Shape = tuple[str, str, str, str, bool, str | None]

_MOST = 1 << 17
"""Branches that are kept of an environment; beyond that all are forgotten."""

_ABSENT = None
_EVERYTHING = ""
"""No key has this name: what was asked for is all that is given."""


class Noted(Mapping[str, "Values"]):
    """Given keys that note which of them are looked at: each (key, values or None) once, in order."""

    __slots__ = ("given", "seen")

    def __init__(self, given: Mapping[str, Values]) -> None:
        self.given = given
        self.seen: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """The values of a key; that it was looked at is noted."""
        found = self.given.get(key)
        self.seen[key] = found
        return default if found is None else found

    def __getitem__(self, key: str) -> Values:
        self.seen[key] = self.given.get(key)
        return self.given[key]

    def __contains__(self, key: object) -> bool:
        found = self.given.get(str(key))
        self.seen[str(key)] = found
        return found is not None

    def __iter__(self) -> Iterator[str]:
        self.seen[_EVERYTHING] = frozenset(self.given.items())
        return iter(self.given)

    def __len__(self) -> int:
        self.seen[_EVERYTHING] = frozenset(self.given.items())
        return len(self.given)


@dataclass(slots=True)
class _Fork:
    """A key that was looked at, and what follows by its values."""

    key: str
    ways: dict[Any, _Fork | Answer] = field(default_factory=dict)


@dataclass(slots=True)
class _Kept:
    """What was decided, by what it depends on beside the keys, which `wholes` has by shape; `branches` is how much that is."""

    roots: dict[object, _Fork | Answer] = field(default_factory=dict)
    wholes: dict[Shape, object] = field(default_factory=dict)
    branches: int = 0


def recalled(
    env: Environment,
    shape: Shape,
    alike: Callable[[Environment, Shape], object],
    given: Mapping[str, Values],
    decide: Callable[[Mapping[str, Values]], Answer],
    notes: Callable[[Iterable[str]], list[str]],
) -> Answer:
    """The answer of `decide(given)`, which is called only if no question like it was decided before, with `notes` on all keys.

    `decide` must look at nothing else than `env`, what `alike` returns of `shape`, and the keys that it asks `given` for. The
    resource it may name in sentences, no more.
    """
    resource = shape[2]
    more = tuple(notes(given))
    kept: _Kept = once(env.memo, "recalled", _Kept)
    whole = kept.wholes.get(shape)
    if whole is None:
        if len(kept.wholes) > _MOST:
            kept.wholes.clear()
        whole = kept.wholes[shape] = alike(env, shape)
    here = kept.roots.get(whole)
    while here.__class__ is _Fork:
        here = here.ways.get(given.get(here.key) if here.key else frozenset(given.items()))
    if here is None:
        noted = Noted(given)
        answer = decide(noted)
        _keep(kept, whole, noted.seen, answer)
        return _for(answer, resource, given, lambda: answer.evidence, more)
    assert isinstance(here, Answer)
    before = here
    return _for(before, resource, given, lambda: _proof(before, resource, decide(given)), more)


def _for(
    like: Answer,
    resource: str,
    given: Mapping[str, Values],
    evidence: Callable[[], Evidence],
    notes: tuple[str, ...] = (),
) -> Answer:
    """The same answer to the question about `resource` with these keys, and with more `notes`."""
    q = like.question

    def said(sentences: tuple[str, ...]) -> tuple[str, ...]:
        return sentences if q.resource == resource else _about(resource, q.resource, sentences)

    return Answer(
        question=Question(
            principal=q.principal,
            action=q.action,
            resource=resource,
            via=q.via,
            strict=True,
            missing=q.missing,
            context=given,
        ),
        verdict=like.verdict,
        evidence=evidence,
        reasons=tuple(sorted(said(like.reasons))),
        assumptions=tuple(sorted(said(like.assumptions))),
        notes=(*said(like.notes), *notes),
        warnings=like.warnings,
        data_date=like.data_date,
    )


def _about(resource: str, other: str, sentences: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences that name `other`, now about `resource`; those about anything else are as they are."""
    if not any(other in s for s in sentences):
        return sentences
    whole = re.compile(re.escape(other) + r"(?![\w/.=+@-])")
    return tuple(whole.sub(lambda _: resource, s) for s in sentences)


def _proof(before: Answer, resource: str, found: Answer) -> Evidence:
    """The evidence of `found`, which must say the same as the answer that was recalled."""
    reasons = tuple(sorted(_about(resource, before.question.resource, before.reasons)))
    if (found.verdict, found.reasons) != (before.verdict, reasons):
        raise InternalError(
            f"a question that was decided `{before.verdict.value}` is decided `{found.verdict.value}` anew",
            {"before": repr(before), "found": repr(found)},
        )
    return found.evidence


def _keep(kept: _Kept, whole: object, seen: Mapping[str, Any], answer: Answer) -> None:
    if kept.branches > _MOST:
        kept.roots.clear()
        kept.branches = 0
    kept.branches += 1 + len(seen)
    # all that is given tells more than any key
    looks = [(_EVERYTHING, seen[_EVERYTHING])] if _EVERYTHING in seen else list(seen.items())
    ways: dict[Any, _Fork | Answer] = kept.roots
    step: Any = whole
    for key, value in looks:
        fork = ways.get(step)
        if not isinstance(fork, _Fork) or fork.key != key:
            # what is worked out once for an environment is not looked at again: the order may be another then
            fork = ways[step] = _Fork(key)
        ways, step = fork.ways, value
    ways[step] = _slim(answer)


def _slim(answer: Answer) -> Answer:
    """The answer without its proof, which holds on to all that it was decided from."""
    return _for(answer, answer.question.resource, {}, _nothing)


def _nothing() -> Evidence:
    raise InternalError("a kept answer has no proof")

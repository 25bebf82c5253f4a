"""Which managed policies of AWS are worth a try where conditions tell managed policies apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.env.memo import once
from iamsim.graph.permitted import actions_of, matching
from iamsim.model.pattern import Pattern, match, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from iamsim.env.types import Environment
    from iamsim.graph.permitted import Actions
    from iamsim.graph.world import Search

_BUNDLED = 12
_CHOICES = 40
"""Managed policies of AWS that are all considered if no more of them fit what conditions ask for."""

_EXAMPLES = 10
"""Of more than these, how many besides those that allow most."""


def bundled_for(env: Environment, action: str) -> tuple[str, ...]:
    """Managed policies of AWS that allow the action (in lower case) everywhere and always, those that say least first."""

    def made() -> tuple[str, ...]:
        wanted = frozenset({action})
        fitting = [(len(plain), arn) for arn, plain in _plain(env) if _allowed(plain, wanted)]
        return tuple(a for _, a in sorted(fitting)[:_BUNDLED])

    return once(env.memo, ("bundled-for", action), made)


def bundled_like(search: Search, texts: Sequence[str]) -> tuple[str, ...]:
    """Managed policies of AWS to choose from, where conditions ask for those like `texts`: some that fit, and those that
    between them allow most of what techniques call, of the fitting ones and of those that no condition names.
    """
    patterns = [tokenize(in_partition("aws", t), variables=False) for t in texts if t != "*"]
    fitting = [a for a, _ in _plain(search.env) if any(match(p, a) for p in patterns)]
    few = [a for a in fitting if "/aws-service-role/" not in a]
    whole = (a for a, _ in _plain(search.env) if not _is_named(patterns, a))
    some = few if len(few) <= _CHOICES else (*_widest(search, fitting), *few[:_EXAMPLES])
    return tuple(dict.fromkeys((*some, *_widest(search, whole))))


def in_partition(partition: str, arn: str) -> str:
    """The ARN with another partition: AWS has its managed policies in each."""
    head, colon, rest = arn.partition(":iam:")
    return f"arn:{partition}{colon}{rest}" if colon and head.startswith("arn:") and "*" not in head else arn


def _is_named(patterns: Iterable[Pattern], arn: str) -> bool:
    return any(p.literal is not None and match(p, arn) for p in patterns)


def _widest(search: Search, arns: Iterable[str]) -> tuple[str, ...]:
    """Those of `arns` each of which allows most of what techniques call and those before it do not."""
    among = tuple(arns)

    def made() -> tuple[tuple[str, ...], object]:
        env = search.env
        out: list[str] = []
        of = once(env.memo, (id(search.catalogue), "bundled-actions"), _by_policy, search)[0]
        left = actions_of(env, search.catalogue)
        while len(out) < _BUNDLED:
            best = max(among, key=lambda a: len(of[a] & left), default=None)
            if best is None or not of[best] & left:
                break
            out.append(best)
            left -= of[best]
        return tuple(out), search.catalogue

    return once(search.env.memo, ("widest", id(search.catalogue), among), made)[0]


def _by_policy(search: Search) -> tuple[Mapping[str, Actions], object]:
    """What techniques call that each managed policy of AWS allows, with the catalogue."""
    actions = actions_of(search.env, search.catalogue)
    return {arn: _allowed(plain, actions) for arn, plain in _plain(search.env)}, search.catalogue


def _plain(env: Environment) -> tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]:
    """The managed policies of AWS, each with the statements that allow something everywhere and always."""
    from iamsim.aws.managed import managed_policies

    return once(
        env.memo,
        "bundled",
        lambda: tuple((a, tuple(_everywhere(row["document"]))) for a, row in managed_policies().items()),
    )


def _everywhere(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for statement in _listed(document.get("Statement", [])):
        everywhere = statement.get("Resource") in ("*", ["*"])
        if statement.get("Effect") == "Allow" and everywhere and "Condition" not in statement:
            yield statement


def _allowed(statements: Iterable[Mapping[str, Any]], actions: Actions) -> Actions:
    out: set[str] = set()
    for s in statements:
        if "Action" in s:
            out |= _said(s["Action"], actions)
        elif "NotAction" in s:
            out |= actions - _said(s["NotAction"], actions)
    return frozenset(out)


def _said(value: object, actions: Actions) -> Actions:
    return frozenset[str]().union(*(matching(str(p).lower(), actions) for p in _listed(value)))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

"""The users and roles whom SCPs and RCPs tell from others: what these refuse an administrator they may not refuse to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.paths import FIXED
from iamsim.env.memo import once
from iamsim.graph.apart import ENTERING, ceilings
from iamsim.graph.candidates import plain_of
from iamsim.graph.means import LABELS, TAKEOVERS, techniques_of
from iamsim.graph.state import everyone_of
from iamsim.graph.trusts import naming_account, naming_anyone
from iamsim.model.pattern import match as fits_pattern
from iamsim.model.pattern import tokenize
from iamsim.model.policy import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Principal
    from iamsim.graph.world import Search
    from iamsim.model.pattern import Pattern
    from iamsim.model.policy import Condition


def exempt(search: Search, account: str | None) -> frozenset[str]:
    """Some users and roles of an account for each set of names and other keys of callers that conditions of SCPs and RCPs ask for:
    whoever may do everything in the account makes them all alike.
    """
    key = ("exempt", account, id(search.catalogue))
    return once(search.env.memo, key, lambda: (frozenset(_exempt(search, account)), search.catalogue))[0]


_EACH = 3
"""How many of those alike: roles first that users of the account can be let into as they stand."""


def _exempt(search: Search, account: str | None) -> Iterator[str]:
    env = search.env
    patterns, others = once(env.memo, ("told-by-ceilings", id(search.catalogue)), _told, search)[0]
    if not patterns and not others:
        return
    open_ = naming_account(env, account) | naming_anyone(env)
    seen: dict[object, int] = {}
    for arn in sorted(everyone_of(env, account), key=lambda a: (a not in open_, a)):
        own = env.principals[arn]
        fits = tuple(n for n, (key, p) in enumerate(patterns) if fits_pattern(p, _name(own, key)))
        count = seen[own.kind, fits] = seen.get((own.kind, fits), 0) + (not own.path.startswith(FIXED))
        if (fits or others) and count <= _EACH and not own.path.startswith(FIXED):
            yield arn


_NAMES = ("aws:principalarn", "aws:username", "aws:userid")
_OTHERS = (
    "aws:principaltype",
    "aws:principaltag/",
    "aws:sourceidentity",
    "aws:tokenissuetime",
    "aws:federatedprovider",
)


def _told(search: Search) -> tuple[tuple[tuple[tuple[str, Pattern], ...], bool], object]:
    """What conditions compare names of callers with, and whether some ask for what else a caller is, or a session carries."""
    patterns: dict[tuple[str, Pattern], None] = {}
    others = False
    for c in _conditions(search):
        key = c.key.lower()
        if key in _NAMES:
            patterns.update(((key, tokenize(plain_of(v), variables=False)), None) for v in c.values)
        others = others or key.startswith(_OTHERS) or key == "aws:userid"
    return (tuple(patterns), others), search.catalogue


def _conditions(search: Search) -> Iterator[Condition]:
    """The conditions on callers of statements that refuse steps to all but some of them, whatever else they ask of the request."""
    every = techniques_of(search, None, leave=(LABELS, *TAKEOVERS))
    actions = ENTERING.union(*(v.actions for t in every for v in t.variants))
    for s in ceilings(search.env, actions):
        asked = s.conditions if s is not None and s.effect is Effect.DENY else ()
        yield from (c for c in asked if c.key.lower().startswith((*_NAMES, *_OTHERS)))


def _name(principal: Principal, key: str) -> str:
    match key:
        case "aws:principalarn":
            return principal.arn
        case "aws:username":
            return principal.name
        case _:
            return principal.unique_id or ""

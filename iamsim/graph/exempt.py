"""The users and roles whom SCPs and RCPs tell by their names: what these refuse an administrator they may not refuse to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.organization import below
from iamsim.env.types import MissingPolicy
from iamsim.graph.state import everyone_of
from iamsim.model.pattern import match as fits_pattern
from iamsim.model.pattern import tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment, Principal
    from iamsim.model.pattern import Pattern


def exempt(env: Environment, account: str | None) -> frozenset[str]:
    """Users and roles of an account who fit what some condition of an SCP or RCP compares names with, one of each kind for all that
    the same conditions fit: whoever may do everything in the account makes them all alike.
    """
    return once(env.memo, ("exempt", account), lambda: frozenset(_exempt(env, account)))


def _exempt(env: Environment, account: str | None) -> Iterator[str]:
    patterns = once(env.memo, "names-in-ceilings", lambda: tuple(dict.fromkeys(_patterns(env))))
    seen: set[object] = set()
    for arn in sorted(everyone_of(env, account)) if patterns else ():
        own = env.principals[arn]
        fits = tuple(n for n, (key, p) in enumerate(patterns) if fits_pattern(p, _name(own, key)))
        if fits and (own.kind, fits) not in seen and not own.path.startswith(_FIXED):
            seen.add((own.kind, fits))
            yield arn


_FIXED = ("/aws-service-role/", "/aws-reserved/")
_KEYS = ("aws:principalarn", "aws:username", "aws:userid")


def _patterns(env: Environment) -> Iterator[tuple[str, Pattern]]:
    for organization in env.organizations:
        for node in below(organization.root):
            for policy in (*node.scps, *node.rcps):
                for s in () if isinstance(policy, MissingPolicy) else policy.statements:
                    for c in s.conditions:
                        if c.key.lower() in _KEYS:
                            yield from ((c.key.lower(), tokenize(v, variables=False)) for v in c.values)


def _name(principal: Principal, key: str) -> str:
    match key:
        case "aws:principalarn":
            return principal.arn
        case "aws:username":
            return principal.name
        case _:
            return principal.unique_id or ""

"""Names of users that make the policy variable `${aws:username}` come out as something that is there, or is asked for."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.graph.policies import every_policy
from iamsim.model.pattern import Pattern
from iamsim.model.policy import Effect, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.model.policy import Statement

MAX_NAMES = 60
"""Names of users that are tried for one environment."""

_NAME = r"[A-Za-z0-9_+=,.@-]{1,64}"
"""What a user may be called. Source: IAM User Guide, "IAM and AWS STS quotas", name requirements."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_OWN = re.compile(r":(user|mfa|sms-mfa)/(.*/)?\$\{aws:username\}$", re.IGNORECASE)
"""Patterns by which users have what is their own: of a new user there is none yet."""


def names_in_place(env: Environment, *, identity: bool) -> tuple[str, ...]:
    """The names of users for whom a statement with the variable speaks of a principal, group, policy, resource or tag that exists.

    Those of identity policies, which count for whoever can be given them, or of all others.
    """
    return once(env.memo, ("names-in-place", identity), _names_in_place, env, identity)


def _names_in_place(env: Environment, identity: bool) -> tuple[str, ...]:
    patterns, conditions = _with_variable(env, identity=identity)
    if not (patterns or conditions):
        return ()
    arns = (*env.principals, *env.groups, *env.managed_policies, *env.resources)
    tags: dict[str, set[str]] = {}
    for own in (*(p.tags for p in env.principals.values()), *(r.tags for r in env.resources.values())):
        for key, value in own:
            tags.setdefault(key.lower(), set()).add(value)
    values = {k: tuple(sorted(tags.get(k.partition("/")[2], ()))) for k, _ in conditions if "tag/" in k}
    return tuple(islice(_solved(patterns, conditions, arns, values), MAX_NAMES))


def names_asked(env: Environment, resources: Iterable[str], given: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of users for whom a statement with the variable speaks of one of the resources, or of what keys are given as."""
    found: dict[str, None] = {}
    for identity in (True, False):
        patterns, conditions = _with_variable(env, identity=identity)
        found.update(dict.fromkeys(islice(_solved(patterns, conditions, tuple(resources), given), MAX_NAMES)))
    return tuple(found)


def _solved(
    patterns: tuple[str, ...],
    conditions: tuple[tuple[str, str], ...],
    arns: tuple[str, ...],
    values: Mapping[str, tuple[str, ...]],
) -> Iterator[str]:
    found: set[str] = set()
    tries = [*((p, arns) for p in patterns), *((text, values.get(key, ())) for key, text in conditions)]
    for text, among in tries:
        pattern = solver(text, "aws:username", _NAME)
        for value in among:
            fits = pattern.fullmatch(value)
            if fits is not None and fits["value"] not in found:
                found.add(fits["value"])
                yield fits["value"]


@lru_cache(maxsize=4096)
def solver(text: str, key: str, value: str) -> re.Pattern[str]:
    """The expression that finds in a text the `value` (an expression) of the variable `key` with which the pattern fits it."""
    out, at, known = "", 0, False
    for variable in _VARIABLE.finditer(text):
        out += _plain(text[at : variable.start()])
        at = variable.end()
        if variable[1].partition(",")[0].strip().lower() == key:
            out += "(?P=value)" if known else f"(?P<value>{value})"
            known = True
        else:
            out += re.escape(variable[1]) if variable[1] in "*?$" else ".+"
    return re.compile(out + _plain(text[at:]), re.DOTALL)


def _plain(text: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in text)


def _with_variable(env: Environment, *, identity: bool) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The resource patterns and the conditions (key, value) with the variable, of identity policies or of all others."""
    return once(env.memo, ("with-username", identity), _found, env, identity)


def _found(env: Environment, identity: bool) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    patterns: set[str] = set()
    conditions: set[tuple[str, str]] = set()
    for statement in _statements(env, identity=identity):
        for p in statement.resource.patterns if statement.resource is not None else ():
            if isinstance(p, Pattern) and _reads(p.text) and not _OWN.search(p.text):
                patterns.add(p.text)
        for c in statement.conditions:
            conditions.update((c.key.lower(), v) for v in c.values if _reads(v))
    return tuple(sorted(patterns)), tuple(sorted(conditions))


def _statements(env: Environment, *, identity: bool) -> Iterator[Statement]:
    for policy in every_policy(env):
        if isinstance(policy, MissingPolicy) or (policy.kind is PolicyKind.IDENTITY) is not identity:
            continue
        yield from (s for s in policy.statements if s.effect is not Effect.DENY)


def _reads(text: str) -> bool:
    return any(v[1].partition(",")[0].strip().lower() == "aws:username" for v in _VARIABLE.finditer(text))

"""Environments that stand for more choices than can be looked at one by one: what one of these allows may be allowed there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind, changed, with_parts
from iamsim.env.versions import version_of
from iamsim.model.policy import Effect, Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.env.types import Environment, Group, MissingPolicy, Principal, Resource

TOO_MANY = "budget:too many changes that may also cost something to try them together"

_ADDS = (Kind.GAINS, Kind.JOINS)


def widest(env: Environment, plain: frozenset[Change], extra: frozenset[Change], focus: tuple[str, ...]) -> Environment:
    """The environment after `plain` in which whatever is allowed after some of `extra` as well may be allowed, nothing surely.

    What may be added is there, with what may be removed, and none of it denies. A tag that may be set has any value.
    """
    made = {c for c in extra if c.kind in _ADDS}
    made |= {Change(Kind.TAGS, c.who, f"{c.what.partition('=')[0]}=*") for c in extra if c.kind is Kind.TAGS}
    made |= {Change(Kind.DISABLED, o.id, t) for o in env.organizations for t in ("scp", "rcp") if _moves(extra)}
    there = changed(env, plain | made, focus)
    groups = {c.what for c in extra if c.kind in (Kind.JOINS, Kind.LEAVES)}
    every = (g for a in focus if a in there.principals for g in there.principals[a].groups)
    of_groups = {a: _of_group(env, there.groups[a], extra, all_=a in groups) for a in every if a in there.groups}
    of_principals = {a: _of_principal(env, there.principals[a], extra) for a in focus if a in there.principals}
    of_resources = {c.who: _of_resource(there.resources[c.who]) for c in extra if c.who in there.resources}
    out = with_parts(there, of_principals, of_groups, of_resources, there.organizations, set(of_principals))
    return replace(out, doubt=TOO_MANY)


def _moves(extra: Iterable[Change]) -> bool:
    return any(c.kind in (Kind.MOVED, Kind.LEFT, Kind.LIFTED) for c in extra)


def _of_principal(env: Environment, own: Principal, extra: frozenset[Change]) -> Principal:
    bounds = any(c.kind is Kind.BOUNDARY and c.who == own.arn for c in extra)
    arn = getattr(own.boundary, "arn", None)
    bounds = bounds or any(c.kind is Kind.SWITCHES and c.who == arn for c in extra)
    return replace(
        own, policies=_of_policies(env, own.arn, own.policies, extra), boundary=None if bounds else own.boundary
    )


def _of_group(env: Environment, group: Group, extra: frozenset[Change], *, all_: bool) -> Group:
    return replace(group, policies=_of_policies(env, group.arn, group.policies, extra, all_=all_))


def _of_policies(
    env: Environment,
    carrier: str,
    policies: tuple[Policy | MissingPolicy, ...],
    extra: frozenset[Change],
    *,
    all_: bool = False,
) -> tuple[Policy | MissingPolicy, ...]:
    chosen = {c.what for c in extra if c.who == carrier and c.kind in (Kind.GAINS, Kind.DROPS)}
    out: list[Policy | MissingPolicy] = []
    for policy in policies:
        name = policy.arn or f"inline/{getattr(policy, 'name', '')}"
        versions = [version_of(env, c.who, c.what) for c in extra if c.kind is Kind.SWITCHES and c.who == policy.arn]
        out += [_allowing(p) for p in (policy, *versions)] if all_ or versions or name in chosen else [policy]
    return tuple(out)


def _of_resource(resource: Resource) -> Resource:
    return replace(resource, policy=None if resource.policy is None else _allowing(resource.policy), tags_known=False)


def _allowing(policy: Policy | MissingPolicy) -> Policy | MissingPolicy:
    """The policy without what it denies."""
    if not isinstance(policy, Policy):
        return policy
    return replace(policy, statements=tuple(s for s in policy.statements if s.effect is not Effect.DENY))

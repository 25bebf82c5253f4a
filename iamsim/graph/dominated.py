"""Techniques that whoever may do everything in an account can use in place of any other of its principals.

A call that an administrator's own policies allow without condition is refused to it only by SCPs and RCPs. Where these ask
nothing about who calls, they refuse it to every other principal of the account as well, so that none of these can do by
such a call what the administrator cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.resource_policies import may_meet_policy, policy_required
from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.memo import Memo, once
from iamsim.env.overlay import Overlay
from iamsim.env.resource_policy import policy_holder
from iamsim.env.types import PrincipalKind
from iamsim.graph.apart import (
    ENTERING,
    favoured_by_policy,
    favoured_by_resources,
    favoured_by_trust,
    spared_by_ceilings,
)
from iamsim.graph.names import of_account
from iamsim.graph.outside import outside_roles, role_at
from iamsim.graph.trusts import entered, naming_account, naming_anyone, naming_itself, roles_for
from iamsim.graph.unbound import node_in
from iamsim.ir.term import TRUE
from iamsim.model.pattern import match

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iamsim.aws.escalations import Technique
    from iamsim.env.types import Environment, MissingPolicy, Principal
    from iamsim.graph.world import Search
    from iamsim.judge.candidates import Target
    from iamsim.model.caller import Caller
    from iamsim.model.pattern import Pattern
    from iamsim.model.policy import Policy

    _Picky = tuple[tuple[tuple[Pattern, ...] | None, frozenset[str]], ...]


def dominated(env: Environment, technique: Technique, arn: str) -> bool:
    """True only if whoever may do everything in its account can use the technique wherever the principal `arn` of it can."""
    favoured = _favoured(env, technique)
    return favoured is not None and not arn.endswith(":root") and not any(match(p, arn) for p in favoured)


def not_dominated(env: Environment, techniques: list[Technique], arn: str) -> list[Technique]:
    """Those of `techniques` (a list that is kept with the environment) that are not `dominated`."""
    about, rest, favoured = once(env.memo, (id(techniques), "dominated"), _split, env, techniques)
    if arn.endswith(":root"):
        return about
    if not any(match(p, arn) for p in favoured):
        return rest
    return [t for t in about if not dominated(env, t, arn)]


def _split(
    env: Environment, techniques: list[Technique]
) -> tuple[list[Technique], list[Technique], tuple[Pattern, ...]]:
    """The techniques, those that no principal is kept from by an administrator's means, and whom others of them favour."""
    told = {t.id: _favoured(env, t) for t in techniques}
    patterns = dict.fromkeys(p for found in told.values() for p in found or ())
    return techniques, [t for t in techniques if told[t.id] is None], tuple(patterns)


def _favoured(env: Environment, technique: Technique) -> tuple[Pattern, ...] | None:
    """The ARNs of users and roles that may use a technique where an administrator may not; None: that may be any."""
    actions = frozenset(a for v in technique.variants for a in v.actions)
    if env.endpoints or any(map(policy_required, actions)):
        return None
    by_ceilings, by_resources = spared_by_ceilings(env, actions), favoured_by_resources(env, actions)
    return None if by_ceilings is None or by_resources is None else (*by_ceilings, *by_resources)


def lets_in_alike(env: Environment, role: Principal, arn: str) -> bool:
    """True only if the role lets whoever may do everything in its account in wherever it lets in the principal `arn` of it."""
    favoured = favoured_by_trust(env, role)
    if favoured is None or env.endpoints or any(match(p, arn) for p in favoured):
        return False
    return same_ceilings(env, ENTERING, arn)


def roles_beside(env: Environment, caller: Caller, missing: str, held: set[str]) -> tuple[Principal, ...]:
    """Those of `roles_for` the user or role, `held` aside, that do not let in alike whoever may do everything in its account."""
    beside = naming_beside(env, caller)
    if beside is None:
        return tuple(r for r in roles_for(env, caller, missing) if r.arn not in held)
    outside = (a for a in outside_roles(env, missing) if a not in held)
    return entered(env, caller, set[str]().union(*(roles - held for roles in beside)), outside)


def naming_beside(env: Environment, caller: Caller) -> tuple[frozenset[str], ...] | None:
    """The loaded roles whose trust policies may let in the user or role, and not alike whoever may do everything in its account,
    in sets that are shared by those who have them in common; None: perhaps all.
    """
    arn = caller.arn or ""
    if env.endpoints or not same_ceilings(env, ENTERING, arn):
        return None
    own = frozenset(a for a in naming_itself(env, caller) if not lets_in_alike(env, role_at(env, a), arn))
    every = (*picky(env, None), *picky(env, caller.account))
    beside = (roles for favoured, roles in every if favoured is None or any(match(p, arn) for p in favoured))
    return (*((own,) if own else ()), *beside)


def asked_by(env: Environment, arn: str) -> tuple[frozenset[str], ...]:
    """The loaded roles that ask for the principal, in sets: once it may do everything, their trust policies may let it in and not
    alike whoever else may do everything in its account.
    """
    return once(env.memo, ("asked-by", arn), _asked_by, env, arn)


def asked_for(env: Environment, account: str | None) -> Mapping[frozenset[str], frozenset[str]]:
    """The loaded roles that ask for users or roles of an account, in sets as `asked_by` has them, with all for whom they ask."""
    return once(env.memo, ("asked-for", account), _asked_for, env, account)


def _asked_for(env: Environment, account: str | None) -> Mapping[frozenset[str], frozenset[str]]:
    out: dict[frozenset[str], set[str]] = {}
    for kind in PrincipalKind:
        for arn in of_account(env, kind, account):
            for roles in asked_by(env, arn):
                out.setdefault(roles, set()).add(arn)
    return {roles: frozenset(arns) for roles, arns in out.items()}


def _asked_by(env: Environment, arn: str) -> tuple[frozenset[str], ...]:
    caller = node_in(env, arn).caller
    found = naming_beside(env, caller)
    if found is None:
        return (frozenset(naming_anyone(env) | naming_itself(env, caller) | naming_account(env, caller.account)),)
    return found


def picky(env: Environment, account: str | None) -> _Picky:
    """The roles whose trust policies name the account, with None those that name everybody, by whom they favour; those that
    favour nobody left out.
    """
    return once(env.memo, ("picky", account), _picky, env, account)


def _picky(env: Environment, account: str | None) -> _Picky:
    same: dict[tuple[Pattern, ...] | None, frozenset[str]] = {}
    names = naming_anyone(env) if account is None else naming_account(env, account)
    before = env.memo.parent.get(("picky", account)) if isinstance(env.memo, Memo) else None
    if before is not None and isinstance(env.principals, Overlay):
        top = env.principals.top.keys()
        # most sets stay those of the environment before
        same = {k: v if v.isdisjoint(top) else v - top for k, v in before}
        names &= top
    more: dict[tuple[Pattern, ...] | None, set[str]] = {}
    for arn in names:
        more.setdefault(favoured_by_trust(env, env.principals[arn]), set()).add(arn)
    every = {**same, **{k: same.get(k, frozenset()) | v for k, v in more.items()}}
    return tuple((k, v) for k, v in every.items() if k != () and v)


def favoured_by_request(search: Search, targets: tuple[Target, ...]) -> tuple[Pattern, ...] | None:
    """As `favoured_on`, of the question's request."""
    action = search.action.lower()
    out: dict[Pattern, None] = {}
    for t in targets:
        holder = t.holder or (policy_holder(search.env, t.resource) if t.resource is not None else None)
        if holder is None and t.resource is None and may_meet_policy(action):
            return None
        policies = [holder.policy] if holder is not None and holder.policy is not None else []
        found = favoured_on(search, frozenset({action}), policies, t.resource)
        if found is None:
            return None
        out |= dict.fromkeys(found)
    return tuple(out)


def favoured_on(
    search: Search, actions: frozenset[str], policies: Iterable[Policy | MissingPolicy], resource: str | None
) -> tuple[Pattern, ...] | None:
    """The ARNs of users and roles to whom the actions (lower case) may be allowed, on the resource `resource` (None: some) with
    these policies, where they are not to whoever may do everything in their account, as patterns; None: perhaps to any.
    """
    ask, env = search.ask, search.env
    if ask.given or ask.when is not TRUE or ask.documents != NO_DOCUMENTS or ask.also or env.endpoints:
        return None
    found = None if any(map(policy_required, actions)) else spared_by_ceilings(env, actions, resource)
    for policy in policies if found is not None else ():
        more = favoured_by_policy(policy, actions)
        if found is None or more is None:
            return None
        found = (*found, *more)
    return found


def same_ceilings(env: Environment, actions: frozenset[str], arn: str | None) -> bool:
    """True only if SCPs and RCPs refuse the user or role an action (lower case) wherever they refuse it to another of its
    account. None stands for any of them.
    """
    if arn is not None and arn.endswith(":root"):
        return False
    found = spared_by_ceilings(env, actions)
    if found is None or (arn is None and found):
        return False
    return arn is None or not any(match(p, arn) for p in found)

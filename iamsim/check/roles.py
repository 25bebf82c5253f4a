"""Roles, boundaries and users that are of no use: nobody assumes them, they limit nobody, another does the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.aws.paths import FIXED
from iamsim.check.model import Found
from iamsim.check.outsiders import account_of, whole_account
from iamsim.check.policies import action_bits, patterns, unique
from iamsim.diagnostics import Origin
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.graph.trusts import roles_for
from iamsim.judge.answer import Verdict
from iamsim.judge.callers import caller_of
from iamsim.model.arn import parse_arn
from iamsim.model.policy import Effect, Malformed, Policy, PolicyKind
from iamsim.query.can import can
from iamsim.query.compare import narrower, narrower_in_future

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment, Principal
    from iamsim.model.policy import PrincipalEntry, Statement

_ACTIONS = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")


def find(env: Environment) -> Iterator[Found]:
    """Roles that nobody can assume, roles that do the same, boundaries without use, users that a role would replace."""
    own = [p for p in env.principals.values() if p.kind is PrincipalKind.ROLE and not p.path.startswith(FIXED)]
    for role in own:
        yield from _unassumable(env, role)
    yield from _duplicates(own)
    yield from _boundaries(env)
    for user in env.principals.values():
        if user.kind is PrincipalKind.USER:
            yield from _user(env, user)


# --- roles that nobody can assume


def _unassumable(env: Environment, role: Principal) -> Iterator[Found]:
    trust = role.trust
    if trust is None or isinstance(trust, MissingPolicy) or trust.malformed is not None:
        return
    refuted: list[str] = []
    for statement in trust.statements:
        if statement.effect is Effect.DENY:
            continue
        if statement.malformed is not None or statement.principal is None or statement.principal.negated:
            return
        for entry in statement.principal.entries:
            told = None if isinstance(entry, Malformed) else _refuted(env, role, entry)
            if told is None:
                return
            refuted.append(told)
    listed = unique(refuted)
    proof = listed[:6] + ((f"and {len(listed) - 6} more of its principals",) if len(listed) > 6 else ())
    yield Found(
        id="role-unassumable",
        message=f"nobody can assume {_short(role.arn)}",
        origin=trust.origin,
        subjects=(role.arn,),
        proof=proof or ("its trust policy allows nothing",),
    )


def _refuted(env: Environment, role: Principal, entry: PrincipalEntry) -> str | None:
    """Why the principal of a trust policy certainly cannot assume the role; None if it can, or that is not known."""
    shown = printable(entry.value)
    if entry.type == "AWS":
        return _aws_refuted(env, role, entry)
    if entry.type == "Service":
        return f"{shown}: refused" if _refused(env, role, entry.value) else None
    if entry.type == "Federated" and ":saml-provider/" in entry.value:
        return f"{shown}: no assertion of it is let in" if _refused(env, role, f"saml://{entry.value}") else None
    if entry.type == "Federated" and ":oidc-provider/" in entry.value:
        host = entry.value.partition(":oidc-provider/")[2]
        return f"{shown}: no token of it is let in" if _refused(env, role, f"oidc://{host}") else None
    return None


def _aws_refuted(env: Environment, role: Principal, entry: PrincipalEntry) -> str | None:
    shown = printable(entry.value)
    if entry.value.startswith(("AIDA", "AROA")):
        known = any(p.unique_id == entry.value.partition(":")[0] for p in env.principals.values())
        unloaded = parse_arn(role.arn)
        return None if known or unloaded is None else f"{shown}: the id of a principal that is deleted"
    account = account_of(entry)
    if account is None or account not in env.accounts:
        return None
    if whole_account(entry) is not None:
        callers = [p.arn for p in env.principals.values() if p.account == account]
        callers.append(f"{account}:root")
        everyone = all(_refused(env, role, c) for c in callers)
        return f"{shown}: none of its {len(callers) - 1} principals may" if everyone else None
    arn = parse_arn(entry.value)
    name = entry.value
    if arn is not None and arn.service == "iam" and entry.value not in env.principals:
        return f"{shown}: it does not exist"
    return f"{shown}: refused" if _refused(env, role, name) else None


def _refused(env: Environment, role: Principal, caller: str) -> bool:
    """True iff the caller certainly cannot obtain the role by any call, whatever the context."""
    action = (
        _ACTIONS[2] if caller.startswith("oidc://") else _ACTIONS[1] if caller.startswith("saml://") else _ACTIONS[0]
    )
    try:
        return can(env, caller, action, role.arn, via="direct").verdict is Verdict.NO
    except QueryError:
        return False


# --- roles that do the same


def _duplicates(roles: list[Principal]) -> Iterator[Found]:
    groups: dict[object, list[Principal]] = {}
    for role in roles:
        if isinstance(role.trust, Policy) and role.trust.malformed is None and _whole(role) is not None:
            groups.setdefault((role.account, role.trust.statements, role.tags, _signature(role)), []).append(role)
    for group in groups.values():
        first: list[Principal] = []
        for role in group:
            same = next((f for f in first if _same(f, role)), None)
            if same is None:
                first.append(role)
                continue
            yield Found(
                id="role-duplicate",
                message=f"{_short(role.arn)} does the same as {_short(same.arn)}",
                origin=role.origin,
                subjects=(role.arn, same.arn),
                proof=("their trust policies are equal", "proved: each may do what the other may"),
            )


def _whole(principal: Principal, groups: tuple[Policy | MissingPolicy, ...] = ()) -> Policy | None:
    """All identity policies of a principal as one; None if one of them is not known, or they differ in version."""
    policies = [p for p in (*principal.policies, *groups) if isinstance(p, Policy) and p.malformed is None]
    if len(policies) != len(principal.policies) + len(groups) or len({p.version for p in policies}) > 1:
        return None
    return _joined([s for p in policies for s in p.statements], policies[0].version if policies else "2012-10-17")


def _joined(statements: list[Statement], version: str) -> Policy:
    numbered = tuple(replace(s, index=i) for i, s in enumerate(statements))
    return Policy(kind=PolicyKind.IDENTITY, name="all", arn=None, version=version, statements=numbered)


def _signature(role: Principal) -> tuple[int, int]:
    """The known actions that its policies allow, and those that they deny, somewhere: equal for roles that do the same, but
    for statements that match nothing.
    """
    whole = _whole(role)
    bits = {Effect.ALLOW: 0, Effect.DENY: 0, Effect.BOTH: 0}
    for statement in whole.statements if whole is not None else ():
        bits[statement.effect] |= action_bits(statement.action)
    return bits[Effect.ALLOW], bits[Effect.DENY]


def _same(a: Principal, b: Principal) -> bool:
    """True iff it is proved that both may do the same; a boundary must be the same one."""
    if _boundary(a) != _boundary(b):
        return False
    one, other = _whole(a), _whole(b)
    if one is None or other is None:
        return False
    return one == other or (_within(one, other) and _within(other, one))


def _within(a: Policy, b: Policy) -> bool:
    return narrower(a, b).verdict is Verdict.YES and narrower_in_future(a, b).verdict is Verdict.YES


def _boundary(principal: Principal) -> str | None:
    boundary = principal.boundary
    return None if boundary is None else boundary.arn


# --- boundaries


def _boundaries(env: Environment) -> Iterator[Found]:
    used = {_boundary(p) for p in env.principals.values()} - {None}
    attached = {q.arn for p in env.principals.values() for q in p.policies}
    attached |= {q.arn for g in env.groups.values() for q in g.policies}
    for arn, policy in env.managed_policies.items():
        if ":aws:policy/" in arn or arn in used or arn in attached:
            continue
        if "boundary" in policy.name.lower() or arn in once(env.memo, "boundaries demanded", _demanded, env):
            yield Found(
                id="boundary-unused",
                message=f"the boundary `{printable(policy.name)}` limits nobody",
                origin=policy.origin,
                subjects=(arn,),
                proof=(f"none of the {len(env.principals)} users and roles has it, and it is attached to nothing",),
            )
    for principal in env.principals.values():
        yield from _idle(env, principal)


def _demanded(env: Environment) -> frozenset[str]:
    """The values that conditions on `iam:PermissionsBoundary` ask for."""
    policies = [q for p in env.principals.values() for q in p.policies if isinstance(q, Policy)]
    return frozenset(
        v
        for q in policies
        for s in q.statements
        for c in s.conditions
        if c.key.lower() == "iam:permissionsboundary"
        for v in c.values
    )


def _idle(env: Environment, principal: Principal) -> Iterator[Found]:
    boundary = principal.boundary
    if not isinstance(boundary, Policy) or boundary.malformed is not None:
        return
    own = _whole(principal, _of_groups(env, principal))
    if own is None or not own.statements or not _within(own, boundary):
        return
    yield Found(
        id="boundary-idle",
        message=f"the boundary of {_short(principal.arn)} takes nothing away",
        origin=principal.origin,
        subjects=unique((principal.arn, boundary.arn or boundary.name)),
        proof=(f"proved: `{printable(boundary.name)}` allows all that its policies do",),
    )


def _of_groups(env: Environment, principal: Principal) -> tuple[Policy | MissingPolicy, ...]:
    out: list[Policy | MissingPolicy] = []
    for arn in principal.groups:
        group = env.groups.get(arn)
        out += group.policies if group is not None else (MissingPolicy(arn, Origin("")),)
    return tuple(out)


# --- users


def _user(env: Environment, user: Principal) -> Iterator[Found]:
    """A role of the same account that the user may assume, and that may do whatever else the user may."""
    own = _whole(user, _of_groups(env, user))
    if own is None or user.boundary is not None:
        return
    rest = _joined([s for s in own.statements if not _only_assumes(s)], own.version)
    if not any(s.effect is Effect.ALLOW for s in rest.statements):
        return
    for role in roles_for(env, caller_of(env, user), "closed"):
        if role.account != user.account or role.boundary is not None:
            continue
        whole = _whole(role)
        if whole is None or not _within(rest, whole):
            continue
        answer = can(env, user.arn, _ACTIONS[0], role.arn, via="direct")
        if answer.verdict is Verdict.YES:
            yield Found(
                id="user-keys",
                message=f"{_short(user.arn)} holds what {_short(role.arn)}, which it may assume, has as well",
                origin=user.origin,
                subjects=(user.arn, role.arn),
                proof=("proved: the role may do all that the user may, taking roles apart",),
                witness=answer.witness,
            )
            return


def _only_assumes(statement: Statement) -> bool:
    action = statement.action
    if statement.effect is not Effect.ALLOW or action is None or action.negated:
        return False
    found = patterns(action)
    return len(found) == len(action.patterns) and all(p.text.lower() == "sts:assumerole" for _, p in found)


def _short(arn: str) -> str:
    return printable(arn.partition(":iam::")[2] or arn)

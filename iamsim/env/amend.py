"""Environments as they would stand after one amendment: a statement more, a statement or condition less.

What a change (see `changes`) is to an attacker, an amendment is to whoever asks what a refusal hangs on. Documents are
amended as documents, so that every evaluator reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Origin
from iamsim.env.memo import Memo
from iamsim.env.overlay import Overlay
from iamsim.env.types import MissingPolicy, OrgNode, PrincipalKind
from iamsim.model.policy import Policy, PolicyKind
from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iamsim.env.types import Environment, Principal

Attached = Policy | MissingPolicy | None


class Lack(StrEnum):
    """What is missing. `who`, `what` and `on` of an amendment are said behind each."""

    PERMISSION = "permission"  # ARN of a user or role; the action; the resource: an identity policy allows it
    BOUNDARY = "boundary"  # ARN of a user or role; the action; the resource: its permissions boundary allows it
    SCP = "scp"  # id of a node of an organization; the action; the resource: an SCP of the node allows it
    TRUST = "trust"  # role ARN; the action; `AWS ARN` or `Service NAME`: the trust policy lets it in
    GRANT = "grant"  # resource ARN; the action; `AWS ARN`: the resource policy grants it
    DENY = "deny"  # text of a statement; nothing; nothing: the Deny statement at `place` goes
    CONDITION = "condition"  # text of a statement; operator; key: this condition of the statement at `place` goes
    PROFILE = "profile"  # role ARN; nothing; nothing: an instance profile holds the role


@dataclass(frozen=True, slots=True)
class Amendment:
    """One thing that is missing. `place` is where the statement stands that would be in the way, else None."""

    lack: Lack
    who: str
    what: str = ""
    on: str = ""
    place: Origin | None = None


_NOWHERE = Origin("<what is missing>")


def amended(env: Environment, amendment: Amendment) -> Environment | None:
    """`env` with what is missing, or None if there is nothing to amend: a principal or document that is not loaded."""
    match amendment.lack:
        case Lack.DENY | Lack.CONDITION:
            return _edited(env, amendment)
        case Lack.SCP:
            return _scp(env, amendment)
        case Lack.GRANT:
            return _granted(env, amendment)
        case _:
            return _principal(env, amendment)


def _principal(env: Environment, amendment: Amendment) -> Environment | None:
    own = env.principals.get(amendment.who)
    if own is None:
        return None
    made = _of_principal(own, amendment)
    return None if made is None else _with(env, {own.arn: made}, trusts=made.trust is not own.trust)


def _of_principal(own: Principal, amendment: Amendment) -> Principal | None:
    allow = {"Effect": "Allow", "Action": amendment.what.split(","), "Resource": amendment.on}
    match amendment.lack:
        case Lack.PERMISSION:
            policy = _read(
                {"Version": "2012-10-17", "Statement": [allow]}, PolicyKind.IDENTITY, "what is missing", None
            )
            return replace(own, policies=(*own.policies, policy))
        case Lack.BOUNDARY:
            boundary = _more(own.boundary, allow)
            return None if boundary is None else replace(own, boundary=boundary)
        case Lack.TRUST:
            kind, _, name = amendment.on.partition(" ")
            actions = amendment.what.split(",")
            trust = _more(own.trust, {"Effect": "Allow", "Principal": {kind: name}, "Action": actions})
            return None if trust is None else replace(own, trust=trust)
        case _:
            if own.kind is not PrincipalKind.ROLE:
                return None
            profile = own.arn.replace(":role/", ":instance-profile/")
            return replace(own, instance_profiles=(*own.instance_profiles, profile))


def _read(document: Any, kind: PolicyKind, name: str, arn: str | None, origin: Origin = _NOWHERE) -> Policy:
    return read_policy(document, kind, name, origin, arn=arn)[0]


def _statements(policy: Policy) -> list[Any] | None:
    if not isinstance(policy.document, dict):
        return None
    raw = policy.document.get("Statement", [])
    return list(raw) if isinstance(raw, list) else [raw]


def _more(policy: Attached, statement: dict[str, Any]) -> Policy | None:
    """The policy with one more statement; None if its document cannot be read."""
    if not isinstance(policy, Policy) or policy.malformed is not None:
        return None
    before = _statements(policy)
    if before is None:
        return None
    document = {**policy.document, "Statement": [*before, statement]}
    return _read(document, policy.kind, policy.name, policy.arn, policy.origin)


def _granted(env: Environment, amendment: Amendment) -> Environment | None:
    resource = env.resources.get(amendment.who)
    if resource is None or isinstance(resource.policy, MissingPolicy):
        return None
    kind, _, name = amendment.on.partition(" ")
    on = [amendment.who, amendment.who + "/*"] if ":s3:::" in amendment.who else amendment.who
    grant = {"Effect": "Allow", "Principal": {kind: name}, "Action": amendment.what, "Resource": on}
    if resource.policy is None:
        document = {"Version": "2012-10-17", "Statement": [grant]}
        policy: Policy | None = _read(document, PolicyKind.RESOURCE, amendment.who, amendment.who)
    else:
        policy = _more(resource.policy, grant)
    if policy is None:
        return None
    resources = MappingProxyType({**env.resources, resource.arn: replace(resource, policy=policy)})
    memo = Memo(env.memo, frozenset(), trusts=False, moved=False, resources=True)
    return replace(env, resources=resources, memo=memo)


def _scp(env: Environment, amendment: Amendment) -> Environment | None:
    allow = {"Effect": "Allow", "Action": amendment.what, "Resource": "*"}
    policy = _read({"Version": "2012-10-17", "Statement": [allow]}, PolicyKind.SCP, "what is missing", None)

    def rebuilt(node: OrgNode) -> OrgNode:
        scps = (*node.scps, policy) if node.id == amendment.who else node.scps
        return replace(node, scps=scps, children=tuple(map(rebuilt, node.children)))

    organizations = tuple(replace(o, root=rebuilt(o.root)) for o in env.organizations)
    memo = Memo(env.memo, frozenset(), trusts=False, moved=True, resources=False)
    return replace(env, organizations=organizations, memo=memo)


def _with(env: Environment, principals: Mapping[str, Principal], *, trusts: bool) -> Environment:
    memo = Memo(env.memo, frozenset(principals), trusts=trusts, moved=False, resources=False)
    return replace(env, principals=Overlay(env.principals, principals), memo=memo)


def _edited(env: Environment, amendment: Amendment) -> Environment | None:
    """Without the statement or the condition, in every place where the document is used."""
    place = amendment.place
    if place is None:
        return None

    def edit(policy: Policy) -> Policy:
        here = policy.origin.source == place.source and place.pointer.startswith(policy.origin.pointer)
        return _without(policy, amendment) if here else policy

    return rewritten(env, edit)


def rewritten(env: Environment, change: Callable[[Policy], Policy]) -> Environment | None:
    """`env` with `change` made to each document, once, wherever it is used; None if all of them are as they were."""
    known: dict[int, tuple[Policy, Policy]] = {}

    def edit(policy: Attached) -> Attached:
        if not isinstance(policy, Policy):
            return policy
        if id(policy) not in known:
            known[id(policy)] = (policy, change(policy))
        return known[id(policy)][1]

    principals = {a: p for a, own in env.principals.items() if (p := _edited_principal(own, edit)) is not own}
    groups = {a: replace(g, policies=_all(g.policies, edit)) for a, g in env.groups.items()}
    resources = {a: replace(r, policy=edit(r.policy)) for a, r in env.resources.items()}
    managed = {a: new for a, p in env.managed_policies.items() if isinstance(new := edit(p), Policy)}

    def rebuilt(node: OrgNode) -> OrgNode:
        scps = tuple(p for p in map(edit, node.scps) if isinstance(p, Policy))
        rcps = tuple(p for p in map(edit, node.rcps) if isinstance(p, Policy))
        return replace(node, scps=scps, rcps=rcps, children=tuple(map(rebuilt, node.children)))

    organizations = tuple(replace(o, root=rebuilt(o.root)) for o in env.organizations)
    if not any(old is not new for old, new in known.values()):
        return None
    return replace(
        env,
        principals=Overlay(env.principals, principals),
        groups=MappingProxyType(groups),
        resources=MappingProxyType(resources),
        managed_policies=MappingProxyType(managed),
        organizations=organizations,
        memo={},
    )


def _all(policies: tuple[Policy | MissingPolicy, ...], edit: Callable[[Attached], Attached]) -> tuple[Any, ...]:
    return tuple(edit(p) for p in policies)


def _edited_principal(own: Principal, edit: Callable[[Attached], Attached]) -> Principal:
    policies, boundary, trust = _all(own.policies, edit), edit(own.boundary), edit(own.trust)
    same = all(a is b for a, b in zip(policies, own.policies, strict=True))
    if same and boundary is own.boundary and trust is own.trust:
        return own
    return replace(own, policies=policies, boundary=boundary, trust=trust)


def _without(policy: Policy, amendment: Amendment) -> Policy:
    """The policy without the statement at the place or, for a condition, with the statement lacking it."""
    from iamsim.env.hits import label_of

    body = _statements(policy)
    number = next((s.index for s in policy.statements if label_of(policy, s).origin == amendment.place), None)
    if body is None or number is None or number >= len(body):
        return policy
    if amendment.lack is Lack.DENY and len(body) > 1:
        del body[number]
    elif amendment.lack is Lack.DENY:
        # a document without any statement could not be stored
        body[number] = {"Effect": "Deny", "Action": "none:Nothing", **_head(body[number])}
    else:
        statement = dict(body[number])
        found = statement.get("Condition", {})
        kept = {
            op: _keys(keys, amendment.on) if op.lower() == amendment.what.lower() else keys
            for op, keys in found.items()
        }
        statement["Condition"] = {op: keys for op, keys in kept.items() if keys}
        if not statement["Condition"]:
            del statement["Condition"]
        body[number] = statement
    return _read({**policy.document, "Statement": body}, policy.kind, policy.name, policy.arn, policy.origin)


def _head(statement: Any) -> dict[str, Any]:
    return {k: v for k, v in statement.items() if k in ("Sid", "Principal", "NotPrincipal", "Resource", "NotResource")}


def _keys(keys: Any, left_out: str) -> dict[str, Any]:
    return {k: v for k, v in keys.items() if k != left_out}

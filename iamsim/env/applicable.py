"""What applies to a check: the layers of policies for a caller, an action and a resource, and what had to be assumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.aws.limits import Scope
from iamsim.aws.resource_policies import has_resource_policy
from iamsim.aws.services import ORGANIZATION_WIDE, OWNER_ROOT_ACTIONS, TRUST_ACTIONS, Effect, call_row, note_of
from iamsim.diagnostics import Origin
from iamsim.env.ceilings import endpoint_sides, rcp_sides, scp_sides
from iamsim.env.context import lookup_of
from iamsim.env.facts import entities, known_account, place, principal_at
from iamsim.env.hits import resource_side, side
from iamsim.env.memo import once
from iamsim.env.resource_policy import (
    doubtful_grants,
    holder_of,
    kms_grants,
    service_denies,
    service_refusals,
    unread_grant,
)
from iamsim.env.types import MissingPolicy
from iamsim.ir.decide import Hit, Layers, ResourceSide, Side, unknown_side
from iamsim.ir.term import FALSE, TRUE, Label, LabelKind, Opaque, all_of, any_of, not_
from iamsim.model.arn import parse_arn
from iamsim.model.caller import CallerKind
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from iamsim.env.facts import Facts
    from iamsim.env.types import Environment, Principal
    from iamsim.ir.bindings import Lookup
    from iamsim.model.policy import Policy

_UNSIGNED = (CallerKind.SERVICE, CallerKind.ANONYMOUS, CallerKind.WEB_IDENTITY, CallerKind.SAML)


@dataclass(frozen=True, slots=True)
class Documents:
    """Policies that come with the question: session policies (None: none passed) and endpoint policies by type."""

    session: tuple[Policy, ...] | None = None
    endpoints: tuple[tuple[str, Policy], ...] = ()


NO_DOCUMENTS = Documents()


def layers_of(facts: Facts, documents: Documents = NO_DOCUMENTS) -> tuple[Layers, tuple[str, ...]]:
    """The layers of a check and the assumptions that they rest on, each a sentence, sorted."""
    assumed: list[str] = []
    lookup = lookup_of(facts)
    caller, action = facts.caller, facts.action or "*"
    row = call_row(action, caller.kind, caller.credentials, caller.mfa)
    nothing = Side(_layer("no policy"))
    if row is not None and row.effect is Effect.REFUSED:
        return Layers(scope=None, identity=nothing, refused=row.reason), ()
    if row is not None and row.effect is Effect.FREE and not _endpoint_matters(facts, documents):
        return Layers(scope=None, identity=nothing, free=row.reason), ()
    scope = _scope(facts, assumed)
    refused, refused_unknown = service_refusals(facts, lookup, cross=None if scope is None else scope is Scope.CROSS)
    possible = _can_have_policy(facts)
    resource = _resource(facts, lookup, assumed) if possible else None
    resource = _owner_root(facts, resource)
    unread = unread_grant(facts, cross=scope is Scope.CROSS, possible=possible)
    if unread is not None:
        resource, possible = _with_unread(resource, *unread), True
    endpoints = endpoint_sides(facts, lookup, documents.endpoints, assumed)
    if row is not None and row.effect is Effect.FREE:
        passes = all_of(t for s in endpoints for t in (s.allows, not_(s.denies)))
        label = Label(LabelKind.RULE, row.reason)
        doubt = Opaque("unsupported:sts:GetCallerIdentity through a VPC endpoint that does not allow it")
        return Layers(scope=Scope.UNSIGNED, identity=nothing, doubtful=(Hit(label, any_of((passes, doubt))),)), ()
    identity = _identity(facts, lookup)
    layers = Layers(
        scope=scope,
        identity=identity,
        boundary=_boundary(facts, lookup),
        session=_session(facts, lookup, documents, assumed),
        scps=scp_sides(facts, lookup, assumed),
        rcps=rcp_sides(facts, lookup, assumed),
        resource=resource,
        endpoints=endpoints,
        service_deny=service_denies(facts, assumed),
        service_refuses=refused,
        refused_unknown=refused_unknown,
        doubtful=doubtful_grants(facts, lookup, identity),
        needs_resource_grant=_needs_resource_grant(facts),
        resource_policy_possible=possible,
        unread=unread,
        notes=tuple(n for n in (note_of(action.partition(":")[0]),) if n),
    )
    return layers, tuple(sorted(set(assumed)))


def _endpoint_matters(facts: Facts, documents: Documents) -> bool:
    return bool(documents.endpoints) or ("aws:sourcevpce" in facts.given and bool(facts.given["aws:sourcevpce"]))


def _layer(text: str, origin: Origin | None = None) -> Label:
    return Label(LabelKind.LAYER, text, origin)


def _scope(facts: Facts, assumed: list[str]) -> Scope | None:
    caller = facts.caller
    if caller.kind in _UNSIGNED:
        return Scope.UNSIGNED
    owner = caller.account if facts.resource == "*" else facts.owner
    if owner is None:
        return Scope.CROSS if facts.missing == "closed" else _ownerless(facts, assumed)
    if owner != caller.account and (_organization_wide(facts) or administers_policies(facts)):
        return Scope.SAME
    if owner == "aws":
        return Scope.SAME  # AWS managed policies: whoever may read policies may read them; writes are refused by a row
    if owner != caller.account:
        return Scope.CROSS
    return Scope.ROOT if caller.kind is CallerKind.ROOT else Scope.SAME


def _organization_wide(facts: Facts) -> bool:
    return facts.action is not None and facts.action.startswith(ORGANIZATION_WIDE)


def administers_policies(facts: Facts) -> bool:
    """Whether the call is one to Organizations by an account that is known to administer its policies. What the delegation
    policy of the management account leaves to it, no input tells.

    Source: AWS Organizations User Guide, "Delegated administrator for AWS Organizations".
    """
    if facts.action is None or not facts.action.startswith("organizations:") or facts.caller.account is None:
        return False
    found = place(facts.env, facts.caller.account)
    return found is not None and (facts.caller.account, "organizations.amazonaws.com") in found[0].delegated


def _ownerless(facts: Facts, assumed: list[str]) -> Scope | None:
    """An ARN without account whose type has no resource policies (AMIs, hosted zones): identity policies alone decide."""
    arn = parse_arn(facts.resource) if facts.resource else None
    if arn is None or arn.account or arn.service == "s3" or facts.missing == "strict" or _can_have_policy(facts):
        return None
    assumed.append(f"{facts.resource} belongs to the caller's account or is shared with it (its ARN names no account)")
    return Scope.SAME


def _is_trust(facts: Facts) -> bool:
    return facts.action is not None and facts.action.startswith(TRUST_ACTIONS)


def _is_role(resource: str | None) -> bool:
    arn = parse_arn(resource) if resource else None
    return arn is not None and arn.service == "iam" and arn.resource.startswith("role/")


def _needs_resource_grant(facts: Facts) -> bool:
    """Roles and KMS keys: identity policies count only if the resource policy lets the account decide.

    Source: AWS KMS Developer Guide, "Key policies in AWS KMS"; IAM User Guide, "How IAM roles differ from resource-based
    policies".
    """
    if _is_role(facts.resource):
        return _is_trust(facts)
    return _is_key(facts)


def _can_have_policy(facts: Facts) -> bool:
    resource = facts.resource
    if resource == "*" or _organization_wide(facts) or administers_policies(facts):
        return False
    if resource is None:
        return True
    if _is_role(resource):
        return _is_trust(facts)
    if resource in facts.env.resources and facts.env.resources[resource].policy is not None:
        return True
    return has_resource_policy(resource, facts.action or "*")


def _identity(facts: Facts, lookup: Lookup) -> Side:
    caller, env = facts.caller, facts.env
    match caller.kind:
        case CallerKind.ROOT:
            label = _layer(f"root user of {caller.account}")
            return Side(label, (Hit(label, TRUE),))
        case CallerKind.FEDERATED_USER if caller.parent is not None and caller.parent.endswith(":root"):
            label = _layer(f"root user of {caller.account}")
            return Side(label, (Hit(label, TRUE),))
        case CallerKind.USER | CallerKind.ROLE_SESSION | CallerKind.FEDERATED_USER:
            pass
        case _:
            return Side(_layer(f"{caller.kind} callers have no identity policies"))
    arn = caller.parent if caller.kind is CallerKind.FEDERATED_USER else caller.arn
    principal = principal_at(env, arn) if arn else None
    if principal is None:
        label = _layer(f"identity policies of {short(arn)}")
        if facts.missing == "closed":
            return Side(label)
        return unknown_side(label, f"missing:{arn} is not in the snapshot")
    named = once(env.memo, ("named", principal.arn), _named, principal)
    return side(facts, lookup, named, _identity_policies(facts, principal))


def _named(principal: Principal) -> Label:
    return _layer(f"identity policies of {short(principal.arn)}", principal.origin)


def _identity_policies(facts: Facts, principal: Principal) -> tuple[Policy | MissingPolicy, ...]:
    if not principal.groups:
        return principal.policies
    return once(facts.env.memo, ("identity", principal.arn), _with_groups, facts.env, principal)


def _with_groups(env: Environment, principal: Principal) -> tuple[Policy | MissingPolicy, ...]:
    policies = list(principal.policies)
    for name in principal.groups:
        group = env.groups.get(name)
        policies.extend(group.policies if group is not None else (MissingPolicy(name, principal.origin),))
    return tuple(policies)


def short(arn: str | None) -> str:
    """The ARN without the part that says nothing to a reader: `user/x`, `role/y` with the account in front."""
    parsed = parse_arn(arn) if arn else None
    if parsed is None or parsed.service != "iam":
        return arn or "nobody"
    return f"{parsed.account}:{parsed.resource}"


def _entity(facts: Facts) -> Principal | None:
    caller = facts.caller
    arn = caller.parent if caller.kind is CallerKind.FEDERATED_USER else caller.arn
    return principal_at(facts.env, arn) if arn else None


def _boundary(facts: Facts, lookup: Lookup) -> Side | None:
    if facts.caller.kind not in (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.FEDERATED_USER):
        return None
    principal = _entity(facts)
    if principal is None or principal.boundary is None:
        return None
    label = _layer(f"permissions boundary of {short(principal.arn)}", principal.boundary.origin)
    return side(facts, lookup, label, (principal.boundary,))


def _session(facts: Facts, lookup: Lookup, documents: Documents, assumed: list[str]) -> Side | None:
    caller = facts.caller
    label = _layer("session policy")
    if documents.session is not None:
        if caller.kind in (CallerKind.ROLE_SESSION, CallerKind.FEDERATED_USER) or caller.assumed_root:
            return side(facts, lookup, label, documents.session)
        assumed.append("the session policy of the question is not read: only sessions have one")
        return None
    match caller.kind:
        case CallerKind.FEDERATED_USER if facts.on_path:
            passed = _layer("session policy of one's own, which allows everything")
            return Side(passed, (Hit(passed, TRUE),))
        case CallerKind.FEDERATED_USER:
            return Side(_layer("session policy (none was passed, so a federated user has no permissions by it)"))
        case CallerKind.ROOT if caller.assumed_root:
            task = task_policy(facts)
            name = _layer("task policy of AssumeRoot")
            made = side(facts, lookup, name, (task or MissingPolicy(caller.task_policy or "task policy", Origin("")),))
            # AWS's task policies only deny what is no part of the task
            return replace(made, allow=(Hit(name, TRUE),)) if task is not None else made
        case CallerKind.ROLE_SESSION if not facts.on_path:
            if facts.missing == "strict":
                return unknown_side(label, "missing:session policies of the role session")
            assumed.append("no session policy was passed when the role session was created")
            return None
        case _:
            return None


def task_policy(facts: Facts) -> Policy | None:
    """The AWS managed policy that limits an AssumeRoot session, or None if it is not in the bundled data.

    Source: AWS STS API Reference, "AssumeRoot".
    """
    arn = facts.caller.task_policy
    return None if arn is None else task_policy_at(facts.env, arn)


def task_policy_at(env: Environment, arn: str) -> Policy | None:
    """The AWS managed policy `arn` for AssumeRoot sessions, or None if it is not in the bundled data."""
    return once(env.memo, ("task", arn), _packaged, arn)


def _packaged(arn: str) -> Policy | None:
    from iamsim.aws.managed import managed_policy

    found = managed_policy(arn)
    return None if found is None else read_policy(found[0], PolicyKind.SESSION, found[1], Origin(arn))[0]


def _resource(facts: Facts, lookup: Lookup, assumed: list[str]) -> ResourceSide | None:
    """The resource policy that governs the resource, or what is assumed in its place (semantics 0.3)."""
    resource = facts.resource
    if resource == "*":
        return None
    if _is_role(resource):
        return _trust(facts, lookup, resource or "")
    name = resource or "the resource"
    label = _layer(f"resource policy of {name}")
    holder = holder_of(facts)
    policy = holder.policy if holder is not None else None
    if holder is not None and policy is not None:
        label = _layer(f"resource policy of {holder.arn}", policy.origin)
        if isinstance(policy, MissingPolicy):
            return ResourceSide(unknown_side(label, f"missing:policy of {holder.arn}"))
        grants = kms_grants(facts, lookup, holder)
        return resource_side(facts, lookup, label, policy, entities(facts.env), grants)
    if facts.missing == "closed":
        return ResourceSide(Side(label))
    if _is_key(facts):
        return ResourceSide(unknown_side(label, f"missing:key policy of {name}"))
    if facts.owner == "aws":
        return ResourceSide(Side(label))  # what is AWS's own has no policy that customers could see
    if facts.owner is None or not known_account(facts.env, facts.owner) or facts.missing == "strict":
        return ResourceSide(unknown_side(label, f"missing:policy of {name}"))
    if holder is None:
        assumed.append(f"{name} has no resource policy (none is in the snapshot)")
    return ResourceSide(Side(label))


def _is_key(facts: Facts) -> bool:
    if facts.resource is None:
        return facts.holder is None and (facts.action or "").startswith("kms:")
    return ":kms:" in facts.resource and ":key/" in facts.resource


def _trust(facts: Facts, lookup: Lookup, resource: str) -> ResourceSide:
    role = principal_at(facts.env, resource)
    label = _layer(f"trust policy of {short(resource)}")
    if role is None or role.trust is None or isinstance(role.trust, MissingPolicy):
        if facts.missing == "closed":
            return ResourceSide(Side(label))
        return ResourceSide(unknown_side(label, f"missing:trust policy of {resource}"))
    return resource_side(facts, lookup, replace(label, origin=role.trust.origin), role.trust, entities(facts.env))


def _with_unread(resource: ResourceSide | None, kind: str, reason: str) -> ResourceSide:
    """The resource's side with a grant of class `kind` of which nothing is known."""
    label = _layer(f"grants that no input tells ({reason.partition(':')[2]})")
    known = resource or ResourceSide(Side(label))
    hit = Hit(label, Opaque(reason))
    if kind == "direct":
        return replace(known, direct=(*known.direct, hit))
    return replace(known, account=(*known.account, hit))


def _owner_root(facts: Facts, resource: ResourceSide | None) -> ResourceSide | None:
    """The owner account's root user can always repair the policy of a bucket or a queue."""
    caller = facts.caller
    if resource is None or facts.action not in OWNER_ROOT_ACTIONS:
        return resource
    if caller.kind is not CallerKind.ROOT or caller.account != facts.owner:
        return resource
    return replace(resource, side=replace(resource.side, deny=(), unknown=FALSE))

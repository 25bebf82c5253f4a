"""A decided check as plain JSON data: what the independent evaluator in replay.py is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import rcp_services
from iamsim.aws.keys import ALWAYS_PRESENT, key_row
from iamsim.aws.limits import Scope
from iamsim.aws.services import TRUST_ACTIONS
from iamsim.env.applicable import administers_policies, task_policy
from iamsim.env.context import clock_text
from iamsim.env.facts import entities, place, principal_at
from iamsim.env.memo import once
from iamsim.env.resource_policy import holder_of, partition_of, provider_at, restricts
from iamsim.env.types import MissingPolicy
from iamsim.ir.bindings import Alias, Ambivalent, Cases, Known, Prefixed, Unknowable
from iamsim.ir.conditions import condition_term
from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import variables
from iamsim.judge.axioms import hint_of
from iamsim.model.caller import CallerKind, Credentials
from iamsim.model.json_text import read_document_text
from iamsim.model.pattern import Pattern, Variable, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iamsim.env.facts import Facts
    from iamsim.env.types import Environment
    from iamsim.ir.bindings import Binding
    from iamsim.judge.check import Check
    from iamsim.model.policy import Policy

Assignment = "Mapping[str, tuple[str, ...]]"
_UNSIGNED = (CallerKind.SERVICE, CallerKind.ANONYMOUS, CallerKind.WEB_IDENTITY, CallerKind.SAML)
_BASIC = ("aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:username", "aws:userid")


def policies_of(check: Check) -> dict[str, Any]:
    """The policies that apply to the check by role, as Policy objects: identity, boundary, session, scp, rcp, …"""
    facts = check.facts
    env, caller = facts.env, facts.caller
    arn = caller.parent if caller.kind is CallerKind.FEDERATED_USER else caller.arn
    principal = principal_at(env, arn) if arn and caller.kind not in _UNSIGNED else None
    identity: list[Policy | MissingPolicy] = []
    boundary: Policy | MissingPolicy | None = None
    if principal is not None:
        identity = list(principal.policies)
        for name in principal.groups:
            group = env.groups.get(name)
            identity += group.policies if group is not None else (MissingPolicy(name, principal.origin),)
        boundary = principal.boundary
    elif caller.arn is not None and caller.kind in (CallerKind.USER, CallerKind.ROLE_SESSION):
        identity = [] if facts.missing == "closed" else [MissingPolicy(caller.arn, _nowhere())]
    return {
        "identity": identity,
        "boundary": boundary,
        "session": _session(check),
        "scp": _scps(facts),
        "rcp": _rcps(facts),
        "resource": _resource(facts),
        "endpoint": _endpoint(check),
    }


def _session(check: Check) -> list[Policy | MissingPolicy] | None:
    if check.documents.session is not None:
        return list(check.documents.session)
    unseen = check.facts.caller.kind is CallerKind.ROLE_SESSION and not check.facts.on_path
    if unseen and check.facts.missing == "strict":
        return [MissingPolicy("session policies", _nowhere())]
    if check.facts.caller.kind is CallerKind.FEDERATED_USER and check.facts.on_path:
        return []
    if check.facts.caller.assumed_root:
        return [task_policy(check.facts) or MissingPolicy(check.facts.caller.task_policy or "task policy", _nowhere())]
    return None


def _task_allow(check: Check) -> list[Any]:
    """AWS's task policies only deny, so the allow of an AssumeRoot session is stated here; likewise what who asks for a
    federated user passes.
    """
    if check.facts.caller.kind is CallerKind.FEDERATED_USER and check.facts.on_path:
        return [{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}]
    if not check.facts.caller.assumed_root or task_policy(check.facts) is None:
        return []
    return [{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}]


def _nowhere() -> Any:
    from iamsim.diagnostics import Origin

    return Origin("")


def _scps(facts: Facts) -> list[list[Policy | MissingPolicy]] | None:
    caller = facts.caller
    if caller.kind in _UNSIGNED or caller.account is None:
        return None
    found = place(facts.env, caller.account)
    if found is None and facts.missing == "strict":
        return [[MissingPolicy("organization", _nowhere())]]
    if found is None or not found[0].scps_enabled or found[0].management_account == caller.account:
        return None
    closed = facts.missing == "closed"
    return [list(n.scps) or ([] if closed else [MissingPolicy(f"SCPs of {n.id}", n.origin)]) for n in found[1]]


def _rcps(facts: Facts) -> list[list[Policy | MissingPolicy]] | None:
    owner = facts.caller.account if facts.resource == "*" else facts.owner
    service = (facts.action or "").partition(":")[0]
    found = place(facts.env, owner) if owner else None
    if found is None and facts.missing == "strict" and service in rcp_services():
        return [[MissingPolicy("organization", _nowhere())]]
    if found is None or service not in rcp_services() or found[0].management_account == owner:
        return None
    return [[p for p in node.rcps if p.name != "RCPFullAWSAccess"] for node in found[1]]


def _resource(facts: Facts) -> Policy | MissingPolicy | None:
    resource = facts.resource
    if resource == "*":
        return None
    if resource is not None and facts.action is not None and facts.action.startswith(TRUST_ACTIONS):
        role = principal_at(facts.env, resource)
        return role.trust if role is not None else None
    holder = holder_of(facts)
    return holder.policy if holder is not None else None


def _endpoint(check: Check) -> tuple[str, Policy | MissingPolicy] | None:
    if check.documents.endpoints:
        return check.documents.endpoints[0]
    passed = check.facts.given.get("aws:sourcevpce")
    endpoint = check.facts.env.endpoints.get(passed[0]) if passed else None
    if passed and check.facts.missing == "strict" and (endpoint is None or not endpoint.policy_known):
        unsigned = check.facts.caller.kind is CallerKind.SERVICE
        return None if unsigned else ("interface", MissingPolicy("endpoint policy", _nowhere()))
    if endpoint is None or endpoint.policy is None:
        return None
    return endpoint.type, endpoint.policy


def keys_read(env: Environment, policies: Iterable[Policy | MissingPolicy | None]) -> set[str]:
    """The condition keys, in lower case, that some statement of `policies` reads."""
    out: set[str] = set()
    for policy in policies:
        if policy is None or isinstance(policy, MissingPolicy):
            continue
        out |= once(env.memo, ("keys", id(policy)), _keys, policy)[0]
    return out


def _keys(policy: Policy) -> tuple[frozenset[str], Policy]:
    """The keys, with the policy whose id is in the key of the memo."""
    out: set[str] = set()
    for statement in policy.statements:
        for condition in statement.conditions:
            out.add(condition.key.lower())
            out |= variables(condition_term(condition, variables=policy.variables))
            for value in condition.values if policy.variables else ():
                out |= {p.key for p in tokenize(value).parts if isinstance(p, Variable)}
        if statement.resource is not None:
            for pattern in statement.resource.patterns:
                if isinstance(pattern, Pattern):
                    out |= {p.key for p in pattern.parts if isinstance(p, Variable)}
    return frozenset(out), policy


def flat(policies: Mapping[str, Any]) -> list[Policy | MissingPolicy | None]:
    """All policies of `policies_of` in one list."""
    out: list[Policy | MissingPolicy | None] = [*policies["identity"], policies["boundary"], policies["resource"]]
    out += policies["session"] or []
    for levels in (policies["scp"], policies["rcp"]):
        for level in levels or []:
            out += level
    if policies["endpoint"] is not None:
        out.append(policies["endpoint"][1])
    return out


def resolve(binding: Binding, assignment: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | str:
    """The values that a binding has under an assignment, or the reason for which they cannot be known."""
    match binding:
        case Known(values):
            return values
        case Alias(var):
            return assignment.get(var, ())
        case Prefixed(prefix, var):
            return (prefix + (assignment.get(var) or hint_of(var).samples or ("x",))[0],)
        case Cases(test, then, other):
            return resolve(then if evaluate(test, assignment) else other, assignment)
        case Ambivalent(first, _, reason):
            return f"ambivalent:{reason}" if reason == "X15" else resolve(first, assignment)
        case Unknowable(reason):
            return reason


def context_of(
    check: Check, keys: Iterable[str], assignment: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, tuple[str, ...]], list[str], list[str]]:
    """The request context as far as `keys` go: (values by lower-case key, keys that cannot be known, ambivalent keys)."""
    context: dict[str, tuple[str, ...]] = {}
    unknown: list[str] = []
    ambivalent: list[str] = []
    wanted = {*keys, *_BASIC, *check.facts.given}
    wanted -= {"resource", "action", "session"}
    if "aws:sourceip" in wanted:
        wanted.add("aws:sourcevpce")
    for key in sorted(wanted):
        found = resolve(check.lookup(key), assignment)
        if isinstance(found, str):
            (ambivalent if found.startswith("ambivalent:X15") else unknown).append(key)
        elif found:
            context[key] = found
        elif key in ALWAYS_PRESENT and key not in check.facts.given and isinstance(check.lookup(key), Alias):
            sample = "aws:currenttime" if key == "aws:epochtime" else key
            context[key] = hint_of(sample).samples[:1] or ("x",)
    if "aws:epochtime" in context and "aws:epochtime" not in check.facts.given:
        now = context["aws:epochtime"] if "aws:currenttime" not in context else context["aws:currenttime"]
        context["aws:epochtime"] = tuple(clock_text("aws:epochtime", t) for t in now)
    _network(check, wanted, context)
    return context, unknown, ambivalent


def _network(check: Check, wanted: set[str], context: dict[str, tuple[str, ...]]) -> None:
    """A direct request has exactly one way in; where nothing depends on it, the public endpoint."""
    facts = check.facts
    if "aws:sourceip" not in wanted or "aws:sourceip" in context or "aws:sourcevpce" in context:
        return
    free = isinstance(check.lookup("aws:sourceip"), Alias) and "aws:sourcevpce" not in facts.given
    if free and context.get("aws:viaawsservice") != ("true",):
        context["aws:sourceip"] = hint_of("aws:sourceip").samples[:1]


def replay_problem(check: Check, assignment: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The input of `replay.check` for this check under an assignment of its free keys."""
    facts = check.facts
    policies = policies_of(check)
    keys = keys_read(facts.env, flat(policies))
    keys |= {k for k, _ in facts.caller.claims}
    holder = holder_of(facts)
    if holder is not None and holder.kms_grants:
        keys |= {k for k in check.facts.given if k.startswith("kms:")} | _constrained(holder.kms_grants)
    context, unknown, ambivalent = context_of(check, keys, assignment)
    resource = facts.resource or (assignment.get(facts.resource_name) or ("*",))[0]
    return {
        "caller": _caller(facts, assignment),
        "action": facts.action or (assignment.get("action") or ("x:y",))[0],
        "resource": resource,
        "owner": _owner(check, resource),
        "context": {k: list(v) for k, v in context.items()},
        "multivalued": sorted(k for k in keys if key_row(k, None).multivalued),
        "unknown_keys": unknown,
        "ambivalent": ambivalent,
        "given": sorted({*facts.given, *facts.carried}),
        "facts": {
            "entities": entities(facts.env),
            "audiences": _audiences(facts),
            "partition": partition_of(facts),
            "administers": administers_policies(facts),
        },
        "policies": _documents(check, policies),
    }


def _constrained(grants: Iterable[Any]) -> set[str]:
    """The condition keys that constraints of KMS grants read."""
    out: set[str] = set()
    for grant in grants:
        pairs = (*grant.encryption_context_subset, *grant.encryption_context_equals)
        out |= {f"kms:encryptioncontext:{name.lower()}" for name, _ in pairs}
        out |= {"aws:sourcearn"} if grant.source_arn else set()
    return out


def _audiences(facts: Facts) -> list[str] | None:
    provider = provider_at(facts.env, facts.caller.provider or "")
    known = provider is not None and facts.caller.kind is CallerKind.WEB_IDENTITY and provider.client_ids is not None
    return list(provider.client_ids or ()) if provider is not None and known else None


def _owner(check: Check, resource: str) -> str | None:
    facts = check.facts
    if resource == "*":
        return facts.caller.account
    if facts.owner is None and check.layers.scope is Scope.SAME:
        return facts.caller.account
    return "nobody" if facts.owner is None and facts.missing == "closed" else facts.owner


def _documents(check: Check, policies: Mapping[str, Any]) -> dict[str, Any]:
    facts = check.facts
    holder = holder_of(facts)
    endpoint = policies["endpoint"]
    return {
        "identity": [_raw(p) for p in policies["identity"]],
        "boundary": _raw(policies["boundary"]),
        "session": None if policies["session"] is None else [_raw(p) for p in policies["session"]] + _task_allow(check),
        "scp": _levels(policies["scp"]),
        "rcp": _levels(policies["rcp"]),
        "resource": _resource_document(check, policies["resource"]),
        "resource_kind": _kind(check),
        "unread": check.layers.unread,
        "endpoint": _raw(endpoint[1]) if endpoint else None,
        "endpoint_type": endpoint[0] if endpoint else "interface",
        "kms_grants": [_grant(g) for g in (holder.kms_grants or ())] if holder is not None else [],
        "restrict_public_buckets": _public_setting(facts),
    }


def _resource_document(check: Check, policy: Policy | MissingPolicy | None) -> Any:
    side = check.layers.resource
    if policy is None and side is not None and side.side.unknown.__class__.__name__ == "Opaque":
        return {"iamsim:missing": "resource policy"}
    return _raw(policy)


def _public_setting(facts: Facts) -> bool | None:
    holder = holder_of(facts)
    setting = restricts(facts.env, holder) if holder is not None else False
    return None if setting is None and facts.missing == "strict" else bool(setting)


def _levels(levels: list[list[Policy | MissingPolicy]] | None) -> list[list[Any]] | None:
    return None if levels is None else [[_raw(p) for p in level] for level in levels]


def _raw(policy: Policy | MissingPolicy | None) -> Any:
    if policy is None:
        return None
    if isinstance(policy, MissingPolicy):
        return {"iamsim:missing": policy.arn}
    if policy.malformed is not None and policy.document is None:
        return []  # no policy at all, of whatever text
    if isinstance(policy.document, str):
        return read_document_text(policy.document)[0]
    return policy.document


def _grant(grant: Any) -> dict[str, Any]:
    constraints: dict[str, Any] = {}
    if grant.encryption_context_subset:
        constraints["EncryptionContextSubset"] = dict(grant.encryption_context_subset)
    if grant.encryption_context_equals:
        constraints["EncryptionContextEquals"] = dict(grant.encryption_context_equals)
    if grant.source_arn:
        constraints["SourceArn"] = grant.source_arn
    return {"grantee": grant.grantee, "operations": list(grant.operations), "constraints": constraints}


def _kind(check: Check) -> str:
    if not check.layers.resource_policy_possible:
        return "none"
    resource = check.facts.resource or ""
    if ":role/" in resource and ":iam:" in resource:
        return "trust"
    return "key" if ":kms:" in resource and ":key/" in resource else "resource"


def _caller(facts: Facts, assignment: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    caller = facts.caller
    arn = caller.arn
    parent = caller.parent
    if caller.kind is CallerKind.ROLE_SESSION:
        name = caller.session or session_name(facts, assignment)
        arn = f"arn:{caller.partition}:sts::{caller.account}:assumed-role/{caller.name}/{name}"
        parent = caller.arn
    return {
        "kind": caller.kind.value,
        "arn": arn,
        "parent": parent,
        "account": caller.account,
        "unique_id": caller.unique_id,
        "service_names": list(caller.services),
        "provider": caller.provider,
        "credentials": _credentials(facts),
        "assumed_root": caller.assumed_root,
        "service_linked": caller.service_linked,
        "transitive": list(caller.transitive),
    }


def session_name(facts: Facts, assignment: Mapping[str, tuple[str, ...]]) -> str:
    """The session name that the assignment chooses, else a plausible one."""
    return (assignment.get(facts.session or "session") or ("iamsim",))[0]


def _credentials(facts: Facts) -> str:
    caller = facts.caller
    if caller.kind in _UNSIGNED:
        return "none"
    if caller.kind not in (CallerKind.USER, CallerKind.ROOT):
        return "session"
    if caller.credentials is Credentials.SESSION_TOKEN:
        return "session-token-mfa" if caller.mfa else "session-token"
    return "long-term"

"""What must hold besides permissions for a technique to work: each precondition of the catalogue as a term."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info
from iamsim.aws.paths import FIXED
from iamsim.aws.service_sessions import passing_of
from iamsim.env.facts import place
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.graph.hops import passed_terms
from iamsim.graph.service_roles import ACROSS, active, linked
from iamsim.graph.sources import filled as filled  # noqa: PLC0414 - firing and takeover take it from here
from iamsim.graph.sources import source_term, ways_of
from iamsim.graph.world import short
from iamsim.ir.bounds import may
from iamsim.ir.lower import RESOURCE
from iamsim.ir.term import FALSE, TRUE, Like, Opaque, Present, Term, all_of, any_of, variables
from iamsim.judge.callers import caller_of
from iamsim.judge.candidates import Target
from iamsim.judge.check import Check, check_of
from iamsim.judge.judge import facts_of
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.pattern import Literal, Pattern, Star, Variable
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.aws.escalations import Call, Precondition
    from iamsim.env.types import Environment, Principal
    from iamsim.graph.world import Node, Search

SERVICES_OF_STANDING = {
    "management account or the delegated administrator for IAM Identity Center": "sso.amazonaws.com",
    "management account or a delegated administrator for stack sets": "member.org.stacksets.cloudformation.amazonaws.com",
    "management account or the delegated administrator for IAM": "iam.amazonaws.com",
    "management account or a delegated policy administrator": "organizations.amazonaws.com",
}
"""The service principal of a delegated administrator. Source: AWS Organizations User Guide, "AWS services that you can
use with AWS Organizations"."""

DELEGABLE = frozenset(SERVICES_OF_STANDING.values()) - {"organizations.amazonaws.com"}
"""Those for which an account is registered; policies are delegated by a policy of the organization."""


_MOST_VERSIONS = 5


@dataclass(frozen=True, slots=True)
class Held:
    """A precondition in one case: when it holds, the contexts of the checks it came to, and what was assumed."""

    term: Term
    checks: tuple[Check, ...] = ()
    assumed: str = ""


HOLDS, FAILS = Held(TRUE), Held(FALSE)


def holds(search: Search, env: Environment, node: Node, condition: Precondition, bound: Mapping[str, str],
          calls: tuple[Call, ...] | None = None) -> Held:  # fmt: skip
    """When the precondition holds for `node` with the names of the technique bound as `bound`, in `env`.

    `calls` are those of the technique; None: of all techniques that demand the same.
    """
    said = _said(search, condition, bound)
    if said is not None:
        return Held(TRUE, (), f"{_sentence(condition, bound)} (as you said)") if said else FAILS
    if any(v in bound and _gone(env, bound[v]) for _, values in condition.fields for v in values):
        return FAILS
    match condition.fact:
        case "self-is":
            return _bool((node.caller.kind is CallerKind.USER) == (condition.get("what") == "user"))
        case "role-modifiable":
            return _bool(not _role(env, bound, condition).path.startswith(FIXED))
        case "role-is-permission-set" | "role-is-stack-set-execution":
            return _bool(ACROSS[condition.fact](_role(env, bound, condition)))
        case "instance-profile":
            return _bool(bool(_role(env, bound, condition).instance_profiles))
        case "role-trusts-service":
            ways = ways_of(search, condition) if calls is None else (calls,)
            return _service(search, env, node, condition, bound, ways)
        case "role-trusts-federated":
            return _federated(search, env, condition, bound)
        case "role-admits":
            return _admits(search, env, condition, bound)
        case "role-allows":
            return _allows(search, env, condition, bound)
        case "caller-in":
            return _standing(search, env, node, condition.get("where"))
        case "has-boundary":
            return _bool(_principal(env, bound, condition, "principal").boundary is not None)
        case "policy-has-other-version":
            return _versions(env, bound[condition.get("policy")])
        case "policy-version-slot-free":
            return _slot(search, env, node, bound[condition.get("policy")], _sentence(condition, bound))
        case "service-active":
            return _bool(active(env, condition.get("service")))
        case "service-linked-role":
            return _bool(linked(env, node.caller.account, condition.get("service")))
        case "provider-gone":
            return _provider_gone(env, bound[condition.get("provider")])
        case "policy-may-grant":
            what = short(bound[condition.get("resource")])
            return Held(Opaque(f"unsupported:AWS does not document which actions the policy of {what} may grant"))
        case "caller-holds-token":
            return FAILS  # an AWS principal holds none; the holder of a token starts with it
        case _ if condition.assumed and _runs_as_new(search.env, condition, bound):
            return FAILS
        case _ if condition.assumed:
            return Held(TRUE, (), _sentence(condition, bound))
        case _:
            return HOLDS  # what the enumeration of bindings has seen to


def _said(search: Search, condition: Precondition, bound: Mapping[str, str]) -> bool | None:
    """Whether the user says that the precondition holds; None: nothing was said of it.

    Its subjects are what its names are bound to; of one that stands for something unseen it is the type.
    """
    names = (v for _, values in condition.fields for v in values if v.startswith("$"))
    said = search.ruling.says(condition.fact, [bound.get(v, v.partition("-")[2]) for v in names])
    return not said if said is not None and condition.get("present") == "false" else said


def _runs_as_new(env: Environment, condition: Precondition, bound: Mapping[str, str]) -> bool:
    """Whether something would have to run as a role of a loaded account that does not exist yet."""
    roles = (bound[v] for name, values in condition.fields if name == "runs_as" for v in values if v in bound)
    return any(r not in env.principals and r.count(":") > _ACCOUNT and r.split(":")[4] in env.accounts for r in roles)


def _provider_gone(env: Environment, provider: str) -> Held:
    """Whether the account holds no identity provider of that ARN, which deleted ones that trust policies still name do not have."""
    if provider in env.providers:
        return FAILS
    fields = provider.split(":")
    known = len(fields) > _ACCOUNT and fields[_ACCOUNT] in env.providers_known
    return HOLDS if known else Held(Opaque(f"missing:whether {short(provider)} exists"))


_ACCOUNT = 4
"""The field of an ARN that says the account."""


def _gone(env: Environment, arn: str) -> bool:
    return ":iam:" in arn and (":role/" in arn or ":user/" in arn) and arn not in env.principals


def _bool(value: bool) -> Held:
    return HOLDS if value else FAILS


def _role(env: Environment, bound: Mapping[str, str], condition: Precondition) -> Principal:
    return _principal(env, bound, condition, "role")


def _principal(env: Environment, bound: Mapping[str, str], condition: Precondition, field: str) -> Principal:
    return env.principals[bound[condition.get(field)]]


def _sentence(condition: Precondition, bound: Mapping[str, str]) -> str:
    words = condition.fact.replace("-", " ")
    about = [_named(v, bound) for name, values in condition.fields for v in values if name != "present"]
    if condition.get("present") == "false":
        words += " absent"
    return f"{words}: {', '.join(about)}" if about else words


def _named(name: str, bound: Mapping[str, str]) -> str:
    """What a name of a technique stands for: the resource part of an ARN, or, where nothing is bound to it, some such thing."""
    value = bound.get(name, name)
    return f"some {value.partition('-')[2]}" if value.startswith("$") else short(value)


def service_term(search: Search, env: Environment, account: str, role: str, service: str,
                 actions: tuple[str, ...]) -> Held:  # fmt: skip
    """When the trust policy of `role` admits the service for a resource of `account`, for all of `actions`.

    Source: IAM User Guide, "Grant a user permissions to pass a role to an AWS service".
    """

    def made() -> Held:
        caller = Caller(kind=CallerKind.SERVICE, services=(service,))
        target = Target(role, env.principals[role].account)
        checks = []
        for n, action in enumerate(actions):
            facts = facts_of(search.ask, caller, action, target)
            given = {"aws:sourceaccount": (account,)}
            part = f"@{n}|" if n else ""
            checks.append(check_of(replace(facts, env=env, given=given, hop="service|", part=part, ever=True)))
        term = all_of(c.authorization.allowed for c in checks)
        return Held(_passed(term, checks[0], service), tuple(checks))

    key = ("service-trust", account, role, service, actions, search.ask.missing, search.ask.ever)
    return once(env.memo, key, made)


def _passed(term: Term, check: Check, service: str) -> Term:
    """`term` with what the service passes, where that is read."""
    passing = passing_of((service,))
    if term in (TRUE, FALSE) or passing is None:
        return term
    names = {v.partition("/")[2] for v in variables(term) if "aws:requesttag/" in v}
    return all_of((term, *passed_terms(passing, check.lookup, sorted(names))))


def _service(
    search: Search,
    env: Environment,
    node: Node,
    condition: Precondition,
    bound: Mapping[str, str],
    ways: tuple[tuple[Call, ...], ...],
) -> Held:
    role = bound[condition.get("role")]
    actions = condition.all("actions") or ("sts:AssumeRole",)
    account = env.principals[role].account
    held = service_term(search, env, account, role, condition.get("service"), actions)
    if held.term in (TRUE, FALSE):
        return held
    place = (node.caller.partition, account)
    source = source_term(search, condition, bound, ways, place, held.term, "service|aws:sourcearn")
    return replace(held, term=all_of((held.term, source)))


def _federated(search: Search, env: Environment, condition: Precondition, bound: Mapping[str, str]) -> Held:
    """When some token of the provider lets its holder in, whatever its claims."""
    role = env.principals[bound[condition.get("role")]]
    action = condition.get("action") or "sts:AssumeRoleWithWebIdentity"
    name = condition.get("provider")
    held = [
        _token(search, env, role, provider, action)
        for provider in providers_of(role)
        if provider == bound.get(name) or _kind_fits(provider, name)
    ]
    tokens = Held(any_of(h.term for h in held), tuple(c for h in held for c in h.checks))
    pool = condition.get("pool")
    return replace(tokens, term=all_of((tokens.term, _of_pool(pool)))) if pool else tokens


def _of_pool(pool: str) -> Term:
    """That the audience of the token is the identity pool of the calls.

    Source: Amazon Cognito Developer Guide, "Using role-based access control"; Service Authorization Reference, identitypool.
    """
    audience = "token|cognito-identity.amazonaws.com:aud"
    named = Pattern("", (Star(), Literal(":identitypool/"), Variable(audience)))
    return all_of((Present(audience), Like(f"{pool}|{RESOURCE}", named)))


def providers_of(role: Principal) -> tuple[str, ...]:
    """The federated principals that Allow statements of the role's trust policy name."""
    if role.trust is None or isinstance(role.trust, MissingPolicy):
        return ()
    entries = [
        e
        for s in role.trust.statements
        if s.effect is not Effect.DENY and s.principal is not None and not s.principal.negated
        for e in s.principal.entries
    ]
    return tuple(sorted({e.value for e in entries if not isinstance(e, Malformed) and e.type == "Federated"}))


def _kind_fits(provider: str, name: str) -> bool:
    match name:
        case "$eks-oidc-provider":
            return ":oidc-provider/oidc.eks." in provider
        case "$oidc-provider":
            return ":oidc-provider/" in provider
        case _:
            return provider == name


def _token(search: Search, env: Environment, role: Principal, provider: str, action: str) -> Held:
    def made() -> Held:
        saml = action.lower().endswith("saml")
        caller = Caller(kind=CallerKind.SAML if saml else CallerKind.WEB_IDENTITY, provider=provider)
        facts = facts_of(search.ask, caller, action, Target(role.arn, role.account))
        check = check_of(replace(facts, env=env, given={}, hop="token|", ever=True))
        return Held(check.authorization.allowed, (check,))

    return once(env.memo, ("token", role.arn, provider, action, search.ask.missing), made)


def _admits(search: Search, env: Environment, condition: Precondition, bound: Mapping[str, str]) -> Held:
    """When sessions of the other role, of which the service makes use, may assume the role."""
    role, by = _role(env, bound, condition), _principal(env, bound, condition, "by")
    facts = facts_of(search.ask, caller_of(env, by), "sts:AssumeRole", Target(role.arn, role.account))
    check = check_of(replace(facts, env=env, given={}, hop="agent|", on_path=True, ever=True))
    return Held(check.authorization.allowed, (check,))


def _allows(search: Search, env: Environment, condition: Precondition, bound: Mapping[str, str]) -> Held:
    """When some session of the role may do all of the actions on some resource of its account."""
    role = env.principals[bound[condition.get("role")]]
    caller = caller_of(env, role)
    checks: list[Check] = []
    for n, action in enumerate(condition.all("action")):
        info = action_info(action)
        resource = "*" if info is not None and info.wildcard_only else None
        facts = facts_of(search.ask, caller, action, Target(resource, role.account))
        part = f"@{n}|" if n else ""
        about = replace(facts, env=env, given={}, hop="agent|", part=part, resource_var=f"agent{n}|resource")
        checks.append(check_of(replace(about, on_path=True, ever=True)))
    return Held(all_of(c.authorization.allowed for c in checks), tuple(checks))


def _standing(search: Search, env: Environment, node: Node, where: str) -> Held:
    """Whether the caller's account is the management account, a delegated administrator, or a member.

    Source: AWS Organizations User Guide, "Delegated administrator for AWS services that work with Organizations".
    """
    account = node.caller.account
    found = place(env, account) if account else None
    if found is None:
        strict = search.ask.missing == "strict"
        return Held(Opaque(f"missing:organization of account {account}")) if strict else FAILS
    organization = found[0]
    if account == organization.management_account:
        return _bool(where != "a member account")
    if where == "a member account":
        return HOLDS
    service = SERVICES_OF_STANDING.get(where)
    if service is None:
        return FAILS
    if (account, service) in organization.delegated:
        return HOLDS
    if search.ask.missing == "strict" and not organization.delegated_known:
        return Held(Opaque(f"missing:delegated administrators of {organization.id}"))
    return FAILS


def _versions(env: Environment, policy: str) -> Held:
    if len(env.versions.get(policy, ())) > 1:
        return HOLDS
    return Held(Opaque(f"missing:stored versions of {policy}")) if policy in env.versions_unknown else FAILS


def _slot(search: Search, env: Environment, node: Node, policy: str, sentence: str) -> Held:
    """Whether one more version can be stored; taken to be so where no input lists the versions.

    Of a full policy another principal may delete one, and whether that one is controlled is not known here.
    Source: IAM User Guide, "Versioning IAM policies".
    """
    if len(env.versions.get(policy, ())) < _MOST_VERSIONS:
        return Held(TRUE, (), sentence) if policy in env.versions_unknown else HOLDS
    key = ("may-trim", policy, search.ask.missing, search.ask.ever)
    found = once(env.memo, key, lambda: frozenset(_trimmers(search, env, policy)))
    own = node.caller.parent or node.caller.arn or ""
    others = f"unsupported:another principal may delete a stored version of {policy}"
    return Held(Opaque(others)) if found - {own} else FAILS


def _trimmers(search: Search, env: Environment, policy: str) -> Iterator[str]:
    """The users and roles of the account that may delete a version of the policy in some context."""
    account = policy.split(":")[4]
    for arn, principal in env.principals.items():
        if principal.account == account:
            facts = facts_of(search.ask, caller_of(env, principal), "iam:DeletePolicyVersion", Target(policy, account))
            allowed = check_of(replace(facts, env=env, given={}, ever=True)).authorization.allowed
            if allowed is not FALSE and may(allowed) is not FALSE:
                yield arn

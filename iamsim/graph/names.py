"""What the names of a technique can stand for: roles, users, groups, policies, accounts … of the environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Kind, denies
from iamsim.env.facts import place
from iamsim.env.memo import once
from iamsim.env.organization import below
from iamsim.env.tree import FULL
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.graph.candidates import boundaries, granting_policies, new_policies, new_principals, renewed
from iamsim.graph.issued import told_by_session
from iamsim.graph.preconditions import DELEGABLE, providers_of
from iamsim.graph.provisioned import deployed, provisioned
from iamsim.graph.service_roles import ACROSS, across
from iamsim.graph.trusts import roles_for
from iamsim.judge.callers import caller_of
from iamsim.model.caller import CallerKind
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from iamsim.aws.escalations import Technique, Variant
    from iamsim.env.changes import Change
    from iamsim.env.types import Environment, Group, OrgNode, Principal
    from iamsim.graph.world import Node, Search
    from iamsim.model.policy import Match, Policy

TASK_POLICIES = tuple(
    f"arn:aws:iam::aws:policy/root-task/{name}"
    for name in (
        "IAMAuditRootUserCredentials", "IAMCreateRootUserPassword", "IAMDeleteRootUserCredentials", "S3UnlockBucketPolicy",
        "SQSUnlockQueuePolicy",
    )
)  # fmt: skip
"""Source: IAM User Guide, "Perform a privileged task on an AWS Organizations member account"."""

_ORDER = (
    "$self", "$self-account", "$self-group", "$any-user", "$any-role", "$any-group", "$target-user",
    "$administration-role", "$target-role",
    "$helper-role", "$target-group", "$any-policy", "$attached-policy", "$target-policy", "$boundary-policy",
    "$denying-policy", "$saml-provider", "$either-user", "$new-policy",
    "$new-user", "$new-role", "$chosen-boundary", "$granting-policy", "$member-root",
    "$provisioned-role", "$deployed-role", "$sso-account", "$member-account", "$task-policy", "$service", "$type", "$org-policy",
    "$free-policy", "$narrow-node",
    "$org-account", "$org-node", "$org-root",
    "$owned", "$key", "$value",
)  # fmt: skip


def names_in(technique: Technique, variant: Variant) -> tuple[str, ...]:
    """The names that stand for one thing each, in an order in which each can be bound after those before it."""
    found: set[str] = set()
    for call in variant.calls:
        found.update(call.resources)
        found.update(v for _, v in call.context)
        found.update("$key" for k, _ in call.context if "${key}" in k)
    for condition in variant.preconditions:
        found.update(v for _, values in condition.fields for v in values)
    found.update(v for _, values in technique.outcome.fields for v in values)
    return tuple(sorted((n for n in found if _rank(n) is not None), key=lambda n: (_rank(n) or 0, n)))


TARGETS = ("$target-role", "$target-user")
"""Names that stand for any role, or user, of the account but the caller."""


def unnamed(node: Node) -> Node:
    """The node as one whose caller has no ARN, for whom whoever the node is can be a target like any other."""
    return replace(node, caller=replace(node.caller, arn=None))


def to_bind(search: Search, technique: Technique, number: int) -> tuple[str, ...]:
    """The `names_in` a variant, worked out once for a catalogue."""

    def made() -> tuple[tuple[str, ...], Technique]:
        return names_in(technique, technique.variants[number]), technique

    return once(search.env.memo, (id(technique), "names", number), made)[0]


def each_binding(
    names: tuple[str, ...], choices: Callable[[str, dict[str, str]], Iterable[str]], bound: dict[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Every way to bind `names` in turn, each to what `choices` gives for it once those before it are bound."""
    bound = bound or {}
    if not names:
        yield bound
        return
    for value in choices(names[0], bound):
        yield from each_binding(names[1:], choices, {**bound, names[0]: value})


def _rank(name: str) -> int | None:
    if name.startswith("$owned-"):
        name = "$owned"
    return _ORDER.index(name) if name in _ORDER else None


def of_account(env: Environment, kind: PrincipalKind, account: str | None) -> tuple[str, ...]:
    """The ARNs of the users or roles of an account, made once."""
    return once(env.memo, "of-account", _by_account, env).get((kind, account), ())


def _by_account(env: Environment) -> Mapping[tuple[PrincipalKind, str | None], tuple[str, ...]]:
    every: dict[tuple[PrincipalKind, str | None], list[str]] = {}
    for arn, p in env.principals.items():
        every.setdefault((p.kind, p.account), []).append(arn)
    return {at: tuple(arns) for at, arns in every.items()}


def groups_of_account(env: Environment, account: str | None) -> tuple[str, ...]:
    """The ARNs of the groups of an account."""
    return tuple(g for g, group in env.groups.items() if group.account == account)


def values(
    search: Search,
    env: Environment,
    node: Node,
    variant: Variant,
    name: str,
    bound: Mapping[str, str],
) -> Iterable[str]:
    """What `name` can stand for, given the names that are bound already; nothing where there is no such thing."""
    account, own = node.caller.account, node.caller.arn or ""
    match name:
        case "$self":
            return (own,) if own else ()
        case "$self-account":
            return (account,) if account else ()
        case "$self-group":
            return _groups(env, own)
        case "$any-user" | "$target-user":
            return (a for a in of_account(env, PrincipalKind.USER, account) if a != spared(search, node))
        case "$sso-account":
            stands = bound.get("$provisioned-role", bound.get("$target-role"))
            where = stands.split(":")[4] if stands is not None else "*"
            return (f"arn:{node.caller.partition}:sso:::account/{where}",)
        case "$target-role" if "$administration-role" in bound:
            acting = bound["$administration-role"]
            return once(env.memo, ("assumed-by", acting), _assumed_by, env, acting)
        case "$any-role" | "$target-role" | "$helper-role" | "$administration-role":
            return _roles(search, env, node, variant, name)
        case "$provisioned-role":
            return provisioned(env, node, bound.get("$target-role"))
        case "$deployed-role":
            return deployed(env, node)
        case "$any-group" | "$target-group":
            return groups_of_account(env, account)
        case "$any-policy":
            return (a for a in env.managed_policies if f":iam::{account}:policy/" in a)
        case "$attached-policy" | "$target-policy" | "$boundary-policy" | "$denying-policy":
            return _policies(env, own, name, bound)
        case "$saml-provider":
            role = env.principals.get(bound["$target-role"])
            return (p for p in (providers_of(role) if role is not None else ()) if ":saml-provider/" in p)
        case "$new-user" | "$new-role":
            before = bound.get("$any-" + name.removeprefix("$new-"))
            if before is not None:
                return renewed(search, env, node, name, before)
            actions = tuple(c.action for c in variant.calls if name in c.resources)
            return new_principals(search, env, node, name, actions, bound.get("$either-user"))
        case "$either-user":
            return of_account(search.env, PrincipalKind.USER, account)
        case "$new-policy":
            return new_policies(search, node)
        case "$chosen-boundary":
            return boundaries(search, env, node, new=not variant.actions.isdisjoint(_CREATING))
        case "$granting-policy":
            return granting_policies(search, env, node)
        case "$service":
            return sorted(DELEGABLE)
        case "$task-policy":
            return TASK_POLICIES
        case "$key" | "$value":
            return ("",)
        case _:
            disables = any(c.action == "organizations:DisablePolicyType" for c in variant.calls)
            return _organization(env, node, name, bound, disables=disables)


def spared(search: Search, node: Node, name: str = "$target-role") -> str:
    """Whom the node need not take over as what `name` stands for: itself, unless it starts and another session may do more."""
    if node.made or node.caller is not search.start:
        return node.caller.arn or ""
    limited = search.ask.documents.session is not None
    apart = name == "$target-role" and node.caller.kind is CallerKind.ROLE_SESSION and told_by_session(search.env)
    return "" if limited or apart else node.caller.arn or ""


_CREATING = frozenset({"iam:createrole", "iam:createuser"})


def _assumed_by(env: Environment, role: str) -> tuple[str, ...]:
    """The roles of loaded accounts whose trust policies may let a role in."""
    return tuple(r.arn for r in roles_for(env, caller_of(env, env.principals[role]), "closed"))


def _groups(env: Environment, own: str) -> tuple[str, ...]:
    principal = env.principals.get(own)
    return () if principal is None else tuple(g for g in principal.groups if g in env.groups)


def _roles(search: Search, env: Environment, node: Node, variant: Variant, name: str) -> Iterable[str]:
    """Roles that the visible preconditions about `name` do not leave out: by trusted service, provider or path."""
    account, own = node.caller.account, spared(search, node, name)
    about = {c.fact: c for c in variant.preconditions if c.get("role") == name}
    fact = next((f for f in ACROSS if f in about), None)
    if fact is not None:
        return (a for a in across(search.env, fact) if a != own)
    if "role-trusts-service" in about:
        service = about["role-trusts-service"].get("service")
        return (a for a in trusting(env, account, service) if a != own)
    if "role-trusts-federated" in about:
        return (a for a in trusting(env, account, "federated") if a != own)
    return (a for a in of_account(env, PrincipalKind.ROLE, account) if a != own)


def trusting(env: Environment, account: str | None, service: str) -> tuple[str, ...]:
    """The roles of an account whose trust policies may name the service (or, with `federated`, some provider)."""
    found = once(env.memo, ("trusting", account), _by_trusted, env, account)
    return tuple(sorted({*found.get(service, ()), *found.get("*", ())}))


def _by_trusted(env: Environment, account: str | None) -> Mapping[str, list[str]]:
    out: dict[str, list[str]] = {}
    for arn in of_account(env, PrincipalKind.ROLE, account):
        for entry in _trusted(env.principals[arn]):
            out.setdefault(entry, []).append(arn)
    return out


def _trusted(role: Principal) -> set[str]:
    trust = role.trust
    if trust is None or isinstance(trust, MissingPolicy) or trust.malformed is not None:
        return {"*"}
    out: set[str] = set()
    for s in trust.statements:
        if s.effect is Effect.DENY:
            continue
        if s.malformed is not None or s.principal is None or s.principal.negated:
            return {"*"}
        for e in s.principal.entries:
            if isinstance(e, Malformed) or e.value == "*":
                out.add("*")
            elif e.type == "Service":
                out.add(e.value.lower())
            elif e.type == "Federated":
                out.add("federated")
    return out


def _policies(env: Environment, own: str, name: str, bound: Mapping[str, str]) -> Iterator[str]:
    """Managed policies by their relation to a principal or group."""
    if name == "$boundary-policy":
        who = env.principals.get(own)
        if who is not None and who.boundary is not None and who.boundary.arn and _customer(who.boundary.arn):
            yield who.boundary.arn
        return
    subject = next(
        (bound[n] for n in ("$target-role", "$target-user", "$any-user", "$any-role", "$any-group") if n in bound), own
    )
    carriers: list[Principal | Group] = [
        c for c in (env.principals.get(subject), env.groups.get(subject)) if c is not None
    ]
    principal = env.principals.get(subject)
    if principal is not None and name != "$denying-policy":
        carriers += [env.groups[g] for g in principal.groups if g in env.groups]
    if name == "$denying-policy" and "$self-group" in bound:
        carriers = [env.groups[bound["$self-group"]]]
    seen = set()
    for carrier in carriers:
        for policy in carrier.policies:
            if policy.arn is None or policy.arn in seen:
                continue
            seen.add(policy.arn)
            if denies(policy) if name == "$denying-policy" else _customer(policy.arn):
                yield policy.arn


def _customer(arn: str) -> bool:
    return ":iam::aws:" not in arn and ":policy/" in arn


def _organization(
    env: Environment, node: Node, name: str, bound: Mapping[str, str], *, disables: bool
) -> Iterator[str]:
    """Members, nodes and policies of the organization of the caller's account."""
    found = place(env, node.caller.account) if node.caller.account else None
    if found is None:
        return
    organization = found[0]
    head = f"arn:{node.caller.partition}:organizations::{organization.management_account}:"
    nodes = list(below(organization.root))
    accounts = [n.id for n in nodes if n.kind == "account"]
    policy = bound.get("$org-policy")
    match name:
        case "$type":
            yield from ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")
        case "$member-root":
            yield from (
                f"arn:{node.caller.partition}:iam::{a}:root" for a in sorted(accounts) if a != node.caller.account
            )
        case "$member-account":
            yield bound["$member-root"].split(":")[4]
        case "$org-account":
            held = [n for n in nodes if n.kind == "account" and (policy is None or _has(n, policy))]
            yield from sorted(n.arn or f"{head}account/{organization.id}/{n.id}" for n in held)
        case "$org-root":
            root = organization.root
            if policy is None or disables or _has(root, policy):
                yield root.arn or f"{head}root/{organization.id}/{root.id}"
        case "$org-policy":
            yield from sorted({p.arn for n in nodes for p in _of_type(n, bound.get("$type")) if p.arn})
        case "$free-policy" if organization.scps_enabled:
            full = f"arn:{node.caller.partition}{FULL}"
            yield from dict.fromkeys([full, *(p.arn for n in nodes for p in n.scps if p.arn and not denies(p))])
        case "$narrow-node" if organization.scps_enabled:
            yield from (_arn_of(n, head, organization.id) for n in nodes if _is_narrow(n, bound["$free-policy"]))
        case "$org-node":
            yield from _nodes(nodes, head, organization.id, bound)
        case _:
            return


def accounts_entered(env: Environment, node: Node, changes: frozenset[Change]) -> Iterator[str]:
    """The ARNs of accounts that changes bring into the organization of the caller's account."""
    for c in sorted(c for c in changes if c.kind is Kind.ENTERED):
        organization = next(o for o in env.organizations if o.root.id == c.what)
        head = f"arn:{node.caller.partition}:organizations::{organization.management_account}:account/"
        yield f"{head}{organization.id}/{c.who}"


_MOST = 10
"""SCPs that a node may have. Source: AWS Organizations User Guide, "Quotas and service limits for AWS Organizations"."""


def _is_narrow(node: OrgNode, policy: str) -> bool:
    """Whether the SCPs of the node do not let everything pass, and one more can be attached that is not among them."""
    allows = any(_allows_all(p) and not denies(p) for p in node.scps)
    return not allows and not _has(node, policy) and len(node.scps) < _MOST


def _allows_all(policy: Policy) -> bool:
    plain = (s for s in policy.statements if s.effect is Effect.ALLOW and not s.conditions and s.malformed is None)
    return policy.malformed is None and any(_is_all(s.action) and _is_all(s.resource) for s in plain)


def _is_all(match: Match | None) -> bool:
    return match is not None and not match.negated and any(getattr(p, "text", "") == "*" for p in match.patterns)


def _arn_of(node: OrgNode, head: str, organization: str) -> str:
    words = {"root": "root", "account": "account"}
    return node.arn or f"{head}{words.get(node.kind, 'ou')}/{organization}/{node.id}"


def _of_type(node: OrgNode, kind: str | None) -> tuple[Policy, ...]:
    if kind == "SERVICE_CONTROL_POLICY":
        return node.scps
    if kind == "RESOURCE_CONTROL_POLICY":
        return node.rcps
    return (*node.scps, *node.rcps)


def _has(node: OrgNode, policy: str) -> bool:
    return any(p.arn == policy for p in (*node.scps, *node.rcps))


def _nodes(nodes: list[OrgNode], head: str, organization: str, bound: Mapping[str, str]) -> Iterator[str]:
    """The nodes to which the policy is attached or, for an account that moves, those below which it can be."""
    for node in nodes:
        kind, arn = node.kind, _arn_of(node, head, organization)
        policy = bound.get("$org-policy")
        if policy is not None:
            if _has(node, policy):
                yield arn
        elif kind != "account":
            yield arn

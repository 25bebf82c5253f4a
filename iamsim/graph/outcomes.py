"""What a technique gives where it works: a caller, or changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import WITHOUT, Change, Kind, changed, denies
from iamsim.env.organization import below
from iamsim.env.types import PrincipalKind
from iamsim.graph.candidates import FRESH, administrator
from iamsim.graph.sessions import possible
from iamsim.graph.world import NEWCOMER, Node, name_made
from iamsim.judge.callers import caller_of
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.aws.escalations import Technique, Variant
    from iamsim.env.types import Environment, OrgNode
    from iamsim.graph.world import Search

Gain = Node | Change


def fact_of(gain: Gain) -> str | Change:
    """The fact that a gain is: the name of the node, or the change."""
    return gain.name if isinstance(gain, Node) else gain


RECREATES = ("recreates-principal", "recreates-elsewhere")
"""Types of outcomes of which it is never certain that they can be had."""

AGAIN = ("unsupported:whether a principal can be deleted, and who is meant by its name once it is created again",)
"""The reasons why not."""


def disables(variant: Variant) -> bool:
    """Whether the variant switches a type of policies off in the whole organization."""
    return any(c.action == "organizations:DisablePolicyType" for c in variant.calls)


def bare(technique: Technique) -> bool:
    """Whether it creates a principal that has no policy of its own."""
    return bool(technique.outcome.get("policy")) and technique.outcome.type == "creates-principal"


def gained(
    search: Search, env: Environment, technique: Technique, variant: Variant, node: Node, bound: Mapping[str, str]
) -> tuple[Gain, ...]:
    """What the technique gives in this binding: a caller, or changes."""
    outcome = technique.outcome

    def of(field: str) -> str:
        name = outcome.get(field)
        return bound.get(name, name)

    match outcome.type:
        case "becomes":
            return (barehanded(search, node_of(env, of("who"), outcome.reach, outcome.only)),)
        case "creates-principal":
            policy = "" if _writes(node, bound) else bound.get("$granting-policy", "")
            policy = WITHOUT if bare(technique) else policy
            what = ",".join((of("boundary"), policy, bound.get("$target-group", "")))
            change = Change(Kind.CREATED, of("who"), what)
            # a role is there for whoever its trust policy, of choice, lets in
            return (change,) if ":role/" in of("who") else (new_node(search, change), change)
        case "provisions-role":
            change = Change(Kind.CREATED, of("who"), f",,,{of('like')}" if outcome.get("like") else ",,")
            made = new_node(search, change)
            name = named_node(made.name, outcome.reach)
            return (replace(made, name=name, reach=outcome.reach), change)
        case "renames-user":
            if of("user") not in search.env.principals:
                return ()  # one that is made on the way can have any name
            change = Change(Kind.CREATED, of("who"), f",,,{of('user')}")
            ordinary = of("who").endswith("/" + FRESH) or of("who") == of("user")
            return () if ordinary else (new_node(search, change), change)
        case "recreates-principal":
            policy = "" if _writes(node, bound) else bound["$granting-policy"]
            change = Change(Kind.CREATED, of("who"), ",".join((of("boundary"), policy, "", of("who"))))
            return (change,) if ":role/" in of("who") else (new_node(search, change), change)
        case "recreates-elsewhere":
            policy = "" if _writes(node, bound) else bound["$granting-policy"]
            change = Change(Kind.CREATED, of("who"), f"{of('boundary')},{policy},")
            return (change,) if ":role/" in of("who") else (new_node(search, change), change)
        case "joins-organization":
            return _newcomer(search, node, _node_id(of("to")))
        case "gains-second-factor":
            return (Change(Kind.FACTOR, of("who")),)
        case "creates-policy":
            return (Change(Kind.CREATED, of("policy")),)
        case "gains-root-task":
            account, task = of("account"), of("task_policy")
            root = Caller(kind=CallerKind.ROOT, arn=f"arn:{node.caller.partition}:iam::{account}:root", account=account,
                          partition=node.caller.partition, assumed_root=True, task_policy=task)  # fmt: skip
            return (Node(f"{root.arn}#{task.rpartition('/')[2]}", root),)
        case "arbitrary-identity-policy":
            return (Change(Kind.WRITES, of("who")),)
        case "arbitrary-group-policy":
            return (Change(Kind.WRITES, of("group")),)
        case "gains-managed-policy":
            return (Change(Kind.GAINS, of("who"), of("policy")),)
        case "group-gains-managed-policy":
            return (Change(Kind.GAINS, of("group"), of("policy")),)
        case "joins-group":
            return (Change(Kind.JOINS, of("user"), of("group")),)
        case "leaves-group":
            return (Change(Kind.LEAVES, of("user"), of("group")),)
        case "rewrites-policy":
            return (Change(Kind.REWRITES, of("policy")),)
        case "switches-policy-version":
            policy = of("policy")
            return tuple(Change(Kind.SWITCHES, policy, v.id) for v in env.versions.get(policy, ()) if not v.default)
        case "rewrites-trust":
            return (Change(Kind.TRUST, of("role")),)
        case "lifts-boundary":
            return (Change(Kind.BOUNDARY, of("who")),)
        case "replaces-boundary":
            return (Change(Kind.BOUNDARY, of("who"), of("boundary")),)
        case "drops-identity-deny":
            return (Change(Kind.DROPS, _carrier(bound, of("who")), of("policy")),)
        case "drops-group-deny":
            return (Change(Kind.DROPS, of("group"), of("policy")),)
        case "drops-inline-policies":
            return _inline(env, _carrier(bound, of("who")))
        case "drops-group-inline-policies":
            return _inline(env, of("group"))
        case "sets-tags":
            return (Change(Kind.TAGS, of("who"), f"{bound.get('$key', '')}={bound.get('$value', '')}"),)
        case _:
            return _of_organization(
                env, technique, bound, of("policy"), of("account"), of("to"), disables=disables(variant)
            )


def _newcomer(search: Search, node: Node, root: str) -> tuple[Gain, ...]:
    """A user who may do anything in an account that becomes a member of the organization."""
    number = [o.root.id for o in search.env.organizations].index(root)
    account = str(int(NEWCOMER) - number)
    who = f"arn:{node.caller.partition}:iam::{account}:user/newcomer"
    made, entered = Change(Kind.CREATED, who), Change(Kind.ENTERED, account, root)
    env = changed(search.env, (made, entered), (who,))
    return (Node(who, caller_of(env, env.principals[who]), made=False), made, entered)


SECOND_FACTOR = "second-factor-held"
"""The fact that the attacker has a second factor of a user whose key or password it takes: so only where that is said."""


def barehanded(search: Search, node: Node) -> Node:
    """The node without a second factor if it is a user: its credentials do not bring one.

    Source: IAM User Guide, "Secure API access with MFA".
    """
    if node.caller.kind is not CallerKind.USER or search.ruling.says(SECOND_FACTOR, (node.caller.arn or "",)):
        return node
    return replace(node, caller=replace(node.caller, mfa=False))


def _inline(env: Environment, carrier: str) -> tuple[Gain, ...]:
    """The inline policies that deny, each of which may be deleted by itself."""
    own = env.principals.get(carrier) or env.groups.get(carrier)
    policies = () if own is None else own.policies
    return tuple(
        Change(Kind.DROPS, carrier, f"inline/{p.name}")
        for p in policies
        if isinstance(p, Policy) and p.arn is None and denies(p)
    )


def _writes(node: Node, bound: Mapping[str, str]) -> bool:
    """Whether the new principal gets a policy of choice: one written for it, or the one that allows everything."""
    given = bound.get("$granting-policy")
    return "$target-group" not in bound and (given is None or given == administrator(node.caller.partition))


def _carrier(bound: Mapping[str, str], who: str) -> str:
    """Whose policy it is that is dropped: a group of the caller where the variant is about one."""
    return bound.get("$self-group", who)


def _of_organization(
    env: Environment,
    technique: Technique,
    bound: Mapping[str, str],
    policy: str,
    account: str,
    to: str,
    *,
    disables: bool,
) -> tuple[Gain, ...]:
    match technique.outcome.type:
        case "lifts-org-policy":
            return _lifted(env, bound, policy, disables=disables)
        case "attaches-org-policy":
            return (Change(Kind.ATTACHED, _node_id(to), policy),)
        case "moves-account":
            return (Change(Kind.MOVED, _node_id(account), _node_id(to)),)
        case "leaves-organization":
            return (Change(Kind.LEFT, account),)
        case "delegates-administration":
            return (Change(Kind.DELEGATED, _node_id(account), bound.get("$service", "")),)
        case _:
            return ()


def _lifted(env: Environment, bound: Mapping[str, str], policy: str, *, disables: bool) -> tuple[Gain, ...]:
    """A policy that is edited, detached, or whose type is switched off. The last SCP of a node cannot be detached.

    Source: AWS Organizations User Guide, "Detaching organization policies".
    """
    if disables:
        kind = (
            "rcp" if bound.get("$type", "").startswith("RESOURCE") or "/resource_control_policy/" in policy else "scp"
        )
        return tuple(Change(Kind.DISABLED, o.id, kind) for o in env.organizations)
    where = next((bound[n] for n in ("$org-node", "$org-account", "$org-root") if n in bound), None)
    if where is None:
        return (Change(Kind.LIFTED, "*", policy),)
    for organization in env.organizations:
        for node in below(organization.root):
            binding = [p for p in (*node.scps, *node.rcps) if p.arn == policy and denies(p)]
            if node.id == _node_id(where) and not binding and _others(node, policy):
                return ()  # it only lets pass
            if node.id == _node_id(where) and [p.arn for p in node.scps] == [policy]:
                return ()
    return (Change(Kind.LIFTED, _node_id(where), policy),)


def _others(node: OrgNode, policy: str) -> bool:
    """Whether another SCP of the node lets everything pass, so that this one stops nothing."""
    return any(p.arn != policy and not denies(p) and p.name == "FullAWSAccess" for p in node.scps) or any(
        p.arn == policy and p.name in ("FullAWSAccess", "RCPFullAWSAccess") for p in (*node.scps, *node.rcps)
    )


def _node_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def named_node(arn: str, reach: str) -> str:
    """The name of the node of a user or role that is controlled as far as `reach`."""
    return arn if reach in ("session", "console", "api-any") else f"{arn}#{reach}"


def node_of(env: Environment, arn: str, reach: str = "session", only: tuple[str, ...] = ()) -> Node:
    """The node of a user, or of any session of a role that a path creates."""
    principal = env.principals[arn]
    name = named_node(arn, reach)
    if principal.kind is PrincipalKind.USER:
        return Node(name, caller_of(env, principal), reach, only, made=False)
    return Node(name, possible(env, principal), reach, only)


def new_node(search: Search, change: Change) -> Node:
    """The node of the user or role that the change creates."""
    env = changed(search.env, (change,), (change.who,))
    made = env.principals[change.who]
    return barehanded(search, Node(name_made(change), caller_of(env, made), made=made.kind is PrincipalKind.ROLE))

"""The ceilings of a check: SCPs of the caller's account, RCPs of the owner's, and VPC endpoint policies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.aws.actions import rcp_services
from iamsim.env.facts import entities, place
from iamsim.env.hits import ceiling, endpoint_side
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.ir.decide import Hit, Side, unknown_side
from iamsim.ir.term import FALSE, TRUE, Label, LabelKind, Like, Opaque, all_of, not_
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import plain

if TYPE_CHECKING:
    from iamsim.env.facts import Facts
    from iamsim.env.types import Endpoint, OrgNode
    from iamsim.ir.bindings import Lookup
    from iamsim.ir.term import Term
    from iamsim.model.policy import Policy

_NO_SCP = (CallerKind.SERVICE, CallerKind.ANONYMOUS, CallerKind.WEB_IDENTITY, CallerKind.SAML)


def _layer(text: str) -> Label:
    return Label(LabelKind.LAYER, text)


def _where(node: OrgNode) -> str:
    return f"{node.kind} {node.name or node.id}" if node.kind != "root" else "the organization root"


def _of_node(facts: Facts, what: str, node: OrgNode) -> Label:
    """The label of the policies of one node, made once."""

    def made() -> tuple[Label, OrgNode]:
        return Label(LabelKind.LAYER, f"{what} of {_where(node)}", node.origin), node

    return once(facts.env.memo, ("node", what, id(node)), made)[0]


def scp_sides(facts: Facts, lookup: Lookup, assumed: list[str]) -> tuple[Side, ...]:
    """One layer per node from the organization root to the caller's account; none where SCPs do not apply.

    Source: AWS Organizations User Guide, "Service control policies (SCPs)" and "SCP evaluation".
    """
    caller = facts.caller
    if caller.kind in _NO_SCP or caller.service_linked or caller.account is None:
        return ()
    found = place(facts.env, caller.account)
    if found is None:
        return _no_organization(facts, caller.account, "SCPs", assumed)
    organization, nodes = found
    if caller.account == organization.management_account or not organization.scps_enabled:
        return ()
    out: list[Side] = []
    for node in nodes:
        label = _of_node(facts, "SCPs", node)
        if node.scps:
            out.append(ceiling(facts, lookup, label, node.scps))
        elif facts.missing == "closed":
            out.append(Side(label))
        else:
            # a node always has one while SCPs are on: its Allow is not known, its Deny is none
            out.append(Side(label, (Hit(label, Opaque(f"missing:SCPs of {node.id}")),)))
    return tuple(out)


def _no_organization(facts: Facts, account: str, what: str, assumed: list[str]) -> tuple[Side, ...]:
    if facts.missing == "strict":
        return (unknown_side(_layer(what), f"missing:organization of account {account}"),)
    if facts.missing == "assume":
        why = "no loaded one lists it" if facts.env.organizations else "none is loaded"
        assumed.append(f"account {account} is in no organization, so no SCP and no RCP applies ({why})")
    return ()


def rcp_sides(facts: Facts, lookup: Lookup, assumed: list[str]) -> tuple[Side, ...]:
    """The RCPs of the resource owner's account, as layers that can only deny; none where RCPs do not apply.

    Source: AWS Organizations User Guide, "Resource control policies (RCPs)".
    """
    caller = facts.caller
    owner = caller.account if facts.resource == "*" else facts.owner
    service = facts.action.partition(":")[0] if facts.action else None
    if caller.service_linked or facts.action == "kms:retiregrant" or (service and service not in rcp_services()):
        return ()
    if owner is None:
        return () if facts.missing != "strict" else (_unknown_deny("missing:owner of the resource"),)
    if not owner.isdigit():
        return ()
    found = place(facts.env, owner)
    if found is None:
        if facts.missing == "strict":
            return (_unknown_deny(f"missing:organization of account {owner}"),)
        return _no_organization(facts, owner, "RCPs", assumed)
    organization, nodes = found
    if owner == organization.management_account or not organization.rcps_enabled:
        return ()
    out = []
    for node in nodes:
        if node.rcps:
            made = ceiling(facts, lookup, _of_node(facts, "RCPs", node), node.rcps, deny_only=True)
            if made.deny or made.unknown is not FALSE:
                out.append(made)
    return tuple(out)


def _unknown_deny(reason: str) -> Side:
    return Side(_layer("RCPs"), unknown=Opaque(reason))


def endpoint_sides(
    facts: Facts, lookup: Lookup, given: tuple[tuple[str, Policy], ...], assumed: list[str]
) -> tuple[Side, ...]:
    """The policies of VPC endpoints: those of the question, and those of loaded endpoints for requests that pass them.

    Source: AWS PrivateLink Guide, "Control access to VPC endpoints using endpoint policies".
    """
    found = entities(facts.env)
    out = [
        endpoint_side(facts, lookup, _layer("endpoint policy"), policy, found, gateway=kind == "gateway")
        for kind, policy in given
    ]
    if given or facts.caller.kind is CallerKind.SERVICE:
        return tuple(out)
    passed = facts.given.get("aws:sourcevpce")
    if passed:
        endpoint = facts.env.endpoints.get(passed[0])
        if endpoint is None or not endpoint.policy_known:
            if facts.missing == "strict":
                return (unknown_side(_layer("endpoint policy"), f"missing:policy of endpoint {passed[0]}"),)
            assumed.append(f"endpoint {passed[0]} has the default policy, which allows everything")
            return ()
        return _loaded(facts, lookup, endpoint, TRUE)
    if passed is not None or not facts.ever:
        return ()
    for endpoint in facts.env.endpoints.values():
        out.extend(_loaded(facts, lookup, endpoint, Like(facts.hop + "aws:sourcevpce", plain(endpoint.id))))
    return tuple(out)


def _loaded(facts: Facts, lookup: Lookup, endpoint: Endpoint, passed: Term) -> tuple[Side, ...]:
    """The layer of a loaded endpoint, binding only where `passed`."""
    label = _layer(f"policy of endpoint {endpoint.id}")
    if endpoint.policy is None:
        return ()
    if isinstance(endpoint.policy, MissingPolicy):
        made = unknown_side(label, f"missing:policy of endpoint {endpoint.id}")
    else:
        made = endpoint_side(
            facts, lookup, label, endpoint.policy, entities(facts.env), gateway=endpoint.type == "gateway"
        )
    if passed is TRUE:
        return (made,)
    elsewhere = Hit(_layer(f"not through endpoint {endpoint.id}"), not_(passed))
    deny = tuple(Hit(h.label, all_of((passed, h.term))) for h in made.deny)
    unknown = all_of((passed, made.unknown))
    return (replace(made, allow=(elsewhere, *made.allow), deny=deny, unknown=unknown),)

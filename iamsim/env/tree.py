"""Organization trees after changes: without a policy, a policy type, or an account that left or moved; with one more SCP."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.diagnostics import Origin
from iamsim.env.organization import below
from iamsim.env.types import OrgNode
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from iamsim.env.types import Organization
    from iamsim.model.policy import Policy

_FULL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def without_policy(organization: Organization, node: str, name: str) -> Organization:
    """The organization where the policy `name` (an ARN) is detached from `node`; `*`: where its document allows everything."""

    def edited(policy: Policy) -> Policy:
        if name != policy.arn:
            return policy
        return replace(read_policy(_FULL, policy.kind, policy.name, policy.origin)[0], arn=policy.arn)

    def rebuilt(here: OrgNode) -> OrgNode:
        children = tuple(rebuilt(c) for c in here.children)
        if node == "*":
            scps, rcps = tuple(map(edited, here.scps)), tuple(p for p in here.rcps if name != p.arn)
        elif node == here.id:
            scps = tuple(p for p in here.scps if name != p.arn)
            rcps = tuple(p for p in here.rcps if name != p.arn)
        else:
            scps, rcps = here.scps, here.rcps
        return replace(here, scps=scps, rcps=rcps, children=children)

    return replace(organization, root=rebuilt(organization.root))


FULL = ":organizations::aws:policy/service_control_policy/p-FullAWSAccess"
"""The end of the ARN of the SCP of AWS that allows everything. Source: AWS Organizations User Guide, "SCP evaluation"."""


def with_policy(organization: Organization, node: str, name: str) -> Organization:
    """The organization where the SCP `name` (an ARN: one that stands in it, or that of AWS) is attached to `node` as well."""
    known = next((p for n in below(organization.root) for p in n.scps if p.arn == name), None)
    if known is None and name.endswith(FULL):
        known = replace(read_policy(_FULL, PolicyKind.SCP, "FullAWSAccess", Origin(name))[0], arn=name)

    def rebuilt(here: OrgNode) -> OrgNode:
        scps = (*here.scps, known) if here.id == node and known is not None else here.scps
        return replace(here, scps=scps, children=tuple(rebuilt(c) for c in here.children))

    return replace(organization, root=rebuilt(organization.root))


def without_type(organization: Organization, kind: str) -> Organization:
    """The organization with SCPs (`scp`) or RCPs (`rcp`) switched off."""
    if kind == "scp":
        return replace(organization, scps_enabled=False)
    return replace(organization, rcps_enabled=False)


def without_account(organization: Organization, account: str, to: str | None) -> Organization:
    """The organization without the account, or with it directly below the node `to`."""
    found: list[OrgNode] = []

    def cut(here: OrgNode) -> OrgNode:
        kept = []
        for child in here.children:
            if child.id == account and child.kind == "account":
                found.append(child)
            else:
                kept.append(cut(child))
        return replace(here, children=tuple(kept))

    def put(here: OrgNode) -> OrgNode:
        children = tuple(put(c) for c in here.children)
        return replace(here, children=(*children, *found) if here.id == to else children)

    root = cut(organization.root)
    if to is None:
        return replace(organization, root=root, left=(*organization.left, account))
    return replace(organization, root=put(root))


def with_delegate(organization: Organization, account: str, service: str) -> Organization:
    """The organization with the account, if it is a member, as a delegated administrator of the service.

    Source: AWS Organizations User Guide, "Delegated administrator for AWS services that work with Organizations".
    """
    if all(node.id != account for node in below(organization.root)):
        return organization
    return replace(organization, delegated=tuple(sorted({*organization.delegated, (account, service)})))


def with_account(organization: Organization, account: str, to: str) -> Organization:
    """The organization with one more account directly below its root, if that is `to`.

    With SCPs on, AWS attaches the one that allows everything to a new member.
    Source: AWS Organizations User Guide, "SCP evaluation".
    """
    if organization.root.id != to:
        return organization
    scps = (read_policy(_FULL, PolicyKind.SCP, "FullAWSAccess", Origin(FULL))[0],) if organization.scps_enabled else ()
    member = OrgNode(id=account, kind="account", name=account, scps=scps, rcps=(), children=(), origin=Origin(""))
    return replace(organization, root=replace(organization.root, children=(*organization.root.children, member)))

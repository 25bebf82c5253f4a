"""Organization trees with something taken out: a policy, a policy type, or an account that left or moved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from iamsim.env.types import Organization, OrgNode
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

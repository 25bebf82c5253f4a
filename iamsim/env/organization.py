"""Organization tree → record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.env.records import Reading, Records, objects, policy_of, shape, text
from iamsim.env.types import Organization, OrgNode
from iamsim.findings import diagnostic, printable
from iamsim.model.policy import Malformed, Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.diagnostics import Origin

TYPES = {"SERVICE_CONTROL_POLICY": PolicyKind.SCP, "RESOURCE_CONTROL_POLICY": PolicyKind.RCP}
_OTHER_TYPES = (
    "TAG_POLICY",
    "BACKUP_POLICY",
    "AISERVICES_OPT_OUT_POLICY",
    "CHATBOT_POLICY",
    "DECLARATIVE_POLICY_EC2",
    "SECURITYHUB_POLICY",
)
FULL_ACCESS = {
    "FullAWSAccess": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}},
    "RCPFullAWSAccess": {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
    },
}
"""The two policies that AWS manages. Source: Organizations User Guide, "Service control policies", "RCPs"."""


def read_organization(value: dict[str, Any], origin: Origin, reading: Reading) -> Records:
    """The organization whose root is `value`; the management account is named or read off the root's ARN."""
    arn = text(value, "Arn")
    fields = arn.split(":", 5) if arn else []
    tail = fields[5].split("/") if len(fields) == 6 else []
    if len(tail) < 2 or not tail[1].startswith("o-"):
        shape(origin.child("Arn"), "the root has no `Arn` that holds the organization's id", reading)
        return Records()
    management = text(value, "ManagementAccountId") or (fields[4] if fields[4].isdigit() else None)
    root = _node(value, origin, reading)
    return Records(
        organizations=(organization(tail[1], management, root),),
    )


def organization(id: str, management_account: str | None, root: OrgNode) -> Organization:  # noqa: A002
    """The organization of the tree `root`; a policy type is enabled iff some node lists a policy of it."""
    nodes = list(below(root))
    return Organization(
        id=id,
        management_account=management_account,
        root=root,
        scps_enabled=any(n.scps for n in nodes),
        rcps_enabled=any(n.rcps for n in nodes),
        origin=root.origin,
    )


def below(root: OrgNode) -> Iterable[OrgNode]:
    """`root` and every node below it."""
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        todo.extend(node.children)


def _node(value: dict[str, Any], origin: Origin, reading: Reading) -> OrgNode:
    found: dict[PolicyKind, list[Policy]] = {PolicyKind.SCP: [], PolicyKind.RCP: []}
    for item, here in objects(value, "Policies", origin, reading):
        policy = _policy(item, here, reading)
        if policy is not None:
            found[policy.kind].append(policy)
    children: list[OrgNode] = []
    if origin.pointer.count("/Children/") > 50:
        shape(origin, "the organization is nested too deeply", reading)
        value = {"Id": value["Id"]}
    for item, here in objects(value, "Children", origin, reading):
        if text(item, "Id") is None:
            shape(here, "a node of the organization has no `Id`", reading)
        else:
            children.append(_node(item, here, reading))
    return node(value["Id"], text(value, "Name") or "", found, tuple(children), origin)


def node(
    id: str,  # noqa: A002
    name: str,
    policies: dict[PolicyKind, list[Policy]],
    children: tuple[OrgNode, ...],
    origin: Origin,
) -> OrgNode:
    """A node with its policies ordered by name and its children by id; its kind (`root`, `ou`, `account`) is read off
    the form of the id.
    """
    return OrgNode(
        id=id,
        kind="account" if id.isdigit() else "root" if id.startswith("r-") else "ou",
        name=name,
        scps=tuple(sorted(policies[PolicyKind.SCP], key=_order)),
        rcps=tuple(sorted(policies[PolicyKind.RCP], key=_order)),
        children=tuple(sorted(children, key=lambda n: n.id)),
        origin=origin,
    )


def _order(policy: Policy) -> tuple[str, str]:
    return policy.name, policy.arn or ""


def _policy(item: dict[str, Any], origin: Origin, reading: Reading) -> Policy | None:
    name, kind = text(item, "Name") or text(item, "Id") or "", TYPES.get(text(item, "Type") or "")
    if kind is None:
        if item.get("Type") not in _OTHER_TYPES:
            shape(origin.child("Type"), f"policy `{printable(name)}` is of no known type", reading)
        return None
    return org_policy(kind, (name, text(item, "Arn")), item.get("Content"), origin.child("Content"), reading)


def org_policy(
    kind: PolicyKind, named: tuple[str, str | None], content: Any, origin: Origin, reading: Reading
) -> Policy:
    """The SCP or RCP of the name and ARN `named`; without content it is known only if AWS manages it."""
    name, arn = named
    if content is None:
        content = FULL_ACCESS.get(name.removeprefix("p-"))
    if content is None:
        message = f"no input holds the {kind} `{printable(name)}`"
        reading.out.append(diagnostic("policy-missing", origin, message))
        reason = Malformed(f"no input holds the {kind} `{printable(name)}`")
        return Policy(
            kind=kind, name=name, arn=arn, version="2012-10-17", statements=(), malformed=reason, origin=origin
        )
    return policy_of(reading, content, kind, name, origin, arn=arn)

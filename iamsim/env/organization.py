"""Organization tree → record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.env.records import Reading, Records, entries, objects, policy_of, shape, text
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
_ACCOUNT = re.compile("[0-9]{12}")

Delegated = tuple[tuple[tuple[str, str], ...], bool]
"""Delegated administrators, each an account and a service principal, and whether these are all."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the ARNs of an organization have in common: partition, management account (if known), organization id."""

    partition: str
    management: str | None
    organization: str


def read_organization(value: dict[str, Any], origin: Origin, reading: Reading) -> Records:
    """The organization whose root is `value`; the management account is named or read off the root's ARN."""
    arn = text(value, "Arn")
    fields = arn.split(":", 5) if arn else []
    tail = fields[5].split("/") if len(fields) == 6 else []
    if len(tail) < 2 or not tail[1].startswith("o-"):
        shape(origin.child("Arn"), "the root has no `Arn` that holds the organization's id", reading)
        return Records()
    management = text(value, "ManagementAccountId") or (fields[4] if fields[4].isdigit() else None)
    root = _node(value, Names(fields[1], management, tail[1]), origin, reading)
    delegated = _delegated(value, origin, reading)
    return Records(
        organizations=(organization(tail[1], management, root, delegated),),
    )


def node_arn(names: Names, id: str) -> str | None:  # noqa: A002
    """The ARN of a root, organizational unit or account of an organization, None iff its management account is unknown.

    Source: Service Authorization Reference, "AWS Organizations".
    """
    if names.management is None:
        return None
    base = f"arn:{names.partition}:organizations::{names.management}:{kind_of(id)}"
    return f"{base}/{names.organization}/{id}"


def policy_arn(names: Names, kind: PolicyKind, id: str, *, aws_managed: bool) -> str | None:  # noqa: A002
    """The ARN of the SCP or RCP of that id, None iff it takes the management account and that is unknown.

    Source: Service Authorization Reference, "AWS Organizations".
    """
    word = "service_control_policy" if kind is PolicyKind.SCP else "resource_control_policy"
    if aws_managed or id.removeprefix("p-") in FULL_ACCESS:
        return f"arn:{names.partition}:organizations::aws:policy/{word}/{id}"
    if names.management is None:
        return None
    return f"arn:{names.partition}:organizations::{names.management}:policy/{names.organization}/{word}/{id}"


def organization(
    id: str,  # noqa: A002
    management_account: str | None,
    root: OrgNode,
    delegated: Delegated = ((), False),
) -> Organization:
    """The organization of the tree `root`; a policy type is enabled iff some node lists a policy of it."""
    nodes = list(below(root))
    return Organization(
        id=id,
        management_account=management_account,
        root=root,
        scps_enabled=any(n.scps for n in nodes),
        rcps_enabled=any(n.rcps for n in nodes),
        delegated=tuple(sorted(set(delegated[0]))),
        delegated_known=delegated[1],
        origin=root.origin,
    )


def below(root: OrgNode) -> Iterable[OrgNode]:
    """`root` and every node below it."""
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        todo.extend(node.children)


def _delegated(root: dict[str, Any], origin: Origin, reading: Reading) -> Delegated:
    """The delegated administrators that the root of a tree lists; not all if an entry does not tell its services.

    Source: Organizations API Reference, "ListDelegatedAdministrators", "ListDelegatedServicesForAccount".
    """
    found: list[tuple[str, str]] = []
    place = origin.child("DelegatedAdministrators")
    listed, known = _listed(root, "DelegatedAdministrators", place, reading)
    for item, here in listed:
        account = text(item, "Id")
        if account is None or _ACCOUNT.fullmatch(account) is None:
            shape(here, "a delegated administrator has no `Id` of 12 digits", reading)
            known = False
            continue
        if item.get("DelegatedServices") is None:
            shape(here, f"the delegated administrator `{account}` has no `DelegatedServices`", reading)
        services, complete = _listed(item, "DelegatedServices", here.child("DelegatedServices"), reading)
        for service, there in services:
            name = text(service, "ServicePrincipal")
            if name is None:
                shape(there, "a delegated service has no `ServicePrincipal`", reading)
                complete = False
            else:
                found.append((account, name))
        known = known and complete
    return tuple(found), known


def _listed(
    value: dict[str, Any], member: str, origin: Origin, reading: Reading
) -> tuple[list[tuple[dict[str, Any], Origin]], bool]:
    """The objects of a list, which may be the whole output of the command that lists them, and whether they are all."""
    listed = value.get(member)
    if listed is None:
        return [], False
    whole = True
    if isinstance(listed, dict) and member in listed:
        whole = listed.get("NextToken") is None
        listed, origin = listed[member], origin.child(member)
    found = entries(listed, origin, f"`{member}`", reading)
    return found, whole and isinstance(listed, list) and len(found) == len(listed)


def _node(value: dict[str, Any], names: Names, origin: Origin, reading: Reading) -> OrgNode:
    found: dict[PolicyKind, list[Policy]] = {PolicyKind.SCP: [], PolicyKind.RCP: []}
    for item, here in objects(value, "Policies", origin, reading):
        policy = _policy(item, names, here, reading)
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
            children.append(_node(item, names, here, reading))
    arn = text(value, "Arn") or node_arn(names, value["Id"])
    return node((value["Id"], arn), text(value, "Name") or "", found, tuple(children), origin)


def kind_of(id: str) -> str:  # noqa: A002
    """What a node is by the form of its id: `root`, `ou` or `account`."""
    return "account" if id.isdigit() else "root" if id.startswith("r-") else "ou"


def node(
    named: tuple[str, str | None],
    name: str,
    policies: dict[PolicyKind, list[Policy]],
    children: tuple[OrgNode, ...],
    origin: Origin,
) -> OrgNode:
    """The node of the id and ARN `named` with its policies ordered by name and its children by id."""
    return OrgNode(
        id=named[0],
        kind=kind_of(named[0]),
        name=name,
        scps=tuple(sorted(policies[PolicyKind.SCP], key=_order)),
        rcps=tuple(sorted(policies[PolicyKind.RCP], key=_order)),
        children=tuple(sorted(children, key=lambda n: n.id)),
        arn=named[1],
        origin=origin,
    )


def _order(policy: Policy) -> tuple[str, str]:
    return policy.name, policy.arn or ""


def _policy(item: dict[str, Any], names: Names, origin: Origin, reading: Reading) -> Policy | None:
    id_, arn = text(item, "Id"), text(item, "Arn")
    name, kind = text(item, "Name") or id_ or "", TYPES.get(text(item, "Type") or "")
    if kind is None:
        if item.get("Type") not in _OTHER_TYPES:
            shape(origin.child("Type"), f"policy `{printable(name)}` is of no known type", reading)
        return None
    if arn is None and id_ is not None:
        arn = policy_arn(names, kind, id_, aws_managed=item.get("AwsManaged") is True)
    return org_policy(kind, (name, arn), item.get("Content"), origin.child("Content"), reading)


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

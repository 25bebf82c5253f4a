"""The generated organization as plain JSON, and its questions in the form that the README of iam-simulate shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Files:
    """The generated organization by ARN: principals, groups, managed policies, resource policies, nodes over an account."""

    principals: dict[str, Any]
    groups: dict[tuple[str, str], Any]
    managed: dict[str, Any]
    resources: dict[str, Any]
    above: dict[str, tuple[Any, ...]]
    management: str


def read_files(orgs: Path, size: str) -> Files:
    """The same files that iamsim reads, as plain JSON."""
    principals, groups, managed = {}, {}, {}
    for path in sorted((orgs / size / "gaad").glob("*.json")):
        document = json.loads(path.read_bytes())
        for item in (*document["UserDetailList"], *document["RoleDetailList"]):
            principals[item["Arn"]] = item
        for item in document["GroupDetailList"]:
            groups[path.stem, item["GroupName"]] = item
        for item in document["Policies"]:
            (managed[item["Arn"]],) = (v["Document"] for v in item["PolicyVersionList"] if v["IsDefaultVersion"])
    resources = {r["Resource"]: r["Policy"] for r in json.loads((orgs / size / "resources.json").read_bytes())}
    root = json.loads((orgs / size / "organization.json").read_bytes())
    return Files(principals, groups, managed, resources, dict(lineages(root, ())), root["ManagementAccountId"])


def lineages(node: Any, above: tuple[Any, ...]) -> list[tuple[str, tuple[Any, ...]]]:
    """Each node's id with the nodes from the root down to it."""
    line = (*above, node)
    return [(node["Id"], line), *(pair for child in node.get("Children", ()) for pair in lineages(child, line))]


def identity_policies(files: Files, arn: str) -> list[dict[str, Any]]:
    """Inline and managed policies of a principal and of its groups."""
    holder = files.principals[arn]
    account = arn.split(":")[4]
    holders = [holder, *(files.groups[account, name] for name in holder.get("GroupList", ()))]
    found = []
    for one in holders:
        inline = next((one[k] for k in ("UserPolicyList", "RolePolicyList", "GroupPolicyList") if k in one), ())
        found += [{"name": p["PolicyName"], "policy": p["PolicyDocument"]} for p in inline]
        managed = one.get("AttachedManagedPolicies", ())
        found += [{"name": p["PolicyArn"], "policy": files.managed[p["PolicyArn"]]} for p in managed]
    return [{**policy, "name": f"{number} {policy['name']}"} for number, policy in enumerate(found)]


def controls(files: Files, account: str, kind: str) -> list[dict[str, Any]]:
    """The policies of this type at each level above an account; none for the management account."""
    if account == files.management:
        return []
    return [
        {
            "orgIdentifier": node["Id"],
            "policies": [
                {"name": p["Name"], "policy": p["Content"]}
                for p in node["Policies"]
                if p["Type"] == kind and p["Name"] != "RCPFullAWSAccess"
            ],
        }
        for node in files.above[account]
    ]


def resource_policy(files: Files, arn: str) -> Any:
    """The policy of the resource, of the bucket of an object, or the trust policy of a role; None without one."""
    if arn in files.principals:
        return files.principals[arn].get("AssumeRolePolicyDocument")
    return files.resources.get(arn.split("/", maxsplit=1)[0] if arn.startswith("arn:aws:s3:::") else arn)


def simulation(files: Files, query: dict[str, Any]) -> dict[str, Any]:
    """The question in the form that the README of iam-simulate shows."""
    policy = resource_policy(files, query["resource"])
    return {
        "identityPolicies": identity_policies(files, query["principal"]),
        "serviceControlPolicies": controls(files, query["principal"].split(":")[4], "SERVICE_CONTROL_POLICY"),
        "resourceControlPolicies": controls(files, query["resource_account"], "RESOURCE_CONTROL_POLICY"),
        **({} if policy is None else {"resourcePolicy": policy}),
        "request": {
            "action": query["action"],
            "principal": query["principal"],
            "resource": {"accountId": query["resource_account"], "resource": query["resource"]},
            "contextVariables": {**query["context"], **query["derived"]},
        },
    }

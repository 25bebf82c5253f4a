"""How far the control of a principal goes: credentials, or only calls that a service makes on someone's behalf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info
from iamsim.model.pattern import match, tokenize

if TYPE_CHECKING:
    from iamsim.graph.world import Node

RETURNED = frozenset(
    {
        "iam:createaccesskey", "iot:createkeysandcertificate", "sagemaker:createpresignednotebookinstanceurl",
        "sagemaker:createpresigneddomainurl", "sts:assumerole", "sts:assumeroot", "ssm:startsession", "ecs:executecommand",
        "bedrock-agentcore:invokecodeinterpreter",
    }
)  # fmt: skip
"""Actions whose gain is in their response, which a service that returns nothing keeps to itself.

Source: the API references of the services, response elements.
"""

_READS = ("Read", "List")


def within_reach(node: Node, action: str) -> bool:
    """True iff whoever controls `node` as its reach says can have it call `action`.

    Source: Amazon EventBridge Scheduler User Guide, "Using universal targets"; AWS CloudFormation User Guide, "AWS
    CloudFormation service role".
    """
    if node.full:
        return True
    if node.reach == "only":
        return any(match(tokenize(a.lower(), variables=False), action.lower()) for a in node.only)
    if action.lower().startswith("sts:"):
        return False
    info = action_info(action)
    return info is None or info.access_level not in _READS


def fires_within_reach(node: Node, actions: tuple[str, ...]) -> bool:
    """True iff `node` can be made to call all of `actions`, and whoever controls it learns what the calls yield.

    A stack tells the secret of an access key that it creates in its outputs. Source: AWS CloudFormation Template
    Reference, "AWS::IAM::AccessKey", return values.
    """
    if node.full:
        return True
    told = {"iam:createaccesskey"} if node.reach == "provision" else set()
    return all(within_reach(node, a) and (a.lower() not in RETURNED or a.lower() in told) for a in actions)

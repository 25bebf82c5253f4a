"""What services pass when they obtain a role, and which resource they obtain it for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAG, _IDENTITY = "sts:tagsession", "sts:setsourceidentity"


@dataclass(frozen=True, slots=True)
class Passing:
    """What a service passes with AssumeRole. Without the permissions `also` the call fails.

    `tags` are the keys of the tags, in lower case; one that ends with `*` stands for all that begin so. `transitive`: all
    of them are, and either all are passed or none. `identity` is what every source identity begins with; None: none is set.
    """

    service: str
    also: tuple[str, ...]
    tags: tuple[str, ...]
    transitive: bool
    identity: str | None
    source: str

    def tag(self, name: str) -> bool:
        """Whether a tag of this key (lower case) may be passed."""
        return any(name.startswith(t[:-1]) if t.endswith("*") else name == t for t in self.tags)


PASSING = (
    Passing(
        "pods.eks.amazonaws.com", (_TAG,), (
            "eks-cluster-arn", "eks-cluster-name", "kubernetes-namespace", "kubernetes-service-account",
            "kubernetes-pod-name", "kubernetes-pod-uid",
        ), True, None, 'Amazon EKS User Guide, "Grant Pods access to AWS resources based on tags"',
    ),
    Passing(
        "rolesanywhere.amazonaws.com", (_TAG, _IDENTITY), ("x509subject/*", "x509issuer/*", "x509san/*"), False, "CN=",
        'IAM Roles Anywhere User Guide, "Trust model in AWS Identity and Access Management Roles Anywhere"',
    ),
)  # fmt: skip
"""Every other service passes neither tags nor a source identity."""


@dataclass(frozen=True, slots=True)
class SourceType:
    """A type of resource for which a service obtains roles, whose identifier the type's service makes up.

    `name` is that of the catalogue of techniques. `head` is the first part of the resource of the ARN, `place` the part that holds the identifier; with `suffix` only what
    follows its last hyphen is made up. `only`: the service sends `aws:SourceArn` always, and of this type alone.
    """

    service: str
    name: str
    head: str
    place: int
    source: str
    suffix: bool = False
    only: bool = False


SOURCE_TYPES = (
    SourceType("rolesanywhere.amazonaws.com", "trust-anchor", "trust-anchor", 1,
               'Service Authorization Reference, "AWS Identity and Access Management Roles Anywhere"', only=True),
    SourceType("ec2.amazonaws.com", "ec2-instance", "instance", 1, 'Service Authorization Reference, "Amazon EC2"'),
    SourceType("tasks.apprunner.amazonaws.com", "apprunner-service", "service", 2,
               'Service Authorization Reference, "AWS App Runner"'),
    SourceType("bedrock-agentcore.amazonaws.com", "agentcore-runtime", "runtime", 1,
               'Service Authorization Reference, "Amazon Bedrock AgentCore"', suffix=True),
    SourceType("bedrock-agentcore.amazonaws.com", "agentcore-code-interpreter", "code-interpreter-custom", 1,
               'Service Authorization Reference, "Amazon Bedrock AgentCore"', suffix=True),
    SourceType("datapipeline.amazonaws.com", "datapipeline-pipeline", "pipeline", 1,
               'Service Authorization Reference, "AWS Data Pipeline"'),
    SourceType("emr-serverless.amazonaws.com", "emr-serverless-application", "", 2,
               'Service Authorization Reference, "Amazon EMR Serverless"'),
    SourceType("amplify.amazonaws.com", "amplify-branch", "apps", 1, 'Service Authorization Reference, "AWS Amplify"'),
)  # fmt: skip
"""Services that are not here obtain roles for resources whose names their creator chooses, or do not say for which."""


ISSUED_FOR = {
    "lambda.amazonaws.com": ("lambda:sourcefunctionarn", "lambda-function"),
    "ec2.amazonaws.com": ("ec2:sourceinstancearn", "ec2-instance"),
    "codebuild.amazonaws.com": ("codebuild:projectarn", "codebuild-project"),
}
"""The key with which sessions of a service tell for what they were issued, and the resource type (of the catalogue of
techniques) of its values. Source: IAM User Guide, "AWS global condition context keys", properties of a role session."""


SESSION_NAMES = {"ec2.amazonaws.com": ("i-????????", "i-?????????????????")}
"""What the names look like that a service gives to its sessions, where that is documented.

Source: IAM User Guide, "IAM policy elements: Variables and tags", where principal key values are determined."""


def passing_of(services: Iterable[str]) -> Passing | None:
    """What a service caller with these names passes; None if nothing.

    Source: IAM User Guide, "Pass session tags in AWS STS".
    """
    return next((p for p in PASSING if p.service in services), None)


def source_types(service: str) -> tuple[SourceType, ...]:
    """The types of resources with identifiers of the service's making for which `service` obtains roles."""
    return tuple(t for t in SOURCE_TYPES if t.service == service)

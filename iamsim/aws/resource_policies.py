"""Which resources can carry a resource-based policy, which actions hide the owner's account, and the region of a request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from iamsim.aws import shapes
from iamsim.aws.actions import action_info, resource_arn_patterns
from iamsim.aws.services import TRUST_ACTIONS
from iamsim.model.arn import parse_arn

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicyRow:
    """Resources of one service that can carry a policy: globs of an ARN's last field. `actions` limits the row to
    actions that start so (any if empty). `required`: each has a policy, and without its leave identity policies do not count.
    """

    service: str
    resources: tuple[str, ...]
    source: str
    actions: tuple[str, ...] = ()
    required: bool = False

    def covers(self, arn: str, action: str) -> bool:
        """True iff the row speaks of `action` (lower case) on the resource, or on one of a pattern of ARNs."""
        parsed = parse_arn(arn)
        if parsed is None or parsed.service != self.service:
            return False
        if self.actions and not action.startswith(self.actions) and "*" not in action:
            return False
        return any(shapes.globs_meet(glob, parsed.resource) for glob in self.resources)


_WORKS_WITH = 'IAM User Guide, "AWS services that work with IAM"'
_REFERENCE = "Service Authorization Reference, actions that put a policy on a resource"


def _rows(source: str, table: dict[str, str]) -> tuple[ResourcePolicyRow, ...]:
    return tuple(
        ResourcePolicyRow(service=service, resources=tuple(globs.split()), source=source)
        for service, globs in table.items()
    )


# A resource left out would give a wrong no, one too many at worst an unknown: in doubt it is listed.
RESOURCE_POLICIES: tuple[ResourcePolicyRow, ...] = (
    ResourcePolicyRow(
        service="iam",
        resources=("role/*",),
        source='IAM User Guide, "Roles terms and concepts: Trust policy"',
        actions=TRUST_ACTIONS,
        required=True,
    ),
    ResourcePolicyRow(
        service="kms",
        resources=("key/*",),
        source='AWS KMS Developer Guide, "Key policies in AWS KMS"',
        required=True,
    ),
    *_rows(
        _WORKS_WITH,
        {
            "acm-pca": "certificate-authority/*",
            "apigateway": "/restapis* /domainnames* /portalproducts*",
            "aps": "workspace/*",
            "backup": "backup-vault:* recovery-point:*",
            "bedrock": "custom-model/* guardrail/* guardrail-profile/* knowledge-base/*",
            "bedrock-agentcore": "gateway/* runtime/*",
            "cassandra": "/keyspace/*",
            "cloudtrail": "channel/* dashboard/* eventdatastore/* trail/*",
            "codeartifact": "domain/* repository/* package/* package-group/*",
            "codebuild": "project/* report-group/*",
            "comprehend": "document-classifier/* entity-recognizer/*",
            "dsql": "cluster/*",
            "dynamodb": "table/*",
            "ecr": "repository/*",
            "ecr-public": "repository/*",
            "elasticfilesystem": "file-system/* access-point/*",
            "es": "domain/*",
            "events": "event-bus/* event-busv2/* event-source/* rule/*",
            "execute-api": "*",
            "glacier": "vaults/*",
            "glue": "catalog catalog/* database/* table/* tableVersion/* userDefinedFunction/* connection/*",
            "iot": "*",
            "kafka": "cluster/* topic/* group/* transactional-id/*",
            "kinesis": "*",
            "kinesisvideo": "channel/* stream/*",
            "lambda": "function:* layer:* web-function/*",
            "lex": "bot/* bot-alias/* bot:*",
            "logs": "log-group:* destination:* delivery-destination:*",
            "mediaconvert": "*",
            "mediastore": "*",
            "network-firewall": "*",
            "opensearch": "*",
            "organizations": "*",
            "ram": "*",
            "redshift": "namespace:* namespace/* datashare:*",
            "redshift-serverless": "namespace/* snapshot/*",
            "rekognition": "project/*",
            "resource-explorer-2": "view/*",
            "rolesanywhere": "*",
            "s3": "*",
            "s3-object-lambda": "accesspoint/*",
            "s3-outposts": "outpost/*",
            "s3express": "bucket/* accesspoint/*",
            "s3tables": "bucket/*",
            "s3vectors": "bucket/*",
            "s3files": "file-system/*",
            "schemas": "registry/* schema/*",
            "secretsmanager": "secret:*",
            "serverlessrepo": "applications/*",
            "servicediscovery": "namespace/* service/*",
            "ses": "identity/* configuration-set/* template/*",
            "signer": "/signing-profiles/*",
            "sns": "*",
            "sqs": "*",
            "ssm": "parameter/* document/* opsitemgroup/*",
            "ssm-contacts": "contact/*",
            "ssm-incidents": "response-plan/*",
            "vpc-lattice": "*",
            "vpc-lattice-svcs": "*",
            "xray": "*",
        },
    ),
    *_rows(
        _REFERENCE,
        {
            "agent-registry": "registry/*",
            "aiops": "investigation-group/*",
            "appmesh": "mesh/*",
            "appsync": "apis/*",
            "arc-region-switch": "plan/*",
            "aws-marketplace": "*",
            "billing": "*",
            "catalog": "*",
            "cleanrooms-ml": "configured-audience-model/*",
            "cloudfront": "vpcorigin/*",
            "cloudhsm": "backup/*",
            "cloudsearch": "domain/*",
            "codeguru-profiler": "profilingGroup/*",
            "continuum": "*",
            "datazone": "domain/*",
            "ec2": "ipam-pool/* placement-group/* verified-access-group/*",
            "elasticloadbalancing": "truststore/*",
            "elemental-inference": "feed/*",
            "entityresolution": "*",
            "fsx": "volume/*",
            "imagebuilder": "component/* container-recipe/* image/* image-recipe/*",
            "lookoutequipment": "dataset/* model/*",
            "mediapackagev2": "channelGroup/*",
            "mediatailor": "channel/*",
            "mpa": "*",
            "networkmanager": "core-network/*",
            "oam": "sink/*",
            "odb": "*",
            "omics": "sequenceStore/*",
            "osis": "pipeline/*",
            "payment-cryptography": "key/*",
            "profile": "domains/*",
            "qbusiness": "application/*",
            "refactor-spaces": "environment/*",
            "resource-groups": "group/*",
            "route53-recovery-control": "cluster/*",
            "route53profiles": "profile/*",
            "route53resolver": "firewall-rule-group/* resolver-query-log-config/* resolver-rule/*",
            "rum": "appmonitor/*",
            "sagemaker": "feature-group/* model-package-group/* model-package/* lineage-group/* pipeline/* hub/* mlflow*",
            "servicecatalog": "*",
            "sms-voice": "*",
            "waf": "rulegroup/*",
            "waf-regional": "rulegroup/*",
            "wafv2": "*",
        },
    ),
)


@lru_cache(maxsize=16384)
def has_resource_policy(arn: str, action: str) -> bool:
    """True iff the resource can carry a resource-based policy, or lies in one that can, and that policy has a say in `action`.

    An ARN with wildcards counts as soon as one of its resources can. `*` never does: such requests have no resource.
    Source: IAM User Guide, "AWS services that work with IAM".
    """
    parsed = parse_arn(arn)
    rows = _by_service().get(parsed.service, ()) if parsed is not None else ()
    return any(row.covers(arn, action.lower()) for row in rows)


@cache
def _by_service() -> Mapping[str, tuple[ResourcePolicyRow, ...]]:
    services = dict.fromkeys(row.service for row in RESOURCE_POLICIES)
    return {s: tuple(row for row in RESOURCE_POLICIES if row.service == s) for s in services}


@lru_cache(maxsize=4096)
def may_meet_policy(action: str) -> bool:
    """False only if no resource that `action` (lower case) works on can carry a policy that has a say in it.

    Source: IAM User Guide, "AWS services that work with IAM"; Service Authorization Reference, resource types of actions.
    """
    return action_info(action) is None or any(has_resource_policy(p, action) for p in resource_arn_patterns(action))


@lru_cache(maxsize=4096)
def policy_required(action: str) -> bool:
    """False only if identity policies count for `action` (lower case) without the leave of a resource policy.

    Source: AWS KMS Developer Guide, "Key policies in AWS KMS"; IAM User Guide, "Roles terms and concepts: Trust policy".
    """
    needed = [row for row in RESOURCE_POLICIES if row.required]
    if action_info(action) is None:
        return any(action.startswith(row.actions or f"{row.service}:") for row in needed)
    return any(row.covers(p, action) for row in needed for p in resource_arn_patterns(action))


@lru_cache(maxsize=4096)
def services_of(action: str) -> frozenset[str]:
    """The services of the resources that `action` works on, as ARNs have them, and its own."""
    return frozenset((action.partition(":")[0], *(p.split(":")[2] for p in resource_arn_patterns(action))))


# --- the owner's account


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceAccountRow:
    """An action (or `service:*`) without `aws:ResourceAccount`, `aws:ResourceOrgID`, `aws:ResourceOrgPaths` in its context.

    `certain` is false iff that holds for some requests of the action only.
    """

    action: str
    certain: bool
    source: str


_ACCOUNT_KEYS = 'IAM User Guide, "AWS global condition context keys: aws:ResourceAccount"'

RESOURCE_ACCOUNT_EXCEPTIONS: tuple[ResourceAccountRow, ...] = (
    *(
        ResourceAccountRow(action=action, certain=True, source=_ACCOUNT_KEYS)
        for action in (
            "auditmanager:UpdateAssessmentFrameworkShare",
            "detective:AcceptInvitation",
            "ds:AcceptSharedDirectory",
            "ebs:*",
            "ec2:AcceptTransitGatewayPeeringAttachment",
            "ec2:AcceptVpcEndpointConnections",
            "ec2:AcceptVpcPeeringConnection",
            "ec2:CreateTransitGatewayPeeringAttachment",
            "ec2:CreateVpcEndpoint",
            "ec2:CreateVpcPeeringConnection",
            "es:AcceptInboundConnection",
            "guardduty:AcceptAdministratorInvitation",
            "macie2:AcceptInvitation",
            "route53:AssociateVpcWithHostedZone",
            "route53:CreateVPCAssociationAuthorization",
            "securityhub:AcceptAdministratorInvitation",
        )
    ),
    ResourceAccountRow(action="events:PutEvents", certain=False, source=_ACCOUNT_KEYS),
)
_ABSENT = {row.action.lower(): row.certain for row in RESOURCE_ACCOUNT_EXCEPTIONS}


def resource_account_absent(action: str) -> bool:
    """True iff requests of `action` never have `aws:ResourceAccount` (nor the organization keys of the resource).

    Source: IAM User Guide, "AWS global condition context keys: aws:ResourceAccount".
    """
    name = action.lower()
    return _ABSENT.get(name, False) or _ABSENT.get(f"{name.partition(':')[0]}:*", False)


def resource_account_uncertain(action: str) -> bool:
    """True iff some requests of `action` lack `aws:ResourceAccount` and others have it: the key may be absent."""
    return _ABSENT.get(action.lower()) is False


# --- the region

_HOME = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
# Services with one endpoint per partition. Source: AWS General Reference, "Service endpoints and quotas"; IAM User Guide,
# "aws:RequestedRegion".
GLOBAL_SERVICES = frozenset(
    [
        "account",
        "budgets",
        "ce",
        "cloudfront",
        "cur",
        "iam",
        "importexport",
        "organizations",
        "route53",
        "route53domains",
        "savingsplans",
        "shield",
        "waf",
    ]
)
_FIXED = {"globalaccelerator": "us-west-2", "networkmanager": "us-west-2"}
# Checked by the service that is called, in its own region.
_CALLED_ELSEWHERE = frozenset({"iam:passrole"})


def region_of(arn: str, action: str) -> str | None:
    """The region of the endpoint that requests of `action` on `arn` go to, or None if that does not follow.

    It is the region in the ARN if there is one; else, for a global service, the region of its one endpoint.
    Source: IAM User Guide, "AWS global condition context keys: aws:RequestedRegion".
    """
    parsed = parse_arn(arn)
    service = action.lower().partition(":")[0]
    if service in _FIXED:
        return _FIXED[service]
    if parsed is not None and parsed.region:
        return None if "*" in parsed.region or "?" in parsed.region else parsed.region
    if service in GLOBAL_SERVICES and action.lower() not in _CALLED_ELSEWHERE:
        partition = parsed.partition if parsed is not None else "aws"
        return _HOME.get(partition)
    return None

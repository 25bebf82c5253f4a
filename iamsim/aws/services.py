"""What single services do differently: calls outside the rule, and what holds for the actions and providers of some."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from iamsim.model.caller import CallerKind, Credentials

_SIGNED = (
    CallerKind.USER,
    CallerKind.ROLE_SESSION,
    CallerKind.FEDERATED_USER,
    CallerKind.ROOT,
    CallerKind.SERVICE,
)
_ALL = tuple(CallerKind)
_STS = 'IAM User Guide, "Compare AWS STS credentials"'
_STS_API = "AWS STS API Reference"

TRUST_ACTIONS = ("sts:assumerole", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext")
"""Prefixes of the actions for which the trust policy of a role is the resource policy."""

PASSED_TO = (
    "amplify", "apigateway", "apprunner", "appsync", "bedrock-agentcore", "build.apprunner", "cloudformation", "codebuild", "codepipeline",
    "credentials.iot", "datapipeline", "ec2", "ecs", "ecs-tasks", "elasticmapreduce", "emr-serverless", "events", "glue", "iot",
    "lambda", "pipes", "pods.eks", "rolesanywhere", "sagemaker", "scheduler", "spotfleet", "ssm", "states", "tasks.apprunner",
)  # fmt: skip
"""The services (without `.amazonaws.com`) that use a role for whoever passes it to them or has it associated with a resource.

Source: the developer guides of the services, service roles.
"""


RESERVED_NAMES = {
    "ssm-document": tuple(
        f"arn:*:ssm:*:*:document/{name}*"
        for name in ("aws", "AWS-", "AWSEC2", "AWSConfigRemediation", "AWSSupport", "amazon", "amzn")
    ),
}
"""ARNs, by type of the catalogue of techniques, with names that no account can give: only resources of AWS have them.

Source: AWS Systems Manager API Reference, "CreateDocument", Name.
"""


class Effect(StrEnum):
    """What a call row says: denied or allowed whatever the policies, or not to be known."""

    REFUSED = "refused"
    FREE = "free"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """Calls outside the policy evaluation logic: `actions` (globs in lower case, `but` excepted) by `callers`.

    `credentials` and `mfa` restrict the row to users and root signing so; None means any.
    """

    id: str
    actions: tuple[str, ...]
    but: tuple[str, ...] = ()
    callers: tuple[CallerKind, ...]
    credentials: Credentials | None = None
    mfa: bool | None = None
    effect: Effect
    reason: str
    source: str


CALLS: tuple[CallRow, ...] = (
    CallRow(
        id="call-get-caller-identity",
        actions=("sts:getcalleridentity",),
        callers=_SIGNED,
        effect=Effect.FREE,
        reason="sts:GetCallerIdentity needs no permission",
        source=_STS_API + ', "GetCallerIdentity"',
    ),
    CallRow(
        id="call-get-session-token-temporary",
        actions=("sts:getsessiontoken",),
        callers=(CallerKind.USER, CallerKind.ROOT),
        credentials=Credentials.SESSION_TOKEN,
        effect=Effect.REFUSED,
        reason="sts:GetSessionToken cannot be called with temporary credentials",
        source=_STS_API + ', "GetSessionToken"',
    ),
    CallRow(
        id="call-get-session-token",
        actions=("sts:getsessiontoken",),
        callers=(CallerKind.USER, CallerKind.ROOT),
        effect=Effect.FREE,
        reason="sts:GetSessionToken needs no permission",
        source=_STS_API + ', "GetSessionToken"',
    ),
    CallRow(
        id="call-session-token-role",
        actions=("sts:getsessiontoken", "sts:getfederationtoken"),
        callers=(CallerKind.ROLE_SESSION, CallerKind.FEDERATED_USER, CallerKind.SERVICE, CallerKind.ANONYMOUS),
        effect=Effect.REFUSED,
        reason="only users and the root user can call GetSessionToken and GetFederationToken",
        source=_STS,
    ),
    CallRow(
        id="call-federation-token-temporary",
        actions=("sts:getfederationtoken",),
        callers=(CallerKind.USER, CallerKind.ROOT),
        credentials=Credentials.SESSION_TOKEN,
        effect=Effect.REFUSED,
        reason="sts:GetFederationToken needs long-term credentials",
        source=_STS_API + ', "GetFederationToken"',
    ),
    CallRow(
        id="call-federated-iam",
        actions=("iam:*",),
        callers=(CallerKind.FEDERATED_USER,),
        effect=Effect.REFUSED,
        reason="a federated user cannot call IAM",
        source=_STS,
    ),
    CallRow(
        id="call-federated-sts",
        actions=("sts:*",),
        but=("sts:getcalleridentity",),
        callers=(CallerKind.FEDERATED_USER,),
        effect=Effect.REFUSED,
        reason="a federated user can call no STS operation but GetCallerIdentity",
        source=_STS,
    ),
    CallRow(
        id="call-session-token-iam",
        actions=("iam:*",),
        callers=(CallerKind.USER, CallerKind.ROOT),
        credentials=Credentials.SESSION_TOKEN,
        mfa=False,
        effect=Effect.REFUSED,
        reason="GetSessionToken credentials without MFA cannot call IAM",
        source=_STS,
    ),
    CallRow(
        id="call-session-token-sts",
        actions=("sts:*",),
        but=(*TRUST_ACTIONS, "sts:getcalleridentity"),
        callers=(CallerKind.USER, CallerKind.ROOT),
        credentials=Credentials.SESSION_TOKEN,
        effect=Effect.REFUSED,
        reason="GetSessionToken credentials can call no STS operation but AssumeRole and GetCallerIdentity",
        source=_STS_API + ', "GetSessionToken"',
    ),
    CallRow(
        id="call-root-assume",
        actions=("sts:assumerole", "sts:assumeroot"),
        callers=(CallerKind.ROOT,),
        effect=Effect.REFUSED,
        reason="the root user cannot assume roles",
        source=_STS_API + ', "AssumeRole"',
    ),
    CallRow(
        id="call-federated-assume-root",
        actions=("sts:assumeroot",),
        callers=(CallerKind.FEDERATED_USER,),
        effect=Effect.REFUSED,
        reason="a federated user cannot call AssumeRoot",
        source=_STS_API + ', "AssumeRoot"',
    ),
    CallRow(
        id="call-anonymous-assume",
        actions=TRUST_ACTIONS,
        callers=(CallerKind.ANONYMOUS,),
        effect=Effect.REFUSED,
        reason="an unsigned request cannot assume a role",
        source=_STS_API + ', "AssumeRole"',
    ),
    CallRow(
        id="call-web-identity-without-token",
        actions=("sts:assumerolewithwebidentity",),
        callers=tuple(k for k in _ALL if k is not CallerKind.WEB_IDENTITY),
        effect=Effect.REFUSED,
        reason="AssumeRoleWithWebIdentity is authorized by a web identity token (ask `oidc://ISSUER?sub=…`)",
        source=_STS_API + ', "AssumeRoleWithWebIdentity"',
    ),
    CallRow(
        id="call-saml-without-assertion",
        actions=("sts:assumerolewithsaml",),
        callers=tuple(k for k in _ALL if k is not CallerKind.SAML),
        effect=Effect.REFUSED,
        reason="AssumeRoleWithSAML is authorized by a SAML assertion (ask `saml://PROVIDER-ARN?…`)",
        source=_STS_API + ', "AssumeRoleWithSAML"',
    ),
    CallRow(
        id="call-web-identity-only",
        actions=("*",),
        but=("sts:assumerolewithwebidentity", "sts:tagsession", "sts:setsourceidentity"),
        callers=(CallerKind.WEB_IDENTITY,),
        effect=Effect.REFUSED,
        reason="the holder of a web identity token can only call AssumeRoleWithWebIdentity",
        source=_STS,
    ),
    CallRow(
        id="call-saml-only",
        actions=("*",),
        but=("sts:assumerolewithsaml", "sts:tagsession", "sts:setsourceidentity"),
        callers=(CallerKind.SAML,),
        effect=Effect.REFUSED,
        reason="the holder of a SAML assertion can only call AssumeRoleWithSAML",
        source=_STS,
    ),
)


def call_row(action: str, kind: CallerKind, credentials: Credentials, mfa: bool | None) -> CallRow | None:
    """The first row of CALLS that covers the call, or None; `action` in lower case."""
    for row in _by_kind(kind):
        if row.credentials is not None and row.credentials is not credentials:
            continue
        if row.mfa is not None and bool(mfa) is not row.mfa:
            continue
        if any(_glob(a, action) for a in row.actions) and action not in row.but:
            return row
    return None


_KINDS = {kind: tuple(r for r in CALLS if kind in r.callers) for kind in CallerKind}


def _by_kind(kind: CallerKind) -> tuple[CallRow, ...]:
    return _KINDS[kind]


def _glob(pattern: str, action: str) -> bool:
    if pattern[-1] == "*":
        return action.startswith(pattern[:-1])
    return pattern == action


KMS_CROSS_ACCOUNT = frozenset(
    """kms:decrypt kms:encrypt kms:reencryptfrom kms:reencryptto kms:generatedatakey kms:generatedatakeypair
    kms:generatedatakeypairwithoutplaintext kms:generatedatakeywithoutplaintext kms:generatemac kms:verifymac kms:sign
    kms:verify kms:derivesharedsecret kms:creategrant kms:describekey kms:getkeyrotationstatus kms:getpublickey
    kms:listgrants kms:retiregrant kms:revokegrant""".split()
)
"""KMS actions that work on a key of another account.

Source: AWS KMS Developer Guide, "Allowing users in other accounts to use a KMS key".
"""

S3_POLICY_ACTIONS = frozenset({"s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"})
"""For these the owner account's root user passes every Deny of the bucket policy.

Source: Amazon S3 User Guide, "Bucket policies".
"""

OWNER_ROOT_ACTIONS = S3_POLICY_ACTIONS | {
    "sqs:setqueueattributes", "sqs:getqueueattributes", "sqs:addpermission", "sqs:removepermission",
}  # fmt: skip
"""For these the owner account's root user passes every Deny of the policy of the bucket or queue.

Source: AWS Account Management Reference Guide, "Root user best practices", tasks that require root user credentials: a policy of
SQS that denies all principals is edited or deleted; IAM User Guide, "Perform a privileged task on an AWS Organizations member
account", with the policy SQSUnlockQueuePolicy.
"""

ORGANIZATION_WIDE = ("sts:assumeroot", "sso:", "sso-directory:", "identitystore:")
"""Actions on resources of the whole organization, which the management account or a delegated administrator calls: identity
policies of the caller alone decide, whichever account the ARN names.

Source: IAM User Guide, "Perform a privileged task on an AWS Organizations member account"; IAM Identity Center User Guide,
"Delegated administration".
"""

BUILT_IN_PROVIDERS = frozenset(
    {"accounts.google.com", "www.amazon.com", "graph.facebook.com", "cognito-identity.amazonaws.com"}
)
"""Web identity providers that need no OIDC provider resource.

Source: IAM User Guide, "Create an OpenID Connect (OIDC) identity provider in IAM".
"""


@dataclass(frozen=True, slots=True)
class NoteRow:
    """A service with an authorization layer beside IAM: the verdict is about IAM only."""

    service: str
    note: str
    source: str


NOTES: tuple[NoteRow, ...] = (
    NoteRow("eks", "EKS access entries and Kubernetes RBAC are not read", 'Amazon EKS User Guide, "Access entries"'),
    NoteRow(
        "lakeformation", "Lake Formation permissions are not read", 'AWS Lake Formation Developer Guide, "Permissions"'
    ),
    NoteRow("glue", "Lake Formation permissions are not read", 'AWS Lake Formation Developer Guide, "Permissions"'),
    NoteRow(
        "aoss",
        "OpenSearch Serverless data access policies are not read",
        'Amazon OpenSearch Service Developer Guide, "Data access control"',
    ),
    NoteRow(
        "es",
        "OpenSearch fine-grained access control is not read",
        'Amazon OpenSearch Service Developer Guide, "Fine-grained access control"',
    ),
    NoteRow(
        "redshift", "grants inside Redshift databases are not read", 'Amazon Redshift Management Guide, "Authorization"'
    ),
    NoteRow(
        "organizations",
        "many actions work only from the management or a delegated account",
        'AWS Organizations User Guide, "Delegated administrator"',
    ),
    NoteRow(
        "account",
        "many actions work only from the management or a delegated account",
        "AWS Account Management Reference Guide",
    ),
)
_NOTES = {row.service: row.note for row in NOTES}


def note_of(service: str) -> str | None:
    """What has to be said of a verdict on `service`, or None."""
    return _NOTES.get(service)

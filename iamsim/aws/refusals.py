"""What services refuse whatever policies say, and what depends on things that no policy says."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from iamsim.aws.services import S3_POLICY_ACTIONS, TRUST_ACTIONS


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """Requests that a service refuses, or whose outcome depends on what no policy says (`unknown`).

    `actions` are globs in lower case, `resource` a glob of the ARN's last field, `cross`: only for other accounts'
    resources.
    """

    id: str
    service: str
    actions: tuple[str, ...]
    resource: str
    cross: bool
    unknown: bool
    reason: str
    source: str

    @property
    def arn(self) -> str:
        """The pattern of the ARNs that the row is about."""
        account = "aws" if self.id == "refuse-aws-managed-policy" else "*"
        return f"arn:*:{self.service}:*:{account}:{self.resource}"


_IAM_WRITES = tuple(
    f"iam:{verb}*"
    for verb in "add attach change create deactivate delete detach enable passrole put remove reset set tag untag update upload".split()
)

_SQS_OWN_ACCOUNT = tuple(
    """sqs:addpermission sqs:cancelmessagemovetask sqs:createqueue sqs:deletequeue sqs:listmessagemovetasks sqs:listqueues
    sqs:listqueuetags sqs:removepermission sqs:setqueueattributes sqs:startmessagemovetask sqs:tagqueue
    sqs:untagqueue""".split()
)

OTHER_PARTITION = RefusalRow(
    "refuse-other-partition", "", (), "*", False, False,
    "credentials of one partition are not valid in another",
    'IAM User Guide, "Policy evaluation for requests in a single account" and "Cross account resource access in IAM"; AWS '
    'General Reference, "Amazon Resource Names (ARNs)"; AWS Fault Isolation Boundaries, "Partitions"',
)  # fmt: skip
"""The row of what is refused whatever the service is: see `iamsim.env.resource_policy`."""

REFUSALS: tuple[RefusalRow, ...] = (
    RefusalRow(
        "refuse-aws-managed-policy", "iam", _IAM_WRITES, "policy/*", False, False,
        "AWS managed policies cannot be changed", 'IAM User Guide, "AWS managed policies"',
    ),
    RefusalRow(
        "refuse-aws-reserved-role", "iam", _IAM_WRITES, "role/aws-reserved/*", False, False,
        "roles under /aws-reserved/ are managed by AWS", 'IAM Identity Center User Guide, "Permission sets"',
    ),
    RefusalRow(
        "refuse-service-linked-role", "iam",
        ("iam:attachrolepolicy", "iam:detachrolepolicy", "iam:putrolepolicy", "iam:deleterolepolicy", "iam:deleterole",
         "iam:updateassumerolepolicy", "iam:putrolepermissionsboundary", "iam:deleterolepermissionsboundary"),
        "role/aws-service-role/*", False, False,
        "only its service changes a service-linked role", 'IAM User Guide, "Create a service-linked role"',
    ),
    RefusalRow(
        "refuse-service-linked-path", "iam", ("iam:createrole",), "role/aws-service-role/*", False, False,
        "the path /aws-service-role/ is for service-linked roles",
        "observed, no page of AWS says it: CreateRole fails with InvalidInput, \"Path prefix '/aws-service-role/' can only be "
        'used for AWS Service linked Roles", in public reports (tilfin/aws-iam-policy-tool, pull request 9; 99designs/iamy, issue 49)',
    ),
    RefusalRow(
        "refuse-assume-service-linked-role", "iam", tuple(f"{a}*" for a in TRUST_ACTIONS),
        "role/aws-service-role/*", False, False,
        "only its service assumes a service-linked role", 'IAM User Guide, "Roles terms and concepts"',
    ),
    RefusalRow(
        "refuse-pass-role-cross-account", "iam", ("iam:passrole",), "role/*", True, False,
        "a role can only be passed within its account",
        'IAM User Guide, "Grant a user permissions to pass a role to an AWS service"',
    ),
    RefusalRow(
        "refuse-s3-bucket-policy-cross-account", "s3", tuple(sorted(S3_POLICY_ACTIONS)), "*", True, False,
        "S3 lets only the owner's account read, set or delete the policy of a bucket",
        'Amazon S3 API Reference, "GetBucketPolicy", "PutBucketPolicy" and "DeleteBucketPolicy"',
    ),
    RefusalRow(
        "refuse-sqs-cross-account", "sqs", _SQS_OWN_ACCOUNT, "*", True, False,
        "this SQS action does not work on a queue of another account",
        'Amazon SQS Developer Guide, "Limitations of Amazon SQS custom policies"',
    ),
    RefusalRow(
        "refuse-kms-aws-alias", "kms", ("kms:createalias", "kms:updatealias", "kms:deletealias"), "alias/aws/*", False,
        False, "aliases under alias/aws/ are reserved", 'AWS KMS Developer Guide, "Aliases in AWS KMS"',
    ),
    RefusalRow(
        "unknown-s3-access-point", "s3", ("s3:*",), "accesspoint/*", False, True,
        "S3 access points are not read", 'Amazon S3 User Guide, "Managing access with access points"',
    ),
    RefusalRow(
        "unknown-s3-object-lambda", "s3-object-lambda", ("s3-object-lambda:*",), "*", False, True,
        "S3 Object Lambda access points are not read",
        'Amazon S3 User Guide, "Transforming objects with S3 Object Lambda"',
    ),
    RefusalRow(
        "unknown-execute-api", "execute-api", ("execute-api:*",), "*", False, True,
        "the authorization type of the method is not in the snapshot",
        'Amazon API Gateway Developer Guide, "How API Gateway resource policies affect authorization workflow"',
    ),
    OTHER_PARTITION,
)  # fmt: skip


def refusals(action: str, service: str, last: str, *, cross: bool, aws_owned: bool) -> tuple[RefusalRow, ...]:
    """The rows of REFUSALS that cover `action` on an ARN of `service` whose last field is `last`."""
    out = []
    for row in refusals_of(action):
        if row.service != service or (row.cross and not cross):
            continue
        if row.id == "refuse-aws-managed-policy" and not aws_owned:
            continue
        if fnmatchcase(last, row.resource):
            out.append(row)
    return tuple(out)


@lru_cache(maxsize=4096)
def refusals_of(action: str) -> tuple[RefusalRow, ...]:
    """The rows of REFUSALS that cover `action` (lower case) on some ARN."""
    return tuple(r for r in REFUSALS if any(fnmatchcase(action, a) for a in r.actions))


@lru_cache(maxsize=4096)
def refused_across(action: str) -> tuple[RefusalRow, ...]:
    """The rows of REFUSALS that refuse `action` (lower case) on every resource of another account."""
    return tuple(
        r
        for r in REFUSALS
        if r.cross
        and (r.resource == "*" or action == "iam:passrole")
        and any(fnmatchcase(action, a) for a in r.actions)
    )

"""Requests of which an owner wants to know who can make them: what undoes a control, opens a way, or reads what is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SensitiveRow:
    """An action and what it is asked of: `{partition}` and `{account}` are those of each loaded account.

    With `per` the row is asked of each loaded resource whose ARN begins so (behind the partition), `resource` is then put
    behind that ARN. `reason` says why it matters.
    """

    id: str
    action: str
    resource: str
    reason: str
    source: str
    per: str = ""


_IAM = "Service Authorization Reference, Actions, resources, and condition keys for AWS Identity and Access Management"

SENSITIVE = (
    SensitiveRow(
        "create-user", "iam:CreateUser", "arn:{partition}:iam::{account}:user/iamsim-new",
        "a new user outlives whoever made it", _IAM,
    ),
    SensitiveRow(
        "create-access-key", "iam:CreateAccessKey", "arn:{partition}:iam::{account}:user/iamsim-new",
        "a key of another user is that user", _IAM,
    ),
    SensitiveRow(
        "attach-role-policy", "iam:AttachRolePolicy", "arn:{partition}:iam::{account}:role/iamsim-new",
        "whoever attaches policies to roles decides what they may", _IAM,
    ),
    SensitiveRow(
        "update-trust", "iam:UpdateAssumeRolePolicy", "arn:{partition}:iam::{account}:role/iamsim-new",
        "whoever writes trust policies decides who gets roles", _IAM,
    ),
    SensitiveRow(
        "put-role-policy", "iam:PutRolePolicy", "arn:{partition}:iam::{account}:role/iamsim-new",
        "whoever writes policies of roles decides what they may", _IAM,
    ),
    SensitiveRow(
        "leave-organization", "organizations:LeaveOrganization", "*",
        "an account that leaves its organization is bound by none of its SCPs",
        "AWS Organizations User Guide, Leave an organization from your member account",
    ),
    SensitiveRow(
        "stop-logging", "cloudtrail:StopLogging", "arn:{partition}:cloudtrail:*:{account}:trail/*",
        "what is not logged is not seen", "AWS CloudTrail User Guide, Turning off logging for a trail",
    ),
    SensitiveRow(
        "read-objects", "s3:GetObject", "/*", "whoever reads objects of the bucket has its data",
        "Amazon S3 User Guide, Policy actions for Amazon S3", "s3:::",
    ),
    SensitiveRow(
        "delete-objects", "s3:DeleteObject", "/*", "what is deleted may be gone",
        "Amazon S3 User Guide, Policy actions for Amazon S3", "s3:::",
    ),
    SensitiveRow(
        "put-bucket-policy", "s3:PutBucketPolicy", "", "whoever writes the policy of the bucket decides who may use it",
        "Amazon S3 User Guide, Bucket policies for Amazon S3", "s3:::",
    ),
    SensitiveRow(
        "decrypt", "kms:Decrypt", "", "whoever decrypts with the key reads what it protects",
        "AWS KMS Developer Guide, AWS KMS permissions", "kms:",
    ),
    SensitiveRow(
        "delete-key", "kms:ScheduleKeyDeletion", "", "what a deleted key protected cannot be read again",
        "AWS KMS Developer Guide, Delete an AWS KMS key", "kms:",
    ),
    SensitiveRow(
        "read-secret", "secretsmanager:GetSecretValue", "", "whoever reads the secret has it",
        "AWS Secrets Manager User Guide, Authentication and access control for AWS Secrets Manager", "secretsmanager:",
    ),
)  # fmt: skip

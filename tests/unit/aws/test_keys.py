from datetime import UTC, datetime, timedelta, timezone

import pytest

from iamsim.aws import keys
from iamsim.aws.keys import Listing, key_row, typed_text

LISTED, NOT_LISTED, UNKNOWN = Listing.LISTED, Listing.NOT_LISTED, Listing.UNKNOWN


@pytest.mark.parametrize(
    ("key", "action", "type_", "multivalued", "present", "got"),
    [
        ("aws:PrincipalArn", None, "A", False, "signed", "derived"),
        ("AWS:principalarn", "s3:GetObject", "A", False, "signed", "derived"),
        ("aws:PrincipalOrgPaths", None, "S", True, "caller-organization", "derived"),
        ("aws:PrincipalTag/Dept", "s3:GetObject", "S", False, "caller-tag", "derived"),
        ("aws:MultiFactorAuthPresent", None, "B", False, "mfa-credentials", "mfa"),
        ("aws:MultiFactorAuthAge", None, "N", False, "mfa-used", "mfa"),
        ("aws:SourceIp", "s3:GetObject", "I", False, "public-endpoint", "given"),
        ("aws:CurrentTime", None, "D", False, "always", "given"),
        ("aws:CalledVia", None, "S", True, "forwarded", "given"),
        ("aws:ChatbotSourceArn", None, "A", False, "chat", "absent"),
        ("aws:UserAgent", None, "S", False, "caller-sent", "free"),
        ("lambda:SourceFunctionArn", "s3:GetObject", "A", False, "function", "derived"),
        ("identitystore:UserId", "s3:GetObject", "S", False, "service-session", "free"),
        ("aws:RequestTag/Team", "ec2:RunInstances", "S", False, "request-tag", "given"),
        ("aws:TagKeys", "sts:TagSession", "S", True, "request-tag-keys", "given"),
        ("aws:ResourceTag/Team", "ec2:StartInstances", "S", False, "resource-tag", "derived"),
        ("ec2:ResourceTag/Team", "ec2:StartInstances", "S", False, "resource-tag", "derived"),
        ("aws:ResourceAccount", "s3:GetObject", "S", False, "resource", "derived"),
        ("aws:ResourceAccount", "events:PutEvents", "S", False, "resource", "derived"),
        ("aws:VpceAccount", "s3:GetObject", "S", False, "vpc-endpoint", "derived"),
        ("sts:ExternalId", "sts:AssumeRole", "S", False, "request", "free"),
        ("sts:ExternalId", "sts:TagSession", "S", False, "request", "free"),
        ("sts:TransitiveTagKeys", "sts:TagSession", "S", True, "request", "free"),
        ("sts:RoleSessionName", "sts:SetSourceIdentity", "S", False, "request", "free"),
        ("iam:PassedToService", "iam:PassRole", "S", False, "request", "given"),
        ("iam:PermissionsBoundary", "iam:CreateRole", "A", False, "request", "given"),
        ("iam:PermissionsBoundary", "iam:AttachRolePolicy", "A", False, "request", "derived"),
        ("kms:ViaService", "kms:Decrypt", "S", False, "forwarded", "given"),
        ("kms:EncryptionContext:App:Name", "kms:Decrypt", "S", False, "request", "free"),
        ("s3:prefix", "s3:ListBucket", "S", False, "action", "free"),
        ("s3:max-keys", "s3:ListBucket", "N", False, "action", "free"),
        ("kms:GrantOperations", "kms:CreateGrant", "S", True, "action", "free"),
        ("s3:object-lock-retain-until-date", "s3:PutObject", "D", False, "action", "free"),
        ("s3:ExistingObjectTag/team", "s3:GetObject", "S", False, "action", "free"),
        ("aws:ResourceTag/Team", "iam:CreateRole", "S", False, "resource-tag", "derived"),
        ("secretsmanager:ResourceTag/Team", "secretsmanager:GetSecretValue", "S", False, "resource-tag", "derived"),
        ("ssm:resourceTag/Team", "ssm:SendCommand", "S", False, "resource-tag", "derived"),
        ("elasticloadbalancing:CreateAction", "elasticloadbalancing:AddTags", "S", False, "action", "free"),
        ("s3:prefix", None, "S", False, "action", "free"),
        ("s3:prefix", "s3:NewAction", "S", False, "action", "free"),
    ],
)
def test_listed(key, action, type_, multivalued, present, got):
    row = key_row(key, action)
    assert (row.type, row.multivalued, row.present, row.got, row.listing) == (type_, multivalued, present, got, LISTED)
    assert row.present in keys.PRESENCE
    assert row.source


@pytest.mark.parametrize(
    ("key", "action"),
    [
        ("s3:prefix", "s3:GetObject"),
        ("s3:prefix", "ec2:RunInstances"),
        ("aws:RequestTag/Team", "s3:GetObject"),
        ("aws:TagKeys", "ec2:StartInstances"),
        ("kms:ViaService", "s3:GetObject"),
        ("aws:ResourceTag/Team", "ec2:DescribeInstances"),
        ("ec2:ResourceTag/Team", "ec2:DescribeInstances"),
        ("sts:ExternalId", "s3:GetObject"),
        ("aws:ResourceAccount", "ebs:PutSnapshotBlock"),
        ("aws:ResourceOrgPaths", "ec2:CreateVpcEndpoint"),
        ("aws:VpceAccount", "sqs:SendMessage"),
        ("aws:VpceOrgID", "iam:PassRole"),
        ("token.actions.githubusercontent.com:repository", "s3:GetObject"),
        ("oidc.eks.eu-west-1.amazonaws.com/id/ABC:email", "sts:AssumeRole"),
        ("saml:aud", "s3:GetObject"),
    ],
)
def test_known_but_not_listed_is_absent(key, action):
    row = key_row(key, action)
    assert (row.listing, row.got, row.present) == (NOT_LISTED, "absent", "never")


@pytest.mark.parametrize("key", ["nosuch:key", "aws:Nope", "s3:nope", "noprefix", "", "aws:RequestTag/", "saml:nope"])
def test_unknown_is_free(key):
    row = key_row(key, "s3:GetObject")
    assert (row.listing, row.got, row.multivalued, row.present) == (UNKNOWN, "free", False, "unknown")


def test_web_identity():
    web = "sts:AssumeRoleWithWebIdentity"
    github = "token.actions.githubusercontent.com"
    for claim in ("aud", "sub"):
        row = key_row(f"{github}:{claim}", web)
        assert (row.present, row.got, row.multivalued) == ("oidc-session", "given", False)
        assert key_row(f"{github}:{claim}", "s3:GetObject").got == "derived"
        assert key_row(f"{github}:{claim}", "sts:TagSession").got == "given"
    for claim in ("repository", "environment", "job_workflow_ref", "actor"):
        row = key_row(f"{github}:{claim}", web)
        assert (row.present, row.got) == ("oidc-token", "given")
    unknown = key_row(f"{github}:favourite_colour", web)
    assert (unknown.listing, unknown.present) == (UNKNOWN, "oidc-unknown-claim")
    assert key_row("oidc.eks.eu-west-1.amazonaws.com/id/ABC:sub", web).present == "oidc-session"
    assert key_row("token.actions.acme.ghe.com:repository", web).present == "oidc-token"
    assert key_row("oidc.example.com:repository", web).listing is UNKNOWN
    assert key_row("cognito-identity.amazonaws.com:amr", web).multivalued
    assert key_row("graph.facebook.com:id", web).present == "oidc-session"
    assert key_row("graph.facebook.com:sub", web).listing is UNKNOWN
    assert key_row("accounts.google.com:oaud", web).present == "oidc-token"
    assert key_row("accounts.google.com:google/organization_number", web).type == "N"


def test_saml():
    saml = "sts:AssumeRoleWithSAML"
    assert key_row("saml:aud", saml).present == "saml-assertion"
    assert key_row("saml:sub", saml).got == "given"
    assert key_row("SAML:sub", "s3:GetObject").got == "derived"
    assert key_row("saml:eduPersonAffiliation", saml).multivalued


def test_names_and_families():
    assert key_row("aws:principaltag/Dept").name == "aws:PrincipalTag/Dept"
    assert key_row("kms:encryptioncontext:App").name == "kms:EncryptionContext:App"
    assert key_row("S3:PREFIX").name == "s3:prefix"
    assert key_row("aws:PrincipalTag/Dept").pattern
    assert not key_row("aws:PrincipalArn").pattern


def test_sets_and_rows():
    assert {"aws:currenttime", "aws:securetransport", "aws:principaltype", "aws:viaawsservice"} <= keys.ALWAYS_PRESENT
    assert "aws:sourceip" not in keys.ALWAYS_PRESENT
    assert {"aws:tagkeys", "aws:calledvia", "aws:principalorgpaths"} <= keys.MULTIVALUED
    names = [row.name.lower() for row in keys.ROWS]
    assert len(names) == len(set(names))
    for row in keys.ROWS:
        assert row.source
        assert row.present in keys.PRESENCE
        assert row.type in "SBNDIA"
        assert row.got in {"derived", "given", "free", "absent", "mfa"}


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("B", "TRUE", "true"),
        ("B", False, "false"),
        ("B", "yes", None),
        ("N", 10, "10"),
        ("N", "1.50", "1.5"),
        ("N", "1e3", "1000"),
        ("N", "-0.0", "-0"),
        ("N", "x", None),
        ("N", "NaN", None),
        ("D", "2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z"),
        ("D", "2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00Z"),
        ("D", "2024-05-01", "2024-05-01T00:00:00Z"),
        ("D", "1714521600", "2024-05-01T00:00:00Z"),
        ("D", datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01T00:00:00Z"),
        ("D", datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=1))), "2024-04-30T23:00:00Z"),
        ("D", "2024-05-01T12:00:00", None),
        ("D", "soon", None),
        ("D", "1e30", None),
        ("I", "2001:DB8::0001", "2001:db8::1"),
        ("I", "10.0.0.1", "10.0.0.1"),
        ("I", "10.0.0.0/8", None),
        ("A", "arn:aws:s3:::b", "arn:aws:s3:::b"),
        ("A", "b", None),
        ("S", "Any Text ", "Any Text "),
        ("S", True, "true"),
    ],
)
def test_typed_text(kind, value, text):
    assert typed_text(kind, value) == text

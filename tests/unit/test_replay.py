"""The worked examples of section 8 that are one concrete check, and the edges of operators, as `replay` decides them."""

from __future__ import annotations

import copy

import pytest

from iamsim.replay import check

A, B, M = "111111111111", "222222222222", "333333333333"
U = f"arn:aws:iam::{A}:user/u"
R = f"arn:aws:iam::{A}:role/r"
RS = f"arn:aws:sts::{A}:assumed-role/r/s"
RT = f"arn:aws:sts::{A}:assumed-role/r/t"
FED = f"arn:aws:sts::{A}:federated-user/f"
Q = f"arn:aws:iam::{A}:role/q"
QB = f"arn:aws:iam::{B}:role/q"
KEY = f"arn:aws:kms:us-east-1:{A}:key/k"
BK, BUCKET, BBK = "arn:aws:s3:::b/k", "arn:aws:s3:::b", "arn:aws:s3:::bb/k"
GITHUB = "token.actions.githubusercontent.com"
OIDC = f"arn:aws:iam::{A}:oidc-provider/{GITHUB}"
OLD = "2008"


def caller(kind, account=None, arn=None, parent=None, unique_id=None, **more):
    base = {
        "service_names": [],
        "provider": None,
        "credentials": "none",
        "assumed_root": False,
        "service_linked": False,
    }
    return {"kind": kind, "arn": arn, "parent": parent, "account": account, "unique_id": unique_id, **base, **more}


def user(arn=U, **more):
    return caller("user", arn.split(":")[4], arn, unique_id="AIDANEW", **{"credentials": "long-term", **more})


def session(arn=RS, parent=R, **more):
    return caller("role-session", arn.split(":")[4], arn, parent, "AROAR", **{"credentials": "session", **more})


def federated(parent=U, **more):
    return caller("federated-user", A, FED, parent, "AIDANEW", credentials="session", **more)


def root(account=A, **more):
    return caller("root", account, f"arn:aws:iam::{account}:root", credentials="long-term", **more)


def service(name):
    return caller("service", service_names=[name])


ANON = caller("anonymous")
TOKEN = caller("web-identity", provider=OIDC)
u, v, c = user(), user(f"arn:aws:iam::{A}:user/v"), user(f"arn:aws:iam::{B}:user/c")
rs, rt, f, root_a = session(), session(RT), federated(), root()
m = user(f"arn:aws:iam::{M}:user/m")


def principal_keys(who):
    match who["kind"]:
        case "user":
            return {
                "aws:PrincipalArn": [who["arn"]],
                "aws:PrincipalAccount": [who["account"]],
                "aws:username": [who["arn"].rsplit("/", 1)[-1]],
                "aws:PrincipalType": ["User"],
            }
        case "role-session":
            kind, arn = "AssumedRole", who["parent"]
        case "federated-user":
            kind, arn = "FederatedUser", who["arn"]
        case "root":
            kind, arn = "Account", who["arn"]
        case "anonymous":
            return {"aws:PrincipalAccount": ["anonymous"], "aws:PrincipalType": ["Anonymous"]}
        case _:
            return {}
    return {"aws:PrincipalArn": [arn], "aws:PrincipalAccount": [who["account"]], "aws:PrincipalType": [kind]}


def doc(*statements, version="2012-10-17"):
    return {"Version": version, "Statement": list(statements)} if version != OLD else {"Statement": list(statements)}


def st(effect="Allow", action="*", resource="*", when=None, **elements):
    statement = {"Effect": effect, "Action": action, "Resource": resource, **elements}
    statement = {name: value for name, value in statement.items() if value is not None}
    return {**statement, "Condition": when} if when is not None else statement


def allow(action="*", resource="*", when=None, **elements):
    return st("Allow", action, resource, when, **elements)


def deny(action="*", resource="*", when=None, **elements):
    return st("Deny", action, resource, when, **elements)


def grant(principal, action="s3:GetObject", effect="Allow", when=None, **elements):
    who = principal if principal == "*" or isinstance(principal, dict) else {"AWS": principal}
    return st(effect, action, "*", when, Principal=who, **elements)


def trust(principal, action="sts:AssumeRole", when=None, **elements):
    return doc(grant(principal, action, when=when, Resource=None, **elements))


FULL = doc(allow())
MISSING = {"iamsim:missing": "policy"}


def problem(who=u, action="s3:GetObject", resource=BK, owner=A, ctx=None, ids=(), res=None, kind=None, **more):
    policies = {
        "identity": list(ids),
        "boundary": more.pop("bnd", None),
        "session": more.pop("ses", None),
        "scp": more.pop("scp", None),
        "rcp": more.pop("rcp", None),
        "resource": res,
        "resource_kind": kind or ("key" if ":key/" in resource else "resource" if ":s3:" in resource else "none"),
        "endpoint": more.pop("vpe", None),
        "endpoint_type": more.pop("vpe_type", "interface"),
        "kms_grants": more.pop("kms", []),
        "restrict_public_buckets": more.pop("rpb", False),
    }
    base = {
        "caller": who,
        "action": action,
        "resource": resource,
        "owner": owner,
        "context": {**principal_keys(who), **(ctx or {})},
        "multivalued": ["aws:tagkeys", "aws:calledvia"],
        "unknown_keys": [],
        "ambivalent": [],
        "facts": {"entities": {"AIDANEW": U, "AROAR": R}},
        "policies": policies,
    }
    return {**base, **more}


def decide(*args, **kwargs):
    return check(problem(*args, **kwargs))["decision"]


WORDS = {"allow": "allowed", "D-imp": "implicitDeny", "D-exp": "explicitDeny", "unknown": "unknown"}


def ids(*statements, version="2012-10-17", **more):
    return {"ids": [doc(*statements, version=version)], **more}


def on(who=u, **more):
    return {"who": who, **more}


def iff(operator, key, value, ctx=None, **more):
    """The caller's own action, allowed under one condition."""
    return ids(allow(when={operator: {key: value}}), ctx=ctx or {}, **more)


def unless(operator, key, value, ctx=None, **more):
    return ids(allow(), deny(when={operator: {key: value}}), ctx=ctx or {}, **more)


def bucket(*statements, **more):
    return {"res": doc(*statements), **more}


def put(action, resource, **more):
    return {"action": action, "resource": resource, **more}


HOME = "arn:aws:s3:::b/${aws:username}/*"
TEAM = "arn:aws:s3:::b/${aws:PrincipalTag/team, 'none'}/*"
NOT_HOME = (allow("s3:*"), deny("s3:*", None, NotResource=HOME))
TABLE = f"arn:aws:dynamodb:us-*-1:{A}:table/t"
QUEUE = f"arn:aws:sqs:us-east-1:{A}:q"
TOPIC = f"arn:aws:sns:us-east-1:{A}:T"
LISTED = bucket(st("Deny", "s3:*", NotPrincipal={"AWS": [U, A]}))
QUEUE_POLICY = doc(
    grant({"Service": "sns.amazonaws.com"}, "sqs:SendMessage", when={"ArnEquals": {"aws:SourceArn": TOPIC}})
)
ORG_RCP = [[doc(grant("*", "s3:*", "Deny", {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-x"}}))]]
EC2_BOUNDARY = doc(allow("ec2:*"))
ASSUME = {"action": "sts:AssumeRole", "kind": "trust"}
MFA, TAGS, TAG = "aws:MultiFactorAuthPresent", "aws:TagKeys", "aws:PrincipalTag/t"
WAVER = {"ambivalent": ["aws:multifactorauthpresent"]}
VIA_REGIONS = ["eu-west-1", "eu-west-2"]
KEY_A = doc(grant(A, "kms:*"))
KEY_ADM = doc(grant(f"arn:aws:iam::{A}:role/adm", "kms:*"))
EXTERNAL = {"StringEquals": {"sts:ExternalId": "e"}}
REPO = {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}, "StringLike": {f"{GITHUB}:sub": "repo:org/app:*"}}
WEB = {"who": TOKEN, "action": "sts:AssumeRoleWithWebIdentity", "resource": Q, "kind": "trust"}


def token(sub):
    return {"ctx": {f"{GITHUB}:aud": ["sts.amazonaws.com"], f"{GITHUB}:sub": [sub]}}


def federated_trust(when=None):
    return trust({"Federated": OIDC}, "sts:AssumeRoleWithWebIdentity", when)


EXAMPLES = [
    ("1", "allow", ids(allow("S3:getobject"))),
    ("2", "D-imp", ids(allow("s3:Get*"), action="s3:PutObject")),
    ("3", "allow", ids(allow("s3:Get?bject"))),
    (
        "4",
        "allow",
        ids(allow(None, NotAction="iam:*"), **put("ec2:StartInstances", f"arn:aws:ec2:us-east-1:{A}:instance/i")),
    ),
    ("5", "D-exp", ids(allow(), deny(None, NotAction="iam:*"))),
    ("6", "allow", ids(allow("*:*"))),
    ("7", "unknown", ids(allow("s3: GetObject"))),
    ("8", "allow", ids(allow("s3:GetObject", "arn:aws:s3:::b/*"), resource="arn:aws:s3:::b/x/y/z")),
    ("9", "D-imp", ids(allow("s3:*", "arn:aws:s3:::b"))),
    ("10", "allow", ids(allow("s3:*", "arn:aws:s3:::b*"), resource="arn:aws:s3:::b2/k")),
    ("11", "D-imp", ids(allow("s3:*", "arn:aws:s3:::B/*"))),
    (
        "12",
        "D-imp",
        ids(allow("dynamodb:*", TABLE), **put("dynamodb:GetItem", f"arn:aws:dynamodb:eu-west-2:{A}:table/t")),
    ),
    (
        "12b",
        "allow",
        ids(allow("dynamodb:*", TABLE), **put("dynamodb:GetItem", f"arn:aws:dynamodb:us-east-1:{A}:table/t")),
    ),
    ("13", "allow", ids(allow("sqs:*", f"arn:aws:sqs:*:{A}"), **put("sqs:SendMessage", QUEUE))),
    ("13b", "unknown", ids(allow(), bnd=doc(allow("sqs:*", f"arn:aws:sqs:*:{A}")), **put("sqs:SendMessage", QUEUE))),
    ("14", "allow", ids(allow("iam:*", f"arn:aws:iam::{A}:*"), **put("iam:GetRole", f"arn:aws:iam::{A}:role/x"))),
    (
        "15",
        "D-imp",
        ids(
            allow("ec2:DescribeInstances", f"arn:aws:ec2:us-east-1:{A}:instance/*"), **put("ec2:DescribeInstances", "*")
        ),
    ),
    ("16", "unknown", ids(allow("s3:ListAllMyBuckets", "arn:aws:s3:::*"), **put("s3:ListAllMyBuckets", "*"))),
    (
        "17",
        "D-imp",
        ids(allow("s3:*", None, NotResource="arn:aws:s3:::b/secret/*"), resource="arn:aws:s3:::b/secret/k"),
    ),
    ("18", "allow", ids(allow("s3:*", None, NotResource="arn:aws:s3:::b/secret/*"), resource="arn:aws:s3:::b/pub/k")),
    ("19", "allow", ids(allow(resource=HOME), resource="arn:aws:s3:::b/u/k")),
    ("20", "D-imp", ids(allow(resource=HOME), version=OLD, resource="arn:aws:s3:::b/u/k")),
    ("21", "D-imp", ids(allow(resource=HOME), who=rs, resource="arn:aws:s3:::b/s/k")),
    ("22", "unknown", ids(*NOT_HOME, who=rs)),
    ("22b", "D-exp", ids(*NOT_HOME)),
    ("23", "allow", ids(allow(resource=TEAM), resource="arn:aws:s3:::b/none/k")),
    ("24", "D-imp", ids(allow(resource="arn:aws:s3:::b/${*}"), resource="arn:aws:s3:::b/x")),
    ("24b", "allow", ids(allow(resource="arn:aws:s3:::b/${*}"), resource="arn:aws:s3:::b/*")),
    ("25", "unknown", ids(allow(resource="arn:aws:s3*:::b/*"))),
    ("26", "D-imp", bucket(grant(A))),
    ("27", "allow", bucket(grant(U))),
    ("28", "allow", bucket(grant(R), who=rs)),
    ("29", "D-imp", bucket(grant(RS), who=rt)),
    ("30", "allow", bucket(grant("*"))),
    ("31", "allow", on(root_a)),
    ("32", "allow", bucket(grant("*", "s3:*", "Deny"), who=root_a, **put("s3:DeleteBucketPolicy", BUCKET))),
    ("33", "D-exp", bucket(grant("*", "s3:*", "Deny"), who=root_a)),
    ("34", "D-imp", bucket(grant("AIDAOLD"))),
    ("34b", "allow", bucket(grant("AIDANEW"))),
    ("35", "allow", bucket(grant("*", when={"ArnEquals": {"aws:PrincipalArn": U}}))),
    ("36", "allow", ids(allow("s3:*"), **LISTED)),
    ("37", "unknown", ids(allow("s3:*"), who=v, **LISTED)),
    ("38", "D-exp", ids(allow(), who=c, resource=BBK, owner=B, **LISTED)),
    ("39", "D-exp", ids(allow("s3:*"), bnd=doc(allow("s3:*")), **LISTED)),
    ("40", "D-exp", ids(allow("s3:*"), who=rs, **bucket(grant(R, effect="Deny")))),
    ("41", "D-exp", ids(allow("s3:*"), **bucket(grant(A, effect="Deny")))),
    ("42", "allow", bucket(grant(U), who=f, ses=[doc(allow("s3:*"))])),
    ("43", "D-imp", bucket(grant(U), who=f, ses=[doc(allow("ec2:*"))])),
    ("44", "D-imp", ids(allow("s3:*"), who=f)),
    (
        "45",
        "allow",
        on(
            service("sns.amazonaws.com"),
            action="sqs:SendMessage",
            resource=QUEUE,
            kind="resource",
            res=QUEUE_POLICY,
            ctx={"aws:SourceArn": [TOPIC]},
        ),
    ),
    (
        "46",
        "D-imp",
        on(
            service("sns.amazonaws.com"),
            action="sqs:SendMessage",
            resource=QUEUE,
            kind="resource",
            res=QUEUE_POLICY,
            ctx={"aws:SourceArn": [TOPIC + "2"]},
        ),
    ),
    ("47", "allow", bucket(grant("*"), who=ANON)),
    ("48", "D-imp", bucket(grant("*", when={"StringEquals": {"aws:PrincipalOrgID": "o-x"}}), who=ANON)),
    ("49", "unknown", bucket(grant(f"arn:aws:iam::{A}:user/*"))),
    ("50", "allow", iff("StringEquals", "aws:RequestedRegion", VIA_REGIONS, {"aws:RequestedRegion": ["eu-west-2"]})),
    (
        "51",
        "allow",
        unless("StringNotEquals", "aws:RequestedRegion", VIA_REGIONS, {"aws:RequestedRegion": ["eu-west-2"]}),
    ),
    (
        "51b",
        "D-exp",
        unless("StringNotEquals", "aws:RequestedRegion", VIA_REGIONS, {"aws:RequestedRegion": ["us-east-1"]}),
    ),
    ("52", "D-exp", unless("StringNotEquals", TAG, "x")),
    ("53", "allow", unless("StringEquals", TAG, "x")),
    ("54", "allow", iff("StringEqualsIfExists", TAG, "x")),
    ("55", "D-imp", iff("StringLike", TAG, "a*", {TAG: ["A1"]})),
    ("56", "D-imp", iff("StringEquals", TAG, "a*", {TAG: ["abc"]})),
    ("57", "allow", iff("StringEqualsIgnoreCase", "aws:PrincipalTag/T", "ABC", {TAG: ["abc"]})),
    ("58", "allow", iff("ForAllValues:StringEquals", TAGS, ["a", "b"], {TAGS: ["a"]})),
    ("58b", "D-imp", iff("ForAllValues:StringEquals", TAGS, ["a", "b"], {TAGS: ["a", "c"]})),
    ("58c", "allow", iff("ForAllValues:StringEquals", TAGS, ["a", "b"])),
    ("59", "D-imp", ids(allow(when={"ForAllValues:StringEquals": {TAGS: "a"}, "Null": {TAGS: "false"}}))),
    ("60", "allow", iff("ForAnyValue:StringEquals", TAGS, "a", {TAGS: ["a", "c"]})),
    ("60b", "D-imp", iff("ForAnyValue:StringEquals", TAGS, "a", {TAGS: ["c"]})),
    ("60c", "D-imp", iff("ForAnyValue:StringEquals", TAGS, "a")),
    ("61", "allow", unless("ForAnyValue:StringNotEquals", TAGS, "a", {TAGS: ["a"]})),
    ("61b", "D-exp", unless("ForAnyValue:StringNotEquals", TAGS, "a", {TAGS: ["a", "c"]})),
    ("61c", "allow", unless("ForAnyValue:StringNotEquals", TAGS, "a")),
    ("62", "allow", iff("ForAllValues:StringNotEquals", TAGS, "a", {TAGS: ["b"]})),
    ("62b", "D-imp", iff("ForAllValues:StringNotEquals", TAGS, "a", {TAGS: ["a", "b"]})),
    ("62c", "allow", iff("ForAllValues:StringNotEquals", TAGS, "a")),
    ("63", "unknown", iff("StringEquals", TAGS, "a", {TAGS: ["a"]})),
    ("64", "unknown", iff("ForAnyValue:StringLikeIfExists", TAGS, "a*")),
    ("65", "D-exp", unless("Bool", "aws:SecureTransport", "false", {"aws:SecureTransport": ["false"]})),
    ("66", "D-exp", unless("BoolIfExists", MFA, "false")),
    ("67", "allow", unless("Bool", MFA, "false")),
    ("68", "D-exp", unless("BoolIfExists", MFA, "false", who=rs, **WAVER)),
    ("69", "unknown", unless("Bool", MFA, "false", who=rs, **WAVER)),
    ("70", "D-imp", iff("Bool", MFA, "true", who=rs, **WAVER)),
    ("71", "allow", iff("NumericLessThan", "aws:MultiFactorAuthAge", "3600", {"aws:MultiFactorAuthAge": ["100"]})),
    ("71b", "D-imp", iff("NumericLessThan", "aws:MultiFactorAuthAge", "3600")),
    (
        "72",
        "D-exp",
        unless(
            "DateLessThan",
            "aws:TokenIssueTime",
            "2030-01-01T00:00:00Z",
            {"aws:TokenIssueTime": ["2029-06-01T00:00:00Z"]},
            who=rs,
        ),
    ),
    ("72b", "allow", unless("DateLessThan", "aws:TokenIssueTime", "2030-01-01T00:00:00Z")),
    ("73", "allow", iff("IpAddress", "aws:SourceIp", "203.0.113.77/24", {"aws:SourceIp": ["203.0.113.1"]})),
    ("74", "D-imp", iff("IpAddress", "aws:SourceIp", "0.0.0.0/0", {"aws:SourceIp": ["2001:db8::1"]})),
    ("75", "D-exp", unless("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", {"aws:SourceVpce": ["vpce-1"]})),
    (
        "76",
        "allow",
        ids(
            allow(),
            deny(when={"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "Bool": {"aws:ViaAWSService": "false"}}),
            ctx={"aws:ViaAWSService": ["true"]},
        ),
    ),
    ("77", "allow", iff("ArnEquals", "aws:PrincipalArn", f"arn:aws:iam::{A}:role/*", who=rs)),
    ("78", "D-imp", iff("StringEquals", "aws:PrincipalArn", RS, who=rs)),
    ("79", "unknown", iff("ArnLike", "aws:PrincipalArn", "*")),
    ("80", "allow", iff("Null", "aws:TokenIssueTime", "true")),
    (
        "80b",
        "D-imp",
        iff("Null", "aws:TokenIssueTime", "true", {"aws:TokenIssueTime": ["2029-01-01T00:00:00Z"]}, who=rs),
    ),
    ("81", "D-imp", iff("StringEquals", "aws:ResourceTag/p", "${aws:PrincipalTag/p}", {"aws:ResourceTag/p": ["x"]})),
    (
        "82",
        "D-exp",
        unless("StringNotEquals", "aws:ResourceTag/p", "${aws:PrincipalTag/p}", {"aws:ResourceTag/p": ["x"]}),
    ),
    ("83", "unknown", iff("StringEqualz", "aws:PrincipalArn", "x")),
    ("84", "allow", iff("NumericEquals", "s3:max-keys", "10", {"s3:max-keys": ["10.0"]})),
    ("85", "D-imp", ids(allow("s3:*"), scp=[[FULL], [EC2_BOUNDARY], [FULL]])),
    ("86", "D-exp", on(root_a, scp=[[FULL], [FULL, doc(deny("s3:*"))], [FULL]])),
    ("87", "allow", ids(allow(), who=m, owner=M, scp=None)),
    ("88", "allow", ids(allow(), who=session(service_linked=True), scp=[[FULL, doc(deny("s3:*"))]])),
    ("89", "allow", ids(allow(), resource=BBK, owner=B, **bucket(grant(U)))),
    (
        "90",
        "D-exp",
        ids(allow(), resource=BBK, owner=B, rcp=ORG_RCP, ctx={"aws:PrincipalOrgID": ["o-y"]}, **bucket(grant(U))),
    ),
    (
        "91",
        "D-exp",
        on(
            service("logging.s3.amazonaws.com"),
            **put("s3:PutObject", BBK),
            owner=B,
            res=doc(grant({"Service": "logging.s3.amazonaws.com"}, "s3:PutObject")),
            rcp=ORG_RCP,
        ),
    ),
    ("92", "allow", ids(allow(), resource=BBK, owner=M, rcp=None, **bucket(grant(U)))),
    ("94", "D-imp", ids(allow("s3:*"), bnd=EC2_BOUNDARY)),
    ("95", "allow", bucket(grant(U), bnd=EC2_BOUNDARY)),
    ("96", "D-imp", bucket(grant(R), who=rs, bnd=EC2_BOUNDARY)),
    ("97", "allow", bucket(grant(RS), who=rs, bnd=EC2_BOUNDARY)),
    ("98", "allow", bucket(grant("*", when={"ArnEquals": {"aws:PrincipalArn": R}}), who=rs, bnd=EC2_BOUNDARY)),
    ("99", "D-exp", bucket(grant(U), bnd=doc(deny("s3:*")))),
    ("100", "D-imp", on(bnd=doc(allow("s3:*")))),
    ("101", "D-imp", ids(allow("s3:*"), who=rs, ses=[EC2_BOUNDARY])),
    ("102", "allow", bucket(grant(RS), who=rs, ses=[EC2_BOUNDARY])),
    ("103", "allow", ids(allow(), resource=BBK, owner=B, **bucket(grant(U)))),
    ("104", "D-imp", bucket(grant(U), resource=BBK, owner=B)),
    ("105", "D-imp", ids(allow(), resource=BBK, owner=B)),
    ("105b", "unknown", ids(allow(), resource=BBK, owner=B, res=MISSING)),
    ("106", "D-imp", bucket(grant("*"), resource=BBK, owner=B)),
    ("107", "allow", bucket(grant(A), who=root_a, resource=BBK, owner=B)),
    ("108", "D-imp", ids(allow(), who=rs, resource=BBK, owner=B, bnd=EC2_BOUNDARY, **bucket(grant(RS)))),
    (
        "109",
        "D-imp",
        ids(allow("ec2:StartInstances"), owner=B, **put("ec2:StartInstances", f"arn:aws:ec2:us-east-1:{B}:instance/i")),
    ),
    ("110", "allow", ids(allow("kms:Decrypt"), res=KEY_A, **put("kms:Decrypt", KEY))),
    ("111", "D-imp", ids(allow("kms:*"), res=KEY_ADM, **put("kms:Decrypt", KEY))),
    ("111b", "D-imp", on(root_a, res=KEY_ADM, **put("kms:Decrypt", KEY))),
    ("111c", "allow", on(root_a, res=KEY_A, **put("kms:Decrypt", KEY))),
    ("112", "allow", on(res=doc(grant(U, "kms:Decrypt")), **put("kms:Decrypt", KEY))),
    ("113", "allow", ids(allow("kms:*"), who=c, res=doc(grant(B, "kms:*")), **put("kms:Decrypt", KEY))),
    ("113b", "D-imp", ids(allow("kms:*"), who=c, res=doc(grant(B, "kms:*")), **put("kms:ScheduleKeyDeletion", KEY))),
    ("114", "D-imp", ids(allow("kms:*"), res=doc(grant(A, "kms:Describe*")), **put("kms:Decrypt", KEY))),
    ("115", "allow", on(rs, res=KEY_ADM, kms=[{"grantee": R, "operations": ["Decrypt"]}], **put("kms:Decrypt", KEY))),
    ("116", "allow", on(res=trust(U), resource=Q, **ASSUME)),
    ("117", "D-imp", on(res=trust(A), resource=Q, **ASSUME)),
    ("117b", "allow", ids(allow(), res=trust(A), resource=Q, **ASSUME)),
    ("118", "allow", ids(allow("sts:AssumeRole", QB), res=trust(A), resource=QB, owner=B, **ASSUME)),
    ("119", "D-imp", on(res=trust(U), resource=QB, owner=B, **ASSUME)),
    ("120", "D-imp", ids(allow("sts:AssumeRole"), res=trust(v["arn"]), resource=Q, **ASSUME)),
    ("121", "D-imp", ids(allow(), res=trust(A, when=EXTERNAL), resource=Q, **ASSUME)),
    ("121b", "allow", ids(allow(), res=trust(A, when=EXTERNAL), resource=Q, ctx={"sts:ExternalId": ["e"]}, **ASSUME)),
    ("122", "D-imp", ids(allow(), res=trust(A, when={"Bool": {MFA: "true"}}), resource=Q, **ASSUME)),
    (
        "122b",
        "allow",
        ids(allow(), res=trust(A, when={"Bool": {MFA: "true"}}), resource=Q, ctx={MFA: ["true"]}, **ASSUME),
    ),
    ("122c", "D-imp", ids(allow(), who=rs, res=trust(A, when={"Bool": {MFA: "true"}}), resource=Q, **WAVER, **ASSUME)),
    (
        "123",
        "D-imp",
        ids(allow("sts:AssumeRole", R), who=rs, res=trust({"Service": "ec2.amazonaws.com"}), resource=R, **ASSUME),
    ),
    ("124", "allow", {"res": federated_trust(REPO), **WEB, **token("repo:org/app:ref:refs/heads/main")}),
    ("125", "D-imp", {"res": federated_trust(REPO), **WEB, **token("repo:org/other:ref:refs/heads/main")}),
    (
        "126",
        "allow",
        {"res": federated_trust({"StringEquals": REPO["StringEquals"]}), **WEB, **token("repo:any/thing")},
    ),
    ("127", "D-imp", on(res=trust(U), resource=Q, **{**ASSUME, "action": "sts:TagSession"})),
    (
        "129",
        "D-imp",
        iff(
            "StringEquals",
            "iam:PassedToService",
            "lambda.amazonaws.com",
            {"iam:PassedToService": ["ec2.amazonaws.com"]},
            **put("iam:PassRole", R),
        ),
    ),
    ("130", "D-imp", ids(allow("iam:PassRole"), owner=B, **put("iam:PassRole", QB))),
    (
        "131",
        "D-imp",
        on(service("lambda.amazonaws.com"), res=trust({"Service": "ec2.amazonaws.com"}), resource=R, **ASSUME),
    ),
    (
        "132",
        "allow",
        on(service("lambda.amazonaws.com"), res=trust({"Service": "Lambda.amazonaws.com"}), resource=R, **ASSUME),
    ),
    ("133", "allow", ids(deny(), **put("sts:GetCallerIdentity", "*"))),
    ("134", "D-imp", ids(allow(), who=f, ses=[FULL], **put("iam:ListUsers", "*"))),
    ("135", "D-imp", ids(allow(), who=user(credentials="session-token"), **put("iam:ListUsers", "*"))),
    ("135b", "allow", ids(allow(), who=user(credentials="session-token-mfa"), **put("iam:ListUsers", "*"))),
    ("136", "D-imp", on(root_a, res=trust(A), resource=Q, **ASSUME)),
    (
        "137",
        "D-imp",
        ids(allow("s3:*"), resource="arn:aws:s3:::b2/k", vpe=doc(st("Allow", "*", "arn:aws:s3:::b/*", Principal="*"))),
    ),
    ("137b", "allow", ids(allow("s3:*"), resource="arn:aws:s3:::b2/k")),
    ("138", "allow", ids(allow(), resource=BBK, owner=B, rpb=True, **bucket(grant(U)))),
    ("139", "D-exp", ids(allow(), resource=BBK, owner=B, rpb=True, **bucket(grant(U), grant("*")))),
    ("140", "allow", ids(allow(), who=c, resource=BBK, owner=B, rpb=True, **bucket(grant(U), grant("*")))),
    ("141", "unknown", ids(allow("s3:*"), resource="arn:aws:s3:::x/k", owner=None)),
    ("142", "D-exp", {"ids": [MISSING, doc(deny("s3:*"))]}),
    ("143", "unknown", {"ids": [MISSING]}),
    (
        "144",
        "D-imp",
        ids(
            allow("ec2:RunInstances", "arn:aws:ec2:*:*:instance/*"),
            **put("ec2:RunInstances", f"arn:aws:ec2:us-east-1:{A}:subnet/s"),
        ),
    ),
    ("146", "unknown", {"res": trust("*", "sts:AssumeRoleWithWebIdentity"), **WEB, **token("repo:any/thing")}),
    ("147", "allow", iff("IpAddress", "aws:SourceIp", "203.0.113.0/24", {"aws:SourceIp": ["203.0.113.0"]})),
    ("148", "D-exp", unless("Null", "aws:TokenIssueTime", "true")),
    (
        "148b",
        "allow",
        unless(
            "Null",
            "aws:TokenIssueTime",
            "true",
            {"aws:TokenIssueTime": ["2029-01-01T00:00:00Z"]},
            who=user(credentials="session-token"),
        ),
    ),
]


@pytest.mark.parametrize(("row", "word", "case"), EXAMPLES, ids=[row for row, _, _ in EXAMPLES])
def test_worked_example(row, word, case):
    assert decide(**case) == WORDS[word]


def leaf(operator, wanted, actual, key="x:y", **more):
    """The truth of one leaf: it allows, it does not, or it cannot be known; with its reasons."""
    given = {} if actual is None else {key: actual if isinstance(actual, list) else [actual]}
    found = check(problem(**iff(operator, key, wanted, {**given, **more.pop("ctx", {})}, **more)))
    return {"allowed": "T", "implicitDeny": "F", "unknown": "U " + " ".join(found["reasons"])}[found["decision"]]


ARN = "arn:aws:iam::1:role/a:b"
LEAVES = [
    ("StringEquals", "", "", "T"),
    ("StringEquals", "a", None, "F"),
    ("StringNotEquals", "a", None, "T"),
    ("StringNotEquals", ["a", "b"], "b", "F"),
    ("stringequals", "a", "a", "T"),
    ("StringEqualsIgnoreCase", "É", "é", "U missing:case of non-ASCII letters"),
    ("StringEqualsIgnoreCase", "É", "É", "T"),
    ("StringNotEqualsIgnoreCase", "AB", "ab", "F"),
    ("StringLike", "a?c*", "abc/d:e", "T"),
    ("StringLike", "a\\*", "a*", "F"),
    ("StringLike", "${*}x", "*x", "T"),
    ("StringLike", "${*}x", "yx", "F"),
    ("StringLike", "${open*", "${open-end", "T"),
    ("StringEquals", "${a${b}}", "x", "U X34"),
    ("StringEquals", "${q:none, 'd'}", "d", "T"),
    ("StringEquals", "${q:none, '${z}'}", "d", "U X34"),
    ("StringEquals", ["${q:none}", "d"], "d", "T"),
    ("StringEquals", "${aws:TagKeys}", "x", "U X7"),
    ("NumericEquals", 10, "+10.00", "T"),
    ("NumericLessThan", "1.5", "1.25", "T"),
    ("NumericGreaterThanEquals", "2", "2", "T"),
    ("NumericEquals", "ten", "10", "U X16"),
    ("NumericEquals", ["ten", "10"], "10", "T"),
    ("NumericEquals", "10", "ten", "F"),
    ("NumericNotEquals", "10", "ten", "U X16"),
    ("DateEquals", "2026-01-01", "2026-01-01T01:00:00+01:00", "T"),
    ("DateEquals", "2026-01", "1767225600", "T"),
    ("DateLessThan", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00Z", "T"),
    ("DateEquals", "2026-01-01T00:00:00", "2026-01-01", "U X16"),
    ("DateGreaterThan", "2030", "2026-01-01", "U X11"),
    ("DateGreaterThan", "2030", "2031-01-01", "T"),
    ("DateEquals", "2026-02-30", "2026-01-01", "U X16"),
    ("Bool", True, "TRUE", "T"),
    ("Bool", "${q:none}", "true", "U X4"),
    ("Bool", "yes", "true", "U X16"),
    ("BinaryEquals", "QQ==", "QQ==", "T"),
    ("BinaryEquals", "Q", "QQ==", "U X16"),
    ("IpAddress", "10.0.0.0/8", "10.255.255.255", "T"),
    ("IpAddress", "2001:DB8::/32", "2001:0db8:0:0::1", "T"),
    ("IpAddress", "10.0.0.0/8", "::ffff:10.0.0.1", "U X12"),
    ("NotIpAddress", "10.0.0.0/8", "::1", "T"),
    ("NotIpAddress", "10.0.0.0/8", "nowhere", "U X16"),
    ("IpAddress", "10.0.0.0/33", "10.0.0.1", "U X16"),
    ("ArnLike", "arn:aws:iam::*:role/*", ARN, "T"),
    ("ArnLike", "arn:aws:*:role/a:b", ARN, "U X13"),
    ("ArnEquals", "arn:*:*:*:*:role/?:b", ARN, "T"),
    ("ArnLike", "arn:aws:iam::1:ROLE/*", ARN, "F"),
    ("ArnNotLike", "arn:aws:iam::*:role/*", "x", "U X16"),
    ("ArnLike", "arn:aws:iam::*:role/*", "x", "F"),
    ("ArnNotEquals", "arn:aws:iam::2:role/*", ARN, "T"),
    ("Null", "true", [""], "U X10"),
    ("Null", ["true", "false"], "x", "T"),
    ("Null", True, None, "T"),
    ("Null", "maybe", None, "U malformed:condition value"),
    ("ForAnyValue:StringEquals", "", [""], "U X10"),
    ("ForAnyValue:StringEquals", "a", ["", "a"], "T"),
    ("ForAllValues:StringEquals", "a", ["", "a"], "U X10"),
    ("ForAllValues:StringEqualsIfExists", "a", None, "T"),
    ("ForAnyValue:StringNotEquals", "a", None, "F"),
    ("ForAnyValue:StringEqualsIfExists", "a", ["a"], "T"),
    ("StringEquals", [], "a", "U malformed:condition value"),
    ("StringEquals", None, "a", "U malformed:condition value"),
    ("NumericEqualsIfExists", "1", None, "T"),
    ("BinaryNotEquals", "QQ==", "QQ==", "U malformed:operator"),
    ("StringLikeIgnoreCase", "a", "a", "U malformed:operator"),
]


@pytest.mark.parametrize(("operator", "wanted", "actual", "truth"), LEAVES)
def test_leaf(operator, wanted, actual, truth):
    assert leaf(operator, wanted, actual) == truth


def test_unknown_keys_spread_unless_the_rest_decides():
    assert leaf("StringEquals", "a", "a", unknown_keys=["x:y"]) == "U missing:x:y"
    both = {"StringEquals": {"x:y": "a"}, "Bool": {"aws:SecureTransport": "false"}}
    assert decide(**ids(allow(when=both), unknown_keys=["x:y"])) == "implicitDeny"
    assert decide(**ids(allow(), deny(when=both), unknown_keys=["x:y"])) == "allowed"


def test_wildcards_in_substituted_values():
    case = {"ctx": {"q:free": ["a*"]}}
    assert leaf("StringLike", "${q:free}", "a*", **copy.deepcopy(case)) == "U X6"
    assert leaf("StringEquals", "${q:free}", "a*", **copy.deepcopy(case)) == "T"


def test_empty_value_with_default():
    assert leaf("StringEquals", "${q:e, 'd'}", "d", ctx={"q:e": [""]}) == "U X7"
    assert leaf("StringEquals", "${q:e, 'd'}", "z", ctx={"q:e": [""]}) == "F"


def test_ambivalent_keys():
    waver = {"ambivalent": ["aws:multifactorauthpresent"], "key": MFA}
    assert leaf("Bool", "true", None, **waver) == "F"
    assert leaf("BoolIfExists", "false", None, **waver) == "T"
    assert leaf("Bool", "false", None, **waver) == "U X15"
    assert leaf("BoolIfExists", "true", None, **waver) == "U X15"


def test_source_ip_of_a_forward_access_session():
    case = iff("IpAddress", "aws:SourceIp", "0.0.0.0/0", {"aws:SourceIp": ["10.0.0.1"], "aws:ViaAWSService": ["true"]})
    assert check(problem(**case)) == {"decision": "unknown", "reasons": ["X23"]}


def test_tags_with_pass_role():
    case = iff("StringEquals", "iam:ResourceTag/p", "x", {"iam:ResourceTag/p": ["x"]}, **put("iam:PassRole", R))
    assert check(problem(**case)) == {"decision": "unknown", "reasons": ["X27"]}


@pytest.mark.parametrize(
    ("document", "word", "reason"),
    [
        ([], "unknown", "malformed:document"),
        ({"Version": "2012-10-17"}, "unknown", "malformed:document"),
        ({"Version": "2013-01-01", "Statement": []}, "unknown", "malformed:version"),
        ({"Id": "x", "Statement": allow()}, "unknown", "malformed:document"),
        (doc({"Effect": "Allow", "Action": "*"}), "unknown", "malformed:statement"),
        (doc(allow(NotAction="iam:*")), "unknown", "malformed:statement"),
        (doc(allow(Principal="*")), "unknown", "malformed:statement"),
        (doc(allow(Effect="allow")), "unknown", "malformed:effect"),
        (doc(allow(Effect="allow", Resource="arn:aws:s3:::other")), "D-imp", None),
        (doc(allow(Comment="x")), "unknown", "malformed:statement"),
        (doc(allow(), deny(Comment="x")), "D-exp", None),
        (doc(allow("s3")), "unknown", "malformed:action"),
        (doc(allow("s*:GetObject")), "unknown", "malformed:action"),
        (doc(allow(resource="b/*")), "unknown", "malformed:resource"),
        (doc(allow(resource="arn:aws:s3:${aws:RequestedRegion}::b/*")), "unknown", "malformed:resource"),
        (doc({"effect": "Allow", "action": "*", "RESOURCE": "*"}), "allow", None),
        ({"Statement": allow()}, "allow", None),
        (doc(allow(resource="arn:*")), "allow", None),
    ],
)
def test_malformed_documents(document, word, reason):
    assert check(problem(ids=[document])) == {"decision": WORDS[word], "reasons": [reason] if reason else []}


@pytest.mark.parametrize(
    ("principal", "who", "word"),
    [
        ("*", service("x.amazonaws.com"), "allow"),
        ({"Service": "*"}, service("x.amazonaws.com"), "unknown"),
        ({"AWS": f"arn:aws-cn:iam::{A}:user/u"}, u, "D-imp"),
        ({"AWS": f"arn:aws:iam::{A}:group/g"}, u, "unknown"),
        ({"AWS": "arn:aws:iam::${x}:user/u"}, u, "unknown"),
        ({"AWS": "AROAR:s"}, rs, "allow"),
        ({"AWS": "AROAR:t"}, rs, "D-imp"),
        ({"AWS": "AROAR"}, rs, "allow"),
        ({"AWS": f"arn:aws:iam::{A}:role/path/r"}, rs, "D-imp"),
        ({"AWS": FED}, f, "allow"),
        ({"Federated": OIDC}, rs, "D-imp"),
        ({"CanonicalUser": "abc"}, ANON, "D-imp"),
        ({"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"}, u, "D-imp"),
        ({"Bogus": "x"}, u, "unknown"),
    ],
)
def test_principal_entries(principal, who, word):
    assert decide(who, res=doc(grant(principal))) == WORDS[word]


@pytest.mark.parametrize(
    ("listed", "who", "word"),
    [
        ([RS, R, A], rs, "allow"),
        ([R, A], rs, "unknown"),
        (["*"], rs, "allow"),
        ([U], v, "D-exp"),
        ([A], root_a, "allow"),
        ([FED, U, A], f, "allow"),
    ],
)
def test_not_principal(listed, who, word):
    statement = st("Deny", "s3:*", NotPrincipal={"AWS": listed})
    assert decide(who, ids=[FULL], ses=[FULL], res=doc(statement)) == WORDS[word]


def test_not_principal_and_anonymous():
    statements = grant("*"), st("Deny", NotPrincipal={"AWS": U})
    assert decide(ANON, res=doc(*statements)) == "explicitDeny"
    assert decide(res=doc(st("Allow", NotPrincipal={"AWS": B}))) == "unknown"


def test_gateway_endpoint_principals():
    def through(principal, who=u, kind="gateway"):
        return decide(who, ids=[FULL], vpe=doc(grant(principal, "*")), vpe_type=kind)

    assert [through("*"), through(A), through(U)] == ["allowed", "implicitDeny", "unknown"]
    assert [through(A, root_a), through(A, kind="interface"), through(U, kind="interface")] == ["allowed"] * 3


def test_kms_grant_against_a_silent_boundary():
    case = {"res": KEY_ADM, "kms": [{"grantee": R, "operations": ["Decrypt"]}], "bnd": EC2_BOUNDARY}
    assert check(problem(rs, **case, **put("kms:Decrypt", KEY))) == {"decision": "unknown", "reasons": ["X22"]}
    assert decide(rs, **case, **put("kms:Encrypt", KEY)) == "implicitDeny"


@pytest.mark.parametrize(("context", "word"), [({"dept": "x"}, "allow"), ({"dept": "y"}, "D-imp"), ({}, "D-imp")])
def test_kms_grant_constraints(context, word):
    grants = [{"grantee": U, "operations": ["Decrypt"], "constraints": {"EncryptionContextSubset": {"dept": "x"}}}]
    ctx = {f"kms:EncryptionContext:{key}": [value] for key, value in context.items()}
    assert decide(res=KEY_ADM, kms=grants, ctx=ctx, **put("kms:Decrypt", KEY)) == WORDS[word]


@pytest.mark.parametrize(
    ("when", "word"),
    [
        ({"StringEquals": {"aws:PrincipalOrgID": "o-x"}}, "allow"),
        ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, "D-exp"),
        ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-x"}}, "D-exp"),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "allow"),
        ({"IpAddress": {"aws:SourceIp": ["0.0.0.0/1"]}}, "D-exp"),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{A}:user/*"}}, "unknown"),
        ({"StringLike": {"aws:userid": "AROAX:*"}}, "allow"),
    ],
)
def test_public_bucket_policies(when, word):
    policy = doc(grant(U), grant("*", when=when))
    found = decide(ids=[FULL], resource=BBK, owner=B, res=policy, rpb=True)
    assert found == WORDS[word]


def test_restrict_public_buckets_unknown():
    def outcome(*statements):
        return check(problem(ids=[FULL], resource=BBK, owner=B, res=doc(*statements), rpb=None))

    assert outcome(grant(U), grant("*")) == {"decision": "unknown", "reasons": ["missing:RestrictPublicBuckets"]}
    assert outcome(grant(U))["decision"] == "allowed"


@pytest.mark.parametrize(
    ("case", "word"),
    [
        (ids(allow(), **put("iam:GetPolicy", "arn:aws:iam::aws:policy/P"), owner="aws"), "allow"),
        (ids(allow(), **put("iam:DeletePolicy", "arn:aws:iam::aws:policy/P"), owner="aws"), "D-imp"),
        (ids(allow(), **put("iam:PassRole", f"arn:aws:iam::{A}:role/aws-reserved/sso.amazonaws.com/x")), "D-imp"),
        (ids(allow(), **put("iam:PassRole", R)), "allow"),
        (ids(allow(), **put("kms:DeleteAlias", f"arn:aws:kms:us-east-1:{A}:alias/aws/s3")), "D-imp"),
        (ids(allow(), resource=f"arn:aws:s3:us-east-1:{A}:accesspoint/p/object/k"), "unknown"),
        (on(rs, ids=[FULL], **put("sts:GetFederationToken", f"arn:aws:sts::{A}:federated-user/x")), "D-imp"),
        (on(ids=[doc(deny())], **put("sts:GetSessionToken", "*")), "allow"),
        (on(rs, **put("sts:GetSessionToken", "*")), "D-imp"),
        (on(root(assumed_root=True), ses=[EC2_BOUNDARY]), "D-imp"),
        (on(root(assumed_root=True), ses=[doc(allow("s3:*"))]), "allow"),
        (on(root_a, ids=[doc(deny())]), "allow"),
        (on(federated(parent=root_a["arn"]), ses=[doc(allow("s3:*"))]), "allow"),
    ],
)
def test_service_rules_and_calls(case, word):
    assert decide(**case) == WORDS[word]


def test_session_policy_of_a_foreign_role_and_scp_of_anonymous():
    assert decide(ANON, res=doc(grant("*")), scp=[[EC2_BOUNDARY]]) == "allowed"
    assert decide(ids=[FULL], scp=[[FULL], []]) == "implicitDeny"
    assert decide(ids=[FULL], scp=[[FULL], [MISSING]]) == "unknown"


@pytest.mark.parametrize(
    ("who", "key", "values"),
    [
        (u, "aws:PrincipalArn", [R]),
        (rs, "aws:PrincipalArn", [RS]),
        (rs, "aws:username", ["r"]),
        (root_a, "aws:PrincipalType", ["Root"]),
        (ANON, "aws:PrincipalAccount", [A]),
        (f, "aws:PrincipalAccount", []),
    ],
)
def test_contradicted_principal_keys(who, key, values):
    with pytest.raises(ValueError, match=key.lower()):
        decide(who, ctx={key: values})
    assert decide(who, ctx={key: values}, given=[key.lower()])


def test_the_problem_is_left_as_it_was():
    case = problem(**ids(*NOT_HOME, who=rs))
    before = copy.deepcopy(case)
    check(case)
    assert case == before

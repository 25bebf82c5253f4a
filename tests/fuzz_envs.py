"""Random small worlds, biased to what is hard: plain `random.Random`, so that a seed names a case and runs are fast.

A `Case` is input files and one question. `contexts` draws concrete contexts that fit a question with free keys.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from page_files import FULL, Snapshot
from strategies import KEYS, OPERATORS

from iamsim.env.build import environment_of

A, B, M, OUT = "111122223333", "444455556666", "777788889999", "999988887777"
USER, ROLE, OTHER = f"arn:aws:iam::{A}:user/u", f"arn:aws:iam::{A}:role/team/r", f"arn:aws:iam::{B}:role/app"
SESSION = f"arn:aws:sts::{A}:assumed-role/r/s1"
KEY, BKEY = f"arn:aws:kms:us-east-1:{A}:key/k1", f"arn:aws:kms:us-east-1:{B}:key/k2"
QUEUE = f"arn:aws:sqs:us-east-1:{A}:q"
USER_ID, ROLE_ID = "AIDAEXAMPLEEXAMPLE001", "AROAEXAMPLEEXAMPLE001"
EKS = "oidc.eks.us-east-1.amazonaws.com/id/ABC"

TEXTS = [
    "",
    "*",
    "?",
    "a*b",
    "a",
    "A",
    "ab",
    "u",
    "U",
    "red",
    "Red",
    "ä",
    "Ä",
    "ß",
    "${x}",
    "$",
    "true",
    "a/b",
    "a:b",
    "s1",
    A,
    B,
    "o-x",
]
NUMBERS = [
    "0",
    "1",
    "-1",
    "+5",
    "1.0",
    "01",
    "1.5",
    ".5",
    "5.",
    "1e5",
    "99999999999999999999",
    "0.1",
    "x",
    "",
    " 1",
    "3600",
    "10",
    True,
    7,
]
DATES = ["2024-01-01T00:00:00Z", "2024-01-01", "2024-01", "2024", "2030", "1970", "2030-06-15T12:00:00+02:00", "2024-02-30",
         "1704067200", "2024-01-01T00:00Z", "2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00", "2024-01-01T24:00:00Z", "0", "-1",
         "2024-13-01", "2024-01-01t00:00:00z", "2023-12-31T23:59:59Z", "99999"]  # fmt: skip
BOOLS = ["true", "false", "True", "yes", "", True, False]
ADDRESSES = ["10.0.0.0/8", "10.1.2.3", "10.1.2.3/8", "0.0.0.0/0", "::/0", "2001:db8::1", "2001:db8::/32", "10.1.2", "203.0.113.7",
             "::ffff:10.1.2.3", "::ffff:0:0/96", "10.0.0.0/33", "10.1.2.3/32", "010.1.2.3", "2001:DB8::1", "::ffff:10.1.2.3/128",
             "0::/95", "fe80::1%eth0", "10.0.0.0/255.0.0.0"]  # fmt: skip
ARNS = [USER, ROLE, OTHER, "arn:aws:iam::*:role/*", f"arn:*:iam::{A}:*", "arn:aws:s3:::b", "arn:aws:s3:::*", "*", "x", "arn:aws:iam::*",
        "arn:*:*:*:*:*", f"arn:aws:iam::{A}:role/${{aws:PrincipalTag/team}}/*", "ARN:aws:iam::1:user/u", "arn:aws:s3:::${*}", "a:b:c:d:e:f",
        f"arn:aws:iam::{A}:user/?", f"ar?:aws:iam::{A}:user/u", QUEUE]  # fmt: skip
BYTES = ["YQ==", "YWI=", "YQ", "!", "", "YQ==\n", "YR=="]
PATTERNS = ["*", "a*", "?", "r?d", "*b", "${aws:username}", "${aws:PrincipalTag/team}", "${aws:principaltag/TEAM}*", "${aws:PrincipalTag/none}",
            "${aws:PrincipalTag/none, 'red'}", "${aws:TagKeys}", "${no:such, 'a'}", "${aws:UserAgent}", "${s3:prefix}*", "${*}", "a${?}b",
            "${$}", "${", "${}", "${a${b}}", "${aws:username", "${aws:userid}", "*${aws:PrincipalAccount}*", "${aws:PrincipalTag/empty, 'a'}",
            "${ aws:username }", "${aws:username,'a'}", "${aws:username, 'a*'}", "${aws:SourceIp}", "${aws:ResourceTag/team}",
            "${aws:RequestTag/x}", "${sts:ExternalId}", "${aws:PrincipalOrgID}", "${aws:PrincipalTag/wild}", "a**b", "?*",
            "${aws:PrincipalTag/none, ''}", "${aws:CurrentTime}", "${aws:username}${aws:username}"]  # fmt: skip
VALUES = {"S": TEXTS, "N": NUMBERS, "D": DATES, "B": BOOLS, "I": ADDRESSES, "A": ARNS, "b": BYTES}
MORE_KEYS = {
    "aws:VpcSourceIp": "I", "aws:SourceVpc": "S", "aws:ResourceAccount": "S", "aws:ResourceOrgID": "S", "aws:RequestTag/x": "S",
    "aws:TokenIssueTime": "D", "aws:PrincipalIsAWSService": "B", "aws:SourceArn": "A", "aws:SourceAccount": "S",
    "aws:PrincipalTag/wild": "S", "aws:PrincipalTag/empty": "S", "aws:PrincipalServiceName": "S", "aws:CalledViaFirst": "S",
    "s3:max-keys": "N", "kms:EncryptionContext:x": "S", "kms:GrantIsForAWSResource": "B", "sts:RoleSessionName": "S",
    "sts:SourceIdentity": "S", "aws:SourceIdentity": "S", "sts:TransitiveTagKeys": "S[]", "iam:PassedToService": "S", "aws:FederatedProvider": "S",
    f"{EKS}:sub": "S", f"{EKS}:aud": "S", "saml:aud": "S", "no:list": "S", "iam:ResourceTag/team": "S", "aws:AssumedRoot": "B",
    "aws:ResourceOrgPaths": "S[]", "aws:VpceAccount": "S", "kms:ViaService": "S", "aws:PrincipalServiceNamesList": "S[]",
    "s3:x-amz-acl": "S", "s3:ResourceAccount": "S", "ec2:SourceInstanceArn": "A", "aws:ResourceTag/x": "S", "aws:SourceOrgID": "S",
}  # fmt: skip
ALL_KEYS = {**KEYS, **MORE_KEYS}

TARGETS = [
    ("s3:GetObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::b/u/k"), ("s3:PutObject", "arn:aws:s3:::bb/k"),
    ("s3:ListBucket", "arn:aws:s3:::b"), ("s3:GetObject", "arn:aws:s3:::bb/K:x"), ("s3:PutBucketPolicy", "arn:aws:s3:::b"),
    ("sts:AssumeRole", ROLE), ("sts:AssumeRole", OTHER), ("sts:TagSession", ROLE), ("kms:Decrypt", KEY), ("kms:CreateGrant", BKEY),
    ("kms:ScheduleKeyDeletion", BKEY), ("sqs:SendMessage", QUEUE), ("ec2:StartInstances", f"arn:aws:ec2:us-east-1:{A}:instance/i-1"),
    ("ec2:StartInstances", f"arn:aws:ec2:eu-west-1:{B}:instance/i-1"), ("s3:ListAllMyBuckets", "*"), ("ec2:DescribeInstances", "*"),
    ("iam:PassRole", ROLE), ("iam:GetRole", ROLE), ("iam:CreateUser", f"arn:aws:iam::{A}:user/x"), ("sts:GetCallerIdentity", "*"),
    ("s3:GetObject", "arn:aws:s3:::nobody/k"), ("sts:AssumeRole", f"arn:aws:iam::{OUT}:role/x"), ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:us-east-1:{A}:secret:x-abcdef"),
    ("dynamodb:GetItem", f"arn:aws:dynamodb:us-east-1:{A}:table/t"), ("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{B}:q"),
    ("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{A}:function:f"), ("ecr:BatchGetImage", f"arn:aws:ecr:us-east-1:{A}:repository/x"),
    ("elasticfilesystem:ClientMount", f"arn:aws:elasticfilesystem:us-east-1:{A}:file-system/fs-1"), ("kms:ListKeys", "*"),
    ("sns:Publish", f"arn:aws:sns:us-east-1:{A}:t"), ("sts:GetFederationToken", f"arn:aws:sts::{A}:federated-user/f"),
    ("kms:RetireGrant", KEY), ("ec2:CreateTags", f"arn:aws:ec2:us-east-1:{A}:instance/i-1"),
]  # fmt: skip
FEDERATION_TARGETS = [
    ("sts:AssumeRoleWithWebIdentity", ROLE),
    ("sts:AssumeRoleWithSAML", ROLE),
    ("sts:AssumeRoleWithWebIdentity", OTHER),
]
PROVIDER, SAML = f"arn:aws:iam::{A}:oidc-provider/{EKS}", f"arn:aws:iam::{A}:saml-provider/idp"
CALLERS = [
    USER, USER, USER, SESSION, SESSION, ROLE, f"arn:aws:iam::{A}:user/U", f"arn:aws:iam::{A}:root", f"arn:aws:iam::{B}:root", f"arn:aws:iam::{M}:root",
    "anonymous", "sns.amazonaws.com", "ec2.amazonaws.com", f"arn:aws:sts::{B}:assumed-role/app/x", OTHER, OTHER,
    f"{USER}?credentials=session-token", f"{USER}?credentials=session-token&mfa=true", f"{USER}?credentials=long-term", f"{USER}?mfa=true",
    f"arn:aws:sts::{A}:federated-user/f?parent=user/u", f"arn:aws:sts::{A}:federated-user/f?parent={A}:root", f"{SESSION}?tag.team=blue", f"{SESSION}?tag.TEAM=x%2Ay&transitive=TEAM",
    f"{SESSION}?source-identity=ab", f"{SESSION}?instance=arn:aws:ec2:us-east-1:{A}:instance/i-9", f"arn:aws:iam::{OUT}:user/x", f"arn:aws:iam::{OUT}:role/x",
    f"arn:aws:iam::{A}:root?assumed-root=true&task-policy=arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy", f"arn:aws:iam::{M}:user/m",
    f"arn:aws:iam::{A}:role/aws-service-role/sns.amazonaws.com/slr",
]  # fmt: skip
TOKENS = [
    f"oidc://{EKS}?sub=ab&aud=sts.amazonaws.com",
    f"oidc://{EKS}",
    f"oidc://{EKS}?sub=a%2Ab",
    f"saml://{SAML}?sub=ab",
    f"saml://{SAML}",
]
ACTIONS = ["*", "*:*", "s3:*", "S3:getobject", "s3:Get*", "s3:?etObject", "sts:*", "sts:AssumeRole", "sts:Assume*", "s3:List*", "kms:*", "kms:Decrypt",
           "sqs:*", "iam:*", "ec2:*", "sts:TagSession", "kms:De?rypt", "*:GetObject", "s3: GetObject", "GetObject", "s3:", "s3:${aws:username}", "s3:Put*",
           "iam:PassRole", "ec2:Describe*", "s3:*etOb*ct", 7, "lambda:*", "secretsmanager:*", "dynamodb:*", "ecr:*", "sns:*"]  # fmt: skip
RESOURCES = ["*", "*", "*", "arn:aws:s3:::b/*", "arn:aws:s3:::b", "arn:aws:s3:::b*", "arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::*/k", "arn:aws:s3:::*",
             "arn:aws:s3:::b/${aws:PrincipalTag/none}/*", "arn:aws:s3:::b/${aws:PrincipalTag/none, 'u'}/*", "arn:aws:iam::*:role/*", ROLE, OTHER,
             "arn:aws:s3", "arn:*", "arn:aws:s3:::b/${*}", "arn:aws:s3:::B/*", "arn:AWS:S3:::b/?", "arn:aws:s*:::b/*", "b", "arn:aws:sqs:*:" + A, QUEUE, KEY,
             "arn:aws:kms:*:*:key/*", f"arn:aws:kms:us-*-1:{A}:*", "arn:aws:${aws:username}:::b", "arn:aws:s3:::${aws:PrincipalTag/wild}/k",
             "arn:*:s3:::b/k", "arn:aws:s3:*:b/k", "arn:aws:s3:::b/${aws:TagKeys}", "arn:aws:s3:::b/${aws:UserAgent}/k", "arn:aws:iam::*", "arn:aws:ec2:us-east-1:*",
             f"arn:aws:ec2:*:{A}:instance/*", "arn:aws:s3:::${aws:PrincipalTag/empty, 'b'}/k", "arn:aws:s3:::*/?:x", "", 5, "arn:aws:s3:::b/${aws:userid}/k",
             "arn:aws:s3:??:b/k", "arn:aws:s3:::b/k*", "arn:aws:ec2:*:*:*", "arn:aws:ec2:::*", "arn:aws:s3:::b/${s3:prefix}*"]  # fmt: skip
PRINCIPALS = [
    "*", "*", {"AWS": "*"}, {"AWS": A}, {"AWS": A}, {"AWS": f"arn:aws:iam::{A}:root"}, {"AWS": USER}, {"AWS": USER}, {"AWS": [ROLE, OTHER]}, {"AWS": [USER, A]},
    {"AWS": SESSION}, {"AWS": B}, {"Service": "sns.amazonaws.com"}, {"Service": ["ec2.amazonaws.com", "sns.amazonaws.com"]},
    {"AWS": f"arn:aws:iam::{A}:user/U"}, {"Service": "EC2.amazonaws.com", "AWS": USER}, {"AWS": f"arn:aws:sts::{A}:federated-user/f"},
    {"Federated": PROVIDER}, {"Federated": EKS}, {"Federated": SAML}, {"CanonicalUser": "0" * 64}, {"AWS": USER_ID}, {"AWS": ROLE_ID},
    {"AWS": ROLE_ID + ":s1"}, {"AWS": f"arn:aws:iam::{A}:user/*"}, {"Service": "*"}, {"AWS": f"arn:aws:iam::{A}:group/g"}, {}, "x", ["*"],
    {"AWS": f"arn:aws-cn:iam::{A}:root"}, {"AWS": [SESSION, ROLE, A]}, {"AWS": f"arn:aws:iam::{A}:role/r"}, {"AWS": "${aws:username}"},
    {"AWS": []}, {"AWS": "AIDAOLDOLDOLDOLDOLDOL"}, {"Anything": "x"}, {"AWS": OUT}, {"AWS": f"arn:aws:iam::{M}:user/m"}, {"AWS": ["*", USER]},
    {"AWS": f"ARN:aws:iam::{A}:user/u"}, {"AWS": f"arn:aws:sts::{A}:assumed-role/R/s1"}, {"AWS": 5}, {"AWS": "aws"},
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """Input files and the arguments of one question; `given` is its context."""

    files: dict[str, Any]
    caller: str
    action: str
    resource: str
    given: dict[str, Any]
    session: Any = None
    endpoint: Any = None
    missing: str = "assume"

    def ask(self, **more: Any) -> Any:
        """The answer of `can`, direct unless `more` says otherwise."""
        from iamsim.env.build import environment_of
        from iamsim.query.can import can

        options = {
            "via": "direct",
            "any_resource": self.resource != "*",
            "missing": self.missing,
            "context": self.given,
            **more,
        }
        return can(
            options.pop("env", None) or environment_of(self.files), self.caller, self.action, self.resource,
            session_policy=self.session, endpoint_policy=self.endpoint, **options,
        )  # fmt: skip

    def with_files(self, files: dict[str, Any]) -> Case:
        """The same question of other files."""
        return replace(self, files=files)


def alone(r, values):
    """A value, or a list of one."""
    return values[0] if len(values) == 1 and r.random() < 0.5 else values


def condition(r, wild):
    """A Condition element of one to three operators; `wild` is how often a part is out of place."""
    out: dict[str, Any] = {}
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        base = r.choice(list(OPERATORS))
        kind = OPERATORS[base]
        fitting = [k for k, v in ALL_KEYS.items() if v[0] == kind] or ["aws:UserAgent", "s3:prefix"]
        key = r.choice(list(ALL_KEYS) if base == "Null" or r.random() < 0.15 else fitting)
        several = ALL_KEYS[key].endswith("[]")
        prefix = r.choice(
            ["", "ForAllValues:", "ForAnyValue:"] if several else ["", "", "", "", "ForAllValues:", "ForAnyValue:"]
        )
        suffix = "" if base == "Null" and r.random() > wild else r.choice(["", "", "IfExists"])
        values = ["true", "false", True] if base == "Null" else VALUES[kind]
        if kind in "SA" and base != "Null" and r.random() < 0.4:
            values = PATTERNS
        if kind == "A" and r.random() < 0.7:
            values = ARNS
        drawn = [r.choice(values) for _ in range(r.choice([1, 1, 2, 3]))]
        operator = prefix + base + suffix
        if r.random() < wild:
            operator = r.choice(["StringEqualz", operator.lower(), operator + "x", "ForAll:" + base, "Bool"])
        if r.random() < wild:
            drawn = r.choice([[], [None], [{}], [*drawn, None]])
        out.setdefault(operator, {})[r.choice([key, key, key.upper()])] = alone(r, drawn)
    return out if r.random() > wild else r.choice([[], {}, "x", {"StringEquals": []}, None])


def statement(r, kind, *, effect=None, wild=0.0, action=None, resource=None):
    """A statement for a policy of `kind`; `action` and `resource` are the ones most often meant."""
    made = effect or r.choice(["Allow", "Allow", "Deny"])
    made = "Deny" if kind == "rcp" else made
    out: dict[str, Any] = {"Effect": made}
    fits = ["*", action, action.split(":")[0] + ":*", action.swapcase(), action[:-2] + "??"] if action else ["*"]
    pool = ACTIONS if wild else [a for a in ACTIONS if isinstance(a, str) and re.fullmatch(r"\*|[\w?]+:[\w*?]+", a)]
    actions = [r.choice(fits if r.random() < 0.8 else pool) for _ in range(r.choice([1, 1, 2]))]
    if kind == "rcp" and not wild:
        actions = [a for a in actions if a != "*"] or ["s3:*"]
    negated = r.random() < 0.12 and (kind not in ("rcp", "trust") or r.random() < wild)
    out["NotAction" if negated else "Action"] = alone(r, actions)
    if kind != "trust" or r.random() < wild:
        usual = ["*"] if kind in ("key", "scp") else ["*", resource or "*"]
        resources = [r.choice(usual if r.random() < 0.6 else RESOURCES) for _ in range(r.choice([1, 1, 2]))]
        out["NotResource" if r.random() < 0.12 else "Resource"] = alone(r, resources)
    if kind in ("resource", "trust", "key", "endpoint"):
        lonely = r.random() < (0.2 if made == "Deny" else wild / 2) and kind != "trust"
        out["NotPrincipal" if lonely else "Principal"] = r.choice(PRINCIPALS if wild else PRINCIPALS[:18])
    if kind == "rcp":
        out["Principal"] = "*" if r.random() > wild else r.choice(PRINCIPALS)
    if r.random() < 0.55:
        out["Condition"] = condition(r, wild)
    if r.random() < wild:
        mutilate(r, out)
    return out


def mutilate(r, out):
    """Break one part of a statement (semantics 1.4)."""
    match r.randrange(9):
        case 0:
            out["Effect"] = r.choice(["allow", None, 5, "Permit"])
        case 1:
            out.pop(r.choice(list(out)), None)
        case 2:
            out["NotAction"] = "s3:*"
        case 3:
            out["Principal"] = r.choice(PRINCIPALS)
        case 4:
            out["Whatever"] = 1
        case 5:
            out[r.choice(["Action", "Resource", "Principal"])] = r.choice([[], None, {}, [[]]])
        case 6:
            out["effect"] = out.pop("Effect", "Allow")
        case 7:
            out["Resource"] = "*"
        case _:
            out["Sid"] = r.choice(["", "a b", None, 5])


def policy(r, kind, *, wild=0.0, **meant):
    """A policy document of `kind`."""
    found = [statement(r, kind, wild=wild, **meant) for _ in range(r.choice([1, 1, 2, 3]))]
    if kind == "trust":
        for s in found:
            if "Action" in s and r.random() < 0.6:
                s["Action"] = r.choice(
                    ["sts:AssumeRole", "sts:*", ["sts:AssumeRole", "sts:TagSession"], "sts:AssumeRoleWith*"]
                )
    version = "2012-10-17" if r.random() < 0.85 else r.choice(["2008-10-17", None])
    out: dict[str, Any] = {"Version": version, "Statement": alone(r, found)}
    if version is None:
        del out["Version"]
    if r.random() < wild:
        return r.choice(
            [
                {},
                [],
                {"Statement": []},
                {**out, "Version": "2020-01-01"},
                {**out, "Id": "x"},
                {"Statement": ["x"]},
                "x",
                {**out, "Other": 1},
            ]
        )
    return out


def case(r) -> Case:
    """A random case."""
    wild = r.choice([0.0, 0.0, 0.0, 0.15])
    federated = r.random() < 0.06
    action, resource = r.choice(FEDERATION_TARGETS if federated else TARGETS)
    caller = r.choice(TOKENS if federated else CALLERS)
    meant = {"action": action, "resource": resource}
    s = Snapshot()
    tags = {"team": r.choice(["red", "Red", "u", "a"]), "wild": r.choice(["a*b", "b", "?"]), "empty": ""}
    s.identity(
        "user",
        "u",
        policy(r, "identity", wild=wild, **meant),
        unique_id=USER_ID,
        tags=tags if r.random() < 0.7 else None,
    )
    s.identity("user", "U", policy(r, "identity", wild=wild, **meant) if r.random() < 0.3 else None)
    s.identity("user", f"{M}:m", FULL)
    s.identity(
        "role",
        "r",
        policy(r, "identity", wild=wild, **meant),
        path="/team/",
        unique_id=ROLE_ID,
        tags={"team": "red"} if r.random() < 0.5 else None,
    )
    s.identity("role", f"{B}:app", policy(r, "identity", wild=wild, **meant))
    s.identity("role", "slr", FULL, path="/aws-service-role/sns.amazonaws.com/")
    if r.random() < 0.4:
        s.group("g", policy(r, "identity", wild=wild, **meant), ["user/u"])
    if r.random() < 0.15:
        s.attach(
            r.choice(["user/u", "role/r", "group/g"]),
            f"arn:aws:iam::{A}:policy/p",
            None if r.random() < 0.5 else policy(r, "identity", wild=wild, **meant),
        )
    for name in ("user/u", "role/r"):
        if r.random() < 0.2:
            s.boundary(name, None if r.random() < 0.1 else policy(r, "boundary", wild=wild, **meant))
    s.trust("role/r", policy(r, "trust", wild=wild))
    s.trust(f"{B}:role/app", policy(r, "trust", wild=wild))
    put_resources(r, s, wild, meant)
    put_organization(r, s, wild, meant)
    if r.random() < 0.5:
        s.provider(A, PROVIDER, {"client_ids": ["sts.amazonaws.com"]})
    sessions = any(t in caller for t in ("federated-user", "assumed-role", ":role/"))
    session = (
        policy(r, "session", **meant) if sessions and r.random() < (0.7 if "federated" in caller else 0.25) else None
    )
    endpoint = policy(r, "endpoint", **meant) if r.random() < 0.1 else None
    if endpoint is not None and r.random() < 0.4:
        endpoint = {"Type": "gateway", "Policy": endpoint}
    files = json.loads(json.dumps(s.files()))
    missing = r.choice(["assume"] * 6 + ["strict", "closed"])
    return Case(files, caller, action, resource, given(r), session, endpoint, missing)


def put_resources(r, s, wild, meant):
    """Buckets, keys with grants, a queue and the asked resource."""
    restrict = r.choice([None, None, True, False])
    s.resource("arn:aws:s3:::b", policy(r, "resource", wild=wild, **meant) if r.random() < 0.6 else None, account=A,
               tags=r.choice([{"team": "red"}, {"x": "a"}, None]), restrict=restrict)  # fmt: skip
    s.resource(
        "arn:aws:s3:::bb",
        policy(r, "resource", wild=wild, **meant) if r.random() < 0.6 else None,
        account=B,
        restrict=r.choice([None, True]),
    )
    for key in (KEY, BKEY):
        if r.random() < 0.85:
            s.resource(key, policy(r, "key", wild=wild, **meant))
        if r.random() < 0.4:
            grant: dict[str, Any] = {
                "GranteePrincipal": r.choice(
                    [
                        USER,
                        ROLE,
                        SESSION,
                        OTHER,
                        "sns.amazonaws.com",
                        f"arn:aws:iam::{A}:root",
                        f"arn:aws:iam::{B}:root",
                    ]
                ),
                "Operations": r.choice([["Decrypt"], ["Decrypt", "CreateGrant"], ["Encrypt"]]),
            }
            if r.random() < 0.4:
                grant["Constraints"] = r.choice(
                    [
                        {"EncryptionContextSubset": {"x": "a"}},
                        {"EncryptionContextEquals": {"x": "a"}},
                        {"SourceArn": QUEUE},
                    ]
                )
            s.grants(key, [grant])
    for arn in (QUEUE, f"arn:aws:sqs:us-east-1:{B}:q"):
        s.resource(arn, policy(r, "resource", wild=wild, **meant) if r.random() < 0.6 else None)
    if (
        meant["resource"].startswith("arn:aws:")
        and r.random() < 0.5
        and not re.match(r"arn:aws:(s3|kms|sqs|iam|sts)", meant["resource"])
    ):
        s.resource(meant["resource"], policy(r, "resource", wild=wild, **meant), tags=r.choice([{"team": "red"}, None]))


def put_organization(r, s, wild, meant):
    """Perhaps an organization, with SCPs and RCPs at its nodes."""
    if r.random() < 0.5:
        return
    s.organization = {"id": "o-x", "management": M, "tree": r.choice([
        {"Prod": {"accounts": [A]}, "accounts": [B]}, {"accounts": [A]}, {"Prod": {"Deep": {"accounts": [A, B]}}}])}  # fmt: skip
    nodes = ["root", A, *[n for n in s.organization["tree"] if n != "accounts"]]
    for _ in range(r.choice([0, 0, 1, 2])):
        only = r.random() < 0.3
        s.org_policy(
            "scp",
            r.choice(nodes),
            None if only and r.random() < 0.2 else policy(r, "scp", wild=wild, **meant),
            only=only,
        )
    for _ in range(r.choice([0, 0, 1])):
        s.org_policy("rcp", r.choice(nodes), policy(r, "rcp", wild=wild, **meant), only=False)


GIVEN = {
    "aws:UserAgent": ["a", "a*b", "Red", "*", "ä"], "aws:referer": ["a", "", "red"], "aws:SecureTransport": ["true", "false"],
    "s3:prefix": ["", "a", "u", "a*b", "ab"], "sts:ExternalId": ["ab", "red"], "aws:CurrentTime": ["2024-01-01T00:00:00Z", "2030-06-15T12:00:00Z", "2023-12-31T23:59:59Z"],
    "aws:TagKeys": [["a"], ["a", "red"], ["x", "team"], ["u", "U", ""]], "aws:RequestTag/x": ["a", "red"], "no:such": ["a", "x"], "no:list": [["a", "b"], ["a"]],
    "s3:max-keys": ["1", "10", "1.0", "+5", "x"], "kms:EncryptionContext:x": ["a", "b"], "aws:CalledVia": [["athena.amazonaws.com"]],
    "iam:PassedToService": ["lambda.amazonaws.com"], "aws:MultiFactorAuthAge": ["1", "3600"], "aws:EpochTime": ["1704067200"], "aws:TokenIssueTime": ["2023-12-31T23:59:59Z", "2024"],
    "sts:RoleSessionName": ["ab", "u"], "aws:SourceArn": [QUEUE], "aws:SourceAccount": [A], "aws:RequestedRegion": ["us-east-1", "eu-west-1"], "aws:ViaAWSService": ["true", "false"],
    "aws:MultiFactorAuthPresent": ["true", "false", None], "aws:PrincipalTag/none": ["a", "red", None], "aws:SourceVpc": ["a"],
}  # fmt: skip
NETWORK = [{"aws:SourceIp": "10.1.2.3"}, {"aws:SourceIp": "203.0.113.7"}, {"aws:SourceIp": "2001:db8::1"}, {"aws:SourceIp": "::ffff:10.1.2.3"},
           {"aws:SourceVpce": "vpce-1", "aws:SourceVpc": "a", "aws:VpcSourceIp": "10.1.2.3"}]  # fmt: skip


def given(r) -> dict[str, Any]:
    """What a question states: often nothing."""
    out: dict[str, Any] = dict(r.choice(NETWORK)) if r.random() < 0.5 else {}
    for key in r.sample(list(GIVEN), r.choice([0, 0, 1, 2, 4, 8])):
        out[key] = r.choice(GIVEN[key])
    return out


def documents(value, kind="identity"):
    """(kind, holder, member) of each policy document in input files; the document is `holder[member]`."""
    if isinstance(value, list):
        for part in value:
            yield from documents(part, kind)
    elif isinstance(value, dict):
        for name, part in value.items():
            found = None
            if name in ("PolicyDocument", "Document"):
                found = "identity"
            elif name == "AssumeRolePolicyDocument":
                found = "trust"
            elif name == "Content":
                found = "rcp" if value["Type"].startswith("RESOURCE") else "scp"
            elif name == "Policy" and "Resource" in value:
                found = "key" if ":key/" in value["Resource"] else "resource"
            if found is None:
                yield from documents(part, kind)
            elif isinstance(part, dict) and isinstance(part.get("Statement"), (list, dict)):
                yield found, value, name


def some_document(r, case, effect):
    """A copy of the files of the case, with kind, holder and name of a document in it that may hold `effect`, or None."""
    files = json.loads(json.dumps(case.files))
    fits = [d for d in documents(files) if d[0] != "rcp" or effect == "Deny"]
    return files, r.choice(fits) if fits else None


def with_statement(r, case, effect):
    """The case with one more statement of `effect` in one of its documents; None if there is none to put it in."""
    files, found = some_document(r, case, effect)
    if found is None:
        return None
    kind, holder, name = found
    old = holder[name]["Statement"]
    old = old if isinstance(old, list) else [old]
    new = statement(r, kind, effect=effect, action=case.action, resource=case.resource)
    if effect == "Allow" and "NotPrincipal" in new:
        new["Principal"] = new.pop("NotPrincipal")
    holder[name]["Statement"] = [*old, new] if r.random() < 0.5 else [new, *old]
    return case.with_files(files)


def shuffled(r, case):
    """The case with the statements of all documents in another order, some of them twice."""
    files = json.loads(json.dumps(case.files))
    for _, holder, name in documents(files):
        old = holder[name]["Statement"]
        old = list(old) if isinstance(old, list) else [old]
        more = old + [s for s in old if r.random() < 0.5]
        r.shuffle(more)
        holder[name]["Statement"] = more
    return case.with_files(files)


def asked(seed):
    """The environment of a case, a question of it (plain, given, strict, with documents, with wildcards) and its options."""
    made, r = case(Random(seed)), Random(seed)
    action, resource = made.action, made.resource
    options = {"any_resource": resource != "*", "missing": made.missing}
    match r.choice(["plain", "given", "strict", "documents", "resources", "actions"]):
        case "given":
            options["context"] = made.given
        case "strict":
            options |= {"context": made.given, "strict": True}
        case "documents":
            options |= {"session_policy": made.session, "endpoint_policy": made.endpoint}
        case "resources" if resource != "*" and not resource.startswith("arn:aws:s3"):
            options["any_resource"] = False
            resource = r.choice([resource.rsplit("/", 1)[0] + "*", ":".join(resource.split(":")[:5]) + ":*"])
            options["missing"] = "assume"
        case "actions":
            action = action[: action.index(":") + 7] + "*"
        case _:
            pass
    return environment_of(made.files), action, resource, options

"""Planted ways to become an administrator, and decoys: of one account, who can become one is exactly who was planted."""

from __future__ import annotations

import json

import pytest
from page_files import Snapshot

from iamsim import all_escalations, load

A, B = "111122223333", "444455556666"
FULL = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
CEILING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["s3:*", "ec2:*"], "Resource": "*"}}
ORGANIZATION = {"id": "o-x", "management": "777788889999", "tree": {"accounts": [], "Prod": {"accounts": [A, B]}}}


def user(name, account=A):
    return f"arn:aws:iam::{account}:user/{name}"


def role(name, account=A):
    return f"arn:aws:iam::{account}:role/{name}"


def doc(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action, resource="*", **condition):
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    }


def deny(action, resource):
    return {**allow(action, resource), "Effect": "Deny"}


def trust(principal, action="sts:AssumeRole", **condition):
    made = {"Effect": "Allow", "Principal": principal, "Action": action}
    return doc({**made, "Condition": condition} if condition else made)


def service(name):
    return trust({"Service": f"{name}.amazonaws.com"})


ROOT = {"AWS": A}
FUNCTIONS = ["lambda:CreateFunction", "lambda:InvokeFunction"]
TO_LAMBDA, TO_EC2 = ({"StringEquals": {"iam:PassedToService": f"{s}.amazonaws.com"}} for s in ("lambda", "ec2"))

ADMINISTRATORS = {
    "Lambda": service("lambda"),
    "Instance": service("ec2"),
    "NoProfile": service("ec2"),
    "Build": service("codebuild"),
    "Task": service("ecs-tasks"),
    "Rewritten": service("lambda"),
    "Third": trust({"AWS": role("Second")}),
    "Trusting": trust({"AWS": user("trusted")}),
    "WithMfa": trust(ROOT, Bool={"aws:MultiFactorAuthPresent": "true"}),
    "WithId": trust({"AWS": role("Hop")}, StringEquals={"sts:ExternalId": "blue-42"}),
    "Other": trust({"AWS": role("Nobody")}),
    "Grouped": trust(ROOT),
    "Cased": trust(ROOT),
    "Tagged": trust(ROOT, StringEquals={"aws:PrincipalTag/clearance": "top"}),
    "Elsewhere": trust({"AWS": "*"}, StringEquals={"aws:PrincipalOrgID": "o-zzzzzzzzzz"}),
    "Workflow": trust({"Federated": f"arn:aws:iam::{A}:oidc-provider/token.actions.githubusercontent.com"},
                      "sts:AssumeRoleWithWebIdentity",
                      StringEquals={"token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                                    "token.actions.githubusercontent.com:sub": "repo:acme/infra:ref:refs/heads/main"}),
}  # fmt: skip

PLANTED = {
    "attaches": doc(allow("iam:AttachUserPolicy", user("attaches"))),
    "functions": doc(allow("iam:PassRole", role("Lamb*"), **TO_LAMBDA), allow(FUNCTIONS)),
    "hops": doc(allow("sts:AssumeRole", role("First"))),
    "instances": doc(allow("iam:PassRole", role("Instance")), allow("ec2:RunInstances")),
    "rewrites": doc(allow(["iam:UpdateAssumeRolePolicy", "sts:AssumeRole"], role("Rewritten"))),
    "passwords": doc(allow("iam:UpdateLoginProfile", user("administrator"))),
    "builds": doc(allow("iam:PassRole", role("Build")), allow(["codebuild:CreateProject", "codebuild:StartBuild"])),
    "everything-else": doc({"Effect": "Allow", "NotAction": ["s3:*", "ec2:*"], "Resource": "*"}),
    "trusted": None,
    "puts": doc(allow("sts:AssumeRole", role("Self"))),
    "tasks": doc(allow("iam:PassRole", role("Task")), allow(["ecs:RegisterTaskDefinition", "ecs:RunTask"])),
    "mfa": doc(allow("sts:AssumeRole", role("WithMfa"))),
}

DECOYS = {
    "bounded": doc(allow("iam:AttachUserPolicy", user("bounded"))),
    "forbidden": doc(allow("iam:CreateAccessKey", user("administrator"))),
    "to-ec2-only": doc(allow("iam:PassRole", role("Lambda"), **TO_EC2), allow([*FUNCTIONS, "ec2:RunInstances"])),
    "not-named": doc(allow("sts:AssumeRole", role("Other"))),
    "denied-by-group": doc(allow("sts:AssumeRole", role("Grouped"))),
    "lower-case": doc(allow("sts:AssumeRole", role("cased"))),
    "low": doc(allow("sts:AssumeRole", role("Tagged"))),
    "not-resource": doc({"Effect": "Allow", "Action": "iam:PassRole", "NotResource": role("L*")}, allow(FUNCTIONS),
                        deny("iam:PassRole", role("*"))),
    "other-organization": doc(allow("sts:AssumeRole", role("Elsewhere"))),
    "no-profile": doc(allow("iam:PassRole", role("NoProfile")), allow("ec2:RunInstances")),
    "no-token": doc(allow(["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"], role("Workflow"))),
    "wildcard": doc(allow("iam:UpdateAssumeRolePolicy", role("Rewritten")), deny("iam:Update*", role("Rewr*"))),
    "no-identity": doc(allow("s3:ListAllMyBuckets")),
}  # fmt: skip


def planted():
    """The account: administrators, those who can become one (users and the roles between), those who cannot."""
    s = Snapshot()
    for name, document in ADMINISTRATORS.items():
        s.identity("role", name, FULL)
        s.trust(f"role/{name}", document)
    s.profile("role/Instance", "Instance")
    s.identity("user", "administrator", FULL)
    for name, document in {**PLANTED, **DECOYS}.items():
        s.identity("user", name, document, tags={"clearance": "low"} if name == "low" else None)
    own = f"arn:aws:iam::{A}:policy/own"
    s.identity("user", "versions")
    s.attach("user/versions", own, doc(allow("iam:CreatePolicyVersion", own)))
    for name, document, trusting in (
        ("First", doc(allow("sts:AssumeRole", role("Second"))), trust({"AWS": user("hops")})),
        ("Second", doc(allow("s3:List*")), trust({"AWS": role("First")})),
        ("Self", doc(allow("iam:PutRolePolicy", role("Self"))), trust({"AWS": user("puts")})),
        ("Hop", doc(allow("sts:AssumeRole", StringLike={"sts:RoleSessionName": "deploy-*"})), service("ec2")),
        ("Bound", doc(allow(["iam:PutRolePolicy", "iam:AttachRolePolicy"], role("Bound"))), service("ec2")),
    ):
        s.identity("role", name, document)
        s.trust(f"role/{name}", trusting)
    s.boundary("user/bounded", CEILING)
    s.boundary("role/Bound", CEILING)
    s.group("no-grouped", doc(deny("sts:AssumeRole", role("Group*"))), ["denied-by-group"])
    s.identity("role", f"{B}:Far", FULL)
    s.trust(f"{B}:role/Far", trust({"AWS": A}, StringEquals={"sts:ExternalId": "partner-7"}))
    s.identity("user", "far", doc(allow("sts:AssumeRole", role("Far", B))))
    s.organization = ORGANIZATION
    s.org_policy("scp", "Prod", doc(deny(["iam:CreateAccessKey", "iam:CreateUser"], "*")), only=False)
    return s


STARTS = {*map(user, [*PLANTED, "versions", "far"]), *map(role, ["First", "Second", "Self", "Hop"])}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    for name, content in planted().files().items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return {e.source: e for e in all_escalations(load(folder))}


def test_who_is_an_administrator(found):
    expected = {*map(role, ADMINISTRATORS), user("administrator"), role("Far", B)}
    assert {s for s, e in found.items() if e.admin} == expected


def test_who_can_become_one(found):
    assert {s for s, e in found.items() if e.administrator is not None} == STARTS


def test_nothing_is_left_open(found):
    assert {s: e.undecided for s, e in found.items() if e.undecided} == {}


def test_decoys_control_nobody_else(found):
    assert {name: found[user(name)].rows for name in DECOYS} == dict.fromkeys(DECOYS, ())


@pytest.mark.parametrize(
    ("start", "end", "techniques"),
    [
        ("attaches", user("attaches"), ("iam-attach-user-policy-self",)),
        ("versions", user("versions"), ("iam-create-policy-version-self",)),
        ("functions", role("Lambda"), ("lambda-create-invoke",)),
        ("hops", role("Third"), ("sts-assume-role",) * 3),
        ("instances", role("Instance"), ("ec2-run-instances",)),
        ("rewrites", role("Rewritten"), ("iam-update-assume-role-policy", "sts-assume-role")),
        ("builds", role("Build"), ("codebuild-create-start",)),
        ("trusted", role("Trusting"), ("sts-assume-role",)),
        ("puts", role("Self"), ("sts-assume-role", "iam-put-role-policy-self")),
        ("tasks", role("Task"), ("ecs-run-task",)),
        ("mfa", role("WithMfa"), ("sts-assume-role",)),
        ("far", role("Far", B), ("sts-assume-role",)),
    ],
)
def test_the_way_is_the_planted_one(found, start, end, techniques):
    nearest = found[user(start)].administrator
    assert nearest.principal == end
    assert nearest.techniques == techniques

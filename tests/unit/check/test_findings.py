"""Each finding fires with its witness or proof, and does not where something small is different."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from check_envs import (
    ACCOUNT,
    GITHUB,
    OTHER,
    TODAY,
    allow,
    deny,
    details,
    environment,
    github,
    lets,
    managed,
    policy,
    role,
    user,
    when,
)

from iamsim.check.files import read_rules
from iamsim.check.findings import count, findings
from iamsim.findings import FINDINGS

ROOT = Path(__file__).parents[3]
ME = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/me"}
AUD = {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}}
VENDOR = {"AWS": "arn:aws:iam::999988887777:root"}
SUB = f"{GITHUB}:sub"
ASSUMES = policy(allow("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/*"))


def subject(operator, *values, **more):
    return github({operator: {SUB: list(values)}, "StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}, **more})


def exact(*values):
    return github({"StringEquals": {SUB: list(values), f"{GITHUB}:aud": "sts.amazonaws.com"}})


def with_user(*statements):
    return {"users": [user("u", policy(*statements))]}


def with_trust(*statements, **more):
    return {"users": [user("me")], "roles": [role("r", trust=statements)], **more}


EKS = "oidc.eks.eu-west-1.amazonaws.com/id/0123ABCD"


def cluster(equal):
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{EKS}"
    return lets({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", Condition={"StringEquals": equal})


def cognito(condition):
    return lets({"Federated": "cognito-identity.amazonaws.com"}, "sts:AssumeRoleWithWebIdentity", Condition=condition)


def chained(condition):
    """A role that trusts another role, under a condition."""
    first = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/a"}
    return {"users": [user("me")], "roles": [role("a", trust=[lets(ME)]), role("r", trust=[lets(first, **condition)])]}


BUCKET = "arn:aws:s3:::b"
CASES = [
    # id, an environment that has it, one that nearly has it, what the message or proof says
    ("action-unknown", with_user(allow("s3:GetObjekt")), with_user(allow("s3:GetObject*")), "`s3:GetObjekt`"),
    ("action-unknown", with_user(deny("s4:Get*")), with_user(deny("s3:Get*")), "no service is called `s4`"),
    ("key-unknown", with_user(allow("s3:GetObject", **when("IpAddress", "aws:SourcIp", "10.0.0.0/8"))), with_user(allow("s3:GetObject", **when("IpAddress", "aws:sourceip", "10.0.0.0/8"))), "`aws:SourcIp`"),
    ("key-never", with_user(allow(["s3:GetObject", "s3:ListBucket"], **when("StringLike", "s3:prefix", "a/*"))), with_user(allow("s3:ListBucket", **when("StringLike", "s3:prefix", "a/*"))), "never holds"),
    ("key-never", with_user(allow("s3:GetObject", **when("StringNotLike", "s3:prefix", "a/*"))), with_user(allow("s3:*", **when("StringNotLike", "s3:prefix", "a/*"))), "always holds"),
    ("resource-unfit", with_user(allow("s3:GetObject", BUCKET)), with_user(allow("s3:GetObject", f"{BUCKET}/*")), "`s3:GetObject` works on none"),
    ("resource-unfit", with_user(allow("s3:ListAllMyBuckets", BUCKET)), with_user(allow("s3:ListAllMyBuckets", "arn:aws:s3:::*")), "`*` only"),
    ("resource-unfit", with_user(allow(["s3:GetObject", "s3:ListBucket"], f"{BUCKET}/${{aws:username}}/*")), with_user(allow(["s3:GetObject", "s3:ListBucket"], ["arn:aws:s3:::${aws:username}", f"{BUCKET}/*"])), "`s3:ListBucket`"),
    ("statement-dead", with_user(allow("s3:GetObject", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}, "StringLike": {"aws:RequestedRegion": "us-*"}})), with_user(allow("s3:GetObject", Condition={"StringEquals": {"aws:RequestedRegion": "us-west-1"}, "StringLike": {"aws:RequestedRegion": "us-*"}})), "`StringEquals aws:RequestedRegion` and `StringLike aws:RequestedRegion` cannot hold together"),
    ("statement-dead", with_user(allow("s3:GetObject", Condition={"NumericLessThan": {"s3:max-keys": "1"}, "NumericGreaterThan": {"s3:max-keys": "1"}})), with_user(allow("s3:GetObject", Condition={"NumericLessThanEquals": {"s3:max-keys": "1"}, "NumericGreaterThanEquals": {"s3:max-keys": "1"}})), "proved"),
    ("statement-redundant", with_user(allow("s3:*"), allow("s3:GetObject", f"{BUCKET}/*")), with_user(allow("s3:*", f"{BUCKET}/x*"), allow("s3:GetObject", f"{BUCKET}/*")), "is allowed already by statement 1"),
    ("statement-redundant", with_user(deny("s3:*"), allow("s3:GetObject")), with_user(deny("s3:Put*"), allow("s3:GetObject")), "is denied already by statement 1"),
    ("statement-redundant", with_user(deny("iam:*"), deny("iam:CreateUser"), allow("*")), with_user(deny("iam:*", **when("Bool", "aws:MultiFactorAuthPresent", "false")), deny("iam:CreateUser"), allow("*")), "is denied already by statement 1"),
    ("allow-everything", with_user(allow("*")), with_user(allow("*", f"arn:aws:s3:::{ACCOUNT}")), "every action"),
    ("allow-everything", with_user(allow("*")), with_user(allow("*"), deny("iam:*")), "every action"),
    ("allow-permissions", with_user(allow("iam:*")), with_user(allow("iam:Get*")), "allows `iam:Attach"),
    ("allow-permissions", with_user(allow("iam:Put*")), with_user(allow("iam:Put*"), deny("iam:Put*")), "by `iam:Put*`"),
    ("allow-not-action", with_user({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), with_user({"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}), "all but `iam:*`"),
    ("trust-everyone", with_trust(lets({"AWS": "*"})), with_trust(lets({"AWS": "*"}, **when("StringEquals", "aws:PrincipalAccount", ACCOUNT))), "every AWS account"),
    ("trust-account", with_trust(lets({"AWS": OTHER}), others=[details(users=[user("o", policy(allow("sts:AssumeRole")), account=OTHER)])]), with_trust(lets({"AWS": OTHER}), others=[details(users=[user("o", account=OTHER)])]), f"all of account {OTHER}"),
    ("trust-account", with_trust(lets({"AWS": OTHER}), others=[details(users=[user("o", policy(allow("sts:AssumeRole")), account=OTHER)])]), with_trust(lets({"AWS": ACCOUNT})), "sts:AssumeRole"),
    ("trust-external-id", with_trust(lets(VENDOR)), with_trust(lets(VENDOR, **when("StringEquals", "sts:ExternalId", "x4711"))), "no external id"),
    ("trust-external-id", with_trust(lets(VENDOR, **when("StringEqualsIfExists", "sts:ExternalId", "x4711"))), with_trust(lets(VENDOR, **when("StringLike", "sts:ExternalId", "x?711"))), "999988887777"),
    ("trust-external-id", with_trust(lets(VENDOR, **when("StringLike", "sts:ExternalId", "*"))), with_trust(lets(VENDOR, **when("StringLike", "sts:ExternalId", "acme-*"))), "will do"),
    ("oidc-no-audience", with_trust(cognito({})), with_trust(cognito({"StringEquals": {"cognito-identity.amazonaws.com:aud": "eu-west-1:12345678-1234-1234-1234-123456789012"}})), "every audience"),
    ("oidc-any-subject", with_trust(github(AUD)), with_trust(exact("repo:o/r:ref:refs/heads/main")), "every subject"),
    ("oidc-any-subject", with_trust(cluster({f"{EKS.lower()}:aud": "sts.amazonaws.com"})), with_trust(cluster({f"{EKS}:sub": "system:serviceaccount:dns:external"})), "every subject"),
    ("oidc-no-audience", with_trust(github({"StringEquals": {SUB: "repo:o/r:ref:refs/heads/main"}})), with_trust(exact("repo:o/r:ref:refs/heads/main")), "every audience"),
    ("oidc-foreign-subject", with_trust(subject("StringLike", "repo:acme*")), with_trust(subject("StringLike", "repo:acme/*")), "others than `acme`"),
    ("oidc-foreign-subject", with_trust(subject("StringLike", "repo:acme/*", "repo:acme2*")), with_trust(subject("StringLike", "repo:acme/*", "repo:acme2/*")), "others than `acme`, `acme2`"),
    ("oidc-foreign-subject", with_trust(subject("StringLike", "*:ref:refs/heads/main")), with_trust(subject("StringLike", "repo:o/*:ref:refs/heads/main")), "takes tokens of anybody"),
    ("oidc-pull-request", with_trust(subject("StringLike", "repo:o/r:*")), with_trust(subject("StringLike", "repo:o/r:ref:*")), "`repo:o/r:pull_request`"),
    ("oidc-immutable-subject", with_trust(exact("repo:o/r:ref:refs/heads/main")), with_trust(exact("repo:o/r:ref:refs/heads/main", "repo:o@12/r@34:ref:refs/heads/main")), "no token of `o` with an immutable subject"),
    ("oidc-for-all-values", with_trust(github({"ForAllValues:StringLike": {SUB: "repo:o/r:*"}, **AUD})), with_trust(github({"ForAnyValue:StringLike": {SUB: "repo:o/r:*"}, **AUD})), "ForAllValues"),
    ("role-unassumable", with_trust(lets({"AWS": f"arn:aws:iam::{ACCOUNT}:role/gone"})), with_trust(lets(ME)), "it does not exist"),
    ("role-unassumable", with_trust(lets({"AWS": ACCOUNT})), {"users": [user("me", ASSUMES)], "roles": [role("r", trust=[lets({"AWS": ACCOUNT})])]}, "none of its 2 principals may"),
    ("role-unassumable", chained(when("Bool", "aws:MultiFactorAuthPresent", "true")), chained({}), "role/a: refused"),
    ("role-unassumable", with_trust(), with_trust(lets(VENDOR, **when("StringEquals", "aws:PrincipalTag/a", "b"))), "allows nothing"),
    ("role-duplicate", {"users": [user("me")], "roles": [role(n, policy(allow(a)), trust=[lets(ME)]) for n, a in (("a", ["s3:GetObject", "s3:Get*"]), ("b", "s3:Get*"))]}, {"users": [user("me")], "roles": [role(n, policy(allow(a)), trust=[lets(ME)]) for n, a in (("a", "s3:Get*"), ("b", "s3:GetObject"))]}, "equal"),
    ("boundary-unused", {"policies": [managed("TeamBoundary", policy(allow("s3:*")))]}, {"policies": [managed("TeamBoundary", policy(allow("s3:*")))], "users": [user("u", PermissionsBoundary={"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/TeamBoundary"})]}, "TeamBoundary"),
    ("boundary-idle", {"policies": [managed("B", policy(allow("s3:*")))], "users": [user("u", policy(allow("s3:Get*")), PermissionsBoundary={"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/B"})]}, {"policies": [managed("B", policy(allow("s3:*")))], "users": [user("u", policy(allow("*")), PermissionsBoundary={"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/B"})]}, "takes nothing away"),
    ("user-keys", {"users": [user("me", ASSUMES, policy(allow("s3:GetObject")))], "roles": [role("r", policy(allow("s3:*")), trust=[lets(ME)])]}, {"users": [user("me", ASSUMES, policy(allow("s3:*")))], "roles": [role("r", policy(allow("s3:GetObject")), trust=[lets(ME)])]}, "the role may do all"),
    ("user-keys", {"users": [user("me", policy(allow("s3:GetObject")))], "roles": [role("r", policy(allow("s3:*")), trust=[lets(ME)])]}, {"users": [user("me", policy(allow("s3:GetObject")))], "roles": [role("r", policy(allow("s3:*")), trust=[lets({"AWS": ACCOUNT})])]}, "may assume"),
    ("quota", {"users": [user("u", Tags=[{"Key": f"k{i}", "Value": "v"} for i in range(51)])]}, {"users": [user("u", Tags=[{"Key": f"k{i}", "Value": "v"} for i in range(50)])]}, "51 tags"),
    ("quota", with_trust(*[lets({"AWS": f"arn:aws:iam::{ACCOUNT}:role/{'x' * 60}{i}"}) for i in range(16)]), with_trust(*[lets({"AWS": f"arn:aws:iam::{ACCOUNT}:role/{'x' * 60}{i}"}) for i in range(10)]), "on request 8192"),
    ("policy-effect", with_user({"Effect": "allow", "Action": "s3:*", "Resource": "*"}), with_user(allow("s3:*")), "`allow`"),
]  # fmt: skip


def spoken(found):
    return " ".join((found.message, *found.proof))


@pytest.mark.parametrize(("name", "bad", "near", "says"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_a_finding_fires_and_a_near_miss_does_not(name, bad, near, says, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "near").mkdir()
    found = [f for f in findings(environment(tmp_path / "bad", **bad)) if f.id == name]
    assert len(found) == 1
    assert says in spoken(found[0])
    assert found[0].proof or found[0].witness or name.startswith("policy-")
    assert found[0].origin.source.endswith(".json")
    assert [f.message for f in findings(environment(tmp_path / "near", **near)) if f.id == name] == []


def test_every_finding_of_a_check_has_a_case_and_a_section():
    made = set(re.findall(r'"([a-z]+-[a-z-]+|quota)"', "".join(
        p.read_text(encoding="utf-8") for p in sorted((ROOT / "iamsim/check").glob("*.py"))
    )))  # fmt: skip
    ids = {row for row in FINDINGS if row in made}
    assert {c[0] for c in CASES} >= ids
    page = (ROOT / "docs/findings.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^### ([a-z-]+)$", page, re.MULTILINE))
    assert sections == ids
    assert [row for row in FINDINGS if f"`{row}`" not in page and row not in sections] == []


def test_witnesses_are_requests_that_the_snapshot_allows(tmp_path):
    env = environment(tmp_path, **with_trust(lets(VENDOR)))
    found = next(f for f in findings(env) if f.id == "trust-external-id")
    request = found.witness.request
    assert (request.action, request.resource) == ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/r")
    assert request.caller.startswith("arn:aws:iam::999988887777:")
    assert "sts:ExternalId" not in request.context


def test_findings_have_a_fixed_order(tmp_path):
    env = environment(tmp_path, **with_user(allow("*"), allow("s3:GetObjekt"), allow("s3:Get*")))
    ids = [(f.severity.value, f.id) for f in findings(env)]
    assert ids == [("warning", "action-unknown"), ("warning", "allow-everything"), ("info", "statement-redundant")]  # fmt: skip


def test_the_nearest_name_is_suggested(tmp_path):
    condition = when("StringEquals", "aws:PrincipalTags/team", "x")
    env = environment(tmp_path, **with_user(allow("s3:GetObjekt", **condition)))
    remedies = {f.id: f.remedy for f in findings(env)}
    assert remedies["action-unknown"] == "did you mean `s3:GetObject`?"
    assert remedies["key-unknown"] == "did you mean `aws:PrincipalTag/team`?"


def test_statements_of_others_are_not_taken_to_be_redundant_by_those_of_one_principal(tmp_path):
    statements = [{**allow("s3:*", ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]), "Principal": p} for p in ("*", ME)]
    resources = [{"Resource": BUCKET, "Account": ACCOUNT, "Policy": policy(*statements)}]
    assert not [f for f in findings(environment(tmp_path, resources=resources, users=[user("me")])) if f.id == "statement-redundant"]  # fmt: skip


def test_one_of_two_equal_statements_makes_no_difference(tmp_path):
    env = environment(tmp_path, **with_user(allow("s3:GetObject"), allow("s3:GetObject")))
    found = [f.message for f in findings(env) if f.id == "statement-redundant"]
    assert found == ["identity policy p0, statement 2 makes no difference"]


def test_suppressions_name_finding_and_subject_and_expire(tmp_path):
    env = environment(tmp_path, **with_user(allow("*")))
    text = (
        "suppress allow-everything on user/u until 2026-11-24 for 'until the migration'\n"
        "suppress allow-everything on role/u for 'another'\n"
    )
    rules = read_rules(text, "x.iamq")
    assert rules.problems == ()
    counted, idle = count(findings(env), rules.suppressions, TODAY)
    assert [c.suppressed.reason for c in counted] == ["until the migration"]
    assert [s.subject for s in idle] == ["role/u"]
    counted, _ = count(findings(env), rules.suppressions, TODAY.replace(day=25))
    assert [(c.suppressed, c.expired.until) for c in counted] == [(None, "2026-11-24")]


def test_a_holder_of_a_policy_of_aws_is_suppressed_alone(tmp_path):
    admin = {"PolicyName": "AdministratorAccess", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    env = environment(tmp_path, users=[user(n, AttachedManagedPolicies=[admin]) for n in ("a", "b")])
    rules = read_rules("suppress allow-everything on user/a for x", "x.iamq")
    counted, _ = count(findings(env), rules.suppressions, TODAY)
    assert [(c.found.subjects[0][-6:], c.suppressed is not None) for c in counted] == [("user/a", True), ("user/b", False)]  # fmt: skip

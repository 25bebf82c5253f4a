"""Amended environments, and what a single refused request lacks."""

from iamsim import Verdict, can
from iamsim.diagnostics import Origin
from iamsim.env.amend import Amendment, Lack, amended
from iamsim.env.build import environment_of
from iamsim.graph.lacking import EVERYTHING, lacking, meet
from iamsim.judge.callers import read_callers
from iamsim.judge.candidates import Target
from iamsim.judge.check import check_of
from iamsim.judge.judge import Ask, facts_of

A = "111122223333"
USER, ROLE = f"arn:aws:iam::{A}:user/u", f"arn:aws:iam::{A}:role/r"
STOP, INSTANCE = "ec2:StopInstances", f"arn:aws:ec2:eu-west-1:{A}:instance/i-1"
POLICY = f"arn:aws:iam::{A}:policy/limits"


def _policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _env(*statements, boundary=None):
    user = {"Path": "/", "UserName": "u", "UserId": "AIDAU", "Arn": USER, "GroupList": [], "AttachedManagedPolicies": [],
            "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": _policy(*statements)}]}  # fmt: skip
    policies = []
    if boundary is not None:
        user["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": POLICY}
        version = {"VersionId": "v1", "IsDefaultVersion": True, "Document": _policy(boundary)}
        policies = [{"PolicyName": "limits", "Arn": POLICY, "DefaultVersionId": "v1", "PolicyVersionList": [version]}]
    trust = _policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
    role = {"Path": "/", "RoleName": "r", "RoleId": "AROAR", "Arn": ROLE, "InstanceProfileList": [], "RolePolicyList": [],
            "AssumeRolePolicyDocument": trust, "AttachedManagedPolicies": []}  # fmt: skip
    details = {"UserDetailList": [user], "RoleDetailList": [role], "GroupDetailList": [], "Policies": policies}
    return environment_of({"gaad.json": details})


def _lacks(env):
    (caller,) = read_callers(env, USER)
    return lacking(check_of(facts_of(Ask(env=env), caller, STOP, Target(INSTANCE, A))), INSTANCE)


ALLOW = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}


def test_each_amendment_of_a_refused_request_has_it_allowed():
    condition = {"StringEquals": {"aws:PrincipalTag/team": "x"}}
    cases = [
        (_env(), {Lack.PERMISSION}),
        (_env({**ALLOW, "Condition": condition}), {Lack.PERMISSION, Lack.CONDITION}),
        (_env(ALLOW, {**ALLOW, "Effect": "Deny"}), {Lack.DENY}),
        (_env(ALLOW, boundary={**ALLOW, "Action": "s3:*"}), {Lack.BOUNDARY}),
    ]
    for env, kinds in cases:
        found = _lacks(env)
        assert {a.lack for a in found} == kinds
        for amendment in found:
            assert can(env, USER, STOP, INSTANCE, via="direct").verdict is Verdict.NO
            assert can(amended(env, amendment), USER, STOP, INSTANCE, via="direct").verdict is Verdict.YES


def test_two_layers_that_fail_lack_no_single_thing():
    assert _lacks(_env(boundary={**ALLOW, "Action": "s3:*"})) == frozenset()
    assert _lacks(_env({**ALLOW, "Effect": "Deny"})) == frozenset()


def test_amendments_that_mend_two_requests():
    one = Amendment(Lack.PERMISSION, USER, "ec2:runinstances", "subnet")
    two = Amendment(Lack.PERMISSION, USER, "ec2:runinstances", "image")
    whole = Amendment(Lack.BOUNDARY, USER, EVERYTHING, "*")
    assert meet(frozenset({one, whole}), frozenset({two, whole})) == {
        whole,
        Amendment(Lack.PERMISSION, USER, "ec2:runinstances", "*"),
    }
    other = Amendment(Lack.PERMISSION, USER, "iam:passrole", "subnet")
    assert meet(frozenset({one}), frozenset({other})) == frozenset()


def test_a_trust_and_an_instance_profile_can_be_amended_and_nothing_that_is_not_there():
    env = _env({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"})
    trust = amended(env, Amendment(Lack.TRUST, ROLE, "sts:AssumeRole", f"AWS {USER}"))
    assert can(trust, USER, "sts:AssumeRole", ROLE, via="direct").verdict is Verdict.YES
    profile = amended(env, Amendment(Lack.PROFILE, ROLE))
    assert profile.principals[ROLE].instance_profiles == (f"arn:aws:iam::{A}:instance-profile/r",)
    assert amended(env, Amendment(Lack.PROFILE, USER)) is None
    assert amended(env, Amendment(Lack.TRUST, USER, "sts:AssumeRole", f"AWS {USER}")) is None
    assert amended(env, Amendment(Lack.PERMISSION, ROLE + "x", STOP, "*")) is None
    assert amended(env, Amendment(Lack.GRANT, "arn:aws:s3:::none", "s3:GetObject", f"AWS {USER}")) is None
    assert amended(env, Amendment(Lack.DENY, "no statement", place=Origin("gaad.json", "/nowhere"))) is None

"""When whoever may do everything in an account stands for the others of it: not where a resource policy may have a say."""

from __future__ import annotations

import pytest
from check_envs import ACCOUNT, allow, environment, lets, policy, role, user

from iamsim.aws.escalations import catalogue
from iamsim.graph.dominated import asked_by, asked_for, dominated

ARN = f"arn:aws:iam::{ACCOUNT}:user/ann"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:alarms"


def resource(arn):
    statement = {**lets({"AWS": ARN}, "*"), "Resource": "*"}
    return {"Resource": arn, "Account": ACCOUNT, "Policy": policy(statement)}


def spared(folder, *arns):
    """The techniques for which the administrator of the account stands for others, where these resources have policies."""
    env = environment(folder, users=[user("ann", policy(allow("*")))], resources=[resource(a) for a in arns])
    return {id_ for id_, t in catalogue().techniques.items() if dominated(env, t, ARN)}


def test_what_is_done_to_principals_meets_no_resource_policy(tmp_path):
    assert {"iam-put-user-policy-self", "iam-create-access-key", "iam-update-assume-role-policy"} <= spared(
        tmp_path, TOPIC
    )


def test_trust_policies_and_key_policies_are_met_whatever_is_loaded(tmp_path):
    asked = {"sts:assumerole", "kms:creategrant", "kms:putkeypolicy"}
    for id_, technique in catalogue().techniques.items():
        actions = {a for v in technique.variants for a in v.actions}
        assert not actions & asked or id_ not in spared(tmp_path), id_


@pytest.mark.parametrize(
    ("arn", "service"),
    [
        ("arn:aws:s3:::bucket", "s3"),
        (f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f", "lambda"),
        (f"arn:aws:organizations::{ACCOUNT}:organization/o-1", "organizations"),
        (ARN, "iam"),
    ],
)
def test_a_loaded_policy_speaks_for_its_service(tmp_path, arn, service):
    (tmp_path / "without").mkdir()
    (tmp_path / "with").mkdir()
    lost = spared(tmp_path / "without") - spared(tmp_path / "with", arn)
    of_service = {
        id_
        for id_, t in catalogue().techniques.items()
        if any(a.startswith(f"{service}:") for v in t.variants for a in v.actions)
    }
    assert lost
    assert lost >= of_service & spared(tmp_path / "without")
    assert not of_service & spared(tmp_path / "with", arn)


def test_roles_that_ask_for_the_same_callers_are_one_set(tmp_path):
    trust = {
        **lets({"AWS": "*"}, "sts:AssumeRole"),
        "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/a*"}},
    }
    users = [user(n, policy(allow("*"))) for n in ("ann", "abe", "bob")]
    env = environment(tmp_path, users=users, roles=[role(n, trust=(trust,)) for n in ("one", "two")])
    roles = frozenset(f"arn:aws:iam::{ACCOUNT}:role/{n}" for n in ("one", "two"))
    asked = {f"arn:aws:iam::{ACCOUNT}:user/{n}" for n in ("ann", "abe")}
    assert asked_for(env, ACCOUNT) == {roles: asked}
    assert {a: asked_by(env, a) for a in asked} == dict.fromkeys(asked, (roles,))
    assert asked_by(env, f"arn:aws:iam::{ACCOUNT}:user/bob") == ()

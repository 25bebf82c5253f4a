"""Which of many actions are asked about: the answer to all of them is the best of the answers to each."""

from __future__ import annotations

import pytest
from check_envs import ACCOUNT, allow, deny, environment, lets, policy, role, user

from iamsim import can
from iamsim.aws.actions import expand, fits
from iamsim.query.actions import suiting_actions

RANK = {"no": 0, "unknown": 1, "yes": 2}
MINE, ELSEWHERE, FUNCTION = (
    "arn:aws:s3:::mine/k",
    "arn:aws:s3:::elsewhere/k",
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f",
)


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    first = deny("s3:AbortMultipartUpload")
    return environment(
        tmp_path_factory.mktemp("env"),
        users=[
            user("none"),
            user("barred", policy(first)),
            user("hops", policy(first, allow("sts:AssumeRole"))),
            user("reader", policy(first, allow("s3:GetObjectTagging"))),
        ],
        roles=[role("r", policy(allow("s3:GetObject", "arn:aws:s3:::mine/*")), trust=[lets({"AWS": ACCOUNT})])],
        resources=[{"Arn": "arn:aws:s3:::mine", "Account": ACCOUNT}],
    )


@pytest.mark.parametrize("missing", ["assume", "strict", "closed"])
@pytest.mark.parametrize("via", ["direct", "roles"])
@pytest.mark.parametrize("who", ["none", "barred", "hops", "reader"])
@pytest.mark.parametrize("resource", [MINE, ELSEWHERE, FUNCTION])
def test_many_actions_are_as_each_of_them(env, who, resource, via, missing):
    pattern = f"{resource.split(':')[2]}:*"
    each = [
        can(env, f"user/{who}", action, resource, via=via, missing=missing).verdict
        for action in expand(pattern)
        if fits(action, resource)
    ]
    found = can(env, f"user/{who}", pattern, resource, via=via, missing=missing).verdict
    assert RANK[found] == max(RANK[v] for v in each)


def test_actions_that_do_not_fit_are_left_out():
    named = ("s3:CreateBucket", "s3:GetObject", "s3:ListAllMyBuckets")
    assert suiting_actions(named, MINE, any_resource=False) == named[1:2]
    assert suiting_actions(named[::2], MINE, any_resource=False) == named[2:]
    assert suiting_actions(named, MINE, any_resource=True) == named
    assert suiting_actions(named, "*", any_resource=False) == named
    assert suiting_actions(named[:1], MINE, any_resource=False) == named[:1]
    assert suiting_actions(("s3:CreateBucket", "s3:DeleteBucket"), MINE, any_resource=False) == named[:1]

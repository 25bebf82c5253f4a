"""Callers and accounts that cannot be: an answer about them would look like one about what was meant."""

import pytest

from iamsim import QueryError, can
from iamsim.env.build import environment_of
from iamsim.judge.callers import read_callers

A = "111122223333"
TRUST = {"Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}}


@pytest.fixture(scope="module")
def env():
    role = {
        "Path": "/", "RoleName": "r", "RoleId": "AROAEXAMPLEEXAMPLE001", "Arn": f"arn:aws:iam::{A}:role/r",
        "AssumeRolePolicyDocument": TRUST, "InstanceProfileList": [], "RolePolicyList": [], "AttachedManagedPolicies": [],
    }  # fmt: skip
    found = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [role], "Policies": []}
    return environment_of({"account.json": found})


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("arn:aws:iam::12:user/x", "names no account", "12 digits"),
        ("arn:aws:iam::12:root", "names no account", "12 digits"),
        ("arn:aws:sts::12:assumed-role/r/x", "names no account", "12 digits"),
        (f"arn:aws:sts::{A}:assumed-role/r/*", "no name of a session", "name the role instead"),
        (f"arn:aws:sts::{A}:assumed-role/r/a b", "no name of a session", "letters, digits"),
        ("role/r?session=i-?", "no name of a session", "name the role instead"),
        ("saml://idp", "no ARN of a SAML provider", "saml://arn:aws:iam"),
        ("oidc://token.actions.githubusercontent.com?sub", "has no value", "CLAIM=VALUE"),
    ],
)
def test_a_caller_that_cannot_be(env, text, message, remedy):
    with pytest.raises(QueryError, match=message) as raised:
        read_callers(env, text)
    assert remedy in str(raised.value.help)


@pytest.mark.parametrize(
    "text", [f"arn:aws:sts::{A}:assumed-role/r/i-0abc@x.com", "role/r?session=s", "arn:aws:iam::*:role/*"]
)
def test_a_caller_that_can_be(env, text):
    assert read_callers(env, text)


def test_an_account_of_a_resource_has_12_digits(env):
    with pytest.raises(QueryError, match="`12` is no account id"):
        can(env, "role/r", "s3:GetObject", "arn:aws:s3:::b/k", resource_account="12")

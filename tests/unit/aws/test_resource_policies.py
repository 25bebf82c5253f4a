"""What the table of resource policies tells about actions: whether one may have a say, and whether one must."""

from __future__ import annotations

import pytest

from iamsim.aws.actions import expand, fits, resource_arn_patterns
from iamsim.aws.resource_policies import RESOURCE_POLICIES, may_meet_policy, policy_required, services_of
from iamsim.aws.services import TRUST_ACTIONS

A = "111122223333"
EVERY = [a.lower() for a in expand("*")]
OF = {
    s: [a for a in EVERY if a.startswith(f"{s}:")] for s in ("iam", "sso", "sts", "kms", "organizations", "s3", "ec2")
}


@pytest.mark.parametrize("service", ["iam", "sso", "identitystore"])
def test_no_resource_policy_has_a_say_in_what_is_done_to_principals(service):
    assert [a for a in EVERY if a.startswith(f"{service}:") and may_meet_policy(a)] == []


def test_required_are_the_trust_policies_of_roles_and_key_policies():
    role, key = f"arn:aws:iam::{A}:role/r", f"arn:aws:kms:eu-west-1:{A}:key/k"
    assert {r.service for r in RESOURCE_POLICIES if r.required} == {"iam", "kms"}
    wanted = {a for a in EVERY if fits(a, key) or (fits(a, role) and a.startswith(TRUST_ACTIONS))}
    assert {a for a in EVERY if policy_required(a)} == wanted
    assert {"sts:assumerole", "sts:tagsession", "kms:decrypt", "kms:createalias"} <= wanted
    assert not {"sts:assumeroot", "sts:getcalleridentity", "kms:createkey", "iam:passrole"} & wanted


def test_what_is_required_may_be_met():
    assert [a for a in EVERY if policy_required(a) and not may_meet_policy(a)] == []


@pytest.mark.parametrize("service", ["organizations", "s3"])
def test_in_doubt_a_resource_policy_has_a_say(service):
    """An organization can have a delegation policy, a bucket its own."""
    on_resources = [a for a in EVERY if a.startswith(f"{service}:") and resource_arn_patterns(a)]
    assert on_resources
    assert [a for a in on_resources if service in services_of(a) and not may_meet_policy(a)] == []


@pytest.mark.parametrize(
    ("action", "required"), [("nosuch:thing", False), ("kms:nosuch", True), ("sts:assumerolewithx", True)]
)
def test_in_doubt_an_unknown_action_meets_a_resource_policy(action, required):
    assert may_meet_policy(action)
    assert policy_required(action) is required


def test_services_of_the_resources_that_an_action_works_on():
    assert services_of("sts:assumerole") == {"sts", "iam"}
    assert services_of("kms:createkey") == {"kms"}
    assert "kms" in services_of("kinesis:startstreamencryption")

"""What services refuse: the same for a resource with a name and for one that is a variable, and for both evaluators."""

from __future__ import annotations

import pytest
from check_envs import ACCOUNT, OTHER, allow, environment, lets, policy, role, user

from iamsim import can
from iamsim.aws.actions import expand, fits
from iamsim.aws.refusals import REFUSALS

LINKED = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/es.amazonaws.com/AWSServiceRoleForES"
ON_LINKED = [a for a in (*expand("iam:*"), *expand("sts:*")) if fits(a, LINKED)]
EXAMPLES = {
    "refuse-aws-managed-policy": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "refuse-aws-reserved-role": f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_a",
    "refuse-service-linked-role": LINKED,
    "refuse-service-linked-path": LINKED,
    "refuse-assume-service-linked-role": LINKED,
    "refuse-kms-aws-alias": f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/aws/s3",
    "unknown-s3-access-point": f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/a/object/k",
}


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    everybody = lets({"AWS": "*", "Service": "es.amazonaws.com"}, ["sts:AssumeRole", "sts:TagSession"])
    linked = role("AWSServiceRoleForES", trust=[everybody], Arn=LINKED, Path="/aws-service-role/es.amazonaws.com/")
    return environment(
        tmp_path_factory.mktemp("env"),
        users=[user("admin", policy(allow("*")))],
        roles=[linked],
        resources=[{"Arn": "arn:aws:s3:::mine", "Account": ACCOUNT}],
    )


@pytest.mark.parametrize("action", ON_LINKED)
def test_both_evaluators_agree_on_service_linked_roles(env, action):
    asked = {"via": "direct", "strict": True}
    one, other = (can(env, "user/admin", action, LINKED, engine=e, **asked) for e in ("auto", "replay"))
    assert one.decision == other.decision
    assert one.verdict != "yes" or one.witness is not None


@pytest.mark.parametrize("row", [r for r in REFUSALS if r.id in EXAMPLES], ids=lambda r: r.id)
def test_a_pattern_inside_a_refused_place_is_refused(env, row):
    resource = EXAMPLES[row.id]
    action = {"unknown-s3-access-point": "s3:GetObject"}.get(row.id) or next(
        a for g in row.actions for a in expand(g) if fits(a, resource)
    )
    pattern = resource.rpartition("/")[0] + "/*"
    wanted = "unknown" if row.unknown else "no"
    assert can(env, "user/admin", action, resource, via="direct").verdict == wanted
    assert can(env, "user/admin", action, pattern, via="direct").verdict == wanted


def test_kms_actions_of_the_owner_alone_do_not_work_on_patterns_of_other_accounts(env):
    there = f"arn:aws:kms:us-east-1:{OTHER}:key/*"
    assert can(env, "user/admin", "kms:PutKeyPolicy", there, via="direct", resource_account=OTHER).verdict == "no"
    assert can(env, "user/admin", "kms:Decrypt", there, via="direct", resource_account=OTHER).verdict == "unknown"

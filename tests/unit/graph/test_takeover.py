"""Whose policy of a bucket is written that no input lists, where the question tells whose it is."""

from __future__ import annotations

import pytest
from check_envs import ACCOUNT, allow, details, environment, policy, user

from iamsim import Verdict, can

OTHER = "444455556666"


@pytest.mark.parametrize(("owner", "expected"), [(ACCOUNT, Verdict.YES), (OTHER, Verdict.NO)])
def test_a_bucket_that_nothing_lists_is_of_the_account_of_the_question(tmp_path, owner, expected):
    others = [details(users=[user("bob", policy(), account=OTHER)])]
    env = environment(tmp_path, users=[user("ann", policy(allow("s3:PutBucketPolicy")))], others=others)
    found = can(env, f"{ACCOUNT}:user/ann", "s3:GetObject", "arn:aws:s3:::vault/x", resource_account=owner)
    assert found.verdict is expected, found

"""Laws of findings: what is said to make no difference makes none, by the independent evaluator."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from check_envs import allow, deny, environment, policy, user
from hypothesis import given, settings
from hypothesis import strategies as st

from iamsim import can
from iamsim.check import statements

ACTIONS = ["*", "s3:*", "s3:Get*", "s3:GetObject", "s3:PutObject", "iam:*"]
RESOURCES = ["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/x*", "arn:aws:s3:::b/x"]
CONDITIONS = [
    {},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}},
    {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}, "StringNotLike": {"aws:RequestedRegion": "eu-*"}},
]
STATEMENTS = st.builds(
    lambda kind, actions, resource, condition: kind(
        actions, resource, **({"Condition": condition} if condition else {})
    ),
    st.sampled_from([allow, allow, allow, deny]),
    st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2),
    st.sampled_from(RESOURCES),
    st.sampled_from(CONDITIONS),
)
REQUESTS = [
    (action, resource, {"aws:RequestedRegion": region, "aws:SecureTransport": secure})
    for action, resource in (
        ("s3:GetObject", "arn:aws:s3:::b/x"),
        ("s3:GetObject", "arn:aws:s3:::b/y"),
        ("s3:PutObject", "arn:aws:s3:::b/xy"),
        ("s3:DeleteObject", "arn:aws:s3:::c/x"),
        ("ec2:DescribeInstances", "*"),
    )
    for region in ("eu-west-1", "us-east-1", "eu-north-1")
    for secure in ("true", "false")
]


def decisions(*found):
    """The decision on each request of a user with these statements."""
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder), users=[user("u", policy(*found))])
        return [
            can(env, "user/u", a, r, context=c, strict=True, via="direct", engine="replay", resource_account="111122223333").decision
            for a, r, c in REQUESTS
        ]  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(STATEMENTS, min_size=2, max_size=5))
def test_statements_that_are_found_dead_or_redundant_can_be_removed_together(listed):
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder), users=[user("u", policy(*listed))])
        found = {int(f.origin.pointer.split("/Statement/")[1].split("/")[0]) for f in statements.find(env)}
    kept = [s for i, s in enumerate(listed) if i not in found]
    allowed = [d.value == "allowed" for d in decisions(*listed)]
    assert [d.value == "allowed" for d in decisions(*kept)] == allowed, json.dumps(listed)

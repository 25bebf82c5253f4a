"""Differences between two policy documents, and in whom principals can become."""

from __future__ import annotations

import pytest
from check_envs import ACCOUNT, allow, deny, environment, lets, policy, role, user, when
from hypothesis import given, settings
from hypothesis import strategies as st

from iamsim import Verdict, diff, load
from iamsim.errors import QueryError
from iamsim.query.compare import narrower
from iamsim.query.documents import identity_policy, named_policy
from iamsim.query.policy_diff import WHOEVER, diff_policies
from iamsim.query.reach import reach_diff
from iamsim.report.reach import reach_json, reach_markdown

A, B = "arn:aws:s3:::a/*", "arn:aws:s3:::b/*"


def read(*statements):
    return named_policy(policy(*statements), "p.json")[0]


def rows(before, after):
    return [(r.gained, r.actions, r.resources) for r in diff_policies(before, after).rows]


def arn(name, account=ACCOUNT):
    return f"arn:aws:iam::{account}:{name}"


def test_each_action_stands_with_where_it_changed():
    before = read(allow(["s3:GetObject", "s3:PutObject"], A))
    after = read(allow(["s3:GetObject"], [A, B]))
    assert rows(before, after) == [(True, ("s3:GetObject",), (B,)), (False, ("s3:PutObject",), (A,))]
    gained = diff_policies(before, after).rows[0]
    assert gained.principals == (WHOEVER,)
    assert gained.witness.request.resource.startswith("arn:aws:s3:::b/")
    assert [c.text for c in gained.witness.allowed_by] == ["identity policy p.json, statement 1"]


def test_conditions_on_the_caller_count():
    team = "aws:PrincipalTag/team"
    before = read(allow("sqs:SendMessage", **when("StringEquals", team, "x")))
    after = read(allow("sqs:SendMessage", **when("StringEquals", team, "x", "y")))
    [row] = diff_policies(before, after).rows
    assert (row.gained, row.witness.request.context[team]) == (True, ("y",))
    assert rows(before, before) == []


def test_a_deny_takes_away_and_an_unknown_is_said():
    assert rows(read(allow("sqs:*")), read(allow("sqs:*"), deny("sqs:DeleteQueue"))) == [
        (False, ("sqs:DeleteQueue",), ("*",))
    ]
    odd = read(allow("sqs:DeleteQueue", Condition={"StringSortOf": {"aws:x": "y"}}))
    [row] = diff_policies(read(allow("sqs:ListQueues")), odd).rows[:1]
    assert (row.actions, bool(row.reasons), row.witness) == (("sqs:DeleteQueue",), True, None)


def test_trust_policies_are_read_as_those_of_a_role():
    before = read(lets({"Service": "ec2.amazonaws.com"}))
    after = read(
        lets(
            {"AWS": ["999988887777", arn("role/ci", "444455556666")]},
            Condition={"StringEquals": {"sts:ExternalId": "xyz"}},
        )
    )
    found = diff_policies(before, after)
    assert [(r.gained, r.principals) for r in found.rows] == [
        (True, (arn("role/ci", "444455556666"), arn("user/SOMEBODY", "999988887777"))),
        (False, ("service ec2.amazonaws.com",)),
    ]
    assert found.rows[0].witness.request.context["sts:ExternalId"] == ("xyz",)


def test_documents_of_two_kinds_and_of_resources_are_refused():
    bucket = read({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": A})
    with pytest.raises(QueryError, match="one document is a identity policy"):
        diff_policies(read(allow("s3:*")), bucket)
    with pytest.raises(QueryError, match="without its resource"):
        diff_policies(bucket, bucket)


ACTIONS = st.sampled_from(["s3:GetObject", "s3:Get*", "sqs:*", "sqs:SendMessage", "*", "ec2:DescribeVpcs"])
STATEMENTS = st.builds(
    lambda effect, action, resource, tag: {
        "Effect": effect, "Action": action, "Resource": resource, **(when("StringEquals", "aws:PrincipalTag/t", tag) if tag else {})
    },
    st.sampled_from(["Allow", "Allow", "Deny"]), ACTIONS, st.sampled_from(["*", A, B]), st.sampled_from(["", "", "x", "y"]),
)  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(st.lists(STATEMENTS, min_size=1, max_size=3), st.lists(STATEMENTS, min_size=1, max_size=3))
def test_nothing_is_gained_iff_the_new_policy_is_narrower(before, after):
    first, second = (identity_policy(policy(*s), "p")[0] for s in (before, after))
    found = diff_policies(first, second).rows
    assert any(r.gained for r in found) == (narrower(second, first).verdict is not Verdict.YES)
    assert any(not r.gained for r in found) == (narrower(first, second).verdict is not Verdict.YES)
    assert diff_policies(first, second) == diff_policies(first, second)


# --- accounts outside


def test_a_trust_that_opens_to_an_account_outside_is_a_difference(tmp_path):
    closed = environment(tmp_path, roles=[role("Door", trust=[lets({"Service": "ec2.amazonaws.com"})])])
    (tmp_path / "after").mkdir()
    opened = environment(
        tmp_path / "after",
        roles=[role("Door", trust=[lets({"Service": "ec2.amazonaws.com"}), lets({"AWS": "999988887777"})])],
    )
    found = diff(closed, opened, actions="sts:*")
    assert [r.gained for r in found.rows] == [True]
    assert ":999988887777:role/" in found.rows[0].principals[0]
    assert found.rows[0].reasons  # what that account allows its roles is in no input


# --- whom principals can become


def side(folder, *trusted):
    folder.mkdir()
    gate = role("Gate", trust=[lets({"AWS": [arn(t) for t in trusted]})])
    inner = role("Inner", trust=[lets({"AWS": arn("role/Gate")})])
    return environment(folder, users=[user("ann"), user("bob")], roles=[gate, inner])


def test_who_can_become_whom_newly_is_listed_with_a_way(tmp_path):
    before, after = side(tmp_path / "x", "user/ann"), side(tmp_path / "y", "user/ann", "user/bob")
    found = reach_diff(before, after)
    assert [(r.gained, r.sources, r.targets) for r in found.rows] == [
        (True, (arn("user/bob"),), (arn("role/Gate"), arn("role/Inner")))
    ]
    assert [h.target for h in found.rows[0].hops] == [arn("role/Gate")]
    back = reach_diff(after, before)
    assert [(r.gained, r.sources, r.targets) for r in back.rows] == [(False, r.sources, r.targets) for r in found.rows]
    assert reach_diff(before, after, principals="*user/ann").rows == ()
    assert reach_json(found)["rows"][0]["path"][0]["target"] == arn("role/Gate")
    assert "| `user/bob (111122223333)` |" in reach_markdown(found)


def test_techniques_are_followed_where_they_are_asked_for(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    keys = policy(allow("iam:CreateAccessKey", arn("user/bob")))
    before = environment(tmp_path / "x", users=[user("ann"), user("bob")])
    after = environment(tmp_path / "y", users=[user("ann", keys), user("bob")])
    assert reach_diff(before, after).rows == ()
    [row] = reach_diff(before, after, via="escalation").rows
    assert (row.sources, row.targets, [h.technique for h in row.hops]) == (
        (arn("user/ann"),), (arn("user/bob"),), ["iam-create-access-key"]
    )  # fmt: skip


def test_what_is_not_known_is_said(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    gone = {"PolicyName": "Gone", "PolicyArn": arn("policy/Gone")}
    gate = role("Gate", trust=[lets({"AWS": ACCOUNT})])
    before = environment(tmp_path / "x", users=[user("ann")], roles=[gate])
    after = environment(tmp_path / "y", users=[user("ann", AttachedManagedPolicies=[gone])], roles=[gate])
    [row] = reach_diff(before, after).rows
    assert (row.gained, row.hops) == (True, ())
    assert row.reasons


def test_nothing_differs_from_itself(request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)
    env = load("corpus/organizations/pair/snapshot")
    assert reach_diff(env, env, via="escalation").rows == ()
    with pytest.raises(QueryError, match="no way to become"):
        reach_diff(env, env, via="direct")

"""Roles with the same or contained rights."""

from __future__ import annotations

import pytest
from check_envs import ACCOUNT, OTHER, allow, deny, details, environment, lets, managed, policy, role

from iamsim import QueryError, equivalent_roles, load
from iamsim.report.equivalent import roles_json, roles_lines
from iamsim.report.lines import plain_text

A, B = "arn:aws:s3:::a/*", "arn:aws:s3:::b/*"


def named(name, *documents, **more):
    return role(name, *documents, trust=[lets({"Service": "ec2.amazonaws.com"})], **more)


def order(folder, *roles, **lists):
    [found] = equivalent_roles(environment(folder, roles=roles, **lists))
    return found


def short(names):
    return [n.rpartition("/")[2] for n in names]


def shape(found):
    return [
        (short(names), [short(found.classes[j])[0] for j in above])
        for names, above in zip(found.classes, found.above, strict=True)
    ]


def test_roles_that_may_the_same_are_one_class_however_it_is_written(tmp_path):
    found = order(
        tmp_path,
        named("One", policy(allow("s3:GetObject", A), allow("s3:GetObject", B))),
        named("Two", policy(allow("s3:GetObject", [A, B])), policy(allow("s3:GetObject", A))),
        named("Less", policy(allow("s3:GetObject", A))),
        named("Else", policy(allow("sqs:SendMessage"))),
        named("None"),
    )
    assert shape(found) == [
        (["Else"], []),
        (["Less"], ["One"]),
        (["None"], ["Else", "Less"]),
        (["One", "Two"], []),
    ]
    more = found.more[1, 3]
    assert (more.action, more.resource.startswith("arn:aws:s3:::b/")) == ("s3:GetObject", True)
    text = plain_text(roles_lines([found]), 100)
    assert "- role/One = role/Two" in text
    assert "- role/Less < role/One = role/Two\n      which also may s3:GetObject on arn:aws:s3:::b/" in text
    value = roles_json([found], (), "")["accounts"][0]
    assert value["within"][0]["more"]["action"] == "s3:GetObject"


def test_a_boundary_is_weighed(tmp_path):
    limit = managed("Limit", policy(allow("s3:*")))
    bound = {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": limit["Arn"]}}
    both = policy(allow("s3:GetObject"), allow("sqs:SendMessage"))
    found = order(
        tmp_path, named("Free", both), named("Bound", both, **bound), named("Bound2", both, **bound), policies=[limit]
    )
    assert shape(found) == [(["Bound", "Bound2"], ["Free"]), (["Free"], [])]
    assert found.more[0, 1].action != "s3:GetObject"


def test_what_no_scp_binds_is_below_nothing_that_one_binds(tmp_path):
    linked = named("Linked", policy(allow("s3:GetObject", A)))
    path = "/aws-service-role/ec2.amazonaws.com/"
    linked |= {"Path": path, "Arn": f"arn:aws:iam::{ACCOUNT}:role{path}Linked"}
    found = order(tmp_path, linked, named("Free", policy(allow("s3:*"))))
    assert [above for _, above in shape(found)] == [[], []]


def test_what_else_tells_roles_apart_is_told(tmp_path):
    same = policy(allow("s3:GetObject", A, Condition={"StringEquals": {"aws:PrincipalTag/team": "x"}}))
    bucket = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/One"},
        "Action": "s3:GetObject",
        "Resource": B,
    }
    found = order(
        tmp_path, named("One", same), named("Two", same), named("Three"),
        resources=[{"Resource": "arn:aws:s3:::b", "Account": ACCOUNT, "Policy": policy(bucket)}],
    )  # fmt: skip
    told = {(short([arn])[0], why) for arn, why in found.apart}
    assert ("One", "the policy of arn:aws:s3:::b names it") in told
    assert {n for n, why in told if "tags or names" in why} == {"One", "Two"}


def test_what_is_not_known_is_not_placed(tmp_path):
    gone = {"PolicyName": "Gone", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/Gone"}
    odd = policy(allow("s3:GetObject", A, Condition={"StringSortOf": {"aws:x": "y"}}))
    found = order(
        tmp_path,
        named("Gone", AttachedManagedPolicies=[gone]),
        named("Odd", odd),
        named("Plain", policy(allow("sqs:*"))),
    )
    assert [(short([arn])[0], "is in no input" in why) for arn, why in found.left] == [("Gone", True)]
    assert [short(pair) for pair in found.undecided] == [["Odd", "Plain"]]


def test_accounts_are_apart_and_patterns_choose(tmp_path):
    far = details(
        roles=[role("Far", policy(allow("s3:*")), trust=[lets({"Service": "ec2.amazonaws.com"})], account=OTHER)]
    )
    env = environment(
        tmp_path,
        roles=[named("Near", policy(allow("s3:*"))), named("Deny", policy(allow("s3:*"), deny("s3:GetObject")))],
        others=[far],
    )
    assert [o.account for o in equivalent_roles(env)] == [ACCOUNT, OTHER]
    [only] = equivalent_roles(env, f"{OTHER}:role/*")
    assert shape(only) == [(["Far"], [])]
    with pytest.raises(QueryError):
        equivalent_roles(env, "role/Nobody")


def test_users_are_no_roles(request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)
    with pytest.raises(QueryError, match="means no role"):
        equivalent_roles(load("corpus/organizations/tiny/snapshot"), "user/alice")

"""`what_can` on the example organizations, policy documents made of it, and lists of actions made short."""

import pytest

from iamsim import load, policy_of, what_can
from iamsim.aws.actions import expand
from iamsim.errors import QueryError
from iamsim.query.what_policy import compressed, merged

TINY = "corpus/organizations/tiny/snapshot"
ACME = "corpus/organizations/acme/snapshot"


@pytest.fixture(scope="module")
def tiny():
    return load(TINY)


def rows_of(env, *asked, **options):
    return {(a, w.resource): w for w in what_can(env, *asked, **options) for a in w.actions}


def test_rows_are_decided_and_not_read_off(tiny):
    rows = rows_of(tiny, "user/alice")
    assert rows["sts:AssumeRole", "arn:aws:iam::123456789012:role/ReportWriter"].verdict == "yes"
    assert rows["s3:GetObject", "arn:aws:s3:::tiny-reports/*"].verdict == "conditional"
    delete = rows["s3:DeleteObject", "arn:aws:s3:::tiny-reports/drafts/*"]
    assert "multifactorauthpresent" in repr(delete.condition)
    assert ("s3:PutObject", "arn:aws:s3:::tiny-reports/*") not in rows


def test_a_resource_narrows_the_question(tiny):
    rows = rows_of(tiny, "user/alice", "arn:aws:s3:::tiny-reports/q1.csv")
    assert {a for a, _ in rows} == {"s3:GetObject"}
    assert {r for _, r in rows} == {"arn:aws:s3:::tiny-reports/q1.csv"}


def test_a_deny_without_exception_leaves_nothing():
    rows = rows_of(load(ACME), "user/kim")
    assert ("ec2:StartInstances", "*") in rows
    assert not [a for a, _ in rows if a == "ec2:TerminateInstances"]


def test_given_keys_decide_conditions(tiny):
    context = {"aws:MultiFactorAuthPresent": None, "aws:SecureTransport": "true"}
    rows = rows_of(tiny, "user/alice", context=context)
    assert not [a for a, _ in rows if a == "s3:DeleteObject"]
    assert rows["s3:GetObject", "arn:aws:s3:::tiny-reports/*"].verdict == "yes"


def test_policies_of_both_bounds(tiny):
    rows = list(what_can(tiny, "user/alice"))
    upper, lower = policy_of(rows), policy_of(rows, "lower")
    named = {(s["Effect"], a) for s in upper["Statement"] for a in s["Action"]}
    assert ("Allow", "s3:DeleteObject") in named
    sure = {a for s in lower["Statement"] for a in s["Action"] if s["Effect"] == "Allow"}
    assert "s3:DeleteObject" not in sure
    assert "sts:AssumeRole" in sure
    assert policy_of(merged(rows)) == upper
    with pytest.raises(QueryError, match="no bound"):
        policy_of(rows, "outer")


@pytest.mark.parametrize("pattern", ["s3:*", "s3:Get*", "ec2:Describe*", "sts:*", "s3:GetObject"])
def test_compressed_lists_match_what_they_stand_for(pattern):
    actions = expand(pattern)
    short = compressed(actions)
    assert len(short) <= len(actions)
    assert sorted({a for p in short for a in expand(p)}) == sorted(actions)


def test_a_gap_shows_in_a_compressed_list():
    actions = [a for a in expand("s3:*") if a != "s3:GetObject"]
    short = compressed(actions)
    assert "s3:*" not in short
    assert sorted({a for p in short for a in expand(p)}) == sorted(actions)
    assert compressed(expand("*")) == ("*",)


@pytest.mark.parametrize(
    ("principal", "resource", "says"),
    [
        ("user/alic", None, "no loaded user is called `alic`"),
        ("role/*", "x", "neither an ARN"),
        ("arn:aws:iam::999988887777:role/x", None, "no input holds the policies"),
    ],
)
def test_what_cannot_be_asked(tiny, principal, resource, says):
    with pytest.raises(QueryError, match=says):
        what_can(tiny, principal, resource)

"""Comparing policies: verdicts on small pairs, and every difference replayed by the independent evaluator."""

from __future__ import annotations

import random

import pytest

from iamsim import Verdict, replay
from iamsim.aws.managed import managed_policies
from iamsim.diagnostics import Origin
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy
from iamsim.query.compare import narrower, narrower_in_future

ACCOUNT = "111122223333"
USER = f"arn:aws:iam::{ACCOUNT}:user/u"


def policy(*statements):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return read_policy(document, PolicyKind.IDENTITY, "p", Origin("p"))[0]


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


TLS = {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (policy(allow("s3:GetObject")), policy(allow("s3:*")), Verdict.YES),
        (policy(allow("s3:*")), policy(allow("s3:GetObject")), Verdict.NO),
        (
            policy(allow("s3:GetObject", "arn:aws:s3:::b/x*")),
            policy(allow("s3:GetObject", "arn:aws:s3:::b/*")),
            Verdict.YES,
        ),
        (
            policy(allow("s3:GetObject", "arn:aws:s3:::b/*")),
            policy(allow("s3:GetObject", "arn:aws:s3:::b/x*")),
            Verdict.NO,
        ),
        (policy(allow("s3:GetObject", **TLS)), policy(allow("s3:GetObject")), Verdict.YES),
        (policy(allow("s3:GetObject")), policy(allow("s3:GetObject", **TLS)), Verdict.NO),
        (policy(allow("s3:*"), deny("s3:*", "arn:aws:s3:::b/*")), policy(allow("s3:*")), Verdict.YES),
        (policy(allow("s3:*")), policy(allow("s3:*"), deny("s3:*", "arn:aws:s3:::b/*")), Verdict.NO),
        (
            policy(allow("*"), deny("iam:*")),
            policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
            Verdict.YES,
        ),
        (policy(), policy(), Verdict.YES),
    ],
)
def test_a_policy_is_narrower_iff_the_other_allows_all_that_it_does(a, b, verdict):
    assert narrower(a, b).verdict is verdict


def test_future_actions_are_a_second_question():
    today, always = policy(allow("sts:GetCallerIdentity")), policy(allow("sts:Get*"))
    assert narrower(today, always).verdict is Verdict.YES
    assert narrower_in_future(today, always).verdict is Verdict.YES
    assert narrower_in_future(always, today).verdict is Verdict.NO


def problem(document, found):
    values = found.assignment
    resource = values.get("resource", ("*",))[0]
    context = {k: list(v) for k, v in values.items() if k not in ("resource", "action") and "|" not in k}
    base = {
        "aws:PrincipalArn": [USER],
        "aws:PrincipalAccount": [ACCOUNT],
        "aws:PrincipalType": ["User"],
        "aws:username": ["u"],
    }
    present = {k.lower() for k in context}
    context |= {k: v for k, v in base.items() if k.lower() not in present}
    given = sorted({k.lower() for k in context} | {k.lower() for k in base})
    return {
        "caller": {"kind": "user", "arn": USER, "account": ACCOUNT, "credentials": "long-term", "service_names": []},
        "action": found.action,
        "resource": resource,
        "owner": ACCOUNT,
        "context": context,
        "multivalued": [k for k, v in context.items() if len(v) > 1],
        "given": given,
        "policies": {"identity": [document], "resource_kind": "none"},
    }


def test_every_difference_of_managed_policies_is_replayed():
    rows = [row["document"] for _, row in sorted(managed_policies().items())]
    draw = random.Random(20261123)
    replayed = 0
    for _ in range(60):
        one, two = draw.sample(rows, 2)
        a, b = (read_policy(d, PolicyKind.IDENTITY, "p", Origin("p"))[0] for d in (one, two))
        found = narrower(a, b)
        assert found.verdict is not Verdict.UNKNOWN
        if found.verdict is Verdict.YES or found.action.startswith(("sts:", "kms:", "iam:")):
            continue
        assert replay.check(problem(one, found))["decision"] == "allowed"
        assert replay.check(problem(two, found))["decision"] in ("implicitDeny", "explicitDeny")
        replayed += 1
    assert replayed > 30

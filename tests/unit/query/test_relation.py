"""How two policies stand to each other: relations, and requests that the independent evaluator has confirmed."""

from __future__ import annotations

import random

import pytest

from iamsim.aws.managed import managed_policies
from iamsim.diagnostics import Origin
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy
from iamsim.query.relation import Relation, compare


def policy(*statements, version="2012-10-17"):
    document = {"Version": version, "Statement": list(statements)}
    return read_policy(document, PolicyKind.IDENTITY, "p", Origin("p"))[0]


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


OWN = {"Condition": {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}}
PAIRS = [
    (policy(allow("s3:*")), policy(allow("s3:Get*"), allow("s3:*")), Relation.EQUIVALENT),
    (policy(allow("sqs:SendMessage")), policy(allow("sqs:SendMessage", "arn:*:sqs:*")), Relation.EQUIVALENT),
    (policy(allow("s3:GetObject")), policy(allow("s3:Get*")), Relation.NARROWER),
    (policy(allow("*")), policy(allow("*"), deny("iam:*")), Relation.WIDER),
    (policy(allow("s3:GetObject")), policy(allow("s3:PutObject")), Relation.INCOMPARABLE),
    (policy(allow("s3:GetObject", **OWN)), policy(allow("s3:GetObject")), Relation.NARROWER),
    (policy(allow("s3:ListAllMyBuckets", "arn:aws:s3:::*")), policy(), Relation.UNDECIDED),
    (policy(allow("sts:AssumeRole")), policy(allow("sts:AssumeRole", "arn:aws:iam::*:role/x")), Relation.WIDER),
    (policy(allow("kms:Decrypt")), policy(), Relation.WIDER),
]


@pytest.mark.parametrize(("a", "b", "relation"), PAIRS)
def test_relation(a, b, relation):
    mirrored = {Relation.NARROWER: Relation.WIDER, Relation.WIDER: Relation.NARROWER}
    found, back = compare(a, b), compare(b, a)
    assert found.relation is relation
    assert back.relation is mirrored.get(relation, relation)
    assert (found.only_a, found.only_b) == (back.only_b, back.only_a)
    assert (found.only_a is not None) == (relation in (Relation.WIDER, Relation.INCOMPARABLE))
    assert (found.only_b is not None) == (relation in (Relation.NARROWER, Relation.INCOMPARABLE))
    assert bool(found.reasons) == (relation is Relation.UNDECIDED)


def test_a_resource_that_the_action_never_has_counts_only_when_asked_for():
    a, b = policy(allow("sqs:SendMessage")), policy(allow("sqs:SendMessage", "arn:*:sqs:*"))
    assert compare(a, b, any_resource=True).relation is Relation.WIDER


def test_witness_has_the_keys_that_matter_and_the_statements():
    a = policy(allow("s3:GetObject", "arn:aws:s3:::b/*", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}))
    b = policy(allow("s3:*"), deny("s3:GetObject", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}))
    found = compare(a, b).only_a
    assert found is not None
    assert found.action == "s3:GetObject"
    assert found.resource == "arn:aws:s3:::b/example"
    assert found.context == {"aws:PrincipalTag/team": ("red",)}
    assert [c.text for c in found.allowed_by] == ["identity policy p, statement 1"]
    assert [c.text for c in found.denied_by] == ["identity policy p, statement 2"]


def test_actions_that_aws_may_add():
    found = compare(policy(allow("sts:GetCallerIdentity")), policy(allow("sts:GetCallerIdentit*")))
    assert found.relation is Relation.EQUIVALENT
    assert found.future is Relation.NARROWER
    assert found.future_b is not None
    assert found.future_b.lower().startswith("sts:getcalleridentit")


def test_rows():
    rows = compare(policy(allow("s3:GetObject")), policy(allow("s3:PutObject"))).rows()
    assert [(r["only"], r["action"]) for r in rows] == [("a", "s3:GetObject"), ("b", "s3:PutObject")]


def test_managed_policies_are_compared_and_every_request_is_confirmed():
    rows = [
        read_policy(r["document"], PolicyKind.IDENTITY, r["name"], Origin("m"))[0] for r in managed_policies().values()
    ]
    draw = random.Random(7)
    for _ in range(40):
        a, b = draw.sample(rows, 2)
        found = compare(a, b)  # raises InternalError if the evaluator contradicts
        assert (found.only_a is None) == (found.relation in (Relation.EQUIVALENT, Relation.NARROWER)) or found.reasons

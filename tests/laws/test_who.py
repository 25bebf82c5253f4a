"""Laws of lists: who can is what `can` says of each caller, and the bounds of what one can are bounds.

A failure names its seed: `fuzz_envs.case(Random(seed))` is the case. IAMSIM_SEED is the first one.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from fuzz_envs import TARGETS, asked, case
from page_files import FULL, Snapshot

from iamsim.aws.actions import expand, fits
from iamsim.env.build import environment_of
from iamsim.env.resource_policy import owner_of
from iamsim.errors import InternalError, QueryError
from iamsim.judge import likeness, members
from iamsim.model.pattern import match, tokenize
from iamsim.query.can import can
from iamsim.query.what_can import what_can
from iamsim.query.what_policy import policy_of
from iamsim.query.who_can import who_can

FIRST = int(os.environ.get("IAMSIM_SEED", "0"))
MANY = 40
"""From more actions on `can` leaves out those of which no Allow speaks."""


@pytest.mark.parametrize("start", range(FIRST, FIRST + 120, 20))
def test_who_can_is_can_of_each(start):
    listed = 0
    for seed in range(start, start + 20):
        env, action, resource, options = asked(seed)
        if "*" in action and len(expand(action)) > MANY:
            continue
        try:
            rows = {w.principal: w for w in who_can(env, action, resource, **options)}
        except QueryError:
            for arn in env.principals:
                with pytest.raises(QueryError):
                    can(env, arn, action, resource, via="direct", **options)
            continue
        for arn in env.principals:
            answer = can(env, arn, action, resource, via="direct", **options)
            row = rows.get(arn)
            assert (row.verdict if row else "no") == answer.verdict, (seed, arn)
            if row is not None:
                listed += 1
                assert row.reasons == answer.reasons, (seed, arn)
                assert row.verdict != "yes" or row.condition == answer.residual, (seed, arn)
        for row in rows.values():
            if row.principal not in env.principals and row.kind != "outside":
                assert can(env, row.principal, action, resource, via="direct", **options).verdict == row.verdict, seed
    assert listed > 0


def allows(document, action, resource):
    """Whether the statements of a document without conditions allow a request."""

    def hit(statement):
        actions = (tokenize(a, variables=False) for a in statement["Action"])
        resources = (tokenize(r, variables=False) for r in statement["Resource"])
        return any(match(p, action, fold_case=True) for p in actions) and any(match(p, resource) for p in resources)

    effects = {s["Effect"] for s in document["Statement"] if hit(s)}
    return effects == {"Allow"}


def requests(env, arn, made, r):
    """Questions about resources of the caller's account, and about loaded ones, with their owner."""
    for action, resource in [(made.action, made.resource), *r.sample(TARGETS, 12)]:
        if resource != "*" and fits(action, resource) is not True:
            continue
        account = env.principals[arn].account
        owner = owner_of(env, resource, account) or account
        if owner == account or resource in env.resources or resource in env.principals:
            yield action, resource, owner


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 6))
def test_bounds_are_bounds(seed):
    made, r = case(Random(seed)), Random(seed)
    env = environment_of(made.files)
    options = {"missing": made.missing, "context": made.given if seed % 2 else None}
    arn = r.choice(sorted(env.principals))
    rows = list(what_can(env, arn, **options))
    upper, lower = policy_of(rows), policy_of(rows, "lower")
    for action, resource, owner in requests(env, arn, made, r):
        question = {**options, "via": "direct", "resource_account": owner if ":s3:::" in resource else None}
        answer = can(env, arn, action, resource, **question)
        if answer.verdict == "yes":
            assert allows(upper, action, resource), (action, resource)
        if owner == env.principals[arn].account and allows(lower, action, resource):
            assert answer.verdict == "yes", (action, resource)
            assert can(env, arn, action, resource, strict=True, **question).verdict == "yes", (action, resource)


def test_a_query_that_has_no_meaning_is_refused_at_once():
    env, *_ = asked(FIRST)
    with pytest.raises(QueryError):
        who_can(env, "s3:GetObject", "arn:aws:sqs:us-east-1:111122223333:q")


def test_internal_errors_are_not_swallowed(monkeypatch):
    import iamsim.query.who_can as module

    env, action, resource, options = asked(FIRST)

    def broken(*_, **__):
        raise InternalError("x", {})

    monkeypatch.setattr(module, "groups", broken)
    with pytest.raises(InternalError):
        list(who_can(env, action, resource, **options))


ANYWHERE = ["ec2:DescribeInstances", "s3:ListAllMyBuckets", "iam:ListRoles", "kms:ListKeys", "sqs:ListQueues"]
CONDITIONS = [
    {},
    {"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}},
    {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/admin"}},
    {"StringNotEquals": {"aws:PrincipalAccount": "000000000001"}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-x/*/Prod/*"}},
    {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
    {"StringEquals": {"aws:PrincipalTag/team": "red"}},
    {"NumericLessThan": {"aws:MultiFactorAuthAge": "60"}, "StringLike": {"aws:username": "a*"}},
]


def allowing(r, effect="Allow"):
    statements = [
        {
            "Effect": effect,
            "Action": r.choice([*ANYWHERE, "*", "*"]),
            "Resource": "*",
            "Condition": r.choice(CONDITIONS),
        }
        for _ in range(r.choice([1, 1, 2]))
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def many_accounts(r):
    """Users and roles of several accounts, with policies and boundaries of a few, under SCPs that spare some of them."""
    documents = [FULL, *(allowing(r) for _ in range(3))]
    limits = [allowing(r, "Deny") for _ in range(2)]
    listed = [f"{n:012}" for n in range(1, 7)]
    s = Snapshot()
    for account in listed:
        for name in ("user/alice", "user/bob", "role/admin", "role/app"):
            kind = name.partition("/")[0]
            s.identity(kind, f"{account}:{name}", r.choice(documents), tags=r.choice([None, {"team": "red"}]))
            if r.random() < 0.3:
                s.identity(kind, f"{account}:{name}", r.choice([*limits, *documents]))
            if r.random() < 0.2:
                s.boundary(f"{account}:{name}", r.choice(documents))
    s.organization = {
        "id": "o-x",
        "management": listed[0],
        "tree": {"Prod": {"accounts": listed[3:]}, "accounts": listed[:3]},
    }
    for node in r.sample(["root", "Prod", *listed], r.choice([0, 1, 3])):
        s.org_policy("scp", node, r.choice([*limits, allowing(r)]), only=r.random() < 0.3)
    return environment_of(s.files())


@pytest.mark.parametrize("start", range(FIRST, FIRST + 40, 10))
def test_what_accounts_share_is_what_each_is_by_itself(start, monkeypatch):
    shared = []
    for seed in range(start, start + 10):
        r = Random(seed)
        env, action = many_accounts(r), r.choice(ANYWHERE)
        options = r.choice(
            [{}, {}, {"missing": "closed"}, {"strict": True}, {"when": {"aws:requestedregion": "eu-west-1"}}]
        )
        calls = []
        decide = members.outcome
        monkeypatch.setattr(members, "outcome", lambda *a, calls=calls, decide=decide: calls.append(a) or decide(*a))
        rows = list(who_can(env, action, "*", **options))
        once = len(calls)
        with monkeypatch.context() as alone:
            alone.setattr(likeness, "_above", lambda *_: None)
            assert rows == list(who_can(env, action, "*", **options)), seed
        shared.append(len(calls) - 2 * once)
        monkeypatch.setattr(members, "outcome", decide)
        found = {row.principal: row for row in rows}
        for name in (*env.principals, *(f"arn:aws:iam::{a}:root" for a in env.accounts)):
            answer = can(env, name, action, "*", via="direct", **options)
            row = found.pop(name, None)
            assert (row.verdict if row else "no") == answer.verdict, (seed, name)
            if row is not None:
                assert (row.condition, row.reasons, row.assumptions) == (
                    answer.residual,
                    answer.reasons,
                    answer.assumptions,
                ), (seed, name)
        assert not found, seed
    assert sum(shared) > 3, shared

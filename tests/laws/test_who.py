"""Laws of lists: who can is what `can` says of each caller, and the bounds of what one can are bounds.

A failure names its seed: `fuzz_envs.case(Random(seed))` is the case. IAMSIM_SEED is the first one.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from fuzz_envs import TARGETS, asked, case

from iamsim.aws.actions import expand, fits
from iamsim.env.build import environment_of
from iamsim.env.resource_policy import owner_of
from iamsim.errors import InternalError, QueryError
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

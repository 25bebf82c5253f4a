"""Law of lists about resources with wildcards: who can is what `can` says of each caller, whoever was left out of sight.

A failure names its seed: `many_resources(Random(seed))` is the environment. IAMSIM_SEED is the first one.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from page_files import FULL, Snapshot

from iamsim.env.build import environment_of
from iamsim.judge import members
from iamsim.judge.check import Models
from iamsim.query.can import can
from iamsim.query.who_can import who_can

FIRST = int(os.environ.get("IAMSIM_SEED", "0"))
ACCOUNTS = [f"{n:012}" for n in range(1, 5)]
QUESTIONS = [
    ("s3:GetObject", "*"),
    ("s3:GetObject", "arn:aws:s3:::b*/*"),
    ("s3:GetObject", "arn:aws:s3:::b1/*"),
    ("s3:ListBucket", "arn:aws:s3:::b*"),
    ("sts:AssumeRole", "*"),
    ("sts:AssumeRole", "arn:aws:iam::000000000001:role/*"),
    ("iam:PassRole", "*"),
    ("ec2:RunInstances", "*"),
    ("ec2:StartInstances", "arn:aws:ec2:*:000000000002:instance/*"),
    ("kms:Decrypt", "*"),
    ("sqs:SendMessage", "*"),
]
PLACES = [
    *("*", "*", "arn:aws:s3:::b1/*", "arn:aws:s3:::b2/*", "arn:aws:s3:::b*/u/*", "arn:aws:s3:::*", "arn:AWS:S3:::b1/k"),
    *("arn:aws:s3:::b2/${aws:PrincipalTag/team}/*", "arn:aws:s3:::b1/${aws:username}/*", "arn:aws:s3:::${aws:PrincipalTag/team}/*"),
    *("arn:aws:iam::*:role/a*", "arn:aws:iam::000000000001:role/*", "arn:aws:ec2:*:000000000002:*", "arn:aws:kms:*:*:key/*", "arn:aws:sqs:*"),
]  # fmt: skip
CONDITIONS = [
    *({}, {}, {}),
    {"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}},
    {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/a*"}},
    {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
    {"StringEquals": {"aws:PrincipalOrgID": "o-x"}},
    {"StringEquals": {"aws:PrincipalTag/team": "red"}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"StringEquals": {"aws:SourceIdentity": "x"}},
]
PRINCIPALS = [
    *("*", {"AWS": "*"}, {"AWS": "000000000001"}, {"AWS": "000000000002"}, {"AWS": "arn:aws:iam::000000000003:root"}),
    *({"AWS": "arn:aws:iam::000000000002:role/app"}, {"AWS": "arn:aws:iam::000000000003:user/bob"}, {"AWS": "999988887777"}),
    *({"AWS": ["000000000001", "arn:aws:sts::000000000002:assumed-role/app/x"]}, {"Service": "ec2.amazonaws.com"}),
]  # fmt: skip


def said(
    r, *, principal=False, actions=("s3:*", "sts:*", "iam:PassRole", "ec2:*", "kms:*", "sqs:*", "*"), places=PLACES
):
    """A document of one to three statements."""
    out = []
    for _ in range(r.choice([1, 1, 2, 3])):
        effect = "Allow" if r.random() < 0.8 else "Deny"
        made = {"Effect": effect, "Action": r.choice(actions), "Condition": r.choice(CONDITIONS)}
        if places:
            made["NotResource" if r.random() < 0.1 else "Resource"] = r.choice(places)
        if principal:
            made["NotPrincipal" if effect == "Deny" and r.random() < 0.2 else "Principal"] = r.choice(PRINCIPALS)
        out.append(made)
    return {"Version": "2012-10-17", "Statement": out}


def many_resources(r):
    """Users and roles of four accounts with a few policies, who trust each other, and buckets, keys and queues."""
    documents = [FULL, *(said(r) for _ in range(5))]
    s = Snapshot()
    for account in ACCOUNTS:
        for name in ("user/alice", "user/bob", "role/admin", "role/app"):
            kind = name.partition("/")[0]
            for _ in range(r.choice([0, 1, 1, 2])):
                tags = r.choice([None, {"team": r.choice(["red", "b1", "u"])}])
                s.identity(kind, f"{account}:{name}", r.choice(documents), tags=tags)
            s.identity(kind, f"{account}:{name}", None)
            if r.random() < 0.2:
                s.boundary(f"{account}:{name}", r.choice(documents))
            if kind == "role":
                s.trust(f"{account}:{name}", said(r, principal=True, actions=["sts:AssumeRole", "sts:*"], places=()))
    for arn, action in [
        *((f"arn:aws:s3:::b{n}", "s3:*") for n in range(1, 4)),
        ("arn:aws:kms:us-east-1:000000000001:key/11111111-1111-1111-1111-111111111111", "kms:*"),
        ("arn:aws:sqs:us-east-1:000000000002:q", "sqs:*"),
    ]:
        document = said(r, principal=True, actions=[action], places=["*", f"{arn}/*"] if ":s3:" in arn else ["*"])
        s.resource(arn, document if r.random() < 0.8 else None, account=r.choice(ACCOUNTS) if ":s3:" in arn else None)
    if r.random() < 0.7:
        s.organization = {"id": "o-x", "management": ACCOUNTS[0], "tree": {"accounts": ACCOUNTS[: r.choice([3, 4])]}}
        if r.random() < 0.5:
            s.org_policy("scp", r.choice(["root", *ACCOUNTS[:3]]), said(r, places=["*"]), only=r.random() < 0.3)
    return environment_of(s.files())


def told(answer):
    """What a row holds of an answer."""
    return answer.verdict, answer.reasons, answer.residual if answer.verdict == "yes" else None


@pytest.mark.parametrize("start", range(FIRST, FIRST + 60, 10))
def test_who_can_do_it_somewhere_is_can_of_each(start):
    listed = 0
    for seed in range(start, start + 10):
        r = Random(seed)
        env, (action, resource) = many_resources(r), r.choice(QUESTIONS)
        options = r.choice(
            [{}, {}, {"missing": "closed"}, {"missing": "strict"}, {"when": {"aws:requestedregion": "eu-west-1"}}]
        )
        rows = {row.principal: row for row in who_can(env, action, resource, **options)}
        for name in (*env.principals, *(f"arn:aws:iam::{a}:root" for a in env.accounts)):
            answer = can(env, name, action, resource, via="direct", **options)
            row = rows.pop(name, None)
            assert (row.verdict if row else "no") == answer.verdict, (seed, name)
            if row is not None:
                listed += 1
                condition = row.condition if row.verdict == "yes" else None
                assert (row.verdict, row.reasons, condition) == told(answer), (seed, name)
                assert row.assumptions == answer.assumptions, (seed, name)
        for row in rows.values():
            if row.kind != "outside":
                assert can(env, row.principal, action, resource, via="direct", **options).verdict == row.verdict, seed
    assert listed > 5


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 12))
def test_rows_are_the_same_with_nothing_out_of_sight(seed, monkeypatch):
    r = Random(seed)
    env, (action, resource) = many_resources(r), r.choice(QUESTIONS)
    rows = list(who_can(env, action, resource))
    env.memo.clear()
    module = "iamsim.query.who_can"
    monkeypatch.setattr(f"{module}.concerned", lambda _: None)
    monkeypatch.setattr(f"{module}.concerned_roots", lambda _: None)
    monkeypatch.setattr(Models, "of", lambda *_: None)
    keyed = members._keyed
    monkeypatch.setattr(members, "_keyed", lambda scene, kinds, _: keyed(scene, kinds, scene.speaks))
    assert list(who_can(env, action, resource)) == rows

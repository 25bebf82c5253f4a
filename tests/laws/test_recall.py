"""Laws of recalled decisions: asked of many contexts in any order, each answer is the one of a first question, and of the replay."""

from __future__ import annotations

import json
import os
import re
from random import Random

import pytest
from fuzz_envs import ALL_KEYS, VALUES, case
from page_files import FULL, Snapshot

from iamsim import load
from iamsim.env.build import environment_of
from iamsim.errors import IamsimError, QueryError
from iamsim.query.can import can
from iamsim.query.recall import Noted, recalled
from iamsim.smt.types import Limits

ACME = "corpus/organizations/acme/snapshot"
ASKED = [
    ("ec2:TerminateInstances", "arn:aws:ec2:eu-west-1:555566667777:instance/i-0123456789abcdef0"),
    ("sts:AssumeRole", "arn:aws:iam::555566667777:role/EC2DeleteRole"),
    ("s3:DeleteObject", "arn:aws:s3:::acme-prod-backups/db.dump"),
    ("s3:GetObject", "arn:aws:s3:::acme-prod-backups/*"),
    ("iam:PassRole", "*"),
]
FIRST = int(os.environ.get("IAMSIM_SEED", "0"))


def said(env, made, context, **more):
    try:
        answer = can(
            env,
            made.caller,
            made.action,
            made.resource,
            context=context,
            strict=True,
            via="direct",
            any_resource=made.resource != "*",
            missing=made.missing,
            **more,
        )
    except QueryError as error:
        return str(error), None
    told = (answer.verdict, answer.reasons, answer.assumptions, answer.notes, dict(answer.question.context))
    return told, answer


def variants(seed, made):
    """Contexts that share most of their keys, so that some take the branches of others."""
    r = Random(seed)
    pool = sorted(set(re.findall(r'"([^"\\]{1,40})"', json.dumps(made.files))))
    said_of = [k for k in ALL_KEYS if k.lower() in {t.lower() for t in pool}] or list(ALL_KEYS)
    keys = {*r.sample(said_of, min(4, len(said_of))), *r.sample(sorted(ALL_KEYS), 3)}

    def value(key):
        kind = ALL_KEYS[key]
        many = [*VALUES[kind[0]], *(pool if kind[0] == "S" else ())]
        return [r.choice(many), r.choice(many)] if kind.endswith("[]") else r.choice(many)

    bases = [{**made.given, **{k: value(k) for k in keys}} for _ in range(3)]
    found = list(bases)
    for base in bases:
        for _ in range(5):
            less = {k: v for k, v in base.items() if r.random() < 0.85}
            for key in r.sample(sorted(less), min(1, len(less))):
                less[key] = r.choice([*bases, {}]).get(key)
            found.append({**less, "aws:UserAgent": str(r.random())})
    return found + [{**f, "aws:UserAgent": "x"} for f in found]


@pytest.mark.parametrize("start", range(FIRST, FIRST + 80, 20))
def test_recalled_is_decided_is_replayed(start):
    recalls = decided = 0
    for seed in range(start, start + 20):
        made = case(Random(seed))
        env, other = environment_of(made.files), environment_of(made.files)
        for context in variants(seed, made):
            before = dict(env.memo).get("recalled")
            count = before.branches if before else 0
            told, answer = said(env, made, context)
            slow, proved = said(other, made, context, limits=Limits())
            assert told == slow, (seed, context)
            if answer is None:
                break
            kept = env.memo["recalled"].branches
            recalls += kept == count
            decided += kept > count
            assert answer.decision == proved.decision, (seed, context)
            assert answer.rows() == proved.rows(), (seed, context)
            assert (answer.core is None) == (proved.core is None)
            try:
                replayed, _ = said(other, made, context, engine="replay")
            except IamsimError:
                continue
            if proved is not None and isinstance(replayed, tuple):
                assert replayed[0] == told[0], (seed, context)
    assert recalls > decided > 0


def test_every_look_is_noted():
    given = {"a": ("1",), "b": ()}
    for look, seen in [
        (lambda g: g.get("a"), {"a": ("1",)}),
        (lambda g: "c" in g, {"c": None}),
        (lambda g: g["b"], {"b": ()}),
        (lambda g: [k for k, v in g.items() if v], {"": frozenset(given.items())}),
        (lambda g: {**g}, {"": frozenset(given.items())}),
        (bool, {"": frozenset(given.items())}),
    ]:
        noted, plain = Noted(given), look(given)
        assert look(noted) == plain
        assert {k: v for k, v in noted.seen.items() if k in seen} == seen


def test_a_decision_is_made_once_for_what_it_looks_at():
    env = environment_of({"a.json": {"Version": "2012-10-17", "Statement": []}})
    asked = []

    def decide(given):
        asked.append(given)
        like = can(env, "anonymous", "s3:GetObject", "arn:aws:s3:::b/x", via="direct", limits=Limits())
        if given.get("a") == ("1",) and "b" in given:
            like.reasons = ("b",)
        return like

    def reasons(given):
        shape = ("p", "s3:GetObject", "r", "assume", False, None)
        return recalled(env, shape, lambda _, same: same, given, decide, lambda _: []).reasons

    first = reasons({"a": ("2",), "c": ("1",)})
    assert reasons({"a": ("2",), "b": ("1",)}) == first
    assert len(asked) == 1
    assert reasons({"a": ("1",), "b": ("1",)}) == ("b",)
    assert reasons({"a": ("1",)}) == first
    assert reasons({"a": ("1",), "b": ("2",)}) == ("b",)
    assert reasons({"a": ("1",), "b": ()}) == ("b",)
    assert len(asked) == 5


def test_keys_that_no_request_has_are_noted_whether_or_not_the_answer_is_recalled():
    env = environment_of({"a.json": {"Version": "2012-10-17", "Statement": []}})
    for given, noted in [
        ({"SourceIp": "10.0.0.1"}, 1),
        ({"aws:SourceIp": "10.0.0.1"}, 0),
        ({"SourceIp": "10.0.0.2"}, 1),
    ]:
        answer = can(env, "anonymous", "s3:GetObject", "arn:aws:s3:::b/x", via="direct", strict=True, context=given)
        assert sum("`aws:SourceIp`" in n for n in answer.notes) == noted


def test_what_a_solver_found_before_is_what_it_finds_afresh():
    env, other = load(ACME), load(ACME)
    asked = [(who, *what) for who in sorted(env.principals) for what in ASKED]
    for caller, action, resource in [*asked, *reversed(asked)]:
        other.memo.pop("solved", None)
        answer, fresh = (can(e, caller, action, resource, via="roles") for e in (env, other))
        assert (answer.verdict, answer.residual) == (fresh.verdict, fresh.residual), (caller, action)
        assert answer.rows() == fresh.rows(), (caller, action)
        for mine, its in [(answer, fresh), *zip(answer.path, fresh.path, strict=True)]:
            assert (mine.witness is None) == (its.witness is None), (caller, action)
            assert mine.witness is None or mine.witness.request == its.witness.request, (caller, action)
    assert 5 < len(env.memo["solved"]) < len(asked)


OBJECTS = [
    "a",
    "b",
    "a/b",
    "a/b/c",
    "logs/a",
    "logs/2026/x",
    "u/x",
    "alice/x",
    "alice/x/y",
    "111122223333/red",
    "logs/red/x",
    "logs/red/x/y",
    "logs/blue/x",
    "logs//x",
    "x.csv",
    "x=1/y",
    "red",
    "a*b",
    "${x}",
    "é",
    "A",
]
PATTERNS = [
    "*",
    "a*",
    "*/b",
    "logs/*",
    "logs/2026/?",
    "?",
    "*.csv",
    "${aws:username}/*",
    "${aws:PrincipalTag/team}",
    "logs/${aws:PrincipalTag/team}/*",
    "logs/${aws:PrincipalTag/team, 'blue'}/?",
    "logs/${aws:UserAgent}/*",
    "*/${aws:PrincipalTag/team}/*",
    "${aws:PrincipalAccount}/${aws:PrincipalTag/team}",
    "${aws:userid}/*",
    "logs/${aws:TagKeys}/*",
    "x=*/y",
]


def buckets(r):
    """Callers with policies, boundaries, ceilings and buckets that tell objects apart."""

    def document(kind):
        statements = []
        for _ in range(r.choice([1, 2, 3])):
            element = r.choice(["Resource", "Resource", "NotResource"])
            names = [
                f"arn:aws:s3:::{r.choice(['one', 'two', '*', 'o*'])}/{p}" for p in r.sample(PATTERNS, r.choice([1, 2]))
            ]
            statements.append(
                {
                    "Effect": r.choice(["Allow", "Allow", "Deny"]),
                    "Action": r.choice(["s3:GetObject", "s3:*", "s3:PutObject"]),
                    element: names,
                    **({"Principal": r.choice(["*", {"AWS": "111122223333"}])} if kind == "resource" else {}),
                    "Condition": r.choice([{}, {}, {"StringEquals": {"aws:UserAgent": "x"}}]),
                }
            )
        return {"Version": "2012-10-17", "Statement": statements}

    s = Snapshot()
    for name in ("user/alice", "role/app"):
        s.identity(
            name.partition("/")[0],
            name,
            r.choice([FULL, document("identity")]),
            tags=r.choice([None, {"team": "red"}, {"team": ""}, {"team": "r*"}]),
        )
        if r.random() < 0.4:
            s.boundary(name, document("boundary"))
    s.identity("user", "444455556666:user/far", FULL)
    for bucket in ("one", "two"):
        if r.random() < 0.7:
            policy = document("resource") if r.random() < 0.7 else None
            s.resource(f"arn:aws:s3:::{bucket}", policy, account=r.choice(["111122223333", "444455556666"]))
    if r.random() < 0.4:
        s.resource("arn:aws:s3:::one/red", None, account="111122223333", tags={"team": "red"})
    if r.random() < 0.5:
        s.organization = {
            "id": "o-x",
            "management": "777788889999",
            "tree": {"accounts": ["111122223333", "444455556666"]},
        }
        s.org_policy("scp", "root", document("scp"), only=False)
    return s.files()


@pytest.mark.parametrize("start", range(FIRST, FIRST + 40, 20))
def test_an_object_that_is_recalled_for_another_is_decided_so(start):
    recalls = decided = 0
    for seed in range(start, start + 20):
        r = Random(seed)
        files = buckets(r)
        env, other = environment_of(files), environment_of(files)
        callers = [*env.principals, "anonymous"]
        for _ in range(60):
            caller, action = r.choice(callers), r.choice(["s3:GetObject", "s3:PutObject"])
            resource = f"arn:aws:s3:::{r.choice(['one', 'two'])}/{r.choice(OBJECTS)}"
            more = {
                "context": r.choice(
                    [{}, {"aws:UserAgent": "x"}, {"aws:UserAgent": "red"}, {"aws:PrincipalTag/team": "blue"}]
                ),
                "missing": r.choice(["assume", "strict", "closed"]),
            }
            options = {**more, "strict": True, "via": "direct"}
            before = env.memo["recalled"].branches if "recalled" in env.memo else 0
            answer, fresh = (
                can(env, caller, action, resource, **options),
                can(other, caller, action, resource, limits=Limits(), **options),
            )
            kept = env.memo["recalled"].branches if "recalled" in env.memo else 0
            recalls += kept == before
            decided += kept > before
            for told in ("verdict", "reasons", "assumptions", "notes", "warnings", "question", "decision"):
                assert getattr(answer, told) == getattr(fresh, told), (seed, told, caller, resource)
            assert answer.rows() == fresh.rows(), (seed, caller, resource)
            replayed = (
                can(other, caller, action, resource, engine="replay", **options)
                if not set(resource) & set("*?")
                else fresh
            )
            assert replayed.verdict == answer.verdict, (seed, caller, resource)
    assert recalls > 100
    assert decided > 100

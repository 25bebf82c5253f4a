"""Laws of ways: those who answer in other words tell of the same ones, and none tells of a step that is not needed.

The environments are those of the pages on escalation. Where only some are looked at, IAMSIM_SEED says which.
"""

from __future__ import annotations

import os
from functools import partial

import pytest
from pages import escalation_pages, read_page

from iamsim import Verdict, can, escalations, paths
from iamsim.env.build import environment_of
from iamsim.graph import closure
from iamsim.query.reach import _reached

FIRST = int(os.environ.get("IAMSIM_SEED", "0"))
FOLDERS = ("chains", "regressions")
PAGES = [p for folder in FOLDERS for p in escalation_pages(folder)]
EACH = 30
"""Of how many environments or questions one is looked at."""

RED, BLUE = ({"StringEquals": {"aws:PrincipalTag/team": team}} for team in ("red", "blue"))
ACCOUNT = "111122223333"


def environments():
    every = [(f"{p.stem}: {s.title}", s.files) for p in PAGES for s in read_page(p).scenarios]
    return [(where, partial(environment_of, files)) for where, files in every[FIRST % EACH :: EACH]]


@pytest.fixture(scope="module")
def generated(organization):
    return organization(accounts=1, principals=30)


def steps_of(env, each):
    """How many steps lead to whom, by who starts, of one of so many."""
    some = sorted(env.principals)[FIRST % each :: each]
    return {arn: {r.principal: r.steps for r in escalations(env, arn).rows} for arn in some}


def test_whoever_takes_an_administrator_over_makes_no_detour_by_it(generated, monkeypatch):
    envs = [("generated", generated, 4), *((*found, 1) for found in environments())]
    kept = [(where, make, each, steps_of(make(), each)) for where, make, each in envs]
    monkeypatch.setattr(closure, "_absorb", lambda *_: None)
    compared = 0
    for where, make, each, steps in kept:
        for arn, rows in steps_of(make(), each).items():
            for who in rows.keys() & steps[arn].keys():
                compared += 1
                assert steps[arn][who] <= rows[who], (where, arn, who)
    assert compared > 100


def test_the_answer_is_the_first_of_the_ways():
    every = [(p, s, a) for p in PAGES for s in read_page(p).scenarios for a in s.questions]
    compared = 0
    for page, scenario, asked in every[FIRST % 2 * EACH + 5 :: 2 * EACH]:
        q = asked.question
        if asked.session is not None or asked.endpoint is not None or q.any_resource:
            continue
        home = q.caller.startswith(("user/", "role/", "root"))
        options = {
            "context": {k: None if v is None else list(v) for k, v in q.given},
            "when": q.when,
            "strict": not q.ever,
            "missing": q.missing or "assume",
        }
        env, caller = environment_of(scenario.files), f"{ACCOUNT}:{q.caller}" if home else q.caller
        found = can(env, caller, q.action, q.resource, **options)
        ways = list(paths(env, caller, action=q.action, resource=q.resource, limit=LISTED, **options))
        compared += 1
        where = (page.stem, asked.line)
        assert bool(ways) == (found.verdict is Verdict.YES), where
        assert not ways or len(ways[0].hops) == len(found.path), where
        # what takes fewer steps than the answer takes more for granted
        fewer = [w for w in ways if len(w.hops) < len(found.path)]
        assert where in NEEDLESS or all(set(w.assumptions) - set(found.assumptions) for w in fewer), where
        steps = [len(w.hops) for w in ways[1:]]
        assert steps == sorted(steps), where
    assert compared > 5


LISTED = 4
NEEDLESS = (("members-with-sessions", 38),)
"""Questions of which docs/known-limits.md says that the answer has a step more than it has to."""


def test_a_way_over_ever_so_many_hops_is_listed():
    page = next(p for p in PAGES if p.stem == "review-NO")
    scenario = next(s for s in read_page(page).scenarios if s.title == "A source identity over ten hops")
    env = environment_of(scenario.files)
    (way,) = paths(env, f"{ACCOUNT}:user/u", action="s3:GetObject", resource="arn:aws:s3:::vault/secret")
    assert [h.target.rpartition("/")[2] for h in way.hops] == [*(f"r{n}" for n in range(1, 10)), "t"]
    assert all(h.gains == f"credentials of role/{h.target.rpartition('/')[2]}" for h in way.hops)
    assert list(paths(env, f"{ACCOUNT}:user/u", f"{ACCOUNT}:role/t"))


ORDERED = ("times-of-steps", "one-of-several-boundaries", "a-role-and-its-tag")
"""Pages on which it matters in what order, or at what times, steps are made."""


def test_whoever_is_said_to_come_under_control_does_by_some_way():
    compared = 0
    for page in (p for p in PAGES if p.stem in ORDERED):
        for scenario in read_page(page).scenarios:
            env = environment_of(scenario.files)
            for arn in sorted(a for a in env.principals if ":user/" in a):
                for row in escalations(env, arn).rows:
                    if row.principal != arn and not row.created and row.reach == "session":
                        compared += 1
                        assert next(paths(env, arn, row.principal), None) is not None, (scenario.title, arn, row)
    assert compared > 10


def statement(action, name, condition):
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": f"arn:aws:iam::{ACCOUNT}:{name}",
        "Condition": {"StringEquals": {f"aws:{k}/team": v for k, v in condition.items()}},
    }


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def test_whom_no_order_of_the_steps_leads_to_is_told_of_as_certain_by_nobody():
    """Only a red user enters the role, and only a blue one lifts what forbids it; red ones become blue, but not red again."""
    fence = f"arn:aws:iam::{ACCOUNT}:policy/fence"
    user, role = (f"arn:aws:iam::{ACCOUNT}:{name}" for name in ("user/u", "role/target"))
    own = document(
        statement("iam:TagUser", "user/u", {"PrincipalTag": "red", "RequestTag": "blue"}),
        statement("sts:AssumeRole", "role/target", {"PrincipalTag": "red"}),
        statement("iam:CreatePolicyVersion", "policy/fence", {"PrincipalTag": "blue"}),
    )
    opened = document({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"})
    allows = document({"Effect": "Allow", "Action": "iam:*", "Resource": "*"})
    version = {"VersionId": "v1", "IsDefaultVersion": True, "Document": allows}
    gaad = {
        "UserDetailList": [
            {
                "Arn": user,
                "UserName": "u",
                "Tags": [{"Key": "team", "Value": "red"}],
                "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": own}],
                "PermissionsBoundary": {"PermissionsBoundaryArn": fence, "PermissionsBoundaryType": "Policy"},
            }
        ],
        "RoleDetailList": [{"Arn": role, "RoleName": "target", "AssumeRolePolicyDocument": opened}],
        "GroupDetailList": [],
        "Policies": [{"Arn": fence, "PolicyName": "fence", "DefaultVersionId": "v1", "PolicyVersionList": [version]}],
    }
    env = environment_of({"account.json": gaad})
    assert can(env, user, "sts:AssumeRole", role).verdict is Verdict.UNKNOWN
    assert list(paths(env, user, role)) == []
    found = escalations(env, user)
    assert [r.principal for r in found.rows] == []
    assert [(arn, [r.partition(":")[0] for r in reasons]) for arn, reasons in found.undecided] == [(role, ["budget"])]
    told = _reached(env, user, "escalation", "assume")
    assert (sorted(told.sure), sorted(told.open_)) == ([], [role])

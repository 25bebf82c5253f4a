"""Rules that are proposed: they hold, they are read back, and they break when somebody else can."""

from __future__ import annotations

from datetime import date

import pytest
from check_envs import ACCOUNT, allow, environment, lets, policy, role, user

from iamsim import QueryError, load, mine
from iamsim.aws.actions import action_info
from iamsim.aws.sensitive import SENSITIVE
from iamsim.check.files import read_rules
from iamsim.check.model import State
from iamsim.check.run import check
from iamsim.report.mined import mined_json, mined_text

TODAY = date(2026, 11, 24)
BUCKET = {"Resource": "arn:aws:s3:::vault", "Account": ACCOUNT, "Policy": None}


def arn(name):
    return f"arn:aws:iam::{ACCOUNT}:{name}"


def states(env, found):
    report = check(env, [read_rules(mined_text(found, ["x"]), "mined.iamq")], TODAY, found=())
    assert not report.problems
    return {o.rule.id: o.state for o in report.outcomes}


def keeper():
    return role("Keeper", policy(allow("s3:*", "arn:aws:s3:::vault/*")), trust=[lets({"AWS": arn("user/ann")})])


def test_what_is_proposed_holds_and_is_the_same_again(request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)
    env = load("corpus/organizations/pair/snapshot")
    found = mine(env)
    assert len(found) > 10
    assert len({m.rule.id for m in found}) == len(found)
    assert set(states(env, found).values()) == {State.HOLDS}
    assert mined_text(mine(load("corpus/organizations/pair/snapshot")), ["x"]) == mined_text(found, ["x"])


def test_one_role_that_everybody_comes_through_is_the_only_way(tmp_path):
    env = environment(tmp_path, users=[user("ann"), user("bob")], roles=[keeper()], resources=[BUCKET])
    found = {m.rule.id: m for m in mine(env)}
    rule = found["read-objects-vault"]
    assert rule.text.startswith(
        f"only via {ACCOUNT}:role/Keeper do s3:GetObject on arn:aws:s3:::vault/* via roles\n  except root\n"
    )
    assert sorted(rule.callers) == [f"{ACCOUNT}:role/Keeper", f"{ACCOUNT}:user/ann"]
    assert "except" not in found[f"create-user-{ACCOUNT}"].text


def test_rules_break_when_somebody_else_can(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    before = environment(tmp_path / "x", users=[user("ann"), user("bob")], roles=[keeper()], resources=[BUCKET])
    bob = user("bob", policy(allow(["s3:GetObject", "iam:CreateUser"])))
    after = environment(tmp_path / "y", users=[user("ann"), bob], roles=[keeper()], resources=[BUCKET])
    broken = {name for name, state in states(after, mine(before)).items() if state is State.BROKEN}
    assert broken == {"read-objects-vault", f"create-user-{ACCOUNT}"}


def test_callers_of_whom_it_is_not_known_are_excepted_and_told(tmp_path):
    gone = {"PolicyName": "Gone", "PolicyArn": arn("policy/Gone")}
    env = environment(
        tmp_path,
        users=[user("ann", AttachedManagedPolicies=[gone]), user("bob", policy(allow("s3:Get*")))],
        resources=[BUCKET],
    )
    rule = next(m for m in mine(env) if m.rule.id == "read-objects-vault")
    assert rule.unsure == (f"{ACCOUNT}:user/ann",)
    assert rule.text.startswith(f"# of {ACCOUNT}:user/ann it is not known whether they can\nwho can ")
    assert states(env, [rule])["read-objects-vault"] is State.HOLDS


def test_a_long_list_says_little(tmp_path):
    many = [user(f"u{i:02}", policy(allow("iam:CreateUser"))) for i in range(13)]
    env = environment(tmp_path, users=many)
    names = {m.rule.id for m in mine(env)}
    assert f"create-user-{ACCOUNT}" not in names
    assert f"update-trust-{ACCOUNT}" in names


def test_techniques_count_where_they_are_asked_for(tmp_path):
    writer = user("bob", policy(allow("iam:PutUserPolicy", arn("user/bob"))))
    env = environment(tmp_path, users=[writer], resources=[BUCKET])
    by = {via: {m.rule.id: m.callers for m in mine(env, via=via)} for via in ("roles", "escalation")}
    assert by["roles"]["read-objects-vault"] == ()
    assert by["escalation"]["read-objects-vault"] == (f"{ACCOUNT}:user/bob",)


def test_accounts_choose_and_are_checked(request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)
    env = load("corpus/organizations/pair/snapshot")
    one = min(env.accounts)
    assert {m.rule.id for m in mine(env, accounts=[one])} < {m.rule.id for m in mine(env)}
    assert mined_json(mine(env, accounts=[one]), ())["rules"][0]["id"].endswith(one)
    with pytest.raises(QueryError, match="is not loaded"):
        mine(env, accounts=["999999999999"])


def test_rows_name_actions_that_exist():
    assert len({r.id for r in SENSITIVE}) == len(SENSITIVE)
    for row in SENSITIVE:
        info = action_info(row.action)
        assert info is not None, row.action
        assert info.name == row.action
        assert row.source

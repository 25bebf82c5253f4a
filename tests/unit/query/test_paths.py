"""All minimal ways, and what principals can become: order, minimality, laziness, and what is not known."""

import json

import pytest

from iamsim import QueryError, Verdict, all_escalations, can, escalations, load, paths
from iamsim.query.paths import doubts

A = "111122223333"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
SECRET = "arn:aws:s3:::vault/secret"


def _allow(actions, resource="*"):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource}]}


def _user(name, *policies, **more):
    inline = [{"PolicyName": f"p{i}", "PolicyDocument": p} for i, p in enumerate(policies)]
    arn = f"arn:aws:iam::{A}:user/{name}"
    return {"Path": "/", "UserName": name, "UserId": f"AIDA{name.upper()}", "Arn": arn, "UserPolicyList": inline,
            "GroupList": [], "AttachedManagedPolicies": [], **more}  # fmt: skip


def _role(name, trusted, *policies):
    inline = [{"PolicyName": f"p{i}", "PolicyDocument": p} for i, p in enumerate(policies)]
    trust = {"Version": "2012-10-17",
             "Statement": [{"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}]}  # fmt: skip
    arn = f"arn:aws:iam::{A}:role/{name}"
    return {"Path": "/", "RoleName": name, "RoleId": f"AROA{name.upper()}", "Arn": arn,
            "AssumeRolePolicyDocument": trust, "InstanceProfileList": [], "RolePolicyList": inline,
            "AttachedManagedPolicies": []}  # fmt: skip


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    users = [
        _user("keys", _allow("iam:CreateAccessKey")),
        _user("self", _allow("iam:PutUserPolicy", f"arn:aws:iam::{A}:user/self")),
        _user("both", _allow("iam:CreateAccessKey", f"arn:aws:iam::{A}:user/reader"), _allow("sts:AssumeRole")),
        _user("reader", _allow("s3:GetObject", "arn:aws:s3:::vault/*")),
        _user("root", EVERYTHING),
        _user("nobody"),
        _user("murky", AttachedManagedPolicies=[{"PolicyName": "gone", "PolicyArn": f"arn:aws:iam::{A}:policy/gone"}]),
        _user("outward", _allow("sts:AssumeRole", "arn:aws:iam::444455556666:role/away")),
    ]
    roles = [
        _role("vault", {"AWS": f"arn:aws:iam::{A}:user/both"}, _allow("s3:GetObject", "arn:aws:s3:::vault/*")),
        _role("chain", {"AWS": f"arn:aws:iam::{A}:role/vault"}, _allow("s3:GetObject", "arn:aws:s3:::vault/*")),
    ]
    roles[0]["RolePolicyList"].append({"PolicyName": "hop", "PolicyDocument": _allow("sts:AssumeRole")})
    file = tmp_path_factory.mktemp("ways") / "account.json"
    gaad = {"UserDetailList": users, "GroupDetailList": [], "RoleDetailList": roles, "Policies": []}
    file.write_text(json.dumps(gaad))
    bucket = {"Resource": "arn:aws:s3:::vault", "Account": A, "Policy": None}
    (file.parent / "resources.json").write_text(json.dumps([bucket]))
    return load(str(file), str(file.parent / "resources.json"))


def _ids(found):
    return [p.techniques for p in found]


def test_ways_to_a_principal_are_all_listed_with_what_they_gain(env):
    found = list(paths(env, "user/keys", "user/reader"))
    assert ("iam-create-access-key",) in _ids(found)
    assert all(p.witness is None and p.caller == f"arn:aws:iam::{A}:user/reader" for p in found)
    assert all(h.title and (h.calls or h.technique == "sts-assume-role") for p in found for h in p.hops)
    assert all("user/reader" in p.hops[-1].gains for p in found)


def test_ways_to_a_request_end_in_it_and_no_way_contains_another(env):
    found = list(paths(env, "user/both", action="s3:GetObject", resource=SECRET))
    assert {("sts-assume-role",), ("iam-create-access-key",)} <= set(_ids(found))
    assert all(p.witness.request.resource == SECRET for p in found)
    # `chain` may read it too, but whoever comes there holds `vault` before
    assert ("sts-assume-role", "sts-assume-role") not in _ids(found)
    assert [len(p.hops) for p in found] == sorted(len(p.hops) for p in found)


def test_a_way_is_not_listed_if_another_gains_less_and_assumes_no_more(env):
    for one in (found := list(paths(env, "user/keys", "user/reader"))):
        on_the_way = {g for h in one.hops for g in h.gains.split("; ")}
        for other in found:
            gained = {g for h in other.hops for g in h.gains.split("; ")}
            assert not (gained < on_the_way and set(other.assumptions) <= set(one.assumptions))


def test_ways_to_a_request_as_a_principal(env):
    found = list(paths(env, "user/both", "role/chain", action="s3:GetObject", resource=SECRET))
    assert _ids(found) == [("sts-assume-role", "sts-assume-role")]
    assert found[0].caller == f"arn:aws:iam::{A}:role/chain"


@pytest.mark.parametrize(("via", "ids"), [("direct", []), ("roles", [("sts-assume-role",)]), ("escalation", None)])
def test_via_says_what_is_followed(env, via, ids):
    found = _ids(paths(env, "user/both", action="s3:GetObject", resource=SECRET, via=via))
    assert found == ids if ids is not None else len(found) > 1


def test_a_request_that_is_allowed_as_it_stands_is_the_only_way(env):
    found = list(paths(env, "user/reader", action="s3:GetObject", resource=SECRET))
    assert [(p.hops, p.witness.request.action) for p in found] == [((), "s3:GetObject")]


def test_a_permission_that_is_written_first(env):
    found = list(paths(env, "user/self", action="s3:GetObject", resource=SECRET, limit=1))
    assert found[0].techniques == ("iam-put-user-policy-self",) or len(found[0].hops) == 1
    assert "user/self" in found[0].hops[0].gains


def test_limit_ends_the_list_and_the_rest_is_not_worked_out(env):
    whole = list(paths(env, "user/keys", "user/reader"))
    assert list(paths(env, "user/keys", "user/reader", limit=1)) == whole[:1]
    assert next(paths(env, "user/keys", "user/reader")) == whole[0]


def test_the_first_way_is_there_before_the_others_are_looked_for(env, monkeypatch):
    first = next(paths(env, "user/keys", "user/reader"))
    monkeypatch.setattr("iamsim.query.paths.growing", None)
    found = paths(env, "user/keys", "user/reader")
    assert next(found) == first
    with pytest.raises(TypeError):
        next(found)


def test_facts_that_are_ruled_out(env):
    rest = _ids(paths(env, "user/keys", "user/reader", rule_out=["access-key-slot-free:user/reader"]))
    assert ("iam-create-access-key",) not in rest


def test_ways_and_answers_agree(env):
    for who in ("keys", "self", "both", "reader", "root", "nobody", "outward", "murky"):
        some = next(paths(env, f"user/{who}", action="s3:GetObject", resource=SECRET), None)
        verdict = can(env, f"user/{who}", "s3:GetObject", SECRET).verdict
        assert (some is not None) == (verdict is Verdict.YES), who
        if some is None:
            why = doubts(env, f"user/{who}", action="s3:GetObject", resource=SECRET)
            assert bool(why) == (verdict is Verdict.UNKNOWN), who


def test_doubts_tell_no_from_unknown(env):
    assert doubts(env, "user/nobody", "role/vault") == ()
    away = "arn:aws:iam::444455556666:role/away"
    assert list(paths(env, "user/outward", away)) == []
    assert doubts(env, "user/outward", away) == (f"missing:trust policy of {away}",)
    assert doubts(env, "user/nobody", away) == ()
    assert list(paths(env, "user/murky", "role/vault")) == []
    assert doubts(env, "user/murky", "role/vault")


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (None, {}, "no target is given"),
        ("user/reader", {"action": "s3:GetObject"}, "a request has an action and a resource"),
        ("user/keys", {}, "is the caller itself"),
        ("user/raeder", {}, "no loaded user is called `raeder`"),
        ("anonymous", {}, "cannot be controlled"),
        ("user/reader", {"via": "magic"}, "is no way to follow"),
        ("user/reader", {"assume": ["acces-key-slot-free"]}, "is no fact of the catalogue"),
    ],
)
def test_questions_that_cannot_be_asked(env, target, options, message):
    with pytest.raises(QueryError, match=message):
        list(paths(env, "user/keys", target, **options))


# --- what principals can become


def test_administrators_come_first(env):
    found = escalations(env, "user/keys")
    assert not found.admin
    assert found.rows[0].principal == f"arn:aws:iam::{A}:user/root"
    assert found.rows[0].admin
    assert found.administrator == found.rows[0]
    assert [r.admin for r in found.rows] == sorted((r.admin for r in found.rows), reverse=True)
    steps = [r.steps for r in found.rows if not r.admin]
    assert steps == sorted(steps)
    assert all(r.first == r.techniques[0] and r.steps == len(r.techniques) for r in found.rows)


def test_whoever_writes_its_own_policy_becomes_an_administrator(env):
    found = escalations(env, "user/self")
    assert [(r.principal, r.admin, r.steps) for r in found.rows[:1]] == [(f"arn:aws:iam::{A}:user/self", True, 1)]
    assert any("any inline policy on user/self" in c.change and c.steps == 1 for c in found.changes)


def test_nobody_becomes_nobody(env):
    found = escalations(env, "user/nobody")
    assert (found.rows, found.changes, found.undecided) == ((), (), ())


def test_what_is_not_known_is_said(env):
    found = escalations(env, "user/murky")
    assert found.rows == ()
    assert f"arn:aws:iam::{A}:role/vault" in [p for p, _ in found.undecided]
    assert all(reasons for _, reasons in found.undecided)


def _at(operator, when, *policy):
    document = _allow(*policy)
    document["Statement"][0]["Condition"] = {operator: {"aws:CurrentTime": when}}
    return document


@pytest.mark.parametrize(("until", "possible"), [("2027-01-01T00:00:00Z", True), ("2025-01-01T00:00:00Z", False)])
def test_steps_that_are_possible_at_certain_times_come_one_after_the_other(tmp_path, until, possible):
    users = [
        _user(
            "first",
            _at("DateGreaterThan", "2026-01-01T00:00:00Z", "iam:CreateAccessKey", f"arn:aws:iam::{A}:user/second"),
        ),
        _user("second", _at("DateLessThan", until, "iam:CreateAccessKey", f"arn:aws:iam::{A}:user/third")),
        _user("third"),
    ]
    gaad = {"UserDetailList": users, "GroupDetailList": [], "RoleDetailList": [], "Policies": []}
    (tmp_path / "account.json").write_text(json.dumps(gaad))
    found = escalations(load(str(tmp_path / "account.json")), "user/first")
    third = f"arn:aws:iam::{A}:user/third"
    assert (third in [r.principal for r in found.rows]) is possible
    assert (third in [p for p, _ in found.undecided]) is not possible
    assert all("at a time" in r for p, reasons in found.undecided for r in reasons if p == third)


def test_all_principals_and_those_of_a_pattern(env):
    whole = {e.source: e for e in all_escalations(env)}
    assert set(whole) == set(env.principals)
    assert whole[f"arn:aws:iam::{A}:user/root"].admin
    assert whole[f"arn:aws:iam::{A}:user/root"].rows == ()
    assert {e.source for e in all_escalations(env, "role/*")} == {p for p in env.principals if ":role/" in p}
    one = escalations(env, "user/both")
    assert whole[f"arn:aws:iam::{A}:user/both"].rows == one.rows


def test_one_caller_is_wanted(env):
    with pytest.raises(QueryError, match="means 8 callers"):
        escalations(env, "user/*")

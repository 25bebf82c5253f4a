"""Rules asked of snapshots: hold, broken, unknown, waived, expired."""

from __future__ import annotations

import pytest
from check_envs import ACCOUNT, TODAY, allow, environment, lets, policy, role, user

from iamsim import load
from iamsim.check.counting import FailOn, Result, result_of, summary
from iamsim.check.files import read_rules
from iamsim.check.model import State
from iamsim.check.run import check, decide
from iamsim.errors import QueryError
from iamsim.report.checked import report_lines
from iamsim.report.junit import report_junit
from iamsim.report.lines import plain_text
from iamsim.report.markdown import report_markdown
from iamsim.report.sarif import report_sarif

REPORT = "arn:aws:s3:::tiny-reports/q1.csv"


@pytest.fixture(scope="module")
def tiny():
    return load("corpus/organizations/tiny/snapshot")


@pytest.fixture(scope="module")
def pair():
    return load("corpus/organizations/pair/snapshot")


def one(env, text, today=TODAY):
    rules = read_rules(text, "x.iamq")
    assert rules.problems == ()
    return decide(env, rules.rules[0], today)


CASES = [
    (f"can user/alice do s3:GetObject on {REPORT} via direct expect yes", "holds"),
    (f"can user/alice do s3:GetObject on {REPORT} via direct expect no", "broken"),
    (f"can user/alice do s3:PutObject on {REPORT} via direct expect no", "holds"),
    (f"can user/alice do s3:PutObject on {REPORT} via roles expect no", "broken"),
    (f"can user/alice do s3:PutObject on {REPORT} via roles within 0 expect no", "holds"),
    (f"can user/alice do s3:PutObject on {REPORT} via roles within 1 expect no", "broken"),
    (f"can user/alice do s3:GetObject on {REPORT} via direct unless has aws:SecureTransport expect no", "holds"),
    ("can user/alice do s3:GetObject on arn:aws:s3:::partner-exports/a via direct expect no", "unknown"),
    ("can user/alice do s3:GetObject on arn:aws:s3:::partner-exports/a via direct expect unknown", "holds"),
    (f"can user/alice do s3:GetObject on {REPORT} via direct expect unknown", "broken"),
    (f"can user/alice do s3:PutObject on {REPORT} via direct expect implicit deny", "holds"),
    (f"can user/alice do s3:GetObject on {REPORT} with aws:SecureTransport = false via direct expect explicit deny", "holds"),
    (f"can user/alice do s3:GetObject on {REPORT} via direct expect explicit deny", "broken"),
    ("can user/alice reach role/ReportWriter via roles expect yes", "holds"),
    ("can user/alice reach role/ReportWriter within 0 expect no", "holds"),
    ("can role/ReportWriter reach user/alice expect no", "holds"),
    (f"who can do s3:PutObject on {REPORT} via direct expect no", "broken"),
    (f"who can do s3:PutObject on {REPORT} via direct except role/ReportWriter expect no", "holds"),
    (f"who can do s3:PutObject on {REPORT} via direct except account 123456789012 expect no", "holds"),
    (f"can account 123456789012 do s3:PutObject on {REPORT} via direct expect no", "broken"),
    (f"can account 123456789012 do s3:PutObject on {REPORT} via direct except role/* expect no", "holds"),
    (f"can account 111111111111 do s3:PutObject on {REPORT} via direct expect no", None),
    (f"can outsiders do s3:PutObject on {REPORT} via direct expect no", "holds"),
    (f"can */* do s3:PutObject on {REPORT} expect no", None),
    (f"can role/* do s3:PutObject on {REPORT} via direct except role/Report* expect no", None),
    ("can user/nobody do s3:PutObject on * expect no", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "state"), CASES, ids=[c[0] for c in CASES])
def test_a_rule_holds_or_not(tiny, text, state):
    rules = read_rules(text, "x.iamq")
    if state is None:
        report = check(tiny, [rules], TODAY, found=())
        assert (report.outcomes, len(report.problems)) == ((), 1)
        assert result_of(report) is Result.UNREADABLE
        return
    assert one(tiny, text).state.value == state


def test_a_broken_rule_says_who_and_how(tiny):
    found = one(tiny, f"who can do s3:PutObject on {REPORT} via roles expect no")
    assert {s.who.rpartition("/")[2] for s in found.said} == {"alice", "ReportWriter"}
    assert found.asked == 4  # both, a stranger, and a caller without credentials
    alice = next(s for s in found.said if s.who.endswith("alice"))
    assert [h.target.rpartition("/")[2] for h in alice.answer.path] == ["ReportWriter"]


def test_one_member_of_a_set_is_enough_to_break_a_rule(tiny):
    text = f"let both = user/alice, role/ReportWriter\ncan $both do s3:PutObject on {REPORT} via direct expect "
    assert [s.who for s in one(tiny, text + "no").said] == ["role/ReportWriter"]
    assert [s.who for s in one(tiny, text + "yes").said] == ["user/alice"]


def test_who_can_asks_strangers_and_callers_without_credentials(tmp_path):
    def bucket(principal):
        statement = {**allow("s3:GetObject", "arn:aws:s3:::b/*"), "Principal": principal}
        return {"Resource": "arn:aws:s3:::b", "Account": ACCOUNT, "Policy": policy(statement)}

    text = "who can do s3:GetObject on arn:aws:s3:::b/k via direct expect no"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    env = environment(tmp_path / "a", users=[user("u")], resources=[bucket({"AWS": "999988887777"})])
    assert [s.who.split(":")[4] for s in one(env, text).said] == ["999988887777"]
    assert one(env, text.replace("via direct", "via direct except outsiders")).state.value == "holds"
    env = environment(tmp_path / "b", users=[user("u")], resources=[bucket("*")])
    assert "anonymous" in {s.who for s in one(env, text).said}


def test_escalation_is_followed_by_default(tmp_path):
    statement = allow("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/r")
    env = environment(
        tmp_path,
        users=[user("u", policy(statement, allow("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/r")))],
        roles=[role("r", policy(allow("s3:ListAllMyBuckets")), trust=[lets({"Service": "ec2.amazonaws.com"})])],
    )
    text = "can user/u do s3:ListAllMyBuckets on * "
    assert one(env, text + "via roles expect no").state.value == "holds"
    found = one(env, text + "expect no")
    assert "iam-update-assume-role-policy" in {h.technique for h in found.said[0].answer.path}


WAIVED = f"can user/alice do s3:GetObject on {REPORT} via direct expect no waived until 2026-11-24 for 'INC-1'"


def test_a_waiver_holds_until_the_end_of_its_day(tiny):
    today, tomorrow = one(tiny, WAIVED), one(tiny, WAIVED, TODAY.replace(day=25))
    assert (today.state.value, today.waived, today.expired) == ("broken", True, False)
    assert (tomorrow.state.value, tomorrow.waived, tomorrow.expired) == ("broken", False, True)
    rules = [read_rules(WAIVED, "x.iamq")]
    assert result_of(check(tiny, rules, TODAY, found=())) is Result.PASSED
    assert result_of(check(tiny, rules, TODAY.replace(day=25), found=())) is Result.FAILED


def test_a_waiver_of_a_rule_that_holds_says_nothing(tiny):
    held = one(tiny, WAIVED.replace("expect no", "expect yes"))
    assert (held.waived, held.expired) == (False, False)


def test_unknown_is_neither_passed_nor_failed(tiny):
    rules = [read_rules(CASES[7][0], "x.iamq")]
    report = check(tiny, rules, TODAY, found=())
    assert result_of(report) is Result.UNKNOWN
    assert result_of(report, unknown="pass") is Result.PASSED
    assert result_of(report, unknown="fail") is Result.FAILED
    assert summary(report) == "1 rule: 1 unknown; 0 findings"


@pytest.mark.parametrize(
    ("severity", "fail_on", "result"),
    [
        ("error", "error", "failed"),
        ("warning", "error", "passed"),
        ("warning", "warning", "failed"),
        ("info", "warning", "passed"),
        ("info", "info", "failed"),
        ("error", "never", "passed"),
    ],
)
def test_severity_decides_what_counts(tiny, severity, fail_on, result):
    rules = [read_rules(f"{CASES[1][0]} severity {severity}", "x.iamq")]
    assert result_of(check(tiny, rules, TODAY, found=()), FailOn(fail_on)).value == result


def test_a_broken_line_never_passes(tiny):
    rules = [read_rules(f"{CASES[0][0]}\ncan user/alice", "x.iamq")]
    report = check(tiny, rules, TODAY, found=())
    assert len(report.outcomes) == 1
    for fail_on in FailOn:
        for unknown in (None, "pass", "fail"):
            assert result_of(report, fail_on, unknown) is Result.UNREADABLE


def test_ids_are_unique_across_files(tiny):
    rules = [read_rules(f"{CASES[0][0]} id a", name) for name in ("x.iamq", "y.iamq")]
    report = check(tiny, rules, TODAY, found=())
    assert [(p.source, p.help) for p in report.problems] == [("y.iamq", "the first is x.iamq:1")]


def test_names_that_fit_several_principals_list_them(pair):
    rules = read_rules("can role/* do s3:GetObject on * expect no", "x.iamq")
    assert rules.problems == ()
    with pytest.raises(QueryError, match="no loaded user is called `carl`"):
        one(pair, "can user/carl do s3:GetObject on * expect no")


def test_a_rule_about_an_action_that_does_not_exist_does_not_hold(tiny):
    rules = read_rules("can user/alice do s3:GetObjcet on * expect no", "x.iamq")
    report = check(tiny, [rules], TODAY, found=())
    assert report.outcomes == ()
    assert [(p.line, "GetObjcet" in p.message, "GetObject" in (p.help or "")) for p in report.problems] == [
        (1, True, True)
    ]


# --- only via


def only(env, clauses=""):
    rules = read_rules(
        f"only via role/Keeper do sqs:SendMessage on {QUEUE} except root via roles expect yes id gate {clauses}",
        "r.iamq",
    )
    return check(env, [rules], TODAY, found=())


QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q"


def test_a_rule_about_the_only_way_shows_who_needs_it_not(tmp_path):
    keeper = role("Keeper", policy(allow("sqs:*")), trust=[lets({"AWS": f"arn:aws:iam::{ACCOUNT}:user/ann"})])
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    queue = [{"Resource": QUEUE, "Account": ACCOUNT, "Policy": None}]
    good = environment(tmp_path / "x", users=[user("ann"), user("bob")], roles=[keeper], resources=queue)
    bad = environment(
        tmp_path / "y", users=[user("ann"), user("bob", policy(allow("sqs:*")))], roles=[keeper], resources=queue
    )
    assert [o.state for o in only(good).outcomes] == [State.HOLDS]
    report = only(bad)
    [outcome] = report.outcomes
    assert (outcome.state, outcome.said[0].who) == (
        State.BROKEN,
        f"role/Keeper, but also arn:aws:iam::{ACCOUNT}:user/bob",
    )
    text = plain_text(report_lines(report, FailOn.ERROR, None), 100)
    assert f"arn:aws:iam::{ACCOUNT}:user/bob does sqs:SendMessage on" in text
    assert "user/bob does sqs:SendMessage" in report_markdown(report, FailOn.ERROR, None)
    assert "user/bob does sqs:SendMessage" in report_junit(report, FailOn.ERROR, None)
    [result] = report_sarif(report, FailOn.ERROR, None, version="1")["runs"][0]["results"]
    assert result["codeFlows"][0]["threadFlows"][0]["locations"]
    assert only(good, "within 2").problems[0].message == "`within` has no meaning behind `only via`"

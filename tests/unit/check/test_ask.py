"""Texts of the language asked of a snapshot: what each verb answers, and what cannot be asked."""

from __future__ import annotations

import pytest
from check_envs import ACCOUNT, allow, environment, lets, policy, role, user

from iamsim import QueryError, Verdict, ask, load, only_via, what_can
from iamsim.check.ask import Answers, Callers, Explained, Table, Ways, replies
from iamsim.check.model import Problem, State
from iamsim.query.language import parse_question, print_question
from iamsim.query.only_via import OnlyVia
from iamsim.query.what_policy import merged
from iamsim.report.asked import asked_json, asked_text

TINY = "corpus/organizations/tiny/snapshot"
REPORT = "arn:aws:s3:::tiny-reports/q1.csv"
WRITE = f"do s3:PutObject on {REPORT}"


@pytest.fixture
def tiny(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)
    return load(TINY)


def one(env, text):
    [reply] = ask(env, text)
    return reply


@pytest.mark.parametrize(
    ("text", "verdict", "kind"),
    [
        (f"can user/alice {WRITE}", "yes", Answers),
        (f"can user/alice {WRITE} via direct", "no", Answers),
        (f"can user/alice {WRITE} within 0", "no", Answers),
        (f"can role/* {WRITE} except user/alice via direct", "yes", Answers),
        (f"can user/alice {WRITE} unless aws:SecureTransport = true with aws:SecureTransport = true", "no", Answers),
        ("can user/alice do s3:GetObject on arn:aws:s3:::partner-exports/q1.csv via direct", "unknown", Answers),
        ("can user/alice reach role/ReportWriter", "yes", Answers),
        ("can user/alice reach role/ReportWriter within 0", "no", Answers),
        (f"who can {WRITE}", "yes", Callers),
        (f"who can {WRITE} via direct except root, role/ReportWriter", "no", Callers),
        (f"who can {WRITE} except user/alice, role/ReportWriter expect no", "no", Answers),
        ("what can user/alice do on arn:aws:s3:::tiny-reports/*", "yes", Table),
        ("what can user/alice do on arn:aws:sqs:us-east-1:123456789012:q", "no", Table),
        (f"only via role/ReportWriter {WRITE} except root", "yes", OnlyVia),
        (f"only via user/alice {WRITE} via roles", "no", OnlyVia),
        ("paths from user/alice to role/ReportWriter", "yes", Ways),
        (f"paths from user/alice to {WRITE} within 1", "yes", Ways),
        (f"paths from user/alice to {WRITE} within 0", "no", Ways),
        (f"paths from user/alice to {WRITE} via direct", "no", Ways),
        (f"why can user/alice {WRITE}", "yes", Explained),
        (f"why can user/alice {WRITE} via direct", "no", Explained),
    ],
)
def test_each_verb_is_answered(tiny, text, verdict, kind):
    reply = one(tiny, text)
    assert (reply.verdict.value, type(reply.result), reply.state) == (
        verdict,
        kind,
        State.HOLDS if "expect" in text else None,
    )
    assert parse_question(reply.text) == reply.question
    shown = asked_text([reply])
    assert shown.strip()
    value = asked_json([reply], (), "2026-01-01")["answers"][0]
    assert value["question"] == print_question(reply.question)
    assert value["verdict"] == verdict


def test_answers_are_those_of_the_functions(tiny):
    assert one(tiny, "what can user/alice do").result.callers == (
        ("user/alice", tuple(merged(what_can(tiny, "user/alice")))),
    )
    found = one(tiny, f"only via user/alice {WRITE}").result
    assert found == only_via(
        tiny, "user/alice", "s3:PutObject", REPORT, when=parse_question("can user/a do s3:x on *").when
    )
    why = one(tiny, f"why can user/alice {WRITE}").result.each[0]
    assert [p.text for p in why.cut.pieces] == ["identity policy WriteReports, statement WriteReports"]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (f"can user/alice {WRITE} expect yes", State.HOLDS),
        (f"can user/alice {WRITE} expect no", State.BROKEN),
        (f"can role/ReportWriter {WRITE} with aws:SecureTransport = false expect explicit deny", State.HOLDS),
        (f"can user/alice {WRITE} via direct expect implicit deny", State.HOLDS),
        ("can user/alice do s3:GetObject on arn:aws:s3:::partner-exports/q1.csv via direct expect no", State.UNKNOWN),
        (
            "can user/alice do s3:GetObject on arn:aws:s3:::partner-exports/q1.csv via direct expect unknown",
            State.HOLDS,
        ),
        (f"only via role/ReportWriter {WRITE} via roles expect yes", State.BROKEN),
        ("paths from user/alice to role/ReportWriter expect no", State.BROKEN),
        ("what can user/alice do on arn:aws:sqs:us-east-1:123456789012:q expect no", State.HOLDS),
        (f"why can user/alice {WRITE} via direct expect allow", State.BROKEN),
    ],
)
def test_what_is_expected_is_held_against_the_answer(tiny, text, state):
    assert one(tiny, text).state is state


def test_sets_stand_for_one_question_each_and_are_remembered(tiny):
    names = {}
    found = ask(tiny, f"let people = user/alice, role/ReportWriter\ncan $people {WRITE} via direct", names=names)
    assert [r.verdict for r in found] == [Verdict.NO, Verdict.YES]
    assert [r.question.caller for r in ask(tiny, f"can $people {WRITE} via direct except user/alice", names=names)] == [
        "role/ReportWriter"
    ]
    assert one_of(ask(tiny, f"who can {WRITE} via direct except root, $people", names=names)) is Verdict.NO


def test_whom_except_names_is_left_out_of_lists(tmp_path):
    open_ = {
        "Effect": "Allow",
        "Principal": {"AWS": ["999988887777", "444455556666"]},
        "Action": "sqs:SendMessage",
        "Resource": "*",
    }
    queue = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q"
    env = environment(
        tmp_path, users=[user("ann", policy(allow("sqs:*"))), user("bob")],
        resources=[{"Resource": queue, "Account": ACCOUNT, "Policy": policy(open_)}],
    )  # fmt: skip
    task = f"do sqs:SendMessage on {queue}"

    def listed(clause):
        return {r.principal.split(":", 4)[4] for r in one(env, f"who can {task} via direct {clause}").result.rows}

    own, far = {f"{ACCOUNT}:user/ann", f"{ACCOUNT}:root"}, {"999988887777:root", "444455556666:root"}
    assert listed("") == own | far
    assert listed("except outsiders") == own
    assert listed(f"except account {ACCOUNT}") == far
    assert listed("except account 999988887777, root") == {f"{ACCOUNT}:user/ann", "444455556666:root"}
    everybody = f"account {ACCOUNT}, account 999988887777, account 444455556666"
    assert one(env, f"only via user/ann {task} via roles except {everybody}").verdict is Verdict.YES
    with pytest.raises(QueryError, match="except outsiders"):
        ask(env, f"only via user/ann {task} except outsiders")


def one_of(found):
    [reply] = found
    return reply.verdict


BROKEN = [
    ("can user/alicia do s3:x on *", "no loaded user is called `alicia`", "did you mean `user/alice`?"),
    ("can user/alice doo s3:x on *", "`doo` is out of place", "did you mean `do`?"),
    ("can $nobody do s3:x on *", "`$nobody` is not named", "name it first"),
    (f"who can {WRITE} expect allow", "is answered by yes, no or unknown", "expect one of these"),
    ("what can user/alice do via roles", "lists what a caller can do itself", "leave out `via`"),
    (f"only via role/ReportWriter {WRITE} within 2", "`within` has no meaning", "leave it out"),
    (f"why can user/alice {WRITE} within 2", "`within` has no meaning", "within"),
    ("can user/alice do s3:PutObjct on * expect no", "does not know the action", "did you mean `s3:PutObject`?"),
    (f"can user/alice {WRITE} except user/alice", "asks nothing", "leave some of them in"),
]


@pytest.mark.parametrize(("text", "message", "help_"), BROKEN)
def test_what_cannot_be_asked_is_said_with_its_place(tiny, text, message, help_):
    with pytest.raises(QueryError) as caught:
        ask(tiny, text, source="q")
    assert str(caught.value).startswith("q:1:")
    assert message in str(caught.value)
    assert help_ in caught.value.help


def test_the_rest_of_a_file_is_asked_in_its_order(tiny):
    good = f"can user/alice {WRITE}"
    text = "".join(f"{good}\n{bad}\n" for bad, _, _ in BROKEN) + "suppress trust-account on role/x for y\n"
    found = list(replies(tiny, text, source="q"))
    assert [isinstance(r, Problem) for r in found] == [False, True] * len(BROKEN)
    assert [r.line for r in found] == list(range(1, 2 * len(BROKEN) + 1))
    assert "UNREADABLE  q:2:1" in asked_text(found)
    assert len(asked_json(found, (), "")["problems"]) == len(BROKEN)


def test_a_question_about_an_unknown_action_is_answered_with_a_warning(tiny):
    reply = one(tiny, "can user/alice do s3:PutObjct on * via direct")
    assert (reply.verdict, [w.id for w in reply.warnings]) == (Verdict.NO, ["action-unknown"])


def test_accounts_and_outsiders_are_asked_one_by_one(tmp_path):
    open_ = role("Open", policy(allow("sqs:*")), trust=[lets({"AWS": "999988887777"})])
    env = environment(tmp_path, users=[user("ann"), user("bob", policy(allow("sqs:*")))], roles=[open_])
    task = f"do sqs:SendMessage on arn:aws:sqs:eu-west-1:{ACCOUNT}:q"
    assert [s.verdict.value for s in one(env, f"can account {ACCOUNT} {task} via direct").result.said] == [
        "yes",
        "no",
        "yes",
    ]
    assert one(env, f"can outsiders {task}").verdict is Verdict.YES
    assert one(env, f"can outsiders {task} via direct").verdict is Verdict.NO

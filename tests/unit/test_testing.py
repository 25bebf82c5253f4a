"""The assertions: what passes, what fails, and what a failure says."""

from __future__ import annotations

import pytest
from check_envs import ACCOUNT, allow, environment, lets, policy, role, user

from iamsim import Verdict, load
from iamsim.errors import InputError, QueryError
from iamsim.testing import assert_can, assert_cannot, assert_only_via

BUCKET = "arn:aws:s3:::ledger"
LEDGER = f"{BUCKET}/a.csv"
TINY = "corpus/organizations/tiny/snapshot"
REPORT = "arn:aws:s3:::tiny-reports/q1.csv"


def bucket(*statements):
    return [{"Resource": BUCKET, "Account": ACCOUNT, "Policy": policy(*statements) if statements else None}]


def arn(name):
    return f"arn:aws:iam::{ACCOUNT}:{name}"


def keeper(*trust):
    """The role that alone may read the ledger."""
    return role("Keeper", policy(allow("s3:GetObject", f"{BUCKET}/*")), trust=trust or [lets({"AWS": arn("user/ann")})])


@pytest.fixture
def tiny(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)
    return load(TINY)


def message(call):
    with pytest.raises(AssertionError) as caught:
        call()
    return str(caught.value)


def unwrapped(said):
    return " ".join(said.split())


def test_what_is_as_expected_gives_the_answer(tiny):
    assert assert_can(tiny, "user/alice", "s3:PutObject", REPORT).path[0].target.endswith(":role/ReportWriter")
    assert assert_cannot(tiny, "user/alice", "s3:PutObject", REPORT, via="direct").verdict is Verdict.NO


def test_a_yes_that_must_not_be_shows_the_way_with_file_and_line(tiny):
    said = message(lambda: assert_cannot(tiny, "user/alice", "s3:PutObject", REPORT))
    assert said.startswith("expected no, the answer is yes\n\nYES  user/alice can do s3:PutObject")
    assert "does sts:AssumeRole on" in said
    assert f"identity policy WriteReports, statement WriteReports ({TINY}/account.json:74)" in unwrapped(said)


def test_a_no_that_must_not_be_shows_what_forbids_it(tiny):
    context = {"aws:SecureTransport": "false"}
    said = message(lambda: assert_can(tiny, "user/alice", "s3:GetObject", REPORT, context=context, via="direct"))
    assert said.startswith("expected yes, the answer is no\n")
    assert f"statement DenyPlainHttp ({TINY}/resources.json:8)" in unwrapped(said)


def test_files_below_the_working_directory_are_named_from_there(monkeypatch, request):
    env = load(str(request.config.rootpath / TINY))
    monkeypatch.chdir(request.config.rootpath / "corpus")
    said = message(lambda: assert_cannot(env, "user/alice", "s3:GetObject", REPORT))
    assert "(organizations/tiny/snapshot/account.json:15)" in unwrapped(said)


@pytest.mark.parametrize("assertion", [assert_can, assert_cannot])
def test_an_unknown_fails_with_what_is_missing_unless_it_may_pass(tiny, assertion):
    question = (tiny, "user/alice", "s3:GetObject", "arn:aws:s3:::partner-exports/q1.csv")
    said = message(lambda: assertion(*question, via="direct"))
    assert "the answer is unknown" in said
    assert "not known" in said
    assert "to decide it: add --resource-account ID" in said
    assert assertion(*question, via="direct", unknown="pass").verdict is Verdict.UNKNOWN


def test_pass_is_for_unknowns_only(tiny):
    message(lambda: assert_can(tiny, "anonymous", "s3:GetObject", REPORT, unknown="pass"))
    message(lambda: assert_cannot(tiny, "user/alice", "s3:GetObject", REPORT, unknown="pass"))


def test_questions_that_cannot_be_asked_are_errors_with_their_remedy(tiny):
    for wrong in (
        lambda: assert_can(tiny, "user/alicia", "s3:GetObject", REPORT),
        lambda: assert_cannot(tiny, "user/alice", "s3:GetObjcet", REPORT),
        lambda: assert_only_via(tiny, "role/ReportWriter", "s3:PutObjct", REPORT),
        lambda: assert_only_via(tiny, "role/ReportWrite", "s3:PutObject", REPORT),
    ):
        with pytest.raises(QueryError, match=r"(?s)\nhelp: did you mean"):
            wrong()
    with pytest.raises(QueryError, match="neither `pass` nor `fail`"):
        assert_can(tiny, "user/alice", "s3:GetObject", REPORT, unknown="maybe")
    with pytest.raises(QueryError, match="no way to follow"):
        assert_only_via(tiny, "role/ReportWriter", "s3:PutObject", REPORT, via="role")
    with pytest.raises(InputError):
        assert_can(tiny, "role/ReportWriter", "s3:PutObject", REPORT, session_policy=[7])


# --- only via


def only_keeper(env, **options):
    assert_only_via(env, "role/Keeper", "s3:GetObject", LEDGER, **{"except_": ["root"], **options})


def test_whoever_comes_through_the_role_is_no_bypass(tmp_path):
    env = environment(tmp_path, users=[user("ann")], roles=[keeper()], resources=bucket())
    assert_can(env, "user/ann", "s3:GetObject", LEDGER)
    only_keeper(env)


def test_a_user_beside_the_role_is_a_bypass(tmp_path):
    bob = user("bob", policy(allow("s3:*", "*")))
    said = message(
        lambda: only_keeper(environment(tmp_path, users=[user("ann"), bob], roles=[keeper()], resources=bucket()))
    )
    assert said.startswith(
        f"expected only role/Keeper to do s3:GetObject on {LEDGER}: 1 other caller can as well\n\nYES  {arn('user/bob')}"
    )
    assert "identity policy p0, statement 1" in said


def test_another_role_is_a_bypass_and_it_is_said_who_takes_it(tmp_path):
    other = role("Other", policy(allow("s3:GetObject")), trust=[lets({"AWS": arn("user/ann")})])
    env = environment(tmp_path, users=[user("ann")], roles=[keeper(), other], resources=bucket())
    said = message(lambda: only_keeper(env))
    assert "assumed-role/Other/" in said
    assert said.endswith(f"the role can be assumed by {arn('user/ann')}")
    only_keeper(env, except_=["root", "role/Other"])


def test_a_role_behind_the_role_is_no_bypass_unless_somebody_else_gets_to_it(tmp_path):
    behind = role("Behind", policy(allow("s3:GetObject")), trust=[lets({"AWS": arn("role/Keeper")})])
    between = role("Between", trust=[lets({"Service": "ec2.amazonaws.com"})])
    env = environment(tmp_path, users=[user("ann")], roles=[keeper(), behind, between], resources=bucket())
    only_keeper(env)
    opened = role(
        "Behind", policy(allow("s3:GetObject")), trust=[lets({"AWS": [arn("role/Keeper"), arn("role/Between")]})]
    )
    env = environment(tmp_path, users=[user("ann")], roles=[keeper(), opened, between], resources=bucket())
    assert message(lambda: only_keeper(env)).endswith("the role can be assumed by ec2.amazonaws.com")


def test_techniques_are_ways_past_the_role_where_they_are_asked_for(tmp_path):
    writer = user("bob", policy(allow("iam:PutUserPolicy", arn("user/*"))))
    env = environment(tmp_path, users=[user("ann"), writer], roles=[keeper()], resources=bucket())
    only_keeper(env)
    said = message(lambda: only_keeper(env, via="escalation"))
    assert "iam-put-user-policy" in said
    opener = user("bob", policy(allow("iam:UpdateAssumeRolePolicy", arn("role/Keeper"))))
    env = environment(tmp_path, users=[user("ann"), opener], roles=[keeper()], resources=bucket())
    assert_can(env, "user/bob", "s3:GetObject", LEDGER)
    only_keeper(env, via="escalation")


def test_a_role_that_is_created_anew_under_the_name_of_the_role_is_no_way(tmp_path):
    lets_in = {
        "Effect": "Allow",
        "Principal": {"AWS": arn("role/Keeper")},
        "Action": "s3:GetObject",
        "Resource": f"{BUCKET}/*",
    }
    far = [{"Resource": BUCKET, "Account": "999988887777", "Policy": policy(lets_in)}]
    maker = user("bob", policy(allow("iam:CreateRole"), allow("iam:PutRolePolicy"), allow("sts:AssumeRole")))
    only_keeper(environment(tmp_path, users=[user("ann"), maker], roles=[keeper()], resources=far), via="escalation")
    env = environment(tmp_path, users=[user("ann"), maker], resources=far)
    assert assert_can(env, "user/bob", "s3:GetObject", LEDGER).path


def test_root_users_count_unless_they_are_excepted(tmp_path):
    env = environment(tmp_path, users=[user("ann")], roles=[keeper()], resources=bucket())
    assert f"YES  {arn('root')}" in message(lambda: only_keeper(env, except_=()))
    only_keeper(env, except_="root")


@pytest.mark.parametrize(
    ("principal", "told"),
    [
        ("*", "anonymous"),
        ({"Service": "sns.amazonaws.com"}, "sns.amazonaws.com"),
        ({"AWS": "arn:aws:iam::999988887777:root"}, "999988887777"),
    ],
)
def test_callers_that_the_resource_lets_in_are_bypasses(tmp_path, principal, told):
    open_ = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
    env = environment(tmp_path, users=[user("ann")], roles=[keeper()], resources=bucket(open_))
    assert told in message(lambda: only_keeper(env))


def test_a_session_of_the_role_is_the_role(tmp_path):
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Keeper/audit"
    lets_in = {"Effect": "Allow", "Principal": {"AWS": session}, "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
    only_keeper(environment(tmp_path, users=[user("ann")], roles=[keeper()], resources=bucket(lets_in)))


def test_the_question_may_be_narrowed(tmp_path):
    plain = policy({**allow("s3:GetObject"), "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    env = environment(tmp_path, users=[user("ann"), user("bob", plain)], roles=[keeper()], resources=bucket())
    message(lambda: only_keeper(env))
    only_keeper(env, context={"aws:SecureTransport": "true"})


def test_callers_of_whom_it_is_not_known_fail_unless_they_may_pass(tmp_path):
    managed = {"PolicyName": "Gone", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/Gone"}
    bob = user("bob", AttachedManagedPolicies=[managed])
    env = environment(tmp_path, users=[user("ann"), bob], roles=[keeper()], resources=bucket())
    said = message(lambda: only_keeper(env))
    assert "of 1 other caller it is not known" in said
    assert "`arn:aws:iam::" in said
    only_keeper(env, unknown="pass")


def test_many_bypasses_are_named_and_counted(tmp_path):
    many = [user(f"u{i:02}", policy(allow("s3:*"))) for i in range(12)]
    said = message(
        lambda: only_keeper(
            environment(tmp_path, users=many, roles=[keeper(lets({"AWS": arn("user/u00")}))], resources=bucket())
        )
    )
    assert "12 other callers can as well" in said
    assert said.count("allowed by") == 3
    assert said.endswith("user/u07 and 4 more")


def test_an_administrator_that_is_the_role_is_no_way_past_itself(tmp_path):
    """What somebody does for himself by means of the role goes through it; by means of another administrator it does not."""
    boss = role("Keeper", policy(allow("*")), trust=[lets({"AWS": arn("user/ann")})])
    opener = user("bob", policy(allow("iam:UpdateAssumeRolePolicy", arn("role/Keeper"))))
    env = environment(tmp_path, users=[user("ann"), opener], roles=[boss], resources=bucket())
    assert_can(env, "user/bob", "s3:GetObject", LEDGER)
    only_keeper(env, via="escalation")
    other = role("Other", policy(allow("*")), trust=[lets({"Service": "ec2.amazonaws.com"})])
    wide = user("bob", policy(allow("iam:UpdateAssumeRolePolicy", arn("role/*"))))
    env = environment(tmp_path, users=[user("ann"), wide], roles=[boss, other], resources=bucket())
    said = message(lambda: only_keeper(env, via="escalation"))
    assert "role/Other" in said
    assert f"YES  {arn('user/bob')}" in said

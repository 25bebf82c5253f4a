"""What is said of facts: which may be said, of what, and that every answer obeys it."""

import json

import pytest

from iamsim import QueryError, can, escalations, load, paths
from iamsim.aws.escalations import catalogue
from iamsim.query.techniques import read_ruling

A, B = "111122223333", "444455556666"
OBJECT = "arn:aws:s3:::vault/secret"


def _allow(actions, resource="*"):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource}]}


def _user(account, name, policy):
    return {
        "Path": "/", "UserName": name, "UserId": f"AIDA{name.upper()}", "Arn": f"arn:aws:iam::{account}:user/{name}",
        "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": policy}], "GroupList": [], "AttachedManagedPolicies": [],
    }  # fmt: skip


def _role(account, path, name, service, policy):
    trust = _allow("sts:AssumeRole")
    trust["Statement"][0] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {
        "Path": path, "RoleName": name, "RoleId": f"AROA{name.upper()}", "Arn": f"arn:aws:iam::{account}:role{path}{name}",
        "AssumeRolePolicyDocument": trust, "InstanceProfileList": [], "AttachedManagedPolicies": [],
        "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": policy}],
    }  # fmt: skip


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    folder, bob = tmp_path_factory.mktemp("facts"), f"arn:aws:iam::{A}:user/bob"
    read = _allow("s3:GetObject", "arn:aws:s3:::vault/*")
    users = [
        _user(A, "bob", read),
        _user(A, "keys", _allow("iam:CreateAccessKey", bob)),
        _user(A, "first", _allow("iam:CreateLoginProfile", bob)),
        _user(A, "later", _allow("iam:UpdateLoginProfile", bob)),
        _user(A, "code", _allow("lambda:UpdateFunctionCode")),
        _user(A, "launch", _allow(["iam:PassRole", "ec2:RunInstances"])),
    ]
    roles = [
        _role(A, "/app/", "worker", "lambda.amazonaws.com", read),
        _role(A, "/", "bare", "ec2.amazonaws.com", read),
    ]
    resource = {"Resource": "arn:aws:s3:::vault", "Account": A, "Policy": None}
    for name, value in (
        ("a.json", {"UserDetailList": users, "GroupDetailList": [], "RoleDetailList": roles, "Policies": []}),
        (
            "b.json",
            {"UserDetailList": [_user(B, "bob", read)], "GroupDetailList": [], "RoleDetailList": [], "Policies": []},
        ),
        ("resources.json", [resource]),
    ):
        (folder / name).write_text(json.dumps(value))
    return load(str(folder))


def _verdicts(env, who, **said):
    """Whether `can`, `escalations` and `paths` find a way: all the same."""
    answer = can(env, f"{A}:user/{who}", "s3:GetObject", OBJECT, **said).verdict == "yes"
    became = bool(escalations(env, f"{A}:user/{who}", **said).rows)
    listed = next(paths(env, f"{A}:user/{who}", action="s3:GetObject", resource=OBJECT, **said), None) is not None
    assert answer == became == listed
    return answer


SLOT = "access-key-slot-free"


@pytest.mark.parametrize(
    ("who", "assume", "rule_out", "found"),
    [
        ("keys", [], [], True),
        ("keys", [], [SLOT], False),
        ("keys", [], [f"{SLOT}:user/bob"], False),
        ("keys", [], [f"{SLOT}:{A}:user/bob"], False),
        ("keys", [], [f"{SLOT}:arn:aws:iam::{A}:user/bob"], False),
        ("keys", [], [f"{SLOT}:{B}:user/bob"], True),
        ("keys", [f"{SLOT}:{A}:user/bob"], [SLOT], True),
        ("keys", [SLOT], [f"{SLOT}:{A}:user/bob"], False),
        # a password is made where there is none, and changed where there is one
        ("first", [], [], True),
        ("first", ["login-profile:user/bob"], [], False),
        ("first", [], ["login-profile:user/bob"], True),
        ("later", ["login-profile:user/bob"], [], True),
        ("later", [], ["login-profile"], False),
        # of a thing that is nowhere seen the type is the subject
        ("code", [], [], True),
        ("code", [], ["resource-exists:lambda-function"], False),
        ("code", [], ["resource-exists:ec2-instance"], True),
        ("code", [], ["resource-exists:role/worker"], False),
        ("code", [], [f"resource-exists:{A}:role/app/worker"], False),
        ("launch", [], [], False),
        ("launch", ["instance-profile:role/bare"], [], True),
    ],
)
def test_what_is_said_of_a_fact(env, who, assume, rule_out, found):
    assert _verdicts(env, who, assume=assume, rule_out=rule_out) is found


@pytest.mark.parametrize(
    ("assume", "rule_out", "message", "remedy"),
    [
        ([], ["acces-key-slot-free"], "is no fact of the catalogue", "did you mean `access-key-slot-free`"),
        ([], ["role-trusts-caller:role/worker"], "is told by the input", "change the input"),
        (["role-trusts-service:role/bare"], [], "is told by the input", "change the input"),
        ([], [f"{SLOT}:user/bbo"], "is the subject of `access-key-slot-free:user/bbo`", "did you mean `user/bob`"),
        ([], [f"{SLOT}:"], "nothing that is loaded", "a subject is"),
        ([], [f"{SLOT}:arn:aws:iam::{A}:user/bobby"], "nothing that is loaded", "did you mean"),
        ([SLOT], [SLOT], "is both assumed and ruled out", "say one of the two"),
        ([f"{SLOT}:user/bob"], [f"{SLOT}:arn:aws:iam::{A}:user/bob"], "is both assumed and ruled out", "say one"),
    ],
)
def test_what_cannot_be_said(env, assume, rule_out, message, remedy):
    with pytest.raises(QueryError, match=message) as raised:
        read_ruling(env, catalogue(), assume, rule_out)
    assert remedy in str(raised.value.help)


def test_of_an_account_that_is_not_loaded_anything_may_be_said(env):
    arn = "arn:aws:iam::777788889999:user/eve"
    assert read_ruling(env, catalogue(), [], [f"{SLOT}:{arn}"]).says(SLOT, [arn]) is False

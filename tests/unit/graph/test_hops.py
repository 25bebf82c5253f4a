"""Which parts of a question speak of which request of a path, and what a hop demands."""

from __future__ import annotations

import pytest
from page_files import Snapshot

from iamsim import can
from iamsim.env.applicable import NO_DOCUMENTS, Documents
from iamsim.env.build import environment_of
from iamsim.graph.given import given_for, when_for
from iamsim.graph.hops import action_of, documents_for, hop_check, main_term, read_of
from iamsim.graph.sessions import Session
from iamsim.ir.term import FALSE, TRUE, all_of
from iamsim.judge.callers import read_callers
from iamsim.judge.judge import Ask
from iamsim.model.caller import Caller, CallerKind
from iamsim.query.language import parse_condition

A = "111122223333"
USER = Caller(kind=CallerKind.USER, arn=f"arn:aws:iam::{A}:user/u", account=A)
TOKEN = Caller(kind=CallerKind.WEB_IDENTITY, provider="idp.example.com")
SAML = Caller(kind=CallerKind.SAML, provider="p")
ROLE = Caller(kind=CallerKind.ROLE_SESSION, arn=f"arn:aws:iam::{A}:role/r", account=A)
GIVEN = dict.fromkeys(("aws:sourceip", "aws:multifactorauthpresent", "aws:principaltag/t", "sts:externalid", "s3:prefix", "idp.example.com:sub", "aws:currenttime"), ("x",))  # fmt: skip
AROUND = {"aws:sourceip", "aws:currenttime"}
OF_CALLER = {"aws:multifactorauthpresent", "aws:principaltag/t"}


@pytest.mark.parametrize(
    ("start", "action", "first", "last", "expected"),
    [
        (USER, "s3:getobject", True, True, set(GIVEN)),
        (USER, "s3:getobject", True, False, AROUND | OF_CALLER | {"sts:externalid"}),
        (USER, "s3:getobject", False, False, AROUND | {"sts:externalid"}),
        (USER, "s3:getobject", False, True, AROUND | {"s3:prefix", "idp.example.com:sub"}),
        (USER, "sts:assumerole", False, True, AROUND | {"s3:prefix", "idp.example.com:sub", "sts:externalid"}),
        (TOKEN, "s3:getobject", True, False, AROUND | OF_CALLER | {"sts:externalid", "idp.example.com:sub"}),
        (TOKEN, "s3:getobject", False, True, AROUND | {"s3:prefix"}),
    ],
)
def test_given_keys_speak_of_their_request(start, action, first, last, expected):
    assert set(given_for(GIVEN, action, start, first=first, last=last)) == expected


def test_a_conjunct_of_the_condition_binds_the_request_that_it_speaks_of():
    around = parse_condition('aws:SourceIp = "1.2.3.4"')
    mfa = parse_condition('aws:MultiFactorAuthPresent = "true"')
    external = parse_condition('sts:ExternalId = "x"')
    tag = parse_condition('aws:PrincipalTag/team = "red"')
    whole = all_of((around, mfa, external, tag))
    assert when_for(whole, "s3:getobject", USER, first=True, last=False) == all_of((around, mfa, external))
    assert when_for(whole, "s3:getobject", USER, first=False, last=False) == all_of((around, external))
    assert when_for(whole, "s3:getobject", USER, first=False, last=True) == all_of((around, tag))
    mixed = parse_condition('aws:MultiFactorAuthPresent = "true" or s3:prefix = "a"')
    assert when_for(mixed, "s3:getobject", USER, first=True, last=False) is TRUE
    assert when_for(mixed, "s3:getobject", USER, first=False, last=True) == mixed


def test_a_session_policy_binds_the_credentials_that_the_question_names():
    documents = Documents(session=(), endpoints=(("interface", None),))
    assert documents_for(NO_DOCUMENTS, ROLE, last=True) == NO_DOCUMENTS
    assert documents_for(documents, ROLE, last=False).session == ()
    assert documents_for(documents, ROLE, last=True) == Documents(None, documents.endpoints)
    assert documents_for(documents, USER, last=False) == NO_DOCUMENTS
    assert documents_for(documents, USER, last=True) == documents


def test_the_action_follows_from_the_kind_of_caller():
    found = [action_of(c) for c in (USER, ROLE, TOKEN, SAML)]
    assert found == ["sts:assumerole", "sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml"]


def environment(*statements, action="sts:AssumeRole"):
    s = Snapshot()
    s.identity("user", "u")
    allow = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{A}:user/u"}, "Action": action}
    s.trust("role/q", {"Version": "2012-10-17", "Statement": [allow, *statements]})
    s.identity("role", "q", {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    s.resource("arn:aws:s3:::b", None)
    return environment_of(s.files())


def hop(env):
    (who,) = read_callers(env, "user/u")
    return hop_check(Ask(env=env), Session(who), env.principals[f"arn:aws:iam::{A}:role/q"], 1, "s3:getobject")


def test_a_refused_hop_has_no_further_checks():
    found = hop(environment({"Effect": "Deny", "Principal": "*", "Action": "sts:*"}))
    assert (main_term(found), found.tags, found.identity) == (FALSE, None, None)


def test_the_names_of_tags_come_from_every_condition_that_may_mean_one():
    user = {"AWS": f"arn:aws:iam::{A}:user/u"}
    condition = {
        "StringEquals": {"aws:RequestTag/Team": "red"},
        "ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": "Cost"},
        "ForAllValues:StringLike": {"aws:TagKeys": ["x-*", "Team", "Cost"]},
    }
    env = environment(
        {"Effect": "Allow", "Principal": user, "Action": "sts:TagSession", "Condition": condition},
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sts:AssumeRole",
            "Condition": {"Null": {"aws:TagKeys": "true"}},
        },
    )
    assert set(read_of((hop(env),), ()).names) >= {"cost", "team", "x-x"}


def test_a_required_tag_that_only_the_permission_to_tag_reads():
    """The tag is read by TagSession alone, and its key is transitive: both must be there."""
    who = {"AWS": f"arn:aws:iam::{A}:user/u"}
    tagging = {
        "StringEquals": {"aws:RequestTag/team": "red"},
        "ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": "cost"},
    }
    needs = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sts:AssumeRole",
        "Condition": {"Null": {"aws:TagKeys": "true"}},
    }
    env = environment(needs, {"Effect": "Allow", "Principal": who, "Action": "sts:TagSession", "Condition": tagging})
    answer = can(env, "user/u", "s3:GetObject", "arn:aws:s3:::b/k", via="roles")
    assert answer.verdict == "yes"
    (step,) = answer.path
    assert {k.lower() for k in step.witness.request.context["aws:TagKeys"]} >= {"cost", "team"}


def test_some_key_that_is_not_the_named_one_can_be_transitive():
    condition = {"ForAnyValue:StringNotEquals": {"sts:TransitiveTagKeys": "team"}}
    who = {"AWS": f"arn:aws:iam::{A}:user/u"}
    needs = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sts:AssumeRole",
        "Condition": {"Null": {"sts:TransitiveTagKeys": "true"}},
    }
    env = environment(needs, {"Effect": "Allow", "Principal": who, "Action": "sts:TagSession", "Condition": condition})
    assert can(env, "user/u", "s3:GetObject", "arn:aws:s3:::b/k", via="roles").verdict == "yes"


def test_missing_strict_knows_that_a_path_passes_no_session_policy():
    s = Snapshot()
    s.identity("user", "u")
    s.identity("role", "q", {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    trusted = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{A}:user/u"}, "Action": "sts:AssumeRole"}
    s.trust("role/q", {"Version": "2012-10-17", "Statement": trusted})
    s.organization = {"id": "o-x", "management": "777788889999", "tree": {"accounts": [A]}}
    env = environment_of(s.files())
    assert can(env, "user/u", "ec2:DescribeInstances", "*", missing="strict", via="roles").verdict == "yes"
    assert can(env, "role/q", "ec2:DescribeInstances", "*", missing="strict", via="direct").verdict == "unknown"

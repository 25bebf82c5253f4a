"""read_policy: every row of semantics 1.4, in the place where it belongs."""

import json
from urllib.parse import quote

import pytest

from iamsim.diagnostics import Origin
from iamsim.model.json_text import DECODER
from iamsim.model.policy import Effect, Malformed, PolicyKind, Quantifier
from iamsim.model.read_policy import OPERATORS, operator_name, read_policy

ORIGIN = Origin("file", "/x")
GOOD = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
TRUST = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"


def doc(*statements, version="2012-10-17", **more):
    return {"Version": version, "Statement": list(statements), **more}


def read(value, kind=PolicyKind.IDENTITY, **more):
    policy, said = read_policy(value, kind, "p", ORIGIN, **more)
    return policy, [d.id for d in said]


def one(statement, kind=PolicyKind.IDENTITY, **more):
    policy, said = read(doc(statement), kind, **more)
    return policy.statements[0], said


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        (7, "policy-not-object"),
        (None, "policy-not-object"),
        ([], "policy-not-object"),
        ("{", "policy-not-text"),
        ({}, "policy-no-statement"),
        ({"Statement": None}, "policy-no-statement"),
        ({"Statement": GOOD, "Version": "2020"}, "policy-version"),
        ({"Statement": GOOD, "Version": ["2012-10-17"]}, "policy-version"),
        ({"Statement": GOOD, "statement": GOOD}, "policy-duplicate-member"),
        (doc(GOOD, Id="x"), "policy-id"),
        (DECODER.decode('{"Statement": [{"Effect": "Allow", "Effect": "Deny"}]}'), "policy-duplicate-member"),
        (DECODER.decode('{"Statement": [], "Statement": []}'), "policy-duplicate-member"),
        (
            doc({**GOOD, "Condition": DECODER.decode('{"Bool": {"a": "true", "a": "false"}}')}),
            "policy-duplicate-member",
        ),
    ],
)
def test_a_document_that_is_no_policy_is_unknown(value, finding):
    policy, said = read(value)
    assert policy.malformed
    assert policy.statements == ()
    assert said == [finding]


def test_text_documents_read_as_objects():
    value = doc(GOOD)
    assert {read(v)[0] for v in (value, json.dumps(value), quote(json.dumps(value)))} == {read(value)[0]}
    assert read(quote(json.dumps(value)))[0].document == value


def test_version_absent_is_2008_without_variables():
    policy, _ = read({"Statement": {**GOOD, "Resource": "arn:aws:s3:::${aws:username}"}})
    assert policy.version == "2008-10-17"
    assert not policy.statements[0].resource.patterns[0].variables
    assert (
        read(doc({**GOOD, "Resource": "arn:aws:s3:::${aws:username}"}))[0].statements[0].resource.patterns[0].variables
    )


@pytest.mark.parametrize(
    ("statement", "kind", "finding"),
    [
        (7, PolicyKind.IDENTITY, "policy-statement"),
        ({**GOOD, "NotAction": "x:y"}, PolicyKind.IDENTITY, "policy-both"),
        ({**GOOD, "effect": "Deny"}, PolicyKind.IDENTITY, "policy-both"),
        ({**GOOD, "Extra": 1}, PolicyKind.IDENTITY, "policy-unknown-element"),
        ({**GOOD, "Principal": "*"}, PolicyKind.IDENTITY, "policy-prohibited"),
        ({**TRUST, "Resource": "*"}, PolicyKind.TRUST, "policy-prohibited"),
        ({"Effect": "Allow", "Resource": "*"}, PolicyKind.IDENTITY, "policy-no-action"),
        ({"Effect": "Allow", "Action": [], "Resource": "*"}, PolicyKind.IDENTITY, "policy-no-action"),
        ({"Effect": "Allow", "Action": "*"}, PolicyKind.IDENTITY, "policy-no-resource"),
        (GOOD, PolicyKind.RESOURCE, "policy-no-principal"),
        ({**GOOD, "Principal": "*"}, PolicyKind.RCP, "policy-prohibited"),
        (
            {"Effect": "Deny", "Principal": "*", "NotAction": "s3:*", "Resource": "*"},
            PolicyKind.RCP,
            "policy-prohibited",
        ),
    ],
)
def test_a_malformed_statement_is_unknown(statement, kind, finding):
    read_one, said = one(statement, kind)
    assert read_one.malformed
    assert said[0] == finding


def test_effect_is_exact_and_its_lack_unknown_both_ways():
    for effect in ("allow", None, 1, ["Allow"]):
        statement, said = one({**GOOD, "Effect": effect})
        assert statement.effect is Effect.BOTH
        assert statement.malformed is None
        assert said == ["policy-effect"]


def test_an_unknown_element_of_a_deny_is_ignored():
    statement, said = one({**GOOD, "Effect": "Deny", "Extra": 1})
    assert statement.malformed is None
    assert said == ["policy-unknown-element"]


def test_case_of_names_is_forgiven():
    statement, said = one(
        {"effect": "Allow", "ACTION": "s3:*", "Resource": "*", "Condition": {"stringlikeifexists": {"a:b": "x"}}}
    )
    assert statement.malformed is None
    assert said == ["policy-case"] * 3
    assert (statement.conditions[0].operator, statement.conditions[0].if_exists) == ("StringLike", True)


def test_key_policies_may_lack_action_or_resource():
    statement, said = one({"Effect": "Allow", "Principal": "*", "Action": "kms:*"}, PolicyKind.RESOURCE, arn=KEY)
    assert statement.inert
    assert statement.malformed is None
    assert said == ["policy-inert"]


def test_repository_policies_lack_resource():
    arn = "arn:aws:ecr:eu-west-1:111122223333:repository/r"
    statement, said = one({"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}, PolicyKind.RESOURCE, arn=arn)
    assert statement.malformed is None
    assert said == []


def test_the_full_access_rcp_has_no_allow():
    full = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    policy, said = read_policy(doc(full), PolicyKind.RCP, "RCPFullAWSAccess", ORIGIN)
    assert policy.statements == ()
    assert said == ()
    assert isinstance(one({**full, "Effect": "Deny"}, PolicyKind.RCP)[0].action.patterns[0], Malformed)


@pytest.mark.parametrize("action", ["s3", "s3:", ":x", "*:Get", "s?:Get", "s3:Get Object", "**", "", 7, None])
def test_malformed_actions(action):
    statement, said = one({**GOOD, "Action": ["s3:*", action]})
    assert isinstance(statement.action.patterns[1], Malformed)
    assert said == ["policy-action"]


@pytest.mark.parametrize(
    "resource", ["bucket", "", "arn:aws:s*:::x", "arn:aws:s3:${aws:x}::y", "${aws:username}", None]
)
def test_malformed_resources(resource):
    statement, said = one({**GOOD, "Resource": ["*", resource]})
    assert isinstance(statement.resource.patterns[1], Malformed)
    assert said == ["policy-resource"]


def test_star_colon_star_is_every_action():
    assert one({**GOOD, "Action": "*:*"})[0].action == one({**GOOD, "Action": "*"})[0].action


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "arn:aws:iam::111122223333:user/*"},
        {"AWS": "arn:aws:iam::111122223333:group/g"},
        {"AWS": "arn:aws:iam::111122223333:user/${aws:username}"},
        {"AWS": "11112222333"},
        {"Service": "*"},
        {"aws": "111122223333"},
        {"AWS": []},
        {"AWS": 7},
        {},
        "arn:aws:iam::111122223333:root",
    ],
)
def test_malformed_principals(principal):
    statement, said = one({**TRUST, "Principal": principal}, PolicyKind.TRUST)
    assert [type(e) for e in statement.principal.entries] == [Malformed]
    assert said == ["policy-principal"]


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"AWS": ["111122223333", "arn:aws-cn:iam::111122223333:role/a/b"]},
        {"AWS": "arn:aws:sts::111122223333:assumed-role/r/s"},
        {"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity EXAMPLE"},
        {"AWS": "AROAEXAMPLE", "Service": "lambda.amazonaws.com", "Federated": "accounts.google.com"},
    ],
)
def test_well_formed_principals(principal):
    assert one({**TRUST, "Principal": principal}, PolicyKind.TRUST)[1] == []


def test_operators():
    assert len(OPERATORS) == len(set(OPERATORS)) == 26
    for base in OPERATORS:
        name = operator_name(f"ForAnyValue:{base}IfExists")
        assert (name.base, name.quantifier, name.if_exists, name.exact) == (base, Quantifier.ANY, True, True)
    for text in ("StringEqual", "ForSomeValues:Bool", "", ":Bool", "IfExists"):
        assert operator_name(text) is None


@pytest.mark.parametrize(
    ("condition", "finding"),
    [
        (None, "policy-condition"),
        ([], "policy-condition"),
        ({"Bool": None}, "policy-condition"),
        ({"Bool": {"a": []}}, "policy-condition"),
        ({"Bool": {"a": None}}, "policy-condition"),
        ({"StringLike": {"a": ["x", {}]}}, "policy-condition"),
        ({"Like": {"a": "x"}}, "policy-operator"),
        ({"Null": {"a": "yes"}}, "policy-value"),
    ],
)
def test_a_malformed_condition_is_an_unknown_leaf(condition, finding):
    statement, said = one({**GOOD, "Condition": condition})
    assert statement.malformed is None
    assert statement.conditions[0].malformed
    assert said == [finding]


def test_condition_values_are_json_text():
    condition = {"StringEquals": {"a": ["x", True, 5, 1.5, -0.0]}}
    assert one({**GOOD, "Condition": condition})[0].conditions[0].values == ("x", "true", "5", "1.5", "-0.0")


def test_warnings_leave_the_policy_as_it_is():
    value = doc(
        {**GOOD, "Sid": "a"}, {**GOOD, "Sid": "a"}, {**GOOD, "Sid": "b c"}, {**GOOD, "Resource": "arn:aws:s3:::\u20ac"}
    )
    policy, said = read(value)
    assert said == ["policy-characters", "policy-sid", "policy-sid"]
    assert not policy.malformed
    assert not any(s.malformed for s in policy.statements)

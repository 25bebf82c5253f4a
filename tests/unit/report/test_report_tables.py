"""The tables of reports: every reason of the ledger has a sentence and a remedy, every key somebody who controls it."""

import pytest

from iamsim.aws.keys import ROWS
from iamsim.report.controls import MEANING, Control, control_of
from iamsim.report.reasons import LEDGER, explain


def test_the_whole_ledger_is_explained():
    assert {f"X{n}" for n in range(1, 44)} <= set(LEDGER)


@pytest.mark.parametrize("code", sorted(LEDGER))
def test_rows_are_sentences_in_house_style(code):
    row = LEDGER[code]
    for text in (row.sentence, row.remedy):
        assert text
        assert not text.endswith(".")
        assert "\n" not in text


@pytest.mark.parametrize(
    ("code", "sentence", "remedy"),
    [
        ("missing:owner of the resource", "the account of the resource", "--resource-account"),
        ("missing:resource", "the resource is not known", "one resource"),
        ("missing:policy of arn:aws:s3:::b", "no input holds the policy of arn:aws:s3:::b", "resource policy"),
        ("missing:key policy of arn:k", "every key has one", "key policy"),
        ("missing:trust policy of arn:r", "no input holds the trust policy of arn:r", "account of the role"),
        ("missing:organization of account 111122223333", "organization of account 111122223333", "organization tree"),
        ("missing:SCPs of ou-1", "no SCP for ou-1", "whole organization"),
        ("missing:policy of endpoint vpce-1", "policy of endpoint vpce-1", "--endpoint-policy"),
        ("missing:session policies of the role session", "may have been passed", "--session-policy"),
        ("missing:arn:aws:iam::aws:policy/X", "`arn:aws:iam::aws:policy/X` is in no input", "add an input"),
        ("missing:arn:a is not in the snapshot", "arn:a is not in the snapshot", "account of the principal"),
        ("missing:aws:CurrentTime", "every request has aws:CurrentTime", "--context aws:CurrentTime=VALUE"),
        ("missing:something else", "no input tells: something else", "load"),
        ("malformed:date", "malformed part: date", "correct the policy"),
        ("unsupported:a thing", "cannot decide this: a thing", "try it"),
        ("budget:rounds", "budget was used up: rounds", "one action"),
        ("unknown condition operator `X`", "unknown condition operator `X`", "warnings"),
        ("X999", "X999", "warnings"),
    ],
)
def test_codes_are_explained(code, sentence, remedy):
    reason = explain(code)
    assert sentence in reason.sentence
    assert remedy in reason.remedy


@pytest.mark.parametrize(
    ("key", "control"),
    [
        ("aws:SourceIp", Control.ENVIRONMENT),
        ("aws:sourceip", Control.ENVIRONMENT),
        ("aws:CurrentTime", Control.ENVIRONMENT),
        ("sts:ExternalId", Control.SECRET),
        ("sts:RoleSessionName", Control.CALLER),
        ("aws:MultiFactorAuthPresent", Control.CALLER),
        ("aws:RequestTag/team", Control.CALLER),
        ("aws:PrincipalTag/team", Control.ADMINISTRATOR),
        ("aws:ResourceTag/team", Control.OWNER),
        ("ec2:ResourceTag/team", Control.OWNER),
        ("aws:SourceArn", Control.SERVICE),
        ("token.actions.githubusercontent.com:sub", Control.PROVIDER),
        ("SAML:aud", Control.PROVIDER),
        ("s3:prefix", Control.CALLER),
    ],
)
def test_control_of_keys(key, control):
    assert control_of(key) is control


def test_every_control_has_a_meaning():
    assert set(MEANING) == set(Control)
    assert {control_of(row.name) for row in ROWS} <= set(Control)

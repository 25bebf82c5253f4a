"""What can be typed next: by the grammar, and by the names that are loaded and known."""

from pathlib import Path

import pytest

from iamsim import load
from iamsim.query.complete import actions, completions, keys, principals, resources

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def acme():
    return load(ROOT / "corpus/organizations/acme/snapshot")


@pytest.mark.parametrize(
    ("typed", "kind", "offered"),
    [
        ("", "word", "who"),
        ("can user/c", "principal", "user/carol"),
        ("can USER/C", "principal", "user/carol"),
        ("can role/PulumiD", "principal", "555566667777:role/PulumiDeploy"),
        ("can 5555", "principal", "555566667777:role/OnCall"),
        ("can arn:aws:iam::2222", "principal", "arn:aws:iam::222233334444:user/carol"),
        ("can anon", "principal", "anonymous"),
        ("can account ", "account", "555566667777"),
        ("can service lam", "service", "lambda.amazonaws.com"),
        ("can user/carol do ec2:Term", "action", "ec2:TerminateInstances"),
        ("can user/carol do se", "action", "secretsmanager:"),
        ("who can do s3:GetObject on arn:aws:s3:::acme-prod", "resource", "arn:aws:s3:::acme-prod-backups"),
        ("can user/carol do s3:GetObject on * v", "word", "via"),
        ("can user/carol do s3:GetObject on * via ", "word", "escalation"),
        ("can user/carol do s3:GetObject on * when aws:Sec", "key", "aws:SecureTransport"),
        ("can user/carol do s3:ListBucket on * when s3:pre", "key", "s3:prefix"),
        ("can user/carol do s3:GetObject on * when (no aws:x or has aws:SourceI", "key", "aws:SourceIp"),
        ("paths from user/carol to role/OnC", "principal", "role/OnCall"),
        ("only via role/EC2D", "principal", "role/EC2DeleteRole"),
    ],
)
def test_offered(acme, typed, kind, offered):
    found = completions(acme, typed)
    assert (offered, kind) in {(c.text, c.kind) for c in found}
    assert {typed[len(typed) - c.length :].lower() for c in found} == {typed[len(typed) - found[0].length :].lower()}


@pytest.mark.parametrize(
    "typed", ["nonsense ", "can user/carol od s3:", "can user/carol do s3:GetObject on * when ((((", "'"]
)
def test_nothing_where_nothing_fits(acme, typed):
    assert all(c.kind in ("word", "key") for c in completions(acme, typed))


def test_every_offered_word_can_be_read(acme):
    from iamsim.model.grammar import wanted

    head = "can user/carol do s3:GetObject on arn:aws:s3:::b/k "
    for found in completions(acme, head):
        names, fixed = wanted("query", f"{head}{found.text} ", start="single")
        assert names or fixed, found.text


def test_short_names_are_unambiguous(acme):
    from iamsim.judge.callers import read_callers

    for name in principals(acme, "role/"):
        assert len(read_callers(acme, name)) == 1


def test_parts_of_names_find_principals(acme):
    assert "role/WebDeploy" in principals(acme, "deploy")


def test_names_that_are_none():
    assert actions("s3:Get*") == ()
    assert actions("nothing") == ()
    assert keys("nothing:") == ()


def test_resources_of_any_kind(acme):
    assert "*" in resources(acme, "")
    assert "arn:aws:iam::555566667777:role/OnCall" in resources(acme, "arn:aws:iam::555566667777:role/On")

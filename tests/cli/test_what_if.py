"""`iamsim what-if`: the diff of a snapshot and its edited self, rules that flip, exit statuses, and bad input."""

import json

import pytest

BEFORE, RULE, TRUST = "docs/examples/before.json", "docs/examples/queue.iamq", "docs/examples/queue-trust.json"
REPORTS = "arn:aws:iam::111122223333:role/Reports"
QUEUE = "arn:aws:iam::111122223333:role/Queue"
DANA = "arn:aws:iam::111122223333:user/dana"


def rows(out):
    return [(r["change"], r["principals"], r["patterns"], r["resources"]) for r in json.loads(out)["rows"]]


def test_a_trust_policy(cli):
    status, out, _ = cli("what-if", "-s", BEFORE, "--trust", f"role/Queue={TRUST}", "--format", "json")
    assert status == 0
    assert ("gained", [DANA], ["sts:AssumeRole"], [QUEUE]) in rows(out)
    assert all(r["request"]["allowed_by"] for r in json.loads(out)["rows"])


def test_an_inline_policy_goes_and_another_comes(cli, tmp_path):
    file = tmp_path / "p.json"
    file.write_text(
        '{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/*"}}'
    )
    out = cli("what-if", "-s", BEFORE, "--put-policy", f"role/Reports=read={file}", "--format", "json")[1]
    assert rows(out) == [("lost", [REPORTS], ["s3:PutObject"], ["arn:aws:s3:::reports/*"])]


def test_edits_of_several_kinds(cli):
    argv = ("--detach", "role/Reports=read", "--attach", "user/dana=AmazonSQSFullAccess", "--delete", "role/Queue")
    out = cli("what-if", "-s", BEFORE, *argv, "--format", "json", "--actions", "sqs:*")[1]
    changes = {(c, w[0]) for c, w, _, _ in rows(out)}
    assert changes == {("gained", DANA), ("lost", QUEUE)}


@pytest.mark.parametrize(("form", "said"), [("text", "holds → broken"), ("markdown", "| holds | broken |")])
def test_a_rule_flips(cli, form, said):
    status, out, _ = cli(
        "what-if",
        "-s",
        BEFORE,
        "--trust",
        f"role/Queue={TRUST}",
        "--rules",
        RULE,
        "--format",
        form,
        "--actions",
        "sts:*",
    )
    assert status == 1
    assert said in out


def test_rules_in_json(cli):
    argv = ("what-if", "-s", BEFORE, "--rules", RULE, "--format", "json", "--actions", "sts:*")
    assert json.loads(cli(*argv, "--trust", f"role/Queue={TRUST}")[1])["rules"] == [
        {"rule": "queue-is-for-ec2", "before": "holds", "after": "broken", "reason": None}
    ]
    status, out, _ = cli(*argv, "--delete", "user/dana")
    (flip,) = json.loads(out)["rules"]
    assert (status, flip["after"]) == (3, "not askable")
    assert "`dana`" in flip["reason"]
    status, out, _ = cli(*argv, "--detach", "role/Reports=read")
    assert (status, json.loads(out)["rules"]) == (0, [])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "nothing is to be changed"),
        (("--attach", "role/Reports"), "is incomplete"),
        (("--put-policy", "role/Reports=x"), "is incomplete"),
        (("--put-policy", "role/Reports=x=no/such"), "no/such"),
        (("--put-policy", "role/Reports=x=README.md"), "README.md"),
        (("--delete", "user/\x1b[31m"), "\\x1b[31m"),
        (("--delete", "user/dana", "--rules", "docs/diff.md"), "docs/diff.md:3:1"),
    ],
)
def test_bad_input(cli, argv, said):
    status, out, err = cli("what-if", "-s", BEFORE, *argv)
    assert (status, out) == (2, "")
    assert said in err
    assert "\x1b" not in err

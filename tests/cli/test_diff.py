"""`iamsim diff`: rows in each form, exit statuses, and what is said about bad input."""

import json
from pathlib import Path

import pytest

BEFORE, AFTER = "docs/examples/before.json", "docs/examples/after.json"
QUEUE = "arn:aws:iam::111122223333:role/Queue"
REPORTS = "arn:aws:iam::111122223333:role/Reports"
DANA = "arn:aws:iam::111122223333:user/dana"


def rows(out):
    return [
        (r["change"], tuple(r["principals"]), tuple(r["patterns"]), tuple(r["resources"]))
        for r in json.loads(out)["rows"]
    ]


def test_rows(cli):
    status, out, _ = cli("diff", BEFORE, AFTER, "--format", "json")
    assert status == 0
    assert rows(out) == [
        ("gained", (REPORTS,), ("s3:GetObject",), ("arn:aws:s3:::*",)),
        ("gained", (DANA,), ("sts:AssumeRole",), (QUEUE,)),
        ("lost", (REPORTS,), ("s3:PutObject",), ("arn:aws:s3:::reports/*",)),
    ]
    assert all(r["sure"] and r["request"]["allowed_by"] for r in json.loads(out)["rows"])


def test_backwards(cli):
    there = rows(cli("diff", BEFORE, AFTER, "--format", "json")[1])
    back = rows(cli("diff", AFTER, BEFORE, "--format", "json")[1])
    turned = {"gained": "lost", "lost": "gained"}
    assert sorted((turned[c], *rest) for c, *rest in back) == sorted(there)


@pytest.mark.parametrize(
    ("pair", "expect", "status"),
    [
        ((BEFORE, AFTER), "no-gain", 1),
        ((BEFORE, AFTER), "no-loss", 1),
        ((BEFORE, AFTER), "nothing", 1),
        ((BEFORE, BEFORE), "nothing", 0),
        ((BEFORE, BEFORE), "no-gain", 0),
    ],
)
def test_expectations(cli, pair, expect, status):
    assert cli("diff", *pair, "--expect", expect)[0] == status


def test_nothing_changed(cli):
    snapshot = "corpus/organizations/acme/snapshot"
    status, out, _ = cli("diff", "-q", snapshot, snapshot, "--expect", "nothing")
    assert status == 0
    assert out.startswith("SAME")


def test_part_of_it(cli):
    out = cli("diff", BEFORE, AFTER, "--format", "json", "--actions", "sts:*")[1]
    assert [r[1] for r in rows(out)] == [(DANA,)]
    out = cli("diff", BEFORE, AFTER, "--format", "json", "--principals", "*:role/*")[1]
    assert [r[0] for r in rows(out)] == ["gained", "lost"]


def test_markdown_is_escaped(cli, tmp_path):
    value = json.loads(Path(AFTER).read_text().replace('"read"', '"re|ad`<b>"'))
    (tmp_path / "a.json").write_text(json.dumps(value))
    status, out, _ = cli("diff", BEFORE, tmp_path / "a.json", "--format", "markdown")
    assert status == 0
    assert "re\\|ad\\`\\<b\\>" in out
    assert "<b>" not in out
    table = [x for x in out.splitlines() if x.startswith("|")]
    assert all(x.replace("\\|", "").count("|") == 6 for x in table)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("no/such/file", AFTER), "no/such/file"),
        ((BEFORE, "README.md"), "README.md"),
        ((BEFORE, "\x1b[31m"), "\\x1b[31m"),
    ],
)
def test_bad_input(cli, argv, said):
    status, out, err = cli("diff", *argv)
    assert (status, out) == (2, "")
    assert said in err
    assert "\x1b" not in err


def test_two_policies_are_for_compare(cli, tmp_path):
    (tmp_path / "p.json").write_text(
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
    )
    status, _, err = cli("diff", tmp_path / "p.json", tmp_path / "p.json")
    assert status == 2
    assert "iamsim compare" in err

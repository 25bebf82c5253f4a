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


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_a_statement_of_many_places_is_told_once(cli, tmp_path, form):
    acme = Path("corpus/organizations/acme/snapshot")
    trust = tmp_path / "trust.json"
    trust.write_text('{"Version": "2012-10-17", "Statement": []}', encoding="utf-8")
    edit = f"555566667777:role/EC2DeleteRole={trust}"
    out = cli("what-if", "-s", acme, "--trust", edit, "--principals", "*:role/OnCall", "--format", form)[1]
    assert out.count("SCP FullAWSAccess") == 1
    assert "organization.json:27, 338, 554, 654)" in " ".join(out.split()).replace("\\", "")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("no/such/file", AFTER), "no/such/file"),
        ((BEFORE, "README.md"), "README.md"),
        ((BEFORE, "\x1b[31m"), "\\x1b[31m"),
        ((BEFORE, AFTER, "--actions", "sts:AssumeRol"), "did you mean `sts:AssumeRole`?"),
        ((BEFORE, AFTER, "--actions", "nothing"), "no known action fits `nothing`"),
        ((BEFORE, AFTER, "--principals", "user/dana"), "did you mean `*:user/dana`?"),
        ((BEFORE, AFTER, "--principals", "*user/danna"), "no caller fits `*user/danna`"),
        ((BEFORE, AFTER, "--principals", "user/dana", "--via", "roles"), "did you mean `*:user/dana`?"),
    ],
)
def test_bad_input(cli, argv, said):
    status, out, err = cli("diff", *argv)
    assert (status, out) == (2, "")
    assert said in err
    assert "\x1b" not in err


def document(folder, name, *actions):
    text = f'{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": {json.dumps(actions)}, "Resource": "*"}}}}'
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_two_policies(cli, tmp_path):
    old, new = (
        document(tmp_path, "old.json", "sqs:SendMessage"),
        document(tmp_path, "new.json", "sqs:SendMessage", "sqs:DeleteQueue"),
    )
    status, out, err = cli("diff", old, new)
    assert (status, err) == (0, "")
    assert "BECAME POSSIBLE\n\n  whoever has the policy\n    sqs:DeleteQueue\n" in out
    assert cli("diff", old, new, "--expect", "no-gain")[0] == 1
    assert cli("diff", new, old, "--expect", "no-gain")[0] == 0
    _, out, _ = cli("diff", old, new, "--format", "json")
    assert json.loads(out)["rows"][0]["actions"] == ["sqs:DeleteQueue"]
    assert "sqs:DeleteQueue" in cli("diff", old, new, "--format", "markdown")[1]


def test_policies_and_snapshots_do_not_mix(cli, tmp_path):
    new = document(tmp_path, "new.json", "sqs:SendMessage")
    status, _, err = cli("diff", new, "docs/examples/after.json")
    assert status == 2
    assert "is a policy document" in err
    assert cli("diff", new, new, "--via", "roles")[0] == 2
    (tmp_path / "bad.json").write_text('{"Statement": ', encoding="utf-8")
    assert cli("diff", tmp_path / "bad.json", new)[0] == 2


@pytest.mark.parametrize("via", ["roles", "escalation"])
def test_whom_principals_can_become(cli, via):
    sides = ("docs/examples/before.json", "docs/examples/after.json")
    status, out, _ = cli("diff", "-q", *sides, "--via", via, "--expect", "no-gain")
    assert status == 1
    assert "CAN NOW BECOME\n\n  user/dana (111122223333)\n    → role/Queue (111122223333)\n" in out
    assert cli("diff", "-q", *sides[::-1], "--via", via, "--expect", "no-gain")[0] == 0
    _, out, _ = cli("diff", "-q", *sides, "--via", via, "--format", "json")
    assert [r["gained"] for r in json.loads(out)["rows"]] == [True]
    assert cli("diff", "-q", *sides, "--via", via, "--format", "markdown")[1].startswith("### Can now become")
    assert cli("diff", "-q", *sides, "--via", via, "--actions", "s3:*")[0] == 2

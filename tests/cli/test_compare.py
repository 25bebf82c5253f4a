"""`iamsim compare`: relations, exit statuses, forms, and what is said about bad input."""

import json

import pytest

NARROW, WIDE = "AmazonS3ReadOnlyAccess", "AmazonS3FullAccess"


def write(path, *statements, **more):
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more}))
    return path


@pytest.mark.parametrize(
    ("expect", "status"),
    [
        (None, 0),
        ("narrower", 0),
        ("narrower-or-equal", 0),
        ("equivalent", 1),
        ("wider", 1),
        ("wider-or-equal", 1),
        ("incomparable", 1),
    ],
)
def test_expectations(cli, expect, status):
    more = () if expect is None else ("--expect", expect)
    found, out, _ = cli("compare", NARROW, WIDE, *more)
    assert found == status
    assert out.startswith("NARROWER  AmazonS3ReadOnlyAccess allows less")


def test_equal_policies_meet_both_weak_expectations(cli):
    for expect in ("narrower-or-equal", "wider-or-equal", "equivalent"):
        assert cli("compare", WIDE, f"arn:aws:iam::aws:policy/{WIDE}", "--expect", expect)[0] == 0


def test_future_actions_count_when_asked_for(cli):
    pair = ("AmazonFSxReadOnlyAccess", "AmazonFSxFullAccess")
    assert cli("compare", *pair, "--expect", "narrower")[0] == 0
    status, out, _ = cli("compare", *pair, "--expect", "narrower", "--future")
    assert status == 1
    assert "actions that AWS may add one day" in out


def test_json(cli):
    status, out, _ = cli("compare", NARROW, WIDE, "--format", "json")
    value = json.loads(out)
    assert status == 0
    assert value["relation"] == "narrower"
    assert [d["only"] for d in value["differences"]] == ["b"]


def test_files(cli, tmp_path):
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    a = write(tmp_path / "a.json", statement)
    b = tmp_path / "b.json"
    b.write_text(json.dumps({"PolicyVersion": {"Document": json.loads(a.read_text()), "VersionId": "v3"}}))
    assert cli("compare", a, b, "--expect", "equivalent")[0] == 0
    c = write(tmp_path / "c.json", {**statement, "Action": "s3:ListAllMyBuckets", "Resource": "arn:aws:s3:::*"})
    status, out, _ = cli("compare", c, write(tmp_path / "none.json", {**statement, "Action": "sqs:SendMessage"}))
    assert status == 3
    assert "not known" in out


def test_order_of_a_set(cli):
    status, out, _ = cli("compare", "--all", WIDE, NARROW, "AdministratorAccess")
    assert (status, out) == (
        0,
        (
            "3 policies, 3 classes that differ, 2 steps\n\n  AdministratorAccess\n\n  AmazonS3FullAccess\n"
            "    < AdministratorAccess\n\n  AmazonS3ReadOnlyAccess\n    < AmazonS3FullAccess\n"
        ),
    )
    assert cli("compare", "--all", WIDE, NARROW, "--format", "dot")[1].splitlines()[-2] == "  n1 -> n0;"
    value = json.loads(cli("compare", "--all", WIDE, NARROW, "--format", "json")[1])
    assert value["classes"][1] == {"policies": [NARROW], "narrower_than": [WIDE], "wider_than": []}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "no policy is given"),
        ((NARROW,), "1 policies are given"),
        ((NARROW, "AmazonS3FullAcces"), "did you mean `AmazonS3FullAccess`?"),
        ((NARROW, "arn:aws:iam::aws:policy/Nothing"), "neither a file nor an AWS managed policy"),
        ((NARROW, "\x1b[31m"), "\\x1b[31m"),
        ((NARROW, "a\x00b"), "a\\x00b"),
        ((NARROW, "README.md"), "is not JSON"),
        ((NARROW, "corpus/organizations/tiny/snapshot"), "tiny/snapshot"),
        ((NARROW, WIDE, "--format", "dot"), "add --all"),
        (("--all",), "no policy is given"),
        (("--all", NARROW, "--expect", "wider"), "speak of two policies"),
    ],
)
def test_bad_input(cli, argv, said):
    status, out, err = cli("compare", *argv)
    assert (status, out) == (2, "")
    assert said in err
    assert "\x1b" not in err


@pytest.mark.parametrize("text", ["[]", "{}", '{"Statement": []}', '"x"', '{"Version": "2020-01-01", "Statement": {}}'])
def test_what_is_no_policy(cli, tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    status, out, err = cli("compare", NARROW, tmp_path / "p.json", "--format", "json")
    if status == 2:
        assert json.loads(out)["error"]["kind"] == "input"
        assert "error:" in err
    else:
        assert text == '{"Statement": []}'


def test_a_policy_with_principals_is_refused(cli, tmp_path):
    file = write(tmp_path / "p.json", {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"})
    status, _, err = cli("compare", NARROW, file)
    assert status == 2
    assert "principal" in err.lower()

"""`iamsim who-can` and `iamsim what-can`."""

import json

import pytest

TINY = "corpus/organizations/tiny/snapshot"
ACME = "corpus/organizations/acme/snapshot"
DELETE = ("s3:DeleteObject", "arn:aws:s3:::acme-prod-backups/*")
KEEPER = "555566667777:role/BackupAdmin"
TERMINATE = ("ec2:TerminateInstances", "arn:aws:ec2:eu-west-1:555566667777:instance/i-0123456789abcdef0")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ((*DELETE, "--only", KEEPER), 0, "YES  the claim holds: nobody else can"),
        ((*DELETE, "--only", "nobody"), 1, "NO  the claim does not hold: 1 other caller can"),
        ((*DELETE, "--only", "nobody", "--except", KEEPER), 0, "the claim holds"),
        ((*TERMINATE, "--only", "role/EC2DeleteRole"), 1, "AWSServiceRoleForAutoScaling"),
        (("s3:GetObject", "arn:aws:s3:::partner-feed/x", "--only", "nobody"), 3, "UNKNOWN  whether the claim holds"),
        (("s3:GetObject", "arn:aws:s3:::partner-feed/x", "--only", "nobody", "--unknown", "fail"), 1, "UNKNOWN"),
        (("s3:GetObject", "arn:aws:s3:::partner-feed/x", "--only", "nobody", "--unknown", "pass"), 0, "UNKNOWN"),
        (DELETE, 0, "1 caller can"),
        (("ec2:DeleteVpc", "arn:aws:ec2:eu-west-1:555566667777:vpc/vpc-1", "--except", "*:*"), 2, ""),
    ],
)  # fmt: skip
def test_who_can_status(cli, words, status, text):
    found, out, err = cli("who-can", *words, "-s", ACME, "-q")
    assert found == status, out + err
    assert text in out


def test_who_can_as_json(cli):
    status, out, _ = cli("who-can", *DELETE, "--only", KEEPER, "-s", ACME, "-q", "--format", "json")
    found = json.loads(out)
    assert status == 0
    assert (found["schema"], found["claim"], found["via"]) == ("iamsim/1", "yes", "direct")
    [row] = found["rows"]
    assert (row["kind"], row["verdict"], row["expected"], row["always"]) == ("role", "yes", True, False)
    assert 'aws:RequestedRegion = "eu-west-1"' in row["condition"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("s3:DeleteObjct", DELETE[1], "--only", KEEPER), "did you mean `s3:DeleteObject`?"),
        ((*DELETE, "--only", "role/BackupAdmn"), "did you mean `role/BackupAdmin`?"),
        ((*DELETE, "--only", "role/PulumiDeploy"), "say which one"),
        (("s3:DeleteObject", "arn:aws:sqs:eu-west-1:555566667777:q"), "does not fit action"),
        (("DeleteObject", DELETE[1]), "is no action"),
    ],
)
def test_who_can_errors(cli, words, says):
    status, _, err = cli("who-can", *words, "-s", ACME, "-q")
    assert status == 2
    assert says in err


def test_errors_as_json(cli):
    status, out, _ = cli("who-can", *DELETE, "--only", "role/BackupAdmn", "-s", ACME, "--format", "json")
    assert status == 2
    assert json.loads(out)["error"]["kind"] == "query"


def test_two_runs_print_the_same(cli):
    assert cli("who-can", *TERMINATE, "-s", ACME, "--via", "roles") == cli(
        "who-can", *TERMINATE, "-s", ACME, "--via", "roles"
    )


def test_what_can_as_text(cli):
    status, out, err = cli("what-can", "user/alice", "-s", TINY, "-q")
    assert (status, err) == (0, "")
    assert "CONDITIONAL  DeleteObject on arn:aws:s3:::tiny-reports/drafts/*" in out
    assert "ListBucket on arn:aws:s3:::tiny-reports, under condition 2" in out
    status, out, _ = cli("what-can", "user/alice", "arn:aws:sqs:us-east-1:123456789012:q", "-s", TINY, "-q")
    assert (status, out) == (0, "user/alice can do nothing on arn:aws:sqs:us-east-1:123456789012:q\n")


def test_what_can_as_json_and_policy(cli):
    _, out, _ = cli("what-can", "user/alice", "-s", TINY, "-q", "--format", "json")
    rows = {(a, r["resource"]): r for r in json.loads(out)["rows"] for a in r["actions"]}
    assert rows["sts:AssumeRole", "arn:aws:iam::123456789012:role/ReportWriter"]["verdict"] == "yes"
    _, out, _ = cli("what-can", "user/alice", "-s", TINY, "-q", "--format", "policy", "--bound", "lower")
    document = json.loads(out)
    assert document["Version"] == "2012-10-17"
    assert "s3:DeleteObject" not in {a for s in document["Statement"] if s["Effect"] == "Allow" for a in s["Action"]}


def test_what_can_errors(cli):
    assert cli("what-can", "user/alice", "-s", TINY, "--bound", "x")[0] == 2
    status, _, err = cli("what-can", "user/alic", "-s", TINY, "-q")
    assert status == 2
    assert "did you mean `user/alice`?" in err

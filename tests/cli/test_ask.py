"""`iamsim ask`, `only-via`, `cut` and `explain`."""

import json

import pytest

TINY = "corpus/organizations/tiny/snapshot"
ACME = "corpus/organizations/acme/snapshot"
REPORT = "arn:aws:s3:::tiny-reports/q1.csv"
WRITE = f"do s3:PutObject on {REPORT}"
PARTNER = "do s3:GetObject on arn:aws:s3:::partner-exports/q1.csv via direct"
TERMINATE = ("ec2:TerminateInstances", "arn:aws:ec2:eu-west-1:555566667777:instance/i-0123456789abcdef0")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ((f"can user/alice {WRITE}",), 0, "YES  user/alice can do"),
        ((f"can user/alice {WRITE} via direct",), 0, "NO  user/alice cannot do"),
        ((f"can user/alice {WRITE} expect no",), 1, "not as expected: no"),
        ((f"can user/alice {PARTNER}",), 3, "UNKNOWN"),
        ((f"can user/alice {PARTNER} expect no", "--unknown", "fail"), 1, "not known whether it is as expected"),
        ((f"can user/alice {PARTNER} expect no", "--unknown", "pass"), 0, "not known whether it is as expected"),
        ((f"can user/alice {PARTNER} expect no; can user/alice {WRITE} expect no",), 1, "<question>:1:"),
        ((f"can user/alicia {WRITE}; can user/alice {WRITE} expect yes",), 2, "as expected: yes"),
        (("# nothing",), 2, ""),
        ((), 2, ""),
        (("paths from user/alice to role/ReportWriter", "--limit", "0"), 2, ""),
    ],
)  # fmt: skip
def test_ask_status(cli, words, status, text):
    found, out, err = cli("ask", *words, "-s", TINY, "-q")
    assert found == status, out + err
    assert text in out


def test_a_file_with_a_broken_line_is_asked_and_cannot_pass(cli, tmp_path):
    file = tmp_path / "q.iamq"
    file.write_text(
        f"can user/alice {WRITE} expect yes\ncan user/alice doo it\nwho can {WRITE} via direct\n", encoding="utf-8"
    )
    status, out, _ = cli("ask", "-f", file, "-s", TINY, "-q")
    assert status == 2
    assert f"UNREADABLE {file}:2:16: `doo` is out of place" in " ".join(out.split())
    assert "           ^^^\n  did you mean `do`?" in out
    assert "2 callers can" in out
    assert cli("ask", "-f", file, "-s", TINY, "-q")[:2] == (status, out)


def test_questions_come_from_standard_input(cli):
    status, out, _ = cli("ask", "-f", "-", "-s", TINY, "-q", typed=f"can user/alice {WRITE}\n")
    assert (status, out.split("\n")[0]) == (0, f"<input>:1: can user/alice {WRITE}")


def test_ask_as_json(cli):
    status, out, _ = cli("ask", f"can user/alice {WRITE} expect yes; can x", "-s", TINY, "-q", "--format", "json")
    found = json.loads(out)
    assert status == 2
    assert found["schema"] == "iamsim/1"
    [answer] = found["answers"]
    assert (answer["verb"], answer["verdict"], answer["state"], answer["line"]) == ("can", "yes", "holds", 1)
    assert answer["answers"][0]["answer"]["path"][0]["technique"] == "sts-assume-role"
    [problem] = found["problems"]
    assert problem["line"] == 1


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("role/ReportWriter", "s3:PutObject", REPORT, "--except", "root"), 0, "YES nobody can do"),
        (("role/ReportWriter", "s3:PutObject", REPORT), 1, "arn:aws:iam::123456789012:root"),
        (("role/ReportWriter", "s3:PutObject", REPORT, "--except", "root", "--via", "roles"), 0, "by direct requests and roles"),
        (("role/ReportWriter", "s3:GetObject", REPORT, "--except", "root", "--cut"), 1, "1 thing has to go"),
        (("role/ReportWriter", "s3:GetObject", "arn:aws:s3:::partner-exports/q1.csv"), 3, "UNKNOWN"),
        (("role/ReportWrite", "s3:GetObject", REPORT), 2, ""),
        (("role/ReportWriter", "s3:GetObjct", REPORT), 2, ""),
    ],
)  # fmt: skip
def test_only_via_status(cli, words, status, text):
    found, out, err = cli("only-via", *words, "-s", TINY, "-q")
    assert found == status, out + err
    assert text in " ".join(out.split())


def test_only_via_as_json(cli):
    status, out, _ = cli(
        "only-via", "role/EC2DeleteRole", *TERMINATE, "--via", "roles", "-s", ACME, "-q", "--format", "json", "--cut"
    )
    found = json.loads(out)
    assert (status, found["verdict"], found["own"]) == (1, "no", "yes")
    [bypass] = found["bypasses"]
    assert bypass["principal"].endswith("role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    assert bypass["entered_by"] == ["autoscaling.amazonaws.com"]
    assert len(found["opened_by"]) == 2
    assert (found["cut"]["verdict"], len(found["cut"]["pieces"])) == ("yes", 1)


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("user/alice", "role/ReportWriter"), 0, "trust policy ReportWriter, statement 1"),
        (("user/alice", "--action", "s3:PutObject", "--resource", REPORT), 0, "the way that this closes"),
        (("role/ReportWriter", "user/alice"), 0, "nothing has to go"),
        (("123456789012:root", "--action", "s3:PutObject", "--resource", REPORT), 1, "nothing that can be taken away"),
        (("user/alice", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::partner-exports/q1.csv"), 3, "UNKNOWN"),
        (("user/alice",), 2, ""),
        (("user/alice", "role/ReportWriter", "--action", "s3:PutObject", "--resource", REPORT), 2, ""),
        (("user/alice", "role/ReportWrite"), 2, ""),
    ],
)
def test_cut_status(cli, words, status, text):
    found, out, err = cli("cut", *words, "-s", TINY, "-q")
    assert found == status, out + err
    assert text in " ".join(out.split())


def test_cut_as_json(cli):
    status, out, _ = cli(
        "cut", "user/carol", "--action", TERMINATE[0], "--resource", TERMINATE[1], "-s", ACME, "-q", "--format", "json"
    )
    found = json.loads(out)
    assert (status, found["verdict"], len(found["ways"])) == (0, "yes", 1)
    assert found["pieces"][0]["carriers"] == ["arn:aws:iam::222233334444:group/oncall"]
    assert found["pieces"][0] in found["ways"][0]["pieces"]


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("user/alice", "s3:PutObject", REPORT), 0, "1 thing has to go"),
        (("user/alice", "s3:PutObject", REPORT, "--via", "direct"), 0, "one thing short"),
        (("user/alice", "s3:GetObject", "arn:aws:s3:::partner-exports/q1.csv"), 3, "UNKNOWN"),
        (("user/alicia", "s3:PutObject", REPORT), 2, ""),
    ],
)
def test_explain_status(cli, words, status, text):
    found, out, err = cli("explain", *words, "-s", TINY, "-q")
    assert found == status, out + err
    assert text in " ".join(out.split())


def test_explain_as_json(cli):
    _, out, _ = cli("explain", "user/alice", "s3:PutObject", REPORT, "-s", TINY, "-q", "--format", "json")
    assert len(json.loads(out)["explanation"]["cut"]["pieces"]) == 1


def test_equivalent_roles(cli):
    status, out, err = cli("equivalent-roles", "111122223333:role/*", "-s", ACME, "-q")
    assert (status, err) == (0, "")
    assert "may do the same - role/OrgAdmin = role/aws-reserved/" in " ".join(out.split())
    assert "which also may" in out
    status, out, _ = cli("equivalent-roles", "111122223333:role/*", "-s", ACME, "-q", "--format", "json")
    assert [o["account"] for o in json.loads(out)["accounts"]] == ["111122223333"]
    assert cli("equivalent-roles", "role/Nobody", "-s", ACME, "-q")[0] == 2


def test_mined_rules_pass(cli, tmp_path):
    file = tmp_path / "m.iamq"
    status, out, err = cli("mine", "-s", TINY, "-o", file)
    assert (status, out) == (0, "")
    assert err.endswith(f"10 rules in {file}\n")
    status, out, _ = cli("check", file, "--no-findings", "-s", TINY, "-q", "--today", "2026-11-24")
    assert (status, out.split("\n")[0]) == (0, "PASSED  10 rules: 10 hold; 0 findings")
    assert file.read_text(encoding="utf-8") == cli("mine", "-s", TINY, "-q")[1]
    assert len(json.loads(cli("mine", "-s", TINY, "-q", "--format", "json")[1])["rules"]) == 10
    assert cli("mine", "-s", TINY, "-q", "--account", "1")[0] == 2
    assert cli("mine", "-s", TINY, "-q", "-o", tmp_path / "no" / "m.iamq")[0] == 2

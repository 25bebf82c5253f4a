"""`iamsim can`: options, exit statuses, and what is said about bad input."""

import json
import os
from pathlib import Path

import pytest

TINY = "corpus/organizations/tiny/snapshot"
PAIR = "corpus/organizations/pair/snapshot"
ACME = "corpus/organizations/acme/snapshot"
READ = ("can", "user/alice", "s3:GetObject", "arn:aws:s3:::tiny-reports/q1.csv", "--via", "direct")
WRITE = ("can", "user/alice", "s3:PutObject", "arn:aws:s3:::tiny-reports/q1.csv", "--via", "direct")
PARTNER = ("can", "user/alice", "s3:GetObject", "arn:aws:s3:::partner-exports/q1.csv", "--via", "direct")
HTTP = "aws:SecureTransport=false"


@pytest.mark.parametrize(
    ("question", "options", "status"),
    [
        (READ, (), 0),
        (READ, ("--expect", "no"), 1),
        (READ, ("--expect", "unknown"), 1),
        (WRITE, (), 1),
        (WRITE, ("--expect", "no"), 0),
        (PARTNER, (), 3),
        (PARTNER, ("--expect", "no"), 3),
        (PARTNER, ("--expect", "unknown"), 0),
        (PARTNER, ("--unknown", "pass"), 0),
        (PARTNER, ("--unknown", "fail"), 1),
        (READ, ("--unknown", "fail"), 0),
    ],
)
def test_status_is_by_expectation(cli, question, options, status):
    assert cli(*question, *options, "-s", TINY)[0] == status


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        (("--context", HTTP), "no"),
        (("--context", "AWS:securetransport=false"), "no"),
        (("--context", "aws:SecureTransport=true"), "yes"),
        (("--context", "aws:SecureTransport=null"), "yes"),
        (("--when", "aws:SecureTransport = false"), "no"),
        (("--strict",), "yes"),
        (("--engine", "z3"), "yes"),
        (("--missing", "closed"), "yes"),
    ],
)
def test_options_reach_the_question(cli, options, verdict):
    _, out, err = cli(*READ, *options, "-s", TINY, "--format", "json")
    assert json.loads(out)["verdict"] == verdict, err


def test_context_file_is_overruled_by_context(cli, tmp_path):
    file = tmp_path / "context.json"
    file.write_text('{"aws:SecureTransport": false}')
    assert cli(*READ, "-s", TINY, "--context-file", file)[0] == 1
    assert cli(*READ, "-s", TINY, "--context-file", file, "--context", "aws:SecureTransport=true")[0] == 0


def test_repeated_context_has_several_values():
    from iamsim.cli.options import given_keys

    pairs = ["aws:TagKeys=a", "aws:tagkeys=b", "sts:ExternalId=", "aws:SourceIp=null", "aws:RequestTag/k=x=y"]
    assert given_keys(pairs, None) == {
        "aws:tagkeys": ["a", "b"],
        "sts:externalid": "",
        "aws:sourceip": None,
        "aws:requesttag/k": "x=y",
    }


def test_session_policy_limits(cli, tmp_path):
    file = tmp_path / "session.json"
    file.write_text('{"Version": "2012-10-17", "Statement": []}')
    question = ("can", "role/ReportWriter", "s3:PutObject", "arn:aws:s3:::tiny-reports/q1.csv", "--via", "direct")
    assert cli(*question, "-s", TINY)[0] == 0
    assert cli(*question, "-s", TINY, "--session-policy", file)[0] == 1


def test_smtlib_is_written(cli, tmp_path):
    file = tmp_path / "question.smt2"
    status, out, _ = cli(*READ, "-s", TINY, "--smtlib", file)
    assert status == 0
    assert out.startswith("YES")
    assert "(check-sat)" in file.read_text()
    status, out, _ = cli(*READ, "-s", TINY, "--smtlib", "-")
    assert (status, out) == (0, file.read_text())


def test_explain_says_what_stands_behind_a_no(cli):
    question = ("can", "user/alice", "s3:DeleteObject", "arn:aws:s3:::tiny-reports/q1.csv", "-s", TINY, "--explain")
    status, out, _ = cli(*question, "--expect", "no")
    assert status == 0
    assert out.startswith("NO")
    assert (
        out.index("all 2 callers that are controlled are refused")
        < out.index("stopped by")
        < out.index("one thing short")
    )
    status, out, _ = cli(*question, "--format", "json")
    assert status == 1
    value = json.loads(out)
    assert value["verdict"] == "no"
    assert [r["caller"].rpartition(":")[2] for r in value["explanation"]["reached"]] == [
        "user/alice",
        "role/ReportWriter",
    ]
    assert value["explanation"]["near"][0]["lack"] == "permission"


def test_explain_leaves_a_yes_alone(cli):
    status, out, _ = cli(*READ, "-s", TINY, "--explain")
    assert (status, out) == cli(*READ, "-s", TINY)[:2]
    assert json.loads(cli(*READ, "-s", TINY, "--explain", "--format", "json")[1])["explanation"] is None
    assert "explanation" not in json.loads(cli(*READ, "-s", TINY, "--format", "json")[1])


def test_version_names_the_data(cli):
    status, out, _ = cli("--version")
    assert status == 0
    assert out.startswith("iamsim 0.")


# --- where the snapshot comes from


def test_snapshot_of_the_environment(cli, monkeypatch):
    monkeypatch.setenv("IAMSIM_SNAPSHOT", os.pathsep.join([f"{TINY}/account.json", f"{TINY}/resources.json"]))
    assert cli(*READ)[0] == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[tool.iamsim]\nsnapshot = ["snapshot"]\n'),
        ("iamsim.toml", '[tool.iamsim]\nsnapshot = ["snapshot"]\n'),
        ("iamsim.toml", 'snapshot = "snapshot"\n'),
    ],
)
def test_snapshot_of_the_configuration_is_relative_to_it(cli, tmp_path, monkeypatch, name, text):
    (tmp_path / name).write_text(text)
    (tmp_path / "snapshot").symlink_to(Path(TINY).resolve())
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert cli(*READ)[0] == 0


def test_no_snapshot_is_an_error(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli(*READ)
    assert (status, out) == (2, "")
    assert err.startswith("error: no snapshot is given; help: give one with -s PATH")


def test_broken_configuration_is_named(cli, tmp_path, monkeypatch):
    (tmp_path / "iamsim.toml").write_text("snapshot = [")
    monkeypatch.chdir(tmp_path)
    status, _, err = cli(*READ)
    assert status == 2
    assert "iamsim.toml` cannot be read" in err


# --- bad input: one message with file, place and remedy


BAD = {
    "not JSON": (b"hello", ":1:1: the text is not JSON"),
    "truncated": (b'{"UserDetailList": [', ":1:21: the JSON ends in the middle"),
    "duplicate member": (b'{"UserDetailList": [], "UserDetailList": []}', "occurs twice"),
    "wrong shape": (b'{"UserDetailList": 1, "Policies": []}', ":1: `UserDetailList` is not a list"),
    "100,000 brackets": (b"[" * 100_000, "nested too deeply"),
    "invalid UTF-8": (b'{"a": "\xff"}', ":1:8: byte 8 is not UTF-8"),
    "null byte": (b'{"a": "\x00"}', ":1:8: the text has a null byte"),
    "empty": (b"", "the file is empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_alone(cli, tmp_path, name):
    data, message = BAD[name]
    file = tmp_path / "bad.json"
    file.write_bytes(data)
    status, out, err = cli(*READ, "-s", file)
    assert (status, out) == (2, "")
    assert f"{file}" in err
    assert message in err
    assert "; help: " in err


@pytest.mark.parametrize("name", BAD)
def test_bad_file_beside_good_ones_is_said_and_the_rest_counts(cli, tmp_path, name):
    data, message = BAD[name]
    file = tmp_path / "bad.json"
    file.write_bytes(data)
    status, out, err = cli(*READ, "-s", TINY, "-s", file)
    assert status == 2
    assert out.startswith("YES")
    assert message in err
    assert "the answer counts what was read" in err
    status, out, _ = cli(*READ, "-s", TINY, "-s", file, "--format", "json", "-q")
    assert status == 2
    assert "could not be read whole" in json.loads(out)["notes"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-s", "nowhere"), "error: `nowhere` does not exist; help: check the path"),
        (("-s", TINY, "--context", "x"), "error: `--context x` is no KEY=VALUE; help: write --context "),
        (("-s", TINY, "--context", "a:b=null", "--context", "a:b=1"), "error: `a:b` is both absent and present; help:"),
        (("-s", TINY, "--context-file", "nowhere"), "error: `nowhere` does not exist"),
        (("-s", TINY, "--session-policy", "README.txt"), "error: `README.txt` does not exist"),
        (("-s", TINY, "--when", "aws:SourceIp inn x"), "error: <when>:1:14:"),
        (("-s", TINY, "--missing", "maybe"), "Invalid value for '--missing'"),
    ],
)
def test_bad_option(cli, options, message):
    status, out, err = cli(*READ, *options)
    assert (status, out) == (2, "")
    assert message in err


def test_empty_directory(cli, tmp_path):
    status, _, err = cli(*READ, "-s", tmp_path)
    assert status == 2
    assert f"{tmp_path}" in err
    assert "; help: put a snapshot there" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "the context is not a JSON object"),
        ('{"a:b": {}}', "the value of `a:b` is no text"),
        ('{"a:b": 1, "a:b": 2}', "condition key `a:b` occurs twice"),
        ('{"a:b": 1, "A:B": 2}', "condition key `A:B` occurs twice"),
        ('{"a:b"', ":1:7: the JSON ends in the middle"),
    ],
)
def test_bad_context_file(cli, tmp_path, text, message):
    file = tmp_path / "context.json"
    file.write_text(text)
    status, out, err = cli(*READ, "-s", TINY, "--context-file", file)
    assert (status, out) == (2, "")
    assert message in err
    assert str(file) in err


def test_arn_that_does_not_fit_can_be_asked_all_the_same(cli):
    question = ("can", "user/alice", "s3:GetObject", "arn:aws:sqs:eu-west-1:123456789012:q", "-s", TINY)
    status, out, err = cli(*question)
    assert (status, out) == (2, "")
    assert "does not fit" in err
    assert "--any-resource" in err
    status, out, _ = cli(*question, "--any-resource")
    assert (status, out[:2]) == (1, "NO")


def test_ambiguous_short_name_lists_them(cli):
    name = "role/OrganizationAccountAccessRole"
    status, _, err = cli("can", name, "s3:GetObject", "arn:aws:s3:::b/k", "-s", ACME, "-q")
    assert status == 2
    assert "222233334444" in err
    assert "555566667777" in err


@pytest.mark.parametrize("quiet", [(), ("-q",)])
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("can", "user/alice", "s3:GetObjct", "arn:aws:s3:::tiny-reports/q"), 1),
        (("explain", "user/alice", "s3:GetObjct", "arn:aws:s3:::tiny-reports/q"), 0),
        (("who-can", "s3:GetObjct", "arn:aws:s3:::tiny-reports/q"), 0),
        (("ask", "can user/alice do s3:GetObjct on arn:aws:s3:::tiny-reports/q"), 0),
        (("paths", "user/alice", "--action", "s3:GetObjct", "--resource", "arn:aws:s3:::tiny-reports/q"), 1),
        (("cut", "user/alice", "--action", "s3:GetObjct", "--resource", "arn:aws:s3:::tiny-reports/q"), 0),
    ],
)
def test_unknown_action_is_warned_of_however_quiet_and_answered(cli, words, status, quiet):
    found, out, err = cli(*words, "-s", TINY, *quiet)
    assert (found, bool(out)) == (status, True)
    assert "did you mean `s3:GetObject`?" in err


def test_error_as_json(cli):
    status, out, err = cli(*READ, "-s", "nowhere", "--format", "json")
    assert status == 2
    assert json.loads(out)["error"]["kind"] == "input"
    assert "does not exist" in err


def test_terminal_escapes_are_shown_harmless(cli, tmp_path):
    text = (Path(TINY) / "account.json").read_text().replace("ReadReports", "Read\\u001b[2JReports\\u202e")
    file = tmp_path / "account.json"
    file.write_text(text)
    status, out, err = cli(*READ, "-s", file, "-s", f"{TINY}/resources.json")
    assert status == 0
    assert "Read\\x1b[2JReports\\u202e" in out
    assert "\x1b" not in out + err
    status, _, err = cli("can", "user/\x1b[2J", "s3:GetObject", "arn:aws:s3:::b/k", "-s", TINY)
    assert status == 2
    assert "\x1b" not in err


def test_at_most_ten_remarks(cli, tmp_path):
    for number in range(15):
        (tmp_path / f"{number}.json").write_text('{"hello": 1}')
    _, _, err = cli(*READ, "-s", TINY, "-s", tmp_path)
    assert len(err.splitlines()) == 11
    assert "and 5 more" in err
    assert len(cli(*READ, "-s", TINY, "-s", tmp_path, "-v")[2].splitlines()) == 15
    assert cli(*READ, "-s", TINY, "-s", tmp_path, "-q")[2] == ""


# --- what goes wrong inside


def _failing(monkeypatch, error):
    def fail(*_args, **_options):
        raise error

    import iamsim.query.can

    monkeypatch.setattr(iamsim.query.can, "can", fail)


def test_internal_error(cli, monkeypatch):
    from iamsim import InternalError

    _failing(monkeypatch, InternalError("two engines disagree", {"a": 1}))
    status, out, err = cli(*READ, "-s", TINY)
    assert (status, out) == (70, "")
    assert err.startswith("internal error: two engines disagree; help: set IAMSIM_DEBUG=1")


def test_bug_has_a_traceback_only_for_debugging(cli, monkeypatch):
    _failing(monkeypatch, KeyError("x"))
    assert cli(*READ, "-s", TINY)[0] == 70
    from iamsim.cli.output import guarded

    monkeypatch.setenv("IAMSIM_DEBUG", "1")

    def fail():
        raise KeyError("x")

    assert guarded(fail) == 70


def test_interrupt(cli, monkeypatch):
    _failing(monkeypatch, KeyboardInterrupt())
    status, _, err = cli(*READ, "-s", TINY)
    assert (status, err) == (130, "interrupted\n")

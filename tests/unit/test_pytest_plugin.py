"""The plugin of pytest, run on small projects: where the snapshot comes from, and rules as tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = "pytester"

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "corpus/organizations/tiny/snapshot"
EXAMPLE = ROOT / "docs/example-project"
ALICE = "from iamsim.testing import assert_can\ndef test_alice(iam_env):\n    assert_can(iam_env, 'user/alice', 's3:GetObject', 'arn:aws:s3:::tiny-reports/x')\n"
ON = "on arn:aws:s3:::tiny-reports/x"


@pytest.fixture
def project(pytester, monkeypatch):
    """A folder with the snapshot `tiny`; call it with arguments of pytest."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("IAMSIM_SNAPSHOT", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    shutil.copytree(TINY, pytester.path / "tiny")

    def run(*arguments):
        return pytester.runpytest_subprocess("-p", "iamsim.pytest_plugin", "-p", "no:cacheprovider", *arguments)

    run.path = pytester.path
    run.write = lambda name, text: (pytester.path / name).write_text(text, encoding="utf-8")
    return run


# --- the snapshot


def test_the_snapshot_of_the_configuration_of_pytest(project):
    project.write("pytest.ini", "[pytest]\niamsim_snapshot = tiny\n")
    project.write("test_it.py", ALICE)
    project().assert_outcomes(passed=1)


def test_the_command_line_wins(project):
    project.write("pytest.ini", "[pytest]\niamsim_snapshot = nowhere\n")
    project.write("test_it.py", ALICE)
    project().assert_outcomes(errors=1)
    project("--iamsim-snapshot", "tiny/account.json", "--iamsim-snapshot=tiny/resources.json").assert_outcomes(passed=1)


def test_else_it_is_that_of_the_command_line_tool(project, monkeypatch):
    project.write("test_it.py", ALICE)
    project.write("iamsim.toml", 'snapshot = "tiny"\n')
    project().assert_outcomes(passed=1)
    project.write("iamsim.toml", "")
    monkeypatch.setenv("IAMSIM_SNAPSHOT", "tiny")
    project().assert_outcomes(passed=1)


def test_without_a_snapshot_the_remedy_is_said(project):
    project.write("test_it.py", ALICE)
    result = project()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["iamsim: no snapshot is given", "help: set `iamsim_snapshot` in the configuration of pytest*"]
    )
    result.stdout.no_fnmatch_line("*iamsim/*.py*")


def test_a_snapshot_that_is_not_read_whole_is_an_error(project):
    project.write("tiny/more.json", '{"UserDetailList": [')
    project.write("test_it.py", ALICE)
    result = project("--iamsim-snapshot=tiny")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["iamsim: part of the snapshot could not be read", "*tiny/more.json*"])


def test_what_was_not_understood_is_said_at_the_end(project):
    account = json.loads((TINY / "account.json").read_text(encoding="utf-8"))
    account["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"]["Statement"][1]["Effect"] = "allow"
    project.write("tiny/account.json", json.dumps(account))
    project.write("test_it.py", ALICE)
    project("--iamsim-snapshot=tiny").stdout.fnmatch_lines(["iamsim: *tiny/account.json*"])


def test_it_is_read_once_and_not_to_collect(project):
    project.write(
        "test_it.py",
        ALICE + "def test_same(iam_env, request):\n    assert request.getfixturevalue('iam_env') is iam_env\n",
    )
    project.write("a.iamq", f"can user/alice do s3:GetObject {ON} expect yes\n")
    project("--iamsim-snapshot=tiny").assert_outcomes(passed=3)
    result = project("--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["a.iamq::line 1", "test_it.py::test_same"])


def test_a_test_may_change_the_working_directory(project):
    project.write(
        "test_it.py",
        ALICE.replace("iam_env):\n", "iam_env, monkeypatch, tmp_path):\n    monkeypatch.chdir(tmp_path)\n"),
    )
    project("--iamsim-snapshot=tiny").assert_outcomes(passed=1)


# --- failures


def test_a_failure_shows_the_way_and_nothing_of_iamsim(project):
    project.write("test_it.py", ALICE.replace("assert_can", "assert_cannot").replace("Get", "Put"))
    result = project("--iamsim-snapshot=tiny")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">   *assert_cannot(iam_env, 'user/alice'*",
            "E * expected no, the answer is yes",
            "E * 1. arn:aws:iam::123456789012:user/alice does sts:AssumeRole on",
            "E * - identity policy WriteReports, statement WriteReports (tiny/account.json:74)",
        ]
    )
    result.stdout.no_fnmatch_line("*iamsim/testing.py*")
    result.stdout.no_fnmatch_line("*iamsim/query*")


def test_a_typo_is_an_error_with_a_suggestion_and_nothing_of_iamsim(project):
    project.write("test_it.py", ALICE.replace("user/alice", "user/alicia"))
    result = project("--iamsim-snapshot=tiny")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * no loaded user is called `alicia`", "E * help: did you mean *user/alice*"])
    result.stdout.no_fnmatch_line("*iamsim/*.py*")


# --- rules


RULES = f"""\
let team = user/alice

can $team do s3:GetObject {ON} via direct expect yes id reads

can $team do s3:PutObject {ON} via roles
  expect no
  id writes
  reason "alice reads"

can user/alice do s3:GetObject on arn:aws:s3:::partner-exports/x via direct expect no id partner
can user/alice do s3:PutObject {ON} expect no id waived waived until 2026-12-31 for "OPS-1"
can user/alice do s3:GetObject {ON} expect no id minor severity warning
can user/alicia do s3:GetObject {ON} expect no id typo
can user/alice do s3:GetObject {ON} expct no
can user/alice do s3:GetObject {ON} via direct expect yes
"""


def test_each_rule_is_a_test(project):
    project.write("ledger.iamq", RULES)
    result = project("--iamsim-snapshot=tiny", "--iamsim-today=2026-11-24", "-rA")
    result.assert_outcomes(passed=2, failed=4, xfailed=2)
    result.stdout.fnmatch_lines_random(
        [
            "PASSED ledger.iamq::reads",
            "PASSED ledger.iamq::line 15",
            "FAILED ledger.iamq::writes*",
            "FAILED ledger.iamq::partner*",
            "FAILED ledger.iamq::typo*",
            "FAILED ledger.iamq::line 14*",
            "XFAIL ledger.iamq::waived - waived until 2026-12-31: OPS-1",
            "XFAIL ledger.iamq::minor - broken, of severity warning: iamsim_fail_on is error",
        ]
    )


def test_failures_show_the_place_of_the_rule_and_the_answer(project):
    project.write("ledger.iamq", RULES)
    result = project("--iamsim-snapshot=tiny", "--iamsim-today=2026-11-24")
    result.stdout.fnmatch_lines(
        [
            "BROKEN  writes: can $team do s3:PutObject*",
            "  error, ledger.iamq:5",
            "  because: alice reads",
            "  - user/alice: yes in 2 steps",
            "*identity policy WriteReports, statement WriteReports (tiny/account.json:74)",
            "UNKNOWN  partner: *",
            "    not known: *",
            "UNREADABLE  ledger.iamq:13:1: no loaded user is called `alicia`",
            "UNREADABLE  ledger.iamq:14:*",
        ]
    )
    result.stdout.no_fnmatch_line("*iamsim/*.py*")
    result.stdout.no_fnmatch_line("*During handling*")


def test_a_waiver_ends(project):
    project.write("ledger.iamq", RULES)
    result = project("--iamsim-snapshot=tiny", "--iamsim-today=2027-01-01", "-k", "waived")
    result.assert_outcomes(failed=1, deselected=7)
    result.stdout.fnmatch_lines(["  the waiver expired on 2026-12-31: OPS-1"])


def test_runxfail_shows_what_is_waived(project):
    project.write("ledger.iamq", RULES)
    project("--iamsim-snapshot=tiny", "--iamsim-today=2026-11-24", "--runxfail").assert_outcomes(passed=2, failed=6)


def test_which_severity_fails_is_configured(project):
    project.write("pytest.ini", "[pytest]\niamsim_snapshot = tiny\niamsim_fail_on = warning\n")
    project.write("ledger.iamq", RULES)
    project("-k", "minor").assert_outcomes(failed=1, deselected=7)


@pytest.mark.parametrize(
    ("ini", "options", "said"),
    [
        ("iamsim_fail_on = grave", [], "iamsim_fail_on is 'grave': expected one of error, "),
        ("", ["--iamsim-today=soon"], "--iamsim-today 'soon' is no day"),
    ],
)
def test_settings_that_mean_nothing_are_told(project, ini, options, said):
    project.write("pytest.ini", f"[pytest]\niamsim_snapshot = tiny\n{ini}\n")
    project.write("ledger.iamq", RULES)
    result = project(*options)
    assert result.ret != 0
    assert any(said in line for line in [*result.outlines, *result.errlines])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_file_that_cannot_be_read_is_an_error(project):
    (project.path / "ledger.iamq").write_bytes(b"can \xff\x80\x81")
    result = project("--iamsim-snapshot=tiny")
    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line("*iamsim/*.py*")


# --- what it costs


def test_a_run_that_does_not_use_it_loads_nothing_else(project):
    project.write(
        "test_it.py",
        "import sys\ndef test_loaded():\n"
        "    assert sorted(m for m in sys.modules if m.split('.')[0] == 'iamsim') == ['iamsim', 'iamsim.pytest_plugin']\n",
    )
    project().assert_outcomes(passed=1)


def test_the_wheel_announces_it():
    import tomllib

    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert told["entry-points"]["pytest11"] == {"iamsim": "iamsim.pytest_plugin"}
    assert {r.partition(">")[0] for r in told["optional-dependencies"]["test"]} == {"pytest", "hypothesis"}


# --- the example of the documentation


@pytest.fixture
def example(project):
    """The example project, copied; call it as `project`."""
    for file in EXAMPLE.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts and ".hypothesis" not in file.parts:
            target = project.path / file.relative_to(EXAMPLE)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(file, target)
    return project


def test_the_example_passes_where_it_should(example):
    result = example("test_policies.py", "rules.iamq", "-rx")
    result.assert_outcomes(passed=6, xfailed=1)
    result.stdout.fnmatch_lines(["XFAIL rules.iamq::deploy-reads-no-ledger - waived until 2099-12-31: FIN-17: *"])


def shown(page, command):
    """What the page shows below a command of pytest, without the heading that names versions and the time at the end."""
    body = page.read_text(encoding="utf-8").partition(f"$ {command}\n")[2].partition("\n```")[0]
    return [line.rstrip() for line in body.splitlines()]


def test_the_example_fails_as_the_documentation_shows(example):
    result = example("test_regressions.py", "regressions.iamq")
    result.assert_outcomes(failed=3)
    expected = shown(ROOT / "docs/testing.md", "pytest test_regressions.py regressions.iamq")
    assert len(expected) > 30
    printed = pytest.LineMatcher([line.rstrip() for line in result.outlines])
    printed.fnmatch_lines([line.replace("[", "[[]") for line in expected if line != "…"])


def test_the_rules_of_the_example_are_those_of_the_command(example):
    done = subprocess.run(
        [sys.executable, "-m", "iamsim", "check", "rules.iamq", "--no-findings", "-s", "snapshot"],
        cwd=EXAMPLE, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

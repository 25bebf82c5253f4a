"""The forms of a report: valid by their schemas, and nothing hostile gets through."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from check_envs import ACCOUNT, GITHUB, TODAY, allow, environment, github, lets, policy, role, user

from iamsim import load
from iamsim.check.counting import FailOn
from iamsim.check.files import read_rules
from iamsim.check.run import check
from iamsim.report.checked import report_json, report_lines
from iamsim.report.junit import report_junit
from iamsim.report.lines import plain_text
from iamsim.report.markdown import LONGEST, code, plain, report_markdown
from iamsim.report.sarif import report_sarif

ROOT = Path(__file__).parents[3]
REPORT = "arn:aws:s3:::tiny-reports/q1.csv"
EVIL = (
    "x\x1b[31m\x00\x07</testcase><script>alert(1)</script> `` | **b** [a](http://evil) @team :smile: \u202e\ud800 ]]>"
)
RULES = f"""
can user/alice do s3:PutObject on {REPORT} via roles expect no id alice-writes-nothing reason "r"
can user/alice do s3:GetObject on {REPORT} via direct expect yes id alice-reads
can user/alice do s3:GetObject on arn:aws:s3:::partner-exports/a via direct expect no id partner severity warning
can user/alice do s3:GetObject on {REPORT} via direct expect no id late waived until 2026-01-01 for "INC-1"
can user/alice do s3:ListBucket on arn:aws:s3:::tiny-reports via direct expect no id now waived until 2030-01-01 for "INC-2"
can user/alice
suppress trust-account on role/x for "nothing"
"""


@pytest.fixture(scope="module")
def report():
    env = load(str(ROOT / "corpus/organizations/tiny/snapshot"))
    return check(env, [read_rules(RULES, "rules dir/x.iamq")], TODAY)


@pytest.fixture(scope="module")
def schema():
    text = (ROOT / "tests/data/sarif-2.1.0.json").read_text(encoding="utf-8")
    return jsonschema.Draft4Validator(json.loads(text))


@pytest.fixture
def hostile(tmp_path):
    """Everything that users write, written by somebody who means ill."""
    statement = {**allow("s3:GetObjekt"), "Sid": EVIL[:-6]}
    provider = github({"StringLike": {f"{GITHUB}:sub": ["repo:o\x1b[0m/*", f"repo:{EVIL[:12]}*"]}})
    env = environment(
        tmp_path,
        users=[user("me", policy(statement, allow("*")))],
        roles=[role("r", trust=[provider, lets({"AWS": "999988887777"})])],
    )
    quoted = json.dumps(EVIL)
    text = (
        f"can user/me do iam:CreateUser on * via direct expect no id {quoted} reason {quoted} waived until 2020-01-01 for {quoted}\n"
        f"suppress allow-everything on user/me for {quoted}\ncan {quoted} do x"
    )
    return check(env, [read_rules(text, f"{EVIL[:8]}.iamq")], TODAY)


def texts(value):
    match value:
        case dict():
            yield from value
            for v in value.values():
                yield from texts(v)
        case list():
            for v in value:
                yield from texts(v)
        case str():
            yield value


CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


# --- SARIF


def test_sarif_is_valid(report, schema):
    log = report_sarif(report, version="1.0")
    schema.validate(log)
    run = log["runs"][0]
    by_rule = {r["ruleId"]: r for r in run["results"]}
    assert by_rule.keys() == {"alice-writes-nothing", "partner", "late", "now"}
    assert [run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] for r in run["results"]] == list(by_rule)
    assert {(r["ruleId"], r["kind"], r["level"]) for r in run["results"]} == {
        ("alice-writes-nothing", "fail", "error"),
        ("partner", "open", "none"),
        ("late", "fail", "error"),
        ("now", "fail", "error"),
    }
    assert "INC-2" in by_rule["now"]["suppressions"][0]["justification"]
    assert "suppressions" not in by_rule["late"]
    assert "the waiver expired on 2026-01-01" in by_rule["late"]["message"]["text"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["toolConfigurationNotifications"][0]["locations"]
    assert by_rule["late"]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "rules%20dir/x.iamq"


def test_a_path_is_a_code_flow(report):
    result = next(r for r in report_sarif(report)["runs"][0]["results"] if r["ruleId"] == "alice-writes-nothing")
    steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [s["location"]["message"]["text"].partition(" does ")[2].partition(" on ")[0] for s in steps] == [
        "sts:AssumeRole",
        "s3:PutObject",
    ]
    assert all(s["location"]["physicalLocation"]["region"]["startLine"] > 1 for s in steps)


def test_fingerprints_do_not_hang_on_lines(report):
    env = load(str(ROOT / "corpus/organizations/tiny/snapshot"))
    moved = check(env, [read_rules("# a line more\n" + RULES, "rules dir/x.iamq")], TODAY)
    prints = [[r["partialFingerprints"] for r in report_sarif(x)["runs"][0]["results"]] for x in (report, moved)]
    assert prints[0] == prints[1]


def test_sarif_of_the_hostile_is_valid(hostile, schema):
    log = report_sarif(hostile)
    schema.validate(log)
    assert [t for t in texts(log) if CONTROL.search(t)] == []


# --- JUnit


def test_junit_counts_what_counts(report):
    root = ET.fromstring(report_junit(report))
    rules = root.find("testsuite[@name='iamsim.rules']")
    assert {k: rules.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "2", "errors": "1", "skipped": "1"
    }  # fmt: skip
    assert root.find("testsuite[@name='iamsim.unreadable']").get("errors") == "1"
    assert root.get("failures") == "2"
    assert [c.get("name") for c in rules if len(c) == 0] == ["alice-reads"]
    lenient = ET.fromstring(report_junit(report, FailOn.NEVER, "pass"))
    assert lenient.get("failures") == "0"


def test_junit_of_the_hostile_is_well_formed(hostile):
    text = report_junit(hostile)
    root = ET.fromstring(text.encode("utf-8"))
    assert "<script>" not in text
    assert not CONTROL.search(text)
    assert len(root.findall("testsuite/testcase")) == len(hostile.outcomes) + len(hostile.findings) + len(
        hostile.problems
    )


# --- Markdown


def test_markdown_tells_what_fails_first(report):
    text = report_markdown(report)
    order = [text.index(w) for w in ("**unreadable**", "`alice-writes-nothing`", "`late`", "`partner`")]
    assert order == sorted(order)
    assert "`alice-reads`" not in text
    assert "2. arn:aws:sts::123456789012:assumed-role/ReportWriter/iamsim does s3:PutObject" in text


def test_markdown_of_the_hostile_has_no_markup(hostile):
    text = report_markdown(hostile)
    assert not CONTROL.search(text)
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    outside = re.sub(r"(`+) ?.*? ?\1", "", outside)
    for bad in ("<script", "](http", "@team", ":smile:", "**b**"):
        assert bad not in outside


def test_markdown_is_short_enough_for_a_comment(tmp_path):
    statements = [allow(f"s3:Nothing{i}") for i in range(900)]
    report = check(environment(tmp_path, users=[user("u", policy(*statements))]), [], TODAY)
    text = report_markdown(report)
    assert len(text) <= LONGEST + 200
    assert re.search(r"^\d+ more are left out here\.$", text, re.MULTILINE)


@pytest.mark.parametrize("text", [EVIL, "# h", "- l", "1. x", "a_b_c", "`", "``", "|", "", " ", "www.evil.com", "$x$"])
def test_plain_and_code_hold_no_markup(text):
    assert not re.search(r"[`*_\[\]<>|~@$]|^\s*[-+#=]", plain(text))
    shown = code(text)
    assert "\n" not in shown
    if shown.startswith("`"):
        fence = re.match(r"`+", shown)[0]
        assert fence not in re.sub(r"^`+ ?|`+$", "", shown).replace(" " + fence, "")
    else:
        assert re.fullmatch(r"<code>[^<>|`]*</code>", shown)


# --- text and JSON


def test_text_of_the_hostile_is_printable(hostile):
    text = plain_text(report_lines(hostile, FailOn.ERROR, None, verbose=True), 100)
    assert not CONTROL.search(text)


def test_text_tells_expired_waivers_and_idle_suppressions(report):
    text = plain_text(report_lines(report, FailOn.ERROR, None), 100)
    assert "the waiver expired on 2026-01-01: INC-1" in text
    assert "waived until 2030-01-01: INC-2" in text
    assert "`suppress trust-account on role/x` matches no finding" in text
    assert text.splitlines()[0].startswith("UNREADABLE  rules dir/x.iamq:7:")
    assert "UNREADABLE  5 rules: 2 broken, 1 unknown, 1 waived, 1 hold" in text
    carets = text.splitlines()[2]
    assert carets.strip(" ^") == ""


def test_json_has_everything(report):
    value = report_json(report, FailOn.ERROR, None)
    assert json.loads(json.dumps(value)) == value
    assert value["result"] == "unreadable"
    assert {r["id"]: (r["state"], r["waived"], r["expired"]) for r in value["rules"]} == {
        "alice-writes-nothing": ("broken", False, False),
        "alice-reads": ("holds", False, False),
        "partner": ("unknown", False, False),
        "late": ("broken", False, True),
        "now": ("broken", True, False),
    }
    assert value["rules"][0]["answers"][0]["answer"]["verdict"] == "yes"
    assert value["problems"][0]["line"] == 7


def test_findings_name_line_and_column(tmp_path):
    report = check(environment(tmp_path, users=[user("u", policy(allow("s3:GetObjekt")))]), [], TODAY)
    (found,) = report_json(report, FailOn.ERROR, None)["findings"]
    line = (tmp_path / "account0.json").read_text(encoding="utf-8").splitlines()[found["line"] - 1]
    assert line[found["column"] - 1 :].startswith('"s3:GetObjekt"')
    assert found["subjects"] == [f"arn:aws:iam::{ACCOUNT}:user/u"]

"""`iamsim check` on the command line: statuses, forms, files."""

from __future__ import annotations

import json

import pytest

TINY = ("-s", "corpus/organizations/tiny/snapshot")
ACME = (
    "corpus/organizations/acme/invariants.iamq",
    "-s",
    "corpus/organizations/acme/snapshot",
    "--today",
    "2026-11-24",
)
READS = "can user/alice do s3:GetObject on arn:aws:s3:::tiny-reports/q1.csv via direct expect"
PARTNER = "can user/alice do s3:GetObject on arn:aws:s3:::partner-exports/a via direct expect no"


def rules(folder, text, name="x.iamq"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        (f"{READS} yes", [], 0),
        (f"{READS} no", [], 1),
        (f"{READS} no severity warning", [], 0),
        (f"{READS} no severity warning", ["--fail-on", "warning"], 1),
        (f"{READS} no", ["--fail-on", "never"], 0),
        (PARTNER, [], 3),
        (PARTNER, ["--unknown", "pass"], 0),
        (PARTNER, ["--unknown", "fail"], 1),
        (f"{PARTNER}\n{READS} no id b", [], 1),
        (f"{READS} yes\ncan user", [], 2),
        (f"{READS} no\ncan user", ["--fail-on", "never", "--unknown", "pass"], 2),
        ("can user/alic do s3:GetObject on * expect no", [], 2),
        (f"{READS} no waived until 2026-11-24 for x", ["--today", "2026-11-24"], 0),
        (f"{READS} no waived until 2026-11-24 for x", ["--today", "2026-11-25"], 1),
    ],
)
def test_the_status_tells_the_result(cli, tmp_path, text, options, status):
    found, out, _ = cli("check", rules(tmp_path, text), *TINY, "--no-findings", *options)
    assert found == status, out
    found, _, _ = cli("check", rules(tmp_path, text), *TINY, "--format", "json", *options)
    assert found == status


def test_acme_has_its_flaws(cli):
    status, out, _ = cli("check", *ACME)
    assert status == 1
    assert "BROKEN  on-call-terminates-nothing" in out
    assert "WAIVED  pull-requests-publish-nothing" in out
    assert "FAILED  7 rules: 1 broken, 1 unknown, 1 waived, 4 hold" in out
    status, out, _ = cli("check", *ACME[:-1], "2027-04-01", "--format", "json")
    states = {r["id"]: (r["state"], r["expired"]) for r in json.loads(out)["rules"]}
    assert states["pull-requests-publish-nothing"] == ("broken", True)


@pytest.mark.parametrize("rest", ["has a expect no", f"has a expect no {'reason ' * 9}"])
def test_a_broken_line_is_told_with_a_caret(cli, tmp_path, rest):
    path = rules(tmp_path, f"{READS} yes id ok\ncan user/alice do s3:GetObject on * wen {rest}\n")
    status, out, _ = cli("check", path, *TINY, "--no-findings", "-v")
    rows = out.splitlines()
    assert status == 2
    assert rows[0].startswith("UNREADABLE  ")
    at = next(i for i, row in enumerate(rows) if row.strip().startswith("^"))
    assert rows[at - 1][rows[at].index("^") :].startswith("wen")
    assert "did you mean `when`?" in out
    assert "HOLDS  ok" in out


@pytest.mark.parametrize("clause", ["when no aws:MultiFactorAuthPresnt", 'with aws:MultiFactorAuthPresnt = "true"'])
def test_a_misspelt_key_makes_a_rule_unreadable(cli, tmp_path, clause):
    path = rules(tmp_path, f"can user/alice do s3:PutObject on * via direct {clause} expect no\n{READS} yes id ok")
    status, out, _ = cli("check", path, *TINY, "--no-findings", "-v")
    assert (status, "HOLDS  ok" in out) == (2, True)
    assert "did you mean `aws:MultiFactorAuthPresent`?" in out


def test_swapped_letters_get_a_suggestion(cli, tmp_path):
    path = rules(tmp_path, "can user/alice od s3:GetObject on * expect no")
    assert "did you mean `do`?" in cli("check", path, *TINY, "--no-findings")[1]


def test_names_that_the_snapshot_lacks_get_a_suggestion(cli, tmp_path):
    path = rules(tmp_path, "can user/alic do s3:GetObject on * via direct expect no")
    status, out, _ = cli("check", path, *TINY, "--no-findings")
    assert status == 2
    assert "no loaded user is called `alic`" in " ".join(out.split())
    assert "did you mean `user/alice`?" in out


def test_reports_are_written_to_files(cli, tmp_path):
    files = {f: tmp_path / f"out.{f}" for f in ("text", "json", "sarif", "junit", "markdown")}
    options = [w for f, p in files.items() for w in ("--report", f"{f}={p}")]
    status, out, _ = cli("check", rules(tmp_path, f"{READS} no"), *TINY, *options)
    assert status == 1
    assert files["text"].read_text(encoding="utf-8") == out
    assert json.loads(files["sarif"].read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert json.loads(files["json"].read_text(encoding="utf-8"))["result"] == "failed"
    assert files["junit"].read_text(encoding="utf-8").startswith("<?xml")
    assert files["markdown"].read_text(encoding="utf-8").startswith("## iamsim: failed")


def test_a_folder_means_its_files_of_rules(cli, tmp_path):
    (tmp_path / "sub").mkdir()
    rules(tmp_path, f"{READS} yes id a", "b.iamq")
    rules(tmp_path / "sub", f"{READS} yes id b", "a.iamq")
    rules(tmp_path, "no rules", "notes.txt")
    status, out, _ = cli("check", tmp_path, tmp_path / "b.iamq", *TINY, "--no-findings")
    assert (status, out.splitlines()[0]) == (0, "PASSED  2 rules: 2 hold; 0 findings")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--no-findings", *TINY], "nothing is to be checked"),
        (["none.iamq", *TINY], "`none.iamq` does not exist"),
        (["corpus/rules", *TINY], "no file `*.iamq` is in `corpus/rules`"),
        (["--today", "tomorrow", *TINY], "`--today tomorrow` is no day"),
        (["--report", "srif=x", *TINY], "did you mean `sarif=x`?"),
        (["--report", "sarif", *TINY], "is no FORMAT=FILE"),
        (["--report", "json=corpus", *TINY], "cannot be written"),
        (["-s", "none"], "none"),
        ([], "no snapshot is given"),
    ],
)
def test_bad_input_is_told_without_a_traceback(cli, arguments, says):
    status, _, err = cli("check", *arguments)
    assert status == 2
    assert says in err


def test_an_input_that_cannot_be_read_whole_is_status_2(cli, tmp_path):
    status, _, err = cli("check", "-s", "corpus/inputs/broken/truncated/input")
    assert status == 2
    assert "error:" in err


def test_the_same_check_prints_the_same(cli):
    first, second = (cli("check", *ACME, "--format", f) for f in ("sarif", "sarif"))
    assert first == second

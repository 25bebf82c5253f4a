"""`iamsim paths`, `iamsim escalations`, and the options of `can` that speak of techniques."""

import json
import re
from pathlib import Path

import pytest

TINY = "corpus/organizations/tiny/snapshot"
ACME = "corpus/organizations/acme/snapshot"
PULUMI = "555566667777:role/PulumiDeploy"
ROOT = Path(__file__).parents[2]


def _own(tmp_path, change=lambda text: text):
    """The file of techniques that docs/escalation.md shows."""
    text = (ROOT / "docs/escalation.md").read_text(encoding="utf-8")
    file = tmp_path / "own.yaml"
    file.write_text(change(re.search(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]))
    return file


def test_paths_as_text(cli):
    status, out, err = cli("paths", "user/frank", "role/DevFunction", "-s", ACME, "-q", "--limit", "2")
    assert (status, err) == (0, "")
    assert out.index("way 1") < out.index("way 2") < out.index("and more ways (--limit 4 lists more)")
    assert "assumed: " in out
    assert "→ credentials of role/DevFunction" in out


def test_paths_as_json(cli):
    status, out, _ = cli("paths", PULUMI, "role/RenderFunction", "-s", ACME, "-q", "--format", "json")
    found = json.loads(out)
    assert status == 0
    first = found["paths"][0]
    assert (first["steps"], first["witness"], found["reasons"]) == (1, None, [])
    step = first["path"][0]
    assert step["requests"][0]["action"] == "iam:PassRole"
    assert all(r["statements"] for r in step["requests"])
    assert step["technique"] == first["techniques"][0]
    assert step["title"]
    assert "role/RenderFunction" in step["gains"]


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("user/alice", "role/ReportWriter"), 0, "way 1  1 step: sts-assume-role"),
        (("user/alice", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::tiny-reports/x"), 0, "the request alone"),
        (("role/ReportWriter", "user/alice"), 1, "NO  no way leads from role/ReportWriter to user/alice"),
        (("user/alice", "--action", "s3:GetObject", "--resource", "arn:aws:s3:::partner-exports/x"), 3, "UNKNOWN  whether a way"),
    ],
)  # fmt: skip
def test_paths_status(cli, words, status, text):
    found, out, _ = cli("paths", *words, "-s", TINY)
    assert found == status, out
    assert text in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("paths", "user/alice", "role/ReportWrite"), "did you mean `role/ReportWriter`?"),
        (("paths", "user/alise", "role/ReportWriter"), "did you mean `user/alice`?"),
        (("paths", "user/alice"), "no target is given; help: name a principal"),
        (("paths", "user/alice", "user/alice"), "is the caller itself"),
        (("paths", "user/alice", "--action", "s3:GetObject"), "help: give both --action and --resource"),
        (("paths", "user/alice", "role/ReportWriter", "--limit", "0"), "`--limit 0` leaves no way"),
        (("paths", "user/alice", "role/ReportWriter", "--via", "magic"), "Invalid value for '--via'"),
        (("escalations",), "no principal is given; help: name one, or give --all"),
        (("escalations", "user/alice", "--all"), "contradict each other"),
        (("escalations", "user/alise"), "did you mean `user/alice`?"),
        (("escalations", "user/alice", "--assume", "resource-exits"), "did you mean `resource-exists`?"),
    ],
)
def test_bad_words(cli, words, message):
    status, out, err = cli(*words, "-s", TINY)
    assert (status, out) == (2, "")
    assert message in err


def test_errors_as_json(cli):
    _, out, _ = cli("paths", "user/alice", "-s", TINY, "--format", "json")
    assert json.loads(out)["error"]["kind"] == "query"


def test_escalations_of_one_as_text_and_json(cli):
    status, out, _ = cli("escalations", PULUMI, "-s", ACME, "-q")
    assert status == 0
    assert out.startswith(f"{PULUMI} can become 2 principals\n")
    assert re.search(r"role/RenderFunction +555566667777 +1 +lambda-create", out)
    _, out, _ = cli("escalations", PULUMI, "-s", ACME, "-q", "--format", "json")
    (found,) = json.loads(out)["principals"]
    assert {r["principal"].rpartition("/")[2] for r in found["rows"]} == {"RenderFunction", "WebInstance"}
    assert not found["admin"]


@pytest.mark.parametrize("words", [("*",), ("--all",), ("arn:aws:iam::123456789012:*/*",)])
def test_escalations_of_all(cli, words):
    status, out, _ = cli("escalations", *words, "-s", TINY)
    assert status == 0
    assert out.startswith("1 of 2 principals can become another, 0 of them an administrator")
    assert re.search(r"user/alice +123456789012 +role/ReportWriter +1 +sts-assume-role", out)


def test_input_that_is_not_read_whole(cli, tmp_path):
    (tmp_path / "bad.json").write_text("[")
    assert cli("escalations", "--all", "-s", TINY, "-s", tmp_path)[0] == 2
    status, out, _ = cli("paths", "user/alice", "role/ReportWriter", "-s", TINY, "-s", tmp_path)
    assert (status, out[:3]) == (2, "way")


# --- techniques: options of all commands


def test_facts_are_assumed_or_ruled_out(cli):
    words = ("paths", PULUMI, "role/WebInstance", "-s", ACME, "-q")
    assert cli(*words)[0] == 0
    assert cli(*words, "--rule-out", "resource-exists")[0] == 1
    assert cli(*words, "--rule-out", "resource-exists:role/WebInstance")[0] == 1
    assert cli(*words, "--rule-out", "resource-exists:role/RenderFunction")[0] == 0
    status, _, err = cli(*words, "--rule-out", "resource-exists", "--assume", "resource-exists")
    assert status == 2
    assert "is both assumed and ruled out" in err


@pytest.mark.parametrize("via", ["direct", "roles"])
@pytest.mark.parametrize("option", ["--assume", "--rule-out"])
def test_facts_are_of_no_use_where_no_technique_is_followed(cli, via, option):
    words = ("can", "user/frank", "iam:CreateUser", "*", "-s", ACME)
    status, out, err = cli(*words, option, "resource-exists", "--via", via)
    assert (status, out) == (2, "")
    assert f"`{option}` tells what techniques may count on, and `--via {via}` follows none" in err
    assert "help: leave out --via" in err


def test_techniques_of_the_user(cli, tmp_path):
    words = ("paths", "user/frank", "role/DevInstance", "-s", ACME, "-q", "--format", "json")
    assert "own-job-queue" not in cli(*words)[1]
    status, out, err = cli(*words, "--techniques", _own(tmp_path))
    assert (status, err) == (0, "")
    assert ["own-job-queue"] in [p["techniques"] for p in json.loads(out)["paths"]]


@pytest.mark.parametrize("command", ["can", "paths", "escalations"])
def test_a_mistake_in_techniques_is_said_and_the_rest_is_done(cli, tmp_path, command):
    file = _own(tmp_path, lambda text: text.replace("sqs:SendMessage", "sqs:SendMesage"))
    words = {
        "can": ("can", "user/alice", "s3:GetObject", "arn:aws:s3:::tiny-reports/q1.csv"),
        "paths": ("paths", "user/alice", "role/ReportWriter"),
        "escalations": ("escalations", "user/alice"),
    }[command]
    status, out, err = cli(*words, "-s", TINY, "--techniques", file)
    assert status == 2
    assert out
    assert "own.yaml" in err
    assert "the nearest name is `sqs:SendMessage`" in err
    assert "the techniques with a mistake were left out" in err


def test_techniques_that_are_no_file(cli):
    status, out, err = cli("escalations", "user/alice", "-s", TINY, "--techniques", "nowhere.yaml")
    assert status == 2
    assert out
    assert "`nowhere.yaml` cannot be read" in err


# --- one meaning on the command line, in a batch and in the query language


def test_via_means_the_same_everywhere(cli, tmp_path):
    from iamsim.query.language import parse_question

    secret = "arn:aws:secretsmanager:eu-west-1:555566667777:secret:web/session-key-GhIjKl"
    words = (PULUMI, "secretsmanager:GetSecretValue", secret)
    question = dict(zip(("principal", "action", "resource"), words, strict=True))
    asked = [{**question, **({"via": via} if via else {})} for via in ("direct", "roles", "escalation", None)]
    asked.append({**question, "rule_out": "resource-exists", "assume": ["access-key-slot-free"]})
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(a) + "\n" for a in asked))
    status, out, _ = cli("batch", file, "-s", ACME, "-q")
    assert status == 0
    verdicts = [json.loads(row)["verdict"] for row in out.splitlines()]
    assert verdicts == ["no", "no", "yes", "yes", "yes"]
    for via, verdict in zip(("direct", "roles", "escalation"), verdicts, strict=False):
        assert cli("can", *words, "--via", via, "--expect", verdict, "-s", ACME, "-q")[0] == 0
        assert parse_question(f"can {PULUMI} do {words[1]} on {secret} via {via}").via == via


def test_batch_takes_techniques_and_says_what_is_wrong_once(cli, tmp_path):
    own = _own(tmp_path, lambda text: text.replace("reach: session", "reach: sesion"))
    question = {"principal": "user/alice", "action": "s3:GetObject", "resource": "arn:aws:s3:::tiny-reports/x"}
    line = json.dumps({**question, "techniques": str(own)})
    status, out, err = cli("batch", "-", "-s", TINY, typed=f"{line}\n{line}\n")
    assert status == 2
    assert [json.loads(row)["verdict"] for row in out.splitlines()] == ["yes", "yes"]
    assert err.count("own.yaml") == 1
    status, out, _ = cli("batch", "-", "-s", TINY, typed=json.dumps({**question, "assume": 1}) + "\n")
    assert status == 2
    assert "`assume` is neither a text nor a list of texts" in out


@pytest.mark.parametrize("command", ["can", "batch", "paths", "escalations", "graph"])
def test_help_has_an_example(cli, command):
    status, out, _ = cli(command, "-h")
    assert status == 0
    assert "Example" in out or "A line:" in out

"""`iamsim batch`: answers in order, a broken line harms no other."""

import json
from pathlib import Path

import pytest

TINY = "corpus/organizations/tiny/snapshot"
PAIR = "corpus/organizations/pair/snapshot"
READ = {"principal": "user/alice", "action": "s3:GetObject", "resource": "arn:aws:s3:::tiny-reports/q1.csv"}
MEMBERS = [
    "schema",
    "id",
    "verdict",
    "decision",
    "path",
    "witness",
    "core",
    "remedy",
    "residual",
    "reasons",
    "assumptions",
    "notes",
    "warnings",
    "data_date",
]


def _answers(run, lines, *options):
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    status, out, err = run("batch", "-", *options, typed=text)
    return status, [json.loads(row) for row in out.splitlines()], err


@pytest.mark.parametrize("name", ["tiny", "pair"])
def test_questions_of_the_corpus(cli, name):
    folder = Path("corpus/organizations") / name
    status, out, _ = cli("batch", folder / "questions.jsonl", "-s", folder / "snapshot")
    asked = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(a["id"], a["verdict"]) for a in answers] == [(q["id"], q["expect"]) for q in asked]


def test_members_are_in_order(cli):
    _, answers, _ = _answers(cli, [{"id": 7, **READ}], "-s", TINY)
    assert list(answers[0]) == MEMBERS
    assert answers[0]["schema"] == "iamsim/1"
    assert answers[0]["id"] == 7
    assert list(answers[0]["witness"]) == ["caller", "action", "resource", "owner", "context", "chosen", "statements"]
    assert answers[0]["witness"]["statements"][0]["file"].endswith("account.json")


def test_two_runs_print_the_same(cli):
    asked = [READ, {**READ, "action": "s3:PutObject"}]
    assert _answers(cli, asked, "-s", TINY) == _answers(cli, asked, "-s", TINY)


def test_path_and_core_have_places(cli):
    asked = [{**READ, "action": "s3:PutObject"}, {**READ, "context": {"aws:SecureTransport": "false"}}]
    _, (yes, no), _ = _answers(cli, asked, "-s", TINY)
    assert yes["path"][0]["target"] == "arn:aws:iam::123456789012:role/ReportWriter"
    assert yes["path"][0]["statements"][0]["pointer"].startswith("/RoleDetailList/0/")
    assert no["decision"] == "explicitDeny"
    assert no["core"][0]["file"].endswith("resources.json")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "-:2: the text is not JSON"),
        ('{"id": 1', "-:2: the JSON ends in the middle"),
        ("[1]", "-:2: the line is not a JSON object"),
        ('{"id": 1} {"id": 2}', "-:2: `-:2` holds several JSON values"),
        ("[" * 100_000, "-:2: the JSON is nested too deeply"),
        ('{"id": 1, "id": 2}', "-:2: member `id` occurs twice"),
        ({"id": 1}, "-:2: `principal` is missing"),
        ({**READ, "action": 3}, "-:2: `action` is no text"),
        ({**READ, "strict": "yes"}, "-:2: `strict` is neither true nor false"),
        ({**READ, "via": "train"}, "`train` is no way"),
        ({**READ, "contxt": {}}, "-:2: no question has `contxt`"),
        ({**READ, "context": []}, "-:2: the context is not a JSON object"),
        ({**READ, "snapshot": 1}, "-:2: `snapshot` is neither a path nor a list"),
        ({**READ, "snapshot": "nowhere"}, "`nowhere` does not exist"),
        ({**READ, "session_policy": 1}, "session policy is no policy"),
        ({**READ, "when": "("}, "<when>"),
    ],
)
def test_broken_line_harms_no_other(cli, line, message):
    status, answers, _ = _answers(cli, [READ, line, READ], "-s", TINY)
    assert status == 2
    assert [a.get("verdict") for a in answers] == ["yes", None, "yes"]
    assert set(answers[1]) == {"schema", "id", "error"}
    assert message in answers[1]["error"]["message"]
    assert answers[1]["error"]["help"]
    assert answers[1]["error"]["kind"] in ("input", "query")


def test_broken_line_keeps_its_id(cli):
    _, answers, _ = _answers(cli, [{"id": "x", **READ, "resource": None}], "-s", TINY)
    assert answers[0]["id"] == "x"


def test_invalid_utf8_line(cli, tmp_path):
    file = tmp_path / "q.jsonl"
    file.write_bytes(b'{"id": "\xff"}\n' + json.dumps(READ).encode() + b"\n")
    status, out, _ = cli("batch", file, "-s", TINY)
    first, second = (json.loads(row) for row in out.splitlines())
    assert status == 2
    assert "is not UTF-8" in first["error"]["message"]
    assert second["verdict"] == "yes"


def test_blank_lines_are_nothing(cli):
    status, answers, _ = _answers(cli, ["", READ, "   ", ""], "-s", TINY)
    assert (status, len(answers)) == (0, 1)


def test_lines_name_their_snapshot_which_is_read_once(cli, monkeypatch):
    import iamsim.env.build as build

    read = []
    real = build.load
    monkeypatch.setattr(build, "load", lambda *paths, **_: read.append(paths) or real(*paths))
    pair = {
        "principal": "user/bob",
        "action": "s3:ListBucket",
        "resource": "arn:aws:s3:::pair-lake",
        "snapshot": [PAIR],
    }
    asked = [{**READ, "snapshot": TINY}, pair, {**READ, "snapshot": [TINY]}, pair, {**READ, "snapshot": "nowhere"}]
    status, answers, _ = _answers(cli, [*asked, asked[-1]])
    assert status == 2
    assert [a.get("verdict") for a in answers] == ["yes", "yes", "yes", "yes", None, None]
    assert read == [(TINY,), (PAIR,), ("nowhere",)]


def test_member_that_no_question_has_is_said(cli):
    _, answers, _ = _answers(cli, [{**READ, "colour": "red", "why": "because", "expect": "yes"}], "-s", TINY)
    assert answers[0]["notes"] == ["member `colour` of the question was ignored"]


def test_bug_in_one_line(cli, monkeypatch):
    import iamsim.query.can

    real = iamsim.query.can.can

    def sometimes(env, principal, action, resource, **options):
        if action == "s3:PutObject":
            raise KeyError("x")
        return real(env, principal, action, resource, **options)

    monkeypatch.setattr(iamsim.query.can, "can", sometimes)
    status, answers, err = _answers(cli, [{**READ, "action": "s3:PutObject"}, READ], "-s", TINY)
    assert status == 70
    assert answers[0]["error"]["kind"] == "internal"
    assert answers[1]["verdict"] == "yes"
    assert "internal error: KeyError" in err


def test_missing_file_of_questions(cli):
    status, out, err = cli("batch", "nowhere.jsonl", "-s", TINY)
    assert (status, out) == (2, "")
    assert err.startswith("error: `nowhere.jsonl` cannot be read: no such file or directory; help:")

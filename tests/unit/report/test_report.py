"""Reports of hand-made answers: what is shown, in which order, and that user text stays text."""

import json
import re

import pytest

from iamsim.diagnostics import Origin
from iamsim.errors import InputError, InternalError, QueryError
from iamsim.findings import diagnostic
from iamsim.ir.term import FALSE, Opaque, Present, all_of, any_of, like, not_
from iamsim.judge.answer import Answer, Cited, Core, Decision, Hop, Question, Request, Verdict, Witness
from iamsim.model.pattern import plain
from iamsim.report.html import answer_html, environment_html
from iamsim.report.json import answer_json, error_json, json_line
from iamsim.report.lines import Line, Span, Style, line, plain_text, print_styled
from iamsim.report.places import diagnostic_text, places
from iamsim.report.term_text import spelling, term_text
from iamsim.report.text import answer_text, print_answer

EVIL = "<b>\x1b[2J[red]x[/red]\u202e"
QUESTION = Question(principal="user/a", action="s3:GetObject", resource="arn:aws:s3:::b/k")


def _witness(caller="arn:aws:iam::111122223333:user/a", action="s3:GetObject", resource="arn:aws:s3:::b/k", file="f"):
    request = Request(
        caller=caller,
        action=action,
        resource=resource,
        owner="111122223333",
        context={"aws:SourceIp": ("10.0.0.1",), "sts:ExternalId": ("x",), "aws:username": ("a",), "k:T": ("p", "q")},
        chosen=("aws:SourceIp", "sts:ExternalId", "k:T"),
    )
    return Witness(
        request=request, allowed_by=(Cited("identity policy P, statement S", "identity", Origin(file, "/a/0")),)
    )


def _yes(**more):
    role = "arn:aws:iam::111122223333:role/R"
    hop = Hop(caller="arn:aws:iam::111122223333:user/a", action="sts:AssumeRole", target=role, witness=_witness())
    return Answer(
        question=QUESTION,
        verdict=Verdict.YES,
        decision=Decision.ALLOWED,
        witness=_witness(caller="arn:aws:sts::111122223333:assumed-role/R/s"),
        path=(hop,),
        residual=Present("aws:sourceip"),
        assumptions=("no SCP applies",),
        notes=("a note",),
        data_date="2030-01-01",
        **more,
    )


def _no():
    core = Core(
        (
            Cited("SCP Guard, statement 1", "deny", Origin("f", "/x")),
            Cited("policies of a", "identity", None, ("statement 2: its action does not match",)),
        ),
        ("SCP Guard would have to spare this request",),
    )
    return Answer(question=QUESTION, verdict=Verdict.NO, decision=Decision.EXPLICIT_DENY, core=core, residual=FALSE)


def _unknown(*reasons):
    return Answer(
        question=QUESTION,
        verdict=Verdict.UNKNOWN,
        decision=Decision.UNKNOWN,
        reasons=reasons or ("X13", "missing:owner of the resource"),
        residual=Opaque("X13"),
    )


def test_yes_shows_hops_in_order_with_what_they_need():
    text = answer_text(_yes())
    rows = [
        "YES  user/a can do s3:GetObject on arn:aws:s3:::b/k",
        "  1. arn:aws:iam::111122223333:user/a does",
        "→ a session of arn:aws:iam::111122223333:role/R",
        "identity policy P, statement S (f#/a/0)",
        'aws:SourceIp = "10.0.0.1" (environment)',
        'k:T = ["p", "q"] (caller)',
        'sts:ExternalId = "x" (secret)',
        "  2. arn:aws:sts::111122223333:assumed-role/R/s does",
        "allowed whenever",
        "has aws:SourceIp",
        "no SCP applies",
        "a note",
        "data on actions of 2030-01-01",
    ]
    places_ = [text.index(row) for row in rows]
    assert places_ == sorted(places_)
    assert "aws:username" not in text
    assert 'aws:username = "a"' in answer_text(_yes(), verbose=True)


def _escalated():
    passed = _witness(action="iam:PassRole", resource="arn:aws:iam::111122223333:role/R")
    made = _witness(action="lambda:CreateFunction", resource="arn:aws:lambda:eu-west-1:111122223333:function:f")
    hop = Hop(
        caller="arn:aws:iam::111122223333:user/a",
        action="iam:PassRole+lambda:CreateFunction",
        target="arn:aws:iam::111122223333:role/R",
        witness=passed,
        technique="lambda-create",
        title="Run a role inside a new function",
        gains="credentials of role/R",
        calls=(passed, made),
        assumptions=("something calls it",),
    )
    return Answer(question=QUESTION, verdict=Verdict.YES, decision=Decision.ALLOWED, witness=_witness(), path=(hop,))


def test_a_step_shows_technique_gain_assumptions_and_all_calls():
    text = answer_text(_escalated())
    shown = [
        "  1. arn:aws:iam::111122223333:user/a makes 2 calls",
        "Run a role inside a new function (lambda-create)",
        "→ credentials of role/R",
        "assumed: something calls it",
        "a) iam:PassRole on arn:aws:iam::111122223333:role/R",
        "allowed by",
        "the request brings",
        "b) lambda:CreateFunction on arn:aws:lambda:eu-west-1:111122223333:function:f",
        "  2. arn:aws:iam::111122223333:user/a does s3:GetObject",
    ]
    places_ = [text.index(row) for row in shown]
    assert places_ == sorted(places_)
    html = answer_html(_escalated())
    assert all(row in html for row in (shown[1].split(" (")[0], shown[2], shown[3], "lambda:CreateFunction"))
    (step,) = answer_json(_escalated())["path"]
    assert (step["technique"], step["title"]) == ("lambda-create", "Run a role inside a new function")
    assert (step["gains"], step["assumptions"]) == ("credentials of role/R", ["something calls it"])
    assert [r["action"] for r in step["requests"]] == ["iam:PassRole", "lambda:CreateFunction"]
    assert all(r["statements"] for r in step["requests"])


def test_a_hop_is_one_request_in_json():
    (step,) = answer_json(_yes())["path"]
    assert (step["technique"], step["assumptions"]) == ("sts-assume-role", [])
    assert step["gains"] == "a session of arn:aws:iam::111122223333:role/R"
    assert [{k: v for k, v in r.items() if k != "statements"} for r in step["requests"]] == [step["request"]]


def test_no_shows_what_forbids_and_what_would_change_it():
    text = answer_text(_no())
    assert text.startswith("NO  user/a cannot do s3:GetObject on arn:aws:s3:::b/k (explicit deny)\n")
    assert "forbidden by these together" in text
    assert "- explicit deny: SCP Guard, statement 1 (f#/x)" in text
    assert "- no Allow: policies of a\n        · statement 2: its action does not match" in text
    assert "- SCP Guard would have to spare this request" in text
    assert "allowed whenever" not in text


def test_unknown_explains_each_reason_and_how_to_decide_it():
    text = answer_text(_unknown())
    assert text.startswith("UNKNOWN  whether user/a can do")
    assert "- X13: an ARN operator has a value that is no ARN" in text
    assert "the account of the resource is not known\n      to decide it: add --resource-account ID" in text


def test_question_shows_what_was_given():
    question = Question(
        principal="user/a",
        action="s3:GetObject",
        resource="*",
        via="direct",
        strict=True,
        missing="closed",
        context={"aws:sourceip": ("10.0.0.1",), "aws:sourcevpce": ()},
        when="has aws:UserAgent",
    )
    text = answer_text(Answer(question=question, verdict=Verdict.UNKNOWN), width=500)
    assert (
        'user/a can do s3:GetObject on * with aws:SourceIp = "10.0.0.1", no aws:SourceVpce when has aws:UserAgent '
        "via direct (one request, nothing else in its context) (missing facts: closed)"
    ) in text


@pytest.mark.parametrize("make", [answer_text, answer_html, lambda a: json_line(answer_json(a))])
def test_text_of_users_is_harmless(make):
    question = Question(principal=EVIL, action=EVIL, resource=EVIL, when=EVIL)
    witness = _witness(caller=EVIL, action=EVIL, resource=EVIL, file=EVIL)
    core = Core((Cited(EVIL, EVIL, Origin(EVIL, EVIL), (EVIL,)),), (EVIL,))
    shared = {"question": question, "assumptions": (EVIL,), "notes": (EVIL,), "data_date": EVIL}
    shared |= {"residual": like("k:" + EVIL, plain(EVIL)), "reasons": (EVIL, f"missing:{EVIL}")}
    for answer in (
        Answer(verdict=Verdict.YES, witness=witness, **shared),
        Answer(verdict=Verdict.NO, core=core, **shared),
        Answer(verdict=Verdict.UNKNOWN, **shared),
    ):
        made = make(answer)
        assert "\x1b" not in made
        assert "\u202e" not in made
        if make is answer_html:
            assert "<b>\\x1b" not in made
            assert "&lt;b&gt;" in made


def test_colour_keeps_brackets_of_users(monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    print_styled([Line((Span("[red]x[/red] :smile:", Style.YES),)), line("http://a [b]")], 80)
    out = capsys.readouterr().out
    assert re.sub(r"\x1b\[[0-9;]*m", "", out) == "[red]x[/red] :smile:\nhttp://a [b]\n"
    assert "\x1b[1;32m" in out


def test_printing_to_no_terminal_is_plain(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    print_answer(_yes())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out == answer_text(_yes(), width=60)


def test_rows_break_between_words_and_hang():
    rows = plain_text([line("aaa bbb ccc", indent=1, hang=2)], 8).splitlines()
    assert rows == [" aaa bbb", "   ccc"]
    assert plain_text([line("x" * 30 + " y")], 10) == "x" * 30 + "\n  y\n"
    assert plain_text([line("")], 10) == "\n"


def test_json_of_each_verdict():
    yes, no, unknown = (answer_json(a, "i") for a in (_yes(), _no(), _unknown()))
    assert yes["path"][0]["request"]["context"]["k:T"] == ["p", "q"]
    assert yes["residual"] == "has aws:SourceIp"
    assert (no["witness"], no["residual"], no["core"][1]["file"]) == (None, "false", None)
    assert no["core"][0] == {
        "text": "SCP Guard, statement 1",
        "role": "deny",
        "file": "f",
        "pointer": "/x",
        "details": [],
    }
    assert (unknown["core"], unknown["reasons"]) == (None, ["X13", "missing:owner of the resource"])
    assert list(yes) == list(no) == list(unknown)
    assert json.loads(json_line(yes)) == yes


def test_json_of_errors():
    said = diagnostic("input-truncated", Origin("f", ""), "the JSON ends", span=(3, 4))
    error = error_json(InputError("bad", (said,), "fix it"), 1)
    assert error["error"]["diagnostics"][0]["line"] == 3
    assert error["error"]["help"] == "fix it"
    assert error_json(QueryError("bad", "h"))["error"] == {"message": "bad", "help": "h", "kind": "query"}
    assert error_json(InternalError("bad"))["error"]["kind"] == "internal"


def test_html_names_who_controls_what():
    html = answer_html(_yes())
    assert "<ol>" in html
    assert ">secret</td>" in html
    assert "explicit deny" in answer_html(_no())
    assert "to decide it" in answer_html(_unknown())


def test_environment_html_counts(tmp_path):
    from iamsim import Environment

    said = tuple(diagnostic("input-shape", Origin("<f>", f"/{n}"), f"<i>{n}") for n in range(12))
    html = environment_html(Environment(accounts=frozenset({"111122223333"}), diagnostics=said, sources=("a", "b")))
    assert "from 2 files" in html
    assert "<td>accounts</td><td>1</td>" in html
    assert "&lt;i&gt;0" in html
    assert "and 2 more" in html


def test_terms_are_spelled_as_aws_does():
    term = any_of(
        (
            all_of((Present("aws:sourceip"), not_(Present("1|aws:multifactorauthpresent")))),
            like("aws:requesttag/x", plain("v")),
        )
    )
    text = term_text(term)
    assert text == 'has aws:SourceIp and no 1|aws:MultiFactorAuthPresent or aws:RequestTag/x = "v"'
    assert spelling("resource") == "resource"
    assert term_text(term, 10).endswith("…")


def test_places_are_lines(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{\n "a": [\n  1,\n  "{}"\n ]\n}')
    place = places()
    assert place(Origin(str(file), "/a/1")) == f"{file}:4"
    assert place(Origin(str(file), "/a/1/Statement/0")) == f"{file}:4"
    assert place(Origin("nowhere", "/a")) == "nowhere#/a"
    assert place(None) == ""
    (tmp_path / "b.json").write_bytes(b"\xff")
    assert place(Origin(str(tmp_path / "b.json"), "/a")) == f"{tmp_path / 'b.json'}#/a"


def test_diagnostics_are_one_line_with_the_place_once():
    place = places()
    told = diagnostic("input-missing", Origin("f"), "`f` does not exist", help="check")
    assert diagnostic_text(told, place) == "error: `f` does not exist; help: check"
    told = diagnostic("input-truncated", Origin("f"), "it ends\nhere", span=(1, 2), help="")
    assert diagnostic_text(told, place) == "error: f:1:2: it ends\\x0ahere"

"""Files of rules: names, attributes, and broken entries that do not spoil the others."""

from __future__ import annotations

import pytest

from iamsim.check.files import read_file, read_rules
from iamsim.errors import InputError, QueryError
from iamsim.query.language import Waiver, parse_file, parse_question, print_question

GOOD = "can user/a do s3:GetObject on * expect no"


def test_a_rule_has_its_attributes():
    text = (
        "# first\n"
        "can user/a do s3:GetObject on arn:aws:s3:::b/k via direct  # who reads\n"
        "  expect no id a-reads-nothing severity warning\n"
        "  reason 'the; reason' waived until 2027-03-31 for \"INC-1 # x\"\n"
    )
    (rule,) = read_rules(text, "dir/x.iamq").rules
    assert (rule.id, rule.severity.value, rule.expect, rule.reason) == (
        "a-reads-nothing",
        "warning",
        "no",
        "the; reason",
    )
    assert rule.waiver == Waiver("2027-03-31", "INC-1 # x")
    assert (rule.line, rule.column) == (2, 1)
    assert rule.text == "can user/a do s3:GetObject on arn:aws:s3:::b/k via direct"


def test_a_rule_without_id_is_called_by_file_and_line():
    rules = read_rules(f"\n{GOOD}; {GOOD}\n", "dir/x.iamq")
    assert [r.id for r in rules.rules] == ["x.iamq:2"]
    assert [(p.line, p.message) for p in rules.problems] == [(2, "the id `x.iamq:2` is taken")]
    (rule,) = read_rules(GOOD, "x.iamq").rules
    assert (rule.severity.value, rule.reason, rule.waiver) == ("error", None, None)


def test_names_stand_for_their_members():
    text = (
        "let people = user/a, 111122223333:user/b\n"
        "let all = $people, account 444455556666, service lambda.amazonaws.com\n"
        'let things = arn:aws:s3:::b/k, "arn:aws:s3:::b/a,b"\n'
        "can $all do s3:GetObject on $things except $people, role/x expect no\n"
    )
    (rule,) = read_rules(text, "x").rules
    callers = ["user/a", "111122223333:user/b", "account 444455556666", "service lambda.amazonaws.com"]
    assert [q.caller for q in rule.questions[::2]] == callers
    assert [q.resource for q in rule.questions[:2]] == ["arn:aws:s3:::b/k", "arn:aws:s3:::b/a,b"]
    assert {q.except_ for q in rule.questions} == {("user/a", "111122223333:user/b", "role/x")}
    assert rule.text == "can $all do s3:GetObject on $things except $people, role/x"
    assert parse_file(text) == rule.questions


BROKEN = [
    ("can user/a s3:GetObject on * expect no", 5, 12, "`s3:GetObject` is out of place: expected `do` or `reach`", "a question reads"),
    ("can user/a do s3:GetObject on * expect never", 5, 40, "`never` is out of place: expected `allow`, `explicit`, `implicit`, `no`, `unknown` or `yes`", ""),
    ("can user/a do s3:GetObject on *", 5, 1, "the rule expects nothing", "add `expect no`"),
    ("what can user/a do expect no", 5, 1, "`what can` is no question with a verdict", "rules ask"),
    ("who can do s3:GetObject on * expect explicit deny", 5, 1, "`who can` is answered by yes, no or unknown", ""),
    ("can $nobody do s3:GetObject on * expect no", 5, 5, "`$nobody` is not named", "name it first: `let nobody = …`"),
    ("let admin = role/a\ncan $admins do s3:GetObject on * expect no", 6, 5, "`$admins` is not named", "did you mean `$admin`?"),
    ("let a = role/a\nlet a = role/b", 6, 5, "`a` is named twice", ""),
    ("let a = account 111122223333\ncan user/u do s3:GetObject on $a expect no", 6, 31, "`$a` holds `account 111122223333`, which names no resource", ""),
    ("let a = frank", 5, 9, "`frank` names no caller", "did you mean `user/frank` or `role/frank`?"),
    ("can user/a do s3:GetObject on * expect no waived until 2027-02-30 for x", 5, 56, "`2027-02-30` is no day", "write it as `2030-01-31`"),
    ("can user/a do s3:GetObject on * expect no waived for x", 5, 50, "`for` is out of place: expected `until`", ""),
    ("can user/a do s3:GetObject on * expect no severity high", 5, 52, "`high` is out of place: expected `error`, `info` or `warning`", ""),
    ("suppress trust-acount on role/a for x", 5, 10, "`trust-acount` is no finding", "did you mean `trust-account`?"),
    ("suppress trust-account on role/a", 5, 33, "the text ends too early: expected `for` or `until`", ""),
    ("can user/a do s3:GetObject on * when aws:SourceIp in 10.0.0.0/33 expect no", 5, 54, "`10.0.0.0/33` is no CIDR block", ""),
    ('can user/a do s3:GetObject on "unclosed expect no', 5, 31, "", "the quoted text is not closed in its line"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "line", "column", "message", "remedy"), BROKEN, ids=[b[3] for b in BROKEN])
def test_a_broken_entry_is_told_with_its_place_and_the_rest_is_read(broken, line, column, message, remedy):
    text = f"# rules\n{GOOD}\n  id before\n# and now\n{broken}\n{GOOD} id after\n"
    found = read_rules(text, "x.iamq")
    assert [r.id for r in found.rules] == ["before", "after"]
    (problem,) = found.problems
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message
    assert remedy in problem.help
    shown, carets = problem.help.split("\n")[:2]
    assert shown.strip() in text
    assert carets.index("^") - 2 == column - 1


def test_several_broken_entries_are_all_told():
    found = read_rules(f"can\n{GOOD}\nlet\nwho can do x:y on * expect no; {GOOD} id b; can x", "x.iamq")
    assert [r.line for r in found.rules] == [2, 4, 4]
    assert [(p.line, p.column) for p in found.problems] == [(1, 4), (3, 4), (4, 85)]


def test_quotes_and_comments_do_not_end_an_entry():
    text = f'can\n{GOOD} reason \'a;b\' id a # ; can\n{GOOD} reason "c;\\"d" id b\n'
    found = read_rules(text, "x.iamq")
    assert [(r.id, r.reason) for r in found.rules] == [("a", "a;b"), ("b", 'c;"d')]
    assert len(found.problems) == 1


def test_an_empty_file_has_no_rules():
    assert read_rules("", "x").problems == read_rules("# nothing\n\n", "x").problems == ()


@pytest.mark.parametrize("data", [b"\xff\xfe\xff", b"can \x00"])
def test_a_file_that_is_no_text_is_an_error(tmp_path, data):
    path = tmp_path / "x.iamq"
    path.write_bytes(data)
    try:
        found = read_file(str(path))
    except InputError:
        return
    assert found.problems


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_file(str(tmp_path / "none.iamq"))


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "x.iamq"
    path.write_bytes(b"\xef\xbb\xbf" + f"{GOOD}\r\n  id one\r\n".encode())
    assert [r.id for r in read_file(str(path)).rules] == ["one"]


def test_hostile_files_end_in_problems():
    deep = "can user/u do s3:GetObject on * when " + "(" * 3000 + "has a" + ")" * 3000 + " expect no"
    found = read_rules(f"{deep}\n{GOOD} id after", "x")
    assert [r.id for r in found.rules][-1] == "after"
    assert [len(read_rules(t, "x").problems) for t in ("can \x1b[31m do", "(" * 5000, ";" * 5000 + "x")] == [1, 1, 1]
    many = "let x = " + ", ".join(f"user/u{i}" for i in range(300)) + "\nlet y = " + ", ".join(f"arn:aws:s3:::b{i}" for i in range(300))  # fmt: skip
    found = read_rules(f"{many}\ncan $x do s3:GetObject on $y expect no", "x")
    assert "90000 questions" in found.problems[0].message


def test_the_new_clauses_are_printed_and_read_back():
    text = 'can user/a do s3:GetObject on * expect no id a.b severity info reason "a b" waived until 2027-03-31 for "x \\"y\\""'
    assert print_question(parse_question(text)) == text
    with pytest.raises(QueryError, match="`\\$x` is not named"):
        parse_question("can $x do s3:GetObject on *")

"""Reports of hand-made ways and escalations."""

import pytest

from iamsim.judge.answer import Hop, Request, Witness
from iamsim.query.escalations import Changeable, Escalation, Escalations
from iamsim.query.minimal import Path
from iamsim.report.html import escalations_html, path_html
from iamsim.report.json import all_escalations_json, json_line, path_json
from iamsim.report.lines import plain_text
from iamsim.report.ways import all_lines, escalations_text, none_lines, path_text

EVIL = "<b>\x1b[2J\u202e"
ROLE = "arn:aws:iam::111122223333:role/R"


def _path(text="x"):
    request = Request(caller=text, action=text, resource=text, owner=None, context={text: (text,)}, chosen=(text,))
    call = Witness(request=request, allowed_by=())
    hop = Hop(
        caller=text, action=text, target=text, witness=call, technique=text, title=text, gains=text, calls=(call,),
        assumptions=(text,),
    )  # fmt: skip
    return Path(source=text, target=text, caller=text, hops=(hop,), witness=None, residual=None)


def _row(principal=ROLE, admin=False, steps=1, **more):
    names = tuple(f"t{i}" for i in range(steps))
    return Escalation(principal=principal, admin=admin, steps=steps, first=names[0], techniques=names, **more)


def _found(*rows, source="user/a", admin=False, **more):
    return Escalations(source=source, admin=admin, rows=rows, **{"changes": (), "undecided": (), **more})


def test_text_of_users_is_harmless():
    row = _row(EVIL, assumptions=(EVIL,), reach=EVIL)
    change = Changeable(change=EVIL, steps=1, techniques=(EVIL,))
    found = _found(row, source=EVIL, changes=(change,), undecided=((EVIL, (EVIL,)),))
    shown = [path_text(_path(EVIL)), path_html(_path(EVIL)), escalations_text(found), escalations_html(found)]
    shown += [plain_text(all_lines([found]), 100), plain_text(none_lines(EVIL, (EVIL,)), 100)]
    shown += [json_line(path_json(_path(EVIL))), json_line(all_escalations_json([found], (EVIL,)))]
    assert not any("\x1b" in s or "\u202e" in s for s in shown)
    assert not any("<b>\\x1b" in s for s in (shown[1], shown[3]))


def test_rows_are_in_columns_and_empty_columns_are_left_out():
    text = escalations_text(_found(_row(), _row(ROLE + "onger", steps=2)))
    assert text.splitlines() == [
        "user/a can become 2 principals",
        "",
        "  principal    account       steps  techniques",
        "  role/R       111122223333  1      t0",
        "  role/Ronger  111122223333  2      t0, t1",
    ]


def test_marks_of_a_row():
    text = escalations_text(_found(_row(admin=True, created=True), _row(reach="api-write"), admin=True))
    assert text.startswith("user/a (an administrator already) can become 2 principals, 1 administrator among them\n")
    assert "administrator, new" in text
    assert "calls that write" in text


def test_changes_assumptions_and_what_is_not_known_are_listed():
    change = Changeable(change="any trust policy on role/R", steps=1, techniques=("t",), assumptions=("luck",))
    text = escalations_text(_found(changes=(change,), undecided=((ROLE, ("missing:policy of x",)),)))
    assert text.startswith("user/a can become nobody else\n")
    for row in (
        "any trust policy on role/R  1      t",
        "- luck",
        "not known whether it can become\n  - role/R (111122223333)",
    ):
        assert row in text


def test_table_has_those_that_become_administrators_first():
    found = [
        _found(_row(), source="arn:aws:iam::111122223333:user/a"),
        _found(_row(admin=True, steps=3), _row(), source="arn:aws:iam::111122223333:user/b"),
        _found(source="arn:aws:iam::111122223333:user/c", admin=True),
        _found(source="arn:aws:iam::111122223333:user/d", undecided=((ROLE, ("X13",)),)),
    ]
    text = plain_text(all_lines(found), 100)
    assert text.startswith(
        "2 of 4 principals can become another, 1 of them an administrator; 1 administrator as they stand\n"
    )
    assert text.index("user/b") < text.index("user/a")
    assert "- user/d (111122223333)" in text


@pytest.mark.parametrize(("reasons", "start"), [((), "NO  no way leads"), (("X13",), "UNKNOWN  whether a way leads")])
def test_no_way(reasons, start):
    assert plain_text(none_lines("leads from a to b", reasons), 100).startswith(start)

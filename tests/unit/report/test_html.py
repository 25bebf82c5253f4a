"""What notebooks show: pictures, lists, changes and graphs as self-contained HTML, whatever names are like."""

import re
from html.parser import HTMLParser

import networkx as nx
import pytest

from iamsim import ask, diff, load, paths, role_graph, what_can, who_can
from iamsim.judge.answer import Cited, Hop, Request, Witness
from iamsim.query.diff_rows import Diff, Row
from iamsim.query.minimal import Path as Way
from iamsim.report.html import graph_html, path_html
from iamsim.report.html_lists import callers_html, diff_html, permissions_html, reply_html
from iamsim.report.html_pictures import MOST
from iamsim.report.picture import Arrow, Box, picture

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e</title></svg>'
INSTANCE = "arn:aws:ec2:eu-west-1:555566667777:instance/i-0123456789abcdef0"
VOID = {"br", "img", "meta", "input"}


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def harmless(html):
    """Well nested, without scripts, handlers, or anything to load."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    assert not reader.tags & {"script", "img", "link", "iframe", "object", "image", "use", "foreignobject", "a"}
    assert not [a for a in reader.attributes if a.startswith("on") or a in ("src", "href", "xlink:href")]
    assert "url(" not in html
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", html)
    assert "\x1b" not in html
    assert "\u202e" not in html
    return html


@pytest.fixture(scope="module")
def acme():
    return load("corpus/organizations/acme/snapshot")


def _evil_witness():
    request = Request(caller=EVIL, action=EVIL, resource=EVIL, owner=None, context={EVIL: (EVIL,)}, chosen=(EVIL,))
    return Witness(request=request, allowed_by=(Cited(EVIL, "identity", details=(EVIL,)),))


def test_hostile_names_stay_text():
    w = _evil_witness()
    hop = Hop(
        caller=EVIL, action=EVIL, target=EVIL + "2", witness=w, technique=EVIL, title=EVIL, gains=EVIL, calls=(w, w)
    )
    way = Way(source=EVIL, target=EVIL, caller=EVIL, hops=(hop,), witness=w, residual=None)
    assert "&lt;script&gt;" in harmless(path_html(way))
    row = Row(gained=True, principals=(EVIL,), actions=(EVIL,), resources=(EVIL,) * 9, witness=w)
    assert "&lt;script&gt;" in harmless(diff_html(Diff(rows=(row,), notes=(EVIL,), data_date=EVIL)))
    graph = nx.MultiDiGraph()
    graph.add_node(EVIL, kind=EVIL, name=EVIL, account=EVIL)
    graph.add_node("b", kind="role", name="b")
    graph.add_edge(EVIL, "b", key=EVIL, technique=EVIL, sure=False)
    assert "&lt;script&gt;" in harmless(graph_html(graph))


def test_picture_goes_from_left_to_right_and_back():
    boxes = {n: Box(n) for n in "abcd"}
    arrows = [
        Arrow("a", "b", "x"),
        Arrow("b", "c", "y"),
        Arrow("a", "c", "z"),
        Arrow("c", "a", "back"),
        Arrow("c", "c"),
    ]
    html = harmless(picture(boxes, arrows))
    at = {n: int(x) for x, n in re.findall(r'<rect x="(\d+)"[^>]*/><text[^>]*>([a-d])<', html)}
    assert at["a"] == at["d"] < at["b"] < at["c"]
    assert html.count("<rect") == 4
    width, height = (int(n) for n in re.search(r'viewBox="0 0 (\d+) (\d+)"', html).groups())
    assert all(float(x) <= width and float(y) <= height for x, y in re.findall(r"[MLC ](\d+),(\d+)", html))
    assert picture({}, []) == ""


def test_equal_arrows_are_one():
    html = picture({"a": Box("a"), "b": Box("b")}, [Arrow("a", "b", "first"), Arrow("a", "b", "second", unsure=True)])
    assert "first +1" in html
    assert "stroke-dasharray" not in html


def test_way_is_drawn_to_the_request(acme):
    way = next(paths(acme, "user/carol", action="ec2:TerminateInstances", resource=INSTANCE, via="roles"))
    html = harmless(path_html(way))
    assert [html.index(f">{n}<") for n in ("user/carol", "role/OnCall", "role/EC2DeleteRole", "TerminateInstances")]
    assert html.count("<rect") == 4
    assert "<summary>3 steps" in html


def test_graph_is_drawn_in_part(acme):
    graph = role_graph(acme, to=["555566667777:role/EC2DeleteRole"], only="hops")
    html = harmless(graph_html(graph))
    assert html.count("<rect") == len(graph) <= MOST
    many = nx.MultiDiGraph()
    for i in range(MOST + 5):
        many.add_node(f"n{i}", kind="role", name=f"n{i}")
        many.add_edge("n0", f"n{i}", key="t", technique="t", sure=True)
    assert "5 more are not drawn" in graph_html(many)


def test_lists_and_changes(acme):
    html = harmless(callers_html(who_can(acme, "sts:AssumeRole", "arn:aws:iam::555566667777:role/EC2DeleteRole")))
    assert "2 callers can" in html
    assert "aws:MultiFactorAuthPresent" in html
    assert "by way of" not in html
    assert "nobody can" in callers_html([])
    tiny = load("corpus/organizations/tiny/snapshot")
    html = harmless(permissions_html(what_can(tiny, "user/alice")))
    assert "s3:DeleteObject" in html
    assert "can do nothing" in permissions_html([])
    found = diff(load("docs/examples/before.json"), load("docs/examples/after.json"))
    html = harmless(diff_html(found))
    assert "became possible" in html
    assert "ceased to be possible" in html
    assert "nothing became possible" in diff_html(Diff(rows=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"can user/kim do ec2:TerminateInstances on {INSTANCE} expect no", "as expected"),
        (f"can user/kim do ec2:TerminateInstances on {INSTANCE} via direct expect yes", "not as expected"),
        (f"why can user/kim do ec2:TerminateInstances on {INSTANCE} via direct", "<pre>"),
        (
            "who can do sts:AssumeRole on arn:aws:iam::555566667777:role/EC2DeleteRole via direct except user/breakglass",
            "1 caller can",
        ),
        ("what can role/OnCall do on arn:aws:iam::555566667777:role/EC2DeleteRole", "sts:AssumeRole"),
        ("paths from user/carol to role/EC2DeleteRole via roles", "way 1"),
        ("can user/kim reach role/EC2DeleteRole via roles", "NO"),
    ],
)
def test_answers_to_questions(acme, text, shown):
    (reply,) = ask(acme, text)
    assert shown in harmless(reply_html(reply))

"""Every folder of corpus/inputs is read with exactly the diagnostics that it expects."""

import json
from pathlib import Path

import pytest

from iamsim.env.build import load
from iamsim.env.types import MissingPolicy
from iamsim.errors import InputError
from iamsim.findings import FINDINGS

ROOT = Path(__file__).parents[2] / "corpus" / "inputs"
GOOD = sorted(p.parent.name for p in (ROOT / "good").glob("*/input"))
BROKEN = sorted(p.parent.name for p in (ROOT / "broken").glob("*/input"))


def read(folder):
    try:
        return True, load(folder / "input").diagnostics
    except InputError as e:
        return False, e.diagnostics


@pytest.mark.parametrize("name", GOOD)
def test_good(name):
    assert load(ROOT / "good" / name / "input").diagnostics == ()


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name):
    folder = ROOT / "broken" / name
    expected = json.loads((folder / "expected.json").read_text())
    usable, said = read(folder)
    assert usable == expected["usable"]
    assert sorted((d.id, d.origin.pointer) for d in said) == sorted(
        (e["id"], e["pointer"]) for e in expected["diagnostics"]
    )
    lines = {d.id: d.span[0] for d in said if d.span}
    assert lines == {e["id"]: e["line"] for e in expected["diagnostics"] if e["line"] is not None}
    for d in said:
        assert d.help
        assert d.message.isprintable()
        assert d.severity is FINDINGS[d.id].severity


def test_the_same_account_in_two_formats_is_the_same():
    gaad, collect = (load(ROOT / "good" / n / "input") for n in ("gaad", "collect"))
    a, b = gaad.principals.values(), collect.principals.values()
    assert [(p.arn, p.policies, p.boundary, p.trust, p.tags, p.groups, p.instance_profiles) for p in a] == [
        (p.arn, p.policies, p.boundary, p.trust, p.tags, p.groups, p.instance_profiles) for p in b
    ]
    assert gaad.groups == collect.groups
    both = load(ROOT / "good" / "gaad" / "input", ROOT / "good" / "collect" / "input")
    assert both.principals == gaad.principals
    assert both.diagnostics == ()
    tree = load(ROOT / "good" / "organization" / "input").organizations[0]
    assert [n.id for n in collect.organizations[0].root.children] == [n.id for n in tree.root.children]
    assert collect.organizations[0].management_account == tree.management_account == "444455556666"


def test_encoded_documents_and_pages_read_as_plain_ones():
    gaad = load(ROOT / "good" / "gaad" / "input")
    for name in ("gaad-encoded", "gaad-pages", "byte-order-mark", "utf-16", "gzip"):
        other = load(ROOT / "good" / name / "input")
        assert other.principals == gaad.principals, name
        assert other.groups == gaad.groups, name


def test_a_conflict_is_unknown():
    env = load(ROOT / "broken" / "conflict" / "input")
    assert any(isinstance(p, MissingPolicy) for p in env.principals["arn:aws:iam::111122223333:user/alice"].policies)
    env = load(ROOT / "broken" / "conflict-resource" / "input")
    assert isinstance(env.resources["arn:aws:s3:::example"].policy, MissingPolicy)
    env = load(ROOT / "broken" / "conflict-organization" / "input")
    node = env.organizations[0].root.children[1].children[0]
    assert node.id == "111122223333"
    assert node.scps[0].malformed
    assert node.rcps[0].malformed


def test_a_wrong_shape_leaves_no_silent_gap():
    env = load(ROOT / "broken" / "wrong-shapes" / "input")
    (alice,) = env.principals.values()
    assert isinstance(env.groups[alice.groups[0]].policies[0], MissingPolicy)

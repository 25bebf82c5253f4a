"""The questions of the example organizations, with their expected verdicts, through the library."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from iamsim import can, load

ORGANIZATIONS = Path(__file__).parents[2] / "corpus" / "organizations"
OPTIONS = (
    "context",
    "when",
    "via",
    "strict",
    "missing",
    "any_resource",
    "resource_account",
    "session_policy",
    "endpoint_policy",
)


@cache
def environment(name):
    return load(ORGANIZATIONS / name / "snapshot")


def cases():
    for path in sorted(ORGANIZATIONS.glob("*/questions.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            asked = json.loads(line)
            yield pytest.param(path.parent.name, asked, id=asked["id"])


@pytest.mark.parametrize(("name", "asked"), tuple(cases()))
def test_a_question_of_an_organization(name, asked):
    options = {k: asked[k] for k in OPTIONS if k in asked}
    answer = can(environment(name), asked["principal"], asked["action"], asked["resource"], **options)
    assert answer.verdict.value == asked["expect"], asked["why"]
    if asked["expect"] == "yes":
        assert answer.witness is not None
        assert answer.core is None
    if asked["expect"] == "no":
        assert answer.core is not None
        assert answer.core.items
    if asked["expect"] == "unknown":
        assert answer.reasons


def test_every_organization_is_understood():
    gaps = {name: [d.id for d in environment(name).diagnostics] for name in ("tiny", "pair", "acme")}
    assert gaps == {"tiny": [], "pair": [], "acme": ["policy-missing"]}

"""The tables of AWS facts: ids are unique, each row has a source, and a page of corpus/rules shows it."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from pages import read_page, rule_pages

from iamsim.aws import keys, limits, operators, refusals, resource_policies, services
from iamsim.findings import _ROWS, FINDINGS

ROOT = Path(__file__).resolve().parents[2]
LEDGER = (ROOT / "docs" / "semantics-ledger.md").read_text(encoding="utf-8")

TABLES = {
    "operators": [(r.name, r.source) for r in operators.ROWS],
    "keys": [(r.name.lower(), r.source) for r in keys.ROWS],
    "limits": [(r.id, r.source) for r in limits.ROWS],
    "calls": [(r.id, r.source) for r in services.CALLS],
    "refusals": [(r.id, r.source) for r in refusals.REFUSALS],
    "notes": [(r.service, r.source) for r in services.NOTES],
    "resource policies": [((r.service, r.actions), r.source) for r in resource_policies.RESOURCE_POLICIES],
    "resource account": [(r.action.lower(), r.source) for r in resource_policies.RESOURCE_ACCOUNT_EXCEPTIONS],
}
MODIFIERS = {"IfExists", "ForAllValues", "ForAnyValue"}
DISPUTED = [f"X{n}" for n in range(1, 45)]
SHOWN = [
    *(name for name, _ in TABLES["operators"]),
    *(id_ for table in ("limits", "calls", "refusals") for id_, _ in TABLES[table]),
    *DISPUTED,
]


@cache
def cited():
    """What the `Rows:` lines name, with the pages that name it."""
    found = {}
    for path in rule_pages():
        for row in read_page(path).rows:
            found.setdefault(row, []).append(path.name)
    return found


@pytest.mark.parametrize("table", TABLES)
def test_ids_are_unique(table):
    assert [id_ for id_, n in Counter(id_ for id_, _ in TABLES[table]).items() if n > 1] == []


@pytest.mark.parametrize("table", TABLES)
def test_each_row_has_a_source(table):
    assert [id_ for id_, source in TABLES[table] if not re.search(r"\w{3}.* .*\w{3}", source)] == []


def test_rows_of_the_tables_do_not_share_an_id():
    ids = Counter(id_ for table in ("limits", "calls", "refusals") for id_, _ in TABLES[table])
    assert max(ids.values()) == 1


def test_there_are_26_operators_and_null():
    assert len(operators.ROWS) == 27
    assert operators.OPERATORS["Null"].compares == "null"
    assert {r.name for r in operators.ROWS if r.negated} == {r.name for r in operators.ROWS if "Not" in r.name}


@pytest.mark.parametrize("name", [r.name for r in operators.ROWS])
def test_the_ledger_has_each_operator(name):
    assert f"`{name}`" in LEDGER


def test_limits_bind_each_grant_once():
    pairs = [(r.scope, r.grant) for r in limits.ROWS]
    assert len(set(pairs)) == len(pairs) == len(limits.BINDS)


def test_across_accounts_everything_limits():
    found = {r.limits for r in limits.ROWS if r.scope is limits.Scope.CROSS}
    assert found == {(limits.Limit.IDENTITY, limits.Limit.BOUNDARY, limits.Limit.SESSION)}


def test_each_presence_has_a_sentence():
    assert {r.present for r in keys.ROWS} <= set(keys.PRESENCE)
    assert {r.got for r in keys.ROWS} <= {"derived", "given", "free", "absent", "mfa"}
    assert {r.type for r in keys.ROWS} <= set("SBNDIA")


def test_the_ledger_names_the_global_keys():
    spelled = {k.lower() for k in re.findall(r"`([a-z0-9-]+:[A-Za-z0-9]+(?:/k)?)`", LEDGER)}
    section = LEDGER[LEDGER.index("### 4.2") : LEDGER.index("### 4.3")]
    named = {
        k.lower()
        for row in re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
        for k in re.findall(r"`([^`]+)`", row)
    }
    have = {r.name.lower().replace("/*", "/k") for r in keys.ROWS}
    assert named - have == set()
    assert {k for k in have if k.startswith("aws:")} - spelled - {"aws:sourceowner"} == set()


def test_findings_are_whole():
    assert len(_ROWS) == len(FINDINGS)
    for id_, row in FINDINGS.items():
        assert id_ == row.id
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.id)
        for text in (row.title, row.help):
            assert text, row.id
            assert not text.endswith("."), row.id
        assert row.title[0].islower() or row.title.split()[0].isupper() or "`" in row.title.split()[0], row.id


def test_every_finding_is_used():
    code = "\n".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "iamsim").rglob("*.py")))
    assert [id_ for id_ in FINDINGS if code.count(f'"{id_}"') < 2] == []


def test_the_ledger_has_each_disputed_question():
    assert re.findall(r"^\| (X\d+) \|", LEDGER, re.MULTILINE) == DISPUTED


@pytest.mark.parametrize("row", SHOWN)
def test_each_row_is_shown_by_a_page(row):
    assert row in cited(), "no page of corpus/rules names it in its `Rows:` line"


def test_pages_cite_what_exists():
    sections = set(re.findall(r"^#+ ([0-9]+(?:\.[0-9a-z]+)*)\.? ", LEDGER, re.MULTILINE))
    known = {*sections, *DISPUTED, *MODIFIERS, *(str(id_) for table in TABLES.values() for id_, _ in table)}
    services_noted = {s for s, _ in TABLES["notes"]}
    wrong = {
        row: where
        for row, where in cited().items()
        if row not in known and row not in services_noted and ":" not in row
    }
    assert wrong == {}

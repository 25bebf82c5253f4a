"""Laws of executors: whatever the order in which workers end, the answers are those of one process, to the byte."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date
from random import Random

import pytest
from executors import Backwards
from fuzz_envs import asked, case, with_statement

import iamsim.query.diff as differing
from iamsim.check.files import read_rules
from iamsim.check.run import check
from iamsim.env.build import environment_of
from iamsim.errors import QueryError
from iamsim.query.diff import diff
from iamsim.query.documents import all_managed, identity_policy
from iamsim.query.escalations import all_escalations
from iamsim.query.lattice import lattice
from iamsim.query.reach import reach_diff
from iamsim.query.who_can import who_can
from iamsim.report.checked import report_json
from iamsim.report.diff import diff_json, diff_lines
from iamsim.report.json import all_escalations_json, json_line
from iamsim.report.reach import reach_json
from iamsim.report.who import row_json

FIRST = int(os.environ.get("IAMSIM_SEED", "0"))


def listed(rows):
    try:
        return [json_line(row_json(row)) for row in rows()]
    except QueryError as error:
        return [str(error), error.help]


@pytest.mark.parametrize("start", range(FIRST, FIRST + 60, 20))
@pytest.mark.parametrize("via", ["direct", "roles"])
def test_who_can(start, via):
    rows = 0
    for seed in range(start, start + 20):
        env, action, resource, options = asked(seed)
        options["via"] = via
        here = listed(lambda: who_can(env, action, resource, **options))  # noqa: B023
        other = environment_of(case(Random(seed)).files)
        there = listed(lambda: who_can(other, action, resource, executor=Backwards(), **options))  # noqa: B023
        assert here == there, seed
        rows += len(here)
    assert rows


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 6))
def test_all_escalations(seed):
    files = case(Random(seed)).files
    here = all_escalations_json(list(all_escalations(environment_of(files))), ())
    there = all_escalations_json(list(all_escalations(environment_of(files), executor=Backwards())), ())
    assert json.dumps(here) == json.dumps(there)


@pytest.mark.parametrize("start", range(FIRST, FIRST + 18, 6))
def test_diff(start, monkeypatch):
    monkeypatch.setattr(differing, "_PART", 3)
    rows = 0
    for seed in range(start, start + 6):
        made, r = case(Random(seed)), Random(seed)
        changed = with_statement(r, made, "Allow") or with_statement(r, made, "Deny") or made
        pairs = [[environment_of(m.files) for m in (made, changed)] for _ in range(2)]
        options = {"missing": made.missing, "actions": made.action.partition(":")[0] + ":*"}
        here, there = diff(*pairs[0], **options), diff(*pairs[1], executor=Backwards(), **options)
        assert diff_json(here) == diff_json(there), seed
        assert list(diff_lines(here)) == list(diff_lines(there)), seed
        rows += len(here.rows)
    assert rows


@pytest.mark.parametrize(("seed", "via"), [*((FIRST + n, "roles") for n in range(6)), (FIRST, "escalation")])
def test_reach_diff(seed, via):
    made, r = case(Random(seed)), Random(seed)
    changed = with_statement(r, made, "Allow") or made
    pairs = [[environment_of(m.files) for m in (made, changed)] for _ in range(2)]
    here, there = reach_diff(*pairs[0], via=via), reach_diff(*pairs[1], via=via, executor=Backwards())
    assert reach_json(here) == reach_json(there)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 12))
def test_check(seed):
    made = case(Random(seed))
    action, resource = made.action, made.resource
    rules = read_rules(
        f"who can do {action} on {resource} via direct except user/u expect no\n"
        f"can user/u do {action} on {resource} via roles expect yes\n"
        f"can user/nobody do {action} on {resource} expect no\n",
        "rules.iamq",
    )
    assert rules.rules, rules.problems
    today = date(2026, 11, 24)
    here = check(environment_of(made.files), [rules], today)
    there = check(environment_of(made.files), [rules], today, executor=Backwards())
    assert json.dumps(report_json(here, "error", None)) == json.dumps(report_json(there, "error", None))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 4))
def test_lattice(seed):
    every = all_managed()
    services = sorted({name.split("Full")[0] for name in every if "FullAccess" in name})
    near = tuple(Random(seed).sample(services, 4))
    policies = {name: policy for name, policy in every.items() if name.startswith(near)}
    # the same once more without its last statement, so that there is an order
    policies |= {f"less of {n}": replace(p, statements=p.statements[:-1]) for n, p in policies.items()}
    policies = {n: identity_policy({**p.document, "Statement": _less(p)}, n)[0] for n, p in policies.items()}
    here = lattice(policies)
    assert any(here.above)
    assert here == lattice(policies, executor=Backwards())


def _less(policy):
    statements = policy.document["Statement"]
    return statements[: len(policy.statements)] if isinstance(statements, list) else statements

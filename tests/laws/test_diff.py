"""Laws of `diff` over seeded random environments: nothing changed gives nothing, and what changed is in some row.

A failure names its seed, as in test_fuzz.py.
"""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import pytest
from fuzz_envs import case, shuffled, some_document, with_statement

from iamsim.env.build import environment_of
from iamsim.errors import QueryError
from iamsim.judge.callers import read_callers
from iamsim.model.caller import CallerKind
from iamsim.query.diff import diff

FIRST = int(os.environ.get("IAMSIM_SEED", "0"))
CASES = int(os.environ.get("IAMSIM_FUZZ", "240"))
BLOCK = 20


def blocks():
    return pytest.mark.parametrize("start", range(FIRST, FIRST + CASES, BLOCK))


def cases(start):
    for seed in range(start, start + BLOCK):
        yield seed, replace(case(Random(seed)), session=None, endpoint=None, missing="assume")


def plainly(r, made, effect):
    """The case with a statement on its very action, without conditions, in one of its documents; None if there is none."""
    files, found = some_document(r, made, effect)
    if found is None:
        return None
    kind, holder, name = found
    new = {"Effect": effect, "Action": made.action}
    new |= {} if kind == "trust" else {"Resource": "*"}
    new |= (
        {"Principal": {"AWS": "*"}}
        if kind in ("trust", "key", "resource")
        else {"Principal": "*"}
        if kind == "rcp"
        else {}
    )
    old = holder[name]["Statement"]
    holder[name]["Statement"] = [*(old if isinstance(old, list) else [old]), new]
    return made.with_files(files)


def party(env, made):
    """The name under which `diff` has the caller of a case, None for those that it leaves out."""
    caller = read_callers(env, made.caller)[0]
    if caller.kind in (CallerKind.USER, CallerKind.ROLE_SESSION) and caller.arn in env.principals:
        return caller.arn
    return caller.arn if caller.kind is CallerKind.ROOT and not caller.assumed_root else None


@blocks()
def test_no_change_is_no_difference(start):
    for seed, made in cases(start):
        if seed % 4 == 0:
            assert diff(environment_of(made.files), environment_of(made.files)).rows == (), seed
            other = shuffled(Random(seed), made)
            assert diff(environment_of(made.files), environment_of(other.files)).rows == (), seed


@blocks()
def test_every_difference_is_in_a_row(start):
    for seed, made in cases(start):
        r = Random(seed)
        for effect in ("Allow", "Deny"):
            changed = plainly(r, made, effect)
            if changed is None:
                continue
            before, after = environment_of(made.files), environment_of(changed.files)
            name = party(before, made)
            try:
                old, new = (m.ask(env=e, strict=True).verdict for m, e in ((made, before), (changed, after)))
            except QueryError:
                continue
            if name is None or {str(old), str(new)} != {"yes", "no"}:
                continue
            rows = [x for x in diff(before, after, actions=made.action).rows if x.gained == (str(new) == "yes")]
            assert any(x.covers(name, made.action, made.resource) for x in rows), (seed, effect, rows)


@blocks()
def test_a_diff_backwards_is_the_diff_with_its_directions_turned(start):
    for seed, made in cases(start):
        changed = with_statement(Random(seed), made, "Allow") if seed % 5 == 0 else None
        if changed is not None:
            before, after = environment_of(made.files), environment_of(changed.files)
            there = {
                (r.gained, r.principals, r.actions, r.resources) for r in diff(before, after, actions=made.action).rows
            }
            back = {
                (not r.gained, r.principals, r.actions, r.resources)
                for r in diff(after, before, actions=made.action).rows
            }
            assert {x[:3] for x in there} == {x[:3] for x in back}, seed

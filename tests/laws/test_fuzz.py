"""Laws of whole answers over seeded random cases: every kind of policy, caller, operator and malformed part at once.

A failure names its seed: `fuzz_envs.case(Random(seed))` is the case. IAMSIM_FUZZ is the number of cases, IAMSIM_SEED the first.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from random import Random

import pytest
from fuzz_envs import ALL_KEYS, OTHER, QUEUE, ROLE, TEXTS, USER, A, case, policy, shuffled, with_statement
from page_files import managed_policy

from iamsim.env.build import environment_of
from iamsim.errors import QueryError
from iamsim.ir.bindings import Alias
from iamsim.judge.callers import read_callers
from iamsim.judge.candidates import targets
from iamsim.judge.check import check_of
from iamsim.judge.judge import Ask, facts_of

FIRST = int(os.environ.get("IAMSIM_SEED", "0"))
CASES = int(os.environ.get("IAMSIM_FUZZ", "320"))
BLOCK = 20
ORDER = {"no": 0, "unknown": 1, "yes": 2}
# values of free keys, with the neighbours of the constants that the generator puts into policies
VALUES = {
    "S": TEXTS,
    "N": ["0", "1", "-1", "1.5", "10", "3600", "5", "0.1", "99999999999999999999"],
    "D": ["2024-01-01T00:00:00Z", "2023-12-31T23:59:59Z", "2030-06-15T10:00:00Z", "2030-01-01T00:00:00Z",
          "1970-01-01T00:33:50Z", "2024-01-01T00:00:01Z", "2024-01-01T00:00:00.5Z"],
    "B": ["true", "false"],
    "I": ["10.1.2.3", "203.0.113.7", "2001:db8::1", "9.255.255.255", "11.0.0.0", "::1", "10.1.2.4"],
    "A": [USER, ROLE, OTHER, "arn:aws:s3:::b", QUEUE, f"arn:aws:iam::{A}:user/a", "arn:aws:s3:::*"],
}  # fmt: skip
# keys that hang together (semantics 4.4): drawn jointly below, or left alone
LINKED = (
    "aws:sourceip", "aws:sourcevpce", "aws:sourcevpc", "aws:vpcsourceip", "aws:epochtime", "aws:calledvia", "aws:calledviafirst",
    "aws:requesttag/x", "aws:tagkeys", "aws:multifactorauthage", "aws:multifactorauthpresent", "aws:viaawsservice",
    "sts:transitivetagkeys", "aws:tokenissuetime", "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid",
)  # fmt: skip
NAMES = ("sts:RoleSessionName", "sts:SourceIdentity", "aws:SourceIdentity", "sts:ExternalId")


def blocks(number):
    """Seeds in blocks, so that a failing one is named without a test per seed."""
    return pytest.mark.parametrize("start", range(FIRST, FIRST + number, BLOCK))


def cases(start):
    """The cases of a block of which a question can be asked."""
    for seed in range(start, start + BLOCK):
        made = case(Random(seed))
        if ":role/" in made.caller:
            made = replace(made, caller=f"{made.caller}?session=s1")
        try:
            strict = made.ask(strict=True)
        except QueryError:
            continue
        yield seed, made, strict


@blocks(CASES)
def test_the_strict_answer_is_replay(start):
    for seed, made, strict in cases(start):
        assert str(strict.decision) == str(made.ask(strict=True, engine="replay").decision), seed


@blocks(CASES // 4)
def test_ever_answers(start):
    """A YES is replayed inside `can`; after a NO no sampled request is allowed; z3 decides alike."""
    for seed, made, strict in cases(start):
        ever = made.ask()
        if strict.verdict == "yes":
            assert ever.verdict == "yes", seed
        if ever.verdict == "no":
            assert strict.verdict == "no", seed
            for context in contexts(Random(seed), made, 5):
                found = replace(made, given=context).ask(strict=True, engine="replay")
                assert found.verdict != "yes", (seed, context)
        if seed % 5 == 0:
            assert made.ask(engine="z3").verdict == ever.verdict, seed


@blocks(CASES // 4)
def test_monotony(start):
    """An Allow never turns YES into NO, a Deny or boundary never NO into YES, order and duplicates nothing."""
    for seed, made, strict in cases(start):
        for asked, old in (({"strict": True}, strict), ({}, made.ask())):
            r = Random(seed)
            before = ORDER[old.verdict]
            more, less = with_statement(r, made, "Allow"), with_statement(r, made, "Deny")
            assert more is None or ORDER[more.ask(**asked).verdict] >= before, seed
            assert less is None or ORDER[less.ask(**asked).verdict] <= before, seed
            assert ORDER[bounded(r, made).ask(**asked).verdict] <= before, seed
            assert shuffled(r, made).ask(**asked).decision == old.decision, seed


def bounded(r, made):
    """The case with a boundary on every user and role of account A that has none."""
    arn = f"arn:aws:iam::{A}:policy/more"
    gaad = dict(made.files[f"gaad-{A}.json"])
    for part in ("UserDetailList", "RoleDetailList"):
        gaad[part] = [{"PermissionsBoundary": {"PermissionsBoundaryArn": arn}, **record} for record in gaad[part]]
    boundary = policy(r, "boundary", action=made.action, resource=made.resource)
    gaad["Policies"] = [*gaad["Policies"], managed_policy(arn, boundary)]
    return made.with_files({**made.files, f"gaad-{A}.json": gaad})


# --- concrete contexts


def free_keys(made):
    """The keys that are free in the "ever" reading of the question."""
    env = environment_of(made.files)
    given = {k.lower(): () if v is None else (v,) if isinstance(v, str) else tuple(v) for k, v in made.given.items()}
    caller = read_callers(env, made.caller)[0]
    anything = {"any_resource": made.resource != "*", "owner": None, "closed": made.missing == "closed"}
    target = targets(env, made.action, made.resource, caller.account, **anything)[0]
    ask = Ask(env=env, given=given, ever=True, missing=made.missing)
    check = check_of(facts_of(ask, caller, made.action, target))
    return [k for k in ALL_KEYS if check.lookup(k.lower()) == Alias(k.lower())]


def contexts(r, made, number):
    """Contexts that respect the constraints between keys, with constants of the policies among the values."""
    keys = free_keys(made)
    pool = sorted(v for v in set(texts(made.files)) if len(v) < 40)[:60]
    for _ in range(number):
        out = dict(made.given)
        for key in keys:
            given = {k.lower() for k in out}
            needed = key in ("aws:CurrentTime", "aws:SecureTransport")
            if key.lower() not in given and key.lower() not in LINKED and (needed or r.random() < 0.7):
                out[key] = value(r, key, pool)
        yield linked(r, out, {k.lower() for k in keys})


def value(r, key, pool):
    kind = ALL_KEYS[key]
    many = pool if kind[0] == "S" and pool and r.random() < 0.5 else VALUES[kind[0]]
    if kind.endswith("[]"):
        return sorted({r.choice(many) for _ in range(r.choice([1, 2, 3]))} - {""}) or ["a"]
    found = r.choice(many)
    if key in NAMES and not re.fullmatch(r"[\w+=,.@-]{2,64}", found, re.ASCII):
        return "ab"
    return "a" if "tag/" in key.lower() and set(found) & {"*", "?"} else found


def linked(r, out, free):
    """`out` with the keys that hang together."""
    given = {k.lower() for k in out}
    if "aws:sourceip" in free and not given & {"aws:sourceip", "aws:sourcevpce", "aws:sourcevpc"}:
        out |= r.choice(
            [{"aws:SourceIp": r.choice(VALUES["I"])}]
            + [{"aws:SourceVpce": v, "aws:SourceVpc": "a", "aws:VpcSourceIp": r.choice(VALUES["I"])} for v in "ab"]
        )
    if {"aws:requesttag/x", "aws:tagkeys"} <= free and r.random() < 0.6:
        out |= {
            "aws:RequestTag/x": r.choice(["a", "red", "u"]),
            "aws:TagKeys": ["x", *r.sample(["a", "u"], r.choice([0, 1]))],
        }
    if {"aws:multifactorauthpresent", "aws:multifactorauthage"} <= free and r.random() < 0.6:
        out |= {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": r.choice(["0", "1", "3600", "10"])}
    return out


def texts(value):
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(part)

"""Laws of starts that are alike: the closure that one of them is given is the one that would have been worked out for it."""

from __future__ import annotations

import os

from page_files import A, Snapshot
from random_accounts import environment, on, policy

from iamsim.env.build import environment_of
from iamsim.graph import ever
from iamsim.graph.state import START
from iamsim.graph.world import Search
from iamsim.query.prepare import Options, prepare
from iamsim.query.techniques import catalogue_of

FIRST = int(os.environ.get("IAMSIM_SEED", "0"))
SOME = int(os.environ.get("IAMSIM_DEEP_EXAMPLES", "12"))


def closure_from(env, arn):
    about = prepare(env, arn, "sts:GetCallerIdentity", "*", Options())
    caller, action, _ = about.runs[0]
    return ever.closed(Search(about.ask, action, caller, catalogue_of(None)[0]), sure=True)


def closures(seed, arns=None):
    env = environment(seed)
    return {arn: closure_from(env, arn) for arn in arns or sorted(env.principals)}


def told(closure):
    """All that a closure says, in the order in which it says it."""
    start = closure.nodes[START].caller
    return start, list(closure.how.items()), list(closure.nodes.items()), closure.cost, closure.unsettled


def test_starts_that_are_alike_come_to_the_same(monkeypatch):
    alone = {}
    for seed in range(FIRST, FIRST + SOME):
        with monkeypatch.context() as patched:
            patched.setattr(ever, "sign_of", lambda _: None)
            alone[seed] = {arn: told(c) for arn, c in closures(seed).items()}
    shared, led = 0, 0
    for seed, expected in alone.items():
        found = closures(seed)
        several = len(found) - len({id(c.how) for c in found.values()})
        shared += several
        led += several if any("base" in c.done for c in found.values()) else 0
        for arn, closure in found.items():
            assert told(closure) == expected[arn], (seed, arn)
        backwards = closures(seed, sorted(found, reverse=True))
        assert {arn: told(c) for arn, c in backwards.items()} == expected, seed
    assert shared > led > 0


def test_starts_are_told_apart_by_what_they_do_with_others():
    made = Snapshot()
    head = f"arn:aws:iam::{A}:role/"
    for name in ("a", "b", "c"):
        passed = on("iam:PassRole", head + ("one" if name == "b" else "two"))
        made.identity("user", name, policy(on("lambda:CreateFunction"), on("s3:GetObject"), passed))
        made.trust("role/helper", policy({"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"}))
        made.identity("user", name, policy(on("sts:AssumeRole")))
    made.identity("role", "helper", policy(on("lambda:InvokeFunction")))
    for name in ("one", "two"):
        made.trust(
            f"role/{name}",
            policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}),
        )
    env = environment_of(made.files())
    found = {n: closure_from(env, f"arn:aws:iam::{A}:user/{n}") for n in ("a", "b", "c")}
    assert {n: {r for r in ("one", "two") if head + r in c.how} for n, c in found.items()} == {
        "a": {"two"},
        "b": {"one"},
        "c": {"two"},
    }
    assert found["a"].how is found["c"].how

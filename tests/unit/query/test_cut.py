"""Cuts: what has to go, that it closes every way, and that nothing smaller does."""

from __future__ import annotations

from itertools import combinations

import pytest
from check_envs import ACCOUNT, allow, lets, policy, role, user
from check_envs import environment as made
from hypothesis import given, settings
from hypothesis import strategies as st

from iamsim import QueryError, Verdict, can, cut, load, paths
from iamsim.query.cut import cut_only_via, hitting, openings
from iamsim.query.only_via import only_via
from iamsim.query.pieces import Piece, pieces_of, removed

BUCKET = "arn:aws:s3:::ledger"
READ = ("s3:GetObject", f"{BUCKET}/a.csv")
TINY = "corpus/organizations/tiny/snapshot"


def environment(folder, **lists):
    return made(folder, resources=[{"Resource": BUCKET, "Account": ACCOUNT, "Policy": None}], **lists)


def arn(name):
    return f"arn:aws:iam::{ACCOUNT}:{name}"


def texts(found):
    return [p.text for p in found.pieces]


def reader(name, *trusted):
    return role(name, policy(allow("s3:GetObject", f"{BUCKET}/*")), trust=[lets({"AWS": [arn(t) for t in trusted]})])


def closes(env, pieces, who="user/ann"):
    return can(removed(env, pieces), who, *READ).verdict is Verdict.NO


def test_one_statement_that_all_ways_share_is_enough(tmp_path):
    first, second = reader("One", "role/Gate"), reader("Two", "role/Gate")
    gate = role("Gate", trust=[lets({"AWS": arn("user/ann")})])
    env = environment(tmp_path, users=[user("ann")], roles=[first, second, gate])
    found = cut(env, "user/ann", action=READ[0], resource=READ[1])
    assert (found.verdict, texts(found)) == (Verdict.YES, ["trust policy Gate, statement 1"])
    assert closes(env, found.pieces)


def test_ways_that_share_nothing_need_one_piece_each(tmp_path):
    env = environment(
        tmp_path,
        users=[user("ann", policy(allow("s3:GetObject")))],
        roles=[reader("One", "user/ann"), reader("Two", "user/ann")],
    )
    found = cut(env, "user/ann", action=READ[0], resource=READ[1])
    assert (found.verdict, len(found.pieces), len(found.ways)) == (Verdict.YES, 3, 3)
    assert closes(env, found.pieces)
    for fewer in combinations(found.pieces, 2):
        assert not closes(env, fewer)


def test_policies_of_aws_are_detached_from_whoever_has_them(tmp_path):
    full = {"PolicyName": "AmazonS3FullAccess", "PolicyArn": "arn:aws:iam::aws:policy/AmazonS3FullAccess"}
    ann, bob = user("ann", AttachedManagedPolicies=[full]), user("bob", AttachedManagedPolicies=[full])
    env = environment(tmp_path, users=[ann, bob])
    found = cut(env, "user/ann", action=READ[0], resource=READ[1])
    assert [(p.attachment.who, p.attachment.policy, p.carriers) for p in found.pieces] == [
        (arn("user/ann"), full["PolicyArn"], (arn("user/ann"),))
    ]
    assert can(removed(env, found.pieces), "user/bob", *READ).verdict is Verdict.YES


def test_what_no_statement_opens_cannot_be_closed(tmp_path):
    env = environment(tmp_path, users=[user("ann")])
    found = cut(env, f"{ACCOUNT}:root", action=READ[0], resource=READ[1])
    assert found.verdict is Verdict.NO
    assert found.open_.witness.request.action == "s3:GetObject"


def test_no_way_needs_no_cut(tmp_path):
    found = cut(environment(tmp_path, users=[user("ann")]), "user/ann", action=READ[0], resource=READ[1])
    assert (found.verdict, found.pieces, found.ways) == (Verdict.YES, (), ())


def test_what_is_not_known_is_said(tmp_path):
    gone = {"PolicyName": "Gone", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/Gone"}
    ann = user("ann", policy(allow("s3:GetObject")))
    gate = role("Gate", trust=[lets({"AWS": arn("user/ann")})], AttachedManagedPolicies=[gone])
    found = cut(
        environment(tmp_path, users=[ann], roles=[gate]), "user/ann", action=READ[0], resource=READ[1], via="roles"
    )
    assert (found.verdict, len(found.pieces)) == (Verdict.UNKNOWN, 1)
    assert found.reasons


def test_techniques_are_closed_too(tmp_path):
    worker = role("Worker", policy(allow("s3:GetObject")), trust=[lets({"Service": "lambda.amazonaws.com"})])
    ann = user(
        "ann",
        policy(allow(["lambda:CreateFunction", "lambda:InvokeFunction"]), allow("iam:PassRole", arn("role/Worker"))),
    )
    env = environment(tmp_path, users=[ann], roles=[worker])
    found = cut(env, "user/ann", "role/Worker")
    assert (found.verdict, len(found.pieces)) == (Verdict.YES, 1)
    assert next(paths(removed(env, found.pieces), "user/ann", "role/Worker"), None) is None
    # the trust of the passed role is one of the things that could go
    assert any(p.text == "trust policy Worker, statement 1" for w in found.ways for p in w.pieces)


def test_a_way_past_a_role_is_opened_and_closed(tmp_path):
    env = environment(
        tmp_path, users=[user("ann"), user("bob", policy(allow("s3:GetObject")))], roles=[reader("Keeper", "user/ann")]
    )
    asked = {"except_": ["root"], "via": "roles"}
    found = only_via(env, "role/Keeper", *READ, **asked)
    assert [p.text for p in openings(env, found)] == ["identity policy p0, statement 1"]
    closing = cut_only_via(env, "role/Keeper", *READ, **asked)
    assert only_via(removed(env, closing.pieces), "role/Keeper", *READ, **asked).verdict is Verdict.YES
    assert openings(env, only_via(removed(env, closing.pieces), "role/Keeper", *READ, **asked)) == ()


@pytest.mark.parametrize(
    "ends", [{}, {"target": "role/R", "action": "s3:GetObject", "resource": "*"}, {"action": "s3:GetObject"}]
)
def test_one_end_is_given(ends, request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)
    with pytest.raises(QueryError, match="one end"):
        cut(load(TINY), "user/alice", **ends)


PIECES = st.integers(0, 7).map(lambda n: Piece((f"c{n % 3}",) * (1 + n % 2), f"p{n}", None))


@settings(deadline=None)
@given(st.lists(st.frozensets(PIECES, min_size=1, max_size=4), max_size=8))
def test_hitting_sets_are_smallest(sets):
    found = hitting(sets)
    assert all(s & set(found) for s in sets)
    every = sorted({p for s in sets for p in s})
    for fewer in combinations(every, max(0, len(found) - 1)):
        assert not found or not all(s & set(fewer) for s in sets)


NAMES = ("user/ann", "role/A", "role/B", "role/C")
EDGES = [(a, b) for a in NAMES for b in NAMES[1:] if a != b]


@settings(deadline=None, max_examples=25)
@given(st.sets(st.sampled_from(EDGES), max_size=6), st.sets(st.sampled_from(NAMES), min_size=1, max_size=2))
def test_a_cut_is_smallest_among_all_sets(tmp_path_factory, edges, readers):
    """Every role is trusted statement by statement, and may be assumed by whom it trusts."""
    grants = policy(allow("s3:GetObject", f"{BUCKET}/*"))
    roles = [
        role(n.partition("/")[2], *([grants] if n in readers else []),
             trust=[lets({"AWS": arn(a)}) for a, b in sorted(edges) if b == n] or [lets({"Service": "ec2.amazonaws.com"})])
        for n in NAMES[1:]
    ]  # fmt: skip
    ann = user("ann", *([grants] if NAMES[0] in readers else []))
    env = environment(tmp_path_factory.mktemp("law"), users=[ann], roles=roles)
    found = cut(env, "user/ann", action=READ[0], resource=READ[1], via="roles")
    assert found.verdict is Verdict.YES
    assert closes(env, found.pieces)
    every = sorted(pieces_of(env).by_place.values())
    for fewer in combinations(every, len(found.pieces) - 1) if found.pieces else ():
        assert not closes(env, fewer)

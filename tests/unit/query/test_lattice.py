"""The order of a set of policies agrees with the comparison of each pair, and its steps are between neighbours."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from iamsim.aws.managed import managed_policies
from iamsim.diagnostics import Origin
from iamsim.judge.answer import Verdict
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy
from iamsim.query.compare import narrower
from iamsim.query.lattice import lattice


def read(document, name="p"):
    return read_policy(document, PolicyKind.IDENTITY, name, Origin(name))[0]


def allow(*actions, resource="*"):
    return read(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}]}
    )


def closure(found):
    """name → names of the policies that allow all that it does."""
    out = {}
    for i, names in enumerate(found.classes):
        todo, seen = [i], set()
        while todo:
            j = todo.pop()
            if j not in seen:
                seen.add(j)
                todo += found.above[j]
        above = {n for j in seen for n in found.classes[j]}
        out.update({n: above - {n} for n in names})
    return out


def test_steps_are_between_neighbours():
    found = lattice(
        {"get": allow("s3:GetObject"), "same": allow("S3:getobject"), "all": allow("*"), "s3": allow("s3:*")}
    )
    assert found.classes == (("all",), ("get", "same"), ("s3",))
    assert found.above == ((), (2,), (0,))
    assert found.pairs == 12
    assert found.undecided == ()
    assert found.rows()[1] == {"policies": ["get", "same"], "narrower_than": ["s3"], "wider_than": []}


def test_what_is_not_known_is_listed():
    found = lattice({"a": allow("s3:ListAllMyBuckets", resource="arn:aws:s3:::*"), "b": allow("sqs:SendMessage")})
    assert found.undecided == ((0, 1, "X3"),)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_is_that_of_each_pair(seed):
    rows = {r["name"]: r["document"] for r in managed_policies().values()}
    chosen = {n: read(rows[n], n) for n in random.Random(seed).sample(sorted(rows), 25)}
    chosen |= {n: read(rows[n], n) for n in ("AmazonS3ReadOnlyAccess", "AmazonS3FullAccess", "PowerUserAccess")}
    above = closure(lattice(chosen))
    for one, other in permutations(chosen, 2):
        verdict = narrower(chosen[one], chosen[other]).verdict
        assert verdict is Verdict.UNKNOWN or (other in above[one]) == (verdict is Verdict.YES), (one, other)

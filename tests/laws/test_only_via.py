"""The only way through a role, against reachability that is worked out by hand."""

from __future__ import annotations

from check_envs import ACCOUNT, allow, environment, lets, policy, role, user
from hypothesis import given, settings
from hypothesis import strategies as st

from iamsim import Verdict, ask, only_via

BUCKET = "arn:aws:s3:::ledger"
READ = ("s3:GetObject", f"{BUCKET}/a.csv")
NAMES = ("user/ann", "user/bob", "role/A", "role/B", "role/C")
EDGES = [(a, b) for a in (*NAMES, "ec2.amazonaws.com") for b in NAMES[2:] if a != b]


def arn(name):
    return f"arn:aws:iam::{ACCOUNT}:{name}"


def trust(edges, name):
    """Every role is trusted by whom the edges say; one that nobody gets trusts a service that runs nothing of it."""
    found = [lets({"Service": a} if "." in a else {"AWS": arn(a)}) for a, b in sorted(edges) if b == name]
    return found or [lets({"AWS": arn("role/A")} if name != "role/A" else {"AWS": arn("role/B")})]


def bypassed(edges, readers):
    """Whether somebody who is there without role/A gets to a reader without it."""
    reached = {"user/ann", "user/bob", "ec2.amazonaws.com"}
    while more := {b for a, b in edges if a in reached and b not in reached and b != "role/A"}:
        reached |= more
    return bool(reached & readers - {"role/A"})


@settings(deadline=None, max_examples=25)
@given(
    st.sets(st.sampled_from(EDGES), max_size=7),
    st.sets(st.sampled_from(NAMES), min_size=1, max_size=2),
    st.sampled_from(["roles", "escalation"]),
)
def test_the_only_way_is_that_of_the_graph(tmp_path_factory, edges, readers, via):
    # a role that the edges leave out is trusted by a role, which is an edge, too
    implied = {("role/B" if b == "role/A" else "role/A", b) for b in NAMES[2:] if not any(x == b for _, x in edges)}
    reads = policy(allow("s3:GetObject", f"{BUCKET}/*"))
    own = {n: [reads] if n in readers else [] for n in NAMES}
    env = environment(
        tmp_path_factory.mktemp("law"),
        users=[user(n.partition("/")[2], *own[n]) for n in NAMES[:2]],
        roles=[role(n.partition("/")[2], *own[n], trust=trust(edges, n)) for n in NAMES[2:]],
        resources=[{"Resource": BUCKET, "Account": ACCOUNT, "Policy": None}],
    )
    found = only_via(env, "role/A", *READ, except_=["root"], via=via)
    assert (found.verdict is Verdict.NO) == bypassed(edges | implied, readers)
    assert found.verdict is not Verdict.UNKNOWN
    [reply] = ask(env, f"only via role/A do {READ[0]} on {READ[1]} except root via {via}")
    assert reply.verdict is found.verdict
    assert [b.row.principal for b in reply.result.bypasses] == [b.row.principal for b in found.bypasses]

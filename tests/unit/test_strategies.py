"""The strategies for users: what they draw is valid, varied, and shrinks to something small."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from iamsim import Verdict, can, load
from iamsim.diagnostics import Origin
from iamsim.errors import QueryError
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy
from iamsim.strategies import ACCOUNTS, environments, policies, requests

TINY = "corpus/organizations/tiny/snapshot"
KINDS = {
    "identity": PolicyKind.IDENTITY,
    "boundary": PolicyKind.BOUNDARY,
    "session": PolicyKind.SESSION,
    "scp": PolicyKind.SCP,
    "resource": PolicyKind.RESOURCE,
    "trust": PolicyKind.TRUST,
}
QUICK = settings(database=None, max_examples=500, deadline=None)
UNSHRUNK = settings(QUICK, phases=[Phase.generate])


@pytest.fixture(scope="module")
def tiny(request):
    return load(str(request.config.rootpath / TINY))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_policy_is_valid(kind, data):
    document = data.draw(policies(kind))
    read, said = read_policy(document, KINDS[kind], "p", Origin("<p>"))
    assert said == ()
    assert read.malformed is None
    assert all(s.malformed is None for s in read.statements)


@given(env=environments(), data=st.data())
def test_every_request_about_every_environment_can_be_asked(env, data):
    assert [d for d in env.diagnostics if d.severity != "info"] == []
    answer = can(env, **data.draw(requests(env)), via="direct", strict=True)
    assert answer.warnings == ()


@given(data=st.data())
def test_requests_are_about_what_was_named(tiny, data):
    request = data.draw(
        requests(tiny, principals=["user/alice", "anonymous"], actions=["s3:Get*"], resources=["arn:aws:s3:::tiny-reports", "arn:aws:s3:::tiny-reports/*"])
    )  # fmt: skip
    assert request["principal"] in ("user/alice", "anonymous")
    assert request["action"].startswith("s3:Get")
    assert request["resource"].startswith("arn:aws:s3:::tiny-reports")
    can(tiny, **request, via="direct")


@given(data=st.data())
def test_names_may_be_drawn_by_strategies(tiny, data):
    keys = st.text("abc/", min_size=1, max_size=5).map(lambda key: f"arn:aws:s3:::tiny-reports/{key}")
    one = data.draw(requests(tiny, resources=keys, context=st.just({"aws:SecureTransport": "true"})))
    two = data.draw(requests(tiny, actions=st.sampled_from(["s3:GetObject", "iam:GetUser"])))
    assert one["resource"].startswith("arn:aws:s3:::tiny-reports/")
    assert one["context"] == {"aws:SecureTransport": "true"}
    assert (
        two["resource"] == "arn:aws:s3:::tiny-reports/key"
        if two["action"] == "s3:GetObject"
        else ":user/" in two["resource"]
    )
    can(tiny, **one, via="direct")


def test_star_stands_for_actions_without_resources(tiny):
    found = find(requests(tiny, resources=["*"], actions=["s3:*"]), lambda _: True, settings=QUICK)
    assert found["resource"] == "*"
    assert found["action"] in (
        "s3:ListAllMyBuckets",
        "s3:CreateJob",
        "s3:GetAccountPublicAccessBlock",
        "s3:GetAccessPoint",
    )


def test_what_leaves_nothing_to_draw_is_an_error(tiny):
    for wrong, text in (
        (lambda: requests(tiny, actions=["s3:GetObjcet"]), "does not know the action"),
        (lambda: requests(tiny, actions=["s3:*"], resources=["role/ReportWriter"]), "neither an ARN nor"),
        (
            lambda: requests(tiny, actions=["s3:GetObject"], resources=["arn:aws:s3:::tiny-reports"]),
            "no action works on",
        ),
        (lambda: requests(tiny, principals=[]), "no principal is left"),
        (lambda: requests(tiny, actions=[]), "no action is left"),
        (lambda: policies("bucket"), "no kind of policy"),
        (lambda: policies(resources=[]), "no resource is left"),
        (lambda: environments(accounts=3), "not from 1 to 2"),
    ):
        with pytest.raises(QueryError, match=text):
            wrong()


def test_verdicts_of_all_kinds_are_found():
    both = environments().flatmap(lambda env: st.tuples(st.just(env), requests(env)))
    for wanted in (Verdict.YES, Verdict.NO):
        env, request = find(
            both, lambda drawn, w=wanted: can(drawn[0], **drawn[1], via="direct").verdict is w, settings=UNSHRUNK
        )
        assert can(env, **request, via="direct").verdict is wanted


def test_examples_shrink_to_what_matters():
    document = find(policies(), lambda d: any(s["Effect"] == "Deny" for s in d["Statement"]), settings=QUICK)
    assert document["Statement"] == [{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}]
    env = find(environments(), lambda _: True, settings=settings(QUICK, max_examples=30))
    assert env.accounts == {ACCOUNTS[0]}
    assert all(p.policies == () and p.boundary is None for p in env.principals.values())


def run(code, root):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_failing_example_prints_its_input_files(pytestconfig):
    code = (
        "from hypothesis import Phase, given, settings\n"
        "from iamsim.strategies import environments\n"
        "@settings(database=None, max_examples=5, phases=[Phase.generate])\n"
        "@given(environments())\n"
        "def test(env):\n    assert not env.principals\n"
        "test()\n"
    )
    done = run(code, pytestconfig.rootpath)
    assert done.returncode == 1
    assert f'input files: {{"{ACCOUNTS[0]}.json"' in done.stderr


def test_without_hypothesis_the_remedy_is_said(pytestconfig):
    code = "import sys; sys.modules['hypothesis'] = None\nimport iamsim.strategies"
    done = run(code, pytestconfig.rootpath)
    assert done.stderr.splitlines()[-1] == "ImportError: iamsim.strategies needs hypothesis: install `iamsim[test]`"

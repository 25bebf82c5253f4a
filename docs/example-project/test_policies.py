"""What holds today, and has to go on holding."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamsim import Verdict, can
from iamsim.strategies import requests
from iamsim.testing import assert_can, assert_cannot, assert_only_via

LEDGER = "arn:aws:s3:::ledger/2026.csv"


def test_omar_keeps_the_books(iam_env):
    answer = assert_can(iam_env, "user/omar", "s3:DeleteObject", LEDGER)
    assert [hop.target for hop in answer.path] == ["arn:aws:iam::123456789012:role/LedgerAdmin"]


def test_dana_writes_nothing_into_the_books(iam_env):
    assert_cannot(iam_env, "user/dana", "s3:PutObject", LEDGER, via="roles")


def test_only_the_ledger_admin_writes(iam_env):
    assert_only_via(iam_env, "role/LedgerAdmin", "s3:PutObject", LEDGER, except_=["root"])


@pytest.fixture(scope="session")
def strangers(iam_env):
    return requests(iam_env, principals=["anonymous"], actions=["s3:*"])


@settings(deadline=None)
@given(st.data())
def test_nobody_without_credentials_does_anything(iam_env, strangers, data):
    request = data.draw(strangers)
    assert can(iam_env, **request, via="direct").verdict is Verdict.NO

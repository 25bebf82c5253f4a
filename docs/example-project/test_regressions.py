"""What the statement `CleanUp` of Deploy broke: these tests fail, and show the way."""

from iamsim.testing import assert_cannot, assert_only_via

LEDGER = "arn:aws:s3:::ledger/2026.csv"


def test_dana_does_not_read_the_books(iam_env):
    assert_cannot(iam_env, "user/dana", "s3:GetObject", LEDGER)


def test_only_the_ledger_admin_deletes(iam_env):
    assert_only_via(iam_env, "role/LedgerAdmin", "s3:DeleteObject", LEDGER, except_=["root"])

"""Which actions a diff may decide together, and that a smaller formula is the same one."""

from iamsim import Edit, EditKind, load, what_if
from iamsim.aws.keys import key_row
from iamsim.aws.universe import universe
from iamsim.ir.term import FALSE, Opaque, Present, all_of, any_of, not_
from iamsim.query.difference import excess

BEFORE = "docs/examples/before.json"
REPORTS = "arn:aws:iam::111122223333:role/Reports"


def test_an_action_without_a_key_is_not_decided_with_one_that_has_it():
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "ec2:*",
            "Resource": "*",
            "Condition": {"StringEquals": {"ec2:InstanceType": "t3.micro"}},
        },
    }
    found = what_if(load(BEFORE), [Edit(EditKind.PUT_POLICY, "role/Reports", "x", document)], actions="ec2:*").diff
    gained = {a for r in found.rows for a in r.actions if r.gained and r.principals == (REPORTS,) and not r.reasons}
    expected = {
        n for n in universe().names if n.startswith("ec2:") and key_row("ec2:InstanceType", n.lower()).got != "absent"
    }
    assert expected
    assert gained == expected


def test_what_allows_everything_covers_what_was_allowed_before():
    found = what_if(load(BEFORE), [Edit(EditKind.ATTACH, "role/Reports", "AdministratorAccess")], actions="s3:*").diff
    assert {r.gained for r in found.rows} == {True}
    actions = {a for r in found.rows for a in r.actions}
    assert {"s3:GetObject", "s3:DeleteBucket", "s3:ListAllMyBuckets"} <= actions


def test_excess():
    a, b, c = Present("a"), Present("b"), Present("c")
    unknown = Opaque("missing:x")
    assert excess(all_of((a, b)), a) is FALSE
    assert excess(a, any_of((a, b))) is FALSE
    assert excess(any_of((a, b)), any_of((a, b, c))) is FALSE
    assert excess(all_of((a, unknown)), all_of((a, unknown))) is FALSE
    assert excess(a, all_of((a, b))) == all_of((a, not_(b)))
    assert excess(a, b) == all_of((a, not_(b)))

"""Edits of an environment: what each does, to whom, and what is said about those that mean nothing."""

import pytest

from iamsim.env.build import load
from iamsim.env.edit import Edit, EditKind, edited
from iamsim.errors import InputError, QueryError

ACME = "corpus/organizations/acme/snapshot"
DANA, REPORTS = "arn:aws:iam::111122223333:user/dana", "arn:aws:iam::111122223333:role/Reports"
ALLOW = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}}
DENY = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}}


@pytest.fixture
def env():
    return load("docs/examples/before.json")


@pytest.fixture(scope="module")
def acme():
    return load(ACME)


def names(policies):
    return [p.name for p in policies]


def test_the_environment_before_stays_as_it_is(env):
    after = edited(env, [Edit(EditKind.DELETE, "user/dana")])
    assert DANA in env.principals
    assert DANA not in after.principals
    assert list(after.principals) == sorted(after.principals)


def test_attach_and_detach(env):
    there = edited(env, [Edit(EditKind.ATTACH, "role/Reports", "AmazonS3ReadOnlyAccess")])
    assert names(there.principals[REPORTS].policies) == ["read", "AmazonS3ReadOnlyAccess"]
    back = edited(there, [Edit(EditKind.DETACH, REPORTS, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")])
    assert back.principals[REPORTS] == env.principals[REPORTS]
    assert edited(env, [Edit(EditKind.DETACH, "role/Reports", "read")]).principals[REPORTS].policies == ()


def test_an_inline_policy_is_replaced_or_added(env):
    after = edited(env, [Edit(EditKind.PUT_POLICY, "111122223333:role/Reports", "read", ALLOW)])
    (policy,) = after.principals[REPORTS].policies
    assert policy.document == ALLOW
    after = edited(after, [Edit(EditKind.PUT_POLICY, "role/Reports", "more", ALLOW)])
    assert names(after.principals[REPORTS].policies) == ["read", "more"]


def test_a_managed_policy_is_rewritten_wherever_it_is(acme):
    arn = next(
        a for a in acme.managed_policies if any(q.arn == a for p in acme.principals.values() for q in p.policies)
    )
    after = edited(acme, [Edit(EditKind.PUT_POLICY, arn, "", ALLOW)])
    held = [q for p in after.principals.values() for q in p.policies if q.arn == arn]
    assert held
    assert all(q.document == ALLOW for q in (*held, after.managed_policies[arn]))
    assert all(v.policy.document == ALLOW for v in after.versions.get(arn, ()) if v.default)


def test_trust(env):
    trust = {"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}
    after = edited(env, [Edit(EditKind.TRUST, "role/Reports", document=trust)])
    assert after.principals[REPORTS].trust.document == trust
    assert after.principals[REPORTS].policies == env.principals[REPORTS].policies


def test_an_scp_is_added_to_one_node(acme):
    def below(node):
        return [node, *(n for c in node.children for n in below(c))]

    old = below(acme.organizations[0].root)
    new = below(edited(acme, [Edit(EditKind.ADD_SCP, "555566667777", "no-ec2", DENY)]).organizations[0].root)
    changed = [(a, b) for a, b in zip(old, new, strict=True) if len(a.scps) != len(b.scps)]
    assert [(a.id, names(b.scps)[-1]) for a, b in changed] == [("555566667777", "no-ec2")]


def test_edits_are_made_in_order(env):
    attach, delete = Edit(EditKind.ATTACH, "user/dana", "ReadOnlyAccess"), Edit(EditKind.DELETE, "user/dana")
    assert DANA not in edited(env, [attach, delete]).principals
    with pytest.raises(QueryError, match="no role or user or group `user/dana`"):
        edited(env, [delete, attach])


@pytest.mark.parametrize(
    ("edit", "said", "remedy"),
    [
        (Edit(EditKind.DELETE, "user/dan"), "no role or user `user/dan`", "user/dana"),
        (Edit(EditKind.DETACH, "user/dana", "asume"), "has no policy `asume`", "assume"),
        (Edit(EditKind.ATTACH, "user/dana", "ReadOnlyAcces"), "no managed policy", "ReadOnlyAccess"),
        (Edit(EditKind.ATTACH, "user/dana", "arn:aws:iam::111122223333:policy/x"), "no managed policy", "ARN"),
        (Edit(EditKind.ADD_SCP, "prod", "x", DENY), "no node `prod`", "organization"),
        (Edit(EditKind.TRUST, "user/dana", document=ALLOW), "no role `user/dana`", "role/"),
    ],
)
def test_what_means_nothing(env, edit, said, remedy):
    with pytest.raises(QueryError, match=said) as error:
        edited(env, [edit])
    assert remedy in error.value.help


def test_attached_already(acme):
    role, policy = next((a, q.arn) for a, p in acme.principals.items() for q in p.policies if q.arn)
    with pytest.raises(QueryError, match="already"):
        edited(acme, [Edit(EditKind.ATTACH, role, policy)])


@pytest.mark.parametrize("document", [[], {}, 3, "{", None])
def test_no_document(env, document):
    with pytest.raises(InputError):
        edited(env, [Edit(EditKind.PUT_POLICY, "role/Reports", "x", document)])


def test_what_is_odd_about_a_document_is_said(env):
    document = {"Statement": {"Effect": "Alow", "Action": "s3:*", "Resource": "*"}}
    after = edited(env, [Edit(EditKind.PUT_POLICY, "role/Reports", "x", document, "x.json")])
    said = after.diagnostics[len(env.diagnostics) :]
    assert said
    assert {d.origin.source for d in said} == {"x.json"}

"""Organization trees."""

import pytest

from iamsim.env.build import environment_of
from iamsim.errors import InputError
from iamsim.model.policy import PolicyKind

A, M = "111122223333", "444455556666"
DENY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
RCP = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}


def scp(name, content=DENY, **members):
    return {"Name": name, "Type": "SERVICE_CONTROL_POLICY", "Content": content, **members}


def tree(*children, **members):
    root = {"Id": "r-1", "Arn": f"arn:aws:organizations::{M}:root/o-1/r-1", "Children": list(children)}
    return {**root, **members}


def read(value):
    env = environment_of({"f": value})
    return env.organizations[0], [(d.id, d.origin.pointer) for d in env.diagnostics]


def test_nodes_and_policies():
    found, said = read(
        tree(
            {"Id": "ou-2", "Name": "two", "Children": [{"Id": A, "Name": "prod"}]},
            {"Id": "ou-1", "Policies": [scp("b"), scp("a", Arn="arn:x")]},
            Policies=[scp("FullAWSAccess", None), {"Name": "r", "Type": "RESOURCE_CONTROL_POLICY", "Content": RCP}],
        )
    )
    assert said == []
    assert (found.id, found.management_account) == ("o-1", M)
    assert (found.scps_enabled, found.rcps_enabled) == (True, True)
    root = found.root
    assert [(n.id, n.kind, n.name) for n in root.children] == [("ou-1", "ou", ""), ("ou-2", "ou", "two")]
    assert (root.kind, root.children[1].children[0].kind) == ("root", "account")
    assert [(p.name, p.arn, p.kind) for p in root.children[0].scps] == [
        ("a", "arn:x", PolicyKind.SCP),
        ("b", None, PolicyKind.SCP),
    ]
    assert root.scps[0].statements[0].effect.value == "Allow"
    assert root.rcps[0].kind is PolicyKind.RCP


def test_types_that_no_node_lists_are_disabled():
    found, _ = read(tree())
    assert (found.scps_enabled, found.rcps_enabled) == (False, False)
    found, _ = read(tree({"Id": A, "Policies": [scp("s")]}))
    assert (found.scps_enabled, found.rcps_enabled) == (True, False)


def test_the_management_account():
    assert read(tree(ManagementAccountId=A))[0].management_account == A
    assert read(tree(Arn="arn:aws:organizations:::root/o-1/r-1"))[0].management_account is None


@pytest.mark.parametrize("arn", [None, "x", "arn:aws:organizations::1:root", "arn:aws:organizations::1:root/x-1/r-1"])
def test_a_root_without_organization(arn):
    with pytest.raises(InputError) as e:
        read(tree(Arn=arn))
    assert [(d.id, d.origin.pointer) for d in e.value.diagnostics] == [("input-shape", "/Arn")]


def test_managed_full_access_needs_no_content():
    found, said = read(
        tree(
            Policies=[
                {"Id": "p-FullAWSAccess", "Type": "SERVICE_CONTROL_POLICY"},
                {"Name": "RCPFullAWSAccess", "Type": "RESOURCE_CONTROL_POLICY"},
            ]
        )
    )
    assert said == []
    assert found.root.scps[0].statements[0].malformed is None
    assert found.root.rcps[0].statements == ()  # an RCP grants nothing: its Allow is dropped


def test_a_policy_without_content_is_unknown():
    found, said = read(tree(Policies=[scp("mine", None)]))
    assert said == [("policy-missing", "/Policies/0/Content")]
    assert found.root.scps[0].malformed
    assert found.scps_enabled


def test_policies_of_other_types():
    found, said = read(
        tree(
            Policies=[{"Name": "t", "Type": "TAG_POLICY", "Content": {}}, {"Name": "x", "Type": "X"}, {"Name": "y"}, 1]
        )
    )
    assert (found.root.scps, found.root.rcps) == ((), ())
    assert said == [
        ("input-shape", "/Policies/1/Type"),
        ("input-shape", "/Policies/2/Type"),
        ("input-shape", "/Policies/3"),
    ]


def test_children_of_the_wrong_shape():
    found, said = read(tree({"Name": "no id"}, 1, {"Id": A, "Policies": "x"}))
    assert [n.id for n in found.root.children] == [A]
    assert said == [
        ("input-shape", "/Children/0"),
        ("input-shape", "/Children/1"),
        ("input-shape", "/Children/2/Policies"),
    ]


def test_a_tree_deeper_than_aws_has():
    inner = {"Id": A}
    for i in range(70):
        inner = {"Id": f"ou-{i}", "Children": [inner]}
    found, said = read(tree(inner))
    assert [s[0] for s in said] == ["input-shape"]
    depth, node = 0, found.root
    while node.children:
        depth, node = depth + 1, node.children[0]
    assert depth == 51

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


def test_arns_are_stated_or_follow():
    named = [{"Id": "p-1", "Name": "n", "Type": "SERVICE_CONTROL_POLICY", "Content": DENY}]
    full = {"Id": "p-FullAWSAccess", "Type": "SERVICE_CONTROL_POLICY"}
    rcp = {"Id": "p-r", "Type": "RESOURCE_CONTROL_POLICY", "AwsManaged": True, "Content": RCP}
    unit = {"Id": "ou-1", "Children": [{"Id": A, "Arn": "arn:stated"}], "Policies": named}
    found, _ = read(tree(unit, Policies=[full, rcp]))
    base = f"arn:aws:organizations::{M}"
    assert found.root.arn == f"{base}:root/o-1/r-1"
    assert found.root.children[0].arn == f"{base}:ou/o-1/ou-1"
    assert found.root.children[0].children[0].arn == "arn:stated"
    assert found.root.children[0].scps[0].arn == f"{base}:policy/o-1/service_control_policy/p-1"
    aws = "arn:aws:organizations::aws:policy"
    assert found.root.scps[0].arn == f"{aws}/service_control_policy/p-FullAWSAccess"
    assert found.root.rcps[0].arn == f"{aws}/resource_control_policy/p-r"
    found, _ = read(tree({"Id": A, "Policies": named}, Arn="arn:aws-cn:organizations:::root/o-1/r-1", Policies=[full]))
    assert (found.root.children[0].arn, found.root.children[0].scps[0].arn) == (None, None)
    assert found.root.scps[0].arn == "arn:aws-cn:organizations::aws:policy/service_control_policy/p-FullAWSAccess"


def delegated(value):
    found, said = read(tree(DelegatedAdministrators=value))
    return found.delegated, found.delegated_known, said


def test_delegated_administrators():
    services = [{"ServicePrincipal": "sso.amazonaws.com"}, {"ServicePrincipal": "iam.amazonaws.com"}]
    pairs = ((A, "iam.amazonaws.com"), (A, "sso.amazonaws.com"))
    assert delegated([{"Id": A, "DelegatedServices": services}]) == (pairs, True, [])
    outputs = {"DelegatedAdministrators": [{"Id": A, "DelegatedServices": {"DelegatedServices": services}}]}
    assert delegated(outputs) == (pairs, True, [])
    assert delegated({**outputs, "NextToken": "x"}) == (pairs, False, [])
    assert delegated([]) == ((), True, [])
    assert delegated(None) == ((), False, [])


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("x", ""),
        ({"a": 1}, ""),
        ([1], "/0"),
        ([{"DelegatedServices": []}], "/0"),
        ([{"Id": "1", "DelegatedServices": []}], "/0"),
        ([{"Id": A}], "/0"),
        ([{"Id": A, "DelegatedServices": 1}], "/0/DelegatedServices"),
        ([{"Id": A, "DelegatedServices": [{}]}], "/0/DelegatedServices/0"),
    ],
)
def test_delegated_administrators_of_the_wrong_shape_are_not_all(value, pointer):
    assert delegated(value) == ((), False, [("input-shape", f"/DelegatedAdministrators{pointer}")])


@pytest.mark.parametrize(
    ("one", "two", "expected", "known", "conflicts"),
    [
        (None, [("sso", A)], [("sso", A)], True, 0),
        ([], [("sso", A)], [], False, 1),
        ([("sso", A), ("iam", A)], [("sso", A)], [("sso", A)], False, 1),
        ([("sso", A)], [("sso", A)], [("sso", A)], True, 0),
    ],
)
def test_trees_that_tell_delegated_administrators_differently(one, two, expected, known, conflicts):
    def told(pairs):
        if pairs is None:
            return tree()
        entries = [{"Id": a, "DelegatedServices": [{"ServicePrincipal": s}]} for s, a in pairs]
        return tree(DelegatedAdministrators=entries)

    for values in ((one, two), (two, one)):
        env = environment_of({f"f{i}": told(v) for i, v in enumerate(values)})
        (found,) = env.organizations
        assert found.delegated == tuple((a, s) for s, a in expected)
        assert found.delegated_known == known
        assert [d.id for d in env.diagnostics] == ["conflict"] * conflicts

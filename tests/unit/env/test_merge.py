"""Several inputs on one thing, and what a file of several values tells."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iamsim.env.build import environment_of, load
from iamsim.env.files import decode
from iamsim.env.types import MissingPolicy
from iamsim.errors import InputError
from iamsim.model.json_text import decoder

A, M = "111122223333", "444455556666"
IAM = f"arn:aws:iam::{A}"
BUCKET = "arn:aws:s3:::b"
DOC = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
DENY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
OPEN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
SHUT = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}


def merged(*values):
    """The environment of `values`, whose order must not matter."""
    one = environment_of({f"f{i}": v for i, v in enumerate(values)})
    two = environment_of(dict(reversed([(f"f{i}", v) for i, v in enumerate(values)])))
    assert one == two
    return one, [d.id for d in one.diagnostics]


def user(**members):
    return {"UserDetailList": [{"Arn": f"{IAM}:user/u", "UserName": "u", **members}]}


def trust(effect):
    statement = {"Effect": effect, "Principal": {"AWS": A}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def role(**members):
    return {"RoleDetailList": [{"Arn": f"{IAM}:role/r", "AssumeRolePolicyDocument": trust("Allow"), **members}]}


def inline(document, name="i"):
    return [{"PolicyName": name, "PolicyDocument": document}]


def principal(*values):
    env, said = merged(*values)
    return next(iter(env.principals.values())), said


def test_equal_records_are_one():
    found, said = principal(user(UserPolicyList=inline(DOC)), user(UserPolicyList=inline(DOC)))
    assert said == []
    assert [p.name for p in found.policies] == ["i"]


def test_policies_that_only_some_inputs_tell_are_missing():
    found, said = principal(
        user(UserPolicyList=[*inline(DOC), *inline(DOC, "j")]), user(UserPolicyList=[*inline(DOC), *inline(DENY, "j")])
    )
    assert said == ["conflict"]
    assert [getattr(p, "name", p.arn) for p in found.policies] == ["i", f"contradictory policies of {IAM}:user/u"]


def test_group_names_and_group_arns_agree():
    meta = {"arn": f"{IAM}:user/u", "name": "u"}
    folder = f"aws/aws/accounts/{A}/iam/user/u"
    env = environment_of(
        {
            f"{folder}/metadata.json": meta,
            f"{folder}/groups.json": [f"{IAM}:group/p/g"],
            "g": {**user(GroupList=["g"]), "GroupDetailList": [{"Arn": f"{IAM}:group/p/g", "GroupName": "g"}]},
        }
    )
    assert env.diagnostics == ()
    assert env.principals[f"{IAM}:user/u"].groups == (f"{IAM}:group/p/g",)


def test_groups_that_no_input_holds_have_unknown_policies():
    found, said = principal(user(GroupList=["g"]))
    assert said == ["group-missing"]
    assert found.groups == (f"{IAM}:group/g",)


def test_contradictory_boundaries_trust_policies_ids_and_tags():
    other = f"{IAM}:policy/b"
    found, said = principal(
        role(PermissionsBoundary={"PermissionsBoundaryArn": other}, RoleId="AROA1", Tags=[{"Key": "a", "Value": "1"}]),
        role(AssumeRolePolicyDocument=trust("Deny"), RoleId="AROA2", Tags=[]),
    )
    assert said == ["conflict"] * 4
    assert isinstance(found.boundary, MissingPolicy)
    assert isinstance(found.trust, MissingPolicy)
    assert found.unique_id is None
    assert (found.tags, found.tags_known) == ((), False)


def test_what_one_input_lacks_the_other_tells():
    profiles = [{"Arn": f"{IAM}:instance-profile/i"}]
    found, said = principal(
        role(RoleId="AROA1", InstanceProfileList=profiles, RoleLastUsed={"LastUsedDate": "2026-01-01"}),
        role(AssumeRolePolicyDocument=None, RoleLastUsed={"LastUsedDate": "2026-02-01"}),
    )
    assert said == ["input-shape"]
    assert (found.unique_id, found.last_used) == ("AROA1", "2026-02-01")
    assert found.instance_profiles == (f"{IAM}:instance-profile/i",)
    assert found.trust.statements


def managed(document):
    versions = [{"IsDefaultVersion": True, "Document": document}]
    return {"Policies": [{"Arn": f"{IAM}:policy/m", "PolicyName": "m", "PolicyVersionList": versions}]}


def test_contradictory_managed_policies_are_unknown():
    boundary = {"PermissionsBoundaryArn": f"{IAM}:policy/m"}
    attached = [{"PolicyArn": f"{IAM}:policy/m"}]
    who = user(AttachedManagedPolicies=attached, PermissionsBoundary=boundary)
    for documents, conflict in (((DOC, DOC), []), ((DOC, DENY), ["conflict"]), ((DENY, DOC, DOC), ["conflict"])):
        env, said = merged(who, *map(managed, documents))
        found = env.principals[f"{IAM}:user/u"]
        assert said == conflict
        assert isinstance(found.policies[0], MissingPolicy) is bool(conflict)
        assert isinstance(found.boundary, MissingPolicy) is bool(conflict)


def resource(**members):
    return [{"Resource": BUCKET, "Account": A, **members}]


def test_contradictory_resources():
    env, said = merged(
        resource(Policy=OPEN, Tags={"a": "1"}, PublicAccessBlock={"RestrictPublicBuckets": True}, KmsGrants=[]),
        resource(Policy=SHUT, Tags={"a": "2"}, PublicAccessBlock={"RestrictPublicBuckets": False}, Account=M),
    )
    found = env.resources[BUCKET]
    assert said == ["conflict"] * 4
    assert isinstance(found.policy, MissingPolicy)
    assert (found.account, found.tags, found.tags_known, found.restrict_public_buckets) == (None, (), False, None)
    assert found.kms_grants == ()


def test_an_index_knows_the_owner_and_the_list_the_policy():
    index = {"b": {"accountId": A}}
    base = "aws/aws"
    files = {
        f"{base}/indexes/buckets-to-accounts.json": index,
        f"{base}/accounts/{A}/iam/user/u/metadata.json": {"arn": f"{IAM}:user/u"},
        "f": [{"Resource": BUCKET, "Policy": OPEN, "Tags": []}],
    }
    found = environment_of(files).resources[BUCKET]
    assert (found.account, found.policy_known, found.tags_known) == (A, True, True)
    assert found.policy.statements


def endpoint(**members):
    return [{"Resource": f"arn:aws:ec2:eu-west-1:{A}:vpc-endpoint/vpce-1", **members}]


def test_endpoints():
    env, said = merged(endpoint(Policy=OPEN, VpcId="vpc-1"), endpoint(Policy=OPEN, VpcEndpointType="gateway"))
    assert said == []
    found = env.endpoints["vpce-1"]
    assert (found.vpc, found.type) == ("vpc-1", "gateway")
    assert found.policy.statements
    env, said = merged(endpoint(Policy=OPEN), endpoint(Policy=SHUT))
    assert said == ["conflict"]
    assert isinstance(env.endpoints["vpce-1"].policy, MissingPolicy)
    env, said = merged(endpoint(VpcId="a"), endpoint(VpcId="b"))
    assert (said, env.endpoints["vpce-1"].vpc, env.endpoints["vpce-1"].policy) == (["conflict"], None, None)


def test_providers():
    arn = f"{IAM}:oidc-provider/p"
    known, other, none = ([{"Resource": arn, **m}] for m in ({"ClientIDList": ["a"]}, {"ClientIDList": ["b"]}, {}))
    env, said = merged(known, none)
    assert (env.providers[arn].client_ids, said) == (("a",), [])
    env, said = merged(known, other)
    assert (env.providers[arn].client_ids, said) == (None, ["conflict"])


def test_known_providers_of_two_accounts():
    lists = {"OpenIDConnectProviders": [], "SAMLProviders": []}
    other = {"UserDetailList": [{"Arn": f"arn:aws:iam::{M}:user/v"}]}
    assert merged({**user(), **lists}, {**other, **lists})[0].providers_known == {A, M}
    assert merged({**user(), **lists}, other)[0].providers_known == {A}


def tree(*children, **members):
    root = {"Id": "r-1", "Arn": f"arn:aws:organizations::{M}:root/o-1/r-1", "Children": list(children)}
    return {**root, **members}


def node(name, document=None, *children):
    policies = [{"Name": "s", "Type": "SERVICE_CONTROL_POLICY", "Content": document}] if document else []
    return {"Id": name, "Policies": policies, "Children": list(children)}


def test_equal_trees_are_one():
    env, said = merged(tree(node(A, DENY)), tree(node(A, DENY), ManagementAccountId=M))
    assert said == []
    assert env.organizations[0].root.children[0].scps[0].malformed is None


def test_contradictory_nodes_have_unknown_policies():
    env, said = merged(tree(node("ou-1", DENY, node(A))), tree(node("ou-1", DOC), node(A), ManagementAccountId=A))
    found = env.organizations[0]
    assert said == ["conflict"] * 3
    assert found.management_account is None
    unit = next(n for n in found.root.children if n.id == "ou-1")
    assert unit.scps[0].malformed
    assert unit.rcps[0].malformed
    assert found.scps_enabled


def test_files_of_several_values(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps(v) for v in (user(), {"a": 1}, role(), {"b": 1})))
    env = load(path)
    assert len(env.principals) == 2
    (found,) = env.diagnostics
    assert (found.id, found.origin.pointer) == ("input-unknown-shape", "/1")
    assert found.message.startswith("2 of the 4 values in ")


@pytest.mark.parametrize("text", ['{"a":1}\n' * 1000, '"a"' * 1000])
def test_files_of_unknown_values_are_reported_once(tmp_path, text):
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(InputError) as e:
        load(tmp_path)
    (found,) = e.value.diagnostics
    assert (found.id, found.origin.pointer) == ("input-unknown-shape", "")
    assert found.message.startswith("none of the 1000 values in ")


def test_pages_in_a_list():
    env = environment_of({"f": [user(), 1, role()]})
    assert len(env.principals) == 2
    assert [(d.id, d.origin.pointer) for d in env.diagnostics] == [("input-unknown-shape", "/1")]


@pytest.mark.parametrize(
    "text", ["[" * 1_000_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000]
)
def test_deep_nesting_ends_with_a_diagnostic(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError) as e:
        load(tmp_path)
    assert [d.id for d in e.value.diagnostics] == ["input-too-deep"]


def test_repeated_members_of_a_large_object_take_linear_time(tmp_path):
    members = [f'"a{i}":1' for i in range(30_000)] * 2
    (tmp_path / "x.json").write_text("{" + ",".join(members) + "}")
    with pytest.raises(InputError) as e:
        load(tmp_path)
    assert sorted(d.id for d in e.value.diagnostics) == ["input-duplicate-member", "input-unknown-shape"]


MEMBERS = st.recursive(
    st.sampled_from(["1", '"a"', '"\\\\"', '"\\":"', '"x\\\\\\": "', '"a:"', '"\\" :"']),
    lambda inner: (
        st.lists(
            st.tuples(
                st.sampled_from(['"a"', '"b"', '"\\\\"', '"\\":"', '"c\\\\ "']),
                st.sampled_from([":", " :", "\n: "]),
                inner,
            ),
            max_size=3,
        ).map(lambda m: "{" + ",".join(k + c + v for k, c, v in m) + "}")
        | st.lists(inner, max_size=2).map(lambda v: "[" + ", ".join(v) + "]")
    ),
    max_leaves=12,
)


@given(st.lists(MEMBERS, min_size=1, max_size=3))
def test_repeated_members_are_found_in_whatever_spelling(texts):
    text = " ".join(texts)
    repeated = []
    for t in texts:
        decoder(repeated).decode(t)
    said = [d for d in decode(text.encode(), "f").diagnostics if d.id == "input-duplicate-member"]
    assert bool(said) == bool(repeated)

"""Account authorization details: identities, managed policies, identity providers, pages."""

import pytest

from iamsim.env.build import environment_of
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.model.policy import PolicyKind

A = "111122223333"
IAM = f"arn:aws:iam::{A}"
DOC = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"}],
}


def user(**members):
    return {"Arn": f"{IAM}:user/u", "UserName": "u", **members}


def role(**members):
    return {"Arn": f"{IAM}:role/r", "RoleName": "r", "AssumeRolePolicyDocument": TRUST, **members}


def managed(name="m", document=DOC, **members):
    versions = [{"VersionId": "v1", "IsDefaultVersion": True, "Document": document}]
    return {"Arn": f"{IAM}:policy/{name}", "PolicyName": name, "PolicyVersionList": versions, **members}


def said(env):
    return [(d.id, d.origin.pointer) for d in env.diagnostics]


def users(*records):
    return environment_of({"f": {"UserDetailList": list(records)}})


def one(record):
    env = users(record)
    return env.principals[f"{IAM}:user/u"], said(env)


def test_all_members_of_a_user_and_a_role():
    page = {
        "UserDetailList": [
            user(
                Path="/p/",
                UserId="AIDA1",
                UserPolicyList=[
                    {"PolicyName": "z", "PolicyDocument": DOC},
                    {"PolicyName": "a", "PolicyDocument": DOC},
                ],
                GroupList=["g"],
                AttachedManagedPolicies=[{"PolicyName": "m", "PolicyArn": f"{IAM}:policy/m"}],
                PermissionsBoundary={"PermissionsBoundaryArn": f"{IAM}:policy/m"},
                Tags=[{"Key": "t", "Value": "2"}, {"Key": "s"}],
            )
        ],
        "GroupDetailList": [{"Arn": f"{IAM}:group/g", "GroupName": "g", "GroupPolicyList": []}],
        "RoleDetailList": [
            role(
                InstanceProfileList=[{"Arn": f"{IAM}:instance-profile/i"}],
                RoleLastUsed={"LastUsedDate": "2026-01-01T00:00:00Z"},
            )
        ],
        "Policies": [managed()],
    }
    env = environment_of({"f": page})
    assert env.diagnostics == ()
    assert env.accounts == {A}
    u, r = env.principals[f"{IAM}:user/u"], env.principals[f"{IAM}:role/r"]
    assert (u.kind, u.path, u.unique_id, u.groups) == (PrincipalKind.USER, "/p/", "AIDA1", (f"{IAM}:group/g",))
    assert [p.name for p in u.policies] == ["a", "z", "m"]
    assert u.policies[0].statements is u.policies[2].statements  # one document, read once
    assert u.policies[1].origin.pointer == "/UserDetailList/0/UserPolicyList/0/PolicyDocument"
    assert u.boundary.kind is PolicyKind.BOUNDARY
    assert u.tags == (("s", ""), ("t", "2"))
    assert u.trust is None
    assert (r.kind, r.path, r.last_used) == (PrincipalKind.ROLE, "/", "2026-01-01T00:00:00Z")
    assert r.instance_profiles == (f"{IAM}:instance-profile/i",)
    assert r.trust.kind is PolicyKind.TRUST
    assert env.managed_policies[f"{IAM}:policy/m"].kind is PolicyKind.IDENTITY


def test_a_name_is_read_off_the_arn():
    env = users({"Arn": f"{IAM}:user/p/q"})
    assert env.principals[f"{IAM}:user/p/q"].name == "q"


@pytest.mark.parametrize(
    ("record", "pointer"),
    [
        (1, "/UserDetailList/1"),
        ({}, "/UserDetailList/1"),
        ({"Arn": "arn:aws:iam"}, "/UserDetailList/1"),
        ({"Arn": f"{IAM}:role/r"}, "/UserDetailList/1/Arn"),
        ({"Arn": "arn:aws:iam::1:user/u"}, "/UserDetailList/1/Arn"),
    ],
)
def test_what_is_no_user_is_reported(record, pointer):
    env = users(user(), record)
    assert list(env.principals) == [f"{IAM}:user/u"]
    assert said(env) == [("input-shape", pointer)]


def test_a_list_that_is_none_is_reported():
    env = environment_of({"f": {"UserDetailList": [user()], "RoleDetailList": {"a": 1}, "Policies": 0}})
    assert said(env) == [("input-shape", "/Policies"), ("input-shape", "/RoleDetailList")]


@pytest.mark.parametrize(
    ("member", "value", "pointer"),
    [
        ("UserPolicyList", [1], "/UserPolicyList/0"),
        ("UserPolicyList", "x", "/UserPolicyList"),
        ("UserPolicyList", [{"PolicyDocument": DOC}], "/UserPolicyList/0"),
        ("AttachedManagedPolicies", [1], "/AttachedManagedPolicies/0"),
        ("AttachedManagedPolicies", "", "/AttachedManagedPolicies"),
        ("AttachedManagedPolicies", [{"PolicyName": "x"}], "/AttachedManagedPolicies/0"),
        ("AttachedManagedPolicies", [{"PolicyArn": "arn:aws:iam:x"}], "/AttachedManagedPolicies/0"),
        ("GroupList", ["g", 1], "/GroupList"),
        ("GroupList", {}, "/GroupList"),
    ],
)
def test_unreadable_policies_are_missing_not_absent(member, value, pointer):
    principal, found = one(user(**{member: value}))
    assert ("input-shape", "/UserDetailList/0" + pointer) in found
    assert any(isinstance(p, MissingPolicy) and "unreadable" in p.arn for p in principal.policies)


@pytest.mark.parametrize("empty", [None, []])
def test_empty_members_say_nothing(empty):
    names = ("UserPolicyList", "AttachedManagedPolicies", "GroupList")
    principal, found = one(user(**dict.fromkeys(names, empty)))
    assert (principal.policies, principal.groups, found) == ((), (), [])


def test_attached_policies_of_other_partitions_and_repeated_ones():
    arns = ["arn:aws-cn:iam::aws:policy/X", f"{IAM}:policy/a", f"{IAM}:policy/a"]
    principal, found = one(user(AttachedManagedPolicies=[{"PolicyArn": a} for a in arns]))
    assert [p.arn for p in principal.policies] == arns[:2]
    assert {f[0] for f in found} == {"policy-missing"}


@pytest.mark.parametrize("value", ["x", {}, {"PermissionsBoundaryArn": "no"}])
def test_an_unreadable_boundary_is_a_missing_one(value):
    principal, found = one(user(PermissionsBoundary=value))
    assert isinstance(principal.boundary, MissingPolicy)
    assert found == [("input-shape", "/UserDetailList/0/PermissionsBoundary")]


def test_a_role_without_trust_policy():
    env = environment_of({"f": {"RoleDetailList": [role(AssumeRolePolicyDocument=None, RoleLastUsed=3)]}})
    assert isinstance(env.principals[f"{IAM}:role/r"].trust, MissingPolicy)
    assert said(env) == [("input-shape", "/RoleDetailList/0")]


@pytest.mark.parametrize(
    ("tags", "read", "pointers"),
    [
        ([{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}], (("a", "2"), ("b", "1")), []),
        ([{"Key": "b", "Value": "1"}, 1], (("b", "1"),), ["/Tags/1"]),
        ([{"Key": 1}, {"Key": "b"}], (("b", ""),), ["/Tags/0"]),
        ([{"Key": "b", "Value": None}], (), ["/Tags/0"]),
        ({"b": "1", "a": "2"}, (("a", "2"), ("b", "1")), []),
        ({"b": 1, "a": "2"}, (("a", "2"),), ["/Tags"]),
        (None, (), ["/Tags"]),
        ([], (), []),
    ],
)
def test_tags(tags, read, pointers):
    principal, found = one(user(Tags=tags))
    assert principal.tags == read
    assert found == [("input-shape", "/UserDetailList/0" + p) for p in pointers]


def policies(*records):
    return environment_of({"f": {"UserDetailList": [user()], "Policies": list(records)}})


def test_the_default_version_is_in_force():
    old = {"VersionId": "v1", "IsDefaultVersion": False, "Document": DOC}
    new = {"VersionId": "v2", "Document": {**DOC, "Version": "2008-10-17"}}
    for versions in ([old, {**new, "IsDefaultVersion": True}], [old, new]):
        env = policies(managed(PolicyVersionList=versions, DefaultVersionId="v2"))
        policy = env.managed_policies[f"{IAM}:policy/m"]
        assert (policy.version, env.diagnostics) == ("2008-10-17", ())
        assert policy.origin.pointer == "/Policies/0/PolicyVersionList/1/Document"


@pytest.mark.parametrize(
    "versions",
    [
        [],
        [{"VersionId": "v1", "IsDefaultVersion": True}],
        [{"VersionId": "v1", "Document": DOC}],
        [{"IsDefaultVersion": True, "Document": DOC}, {"IsDefaultVersion": True, "Document": DOC}],
    ],
)
def test_no_single_default_version(versions):
    env = policies(managed(PolicyVersionList=versions))
    assert env.managed_policies == {}
    assert said(env) == [("input-shape", "/Policies/0/PolicyVersionList")]


def test_a_managed_policy_without_arn_or_versions():
    env = policies({"PolicyName": "m"}, {"Arn": f"{IAM}:policy/m"})
    assert env.managed_policies == {}
    assert said(env) == [("input-shape", "/Policies/0")]
    assert policies(managed(PolicyName="")).managed_policies[f"{IAM}:policy/m"].name == "m"


def large(characters):
    return {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::" + "x" * (characters - 76)}}


def test_sizes_are_counted_in_characters_without_space():
    for limit, record in (
        (2048, lambda d: {"UserDetailList": [user(UserPolicyList=[{"PolicyName": "p", "PolicyDocument": d}])]}),
        (4096, lambda d: {"RoleDetailList": [role(AssumeRolePolicyDocument={**TRUST, "Statement": d["Statement"]})]}),
        (6144, lambda d: {"Policies": [managed(document=d)]}),
    ):
        for size, warned in ((limit - 200, False), (limit + 200, True)):
            found = said(environment_of({"f": record(large(size))}))
            assert ("policy-size" in {f[0] for f in found}) is warned, (limit, size)
    env = policies({**managed(document=large(9000)), "Arn": "arn:aws:iam::aws:policy/m"})
    assert env.diagnostics == ()


def test_characters_outside_ascii_count_once():
    document = {**DOC, "Statement": [{**DOC["Statement"][0], "Resource": "arn:aws:s3:::b/" + "é" * 1500}]}
    assert one(user(UserPolicyList=[{"PolicyName": "p", "PolicyDocument": document}]))[1] == []


def test_diagnostics_of_a_document_that_was_read_before_have_their_own_place():
    bad = {**DOC, "Statement": [{"Effect": "Allow", "Action": "s3", "Resource": "*"}]}
    found = one(user(UserPolicyList=[{"PolicyName": n, "PolicyDocument": bad} for n in "ab"]))[1]
    assert found == [
        ("policy-action", f"/UserDetailList/0/UserPolicyList/{i}/PolicyDocument/Statement/0/Action") for i in (0, 1)
    ]


def test_a_document_that_nests_too_deeply_is_read_without_memory_of_it():
    deep = []
    for _ in range(2100):
        deep = [deep]
    principal, found = one(user(UserPolicyList=[{"PolicyName": "p", "PolicyDocument": {"Statement": [deep]}}]))
    assert principal.policies[0].statements[0].malformed
    assert ("policy-statement", "/UserDetailList/0/UserPolicyList/0/PolicyDocument/Statement/0") in found


def test_the_last_page_must_not_be_truncated():
    first = {"UserDetailList": [user()], "IsTruncated": True}
    assert said(environment_of({"f": first})) == [("gaad-truncated", "/IsTruncated")]
    assert environment_of({"f": first, "g": {"RoleDetailList": [role()], "IsTruncated": False}}).diagnostics == ()
    assert environment_of({"f": first, "g": {"RoleDetailList": []}}).diagnostics == ()
    empty = environment_of({"f": {"UserDetailList": [], "IsTruncated": "true"}})
    assert said(empty) == [("gaad-truncated", "/IsTruncated")]
    assert empty.accounts == frozenset()


OIDC = f"{IAM}:oidc-provider/token.actions.githubusercontent.com"
SAML = f"{IAM}:saml-provider/corp"


def test_identity_providers_beside_the_details():
    both = {"OpenIDConnectProviders": [{"Arn": OIDC, "ClientIDList": ["b", "a"]}], "SAMLProviders": [{"Arn": SAML}]}
    env = environment_of({"f": {"UserDetailList": [user()], **both}})
    assert env.diagnostics == ()
    assert env.providers_known == {A}
    assert {p.arn: (p.account, p.client_ids) for p in env.providers.values()} == {
        OIDC: (A, ("a", "b")),
        SAML: (A, None),
    }
    assert env.providers[SAML].origin.pointer == "/SAMLProviders/0"
    alone = environment_of({"f": {"UserDetailList": [], **both}})
    assert (alone.providers_known, alone.accounts) == ({A}, frozenset())


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"OpenIDConnectProviders": [{"Arn": OIDC}]},
        {"SAMLProviders": []},
        {"OpenIDConnectProviders": None, "SAMLProviders": []},
        {"OpenIDConnectProviders": [{"Url": "x"}], "SAMLProviders": []},
        {"OpenIDConnectProviders": [{"Arn": SAML}], "SAMLProviders": []},
        {"OpenIDConnectProviders": [], "SAMLProviders": [1]},
    ],
)
def test_providers_are_all_known_only_if_both_kinds_were_read(members):
    env = environment_of({"f": {"UserDetailList": [user()], **members}})
    assert env.providers_known == frozenset()
    assert SAML not in env.providers


def test_no_providers_are_knowledge_too():
    lists = {"OpenIDConnectProviders": [], "SAMLProviders": []}
    assert environment_of({"f": {"UserDetailList": [user()], **lists}}).providers_known == {A}
    two = [user(), {"Arn": "arn:aws:iam::444455556666:user/v"}]
    assert environment_of({"f": {"UserDetailList": two, **lists}}).providers_known == frozenset()

"""An iam-collect download."""

import pytest

from iamsim.env.build import environment_of
from iamsim.env.collect import partition_root
from iamsim.env.types import MissingPolicy

A, M = "111122223333", "444455556666"
IAM = f"arn:aws:iam::{A}"
ROOT = "d/aws/aws"
USER = f"{ROOT}/accounts/{A}/iam/user/u"
ROLE = f"{ROOT}/accounts/{A}/iam/role/r"
DOC = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
DENY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"}],
}
OPEN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
META = {"arn": f"{IAM}:user/U", "name": "U"}
RMETA = {"arn": f"{IAM}:role/R", "name": "R", "path": "/p/", "id": "AROA1"}


def read(files, **more):
    return environment_of({**files, **more})


def said(env):
    return [(d.id, str(d.origin)) for d in env.diagnostics]


@pytest.mark.parametrize(
    ("source", "root"),
    [
        (f"{USER}/metadata.json", ROOT),
        (f"aws/aws-cn/accounts/{A}/x/y.json", "aws/aws-cn"),
        (f"C:\\d\\aws\\aws\\accounts\\{A}\\x\\y.json", "C:/d/aws/aws"),
        ("d/aws/aws/organizations/o-1/metadata.json", ROOT),
        ("d/aws/aws/indexes/vpcs.json", ROOT),
        ("d/aws/aws/accounts/1/x.json", None),
        ("d/accounts/111122223333.json", None),
    ],
)
def test_the_root_of_a_partition(source, root):
    assert partition_root(source) == root


def test_users_and_groups():
    env = read(
        {
            f"{USER}/metadata.json": {**META, "permissionBoundary": f"{IAM}:policy/m"},
            f"{USER}/inline-policies.json": [{"PolicyName": "i", "PolicyDocument": DENY}],
            f"{USER}/managed-policies.json": [f"{IAM}:policy/m", f"{IAM}:policy/m"],
            f"{USER}/groups.json": [f"{IAM}:group/g"],
            f"{USER}/tags.json": {"k": "v"},
            f"{ROOT}/accounts/{A}/iam/group/g/metadata.json": {"arn": f"{IAM}:group/g"},
            f"{ROOT}/accounts/{A}/iam/policy/m/metadata.json": {"arn": f"{IAM}:policy/m"},
            f"{ROOT}/accounts/{A}/iam/policy/m/current-policy.json": DOC,
        }
    )
    assert said(env) == []
    assert env.accounts == {A}
    user = env.principals[f"{IAM}:user/U"]
    assert [p.name for p in user.policies] == ["i", "m"]
    assert (user.boundary.arn, user.groups, user.tags) == (f"{IAM}:policy/m", (f"{IAM}:group/g",), (("k", "v"),))
    assert env.groups[f"{IAM}:group/g"].policies == ()


def test_roles_and_their_instance_profiles():
    env = read(
        {
            f"{ROLE}/metadata.json": RMETA,
            f"{ROLE}/trust-policy.json": TRUST,
            f"{ROOT}/accounts/{A}/iam/instance-profile/i/metadata.json": {
                "arn": f"{IAM}:instance-profile/i",
                "roles": [RMETA["arn"], 1],
            },
        }
    )
    assert said(env) == []
    role = env.principals[RMETA["arn"]]
    assert (role.path, role.unique_id, role.instance_profiles) == ("/p/", "AROA1", (f"{IAM}:instance-profile/i",))
    assert role.trust.statements


def test_a_role_without_trust_policy():
    env = read({f"{ROLE}/metadata.json": RMETA})
    assert isinstance(env.principals[RMETA["arn"]].trust, MissingPolicy)
    assert said(env) == [("input-shape", f"{ROLE}/metadata.json")]


@pytest.mark.parametrize(
    ("name", "value"),
    [("inline-policies.json", {}), ("inline-policies.json", [1]), ("managed-policies.json", [1]), ("groups.json", "x")],
)
def test_unreadable_policies_are_missing_not_absent(name, value):
    env = read({f"{USER}/metadata.json": META, f"{USER}/{name}": value})
    assert env.diagnostics[0].id == "input-shape"
    assert any(isinstance(p, MissingPolicy) for p in env.principals[META["arn"]].policies)


def test_files_that_belong_to_nothing_are_reported():
    env = read(
        {
            f"{USER}/metadata.json": META,
            f"{USER}/other.json": {"a": 1},
            f"{ROOT}/accounts/{A}/x/y/metadata.json": [],
            f"{ROOT}/accounts/{A}/x/z/metadata.json": {"arn": "no"},
            f"{ROOT}/accounts/{A}/organization.json": {"id": "o-1"},
            f"{ROOT}/indexes/accounts-to-orgs.json": {},
        }
    )
    assert sorted(said(env)) == [
        ("input-shape", f"{ROOT}/accounts/{A}/x/z/metadata.json"),
        ("input-unknown-shape", f"{USER}/other.json"),
        ("input-unknown-shape", f"{ROOT}/accounts/{A}/x/y/metadata.json"),
    ]


def test_a_managed_policy_without_document_is_missing():
    folder = f"{ROOT}/accounts/{A}/iam/policy/m"
    env = read(
        {
            f"{USER}/metadata.json": META,
            f"{USER}/managed-policies.json": [f"{IAM}:policy/m"],
            f"{folder}/metadata.json": {"arn": f"{IAM}:policy/m"},
        }
    )
    assert isinstance(env.principals[META["arn"]].policies[0], MissingPolicy)
    assert said(env) == [("policy-missing", f"{USER}/metadata.json")]


def test_resources_endpoints_and_providers():
    base = f"{ROOT}/accounts/{A}"
    queue, endpoint = f"arn:aws:sqs:eu-west-1:{A}:q", f"arn:aws:ec2:eu-west-1:{A}:vpc-endpoint/vpce-1"
    env = read(
        {
            f"{base}/s3/bucket/b/metadata.json": {"arn": "arn:aws:s3:::b"},
            f"{base}/s3/bucket/b/policy.json": OPEN,
            f"{base}/s3/bucket/b/tags.json": {},
            f"{base}/sqs/q/metadata.json": {"arn": queue},
            f"{base}/sqs/q/policy.json": None,
            f"{base}/ec2/vpc-endpoint/vpce-1/metadata.json": {"arn": endpoint, "vpc": "vpc-1"},
            f"{base}/ec2/vpc-endpoint/vpce-1/endpoint-policy.json": OPEN,
            f"{base}/iam/oidc-provider/p/metadata.json": {"arn": f"{IAM}:oidc-provider/p", "clientIds": ["c"]},
        }
    )
    assert said(env) == []
    bucket = env.resources["arn:aws:s3:::b"]
    assert (bucket.account, bucket.tags_known, bucket.policy.arn) == (A, True, "arn:aws:s3:::b")
    assert (env.resources[queue].policy, env.resources[queue].tags_known) == (None, False)
    assert env.endpoints["vpce-1"].policy_known
    assert env.providers[f"{IAM}:oidc-provider/p"].client_ids == ("c",)


def test_indexes():
    env = read(
        {
            f"{USER}/metadata.json": META,
            f"{ROOT}/indexes/buckets-to-accounts.json": {"b": {"accountId": M}, "c": {}},
            f"{ROOT}/indexes/vpcs.json": {
                "endpoints": {
                    "vpce-1": {"arn": f"arn:aws:ec2:eu-west-1:{A}:vpc-endpoint/vpce-1", "policy": OPEN},
                    "vpce-2": {"accountId": M},
                    "vpce-3": 1,
                    "vpce-4": {},
                }
            },
        }
    )
    bucket = env.resources["arn:aws:s3:::b"]
    assert (bucket.account, bucket.policy_known) == (M, False)
    assert {e.id: (e.account, e.policy_known) for e in env.endpoints.values()} == {
        "vpce-1": (A, True),
        "vpce-2": (M, False),
        "vpce-4": (None, False),
    }
    assert said(env) == [
        ("input-shape", f"{ROOT}/indexes/buckets-to-accounts.json#/c"),
        ("input-shape", f"{ROOT}/indexes/vpcs.json#/endpoints/vpce-3"),
    ]
    odd = {f"{ROOT}/indexes/buckets-to-accounts.json": [], f"{ROOT}/indexes/vpcs.json": {}}
    assert said(read({f"{USER}/metadata.json": META, **odd})) == [
        ("input-unknown-shape", f"{ROOT}/indexes/buckets-to-accounts.json")
    ]


ORG = f"{ROOT}/organizations/o-1"
SCP = f"arn:aws:organizations::{M}:policy/o-1/service_control_policy/p-1"
FULL = "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"


def organization(**changes):
    files = {
        "metadata.json": {"id": "o-1", "rootAccountId": M},
        "accounts.json": {A: {"scps": [SCP, 1], "rcps": "x"}},
        "ous.json": {"r-1": {"scps": [FULL]}, "ou-1": 3},
        "structure.json": {"r-1": {"accounts": [f"arn:x/{M}", 1], "children": {"ou-1": {"accounts": [f"arn:x/{A}"]}}}},
        "scps/p-1/metadata.json": {"arn": SCP, "name": "one"},
        "scps/p-1/policy.json": DENY,
        "scps/p-2/metadata.json": [],
        "ous/ou-1/metadata.json": {"name": "team"},
        **changes,
    }
    base = {f"{USER}/metadata.json": META}
    return {**base, **{f"{ORG}/{k}": v for k, v in files.items() if v is not None}}


def test_organizations():
    env = read(organization())
    assert said(env) == [("input-shape", f"{ORG}/accounts.json#/{A}/scps")]
    found = env.organizations[0]
    assert (found.id, found.management_account, found.scps_enabled, found.rcps_enabled) == ("o-1", M, True, False)
    master, team = found.root.children
    assert (master.id, team.id, team.name) == (M, "ou-1", "team")
    assert [p.name for p in found.root.scps] == ["p-FullAWSAccess"]
    assert [(p.name, p.malformed) for p in team.children[0].scps] == [("one", None)]


def test_an_scp_that_was_not_downloaded_is_unknown():
    env = read(organization(**{"scps/p-1/metadata.json": None, "scps/p-1/policy.json": None}))
    assert env.organizations[0].root.children[1].children[0].scps[0].malformed
    assert ("policy-missing", f"{ORG}/accounts.json#/{A}/scps") in said(env)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metadata.json", None),
        ("accounts.json", []),
        ("structure.json", {"r-1": {}, "r-2": {}}),
        ("metadata.json", {}),
        ("structure.json", {}),
    ],
)
def test_organizations_that_cannot_be_read(name, value):
    env = read(organization(**{name: value}))
    assert env.organizations == ()
    assert "input-shape" in {d.id for d in env.diagnostics}


def test_nodes_of_the_wrong_shape_or_too_deep():
    deep = {}
    for i in range(70):
        deep = {"children": {f"ou-{i}": deep}}
    for structure in ({"r-1": {"children": {"ou-1": []}}}, {"r-1": {"children": [1]}}, {"r-1": deep}):
        env = read(organization(**{"structure.json": structure}))
        assert env.organizations[0].root.id == "r-1"
    assert [d.id for d in env.diagnostics] == ["input-shape"]


def test_a_path_that_only_looks_like_a_download():
    env = environment_of({f"{ORG}/metadata.json": DOC})
    assert len(env.bare_policies) == 1


def test_nodes_of_an_organization_have_arns():
    (found,) = read(organization()).organizations
    management = found.management_account
    nodes = [found.root]
    for node in nodes:
        nodes += node.children
        base = f"arn:aws:organizations::{management}:{node.kind}/{found.id}"
        assert node.arn == (f"{base}/{node.id}" if management else None)
    assert {n.kind for n in nodes} == {"root", "ou", "account"}
    assert (found.delegated, found.delegated_known) == ((), False)

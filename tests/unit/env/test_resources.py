"""Lists of resource policies: resources, endpoints, providers, account settings."""

import pytest

from iamsim.env.build import environment_of
from iamsim.errors import InputError
from iamsim.model.policy import PolicyKind

A = "111122223333"
B = "444455556666"
BUCKET = "arn:aws:s3:::b"
QUEUE = f"arn:aws:sqs:eu-west-1:{A}:q"
DOC = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}],
}


def said(env):
    return [(d.id, d.origin.pointer) for d in env.diagnostics]


def read(*entries):
    return environment_of({"f": list(entries)})


def test_the_account_is_told_or_read_off_the_arn():
    env = read({"Resource": BUCKET, "Account": B, "Policy": DOC}, {"Resource": QUEUE, "Policy": DOC})
    assert env.diagnostics == ()
    assert {r.arn: r.account for r in env.resources.values()} == {BUCKET: B, QUEUE: A}
    assert env.resources[BUCKET].policy.kind is PolicyKind.RESOURCE
    assert env.resources[BUCKET].policy.origin.pointer == "/0/Policy"
    assert read({"Resource": QUEUE, "Account": B}).resources[QUEUE].account == B


def test_a_resource_without_policy_has_none_and_that_is_known():
    for entry in ({"Resource": QUEUE}, {"Resource": QUEUE, "Policy": None}):
        resource = read(entry).resources[QUEUE]
        assert (resource.policy, resource.policy_known) == (None, True)
        assert (resource.tags, resource.tags_known, resource.kms_grants) == ((), False, None)


@pytest.mark.parametrize("account", ["12", "11112222333x", "١١١١٢٢٢٢٣٣٣٣"])
def test_what_is_no_account_id(account):
    env = read({"Resource": BUCKET, "Account": account})
    assert env.resources[BUCKET].account is None
    assert said(env) == [("resource-owner-unknown", "/0"), ("input-shape", "/0/Account")]


def test_entries_of_the_wrong_shape():
    env = read({"Resource": QUEUE}, 1, {"Resource": "b"}, {"Resource": 3}, {"Policy": DOC})
    assert list(env.resources) == [QUEUE]
    assert said(env) == [("input-shape", f"/{i}") for i in (1, 2, 3, 4)]
    assert "`b`" in env.diagnostics[1].message


def test_tags_are_known_iff_told():
    env = read({"Resource": QUEUE, "Tags": [{"Key": "k", "Value": "v"}]}, {"Resource": BUCKET, "Tags": {}})
    assert (env.resources[QUEUE].tags, env.resources[QUEUE].tags_known) == ((("k", "v"),), True)
    assert (env.resources[BUCKET].tags, env.resources[BUCKET].tags_known) == ((), True)


def test_public_access_blocks_of_accounts_and_buckets():
    env = read(
        {"Account": A, "PublicAccessBlock": {"RestrictPublicBuckets": True}},
        {"Account": B, "PublicAccessBlock": {}},
        {"Account": B, "PublicAccessBlock": None},
        {"Resource": BUCKET, "Account": A, "PublicAccessBlock": {"RestrictPublicBuckets": False}},
        {"Resource": QUEUE, "PublicAccessBlock": "x"},
    )
    assert env.restrict_public_buckets == {A: True}
    assert env.resources[BUCKET].restrict_public_buckets is False
    assert env.resources[QUEUE].restrict_public_buckets is None
    assert said(env) == [("input-shape", "/1/PublicAccessBlock"), ("input-shape", "/4/PublicAccessBlock")]


def test_contradictory_public_access_blocks_are_unknown():
    env = read(*({"Account": A, "PublicAccessBlock": {"RestrictPublicBuckets": v}} for v in (True, False)))
    assert env.restrict_public_buckets == {}
    assert said(env) == [("conflict", "")]


def test_endpoints():
    arn = f"arn:aws:ec2:eu-west-1:{A}:vpc-endpoint/vpce-1"
    env = read({"Resource": arn, "VpcId": "vpc-1", "VpcEndpointType": "Gateway", "Policy": DOC})
    found = env.endpoints["vpce-1"]
    assert (found.vpc, found.account, found.type, found.policy_known) == ("vpc-1", A, "gateway", True)
    assert found.policy.kind is PolicyKind.ENDPOINT
    bare = read({"Resource": arn, "vpc": f"arn:aws:ec2:eu-west-1:{A}:vpc/vpc-2"}).endpoints["vpce-1"]
    assert (bare.vpc, bare.type, bare.policy, bare.policy_known) == ("vpc-2", "interface", None, True)
    assert read({"Resource": arn}).endpoints["vpce-1"].vpc is None


def test_identity_providers():
    oidc, saml = f"arn:aws:iam::{A}:oidc-provider/idp.example.com", f"arn:aws:iam::{A}:saml-provider/s"
    env = read({"Resource": oidc, "ClientIDList": ["b", "a", 1]}, {"Resource": saml, "clientIds": "x"})
    assert env.providers[oidc].client_ids == ("a", "b")
    assert env.providers[saml].client_ids is None
    assert env.providers_known == frozenset()


KEY = f"arn:aws:kms:eu-west-1:{A}:key/k"
GRANT = {"GranteePrincipal": f"arn:aws:iam::{A}:role/r", "Operations": ["Encrypt", "Decrypt"]}


def grants(value):
    env = read({"Resource": KEY, "KmsGrants": value})
    return env.resources[KEY].kms_grants, said(env)


def test_kms_grants():
    limits = {
        "EncryptionContextSubset": {"a": "1"},
        "EncryptionContextEquals": {"b": "2"},
        "SourceArn": QUEUE,
    }
    found, remarks = grants([{**GRANT, "Constraints": limits}, {**GRANT, "Constraints": None}])
    assert remarks == []
    plain = next(g for g in found if g.source_arn is None)
    bound = next(g for g in found if g.source_arn == QUEUE)
    assert plain.operations == ("Decrypt", "Encrypt")
    assert (bound.encryption_context_subset, bound.encryption_context_equals) == ((("a", "1"),), (("b", "2"),))
    assert grants([]) == ((), [])


@pytest.mark.parametrize(
    ("value", "left", "pointer"),
    [
        ("x", None, "/0/KmsGrants"),
        ([1], (), "/0/KmsGrants/0"),
        ([{}], (), "/0/KmsGrants/0"),
        ([{**GRANT, "Operations": "Decrypt"}], (), "/0/KmsGrants/0"),
        ([{**GRANT, "Operations": [1]}], (), "/0/KmsGrants/0"),
    ],
)
def test_grants_of_the_wrong_shape(value, left, pointer):
    assert grants(value) == (left, [("input-shape", pointer)])


def test_sizes():
    def document(size):
        return {"Statement": {"Sid": "x" * size, "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}

    env = read({"Resource": BUCKET, "Account": A, "Policy": document(20480)}, {"Resource": QUEUE, "Policy": DOC})
    assert said(env) == [("policy-size", "/0/Policy")]
    assert read({"Resource": BUCKET, "Account": A, "Policy": document(20000)}).diagnostics == ()
    assert read({"Resource": QUEUE, "Policy": document(40000)}).diagnostics == ()
    assert said(read({"Resource": KEY, "Policy": document(40000)})) == [("policy-size", "/0/Policy")]


def test_a_key_policy_and_another_with_the_same_text_are_read_apart():
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*"}]}
    env = read({"Resource": KEY, "Policy": document}, {"Resource": QUEUE, "Policy": document})
    assert env.resources[KEY].policy.statements[0].inert
    assert env.resources[QUEUE].policy.statements[0].malformed
    assert said(env) == [("policy-inert", "/0/Policy/Statement/0"), ("policy-no-resource", "/1/Policy/Statement/0")]


def test_a_list_that_holds_nothing_usable():
    with pytest.raises(InputError, match="no input could be used"):
        read({"Resource": "b"})

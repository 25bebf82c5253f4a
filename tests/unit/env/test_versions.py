"""Stored versions of managed policies, and managed policies as boundaries."""

import pytest

from iamsim.env.build import environment_of
from iamsim.env.types import MissingPolicy
from iamsim.env.versions import as_boundary, boundary_of, managed_policy_of, version_of
from iamsim.model.policy import PolicyKind

A = "111122223333"
ARN = f"arn:aws:iam::{A}:policy/team/p"
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def version(name, document, default=False):
    return {"VersionId": name, "Document": document, "IsDefaultVersion": default}


def policy(*versions, arn=ARN):
    return {"Policies": [{"Arn": arn, "PolicyName": "p", "PolicyVersionList": list(versions)}]}


def read(*values):
    """The environment of `values`, whose order must not matter."""
    one = environment_of({f"f{i}": v for i, v in enumerate(values)})
    assert one == environment_of(dict(reversed([(f"f{i}", v) for i, v in enumerate(values)])))
    return one, [d.id for d in one.diagnostics]


def collected(document):
    root = f"aws/aws/accounts/{A}/iam/policy/p"
    return {f"{root}/metadata.json": {"arn": ARN, "name": "p"}, f"{root}/current-policy.json": document}


def test_versions_in_the_order_of_their_numbers():
    env, said = read(policy(version("v10", ALL), version("v9", READ, True), version("v2", READ)))
    assert said == []
    assert [(v.id, v.default) for v in env.versions[ARN]] == [("v2", False), ("v9", True), ("v10", False)]
    assert env.versions[ARN][1].policy is env.managed_policies[ARN]
    last = env.versions[ARN][2].policy
    assert (last.kind, last.arn, last.document) == (PolicyKind.IDENTITY, ARN, ALL)
    assert last.origin.pointer == "/Policies/0/PolicyVersionList/0/Document"
    assert env.versions_unknown == frozenset()


def test_a_single_version_is_not_kept():
    env, _ = read(policy(version("v3", READ, True)))
    assert (dict(env.versions), env.versions_unknown) == ({}, frozenset())


def test_policies_of_aws_have_no_versions_to_switch_to():
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    env, _ = read(policy(version("v1", ALL), version("v2", READ, True), arn=arn))
    assert (dict(env.versions), env.versions_unknown) == ({}, frozenset())


def test_a_download_knows_the_version_in_force_only():
    env = environment_of(collected(READ))
    assert env.versions_unknown == {ARN}
    both = environment_of({**collected(READ), "g": policy(version("v1", ALL), version("v2", READ, True))})
    assert both.versions_unknown == frozenset()
    assert [v.id for v in both.versions[ARN]] == ["v1", "v2"]
    assert both.diagnostics == ()


@pytest.mark.parametrize("second", [version("v2", ALL), version("", ALL), {"Document": ALL}, 1])
def test_versions_that_cannot_be_told_apart(second):
    env, said = read(policy(version("v2", READ, True), second))
    assert set(said) == {"input-shape"}
    assert env.managed_policies[ARN].document == READ
    assert env.versions_unknown == {ARN}


def test_a_version_without_document_is_unknown():
    env, said = read(policy(version("v2", READ, True), {"VersionId": "v1"}))
    assert said == ["policy-missing"]
    assert env.versions[ARN][0].policy.malformed
    assert env.versions[ARN][1].policy.malformed is None


@pytest.mark.parametrize(
    "other", [policy(version("v2", READ, True), version("v1", READ)), policy(version("v2", READ, True))]
)
def test_versions_that_inputs_tell_differently_are_unknown(other):
    env, said = read(policy(version("v2", READ, True), version("v1", ALL)), other)
    assert said == ["conflict", "policy-missing"]
    assert env.managed_policies[ARN].document == READ
    assert [(v.id, v.default, v.policy.malformed is None) for v in env.versions[ARN]] == [
        ("v1", False, False),
        ("v2", True, True),
    ]


def test_equal_lists_in_another_order_agree():
    versions = version("v2", READ, True), version("v1", ALL)
    env, said = read(policy(*versions), policy(*reversed(versions)))
    assert said == []
    assert [v.policy.document for v in env.versions[ARN]] == [ALL, READ]


def test_another_default_is_a_conflict_of_the_policy():
    env, said = read(
        policy(version("v2", READ, True), version("v1", ALL)), policy(version("v2", READ), version("v1", ALL, True))
    )
    assert said == ["conflict", "conflict"]
    assert ARN not in env.managed_policies
    assert [(v.id, v.default, v.policy.document) for v in env.versions[ARN]] == [
        ("v1", False, ALL),
        ("v2", False, READ),
    ]


def test_an_encoded_version_reads_as_a_plain_one():
    env, _ = read(policy(version("v2", READ, True), version("v1", '{"Statement": []}')))
    assert env.versions[ARN][0].policy.statements == ()
    assert boundary_of(env.versions[ARN][0].policy).document == {"Statement": []}


def test_policies_by_arn():
    env, _ = read(policy(version("v2", READ, True), version("v1", ALL)))
    assert managed_policy_of(env, ARN) is env.managed_policies[ARN]
    admin = managed_policy_of(env, "arn:aws:iam::aws:policy/AdministratorAccess")
    assert (admin.kind, admin.name) == (PolicyKind.IDENTITY, "AdministratorAccess")
    assert managed_policy_of(env, "arn:aws:iam::aws:policy/AdministratorAccess") is admin
    missing = managed_policy_of(env, f"arn:aws:iam::{A}:policy/none")
    assert isinstance(missing, MissingPolicy)
    assert as_boundary(env, missing.arn) == missing


def test_boundaries_by_arn():
    env, _ = read(policy(version("v2", READ, True), version("v1", ALL)))
    boundary = as_boundary(env, ARN)
    assert (boundary.kind, boundary.arn, boundary.document) == (PolicyKind.BOUNDARY, ARN, READ)
    assert as_boundary(env, ARN) is boundary
    assert as_boundary(env, "arn:aws:iam::aws:policy/PowerUserAccess").kind is PolicyKind.BOUNDARY
    page = {
        "UserDetailList": [{"Arn": f"arn:aws:iam::{A}:user/u", "PermissionsBoundary": {"PermissionsBoundaryArn": ARN}}]
    }
    with_user, _ = read(policy(version("v2", READ, True)), page)
    assert with_user.principals[f"arn:aws:iam::{A}:user/u"].boundary == as_boundary(with_user, ARN)


def test_versions_by_id():
    env, _ = read(policy(version("v2", READ, True), version("v1", ALL)))
    assert version_of(env, ARN, "v1") is env.versions[ARN][0].policy
    boundary = version_of(env, ARN, "v1", boundary=True)
    assert (boundary.kind, boundary.document) == (PolicyKind.BOUNDARY, ALL)
    assert version_of(env, ARN, "v1", boundary=True) is boundary
    assert isinstance(version_of(env, ARN, "v7"), MissingPolicy)


def test_a_malformed_policy_is_a_malformed_boundary():
    env, _ = read(policy(version("v2", "no JSON", True), version("v1", ALL)))
    found = boundary_of(env.managed_policies[ARN])
    assert found.kind is PolicyKind.BOUNDARY
    assert found.malformed == env.managed_policies[ARN].malformed

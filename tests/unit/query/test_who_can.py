"""`who_can` on the example organizations: everybody who is listed, and who else policies reach."""

import pytest

from iamsim import Verdict, load, who_can
from iamsim.env.index import index_of, speaking
from iamsim.errors import QueryError
from iamsim.query.who_can import excused

ACME = "corpus/organizations/acme/snapshot"
INSTANCE = "arn:aws:ec2:eu-west-1:555566667777:instance/i-0123456789abcdef0"
DELETE_ROLE = "arn:aws:iam::555566667777:role/EC2DeleteRole"


@pytest.fixture(scope="module")
def acme():
    return load(ACME)


def names(rows):
    return {row.principal.rpartition("/")[2]: row for row in rows}


def test_direct_and_by_roles(acme):
    direct = names(who_can(acme, "ec2:TerminateInstances", INSTANCE))
    assert set(direct) == {"EC2DeleteRole", "AWSServiceRoleForAutoScaling"}
    by_roles = names(who_can(acme, "ec2:TerminateInstances", INSTANCE, via="roles"))
    assert set(by_roles) >= {*direct, "carol", "breakglass", "OnCall"}
    assert by_roles["carol"].steps == ("arn:aws:iam::555566667777:role/OnCall", DELETE_ROLE)
    assert by_roles["EC2DeleteRole"].steps == ()


def test_conditions_are_told_and_can_be_fixed(acme):
    rows = names(who_can(acme, "sts:AssumeRole", DELETE_ROLE))
    assert "multifactorauthpresent" in repr(rows["breakglass"].condition)
    without = names(who_can(acme, "sts:AssumeRole", DELETE_ROLE, when="no aws:MultiFactorAuthPresent"))
    assert "breakglass" in rows
    assert set(rows) - set(without) == {"breakglass"}


def test_tokens_and_services_are_listed(acme):
    rows = list(
        who_can(acme, "sts:AssumeRoleWithWebIdentity", "arn:aws:iam::333344445555:role/WebDeployDev", when=None)
    )
    assert [(r.principal, r.kind, r.verdict) for r in rows] == [
        ("oidc://token.actions.githubusercontent.com", "token", Verdict.YES)
    ]
    kinds = {r.kind for r in who_can(acme, "s3:GetObject", "arn:aws:s3:::acme-prod-web/index.html")}
    assert "service" in kinds


def test_an_unknown_is_never_dropped(acme):
    rows = list(who_can(acme, "s3:GetObject", "arn:aws:s3:::partner-feed/a.csv"))
    assert rows
    assert {r.verdict for r in rows} == {Verdict.UNKNOWN}
    assert all("missing:owner of the resource" in r.reasons for r in rows)


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def bucket(principal, **more):
    from iamsim.env.build import environment_of

    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "*", **more}
    resource = {"Resource": "arn:aws:s3:::b", "Account": "111122223333", "Policy": policy(statement)}
    return environment_of({"resources.json": [resource]})


@pytest.mark.parametrize(
    ("principal", "condition", "expected"),
    [
        ("*", None, {("anonymous", "yes"), ("*", "yes")}),
        ("*", {"StringEquals": {"aws:PrincipalOrgID": "o-other"}}, {("*", "unknown")}),
        ("*", {"StringEquals": {"aws:PrincipalAccount": "999988887777"}},
         {("arn:aws:iam::999988887777:root", "yes"), ("*", "unknown")}),
        ({"AWS": "999988887777"}, None, {("arn:aws:iam::999988887777:root", "yes")}),
        ({"AWS": "arn:aws:iam::999988887777:role/x"}, None, {("arn:aws:iam::999988887777:role/x", "unknown")}),
        ({"Service": "sns.amazonaws.com"}, None, {("sns.amazonaws.com", "yes")}),
    ],
)  # fmt: skip
def test_who_else_a_policy_reaches(principal, condition, expected):
    env = bucket(principal, **({"Condition": condition} if condition else {}))
    found = {(r.principal, r.verdict.value) for r in who_can(env, "s3:GetObject", "arn:aws:s3:::b/k")}
    assert found == expected


def test_the_claim_names_callers_as_can_does(acme):
    rows = list(who_can(acme, "ec2:TerminateInstances", INSTANCE))
    allowed = excused(acme, ["role/EC2DeleteRole", "555566667777:role/aws-service-role/*", "nobody", "root"])
    assert all(allowed(r) for r in rows)
    with pytest.raises(QueryError, match="EC2DeletRole"):
        excused(acme, ["role/EC2DeletRole"])
    with pytest.raises(QueryError, match="fits 3 principals"):
        excused(acme, ["role/PulumiDeploy"])


def test_the_index_finds_every_statement_that_can(acme):
    index = index_of(acme)
    found = speaking(index, "ec2:terminateinstances", INSTANCE)
    arns = {index.principals[i].arn for d, allows in found.items() if allows for i in index.holders[d]}
    assert DELETE_ROLE in arns
    assert len(found) < len(index.documents)


def test_further_checks_are_refused(acme):
    with pytest.raises(QueryError, match="one check"):
        who_can(acme, "iam:PassRole", DELETE_ROLE, also=[("s3:GetObject", "*")])

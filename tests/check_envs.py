"""Small environments for the tests of `iamsim check`, written as account details and resource policies."""

from __future__ import annotations

import json
from datetime import date

from iamsim import load

ACCOUNT, OTHER = "111122223333", "444455556666"
GITHUB = "token.actions.githubusercontent.com"
TODAY = date(2026, 11, 24)


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def when(operator, key, *values):
    return {"Condition": {operator: {key: list(values)}}}


def lets(principal, action="sts:AssumeRole", **more):
    return {"Effect": "Allow", "Principal": principal, "Action": action, **more}


def github(condition):
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"
    return lets({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", Condition=condition)


def inline(documents):
    return [{"PolicyName": f"p{i}", "PolicyDocument": d} for i, d in enumerate(documents)]


def user(name, *documents, account=ACCOUNT, **more):
    return {
        "Path": "/", "UserName": name, "UserId": f"AIDA{account[:4]}{name.upper()}", "GroupList": [],
        "Arn": f"arn:aws:iam::{account}:user/{name}", "UserPolicyList": inline(documents), "AttachedManagedPolicies": [],
        **more,
    }  # fmt: skip


def role(name, *documents, trust=(), account=ACCOUNT, **more):
    return {
        "Path": "/", "RoleName": name, "RoleId": f"AROA{account[:4]}{name.upper()}", "InstanceProfileList": [],
        "Arn": f"arn:aws:iam::{account}:role/{name}", "RolePolicyList": inline(documents), "AttachedManagedPolicies": [],
        "AssumeRolePolicyDocument": policy(*trust), **more,
    }  # fmt: skip


def managed(name, document, account=ACCOUNT):
    return {
        "PolicyName": name, "Arn": f"arn:aws:iam::{account}:policy/{name}", "DefaultVersionId": "v1",
        "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": True, "Document": document}],
    }  # fmt: skip


def details(*, users=(), roles=(), policies=(), groups=()):
    return {
        "UserDetailList": list(users), "RoleDetailList": list(roles), "Policies": list(policies),
        "GroupDetailList": list(groups),
    }  # fmt: skip


def environment(folder, *, resources=(), others=(), **lists):
    """The environment of one account, and of the further account details `others`."""
    for number, one in enumerate((details(**lists), *others)):
        (folder / f"account{number}.json").write_text(json.dumps(one, indent=1), encoding="utf-8")
    if resources:
        (folder / "resources.json").write_text(json.dumps(list(resources)), encoding="utf-8")
    return load(str(folder))

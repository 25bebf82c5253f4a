"""Random accounts: two of users and roles that often have the same documents, so that many are alike and some nearly are."""

from __future__ import annotations

import random

from page_files import Snapshot

from iamsim.env.build import environment_of

A, B = "111122223333", "444455556666"
USERS = [f"u{n}" for n in range(5)]
ROLES = [f"r{n}" for n in range(5)]


def on(actions, resource="*", *, effect="Allow", **condition):
    statement = {"Effect": effect, "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def resources_of(draw, account):
    head = f"arn:aws:iam::{account}:"
    names = [
        f"user/{draw.choice(USERS)}",
        f"role/{draw.choice(ROLES)}",
        "role/r*",
        "user/*",
        "role/app/*",
        "user/${aws:username}",
    ]
    return draw.choice(["*", "*", *(head + n for n in names)])


def condition_of(draw, account):
    some = [
        {"StringEquals": {"aws:PrincipalTag/team": draw.choice("xy")}},
        {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}},
        {"StringEquals": {"aws:ResourceTag/team": draw.choice("xy")}},
        {"StringEquals": {"aws:RequestTag/team": draw.choice("xy")}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{account}:user/{draw.choice(USERS)}"}},
        {"StringEquals": {"aws:username": draw.choice(USERS)}},
        {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    ]
    return draw.choice(some) if draw.random() < 0.2 else {}


BY_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}

ACTIONS = [
    ["lambda:CreateFunction", "lambda:InvokeFunction", "iam:PassRole"], ["lambda:CreateFunction", "lambda:InvokeFunction", "iam:PassRole"],
    ["lambda:CreateFunction", "iam:PassRole"], ["lambda:InvokeFunction"], ["lambda:TagResource"], ["iam:PassRole"],
    ["ec2:RunInstances", "iam:PassRole"], ["lambda:UpdateFunctionCode"], ["lambda:UpdateFunctionCode", "lambda:InvokeFunction"],
    ["sts:AssumeRole"], ["sts:AssumeRole"], ["sts:TagSession"], ["s3:GetObject"], ["glue:*", "iam:PassRole"],
    ["cloudformation:CreateStack"], ["codebuild:CreateProject", "codebuild:StartBuild"], ["ssm:SendCommand", "ssm:StartSession"],
    ["iam:CreateAccessKey"],
]  # fmt: skip
CHANGES = [
    ["iam:UpdateAssumeRolePolicy"], ["iam:PutUserPolicy"], ["iam:AttachRolePolicy"], ["iam:TagUser"],
    ["iam:CreatePolicyVersion"], ["iam:AddUserToGroup"], ["*"], ["iam:EnableMFADevice", "iam:CreateVirtualMFADevice"],
]  # fmt: skip


def document(draw, account, changes):
    statements = []
    for _ in range(draw.randint(1, 3)):
        actions = draw.choice(CHANGES if draw.random() < changes else ACTIONS)
        effect = "Deny" if draw.random() < 0.1 else "Allow"
        where = resources_of(draw, account) if actions[0][:3] in ("iam", "sts") else "*"
        statements.append(on(actions, where, effect=effect, **condition_of(draw, account)))
    return policy(*statements)


def trust(draw, account):
    other = B if account == A else A
    principals = [
        {"Service": "lambda.amazonaws.com"}, {"Service": "lambda.amazonaws.com"}, {"Service": "ec2.amazonaws.com"},
        {"Service": "glue.amazonaws.com"}, {"AWS": f"arn:aws:iam::{account}:root"}, {"AWS": f"arn:aws:iam::{other}:root"},
        {"AWS": f"arn:aws:iam::{account}:user/{draw.choice(USERS)}"}, {"AWS": f"arn:aws:iam::{other}:role/{draw.choice(ROLES)}"}, "*",
    ]  # fmt: skip
    named = draw.choice(principals)
    statement = {"Effect": "Allow", "Principal": named, "Action": "sts:AssumeRole"}
    arn = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::*:{draw.choice(['user/u1', 'role/app/*', 'user/u*'])}"}}
    told = [
        arn,
        {"StringEquals": {"aws:PrincipalTag/team": draw.choice("xy")}},
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    ]
    some = draw.choice(told) if named == "*" or draw.random() < 0.3 else {}
    return policy(statement | ({"Condition": some} if some else {}))


def environment(seed):
    """An environment of two accounts; the same for the same seed."""
    draw, made = random.Random(seed), Snapshot()
    changes = draw.choice([0, 0, 0.05, 0.3])
    for account in (A, B):
        documents = [document(draw, account, changes) for _ in range(draw.randint(2, 3))]
        trusts = [trust(draw, account) for _ in range(draw.randint(1, 3))]
        for kind, names in (("user", USERS), ("role", ROLES)):
            for name in names:
                tags = {"team": draw.choice("xy")} if draw.random() < 0.3 else None
                path = "/app/" if draw.random() < 0.2 else None
                made.identity(kind, f"{account}:{kind}/{name}", draw.choice(documents), tags=tags, path=path)
                if draw.random() < 0.4:
                    made.attach(
                        f"{account}:{kind}/{name}", f"arn:aws:iam::{account}:policy/p{draw.randint(0, 1)}", None
                    )
                if kind == "role":
                    made.trust(f"{account}:role/{name}", draw.choice(trusts))
        if draw.random() < 0.4:
            made.identity("role", f"{account}:role/boss", policy(on("*")))
            made.trust(f"{account}:role/boss", policy(BY_LAMBDA))
        for number in (0, 1):
            made.managed[account, f"arn:aws:iam::{account}:policy/p{number}"] = draw.choice(documents)
        if draw.random() < 0.5:
            made.group(f"{account}:devs", draw.choice(documents), [f"user/{u}" for u in draw.sample(USERS, 3)])
    if draw.random() < 0.3:
        who = draw.choice([f"arn:aws:iam::{A}:user/u0", f"arn:aws:iam::{A}:root", "*"])
        grant = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "lambda:*", "Resource": "*"}
        made.resource(f"arn:aws:lambda:us-east-1:{B}:function:f", policy(grant))
    if draw.random() < 0.4:
        made.organization = {"tree": {"accounts": [A, B]}}
        scp = on(draw.choice(ACTIONS), "*", effect="Deny", **condition_of(draw, A))
        made.org_policy("scp", "root", policy(scp), only=False)
    return environment_of(made.files())

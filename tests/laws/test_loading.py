"""What is read later is what would have been read at once, and nothing that needs a remark is put off."""

from __future__ import annotations

import copy
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from iamsim.diagnostics import Origin
from iamsim.env import gaad
from iamsim.env.build import environment_of
from iamsim.errors import InputError
from iamsim.model.plain_policy import plain_size
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import DUPLICATE, document_size, read_policy

A = "111122223333"
IAM = f"arn:aws:iam::{A}"
IDENTITY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "one", "Effect": "Allow", "Action": ["s3:Get*", "iam:PassRole"], "Resource": "arn:aws:s3:::b/*"},
        {
            "Sid": "two",
            "Effect": "Deny",
            "NotAction": "ec2:*",
            "NotResource": ["arn:aws:s3:::b/${aws:username}", "*"],
            "Condition": {
                "StringLike": {"aws:PrincipalTag/team": ["a*", "b"], "aws:userid": "x"},
                "Bool": {"aws:SecureTransport": False},
                "Null": {"aws:TokenIssueTime": "true"},
                "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                "ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": "k"},
                "NumericLessThan": {"aws:MultiFactorAuthAge": 3600},
                "DateGreaterThan": {"aws:CurrentTime": "2024-01-01"},
            },
        },
    ],
}
TRUST = {
    "Version": "2008-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"AWS": [f"{IAM}:root", f"{IAM}:role/x"], "Service": "ec2.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {"sts:ExternalId": "7"}},
    },
}
PAGE = {
    "UserDetailList": [
        {
            "Arn": f"{IAM}:user/p/u",
            "UserName": "u",
            "UserId": "AIDA1",
            "UserPolicyList": [{"PolicyName": "in", "PolicyDocument": IDENTITY}],
            "GroupList": ["g", "h"],
            "AttachedManagedPolicies": [{"PolicyArn": f"{IAM}:policy/m"}, {"PolicyArn": f"{IAM}:policy/lost"}],
            "Tags": [{"Key": "t", "Value": "1"}],
        }
    ],
    "GroupDetailList": [{"Arn": f"{IAM}:group/g", "GroupName": "g"}],
    "RoleDetailList": [
        {
            "Arn": f"{IAM}:role/r",
            "RoleName": "r",
            "RoleId": "AROA1",
            "AssumeRolePolicyDocument": TRUST,
            "PermissionsBoundary": {"PermissionsBoundaryArn": f"{IAM}:policy/m"},
            "InstanceProfileList": [{"Arn": f"{IAM}:instance-profile/i"}],
            "RolePolicyList": [],
            "AttachedManagedPolicies": [{"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
        }
    ],
    "Policies": [
        {
            "Arn": f"{IAM}:policy/m",
            "PolicyName": "m",
            "DefaultVersionId": "v1",
            "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": True, "Document": IDENTITY}],
        }
    ],
}
ODD = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            3,
            1.5,
            "",
            "*",
            "?",
            [],
            {},
            [[]],
            {DUPLICATE: "x"},
            "s3:*",
            "s 3:x",
            "${a}",
            "arn:aws:s3:*",
            "Üx",
        ]
    ),
    st.sampled_from(
        [f"{IAM}:role/r", f"{IAM}:user/p/u", "arn:aws:iam::1:policy/x", "arn:${a}:s3:::x", "\x07", '"', "\\"]
    ),
    st.sampled_from(["one", "two", "a-b", ["s3:Get*", "s3:Get*"], "x" * 3000, "a:b:c:d:e:f", "AWS", "Allow", "é" * 40]),
)
NAMES = st.sampled_from(
    "Sid effect Effect Action NotAction Resource Principal NotPrincipal Condition Id Arn Tags StringLike stringlike "
    "NullIfExists ForAllValues:Bool AWS:userid aws:UserId".split()
) | st.sampled_from(["", DUPLICATE])


def places(value, path=()):
    """The paths of all members and entries."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*path, key)
        yield from places(inside, (*path, key))


@st.composite
def changed(draw, base):
    """`base` after up to three changes: a value replaced, removed, doubled, or a member added."""
    value = copy.deepcopy(base)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(sorted(places(value), key=str)))
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(["replace", "remove", "double", "add"])):
            case "replace":
                holder[path[-1]] = copy.deepcopy(draw(ODD))
            case "remove":
                del holder[path[-1]]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[path[-1]]))
            case "add" if isinstance(holder, dict):
                holder[draw(NAMES)] = copy.deepcopy(draw(ODD))
        if not list(places(value)):
            break
    return value


@given(st.sampled_from([(IDENTITY, PolicyKind.IDENTITY), (TRUST, PolicyKind.TRUST)]).flatmap(
    lambda pair: st.tuples(changed(pair[0]), st.just(pair[1]))
))  # fmt: skip
def test_nothing_is_to_be_said_of_a_plain_document(pair):
    document, kind = pair
    size = plain_size(document, kind)
    if size:
        assert read_policy(document, kind, "p", Origin("f"))[1] == ()
        assert document_size(document) <= size


def loaded(page):
    """What `page` tells: the environment and its remarks with their places, or why there is none."""
    try:
        env = environment_of({"f": page})
    except InputError as error:
        return str(error), [(str(d.origin), d) for d in error.diagnostics]
    return env, [(str(d.origin), d) for d in env.diagnostics]


@given(changed(PAGE))
def test_reading_later_is_reading_at_once(page):
    with (
        mock.patch.object(gaad, "pending", return_value=None),
        mock.patch.object(gaad, "plain_managed", return_value=False),
    ):
        expected = loaded(page)
    later = loaded(page)
    assert later == expected
    if not isinstance(later[0], str):
        assert list(later[0].principals) == list(expected[0].principals)
        assert later[0].memo["entities"] == {p.unique_id: p.arn for p in later[0].principals.values() if p.unique_id}
        for arn, principal in later[0].principals.items():
            assert [str(p.origin) for p in principal.policies] == [
                str(p.origin) for p in expected[0].principals[arn].policies
            ]


def test_the_unchanged_ones_are_read_later():
    assert plain_size(IDENTITY, PolicyKind.IDENTITY)
    assert plain_size(TRUST, PolicyKind.TRUST)
    with mock.patch.object(gaad, "read_identity", wraps=gaad.read_identity) as read:
        environment_of({"f": PAGE})
    assert [call.args[1] for call in read.call_args_list] == ["Group"]

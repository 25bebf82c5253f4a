"""Files: decoding, pointers and walking."""

import contextlib
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamsim.env.build import environment_of, load
from iamsim.env.files import decode, paths_below, pointer_line
from iamsim.errors import InputError
from iamsim.findings import printable

POLICY = {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
USER = "arn:aws:iam::111122223333:user/u"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "UserDetailList",
    "RoleDetailList",
    "GroupDetailList",
    "Policies",
    "Statement",
    "Version",
    "Effect",
    "Principal",
    "Action",
    "Resource",
    "Condition",
    "Id",
    "Arn",
    "Children",
    "Content",
    "Type",
    "Name",
    "Account",
    "Policy",
    "Tags",
    "KmsGrants",
    "Operations",
    "GranteePrincipal",
    "UserPolicyList",
    "GroupList",
    "AttachedManagedPolicies",
    "PolicyArn",
    "PolicyDocument",
    "PermissionsBoundary",
    "PolicyVersionList",
    "Document",
    "PublicAccessBlock",
    "AWS",
]
TEXTS = st.sampled_from(
    [
        "*",
        "Allow",
        USER,
        "r-x",
        "arn:aws:s3:::b",
        "o-1",
        "arn:aws:organizations::1:root/o-1/r-x",
        "SERVICE_CONTROL_POLICY",
    ]
)
SHAPED = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=25,
)


@given(st.binary(max_size=60))
def test_decoding_never_raises(data):
    decoded = decode(data, "f")
    assert decoded.values or decoded.diagnostics


@settings(max_examples=150)
@given(JSON | SHAPED)
def test_readers_never_raise(value):
    with contextlib.suppress(InputError):
        environment_of({"f": value})


@settings(max_examples=60)
@given(st.lists(SHAPED, min_size=2, max_size=3))
def test_merging_commutes(values):
    files = {f"f{i}": v for i, v in enumerate([*values, POLICY])}
    one = environment_of(files)
    two = environment_of(dict(reversed(files.items())))
    assert one == two
    assert one.diagnostics == two.diagnostics


@given(SHAPED)
def test_pointers_lead_to_lines(value):
    text = json.dumps({"a": [value, {"x/y": 1}]}, indent=1)
    line, column = pointer_line(text, "/a/1/x~1y")
    assert text.splitlines()[line - 1][column - 1 :].startswith("1")


def test_printable_escapes_what_moves_the_cursor():
    assert printable("a\x1b[2J\u202e\n") == "a\\x1b[2J\\u202e\\x0a"
    assert printable("Zoë 日本") == "Zoë 日本"


def test_odd_files(tmp_path):
    (tmp_path / "policy.json").write_text(json.dumps(POLICY))
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".hidden").mkdir()
    env = load(tmp_path)
    assert sorted(d.id for d in env.diagnostics) == [
        "input-hidden",
        "input-link-loop",
        "input-link-loop",
        "input-not-regular",
    ]
    assert len(env.bare_policies) == 1


def test_a_missing_path_and_an_empty_directory_are_errors(tmp_path):
    for path in (tmp_path, tmp_path / "none", "a\x00b"):
        with pytest.raises(InputError) as e:
            load(path)
        assert e.value.help or e.value.diagnostics[0].help
    assert paths_below(str(tmp_path))[0] == ()

"""The catalogue of techniques: it passes its own checks, says what it must, and a user's mistakes become diagnostics."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iamsim.aws import escalations
from iamsim.aws.actions import action_info, expand
from iamsim.aws.escalation_files import with_file
from iamsim.diagnostics import Diagnostic

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = json.loads((ROOT / "iamsim/aws/data/escalations.json").read_text(encoding="utf-8"))
CATALOGUE = escalations.catalogue()
EVERY = [*CATALOGUE.techniques.values(), *CATALOGUE.primitives.values()]

OWN = {
    "id": "own-technique",
    "title": "Run code under a role",
    "kind": "new-passrole",
    "requires": [
        {
            "action": "iam:PassRole",
            "resource": "$target-role",
            "context": {"iam:AssociatedResourceArn": "$new-lambda-function"},
        },
        {"action": "lambda:CreateFunction", "resource": "$new-lambda-function"},
        {"action": "lambda:CreateEventSourceMapping", "resource": "*"},
    ],
    "alternatives": [
        {
            "when": "it exists",
            "replaces": ["lambda:CreateFunction"],
            "adds": [{"action": "lambda:UpdateFunctionCode", "resource": "$held-lambda-function"}],
            "drops": ["role-trusts-service"],
            "preconditions": [
                {
                    "fact": "resource-exists",
                    "resource": "$held-lambda-function",
                    "runs_as": "$target-role",
                    "offline": "assumed",
                }
            ],
        }
    ],
    "preconditions": [{"fact": "role-trusts-service", "role": "$target-role", "service": "lambda.amazonaws.com"}],
    "passed_to": "lambda.amazonaws.com",
    "outcome": {"type": "becomes", "who": "$target-role", "reach": "session"},
    "sources": ["our own red team"],
}


def read(*entries, **members):
    return escalations.read_catalogue({"techniques": list(entries), **members}, "own.json", CATALOGUE)


def changed(path, value):
    """OWN with `value` at `path`; DELETE takes the member away."""
    entry = copy.deepcopy(OWN)
    at = entry
    for part in path[:-1]:
        at = at[part]
    if value is DELETE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return entry


DELETE = object()


# --- the bundled catalogue


def test_the_bundled_catalogue_has_164_techniques_and_404_primitives():
    assert (len(CATALOGUE.techniques), len(CATALOGUE.primitives)) == (164, 404)
    assert all(t.primitive for t in CATALOGUE.primitives.values())
    assert not any(t.primitive for t in CATALOGUE.techniques.values())
    made = escalations.catalogue()
    assert escalations.catalogue() is made


def test_the_bundled_catalogue_passes_its_own_checks():
    read_again, diagnostics = escalations.read_catalogue(BUNDLED, "escalations.json")
    assert diagnostics == ()
    assert read_again.techniques == CATALOGUE.techniques
    assert read_again.primitives == CATALOGUE.primitives


def test_the_json_file_is_generated_from_the_yaml_file():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/build_escalations.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "same content\n")


def test_every_action_is_known_in_this_spelling():
    named = {c.action for t in EVERY for v in t.variants for c in v.calls}
    named |= {a for t in EVERY for a in (*t.helpful, *t.outcome.only) if "*" not in a}
    assert [a for a in named if action_info(a) is None or action_info(a).name != a] == []
    assert [a for t in EVERY for a in t.outcome.only if "*" in a and not expand(a)] == []


@pytest.mark.parametrize("technique", EVERY, ids=lambda t: t.id)
def test_each_entry_is_whole(technique):
    assert technique.sources
    assert technique.title[0].isupper()
    assert not technique.title.endswith(".")
    assert {name for name, _ in technique.limits} == {"on_the_calls", "on_the_result"}
    assert set(technique.composed_of) <= {*CATALOGUE.techniques, *CATALOGUE.primitives}
    assert technique.variants[0].when == ""
    assert len({v.when for v in technique.variants}) == len(technique.variants)
    for variant in technique.variants:
        assert variant.calls or variant.preconditions
        passed = [c for c in variant.calls if c.action == "iam:PassRole" and "$target-role" in c.resources]
        assert not passed or technique.passed_to
        for call in variant.calls:
            assert all(key == key.lower() for key, _ in call.context)


def test_no_variant_has_a_caller_that_is_user_and_role():
    for technique in EVERY:
        for variant in technique.variants:
            is_ = [p.get("what") for p in variant.preconditions if p.fact == "self-is"]
            assert len(is_) < 2, (technique.id, variant.when)
            own = {c.action for c in variant.calls if c.resources == ("$self",)}
            if is_:
                other = "Role" if is_ == ["user"] else "User"
                assert not any(a.startswith("iam:") and other in a for a in own), (technique.id, variant.when)


def test_remarks_are_kept():
    assert ("iam:PassRole", "without a call that starts something under the role") in CATALOGUE.not_enough_alone
    assert (len(CATALOGUE.not_enough_alone), len(CATALOGUE.leads), len(CATALOGUE.retired)) == (16, 10, 3)


def test_an_empty_value_says_that_the_request_lacks_the_key():
    call = CATALOGUE.techniques["cloudformation-update-stack"].variants[0].calls[0]
    assert call.context == (("cloudformation:rolearn", ""),)
    made, diagnostics = read(changed(("requires", 0, "context"), {"iam:AssociatedResourceArn": ""}))
    assert diagnostics == ()
    assert made.techniques["own-technique"].variants[0].calls[0].context == (("iam:associatedresourcearn", ""),)


def test_roles_that_iam_does_not_let_change_are_left_out():
    writes = (
        "iam:PutRole",
        "iam:AttachRole",
        "iam:DeleteRole",
        "iam:DetachRole",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRole",
    )
    for technique in EVERY:
        for variant in technique.variants:
            for call in variant.calls:
                if call.action.startswith(writes) and call.resources != ("$new-role",):
                    modifiable = {p.get("role") for p in variant.preconditions if p.fact == "role-modifiable"}
                    assert call.resources[0] in modifiable, (technique.id, variant.when)


# --- an entry


def test_alternatives_are_applied_to_the_entry():
    made, diagnostics = read(OWN)
    assert diagnostics == ()
    base, other = made.techniques["own-technique"].variants
    assert base.calls[0] == escalations.Call(
        "iam:PassRole", ("$target-role",), (("iam:associatedresourcearn", "$new-lambda-function"),)
    )
    assert [c.action for c in other.calls] == [
        "iam:PassRole",
        "lambda:CreateEventSourceMapping",
        "lambda:UpdateFunctionCode",
    ]
    assert [p.fact for p in other.preconditions] == ["resource-exists"]
    assert other.preconditions[0].assumed
    assert other.preconditions[0].get("runs_as") == "$target-role"
    assert other.preconditions[0].get("absent", "no") == "no"
    assert dict(made.techniques["own-technique"].limits)["on_the_result"][0] == "target-boundary"


def test_reach_only_has_its_actions():
    outcome = CATALOGUE.techniques["pipes-create"].outcome
    assert outcome.reach == "only"
    assert "lambda:InvokeFunction" in outcome.only


def test_booleans_are_texts():
    assert CATALOGUE.techniques["iam-create-login-profile"].variants[0].preconditions[0].get("present") == "false"
    entry = changed(("preconditions",), [{"fact": "login-profile", "user": "$target-user", "present": True}])
    made, diagnostics = read(
        entry | {"alternatives": [], "outcome": {"type": "becomes", "who": "$target-user", "reach": "console"}}
    )
    assert diagnostics == ()
    assert made.techniques["own-technique"].variants[0].preconditions[0].get("present") == "true"


def test_an_entry_replaces_the_one_with_its_id_in_place():
    made, diagnostics = read({**OWN, "id": "sts-assume-role"}, OWN)
    assert diagnostics == ()
    assert list(made.techniques) == [*CATALOGUE.techniques, "own-technique"]
    assert made.techniques["sts-assume-role"].title == OWN["title"]
    assert made.primitives == CATALOGUE.primitives


def test_own_resource_types():
    entry = {
        **OWN,
        "requires": [{"action": "s3:PutObject", "resource": "$any-own-object"}],
        "alternatives": [],
        "passed_to": "lambda.amazonaws.com",
    }
    made, diagnostics = read(
        entry, resource_types={"own-object": "arn:${Partition}:s3:::${Bucket}/${Key}", "X": "arn", "y": 1}
    )
    assert [(d.id, d.origin.pointer) for d in diagnostics] == [
        ("technique-shape", "/resource_types/X"),
        ("technique-shape", "/resource_types/y"),
    ]
    assert "own-technique" in made.techniques
    assert "own-object" in made.resource_types


MISTAKES = [
    (("id",), DELETE, "technique-missing", "", "`id` is missing"),
    (("title",), DELETE, "technique-missing", "", "`title` is missing"),
    (("requires",), DELETE, "technique-missing", "", "`requires` is missing"),
    (("outcome",), DELETE, "technique-missing", "", "`outcome` is missing"),
    (("sources",), DELETE, "technique-missing", "", "`sources` is missing"),
    (("sources",), [], "technique-shape", "/sources", "an empty list where a list that is not empty belongs"),
    (("requires",), "iam:PassRole", "technique-shape", "/requires", "a text where a list belongs"),
    (("requires", 0), 7, "technique-shape", "/requires/0", "a number where an object belongs"),
    (("title",), None, "technique-shape", "/title", "nothing where a text belongs"),
    (("id",), "Own Technique", "technique-shape", "/id", "`Own Technique` is no id"),
    (("requirs",), [], "technique-member", "/requirs", "nearest name is `requires`"),
    (("requires", 0, "action"), "iam:PasRole", "technique-unknown", "/requires/0/action", "nearest name is `iam:PassRole`"),
    (("requires", 0, "action"), "iam:passrole", "technique-unknown", "/requires/0/action", "write `iam:PassRole`"),
    (("requires", 0, "resource"), "$target-rol", "technique-unknown", "/requires/0/resource", "nearest name is `$target-role`"),
    (("requires", 1, "resource"), "$new-lambda-funktion", "technique-unknown", "/requires/1/resource", "nearest name is `lambda-function`"),
    (("requires", 1, "resource"), "arn:aws:s3:::b", "technique-unknown", "/requires/1/resource", "is no target"),
    (("requires", 1, "resource"), "*", "technique-resource", "/requires/1/resource", "has resource types"),
    (("requires", 1, "resource"), "$new-s3-bucket", "technique-resource", "/requires/1/resource", "is no resource of `lambda:CreateFunction`"),
    (("requires", 2, "resource"), "$new-lambda-function", "technique-resource", "/requires/2/resource", "has no resource types"),
    (("requires", 0, "context"), {"iam:PassedToService": " "}, "technique-shape", "/requires/0/context/iam:PassedToService", "a text that may be empty"),
    (("requires", 0, "context"), {"iam:PassedTo": "x"}, "technique-unknown", "/requires/0/context/iam:PassedTo", "unknown condition key"),
    (("kind",), "new-passroll", "technique-unknown", "/kind", "nearest name is `new-passrole`"),
    (("alternatives", 0, "preconditions", 0, "fact"), "resources-exist", "technique-unknown", "/alternatives/0/preconditions/0/fact", "nearest name is `resource-exists`"),
    (("preconditions", 0, "service"), "lambda", "technique-unknown", "/preconditions/0/service", "no service principal"),
    (("preconditions", 0, "role"), DELETE, "technique-missing", "/preconditions/0", "`role` is missing"),
    (("preconditions", 0, "rule"), "x", "technique-member", "/preconditions/0/rule", "nearest name is `role`"),
    (("outcome", "type"), "become", "technique-unknown", "/outcome/type", "nearest name is `becomes`"),
    (("outcome", "reach"), "sessions", "technique-unknown", "/outcome/reach", "nearest name is `session`"),
    (("outcome", "reach"), {"only": ["s3:GetObjekt"]}, "technique-unknown", "/outcome/reach/only/0", "nearest name is `s3:GetObject`"),
    (("outcome", "reach"), DELETE, "technique-missing", "/outcome", "`reach` is missing"),
    (("outcome", "who"), "$target-user", "technique-reference", "/outcome/who", "is in no call and no precondition"),
    (("alternatives", 0, "replaces"), ["lambda:InvokeFunction"], "technique-reference", "/alternatives/0/replaces/0", "unknown call of the entry"),
    (("alternatives", 0, "drops"), ["self-is"], "technique-reference", "/alternatives/0/drops/0", "unknown precondition of the entry"),
    (("composed_of",), ["sts-assume-rol"], "technique-unknown", "/composed_of/0", "nearest name is `sts-assume-role`"),
    (("confidence",), "sure", "technique-unknown", "/confidence", "unknown confidence"),
    (("limits",), {"on_the_calls": ["caller-scps"]}, "technique-unknown", "/limits/on_the_calls/0", "nearest name is `caller-scp`"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "id_", "pointer", "says"), MISTAKES)
def test_a_mistake_is_one_diagnostic_with_its_place_and_the_rest_is_used(path, value, id_, pointer, says):
    made, diagnostics = read(changed(path, value), {**OWN, "id": "second"})
    assert [(d.id, d.origin.source, d.origin.pointer) for d in diagnostics] == [
        (id_, "own.json", f"/techniques/0{pointer}")
    ]
    assert says in f"{diagnostics[0].message} | {diagnostics[0].help}"
    assert diagnostics[0].help
    assert "own-technique" not in made.techniques
    assert "second" in made.techniques


def test_neither_calls_nor_preconditions():
    entry = {
        **OWN,
        "requires": [],
        "preconditions": [],
        "alternatives": [],
        "outcome": {"type": "leaves-organization", "account": "$self-account"},
    }
    assert [d.message for d in read(entry)[1]] == ["neither a call nor a precondition"]


def test_an_id_that_occurs_twice():
    made, diagnostics = read(OWN, {**OWN, "title": "Second"})
    assert [(d.id, d.origin.pointer) for d in diagnostics] == [("technique-duplicate", "/techniques/1/id")]
    assert made.techniques["own-technique"].title == OWN["title"]
    _, (remark,) = read({**OWN, "id": "iam-tag-role-any"})
    assert remark.id == "technique-duplicate"
    _, (remark,) = read(OWN, primitives=[OWN])
    assert (remark.id, remark.origin.pointer) == ("technique-duplicate", "/primitives/0/id")


def test_limits_that_an_entry_does_not_name_are_those_of_its_kind():
    made, _ = read({**OWN, "limits": {"on_the_calls": ["trust-policy"]}})
    limits = dict(made.techniques["own-technique"].limits)
    assert limits["on_the_calls"] == ("trust-policy",)
    assert "target-boundary" in limits["on_the_result"]


def test_a_catalogue_of_its_own():
    made, diagnostics = escalations.read_catalogue({"techniques": [OWN]}, "own.json")
    assert diagnostics == ()
    assert list(made.techniques) == ["own-technique"]
    assert made.resource_types == {}


@pytest.mark.parametrize(
    ("value", "pointer"),
    [([], ""), (None, ""), ({"techniques": {}}, "/techniques"), ({"format": 2}, "/format"), ({"technique": []}, "/technique"),
     ({"vocabulary": {}}, "/vocabulary"), ({"resource_types": []}, "/resource_types")],
)  # fmt: skip
def test_a_file_of_the_wrong_shape(value, pointer):
    made, diagnostics = escalations.read_catalogue(value, "f", CATALOGUE)
    assert [d.origin.pointer for d in diagnostics] == [pointer]
    assert made == CATALOGUE


# --- files


def test_json_and_yaml_files_say_the_same(tmp_path):
    import yaml

    (tmp_path / "a.json").write_text(json.dumps({"techniques": [OWN]}))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"format": 1, "techniques": [OWN]}))
    (one, first), (two, second) = (with_file(CATALOGUE, str(tmp_path / name)) for name in ("a.json", "a.yaml"))
    assert first == second == ()
    assert one == two
    assert len(one.techniques) == 165


@pytest.mark.parametrize(
    ("name", "content", "says", "span"),
    [
        ("a.json", b"{", "not JSON", (1, 2)),
        ("a.json", b"[" * 100_000, "nested too deeply", None),
        ("a.json", b"NaN", "not JSON", None),
        ("a.json", b'{"techniques": [], "techniques": []}', "occurs twice", None),
        ("a.yaml", b"techniques: [", "not YAML", (1, 14)),
        ("a.yaml", b"[" * 20_000, "nested too deeply", None),
        ("a.yaml", b"techniques: []\ntechniques: []\n", "occurs twice", (2, 1)),
        ("a.yaml", b"a: &x [*x]\n", "recursive", None),
        ("a.yaml", b"? [a]\n: b\n", "", None),
        ("a.yaml", b"\x00", "not YAML", None),
        ("a.yaml", b"", "is an object", None),
        ("a.yaml", b"\xff\xfe\xfa", "not UTF-8", None),
        ("a.yaml", b"techniques: !!python/object:os.system []", "", None),
    ],
)
def test_a_file_that_is_neither_json_nor_yaml(tmp_path, name, content, says, span):
    path = tmp_path / name
    path.write_bytes(content)
    made, diagnostics = with_file(CATALOGUE, str(path))
    assert made == CATALOGUE
    if says:
        assert says in diagnostics[0].message
    if span:
        assert diagnostics[0].span == span
    assert all("\n" not in d.message and d.origin.source == str(path) for d in diagnostics)


def test_a_file_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        made, (remark,) = with_file(CATALOGUE, str(path))
        assert made is CATALOGUE
        assert remark.id == "technique-file"


# --- anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["*", "$self", "$new-", "iam:PassRole", "becomes"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.sampled_from(["only", "action", "fact"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value, path=()):
    yield path
    match value:
        case dict():
            for name, item in value.items():
                yield from places(item, (*path, name))
        case list():
            for i, item in enumerate(value):
                yield from places(item, (*path, i))


PLACES = [p for p in places(OWN) if p]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=2))
def test_any_change_of_an_entry_gives_a_catalogue_and_diagnostics(changes):
    entry = copy.deepcopy(OWN)
    for path, value in changes:
        at = entry
        try:
            for part in path[:-1]:
                at = at[part]
            at[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    made, diagnostics = read(entry)
    assert all(isinstance(d, Diagnostic) and d.help and "\n" not in d.message for d in diagnostics)
    assert len(made.techniques) == 164 + (not diagnostics and entry["id"] not in CATALOGUE.techniques)


@settings(max_examples=100, deadline=None)
@given(JSON | st.fixed_dictionaries({"techniques": JSON, "primitives": JSON, "resource_types": JSON}))
def test_any_value_gives_a_catalogue_and_diagnostics(value):
    made, diagnostics = escalations.read_catalogue(value, "any")
    assert isinstance(made, escalations.Catalogue)
    assert all(isinstance(d, Diagnostic) for d in diagnostics)


def test_every_service_of_a_technique_can_be_named_in_a_trust_policy():
    from iamsim.aws.services import PASSED_TO

    every = (*CATALOGUE.techniques.values(), *CATALOGUE.primitives.values())
    trusted = {
        c.get("service") for t in every for v in t.variants for c in v.preconditions if c.fact == "role-trusts-service"
    }
    assert trusted <= {f"{s}.amazonaws.com" for s in PASSED_TO}


WRITES_POLICY = re.compile(
    r":(Put|Set)(Resource|Key|Bucket|Repository|Cluster|\w*Access|\w*Permissions)?Policy$|:PutPermission$"
)
# services whose policies no technique writes: docs/known-limits.md
UNWRITTEN = frozenset(
    "agent-registry appsync aps arc-region-switch aws-marketplace bedrock billing cloudfront cloudhsm codebuild codeguru-profiler "
    "comprehend continuum dsql ec2 entityresolution fsx logs lookoutequipment mediaconvert mpa network-firewall networkmanager odb omics "
    "organizations osis payment-cryptography qbusiness redshift redshift-serverless refactor-spaces resource-explorer-2 rum "
    "s3-outposts sagemaker servicecatalog servicediscovery sms-voice ssm-incidents vpc-lattice xray".split()
)  # fmt: skip


def test_policies_of_resources_are_written_or_it_is_said_that_they_are_not():
    from iamsim.aws.resource_policies import RESOURCE_POLICIES

    written = {
        c.action.partition(":")[0]
        for t in EVERY
        if t.outcome.type in ("rewrites-resource-policy", "gains-resource-actions")
        for v in t.variants
        for c in v.calls
    }
    services = {row.service for row in RESOURCE_POLICIES}
    able = {s for s in services if any(WRITES_POLICY.search(a) for a in expand(f"{s}:*"))}
    assert able - written <= UNWRITTEN

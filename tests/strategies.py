"""Hypothesis strategies: texts with hard constants, patterns, conditions, policies, environments, requests, terms.

Policies and environments are drawn as JSON values, so that they go through the readers. Account A always holds users
`u` and `U`, role `r` and group `g`; account B holds role `r`; the bucket `b` belongs to A, `bb` to B.
"""

from __future__ import annotations

from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path

from hypothesis import strategies as st
from page_files import Snapshot

from iamsim.ir import term as t
from iamsim.ir.values import network
from iamsim.model.pattern import tokenize

A, B, M = "111122223333", "444455556666", "777788889999"
USER, ROLE, FOREIGN = f"arn:aws:iam::{A}:user/u", f"arn:aws:iam::{A}:role/r", f"arn:aws:iam::{B}:role/r"
SESSION = f"arn:aws:sts::{A}:assumed-role/r/s"
GRAMMAR = Path(__file__).resolve().parents[1] / "grammar" / "pattern.lark"

# --- texts and patterns

TEXTS = st.sampled_from(
    ["", "a", "A", "ab", "u", "U", "red", "Red", "r*d", "a?", "ä", "Ä", "ß", "a:b", "a/b", "${x}", "$", "true"]
)
PIECES = st.sampled_from(
    [
        "*",
        "?",
        "a",
        "A",
        "b",
        ":",
        "/",
        "red",
        "ä",
        "$",
        "${",
        "}",
        "${*}",
        "${?}",
        "${$}",
        "**",
        "?*",
        "",
        "${aws:username}",
        "${aws:PrincipalTag/team}",
        "${aws:PrincipalTag/none, 'a'}",
        "${aws:TagKeys}",
        "${no:such}",
    ]
)
FREE_TEXTS = st.one_of(TEXTS, st.text("abA*?:/${}", max_size=8), st.text(max_size=5))


def pattern_texts():
    """Texts of string patterns, most of them with wildcards, variables or what looks like them."""
    return st.one_of(st.lists(PIECES, max_size=5).map("".join), FREE_TEXTS)


def lark_pattern_texts():
    """Texts that grammar/pattern.lark generates."""
    from hypothesis.extra.lark import from_lark
    from lark import Lark

    return from_lark(
        Lark(GRAMMAR.read_text(encoding="utf-8"), start="start"), alphabet=st.characters(max_codepoint=0x17F)
    )


# --- values of keys, by type; those that no operator can read are among them

VALUES = {
    "S": TEXTS,
    "N": st.sampled_from(["0", "1", "-1", "1.0", "01", "1.5", "1e3", "99999999999999999999", "x", "", " 1"]),
    "D": st.sampled_from(
        [
            "2024-01-01T00:00:00Z",
            "2024-01-01",
            "2024-01",
            "2024",
            "2030-06-15T12:00:00+02:00",
            "2024-02-30",
            "1704067200",
        ]
    ),
    "B": st.sampled_from(["true", "false", "True", "yes", ""]),
    "I": st.sampled_from(
        [
            "10.0.0.0/8",
            "10.1.2.3",
            "10.1.2.3/8",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::1",
            "2001:db8::/32",
            "10.1.2",
            "203.0.113.7",
        ]
    ),
    "A": st.sampled_from(
        [
            USER,
            ROLE,
            FOREIGN,
            "arn:aws:iam::*:role/*",
            f"arn:*:iam::{A}:*",
            "arn:aws:s3:::b",
            "arn:aws:s3:::*",
            "*",
            "x",
        ]
    ),
    "b": st.sampled_from(["YQ==", "YWI=", "YQ", "!", ""]),
}
# key → the type of its values; `[]`: takes several
KEYS = {
    "aws:username": "S", "aws:PrincipalTag/team": "S", "aws:PrincipalTag/none": "S", "aws:ResourceTag/team": "S",
    "aws:PrincipalArn": "A", "aws:PrincipalAccount": "S", "aws:PrincipalOrgID": "S", "aws:PrincipalType": "S",
    "aws:userid": "S", "aws:SourceIp": "I", "aws:SourceVpce": "S", "aws:CurrentTime": "D", "aws:EpochTime": "N",
    "aws:MultiFactorAuthPresent": "B", "aws:MultiFactorAuthAge": "N", "aws:SecureTransport": "B", "aws:TagKeys": "S[]",
    "aws:PrincipalOrgPaths": "S[]", "aws:CalledVia": "S[]", "aws:UserAgent": "S", "aws:referer": "S",
    "aws:RequestedRegion": "S", "aws:ViaAWSService": "B", "s3:prefix": "S", "sts:ExternalId": "S", "no:such": "S",
    "AWS:UserName": "S", "aws:principaltag/TEAM": "S",
}  # fmt: skip
# keys that a question may state without contradicting its caller
GIVEN = {
    "aws:SourceIp": st.sampled_from(["10.1.2.3", "203.0.113.7", "2001:db8::1"]),
    "aws:SourceVpce": st.sampled_from(["vpce-1", "a"]),
    "aws:CurrentTime": st.sampled_from(["2024-01-01T00:00:00Z", "2030-06-15T12:00:00Z"]),
    "aws:SecureTransport": st.sampled_from(["true", "false"]),
    "aws:UserAgent": TEXTS.filter(bool),
    "aws:referer": TEXTS.filter(bool),
    "s3:prefix": TEXTS,
    "sts:ExternalId": st.sampled_from(["ab", "red"]),
    "aws:TagKeys": st.lists(st.sampled_from(["a", "b", "red"]), min_size=1, max_size=3, unique=True),
}
OPERATORS = {
    "StringEquals": "S", "StringNotEquals": "S", "StringEqualsIgnoreCase": "S", "StringNotEqualsIgnoreCase": "S",
    "StringLike": "S", "StringNotLike": "S", "NumericEquals": "N", "NumericNotEquals": "N", "NumericLessThan": "N",
    "NumericLessThanEquals": "N", "NumericGreaterThan": "N", "NumericGreaterThanEquals": "N", "DateEquals": "D",
    "DateNotEquals": "D", "DateLessThan": "D", "DateLessThanEquals": "D", "DateGreaterThan": "D",
    "DateGreaterThanEquals": "D", "Bool": "B", "BinaryEquals": "b", "IpAddress": "I", "NotIpAddress": "I",
    "ArnEquals": "A", "ArnLike": "A", "ArnNotEquals": "A", "ArnNotLike": "A", "Null": "B",
}  # fmt: skip


@st.composite
def conditions(draw):
    """A Condition element: one to three operators with a key each; mostly keys of the operator's type."""
    out = {}
    for _ in range(draw(st.integers(1, 3))):
        base = draw(st.sampled_from(sorted(OPERATORS)))
        kind = OPERATORS[base]
        fitting = [k for k, v in KEYS.items() if v[0] == kind] or ["aws:UserAgent"]
        key = draw(st.sampled_from(sorted(KEYS) if base == "Null" or draw(st.integers(0, 6)) == 6 else fitting))
        several = KEYS[key].endswith("[]")
        prefix = draw(
            st.sampled_from(["", "ForAllValues:", "ForAnyValue:"] if several else ["", "", "", "ForAllValues:"])
        )
        suffix = "" if base == "Null" else draw(st.sampled_from(["", "", "IfExists"]))
        values = st.sampled_from(["true", "false"]) if base == "Null" else VALUES[kind]
        if "Like" in base and kind == "S":
            values = st.one_of(values, pattern_texts())
        drawn = draw(st.lists(values, min_size=1, max_size=2))
        operator = prefix + base + suffix
        out.setdefault(operator, {})[key] = drawn if len(drawn) > 1 or draw(st.booleans()) else drawn[0]
    return out


# --- statements and policies

ACTIONS = ["s3:GetObject", "s3:PutObject", "sts:AssumeRole", "s3:ListBucket"]
ACTION_PATTERNS = st.sampled_from(
    ["*", "s3:*", "S3:getobject", "s3:Get*", "s3:?etObject", "sts:*", "sts:AssumeRole", "s3:List*", "*:*"]
)
RESOURCES = ["arn:aws:s3:::b/k", "arn:aws:s3:::b/u/k", "arn:aws:s3:::bb/k", "arn:aws:s3:::b", ROLE, FOREIGN]
RESOURCE_PATTERNS = st.sampled_from(
    [
        "*",
        "arn:aws:s3:::b/*",
        "arn:aws:s3:::b",
        "arn:aws:s3:::b*",
        "arn:aws:s3:::b/${aws:username}/*",
        "arn:aws:s3:::*/k",
        "arn:aws:s3:::b/${aws:PrincipalTag/none}/*",
        "arn:aws:iam::*:role/*",
        ROLE,
        FOREIGN,
        "arn:aws:s3",
        "arn:*",
    ]
)
PRINCIPALS = st.sampled_from(
    [
        "*",
        {"AWS": "*"},
        {"AWS": A},
        {"AWS": f"arn:aws:iam::{A}:root"},
        {"AWS": USER},
        {"AWS": [ROLE, FOREIGN]},
        {"AWS": SESSION},
        {"AWS": B},
        {"Service": "sns.amazonaws.com"},
        {"AWS": f"arn:aws:iam::{A}:user/U"},
        {"Service": "ec2.amazonaws.com", "AWS": USER},
    ]
)


def some(values):
    """One or two of `values`, alone or as a list."""
    return st.one_of(values, st.lists(values, min_size=1, max_size=2))


@st.composite
def statements(draw, kind="identity", effect=None, *, simple=False):
    """One statement for a policy of `kind`: identity, resource, trust, scp or rcp; without conditions if `simple`."""
    out = {"Effect": effect or ("Deny" if kind == "rcp" else draw(st.sampled_from(["Allow", "Allow", "Deny"])))}
    negated = kind != "rcp" and draw(st.integers(0, 5)) == 5
    out["NotAction" if negated else "Action"] = draw(
        st.sampled_from(["sts:AssumeRole", "sts:*"]) if kind == "trust"
        else st.sampled_from(["s3:*", "s3:GetObject", "sts:*"]) if kind == "rcp"
        else some(ACTION_PATTERNS)
    )  # fmt: skip
    if kind == "trust":
        out["Action"] = out.pop("NotAction", None) or out["Action"]
    else:
        negated = draw(st.integers(0, 5)) == 5
        out["NotResource" if negated else "Resource"] = draw(some(RESOURCE_PATTERNS))
    if kind in ("resource", "trust"):
        lonely = kind == "resource" and out["Effect"] == "Deny" and draw(st.integers(0, 4)) == 4
        out["NotPrincipal" if lonely else "Principal"] = draw(PRINCIPALS)
    if kind == "rcp":
        out["Principal"] = "*"
    if not simple and draw(st.booleans()):
        out["Condition"] = draw(conditions())
    return out


@st.composite
def policies(draw, kind="identity", *, effect=None, min_size=1, max_size=3):
    """A policy document of `kind`."""
    found = draw(st.lists(statements(kind, effect), min_size=min_size, max_size=max_size))
    version = "2012-10-17" if kind in ("scp", "rcp") else draw(st.sampled_from(["2012-10-17"] * 4 + ["2008-10-17"]))
    return {"Version": version, "Statement": found[0] if len(found) == 1 and draw(st.booleans()) else found}


def maybe(strategy, share=2):
    """A value of `strategy` in one of `share` draws, else None."""
    return st.integers(1, share).flatmap(lambda n: strategy if n == 1 else st.none())


# --- environments: what they say is a plain dict, so that a law can add to it and build again

WORLD = st.fixed_dictionaries(
    {
        "user": policies(),
        "other": maybe(policies(), 3),
        "group": maybe(policies(), 3),
        "role": policies(),
        "foreign": policies(),
        "boundary": maybe(policies(), 4),
        "role boundary": maybe(policies(), 4),
        "trust": policies("trust"),
        "foreign trust": policies("trust"),
        "b": maybe(policies("resource"), 2),
        "bb": maybe(policies("resource"), 2),
        "scp": st.lists(policies("scp"), max_size=2),
        "rcp": st.lists(policies("rcp"), max_size=1),
        "team": st.sampled_from(["red", "Red", "", "a"]),
        "organization": st.booleans(),
    }
)


def files_of(world):
    """The input files of what `WORLD` draws."""
    s = Snapshot()
    s.identity("user", "u", world["user"], tags={"team": world["team"]})
    s.identity("user", "U", world["other"])
    s.group("g", world["group"], ["user/u"])
    s.identity("role", "r", world["role"], tags={"team": "red"})
    s.identity("role", f"{B}:r", world["foreign"])
    s.trust("role/r", world["trust"])
    s.trust(f"{B}:role/r", world["foreign trust"])
    for name, key in (("user/u", "boundary"), ("role/r", "role boundary")):
        if world[key] is not None:
            s.boundary(name, world[key])
    s.resource("arn:aws:s3:::b", world["b"], account=A, tags={"team": "red"})
    s.resource("arn:aws:s3:::bb", world["bb"], account=B)
    if world["organization"]:
        s.organization = {"id": "o-x", "management": M, "tree": {"Prod": {"accounts": [A]}, "accounts": [B]}}
        for document in world["scp"]:
            s.org_policy("scp", "Prod", document, only=True)
        for document in world["rcp"]:
            s.org_policy("rcp", A, document, only=False)
    return s.files()


def environment(world):
    """The environment of what `WORLD` draws."""
    from iamsim.env.build import environment_of

    return environment_of(files_of(world))


def callers(*, concrete=True):
    """Callers by name; with `concrete` only those of whom nothing is left open."""
    fixed = [USER, SESSION, f"arn:aws:iam::{A}:user/U", f"arn:aws:iam::{A}:root", "anonymous", "sns.amazonaws.com"]
    fixed.append(f"arn:aws:sts::{B}:assumed-role/r/s")
    return st.sampled_from(fixed if concrete else [*fixed, ROLE, FOREIGN])


@st.composite
def requests(draw, *, concrete=True):
    """(caller, action, resource, context) of a question; the context states some keys."""
    resource = draw(st.sampled_from(RESOURCES))
    fitting = ["sts:AssumeRole"] if ":role/" in resource else ["s3:GetObject", "s3:PutObject"]
    action = "s3:ListBucket" if resource == "arn:aws:s3:::b" else draw(st.sampled_from(fitting))
    keys = draw(st.lists(st.sampled_from(sorted(GIVEN)), max_size=4, unique=True))
    context = {k: draw(GIVEN[k]) for k in keys}
    if "aws:SourceVpce" in context:
        context.pop("aws:SourceIp", None)
    return draw(callers(concrete=concrete)), action, resource, context


# --- terms

VARS = ("x", "y", "z")
ATOM_VALUES = st.sampled_from(
    ["", "a", "A", "ab", "b", "a:b", "1", "2.5", "-1", "2024-01-01T00:00:00Z", "10.1.2.3", "::1", "true", "YQ=="]
)


def atoms():
    """Atoms of each kind over a few variables."""
    var = st.sampled_from(VARS)
    pattern = st.sampled_from(["*", "a*", "?", "a", "", "*b", "a*b", "?*", "${y}", "a${z}", "${y, 'a'}*", "*:*"]).map(
        tokenize
    )
    networks = st.sampled_from(["10.0.0.0/8", "0.0.0.0/0", "::/0", "10.1.2.3/32"]).map(
        lambda n: network(n) or ip_network(n)
    )
    return st.one_of(
        st.builds(t.present, var),
        st.builds(lambda v, p, f: t.like(v, p, fold_case=f), var, pattern, st.booleans()),
        st.builds(
            t.Compare, var, st.sampled_from(["==", "<", "<=", ">", ">="]), st.sampled_from([Fraction(0), Fraction(1), Fraction(5, 2)]),
            st.sampled_from([t.Sort.NUMBER, t.Sort.DATE]),
        ),
        st.builds(t.Compare, var, st.just("=="), st.just(b"a"), st.just(t.Sort.BINARY)),
        st.builds(t.InNetwork, var, networks),
        st.builds(t.Parses, var, st.sampled_from(list(t.Sort))),
        st.builds(t.Within, var, var, st.sampled_from([None, 0, 3600])),
    )  # fmt: skip


def terms(*, opaque=True, max_leaves=12):
    """Terms that the factories build; with U in them iff `opaque`."""
    leaves = [atoms(), st.sampled_from([t.TRUE, t.FALSE])]
    if opaque:
        leaves.append(st.sampled_from(["X5", "malformed:pattern", "missing:key"]).map(t.Opaque))
    label = st.sampled_from([t.Label(t.LabelKind.STATEMENT, "s1"), t.Label(t.LabelKind.LAYER, "layer")])
    return st.recursive(
        st.one_of(leaves),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(t.all_of),
            st.lists(inner, max_size=4).map(t.any_of),
            inner.map(t.not_),
            st.builds(t.named, label, inner),
            st.builds(t.each, st.sampled_from(VARS), inner),
            st.builds(t.some, st.sampled_from(VARS), inner),
            st.builds(t.ite, inner, inner, inner),
            st.builds(t.implies, inner, inner),
        ),
        max_leaves=max_leaves,
    )


def assignments():
    """Complete assignments of the variables of `terms`: each absent, single or of several values."""
    return st.fixed_dictionaries({v: st.lists(ATOM_VALUES, max_size=3).map(tuple) for v in VARS})

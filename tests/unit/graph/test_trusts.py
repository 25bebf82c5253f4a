"""The trust index: a superset of the roles that a caller can assume, and not all roles."""

from __future__ import annotations

import pytest
from page_files import Snapshot

from iamsim.env.build import environment_of
from iamsim.graph.trusts import roles_for
from iamsim.judge.callers import read_callers

A, B = "111122223333", "444455556666"
ALL = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}}


def trust(principal, effect="Allow", element="Principal"):
    return {"Version": "2012-10-17", "Statement": {"Effect": effect, element: principal, "Action": "sts:AssumeRole"}}


def found(env, caller):
    (who,) = read_callers(env, caller)
    return [r.name for r in roles_for(env, who)]


@pytest.fixture(scope="module")
def env():
    s = Snapshot()
    s.identity("user", "idle", unique_id="AIDAIDLE")
    s.identity("user", "busy", ALL)
    s.identity("user", "grouped")
    s.group("g", ALL, ["grouped"])
    s.identity("user", "cut")
    s.attach("user/cut", f"arn:aws:iam::{A}:policy/gone", None)
    s.identity("role", "start")
    s.identity("user", f"{B}:far")
    trusts = {
        "by-user": {"AWS": f"arn:aws:iam::{A}:user/idle"},
        "by-id": {"AWS": "AIDAIDLE"},
        "by-account": {"AWS": A},
        "by-root": {"AWS": f"arn:aws:iam::{A}:root"},
        "by-role": {"AWS": f"arn:aws:iam::{A}:role/start"},
        "by-session": {"AWS": f"arn:aws:sts::{A}:assumed-role/start/s1"},
        "by-far": {"AWS": f"arn:aws:iam::{B}:user/far"},
        "by-service": {"Service": "EC2.amazonaws.com"},
        "by-oidc": {"Federated": f"arn:aws:iam::{A}:oidc-provider/idp.example.com/Path"},
        "by-builtin": {"Federated": "accounts.google.com"},
        "by-saml": {"Federated": f"arn:aws:iam::{A}:saml-provider/idp"},
    }
    for name, principal in trusts.items():
        s.trust(f"role/{name}", trust(principal))
    s.trust("role/by-star", trust("*"))
    s.trust("role/by-nonsense", trust({"AWS": "arn:aws:iam::*:user/x"}))
    s.trust("role/denied", trust({"AWS": f"arn:aws:iam::{A}:user/idle"}, "Deny"))
    return environment_of(s.files())


ANY = ["by-nonsense", "by-star"]


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        ("user/idle", ["by-id", *ANY, "by-user"]),
        ("user/busy", ["by-account", "by-nonsense", "by-root", "by-star"]),
        ("user/grouped", ["by-account", "by-nonsense", "by-root", "by-star"]),
        ("user/cut", ["by-account", "by-nonsense", "by-root", "by-star"]),
        ("role/start", ["by-nonsense", "by-role", "by-session", "by-star"]),
        ("user/far", []),
        ("service ec2.amazonaws.com", ["by-nonsense", "by-service", "by-star", "start"]),
        ("oidc://idp.example.com/Path", ["by-nonsense", "by-oidc", "by-star"]),
        ("oidc://accounts.google.com", ["by-builtin", *ANY]),
        (f"saml://arn:aws:iam::{A}:saml-provider/idp", ["by-nonsense", "by-saml", "by-star"]),
        ("anonymous", ANY),
    ],
)
def test_the_index_finds_the_roles_that_may_name_a_caller(env, caller, expected):
    assert found(env, caller) == sorted(expected)


def test_a_caller_whose_policies_are_not_known_may_assume_by_its_account(env):
    assert found(env, f"arn:aws:iam::{B}:role/unseen".replace(B, "555566667777")) == sorted(ANY)

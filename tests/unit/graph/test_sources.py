"""Which values `aws:SourceArn` may have when a service obtains a role."""

from __future__ import annotations

import pytest

from iamsim.aws.escalations import catalogue
from iamsim.aws.service_sessions import ISSUED_FOR, PASSING, SOURCE_TYPES, passing_of
from iamsim.graph.sources import _pins, filled
from iamsim.model.pattern import tokenize

TYPES = {t.name: t for t in SOURCE_TYPES}
UUID = "5f0c9b1e-7d54-4c2a-9d7a-1c2f3a4b5c6d"


@pytest.mark.parametrize(
    ("kind", "text", "pinned"),
    [
        ("trust-anchor", f"arn:aws:rolesanywhere:eu-west-1:111122223333:trust-anchor/{UUID}", True),
        ("trust-anchor", "arn:aws:rolesanywhere:*:111122223333:trust-anchor/5f0c9b*", True),
        ("trust-anchor", f"*{UUID}", True),
        ("trust-anchor", "arn:aws:rolesanywhere:*:111122223333:trust-anchor/*", False),
        ("trust-anchor", "arn:aws:rolesanywhere:*:111122223333:trust-anchor/5*", False),
        ("trust-anchor", "arn:aws:rolesanywhere:*:111122223333:*", False),
        ("trust-anchor", "*", False),
        ("ec2-instance", "arn:aws:ec2:*:*:instance/i-0123456789abcdef0", True),
        ("ec2-instance", "arn:aws:ec2:*:*:fleet/fleet-0123456789abcdef0", False),
        ("apprunner-service", "arn:aws:apprunner:*:*:service/storefront/*", False),
        ("apprunner-service", "arn:aws:apprunner:*:*:service/*/0123456789abcdef", True),
        ("agentcore-runtime", "arn:aws:bedrock-agentcore:*:*:runtime/assistant-*", False),
        ("agentcore-runtime", "arn:aws:bedrock-agentcore:*:*:runtime/assistant-a1B2c3D4e5", True),
        ("amplify-branch", "arn:aws:amplify:*:*:apps/d1a2b3c4d5/*", True),
        ("emr-serverless-application", "arn:aws:emr-serverless:*:*:/applications/00f1abcdefgh", True),
    ],
)
def test_a_pattern_that_states_what_a_service_makes_up(kind, text, pinned):
    assert _pins(tokenize(text), TYPES[kind]) is pinned


def test_the_types_are_in_the_catalogue():
    known = catalogue().resource_types
    assert [t.name for t in SOURCE_TYPES if t.name not in known] == []
    assert [k for _, k in ISSUED_FOR.values() if k not in known] == []
    assert all(t.source for t in SOURCE_TYPES)


def test_a_template_is_filled():
    found = filled("arn:${Partition}:lambda:${Region}:${Account}:function:${Name}", "aws", "111122223333")
    assert found == "arn:aws:lambda:*:111122223333:function:*"


def test_what_services_pass():
    pods, anywhere = (passing_of((p.service,)) for p in PASSING)
    assert passing_of(("lambda.amazonaws.com",)) is None
    assert pods.tag("kubernetes-namespace")
    assert not pods.tag("team")
    assert anywhere.tag("x509subject/cn")
    assert not anywhere.tag("x509")

"""Policies that say whatever whoever writes them likes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iamsim.aws.paths import RESERVED
from iamsim.aws.services import PASSED_TO
from iamsim.diagnostics import Origin
from iamsim.env.types import MissingPolicy
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from iamsim.model.policy import Policy

_WHATEVER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_ANYONE = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": who, "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}
        for who in ("*", {"Service": [f"{s}.amazonaws.com" for s in PASSED_TO]})
    ],
}  # fmt: skip


PERMISSION_SETS = f"{RESERVED}sso.amazonaws.com/"
"""The path of roles that stand for permission sets of IAM Identity Center."""

STACK_SETS = "stacksets-exec-"
"""What the names of roles begin with with which CloudFormation deploys stack sets of an organization."""


@lru_cache(maxsize=4096)
def whatever(kind: PolicyKind, name: str) -> Policy:
    """The policy that allows everything, as whoever writes a policy may write it."""
    return replace(_read(kind), name=name, origin=Origin(f"<{name}>"))


def trust_made(arn: str, name: str, path: str) -> Policy:
    """The trust policy of a role that is created: whatever the creator likes; one that a service makes lets in nobody else."""
    if path.startswith(PERMISSION_SETS):
        return _for_service("Federated", f"{arn.partition(':role/')[0]}:saml-provider/AWSSSO_DO_NOT_DELETE")
    if name.startswith(STACK_SETS):
        return _for_service("Service", "stacksets.cloudformation.amazonaws.com")
    return whatever(PolicyKind.TRUST, f"the trust policy written for {name}")


@lru_cache(maxsize=256)
def _for_service(type_: str, who: str) -> Policy:
    """The trust policy of a role that a service made for itself."""
    statement = {"Effect": "Allow", "Principal": {type_: who}, "Action": ["sts:AssumeRole", "sts:AssumeRoleWithSAML"]}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return read_policy(document, PolicyKind.TRUST, "of a role made by a service", Origin("<the service>"))[0]


@lru_cache(maxsize=16)
def _read(kind: PolicyKind) -> Policy:
    document = _ANYONE if kind is PolicyKind.TRUST else _WHATEVER
    return read_policy(document, kind, "", Origin("<>"))[0]


def granting(
    arn: str, actions: str, before: Policy | MissingPolicy | None, who: list[str]
) -> Policy | MissingPolicy | None:
    """The policy of a resource, kept as far as `before` says, by which whoever may write it grants the callers `who`."""
    if isinstance(before, MissingPolicy):
        return before
    what = {"Effect": "Allow", "Action": actions.split(","), "Resource": "*"}
    named = {**what, "Principal": {"AWS": who}}
    # naming a role leaves out what its boundary or session policy does not allow; naming its sessions does not
    sessions = {**what, "Principal": "*", "Condition": {"ArnEquals": {"aws:PrincipalArn": who}}}
    return _written(arn, [*_statements(before), *((named, sessions) if who else ())])


def undenied(
    arn: str, before: Policy | MissingPolicy | None, *, labelled: bool = False
) -> Policy | MissingPolicy | None:
    """The policy of a resource without its denies; with `labelled`, only without those that have a `Sid` to remove them by."""
    if before is None or isinstance(before, MissingPolicy):
        return before if labelled else None
    kept = [s for s in _statements(before) if not _is_deny(s) or (labelled and not s.get("Sid"))]
    return _written(arn, kept) if len(kept) < len(_statements(before)) else before


def _is_deny(statement: Any) -> bool:
    return isinstance(statement, Mapping) and statement.get("Effect") == "Deny"


def _statements(policy: Policy | None) -> list[Any]:
    if policy is None or not isinstance(policy.document, Mapping):
        return []
    statements = policy.document.get("Statement", [])
    return list(statements) if isinstance(statements, list | tuple) else [statements]


def _written(arn: str, statements: list[Any]) -> Policy:
    document = {"Version": "2012-10-17", "Statement": statements}
    return read_policy(document, PolicyKind.RESOURCE, f"of {arn} as rewritten", Origin("<the policy written>"))[0]

"""Roles that services made in accounts: service-linked ones, and those with which they act in all accounts of an organization."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from iamsim.aws.paths import LINKED
from iamsim.env.memo import once
from iamsim.env.types import PrincipalKind
from iamsim.env.whatever import PERMISSION_SETS, STACK_SETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iamsim.env.types import Environment, Principal

ACROSS: Mapping[str, Callable[[Principal], bool]] = MappingProxyType({
    "role-is-permission-set": lambda role: role.path.startswith(PERMISSION_SETS),
    "role-is-stack-set-execution": lambda role: role.path == "/" and role.name.startswith(STACK_SETS),
})  # fmt: skip
"""The roles of all accounts that a service made to act in them for an organization.

Source: IAM Identity Center User Guide, "Referencing permission sets in resource policies"; AWS CloudFormation User Guide,
"Activate trusted access for stack sets with AWS Organizations".
"""


def across(env: Environment, fact: str) -> tuple[str, ...]:
    """The roles of which one of `ACROSS` holds."""

    def made() -> tuple[str, ...]:
        return tuple(a for a, p in env.principals.items() if p.kind is PrincipalKind.ROLE and ACROSS[fact](p))

    return once(env.memo, ("across", fact), made)


def active(env: Environment, service: str) -> bool:
    """Whether something loaded shows that the service works in the accounts of an organization: a service-linked role, a delegated
    administrator, or a role that the service made.

    Source: IAM Identity Center User Guide, "Using service-linked roles"; AWS CloudFormation User Guide, "Activate trusted access
    for stack sets with AWS Organizations".
    """
    names = (service, f"member.org.{service}")
    linked = {path for _, path in once(env.memo, "linked", _by_service, env)}
    delegated = {s for o in env.organizations for _, s in o.delegated}
    made = across(env, MAKERS[service]) if service in MAKERS else ()
    return bool(made) or any(f"{LINKED}{n}/" in linked or n in delegated for n in names)


MAKERS = {
    "sso.amazonaws.com": "role-is-permission-set",
    "stacksets.cloudformation.amazonaws.com": "role-is-stack-set-execution",
}
"""The services that make roles in the accounts of an organization, and what tells these roles."""


def linked(env: Environment, account: str | None, service: str) -> bool:
    """Whether the account has a service-linked role of the service."""
    return (account, f"{LINKED}{service}/") in once(env.memo, "linked", _by_service, env)


def _by_service(env: Environment) -> frozenset[tuple[str | None, str]]:
    """The accounts with the paths of their service-linked roles."""
    every = (p for p in env.principals.values() if p.kind is PrincipalKind.ROLE)
    return frozenset((p.account, p.path) for p in every if p.path.startswith(LINKED))

"""The facts of one check, and simple look-ups in an environment that several modules need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.types import EMPTY
from iamsim.model.arn import parse_arn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iamsim.env.types import Environment, Organization, OrgNode, Principal, Resource, Tags
    from iamsim.ir.bindings import Binding
    from iamsim.ir.term import Term
    from iamsim.model.caller import Caller

MISSING = ("assume", "strict", "closed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is fixed in one check. `action` is in lower case, None for a future one; `resource` as `normal_arn` gives it.

    `owner` is the account of the resource, None if not known. `given` holds the keys that the question fixes, in lower
    case; None or () means absent. `ever`: keys that are neither derived nor given are free; else they are absent.
    `holder` is the loaded resource whose policy governs a symbolic `resource`.
    `part` tells the checks of one operation apart: each has its own resource. `resource_var` is the variable that stands
    for a symbolic resource which several checks share.
    `hop` is put before the names of free variables (`"1|"`). `carried` binds keys that an earlier hop fixed, `carried_tags`
    the principal tags, `carried_transitive` tells which of them are transitive. `on_path`: the session was created by an
    earlier hop, which passed no session policy. `inside`: the request passes a VPC endpoint whose policy came with the question.
    """

    env: Environment
    caller: Caller
    action: str | None
    resource: str | None
    owner: str | None
    given: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    ever: bool = True
    missing: str = "assume"
    hop: str = ""
    part: str = ""
    resource_var: str | None = None
    session: str | None = None
    holder: Resource | None = None
    carried: Mapping[str, Binding] = field(default_factory=lambda: EMPTY)
    carried_tags: Callable[[str], Binding] | None = None
    carried_transitive: Callable[[str], Term] | None = None
    on_path: bool = False
    inside: bool = False

    @property
    def resource_name(self) -> str:
        """The variable that stands for a symbolic resource."""
        return self.resource_var or self.hop + "resource"


def place(env: Environment, account: str) -> tuple[Organization, tuple[OrgNode, ...]] | None:
    """The organization of `account` and the nodes from its root to the account, or None if no loaded one has it."""
    return places(env).get(account)


def places(env: Environment) -> Mapping[str, tuple[Organization, tuple[OrgNode, ...]]]:
    """The `place` of every account that a loaded organization has."""
    return once(env.memo, "places", _places, env)


def _places(env: Environment) -> Mapping[str, tuple[Organization, tuple[OrgNode, ...]]]:
    out: dict[str, tuple[Organization, tuple[OrgNode, ...]]] = {}
    for organization in env.organizations:
        _walk(organization, (organization.root,), out)
    return out


def _walk(
    organization: Organization,
    path: tuple[OrgNode, ...],
    places: dict[str, tuple[Organization, tuple[OrgNode, ...]]],
) -> None:
    stack = [path]
    while stack:
        here = stack.pop()
        node = here[-1]
        if node.kind == "account":
            places.setdefault(node.id, (organization, here))
        stack.extend((*here, child) for child in node.children)


def org_path(organization: Organization, nodes: tuple[OrgNode, ...]) -> str:
    """The value of `aws:PrincipalOrgPaths` for an account at the end of `nodes`: `o-x/r-x/ou-a/`."""
    return "/".join([organization.id, *(n.id for n in nodes if n.kind != "account")]) + "/"


def resource_tags(env: Environment, resource: str | None, holder: Resource | None = None) -> Tags | None:
    """The tags of a loaded principal or resource whose format carries tags; None where they are not known."""
    if resource is None and holder is not None and not holder.arn.partition(":s3:::")[1]:
        return holder.tags if holder.tags_known else None
    if resource is None or resource == "*":
        return None
    principal = principal_at(env, resource)
    if principal is not None:
        return principal.tags if principal.tags_known else None
    found = env.resources.get(resource)
    if found is not None and found.tags_known:
        return found.tags
    return None


def principal_at(env: Environment, arn: str) -> Principal | None:
    """The loaded user or role with this ARN (partition to account in any case)."""
    found = env.principals.get(arn)
    if found is not None:
        return found
    parsed = parse_arn(arn)
    return env.principals.get(str(parsed)) if parsed is not None else None


def entities(env: Environment) -> Mapping[str, str]:
    """Unique id → ARN of the loaded users and roles."""
    return once(env.memo, "entities", lambda: {p.unique_id: p.arn for p in env.principals.values() if p.unique_id})


def known_account(env: Environment, account: str | None) -> bool:
    """True iff the account's identities or resources were loaded."""
    if account is None:
        return False
    if account in env.accounts:
        return True
    return account in once(env.memo, "owners", _owners, env)


def _owners(env: Environment) -> frozenset[str]:
    return frozenset(r.account for r in env.resources.values() if r.account)

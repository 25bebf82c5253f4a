"""The environment: accounts, principals, resources and organizations as plain immutable records."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.diagnostics import Diagnostic, Origin
    from iamsim.model.policy import Policy

Tags = tuple[tuple[str, str], ...]
EMPTY: Mapping[str, Any] = MappingProxyType({})


class PrincipalKind(StrEnum):
    """The IAM identities that can call or be assumed."""

    USER = "user"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class MissingPolicy:
    """A policy that is attached (or must exist) but whose document is in no input; `arn` or a description of it."""

    arn: str
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of a customer managed policy that IAM keeps: its id (`v2`), whether it is the one in force, and what it
    says as an identity policy, malformed where no input tells.
    """

    id: str
    default: bool
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """An IAM group with its inline and attached policies."""

    arn: str
    account: str
    name: str
    policies: tuple[Policy | MissingPolicy, ...]
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A user or role. `policies` are its own (inline, then attached); those of its groups are in `groups`.

    `open_tags` are keys (lower case) of tags to which someone may give any value. `groups` are the ARNs of its groups
    (users). `trust` is None for users. `tags_known` is false where the format carries no tags. `instance_profiles` are ARNs.
    `second_factor` iff whoever holds its credentials has registered a second factor with them.
    """

    arn: str
    kind: PrincipalKind
    account: str
    name: str
    path: str
    unique_id: str | None
    policies: tuple[Policy | MissingPolicy, ...]
    groups: tuple[str, ...] = ()
    boundary: Policy | MissingPolicy | None = None
    trust: Policy | MissingPolicy | None = None
    tags: Tags = ()
    tags_known: bool = True
    open_tags: tuple[str, ...] = ()
    instance_profiles: tuple[str, ...] = ()
    last_used: str | None = None
    second_factor: bool = False
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsGrant:
    """A KMS grant: who may do which operations (`Decrypt`, …) under which constraints."""

    grantee: str
    operations: tuple[str, ...]
    encryption_context_subset: Tags = ()
    encryption_context_equals: Tags = ()
    source_arn: str | None = None
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource that an input names: its owner, its policy if it has one, its tags and settings.

    `policy_known` is true where the input says that `policy` is all there is (then None means: no policy).
    `restrict_public_buckets` is None where no input tells.
    """

    arn: str
    account: str | None
    policy: Policy | MissingPolicy | None
    policy_known: bool = True
    tags: Tags = ()
    tags_known: bool = False
    restrict_public_buckets: bool | None = None
    kms_grants: tuple[KmsGrant, ...] | None = None
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgNode:
    """A root, organizational unit or account of an organization with the policies attached to it, in order.

    `arn` is the one that the input states or that follows from its other ids; None where neither tells.
    """

    id: str
    kind: str
    name: str
    scps: tuple[Policy, ...]
    rcps: tuple[Policy, ...]
    children: tuple[OrgNode, ...]
    arn: str | None = field(default=None, compare=False)
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """An organization tree. `scps_enabled` and `rcps_enabled`: some node lists a policy of that type.

    `delegated` are the known delegated administrators, each an account and a service principal (`sso.amazonaws.com`),
    sorted; they are all iff `delegated_known`. `left` are accounts that are known to be in no organization.
    """

    id: str
    management_account: str | None
    root: OrgNode
    scps_enabled: bool
    rcps_enabled: bool
    delegated: tuple[tuple[str, str], ...] = ()
    delegated_known: bool = False
    left: tuple[str, ...] = ()
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An identity provider of an account: its ARN and, for OIDC where known, the registered client ids."""

    arn: str
    account: str
    client_ids: tuple[str, ...] | None
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A VPC endpoint: its id, VPC, account, type (`interface` or `gateway`) and policy, None for full access."""

    id: str
    vpc: str | None
    account: str | None
    type: str
    policy: Policy | MissingPolicy | None
    policy_known: bool
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Everything that was loaded. Mappings are keyed by ARN (accounts: id; endpoints: id) in sorted order.

    `accounts` are the ids of the accounts whose identities were loaded; `providers_known` those of which all identity
    providers are known. `versions` are the stored versions of the customer managed policies that have several;
    `versions_unknown` the customer managed policies of which no input lists the versions. `diagnostics` says what was
    not understood. `memo` holds derived indexes and is no part of the value. With a `doubt`, a reason code, nothing is certainly
    allowed.
    """

    accounts: frozenset[str] = frozenset()
    principals: Mapping[str, Principal] = field(default_factory=lambda: EMPTY)
    groups: Mapping[str, Group] = field(default_factory=lambda: EMPTY)
    resources: Mapping[str, Resource] = field(default_factory=lambda: EMPTY)
    managed_policies: Mapping[str, Policy] = field(default_factory=lambda: EMPTY)
    versions: Mapping[str, tuple[StoredVersion, ...]] = field(default_factory=lambda: EMPTY)
    versions_unknown: frozenset[str] = frozenset()
    organizations: tuple[Organization, ...] = ()
    providers: Mapping[str, Provider] = field(default_factory=lambda: EMPTY)
    providers_known: frozenset[str] = frozenset()
    endpoints: Mapping[str, Endpoint] = field(default_factory=lambda: EMPTY)
    restrict_public_buckets: Mapping[str, bool] = field(default_factory=lambda: EMPTY)
    bare_policies: tuple[Policy, ...] = ()
    sources: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    doubt: str = ""
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def __repr__(self) -> str:
        """What it holds, in numbers: all of it would be as long as the files."""
        counted = {"accounts": self.accounts, "principals": self.principals, "resources": self.resources}
        return f"<Environment: {', '.join(f'{len(v)} {k}' for k, v in counted.items())}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002 - the protocol of IPython and Hypothesis
        printer.text(repr(self))

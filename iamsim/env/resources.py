"""List of resource policies → records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.env.records import (
    Reading,
    Records,
    arn_of,
    entries,
    shape,
    size_warning,
    sized_policy_of,
    tags_in,
    tags_of,
    text,
)
from iamsim.env.types import Endpoint, KmsGrant, MissingPolicy, Provider, Resource, Tags
from iamsim.findings import diagnostic, printable
from iamsim.model.policy import Policy, PolicyKind

if TYPE_CHECKING:
    from iamsim.diagnostics import Origin

_LIMITS = {"s3": 20480, "kms": 32768}


def read_resources(value: list[Any], origin: Origin, reading: Reading) -> Records:
    """The resources, endpoints, providers and account settings that a list of resource policies tells.

    An entry without `Policy` (or with null) says that the resource has none.
    """
    resources: list[Resource] = []
    endpoints: list[Endpoint] = []
    providers: list[Provider] = []
    settings: list[tuple[str, bool]] = []
    for item, here in entries(value, origin, "the list of resource policies", reading):
        account = text(item, "Account")
        if account is not None and not (account.isascii() and account.isdigit() and len(account) == 12):
            shape(here.child("Account"), f"`{printable(account)}` is not an account id of 12 digits", reading)
            account = None
        if "Resource" not in item and account is not None and "PublicAccessBlock" in item:
            blocked = _restricted(item, here, reading)
            settings += [] if blocked is None else [(account, blocked)]
            continue
        fields = arn_of(item, "Resource", here, reading)
        if fields is None:
            continue
        account = account or (fields[4] if fields[4].isdigit() else None)
        record = _record(item, fields, account, here, reading)
        match record:
            case Resource():
                resources.append(record)
            case Endpoint():
                endpoints.append(record)
            case Provider():
                providers.append(record)
    return Records(
        resources=tuple(resources),
        endpoints=tuple(endpoints),
        providers=tuple(providers),
        restrict_public_buckets=tuple(settings),
    )


def _record(
    item: dict[str, Any], fields: list[str], account: str | None, origin: Origin, reading: Reading
) -> Resource | Endpoint | Provider:
    arn, service, name = item["Resource"], fields[2], fields[5]
    if service == "ec2" and name.startswith("vpc-endpoint/"):
        policy = _policy(item, arn, PolicyKind.ENDPOINT, origin, reading)
        return endpoint(name.partition("/")[2], item, account, policy, origin, known=True)
    if service == "iam" and name.startswith(("oidc-provider/", "saml-provider/")):
        return Provider(arn=arn, account=fields[4], client_ids=client_ids(item), origin=origin)
    if account is None:
        message = f"no account is known for `{printable(arn)}`"
        reading.out.append(diagnostic("resource-owner-unknown", origin, message))
    grants = item.get("KmsGrants")
    return Resource(
        arn=arn,
        account=account,
        policy=_policy(item, arn, PolicyKind.RESOURCE, origin, reading),
        tags=tags_in(item, origin, reading),
        tags_known="Tags" in item,
        restrict_public_buckets=_restricted(item, origin, reading),
        kms_grants=None if grants is None else _grants(grants, origin.child("KmsGrants"), reading),
        origin=origin,
    )


def _policy(item: dict[str, Any], arn: str, kind: PolicyKind, origin: Origin, reading: Reading) -> Policy | None:
    document = item.get("Policy")
    if document is None:
        return None
    return resource_policy(document, arn, kind, origin.child("Policy"), reading)


def resource_policy(document: Any, arn: str, kind: PolicyKind, origin: Origin, reading: Reading) -> Policy:
    """The policy `document` attached to the resource `arn`."""
    service = arn.split(":", 3)[2]
    policy, size = sized_policy_of(reading, document, kind, arn, origin, arn=arn)
    if service in _LIMITS:
        what = f"the policy of `{printable(arn)}`"
        size_warning([document], _LIMITS[service], what, origin, reading, about=size)
    return policy


def endpoint(
    id: str,  # noqa: A002 - the name of the field
    item: dict[str, Any],
    account: str | None,
    policy: Policy | MissingPolicy | None,
    origin: Origin,
    *,
    known: bool,
) -> Endpoint:
    """The VPC endpoint `id`; `known` says that `policy` is all there is."""
    vpc = next((v for v in (text(item, n) for n in ("VpcId", "vpcId", "vpc")) if v), None)
    kind = next((v for v in (text(item, n) for n in ("VpcEndpointType", "endpointType", "type")) if v), "interface")
    return Endpoint(
        id=id,
        vpc=vpc.rsplit("/", 1)[-1] if vpc else None,
        account=account,
        type="gateway" if kind.lower() == "gateway" else "interface",
        policy=policy,
        policy_known=known,
        origin=origin,
    )


def client_ids(item: dict[str, Any]) -> tuple[str, ...] | None:
    """The client ids of an OIDC provider, sorted, or None where they are not told."""
    found = next((item[n] for n in ("ClientIDList", "clientIDList", "clientIds") if n in item), None)
    if not isinstance(found, list):
        return None
    return tuple(sorted(c for c in found if isinstance(c, str)))


def _restricted(item: dict[str, Any], origin: Origin, reading: Reading) -> bool | None:
    block = item.get("PublicAccessBlock")
    if block is None:
        return None
    value = block.get("RestrictPublicBuckets") if isinstance(block, dict) else None
    if not isinstance(value, bool):
        shape(
            origin.child("PublicAccessBlock"),
            "`PublicAccessBlock` needs `RestrictPublicBuckets`, true or false",
            reading,
        )
        return None
    return value


def _grants(value: Any, origin: Origin, reading: Reading) -> tuple[KmsGrant, ...] | None:
    if not isinstance(value, list):
        shape(origin, "`KmsGrants` is not a list", reading)
        return None
    found: list[KmsGrant] = []
    for item, here in entries(value, origin, "`KmsGrants`", reading):
        grantee, operations = text(item, "GranteePrincipal"), item.get("Operations")
        if grantee is None or not isinstance(operations, list) or not all(isinstance(o, str) for o in operations):
            shape(here, "a grant needs `GranteePrincipal` and `Operations`", reading)
            continue
        constraints = item.get("Constraints")
        limits = constraints if isinstance(constraints, dict) else {}
        found.append(
            KmsGrant(
                grantee=grantee,
                operations=tuple(sorted(operations)),
                encryption_context_subset=_context(limits, "EncryptionContextSubset", here, reading),
                encryption_context_equals=_context(limits, "EncryptionContextEquals", here, reading),
                source_arn=text(limits, "SourceArn"),
                origin=here,
            )
        )
    return tuple(sorted(found, key=repr))


def _context(limits: dict[str, Any], name: str, origin: Origin, reading: Reading) -> Tags:
    return tags_of(limits[name], origin.child("Constraints", name), reading) if name in limits else ()

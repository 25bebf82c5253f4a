"""Merged records → the environment: attached policies, boundaries and groups are found, or said to be missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from iamsim.diagnostics import Diagnostic, Origin
from iamsim.env.gaad import read_identity, read_managed
from iamsim.env.lazy import Lazy
from iamsim.env.merge import (
    conflict,
    grouped,
    merged_endpoint,
    merged_identity,
    merged_organization,
    merged_provider,
    merged_resource,
)
from iamsim.env.records import Identity, Managed, Reading, Records, policy_of, text
from iamsim.env.types import Environment, Group, MissingPolicy, Principal, StoredVersion
from iamsim.env.versions import stored_versions
from iamsim.findings import diagnostic, printable
from iamsim.model.policy import Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from iamsim.env.plain import Pending, PendingPolicy


@dataclass(frozen=True, slots=True)
class _Found:
    """The managed policies of the inputs and of AWS, as identity policies and as boundaries, and versions, by ARN."""

    reading: Reading
    identity: dict[str, Policy | MissingPolicy]
    boundary: dict[str, Policy | MissingPolicy]
    documents: dict[str, tuple[object, str, Origin]]
    later: dict[str, PendingPolicy]
    versions: dict[str, tuple[StoredVersion, ...]]
    versions_unknown: set[str]
    out: list[Diagnostic]


def build(records: Records, *, sources: Iterable[str] = (), reading: Reading | None = None) -> Environment:
    """The environment that `records` tell together; their order does not matter.

    Contradictions and missing documents become `MissingPolicy` with a diagnostic, never a silent choice. Documents in
    the inputs win over the packaged ones of AWS. Source: IAM User Guide, "Managed policies and inline policies".
    """
    out = list(records.diagnostics)
    found = _managed(records, Reading() if reading is None else reading, out)
    single, told = _single(records, found.reading)
    identities = grouped(told, lambda i: i.arn)
    merged = {arn: merged_identity(same, out) for arn, same in identities.items()}
    groups: dict[str, Group] = {}
    principals: dict[str, Principal | Pending] = {}
    for arn, (identity, missing) in merged.items():
        if identity.kind is None:
            groups[arn] = _group(identity, missing, found)
    names = {(g.account, g.name): arn for arn, g in groups.items()}
    for arn in sorted({*single, *merged}):
        if arn in single:
            principals[arn] = _touched(single[arn], names, groups, found)
        elif merged[arn][0].kind is not None:
            principals[arn] = _principal(*merged[arn], names, groups, found)

    def read(found: _Found) -> Callable[[Principal | Pending], Principal]:
        def principal(raw: Principal | Pending) -> Principal:
            if isinstance(raw, Principal):
                return raw
            return _principal(_read_later(raw, found.reading), (), names, groups, found)

        return principal

    skim = _skimming(found)
    _pages(records, out)
    settings = _settings(records, out)
    resources = grouped(records.resources, lambda r: r.arn)
    organizations = grouped(records.organizations, lambda o: o.id)
    providers = grouped(records.providers, lambda p: p.arn)
    endpoints = grouped(records.endpoints, lambda e: e.id)
    return Environment(
        accounts=frozenset(records.accounts),
        principals=Lazy(principals, read(found), read(skim)),
        groups=MappingProxyType(dict(sorted(groups.items()))),
        resources=MappingProxyType({k: merged_resource(v, out) for k, v in resources.items()}),
        managed_policies=_managed_policies(found, skim),
        versions=MappingProxyType(found.versions),
        versions_unknown=frozenset(found.versions_unknown),
        organizations=tuple(merged_organization(v, out) for v in organizations.values()),
        providers=MappingProxyType({k: merged_provider(v, out) for k, v in providers.items()}),
        providers_known=frozenset(records.providers_known),
        endpoints=MappingProxyType({k: merged_endpoint(v, out) for k, v in endpoints.items()}),
        restrict_public_buckets=MappingProxyType(settings),
        bare_policies=records.bare_policies,
        sources=tuple(sorted(set(sources))),
        diagnostics=tidied(out),
        memo={"entities": _entities(principals)},
    )


def _entities(principals: Mapping[str, Principal | Pending]) -> dict[str, str]:
    """What `facts.entities` would find, without reading what is pending."""
    found: dict[str, str] = {}
    for arn, p in principals.items():
        name = p.unique_id if isinstance(p, Principal) else text(p.record, f"{p.what}Id")
        if name:
            found[name] = arn
    return found


def tidied(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """`found` in the order of their places, each once, without what a more telling one says of the same place."""
    every = {(str(d.origin), d.id, d.message): d for d in found}
    policies = {(d.origin.source, d.origin.pointer) for d in every.values() if d.id == "policy-duplicate-member"}
    kept = [k for k, d in every.items() if d.id != "input-duplicate-member" or not _within(d.origin, policies)]
    return tuple(every[k] for k in sorted(kept))


def _within(origin: Origin, places: set[tuple[str, str]]) -> bool:
    """True iff `origin` is at or below one of `places`."""
    pointer = origin.pointer
    while (origin.source, pointer) not in places:
        if not pointer:
            return False
        pointer = pointer.rpartition("/")[0]
    return True


def _managed(records: Records, reading: Reading, out: list[Diagnostic]) -> _Found:
    found = _Found(Reading(reading.cache, []), {}, {}, {}, {}, {}, set(), out)
    told = [*records.managed, *_several(records, found)]
    for arn, same in grouped(told, lambda m: m.arn).items():
        first = same[0] if len(same) == 1 else min(same, key=lambda m: str(m.origin))
        if len(same) > 1 and any(m.policy != first.policy for m in same):
            conflict(f"the policy `{printable(arn)}`", same, out)
            found.identity[arn] = found.boundary[arn] = MissingPolicy(arn, first.origin)
        else:
            found.identity[arn] = first.policy
            found.documents[arn] = (first.document, first.policy.name, first.origin)
        if ":iam::aws:" not in arn:
            _stored(arn, same, found)
    return found


def _single(records: Records, reading: Reading) -> tuple[dict[str, Pending], list[Identity]]:
    """The pending users and roles that one record tells, by ARN, and all other identities."""
    single: dict[str, Pending] = {}
    told = list(records.identities)
    several = {i.arn for i in told}
    for record in records.pending:
        arn = record.arn
        if arn in single:
            several.add(arn)
            told.append(_read_later(single.pop(arn), reading))
        if arn in several:
            told.append(_read_later(record, reading))
        else:
            single[arn] = record
    return single, told


def _read_later(record: Pending, reading: Reading) -> Identity:
    identity = read_identity(record.record, record.what, Origin(record.source, record.pointer), reading)
    if identity is None:
        raise TypeError("a pending record has an ARN")
    return identity


def _touched(record: Pending, names: dict[tuple[str, str], str], groups: dict[str, Group], found: _Found) -> Pending:
    """`record`, after it was said what no input holds of the policies and groups that it names."""
    for arn in record.attached if record.boundary is None else (*record.attached, record.boundary):
        if arn not in found.identity and arn not in found.later:
            _attached(arn, found, Origin(record.source, record.pointer))
    if record.groups and any((record.account, name.rsplit("/", 1)[-1]) not in names for name in record.groups):
        _group_arns(_read_later(record, found.reading), names, groups, found.out)
    return record


def _several(records: Records, found: _Found) -> list[Managed]:
    """The pending managed policies that are told more than once, read; the others wait in `found`."""
    told = {m.arn for m in records.managed}
    out: list[Managed] = []
    for waiting in records.pending_managed:
        arn = waiting.arn
        if arn in found.later:
            told.add(arn)
            out.append(_read_managed(found.later.pop(arn), found.reading))
        if arn in told:
            out.append(_read_managed(waiting, found.reading))
        else:
            found.later[arn] = waiting
    return out


def _read_managed(waiting: PendingPolicy, reading: Reading) -> Managed:
    managed = read_managed(waiting.record, Origin(waiting.source, waiting.pointer), reading)
    if managed is None:
        raise TypeError("a pending policy has an ARN and a document")
    return managed


def _skimming(found: _Found) -> _Found:
    """The same as `found`, but what is pending is not read further than to its documents."""
    return replace(
        found,
        reading=Reading(skim=True),
        identity=dict(found.identity),
        boundary={},
        documents=dict(found.documents),
        out=[],
    )


def _managed_policies(found: _Found, skim: _Found) -> Mapping[str, Policy]:
    """The managed policies of the inputs and those of AWS that something names, by ARN."""
    named = {arn for arn, policy in found.identity.items() if isinstance(policy, Policy)}
    nowhere = Origin("")

    def read(found: _Found) -> Callable[[str], Policy]:
        def policy(arn: str) -> Policy:
            attached = _attached(arn, found, nowhere)
            if not isinstance(attached, Policy):
                raise TypeError("a managed policy has a document")
            return attached

        return policy

    return Lazy({arn: arn for arn in sorted({*named, *found.later})}, read(found), read(skim))


def _stored(arn: str, same: list[Managed], found: _Found) -> None:
    """Notes the stored versions of the customer managed policy `arn`, if it has several or nobody knows."""
    if len(same) == 1 and same[0].versions == ():
        return
    versions = stored_versions(same, found.identity[arn], Reading(found.reading.cache, found.out), found.out)
    if versions:
        found.versions[arn] = versions
    elif versions is None:
        found.versions_unknown.add(arn)


def _read_policy(waiting: PendingPolicy, found: _Found) -> Policy:
    managed = _read_managed(waiting, found.reading)
    found.documents[waiting.arn] = (managed.document, managed.policy.name, managed.policy.origin)
    return managed.policy


def _attached(arn: str, found: _Found, origin: Origin) -> Policy | MissingPolicy:
    """The managed policy `arn` as an identity policy."""
    known = found.identity.get(arn)
    if known is None:
        known = _read_policy(found.later[arn], found) if arn in found.later else _packaged(arn, found, origin)
        known = found.identity.setdefault(arn, known)
    return known


def _packaged(arn: str, found: _Found, origin: Origin) -> Policy | MissingPolicy:
    from iamsim.aws.managed import managed_policy

    packaged = managed_policy(arn)
    if packaged is not None:
        document, name = packaged
        place = Origin(arn)
        found.documents[arn] = (document, name, place)
        return policy_of(found.reading, document, PolicyKind.IDENTITY, name, place, arn=arn)
    if arn.startswith("arn:"):
        message = f"no input holds the attached policy `{printable(arn)}`"
        found.out.append(diagnostic("policy-missing", origin, message))
    return MissingPolicy(arn, origin)


def _boundary(arn: str, found: _Found, origin: Origin) -> Policy | MissingPolicy:
    """The managed policy `arn` as a permissions boundary."""
    known = found.boundary.get(arn)
    if known is None:
        known = _attached(arn, found, origin)
        if arn in found.documents:
            document, name, place = found.documents[arn]
            known = policy_of(found.reading, document, PolicyKind.BOUNDARY, name, place, arn=arn)
        found.boundary[arn] = known
    return known


def _policies(
    identity: Identity, missing: tuple[MissingPolicy, ...], found: _Found
) -> tuple[Policy | MissingPolicy, ...]:
    if not identity.attached:
        return identity.inline + missing
    known = found.identity
    attached = [known.get(arn) or _attached(arn, found, identity.origin) for arn in identity.attached]
    return (*identity.inline, *attached, *missing)


def _group(identity: Identity, missing: tuple[MissingPolicy, ...], found: _Found) -> Group:
    return Group(
        arn=identity.arn,
        account=identity.account,
        name=identity.name,
        policies=_policies(identity, missing, found),
        origin=identity.origin,
    )


def _principal(
    identity: Identity,
    missing: tuple[MissingPolicy, ...],
    names: dict[tuple[str, str], str],
    groups: dict[str, Group],
    found: _Found,
) -> Principal:
    if identity.kind is None:
        raise TypeError("a group is no principal")
    boundary = identity.boundary
    return Principal(
        arn=identity.arn,
        kind=identity.kind,
        account=identity.account,
        name=identity.name,
        path=identity.path,
        unique_id=identity.unique_id,
        policies=_policies(identity, missing, found),
        groups=_group_arns(identity, names, groups, found.out) if identity.groups else (),
        boundary=None if boundary is None else _boundary(boundary, found, identity.origin),
        trust=identity.trust,
        tags=identity.tags or (),
        tags_known=identity.tags is not None,
        instance_profiles=identity.instance_profiles,
        last_used=identity.last_used,
        origin=identity.origin,
    )


def _group_arns(
    identity: Identity, names: dict[tuple[str, str], str], groups: dict[str, Group], out: list[Diagnostic]
) -> tuple[str, ...]:
    return tuple(sorted({_group_arn(g, identity, names, groups, out) for g in identity.groups}))


def _group_arn(
    group: str,
    identity: Identity,
    names: dict[tuple[str, str], str],
    groups: dict[str, Group],
    out: list[Diagnostic],
) -> str:
    """The ARN of the group `group` of a user; a group that no input holds is added with unknown policies."""
    name = group.rsplit("/", 1)[-1]
    arn = names.get((identity.account, name))
    if arn is None:
        arn = group if group.startswith("arn:") else identity.arn.split("user/", 1)[0] + f"group/{name}"
        names[identity.account, name] = arn
        unknown = MissingPolicy(f"policies of {arn}", identity.origin)
        groups[arn] = Group(arn=arn, account=identity.account, name=name, policies=(unknown,), origin=identity.origin)
        out.append(diagnostic("group-missing", identity.origin, f"no input holds the group `{printable(name)}`"))
    return arn


def _pages(records: Records, out: list[Diagnostic]) -> None:
    complete = {p.account for p in records.pages if not p.truncated}
    last = {p.account: p for p in sorted(records.pages, key=lambda p: str(p.origin)) if p.truncated}
    for account, page in sorted(last.items()):
        if account not in complete and "" not in complete:
            message = f"the account details of `{account or 'an account'}` end with a page that says `IsTruncated`"
            out.append(diagnostic("gaad-truncated", page.origin.child("IsTruncated"), message))


def _settings(records: Records, out: list[Diagnostic]) -> dict[str, bool]:
    told: dict[str, set[bool]] = {}
    for account, value in records.restrict_public_buckets:
        told.setdefault(account, set()).add(value)
    for account, values in sorted(told.items()):
        if len(values) > 1:
            message = f"inputs contradict each other on the public access block of account `{account}`"
            out.append(diagnostic("conflict", Origin(""), message))
    return {account: values.pop() for account, values in sorted(told.items()) if len(values) == 1}

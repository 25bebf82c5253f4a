"""Several records of one thing → one record; what they contradict each other on becomes unknown, never a choice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from iamsim.env.organization import below, organization
from iamsim.env.types import Endpoint, MissingPolicy, Organization, OrgNode, Provider, Resource
from iamsim.findings import diagnostic, printable
from iamsim.model.policy import Malformed, Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from iamsim.diagnostics import Diagnostic, Origin
    from iamsim.env.records import Identity

T = TypeVar("T")


def grouped(records: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """`records` by `key`, in sorted order of the keys, equal ones once."""
    found: dict[str, list[T]] = {}
    for record in records:
        bucket = found.setdefault(key(record), [])
        if not bucket or record not in bucket:
            bucket.append(record)
    return dict(sorted(found.items()))


def conflict(what: str, records: Sequence[Any], out: list[Diagnostic]) -> None:
    """Reports that `records` contradict each other on `what`."""
    places = sorted({str(r.origin) for r in records})
    message = f"inputs contradict each other on {what}: {', '.join(printable(p) for p in places[:3])}"
    first = min((r.origin for r in records), key=str)
    out.append(diagnostic("conflict", first, message))


def merged_identity(records: list[Identity], out: list[Diagnostic]) -> tuple[Identity, tuple[MissingPolicy, ...]]:
    """One identity from several records of it, and a missing policy for whatever only some of them have."""
    if len(records) == 1:
        return records[0], ()
    first = min(records, key=lambda r: str(r.origin))
    arn = first.arn
    missing = [MissingPolicy(f"contradictory policies of {arn}", first.origin)] if _differ(records) else []
    inline = tuple(p for p in first.inline if all(p in r.inline for r in records))
    attached = tuple(a for a in first.attached if all(a in r.attached for r in records))
    groups = tuple(g for g in first.groups if all(_group_name(g) in map(_group_name, r.groups) for r in records))
    if missing:
        conflict(f"the policies of `{printable(arn)}`", records, out)
    boundaries = {r.boundary for r in records}
    told = [r.trust for r in records if not isinstance(r.trust, MissingPolicy)]
    trusts = _distinct(told or [first.trust])
    ids = {r.unique_id for r in records} - {None}
    for what, values in (("boundary", boundaries), ("trust policy", trusts), ("unique id", ids)):
        if len(values) > 1:
            conflict(f"the {what} of `{printable(arn)}`", records, out)
    tags = [r.tags for r in records]
    if any(t != tags[0] for t in tags):
        conflict(f"the tags of `{printable(arn)}`", records, out)
    merged = replace(
        first,
        inline=inline,
        attached=attached,
        groups=groups,
        boundary=boundaries.pop() if len(boundaries) == 1 else f"contradictory permissions boundary of {arn}",
        trust=trusts[0] if len(trusts) == 1 else MissingPolicy(f"trust policy of {arn}", first.origin),
        unique_id=next(iter(ids)) if len(ids) == 1 else None,
        tags=first.tags if all(t == first.tags for t in tags) else None,
        instance_profiles=tuple(sorted({p for r in records for p in r.instance_profiles})),
        last_used=max((r.last_used for r in records if r.last_used), default=None),
    )
    return merged, tuple(missing)


def _group_name(group: str) -> str:
    return group.rsplit("/", 1)[-1]


def _differ(records: list[Identity]) -> bool:
    first = records[0]
    groups = {_group_name(g) for g in first.groups}
    return any(
        r.inline != first.inline or r.attached != first.attached or {_group_name(g) for g in r.groups} != groups
        for r in records[1:]
    )


def _distinct(values: Iterable[T]) -> list[T]:
    found: list[T] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _one(values: Iterable[T | None], what: str, records: Sequence[Any], out: list[Diagnostic]) -> T | None:
    """The value that all who know one agree on; None after a conflict."""
    known = _distinct(v for v in values if v is not None)
    if len(known) > 1:
        conflict(what, records, out)
    return known[0] if len(known) == 1 else None


def merged_resource(records: list[Resource], out: list[Diagnostic]) -> Resource:
    """One resource from several records of it."""
    if len(records) == 1:
        return records[0]
    first = min(records, key=lambda r: str(r.origin))
    name = printable(first.arn)
    telling = [r for r in records if r.policy_known]
    policies = _distinct(r.policy for r in telling)
    policy: Policy | MissingPolicy | None = policies[0] if policies else None
    if len(policies) > 1:
        conflict(f"the policy of `{name}`", telling, out)
        policy = MissingPolicy(f"policy of {first.arn}", first.origin)
    tags = _one((r.tags if r.tags_known else None for r in records), f"the tags of `{name}`", records, out)
    place = min((r.origin for r in telling), key=str) if telling else first.origin
    return Resource(
        arn=first.arn,
        account=_one((r.account for r in records), f"the account of `{name}`", records, out),
        policy=policy,
        policy_known=bool(telling),
        tags=tags or (),
        tags_known=tags is not None,
        restrict_public_buckets=_one(
            (r.restrict_public_buckets for r in records), f"the public access block of `{name}`", records, out
        ),
        kms_grants=_one((r.kms_grants for r in records), f"the grants of `{name}`", records, out),
        origin=place,
    )


def merged_endpoint(records: list[Endpoint], out: list[Diagnostic]) -> Endpoint:
    """One VPC endpoint from several records of it."""
    if len(records) == 1:
        return records[0]
    first = min(records, key=lambda r: str(r.origin))
    what = f"the VPC endpoint `{printable(first.id)}`"
    telling = [r for r in records if r.policy_known]
    policies = _distinct(r.policy for r in telling)
    if len(policies) > 1:
        conflict(f"the policy of {what}", telling, out)
    kinds = {r.type for r in records}
    unknown = MissingPolicy(f"policy of {first.id}", first.origin)
    return replace(
        first,
        vpc=_one((r.vpc for r in records), what, records, out),
        account=_one((r.account for r in records), what, records, out),
        type="gateway" if "gateway" in kinds else "interface",
        policy=unknown if len(policies) > 1 else policies[0] if policies else None,
        policy_known=bool(telling),
    )


def merged_provider(records: list[Provider], out: list[Diagnostic]) -> Provider:
    """One identity provider from several records of it."""
    if len(records) == 1:
        return records[0]
    first = min(records, key=lambda r: str(r.origin))
    what = f"the client ids of `{printable(first.arn)}`"
    return replace(first, client_ids=_one((r.client_ids for r in records), what, records, out))


def merged_organization(records: list[Organization], out: list[Diagnostic]) -> Organization:
    """One organization from several trees of it; a node that they tell differently has unknown SCPs and RCPs."""
    records = sorted(records, key=lambda r: str(r.origin))
    first = records[0]
    if len(records) == 1:
        return first
    flat = [{n.id: (n, p) for n, p in _parents(r.root)} for r in records]
    names = {i: max((f[i][0].name for f in flat if i in f), default="") for f in flat for i in f}
    bad = set()
    for id_ in sorted({i for f in flat for i in f}):
        told = _distinct((f[id_][1], f[id_][0].scps, f[id_][0].rcps) if id_ in f else None for f in flat)
        if len(told) > 1:
            nodes = [f[id_][0] for f in flat if id_ in f]
            conflict(f"node `{printable(id_)}` of organization `{printable(first.id)}`", nodes, out)
            bad.add(id_)
    management = _one((r.management_account for r in records), f"the management account of `{first.id}`", records, out)
    union: dict[str | None, dict[str, OrgNode]] = {}
    placed: set[str] = set()
    for f in flat:
        for id_, (node, parent) in f.items():
            if id_ not in placed:
                placed.add(id_)
                union.setdefault(parent, {})[id_] = _doubtful(node, names[id_], id_ in bad)
    return organization(first.id, management, _assembled(union[None][first.root.id], union), _delegated(records, out))


def _delegated(records: list[Organization], out: list[Diagnostic]) -> tuple[tuple[tuple[str, str], ...], bool]:
    """The delegated administrators that some tree names, and whether they are all: the trees that list all agree, and no
    other names more.
    """
    lists = _distinct(r.delegated for r in records if r.delegated_known)
    named = {pair for r in records for pair in r.delegated}
    if len(lists) > 1 or any(named - set(found) for found in lists):
        conflict(f"the delegated administrators of `{printable(records[0].id)}`", records, out)
        return tuple(p for p in sorted(named) if all(p in found for found in lists)), False
    return tuple(sorted(named)), len(lists) == 1


def _parents(root: OrgNode) -> list[tuple[OrgNode, str | None]]:
    return [(root, None), *((child, node.id) for node in below(root) for child in node.children)]


def _doubtful(node: OrgNode, name: str, bad: bool) -> OrgNode:
    """`node` under `name`, with unknown policies if it is `bad`."""
    if not bad:
        return replace(node, name=name)
    scp, rcp = _unknown(PolicyKind.SCP, node.origin), _unknown(PolicyKind.RCP, node.origin)
    return replace(node, name=name, scps=(scp,), rcps=(rcp,))


def _assembled(node: OrgNode, union: dict[str | None, dict[str, OrgNode]]) -> OrgNode:
    """`node` with the children that `union` has for it; each node of `union` is placed once."""
    inside = union.pop(node.id, {})
    return replace(node, children=tuple(_assembled(n, union) for _, n in sorted(inside.items())))


def _unknown(kind: PolicyKind, origin: Origin) -> Policy:
    reason = Malformed("inputs contradict each other")
    return Policy(
        kind=kind, name="contradictory", arn=None, version="2012-10-17", statements=(), malformed=reason, origin=origin
    )

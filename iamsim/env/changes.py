"""Environments as they stand after changes: what someone with the right permissions may have made of them.

A change is data; `changed` applies a set of them to the principals, groups, resources and organizations that a check is
about. Every check is then made against an ordinary environment, so deciding, explaining and replaying it need no word
about changes.
"""

from __future__ import annotations

from base64 import b32encode
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Origin
from iamsim.env.forgetting import noted
from iamsim.env.memo import Memo, once
from iamsim.env.overlay import Overlay
from iamsim.env.tree import with_account, with_delegate, with_policy, without_account, without_policy, without_type
from iamsim.env.types import Environment, MissingPolicy, Principal, PrincipalKind, Resource
from iamsim.env.versions import as_boundary, boundary_of, in_account, managed_policy_of
from iamsim.env.whatever import granting, trust_made, undenied, whatever
from iamsim.model.arn import parse_arn
from iamsim.model.policy import Effect, Policy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.env.types import Group, Organization

WITHOUT = "-"
"""In place of the policy of a principal that is created without one, and of actions that the policy of a resource may grant."""


class Kind(StrEnum):
    """What a change is made to. `who` and `what` of a change are said behind each."""

    WRITES = "writes"  # user, role or group ARN: its inline policies are of choice
    GAINS = "gains"  # user, role or group ARN; the managed policy attached
    DROPS = "drops"  # user, role or group ARN; the managed policy detached, or inline/NAME deleted
    REWRITES = "rewrites"  # managed policy ARN: its document is of choice
    SWITCHES = "switches"  # managed policy ARN; the id of the stored version
    TRUST = "trust"  # role ARN: its trust policy is of choice
    BOUNDARY = "boundary"  # user or role ARN; the managed policy set, or nothing
    JOINS = "joins"  # user ARN; group ARN
    LEAVES = "leaves"  # user ARN; group ARN
    TAGS = "tags"  # user or role ARN; KEY=VALUE, KEY: removed, or KEY=*: any value, or as it was
    FACTOR = "factor"  # user ARN: a second factor is registered that goes with the credentials taken
    CREATED = "created"  # user or role ARN; BOUNDARY,POLICY,GROUP,WAS: each an ARN or nothing (no policy: one of
    # choice, or `WITHOUT`; WAS: the user that has this name or path now; the same ARN: it is deleted before). Managed policy
    # ARN: its document is of choice
    RESOURCE = (
        "resource"  # resource ARN; actions, with commas, that a policy of choice grants (nothing: all, `WITHOUT`: none)
    )
    UNGUARDED = "unguarded"  # resource ARN: its policy is deleted, or `Sid`: its denies that have one are removed
    GRANTED = "granted"  # resource ARN; actions, with commas, that its policy now grants; `;ARN`: to nobody else
    UNBLOCKED = "unblocked"  # bucket ARN; `bucket` or `account`: whose setting closes a public policy to others no more
    LABELS = "labels"  # resource ARN; KEY=VALUE, or KEY: removed
    LIFTED = "lifted"  # id of a root, unit or account; the SCP or RCP that no longer applies there
    ATTACHED = "attached"  # id of a root, unit or account; the SCP without denies that now allows there as well
    DISABLED = "disabled"  # organization id; `scp` or `rcp`: the policy type is switched off
    MOVED = "moved"  # account; id of the root or unit below which it is now
    LEFT = "left"  # account that has left its organization
    DELEGATED = "delegated"  # account; service principal of what it administers for its organization from then on
    ENTERED = "entered"  # account that was in none; id of the root directly below which it is now


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One change: nothing that was possible before it need be lost, since whoever makes it chooses when."""

    kind: Kind
    who: str
    what: str = ""

    def __hash__(self) -> int:
        # sets of changes are keys of much that is looked up; an enumeration's own hash is slow
        return hash((self.who, self.what))


_ORGANIZATION = (Kind.LIFTED, Kind.ATTACHED, Kind.DISABLED, Kind.MOVED, Kind.LEFT, Kind.ENTERED, Kind.DELEGATED)


def changed(env: Environment, changes: Iterable[Change], focus: Iterable[str] = ()) -> Environment:
    """`env` after `changes`, as far as they bear on the principals `focus` (ARNs), on resources and organizations.

    Made once for a set of changes and a focus.
    """
    wanted = frozenset(changes)
    if not wanted:
        return env
    whole = frozenset(c for c in wanted if c.kind in _ORGANIZATION)
    if whole and whole != wanted:
        # what only organizations tell is worked out once for all principals
        return changed(changed(env, whole), wanted - whole, focus)
    about = frozenset() if whole else frozenset(focus)
    key = ("changed", wanted, about)
    return once(env.memo, key, _changed, env, wanted, about, key)


def _changed(env: Environment, wanted: frozenset[Change], about: frozenset[str], key: object) -> Environment:
    noted(env.memo, key)
    changes, focus = sorted(wanted), sorted(about)
    groups: dict[str, Group] = {}
    principals: dict[str, Principal] = {}
    who: set[str] = set()
    for arn in focus:
        if ":policy/" in arn:
            continue
        made = next((c for c in changes if c.kind is Kind.CREATED and c.who == arn), None)
        own = env.principals.get(arn)
        if made is not None and (own is None or again(made)):
            own = created(env, arn, made.what, changes)
        if own is None:
            continue
        new, theirs = _principal(env, own, changes)
        groups.update(theirs)
        if theirs:
            who.add(arn)
        if new is not own or made is not None:
            principals[arn] = new
    resources = {
        c.who: _resource(env, c, changes, focus)
        for c in changes
        if c.kind in (Kind.RESOURCE, Kind.UNGUARDED, Kind.GRANTED, Kind.UNBLOCKED, Kind.LABELS)
    }
    opened = (env.resources[c.who].account for c in changes if c.kind is Kind.UNBLOCKED and c.what == "account")
    if open_ := {a: False for a in opened if a is not None}:
        env = replace(env, restrict_public_buckets=MappingProxyType({**env.restrict_public_buckets, **open_}))
    organizations = _organizations(env, frozenset(c for c in changes if c.kind in _ORGANIZATION))
    return with_parts(env, principals, groups, resources, organizations, who)


def _organizations(env: Environment, changes: frozenset[Change]) -> tuple[Organization, ...]:
    """The organizations after changes to them, made once."""
    if not changes:
        return env.organizations

    def made() -> tuple[Organization, ...]:
        out = env.organizations
        for change in sorted(changes):
            out = tuple(_organization(o, change) for o in out)
        return out

    return once(env.memo, ("organizations", changes), made)


def with_parts(
    env: Environment, principals: Any, groups: Any, resources: Any, organizations: Any, members: set[str]
) -> Environment:
    """`env` with these in place of its own; `members` are users of changed groups."""
    moved = organizations is not env.organizations
    trusts = any(
        a not in env.principals
        or p.trust is not env.principals[a].trust
        or (p.tags, p.open_tags) != (env.principals[a].tags, env.principals[a].open_tags)
        for a, p in principals.items()
    )
    memo = Memo(
        env.memo,
        frozenset((*principals, *groups, *members)),
        trusts=trusts,
        moved=moved,
        resources=bool(resources),
        added=any(a not in env.principals for a in principals),
    )
    return replace(
        env,
        principals=Overlay(env.principals, principals) if principals else env.principals,
        groups=Overlay(env.groups, groups) if groups else env.groups,
        resources=MappingProxyType({**env.resources, **resources}) if resources else env.resources,
        organizations=organizations,
        memo=memo,
    )


def created(env: Environment, arn: str, what: str, changes: list[Change]) -> Principal:
    """The user or role that someone created, also in place of one that was deleted: with a policy of choice, or with the policy
    or in the group that `what` names, or all that the user has who now has this name.
    """
    boundary, policy, group, was = (*what.split(","), "", "", "")[:4]
    fields = parse_arn(arn)
    assert fields is not None
    kind = PrincipalKind(fields.resource.partition("/")[0])
    path, _, name = fields.resource.partition("/")[2].rpartition("/")
    if was not in ("", arn):
        before = _principal(env, env.principals[was], changes)[0]
        if before.account != fields.account:
            before = in_account(env, before, fields.account, _new_id(kind, arn))
        return replace(before, arn=arn, name=name, path=f"/{path}/" if path else "/")
    written = whatever(PolicyKind.IDENTITY, f"the policy written for {kind} {name}")
    own = () if group or policy == WITHOUT else (managed_policy_of(env, policy) if policy else written,)
    return Principal(
        arn=arn,
        kind=kind,
        account=fields.account,
        name=name,
        path=f"/{path}/" if path else "/",
        unique_id=_new_id(kind, arn),
        policies=own,
        groups=(group,) if group else (),
        boundary=as_boundary(env, boundary) if boundary else None,
        trust=trust_made(arn, name, f"/{path}/") if kind is PrincipalKind.ROLE else None,
        origin=Origin(""),
    )


_ID_HEADS = {PrincipalKind.ROLE: "AROA", PrincipalKind.USER: "AIDA"}
_ID_LENGTH = 17


def _new_id(kind: PrincipalKind, arn: str) -> str:
    """A unique id that nobody has yet: AWS makes it up, so that no policy can name it before.

    Source: IAM User Guide, "IAM identifiers", unique identifiers.
    """
    return _ID_HEADS[kind] + b32encode(sha256(f"new {arn}".encode()).digest()).decode()[:_ID_LENGTH]


def again(change: Change) -> bool:
    """True iff the change creates a user or role again that was deleted before: nothing of the former one is left."""
    return change.kind is Kind.CREATED and change.what.endswith(f",{change.who}")


def denies(policy: Policy | MissingPolicy) -> bool:
    """True iff the policy holds a statement that may deny, or is not known."""
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return True
    return any(s.effect is not Effect.ALLOW for s in policy.statements)


def _principal(env: Environment, own: Principal, changes: list[Change]) -> tuple[Principal, dict[str, Group]]:
    mine = [c for c in changes if c.who == own.arn]
    names = list(own.groups)
    names += [c.what for c in mine if c.kind is Kind.JOINS and c.what not in names]
    left = {c.what for c in mine if c.kind is Kind.LEAVES}
    groups = {}
    for name in names:
        group = env.groups.get(name)
        policies = None if group is None else _policies(env, name, group.policies, changes)
        if group is not None and policies is not None and policies is not group.policies:
            groups[name] = replace(group, policies=policies)
    policies = _policies(env, own.arn, own.policies, changes)
    boundary = _boundary(env, own, changes)
    trust = own.trust
    if any(c.kind is Kind.TRUST for c in mine):
        trust = whatever(PolicyKind.TRUST, f"the trust policy written for {own.name}")
    kept = tuple(n for n in names if n not in left)
    factor = own.second_factor or any(c.kind is Kind.FACTOR for c in mine)
    tags, open_tags = own.tags, own.open_tags
    for change in mine:
        if change.kind is Kind.TAGS and change.what.endswith("=*"):
            open_tags = (*open_tags, change.what[:-2])
        elif change.kind is Kind.TAGS:
            key, equals, value = change.what.partition("=")
            tags = tuple((k, v) for k, v in tags if k.lower() != key.lower()) + (((key, value),) if equals else ())
    if (
        policies is own.policies
        and boundary is own.boundary
        and trust is own.trust
        and kept == own.groups
        and tags == own.tags
        and open_tags == own.open_tags
        and factor == own.second_factor
    ):
        return own, groups
    return replace(
        own,
        policies=policies,
        boundary=boundary,
        trust=trust,
        groups=kept,
        tags=tags,
        open_tags=open_tags,
        second_factor=factor,
    ), groups


def _policies(
    env: Environment, arn: str, own: tuple[Policy | MissingPolicy, ...], changes: list[Change]
) -> tuple[Policy | MissingPolicy, ...]:
    mine = [c for c in changes if c.who == arn]
    dropped = {c.what for c in mine if c.kind is Kind.DROPS}
    written = any(c.kind is Kind.WRITES for c in mine)
    out: list[Policy | MissingPolicy] = []
    for policy in own:
        inline = isinstance(policy, Policy) and policy.arn is None
        name = f"inline/{policy.name}" if isinstance(policy, Policy) and policy.arn is None else policy.arn or ""
        if name in dropped or (inline and written and denies(policy)):
            continue
        out.append(_document(env, name, policy, changes))
    for change in mine:
        if change.kind is Kind.GAINS and not any(p.arn == change.what for p in out):
            out.append(_document(env, change.what, managed_policy_of(env, change.what), changes))
    if written:
        out.append(whatever(PolicyKind.IDENTITY, f"the policy written for {arn.rpartition(':')[2]}"))
    return own if len(out) == len(own) and all(a is b for a, b in zip(out, own, strict=True)) else tuple(out)


def _document(
    env: Environment, arn: str, policy: Policy | MissingPolicy, changes: list[Change]
) -> Policy | MissingPolicy:
    for change in changes:
        if change.who == arn and change.kind in (Kind.REWRITES, Kind.CREATED):
            return replace(whatever(PolicyKind.IDENTITY, f"{arn.rpartition('/')[2]} as rewritten"), arn=arn)
        if change.who == arn and change.kind is Kind.SWITCHES:
            return _version(env, arn, change.what)
    return policy


def _version(env: Environment, arn: str, id_: str) -> Policy | MissingPolicy:
    """The stored version `id_` of a customer managed policy."""
    found = next((v.policy for v in env.versions.get(arn, ()) if v.id == id_), None)
    return MissingPolicy(f"version {id_} of {arn}", Origin("")) if found is None else found


def _boundary(env: Environment, own: Principal, changes: list[Change]) -> Policy | MissingPolicy | None:
    boundary = own.boundary
    for change in changes:
        if change.kind is Kind.BOUNDARY and change.who == own.arn:
            if not change.what:
                return None
            boundary = as_boundary(env, change.what)
    if boundary is None or boundary.arn is None:
        return boundary
    if any(c.kind in (Kind.REWRITES, Kind.CREATED) and c.who == boundary.arn for c in changes):
        return replace(
            whatever(PolicyKind.BOUNDARY, f"{boundary.arn.rpartition('/')[2]} as rewritten"), arn=boundary.arn
        )
    switched = next((c for c in changes if c.kind is Kind.SWITCHES and c.who == boundary.arn), None)
    if switched is None:
        return boundary
    version = _version(env, boundary.arn, switched.what)
    return boundary_of(version) if isinstance(version, Policy) else version


def _resource(env: Environment, change: Change, changes: list[Change], focus: list[str]) -> Resource:
    found = env.resources.get(change.who) or unlisted(change.who)
    policy, tags, restricts = found.policy, found.tags, found.restrict_public_buckets
    for c in sorted((c for c in changes if c.who == change.who), key=lambda c: _FIRST.get(c.kind, 0)):
        match c.kind:
            case Kind.UNGUARDED:
                policy = undenied(change.who, policy, labelled=True) if c.what else None
            case Kind.RESOURCE if c.what == WITHOUT:
                policy = undenied(change.who, policy)
            case Kind.RESOURCE:
                policy = granting(change.who, c.what or "*", undenied(change.who, policy) if c.what else None, focus)
            case Kind.GRANTED:
                actions, _, only = c.what.partition(";")
                policy = granting(change.who, actions, policy, [a for a in focus if only in ("", a)])
            case Kind.UNBLOCKED if c.what == "bucket":
                restricts = False
            case Kind.LABELS:
                key, equals, value = c.what.partition("=")
                tags = (*((k, v) for k, v in tags if k.lower() != key), *(((key, value),) if equals else ()))
    return replace(found, policy=policy, tags=tags, restrict_public_buckets=restricts)


_FIRST = {Kind.UNGUARDED: -2, Kind.RESOURCE: -1}
"""What is granted is so after the rest of the policy was written or deleted."""


def unlisted(arn: str) -> Resource:
    """A resource that no input lists: of nothing but its owner anything is known, and that only if the ARN tells it."""
    fields = parse_arn(arn)
    return Resource(
        arn=arn, account=(fields.account if fields is not None else "") or None, policy=None, origin=Origin("")
    )


def _organization(organization: Any, change: Change) -> Any:
    match change.kind:
        case Kind.LIFTED:
            return without_policy(organization, change.who, change.what)
        case Kind.ATTACHED:
            return with_policy(organization, change.who, change.what)
        case Kind.DISABLED:
            return without_type(organization, change.what) if organization.id == change.who else organization
        case Kind.LEFT:
            return without_account(organization, change.who, None)
        case Kind.DELEGATED:
            return with_delegate(organization, change.who, change.what)
        case Kind.ENTERED:
            return with_account(organization, change.who, change.what)
        case _:
            return without_account(organization, change.who, change.what)

"""Environments as somebody means to change them: principals deleted, policies attached, detached, written or added.

Other than `iamsim.env.changes`, which says what someone may have done, an edit is done exactly and to all who are concerned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iamsim.aws.managed import managed_policies
from iamsim.diagnostics import Origin
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.env.versions import boundary_of, managed_policy_of
from iamsim.errors import InputError, QueryError
from iamsim.findings import printable
from iamsim.model.grammar import nearest
from iamsim.model.policy import Policy, PolicyKind
from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from iamsim.env.types import Environment, Organization, OrgNode

_FULL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class EditKind(StrEnum):
    """What an edit does."""

    DELETE = "delete"
    ATTACH = "attach"
    DETACH = "detach"
    PUT_POLICY = "put-policy"
    ADD_SCP = "add-scp"
    TRUST = "trust"


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit. `who` is a user, role or group by ARN or short name (`role/ci`, `555566667777:role/ci`); for a policy that
    is written also a managed policy (`policy/deploy`); for an SCP the id or name of a root, unit or account.

    `what` is the managed policy that is attached or detached (ARN, name of one of AWS, or `policy/NAME`), or the name of the
    inline policy or SCP that is written. `document` is what is written, as JSON value or text, read from `source`.
    """

    kind: EditKind
    who: str
    what: str = ""
    document: Any = None
    source: str = "<edit>"


def edited(env: Environment, edits: Iterable[Edit]) -> Environment:
    """`env` after `edits`, one after the other; `env` itself stays as it is.

    Raises QueryError if an edit names nothing or several things, or changes nothing because it is so already, InputError
    if a document is none as a whole. What is odd about a document is among the diagnostics of the result.
    """
    for edit in edits:
        env = _EDITS[edit.kind](env, edit)
    return env


def _with(env: Environment, **fields: Any) -> Environment:
    """The environment with other fields, mappings sorted, and nothing remembered of the one before."""
    made: dict[str, Any] = {
        k: MappingProxyType(dict(sorted(v.items()))) if isinstance(v, dict) else v for k, v in fields.items()
    }
    return replace(env, **made, memo={})


# --- names


def _found(env: Environment, text: str, kinds: tuple[str, ...]) -> str:
    """The ARN of the one principal, group or managed policy of one of the kinds that `text` names."""
    listed: list[str] = []
    for kind in kinds:
        known: Iterable[str] = {"group": env.groups, "policy": env.managed_policies}.get(kind, env.principals)
        listed += [arn for arn in known if f":{kind}/" in arn]
    fits = [arn for arn in listed if text == arn or text in _short(arn)]
    if len(fits) == 1:
        return fits[0]
    shown = printable(text)
    if fits:
        raise QueryError(f"`{shown}` is in several accounts", f"write `{_short(fits[0])[1]}`")
    near = nearest(text, [name for arn in listed for name in _short(arn)[:2]])
    what = " or ".join(kinds)
    raise QueryError(
        f"no {what} `{shown}` is in the snapshot",
        f"did you mean `{near}`?" if near else f"give its ARN, or `{kinds[0]}/NAME`",
    )


def _short(arn: str) -> tuple[str, ...]:
    """The names by which an ARN may be called: with its path and without, with its account and without."""
    fields = arn.split(":", 5)
    kind, _, path = fields[5].partition("/")
    plain = f"{kind}/{path.rpartition('/')[2]}"
    return (plain, f"{fields[4]}:{plain}", fields[5], f"{fields[4]}:{fields[5]}")


def _managed(env: Environment, text: str, account: str) -> Policy:
    """The managed policy that `text` names to somebody of an account."""
    arn = text
    if not text.startswith("arn:"):
        own = [
            a for a in env.managed_policies if a.split(":")[4] == account and text in (*_short(a), a.rpartition("/")[2])
        ]
        aws = [a for a, row in managed_policies().items() if row["name"] == text]
        if not own and not aws:
            names = [a.rpartition("/")[2] for a in env.managed_policies] + [
                r["name"] for r in managed_policies().values()
            ]
            near = nearest(text, names)
            remedy = f"did you mean `{near}`?" if near else "give its ARN"
            raise QueryError(f"no managed policy `{printable(text)}` is known", remedy)
        arn = (own or aws)[0]
    policy = managed_policy_of(env, arn)
    if isinstance(policy, MissingPolicy):
        raise QueryError(f"no managed policy `{printable(text)}` is known", "give an ARN that the snapshot or AWS has")
    return policy


# --- documents


def _read(env: Environment, edit: Edit, kind: PolicyKind, name: str, arn: str | None) -> tuple[Policy, Environment]:
    """The policy that an edit writes, and the environment with what is odd about it said."""
    document = edit.document
    shown = printable(edit.source)
    if not isinstance(document, str) and not (
        isinstance(document, dict) and any(n.lower() == "statement" for n in document)
    ):
        raise InputError(f"`{shown}` holds no policy", (), "give a JSON object with a Statement")
    policy, said = read_policy(document, kind, name, Origin(edit.source), arn=arn)
    if policy.malformed is not None:
        why = next((d for d in said if d.severity == "error"), None)
        raise InputError(
            f"`{shown}` is no {kind}: {policy.malformed.reason}", said, why.help if why else "give a policy document"
        )
    return policy, replace(env, diagnostics=(*env.diagnostics, *said)) if said else env


# --- edits


def _delete(env: Environment, edit: Edit) -> Environment:
    arn = _found(env, edit.who, ("role", "user"))
    return _with(env, principals={a: p for a, p in env.principals.items() if a != arn})


def _carrier(env: Environment, who: str) -> tuple[str, str, tuple[Policy | MissingPolicy, ...]]:
    """The ARN, the account and the policies of a user, role or group."""
    arn = _found(env, who, ("role", "user", "group"))
    carrier: Any = env.principals.get(arn) or env.groups[arn]
    return arn, carrier.account, carrier.policies


def _carrying(env: Environment, arn: str, policies: tuple[Policy | MissingPolicy, ...]) -> Environment:
    if arn in env.principals:
        return _with(env, principals={**env.principals, arn: replace(env.principals[arn], policies=policies)})
    return _with(env, groups={**env.groups, arn: replace(env.groups[arn], policies=policies)})


def _attach(env: Environment, edit: Edit) -> Environment:
    arn, account, policies = _carrier(env, edit.who)
    policy = _managed(env, edit.what, account)
    if any(p.arn == policy.arn for p in policies):
        raise QueryError(f"`{printable(edit.what)}` is attached to `{printable(edit.who)}` already", "leave it out")
    return _carrying(env, arn, (*policies, policy))


def _detach(env: Environment, edit: Edit) -> Environment:
    """Detaches a managed policy; an inline policy of that name is deleted if no managed one is attached by it."""
    arn, _, policies = _carrier(env, edit.who)
    names = {a: (*_short(a), a.rpartition("/")[2], a) for p in policies if (a := p.arn)}
    gone = [p for p in policies if p.arn and edit.what in names[p.arn]]
    gone = gone or [p for p in policies if isinstance(p, Policy) and p.arn is None and p.name == edit.what]
    if not gone:
        listed = [a.rpartition("/")[2] for a in names] + [
            p.name for p in policies if isinstance(p, Policy) and not p.arn
        ]
        near = nearest(edit.what, listed)
        remedy = f"did you mean `{near}`?" if near else f"it has {', '.join(map(printable, listed)) or 'no policy'}"
        raise QueryError(f"`{printable(edit.who)}` has no policy `{printable(edit.what)}`", remedy)
    return _carrying(env, arn, tuple(p for p in policies if p is not gone[0]))


def _put(env: Environment, edit: Edit) -> Environment:
    if not edit.what:
        return _rewrite(env, edit)
    arn, _, policies = _carrier(env, edit.who)
    policy, env = _read(env, edit, PolicyKind.IDENTITY, edit.what, None)
    at = [i for i, p in enumerate(policies) if isinstance(p, Policy) and p.arn is None and p.name == edit.what]
    if at:
        return _carrying(env, arn, tuple(policy if i == at[0] else p for i, p in enumerate(policies)))
    inline = [i for i, p in enumerate(policies) if p.arn is None]
    place = inline[-1] + 1 if inline else 0
    return _carrying(env, arn, (*policies[:place], policy, *policies[place:]))


def _rewrite(env: Environment, edit: Edit) -> Environment:
    """Another document in the version in force of a managed policy, wherever it is attached or a boundary."""
    arn = _found(env, edit.who, ("policy",))
    policy, env = _read(env, edit, PolicyKind.IDENTITY, env.managed_policies[arn].name, arn)

    def on(policies: tuple[Policy | MissingPolicy, ...]) -> tuple[Policy | MissingPolicy, ...]:
        return tuple(policy if p.arn == arn else p for p in policies)

    boundary = boundary_of(policy)
    principals = {
        a: replace(
            p, policies=on(p.policies), boundary=boundary if p.boundary and p.boundary.arn == arn else p.boundary
        )
        for a, p in env.principals.items()
    }
    groups = {a: replace(g, policies=on(g.policies)) for a, g in env.groups.items()}
    versions = {
        a: tuple(replace(v, policy=policy) if a == arn and v.default else v for v in found)
        for a, found in env.versions.items()
    }
    managed = {**env.managed_policies, arn: policy}
    return _with(env, principals=principals, groups=groups, managed_policies=managed, versions=versions)


def _trust(env: Environment, edit: Edit) -> Environment:
    arn = _found(env, edit.who, ("role",))
    role = env.principals[arn]
    assert role.kind is PrincipalKind.ROLE
    policy, env = _read(env, edit, PolicyKind.TRUST, role.name, arn)
    return _with(env, principals={**env.principals, arn: replace(role, trust=policy)})


def _scp(env: Environment, edit: Edit) -> Environment:
    """Adds an SCP to a node. Where SCPs are off they are switched on, which attaches FullAWSAccess to every node.

    Source: AWS Organizations User Guide, "Enabling a policy type".
    """
    nodes = [n for o in env.organizations for n in _nodes(o.root)]
    fits = [n for n in nodes if n.id == edit.who] or [n for n in nodes if n.name == edit.who]
    if len(fits) != 1:
        listed = [text for n in nodes for text in (n.name, n.id) if text]
        near = nearest(edit.who, listed)
        why = (
            f"`{printable(edit.who)}` names several nodes"
            if fits
            else f"no node `{printable(edit.who)}` is in an organization"
        )
        remedy = (
            "give its id" if fits else f"did you mean `{near}`?" if near else "load the organization, and give an id"
        )
        raise QueryError(why, remedy)
    policy, env = _read(env, edit, PolicyKind.SCP, edit.what or edit.source, None)
    full = read_policy(_FULL, PolicyKind.SCP, "FullAWSAccess", Origin("<AWS>"))[0]

    def rebuilt(node: OrgNode, switched: bool) -> OrgNode:
        scps = (full,) if switched and not node.scps else node.scps
        scps = (*scps, policy) if node is fits[0] else scps
        return replace(node, scps=scps, children=tuple(rebuilt(c, switched) for c in node.children))

    def on(organization: Organization) -> Organization:
        if not any(n is fits[0] for n in _nodes(organization.root)):
            return organization
        root = rebuilt(organization.root, not organization.scps_enabled)
        return replace(organization, root=root, scps_enabled=True)

    return _with(env, organizations=tuple(map(on, env.organizations)))


def _nodes(root: OrgNode) -> list[OrgNode]:
    out, stack = [], [root]
    while stack:
        node = stack.pop()
        out.append(node)
        stack.extend(reversed(node.children))
    return out


_EDITS: Mapping[EditKind, Callable[[Environment, Edit], Environment]] = MappingProxyType(
    {
        EditKind.DELETE: _delete,
        EditKind.ATTACH: _attach,
        EditKind.DETACH: _detach,
        EditKind.PUT_POLICY: _put,
        EditKind.ADD_SCP: _scp,
        EditKind.TRUST: _trust,
    }
)

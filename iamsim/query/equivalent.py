"""Roles with the same or contained rights: the order of what their policies allow, proved, and shown by requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.aws.paths import LINKED
from iamsim.diagnostics import Origin
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.judge.answer import Verdict
from iamsim.judge.callers import read_callers
from iamsim.model.policy import Policy, PolicyKind
from iamsim.model.read_policy import read_policy
from iamsim.query.compare import DEFAULT_LIMITS, narrower
from iamsim.query.lattice import hasse, lattice
from iamsim.query.relation import excess_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from iamsim.env.types import Environment, Principal
    from iamsim.query.lattice import Lattice
    from iamsim.query.relation import Excess

_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_OWN = ("aws:principaltag/", "aws:principalarn", "aws:userid", "aws:username", "aws:principalaccount")
_OWN_TEXTS = tuple(k.partition("/")[0] for k in _OWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleOrder:
    """The roles of one account by what their identity policies and boundaries allow.

    `classes` are the ARNs of roles that are allowed the same, `above` has for each class those next above it, by index: that are
    allowed all of it, and more. `more` has a request for each such step. `apart` are sentences on what tells roles of one class
    apart beside their own policies; `left` are roles that could not be placed, with the reason. `undecided` are pairs of roles
    of which it is not known whether the first is allowed no more than the second.
    """

    account: str
    classes: tuple[tuple[str, ...], ...]
    above: tuple[tuple[int, ...], ...]
    more: Mapping[tuple[int, int], Excess]
    apart: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]
    undecided: tuple[tuple[str, str], ...]


def equivalent_roles(
    env: Environment, pattern: str = "role/*", *, progress: Callable[[int], None] | None = None
) -> tuple[RoleOrder, ...]:
    """The order of the roles that `pattern` means, account by account.

    A role is placed below another iff every request that its identity policies allow, whoever makes it, is one that those of the
    other allow, and likewise for their permissions boundaries: then, under the SCPs and RCPs that all roles of an account share,
    the other is allowed all that it is. Service-linked roles, which no SCP binds, stand below one another only. What a resource
    policy says of a role by name is not weighed but told (`apart`), as is that policies read what differs between callers.
    Raises QueryError if the pattern means no loaded role.

    Source: AWS Organizations User Guide, "Service control policies (SCPs)".
    """
    arns = {c.parent or c.arn or "" for c in read_callers(env, pattern)}
    roles = [p for a, p in env.principals.items() if a in arns and p.kind is PrincipalKind.ROLE]
    if not roles:
        raise QueryError(f"`{printable(pattern)}` means no role that is loaded", "write `role/*`, or a pattern of ARNs")
    done = 0
    out = []
    for account in sorted({r.account for r in roles}):
        own = [r for r in roles if r.account == account]
        out.append(_order(env, account, own))
        done += len(own)
        if progress is not None:
            progress(done)
    return tuple(out)


def _order(env: Environment, account: str, roles: list[Principal]) -> RoleOrder:
    left = tuple((r.arn, why) for r in roles if (why := _unreadable(r)))
    placed = [r for r in roles if not _unreadable(r)]
    grants = {r.arn: _document(r.arn, r.policies) for r in placed}
    bounds = {r.arn: _boundary(r) for r in placed}
    free = {r.arn for r in placed if r.path.startswith(LINKED)}  # no SCP binds them
    found = lattice(grants)
    home = {name: i for i, names in enumerate(found.classes) for name in names}
    ups = _ups(found)
    holds: dict[tuple[str, str], bool | None] = {}
    for one in grants:
        for other in grants:
            if one == other:
                continue
            wider = home[other] in ups[home[one]] and (one not in free or other in free)
            open_ = any((i, j) == (home[one], home[other]) for i, j, _ in found.undecided)
            holds[one, other] = (None if open_ else False) if not wider else _within(bounds[one], bounds[other])
    order = [sum(1 << j for j, b in enumerate(grants) if a == b or holds[a, b] is True) for a in grants]
    final = hasse([[a] for a in grants], order, {}, 0)
    return RoleOrder(
        account=account,
        classes=final.classes,
        above=final.above,
        more=_shown(final, grants, bounds),
        apart=tuple(_apart(env, final, placed)),
        left=left,
        undecided=tuple(sorted(pair for pair, value in holds.items() if value is None)),
    )


def _ups(found: Lattice) -> list[set[int]]:
    """For each class all classes that allow at least as much, itself among them."""
    out: list[set[int]] = [{i} for i in range(len(found.classes))]
    for _ in found.classes:
        for i, above in enumerate(found.above):
            for j in above:
                out[i] |= out[j]
    return out


def _within(one: Policy | None, other: Policy | None) -> bool | None:
    """Whether a boundary lets no more through than another; None if that is not known."""
    if other is None or one == other:
        return True
    if one is None:
        one = read_policy(_EVERYTHING, PolicyKind.IDENTITY, "no boundary", Origin("<none>"))[0]
    verdict = narrower(one, other, DEFAULT_LIMITS).verdict
    return None if verdict is Verdict.UNKNOWN else verdict is Verdict.YES


def _shown(
    found: Lattice, grants: Mapping[str, Policy], bounds: Mapping[str, Policy | None]
) -> dict[tuple[int, int], Excess]:
    """For each step a request that the policies, or else the boundary, of the upper class allow and those of the lower do not."""
    out: dict[tuple[int, int], Excess] = {}
    for i, above in enumerate(found.above):
        for j in above:
            low, high = found.classes[i][0], found.classes[j][0]
            pairs = [(grants[high], grants[low])]
            limit, ceiling = bounds[low], bounds[high]
            if limit is not None:
                whole = ceiling or read_policy(_EVERYTHING, PolicyKind.IDENTITY, "no boundary", Origin("<none>"))[0]
                pairs.append((whole, limit))
            for wide, narrow in pairs:
                excess = excess_of(wide, narrow, narrower(wide, narrow, DEFAULT_LIMITS))
                if excess is not None:
                    out[i, j] = excess
                    break
    return out


def _unreadable(role: Principal) -> str:
    """Why what a role is allowed is not known; nothing if it is."""
    for policy in (*role.policies, role.boundary):
        if isinstance(policy, MissingPolicy):
            return f"the document of {policy.arn} is in no input"
        if policy is not None and policy.malformed is not None:
            return f"{policy.name} is malformed: {policy.malformed.reason}"
    versions = {p.version for p in role.policies if isinstance(p, Policy)}
    texts = [str(p.document) for p in role.policies if isinstance(p, Policy) and not p.variables]
    if len(versions) > 1 and any("${" in t for t in texts):
        return "policies of different versions use ${…}"
    return ""


def _document(name: str, policies: Iterable[Policy | MissingPolicy]) -> Policy:
    """The identity policies of a role as one."""
    statements: list[object] = []
    versions = set()
    for policy in policies:
        if isinstance(policy, Policy):
            raw = policy.document.get("Statement", [])
            statements += raw if isinstance(raw, list) else [raw]
            versions.add(policy.version)
    version = "2012-10-17" if len(versions) != 1 else versions.pop()
    made, _ = read_policy({"Version": version, "Statement": statements}, PolicyKind.IDENTITY, name, Origin(f"<{name}>"))
    return made if statements else replace(made, malformed=None, statements=())


def _boundary(role: Principal) -> Policy | None:
    """The permissions boundary read as an identity policy."""
    if not isinstance(role.boundary, Policy):
        return None
    boundary = role.boundary
    return read_policy(boundary.document, PolicyKind.IDENTITY, boundary.name, boundary.origin, arn=boundary.arn)[0]


def _apart(env: Environment, found: Lattice, roles: list[Principal]) -> Iterator[tuple[str, str]]:
    """What tells roles of a class with several apart beside what their policies allow."""
    shared = {arn for names in found.classes if len(names) > 1 for arn in names}
    documents = [
        *((r.arn, r.policy) for r in env.resources.values()),
        *((p.arn, p.trust) for p in env.principals.values()),
    ]
    texts = [(arn, str(policy.document)) for arn, policy in documents if isinstance(policy, Policy)]
    for role in roles:
        if role.arn not in shared:
            continue
        names = [n for n in (role.arn, role.unique_id) if n]
        for arn, text in texts:
            if any(f"'{n}" in text for n in names):
                yield role.arn, f"the policy of {arn} names it"
        held = [str(p.document).lower() for p in (*role.policies, role.boundary) if isinstance(p, Policy)]
        if any(key in text for text in held for key in _OWN_TEXTS):
            yield role.arn, "its policies read tags or names of whoever has them"

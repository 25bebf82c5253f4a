"""What of an environment may be different in another: which callers, which actions of theirs, and on which resources.

A superset, found by comparing documents; nothing else needs to be decided to know what became possible and what ceased to be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import data_date, nearest
from iamsim.aws.universe import bits_of, universe
from iamsim.env.facts import place
from iamsim.env.granted import granted_actions, statement_bits
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.judge.callers import caller_of
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.pattern import Pattern, match, tokenize
from iamsim.model.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from iamsim.env.types import Environment, Principal, Resource
    from iamsim.model.policy import Statement

Attached = Policy | MissingPolicy | None
TRUST_BITS = ("sts:assumerole*", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext")


@dataclass(frozen=True, slots=True)
class Party:
    """A caller as it is before and after; None where it does not exist."""

    name: str
    before: Caller | None
    after: Caller | None


@dataclass(frozen=True, slots=True)
class Touched:
    """What may have changed: `callers` by name with the actions (a bit set) that they may do differently on any resource,
    `resources` by ARN with the actions that anyone may do differently on them, `owners` by account likewise for all of
    its resources.
    """

    callers: Mapping[str, int]
    resources: Mapping[str, int]
    owners: Mapping[str, int]


def touched(before: Environment, after: Environment) -> Touched:
    """What documents, tags, memberships or places in an organization differ between the environments."""
    accounts = sorted(before.accounts | after.accounts | _placed(before) | _placed(after))
    above = {a: _ceilings(before, after, a) for a in accounts}
    callers: dict[str, int] = {}
    for arn in sorted({*before.principals, *after.principals}):
        old, new = before.principals.get(arn), after.principals.get(arn)
        account = (new or old).account  # type: ignore[union-attr]
        scps = above.get(account, (0, 0))[0]
        bits = scps | _own(before, after, old, new)
        if bits:
            callers[arn] = bits
    for account in accounts:
        if above[account][0]:
            callers[f"arn:aws:iam::{account}:root"] = above[account][0]
    owners = {a: rcps for a, (_, rcps) in above.items() if rcps}
    return Touched(callers, _resources(before, after), owners)


def parties(before: Environment, after: Environment, outsiders: Iterable[Caller]) -> dict[str, Party]:
    """Every loaded user and role, the root users of loaded accounts, the anonymous caller, and `outsiders`, by name."""
    out: dict[str, Party] = {}
    for arn in sorted({*before.principals, *after.principals}):
        old, new = before.principals.get(arn), after.principals.get(arn)
        out[arn] = Party(
            arn,
            None if old is None else caller_of(before, old),
            None if new is None else caller_of(after, new),
        )
    for account in sorted(before.accounts | after.accounts | _placed(before) | _placed(after)):
        root = f"arn:aws:iam::{account}:root"
        caller = Caller(kind=CallerKind.ROOT, arn=root, account=account)
        out[root] = Party(root, caller, caller)
    for caller in (Caller(kind=CallerKind.ANONYMOUS), *outsiders):
        out.setdefault(str(caller), Party(str(caller), caller, caller))
    return out


def chosen(names: Iterable[str], pattern: str | None) -> list[str]:
    """The names of callers that fit a pattern, all of them without one. Raises QueryError if none does."""
    listed = list(names)
    if pattern is None:
        return listed
    out = [n for n in listed if match(tokenize(pattern, variables=False), n)]
    if not out:
        wide = tokenize("*:" + pattern, variables=False)
        remedy = f"did you mean `*:{printable(pattern)}`?" if any(match(wide, n) for n in listed) else ""
        raise QueryError(
            f"no caller fits `{printable(pattern)}`", remedy or "give the pattern of an ARN, such as `*:role/ci-*`"
        )
    return out


def actions_like(pattern: str | None) -> int:
    """The known actions that fit a pattern as a bit set, all of them without one. Raises QueryError if none does."""
    if pattern is None:
        return universe().all
    bits = bits_of(pattern.lower())
    if not bits:
        near = nearest(pattern)
        raise QueryError(
            f"no known action fits `{printable(pattern)}`",
            f"did you mean `{near}`?" if near else f"known services are in the data of {data_date()}",
        )
    return bits


def _placed(env: Environment) -> frozenset[str]:
    """The accounts of the organizations."""
    out = set()
    stack = [o.root for o in env.organizations]
    while stack:
        node = stack.pop()
        stack.extend(node.children)
        if node.kind == "account":
            out.add(node.id)
    return frozenset(out)


def _own(before: Environment, after: Environment, old: Principal | None, new: Principal | None) -> int:
    """The actions that a principal may do differently by reason of its own documents and attributes."""
    if old is None or new is None:
        env, one = (after, new) if old is None else (before, old)
        assert one is not None
        return granted_actions(_identity(env, one)) | _by_resources(before) | _by_resources(after)
    granted = granted_actions([*_identity(before, old), *_identity(after, new)])
    granted |= _by_resources(before) | _by_resources(after)
    mine, theirs = caller_of(before, old), caller_of(after, new)
    if (old.boundary is None) != (new.boundary is None) or _firm(mine) != _firm(theirs):
        return granted
    # what the session carries counts where a document reads it
    read = _reading_sessions(before) | _reading_sessions(after) if mine != theirs else 0
    said = _difference(_identity(before, old), _identity(after, new))
    return granted & (read | said | _difference([old.boundary], [new.boundary]))


def _firm(caller: Caller) -> Caller:
    """The caller without what only a condition or a policy variable can read of it."""
    return replace(
        caller,
        tags=(),
        tags_known=True,
        open_tags=False,
        open_keys=(),
        open_source_identity=False,
        open_provider=False,
        open_services=(),
    )


# Keys whose values do not depend on tags, source identity, provider or issuing service of a session.
_UNCONCERNED = (
    "aws:sourceip", "aws:sourcevpc", "aws:vpcsourceip", "aws:requestedregion", "aws:securetransport", "aws:currenttime",
    "aws:useragent", "aws:referer", "aws:tagkeys", "aws:requesttag/", "aws:resource", "aws:principalarn", "aws:principalaccount",
    "aws:principalorg", "aws:principaltype", "aws:username", "s3:", "kms:", "iam:",
)  # fmt: skip


def _reading_sessions(env: Environment) -> int:
    """The actions of which a statement speaks that may read what a session carries."""
    return once(env.memo, "reading sessions", _read_of_sessions, env)


def _read_of_sessions(env: Environment) -> int:
    out = 0
    for policy in documents_of(env):
        out |= universe().all if policy.malformed is not None else 0
        for statement in policy.statements:
            if _reads_session(statement):
                out |= statement_bits(statement)
    return out


def _reads_session(statement: Statement) -> bool:
    keys = {c.key.lower() for c in statement.conditions}
    texts = [v for c in statement.conditions for v in c.values]
    texts += [p.text for p in statement.resource.patterns if isinstance(p, Pattern)] if statement.resource else []
    return any("${" in t for t in texts) or any(not k.startswith(_UNCONCERNED) for k in keys)


def _by_resources(env: Environment) -> int:
    """The actions that some resource policy or trust policy allows somebody."""
    return once(env.memo, "granted by resources", _granted_by_resources, env)


def _granted_by_resources(env: Environment) -> int:
    out = _trust_bits() | bits_of("elasticfilesystem:client*")
    for arn, resource in env.resources.items():
        grants = universe().all if resource.kms_grants else granted_actions([resource.policy])
        out |= grants & _of_service(arn)
    return out


def _trust_bits() -> int:
    out = 0
    for pattern in TRUST_BITS:
        out |= bits_of(pattern)
    return out


def _identity(env: Environment, principal: Principal) -> list[Attached]:
    out: list[Attached] = list(principal.policies)
    for name in principal.groups:
        group = env.groups.get(name)
        out += group.policies if group is not None else (MissingPolicy(name, principal.origin),)
    return out


def _difference(old: Iterable[Attached], new: Iterable[Attached]) -> int:
    """The actions of which statements speak that only one side has; all of them if that cannot be said."""
    bits = 0
    for statement, _ in set(_said(old)) ^ set(_said(new)):
        bits |= universe().all if not _is_statement(statement) else statement_bits(statement)
    return bits


def _is_statement(value: Any) -> bool:
    return hasattr(value, "conditions")


def _said(policies: Iterable[Attached]) -> Iterator[tuple[Any, Any]]:
    for policy in policies:
        if policy is None:
            continue
        if isinstance(policy, MissingPolicy):
            yield policy.arn, "missing"
        elif policy.malformed is not None:
            yield policy.malformed.reason, "malformed"
        else:
            for statement in policy.statements:
                yield statement, policy.variables


def _ceilings(before: Environment, after: Environment, account: str) -> tuple[int, int]:
    """The actions about which the SCPs and the RCPs above an account say something else."""
    old, new = place(before, account), place(after, account)
    every = universe().all
    if old is None or new is None:
        return (0, 0) if old is new else (every, every)
    (a, path), (b, other_path) = old, new
    settings = [(o.id, o.management_account, o.scps_enabled, o.rcps_enabled) for o in (a, b)]
    if settings[0] != settings[1] or [n.id for n in path] != [n.id for n in other_path]:
        return every, every
    scps = rcps = 0
    for one, other in zip(old[1], new[1], strict=True):
        # a node without any SCP is one of which they are not known
        scps |= every if bool(one.scps) != bool(other.scps) else _difference(one.scps, other.scps)
        rcps |= _difference(one.rcps, other.rcps)
    return scps, rcps


def _resources(before: Environment, after: Environment) -> dict[str, int]:
    """The resources and roles whose own policy, tags or settings differ, with the actions that are concerned."""
    every = universe().all
    out: dict[str, int] = {}
    for arn in sorted({*before.resources, *after.resources}):
        old, new = before.resources.get(arn), after.resources.get(arn)
        if old != new:
            out[arn] = _of_resource(old, new)
    settings = {*before.restrict_public_buckets, *after.restrict_public_buckets}
    for account in settings:
        if before.restrict_public_buckets.get(account) != after.restrict_public_buckets.get(account):
            for arn, r in {**before.resources, **after.resources}.items():
                if r.account == account and ":s3:" in arn:
                    out[arn] = every
    federated = dict(before.providers) != dict(after.providers)
    for arn in sorted({*before.principals, *after.principals}):
        mine, theirs = before.principals.get(arn), after.principals.get(arn)
        trust_old, trust_new = (p.trust if p is not None else None for p in (mine, theirs))
        if trust_old != trust_new or (federated and (trust_old or trust_new)):
            out[arn] = _trust_bits()
        if mine is not None and theirs is not None and mine.tags != theirs.tags:
            out[arn] = every
    return {a: here for a, b in out.items() if (here := b & _of_service(a))}


_ALSO = {
    "iam": ("iam", "sts"),
    "s3": ("s3", "s3-object-lambda", "s3express"),
    "apigateway": ("apigateway", "execute-api"),
}


def _of_service(arn: str) -> int:
    """The actions of the service that a resource belongs to, which is the one that reads its policy."""
    service = (arn.split(":") + [""] * 3)[2].lower()
    bits = 0
    for name in _ALSO.get(service, (service,)):
        bits |= universe().services.get(name, (0, 0))[1]
    return bits or universe().all


def _of_resource(old: Resource | None, new: Resource | None) -> int:
    """The actions concerned by a change of a resource that is there before, after, or both times."""
    if old is None or new is None:
        one = old if new is None else new
        assert one is not None
        plain = one.policy is None and not one.kms_grants and not one.tags and one.restrict_public_buckets is None
        return 0 if plain else universe().all
    mine = (old.account, old.policy is None, old.tags, old.tags_known, old.restrict_public_buckets, old.kms_grants)
    theirs = (new.account, new.policy is None, new.tags, new.tags_known, new.restrict_public_buckets, new.kms_grants)
    return universe().all if mine != theirs else _difference([old.policy], [new.policy])


def every_statement_bits(envs: Iterable[Environment]) -> set[int]:
    """The sets of actions of which some statement of some document speaks, each once."""
    out: set[int] = set()
    seen: dict[int, Policy] = {}
    for env in envs:
        for policy in documents_of(env):
            if id(policy) not in seen:
                seen[id(policy)] = policy
                out.update(statement_bits(s) for s in policy.statements)
    return out


def documents_of(env: Environment) -> Iterator[Policy]:
    """Every policy document of an environment that has a say, in order."""
    for principal in env.principals.values():
        yield from _known((*principal.policies, principal.boundary, principal.trust))
    for group in env.groups.values():
        yield from _known(group.policies)
    yield from _known(r.policy for r in env.resources.values())
    yield from _known(e.policy for e in env.endpoints.values())
    stack = [o.root for o in env.organizations]
    while stack:
        node = stack.pop()
        stack.extend(node.children)
        yield from _known((*node.scps, *node.rcps))


def _known(policies: Iterable[Policy | MissingPolicy | None]) -> Iterator[Policy]:
    for policy in policies:
        if policy is not None and not isinstance(policy, MissingPolicy):
            yield policy


def bit_indices(value: int) -> Iterator[int]:
    """The positions of the bits that are set, lowest first."""
    while value:
        low = value & -value
        yield low.bit_length() - 1
        value ^= low

"""Whom the documents that bind all of an account tell apart: SCPs, RCPs, and the policies of loaded resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.keys import key_row
from iamsim.aws.resource_policies import services_of
from iamsim.env.memo import once
from iamsim.env.organization import below
from iamsim.env.types import MissingPolicy
from iamsim.graph.candidates import FRESH, plain_of
from iamsim.graph.policies import every_policy
from iamsim.ir.lower import action_term, resource_term
from iamsim.ir.term import FALSE
from iamsim.model.arn import is_account_id, parse_arn
from iamsim.model.pattern import match, tokenize
from iamsim.model.policy import Effect, Malformed, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment, Principal
    from iamsim.model.pattern import Pattern
    from iamsim.model.policy import Policy, PrincipalEntry, PrincipalMatch, Statement

_NOT_ABOUT_THE_CALLER = frozenset(
    {
        "aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:currenttime", "aws:epochtime", "aws:principalaccount",
        "aws:principalisawsservice", "aws:principalorgid", "aws:principalorgpaths", "aws:referer", "aws:requestedregion",
        "aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths", "aws:securetransport", "aws:sourceip",
        "aws:sourcevpc", "aws:sourcevpce", "aws:tagkeys", "aws:useragent", "aws:viaawsservice", "aws:vpcsourceip", "sts:externalid",
        "sts:rolesessionname",
    }
)  # fmt: skip
_FAMILIES = ("aws:requesttag/", "aws:resourcetag/")
"""Keys that do not tell one principal of an account from another.

Source: IAM User Guide, "AWS global condition context keys".
"""


ENTERING = frozenset({"sts:assumerole", "sts:tagsession", "sts:setsourceidentity"})
"""The actions that decide whether a role may be assumed, and with what."""


def spared_by_ceilings(
    env: Environment, actions: frozenset[str], resource: str | None = None
) -> tuple[Pattern, ...] | None:
    """The ARNs of users and roles that SCPs and RCPs may refuse one of the actions (lower case) less than others of their
    account, as patterns; None if who calls matters to them in any other way. On the resource `resource`, if that is given.
    """
    return once(env.memo, ("spared", actions, resource), _spared, env, actions, resource)


def _spared(env: Environment, actions: frozenset[str], resource: str | None) -> tuple[Pattern, ...] | None:
    action = next(iter(sorted(actions)), "")
    return _told(s for s in ceilings(env, actions) if resource is None or s is None or is_about(s, resource, action))


def is_about(statement: Statement, resource: str, action: str) -> bool:
    """False only if a statement of an SCP, an RCP or a resource policy speaks of other resources than this one."""
    if statement.malformed is not None or statement.resource is None:
        return True
    service = action.partition(":")[0]
    return resource_term(statement.resource, PolicyKind.SCP, resource, service) is not FALSE


def favoured_by_resources(env: Environment, actions: frozenset[str]) -> tuple[Pattern, ...] | None:
    """The ARNs of users and roles to whom policies of loaded resources may allow one of the actions (lower case) and not to
    others of their account, as patterns; None if who calls matters to them in any other way.
    """
    return once(env.memo, ("favoured", actions), lambda: _told(_of_resources(env, actions)))


def favoured_by_policy(policy: Policy | MissingPolicy, actions: frozenset[str]) -> tuple[Pattern, ...] | None:
    """As `favoured_by_resources`, of the policy of one resource."""
    return _told(speaking(policy, actions))


def told_at_the_door(env: Environment, arn: str, role: Principal) -> tuple[bool, ...] | None:
    """What of a user or role decides whether it may assume the role, its own policies, its account, its kind and its second
    factor aside; None: that may be anything.
    """
    by_ceilings = spared_by_ceilings(env, ENTERING)
    if by_ceilings is None or role.trust is None or tags_matter(env, arn, role):
        return None
    by_trust = once(env.memo, (id(role.trust), "door"), _of_trust, role.trust, _CREDENTIALS)[0]
    return None if by_trust is None else tuple(match(p, arn) for p in (*by_ceilings, *by_trust))


_CREDENTIALS = ("aws:multifactorauthage", "aws:multifactorauthpresent", "aws:principaltype")
"""Keys that do not tell callers of an account and a kind apart who have, or lack, a second factor."""


def tags_matter(env: Environment, arn: str, role: Principal) -> bool:
    """False only if nothing that decides whether the user or role may assume the role reads its tags."""
    if own_tags_matter(env, arn):
        return True
    return role.trust is not None and reads_tags(env, role.trust)


def own_tags_matter(env: Environment, arn: str) -> bool:
    """Whether SCPs, RCPs or the principal's own policies may read its tags where it assumes a role."""
    return once(env.memo, ("own-tags", arn), _own_tags_matter, env, arn)


def _own_tags_matter(env: Environment, arn: str) -> bool:
    principal = env.principals.get(arn)
    if principal is None or env.endpoints or once(env.memo, ("spared", ENTERING, "tags"), _ceilings_read_tags, env):
        return True
    groups = [env.groups.get(g) for g in principal.groups]
    joined = (p for g in groups if g is not None for p in g.policies)
    own = (*principal.policies, *joined, principal.boundary)
    return None in groups or any(p is not None and reads_tags(env, p) for p in own)


def _ceilings_read_tags(env: Environment) -> bool:
    return any(s is None or _has_tags(s) for s in ceilings(env, ENTERING))


def reads_tags(env: Environment, policy: Policy | MissingPolicy) -> bool:
    """Whether a policy may read tags of who assumes a role."""
    # the policy whose id is in the key is kept, so that it stays its own
    made = (id(policy), "reads-tags")
    return once(env.memo, made, lambda: (any(s is None or _has_tags(s) for s in speaking(policy, ENTERING)), policy))[0]


def _has_tags(statement: Statement) -> bool:
    """Whether a statement reads tags of who calls, or it cannot be told."""
    if statement.malformed is not None or any(c.malformed for c in statement.conditions):
        return True
    patterns = statement.resource.patterns if statement.resource is not None else ()
    texts = (
        *(v for c in statement.conditions for v in (c.key, *c.values)),
        *(getattr(p, "text", _TAG) for p in patterns),
    )
    return any(_TAG in t.lower() for t in texts)


_TAG = "aws:principaltag/"


def told_with_tags(env: Environment, arn: str) -> bool:
    """Whether a statement that reads tags of callers tells the user or role from a new one of its account by its name."""
    return once(env.memo, ("told-with-tags", arn), _told_with_tags, env, arn)


def _told_with_tags(env: Environment, arn: str) -> bool:
    patterns = once(env.memo, "telling-with-tags", _telling_with_tags, env)
    new = f"{arn.partition('/')[0]}/{FRESH}"
    return patterns is None or any(match(p, arn) and not match(p, new) for p in patterns)


def _telling_with_tags(env: Environment) -> tuple[Pattern, ...] | None:
    """All texts of such statements that may be ARNs or names, as patterns; None if they may be anything."""
    texts: dict[str, None] = {}
    for statement in (s for p in every_policy(env) for s in p.statements if _has_tags(s)):
        if statement.malformed is not None or any(c.malformed for c in statement.conditions):
            return None
        named = statement.principal.entries if statement.principal is not None else ()
        of = [v for c in statement.conditions if "tag/" not in c.key.lower() for v in c.values]
        of += [e.value for e in named if not isinstance(e, Malformed)]
        of += [getattr(p, "text", "*") for p in (statement.resource.patterns if statement.resource is not None else ())]
        for text in (plain_of(t) for t in of):
            texts |= dict.fromkeys((text if ":" in text else f"*/{text}", f"*/{text.rpartition('/')[2]}"))
    return tuple(tokenize(t, variables=False) for t in texts)


def favoured_by_trust(env: Environment, role: Principal) -> tuple[Pattern, ...] | None:
    """The ARNs of users and roles whom the trust policy of a role may let in and not others of their account, as patterns;
    None if who calls matters to it in any other way.
    """
    if role.trust is None:
        return ()
    # the policy whose id is in the key is kept, so that it stays its own
    return once(env.memo, (id(role.trust), "favoured"), _of_trust, role.trust)[0]


def _of_trust(policy: Policy | MissingPolicy, also: tuple[str, ...] = ()) -> tuple[tuple[Pattern, ...] | None, object]:
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return None, policy
    return _told(iter(policy.statements), also), policy


def _told(statements: Iterator[Statement | None], also: tuple[str, ...] = ()) -> tuple[Pattern, ...] | None:
    out: list[Pattern] = []
    for statement in statements:
        told = _tells_apart(statement, also)
        if told is None:
            return None
        out += told
    return tuple(dict.fromkeys(out))


def _of_resources(env: Environment, actions: frozenset[str]) -> Iterator[Statement | None]:
    services = frozenset[str]().union(*map(services_of, actions))
    for arn, resource in env.resources.items():
        if resource.policy is not None and arn.split(":")[2:3] and arn.split(":")[2] in services:
            yield from speaking(resource.policy, actions)


def ceilings(env: Environment, actions: frozenset[str]) -> Iterator[Statement | None]:
    """The statements of all SCPs and RCPs that may speak of one of the actions; None for what cannot be read."""
    for organization in env.organizations:
        for node in below(organization.root):
            for policy in (*node.scps, *node.rcps):
                yield from speaking(policy, actions)


def speaking(policy: Policy | MissingPolicy, actions: frozenset[str]) -> Iterator[Statement | None]:
    """The statements of a policy that may speak of one of the actions; None for what cannot be read."""
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        yield None
        return
    for s in policy.statements:
        if s.malformed is not None or s.action is None or any(action_term(s.action, a) is not FALSE for a in actions):
            yield s


def _tells_apart(statement: Statement | None, also: tuple[str, ...] = ()) -> list[Pattern] | None:
    """Whom of an account a statement favours by ARN: whom a Deny spares, or to whom an Allow is given.

    None if it may hold for one user or role and not for another otherwise, by keys other than `also`.
    """
    if statement is None or statement.malformed is not None:
        return None
    named = _named(statement.principal) if statement.principal is not None else []
    if named is None or (named and statement.effect is Effect.DENY):
        return None
    if statement.principal is not None and all(_is_other(e) for e in statement.principal.entries):
        return []
    patterns = statement.resource.patterns if statement.resource is not None else ()
    texts = (*(v for c in statement.conditions for v in c.values), *(getattr(p, "text", "${") for p in patterns))
    if any("${" in t for t in texts):
        return None
    out = [tokenize(v, variables=False) for v in named]
    for c in statement.conditions:
        if _is_common(c.key.lower()) or c.key.lower() in also:
            continue
        by_arn = c.key.lower() == "aws:principalarn" and not (c.quantifier or c.malformed)
        if by_arn and c.operator in _NAMES and all(v.endswith(":root") for v in c.values):
            return []  # it never holds for a user or role
        if not by_arn or c.operator not in (_SPARES if statement.effect is Effect.DENY else _NAMES):
            return None
        out += [tokenize(v, variables=False) for v in c.values]
    return out


def _named(who: PrincipalMatch) -> list[str] | None:
    """The users and roles that a Principal element names; None if it tells users and roles of one account apart otherwise."""
    if who.negated:
        return None
    out: list[str] = []
    for entry in who.entries:
        if isinstance(entry, Malformed):
            return None
        arn = parse_arn(entry.value)
        if entry.value == "*" or _is_other(entry):
            continue
        if entry.type != "AWS" or (arn is None and not is_account_id(entry.value)):
            return None
        if arn is None or arn.resource == "root":
            continue
        if arn.service != "iam":
            return None
        out.append(entry.value)
    return out


def _is_other(entry: PrincipalEntry | Malformed) -> bool:
    """Whether an entry names no user or role."""
    return not isinstance(entry, Malformed) and entry.type in ("Service", "Federated")


_NAMES = ("ArnLike", "ArnEquals", "StringLike", "StringEquals")
_SPARES = ("ArnNotLike", "ArnNotEquals", "StringNotLike")


def _is_common(key: str) -> bool:
    """Whether a key (lower case) does not tell one principal of an account from another: what it sends, or whom it calls."""
    if key in _NOT_ABOUT_THE_CALLER or key.startswith(_FAMILIES):
        return True
    return not key.startswith(("aws:", "sts:")) and key_row(key, None).present in ("action", "request", "resource-tag")

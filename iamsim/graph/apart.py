"""Whom the documents that bind all of an account tell apart: SCPs, RCPs, and the policies of loaded resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.keys import key_row
from iamsim.aws.resource_policies import services_of
from iamsim.env.memo import once
from iamsim.env.organization import below
from iamsim.env.types import MissingPolicy
from iamsim.ir.lower import action_term
from iamsim.ir.term import FALSE
from iamsim.model.arn import parse_arn
from iamsim.model.pattern import tokenize
from iamsim.model.policy import Effect, Malformed

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


def spared_by_ceilings(env: Environment, actions: frozenset[str]) -> tuple[Pattern, ...] | None:
    """The ARNs of users and roles that SCPs and RCPs may refuse one of the actions (lower case) less than others of their
    account, as patterns; None if who calls matters to them in any other way.
    """
    return once(env.memo, ("spared", actions), lambda: _told(_ceilings(env, actions)))


def favoured_by_resources(env: Environment, actions: frozenset[str]) -> tuple[Pattern, ...] | None:
    """The ARNs of users and roles to whom policies of loaded resources may allow one of the actions (lower case) and not to
    others of their account, as patterns; None if who calls matters to them in any other way.
    """
    return once(env.memo, ("favoured", actions), lambda: _told(_of_resources(env, actions)))


def favoured_by_trust(env: Environment, role: Principal) -> tuple[Pattern, ...] | None:
    """The ARNs of users and roles whom the trust policy of a role may let in and not others of their account, as patterns;
    None if who calls matters to it in any other way.
    """
    if role.trust is None:
        return ()
    # the policy whose id is in the key is kept, so that it stays its own
    return once(env.memo, (id(role.trust), "favoured"), _of_trust, role.trust)[0]


def _of_trust(policy: Policy | MissingPolicy) -> tuple[tuple[Pattern, ...] | None, object]:
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return None, policy
    return _told(iter(policy.statements)), policy


def _told(statements: Iterator[Statement | None]) -> tuple[Pattern, ...] | None:
    out: list[Pattern] = []
    for statement in statements:
        told = _tells_apart(statement)
        if told is None:
            return None
        out += told
    return tuple(dict.fromkeys(out))


def _of_resources(env: Environment, actions: frozenset[str]) -> Iterator[Statement | None]:
    services = frozenset[str]().union(*map(services_of, actions))
    for arn, resource in env.resources.items():
        if resource.policy is not None and arn.split(":")[2:3] and arn.split(":")[2] in services:
            yield from _about(resource.policy, actions)


def _ceilings(env: Environment, actions: frozenset[str]) -> Iterator[Statement | None]:
    """The statements of all SCPs and RCPs that may speak of one of the actions; None for what cannot be read."""
    for organization in env.organizations:
        for node in below(organization.root):
            for policy in (*node.scps, *node.rcps):
                yield from _about(policy, actions)


def _about(policy: Policy | MissingPolicy, actions: frozenset[str]) -> Iterator[Statement | None]:
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        yield None
        return
    for s in policy.statements:
        if s.malformed is not None or s.action is None or any(action_term(s.action, a) is not FALSE for a in actions):
            yield s


def _tells_apart(statement: Statement | None) -> list[Pattern] | None:
    """Whom of an account a statement favours by ARN: whom a Deny spares, or to whom an Allow is given.

    None if it may hold for one user or role and not for another otherwise.
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
        if _is_common(c.key.lower()):
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
        if entry.type != "AWS" or (arn is None and not (len(entry.value) == _ID and entry.value.isdigit())):
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


_ID = 12
"""The digits of an account's id."""


_NAMES = ("ArnLike", "ArnEquals", "StringLike", "StringEquals")
_SPARES = ("ArnNotLike", "ArnNotEquals", "StringNotLike")


def _is_common(key: str) -> bool:
    """Whether a key (lower case) does not tell one principal of an account from another: what it sends, or whom it calls."""
    if key in _NOT_ABOUT_THE_CALLER or key.startswith(_FAMILIES):
        return True
    return not key.startswith(("aws:", "sts:")) and key_row(key, None).present in ("action", "request", "resource-tag")

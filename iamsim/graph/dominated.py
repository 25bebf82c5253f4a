"""Techniques that whoever may do everything in an account can use in place of any other of its principals.

A call that an administrator's own policies allow without condition is refused to it only by SCPs and RCPs. Where these ask
nothing about who calls, they refuse it to every other principal of the account as well, so that none of these can do by
such a call what the administrator cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.keys import key_row
from iamsim.aws.resource_policies import may_meet_policy, policy_required, services_of
from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.memo import once
from iamsim.env.organization import below
from iamsim.env.resource_policy import policy_holder
from iamsim.env.types import MissingPolicy
from iamsim.ir.lower import action_term
from iamsim.ir.term import FALSE, TRUE
from iamsim.model.pattern import match, tokenize
from iamsim.model.policy import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.aws.escalations import Technique
    from iamsim.env.types import Environment
    from iamsim.graph.world import Search
    from iamsim.judge.candidates import Target
    from iamsim.model.pattern import Pattern
    from iamsim.model.policy import Policy, Statement

_NOT_ABOUT_THE_CALLER = frozenset(
    {
        "aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:currenttime", "aws:epochtime", "aws:principalaccount",
        "aws:principalisawsservice", "aws:principalorgid", "aws:principalorgpaths", "aws:referer", "aws:requestedregion",
        "aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths", "aws:securetransport", "aws:sourceip",
        "aws:sourcevpc", "aws:sourcevpce", "aws:tagkeys", "aws:useragent", "aws:viaawsservice", "aws:vpcsourceip",
    }
)  # fmt: skip
_FAMILIES = ("aws:requesttag/", "aws:resourcetag/")
"""Keys that do not tell one principal of an account from another.

Source: IAM User Guide, "AWS global condition context keys".
"""


def dominated(env: Environment, technique: Technique, arn: str) -> bool:
    """True only if whoever may do everything in its account can use the technique wherever the principal `arn` of it can."""
    actions = frozenset(a for v in technique.variants for a in v.actions)
    return not env.endpoints and not any(_meets_policy(env, a) for a in actions) and same_ceilings(env, actions, arn)


def _meets_policy(env: Environment, action: str) -> bool:
    """Whether a request of the action (lower case) may meet a resource policy of this environment, as far as inputs tell."""
    if policy_required(action):
        return True
    held = once(env.memo, "policied", lambda: frozenset(a.split(":")[2] for a in env.resources if a.count(":") >= _ARN))
    return not held.isdisjoint(services_of(action))


_ARN = 5
"""The colons of an ARN up to its resource."""


def request_dominated(search: Search, targets: tuple[Target, ...]) -> bool:
    """True only if whoever may do everything in its account is allowed the question's request wherever another of its
    principals is.
    """
    ask, env = search.ask, search.env
    if ask.given or ask.when is not TRUE or ask.documents != NO_DOCUMENTS or ask.also or env.endpoints:
        return False
    action = search.action.lower()
    if policy_required(action):
        return False
    open_ = may_meet_policy(action)
    for t in targets:
        if t.holder is not None or (open_ if t.resource is None else policy_holder(env, t.resource) is not None):
            return False
    return same_ceilings(env, frozenset({action}), None)


def same_ceilings(env: Environment, actions: frozenset[str], arn: str | None) -> bool:
    """True only if SCPs and RCPs refuse the user or role an action (lower case) wherever they refuse it to another of its
    account. None stands for any of them.
    """
    if arn is not None and arn.endswith(":root"):
        return False
    found = once(env.memo, ("exempt", actions), lambda: _exempted(_ceilings(env, actions)))
    if found is None or (arn is None and found):
        return False
    return arn is None or not any(match(p, arn) for p in found)


def _exempted(statements: Iterator[Statement | None]) -> tuple[Pattern, ...] | None:
    """The ARNs of principals that some Deny spares, as patterns; None if who calls matters in any other way."""
    out: list[Pattern] = []
    for statement in statements:
        told = _tells_apart(statement)
        if told is None:
            return None
        out += told
    return tuple(out)


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
    """Whom of an account a Deny spares by ARN; None if the statement may hold for one of them and not for another otherwise.

    RCPs can name only everyone.
    """
    if statement is None or statement.malformed is not None:
        return None
    who = statement.principal
    if who is not None and (who.negated or any(getattr(e, "value", None) != "*" for e in who.entries)):
        return None
    patterns = statement.resource.patterns if statement.resource is not None else ()
    texts = (*(v for c in statement.conditions for v in c.values), *(getattr(p, "text", "${") for p in patterns))
    if any("${" in t for t in texts):
        return None
    out: list[Pattern] = []
    for c in statement.conditions:
        if _is_common(c.key.lower()):
            continue
        named = c.key.lower() == "aws:principalarn" and not (c.quantifier or c.malformed)
        if named and c.operator in _NAMES and all(v.endswith(":root") for v in c.values):
            return []  # it never holds for a user or role
        spares = named and c.operator in _SPARES
        if statement.effect is not Effect.DENY or not spares:
            return None
        out += [tokenize(v, variables=False) for v in c.values]
    return out


_NAMES = ("ArnLike", "ArnEquals", "StringLike", "StringEquals")
_SPARES = ("ArnNotLike", "ArnNotEquals", "StringNotLike")


def _is_common(key: str) -> bool:
    """Whether a key (lower case) does not tell one principal of an account from another: what it sends, or whom it calls."""
    if key in _NOT_ABOUT_THE_CALLER or key.startswith(_FAMILIES):
        return True
    return not key.startswith(("aws:", "sts:")) and key_row(key, None).present in ("action", "request", "resource-tag")

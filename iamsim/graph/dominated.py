"""Techniques that whoever may do everything in an account can use in place of any other of its principals.

A call that an administrator's own policies allow without condition is refused to it only by SCPs and RCPs. Where these ask
nothing about who calls, they refuse it to every other principal of the account as well, so that none of these can do by
such a call what the administrator cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.organization import below
from iamsim.env.types import MissingPolicy
from iamsim.ir.lower import action_term
from iamsim.ir.term import FALSE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.aws.escalations import Technique
    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy, Statement

_WITHOUT_RESOURCE_POLICIES = ("iam", "organizations", "sso")
"""Services of which a request to a user or role, a policy, or a node of the organization meets no resource policy.

Trust policies speak of STS alone. Source: IAM User Guide, "AWS services that work with IAM".
"""

_NOT_ABOUT_THE_CALLER = frozenset(
    {
        "aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:currenttime", "aws:epochtime", "aws:principalaccount",
        "aws:principalisawsservice", "aws:principalorgid", "aws:principalorgpaths", "aws:referer", "aws:requestedregion",
        "aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths", "aws:securetransport", "aws:sourceip",
        "aws:sourcevpc", "aws:sourcevpce", "aws:tagkeys", "aws:useragent", "aws:viaawsservice", "aws:vpcsourceip",
    }
)  # fmt: skip
_FAMILIES = ("iam:", "organizations:", "sso:", "aws:requesttag/", "aws:resourcetag/")
"""Keys that do not tell one principal of an account from another.

Source: IAM User Guide, "AWS global condition context keys".
"""


def dominated(env: Environment, technique: Technique) -> bool:
    """True only if whoever may do everything in its account can use the technique wherever another of its principals can."""
    key = ("dominated", technique.id)
    found: bool | None = env.memo.get(key)
    if found is None:
        actions = {c.action.lower() for v in technique.variants for c in v.calls}
        services = {a.partition(":")[0] for a in actions}
        found = services <= set(_WITHOUT_RESOURCE_POLICIES) and not any(
            _tells_apart(s) for s in _ceilings(env, frozenset(actions))
        )
        env.memo[key] = found
    return found


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


def _tells_apart(statement: Statement | None) -> bool:
    """Whether a statement may hold for one principal of an account and not for another; RCPs can name only everyone."""
    if statement is None or statement.malformed is not None:
        return True
    named = statement.principal
    if named is not None and (named.negated or any(getattr(e, "value", None) != "*" for e in named.entries)):
        return True
    patterns = statement.resource.patterns if statement.resource is not None else ()
    texts = (*(v for c in statement.conditions for v in c.values), *(getattr(p, "text", "${") for p in patterns))
    return any("${" in t for t in texts) or not all(_is_common(c.key.lower()) for c in statement.conditions)


def _is_common(key: str) -> bool:
    return key in _NOT_ABOUT_THE_CALLER or key.startswith(_FAMILIES)

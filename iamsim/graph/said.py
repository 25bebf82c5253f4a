"""The users and roles that trust policies tell by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.graph.outside import role_at
from iamsim.model.pattern import match, tokenize
from iamsim.model.policy import Malformed

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy, Statement


def says(env: Environment, role: str, arn: str) -> bool:
    """Whether the trust policy of the role tells the principal by its name."""
    trust = role_at(env, role).trust
    return trust is None or isinstance(trust, MissingPolicy) or arn in _said(env, trust)


def names_said(env: Environment) -> frozenset[str]:
    """The users and roles that some trust policy tells by their names."""

    def made() -> frozenset[str]:
        trusts = (p.trust for p in env.principals.values())
        return frozenset[str]().union(
            *(_said(env, t) for t in trusts if t is not None and not isinstance(t, MissingPolicy))
        )

    return once(env.memo, "names-said", made)


def _said(env: Environment, trust: Policy) -> frozenset[str]:
    # roles of one document share its statements
    return once(env.memo, (id(trust.statements), "said"), _principals_said, env, trust.statements)[0]


def _principals_said(
    env: Environment, statements: tuple[Statement, ...]
) -> tuple[frozenset[str], tuple[Statement, ...]]:
    patterns: dict[str, None] = {}
    for s in statements:
        patterns.update(
            (e.value, None)
            for e in (s.principal.entries if s.principal is not None else ())
            if not isinstance(e, Malformed)
            and e.type == "AWS"
            and ":iam::" in e.value
            and not e.value.endswith(":root")
        )
        patterns.update((v, None) for c in s.conditions if c.key.lower() == "aws:principalarn" for v in c.values)
    first, *rest = [once(env.memo, ("fitting", p), _fitting, env, p) for p in patterns] or [frozenset[str]()]
    return first.union(*rest) if rest else first, statements


def _fitting(env: Environment, pattern: str) -> frozenset[str]:
    """The users and roles whose ARNs fit the pattern."""
    if not set("*?") & set(pattern):
        return frozenset({pattern} & env.principals.keys())
    tokens = tokenize(pattern, variables=False)
    return frozenset(a for a in env.principals if match(tokens, a))

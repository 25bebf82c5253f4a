"""Whom the policies of a resource name: the governing policy, its entries, and the loaded principals that they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.services import TRUST_ACTIONS
from iamsim.env.facts import entities, principal_at
from iamsim.env.hits import slice_policy
from iamsim.env.resource_policy import holder_of
from iamsim.env.types import MissingPolicy
from iamsim.model.arn import parse_arn
from iamsim.model.policy import Malformed, PrincipalEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.env.facts import Facts
    from iamsim.env.index import Index
    from iamsim.env.types import Environment
    from iamsim.judge.judge import Ask
    from iamsim.model.policy import Policy


def governing(facts: Facts) -> Policy | None:
    """The resource or trust policy that governs the resource of a check, if it is known and can be read."""
    if facts.resource == "*":
        return None
    trusts = facts.resource is not None and (facts.action or "").startswith(TRUST_ACTIONS)
    role = principal_at(facts.env, facts.resource or "") if trusts else None
    if role is not None:
        policy = role.trust
    else:
        holder = holder_of(facts)
        policy = holder.policy if holder is not None else None
    return None if isinstance(policy, MissingPolicy) else policy


def entries_of(ask: Ask, policy: Policy | None, facts: Facts) -> Iterator[PrincipalEntry]:
    """All principals that policies of the resource and of endpoints name in statements on the action."""
    for one in (*([policy] if policy is not None else []), *endpoint_policies(ask)):
        for row in slice_policy(facts, one):
            for entry in row.statement.principal.entries if row.statement.principal is not None else ():
                if not isinstance(entry, Malformed):
                    yield entry
    holder = holder_of(facts)
    for grant in (holder.kms_grants or ()) if holder is not None else ():
        yield PrincipalEntry("AWS", grant.grantee)


def account_in(entry: PrincipalEntry) -> str:
    """The account that an entry is about; other text where it tells none."""
    arn = parse_arn(entry.value)
    return entry.value if arn is None else arn.account


def endpoint_policies(ask: Ask) -> Iterator[Policy]:
    """The endpoint policies of the question and of loaded endpoints, as far as they are known."""
    yield from (p for _, p in ask.documents.endpoints)
    for endpoint in ask.env.endpoints.values():
        if endpoint.policy is not None and not isinstance(endpoint.policy, MissingPolicy):
            yield endpoint.policy


def named_by(index: Index, env: Environment, entries: Iterable[PrincipalEntry]) -> Iterator[int]:
    """The principals that entries name themselves: by ARN, by session, or by unique id."""
    for entry in entries:
        if entry.type != "AWS":
            continue
        arn = parse_arn(entry.value)
        if arn is None:
            base = entry.value.partition(":")[0]
            known = entities(env).get(base)
            for found in (index.ids.get(base), index.numbers.get(known) if known is not None else None):
                if found is not None:
                    yield found
        elif arn.service == "iam":
            at = index.numbers.get(str(arn))
            if at is not None:
                yield at
        elif arn.resource.startswith("assumed-role/"):
            yield from index.roles.get((arn.account, arn.resource.split("/")[1]), ())

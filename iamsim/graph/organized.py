"""Which changes to what an organization shares are worth making: roles that services make, and delegated administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.facts import place
from iamsim.env.memo import once
from iamsim.env.organization import below
from iamsim.graph.means import may_do
from iamsim.graph.preconditions import DELEGABLE, SERVICES_OF_STANDING
from iamsim.graph.provisioned import deployed, members_of, names_asked_for, permission_sets, provisioned
from iamsim.graph.service_roles import MAKERS, active
from iamsim.graph.state import SIGNED

if TYPE_CHECKING:
    from iamsim.aws.escalations import Precondition
    from iamsim.graph.state import Closure
    from iamsim.graph.world import Node, Search


def worth_provisioning(closure: Closure, node: Node) -> frozenset[str]:
    """The roles that permission sets, new ones or those that are there, and stack sets would bring into accounts that nobody
    controlled rules; and those for whose names policies ask.
    """
    env, rulers = closure.search.env, closure.rulers()
    if not any(active(env, s) for s in MAKERS) and closure.search.ruling.says("service-active", ()) is None:
        return frozenset()
    _, sets = permission_sets(env)
    every = {arn for like in (None, *sets.values()) for arn in provisioned(env, node, like)}.union(deployed(env, node))
    asked = {arn for account in members_of(env, node) for arn in names_asked_for(env, node, account)}
    return frozenset(a for a in every if a.split(":")[4] not in rulers or a in asked)


def worth_delegating(closure: Closure, node: Node) -> frozenset[str]:
    """The accounts, as resources of the organization, in which somebody controlled might use what a delegated administrator may.

    Whoever rules the management account needs none: it may do all of that itself.
    """
    env, search = closure.search.env, closure.search
    found = place(env, node.caller.account or "")
    if found is None or node.caller.account in closure.rulers():
        return frozenset()
    signed = (n for n in closure.nodes.values() if n.caller.kind in SIGNED)
    able = {n.caller.account for n in signed if _of_delegates(search) & may_do(search, env, n)}
    organization = found[0]
    head = f"arn:{node.caller.partition}:organizations::{organization.management_account}:account/{organization.id}"
    members = (n for n in below(organization.root) if n.kind == "account" and n.id in able)
    return frozenset(n.arn or f"{head}/{n.id}" for n in members if n.id != organization.management_account)


def _of_delegates(search: Search) -> frozenset[str]:
    """The calls of techniques that take a delegated administrator."""
    return once(search.env.memo, (id(search.catalogue), "of-delegates"), _made_of_delegates, search)[0]


def _made_of_delegates(search: Search) -> tuple[frozenset[str], object]:
    every = (*search.catalogue.techniques.values(), *search.catalogue.primitives.values())
    variants = (v for t in every for v in t.variants if any(map(_delegable, v.preconditions)))
    return frozenset[str]().union(*(v.actions for v in variants)), search.catalogue


def _delegable(condition: Precondition) -> bool:
    return condition.fact == "caller-in" and SERVICES_OF_STANDING.get(condition.get("where")) in DELEGABLE

"""Roles that services make in an account when something comes there for the first time: a permission set, a stack set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iamsim.env.facts import place
from iamsim.env.memo import once
from iamsim.env.whatever import PERMISSION_SETS, STACK_SETS
from iamsim.graph.candidates import texts_of
from iamsim.graph.service_roles import across
from iamsim.model.pattern import match, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.graph.world import Node

_ROLE = "AWSReservedSSO_"
_ORDINARY, _SUFFIX = "iamsim", "00000000deadbeef"
_REGIONS, _REGION = ("", "eu-west-1/"), re.compile(r"[a-z0-9-]+/")
"""The path of such roles ends with the region of Identity Center, but for us-east-1."""


def set_of(role: str) -> str:
    """The name of the permission set for which a role stands."""
    return role.rpartition("/")[2].removeprefix(_ROLE).rpartition("_")[0]


def provisioned(env: Environment, node: Node, like: str | None) -> Iterator[str]:
    """The ARNs of the roles that would stand for a permission set in the accounts of the node's organization that have none
    like it: for a new one, of an ordinary name and of those that policies ask for, or for that of the role `like`.

    Source: IAM Identity Center User Guide, "Referencing permission sets in resource policies, Amazon EKS Cluster config maps, and
    AWS KMS key policies".
    """
    have, sets = permission_sets(env)
    for account in members_of(env, node):
        if like is not None:
            if like != sets.get(set_of(like)):
                return  # one role stands for those of all accounts
            names = [] if set_of(like) in have.get(account, ()) else [set_of(like)]
            yield from (_arn(node, account, name, "") for name in names)
            continue
        if account not in have:
            yield _arn(node, account, _ORDINARY, "")
        yield from names_asked_for(env, node, account)


def deployed(env: Environment, node: Node) -> Iterator[str]:
    """The ARNs of the roles with which CloudFormation would deploy stack sets in the member accounts of the node's organization
    that have none.

    Source: AWS CloudFormation User Guide, "Activate trusted access for stack sets with AWS Organizations".
    """
    have = {env.principals[arn].account for arn in across(env, "role-is-stack-set-execution")}
    managing = {o.management_account for o in env.organizations}
    for account in members_of(env, node):
        if account not in have | managing:
            yield f"arn:{node.caller.partition}:iam::{account}:role/{STACK_SETS}{_SUFFIX}"


def members_of(env: Environment, node: Node) -> Iterator[str]:
    """The loaded accounts of the node's organization; the management account only if it is the node's."""
    found = place(env, node.caller.account or "")
    for account in sorted(env.accounts) if found is not None else ():
        at = place(env, account)
        if found is None or at is None or at[0] is not found[0]:
            continue
        if account != found[0].management_account or account == node.caller.account:
            yield account


def names_asked_for(env: Environment, node: Node, account: str) -> Iterator[str]:
    """The roles of new permission sets whose names policies ask for."""
    texts = {t for ts in texts_of(env, ("aws:principalarn",)).values() for t in ts if _ROLE in t and "${" not in t}
    for text in sorted(texts):
        name = text.partition(_ROLE)[2].rpartition("_")[0].replace("*", "x").replace("?", "x") or _ORDINARY
        shape = tokenize(text, variables=False)
        region = text.rpartition(_ROLE)[0].rpartition(PERMISSION_SETS)[2]
        regions = dict.fromkeys((*_REGIONS, *((region,) if _REGION.fullmatch(region) else ())))
        made = (_arn(node, account, name, r) for r in regions)
        yield from (arn for arn in made if match(shape, arn))


def _arn(node: Node, account: str, name: str, region: str) -> str:
    return f"arn:{node.caller.partition}:iam::{account}:role{PERMISSION_SETS}{region}{_ROLE}{name}_{_SUFFIX}"


def permission_sets(env: Environment) -> tuple[Mapping[str, frozenset[str]], Mapping[str, str]]:
    """The permission sets for which some role stands, by account; and a role for each of them, whose policies are those of all."""
    return once(env.memo, "permission-sets", _permission_sets, env)


def _permission_sets(env: Environment) -> tuple[Mapping[str, frozenset[str]], Mapping[str, str]]:
    have: dict[str, frozenset[str]] = {}
    every = sorted(across(env, "role-is-permission-set"), reverse=True)
    for arn in every:
        account = env.principals[arn].account
        have[account] = have.get(account, frozenset()) | {set_of(arn)}
    return have, {set_of(arn): arn for arn in every}

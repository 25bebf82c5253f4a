"""What the keys of organizations cannot be for accounts that no loaded organization lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.facts import org_path, places
from iamsim.ir.term import Like, Present, all_of, each, implies, not_
from iamsim.model.pattern import plain, tokenize

if TYPE_CHECKING:
    from iamsim.env.facts import Facts
    from iamsim.ir.term import Term


def base_name(var: str) -> str:
    """The name of the condition key, without the hop or account in front."""
    return var.rpartition("|")[2]


def elsewhere(facts: Facts, read: frozenset[str]) -> list[Term]:
    """An account that no loaded tree lists is in none of the loaded organizations, unless what is missing counts as unknown.

    The management account, which is always in its organization, may have any path of that one alone.
    """
    parts: list[Term] = []
    for var in sorted(v for v in read if base_name(v) in _ORGANIZATION and "|" in v and facts.missing != "strict"):
        account, paths = var.partition("|")[0], base_name(var) == "aws:orgpaths"
        for o in facts.env.organizations:
            inside = Like(var, tokenize(f"{o.id}/*", variables=False) if paths else plain(o.id))
            if o.management_account == account:
                parts += [Present(var), each(var, inside)]
            else:
                parts.append(each(var, not_(inside)) if paths else not_(inside))
    return parts


_ORGANIZATION = ("aws:orgid", "aws:orgpaths")


def of_source(facts: Facts, read: frozenset[str]) -> list[Term]:
    """Where an account is that a service names as its source, if a loaded tree lists it.

    Source: IAM User Guide, "AWS global condition context keys", aws:SourceAccount, aws:SourceOrgID and aws:SourceOrgPaths.
    """
    account = facts.hop + "aws:sourceaccount"
    parts: list[Term] = []
    for var in (facts.hop + "aws:sourceorgid", facts.hop + "aws:sourceorgpaths"):
        if var not in read or account not in read:
            continue
        for name, (organization, nodes) in sorted(places(facts.env).items()):
            there = org_path(organization, nodes) if var.endswith("paths") else organization.id
            parts.append(
                implies(Like(account, plain(name)), all_of((Present(var), each(var, Like(var, plain(there))))))
            )
    return parts

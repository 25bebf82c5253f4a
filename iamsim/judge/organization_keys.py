"""What the keys of organizations cannot be for accounts that no loaded organization lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.ir.term import Like, Present, each, not_
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

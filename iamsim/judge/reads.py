"""What documents read of the caller itself: the keys whose values tell principals of one account apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.aws.keys import key_row
from iamsim.env.hits import slice_policy
from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import Compare, Each, InNetwork, Like, Parses, Present, Some, all_of, subterms, variables
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import Pattern

if TYPE_CHECKING:
    from iamsim.env.facts import Facts
    from iamsim.ir.term import Term
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy

_ARN, _NAME, _ID, _TAG = "aws:principalarn", "aws:username", "aws:userid", "aws:principaltag/"
_SESSION_KEYS = ("aws:tokenissuetime", "aws:sourceidentity", "aws:federatedprovider")
_SESSION_ROWS = ("oidc-session", "saml-session", "oidc-token", "oidc-unknown-claim", "saml-assertion", "instance",
                 "function", "service-session")  # fmt: skip
_ATOMS = (Present, Like, Compare, InNetwork, Parses, Each, Some)


@dataclass(frozen=True, slots=True)
class Reads:
    """What a document reads of the caller itself when asked about an action.

    `fine` are the keys whose values differ within an account, `coarse` the others; `arns` the atoms that look at the
    caller's ARN, None if it is used otherwise. `session`: it reads how a session came about. `nothing`: it reads no key at
    all, not even of the request.
    """

    fine: tuple[str, ...]
    coarse: tuple[str, ...]
    arns: tuple[Term, ...] | None
    session: bool
    nothing: bool


def values_of(reads: Reads, caller: Caller, tables: dict[object, dict[str, object]]) -> tuple[object, ...]:
    """What the keys that a document reads hold for the caller, as far as it matters.

    `tables` keeps what atoms say of an ARN.
    """
    return tuple(_value(reads, caller, v, tables) for v in reads.fine)


def _value(reads: Reads, caller: Caller, var: str, tables: dict[object, dict[str, object]]) -> object:
    if var == _ARN:
        arn = caller.arn or ""
        if reads.arns is None:
            return arn
        table = tables.setdefault(reads.arns, {})
        if arn not in table:
            table[arn] = tuple(evaluate(t, {_ARN: (arn,)}) for t in reads.arns)
        return table[arn]
    if var == _NAME:
        return caller.name if caller.kind is CallerKind.USER else None
    if var == _ID:
        return caller.unique_id or caller.arn
    name = var.partition("/")[2]
    value = next((v for k, v in caller.tags if k.lower() == name), None)
    return value, caller.tags_known, caller.open_tags, name in caller.open_keys


def is_fine(var: str) -> bool:
    """True iff the key is about the principal itself, not about its account."""
    return var in (_ARN, _NAME, _ID) or var.startswith(_TAG)


def of_session(var: str) -> bool:
    """True iff the key tells how a session came about."""
    return var in _SESSION_KEYS or key_row(var, None).present in _SESSION_ROWS if ":" in var else False


def reads_of(facts: Facts, policy: Policy) -> Reads:
    """What the statements of a policy on the action of `facts` read of the caller."""
    if policy.malformed is not None:
        return Reads((), (), (), session=False, nothing=True)
    names: set[str] = set()
    atoms: dict[Term, None] = {}
    plain = True
    for row in slice_policy(facts, policy):
        patterns = row.statement.resource.patterns if row.statement.resource is not None else ()
        inside = {v.key for p in patterns if isinstance(p, Pattern) for v in p.variables}
        plain = plain and _ARN not in inside
        names |= inside | variables(all_of((row.action, row.conditions)))
        for t in subterms(row.conditions):
            if isinstance(t, _ATOMS) and _ARN in variables(t):
                atoms[t] = None
                plain = plain and variables(t) == {_ARN}
    fine = tuple(sorted(v for v in names if is_fine(v)))
    coarse = tuple(sorted(names.difference(fine)))
    session = any(of_session(v) for v in names)
    return Reads(fine, coarse, tuple(atoms) if plain else None, session=session, nothing=not names)

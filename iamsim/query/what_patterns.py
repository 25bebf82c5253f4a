"""The resource patterns that one caller's own policies name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.aws.universe import universe
from iamsim.env.granted import statement_bits
from iamsim.env.types import MissingPolicy
from iamsim.ir.bindings import Known
from iamsim.model.arn import parse_arn
from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, Variable
from iamsim.model.policy import Effect
from iamsim.query.what_classes import free_actions

if TYPE_CHECKING:
    from iamsim.ir.bindings import Lookup
    from iamsim.model.caller import Caller


def patterns_of(caller: Caller, own: dict[str, Any], lookup: Lookup, *, root: bool) -> tuple[tuple[int, str], ...]:
    """The resource patterns of the Allow statements of identity policies, each with the actions that it stands with.

    `own` are the policies of the caller by kind, `lookup` tells what its keys hold; `root`: it may do everything.
    """
    every = universe().all
    found: dict[str, int] = {"*": every if root else free_actions(caller)}
    for policy in own["identity"]:
        if isinstance(policy, MissingPolicy) or policy.malformed is not None:
            found["*"] = every
            continue
        for s in policy.statements:
            if s.effect is Effect.DENY:
                continue
            plain = s.resource is not None and not s.resource.negated and s.malformed is None
            for p in s.resource.patterns if plain and s.resource is not None else ("*",):
                text = _text(p, lookup) if isinstance(p, Pattern) else "*"
                found[text] = found.get(text, 0) | statement_bits(s)
    return tuple((bits, text) for text, bits in sorted(found.items()) if bits)


def _text(pattern: Pattern, lookup: Lookup) -> str:
    """A pattern of the query, variables replaced by what they hold for the caller; `*` where that is not plain or no ARN."""
    parts: list[str] = []
    for part in pattern.parts:
        match part:
            case Literal(text):
                parts.append(text)
            case Star():
                parts.append("*")
            case AnyChar():
                parts.append("?")
            case Variable(key):
                bound = lookup(key)
                if not isinstance(bound, Known) or len(bound.values) != 1:
                    return "*"
                parts.append(bound.values[0])
    plain = all(not isinstance(p, Literal) or not set(p.text) & set("*?") for p in pattern.parts)
    text = "".join(parts)
    wild = sum(isinstance(p, Star | AnyChar) for p in pattern.parts)
    plain = plain and wild == text.count("*") + text.count("?")
    return text if plain and parse_arn(text) is not None else "*"

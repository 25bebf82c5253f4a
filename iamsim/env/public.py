"""Whether a bucket policy is public in the sense of S3 Block Public Access."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

from iamsim.ir.term import FALSE, TRUE, Opaque, any_of, malformed
from iamsim.ir.values import network
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from iamsim.ir.term import Term
    from iamsim.model.policy import Condition, Policy, Statement

# Keys with a fixed value of which a statement is not public.
_FIXING = frozenset(
    [
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalservicename",
        "aws:userid",
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    ]
)
# Keys about which the documentation leaves the meaning open.
_OPEN = frozenset(
    [
        "aws:vpceaccount",
        "aws:vpceorgid",
        "aws:vpceorgpaths",
        "aws:sourcevpcarn",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:principalservicenameslist",
    ]
)
_POSITIVE = ("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "IpAddress")
_PRIVATE = tuple(ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))


def public(policy: Policy) -> Term:
    """TRUE iff one Allow statement of a bucket policy is public, FALSE iff none is, U where the rules do not settle it.

    Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage: The meaning of public".
    """
    if policy.malformed is not None:
        return malformed(policy.malformed.reason)
    return any_of(_statement(s) for s in policy.statements if s.effect is not Effect.DENY)


def _statement(statement: Statement) -> Term:
    unsure = Opaque("unsupported:public access of this policy shape")
    if (
        statement.malformed is not None
        or statement.effect is Effect.BOTH
        or statement.principal is None
        or statement.principal.negated
    ):
        return unsure
    entries = statement.principal.entries
    if any(isinstance(e, Malformed) for e in entries):
        return unsure
    if not any(not isinstance(e, Malformed) and (e.type == "*" or e.value == "*") for e in entries):
        return FALSE
    found = [_condition(c) for c in statement.conditions]
    if "fixed" in found:
        return FALSE
    return unsure if "open" in found else TRUE


def _condition(condition: Condition) -> str:
    """`fixed` if the condition restricts the statement to known callers, `open` if that is not settled, else `none`."""
    key = condition.key.lower()
    if key in _OPEN:
        return "open"
    if key != "aws:sourceip" and key not in _FIXING:
        return "none"
    if condition.malformed is not None:
        return "open"
    if condition.if_exists or "Not" in condition.operator or condition.operator == "Null":
        return "none"
    if condition.operator not in _POSITIVE:
        return "open"
    if condition.quantifier is not None and condition.quantifier.value == "ForAllValues":
        return "open"
    if key == "aws:sourceip":
        return "fixed" if all(_narrow(v) for v in condition.values) else "none"
    return _values(key, condition.values)


def _values(key: str, values: tuple[str, ...]) -> str:
    if not any(c in v for v in values for c in "*?") and not any("${" in v for v in values):
        return "fixed"
    if key == "aws:userid" and all(v.endswith(":*") and "*" not in v[:-2] and len(v) > 10 for v in values):
        return "fixed"
    if key == "s3:dataaccesspointarn" and all("*" not in v.rpartition(":accesspoint/")[0] for v in values):
        return "fixed"
    return "open" if key == "aws:principalarn" else "none"


def _narrow(value: str) -> bool:
    block = network(value)
    if block is None:
        return False
    for private in _PRIVATE:
        if isinstance(block, IPv4Network) and isinstance(private, IPv4Network) and block.subnet_of(private):
            return True
        if isinstance(block, IPv6Network) and isinstance(private, IPv6Network) and block.subnet_of(private):
            return True
    return block.prefixlen >= (8 if block.version == 4 else 32)

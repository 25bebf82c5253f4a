"""Policy variables in patterns: what their values, or the lack of one, do to a match."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.aws.keys import key_row
from iamsim.ir.term import Like, Opaque, Present, agree, all_of, any_of, ite, not_
from iamsim.model.pattern import Literal, Pattern, Star, is_variable, plain, substitute

if TYPE_CHECKING:
    from iamsim.ir.term import Term

# Condition keys whose values AWS's own naming rules keep free of `*` and `?`.
# Source: IAM and STS API references, patterns of UserName, RoleSessionName, SourceIdentity and Tag.
_CLEAN = (
    "aws:username", "aws:userid", "aws:principalaccount", "aws:principalorg", "aws:principalarn", "aws:principaltype",
    "aws:resourceaccount", "aws:resourceorg", "aws:sourceaccount", "aws:sourceip", "aws:currenttime", "aws:epochtime",
    "aws:federatedprovider", "aws:sourcevpc", "aws:requestedregion", "sts:rolesessionname", "sts:sourceidentity",
)  # fmt: skip


def without_value(pattern: Pattern, value: Term) -> Term:
    """`value` where a usable policy variable of `pattern` has no value, else false (semantics X43)."""
    usable = [v for v in pattern.variables if is_variable(v.key) and not key_row(v.key, None).multivalued]
    lacking = any_of(not_(Present(v.key)) for v in usable if v.default is None)
    return all_of((lacking, value))


def substituted(pattern: Pattern, found: Term) -> Term:
    """`found`, or U where a substituted value holds a wildcard character (semantics X6) or cannot be used (X7, X34)."""
    bad: list[Term] = []
    for v in pattern.variables:
        row = key_row(v.key, None)
        if not is_variable(v.key):
            return Opaque("malformed:X34" if "${" in v.key else "malformed:variable")
        if row.multivalued:
            return Opaque("X7")
        if v.default is not None and ("*" in v.default or "?" in v.default):
            bad.append(any_of((not_(Present(v.key)), Like(v.key, plain("")))))
        if not v.key.startswith(_CLEAN):
            bad += [Like(v.key, Pattern("", (Star(), Literal(c), Star()))) for c in "*?"]
    found = defaulted(pattern, found)
    return ite(any_of(bad), Opaque("X6"), found) if bad else found


def defaulted(pattern: Pattern, found: Term) -> Term:
    """`found`; where a variable with a default is present but empty, U if value and default differ (semantics X7)."""
    if not isinstance(found, Like):
        return found
    for v in pattern.variables:
        if v.default is not None:
            other = replace(found, pattern=substitute(pattern, {v.key: v.default}))
            found_either = agree(found, other, "X7")
            return ite(Like(v.key, plain("")), found_either, found)
    return found

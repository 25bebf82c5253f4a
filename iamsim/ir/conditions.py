"""Conditions to terms. Absence, set operators and IfExists are spelled out here, once."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from iamsim.aws.keys import Listing, key_row
from iamsim.aws.operators import OPERATORS
from iamsim.ir import values
from iamsim.ir.evaluate import evaluate
from iamsim.ir.policy_variables import defaulted, substituted, without_value
from iamsim.ir.term import (
    TRUE,
    Compare,
    InNetwork,
    Label,
    LabelKind,
    Like,
    Opaque,
    Parses,
    Present,
    Sort,
    agree,
    all_of,
    any_of,
    each,
    malformed,
    named,
    not_,
    some,
)
from iamsim.ir.term import variables as variables_of
from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, is_variable, join, plain, single_characters, tokenize
from iamsim.model.policy import Quantifier

if TYPE_CHECKING:
    from fractions import Fraction

    from iamsim.aws.operators import OperatorRow
    from iamsim.ir.term import Term, Var
    from iamsim.model.pattern import Part
    from iamsim.model.policy import Condition, Statement


def condition_term(condition: Condition, *, variables: bool) -> Term:
    """The truth of one operator and key, named, over the key in lower case. `variables`: version 2012-10-17.

    Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Single-valued vs. multivalued
    context keys".
    """
    text = f"{_operator_text(condition)} {condition.key}"
    label = Label(LabelKind.CONDITION, text, condition.origin)
    if condition.malformed is not None:
        return named(label, malformed(condition.malformed.reason))
    row = OPERATORS[condition.operator]
    key = condition.key.lower()
    if row.compares == "null":
        return named(label, _null(key, condition.values))
    return named(label, _quantified(condition, row, key, variables=variables))


def _operator_text(condition: Condition) -> str:
    prefix = f"{condition.quantifier}:" if condition.quantifier else ""
    return prefix + condition.operator + ("IfExists" if condition.if_exists else "")


def _null(key: Var, wanted: tuple[str, ...]) -> Term:
    """`Null`; a present empty value may count as null (semantics X10)."""
    parts: list[Term] = []
    row = key_row(key, None)
    empty: Term = Like(key, plain(""))
    if row.multivalued or row.listing is Listing.UNKNOWN:
        empty = all_of((Present(key), each(key, empty)))
    for value in wanted:
        low = values.boolean(value)
        if low is None:
            parts.append(Opaque("malformed:Null"))
        elif low:
            parts.append(any_of((not_(Present(key)), all_of((empty, Opaque("X10"))))))
        else:
            parts.append(all_of((Present(key), any_of((not_(empty), Opaque("X10"))))))
    if len({values.boolean(v) for v in wanted} & {True, False}) == 2:
        return TRUE
    return any_of(parts)


def _quantified(condition: Condition, row: OperatorRow, key: Var, *, variables: bool) -> Term:
    here = Present(key)
    leaf = _leaf(condition, row, key, variables=variables)
    row_of_key = key_row(key, None)
    multivalued = row_of_key.multivalued
    if condition.quantifier is not None and row_of_key.listing is Listing.UNKNOWN:
        multivalued = True  # an unknown key is single-valued unless a set operator is used on it
    match condition.quantifier:
        case Quantifier.ALL:
            held = _for_all(key, leaf, multivalued=multivalued)
            return any_of((not_(here), held))
        case Quantifier.ANY:
            held = all_of((here, _for_any(key, leaf, multivalued=multivalued)))
            if not condition.if_exists:
                return held
            empty = Like(key, plain(""))
            void = all_of((here, each(key, empty) if multivalued else empty))  # may count as absent (X10)
            return any_of((held, all_of((any_of((not_(here), void)), Opaque("X9")))))
        case None:
            if multivalued:
                leaf = Opaque("X8")
            elif row_of_key.listing is Listing.UNKNOWN:
                # of several stated values it is not known which one counts
                leaf = agree(each(key, leaf), some(key, leaf), "X8")
            if row.negated or condition.if_exists:
                return any_of((not_(here), leaf))
            return all_of((here, leaf))


def _for_all(key: Var, leaf: Term, *, multivalued: bool) -> Term:
    """All values satisfy `leaf`; an empty text may count as no value at all (semantics X10)."""
    if _at_empty(key, leaf) is True:
        return each(key, leaf) if multivalued else leaf
    loose = any_of((leaf, Like(key, plain(""))))
    if multivalued:
        return any_of((each(key, leaf), all_of((Opaque("X10"), each(key, loose)))))
    return any_of((leaf, all_of((Opaque("X10"), loose))))


def _for_any(key: Var, leaf: Term, *, multivalued: bool) -> Term:
    if _at_empty(key, leaf) is False:
        return some(key, leaf) if multivalued else leaf
    tight = all_of((leaf, not_(Like(key, plain("")))))
    if multivalued:
        return any_of((some(key, tight), all_of((Opaque("X10"), some(key, leaf)))))
    return any_of((tight, all_of((Opaque("X10"), leaf))))


def _at_empty(key: Var, leaf: Term) -> bool | None:
    """The value of `leaf` for the empty text, None if that depends on other keys or is U."""
    return evaluate(leaf, {key: ("",)}) if variables_of(leaf) <= {key} else None


def _leaf(condition: Condition, row: OperatorRow, key: Var, *, variables: bool) -> Term:
    """Base comparison of one value of `key` with all policy values: OR, or NOR for a negated operator."""
    hits: list[Term] = []
    for value in condition.values:
        hit = _compare(row, key, value, variables=variables)
        hits.append(hit)
    found = any_of(hits)
    if not row.negated:
        return found
    sort = _SORTS.get(row.compares.split(" ")[0])
    if sort is Sort.NUMBER:
        sort = _number_sort(key)
    unread = _unread(key, sort)
    return all_of((not_(found), unread)) if unread is not TRUE else not_(found)


_MAPPED = ip_network("::ffff:0:0/96")
_SORTS = {"number": Sort.NUMBER, "date": Sort.DATE, "address": Sort.ADDRESS, "arn": Sort.ARN}


def _number_sort(key: Var) -> Sort:
    """`aws:EpochTime` is the instant of `aws:CurrentTime`, so its numbers are read as dates."""
    return Sort.DATE if key == "aws:epochtime" else Sort.NUMBER


def _unread(key: Var, sort: Sort | None) -> Term:
    """TRUE where a value of `key` can be read as `sort`, else U: a negated operator on it is undocumented (X16)."""
    if sort is None:
        return TRUE
    return any_of((Parses(key, sort), Opaque("X16")))


def _compare(row: OperatorRow, key: Var, value: str, *, variables: bool) -> Term:
    kind, _, op = row.compares.partition(" ")
    match kind:
        case "text":
            return _text(row, key, value, variables=variables)
        case "number":
            wanted = values.number(value)
            return Opaque("malformed:number") if wanted is None else Compare(key, op, wanted, _number_sort(key))
        case "date":
            return _date(key, op, value)
        case "bool":
            return _bool(key, value)
        case "binary":
            data = values.binary(value)
            return Opaque("malformed:base64") if data is None else Compare(key, "==", data, Sort.BINARY)
        case "address":
            return _address(key, value)
        case _:
            return _arn(key, value, variables=variables)


def _text(row: OperatorRow, key: Var, value: str, *, variables: bool) -> Term:
    pattern = tokenize(value, wildcards=row.wildcards, variables=variables)
    if not pattern.variables:
        exact = Like(key, pattern, fold_case=row.fold_case)
        return _fold_unsure(key, value, exact) if row.fold_case and not value.isascii() else exact
    found = Like(key, pattern, fold_case=row.fold_case)
    return substituted(pattern, found) if row.wildcards else _defaults_only(pattern, found)


def _fold_unsure(key: Var, value: str, folded: Term) -> Term:
    """Letters outside ASCII that differ in case only: it is not documented whether they are equal (semantics 3.3)."""
    forms = [sorted({c, *(o for o in (c.lower(), c.upper()) if len(o) == 1)}) for c in value if not c.isascii()]
    if prod(len(f) for f in forms) > 64:
        return any_of((folded, Opaque("case:non-ascii")))
    others = []
    for chosen in product(*forms):
        letters = iter(chosen)
        text = "".join(c if c.isascii() else next(letters) for c in value)
        others.append(Like(key, plain(text), fold_case=True))
    return any_of((folded, all_of((Opaque("case:non-ascii"), any_of(others)))))


def _defaults_only(pattern: Pattern, found: Term) -> Term:
    for v in pattern.variables:
        if not is_variable(v.key):
            return Opaque("malformed:X34" if "${" in v.key else "malformed:variable")
        if key_row(v.key, None).multivalued:
            return Opaque("X7")
    return defaulted(pattern, found)


def _date(key: Var, op: str, value: str) -> Term:
    wanted = values.date(value)
    if wanted is None:
        return Opaque("malformed:date")
    other = values.ambiguous_date(value)
    found = _compare_date(key, op, wanted)
    return found if other is None else agree(found, _compare_date(key, op, other), "X11")


def _compare_date(key: Var, op: str, wanted: Fraction) -> Term:
    return Compare(key, op, wanted, Sort.DATE)


def _bool(key: Var, value: str) -> Term:
    if values.boolean(value) is None:
        return Opaque("X4" if "${" in value else "malformed:bool")
    return Like(key, plain(value.lower()), fold_case=True)


def _address(key: Var, value: str) -> Term:
    block = values.network(value)
    if block is None:
        return Opaque("malformed:address")
    inside = InNetwork(key, block)
    return any_of((inside, all_of((InNetwork(key, _MAPPED), Opaque("X12"))))) if block.version == 4 else inside


def _arn(key: Var, value: str, *, variables: bool) -> Term:
    """An ARN operator: six components, no wildcard crosses into another of the first five.

    Source: IAM User Guide, "IAM JSON policy elements: Condition operators", ARN condition operators.
    """
    pattern = tokenize(value, variables=variables)
    parts: list[Part] = []
    colons = 0
    for p in single_characters(pattern):
        if colons >= 5:
            parts.append(p)
        elif isinstance(p, Literal):
            colons += p.text == ":"
            parts.append(p)
        elif isinstance(p, Star):
            parts.append(Star(field=True))
        elif isinstance(p, AnyChar):
            parts.append(AnyChar(field=True))
        else:
            parts.append(p)
    if colons < 5:
        return all_of((not_(without_value(pattern, TRUE)), Opaque("X13")))
    full = join(value, parts)
    found = Like(key, full)
    held = substituted(full, found) if full.variables else found
    # a value that is no ARN matches no pattern, however wide
    return held if value.startswith("arn:") else all_of((Parses(key, Sort.ARN), held))


def conditions_term(statement: Statement, *, variables: bool) -> Term:
    """The conjunction of all conditions of a statement, each named."""
    return all_of(condition_term(c, variables=variables) for c in statement.conditions)

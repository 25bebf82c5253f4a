"""Condition operators: what each compares, and whether it is negated, takes wildcards, or takes policy variables."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

_SOURCE = 'IAM User Guide, "IAM JSON policy elements: Condition operators"'


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """One base operator. `compares` names the base comparison; `negated` means NOR over the policy values."""

    name: str
    compares: str
    negated: bool
    wildcards: bool
    variables: bool
    fold_case: bool
    source: str = _SOURCE


def _pair(
    name: str, twin: str | None, compares: str, *, wild: bool = False, var: bool = False, fold: bool = False
) -> list[OperatorRow]:
    rows = [OperatorRow(name, compares, False, wild, var, fold)]
    return [*rows, OperatorRow(twin, compares, True, wild, var, fold)] if twin else rows


ROWS: tuple[OperatorRow, ...] = (
    *_pair("StringEquals", "StringNotEquals", "text", var=True),
    *_pair("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "text", var=True, fold=True),
    *_pair("StringLike", "StringNotLike", "text", wild=True, var=True),
    *_pair("NumericEquals", "NumericNotEquals", "number =="),
    *_pair("NumericLessThan", None, "number <"),
    *_pair("NumericLessThanEquals", None, "number <="),
    *_pair("NumericGreaterThan", None, "number >"),
    *_pair("NumericGreaterThanEquals", None, "number >="),
    *_pair("DateEquals", "DateNotEquals", "date =="),
    *_pair("DateLessThan", None, "date <"),
    *_pair("DateLessThanEquals", None, "date <="),
    *_pair("DateGreaterThan", None, "date >"),
    *_pair("DateGreaterThanEquals", None, "date >="),
    *_pair("Bool", None, "bool", fold=True),
    *_pair("BinaryEquals", None, "binary"),
    *_pair("IpAddress", "NotIpAddress", "address"),
    *_pair("ArnEquals", "ArnNotEquals", "arn", wild=True, var=True),
    *_pair("ArnLike", "ArnNotLike", "arn", wild=True, var=True),
    OperatorRow("Null", "null", False, False, False, True),
)

OPERATORS = MappingProxyType({row.name: row for row in ROWS})

"""JSON value of a Condition element → conditions and diagnostics."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Origin
from iamsim.findings import diagnostic, printable
from iamsim.model.json_text import DUPLICATE
from iamsim.model.policy import Condition, Malformed, Quantifier

if TYPE_CHECKING:
    from iamsim.diagnostics import Diagnostic

OPERATORS: tuple[str, ...] = (
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnNotEquals",
    "ArnLike",
    "ArnNotLike",
)
"""The base condition operators besides `Null`.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

_BY_FOLD = {name.lower(): name for name in (*OPERATORS, "Null")}
_PREFIXES = {"forallvalues": Quantifier.ALL, "foranyvalue": Quantifier.ANY}
_FAMILY = re.compile("Numeric|Date|Bool|Null|Ip|Binary")
_LITERALS = {
    "Numeric": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII),
    "Date": re.compile(
        r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?|[+-]?\d+(\.\d+)?", re.ASCII
    ),
    "Bool": re.compile(r"true|false|\$\{.*\}", re.IGNORECASE | re.DOTALL),
    "Null": re.compile(r"true|false", re.IGNORECASE),
    "Ip": re.compile(r"[0-9.]{7,15}(/\d{1,2})?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/\d{1,3})?", re.ASCII),
    "Binary": re.compile(r"[A-Za-z0-9+/]*={0,2}"),
}


@dataclass(frozen=True, slots=True)
class OperatorName:
    """A condition operator taken apart; `exact` is false if it was recognised only by ignoring case."""

    base: str
    quantifier: Quantifier | None
    if_exists: bool
    exact: bool


@lru_cache(maxsize=1024)
def operator_name(text: str) -> OperatorName | None:
    """The parts of a condition operator, or None iff AWS has no such operator, whatever the case.

    Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
    """
    prefix, colon, rest = text.rpartition(":")
    quantifier = _PREFIXES.get(prefix.lower())
    if colon and quantifier is None:
        return None
    folded = rest.lower()
    if_exists = folded.endswith("ifexists")
    base = _BY_FOLD.get(folded.removesuffix("ifexists"))
    if base is None:
        return None
    spelled = (f"{quantifier}:" if quantifier else "") + base + ("IfExists" if if_exists else "")
    return OperatorName(base, quantifier, if_exists, text == spelled)


def read_conditions(value: Any, origin: Origin, out: list[Diagnostic]) -> tuple[Condition, ...]:
    """The conditions of a Condition element at `origin`; what is malformed becomes an unknown leaf and a diagnostic."""
    if not isinstance(value, dict):
        return (_malformed("", "", "a condition is an object of operators", origin, out),)
    found: list[Condition] = []
    for name, keys in value.items():
        here = _child(origin, name)
        if not isinstance(keys, dict):
            reason = f"operator `{printable(name)}` takes an object of condition keys"
            found.append(_malformed(name, "", reason, here, out))
            continue
        found += _operator(name, keys, here, out)
    return tuple(found)


def _child(origin: Origin, name: str) -> Origin:
    """`origin.child(name)`, at the price of one call for a plain name."""
    return origin.child(name) if "/" in name or "~" in name else Origin(origin.source, f"{origin.pointer}/{name}")


def _operator(name: str, keys: dict[str, Any], origin: Origin, out: list[Diagnostic]) -> list[Condition]:
    op = operator_name(name)
    malformed = None
    if op is None:
        malformed = Malformed(f"unknown condition operator `{printable(name)}`")
        out.append(diagnostic("policy-operator", origin, malformed.reason, help=_suggestion(name)))
        op = OperatorName(name, None, False, True)
    if not op.exact:
        out.append(diagnostic("policy-case", origin, f"operator `{printable(name)}` is not in AWS's spelling"))
    if op.base == "Null" and (op.quantifier or op.if_exists):
        out.append(diagnostic("policy-null-modifier", origin, f"`{printable(name)}` is read as plain `Null`"))
        op = OperatorName("Null", None, False, True)
    if len(keys) > 1 and len({k.lower() for k in keys}) < len(keys):
        out.append(diagnostic("policy-key-case", origin, f"keys of `{printable(name)}` differ only in case"))
    return [_leaf(op, key, raw, origin, out, malformed=malformed) for key, raw in keys.items()]


def _leaf(
    op: OperatorName, key: str, raw: Any, origin: Origin, out: list[Diagnostic], *, malformed: Malformed | None
) -> Condition:
    values: tuple[str, ...] = ()
    here = _child(origin, key)
    reason = None
    if isinstance(raw, str):
        values = (raw,)
    else:
        items = raw if isinstance(raw, list) else [raw]
        if any(v is None or isinstance(v, (dict, list)) for v in items):
            reason = f"values of `{printable(key)}` are strings, numbers or booleans"
        elif not items:
            reason = f"`{printable(key)}` has no values"
        else:
            values = tuple(v if isinstance(v, str) else json.dumps(v) for v in items)
    if not key or key == DUPLICATE:
        reason = "a condition key is empty"
    if reason is None and malformed is None:
        reason = _literals(op.base, values, here, out)
    elif reason is not None:
        out.append(diagnostic("policy-condition", here, reason))
    if malformed is None and reason is not None:
        malformed = Malformed(reason)
    return Condition(
        operator=op.base,
        quantifier=op.quantifier,
        if_exists=op.if_exists,
        key=key,
        values=values,
        malformed=malformed,
        origin=here,
    )


def _literals(base: str, values: tuple[str, ...], origin: Origin, out: list[Diagnostic]) -> str | None:
    """Reports values that the operator cannot read; a reason iff they spoil the whole leaf (`Null` only)."""
    for value in values:
        if not readable(base, value):
            reason = f"`{base}` cannot read the value `{printable(value)}`"
            out.append(diagnostic("policy-value", origin, reason))
            if base == "Null":
                return reason
        elif not value.isprintable():
            odd_characters(value, origin, out)
    return None


@lru_cache(maxsize=65536)
def readable(base: str, value: str) -> bool:
    """True iff `value` has the form that the operator `base` compares."""
    family = _FAMILY.search(base)
    if family is None:
        return not base.startswith("Arn") or "${" in value or value.count(":") >= 5
    return _LITERALS[family[0]].fullmatch(value) is not None


def odd_characters(text: str, origin: Origin, out: list[Diagnostic]) -> None:
    """Reports the first character of `text` that AWS does not store in policies.

    Source: IAM API Reference, "PutUserPolicy" (PolicyDocument).
    """
    odd = next((c for c in text if c not in "\t\n\r" and not "\x20" <= c <= "\xff"), None)
    if odd is not None:
        out.append(diagnostic("policy-characters", origin, f"character U+{ord(odd):04X} in `{printable(text)}`"))


def _malformed(name: str, key: str, reason: str, origin: Origin, out: list[Diagnostic]) -> Condition:
    out.append(diagnostic("policy-condition", origin, reason))
    bad = Malformed(reason)
    return Condition(operator=name, quantifier=None, if_exists=False, key=key, values=(), malformed=bad, origin=origin)


def _suggestion(name: str) -> str | None:
    import difflib

    base = name.rpartition(":")[2].removesuffix("IfExists")
    near = difflib.get_close_matches(base, (*OPERATORS, "Null"), 1)
    return f"did you mean `{near[0]}`?" if near else None

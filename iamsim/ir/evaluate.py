"""The value of a term under a complete assignment: true, false, or None for U."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from iamsim.ir import values
from iamsim.ir.term import (
    And,
    Compare,
    Const,
    Each,
    InNetwork,
    Like,
    Named,
    Not,
    Opaque,
    Or,
    Parses,
    Present,
    Some,
    Sort,
    Within,
)
from iamsim.model.pattern import match, substitute

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from iamsim.ir.term import Atom, Term, Var

Assignment = "Mapping[Var, tuple[str, ...]]"


def evaluate(term: Term, assignment: Mapping[Var, tuple[str, ...]]) -> bool | None:
    """The value of `term` by Kleene's strong logic; variables that `assignment` lacks are absent."""
    match term:
        case Const(value):
            return value
        case Opaque():
            return None
        case Not(arg):
            inner = evaluate(arg, assignment)
            return None if inner is None else not inner
        case Named(_, arg):
            return evaluate(arg, assignment)
        case And(args):
            return _all([evaluate(a, assignment) for a in args])
        case Or(args):
            return _any([evaluate(a, assignment) for a in args])
        case Each(var, arg):
            return _all([evaluate(arg, {**assignment, var: (v,)}) for v in assignment.get(var, ())])
        case Some(var, arg):
            return _any([evaluate(arg, {**assignment, var: (v,)}) for v in assignment.get(var, ())])
        case _:
            return atom_value(term, assignment)


def _all(found: list[bool | None]) -> bool | None:
    return False if False in found else None if None in found else True


def _any(found: list[bool | None]) -> bool | None:
    return True if True in found else None if None in found else False


def atom_value(atom: Atom, assignment: Mapping[Var, tuple[str, ...]]) -> bool:
    """The value of an atom; a variable inside a pattern that is absent and has no default matches nothing."""
    if isinstance(atom, Within):
        first, second = assignment.get(atom.first), assignment.get(atom.second)
        if not first or not second:
            return False
        a, b = values.date(first[0]), values.date(second[0])
        return a is not None and b is not None and a <= b and (atom.seconds is None or b <= a + atom.seconds)
    found = assignment.get(atom.var)
    if not found:
        return False
    text = found[0]
    match atom:
        case Present():
            return True
        case Like(_, pattern, fold_case):
            filled: dict[str, str] = {}
            for v in pattern.variables:
                value = assignment.get(v.key)
                if value:
                    filled[v.key] = value[0]
                elif v.default is not None:
                    filled[v.key] = v.default
                else:
                    return False
            return match_(substitute(pattern, filled) if filled else pattern, text, fold_case)
        case Compare(_, op, wanted, sort):
            return compare_text(text, op, wanted, sort)
        case InNetwork(_, network):
            address = values.address(text)
            return address is not None and address.version == network.version and address in network
        case Parses(_, sort):
            return parses(text, sort)
        case _:
            assert_never(atom)


def match_(pattern: object, text: str, fold_case: bool) -> bool:
    """`model.pattern.match` under a name that does not shadow the keyword."""
    return match(pattern, text, fold_case=fold_case)  # type: ignore[arg-type]


def compare_text(text: str, op: str, wanted: Fraction | bytes, sort: Sort) -> bool:
    """Whether `text`, read as `sort`, stands in `op` to `wanted`; false if it cannot be read."""
    if sort is Sort.BINARY:
        return values.binary(text) == wanted
    found = values.number(text) if sort is Sort.NUMBER else values.date(text)
    if found is None or isinstance(wanted, bytes):
        return False
    return compare_values(found, op, wanted)


def compare_values(found: Fraction, op: str, wanted: Fraction) -> bool:
    """`found op wanted`."""
    if op == "==":
        return found == wanted
    if op == "<":
        return found < wanted
    if op == "<=":
        return found <= wanted
    if op == ">":
        return found > wanted
    return found >= wanted


def parses(text: str, sort: Sort) -> bool:
    """Whether `text` can be read as `sort`."""
    match sort:
        case Sort.NUMBER:
            return values.number(text) is not None
        case Sort.DATE:
            return values.date(text) is not None
        case Sort.ADDRESS:
            return values.address(text) is not None
        case Sort.BINARY:
            return values.binary(text) is not None
        case Sort.ARN:
            return text.startswith("arn:") and text.count(":") >= 5
        case Sort.BOOL:
            return values.boolean(text) is not None
        case Sort.STRING:
            return True
        case _:
            assert_never(sort)

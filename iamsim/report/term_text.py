"""Terms as readable conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.aws.keys import key_row
from iamsim.findings import printable
from iamsim.ir.term import And, Const, Each, Named, Not, Opaque, Or, Some, Within
from iamsim.query.condition import print_condition

if TYPE_CHECKING:
    from iamsim.ir.term import Term, Var

_LONG = 4000


def term_text(term: Term, limit: int = _LONG) -> str:
    """The term as a condition of the query language, condition keys in AWS's spelling, cut after `limit` characters.

    A key of the n-th hop of a path is `n|key`.
    """
    return printable(print_condition(_spelled(term)), limit)


def _spelled(term: Term) -> Term:
    match term:
        case Const() | Opaque():
            return term
        case And(args) | Or(args):
            return replace(term, args=tuple(_spelled(a) for a in args))
        case Not(arg) | Named(_, arg):
            return replace(term, arg=_spelled(arg))
        case Each(var, arg) | Some(var, arg):
            return replace(term, var=spelling(var), arg=_spelled(arg))
        case Within(first, second):
            return replace(term, first=spelling(first), second=spelling(second))
        case _:
            return replace(term, var=spelling(term.var))


def spelling(var: Var) -> str:
    """The variable with its condition key in AWS's spelling."""
    hop, bar, key = var.rpartition("|")
    return f"{hop}{bar}{key_row(key).name}" if ":" in key else var

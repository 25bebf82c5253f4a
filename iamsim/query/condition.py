"""Conditions of the query language: syntax tree to Term and back. Each reading function shows its rule of query.lark.

A condition speaks of single-valued keys, except under `has`, `some` and `each`. `KEY != v` is `not KEY = v` and so
holds where the key is absent, as the negated operators of policies do.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from iamsim.ir import values
from iamsim.ir.term import (
    FALSE,
    TRUE,
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
    Term,
    all_of,
    any_of,
    each,
    like,
    not_,
    present,
    some,
)
from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, plain, tokenize

if TYPE_CHECKING:
    from fractions import Fraction

    from iamsim.ir.term import Var
    from iamsim.model.grammar import Leaf, Node

INSTANTS = {"before": "<", "until": "<=", "after": ">", "since": ">=", "at": "=="}
KEYWORDS = frozenset({"has", "no", "not", "each", "some", "true", "false", "and", "or"})
BARE_KEY = re.compile(r"""[^\s;",'()\[\]=<>!#][^\s;",()\[\]=<>!]*""")


class Refused(Exception):  # noqa: N818
    """A part of a question that is well-formed but means nothing, with its place; line 0 means the end."""

    def __init__(self, message: str, line: int, column: int, *, found: str = "", help: str = "") -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.found = found
        self.help = help


def text_of(leaf: Leaf) -> str:
    """What a token stands for: the content of a quoted text, the text itself of every other token."""
    if leaf.name != "STRING":
        return leaf.text
    return str(json.loads(leaf.text)) if leaf.text[0] == '"' else leaf.text[1:-1]


def read_condition(node: Node) -> Term:
    """condition: conjunction ("or" conjunction)*; conjunction: negation ("and" negation)*;
    negation: "not" negation | "(" condition ")" | atom
    """
    nested = node.nodes()
    match node.name:
        case "any":
            return any_of(read_condition(c) for c in nested)
        case "all":
            return all_of(read_condition(c) for c in nested)
        case "not":
            return not_(read_condition(nested[0]))
        case "true" | "false":
            return TRUE if node.name == "true" else FALSE
        case "each" | "some":
            inner = read_condition(nested[1])
            return (each if node.name == "each" else some)(_key(node), inner)
        case _:
            return _atom(node, _key(node))


def _key(node: Node) -> Var:
    """key: KEY | STRING"""
    return text_of(node.all("key")[0].leaves()[0]).lower()


def _atom(node: Node, key: Var) -> Term:
    """atom: "true" | "false" | "has" key | "no" key | key ("=" | "!=" | "like" | "has" | "has" "like") values case?
    | key "in" networks | key ORDER QUANTITY | key INSTANT DATE | key "is" SORT
    | ("each" | "some") key "(" condition ")"
    """
    match node.name:
        case "present":
            return present(key)
        case "absent":
            return not_(present(key))
        case "equal" | "unequal" | "like" | "member" | "member_like":
            return _texts(node, key)
        case "in_network":
            return any_of(_network(n.leaves()[0], key) for n in node.all("network"))
        case "compare":
            op, quantity = node.leaves()
            return _compare(key, op.text, quantity)
        case "instant":
            word, moment = node.leaves()
            return _instant(key, INSTANTS[word.text], moment)
        case _:
            return Parses(key, Sort(node.leaves()[0].text))


def _texts(node: Node, key: Var) -> Term:
    """values: value | "[" value ("," value)* "]"; value: STRING | VALUE; case: "ignoring" "case"."""
    fold = bool(node.all("case"))
    wild = node.name in ("like", "member_like")
    texts = [text_of(v.leaves()[0]) for v in node.all("value")]
    atoms = [like(key, tokenize(t) if wild else plain(t), fold_case=fold) for t in texts]
    if node.name.startswith("member"):
        atoms = [some(key, a) for a in atoms]
    return not_(any_of(atoms)) if node.name == "unequal" else any_of(atoms)


def _network(leaf: Leaf, key: Var) -> Term:
    """networks: network | "[" network ("," network)* "]"; network: NETWORK | STRING"""
    text = text_of(leaf)
    network = values.network(text)
    if network is None:
        hint = 'for one of several texts write `= ["a", "b"]`' if not re.search(r"\d\.\d|:", text) else ""
        raise Refused(f"`{text}` is no CIDR block", leaf.line, leaf.column, found=leaf.text, help=hint)
    return InNetwork(key, network)


def _compare(key: Var, op: str, leaf: Leaf) -> Term:
    """ORDER: "<=" | ">=" | "==" | "<" | ">"."""
    number = values.number(leaf.text)
    if number is not None:
        return Compare(key, op, number, Sort.NUMBER)
    date = values.date(leaf.text)
    if date is None:
        raise Refused(f"`{leaf.text}` is neither number nor date", leaf.line, leaf.column, found=leaf.text)
    return Compare(key, op, date, Sort.DATE)


def _instant(key: Var, op: str, leaf: Leaf) -> Term:
    """INSTANT: "before" | "until" | "after" | "since" | "at"."""
    text = text_of(leaf)
    date = values.date(text)
    if date is None:
        hint = "write it as `2030-01-31` or `2030-01-31T12:00:00Z`, with a zone behind a time"
        raise Refused(f"`{text}` is no date", leaf.line, leaf.column, found=leaf.text, help=hint)
    return Compare(key, op, date, Sort.DATE)


def print_condition(term: Term) -> str:
    """The condition as one line. `parse_condition` reads back an equal term iff `term` is built by the factories from
    the atoms of the language; names are dropped, and the other nodes are printed for the eye only.
    """
    match term:
        case Or(args):
            return " or ".join(print_condition(a) for a in args)
        case And(args):
            return " and ".join(_group(a) if isinstance(_bare(a), Or) else print_condition(a) for a in args)
        case Named(_, arg):
            return print_condition(arg)
        case Not(arg):
            return _print_not(_bare(arg))
        case Const(value):
            return "true" if value else "false"
        case Opaque(reason):
            return f"unknown ({reason})"
        case Some(var, Like(inner, pattern, fold)) if var == inner:
            return f"{print_key(var)} has {_print_pattern(pattern, fold)[2 if pattern.literal is not None else 0 :]}"
        case Each(var, arg) | Some(var, arg):
            return f"{'each' if isinstance(term, Each) else 'some'} {print_key(var)} {_group(arg)}"
        case _:
            return _print_atom(term)


def _bare(term: Term) -> Term:
    return _bare(term.arg) if isinstance(term, Named) else term


def _group(term: Term) -> str:
    return f"({print_condition(term)})"


def _print_not(arg: Term) -> str:
    match arg:
        case Present(var):
            return f"no {print_key(var)}"
        case Like(var, pattern, fold) if pattern.literal is not None:
            return f"{print_key(var)} !{_print_pattern(pattern, fold)}"
        case And() | Or():
            return f"not {_group(arg)}"
        case _:
            return f"not {print_condition(arg)}"


def _print_atom(atom: Term) -> str:
    match atom:
        case Present(var):
            return f"has {print_key(var)}"
        case Like(var, pattern, fold):
            return f"{print_key(var)} {_print_pattern(pattern, fold)}"
        case InNetwork(var, network):
            return f"{print_key(var)} in {network}"
        case Parses(var, sort):
            return f"{print_key(var)} is {sort}"
        case Compare(var, op, value, sort):
            return f"{print_key(var)} {_print_comparison(op, value, sort)}"
        case _:
            bound = "" if atom.seconds is None else f" by at most {atom.seconds} s"  # type: ignore[union-attr]
            return f"{atom.first} precedes {atom.second}{bound}"  # type: ignore[union-attr]


def _print_pattern(pattern: Pattern, fold: bool) -> str:
    """`= "text"` for a pattern that is plain text, else `like "pattern"`."""
    tail = " ignoring case" if fold else ""
    if pattern.literal is not None:
        return f"= {json.dumps(pattern.literal, ensure_ascii=False)}{tail}"
    return f"like {json.dumps(pattern_text(pattern), ensure_ascii=False)}{tail}"


def pattern_text(pattern: Pattern) -> str:
    """The text that `tokenize` turns into `pattern`; field wildcards are written as plain ones."""
    out: list[str] = []
    for part in pattern.parts:
        match part:
            case Literal(text):
                out.append(re.sub(r"[*?]|\$(?=\{)", lambda m: f"${{{m[0]}}}", text))
            case Star():
                out.append("*")
            case AnyChar():
                out.append("?")
            case _:
                default = "" if part.default is None else f", '{part.default}'"
                out.append("${" + part.key + default + "}")
    return "".join(out)


def _print_comparison(op: str, value: Fraction | bytes, sort: Sort) -> str:
    if isinstance(value, bytes):
        return f"{op} 0x{value.hex()}"
    if sort is Sort.DATE:
        word = next(w for w, o in INSTANTS.items() if o == op)
        return f"{word} {_print_date(value)}"
    return f"{op} {_decimal(value)}"


def _print_date(value: Fraction) -> str:
    whole = values.date_text(type(value)(value.numerator // value.denominator))
    rest = _decimal(value % 1)
    return whole if rest == "0" or not whole.endswith("Z") else f"{whole[:-1]}{rest[1:]}Z"


def _decimal(value: Fraction) -> str:
    """The number in decimal digits, exact if it has finitely many."""
    scaled, digits = value, 0
    while scaled.denominator != 1 and digits < 400:
        scaled, digits = scaled * 10, digits + 1
    if scaled.denominator != 1 or not digits:
        return values.number_text(value)
    whole = f"{abs(scaled.numerator):0{digits + 1}}"
    return f"{'-' if scaled < 0 else ''}{whole[:-digits]}.{whole[-digits:]}"


def print_key(key: str) -> str:
    """A condition key as the language writes it: bare where that is read back, else quoted."""
    return key if BARE_KEY.fullmatch(key) and key not in KEYWORDS else json.dumps(key, ensure_ascii=False)

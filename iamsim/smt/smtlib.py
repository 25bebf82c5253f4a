"""SMT-LIB text of a problem, for export, for Z3's strings and for a second solver.

Each variable is a Boolean for its presence and, as its atoms need them, a string, a real number, a date, an address and
bytes; a variable with several values has one slot for each value that the term can demand. What SMT-LIB cannot say is
left open, so "unsat" is a proof, while a model has to be confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from iamsim.ir.term import (
    And,
    Compare,
    Const,
    Each,
    InNetwork,
    Like,
    Named,
    Not,
    Or,
    Parses,
    Present,
    Some,
    Sort,
    Within,
)
from iamsim.model.pattern import AnyChar, Literal, Star, Variable
from iamsim.smt import regex
from iamsim.smt.skeleton import Node, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from iamsim.ir.term import Term, Var
    from iamsim.model.pattern import Pattern
    from iamsim.theory.hint import Hint

KINDS = {"p": "Bool", "s": "String", "n": "Real", "d": "Real", "b": "String", "v4": "Bool", "a4": "(_ BitVec 32)",
         "a6": "(_ BitVec 128)", "is_n": "Bool", "is_d": "Bool", "is_b": "Bool", "is_a": "Bool"}  # fmt: skip
LETTER = {Sort.NUMBER: "n", Sort.DATE: "d", Sort.BINARY: "b", Sort.ADDRESS: "a"}
Slot = tuple["Var", int]


@dataclass(slots=True)
class Script:
    """A problem in SMT-LIB: `lines` declare and assert, `constants` are (variable, slot, kind) by name."""

    hints: Callable[[Var], Hint]
    slots: dict[Var, int]
    numbers: dict[Var, int] = field(default_factory=dict)
    constants: dict[str, tuple[Var, int, str]] = field(default_factory=dict)
    wild: int = 0
    lines: list[str] = field(default_factory=list)

    def name(self, slot: Slot, kind: str) -> str:
        """The constant of one kind for a slot, declared where it is first used."""
        var, index = slot
        number = self.numbers.setdefault(var, len(self.numbers))
        name = f"{kind}_{number}" + (f"_{index}" if index else "")
        if name not in self.constants:
            self.constants[name] = (var, index, kind)
            self.lines.append(f"(declare-const {name} {KINDS[kind]})")
            if kind != "p":
                self.name(slot, "p")
        return name


def smtlib(term: Term, hints: Callable[[Var], Hint], *, names: bool = True) -> str:
    """SMT-LIB 2 text that is satisfiable if `term` is; comments tell the variables if `names`.

    It is satisfiable only if `term` is, unless a pattern has wildcards beside policy variables, or a text is also read
    as a number, a date or an address.
    """
    made = script(term, hints)
    return "\n".join([*header(made, names=names), *made.lines, "(check-sat)", "(get-model)", ""])


def header(made: Script, *, names: bool = True) -> list[str]:
    """The first lines of the text of `made`."""
    comments = [f"; {_comment(var)} is {number}" for var, number in made.numbers.items()] if names else []
    return ["(set-logic ALL)", *comments]


def _comment(var: Var) -> str:
    return "".join(c if c.isprintable() else "?" for c in var)


def script(term: Term, hints: Callable[[Var], Hint]) -> Script:
    """The declarations and assertions for `term` and for what `hints` say of its variables."""
    asked = problem(term)
    counts: dict[Var, int] = {}
    for atom in asked.atoms:
        if isinstance(atom, Each | Some):
            counts[atom.var] = counts.get(atom.var, 1) + 1
    made = Script(hints, {v: n if hints(v).multivalued else 1 for v, n in counts.items()})
    defined: dict[int, str] = {}

    def write(node: int | Node) -> str:
        if not isinstance(node, Node):
            atom, sign = asked.literal(node)
            return _term(made, atom, sign, {})
        name = defined.get(id(node))
        if name is None:
            body = " ".join([write(p) for p in node.parts])
            name = defined[id(node)] = f"f{len(defined)}"
            made.lines.append(f"(define-fun {name} () Bool ({'and' if node.conjunction else 'or'} {body}))")
        return name

    root = asked.root
    text = ("true" if root else "false") if isinstance(root, bool) else write(root)
    made.lines.append(f"(assert {text})")
    _allowed(made)
    return made


# --- terms -------------------------------------------------------------------------------------------------------


def _term(made: Script, term: Term, sign: bool, inside: dict[Var, int]) -> str:
    """The literal of a term, or what is weaker; `inside` tells the slots of the variables that are being read."""
    match term:
        case Const(value):
            return "true" if value is sign else "false"
        case Named(_, arg):
            return _term(made, arg, sign, inside)
        case Not(arg):
            return _term(made, arg, not sign, inside)
        case And(args) | Or(args):
            body = " ".join([_term(made, a, sign, inside) for a in args])
            return f"({'and' if isinstance(term, And) is sign else 'or'} {body})"
        case Each() | Some():
            return _elements(made, term, sign, inside)
        case Like(_, pattern) if pattern.variables:
            return _template(made, term, sign, inside)
        case _:
            exact = _atom(made, term, inside)
            if exact is None:
                return made.name(_slot(term.var, inside), "p") if sign else "true"  # type: ignore[union-attr]
            return exact if sign else f"(not {exact})"


def _slot(var: Var, inside: dict[Var, int]) -> Slot:
    return var, inside.get(var, 0)


def _elements(made: Script, term: Each | Some, sign: bool, inside: dict[Var, int]) -> str:
    var, arg, every = term.var, term.arg, isinstance(term, Each) is sign
    parts = []
    for index in range(made.slots.get(var, 1)):
        held = made.name((var, index), "p")
        body = _term(made, arg, sign, {**inside, var: index})
        parts.append(f"(=> {held} {body})" if every else f"(and {held} {body})")
    return f"({'and' if every else 'or'} {' '.join(parts)})"


def _atom(made: Script, term: Term, inside: dict[Var, int]) -> str | None:
    """The atom exactly, or None."""
    match term:
        case Present(var):
            return made.name(_slot(var, inside), "p")
        case Like(var, pattern, fold_case):
            slot = _slot(var, inside)
            shape = regex.of_pattern(pattern, fold_case=fold_case)
            if shape is None:
                return None
            held = made.name(slot, "p")
            literal = None if fold_case else pattern.literal
            if literal is not None:
                return f"(and {held} (= {made.name(slot, 's')} {regex.quoted(literal)}))"
            return f"(and {held} (str.in_re {made.name(slot, 's')} {shape}))"
        case Compare(var, op, value, sort):
            slot = _slot(var, inside)
            kind = LETTER[sort]
            shown = f'"{value.hex()}"' if isinstance(value, bytes) else _real(value)
            test = f"({'=' if op == '==' else op} {made.name(slot, kind)} {shown})"
            return f"(and {made.name(slot, 'p')} {made.name(slot, 'is_' + kind)} {test})"
        case InNetwork(var, network):
            slot, four = _slot(var, inside), network.version == 4
            width, address = (32, made.name(slot, "a4")) if four else (128, made.name(slot, "a6"))
            family = made.name(slot, "v4") if four else f"(not {made.name(slot, 'v4')})"
            low, high = int(network.network_address), int(network.broadcast_address)
            span = f"(bvule (_ bv{low} {width}) {address}) (bvule {address} (_ bv{high} {width}))"
            return f"(and {made.name(slot, 'p')} {made.name(slot, 'is_a')} {family} {span})"
        case Parses(var, sort):
            return _parses(made, _slot(var, inside), sort)
        case Within(first, second, seconds):
            known = [made.name(_slot(v, inside), k) for v in (first, second) for k in ("p", "is_d")]
            a, b = (made.name(_slot(v, inside), "d") for v in (first, second))
            late = "" if seconds is None else f" (<= (- {b} {a}) {seconds}.0)"
            return f"(and {' '.join(known)} (<= {a} {b}){late})"
        case _:
            raise TypeError(f"{term!r} is not an atom")


def _parses(made: Script, slot: Slot, sort: Sort) -> str:
    held = made.name(slot, "p")
    match sort:
        case Sort.STRING:
            return held
        case Sort.ARN | Sort.BOOL:
            shape = regex.ARN if sort is Sort.ARN else regex.BOOLEAN
            return f"(and {held} (str.in_re {made.name(slot, 's')} {shape}))"
        case _:
            return f"(and {held} {made.name(slot, 'is_' + LETTER[sort])})"


def _real(value: Fraction | int) -> str:
    size = (
        f"{abs(value.numerator)}.0" if value.denominator == 1 else f"(/ {abs(value.numerator)}.0 {value.denominator}.0)"
    )
    return f"(- {size})" if value < 0 else size


# --- policy variables --------------------------------------------------------------------------------------------


def _template(made: Script, atom: Like, sign: bool, inside: dict[Var, int]) -> str:
    """The literal of a pattern with policy variables; each wildcard of a true one is a string of its own."""
    slot = _slot(atom.var, inside)
    held = [made.name(slot, "p")]
    held += [made.name(_slot(v.key, inside), "p") for v in dict.fromkeys(atom.pattern.variables) if v.default is None]
    if atom.fold_case or not all(regex.sayable(t) for t in _texts(atom.pattern)):
        return f"(and {' '.join(held)})" if sign else "true"
    text = made.name(slot, "s")
    if not sign:
        exact = _denied(made, atom.pattern.parts, text, inside)
        return "true" if exact is None else f"(not (and {' '.join(held)} {exact}))"
    pieces = []
    for part in atom.pattern.parts:
        if isinstance(part, Star | AnyChar):
            made.wild += 1
            pieces.append(f"w_{made.wild}")
            made.lines.append(f"(declare-const w_{made.wild} String)")
            held.append(f"(str.in_re w_{made.wild} {regex.of_part(part)})")
        else:
            pieces.append(_piece(made, part, inside))
    return f"(and {' '.join(held)} (= {text} {_concat(pieces)}))"


def _texts(pattern: Pattern) -> list[str]:
    return [t for p in pattern.parts for t in (p.text if isinstance(p, Literal) else getattr(p, "default", None),) if t]


def _piece(made: Script, part: object, inside: dict[Var, int]) -> str:
    if isinstance(part, Literal):
        return regex.quoted(part.text)
    variable = cast("Variable", part)
    slot = _slot(variable.key, inside)
    if variable.default is None:
        return made.name(slot, "s")
    return f"(ite {made.name(slot, 'p')} {made.name(slot, 's')} {regex.quoted(variable.default)})"


def _concat(pieces: Sequence[str]) -> str:
    return '""' if not pieces else pieces[0] if len(pieces) == 1 else f"(str.++ {' '.join(pieces)})"


def _denied(made: Script, parts: Sequence[object], text: str, inside: dict[Var, int]) -> str | None:
    """The match of a pattern exactly and without strings of its own, if it has one of the simple shapes."""
    stars = [i for i, p in enumerate(parts) if isinstance(p, Star | AnyChar)]
    if any(parts[i] != Star() for i in stars):
        return None
    blocks: list[str] = []
    last = 0
    for i in (*stars, len(parts)):
        blocks.append(_concat([_piece(made, p, inside) for p in parts[last:i]]))
        last = i + 1
    match blocks:
        case [whole]:
            return f"(= {text} {whole})"
        case [head, tail]:
            size = f"(>= (str.len {text}) (+ (str.len {head}) (str.len {tail})))"
            return f"(and (str.prefixof {head} {text}) (str.suffixof {tail} {text}) {size})"
        case ['""', middle, '""']:
            return f"(str.contains {text} {middle})"
        case _:
            return None


# --- what the hints say ------------------------------------------------------------------------------------------


def _allowed(made: Script) -> None:
    """Assert what the hints and the readings of one text imply, for each slot that is used."""
    slots = dict.fromkeys((var, index) for var, index, _ in made.constants.values())
    for slot in slots:
        var, index = slot
        hint, held = made.hints(var), made.name(slot, "p")
        said = [] if index == 0 else [made.name((var, 0), "p")]
        if hint.sort in LETTER:
            said.append(made.name(slot, "is_" + LETTER[hint.sort]))
        kinds = {kind for v, i, kind in list(made.constants.values()) if (v, i) == slot}
        if hint.sort is Sort.BOOL or "s" in kinds:
            said += _text_bounds(made.name(slot, "s"), hint)
        if "is_n" in kinds and "s" in kinds:
            said.append(f"(=> {made.name(slot, 'is_n')} (str.in_re {made.name(slot, 's')} {regex.NUMBER}))")
        if "is_a" in kinds:
            others = [made.name(slot, k) for k in ("is_n", "is_d") if k in kinds]
            said += [f"(not (and {made.name(slot, 'is_a')} {o}))" for o in others]
        kind = LETTER.get(hint.sort, "")
        if kind in ("n", "d"):
            number = made.name(slot, kind)
            said += [f"(<= {_real(hint.minimum)} {number})"] if hint.minimum is not None else []
            said += [f"(<= {number} {_real(hint.maximum)})"] if hint.maximum is not None else []
            said += [f"(is_int {number})"] if hint.integers else []
        if said:
            made.lines.append(f"(assert (=> {held} (and true {' '.join(said)})))")


def _text_bounds(text: str, hint: Hint) -> list[str]:
    out = []
    if hint.sort is Sort.BOOL:
        out.append(f"(str.in_re {text} {regex.BOOLEAN})")
    if hint.alphabet is not None:
        out.append(f"(str.in_re {text} (re.* {regex.one_of(hint.alphabet)}))")
    if hint.min_length:
        out.append(f"(>= (str.len {text}) {hint.min_length})")
    if hint.max_length is not None:
        out.append(f"(<= (str.len {text}) {hint.max_length})")
    return out

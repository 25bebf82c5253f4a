"""The terms: nodes, and the factories that build and simplify them. Only the factories may build nodes.

A variable is a name: a condition key in lower case, `resource`, `action`, `session`, or one of these behind a hop number
and a bar (`1|aws:sourceip`). Its value is a tuple of texts, empty iff it is absent. Atoms other than `Present`, `Each`
and `Some` read the first text and are false if the variable is absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iamsim.model.pattern import Pattern, match

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction
    from ipaddress import IPv4Network, IPv6Network

    from iamsim.diagnostics import Origin

Var = str


class Sort(StrEnum):
    """How the text of a variable is read by an atom."""

    STRING = "string"
    ARN = "arn"
    BOOL = "bool"
    NUMBER = "number"
    DATE = "date"
    ADDRESS = "address"
    BINARY = "binary"


class LabelKind(StrEnum):
    """What a Named term marks."""

    STATEMENT = "statement"
    CONDITION = "condition"
    LAYER = "layer"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a subterm for explanations: its kind, what to call it, and where it stands."""

    kind: LabelKind
    text: str
    origin: Origin | None = field(default=None)


def _remember(node: And | Or | Not | Named | Like, value: int) -> int:
    """Keeps the hash of a node, which is asked for many times; 0 stands for "not yet". It is not pickled: it is this process's."""
    object.__setattr__(node, "_hash", value or 1)
    return value or 1


@dataclass(frozen=True, slots=True)
class Const:
    """True or false. There is one of each in a process, also after a way through pickle."""

    value: bool

    def __reduce__(self) -> str:
        return "TRUE" if self.value else "FALSE"


@dataclass(frozen=True, slots=True)
class And:
    """All of `args`, of which there are at least two."""

    args: tuple[Term, ...]
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        return self._hash or _remember(self, hash((1, self.args)))

    def __reduce__(self) -> tuple[Any, ...]:
        return And, (self.args,)


@dataclass(frozen=True, slots=True)
class Or:
    """Some of `args`, of which there are at least two."""

    args: tuple[Term, ...]
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        return self._hash or _remember(self, hash((2, self.args)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Or, (self.args,)


@dataclass(frozen=True, slots=True)
class Not:
    """The negation of `arg`."""

    arg: Term
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        return self._hash or _remember(self, hash((3, self.arg)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Not, (self.arg,)


@dataclass(frozen=True, slots=True)
class Named:
    """`arg`, marked for explanations."""

    label: Label
    arg: Term
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        return self._hash or _remember(self, hash((4, self.label, self.arg)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Named, (self.label, self.arg)


@dataclass(frozen=True, slots=True)
class Opaque:
    """The truth value U: what cannot be known, with its reason code."""

    reason: str


@dataclass(frozen=True, slots=True)
class Present:
    """The variable has a value."""

    var: Var


@dataclass(frozen=True, slots=True)
class Like:
    """The value matches `pattern`, in which policy variables stand for the values of other variables."""

    var: Var
    pattern: Pattern
    fold_case: bool = False
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        return self._hash or _remember(self, hash((5, self.var, self.pattern, self.fold_case)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Like, (self.var, self.pattern, self.fold_case)


@dataclass(frozen=True, slots=True)
class Compare:
    """The value, read as `sort` (NUMBER: a rational; DATE: seconds since 1970; BINARY: bytes), stands in `op` to `value`.

    `op` is one of == < <= > >=; a text that cannot be read makes the atom false.
    """

    var: Var
    op: str
    value: Fraction | bytes
    sort: Sort


@dataclass(frozen=True, slots=True)
class InNetwork:
    """The value is an IP address of the family of `network` and lies in it."""

    var: Var
    network: IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Parses:
    """The value is present and can be read as `sort`."""

    var: Var
    sort: Sort


@dataclass(frozen=True, slots=True)
class Within:
    """Both dates are present and first <= second <= first + seconds (no upper bound if `seconds` is None)."""

    first: Var
    second: Var
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Each:
    """Every value of `var` satisfies `arg`, which speaks of `var` as single-valued; true if there is none."""

    var: Var
    arg: Term


@dataclass(frozen=True, slots=True)
class Some:
    """Some value of `var` satisfies `arg`, which speaks of `var` as single-valued; false if there is none."""

    var: Var
    arg: Term


Atom = Present | Like | Compare | InNetwork | Parses | Within
Term = Const | And | Or | Not | Named | Opaque | Atom | Each | Some

TRUE = Const(True)
FALSE = Const(False)


def const(value: bool) -> Const:
    """TRUE or FALSE."""
    return TRUE if value else FALSE


def all_of(args: Iterable[Term]) -> Term:
    """The conjunction of `args`, flattened, without duplicates; FALSE if an argument and its negation occur."""
    return _join(args, And, FALSE, TRUE)


def any_of(args: Iterable[Term]) -> Term:
    """The disjunction of `args`, flattened, without duplicates; TRUE if an argument and its negation occur."""
    return _join(args, Or, TRUE, FALSE)


def _join(args: Iterable[Term], node: type[And | Or], zero: Const, one: Const) -> Term:
    seen: dict[Term, None] = {}
    for arg in args:
        if arg is one:
            continue
        if arg is zero:
            return zero
        if isinstance(arg, Const):
            if arg == zero:
                return zero
            continue
        for a in arg.args if isinstance(arg, node) else (arg,):
            seen[a] = None
    if not seen:
        return one
    if len(seen) == 1:
        return next(iter(seen))
    for a in seen:
        if isinstance(a, Not) and a.arg in seen and not has_opaque(a.arg):
            return zero
    return node(tuple(seen))


def not_(arg: Term) -> Term:
    """The negation of `arg`; double negations vanish and U stays U."""
    match_ = arg
    if isinstance(match_, Const):
        return FALSE if match_.value else TRUE
    if isinstance(match_, Not):
        return match_.arg
    if isinstance(match_, Opaque):
        return match_
    return Not(match_)


def malformed(reason: str) -> Term:
    """U for something that AWS would not store."""
    return Opaque(f"malformed:{reason}")


def implies(premise: Term, conclusion: Term) -> Term:
    """`conclusion` wherever `premise` holds."""
    return any_of((not_(premise), conclusion))


def iff(a: Term, b: Term) -> Term:
    """`a` and `b` have the same value."""
    return all_of((implies(a, b), implies(b, a)))


def ite(test: Term, then: Term, other: Term) -> Term:
    """`then` where `test` holds, `other` elsewhere; equal branches need no test."""
    if then == other:
        return then
    return any_of((all_of((test, then)), all_of((not_(test), other))))


def agree(a: Term, b: Term, reason: str) -> Term:
    """The common value of two readings, and U with `reason` where they differ."""
    if a == b:
        return a
    return any_of((all_of((a, b)), all_of((Opaque(reason), any_of((a, b))))))


def named(label: Label, arg: Term) -> Term:
    """`arg` marked with `label`; constants keep their mark, so that explanations can name them."""
    return Named(label, arg)


def present(var: Var) -> Term:
    """The variable has a value."""
    return Present(var)


def like(var: Var, pattern: Pattern, *, fold_case: bool = False) -> Term:
    """The value of `var` matches `pattern`."""
    return Like(var, pattern, fold_case)


def like_text(text: str, pattern: Pattern, *, fold_case: bool = False) -> Term:
    """Whether the constant `text` matches `pattern`, which has no variables."""
    return const(match(pattern, text, fold_case=fold_case))


def each(var: Var, arg: Term) -> Term:
    """Every value of `var` satisfies `arg`."""
    return TRUE if arg == TRUE else Each(var, arg)


def some(var: Var, arg: Term) -> Term:
    """Some value of `var` satisfies `arg`."""
    if arg == FALSE:
        return FALSE
    return Present(var) if arg == TRUE else Some(var, arg)


def children(term: Term) -> tuple[Term, ...]:
    """The direct subterms of `term`."""
    if isinstance(term, And | Or):
        return term.args
    if isinstance(term, Not | Named | Each | Some):
        return (term.arg,)
    return ()


def subterms(term: Term) -> Iterator[Term]:
    """`term` and everything below it, in preorder."""
    stack = [term]
    while stack:
        t = stack.pop()
        yield t
        stack.extend(reversed(children(t)))


def has_opaque(term: Term) -> bool:
    """True iff some part of `term` is U."""
    return any(isinstance(t, Opaque) for t in subterms(term))


def strip(term: Term) -> Term:
    """`term` without its names, simplified again."""
    if not _has_names(term):
        return term
    if isinstance(term, Named):
        return strip(term.arg)
    if isinstance(term, And):
        return all_of(strip(a) for a in term.args)
    if isinstance(term, Or):
        return any_of(strip(a) for a in term.args)
    if isinstance(term, Not):
        return not_(strip(term.arg))
    if isinstance(term, Each):
        return each(term.var, strip(term.arg))
    if isinstance(term, Some):
        return some(term.var, strip(term.arg))
    return term


def _has_names(term: Term) -> bool:
    if isinstance(term, And | Or | Not | Each | Some):
        return _names_within(term)
    return isinstance(term, Named)


@lru_cache(maxsize=1 << 14)
def _names_within(term: And | Or | Not | Each | Some) -> bool:
    return any(_has_names(t) for t in children(term))


@lru_cache(maxsize=1 << 14)
def variables(term: Term) -> frozenset[Var]:
    """The variables that `term` reads, those inside patterns included."""
    out: set[Var] = set()
    for t in subterms(term):
        if isinstance(t, Present | Compare | InNetwork | Parses | Each | Some):
            out.add(t.var)
        elif isinstance(t, Like):
            out.add(t.var)
            out.update(v.key for v in t.pattern.variables)
        elif isinstance(t, Within):
            out.update((t.first, t.second))
    return frozenset(out)

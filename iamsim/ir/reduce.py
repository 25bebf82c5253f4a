"""Partial evaluation: a term under bindings becomes a term over the free variables that are left."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, assert_never

from iamsim.ir.bindings import Alias, Ambivalent, Cases, Known, Prefixed, Unknowable
from iamsim.ir.evaluate import atom_value, compare_values, evaluate
from iamsim.ir.term import (
    FALSE,
    TRUE,
    And,
    Compare,
    Const,
    Each,
    InNetwork,
    LabelKind,
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
    agree,
    all_of,
    any_of,
    const,
    each,
    ite,
    not_,
    some,
)
from iamsim.ir.values import ambiguous_date
from iamsim.model.pattern import Literal, Pattern, Variable, fold, folded, join

if TYPE_CHECKING:
    from iamsim.ir.bindings import Binding, Lookup
    from iamsim.ir.term import Atom, Term
    from iamsim.model.pattern import Part


def reduce(term: Term, lookup: Lookup) -> Term:
    """`term` with every variable replaced by what `lookup` binds it to; constants are folded.

    If every variable is bound to known values the result is TRUE, FALSE or a term of opaque parts.
    """
    match term:
        case Const() | Opaque():
            return term
        case And(args):
            return _and(args, lookup)
        case Or(args):
            return _or(args, lookup)
        case Not(arg):
            return not_(reduce(arg, lookup))
        case Named(label, arg):
            inner = _condition(arg, lookup) if label.kind is LabelKind.CONDITION else reduce(arg, lookup)
            return inner if isinstance(inner, Const) else Named(label, inner)
        case Each() | Some():
            return _elements(term, lookup)
        case Within(first, second, seconds):
            return _within(first, second, seconds, lookup)
        case _:
            return _atom(term, lookup)


def _and(args: tuple[Term, ...], lookup: Lookup) -> Term:
    out: list[Term] = []
    for arg in args:
        r = reduce(arg, lookup)
        if r is FALSE:
            return FALSE
        if r is not TRUE:
            out.append(r)
    return all_of(out)


def _or(args: tuple[Term, ...], lookup: Lookup) -> Term:
    out: list[Term] = []
    for arg in args:
        r = reduce(arg, lookup)
        if r is TRUE:
            return TRUE
        if r is not FALSE:
            out.append(r)
    return any_of(out)


class _Split(Exception):  # noqa: N818 - it carries a case split to the condition around it
    """An ambivalent key was read."""


def _condition(term: Term, lookup: Lookup) -> Term:
    """A condition as a whole is read under both readings of an ambivalent key (semantics 4.6)."""

    def plain(var: str) -> Binding:
        binding = lookup(var)
        if type(binding) is Ambivalent:
            raise _Split(var)
        return binding

    try:
        return reduce(term, plain)
    except _Split as split:
        var: str = split.args[0]
    binding = lookup(var)
    assert isinstance(binding, Ambivalent)
    first = _condition(term, _with(lookup, var, binding.first))
    second = _condition(term, _with(lookup, var, binding.second))
    return agree(first, second, binding.reason)


def _with(lookup: Lookup, var: str, binding: Binding) -> Lookup:
    return lambda v: binding if v == var else lookup(v)


def _elements(term: Each | Some, lookup: Lookup) -> Term:
    binding = lookup(term.var)
    match binding:
        case Unknowable(reason):
            return Opaque(reason)
        case Cases(test, then, other):
            return ite(
                test,
                _elements(term, _with(lookup, term.var, then)),
                _elements(term, _with(lookup, term.var, other)),
            )
        case Ambivalent(first, second, reason):
            return agree(
                _elements(term, _with(lookup, term.var, first)),
                _elements(term, _with(lookup, term.var, second)),
                reason,
            )
        case Known(values):
            parts = [reduce(term.arg, _with(lookup, term.var, Known((v,)))) for v in values]
            return all_of(parts) if isinstance(term, Each) else any_of(parts)
        case Alias(var):
            inner = reduce(term.arg, lookup)
            return each(var, inner) if isinstance(term, Each) else some(var, inner)
        case Prefixed():
            return all_of((Present(binding.var), reduce(term.arg, lookup)))
        case _:
            assert_never(binding)


def _within(first: str, second: str, seconds: int | None, lookup: Lookup) -> Term:
    a, b = lookup(first), lookup(second)
    if isinstance(a, Known) and isinstance(b, Known):
        return const(atom_value(Within(first, second, seconds), {first: a.values, second: b.values}))
    for binding in (a, b):
        if isinstance(binding, Unknowable):
            return Opaque(binding.reason)
    if a == Known(()) or b == Known(()):
        return FALSE
    if isinstance(a, Alias) and isinstance(b, Alias):
        return Within(a.var, b.var, seconds)
    return _within_known(first, second, seconds, a, b)


def _within_known(first: str, second: str, seconds: int | None, a: Binding, b: Binding) -> Term:
    """One side known: the link becomes comparisons with a constant."""
    from iamsim.ir import values
    from iamsim.ir.term import Sort

    if isinstance(a, Known) and isinstance(b, Alias):
        start = values.date(a.values[0])
        if start is None:
            return FALSE
        parts: list[Term] = [Compare(b.var, ">=", start, Sort.DATE)]
        return all_of(parts if seconds is None else [*parts, Compare(b.var, "<=", start + seconds, Sort.DATE)])
    if isinstance(b, Known) and isinstance(a, Alias):
        end = values.date(b.values[0])
        if end is None:
            return FALSE
        parts = [Compare(a.var, "<=", end, Sort.DATE)]
        return all_of(parts if seconds is None else [*parts, Compare(a.var, ">=", end - seconds, Sort.DATE)])
    return Opaque(f"unsupported:{first}:{second}")


def _atom(atom: Atom, lookup: Lookup) -> Term:
    assert not isinstance(atom, Within)
    binding = lookup(atom.var)
    match binding:
        case Unknowable(reason):
            return Opaque(reason)
        case Cases(test, then, other):
            return ite(test, _atom(atom, _with(lookup, atom.var, then)), _atom(atom, _with(lookup, atom.var, other)))
        case Ambivalent(first, second, reason):
            one = _atom(atom, _with(lookup, atom.var, first))
            return agree(one, _atom(atom, _with(lookup, atom.var, second)), reason)
        case Known() | Alias() | Prefixed():
            pass
        case _:
            assert_never(binding)
    if isinstance(atom, Like):
        return _like(atom, binding, lookup)
    if isinstance(binding, Known):
        return _known(atom, binding.values)
    if isinstance(binding, Alias):
        return replace(atom, var=binding.var)
    return TRUE if isinstance(atom, Present) else _prefixed_atom(atom, binding)


def _known(atom: Compare | InNetwork | Parses | Present, found: tuple[str, ...]) -> Term:
    """The atom of a known value; a bare four-digit integer as a date has two readings (semantics X11)."""
    first = const(atom_value(atom, {atom.var: found}))
    if not (isinstance(atom, Compare) and atom.sort is Sort.DATE and found):
        return first
    seconds = ambiguous_date(found[0])
    if seconds is None or isinstance(atom.value, bytes):
        return first
    return agree(first, const(compare_values(seconds, atom.op, atom.value)), "X11")


def _prefixed_atom(atom: Compare | InNetwork | Parses | Present, binding: Prefixed) -> Term:
    """A number, date or address cannot be told apart inside a composed text, which is none of these."""
    if isinstance(atom, Parses):
        return const(evaluate(atom, {atom.var: (binding.prefix + "x",)}) is True)
    return FALSE


def _like(atom: Like, binding: Known | Alias | Prefixed, lookup: Lookup) -> Term:
    if isinstance(binding, Known) and not binding.values:
        return FALSE
    if atom.pattern.variables:
        filled = _fill(atom, lookup)
        if not isinstance(filled, Pattern):
            return filled
        atom = replace(atom, pattern=filled)
    if isinstance(binding, Alias):
        return FALSE if binding.never and _is_one_of(atom.pattern, binding.never) else replace(atom, var=binding.var)
    if isinstance(binding, Known):
        if atom.pattern.variables:
            return _like_constant(atom, binding.values[0])
        return const(atom_value(atom, {atom.var: binding.values}))
    return _like_prefixed(atom, binding)


def _is_one_of(pattern: Pattern, texts: tuple[str, ...]) -> bool:
    """Whether everything that the pattern matches is one of the texts or begins with one and a slash."""
    fixed = list(takewhile(lambda p: isinstance(p, Literal), pattern.parts))
    head = "".join(p.text for p in fixed if isinstance(p, Literal))
    return head.startswith(tuple(f"{t}/" for t in texts)) or (len(fixed) == len(pattern.parts) and head in texts)


def _fill(atom: Like, lookup: Lookup) -> Pattern | Term:
    """The pattern with its variables replaced; or a term where that needs a case split or has no value."""
    parts: list[Part] = []
    for part in atom.pattern.parts:
        if not isinstance(part, Variable):
            parts.append(part)
            continue
        binding = lookup(part.key)
        match binding:
            case Known(values):
                text = values[0] if values else part.default
                if text is None:
                    return FALSE
                parts.append(Literal(text))
            case Alias(var):
                parts.append(Variable(var, part.default))
            case Prefixed(prefix, var):
                parts.extend((Literal(prefix), Variable(var)))
            case Unknowable(reason):
                return Opaque(reason)
            case Cases(test, then, other):
                return ite(
                    test, _atom(atom, _with(lookup, part.key, then)), _atom(atom, _with(lookup, part.key, other))
                )
            case Ambivalent(first, second, reason):
                one = _atom(atom, _with(lookup, part.key, first))
                return agree(one, _atom(atom, _with(lookup, part.key, second)), reason)
            case _:
                assert_never(binding)
    return join(atom.pattern.text, parts)


def _like_constant(atom: Like, text: str) -> Term:
    """A constant against a pattern with free variables: the constant becomes a variable pattern match.

    A single variable between fixed parts is turned round into a match on that variable.
    """
    pattern = folded(atom.pattern) if atom.fold_case else atom.pattern
    value = fold(text) if atom.fold_case else text
    if len(pattern.variables) == 1:
        found = _solve_single(pattern, value, fold_case=atom.fold_case)
        if found is not None:
            return found
    return Like("=" + text, atom.pattern, atom.fold_case)


def _solve_single(pattern: Pattern, value: str, *, fold_case: bool) -> Term | None:
    """The texts of the one variable of `pattern` that make it match `value`, as a term; at most len(value)² of them."""
    at = next(i for i, p in enumerate(pattern.parts) if isinstance(p, Variable))
    var = pattern.parts[at]
    assert isinstance(var, Variable)
    before, after = Pattern("", pattern.parts[:at]), Pattern("", pattern.parts[at + 1 :])
    if len(value) > 200 or any(not isinstance(p, Literal) for p in (*before.parts, *after.parts)):
        return None
    head = before.literal or ""
    tail = after.literal or ""
    if len(value) < len(head) + len(tail) or not value.startswith(head) or not value.endswith(tail):
        middle = None
    else:
        middle = value[len(head) : len(value) - len(tail)]
    test = FALSE if middle is None else Like(var.key, join(middle, [Literal(middle)]), fold_case)
    if var.default is None or middle is None:
        return test
    default = fold(var.default) if fold_case else var.default
    return any_of((test, all_of((not_(Present(var.key)), const(default == middle)))))


def _like_prefixed(atom: Like, binding: Prefixed) -> Term:
    if atom.pattern.variables:
        return Opaque("unsupported:variable in a pattern on a composed key")
    from iamsim.theory.globs import derivative

    rest = derivative(atom.pattern, binding.prefix, fold_case=atom.fold_case)
    return any_of(Like(binding.var, p, atom.fold_case) for p in rest)

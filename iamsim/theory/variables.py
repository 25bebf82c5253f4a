"""Policy variables: what they imply exactly, what is left of them for a proof, and values to try for a witness.

A fact is a literal with the indices of the given literals that it follows from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.ir.term import (
    FALSE,
    And,
    Compare,
    Each,
    InNetwork,
    Like,
    Named,
    Not,
    Or,
    Parses,
    Present,
    Some,
    all_of,
    any_of,
    each,
    like,
    not_,
    present,
    some,
)
from iamsim.model.pattern import AnyChar, Literal, Part, Pattern, Star, Variable, join, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from iamsim.ir.term import Term, Var

ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Fact:
    """`term` has the value `sign`, which follows from the given literals with the indices `because`."""

    term: Term
    sign: bool
    because: frozenset[int]


def references(term: Term) -> tuple[Variable, ...]:
    """The policy variables in the patterns of `term`, in order, without duplicates."""
    if isinstance(term, Like):
        found = term.pattern.variables
        return found if len(found) < 2 else tuple(dict.fromkeys(found))
    return _references(term) if isinstance(term, Each | Some) else ()


@lru_cache(maxsize=4096)
def _references(term: Term) -> tuple[Variable, ...]:
    match term:
        case Like(_, pattern):
            return tuple(dict.fromkeys(pattern.variables))
        case And(args) | Or(args):
            return tuple(dict.fromkeys(v for a in args for v in _references(a)))
        case Not(arg) | Named(_, arg) | Each(_, arg) | Some(_, arg):
            return _references(arg)
        case _:
            return ()


def relaxed(term: Term, *, sign: bool) -> Term:
    """A term without policy variables that has the value `sign` wherever `term` has it."""
    match term:
        case Like(var, pattern, fold_case) if pattern.variables:
            return like(var, widened(pattern), fold_case=fold_case) if sign else FALSE
        case And(args):
            return all_of(relaxed(a, sign=sign) for a in args)
        case Or(args):
            return any_of(relaxed(a, sign=sign) for a in args)
        case Not(arg):
            return not_(relaxed(arg, sign=not sign))
        case Named(_, arg):
            return relaxed(arg, sign=sign)
        case Each(var, arg):
            return each(var, relaxed(arg, sign=sign))
        case Some(var, arg):
            return some(var, relaxed(arg, sign=sign))
        case _:
            return term


@lru_cache(maxsize=4096)
def widened(pattern: Pattern) -> Pattern:
    """`pattern` with each policy variable as a star."""
    return join(pattern.text, [Star() if isinstance(p, Variable) else p for p in pattern.parts])


def filled(term: Term, known: Mapping[Var, str | None]) -> Term:
    """`term` with the policy variables of `known` replaced by their values; None stands for an absent one."""
    match term:
        case Like(var, pattern, fold_case) if pattern.variables:
            parts: list[Part] = []
            for part in pattern.parts:
                if isinstance(part, Variable) and part.key in known:
                    text = known[part.key]
                    text = part.default if text is None else text
                    if text is None:
                        return FALSE
                    parts.append(Literal(text))
                else:
                    parts.append(part)
            return like(var, join(pattern.text, parts), fold_case=fold_case)
        case And(args):
            return all_of(filled(a, known) for a in args)
        case Or(args):
            return any_of(filled(a, known) for a in args)
        case Not(arg):
            return not_(filled(arg, known))
        case Named(_, arg):
            return filled(arg, known)
        case Each(var, arg):
            return each(var, filled(arg, {k: v for k, v in known.items() if k != var}))
        case Some(var, arg):
            return some(var, filled(arg, {k: v for k, v in known.items() if k != var}))
        case _:
            return term


# --- what policy variables imply ---------------------------------------------------------------------------------


def inferred(facts: Sequence[Fact]) -> list[Fact]:
    """`facts` with what they imply about policy variables: presence, values forced by equalities, shared values.

    The result has the same models, restricted to the same variables. A variable that can only have one value is
    replaced by it wherever it stands in a pattern.
    """
    out = [f for fact in facts for f in (fact, *_presence(fact))]
    for _ in range(ROUNDS):
        known = _known(out)
        after = [_filled_fact(fact, known) for fact in out]
        seen = {(f.term, f.sign) for f in after}
        fresh = [f for f in (*_captured(after, known), *_shared(after)) if (f.term, f.sign) not in seen]
        if not fresh and after == out:
            break
        out = [*after, *{(f.term, f.sign): f for f in reversed(fresh)}.values()]
    return out


def _presence(fact: Fact) -> Iterator[Fact]:
    """A pattern that matches has all its variables, and the value that it matches."""
    if not fact.sign or not isinstance(fact.term, Like):
        return
    refs = fact.term.pattern.variables
    if refs:
        yield Fact(present(fact.term.var), True, fact.because)
    yield from (Fact(present(v.key), True, fact.because) for v in refs if v.default is None)


def _known(facts: Sequence[Fact]) -> dict[Var, tuple[str | None, frozenset[int]]]:
    """The variables that have one value only, or are absent (None), each with the reason."""
    out: dict[Var, tuple[str | None, frozenset[int]]] = {}
    for fact in facts:
        match fact.term:
            case Like(var, pattern, False) if fact.sign and pattern.literal is not None:
                out.setdefault(var, (pattern.literal, fact.because))
            case Present(var) if not fact.sign:
                out.setdefault(var, (None, fact.because))
            case _:
                pass
    return out


def _filled_fact(fact: Fact, known: Mapping[Var, tuple[str | None, frozenset[int]]]) -> Fact:
    used = [v.key for v in references(fact.term) if v.key in known]
    if not used:
        return fact
    because = fact.because.union(*(known[k][1] for k in used))
    return Fact(filled(fact.term, {k: known[k][0] for k in used}), fact.sign, because)


def _captured(facts: Sequence[Fact], known: Mapping[Var, tuple[str | None, frozenset[int]]]) -> Iterator[Fact]:
    """A known value that matches a pattern whose only open part is one policy variable fixes that variable."""
    for fact in facts:
        if not (fact.sign and isinstance(fact.term, Like)) or fact.term.fold_case or fact.term.var not in known:
            continue
        text, because = known[fact.term.var]
        parts = fact.term.pattern.parts
        refs = fact.term.pattern.variables
        if text is None or len(refs) != 1 or refs[0].default is not None:
            continue
        if any(isinstance(p, Star | AnyChar) for p in parts):
            continue
        at = parts.index(refs[0])
        head = "".join(p.text for p in parts[:at] if isinstance(p, Literal))
        tail = "".join(p.text for p in parts[at + 1 :] if isinstance(p, Literal))
        if text.startswith(head) and text.endswith(tail) and len(head) + len(tail) <= len(text):
            middle = text[len(head) : len(text) - len(tail)]
            yield Fact(like(refs[0].key, plain(middle)), True, fact.because | because)


def _shared(facts: Sequence[Fact]) -> Iterator[Fact]:
    """What holds of the value of one variable holds of those that equal it."""
    classes: dict[Var, tuple[frozenset[Var], frozenset[int]]] = {}
    for fact in facts:
        if not (fact.sign and isinstance(fact.term, Like)) or fact.term.fold_case:
            continue
        parts = fact.term.pattern.parts
        if len(parts) == 1 and isinstance(parts[0], Variable) and parts[0].default is None:
            pair = (fact.term.var, parts[0].key)
            groups = [classes.get(v, (frozenset((v,)), frozenset())) for v in pair]
            merged = (groups[0][0] | groups[1][0], groups[0][1] | groups[1][1] | fact.because)
            classes.update((v, merged) for v in merged[0])
    for fact in facts if classes else ():
        atom = fact.term
        if not isinstance(atom, Like | Compare | InNetwork | Parses) or atom.var not in classes or references(atom):
            continue
        members, because = classes[atom.var]
        yield from (Fact(replace(atom, var=v), fact.sign, fact.because | because) for v in sorted(members - {atom.var}))


# --- values to try -----------------------------------------------------------------------------------------------


def captures(pattern: Pattern, text: str) -> dict[Var, list[str]]:
    """Values of the policy variables of `pattern` with which it can match `text`, a shortest and a longest reading."""
    out: dict[Var, list[str]] = {}
    for lazy in ("?", ""):
        source, names = "", []
        for part in pattern.parts:
            if isinstance(part, Literal):
                source += re.escape(part.text)
            elif isinstance(part, Variable):
                source += f"(.+{lazy})"
                names.append(part.key)
            else:
                source += ("[^:]" if part.field else ".") + ("" if isinstance(part, AnyChar) else "*")
        found = re.fullmatch(source, text, re.DOTALL | re.IGNORECASE)
        for name, value in zip(names, found.groups() if found else (), strict=False):
            out.setdefault(name, []).append(value)
    return out

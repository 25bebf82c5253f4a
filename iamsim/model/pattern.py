"""Patterns of policies: text with `*`, `?` and policy variables, as tokens, and their matching against constants."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

_PLAIN = re.compile(r"[^*?$]+")


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Star:
    """Any string, also the empty one; `field` means without a colon."""

    field: bool = False


@dataclass(frozen=True, slots=True)
class AnyChar:
    """Exactly one character; `field` means not a colon."""

    field: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A policy variable: the lower-cased condition key and its default, if any."""

    key: str
    default: str | None = None


Part = Literal | Star | AnyChar | Variable


@dataclass(frozen=True, slots=True)
class Pattern:
    """A tokenized pattern. `text` is what the policy says; two patterns are equal iff their parts are."""

    text: str = field(compare=False)
    parts: tuple[Part, ...]
    _hash: int = field(default=0, init=False, repr=False, compare=False)
    _variables: tuple[Variable, ...] | None = field(default=None, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        value = self._hash
        if not value:
            value = hash(self.parts) or 1
            object.__setattr__(self, "_hash", value)
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return Pattern, (self.text, self.parts)  # another process has other hashes

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The policy variables of the pattern, in order."""
        found = self._variables
        if found is None:
            found = tuple(p for p in self.parts if isinstance(p, Variable))
            object.__setattr__(self, "_variables", found)
        return found

    @property
    def literal(self) -> str | None:
        """The only text that the pattern matches, or None if it has wildcards or variables."""
        if not self.parts:
            return ""
        if len(self.parts) == 1 and isinstance(self.parts[0], Literal):
            return self.parts[0].text
        return None


def join(text: str, parts: list[Part]) -> Pattern:
    """The pattern of `parts`, with neighbouring literals merged and empty ones and doubled stars dropped."""
    out: list[Part] = []
    for part in parts:
        last = out[-1] if out else None
        if isinstance(part, Literal):
            if not part.text:
                continue
            if isinstance(last, Literal):
                out[-1] = Literal(last.text + part.text)
                continue
        elif isinstance(part, Star) and isinstance(last, Star) and (last.field == part.field or not last.field):
            continue
        elif isinstance(part, Star) and isinstance(last, Star):
            out[-1] = part
            continue
        out.append(part)
    return Pattern(text, tuple(out))


def plain(text: str) -> Pattern:
    """The pattern that matches exactly `text`."""
    return Pattern(text, (Literal(text),) if text else ())


def tokenize(text: str, *, wildcards: bool = True, variables: bool = True) -> Pattern:
    """The tokens of a policy text: `*` and `?` if `wildcards`, `${key}` and `${key, 'default'}` if `variables`.

    `${*}`, `${?}` and `${$}` are the literal characters; an unclosed `${` is plain text.
    Source: IAM User Guide, "IAM policy elements: Variables and tags".
    """
    if not (variables and "${" in text) and not (wildcards and ("*" in text or "?" in text)):
        return plain(text)
    parts: list[Part] = []
    i = 0
    while i < len(text):
        c = text[i]
        if variables and c == "$" and text.startswith("${", i) and (end := text.find("}", i)) > 0:
            parts.append(_variable(text[i + 2 : end]))
            i = end + 1
            continue
        if wildcards and c == "*":
            if not text.startswith("*", i + 1):
                parts.append(Star())
        elif wildcards and c == "?":
            parts.append(AnyChar())
        else:
            end = run.end() if (run := _PLAIN.match(text, i)) else i + 1
            parts.append(Literal(text[i:end]))
            i = end
            continue
        i += 1
    return join(text, parts)


_BODY = re.compile(r"([^\s,{}'$](?:[^,{}'$]*[^\s,{}'$])?)(?:, '([^'{}$]*)')?")


def _variable(body: str) -> Part:
    """The part that `${body}` is; of another form than `key` or `key, 'default'` the whole body is kept as its key."""
    if body in ("*", "?", "$"):
        return Literal(body)
    found = _BODY.fullmatch(body)
    if found is None:
        return Variable(body)
    return Variable(found[1].lower(), found[2])


def is_variable(key: str) -> bool:
    """False iff no condition key is spelled like `key`, so that a policy variable of it is malformed.

    Source: IAM User Guide, "IAM policy elements: Variables and tags".
    """
    found = _BODY.fullmatch(key)
    return found is not None and found[2] is None


def substitute(pattern: Pattern, values: dict[str, str]) -> Pattern:
    """`pattern` with the variables that `values` names inserted as literal text; the other variables stay."""
    if not any(isinstance(p, Variable) and p.key in values for p in pattern.parts):
        return pattern
    parts: list[Part] = [
        Literal(values[p.key]) if isinstance(p, Variable) and p.key in values else p for p in pattern.parts
    ]
    return join(pattern.text, parts)


def match(pattern: Pattern, text: str, *, fold_case: bool = False) -> bool:
    """True iff the whole of `text` matches `pattern`, which must have no variables left."""
    if fold_case:
        pattern, text = folded(pattern), fold(text)
    parts = pattern.parts
    if not parts:
        return not text
    if len(parts) == 1:
        only = parts[0]
        if isinstance(only, Literal):
            return only.text == text
        if isinstance(only, Star):
            return not (only.field and ":" in text)
    first, last = parts[0], parts[-1]
    if isinstance(first, Literal) and not text.startswith(first.text):
        return False
    if isinstance(last, Literal) and not text.endswith(last.text):
        return False
    found = _leftmost(parts, text)
    return _glob(parts, text) if found is None else found


_ASCII = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}


def fold(text: str) -> str:
    """`text` with its ASCII letters in lower case; AWS does not say how it compares the case of others."""
    return text.lower() if text.isascii() else text.translate(_ASCII)


@lru_cache(maxsize=65536)
def folded(pattern: Pattern) -> Pattern:
    """`pattern` with its literals lower-cased (ASCII patterns of names that ignore case)."""
    return Pattern(pattern.text, tuple(Literal(fold(p.text)) if isinstance(p, Literal) else p for p in pattern.parts))


def _leftmost(parts: tuple[Part, ...], text: str) -> bool | None:
    """Whether `text` matches, each literal taken where it first fits, which is best where nothing but whole stars is between
    them; None for other parts. The first and the last literal are known to fit.
    """
    at = 0
    for n, part in enumerate(parts):
        if isinstance(part, Star):
            if part.field:
                return None
        elif not isinstance(part, Literal):
            return None
        elif n == 0:
            at = len(part.text)
        elif n == len(parts) - 1:
            return at <= len(text) - len(part.text)
        else:
            at = text.find(part.text, at)
            if at < 0:
                return False
            at += len(part.text)
    return True


def _glob(parts: tuple[Part, ...], text: str) -> bool:
    """Set-of-positions simulation: linear in len(parts) × len(text), whatever the pattern."""
    ends = {0}
    for part in parts:
        if isinstance(part, Literal):
            size = len(part.text)
            ends = {e + size for e in ends if text.startswith(part.text, e)}
        elif isinstance(part, Star):
            ends = _star(ends, text, field_only=part.field)
        elif isinstance(part, AnyChar):
            ends = {e + 1 for e in ends if e < len(text) and not (part.field and text[e] == ":")}
        else:
            raise TypeError(f"pattern {part!r} still has a variable")
        if not ends:
            return False
    return len(text) in ends


def _star(ends: set[int], text: str, *, field_only: bool) -> set[int]:
    if not field_only:
        return set(range(min(ends), len(text) + 1))
    out: set[int] = set()
    for e in ends:
        if e not in out:
            stop = text.find(":", e)
            out.update(range(e, (len(text) if stop < 0 else stop) + 1))
    return out


def single_characters(pattern: Pattern) -> list[Part]:
    """The parts of the pattern, each literal as one part a character."""
    out: list[Part] = []
    for p in pattern.parts:
        if isinstance(p, Literal):
            out.extend(Literal(c) for c in p.text)
        else:
            out.append(p)
    return out

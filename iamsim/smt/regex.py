"""Patterns and texts in SMT-LIB.

The star is a loop over the range of all characters, not `re.all`: the two mean the same, and the former is the one that
Z3 decides fast. SMT-LIB's characters end at U+2FFFF.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, plain
from iamsim.theory.product import automaton

if TYPE_CHECKING:
    from iamsim.model.pattern import Part

LAST = 0x2FFFF
CHAR = '(re.range "\\u{0}" "\\u{2ffff}")'
FIELD_CHAR = '(re.union (re.range "\\u{0}" "9") (re.range ";" "\\u{2ffff}"))'
DIGIT = '(re.range "0" "9")'
SIGN = '(re.opt (re.union (str.to_re "+") (str.to_re "-")))'
DOT = '(str.to_re ".")'
NUMBER = (
    f"(re.++ {SIGN} (re.union (re.++ (re.+ {DIGIT}) (re.opt (re.++ {DOT} (re.* {DIGIT}))))"
    f" (re.++ {DOT} (re.+ {DIGIT}))))"
)
ARN = '(re.++ (str.to_re "arn:") ' + " ".join([f'(re.* {CHAR}) (str.to_re ":")'] * 4) + f" (re.* {CHAR}))"


def sayable(text: str) -> bool:
    """True iff SMT-LIB has all characters of `text`."""
    return all(ord(c) <= LAST for c in text)


def quoted(text: str) -> str:
    """The string literal of `text`."""
    return '"' + "".join(_escaped(c) for c in text) + '"'


def _escaped(char: str) -> str:
    if char == '"':
        return '""'
    return char if " " <= char <= "~" and char != "\\" else f"\\u{{{ord(char):x}}}"


def one_of(chars: str) -> str:
    """The regular expression of one of `chars`."""
    parts = [f"(str.to_re {quoted(c)})" for c in dict.fromkeys(chars) if sayable(c)]
    return "re.none" if not parts else parts[0] if len(parts) == 1 else f"(re.union {' '.join(parts)})"


def of_part(part: Star | AnyChar) -> str:
    """The regular expression of a wildcard."""
    char = FIELD_CHAR if part.field else CHAR
    return f"(re.* {char})" if isinstance(part, Star) else char


def of_pattern(pattern: Pattern, *, fold_case: bool) -> str | None:
    """The regular expression of a pattern without policy variables, or None if SMT-LIB lacks a character of it."""
    parts: list[str] = []
    for part in pattern.parts:
        shape = _of(part, fold_case=fold_case)
        if shape is None:
            return None
        parts += shape
    return '(str.to_re "")' if not parts else parts[0] if len(parts) == 1 else f"(re.++ {' '.join(parts)})"


def _of(part: Part, *, fold_case: bool) -> list[str] | None:
    if isinstance(part, Star | AnyChar):
        return [of_part(part)]
    if not isinstance(part, Literal):
        raise TypeError(f"pattern {part!r} still has a variable")
    if not sayable(part.text):
        return None
    if not fold_case:
        return [f"(str.to_re {quoted(part.text)})"]
    return [one_of("".join(automaton(plain(c), fold_case=True).literals)) for c in part.text]


def _word(word: str) -> str:
    return "(re.++ " + " ".join(one_of(c + c.upper()) for c in word) + ")"


BOOLEAN = f"(re.union {_word('true')} {_word('false')})"

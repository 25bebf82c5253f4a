"""Shapes of ARNs and of condition keys: the templates of the Service Authorization Reference, compiled and compared.

A template is text with variables `${Name}`. A query may hold the wildcards `*` and `?`; it *could be* of a shape iff some
text without wildcards is both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_TAKES_ALL = ("objectname", "path", "connectionarn")
_MAY_BE_EMPTY = ("packagenamespace", "apispecificresourcepath", "partition", "region", "account", "accountid")


@dataclass(frozen=True, slots=True)
class Hole:
    """Any text without the characters of `stops`; not empty if `filled`."""

    stops: str
    filled: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A compiled template: its tokens (single characters and holes) and the regular expression that says the same."""

    tokens: tuple[str | Hole, ...]
    regex: re.Pattern[str]


def starred(template: str) -> str:
    """The template with `*` for each variable."""
    return _VARIABLE.sub("*", template)


def compile_shape(template: str, siblings: tuple[str, ...]) -> Shape:
    """The shape of an ARN template; `siblings` are the templates of the service, which decide where its end stops.

    Source: Service Authorization Reference, "Resource types defined by …".
    """
    *head, body = template.split(":", 5)
    tokens: list[str | Hole] = []
    for field in head:
        if field == "*" or "${" in field:
            tokens.append(Hole(":", filled=field.strip("${}*").lower() not in ("", *_MAY_BE_EMPTY)))
        else:
            tokens.extend(field.lower())
        tokens.append(":")
    pieces = _pieces(body)
    for i, (text, name) in enumerate(pieces):
        tokens.extend(text)
        if name is not None:
            after = pieces[i + 1][0] if i + 1 < len(pieces) else ""
            stops = _stops(template, after, name.lower(), siblings)
            tokens.append(Hole(stops, filled=name.lower() not in _MAY_BE_EMPTY))
    return Shape(tuple(tokens), _regex(tokens))


def _pieces(text: str) -> list[tuple[str, str | None]]:
    """(literal, variable) pairs in order; the last has no variable if the text ends in a literal."""
    out: list[tuple[str, str | None]] = []
    last = 0
    for found in _VARIABLE.finditer(text):
        out.append((text[last : found.start()], found[1]))
        last = found.end()
    if last < len(text):
        out.append((text[last:], None))
    return out


def _stops(template: str, after: str, name: str, siblings: tuple[str, ...]) -> str:
    if after:
        return ":" if after[0] == ":" else "/:"
    if name.endswith(_TAKES_ALL):
        return ""
    slash = any(_goes_on(template, other, "/") for other in siblings)
    colon = ":logs:" in template and any(_goes_on(template, other, ":") for other in siblings)
    return ("/" if slash else "") + (":" if colon else "")


@lru_cache(maxsize=65536)
def _goes_on(template: str, other: str, separator: str) -> bool:
    """True iff `other` is a longer template of the same kind of ARN: what `template` says, then `separator` and more."""
    mine, others = template.split(":", 5), other.split(":", 5)
    if template == other or len(mine) < 6 or len(others) < 6 or mine[2] != others[2]:
        return False
    if not others[5].startswith(mine[5].partition("${")[0]):
        return False
    regex = "[^/:]+".join(re.escape(p) for p in re.split(r"\$\{[^}]*\}", mine[5]))
    return re.fullmatch(f"{regex}{separator}.*", _VARIABLE.sub("x", others[5])) is not None


def _regex(tokens: list[str | Hole]) -> re.Pattern[str]:
    out = []
    for token in tokens:
        if isinstance(token, Hole):
            out.append((f"[^{token.stops}]" if token.stops else ".") + ("+" if token.filled else "*"))
        else:
            out.append(re.escape(token))
    return re.compile("".join(out), re.DOTALL)


def could_be(shape: Shape, arn: str) -> bool:
    """True iff some text is of the shape and matches `arn`, whose `*` and `?` are wildcards; the first five fields
    are compared without case.
    """
    fields = arn.split(":", 5)
    text = arn if len(fields) < 6 else ":".join([*(f.lower() for f in fields[:5]), fields[5]])
    if "*" not in text and "?" not in text:
        return shape.regex.fullmatch(text) is not None
    return _meet(shape.tokens, text)


def _meet(tokens: tuple[str | Hole, ...], glob: str) -> bool:
    """True iff a shape and a glob have a common text: both are walked at once, as sets of positions in the glob."""
    ends = _closed({0}, glob)
    for token in tokens:
        if isinstance(token, str):
            ends = _closed(_step(ends, glob, token), glob)
            continue
        inside = _hole_step(ends, glob, token) if token.filled else ends
        seen = set(inside)
        while inside:
            inside = _hole_step(inside, glob, token) - seen
            seen |= inside
        ends = seen
    return len(glob) in ends


def _closed(ends: set[int], glob: str) -> set[int]:
    """The positions reachable by letting stars be empty."""
    out = set(ends)
    for end in ends:
        i = end
        while i < len(glob) and glob[i] == "*":
            i += 1
            out.add(i)
    return out


def _step(ends: set[int], glob: str, char: str) -> set[int]:
    out = {e + 1 for e in ends if e < len(glob) and (glob[e] == char or glob[e] == "?")}
    return out | {e for e in ends if e < len(glob) and glob[e] == "*"}


def _hole_step(ends: set[int], glob: str, hole: Hole) -> set[int]:
    """The positions after one more character of the hole."""
    out = {e + 1 for e in ends if e < len(glob) and glob[e] != "*" and glob[e] not in hole.stops}
    return _closed(out | {e for e in ends if e < len(glob) and glob[e] == "*"}, glob)


@lru_cache(maxsize=4096)
def globs_meet(glob: str, other: str) -> bool:
    """True iff some text matches both globs: `glob` with `*` only, `other` with `*` and `?`; case counts."""
    return _meet(tuple(Hole("", filled=False) if c == "*" else c for c in glob), other)


def is_family(key: str) -> bool:
    """True iff a condition key of the reference stands for many, as `aws:RequestTag/${TagKey}` does."""
    return "${" in key or "<" in key


@lru_cache(maxsize=4096)
def key_regex(family: str) -> re.Pattern[str]:
    """The regular expression of the lower-cased keys of a family."""
    parts = re.split(r"\$\{[^}]*\}|<[^>]*>", family.lower())
    return re.compile(".+?".join(re.escape(p) for p in parts), re.DOTALL)

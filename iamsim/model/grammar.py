"""The grammars, and text parsed by them. Only this module imports lark: others see Node, Leaf and SyntaxProblem.

The grammar files stand in the package (`iamsim/grammar`, an installed wheel) or beside it (`grammar`, a checkout).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from iamsim.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedInput
    from lark.lexer import TerminalDef

STARTS = {"query": ("single", "file", "alone"), "policy": ("start",), "pattern": ("start",)}
WORDS = {
    "CALLER": "a caller such as `user/alice`",
    "ACTION": "an action such as `s3:GetObject`",
    "RESOURCE": "a resource such as `arn:aws:s3:::bucket/key`",
    "KEY": "a condition key such as `aws:SourceIp`",
    "VALUE": "a value",
    "NETWORK": "a CIDR block such as `10.0.0.0/8`",
    "QUANTITY": "a number",
    "DATE": "a date such as `2030-01-01`",
    "ACCOUNT_ID": "an account id of 12 digits",
    "SERVICE_NAME": "a service principal such as `lambda.amazonaws.com`",
    "COUNT": "a whole number",
    "EXAMPLE": "a number of an example",
    "WORD": "a word",
    "NAME": "a name",
    "STRING": "a quoted text",
    "NUMBER": "a number",
    "SEPARATOR": "the next question",
    "ORDER": "a comparison (`<` `<=` `==` `>=` `>`)",
    "INSTANT": "a comparison of dates (`before` `until` `at` `since` `after`)",
    "SORT": "a sort (`string` `number` `date` `address` `binary` `arn` `bool`)",
    "$END": "the end",
}
UNSAID = frozenset({"BLANK", "COMMENT", "SEPARATOR", "EXAMPLE"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """One token: the name of its terminal, its text, and where it stands (line and column from 1, offset from 0)."""

    name: str
    text: str
    line: int
    column: int
    start: int


@dataclass(frozen=True, slots=True)
class Node:
    """What one rule of a grammar has read; `line` and `column` (from 1) are those of its first token."""

    name: str
    children: tuple[Node | Leaf, ...]
    line: int
    column: int

    def all(self, name: str) -> tuple[Node, ...]:
        """The children that the rule `name` has read, in order."""
        return tuple(c for c in self.children if isinstance(c, Node) and c.name == name)

    def nodes(self) -> tuple[Node, ...]:
        """The children that some rule has read, in order."""
        return tuple(c for c in self.children if isinstance(c, Node))

    def leaves(self) -> tuple[Leaf, ...]:
        """The tokens directly below this node, in order."""
        return tuple(c for c in self.children if isinstance(c, Leaf))


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntaxProblem:
    """A text that its grammar does not derive: the place, the word there (empty at the end), and what was expected.

    `expected` are descriptions in words, `keywords` those of them that are fixed words. `help` names the likeliest
    remedy, empty if none is likelier than another.
    """

    source: str
    line: int
    column: int
    found: str
    expected: tuple[str, ...]
    keywords: tuple[str, ...]
    snippet: str
    help: str

    @property
    def message(self) -> str:
        """One line: place, word, expectation."""
        what = f"`{self.found}` is out of place" if self.found else "the text ends too early"
        return f"{self.source}:{self.line}:{self.column}: {what}: expected {_or(self.expected)}"


PACKAGE = Path(__file__).resolve().parent.parent


def grammar_folder(package: Path = PACKAGE) -> Path:
    """The folder that holds the grammar files: inside the package if it is there, else beside it."""
    for folder in (package / "grammar", package.parent / "grammar"):
        if (folder / "query.lark").is_file():
            return folder
    raise InternalError("the grammar files are missing from this installation")


@cache
def _parser(grammar: str) -> Lark:
    from lark import Lark

    path = grammar_folder() / f"{grammar}.lark"
    return Lark.open(
        str(path),
        parser="lalr",
        lexer="contextual",
        start=list(STARTS[grammar]),
        propagate_positions=True,
        maybe_placeholders=False,
        edit_terminals=_whole if grammar == "query" else None,
    )


_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_END = r"""(?=[\s;",'()\[\]=<>!#]|\Z)"""


def _whole(terminal: TerminalDef) -> None:
    """A fixed word stands alone: `nope` is not `no` and something else."""
    from lark.lexer import PatternRE

    if terminal.pattern.type == "str" and _WORD.fullmatch(terminal.pattern.value):
        terminal.pattern = PatternRE(terminal.pattern.value + _END)
        terminal.priority = 1


def _is_fixed(terminal: TerminalDef) -> bool:
    return bool(terminal.pattern.type == "str" or terminal.pattern.value.endswith(_END))


def parse(grammar: str, text: str, *, start: str = "start", source: str = "<text>") -> Node | SyntaxProblem:
    """What the rule `start` of a grammar reads in `text`, or why it cannot read it. Never raises for any text."""
    from lark.exceptions import UnexpectedInput

    parser = _parser(grammar)
    try:
        return _node(parser.parse(text, start=start))
    except UnexpectedInput as error:
        return _problem(parser, error, text, source)


def _node(root: Tree[Token]) -> Node:
    """`root` as a Node, without recursion: documents may be nested deeply."""
    from lark import Token

    done: dict[int, Node] = {}
    last = Node("", (), 1, 1)
    for tree in root.iter_subtrees():
        children = tuple(_leaf(c) if isinstance(c, Token) else done[id(c)] for c in tree.children)
        line, column = (1, 1) if tree.meta.empty else (tree.meta.line, tree.meta.column)
        last = done[id(tree)] = Node(str(tree.data), children, line, column)
    return last


def _leaf(token: Token) -> Leaf:
    return Leaf(token.type, str(token), token.line or 1, token.column or 1, token.start_pos or 0)


def _problem(parser: Lark, error: UnexpectedInput, text: str, source: str) -> SyntaxProblem:
    """`error` with its place, the word that stands there, and what could stand there instead."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    offset = error.pos_in_stream or 0
    names: set[str] = error.allowed or set() if isinstance(error, UnexpectedCharacters) else set()
    if isinstance(error, UnexpectedToken):
        names = set(error.accepts or error.expected)
        offset = len(text) if error.token.type == "$END" else offset
    fixed = {t.name: t.pattern.value.removesuffix(_END) for t in parser.terminals if _is_fixed(t)}
    wanted = sorted(names - UNSAID) or sorted(names)
    keywords = tuple(sorted({fixed[n] for n in wanted if n in fixed}))
    others = [WORDS.get(n, n.lower()) for n in wanted if n not in fixed]
    found = word_at(text, offset)
    line, column = position(text, offset)
    return SyntaxProblem(
        source=source,
        line=line,
        column=column,
        found=found,
        expected=(*sorted(set(others)), *(f"`{k}`" for k in keywords)),
        keywords=keywords,
        snippet=snippet(text, line, column, len(found)),
        help=_remedy(found, keywords, text, offset),
    )


def _remedy(found: str, keywords: tuple[str, ...], text: str, offset: int) -> str:
    rest = text[offset:].split("\n", 1)[0]
    if rest[:1] in ("'", '"') and rest.count(rest[0]) == 1:
        return "the quoted text is not closed in its line"
    near = nearest(found, keywords)
    return f"did you mean `{near}`?" if near else ""


def nearest(word: str, words: Iterable[str]) -> str:
    """The one of `words` that looks most like `word` (case ignored), or an empty text if none looks like it."""
    known = sorted(words)
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    mixed = [w for w in known if sorted(w.lower()) == sorted(word.lower())]
    return next(iter(close or mixed), "")


def word_at(text: str, offset: int) -> str:
    """The word or sign at `offset`, at most 60 characters; empty at the end."""
    found = re.compile(r"[\w:/.*$@+-]+|\S").match(text, offset)
    return found[0][:60] if found else ""


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset; trailing white space is stepped over backwards at the end of the text."""
    if offset >= len(text):
        offset = len(text.rstrip())
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def snippet(text: str, line: int, column: int, length: int = 1) -> str:
    """The line with carets under `length` characters from `column`: two lines, long lines cut around the place."""
    lines = text.split("\n")
    shown = lines[line - 1].expandtabs(1) if line <= len(lines) else ""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    cut = max(0, column - 61) if len(shown) > 100 else 0
    shown, at = shown[cut : cut + 100], column - 1 - cut
    carets = "^" * max(1, min(length, len(shown) - at))
    return f"  {shown}\n  {' ' * at}{carets}"


def _or(words: tuple[str, ...]) -> str:
    if len(words) < 2:
        return "".join(words) or "nothing more"
    return ", ".join(words[:-1]) + " or " + words[-1]


def wanted(grammar: str, text: str, *, start: str = "start") -> tuple[frozenset[str], tuple[str, ...]]:
    """What may follow `text`, which the rule `start` of a grammar begins with: names of terminals, and fixed words.

    Both are empty if no text that goes on so can be read.
    """
    from lark.exceptions import LarkError

    parser = _parser(grammar)
    try:
        reader = parser.parse_interactive(text, start=start)
        reader.exhaust_lexer()
        names = set(reader.accepts()) - UNSAID  # type: ignore[no-untyped-call]
    except LarkError:
        return frozenset(), ()
    fixed = {t.name: t.pattern.value.removesuffix(_END) for t in parser.terminals if _is_fixed(t)}
    words = sorted(fixed[n] for n in names if n in fixed)
    return frozenset(names - set(fixed)), tuple(w for w in words if w[:1].isalpha())

"""Named sets of callers and resources: `let NAME = …`, and `$NAME` where a caller or a resource may stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from iamsim.model.grammar import Leaf, nearest
from iamsim.query.condition import Refused, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iamsim.model.grammar import Node
    from iamsim.query.language import Question

Names = Mapping[str, tuple[str, ...]]
NAMED = re.compile(r"\$([A-Za-z][A-Za-z0-9_-]*)")
CALLER_FORM = re.compile(
    r"\*|root|anyone|anonymous|outsiders|[0-9]{12}:(?:root(?:\?.+)?|(?:user|role|group)/.+)|(?:user|role|group)/.+|root\?.+"
    r"|arn:.+|(?:oidc|saml)://.+|A[A-Z]{3}[A-Z0-9]{4,}|account [0-9]{12}|service [a-z0-9][a-z0-9.-]*"
    r"|[a-z0-9.-]+\.(?:amazonaws\.com|amazon\.com|aws\.internal)(?:\.cn)?"
)
RESOURCE_FORM = re.compile(r"\*|arn:.+|(?:[0-9]{12}:)?(?:user|role|group|policy)/.+|root", re.DOTALL)

MOST = 10_000
"""Questions that one question about sets may stand for."""


def read_let(node: Node, names: dict[str, tuple[str, ...]], read: Callable[[Node], str]) -> None:
    """Adds the set of `let: "let" NAME "=" caller ("," caller)*` to `names`; `read` reads a member that is a caller.

    Members may also be resources, or sets that were named before. Refused if the name is taken or a member means nothing.
    """
    name = node.leaves()[0]
    if name.text in names:
        raise Refused(f"`{name.text}` is named twice", name.line, name.column, found=name.text)
    check_names(node, names)
    members: dict[str, None] = {}
    for part in node.all("caller"):
        leaf = part.children[0]
        text = text_of(leaf) if isinstance(leaf, Leaf) else ""
        member = text if text and RESOURCE_FORM.fullmatch(text) else read(part)
        members.update(dict.fromkeys(members_of(member, names)))
    names[name.text] = tuple(members)


def members_of(text: str, names: Names) -> tuple[str, ...]:
    """The members of the set that `text` names, or `text` itself if it names none."""
    found = NAMED.fullmatch(text)
    return names[found[1]] if found else (text,)


def check_names(node: Node, names: Names) -> None:
    """Refused with its place if `node` uses a name that is not in `names`, or a set in a place that its members do not fit."""
    for place, leaf in _places(node):
        found = NAMED.fullmatch(text_of(leaf))
        if found is None:
            continue
        if found[1] not in names:
            near = nearest(found[1], names)
            hint = f"did you mean `${near}`?" if near else f"name it first: `let {found[1]} = …`"
            raise Refused(f"`{leaf.text}` is not named", leaf.line, leaf.column, found=leaf.text, help=hint)
        form = CALLER_FORM if place == "caller" else RESOURCE_FORM
        wrong = [m for m in names[found[1]] if not form.fullmatch(m)] if node.name != "let" else []
        if wrong:
            message = f"`{leaf.text}` holds `{wrong[0]}`, which names no {place}"
            raise Refused(message, leaf.line, leaf.column, found=leaf.text)


def _places(node: Node) -> Iterator[tuple[str, Leaf]]:
    todo = [node]
    while todo:
        here = todo.pop()
        if here.name in ("caller", "resource"):
            yield from ((here.name, leaf) for leaf in here.leaves())
        todo += reversed(here.nodes())


def expand(question: Question, names: Names) -> tuple[Question, ...]:
    """The questions about each member of the sets that `question` names; Refused if they are too many."""
    callers, resources = members_of(question.caller, names), members_of(question.resource, names)
    excepted = tuple(m for e in question.except_ for m in members_of(e, names))
    if len(callers) * len(resources) > MOST:
        message = f"the question stands for {len(callers) * len(resources)} questions, more than {MOST}"
        raise Refused(message, *question.span, help="ask about a pattern, or split the sets")
    if len(callers) == len(resources) == 1 and excepted == question.except_:
        return (replace(question, caller=callers[0], resource=resources[0]),)
    return tuple(replace(question, caller=c, resource=r, except_=excepted) for c, r in product(callers, resources))

"""What can be typed next: principals, actions, condition keys and resources by their beginnings, and words of the language.

The language is completed by its own grammar: whatever query.lark accepts at a place is offered there.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.model.grammar import wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.env.types import Environment

_WORD = re.compile(r"[^\s;,()\"'\[\]=<>!]*\Z")
_RESOURCE_WORD = re.compile(r"[^\s;\"']*\Z")
_ACTION = re.compile(r"\bdo\s+([A-Za-z0-9-]+:[\w*?]+)")
_MOST = 400


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that may stand in place of the last `length` characters typed, and what it is: a word, principal, action, …"""

    text: str
    length: int
    kind: str


def principals(env: Environment, typed: str) -> tuple[str, ...]:
    """The loaded users and roles whose name begins with `typed` (case ignored), as the shortest name that is unambiguous.

    A name, an account with a name (`123456789012:role/`), an ARN, or the middle of a name (`Deploy` finds `role/WebDeploy`)
    may be typed; those that begin so come first.
    """
    lower = typed.lower()
    names = once(env.memo, "completion of principals", _short_names, env)
    if lower.startswith("arn:"):
        return tuple(a for a in env.principals if a.lower().startswith(lower))[:_MOST]
    if lower[:1].isdigit():
        full = (f"{p.account}:{p.kind.value}/{p.name}" for p in env.principals.values())
        return tuple(n for n in full if n.lower().startswith(lower))[:_MOST]
    first = [n for n in names if _bare(n).lower().startswith(lower)]
    inside = [n for n in names if lower and lower in n.lower() and n not in first] if "/" not in typed else []
    return (*first, *inside)[:_MOST]


def _bare(name: str) -> str:
    """`role/x` of `123456789012:role/x`."""
    return name.partition(":")[2] or name


def _short_names(env: Environment) -> tuple[str, ...]:
    count = Counter(f"{p.kind.value}/{p.name}" for p in env.principals.values())
    short = ((f"{p.kind.value}/{p.name}", p) for p in env.principals.values())
    return tuple(sorted(n if count[n] == 1 else f"{p.account}:{n}" for n, p in short))


def actions(typed: str) -> tuple[str, ...]:
    """The known actions that begin with `typed` (case ignored): service prefixes with their colon until one is typed."""
    from iamsim.aws.actions import expand, known_services

    service, colon, name = typed.partition(":")
    if not colon:
        return tuple(f"{s}:" for s in sorted(known_services()) if s.startswith(service.lower()))
    if not re.fullmatch(r"[\w-]+", service) or not re.fullmatch(r"\w*", name):
        return ()
    return expand(f"{service}:{name}*")[:_MOST]


def keys(typed: str, action: str = "") -> tuple[str, ...]:
    """The condition keys that begin with `typed` (case ignored): the global ones, and those of the action or its service."""
    from iamsim.aws.actions import action_info, known_key
    from iamsim.aws.keys import ROWS

    lower = typed.lower()
    service = action.partition(":")[0].lower()
    found = {r.name for r in ROWS if not r.pattern and (r.name.startswith("aws:") or r.name.startswith(f"{service}:"))}
    if lower.partition(":")[0] not in ("", "aws", service):
        found |= {r.name for r in ROWS if not r.pattern}
    info = action_info(action)
    for key in info.condition_keys if info is not None else ():
        spelled = known_key(key, action)
        found.add((spelled[0] if spelled else key).partition("${")[0])
    return tuple(sorted((k for k in found if k.lower().startswith(lower)), key=str.lower))


def resources(env: Environment, typed: str) -> tuple[str, ...]:
    """The loaded resources, users and roles whose ARN or short name begins with `typed` (case ignored)."""
    lower = typed.lower()
    arns = sorted({*env.resources, *env.principals}) if lower.startswith("arn:") else sorted(env.resources)
    found = [a for a in arns if a.lower().startswith(lower)]
    if not lower.startswith("arn:"):
        found += principals(env, typed) if typed else ("*",)
    return tuple(found[:_MOST])


def completions(env: Environment, text: str) -> tuple[Completion, ...]:
    """What may follow `text`, the part of a question before the cursor, or end the word that is being typed there."""
    head, word = _split(text, _WORD)
    names, fixed = wanted("query", head, start="single")
    if "RESOURCE" in names:
        head, word = _split(text, _RESOURCE_WORD)
        names, fixed = wanted("query", head, start="single")
    lower = word.lower()
    out = [Completion(w, len(word), "word") for w in fixed if w.startswith(lower)]
    for kind, offered in _offered(env, names, head, word):
        out += [Completion(o, len(word), kind) for o in offered]
    return tuple(dict.fromkeys(out))


def _split(text: str, pattern: re.Pattern[str]) -> tuple[str, str]:
    found = pattern.search(text)
    word = found[0] if found else ""
    return text[: len(text) - len(word)], word


def _offered(env: Environment, names: Iterable[str], head: str, word: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """For each kind of terminal what begins with the word."""
    found = set(names)
    if "CALLER" in found:
        others = ("anonymous", "outsiders") if word else ()
        yield "principal", (*principals(env, word), *(o for o in others if o.startswith(word.lower())))
    if "ACTION" in found:
        yield "action", actions(word)
    if "RESOURCE" in found:
        yield "resource", resources(env, word)
    if "KEY" in found:
        spoken = _ACTION.search(head)
        yield "key", keys(word, spoken[1] if spoken else "")
    if "ACCOUNT_ID" in found:
        yield "account", tuple(a for a in sorted(env.accounts) if a.startswith(word))
    if "SERVICE_NAME" in found:
        yield "service", _services(word)


def _services(typed: str) -> tuple[str, ...]:
    """The services of the catalogue of techniques to which roles are passed."""
    from iamsim.aws.escalations import catalogue

    found = {t.passed_to for t in catalogue().techniques.values() if t.passed_to}
    return tuple(sorted(s for s in found if s.startswith(typed.lower())))

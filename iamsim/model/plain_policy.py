"""Documents on which `read_policy` has nothing to remark, told apart at a fraction of the price of reading them.

A snapshot is checked as a whole when it is loaded, but only those documents are read that a question asks for.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iamsim.model.json_text import DUPLICATE
from iamsim.model.pattern import Pattern
from iamsim.model.policy import PolicyKind, PrincipalEntry
from iamsim.model.read_condition import operator_name, readable
from iamsim.model.read_match import action_pattern, principal_entry, resource_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSIONS = ("2012-10-17", "2008-10-17")
_EFFECTS = ("Allow", "Deny")
_IDENTITY = frozenset(("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"))
_TRUST = frozenset(("Sid", "Effect", "Principal", "Action", "NotAction", "Condition"))
_ELEMENTS = {PolicyKind.IDENTITY: _IDENTITY, PolicyKind.TRUST: _TRUST}
_FIELD = r"[ !#%-)+-9;->@-\[\]-~]*"
_RESOURCE = re.compile(rf"arn:{_FIELD}:{_FIELD}:[ !#%-\[\]-~]*|\*", re.ASCII)
_PLAIN = re.compile(r"[ !#-\[\]-~]*", re.ASCII)
_DOCUMENT, _STATEMENT, _TEXT = 60, 130, 3


def plain_size(value: Any, kind: PolicyKind) -> int:
    """At most how many characters the document `value` has as IAM counts them, or 0 if `read_policy` may have something
    to remark on it. Only identity and trust policies are looked at; of other kinds the answer is 0.
    """
    elements = _ELEMENTS.get(kind)
    if elements is None or type(value) is not dict or len(value) != 2 or value.get("Version") not in _VERSIONS:
        return 0
    raw = value.get("Statement")
    statements = raw if type(raw) is list else (raw,)
    if not statements:
        return 0
    size, sids = _DOCUMENT, []
    variables = value["Version"] == "2012-10-17"
    for statement in statements:
        if type(statement) is not dict or not statement.keys() <= elements:
            return 0
        found = _statement(statement, kind, variables)
        if not found:
            return 0
        size += found
        sid = statement.get("Sid")
        if sid is not None:
            if type(sid) is not str or not (sid.isascii() and sid.isalnum()):
                return 0
            sids.append(sid)
            size += len(sid)
    return size if len(sids) < 2 or len(set(sids)) == len(sids) else 0


def _statement(raw: dict[str, Any], kind: PolicyKind, variables: bool) -> int:
    """The size of a statement that has only known elements, or 0."""
    if raw.get("Effect") not in _EFFECTS:
        return 0
    name = "Action" if "Action" in raw else "NotAction"
    if name not in raw or (name == "Action" and "NotAction" in raw):
        return 0
    trust = kind is PolicyKind.TRUST
    value = raw[name]
    plain: Callable[[Any], int] = _trust_action if trust else _action
    size = plain(value) if type(value) is str else _texts(value, plain)
    if trust:
        more = _principal(raw.get("Principal"))
    else:
        name = "Resource" if "Resource" in raw else "NotResource"
        if name not in raw or (name == "Resource" and "NotResource" in raw):
            return 0
        value, plain = raw[name], _with_variables if variables else _without_variables
        more = plain(value) if type(value) is str else _texts(value, plain)
    if not size or not more:
        return 0
    size += more + _STATEMENT
    if "Condition" in raw:
        more = _conditions(raw["Condition"])
        size = size + more if more else 0
    return size


def _texts(value: Any, plain: Callable[[Any], int]) -> int:
    """The size of a list of texts that are all plain, or 0."""
    if type(value) is not list or not value:
        return 0
    size = 0
    for text in value:
        found = plain(text) if type(text) is str else 0
        if not found:
            return 0
        size += found
    return size


def _counted(text: str) -> int:
    return (len(text) if _PLAIN.fullmatch(text) else 2 * len(text)) + _TEXT


@lru_cache(maxsize=65536)
def _action(text: str) -> int:
    fine = text.isascii() and text.isprintable() and isinstance(action_pattern(text), Pattern)
    return _counted(text) if fine else 0


@lru_cache(maxsize=4096)
def _trust_action(text: str) -> int:
    return _action(text) if text.lower().startswith(("sts:", "*")) else 0


def _with_variables(text: str) -> int:
    return len(text) + _TEXT if _RESOURCE.fullmatch(text) else _odd_resource(text, True)


def _without_variables(text: str) -> int:
    return len(text) + _TEXT if _RESOURCE.fullmatch(text) else _odd_resource(text, False)


@lru_cache(maxsize=65536)
def _odd_resource(text: str, variables: bool) -> int:
    fine = text.isascii() and text.isprintable() and isinstance(resource_pattern(text, variables), Pattern)
    return _counted(text) if fine else 0


def _principal(value: Any) -> int:
    """The size of a Principal element without remarks, or 0."""
    if value == "*":
        return _TEXT
    if type(value) is not dict or not value:
        return 0
    size = 0
    for kind, texts in value.items():
        for text in texts if type(texts) is list and texts else (texts,):
            if type(text) is not str or not isinstance(principal_entry(kind, text), PrincipalEntry):
                return 0
            size += 2 * len(text) + _TEXT
        size += len(kind) + 6
    return size


def _conditions(value: Any) -> int:
    """The size of a Condition element without remarks, or 0."""
    if type(value) is not dict:
        return 0
    size = 4
    for name, keys in value.items():
        base = _base(name)
        if not base or type(keys) is not dict:
            return 0
        if len(keys) > 1 and len({k.lower() for k in keys}) < len(keys):
            return 0
        size += len(name) + 8
        for key, raw in keys.items():
            found = _values(base, raw) if key and key != DUPLICATE else 0
            if not found:
                return 0
            size += found + 2 * len(key) + 6
    return size


@lru_cache(maxsize=1024)
def _base(name: str) -> str:
    """The base of an operator that is spelled as AWS spells it, or nothing."""
    op = operator_name(name)
    if op is None or not op.exact or (op.base == "Null" and (op.quantifier or op.if_exists)):
        return ""
    return op.base


def _values(base: str, raw: Any) -> int:
    size = 0
    for value in raw if type(raw) is list else (raw,):
        if type(value) is str:
            text = value
        elif type(value) in (bool, int, float):
            text = json.dumps(value)
        else:
            return 0
        if not readable(base, text) or not text.isprintable():
            return 0
        size += 2 * len(text) + _TEXT
    return size

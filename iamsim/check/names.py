"""Names that mean nothing: actions that AWS does not have, keys that a request never has, resources that no action takes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.actions import (
    action_info,
    data_date,
    expand,
    fits,
    known_key,
    known_services,
    nearest,
    resource_arn_patterns,
)
from iamsim.aws.key_tables import GLOBAL, SERVICE
from iamsim.aws.keys import Listing, key_row
from iamsim.check.model import Found
from iamsim.check.policies import Held, element, held, patterns, place_of, title
from iamsim.findings import printable
from iamsim.model import grammar
from iamsim.model.pattern import Star, Variable
from iamsim.model.policy import Malformed, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.model.pattern import Pattern
    from iamsim.model.policy import Condition, Statement

_MANY = 400
"""Actions up to which each is looked at; a pattern of more certainly has one with the key or on the resource."""


def find(env: Environment) -> Iterator[Found]:
    """Unknown actions, unknown keys, keys that no action of a statement has, resources that none of them works on."""
    for entry in held(env):
        if not entry.own:
            continue
        for statement in entry.policy.statements:
            if statement.malformed is None:
                yield from _actions(entry, statement)
                yield from _keys(entry, statement)
                yield from _resources(entry, statement)


def _actions(entry: Held, statement: Statement) -> Iterator[Found]:
    for index, pattern in patterns(statement.action):
        if pattern.text == "*" or expand(pattern.text):
            continue
        assert statement.action is not None
        service = pattern.text.partition(":")[0].lower()
        shown = printable(pattern.text)
        what = f"no action matches `{shown}`" if service in known_services() else f"no service is called `{service}`"
        near = nearest(pattern.text)
        yield Found(
            id="action-unknown",
            message=f"{title(entry.policy, statement)}: {what}",
            origin=place_of(entry, statement, *element("Action", statement.action, index)),
            subjects=entry.subjects,
            proof=(f"none of the {len(expand('*'))} actions of the data of {data_date()} matches it",),
            help=f"did you mean `{near}`?" if near else "",
        )


# --- keys


@lru_cache(maxsize=1)
def _tables() -> dict[str, str]:
    """The keys of the tables, families without their variable, by their lower case."""
    return {name.rstrip("*").lower(): name.rstrip("*") for name in (*GLOBAL, *SERVICE)}


@lru_cache(maxsize=256)
def _service_keys(service: str) -> tuple[str, ...]:
    keys = {k for a in expand(f"{service}:*") if (info := action_info(a)) for k in info.condition_keys}
    return tuple(sorted(k for k in keys if "${" not in k))


def nearest_key(key: str) -> str:
    """The key that is spelled most like `key`, in AWS's spelling; empty if none is."""
    lower = key.lower()
    stem, slash, rest = lower.partition("/")
    found = grammar.nearest(stem + slash, (*_tables(), *_service_keys(lower.partition(":")[0])))
    if not found:
        return ""
    known = known_key(found)
    return _tables().get(found, known[0] if known else found) + (rest if found.endswith("/") else "")


def _keys(entry: Held, statement: Statement) -> Iterator[Found]:
    for condition in statement.conditions:
        if condition.malformed is not None:
            continue
        key = condition.key
        if key_row(key).listing is Listing.UNKNOWN:
            near = nearest_key(key)
            yield Found(
                id="key-unknown",
                message=f"{title(entry.policy, statement)}: no request is known to have the key `{printable(key)}`",
                origin=condition.origin or place_of(entry, statement, "Condition"),
                subjects=entry.subjects,
                proof=(f"neither the tables nor the data of {data_date()} have it",),
                help=f"did you mean `{near}`?" if near and near.lower() != key.lower() else "",
            )
        else:
            yield from _never(entry, statement, condition)


def _never(entry: Held, statement: Statement, condition: Condition) -> Iterator[Found]:
    """A key that the requests of one entry of Action never have."""
    if statement.action is None or statement.action.negated:
        return
    without: list[str] = []
    total = 0
    for _, pattern in patterns(statement.action):
        actions = () if pattern.text == "*" else expand(pattern.text)
        total += 1
        if not actions or len(actions) > _MANY:
            continue
        if all(key_row(condition.key, a).listing is Listing.NOT_LISTED for a in actions):
            without.append(pattern.text)
    if not without:
        return
    shown = ", ".join(f"`{printable(t)}`" for t in without[:4]) + (" and others" if len(without) > 4 else "")
    yield Found(
        id="key-never",
        message=f"{title(entry.policy, statement)}: requests of {shown} never have the key `{printable(condition.key)}`",
        origin=condition.origin or place_of(entry, statement, "Condition"),
        subjects=entry.subjects,
        proof=(
            f"the reference of {data_date()} lists it neither for these actions nor for their resources",
            f"so `{_operator(condition)}` {_effect(condition)} for them"
            + (f", the statement's other {total - len(without)} apart" if total > len(without) else ""),
        ),
    )


def _operator(condition: Condition) -> str:
    prefix = f"{condition.quantifier.value}:" if condition.quantifier else ""
    return prefix + condition.operator + ("IfExists" if condition.if_exists else "")


def _effect(condition: Condition) -> str:
    from iamsim.ir.conditions import condition_term
    from iamsim.ir.evaluate import evaluate

    held_ = evaluate(condition_term(condition, variables=True), {})
    return (
        {True: "always holds", False: "never holds"}.get(held_, "is undecided") if held_ is not None else "is undecided"
    )


# --- resources


def _resources(entry: Held, statement: Statement) -> Iterator[Found]:
    """An action that works on none of the resources of its statement."""
    if statement.action is None or statement.action.negated or statement.resource is None or statement.resource.negated:
        return
    if entry.policy.kind is PolicyKind.RCP or any(isinstance(p, Malformed) for p in statement.resource.patterns):
        return
    texts = [_starred(p) for _, p in patterns(statement.resource)]
    if any(not t.strip("*") or _service_wide(t) for t in texts):
        return
    for index, pattern in patterns(statement.action):
        actions = () if pattern.text == "*" else expand(pattern.text)
        if not actions or len(actions) > _MANY:
            continue
        if any(fits(a, t) is not False for a in actions for t in texts):
            continue
        takes = sorted({p for a in actions for p in resource_arn_patterns(a)})
        yield Found(
            id="resource-unfit",
            message=f"{title(entry.policy, statement)}: `{printable(pattern.text)}` works on none of its resources",
            origin=place_of(entry, statement, *element("Action", statement.action, index)),
            subjects=entry.subjects,
            proof=(
                f"by the reference of {data_date()} it works on "
                + (", ".join(takes[:3]) if takes else "`*` only, having no resource type"),
                f"the statement names {', '.join(printable(t) for t in texts[:3])}"
                + (f" and {len(texts) - 3} more" if len(texts) > 3 else ""),
            ),
        )


def _starred(pattern: Pattern) -> str:
    """The text of a resource pattern with `*` for each policy variable."""
    if not any(isinstance(p, Variable) for p in pattern.parts):
        return pattern.text
    out = []
    for part in pattern.parts:
        match part:
            case Variable() | Star():
                out.append("*")
            case _:
                out.append(getattr(part, "text", "?"))
    return "".join(out)


def _service_wide(text: str) -> bool:
    """True for `arn:aws:s3:::*` and the like, of which AWS's pages contradict each other for actions without resources."""
    fields = text.split(":", 5)
    return len(fields) < 6 or not fields[5].strip("*")

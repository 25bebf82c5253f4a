"""An index over identity policies: which documents speak of an action on a resource, and who holds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.ir.lower import action_term
from iamsim.ir.term import FALSE
from iamsim.model.pattern import Literal, Pattern, Star, fold, match
from iamsim.model.policy import Effect, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iamsim.env.types import Environment, Principal
    from iamsim.model.policy import Match, Policy, Statement

_HEAD = re.compile(r"[^*?$\x80-\U0010ffff]*")
"""What a pattern begins with, up to a wildcard or a letter whose case is not plain."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A statement of an indexed document: its document, and whether it may allow.

    `heads` are the beginnings, in lower case, of all ARNs that its resources can match; None if it may match any.
    """

    document: int
    statement: Statement
    allows: bool
    heads: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Loaded users and roles by number (in order of ARN), and the distinct documents of their identity policies.

    `held` are the documents of each principal, `holders` the principals of each document. `broken` are documents that
    cannot be read or are missing: they may say anything. Statements are found by their action: `exact` and `prefixes` by
    text in lower case, `irregular` by pattern; `others` have none of these (NotAction, malformed).
    """

    principals: tuple[Principal, ...]
    numbers: Mapping[str, int]
    documents: tuple[Policy | MissingPolicy, ...]
    held: tuple[tuple[int, ...], ...]
    holders: tuple[tuple[int, ...], ...]
    broken: frozenset[int]
    spoken: tuple[Spoken, ...]
    exact: Mapping[str, tuple[int, ...]]
    prefixes: Mapping[str, tuple[int, ...]]
    irregular: tuple[tuple[Pattern, int], ...]
    others: tuple[int, ...]
    roles: Mapping[tuple[str, str], tuple[int, ...]]
    ids: Mapping[str, int]


def index_of(env: Environment) -> Index:
    """The index of the environment, made once."""
    return once(env.memo, "index", _build, env)


def speaking(index: Index, action: str, resource: str | None, *, inside: bool = False) -> dict[int, bool]:
    """The documents with a statement that may match `action` (lower case) on `resource`, with whether one may allow.

    A superset of those that do. `resource` is an ARN, `*`, or None for any; with `inside` it is what ARNs begin with.
    """
    out = dict.fromkeys(index.broken, True)
    head = None if resource in (None, "*") else fold(str(resource))
    for number in _of_action(index, action):
        spoken = index.spoken[number]
        if out.get(spoken.document):
            continue
        apart = head is not None and spoken.heads is not None and not head.startswith(spoken.heads)
        if apart and not (inside and any(h.startswith(str(head)) for h in spoken.heads or ())):
            continue
        out[spoken.document] = spoken.allows
    return out


def _of_action(index: Index, action: str) -> Iterable[int]:
    yield from index.exact.get(action, ())
    for end in range(len(action) + 1):
        yield from index.prefixes.get(action[:end], ())
    for pattern, number in index.irregular:
        if match(pattern, action, fold_case=True):
            yield number
    for number in index.others:
        element = index.spoken[number].statement.action
        if element is None or action_term(element, action) is not FALSE:
            yield number


def _build(env: Environment) -> Index:
    principals = tuple(env.principals[a] for a in sorted(env.principals))
    numbers: dict[object, int] = {}
    documents: list[Policy | MissingPolicy] = []
    held: list[tuple[int, ...]] = []
    groups: dict[str, tuple[int, ...]] = {}

    def number(policy: Policy | MissingPolicy) -> int:
        key = document_key(policy)
        at = numbers.setdefault(key, len(documents))
        if at == len(documents):
            documents.append(policy)
        return at

    for principal in principals:
        own = [number(p) for p in principal.policies]
        for name in principal.groups:
            if name not in groups:
                group = env.groups.get(name)
                many = group.policies if group is not None else (MissingPolicy(name, principal.origin),)
                groups[name] = tuple(number(p) for p in many)
            own += groups[name]
        held.append(tuple(dict.fromkeys(own)))
    holders: list[list[int]] = [[] for _ in documents]
    for i, own_documents in enumerate(held):
        for d in own_documents:
            holders[d].append(i)
    broken = frozenset(d for d, p in enumerate(documents) if isinstance(p, MissingPolicy) or p.malformed is not None)
    return _indexed(principals, tuple(documents), tuple(held), tuple(map(tuple, holders)), broken)


def document_key(policy: Policy | MissingPolicy) -> object:
    """What makes two policies one document: the same statements under the same version, or the same gap."""
    if isinstance(policy, MissingPolicy):
        return ("missing", policy.arn)
    return (id(policy.statements), policy.variables, policy.malformed)


def _indexed(
    principals: tuple[Principal, ...],
    documents: tuple[Policy | MissingPolicy, ...],
    held: tuple[tuple[int, ...], ...],
    holders: tuple[tuple[int, ...], ...],
    broken: frozenset[int],
) -> Index:
    spoken: list[Spoken] = []
    exact: dict[str, list[int]] = {}
    prefixes: dict[str, list[int]] = {}
    irregular: list[tuple[Pattern, int]] = []
    others: list[int] = []
    for d, policy in enumerate(documents):
        if d in broken or isinstance(policy, MissingPolicy):
            continue
        for statement in policy.statements:
            if statement.inert:
                continue
            at = len(spoken)
            spoken.append(Spoken(d, statement, statement.effect is not Effect.DENY, _heads(statement)))
            if not _by_pattern(statement.action):
                others.append(at)
                continue
            assert statement.action is not None
            for p in statement.action.patterns:
                assert isinstance(p, Pattern)
                _enter(p, at, exact, prefixes, irregular)
    roles: dict[tuple[str, str], list[int]] = {}
    for i, principal in enumerate(principals):
        if principal.kind is PrincipalKind.ROLE:
            roles.setdefault((principal.account, principal.name), []).append(i)
    return Index(
        principals=principals,
        numbers={p.arn: i for i, p in enumerate(principals)},
        documents=documents,
        held=held,
        holders=holders,
        broken=broken,
        spoken=tuple(spoken),
        exact={k: tuple(v) for k, v in exact.items()},
        prefixes={k: tuple(v) for k, v in prefixes.items()},
        irregular=tuple(irregular),
        others=tuple(others),
        roles={k: tuple(v) for k, v in roles.items()},
        ids={p.unique_id: i for i, p in enumerate(principals) if p.unique_id},
    )


def _by_pattern(element: Match | None) -> bool:
    return element is not None and not element.negated and not any(isinstance(p, Malformed) for p in element.patterns)


def _enter(
    pattern: Pattern,
    at: int,
    exact: dict[str, list[int]],
    prefixes: dict[str, list[int]],
    irregular: list[tuple[Pattern, int]],
) -> None:
    match pattern.parts:
        case ():
            return
        case (Literal(text),):
            exact.setdefault(fold(text), []).append(at)
        case (Star(),):
            prefixes.setdefault("", []).append(at)
        case (Literal(text), Star()):
            prefixes.setdefault(fold(text), []).append(at)
        case _:
            irregular.append((pattern, at))


def _heads(statement: Statement) -> tuple[str, ...] | None:
    element = statement.resource
    if element is None or element.negated or statement.malformed is not None:
        return None
    out: dict[str, None] = {}
    for p in element.patterns:
        if isinstance(p, Malformed):
            return None
        head = _HEAD.match(p.text)
        # with a variable the outcome may be unknown whatever the rest of the pattern
        if head is None or not head[0] or "${" in p.text:
            return None
        out[head[0].lower()] = None
    return tuple(out)

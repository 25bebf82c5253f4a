"""Wide grants: wildcards and `NotAction` with Allow, each with a request that is allowed because of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info, expand, resource_arn_patterns
from iamsim.check.model import Found
from iamsim.check.policies import Held, held, patterns, place_of, title
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.judge.answer import Verdict
from iamsim.model.pattern import match
from iamsim.model.policy import Effect, PolicyKind
from iamsim.query.can import can

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.env.types import Environment, Principal
    from iamsim.judge.answer import Witness
    from iamsim.model.policy import Statement

_MANAGES = "Permissions management"
_WRITES = re.compile(r":(?:Put|Attach|Add|Create|Set|Update)\w*(?:Policy|Permission|Grant|Acl)")
_TRIED = 6
"""Actions that are tried for one holder before it is taken to be limited by something else."""

# What shows that somebody may do anything, and what else is worth telling; tried in this order.
_UTMOST = ("iam:CreateUser", "iam:PutRolePolicy", "iam:AttachUserPolicy")
_TELLING = (*_UTMOST, "s3:GetObject", "ec2:RunInstances", "lambda:InvokeFunction")


def find(env: Environment) -> Iterator[Found]:
    """Allow statements of identity policies that take in more than was meant, while some holder has a request allowed."""
    for entry in held(env):
        if entry.policy.kind is not PolicyKind.IDENTITY or not entry.holders:
            continue
        for statement in entry.policy.statements:
            if statement.effect is Effect.ALLOW and statement.malformed is None:
                yield from _statement(env, entry, statement)


def _statement(env: Environment, entry: Held, statement: Statement) -> Iterator[Found]:
    action = statement.action
    if action is None or not _all_resources(statement):
        return
    if action.negated:
        spared = [printable(p.text) for _, p in patterns(action)]
        tried = _not_spared(statement)
        yield from _shown(env, entry, statement, "allow-not-action", f"allows all but {_few(spared)}", tried)
    elif any(p.text in ("*", "*:*") for _, p in patterns(action)):
        yield from _shown(env, entry, statement, "allow-everything", "allows every action on every resource", _UTMOST)
    else:
        wild = [p.text for _, p in patterns(action) if "*" in p.text or "?" in p.text]
        named = {p.text.lower() for _, p in patterns(action)}
        managing = sorted({a for t in wild for a in _managing(t) if a.lower() not in named}, key=_telling)
        if managing:
            texts = _few([printable(t) for t in wild if _managing(t)])
            yield from _shown(
                env, entry, statement, "allow-permissions", f"allows {_few(managing)} by {texts}", managing
            )


def _few(texts: Iterable[str]) -> str:
    listed = [f"`{t}`" for t in texts]
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _all_resources(statement: Statement) -> bool:
    return statement.resource is not None and (
        statement.resource.negated or any(p.text == "*" for _, p in patterns(statement.resource))
    )


def _managing(text: str) -> tuple[str, ...]:
    """The actions that match and write permissions: by the reference's access level, which is wide, and by their names."""
    named = [a for a in expand(text) if _WRITES.search(a)]
    return tuple(a for a in named if (i := action_info(a)) and _MANAGES in i.access_level and not i.permission_only)


def _telling(action: str) -> tuple[bool, bool, str]:
    """The order in which actions are told: what most people know first."""
    return action.partition(":")[0] not in ("iam", "kms", "lambda", "s3"), "Policy" not in action, action


def _not_spared(statement: Statement) -> tuple[str, ...]:
    assert statement.action is not None
    spared = [p for _, p in patterns(statement.action)]
    wanted = (*_TELLING, *_managing("iam:*"), *_managing("s3:*"), *_managing("kms:*"), *_managing("lambda:*"))
    return tuple(a for a in wanted if not any(match(p, a, fold_case=True) for p in spared))


def _shown(
    env: Environment,
    entry: Held,
    statement: Statement,
    id: str,  # noqa: A002
    what: str,
    actions: Iterable[str],
) -> Iterator[Found]:
    """The finding with the first request that some holder is allowed by this very statement; nothing if there is none.

    A policy of AWS is no fault of its own: each of its holders is one.
    """
    name = title(entry.policy, statement)
    tried = tuple(actions)[:_TRIED]
    for holder in entry.holders:
        witness = next((w for a in tried if (w := _witness(env, holder, a, name)) is not None), None)
        if witness is None:
            continue
        names = [p.arn.partition(":iam::")[2] for p in entry.holders]
        if entry.own:
            yield Found(
                id=id,
                message=f"{name} {what}",
                origin=place_of(entry, statement),
                subjects=entry.subjects,
                proof=(f"held by {_few(names)}",),
                witness=witness,
            )
            return
        yield Found(
            id=id,
            message=f"{printable(holder.arn.partition(':iam::')[2])} holds {entry.policy.name}, which {what}",
            origin=holder.origin,
            subjects=(holder.arn,),
            witness=witness,
        )


def _witness(env: Environment, holder: Principal, action: str, name: str) -> Witness | None:
    for resource in _resources(action, holder.account):
        try:
            answer = can(env, holder.arn, action, resource, via="direct")
        except QueryError:
            continue
        if answer.verdict is Verdict.YES and answer.witness is not None:
            if any(c.text == name for c in answer.witness.allowed_by):
                return answer.witness
            return None
    return None


def _resources(action: str, account: str) -> tuple[str, ...]:
    """An example of a resource that the action works on: in the account, with plain names."""
    takes = resource_arn_patterns(action)
    if not takes:
        return ("*",)
    out = []
    for text in takes[:2]:
        fields = text.split(":", 5)
        if len(fields) != 6:
            continue
        filled = [fields[0], "aws", fields[2], fields[3].replace("*", "eu-west-1"), fields[4].replace("*", account)]
        out.append(":".join([*filled, fields[5].replace("*", "example")]))
    return tuple(out)

"""Statements that can never match, and statements that others make superfluous: both are proved by the solver."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.check.model import Found
from iamsim.check.policies import Held, action_bits, held, patterns, place_of, title
from iamsim.ir.lower import arn_pattern
from iamsim.ir.term import all_of
from iamsim.judge.answer import Verdict
from iamsim.model.pattern import Pattern, tokenize
from iamsim.model.policy import Effect, Malformed, Match, PolicyKind, Statement
from iamsim.query.compare import narrower, narrower_in_future
from iamsim.query.satisfy import clash, model_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.model.policy import Policy

_COMPARED = (PolicyKind.IDENTITY, PolicyKind.BOUNDARY, PolicyKind.SCP, PolicyKind.RESOURCE, PolicyKind.TRUST)


def find(env: Environment) -> Iterator[Found]:
    """Statements that can never match, and those that make no difference."""
    for entry in held(env):
        if not entry.own:
            continue
        dead = set()
        for statement in entry.policy.statements:
            found = _dead(entry, statement)
            if found is not None:
                dead.add(statement.index)
                yield found
        yield from _redundant(entry, dead)


def _dead(entry: Held, statement: Statement) -> Found | None:
    if statement.malformed is not None or statement.inert or not statement.conditions:
        return None
    parts = parts_of(entry.policy, statement)
    if model_of(all_of(parts)) is not None:
        return None
    core = clash(parts)
    names = ["its resources"] + [f"{c.operator} {c.key}" for c in statement.conditions]
    told = [f"`{names[i]}`" if i else names[i] for i in core]
    why = f"no value fulfils {told[0]}" if len(told) == 1 else f"{' and '.join(told)} cannot hold together"
    return Found(
        id="statement-dead",
        message=f"{title(entry.policy, statement)} can never match",
        origin=place_of(entry, statement, "Condition"),
        subjects=entry.subjects,
        proof=(f"proved: {why}",),
    )


# --- redundancy

_DOES = {Effect.ALLOW: "allowed", Effect.DENY: "denied"}


def _redundant(entry: Held, dead: set[int]) -> Iterator[Found]:
    """Statements without which the policy says the same, the last first; those that were found do not count for the rest."""
    policy = entry.policy
    if policy.kind not in _COMPARED:
        return
    usable = [s for s in policy.statements if s.index not in dead and _usable(s)]
    left = list(usable)
    found: list[Found] = []
    for statement in reversed(usable):
        others = [s for s in left if s is not statement and s.principal == statement.principal]
        because = _because(policy, statement, others)
        if because is None:
            continue
        left = [s for s in left if s is not statement]
        names = [f"statement {s.sid}" if s.sid else f"statement {s.index + 1}" for s in because]
        verb = "denies" if statement.effect is Effect.DENY else "allows"
        effects = [e for e, word in _DOES.items() if e in {s.effect for s in because}]
        does = " or ".join(_DOES[e] for e in effects)
        found.append(
            Found(
                id="statement-redundant",
                message=f"{title(policy, statement)} makes no difference",
                origin=place_of(entry, statement),
                subjects=entry.subjects,
                proof=(f"proved: every request that it {verb} is {does} already by {' and '.join(names)}",),
            )
        )
    yield from reversed(found)


def _usable(statement: Statement) -> bool:
    """True iff the comparison, which reads policies as identity policies, says the same of this statement."""
    if statement.malformed is not None or statement.inert or statement.effect is Effect.BOTH:
        return False
    if statement.principal is not None and statement.principal.negated:
        return False
    parts = [*(statement.action.patterns if statement.action else ())]
    parts += statement.resource.patterns if statement.resource else ()
    if any(isinstance(p, Malformed) for p in parts) or any(c.malformed for c in statement.conditions):
        return False
    short = [p for _, p in patterns(statement.resource) if arn_pattern(p)[1] is not None]
    return not short


def _because(policy: Policy, statement: Statement, others: list[Statement]) -> list[Statement] | None:
    """The fewest of `others` (none can be left out) that leave nothing to `statement`; None if they leave something."""
    deny = statement.effect is Effect.DENY
    others = [s for s in others if not deny or s.effect is Effect.DENY]
    others = [s for s in others if action_bits(s.action) & action_bits(statement.action)]
    covered = 0
    for s in others:
        covered |= action_bits(s.action)
    if not others or action_bits(statement.action) & ~covered or not _implied(policy, statement, others):
        return None
    needed = list(others)
    for s in others:
        fewer = [o for o in needed if o is not s]
        if fewer and _implied(policy, statement, fewer):
            needed = fewer
    return needed


def _implied(policy: Policy, statement: Statement, others: list[Statement]) -> bool:
    """True iff it is proved that `others` allow, or deny, whatever `statement` adds, for known and for future actions."""
    everything = [_EVERYTHING] if statement.effect is Effect.DENY else []
    with_, without = [*everything, *others, statement], [*everything, *others]
    if statement.effect is Effect.DENY:
        with_, without = without, with_
    a, b = _of(policy, with_), _of(policy, without)
    return narrower(a, b).verdict is Verdict.YES and narrower_in_future(a, b).verdict is Verdict.YES


def _of(policy: Policy, statements: list[Statement]) -> Policy:
    return replace(policy, statements=tuple(replace(s, index=i) for i, s in enumerate(statements)))


_EVERYTHING = Statement(
    sid=None,
    effect=Effect.ALLOW,
    principal=None,
    action=Match(False, (Pattern("*", tokenize("*").parts),)),
    resource=Match(False, (Pattern("*", tokenize("*").parts),)),
    conditions=(),
)

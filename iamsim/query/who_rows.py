"""Rows of who-can: a caller and what it can have allowed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from iamsim.ir.term import TRUE, Term, strip
from iamsim.judge.answer import Verdict

if TYPE_CHECKING:
    from iamsim.judge.answer import Answer
    from iamsim.judge.judge import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A caller that can have the request allowed (YES), or of which that is not known (UNKNOWN).

    `principal` is a caller as `can` takes it: an ARN, a service, `anonymous`, `oidc://…`; it is `*` for accounts that no input
    holds. `kind` is user, role, root, account, service, token, anonymous or outside. `condition` is what the request has to
    satisfy, TRUE if nothing. `steps` are the principals that a path goes through, empty for a direct yes. Of a question with
    wildcards `action` and `resource` are those that are allowed, the resource `*` where it is some resource.
    """

    principal: str
    kind: str
    account: str | None
    verdict: Verdict
    action: str
    resource: str
    condition: Term = TRUE
    steps: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


def row_like(model: Who, arn: str) -> Who:
    """The row of another principal of the same group, which is of the same kind and account.

    Made slot by slot: the constructor of a frozen class takes three times as long.
    """
    made = object.__new__(Who)
    _PRINCIPAL(made, arn)
    for put, value in zip(_PUT, _REST(model), strict=True):
        put(made, value)
    return made


_PRINCIPAL = Who.__dict__["principal"].__set__
_NAMES = tuple(name for name in Who.__slots__ if name != "principal")
_PUT = tuple(Who.__dict__[name].__set__ for name in _NAMES)
_REST = attrgetter(*_NAMES)


def row_of(name: str, kind: str, account: str | None, found: Found) -> Who:
    """The row of a caller by the outcome of its check, which is no NO."""
    facts = found.check.facts
    return Who(
        principal=name,
        kind=kind,
        account=account,
        verdict=Verdict.YES if found.yes else Verdict.UNKNOWN,
        action=_spelled(facts.action or "*"),
        resource=facts.resource or (f"{facts.holder.arn}/*" if facts.holder is not None else "*"),
        condition=strip(found.term),
        reasons=found.reasons,
        assumptions=found.check.assumptions,
    )


def with_more(before: Who, made: Who) -> Who:
    """An unknown with the reasons of another meaning of the question."""
    return replace(
        before,
        reasons=tuple(sorted({*before.reasons, *made.reasons})),
        assumptions=tuple(sorted({*before.assumptions, *made.assumptions})),
    )


def _spelled(action: str) -> str:
    from iamsim.aws.actions import action_info

    info = action_info(action)
    return info.name if info is not None else action


def row_of_answer(answer: Answer, name: str, kind: str, account: str | None) -> Who:
    """The row of a caller by its answer; its verdict is no NO."""
    witness = answer.witness
    return Who(
        principal=name,
        kind=kind,
        account=account,
        verdict=answer.verdict,
        action=answer.question.action if witness is None else witness.request.action,
        resource=answer.question.resource if witness is None else witness.request.resource,
        condition=answer.residual if answer.residual is not None else TRUE,
        steps=tuple(hop.target for hop in answer.path),
        reasons=answer.reasons,
        assumptions=answer.assumptions,
    )

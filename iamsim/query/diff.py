"""What became possible and what ceased to be between two environments, each row decided and its request replayed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from iamsim.aws.actions import data_date
from iamsim.query.affected import Party, actions_like, chosen, parties, touched
from iamsim.query.diff_decide import Sides, of_party, proof
from iamsim.query.diff_rows import Diff, Hit, Row, grouped
from iamsim.query.difference import Models
from iamsim.query.outsiders import outsiders
from iamsim.query.spread import slices, spread
from iamsim.smt.types import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from iamsim.env.types import Environment
    from iamsim.query.affected import Touched

__all__ = ["Diff", "Row", "diff"]

DEFAULT_LIMITS = Limits()


def diff(
    before: Environment,
    after: Environment,
    *,
    principals: str | None = None,
    actions: str | None = None,
    missing: str = "assume",
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
    executor: Executor | None = None,
) -> Diff:
    """What became possible and what ceased to be, directly: without role hops and escalation.

    A request is one of a loaded user or role (a session of it), of the root user of an account, of the anonymous caller, or
    of an outsider that a changed policy names, with a known action. It became possible iff it is certainly allowed after
    and certainly not before, all keys that neither side derives being equal. Rows with `reasons` may be differences; those
    on unnamed resources of accounts outside are left out. A principal that is in one environment only can do nothing in
    the other. `principals` and `actions` are patterns that narrow what is looked at (of ARNs, and of actions). Each
    witness is confirmed by the independent evaluator on both sides; where it disagrees, the row is not known and says so.
    With `executor` its workers decide, with the same rows. Raises QueryError for a pattern that nothing fits.
    """
    plan = _plan(before, after, Asked(principals, actions, missing, limits))
    hits: list[Hit] = []
    for part in slices(len(plan.names), _PART) if executor is None else ():
        hits += _part(plan, *part, progress)
    for number, found in enumerate(_spread(executor, plan) if executor is not None else (), 1):
        hits += found
        if progress is not None:
            progress(min(number * _PART, len(plan.names)))
    return Diff(rows=grouped(hits), notes=(*_notes(before, after), *_assumed(hits)), data_date=data_date())


_PART = 50
"""Callers of which each is tried with the requests found for those before it, and that a worker is given at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a diff is asked beside the two environments."""

    principals: str | None
    actions: str | None
    missing: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be looked at: the callers `names` of `everyone`, the actions `among`, and what has changed for them."""

    asked: Asked
    sides: Sides
    change: Touched
    everyone: Mapping[str, Party]
    names: Sequence[str]
    among: int


def _plan(before: Environment, after: Environment, asked: Asked) -> Plan:
    sides = Sides(before, after, _both(before, after), asked.missing, asked.limits)
    change = touched(before, after)
    everyone = parties(before, after, outsiders(before, after, change.resources))
    among = actions_like(asked.actions)
    return Plan(asked, sides, change, everyone, chosen(everyone, asked.principals), among)


def _part(plan: Plan, start: int, stop: int, progress: Callable[[int], None] | None = None) -> Iterator[Hit]:
    models = Models(plan.asked.limits)
    for number, name in enumerate(plan.names[start:stop], start + 1):
        yield from of_party(plan.sides, plan.everyone[name], plan.change, plan.among, models)
        if progress is not None:
            progress(number)


def _spread(executor: Executor, plan: Plan) -> Iterator[Iterator[Hit]]:
    """The hits of each part; what they claim is confirmed here."""
    sides = plan.sides

    def whole(hit: Hit) -> Hit:
        claim = hit.claim
        return (
            hit if claim is None else replace(hit, confirmed=partial(proof, sides, plan.everyone[claim.party], claim))
        )

    parts = slices(len(plan.names), _PART)
    for found in spread(executor, (sides.before, sides.after), _unit, plan.asked, parts):
        yield map(whole, found)


def _unit(envs: tuple[Environment, ...], asked: Asked, part: tuple[int, int]) -> list[Hit]:
    """In a worker: the hits of a part, without what confirms them."""
    before, after = envs
    known: Plan | None = after.memo.get("diff-plan")
    if known is None or known.asked != asked or known.sides.before is not before:
        known = after.memo["diff-plan"] = _plan(before, after, asked)
    return [replace(hit, confirmed=None) for hit in _part(known, *part)]


def _both(before: Environment, after: Environment) -> Environment:
    """An environment that names the principals and resources of both."""
    return replace(
        after,
        accounts=before.accounts | after.accounts,
        principals=MappingProxyType(dict(sorted({**before.principals, **after.principals}.items()))),
        resources=MappingProxyType(dict(sorted({**before.resources, **after.resources}.items()))),
        memo={},
    )


def _notes(before: Environment, after: Environment) -> Iterator[str]:
    for account in sorted(after.accounts - before.accounts):
        yield f"account {account} is only in the second environment: all that its principals can do counts as new"
    for account in sorted(before.accounts - after.accounts):
        yield f"account {account} is only in the first environment: all that its principals could do counts as gone"


def _assumed(hits: list[Hit]) -> Iterator[str]:
    if any(h.assumed for h in hits):
        yield "resources that no input names and whose ARN has no account are taken to be of the caller's account"

"""One caller, one action, the meanings of one resource: the direct answer, without hops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.facts import Facts
from iamsim.ir.reduce import reduce
from iamsim.ir.term import TRUE, Term, all_of
from iamsim.judge.check import Check, check_of, problem_of, reasons_of, settle
from iamsim.judge.core import core_of, decision_of
from iamsim.judge.witness import witness_of
from iamsim.smt.types import Limits, Sat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.env.applicable import Documents
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Core, Decision, Witness
    from iamsim.judge.candidates import Target
    from iamsim.model.caller import Caller


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What all checks of one question share: the environment, what is given, and how missing facts are read."""

    env: Environment
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    when: Term = TRUE
    ever: bool = True
    missing: str = "assume"
    documents: Documents = NO_DOCUMENTS
    limits: Limits = DEFAULT_LIMITS
    engine: str = "auto"


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of one check: a YES has `assignment`, an UNKNOWN `reasons`, a NO neither."""

    check: Check
    when: Term
    assignment: Mapping[str, tuple[str, ...]] | None
    reasons: tuple[str, ...]
    term: Term

    @property
    def yes(self) -> bool:
        """True iff the check is certainly allowed for some request."""
        return self.assignment is not None

    @property
    def unknown(self) -> bool:
        """True iff the check is neither a YES nor a NO."""
        return self.assignment is None and bool(self.reasons)


def facts_of(ask: Ask, caller: Caller, action: str, target: Target) -> Facts:
    """The facts of a direct check."""
    return Facts(
        env=ask.env,
        caller=caller,
        action=action.lower(),
        resource=target.resource,
        owner=target.owner,
        holder=target.holder,
        given=ask.given,
        ever=ask.ever,
        missing=ask.missing,
    )


def decide_check(ask: Ask, facts: Facts, domain: Term = TRUE) -> Found:
    """The outcome of one check under the question's condition."""
    check = check_of(facts, ask.documents)
    when = ask.when if domain is TRUE else all_of((ask.when, domain))
    if when is not TRUE:
        when = reduce(when, check.lookup)
    term = problem_of(check) if when is TRUE else all_of((problem_of(check), when))
    settled = settle(term, (check.facts,), ask.limits, ask.engine)
    if isinstance(settled.sure, Sat):
        return Found(check, when, settled.sure.assignment, (), term)
    if not settled.possible:
        return Found(check, when, None, (), term)
    reasons = reasons_of(term)
    if settled.stuck is not None:
        reasons = tuple(sorted({*reasons, f"budget:{settled.stuck}"}))
    return Found(check, when, None, reasons or ("budget:solver",), term)


def judge(ask: Ask, caller: Caller, action: str, targets: tuple[Target, ...]) -> tuple[Found, ...]:
    """The outcomes for each meaning of the resource, in order, up to the first YES (which is then the last)."""
    out: list[Found] = []
    for target in targets:
        found = decide_check(ask, facts_of(ask, caller, action, target), target.domain)
        out.append(found)
        if found.yes:
            break
    return tuple(out)


def proof_of(found: Found) -> Witness:
    """The witness of a YES, replayed by the independent evaluator."""
    assert found.assignment is not None
    return witness_of(found.check, found.assignment)


def refutation_of(found: Found, limits: Limits) -> tuple[Core, Decision]:
    """The core of a NO and its kind."""
    return core_of(found.check, found.when, limits), decision_of(found.check, found.when, limits)

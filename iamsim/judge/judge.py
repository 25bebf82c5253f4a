"""One caller, one action, the meanings of one resource: the direct answer, without hops."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.facts import Facts
from iamsim.ir.lower import RESOURCE
from iamsim.ir.reduce import reduce
from iamsim.ir.term import TRUE, Term, all_of, variables
from iamsim.judge.answer import Core, Decision, Witness
from iamsim.judge.check import Check, Models, check_of, problem_of, reasons_of, settle
from iamsim.judge.core import core_of, decision_of
from iamsim.judge.witness import witness_of
from iamsim.smt.types import Limits, Sat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.env.applicable import Documents
    from iamsim.env.types import Environment
    from iamsim.judge.candidates import Target
    from iamsim.model.caller import Caller


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Extra:
    """A further check of the same operation: its action in lower case, its resource as `normal_arn` gives it, the owner."""

    action: str
    resource: str
    owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What all checks of one question share: the environment, what is given, and how missing facts are read."""

    env: Environment
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    when: Term = TRUE
    ever: bool = True
    missing: str = "assume"
    documents: Documents = NO_DOCUMENTS
    also: tuple[Extra, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    engine: str = "auto"


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of one operation: a YES has `assignment`, an UNKNOWN `reasons`, a NO neither. `more` are its further
    checks.
    """

    check: Check
    when: Term
    assignment: Mapping[str, tuple[str, ...]] | None
    reasons: tuple[str, ...]
    term: Term
    more: tuple[Check, ...] = ()

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
        owner=target.owner or _maker(caller, action, target),
        holder=target.holder,
        given=ask.given,
        ever=ask.ever,
        missing=ask.missing,
    )


def _maker(caller: Caller, action: str, target: Target) -> str | None:
    """The account of the caller where it will own what it makes: a bucket that no input lists.

    Source: Amazon S3 API Reference, "CreateBucket".
    """
    return caller.account if action.lower() == "s3:createbucket" and ":s3:::" in (target.resource or "") else None


def operation_of(ask: Ask, facts: Facts, domain: Term = TRUE) -> Found:
    """The operation of `facts` with the question's further checks and its condition, not decided yet.

    An operation is allowed iff all of its checks are, in one context; each has its own resource, owner and policies.
    Source: Service Authorization Reference, "Actions, resources, and condition keys", required resource types.
    """
    check = check_of(facts, ask.documents)
    when = ask.when if ask.when is TRUE else reduce(ask.when, check.lookup)
    if domain is not TRUE:
        free = facts.resource is None and facts.resource_name == RESOURCE and variables(domain) == {RESOURCE}
        when = all_of((when, domain if free else reduce(domain, check.lookup)))
    more = tuple(check_of(_further(facts, e, n), ask.documents) for n, e in enumerate(ask.also, start=2))
    term = problem_of(check) if when is TRUE else all_of((problem_of(check), when))
    return Found(check, when, None, (), all_of((term, *(problem_of(c) for c in more))) if more else term, more)


_OF_RESOURCE = ("aws:resource", "iam:resourcetag/", "s3:resourceaccount")


def _further(facts: Facts, extra: Extra, number: int) -> Facts:
    owner = facts.caller.account if extra.resource == "*" else extra.owner
    given = {k: v for k, v in facts.given.items() if not k.startswith(_OF_RESOURCE)}
    return replace(
        facts, action=extra.action, resource=extra.resource, owner=owner, holder=None, given=given, part=f"@{number}|"
    )


def decide_check(ask: Ask, facts: Facts, domain: Term = TRUE) -> Found:
    """The outcome of one operation under the question's condition."""
    return decided(ask, operation_of(ask, facts, domain))


def decided(ask: Ask, asked: Found, models: Models | None = None) -> Found:
    """The outcome of an operation that `operation_of` made; of `models` see `settle`."""
    term = asked.term
    settled = settle(term, background_of(asked), ask.limits, ask.engine, models=models)
    if isinstance(settled.sure, Sat):
        return replace(asked, assignment=settled.sure.assignment)
    if not settled.possible:
        return asked
    reasons = reasons_of(term)
    if settled.stuck is not None:
        reasons = tuple(sorted({*reasons, f"budget:{settled.stuck}"}))
    return replace(asked, reasons=reasons or ("budget:solver",))


def background_of(found: Found) -> tuple[Facts, ...]:
    """The contexts of an operation, whose constraints hold for its keys."""
    return (found.check.facts, *(c.facts for c in found.more))


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
    """The witness of a YES; each of its checks is replayed by the independent evaluator."""
    assert found.assignment is not None
    witness = witness_of(found.check, found.assignment)
    others = [witness_of(check, found.assignment) for check in found.more]
    cited = dict.fromkeys(c for w in (witness, *others) for c in w.allowed_by)
    context = {k: v for w in reversed((witness, *others)) for k, v in w.request.context.items()}
    chosen = tuple(sorted({k for w in (witness, *others) for k in w.request.chosen}))
    request = replace(witness.request, context=dict(sorted(context.items())), chosen=chosen)
    return Witness(request=request, allowed_by=tuple(cited))


def refutation_of(found: Found, limits: Limits) -> tuple[Core, Decision]:
    """The core of a NO and its kind: of the first check of the operation that fails by itself, else of the first."""
    for check in (found.check, *found.more):
        when = found.when if check is found.check else TRUE
        if not found.more or not settle(problem_of(check), (check.facts,), limits, extra=when).possible:
            return core_of(check, when, limits), decision_of(check, when, limits)
    parts = [core_of(check, found.when, limits) for check in (found.check, *found.more)]
    items = tuple(dict.fromkeys(i for c in parts for i in c.items))
    return Core(items, tuple(dict.fromkeys(r for c in parts for r in c.remedy))), Decision.IMPLICIT_DENY

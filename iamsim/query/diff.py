"""What became possible and what ceased to be between two environments, each row decided and its request replayed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from iamsim import replay
from iamsim.aws.actions import data_date, resource_arn_patterns
from iamsim.aws.services import CALLS, KMS_CROSS_ACCOUNT, REFUSALS
from iamsim.aws.universe import bits_of, universe
from iamsim.env.facts import Facts
from iamsim.errors import InternalError
from iamsim.ir.bounds import must, reasons
from iamsim.ir.lower import RESOURCE
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, Like, Term, all_of, any_of, has_opaque, not_, strip
from iamsim.judge.axioms import hint_of
from iamsim.judge.candidates import targets
from iamsim.judge.check import check_of, closed
from iamsim.judge.problem import replay_problem
from iamsim.judge.witness import witness_of
from iamsim.model.pattern import Literal, Pattern, Star, join, match, tokenize
from iamsim.model.policy import Effect
from iamsim.query.affected import Party, bit_indices, every_statement_bits, parties, touched
from iamsim.query.compare import shared_unknowns
from iamsim.query.diff_rows import Diff, Hit, Row, grouped
from iamsim.query.outsiders import outsiders
from iamsim.smt.types import Limits, Sat, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.judge.answer import Witness
    from iamsim.judge.candidates import Target
    from iamsim.judge.check import Check
    from iamsim.model.caller import Caller
    from iamsim.query.affected import Touched

__all__ = ["Diff", "Row", "diff"]

DEFAULT_LIMITS = Limits()
DISAGREEMENT = "unsupported:a request on which the two evaluators of iamsim disagree (please report it)"


@dataclass(frozen=True, slots=True)
class Sides:
    """The two environments, what names the resources of both, and how missing facts are read."""

    before: Environment
    after: Environment
    both: Environment
    missing: str
    limits: Limits


def diff(
    before: Environment,
    after: Environment,
    *,
    principals: str | None = None,
    actions: str | None = None,
    missing: str = "assume",
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
) -> Diff:
    """What became possible and what ceased to be, directly: without role hops and escalation.

    A request is one of a loaded user or role (a session of it), of the root user of an account, of the anonymous caller, or
    of an outsider that a changed policy names, with a known action. It became possible iff it is certainly allowed after
    and certainly not before, all keys that neither side derives being equal. Rows with `reasons` may be differences; those
    on unnamed resources of accounts outside are left out. A principal that is in one environment only can do nothing in
    the other. `principals` and `actions` are patterns that narrow what is looked at (of ARNs, and of actions). Each
    witness is confirmed by the independent evaluator on both sides; where it disagrees, the row is not known and says so.
    """
    sides = Sides(before, after, _both(before, after), missing, limits)
    change = touched(before, after)
    everyone = parties(before, after, outsiders(before, after, change.resources))
    hits: list[Hit] = []
    wanted = universe().all if actions is None else bits_of(actions.lower())
    glob = None if principals is None else tokenize(principals, variables=False)
    for number, party in enumerate(everyone.values(), 1):
        if glob is None or match(glob, party.name):
            hits += _of_party(sides, party, change, wanted)
        if progress is not None:
            progress(number)
    return Diff(rows=grouped(hits), notes=(*_notes(before, after), *_assumed(hits)), data_date=data_date())


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


# --- what has to be decided


def _of_party(sides: Sides, party: Party, change: Touched, among: int) -> Iterator[Hit]:
    caller = party.after or party.before
    assert caller is not None
    own = change.callers.get(party.name, 0)
    rest = 0
    for bits in (*change.resources.values(), *change.owners.values()):
        rest |= bits
    for names, action in _groups(sides, (own | rest) & among):
        wanted = own >> _index(action) & 1
        for target in _targets(sides, action, caller.account):
            if wanted or _touches(change, target, action):
                for meant, assumed in _meanings(sides, target, action, caller.account):
                    for gained in (True, False):
                        hit = _hit(sides, party, names, action, meant, gained=gained, assumed=assumed)
                        if hit is not None:
                            yield hit


def _meanings(sides: Sides, target: Target, action: str, account: str | None) -> Iterator[tuple[Target, bool]]:
    """The target; what of it has neither region nor account in its ARN is taken to be of the caller's account (then true)."""
    nameless = target.owner is None and target.resource is None and sides.missing == "assume"
    if not nameless or not any(p.split(":")[3:5] == ["", ""] for p in resource_arn_patterns(action)):
        yield target, False
        return
    yield replace(target, owner=account, domain=all_of((target.domain, _NO_ACCOUNT))), True
    yield replace(target, domain=all_of((target.domain, not_(_NO_ACCOUNT)))), False


_FIELD = (Star(field=True), Literal(":"))
# what access points allow is in no input, so they are left out
_NO_POINT = not_(Like(RESOURCE, join("", [*_FIELD * 5, Literal("accesspoint"), Star()])))
_NO_ACCOUNT = Like(RESOURCE, join("", [*_FIELD * 3, Literal("::"), Star()]))


def _index(action: str) -> int:
    from bisect import bisect_left

    return bisect_left(universe().lower, action.lower())


def _touches(change: Touched, target: Target, action: str) -> bool:
    """Whether the resource itself, or what limits access to all of its account, has changed for the action."""
    at = _index(action)
    arns = [a for a in (target.resource, target.holder.arn if target.holder else None) if a]
    # what is inside a bucket hangs on the bucket
    arns += [a.partition("/")[0] for a in arns if ":s3:::" in a]
    bits = change.owners.get(target.owner or "", 0)
    for arn in arns:
        bits |= change.resources.get(arn, 0)
    return bool(bits >> at & 1)


_SPECIAL = frozenset(
    {a.partition(":")[0] for a in KMS_CROSS_ACCOUNT}
    | {r.service for r in REFUSALS}
    | {a.partition(":")[0] for row in CALLS for a in getattr(row, "actions", ())}
    | {"sts", "kms", "s3", "elasticfilesystem", "execute-api"}
)
"""Services of which some action has a rule of its own: their actions are decided one by one."""


def _groups(sides: Sides, bits: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """The actions of a set in groups that every document and every rule treats alike, each with its first."""
    if not bits:
        return
    every = universe()
    alike: dict[object, list[str]] = {}
    for number, members in enumerate(_classes(sides, bits)):
        for index in bit_indices(members):
            name = every.names[index]
            service = name.partition(":")[0].lower()
            key = name if service in _SPECIAL else (number, service, resource_arn_patterns(name))
            alike.setdefault(key, []).append(name)
    for names in alike.values():
        yield tuple(names), names[0]


def _classes(sides: Sides, bits: int) -> list[int]:
    """The actions of a set by the statements, of any document of either side, that speak of them."""
    key = "bits of statements"
    found: list[int] | None = sides.both.memo.get(key)
    if found is None:
        found = sides.both.memo[key] = sorted(every_statement_bits((sides.before, sides.after)))
    classes = [bits]
    for one in found:
        if one & bits:
            classes = [part for c in classes for part in (c & one, c & ~one) if part]
    return classes


def _targets(sides: Sides, action: str, account: str | None) -> tuple[Target, ...]:
    service = action.partition(":")[0].lower()
    key = ("targets", action if service in _SPECIAL else (service, resource_arn_patterns(action)), account)
    found: tuple[Target, ...] | None = sides.both.memo.get(key)
    if found is None:
        found = targets(
            sides.both, action, "*", account, any_resource=False, owner=None, closed=sides.missing == "closed"
        )
        sides.both.memo[key] = found
    return found


# --- one difference


def _hit(
    sides: Sides, party: Party, names: tuple[str, ...], action: str, target: Target, *, gained: bool, assumed: bool
) -> Hit | None:
    new, old = (sides.after, sides.before) if gained else (sides.before, sides.after)
    caller, other = (party.after, party.before) if gained else (party.before, party.after)
    if caller is None:
        return None
    check = _check(sides, new, caller, action, target)
    allowed = _allowed(new, check, target)
    if allowed is FALSE:
        return None
    past = None if other is None else _check(sides, old, other, action, target)
    was = FALSE if past is None else _allowed(old, past, target)
    if allowed == was:
        return None
    background = (check.facts,) if past is None else (check.facts, past.facts)
    domain = all_of((target.domain, _NO_POINT)) if target.resource is None else TRUE
    difference = all_of((allowed, not_(was), reduce(domain, check.lookup)))
    found, why = _solved(difference, background, sides.limits)
    if found is None and (not why or (target.owner is None and target.resource is None)):
        return None  # what policies of accounts outside decide is no difference
    witness = None
    if found is not None:
        try:
            witness = _confirmed(check, past, was, found)
        except InternalError:
            why = (DISAGREEMENT,)  # of one request among thousands: told in its row, never as certain
    resources = _where(sides, difference, background, target, check)
    return Hit(gained, party.name, names, resources, witness, why, assumed)


def _check(sides: Sides, env: Environment, caller: Caller, action: str, target: Target) -> Check:
    holder = None if target.holder is None else env.resources.get(target.holder.arn)
    return check_of(
        Facts(
            env=env,
            caller=caller,
            action=action.lower(),
            resource=target.resource,
            owner=target.owner,
            holder=holder,
            missing=sides.missing,
        )
    )


def _allowed(env: Environment, check: Check, target: Target) -> Term:
    """When the check is allowed; never for a role that the environment, which has its account, lacks."""
    resource = target.resource or ""
    if ":role/" in resource and resource not in env.principals and check.facts.owner in env.accounts:
        return FALSE
    return strip(check.authorization.allowed)


def _solved(
    difference: Term, background: tuple[Facts, ...], limits: Limits
) -> tuple[Mapping[str, tuple[str, ...]] | None, tuple[str, ...]]:
    """A model of what certainly differs; else the reasons for which something may differ, none if nothing does."""
    from iamsim.smt.solve import solve

    certain = must(difference)
    stuck: tuple[str, ...] = ()
    if certain is not FALSE:
        found = solve(closed(certain, background), hint_of, limits)
        if isinstance(found, Sat):
            return found.assignment, ()
        stuck = (f"budget:{found.reason}",) if isinstance(found, Unknown) else ()
    if not has_opaque(difference):
        return None, stuck
    possible = shared_unknowns(difference)
    if possible is FALSE:
        return None, stuck
    outcome = solve(closed(possible, background), hint_of, limits)
    return None, (reasons(difference) or stuck) if isinstance(outcome, Sat | Unknown) else stuck


def _confirmed(check: Check, past: Check | None, was: Term, assignment: Mapping[str, tuple[str, ...]]) -> Witness:
    """The request, which the independent evaluator allows on one side and denies on the other (else InternalError)."""
    witness = witness_of(check, assignment)
    if past is not None and was is not FALSE:
        problem = replay_problem(past, assignment)
        problem["resource"] = witness.request.resource
        said = replay.check(problem)["decision"]
        if said not in ("implicitDeny", "explicitDeny"):
            raise InternalError(f"the independent evaluator says {said} of a request found denied", problem)
    return witness


def _where(
    sides: Sides, difference: Term, background: tuple[Facts, ...], target: Target, check: Check
) -> tuple[str, ...]:
    """The resources of a difference: the ARN, or the patterns of statements within which all of it lies, else the widest."""
    if target.resource is not None:
        return (target.resource,)
    stated = sorted(_stated(check))
    terms = {text: Like(RESOURCE, tokenize(text, variables=False)) for text in stated}
    if terms:
        outside = all_of((difference, not_(any_of(terms.values()))))
        found, why = _solved(outside, background, sides.limits)
        if found is None and not why:
            return tuple(t for t, term in terms.items() if _some(all_of((difference, term)), background, sides.limits))
    return (f"{target.holder.arn}/*",) if target.holder is not None and ":s3:::" in target.holder.arn else ("*",)


def _some(difference: Term, background: tuple[Facts, ...], limits: Limits) -> bool:
    found, why = _solved(difference, background, limits)
    return found is not None or bool(why)


def _stated(check: Check) -> set[str]:
    """The resource patterns of the caller's Allow statements on the action that name something."""
    from iamsim.env.hits import slice_policy
    from iamsim.judge.problem import policies_of

    out: set[str] = set()
    for policy in policies_of(check)["identity"]:
        rows = () if not hasattr(policy, "statements") or policy.malformed else slice_policy(check.facts, policy)
        for row in rows:
            element = row.statement.resource
            if row.statement.effect is not Effect.ALLOW or element is None or element.negated:
                continue
            for p in element.patterns:
                if isinstance(p, Pattern) and p.text != "*" and p.text.count(":") >= 5 and not p.variables:
                    out.add(p.text)
    return out if len(out) <= _STATED else set()


_STATED = 24

"""What one caller can do in one of two environments only: each difference decided, and its request replayed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from iamsim import replay
from iamsim.aws.actions import resource_arn_patterns
from iamsim.aws.universe import universe
from iamsim.env.facts import Facts, known_account
from iamsim.errors import InternalError
from iamsim.ir.evaluate import evaluate
from iamsim.ir.lower import RESOURCE
from iamsim.ir.term import FALSE, TRUE, Like, Term, all_of, any_of, not_, strip
from iamsim.judge.check import check_of
from iamsim.judge.problem import replay_problem
from iamsim.judge.witness import witness_of
from iamsim.model.pattern import Literal, Pattern, Star, join, tokenize
from iamsim.model.policy import Effect
from iamsim.query.diff_groups import SPECIAL, families, targets_of
from iamsim.query.diff_rows import Claim, Hit
from iamsim.query.difference import Models, excess, samples_of, solved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.judge.answer import Witness
    from iamsim.judge.candidates import Target
    from iamsim.judge.check import Check
    from iamsim.model.caller import Caller
    from iamsim.query.affected import Party, Touched
    from iamsim.smt.types import Limits


DISAGREEMENT = "unsupported:a request on which the two evaluators of iamsim disagree (please report it)"


@dataclass(frozen=True, slots=True)
class Sides:
    """The two environments, what names the resources of both, and how missing facts are read."""

    before: Environment
    after: Environment
    both: Environment
    missing: str
    limits: Limits


def of_party(sides: Sides, party: Party, change: Touched, among: int, models: Models) -> Iterator[Hit]:
    """What a caller can do with the actions `among` on one side only; `models` are tried first, and added to."""
    caller = party.after or party.before
    assert caller is not None
    own = change.callers.get(party.name, 0)
    rest = 0
    for bits in (*change.resources.values(), *change.owners.values()):
        rest |= bits
    models.closures.clear()
    models.outcomes.clear()
    barred: set[object] = set()
    for family in families(sides.before, sides.after, sides.both, (own | rest) & among):
        pairs: dict[object, Pair | None] = {}
        for names in family.shapes:
            wanted = own >> _index(names[0]) & 1
            for target in targets_of(sides.both, names[0], caller.account, sides.missing):
                if not wanted and not _touches(change, target, names[0]):
                    continue
                for meant, assumed in _meanings(sides, target, names[0], caller.account):
                    for gained in (True, False):
                        pair = _pair(sides, party, family.first, names[0], meant, pairs, barred, gained=gained)
                        if pair is not None:
                            yield from _hits(sides, models, party, names, meant, pair, assumed=assumed)


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


# --- one difference


@dataclass(frozen=True, slots=True)
class Pair:
    """A check on the side where something may be allowed, the one on the other side, and what only the first allows."""

    gained: bool
    check: Check
    past: Check | None
    was: Term
    difference: Term
    background: tuple[Facts, ...]


def _pair(
    sides: Sides,
    party: Party,
    first: str,
    action: str,
    target: Target,
    pairs: dict[object, Pair | None],
    barred: set[object],
    *,
    gained: bool,
) -> Pair | None:
    """The checks of a family on a target, None if the one side plainly allows nothing that the other does not.

    `pairs` are those of the family: a resource of which nothing but its account is known makes the same ones for all of
    it. `barred` is where nothing can allow the party anything: unnamed resources of other accounts.
    """
    caller = party.after if gained else party.before
    if caller is None:
        return None
    unnamed = target.resource is None and target.holder is None
    foreign = unnamed and target.owner is not None and target.owner != caller.account
    place = None
    if foreign:
        service = first.partition(":")[0].lower()
        kind = (
            service,
            first if service in SPECIAL else "",
            known_account(sides.after if gained else sides.before, target.owner),
        )
        place = (gained, *kind)
        if place in barred:
            return None
    key = (gained, target.resource, target.owner, None if unnamed else (action, target.holder and target.holder.arn))
    if key not in pairs:
        pairs[key] = _made(
            sides,
            party,
            caller,
            first if unnamed or target.resource == "*" else action,
            target,
            gained=gained,
            barred=barred,
            place=place,
        )
    return pairs[key]


def _made(
    sides: Sides,
    party: Party,
    caller: Caller,
    action: str,
    target: Target,
    *,
    gained: bool,
    barred: set[object],
    place: object,
) -> Pair | None:
    new, old = (sides.after, sides.before) if gained else (sides.before, sides.after)
    other = party.before if gained else party.after
    meant = (action, target.resource, target.owner, None if target.holder is None else target.holder.arn)
    check = _check(sides, new, caller, *meant)
    if place is not None and not check.authorization.grants:
        barred.add(place)
        return None
    allowed = _allowed(new, check, target)
    if allowed is FALSE:
        return None
    past = None if other is None else _check(sides, old, other, *meant)
    was = FALSE if past is None else _allowed(old, past, target)
    difference = excess(allowed, was)
    if difference is FALSE:
        return None
    return Pair(gained, check, past, was, difference, (check.facts,) if past is None else (check.facts, past.facts))


def _hits(
    sides: Sides,
    models: Models,
    party: Party,
    names: tuple[str, ...],
    target: Target,
    pair: Pair,
    *,
    assumed: bool,
) -> Iterator[Hit]:
    """The difference of a pair of checks for actions on a target, if there is one."""
    check = pair.check
    # a domain reads nothing but the resource, which is free and has no other name here
    domain = all_of((target.domain, _NO_POINT)) if target.resource is None else TRUE
    nowhere = target.owner is None and target.resource is None
    account = check.facts.caller.account
    samples = samples_of(names[0], target.owner, account) if target.resource is None else ()
    found, why = solved(models, pair.difference, domain, pair.background, samples, certain_only=nowhere)
    if found is None and (not why or nowhere):
        return  # what policies of accounts outside decide is no difference
    resources = _where(models, pair, domain, target, found)
    if found is None:
        yield Hit(pair.gained, party.name, names, resources, None, why, assumed)
        return
    claim = Claim(
        gained=pair.gained,
        party=party.name,
        action=names[0],
        resource=target.resource,
        owner=target.owner,
        holder=None if target.holder is None else target.holder.arn,
        found=found,
        denied=pair.past is not None and pair.was is not FALSE,
    )
    yield Hit(pair.gained, party.name, names, resources, partial(proof, sides, party, claim), why, assumed, claim)


def proof(sides: Sides, party: Party, claim: Claim) -> tuple[Witness | None, tuple[str, ...]]:
    """The request of a claim, or that the evaluators disagree about it."""
    try:
        return _confirmed(sides, party, claim), ()
    except InternalError:
        return None, (DISAGREEMENT,)  # of one request among thousands: told in its row, never as certain


def _check(
    sides: Sides,
    env: Environment,
    caller: Caller,
    action: str,
    resource: str | None,
    owner: str | None,
    holder: str | None,
) -> Check:
    return check_of(
        Facts(
            env=env,
            caller=caller,
            action=action.lower(),
            resource=resource,
            owner=owner,
            holder=None if holder is None else env.resources.get(holder),
            missing=sides.missing,
        )
    )


def _allowed(env: Environment, check: Check, target: Target) -> Term:
    """When the check is allowed; never for a role that the environment, which has its account, lacks."""
    resource = target.resource or ""
    if ":role/" in resource and resource not in env.principals and check.facts.owner in env.accounts:
        return FALSE
    return strip(check.authorization.allowed)


def _confirmed(sides: Sides, party: Party, claim: Claim) -> Witness:
    """The request, which the independent evaluator allows on one side and denies on the other (else InternalError)."""
    meant = (claim.action, claim.resource, claim.owner, claim.holder)
    new, old = (sides.after, sides.before) if claim.gained else (sides.before, sides.after)
    caller, other = (party.after, party.before) if claim.gained else (party.before, party.after)
    assert caller is not None
    witness = witness_of(_check(sides, new, caller, *meant), claim.found)
    if claim.denied and other is not None:
        problem = replay_problem(_check(sides, old, other, *meant), claim.found)
        problem["resource"] = witness.request.resource
        said = replay.check(problem)["decision"]
        if said not in ("implicitDeny", "explicitDeny"):
            raise InternalError(f"the independent evaluator says {said} of a request found denied", problem)
    return witness


def _where(
    models: Models, pair: Pair, domain: Term, target: Target, found: Mapping[str, tuple[str, ...]] | None
) -> tuple[str, ...]:
    """The resources of a difference: the ARN, or the patterns of statements within which all of it lies, else the widest."""
    if target.resource is not None:
        return (target.resource,)
    terms = {t: Like(RESOURCE, tokenize(t, variables=False)) for t in sorted(_stated(pair.check))}
    inside = any_of(terms.values())
    if terms and (found is None or evaluate(inside, found) is not False):
        other, why = solved(models, pair.difference, all_of((domain, not_(inside))), pair.background)
        if other is None and not why:
            within = ((t, all_of((domain, term))) for t, term in terms.items())
            return tuple(t for t, there in within if _some(solved(models, pair.difference, there, pair.background)))
    return (f"{target.holder.arn}/*",) if target.holder is not None and ":s3:::" in target.holder.arn else ("*",)


def _some(outcome: tuple[object, tuple[str, ...]]) -> bool:
    return outcome[0] is not None or bool(outcome[1])


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

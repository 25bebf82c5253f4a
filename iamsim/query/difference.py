"""Whether one check allows what another does not: formulas made small, and models that are tried before a solver is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.aws.actions import resource_arn_patterns
from iamsim.ir.bounds import must, reasons
from iamsim.ir.evaluate import evaluate
from iamsim.ir.lower import RESOURCE, normal_arn
from iamsim.ir.term import FALSE, TRUE, And, Like, Or, Term, all_of, has_opaque, not_, variables
from iamsim.judge.axioms import hint_of
from iamsim.judge.check import closed
from iamsim.model.pattern import Pattern, Star
from iamsim.query.compare import shared_unknowns
from iamsim.smt.types import Sat, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.env.facts import Facts
    from iamsim.smt.types import Limits

    Outcome = tuple[Mapping[str, tuple[str, ...]] | None, tuple[str, ...]]

_KEPT = 6
_ANYTHING = Like(RESOURCE, Pattern("*", (Star(),)))


@dataclass(slots=True)
class Models:
    """The assignments that solvers found of late, to be tried first, and outcomes by what was asked."""

    limits: Limits
    recent: list[Mapping[str, tuple[str, ...]]] = field(default_factory=list)
    outcomes: dict[object, Outcome] = field(default_factory=dict)
    closures: dict[tuple[Term, tuple[int, ...]], tuple[Term, tuple[Facts, ...]]] = field(default_factory=dict)

    def keep(self, found: Mapping[str, tuple[str, ...]]) -> None:
        """Puts an assignment in front of those to be tried."""
        self.recent.insert(0, found)
        del self.recent[_KEPT:]


def excess(allowed: Term, was: Term) -> Term:
    """`allowed and not was`, without the parts of `was` that `allowed` plainly implies."""
    have = set(_parts(allowed))
    ours = [frozenset(t.args) for t in have if isinstance(t, Or)]
    left = [t for t in _parts(was) if not _implied(have, ours, t)]
    return all_of((allowed, not_(all_of(left))))


def _parts(term: Term) -> tuple[Term, ...]:
    return term.args if isinstance(term, And) else (term,)


def _implied(have: set[Term], ours: list[frozenset[Term]], term: Term) -> bool:
    if term in have or term is TRUE:
        return True
    if isinstance(term, And):
        return all(_implied(have, ours, t) for t in term.args)
    if isinstance(term, Or):
        theirs = frozenset(term.args)
        return any(_implied(have, [], t) for t in term.args) or any(o <= theirs for o in ours)
    return False


def solved(
    models: Models,
    difference: Term,
    domain: Term,
    background: tuple[Facts, ...],
    samples: tuple[str, ...] = (),
    *,
    certain_only: bool = False,
) -> Outcome:
    """A model of what certainly differs on `domain`; else the reasons for which something may differ, none if nothing does.

    `samples` are resources to try. With `certain_only` the reasons are not looked for.
    """
    if difference is FALSE or domain is FALSE:
        return None, ()
    if all(f.resource is not None for f in background):
        # of a named resource, the axioms read no more than this
        told = tuple(
            (f.caller, f.owner, f.action if f.action == "sts:assumerole" else "", id(f.env)) for f in background
        )
        key = (difference, domain, told)
        if key not in models.outcomes:
            models.outcomes[key] = _settled(models, difference, domain, background, samples, certain_only=certain_only)
        return models.outcomes[key]
    return _settled(models, difference, domain, background, samples, certain_only=certain_only)


def _settled(
    models: Models,
    difference: Term,
    domain: Term,
    background: tuple[Facts, ...],
    samples: tuple[str, ...],
    *,
    certain_only: bool,
) -> Outcome:
    from iamsim.smt.solve import solve

    certain = must(difference)
    stuck: tuple[str, ...] = ()
    if certain is not FALSE:
        guess = _guessed(models, certain, domain, background, samples)
        if guess is not None:
            return guess, ()
        found = solve(closed(all_of((certain, must(domain))), background), hint_of, models.limits)
        if isinstance(found, Sat):
            models.keep(found.assignment)
            return found.assignment, ()
        stuck = (f"budget:{found.reason}",) if isinstance(found, Unknown) else ()
    whole = all_of((difference, domain))
    if certain_only or not has_opaque(whole):
        return None, stuck
    possible = shared_unknowns(whole)
    if possible is FALSE:
        return None, stuck
    outcome = solve(closed(possible, background), hint_of, models.limits)
    return None, (reasons(whole) or stuck) if isinstance(outcome, Sat | Unknown) else stuck


def _guessed(
    models: Models, certain: Term, domain: Term, background: tuple[Facts, ...], samples: tuple[str, ...]
) -> Mapping[str, tuple[str, ...]] | None:
    """One of the recent models, its resource perhaps another, if it is a model of this as well."""
    if not models.recent or not variables(domain) <= {RESOURCE}:
        return None
    key = (certain, tuple(map(id, background)))
    known = models.closures.get(key)
    if known is None:
        symbolic = any(f.resource is None for f in background)
        asked = all_of((certain, _ANYTHING)) if symbolic else certain
        # the facts are kept, so that their ids stay their own
        known = models.closures[key] = (closed(asked, background), background)
    term = known[0]
    read = variables(term) | variables(domain)
    for model in models.recent:
        base = {k: v for k, v in model.items() if k in read}
        for resource in _resources(base, samples) if RESOURCE in read else (None,):
            tried = base if resource is None else {**base, RESOURCE: (resource,)}
            if evaluate(domain, tried) is True and evaluate(term, tried) is True:
                return tried
    return None


def _resources(base: Mapping[str, tuple[str, ...]], samples: tuple[str, ...]) -> Iterator[str]:
    region = base.get("aws:requestedregion", ("us-east-1",))[0]
    for sample in samples:
        yield sample.replace(_REGION, region)
    yield from base.get(RESOURCE, ())


def samples_of(action: str, owner: str | None, account: str | None) -> tuple[str, ...]:
    """Resources of the types of the action, of the account `owner`; `{region}` stands for a region."""
    out: dict[str, None] = {}
    for template in resource_arn_patterns(action):
        fields = template.split(":", _FIELDS - 1)
        if len(fields) < _FIELDS:
            continue
        _, partition, service, region, number, rest = fields
        partition = "aws" if "*" in partition else partition
        region = _REGION if "*" in region else region
        number = (owner or account or "") if "*" in number else number
        name = rest.replace("*", "x1").replace("?", "x")
        out[normal_arn(f"arn:{partition}:{service}:{region}:{number}:{name}")] = None
    return tuple(out)


_FIELDS = 6
_REGION = "{region}"

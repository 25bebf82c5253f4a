"""Why not: the parts of a check that together forbid every request, and what would have to change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info
from iamsim.aws.limits import Scope
from iamsim.ir.bounds import may
from iamsim.ir.term import FALSE, TRUE, Label, LabelKind, Term, all_of, any_of, not_
from iamsim.judge.answer import Cited, Core, Decision
from iamsim.judge.axioms import hint_of
from iamsim.judge.check import closed
from iamsim.judge.near import near_misses
from iamsim.judge.problem import policies_of
from iamsim.smt.types import Limits, Sat, Unsat

if TYPE_CHECKING:
    from iamsim.ir.decide import Side
    from iamsim.judge.check import Check

_WHEN = Label(LabelKind.RULE, "the question's own condition")


def parts_of(check: Check, when: Term) -> list[tuple[Cited, Term]]:
    """The conjuncts of which the check's problem is made, explicit denies first, each with how it is cited."""
    layers, authorization = check.layers, check.authorization
    out = [(Cited(h.label.text, "deny", h.label.origin), not_(h.term)) for h in authorization.denies]
    for cited, side in _sides(check):
        if cited.role in ("scp", "endpoint"):
            out.append((cited, side.allows))
    out += [(Cited(h.label.text, "service", h.label.origin), not_(h.term)) for h in layers.service_refuses]
    identity = [(c, s) for c, s in _sides(check) if c.role in ("identity", "boundary", "session")]
    if layers.scope is Scope.CROSS:
        out += [(c, s.allows) for c, s in identity]
        out.append((_resource_text(check), _resource_grant(check)))
    elif layers.needs_resource_grant or _resource_speaks(check):
        out.append((_grant_text(check), _raw_grant(check)))
        out += [(c, s.allows) for c, s in identity if s.allows is FALSE and c.role != "identity"]
        whole = replace(_grant_text(check), role="grants")
        out.append((whole, any_of(t for _, t in authorization.grants)))
    else:
        out += [(c, s.allows) for c, s in identity]
    if when is not TRUE:
        out.append((Cited(_WHEN.text, "when"), when))
    return out


def _resource_speaks(check: Check) -> bool:
    """True iff there is a resource policy, so that the missing grant is its silence as well."""
    res = check.layers.resource
    return res is not None and (bool(res.side.allow) or policies_of(check)["resource"] is not None)


def _resource_grant(check: Check) -> Term:
    res = check.layers.resource
    if res is None or not check.layers.resource_policy_possible:
        return FALSE
    return any_of([*(h.term for h in (*res.direct, *res.via, *res.account)), res.side.unknown])


def _raw_grant(check: Check) -> Term:
    """Whether anything grants at all, limits aside."""
    layers = check.layers
    own = layers.identity.allows
    res = layers.resource
    doubtful = [h.term for h in layers.doubtful]
    if res is None or not layers.resource_policy_possible:
        return any_of([FALSE if layers.needs_resource_grant else own, *doubtful])
    account = all_of((any_of(h.term for h in res.account), own)) if layers.needs_resource_grant else own
    return any_of([account, *(h.term for h in (*res.direct, *res.via)), res.side.unknown, *doubtful])


def _resource_text(check: Check) -> Cited:
    layers = check.layers
    if not layers.resource_policy_possible or layers.resource is None:
        return Cited("the resource is in another account and can have no resource policy", "service")
    return Cited(layers.resource.side.label.text, "resource", layers.resource.side.label.origin)


def _sides(check: Check) -> list[tuple[Cited, Side]]:
    layers = check.layers
    out: list[tuple[Cited, Side]] = [
        (Cited(layers.identity.label.text, "identity", layers.identity.label.origin), layers.identity)
    ]
    if layers.boundary is not None:
        out.append((Cited(layers.boundary.label.text, "boundary", layers.boundary.label.origin), layers.boundary))
    if layers.session is not None:
        out.append((Cited(layers.session.label.text, "session", layers.session.label.origin), layers.session))
    out += [(Cited(s.label.text, "scp", s.label.origin), s) for s in layers.scps]
    out += [(Cited(s.label.text, "endpoint", s.label.origin), s) for s in layers.endpoints]
    return out


def _grant_text(check: Check) -> Cited:
    layers = check.layers
    names = [layers.identity.label.text]
    if layers.resource is not None and layers.resource_policy_possible:
        names.append(layers.resource.side.label.text)
    return Cited(" and ".join(names), "grant", layers.identity.label.origin)


def core_of(check: Check, when: Term, limits: Limits) -> Core:
    """A minimal set of statements and layers that forbid every request of the check; the check must be a NO.

    A conjunct that fails alone is preferred (a Deny before a ceiling before a missing grant); else the solver minimises.
    """
    layers = check.layers
    if layers.refused is not None:
        return Core((Cited(layers.refused, "service"),), (f"{layers.refused}: no policy changes that",))
    parts = [(cited, may(term)) for cited, term in parts_of(check, when)]
    chosen = _alone(parts)
    if chosen is None:
        chosen = _minimal(check, parts, limits)
    items = tuple(_detailed(check, cited) for cited in chosen)
    return Core(items, tuple(dict.fromkeys(r for i in items for r in _remedy(check, i))))


def _alone(parts: list[tuple[Cited, Term]]) -> list[Cited] | None:
    failing = [cited for cited, term in parts if term is FALSE]
    if not failing:
        return None
    order = {"deny": 0, "service": 1, "scp": 2, "endpoint": 2, "boundary": 5, "session": 5, "grants": 6}
    return sorted(failing, key=lambda c: order.get(c.role, 4))[:1]


def _minimal(check: Check, parts: list[tuple[Cited, Term]], limits: Limits) -> list[Cited]:
    from iamsim.smt.solve import minimal_core

    terms = [t for _, t in parts]
    background = closed(all_of(terms), (check.facts,))
    # the background holds the parts themselves; only what the constraints add may stay in it
    added = [t for t in _conjuncts(background) if t not in set(_flat(terms))]
    found = minimal_core(terms, hint_of, limits, all_of(added))
    return [parts[i][0] for i in found] or [cited for cited, _ in parts]


def _conjuncts(term: Term) -> list[Term]:
    from iamsim.ir.term import And

    return list(term.args) if isinstance(term, And) else [term]


def _flat(terms: list[Term]) -> list[Term]:
    return [c for t in terms for c in _conjuncts(t)]


def _detailed(check: Check, cited: Cited) -> Cited:
    if cited.role in ("deny", "service", "when"):
        return cited
    return Cited(cited.text, cited.role, cited.origin, near_misses(check, cited.role))


def _spelled(action: str | None) -> str:
    info = action_info(action) if action else None
    return info.name if info is not None else action or "the action"


def _remedy(check: Check, item: Cited) -> list[str]:
    what = f"{_spelled(check.facts.action)} on {check.facts.resource or 'such a resource'}"
    match item.role:
        case "deny":
            return [f"{item.text} would have to spare this request"]
        case "service":
            return [f"{item.text}: no policy changes that"]
        case "when":
            return ["the condition of the question excludes every request that would pass: ask with a wider one"]
        case "grant" | "grants":
            return [f"an Allow of {what} is missing in {item.text}"]
        case _:
            return [f"{item.text} would have to allow {what}"]


def decision_of(check: Check, when: Term, limits: Limits) -> Decision:
    """The kind of a NO: explicit if every matching request is explicitly denied, or some would pass without the Denies."""
    authorization = check.authorization
    if authorization.denied is TRUE:
        return Decision.EXPLICIT_DENY
    if authorization.denied is FALSE:
        return Decision.IMPLICIT_DENY
    from iamsim.ir.bounds import must
    from iamsim.smt.solve import solve

    escapes = closed(all_of((not_(must(authorization.denied)), when)), (check.facts,))
    if isinstance(solve(escapes, hint_of, limits), Unsat):
        return Decision.EXPLICIT_DENY
    granted = must(authorization.granted)
    if granted is FALSE:
        return Decision.IMPLICIT_DENY
    without = solve(closed(all_of((granted, when)), (check.facts,)), hint_of, limits)
    return Decision.EXPLICIT_DENY if isinstance(without, Sat) else Decision.IMPLICIT_DENY

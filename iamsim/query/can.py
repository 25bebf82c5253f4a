"""The question "can PRINCIPAL do ACTION on RESOURCE": the direct answer, then role hops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import data_date
from iamsim.errors import QueryError
from iamsim.ir.term import FALSE, TRUE, Term, any_of, strip
from iamsim.judge.answer import SHOWN, Answer, Cited, Core, Decision, Evidence, Hop, Verdict
from iamsim.judge.judge import Found, decide_check, facts_of, judge, proof_of, refutation_of
from iamsim.judge.witness import witness_of
from iamsim.model.arn import parse_arn
from iamsim.query.future import future_notes
from iamsim.query.objects import alike
from iamsim.query.prepare import MISSING, Options, given_of, prepare, unknown_keys
from iamsim.query.recall import recalled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from iamsim.env.types import Environment
    from iamsim.graph.search import Route
    from iamsim.query.prepare import Given, Prepared
    from iamsim.query.recall import Shape
    from iamsim.smt.types import Limits

_MANY = 400


def can(
    env: Environment,
    principal: str,
    action: str,
    resource: str,
    *,
    context: Given | None = None,
    when: Term | str | Mapping[str, str] | None = None,
    via: str = "escalation",
    strict: bool = False,
    missing: str = "assume",
    also: Sequence[tuple[str, str]] = (),
    any_resource: bool = False,
    resource_account: str | None = None,
    session_policy: Any = None,
    endpoint_policy: Any = None,
    engine: str = "auto",
    limits: Limits | None = None,
    assume: Sequence[str] = (),
    rule_out: Sequence[str] = (),
    techniques: str | None = None,
) -> Answer:
    """The answer to "can `principal` ever do `action` on `resource`": directly, through role hops, or by escalation (`via`).

    `context` fixes condition keys (None: known to be absent), `when` constrains the others: a condition of the query
    language, a mapping of keys to values, or a term. With `strict` keys that are neither given nor derivable are absent:
    one concrete request; otherwise they are free. `also` are the further (action, resource) checks of the same operation,
    all of which must pass in one context. `session_policy` and `endpoint_policy` are documents or lists of them;
    they and most of `context` speak of the last request of a path. `engine` is auto, tableau, z3, z3-strings, cvc5, or
    replay (the independent evaluator, for concrete questions). Raises QueryError for a question that cannot be asked,
    InputError for a session or endpoint policy that is no policy.
    """
    plain = strict and via == "direct" and engine == "auto" and not (also or assume or rule_out or techniques)
    if plain and when is session_policy is endpoint_policy is limits is None and _is_one(action) and missing in MISSING:
        return _concrete(env, (principal, action, resource, missing, any_resource, resource_account), context)
    options = Options(
        context=context,
        when=when,
        via=via,
        strict=strict,
        missing=missing,
        also=also,
        any_resource=any_resource,
        resource_account=resource_account,
        session_policy=session_policy,
        endpoint_policy=endpoint_policy,
        engine=engine,
        limits=limits,
        assume=assume,
        rule_out=rule_out,
        techniques=techniques,
    )
    if assume or rule_out:
        from iamsim.query.techniques import catalogue_of, read_ruling

        read_ruling(env, catalogue_of(techniques)[0], assume, rule_out)
    return answered(prepare(env, principal, action, resource, options))


def answered(asked: Prepared) -> Answer:
    """The answer to a question that was made ready."""
    return _replayed(asked) if asked.options.engine == "replay" else _answer(asked)


def _is_one(action: str) -> bool:
    return "*" not in action and "?" not in action


def _concrete(env: Environment, shape: Shape, context: Given | None) -> Answer:
    """The answer to a direct question with all keys given, recalled where one like it was decided before."""
    principal, action, resource, missing, any_resource, account = shape

    def decide(given: Mapping[str, tuple[str, ...]]) -> Answer:
        options = Options(
            context=given,
            via="direct",
            strict=True,
            missing=missing,
            any_resource=any_resource,
            resource_account=account,
        )
        return _answer(prepare(env, principal, action, resource, options))

    return recalled(env, shape, alike, given_of(context), decide, unknown_keys)


def smtlib(env: Environment, principal: str, action: str, resource: str, **options: Any) -> str:
    """SMT-LIB 2 text of the direct question: satisfiable iff some request of the caller itself is certainly allowed.

    `options` are those of `can`. Role hops are not part of the formula.
    """
    from iamsim.ir.bounds import must
    from iamsim.judge.axioms import hint_of
    from iamsim.judge.check import closed
    from iamsim.smt.smtlib import smtlib as text_of

    asked = prepare(env, principal, action, resource, Options(**options))
    parts: list[Term] = []
    for caller, name, targets in asked.runs:
        for target in targets:
            found = decide_check(asked.ask, facts_of(asked.ask, caller, name, target), target.domain)
            parts.append(closed(must(found.term), (found.check.facts,)))
    return text_of(strip(any_of(parts)), hint_of)


def _say(about: Prepared, verdict: Verdict, evidence: Callable[[], Evidence] | Evidence, **more: Any) -> Answer:
    """An answer with the notes of the question in front of its own."""
    found = (lambda: evidence) if isinstance(evidence, Evidence) else evidence
    notes = (*about.notes, *more.pop("notes", ()))
    return Answer(
        question=about.question,
        verdict=verdict,
        evidence=found,
        notes=notes,
        warnings=about.warnings,
        data_date=data_date(),
        **more,
    )


_VERDICTS = {
    "allowed": (Verdict.YES, Decision.ALLOWED),
    "implicitDeny": (Verdict.NO, Decision.IMPLICIT_DENY),
    "explicitDeny": (Verdict.NO, Decision.EXPLICIT_DENY),
    "unknown": (Verdict.UNKNOWN, Decision.UNKNOWN),
}


def _replayed(about: Prepared) -> Answer:
    """The answer of the independent evaluator alone, which can only decide one concrete request."""
    from iamsim import replay
    from iamsim.judge.check import check_of
    from iamsim.judge.problem import replay_problem

    ask, runs = about.ask, about.runs
    caller, name, found = runs[0]
    if ask.ever or len(runs) > 1 or len(found) != 1 or found[0].resource is None:
        raise QueryError("the replay engine decides single concrete requests", "add --strict, and name no pattern")
    check = check_of(facts_of(ask, caller, name, found[0]), ask.documents)
    decided = replay.check(replay_problem(check, {}))
    verdict, decision = _VERDICTS[decided["decision"]]
    return _say(about, verdict, Evidence(decision=decision), reasons=tuple(decided["reasons"]))


def _answer(about: Prepared) -> Answer:
    ask, runs = about.ask, about.runs
    unknown: list[Found] = []
    refuted: list[Found] = []
    for caller, name, found in runs:
        for outcome in judge(ask, caller, name, found):
            if outcome.yes:
                return _yes(about, outcome)
            (unknown if outcome.unknown else refuted).append(outcome)
        if len(refuted) > _MANY:
            del refuted[_MANY:]
    reasons: set[str] = set()
    reached: set[str] = set()
    beyond: list[Found] = []
    changed: tuple[Found, ...] = ()
    if about.question.via != "direct":
        from iamsim.graph.search import search

        for caller, name, found in runs:
            searched = search(ask, caller, name, found)
            if searched.route is not None:
                return _route(about, searched.route)
            reasons.update(searched.reasons)
            reached.update(searched.reached)
            beyond += searched.refuted[:SHOWN]
    if about.question.via == "escalation":
        from iamsim.query.ever import by_escalation

        beyond_roles = by_escalation(about)
        if isinstance(beyond_roles, Evidence):
            return _say(about, Verdict.YES, beyond_roles, assumptions=assumed_by(beyond_roles))
        reasons.update(beyond_roles.reasons)
        reached.update(beyond_roles.reached)
        changed = beyond_roles.changed
    if unknown or reasons:
        return _unknown(about, unknown, reasons)
    if not refuted:
        return _about_nothing(about)
    return _no(about, refuted, reached, beyond, changed)


def _yes(about: Prepared, found: Found) -> Answer:
    def evidence() -> Evidence:
        return Evidence(decision=Decision.ALLOWED, witness=proof_of(found), residual=strip(found.term))

    folded = found.term is TRUE
    return _say(
        about,
        Verdict.YES,
        evidence if folded else evidence(),
        assumptions=found.check.assumptions,
        notes=found.check.layers.notes,
    )


def _route(about: Prepared, route: Route) -> Answer:
    checks = [*(h.check for h in route.hops), route.last.check]
    return _say(
        about,
        Verdict.YES,
        evidence_of_route(route),
        assumptions=tuple(sorted({a for c in checks for a in c.assumptions})),
        notes=route.last.check.layers.notes,
    )


def evidence_of_route(route: Route) -> Evidence:
    """The hops and the request of a route, each with its witness."""
    from iamsim.graph.hops import hop_technique

    hops = []
    for hop in route.hops:
        witness = witness_of(hop.check, route.assignment)
        action = witness.request.action
        technique = hop_technique(hop.check.facts.caller)
        hops.append(
            Hop(caller=witness.request.caller, action=action, target=hop.role.arn, witness=witness, technique=technique)
        )
    return Evidence(
        decision=Decision.ALLOWED,
        witness=witness_of(route.last.check, route.assignment),
        path=tuple(hops),
        techniques=tuple(sorted({h.technique for h in hops})),
        residual=strip(route.last.term),
    )


def assumed_by(evidence: Evidence) -> tuple[str, ...]:
    """What the steps of a way assume."""
    return tuple(sorted({a for hop in evidence.path for a in hop.assumptions}))


def _unknown(about: Prepared, unknown: list[Found], reasons: set[str]) -> Answer:
    found = unknown[0] if unknown else None
    return _say(
        about,
        Verdict.UNKNOWN,
        Evidence(decision=Decision.UNKNOWN, residual=strip(found.term) if found else None),
        reasons=tuple(sorted({r for f in unknown for r in f.reasons} | reasons)),
        assumptions=tuple(sorted({a for f in unknown for a in f.check.assumptions})),
        notes=found.check.layers.notes if found else (),
    )


_NOTHING = "no input holds a resource that the question means, and with --missing=closed there are no others"


def _about_nothing(about: Prepared) -> Answer:
    """The NO to a question that no resource fits."""
    core = Core((Cited(_NOTHING, "rule"),), ("load the resource, or ask without --missing=closed",))
    evidence = Evidence(decision=Decision.IMPLICIT_DENY, core=core, residual=FALSE)
    return _say(about, Verdict.NO, evidence, notes=future_notes(about))


def _no(
    about: Prepared, refuted: list[Found], reached: set[str], beyond: list[Found], changed: tuple[Found, ...]
) -> Answer:
    best = next((f for f in refuted if f.check.authorization.denied is TRUE), refuted[0])

    def evidence() -> Evidence:
        core, decision = refutation_of(best, about.ask.limits)
        if best.check.layers.refused is not None and about.question.via != "direct":
            core = _through_roles(about, core, beyond)
        for found in changed[:SHOWN]:  # what still stands after every change that can be made
            more = refutation_of(found, about.ask.limits)[0]
            core = Core(tuple(dict.fromkeys((*core.items, *more.items))), core.remedy)
        return Evidence(decision=decision, core=core, residual=FALSE)

    notes = [*best.check.layers.notes, *future_notes(about)]
    if len(refuted) > 1:
        notes.append(f"{len(refuted)} meanings of the question were refuted; the core is that of one of them")
    if reached:
        names = ", ".join(_name(a) for a in sorted(reached)[:5]) + (" …" if len(reached) > 5 else "")
        kind = "role" if all(":role/" in a for a in reached) else "principal"
        what = f"1 reachable {kind} was" if len(reached) == 1 else f"{len(reached)} reachable {kind}s were"
        notes.append(f"{what} refuted as well: {names}")
    return _say(
        about,
        Verdict.NO,
        evidence,
        assumptions=best.check.assumptions,
        notes=tuple(notes),
    )


def _through_roles(about: Prepared, core: Core, beyond: list[Found]) -> Core:
    """For a caller that can only act through roles: why those that it reaches may not, or why none lets it in."""
    from iamsim.graph.search import doors
    from iamsim.judge.core import core_of

    caller = about.runs[0][0]
    refused = [refutation_of(f, about.ask.limits)[0] for f in beyond[:SHOWN]]
    if not refused:
        refused = [core_of(c, TRUE, about.ask.limits) for c in doors(about.ask, caller, about.runs[0][1])[:SHOWN]]
    items = dict.fromkeys((*core.items, *(i for c in refused for i in c.items)))
    remedies = dict.fromkeys(r for c in refused for r in c.remedy)
    return Core(tuple(items), tuple(remedies) or core.remedy)


def _name(arn: str) -> str:
    from iamsim.graph.outside import SOME

    parsed = parse_arn(arn)
    return f"{parsed.account}:{parsed.resource}".replace(SOME, "(any)") if parsed else arn

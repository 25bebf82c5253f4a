"""The question "can PRINCIPAL do ACTION on RESOURCE": who and what it means, the direct answer, and role hops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import action_info, data_date, expand, known_services, nearest
from iamsim.diagnostics import Diagnostic, Origin, Severity
from iamsim.env.applicable import NO_DOCUMENTS, Documents
from iamsim.errors import InputError, QueryError
from iamsim.ir import term as terms
from iamsim.ir.term import FALSE, TRUE, Term, strip
from iamsim.judge.answer import Answer, Decision, Evidence, Hop, Question, Verdict
from iamsim.judge.callers import read_callers
from iamsim.judge.candidates import targets
from iamsim.judge.judge import Ask, Found, judge, proof_of, refutation_of
from iamsim.judge.witness import witness_of
from iamsim.model.arn import parse_arn
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy
from iamsim.smt.types import Limits

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.graph.search import Route
    from iamsim.judge.candidates import Target
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy

Given = Mapping[str, str | Sequence[str] | None]
VIA = ("direct", "roles")
MISSING = ("assume", "strict", "closed")
_MANY = 400


def can(
    env: Environment,
    principal: str,
    action: str,
    resource: str,
    *,
    context: Given | None = None,
    when: Term | str | Mapping[str, str] | None = None,
    via: str = "roles",
    strict: bool = False,
    missing: str = "assume",
    any_resource: bool = False,
    resource_account: str | None = None,
    session_policy: Any = None,
    endpoint_policy: Any = None,
    engine: str = "auto",
    limits: Limits | None = None,
) -> Answer:
    """The answer to "can `principal` do `action` on `resource`", directly or through role hops (`via`).

    `context` fixes condition keys (None: known to be absent), `when` constrains the others: a condition of the query
    language, a mapping of keys to values, or a term. With `strict` keys that are neither given nor derivable are absent:
    one concrete request; otherwise they are free. Raises QueryError for a question that cannot be asked, InputError for
    a session or endpoint policy that is no policy.
    """
    given = _given(context)
    asked = _question(principal, action, resource, via, strict=strict, missing=missing, given=given, when=when)
    ask = Ask(
        env=env,
        given=given,
        when=_when(when),
        ever=not strict,
        missing=missing,
        documents=_documents(session_policy, endpoint_policy),
        limits=limits or Limits(),
        engine=engine,
    )
    callers = read_callers(env, principal)
    actions, warnings = _actions(action)
    notes: list[str] = []
    runs: list[tuple[Caller, str, tuple[Target, ...]]] = []
    fitting: QueryError | None = None
    for name in actions:
        for caller in callers:
            try:
                found = targets(
                    env, name, resource, caller.account, any_resource=any_resource, owner=resource_account,
                    closed=missing == "closed",
                )  # fmt: skip
            except QueryError as error:
                fitting = error
                break
            notes += [t.note for t in found if t.note]
            runs.append((caller, name, found))
    if not runs and fitting is not None:
        raise fitting
    about = _About(asked, tuple(dict.fromkeys(notes)), warnings)
    return _replayed(ask, about, runs) if engine == "replay" else _answer(ask, about, runs, via)


@dataclass(frozen=True, slots=True)
class _About:
    """What every answer to the question says besides its verdict."""

    question: Question
    notes: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]

    def answer(self, verdict: Verdict, evidence: Callable[[], Evidence] | Evidence, **more: Any) -> Answer:
        """An answer with these notes in front of its own."""
        if isinstance(evidence, Evidence):
            found = evidence
            evidence = lambda: found  # noqa: E731 - a constant
        notes = (*self.notes, *more.pop("notes", ()))
        return Answer(
            question=self.question,
            verdict=verdict,
            evidence=evidence,
            notes=notes,
            warnings=self.warnings,
            data_date=data_date(),
            **more,
        )


def _question(
    principal: str, action: str, resource: str, via: str, *, strict: bool, missing: str, given: Mapping[str, tuple[str, ...]], when: Any
) -> Question:
    if via not in VIA:
        raise QueryError(f"`{via}` is no way to follow", "--via takes direct or roles")
    if missing not in MISSING:
        raise QueryError(f"`{missing}` is no way to read missing facts", "--missing takes assume, strict or closed")
    return Question(
        principal=principal,
        action=action,
        resource=resource,
        via=via,
        strict=strict,
        missing=missing,
        context=given,
        when=when if isinstance(when, str) else None,
    )


def _given(context: Given | None) -> dict[str, tuple[str, ...]]:
    out: dict[str, tuple[str, ...]] = {}
    for key, value in (context or {}).items():
        if value is None:
            out[key.lower()] = ()
        elif isinstance(value, str | bool | int | float):
            out[key.lower()] = (_text(value),)
        else:
            out[key.lower()] = tuple(_text(v) for v in value)
    return out


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _when(when: Term | str | Mapping[str, str] | None) -> Term:
    if when is None:
        return TRUE
    if isinstance(when, str):
        from iamsim.query.language import parse_condition

        return parse_condition(when)
    if isinstance(when, Mapping):
        from iamsim.model.pattern import plain

        return terms.all_of(terms.Like(k.lower(), plain(v)) for k, v in when.items())
    return when


def _documents(session: Any, endpoint: Any) -> Documents:
    if session is None and endpoint is None:
        return NO_DOCUMENTS
    listed = session if isinstance(session, list) else [session]
    sessions = None if session is None else tuple(_policy(s, PolicyKind.SESSION, "session policy") for s in listed)
    many = [] if endpoint is None else endpoint if isinstance(endpoint, list) else [endpoint]
    return Documents(sessions, tuple(_endpoint(e) for e in many))


def _endpoint(value: Any) -> tuple[str, Policy]:
    kind = "interface"
    if isinstance(value, Mapping) and "Policy" in value and "Statement" not in value:
        kind = str(value.get("Type", "interface")).lower()
        value = value["Policy"]
    return kind, _policy(value, PolicyKind.ENDPOINT, "endpoint policy")


def _policy(value: Any, kind: PolicyKind, name: str) -> Policy:
    policy, diagnostics = read_policy(value, kind, "of the question", Origin(f"<{name}>"))
    if policy.malformed is not None:
        raise InputError(f"the {name} is no policy: {policy.malformed.reason}", diagnostics, "give a policy document")
    return policy


def _actions(text: str) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """The actions that the question means, and a warning if the data does not know the action."""
    service, colon, name = text.partition(":")
    if text != "*" and (not colon or not service or not name or any(c.isspace() for c in text)):
        near = nearest(text)
        raise QueryError(f"`{text}` is no action", f"did you mean `{near}`?" if near else "write service:Action")
    if "*" in text or "?" in text:
        found = expand(text)
        if not found:
            raise QueryError(f"no known action matches `{text}`", f"known services are in the data of {data_date()}")
        return found, ()
    info = action_info(text)
    if info is not None:
        return (info.name,), ()
    near = nearest(text)
    known = service.lower() in known_services()
    what = "action" if known else "service"
    warning = Diagnostic(
        id="action-unknown",
        message=f"the data of {data_date()} does not know the {what} of `{text}`",
        origin=Origin("<question>"),
        severity=Severity.WARNING,
        help=f"did you mean `{near}`?" if near else "the question is answered all the same",
    )
    return (text,), (warning,)


_VERDICTS = {
    "allowed": (Verdict.YES, Decision.ALLOWED),
    "implicitDeny": (Verdict.NO, Decision.IMPLICIT_DENY),
    "explicitDeny": (Verdict.NO, Decision.EXPLICIT_DENY),
    "unknown": (Verdict.UNKNOWN, Decision.UNKNOWN),
}


def _replayed(ask: Ask, about: _About, runs: list[tuple[Caller, str, tuple[Target, ...]]]) -> Answer:
    """The answer of the independent evaluator alone, which can only decide one concrete request."""
    from iamsim import replay
    from iamsim.judge.check import check_of
    from iamsim.judge.judge import facts_of
    from iamsim.judge.problem import replay_problem

    caller, name, found = runs[0]
    if ask.ever or len(runs) > 1 or len(found) > 1 or found[0].resource is None:
        raise QueryError("the replay engine decides single concrete requests", "add --strict, and name no pattern")
    check = check_of(facts_of(ask, caller, name, found[0]), ask.documents)
    decided = replay.check(replay_problem(check, {}))
    verdict, decision = _VERDICTS[decided["decision"]]
    return about.answer(verdict, Evidence(decision=decision), reasons=tuple(decided["reasons"]))


def _answer(ask: Ask, about: _About, runs: list[tuple[Caller, str, tuple[Target, ...]]], via: str) -> Answer:
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
    if via == "roles":
        from iamsim.graph.search import search

        for caller, name, found in runs:
            searched = search(ask, caller, name, found)
            if searched.route is not None:
                return _route(about, searched.route)
            reasons.update(searched.reasons)
            reached.update(searched.reached)
    if unknown or reasons:
        return _unknown(about, unknown, reasons)
    return _no(ask, about, refuted, reached)


def _yes(about: _About, found: Found) -> Answer:
    def evidence() -> Evidence:
        return Evidence(decision=Decision.ALLOWED, witness=proof_of(found), residual=strip(found.term))

    folded = found.term is TRUE
    return about.answer(
        Verdict.YES,
        evidence if folded else evidence(),
        assumptions=found.check.assumptions,
        notes=found.check.layers.notes,
    )


def _route(about: _About, route: Route) -> Answer:
    hops = []
    for hop in route.hops:
        witness = witness_of(hop.check, route.assignment)
        action = witness.request.action
        hops.append(Hop(caller=witness.request.caller, action=action, target=hop.role.arn, witness=witness))
    checks = [*(h.check for h in route.hops), route.last.check]
    evidence = Evidence(
        decision=Decision.ALLOWED,
        witness=witness_of(route.last.check, route.assignment),
        path=tuple(hops),
        residual=strip(route.last.term),
    )
    return about.answer(
        Verdict.YES,
        evidence,
        assumptions=tuple(sorted({a for c in checks for a in c.assumptions})),
        notes=route.last.check.layers.notes,
    )


def _unknown(about: _About, unknown: list[Found], reasons: set[str]) -> Answer:
    found = unknown[0] if unknown else None
    return about.answer(
        Verdict.UNKNOWN,
        Evidence(decision=Decision.UNKNOWN, residual=strip(found.term) if found else None),
        reasons=tuple(sorted({r for f in unknown for r in f.reasons} | reasons)),
        assumptions=tuple(sorted({a for f in unknown for a in f.check.assumptions})),
        notes=found.check.layers.notes if found else (),
    )


def _no(ask: Ask, about: _About, refuted: list[Found], reached: set[str]) -> Answer:
    best = next((f for f in refuted if f.check.authorization.denied is TRUE), refuted[0])

    def evidence() -> Evidence:
        core, decision = refutation_of(best, ask.limits)
        return Evidence(decision=decision, core=core, residual=FALSE)

    notes = list(best.check.layers.notes)
    if len(refuted) > 1:
        notes.append(f"{len(refuted)} meanings of the question were refuted; the core is that of one of them")
    if reached:
        names = ", ".join(_name(a) for a in sorted(reached)[:5]) + (" …" if len(reached) > 5 else "")
        notes.append(f"{len(reached)} reachable roles were refuted as well: {names}")
    return about.answer(
        Verdict.NO,
        evidence,
        assumptions=best.check.assumptions,
        notes=tuple(notes),
    )


def _name(arn: str) -> str:
    parsed = parse_arn(arn)
    return f"{parsed.account}:{parsed.resource}" if parsed else arn

"""The question "what can PRINCIPAL do": effective permissions, each row decided and not read off the policies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import action_info, fits, resource_arn_patterns
from iamsim.aws.refusals import refusals_of
from iamsim.aws.services import TRUST_ACTIONS
from iamsim.aws.shapes import globs_meet
from iamsim.aws.universe import bits_of, universe
from iamsim.env.facts import entities
from iamsim.env.granted import granted_actions
from iamsim.env.hits import principal_classes
from iamsim.env.resource_policy import owner_of, place_of
from iamsim.env.types import MissingPolicy, PrincipalKind
from iamsim.errors import QueryError
from iamsim.ir.lower import RESOURCE, arn_pattern, normal_arn
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, And, Like, Not, Or, Term, all_of, any_of, not_, strip, subterms, variables
from iamsim.judge.callers import read_callers
from iamsim.judge.candidates import Target, rest_of
from iamsim.judge.check import settle
from iamsim.judge.judge import background_of, decided, facts_of, operation_of
from iamsim.judge.problem import flat, keys_read, policies_of
from iamsim.model.arn import parse_arn
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import tokenize
from iamsim.model.policy import Effect
from iamsim.query.prepare import Options, asked_of
from iamsim.query.what_classes import alike, free_actions
from iamsim.query.what_patterns import patterns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.env.types import Environment, Resource
    from iamsim.ir.bindings import Lookup
    from iamsim.judge.judge import Ask, Found
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy

    Progress = Callable[[int], None]
    Held = Mapping[str, "Policy | MissingPolicy | None"]

YES, CONDITIONAL, UNKNOWN, NO = "yes", "conditional", "unknown", "no"
_ATOMS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class What:
    """Actions, alike for the caller, on the resources of one pattern.

    `verdict`: yes, every such request is allowed; conditional, some are: those that satisfy `condition`; unknown, it is not
    known of any, for `reasons`. `but` are patterns of resources within this one for which that does not hold, each with its
    own verdict; what can be done with these has rows of its own. `resource` is `*` for actions that take none.
    """

    actions: tuple[str, ...]
    resource: str
    verdict: str
    condition: Term = TRUE
    reasons: tuple[str, ...] = ()
    but: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Outcome:
    verdict: str
    condition: Term = TRUE
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Subject:
    """The caller, what holds its question together, and the policies that it meets."""

    ask: Ask
    caller: Caller
    patterns: tuple[tuple[int, str], ...]
    reached: frozenset[str]
    solved: dict[object, _Outcome] = field(default_factory=dict)
    filled: dict[object, bool] = field(default_factory=dict)


def what_can(
    env: Environment, principal: str, resource: str | None = None, *, progress: Progress | None = None, **options: Any
) -> Iterator[What]:
    """The effective permissions of `principal`, or those on `resource` (an ARN, also with wildcards), service by service.

    Counted are: its identity policies and those of its groups, boundary, session policy, SCPs, RCPs, denies, and the
    policies of loaded resources. The rows speak of resources of the caller's own account, of loaded ones of other accounts,
    and of those that ARNs in its policies place elsewhere; a resource whose ARN tells no account and that no input names is
    taken to be its own. Of known actions, each is decided with the procedure of `can`, once for all that are alike.
    `options` are those of `can` (context, when, strict, missing, session_policy, endpoint_policy). Raises QueryError, at
    once, unless `principal` means one caller that is loaded or needs no identity policy.
    """
    given = Options(**{"via": "direct", **options})
    callers = read_callers(env, principal)
    if len(callers) != 1:
        raise QueryError(f"`{principal}` means {len(callers)} callers", "name one of them")
    if resource is not None and resource != "*" and parse_arn(resource) is None:
        raise QueryError(
            f"`{resource}` is neither an ARN nor `*`", "a resource is an ARN such as arn:aws:s3:::bucket/key"
        )
    caller = callers[0]
    ask = asked_of(env, principal, "*", resource or "*", given)
    check = operation_of(ask, facts_of(ask, caller, "sts:getcalleridentity", _nothing(caller))).check
    own = policies_of(check)
    _refuse_unknown(caller, own)
    return _rows(ask, caller, resource, own, check.lookup, progress)


def _nothing(caller: Caller) -> Target:
    return Target("*", caller.account)


def _refuse_unknown(caller: Caller, own: dict[str, Any]) -> None:
    for policy in own["identity"]:
        if isinstance(policy, MissingPolicy) and policy.arn == caller.arn:
            raise QueryError(f"no input holds the policies of `{caller.arn}`", "load the account of the principal")


def _rows(
    ask: Ask,
    caller: Caller,
    resource: str | None,
    own: dict[str, Any],
    looked: Lookup,
    progress: Progress | None,
) -> Iterator[What]:
    env = ask.env
    held = _held(env)
    reached = {arn: p for arn, p in held.items() if _reaches(ask, caller, p)}
    root = caller.kind is CallerKind.ROOT or (caller.parent or "").endswith(":root")
    bits = universe().all if root else granted_actions(own["identity"])
    bits |= free_actions(caller)
    bits |= granted_actions(p for p in reached.values() if p is not None and not isinstance(p, MissingPolicy))
    common = [*flat(own), *_elsewhere(env)]
    patterns = ((universe().all, resource),) if resource is not None else patterns_of(caller, own, looked, root=root)
    subject = _Subject(ask, caller, patterns, frozenset(reached))
    done = 0
    for actions in alike(bits, [*common, *held.values()], caller, _read(env, common)):
        yield from _of_class(subject, actions, resource)
        done += len(actions)
        if progress is not None:
            progress(done)


def _elsewhere(env: Environment) -> Iterator[Policy | MissingPolicy | None]:
    """Ceilings that may bear on requests for resources of other accounts or through VPC endpoints."""
    yield from (e.policy for e in env.endpoints.values())
    stack = [o.root for o in env.organizations]
    while stack:
        node = stack.pop()
        yield from node.rcps
        stack += node.children


def _read(env: Environment, common: list[Policy | MissingPolicy | None]) -> Callable[[str], frozenset[str]]:
    """The condition keys that are read for actions of a service: by what always counts, and by policies of its resources."""
    always = keys_read(env, common)
    by_service: dict[str, list[Policy | MissingPolicy | None]] = {}
    for arn, loaded in env.resources.items():
        if arn.count(":") > 1:
            by_service.setdefault(arn.split(":", 3)[2], []).append(loaded.policy)
    return lambda service: frozenset(always | keys_read(env, by_service.get(service, ())))


def _held(env: Environment) -> Held:
    """The policies of loaded resources and the trust policies of loaded roles, by ARN."""
    out: dict[str, Policy | MissingPolicy | None] = {a: r.policy for a, r in env.resources.items()}
    return out | {a: p.trust for a, p in env.principals.items() if p.kind is PrincipalKind.ROLE}


def _reaches(ask: Ask, caller: Caller, policy: Policy | MissingPolicy | None) -> bool:
    """Whether some statement of a resource policy may grant the caller something; that of an unreadable one may."""
    if policy is None:
        return False
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return True
    facts = facts_of(ask, caller, "*", _nothing(caller))
    known = entities(ask.env)
    return any(
        s.effect is not Effect.DENY and principal_classes(facts, s, known, trust=True).some is not FALSE
        for s in policy.statements
    )


# --- which resources are asked about


def _of_class(subject: _Subject, actions: tuple[str, ...], resource: str | None) -> Iterator[What]:
    action, caller = actions[0], subject.caller
    info = action_info(action)
    if info is not None and info.wildcard_only:
        if resource in (None, "*"):
            found = _outcome(subject, action, _nothing(caller))
            if found.verdict != NO:
                yield _what(actions, "*", found, ())
        return
    bit = bits_of(action.lower())
    asked = [p for bits, p in subject.patterns if bits & bit]
    named = {text: _outcome(subject, action, t) for text, t in _named(subject, action, asked, resource)}
    told: set[str] = set()
    for pattern in asked:
        whole = _whole(subject, action, pattern)
        if whole is None or whole.verdict == NO:
            continue
        inside = {t: o for t, o in named.items() if _meet(pattern, t)}
        but = [(t, o.verdict) for t, o in inside.items() if o != whole] + _refused(action, pattern, whole)
        told |= {t for t, o in inside.items() if o == whole}
        yield _what(actions, pattern, whole, tuple(sorted(but)))
        if pattern == "*" and whole.verdict == YES:
            break
    for text, found in sorted(named.items()):
        if found.verdict != NO and text not in told:
            yield _what(actions, text, found, ())


def _what(actions: tuple[str, ...], resource: str, found: _Outcome, but: tuple[tuple[str, str], ...]) -> What:
    return What(
        actions=actions,
        resource=resource,
        verdict=found.verdict,
        condition=found.condition,
        reasons=found.reasons,
        but=but,
    )


def _whole(subject: _Subject, action: str, pattern: str) -> _Outcome | None:
    """The outcome for the resources of a pattern that no input names; of a single one if it has no wildcard."""
    env, account = subject.ask.env, subject.caller.account or ""
    if "*" in pattern or "?" in pattern:
        target = rest_of(env, action, pattern, account)
    elif fits(action, normal_arn(pattern)) is False or normal_arn(pattern) in env.resources:
        return None
    else:
        target = Target(normal_arn(pattern), owner_of(env, normal_arn(pattern), account) or account)
        return _outcome(subject, action, target)
    if target is None or not _filled(subject, action, pattern, target):
        return None
    return _outcome(subject, action, _narrow(subject, action, pattern, target))


def _filled(subject: _Subject, action: str, pattern: str, target: Target) -> bool:
    """Whether the target stands for some resource."""
    if pattern == "*":
        return True
    key = ("filled", pattern, resource_arn_patterns(action))
    if key not in subject.filled:
        facts = facts_of(subject.ask, subject.caller, action, target)
        subject.filled[key] = settle(target.domain, (facts,), subject.ask.limits).possible
    return subject.filled[key]


def _narrow(subject: _Subject, action: str, pattern: str, target: Target) -> Target:
    """The target with no more of its domain than can matter: where nothing reads the resource, its region at most."""
    refused = _refused_places(action)
    elsewhere = not_(any_of(refused))  # what is refused has rows of its own
    wide = replace(target, domain=elsewhere)
    asked = operation_of(subject.ask, facts_of(subject.ask, subject.caller, action, replace(target, domain=TRUE)))
    term = _replaced(asked.term, dict.fromkeys(refused, FALSE))
    if RESOURCE in variables(term):
        return replace(target, domain=all_of((target.domain, elsewhere)))
    region = "*" if pattern == "*" else pattern.split(":", 5)[3]
    if region == "*" or "aws:requestedregion" not in variables(term):
        return wide
    there = Like(RESOURCE, arn_pattern(tokenize(f"arn:*:*:{region}:*:*", variables=False))[0])
    return replace(target, domain=all_of((there, elsewhere)))


def _named(subject: _Subject, action: str, patterns: list[str], resource: str | None) -> Iterator[tuple[str, Target]]:
    """The loaded resources, and for buckets what is in them, that the action can be about, with the text that means them."""
    env = subject.ask.env
    service = action.partition(":")[0]
    for arn, loaded in env.resources.items():
        if arn.count(":") < 5 or arn.split(":", 3)[2] != service:
            continue
        reached = resource is None and arn in subject.reached
        if fits(action, arn) is not False:
            if reached or any(_meet(p, arn) for p in patterns):
                yield arn, Target(normal_arn(arn), loaded.account)
        elif service == "s3" and fits(action, f"{arn}/*"):
            yield from ((t, _inside(t, loaded)) for t in _parts(arn, patterns, whole=reached))
    if action.lower().startswith(TRUST_ACTIONS):
        for arn, principal in env.principals.items():
            if arn in subject.reached and (resource is None or any(_meet(p, arn) for p in patterns)):
                yield arn, Target(normal_arn(arn), principal.account)


def _meet(pattern: str, text: str) -> bool:
    return pattern == "*" or globs_meet(pattern, text)


def _fields_meet(pattern: str, text: str) -> bool:
    """As `_meet`, of two ARNs whose wildcards stay within their fields."""
    pairs = zip(pattern.split(":", 5), text.split(":", 5), strict=False)
    return pattern == "*" or all(globs_meet(a, b) for a, b in pairs)


def _parts(bucket: str, patterns: list[str], *, whole: bool) -> Iterator[str]:
    """What is asked about of the things in a bucket: patterns that lie in it, and all of it if some pattern is wider."""
    text = f"{bucket}/*"
    narrow = [p for p in patterns if p.startswith(f"{bucket}/")]
    if whole or any(p not in narrow and _meet(p, text) for p in patterns):
        narrow = [text]
    yield from narrow


def _inside(text: str, loaded: Resource) -> Target:
    if "*" not in text and "?" not in text:
        return Target(normal_arn(text), loaded.account)
    return Target(None, loaded.account, Like(RESOURCE, arn_pattern(tokenize(text, variables=False))[0]), loaded)


@lru_cache(maxsize=32768)
def _refused_places(action: str) -> tuple[Term, ...]:
    """That the resource is one of which `_refused` tells, by row."""
    rows = (r for r in refusals_of(action.lower()) if not r.cross and r.resource != "*")
    return tuple(place_of(row, RESOURCE) for row in rows)


def _refused(action: str, pattern: str, whole: _Outcome) -> list[tuple[str, str]]:
    """What services refuse whatever policies say, or leave open, within the pattern."""
    out = []
    for row in refusals_of(action.lower()):
        text = row.arn
        if row.cross:
            continue
        if _fields_meet(pattern, text) and whole.verdict != UNKNOWN:
            out.append((text, UNKNOWN if row.unknown else NO))
    return out


# --- what is decided


def _outcome(subject: _Subject, action: str, target: Target) -> _Outcome:
    ask = subject.ask
    asked = operation_of(ask, facts_of(ask, subject.caller, action, target), target.domain)
    term = strip(asked.term)
    trusts = action.lower().startswith(TRUST_ACTIONS)
    key = (term, strip(asked.when), target.domain, action if trusts else target.resource is None)
    found = subject.solved.get(key)
    if found is None:
        found = subject.solved[key] = _decide(ask, asked, target)
    return found


def _decide(ask: Ask, asked: Found, target: Target) -> _Outcome:
    found = decided(ask, asked)
    if found.unknown:
        return _Outcome(UNKNOWN, reasons=found.reasons)
    if not found.yes:
        return _Outcome(NO)
    allowed = asked.check.authorization.allowed
    background = background_of(asked)
    missed = all_of((not_(allowed), asked.when))
    if not settle(missed, background, ask.limits, ask.engine).possible:
        return _Outcome(YES)
    when = reduce(ask.when, asked.check.lookup)
    return _Outcome(CONDITIONAL, _plainer(ask, asked, target, strip(all_of((allowed, when)))))


def _plainer(ask: Ask, asked: Found, target: Target, term: Term) -> Term:
    """`term` without what is true, or false, of every resource of the target."""
    atoms = {t for t in subterms(term) if isinstance(t, Like) and t.var == RESOURCE and not t.pattern.variables}
    if target.resource is not None or len(atoms) > _ATOMS:
        return term
    background = background_of(asked)
    known: dict[Term, Term] = {}
    for atom in atoms:
        if not settle(all_of((target.domain, not_(atom))), background, ask.limits).possible:
            known[atom] = TRUE
        elif not settle(all_of((target.domain, atom)), background, ask.limits).possible:
            known[atom] = FALSE
    return _replaced(term, known)


def _replaced(term: Term, known: Mapping[Term, Term]) -> Term:
    match term:
        case And(args):
            return all_of(_replaced(a, known) for a in args)
        case Or(args):
            return any_of(_replaced(a, known) for a in args)
        case Not(arg):
            return not_(_replaced(arg, known))
        case _:
            return known.get(term, term)

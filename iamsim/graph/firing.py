"""One way to use a technique: its calls as checks, its preconditions, and whether all of it can hold together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.changes import changed
from iamsim.env.facts import Facts
from iamsim.env.resource_policy import owner_of
from iamsim.graph.edges import of_session
from iamsim.graph.given import given_for, when_for
from iamsim.graph.hops import session_facts
from iamsim.graph.preconditions import holds
from iamsim.graph.sources import filled
from iamsim.graph.world import caller_in, relevant, worlds
from iamsim.ir.bounds import may, must
from iamsim.ir.evaluate import evaluate
from iamsim.ir.lower import RESOURCE
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, Like, Present, Term, all_of, any_of, implies, not_, some, variables
from iamsim.judge.candidates import shape_of
from iamsim.judge.check import Check, Settled, check_of, reasons_of, settle
from iamsim.judge.outlook import outlook
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import Pattern, Variable, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.aws.escalations import Call, Technique, Variant
    from iamsim.env.changes import Change
    from iamsim.env.types import Environment
    from iamsim.graph.sessions import Session
    from iamsim.graph.world import Node, Search
    from iamsim.model.caller import Caller

# The name that stands for one of the values of a key, whatever the others are.
_AMONG = "$operation"

_APART = ("service|", "token|", "agent|")


@dataclass(frozen=True, slots=True)
class CallChecks:
    """A call on one resource: its check in each environment that the attacker may choose, and what is demanded besides.

    Calls of one `request` are made in one of these environments, the same for all.
    """

    action: str
    resource: str
    request: int
    checks: tuple[Check, ...]
    demanded: Term

    def term(self, choice: int) -> Term:
        """When the call is allowed in one of the environments."""
        return all_of((self.checks[choice].authorization.allowed, self.demanded))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A variant of a technique in one binding: it works iff `term` can hold under the constraints of `background`.

    `reads_session` iff the term reads what a session of the node carries.
    """

    calls: tuple[CallChecks, ...]
    term: Term
    background: tuple[Facts, ...]
    assumed: tuple[str, ...]
    reads_session: bool
    caller: Caller

    def checks_under(self, assignment: Mapping[str, tuple[str, ...]]) -> tuple[Check, ...]:
        """The check of each call in an environment in which its request is allowed as the assignment makes it."""
        chosen: dict[int, int] = {}
        for request in {c.request for c in self.calls}:
            mine = [c for c in self.calls if c.request == request]
            fitting = (
                n
                for n in range(len(mine[0].checks))
                if all(evaluate(must(c.checks[n].authorization.allowed), assignment) for c in mine)
            )
            chosen[request] = next(fitting, 0)
        return tuple(c.checks[chosen[c.request]] for c in self.calls)


@dataclass(frozen=True, slots=True)
class Requests:
    """How the requests of an attempt are told apart, and which session makes them.

    `first` is the number of the first request; `together`: all calls in one context. Else each API call has its own, as it
    may be made from elsewhere and at another time; what belongs to the session is the same in all.
    """

    first: int = 1
    together: bool = False
    session: Session | None = None
    exact: bool = False


ONE = Requests()


def attempt(
    search: Search,
    node: Node,
    technique: Technique,
    variant: Variant,
    bound: Mapping[str, str],
    changes: frozenset[Change],
    requests: Requests = ONE,
) -> Attempt | None:
    """The variant in one binding after `changes`, or None if it certainly does not work.

    `bound` gives the names that stand for one thing; all other names of resources are free, the same wherever they recur.
    """
    focus = (node.caller.arn or "", *sorted(v for v in bound.values() if ":" in v))
    about = relevant(search.env, changes, focus)
    among = (changed(search.env, about, focus),) if requests.exact else worlds(search.env, about, focus)
    terms: list[Term] = []
    background: list[Facts] = []
    assumed: list[str] = []
    for condition in variant.preconditions:
        held = holds(search, among[0], node, condition, bound, variant.calls)
        if held.term is FALSE or may(held.term) is FALSE:
            return None
        terms.append(held.term)
        background += [c.facts for c in held.checks]
        assumed += [held.assumed] if held.assumed else []
    calls: list[CallChecks] = []
    apart = [n for n, _ in _numbered(variant.calls, ONE)]
    for (number, call), request in zip(_numbered(variant.calls, requests), apart, strict=True):
        for resource in call.resources:
            part = f"@{len(calls)}|" if calls else ""
            made = _call(search, node, technique, call, resource, bound, among, requests, f"{number}|", part, request)
            if all(c.authorization.allowed is FALSE for c in made.checks):
                return None
            calls.append(made)
            background += [c.facts for c in made.checks if c.authorization.allowed is not FALSE]
            assumed += [
                a for a in made.checks[0].assumptions if "is in no organization" not in a and "session policy" not in a
            ]
    for request in dict.fromkeys(apart):
        mine = [c for c in calls if c.request == request]
        whole = any_of(all_of(c.term(n) for c in mine) for n in range(len(among)))
        if whole is FALSE or may(whole) is FALSE:
            return None
        terms.append(whole)
    term = all_of(terms)
    reads = node.caller.kind is CallerKind.ROLE_SESSION and any(
        of_session(v) for v in variables(term) if not v.startswith(_APART)
    )
    if reads and not requests.together and len(calls) > 1:
        return attempt(search, node, technique, variant, bound, changes, replace(requests, together=True))
    return Attempt(tuple(calls), term, tuple(background), tuple(dict.fromkeys(assumed)), reads, node.caller)


def sweeping(search: Search, node: Node, technique: Technique, variant: Variant, env: Environment) -> bool | None:
    """True iff every call is allowed whatever its resource of the right type is, and in every context; False if some call is
    allowed on none; else None.
    """
    out: bool | None = True
    for call in variant.calls:
        for resource in call.resources:
            fixed = {k: v for k, v in _fixed(technique, call, resource, {}, env).items() if v}
            name = resource if resource.startswith("$") or resource == "*" else "$any"
            about = (call.action, name, tuple(sorted(fixed.items())), search.ask.missing, search.ask.ever)
            key = ("sweeping", node.caller, node.made, *about)
            found: tuple[Term, Term] | None = env.memo.get(key)
            if found is None:
                allowed = _check(search, env, node, call.action, name, fixed, ONE, "1|", "").authorization.allowed
                found = env.memo[key] = (must(allowed), may(allowed))
            if found[1] is FALSE:
                return False
            out = out if found[0] is TRUE else None
    return out


def may_call(
    search: Search, env: Environment, node: Node, technique: Technique, call: Call, name: str, value: str
) -> bool:
    """False only if the node is never allowed the call on what the name stands for."""
    fixed = {k: v for k, v in _fixed(technique, call, name, {}, env).items() if v}
    allowed = _check(search, env, node, call.action, value, fixed, ONE, "1|", "").authorization.allowed
    return allowed is not FALSE and may(allowed) is not FALSE


def _numbered(calls: tuple[Call, ...], requests: Requests) -> list[tuple[int, Call]]:
    """The calls with the number of their request; a role is passed in the request that comes next."""
    if requests.together:
        return [(requests.first, c) for c in calls]
    out: list[tuple[int, Call]] = []
    number = requests.first
    for call in calls:
        out.append((number, call))
        if call.action.lower() != "iam:passrole":
            number += 1
    last = max((n for n, c in out if c.action.lower() != "iam:passrole"), default=requests.first)
    return [(min(n, last), c) for n, c in out]


def _call(
    search: Search,
    node: Node,
    technique: Technique,
    call: Call,
    resource: str,
    bound: Mapping[str, str],
    among: tuple[Environment, ...],
    requests: Requests,
    hop: str,
    part: str,
    request: int,
) -> CallChecks:
    target = bound.get(resource, resource)
    fixed = _fixed(technique, call, resource, bound, among[0])
    checks = tuple(_check(search, env, node, call.action, target, fixed, requests, hop, part) for env in among)
    demanded: list[Term] = []
    if checks[0].facts.resource is None:
        demanded.append(_domain(search, node, target, checks[0]))
    when = when_for(search.ask.when, search.action, search.start, first=_starts(search, node), last=False)
    if when is not TRUE:
        demanded.append(reduce(when, checks[0].lookup))
    demanded += _shared(technique, call, bound, checks[0])
    demanded += _associated(technique, call, checks)
    return CallChecks(call.action, target, request, checks, all_of(demanded))


def _shared(technique: Technique, call: Call, bound: Mapping[str, str], check: Check) -> Iterator[Term]:
    """Keys that hold the ARN of a free resource, which is the one that other calls are made on, and keys that hold a value
    among others.
    """
    for key, value in call.context:
        if value == _AMONG and bound.get(value):
            yield reduce(some(key, Like(key, plain(bound[value]))), check.lookup)
        elif value.startswith("$") and value not in bound and _is_free(technique, value):
            names = Variable(f"{value}|{RESOURCE}")
            yield implies(Present(f"{check.facts.hop}{key}"), Like(f"{check.facts.hop}{key}", Pattern("", (names,))))


def _associated(technique: Technique, call: Call, checks: tuple[Check, ...]) -> Iterator[Term]:
    """The resource with which a role is associated, where that is read: one of the service to which it is passed.

    Source: IAM User Guide, "Available keys for IAM", iam:AssociatedResourceArn.
    """
    if call.action.lower() != "iam:passrole":
        return
    key = "iam:associatedresourcearn"
    if not any(f"{c.facts.hop}{key}" in variables(c.authorization.allowed) for c in checks):
        return
    passed = technique.passed_to.removesuffix(".amazonaws.com").rpartition(".")[2] if technique.passed_to else ""
    called = {c.action.partition(":")[0].lower() for v in technique.variants for c in v.calls} - {"iam", "sts"}
    services = sorted(called | {passed} - {""})
    of_service = any_of(Like(key, shape_of(f"arn:*:{s}:*:*:*")) for s in services)
    yield reduce(implies(Present(key), of_service), checks[0].lookup)


def _is_free(technique: Technique, name: str) -> bool:
    return any(name in c.resources for v in technique.variants for c in v.calls)


def _starts(search: Search, node: Node) -> bool:
    return node.caller is search.start


def _check(
    search: Search,
    env: Environment,
    node: Node,
    action: str,
    target: str,
    fixed: Mapping[str, tuple[str, ...]],
    requests: Requests,
    hop: str,
    part: str,
) -> Check:
    starts = _starts(search, node)
    key = None
    if requests.session is None and (not starts or (not search.ask.given and search.ask.documents == NO_DOCUMENTS)):
        about = (node.caller, node.made, search.ask.missing, search.ask.ever)
        around = (
            ()
            if starts
            else tuple(
                sorted(given_for(search.ask.given, search.action, search.start, first=False, last=False).items())
            )
        )
        key = ("check", about, around, action, target, tuple(sorted(fixed.items())), hop, part)
        found: Check | None = env.memo.get(key)
        if found is not None:
            return found
    check = _made_check(search, env, node, action, target, fixed, requests, hop, part)
    if key is not None:
        env.memo[key] = check
    return check


def _made_check(
    search: Search,
    env: Environment,
    node: Node,
    action: str,
    target: str,
    fixed: Mapping[str, tuple[str, ...]],
    requests: Requests,
    hop: str,
    part: str,
) -> Check:
    ask, caller = search.ask, caller_in(search.env, env, node.caller)
    given = given_for(ask.given, search.action, search.start, first=_starts(search, node), last=False)
    symbolic = target.startswith("$")
    session = requests.session
    facts = Facts(
        env=env,
        caller=caller if session is None else caller_in(search.env, env, session.caller),
        action=action.lower(),
        resource=None if symbolic else target,
        owner=caller.account if symbolic or target == "*" else owner_of(env, target, caller.account),
        given={**given, **fixed},
        ever=ask.ever,
        missing=ask.missing,
        hop=hop,
        part=part,
        resource_var=f"{target}|{RESOURCE}" if symbolic else None,
        **(session_facts(session) if session is not None else {"on_path": node.made}),
    )
    if facts.owner is None:
        facts = replace(facts, owner=caller.account)
    return check_of(facts, ask.documents if _starts(search, node) and not node.made else NO_DOCUMENTS)


def _domain(search: Search, node: Node, name: str, check: Check) -> Term:
    """What the ARN of a free resource looks like: of its type, in the caller's account where the type names one."""
    kind = name[1:].partition("-")[2]
    known = search.catalogue.resource_types.get(name[1:]) or search.catalogue.resource_types.get(kind)
    template = known or "arn:${Partition}:*:${Region}:${Account}:*"
    wanted = Like(RESOURCE, shape_of(filled(template, node.caller.partition, node.caller.account or "*")))
    nowhere = not_(Like(RESOURCE, shape_of("arn:*:*::*:*"))) if known is not None and "${Region}" in known else TRUE
    return reduce(all_of((wanted, nowhere)), check.lookup)


def _fixed(
    technique: Technique, call: Call, resource: str, bound: Mapping[str, str], env: Environment
) -> dict[str, tuple[str, ...]]:
    """The condition keys that the technique fixes in one call."""
    out: dict[str, tuple[str, ...]] = {}
    if call.action.lower() == "iam:passrole" and technique.passed_to and resource == "$target-role":
        out["iam:passedtoservice"] = (technique.passed_to,)
    for named, value in call.context:
        key = named.replace("${key}", bound.get("$key", "").lower())
        if value == "$current-boundary":
            principal = env.principals.get(bound.get(resource, ""))
            arn = principal.boundary.arn if principal is not None and principal.boundary is not None else None
            out[key] = (arn,) if arn else ()
        elif value.startswith("$"):
            if value in bound and value != _AMONG:
                out[key] = (bound[value],) if bound[value] else ()
        else:
            out[key] = (value,) if value else ()
    return out


def settled(search: Search, tried: Attempt) -> Settled:
    """Whether the attempt works, certainly or possibly."""
    return settle(tried.term, tried.background, search.ask.limits)


def outcome_of(search: Search, tried: Attempt) -> tuple[bool, tuple[str, ...]] | None:
    """None if the attempt does not work; else whether it certainly does, and if not, the reasons why that is not known."""
    if tried.term is TRUE:
        return True, ()
    key = (id(search.env), "outcome", tried.term, tuple(c.action for c in tried.calls), tried.caller)
    known = search.env.memo.get(key)
    if known is None:
        known = search.env.memo[key] = (_outcome(search, tried),)
    out: tuple[bool, tuple[str, ...]] | None = known[0]
    return out


def _outcome(search: Search, tried: Attempt) -> tuple[bool, tuple[str, ...]] | None:
    found = outlook(tried.term, tried.background, search.ask.limits, search.env.memo)
    if found.sure:
        return True, ()
    if not found.possible:
        return None
    reasons = list(reasons_of(tried.term)) + ([f"budget:{found.stuck}"] if found.stuck else [])
    return False, tuple(reasons) or ("budget:solver",)

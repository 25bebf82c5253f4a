"""One way to use a technique: its calls as checks, its preconditions, and whether all of it can hold together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind, changed
from iamsim.env.memo import once
from iamsim.graph.alike import alike_for
from iamsim.graph.before import held_before
from iamsim.graph.calls import Place, Wanted, call_checks, check_in, told_keys
from iamsim.graph.clock import NOW, in_turn, reads_clock
from iamsim.graph.issued import of_session
from iamsim.graph.newtags import tags_allowed, tags_given
from iamsim.graph.world import of_node, relevant, worlds
from iamsim.ir.bounds import may, must
from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import FALSE, TRUE, Term, all_of, any_of, variables
from iamsim.judge.check import Check, Settled, reasons_of, settle
from iamsim.judge.outlook import outlook
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iamsim.aws.escalations import Call, Technique, Variant
    from iamsim.env.facts import Facts
    from iamsim.env.types import Environment
    from iamsim.graph.calls import CallChecks
    from iamsim.graph.sessions import Session
    from iamsim.graph.world import Node, Search
    from iamsim.model.caller import Caller

_APART = ("service|", "token|", "agent|")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A variant of a technique in one binding: it works iff `term` can hold under the constraints of `background`.

    `readers` are those of its callers of whose sessions the term reads what they carry.
    """

    calls: tuple[CallChecks, ...]
    term: Term
    background: tuple[Facts, ...]
    assumed: tuple[str, ...]
    readers: tuple[Caller, ...]
    callers: tuple[Caller, ...]

    @property
    def reads_session(self) -> bool:
        """True iff the term reads what some session carries."""
        return bool(self.readers)

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
    may be made from elsewhere and at another time; what belongs to the session is the same in all. `others` are the nodes
    that make some of the requests in place of the node of the attempt, by the number of the request from one on.
    """

    first: int = 1
    together: bool = False
    session: Session | None = None
    exact: bool = False
    others: tuple[tuple[int, Node], ...] = ()


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
    among = _choices(search, node, bound, changes, requests)
    before = held_before(search, among[0], node, variant, bound)
    if before is None:
        return None
    by = dict(requests.others)
    choices = {n: _choices(search, other, bound, changes, requests) for n, other in requests.others}
    terms, background, assumed = [*before.terms], [*before.facts], [*before.assumed]
    calls: list[CallChecks] = []
    new: dict[str, list[CallChecks]] = {}
    apart = [n for n, _ in numbered(variant.calls, ONE)]
    for (number, call), request in zip(numbered(variant.calls, requests), apart, strict=True):
        other = by.get(request)
        hop = f"{number}|" if other is None else f"{_OTHERS + request}|"
        for resource in call.resources:
            place = Place(hop, f"@{len(calls)}|" if calls else "", request, requests.session if other is None else None)
            worlds_of = choices.get(request, among)
            if calls and technique.outcome.type == "recreates-principal":
                worlds_of = (*worlds_of, *_anew(search, node, technique, bound, changes, requests))
            made = call_checks(search, other or node, technique, call, resource, bound, worlds_of, place)
            if all(c.authorization.allowed is FALSE for c in made.checks):
                return None
            calls.append(made)
            if resource.startswith("$new-"):
                new.setdefault(resource, []).append(made)
            background += [c.facts for c in made.checks if c.authorization.allowed is not FALSE]
            assumed += [
                a for a in made.checks[0].assumptions if "is in no organization" not in a and "session policy" not in a
            ]
    readers: list[Caller] = []
    telling: list[Caller] = []
    for request in dict.fromkeys(apart):
        mine = [c for c in calls if c.request == request]
        whole = any_of(all_of(c.term(n) for c in mine) for n in range(len(mine[0].checks)))
        if whole is FALSE or may(whole) is FALSE:
            return None
        terms.append(whole)
        caller = by.get(request, node).caller
        if caller.kind is CallerKind.ROLE_SESSION and _reads_session(whole):
            readers.append(caller)
            telling += [caller] if _reads_session(whole, but=NOW) else []
    taggers = ((node, among, requests.session), *((other, choices[n], None) for n, other in requests.others))
    for name, (first, *after) in new.items():
        given, contexts = tags_given(search, name, first.checks[0].facts.hop, after, taggers) if after else (TRUE, ())
        other = by.get(first.request)
        creator = (node, among, requests.session) if other is None else (other, choices[first.request], None)
        passed, others = tags_allowed(search, name, first, creator)
        given = all_of((given, passed))
        if given is FALSE or may(given) is FALSE:
            return None
        terms.append(given)
        background += (*contexts, *others)
        read = frozenset(v for t in terms for v in variables(t)) if after and reads_clock(search.env) else frozenset()
        terms += in_turn(read, first.checks[0].facts.hop, (c.checks[0].facts.hop for c in after))
    term = all_of(terms)
    if node.caller in telling and not requests.together and len(calls) > 1:
        return attempt(search, node, technique, variant, bound, changes, replace(requests, together=True))
    callers = tuple(by.get(n, node).caller for n in dict.fromkeys(apart)) if by else (node.caller,)
    assumptions = tuple(dict.fromkeys(assumed))
    return Attempt(tuple(calls), term, tuple(background), assumptions, tuple(dict.fromkeys(readers)), callers)


def _choices(
    search: Search, node: Node, bound: Mapping[str, str], changes: frozenset[Change], requests: Requests
) -> tuple[Environment, ...]:
    """The environments among which the attacker chooses for a request by the node."""
    focus = (node.caller.arn or "", *sorted(v for v in bound.values() if ":" in v))
    about = relevant(search.env, of_node(changes, node), focus)
    return (changed(search.env, about, focus),) if requests.exact else worlds(search.env, about, focus)


def _anew(
    search: Search,
    node: Node,
    technique: Technique,
    bound: Mapping[str, str],
    changes: frozenset[Change],
    requests: Requests,
) -> tuple[Environment, ...]:
    """The environments in which the principal that is created again has no tags of the former one."""
    who = bound[technique.outcome.get("who")]
    return _choices(search, node, bound, changes | {Change(Kind.CREATED, who, f",,,{who}")}, requests)


def _reads_session(term: Term, but: str = "|") -> bool:
    return any(of_session(v) for v in variables(term) if not v.startswith(_APART) and not v.endswith(but))


_OTHERS = 50
"""Requests of other nodes have numbers above it, so that what they carry is told from what the node of an attempt carries."""


def sweeping(
    search: Search, node: Node, technique: Technique, calls: Sequence[Call], env: Environment, kin: object = None
) -> bool | None:
    """True iff every one of the calls is allowed whatever its resource of the right type is, and in every context; False if
    some call is allowed on none; else None. `kin` stands for all nodes that are `alike`, for whom it is the same.
    """
    out: bool | None = True
    for call in calls:
        for resource in call.resources:
            name = resource if resource.startswith("$") or resource == "*" else "$any"
            wanted = Wanted(call.action, name, told_keys(technique, call, resource, env))
            who = node.caller if kin is None else alike_for(search, node, env, call.action.lower(), kin)
            key = ("sweeping", who, node.made, search.ask.missing, search.ask.ever, wanted)
            always, ever = once(env.memo, key, _bounds, search, env, node, wanted)
            if ever is FALSE:
                return False
            out = out if always is TRUE else None
    return out


def _bounds(search: Search, env: Environment, node: Node, wanted: Wanted) -> tuple[Term, Term]:
    """When the call is certainly allowed, and when possibly."""
    allowed = check_in(search, env, node, wanted).authorization.allowed
    return must(allowed), may(allowed)


def may_call(
    search: Search, env: Environment, node: Node, technique: Technique, call: Call, name: str, value: str
) -> bool:
    """False only if the node is never allowed the call on what the name stands for."""
    wanted = Wanted(call.action, value, told_keys(technique, call, name, env))
    allowed = check_in(search, env, node, wanted).authorization.allowed
    return allowed is not FALSE and may(allowed) is not FALSE


def may_be_with(search: Search, env: Environment, node: Node, calls: Sequence[Call], name: str, value: str) -> bool:
    """False only if the node is never allowed one of the calls on anything once the name in its condition keys is bound."""
    for call in calls:
        fixed = tuple(sorted((k, (value,) if value else ()) for k, v in call.context if v == name))
        if fixed:
            allowed = check_in(search, env, node, Wanted(call.action, "$any", fixed)).authorization.allowed
            if allowed is FALSE or may(allowed) is FALSE:
                return False
    return True


def numbered(calls: tuple[Call, ...], requests: Requests) -> list[tuple[int, Call]]:
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


def settled(search: Search, tried: Attempt) -> Settled:
    """Whether the attempt works, certainly or possibly."""
    return settle(tried.term, tried.background, search.ask.limits)


def outcome_of(search: Search, tried: Attempt) -> tuple[bool, tuple[str, ...]] | None:
    """None if the attempt does not work; else whether it certainly does, and if not, the reasons why that is not known."""
    if tried.term is TRUE:
        return True, ()
    key = (id(search.env), "outcome", tried.term, tuple(c.action for c in tried.calls), tried.callers)
    return once(search.env.memo, key, _outcome, search, tried)


def _outcome(search: Search, tried: Attempt) -> tuple[bool, tuple[str, ...]] | None:
    found = outlook(tried.term, tried.background, search.ask.limits, search.env.memo)
    if found.sure:
        return True, ()
    if not found.possible:
        return None
    reasons = list(reasons_of(tried.term)) + ([f"budget:{found.stuck}"] if found.stuck else [])
    return False, tuple(reasons) or ("budget:solver",)

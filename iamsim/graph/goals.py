"""The nodes that may be allowed the request of a question, each decided: alone, and with the sessions that it depends on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind, changed
from iamsim.graph.abroad import unspoken
from iamsim.graph.candidates import FRESH, users_asked
from iamsim.graph.clock import path_term
from iamsim.graph.derive import smallest
from iamsim.graph.dominated import favoured_by_request
from iamsim.graph.exact import Route, joined, routes, verdict_of
from iamsim.graph.given import given_for, requests_kept, when_for
from iamsim.graph.granted import Bounds, granted_at_once, granted_to, may_be_rewritten
from iamsim.graph.hops import documents_for, last_facts, read_of
from iamsim.graph.issued import of_session
from iamsim.graph.reach import within_reach
from iamsim.graph.ruled import granted_to_some, ruler_of
from iamsim.graph.state import OF_ACCOUNTS, OUTSIDER, SIGNED, START, Closure, Fact
from iamsim.graph.unbound import anyhow, most_of
from iamsim.graph.variables import names_asked
from iamsim.graph.world import SUBSETS, Node, caller_in, is_again, own_creation, subject, worlds
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, Term, all_of, variables
from iamsim.judge.answer import SHOWN
from iamsim.judge.check import Check, check_of, problem_of
from iamsim.judge.judge import Found, facts_of
from iamsim.model.pattern import match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.graph.hops import HopCheck
    from iamsim.graph.moves import Firing
    from iamsim.judge.candidates import Target
    from iamsim.model.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Reached:
    """A request that is allowed to `node` once the changes `needs` are made. `session`: it depends on the session.

    `found` is its check with the term that had to hold; `needs` are such that none can be left out.
    """

    node: Node
    target: Target
    found: Found
    needs: frozenset[Change]
    sure: bool
    session: bool
    reasons: tuple[str, ...] = ()


def asked_of(closure: Closure, targets: tuple[Target, ...]) -> frozenset[str]:
    """The principals of whom the request itself asks: it might be allowed to them if nothing of their own bound them.

    The closure did not look for changes to these where another of their account may do everything.
    """
    env = closure.search.env
    out = set()
    hopeless = _hopeless(closure, targets, [], {})
    for account in sorted(closure.rulers()):
        fresh = [f"arn:{closure.search.start.partition}:iam::{account}:{kind}/{FRESH}" for kind in ("user", "role")]
        for arn in (*sorted(closure.held(account)), *fresh):
            if (arn not in env.principals and arn not in fresh) or hopeless.includes(account, arn):
                continue
            entered = frozenset(c for c in closure.known.of_kind(Kind.ENTERED) if c.who == account)
            most = most_of(env, arn) | ({Change(Kind.CREATED, arn, ",,"), *entered} if arn in fresh else frozenset())
            there = changed(env, most, (arn,))
            node = anyhow(there, arn)
            for target in targets[:MAX_TARGETS]:
                last = request_of(closure, node, target, there)
                if closure.free(arn) and not any(map(_is_given, variables(last.term))):
                    continue
                found = verdict_of(closure, last.term, (last.check.facts,)) if last.term is not FALSE else None
                if found is not None and found[0] >= closure.sure:
                    out.add(arn)
                    break
    out.update(_named(closure, targets))
    return frozenset(out) - closure.extra


def _is_given(var: str) -> bool:
    """Whether a variable is about what changes give a caller, or to sessions of it, whatever its policies allow."""
    return of_session(var) or var.rpartition("|")[2].startswith(_GIVEN)


_GIVEN = ("aws:principaltag/", "aws:multifactorauth")


def _named(closure: Closure, targets: tuple[Target, ...]) -> Iterator[str]:
    """New users for whom policy variables speak of the resources that the request is about."""
    search = closure.search
    resources = (t.resource for t in targets[:MAX_TARGETS] if t.resource not in (None, "*"))
    names = names_asked(search.env, tuple(r for r in resources if r is not None), search.ask.given)
    for name, node in closure.nodes.items() if names else ():
        if name != OUTSIDER and node.caller.kind in SIGNED:
            yield from users_asked(search.env, node, names)


MAX_TARGETS = 20


def goals(
    closure: Closure,
    targets: tuple[Target, ...],
    refuted: list[Found],
    depth: Mapping[Fact, int],
    bounds: Bounds | None = None,
    fits: Callable[[str, Node], bool] = lambda *_: True,
    *,
    served: bool = True,
) -> Iterator[Reached]:
    """Nodes that fit and may be allowed the request, nearer ones first, as far as the bounds allow; with `served` without those of
    an account of which a nearer one may do everything, and may be allowed it.
    """
    search = closure.search
    hopeless = _hopeless(closure, targets, refuted, depth)
    shown = sum(_is_shown(closure, f) for f in refuted)
    at_once, soonest = granted_at_once(closure, targets, depth)
    # those after whom a policy has to be rewritten first come last
    apart = {n: at_once is not None and node.caller.account not in at_once for n, node in closure.nodes.items()}
    for name in sorted(closure.nodes, key=lambda n: (apart[n], depth.get(n, 0), n)):
        node = closure.nodes[name]
        if bounds is not None and bounds.beyond(depth.get(name, 0), soonest if apart[name] else 0):
            continue
        if (
            node.caller.kind in OF_ACCOUNTS
            and name != START
            and hopeless.includes(node.caller.account, subject(node.caller), depth.get(name, 0) if served else -1)
        ):
            continue
        if name == OUTSIDER or not within_reach(node, search.action) or not fits(name, node):
            continue
        for target in targets:
            if (closure.sure or shown >= SHOWN) and _is_unspoken(closure, node, target):
                continue
            before = len(refuted)
            goal = goal_of(closure, node, target, refuted, depth, bounds)
            shown += sum(_is_shown(closure, f) for f in refuted[before:])
            if goal is not None:
                yield goal


def _is_shown(closure: Closure, found: Found) -> bool:
    """Whether an answer shows the refuted request: one that every change that can be made leaves refused."""
    return found.check.facts.env is not closure.search.env and found.term is FALSE


def _is_unspoken(closure: Closure, node: Node, target: Target) -> bool:
    """True only if neither the node's own policies, which no change concerns, grant it the request, nor that of the resource."""
    search, arn = closure.search, node.caller.arn or ""
    if node.caller.kind not in OF_ACCOUNTS or is_again(node) or closure.known.own(search.env, arn):
        return False
    if target.owner == node.caller.account and may_be_rewritten(closure, target):
        return False
    return unspoken(search.env, arn, search.action.lower(), (target.resource, target.owner), search.ask.missing)


@dataclass(frozen=True, slots=True)
class _Hopeless:
    """The accounts whose users and roles cannot have the request allowed, since whoever may do everything there cannot; those
    aside whose ARNs fit one of the patterns. And all but the accounts `granted`, since no resource policy grants it to them.
    Where whoever may do everything can have it, those who are no nearer (`served`, by account) need not be asked.
    """

    accounts: frozenset[str | None] = frozenset()
    served: Mapping[str | None, int] = field(default_factory=dict)
    favoured: tuple[Pattern, ...] = ()
    granted: frozenset[str | None] | None = None

    def includes(self, account: str | None, arn: str, depth: int = -1) -> bool:
        """Whether the user or role of the account, at this depth, is one of them."""
        if self.granted is not None and account not in self.granted:
            return True
        needless = account in self.accounts or depth > self.served.get(account, depth)
        return needless and not any(match(p, arn) for p in self.favoured)


def _hopeless(
    closure: Closure, targets: tuple[Target, ...], refuted: list[Found], depth: Mapping[Fact, int]
) -> _Hopeless:
    favoured, granted = favoured_by_request(closure.search, targets), granted_to(closure, targets)
    if favoured is None or granted_to_some(closure):
        return _Hopeless(granted=granted)
    out, served = set(), dict[str | None, int]()
    for account in sorted(closure.rulers() if granted is None else closure.rulers() & granted):
        name = ruler_of(closure, account)
        node = closure.nodes.get(name) if name is not None else None
        if node is None or not node.full or not within_reach(node, closure.search.action):
            continue
        found = [goal_of(closure, node, t, refuted, depth) for t in targets]
        if not any(found):
            out.add(account)
        elif all(g is not None and g.sure and not g.session for g in found):
            served[account] = depth.get(node.name, 0)
    return _Hopeless(frozenset(out), served, favoured, granted)


def goal_of(
    closure: Closure,
    node: Node,
    target: Target,
    refuted: list[Found],
    depth: Mapping[Fact, int],
    bounds: Bounds | None = None,
) -> Reached | None:
    """What the node may be allowed of the request with the changes found; None if it is refused (then it is added to `refuted`),
    or if it hangs on the session and takes at least as many steps as the best way.
    """
    arn = subject(node.caller)
    about = (arn, target.resource) if target.resource and ":iam:" in target.resource else (arn,)
    changes = closure.relevant_to(node, *about, f"arn:aws:of::{target.owner}:resource")
    needs = own = own_creation(changes, about)
    found = _best(closure, node, target, needs, about)
    if changes > own and (found is None or found[1] is None or not found[1][0]):
        better = _best(closure, node, target, changes, about)
        if better is not None and better[1] is not None and (found is None or found[1] is None or better[1][0]):
            needs, found = changes, better
            for change in sorted(changes - own, key=lambda c: (-depth.get(c, 0), c)):
                less = _best(closure, node, target, needs - {change}, about)
                if less is not None and less[1] is not None and less[1][0] >= better[1][0]:
                    needs, found = needs - {change}, less
            for change in sorted(_instead(changes, needs, own, depth)):
                less = _best(closure, node, target, own | {change}, about)
                if less is not None and less[1] is not None and less[1][0] >= better[1][0]:
                    needs, found = own | {change}, less
                    break
        elif better is not None and better[1] is None and (found is None or found[1] is None):
            found = better  # what refutes it after every change is what a reader must hear
    if found is None or found[1] is None:
        if found is not None:
            refuted.append(found[0])
        return None
    last, (sure, reasons) = found[0], found[1] or (False, ())
    reads = node.made and any(of_session(v) for v in variables(last.term))
    if reads and node.name != START:
        most = bounds.steps if bounds is not None else None
        steps = smallest(closure, node.name, needs) if most is not None else None
        if most is not None and steps is not None and len(steps) >= most:
            return None
        exact = _exact_goal(closure, node, target, needs)
        if (exact is None or not exact[0]) and changes > needs and _may_make_up(closure, node, target, changes, exact):
            # what the session lacks, some change may make up for
            least = needs
            for tries in (*({c} for c in sorted(changes - least)), changes):
                made_up = _exact_goal(closure, node, target, least | tries)
                if made_up is not None and (exact is None or made_up[0] > exact[0]):
                    exact, needs = made_up, least | tries
                    again = _best(closure, node, target, needs, about)
                    last = again[0] if again is not None else last
                if exact is not None and exact[0]:
                    break
        if exact is None:
            return None
        sure, reasons = exact
    return Reached(node, target, last, needs, sure, reads, reasons)


def _instead(
    changes: frozenset[Change], needs: frozenset[Change], own: frozenset[Change], depth: Mapping[Fact, int]
) -> frozenset[Change]:
    """The changes one of which may do instead of several that are needed, and is made as soon."""
    if len(needs - own) < 2 or len(changes) > MAX_TARGETS:
        return frozenset()
    last = max(depth.get(c, 0) for c in needs - own)
    return frozenset(c for c in changes - needs if depth.get(c, 0) <= last)


def _may_make_up(
    closure: Closure, node: Node, target: Target, changes: frozenset[Change], exact: tuple[bool, tuple[str, ...]] | None
) -> bool:
    """Whether the request may fare better than `exact` after some of the changes: not if it does not after a choice of all."""
    if len(changes) > SUBSETS:
        return True
    every = _exact_goal(closure, node, target, changes)
    return every is not None and (exact is None or every[0] > exact[0])


Outcome = "tuple[bool, tuple[str, ...]]"


def _best(
    closure: Closure, node: Node, target: Target, changes: frozenset[Change], about: tuple[str, ...]
) -> tuple[Found, tuple[bool, tuple[str, ...]] | None] | None:
    """The request in the environment in which it fares best, and whether it is allowed there (None: it is not)."""
    search = closure.search
    ask, made = search.ask, node.made or node.name != START
    found = requests_kept(ask)
    kept = search.kept if found is None else found
    key = ("best", node.caller, made, target, changes, about, search.action, ask.missing, ask.ever, ask.limits)
    if key not in kept:
        kept[key] = _best_of(closure, node, target, changes, about)
    best: tuple[Found, tuple[bool, tuple[str, ...]] | None] | None = kept[key]
    return best


def _best_of(
    closure: Closure, node: Node, target: Target, changes: frozenset[Change], about: tuple[str, ...]
) -> tuple[Found, tuple[bool, tuple[str, ...]] | None] | None:
    best: tuple[Found, tuple[bool, tuple[str, ...]] | None] | None = None
    for env in worlds(closure.search.env, changes, about):
        last = request_of(closure, node, target, env)
        outcome = None if last.term is FALSE else verdict_of(closure, last.term, (last.check.facts,))
        if best is None or (outcome is not None and (best[1] is None or outcome[0] > best[1][0])):
            best = (last, outcome)
        if outcome is not None and outcome[0]:
            break
    return best


def request_of(closure: Closure, node: Node, target: Target, env: Environment) -> Found:
    """The question's own request by the node, not decided."""
    search = closure.search
    ask = search.ask
    first = node.name == START
    given = given_for(ask.given, search.action, search.start, first=first, last=True)
    mine = replace(target, owner=node.caller.account) if target.resource == "*" else target
    facts = replace(
        facts_of(ask, caller_in(search.env, env, node.caller), search.action, mine),
        env=env,
        given=given,
        on_path=node.made or not first,
    )
    check = check_of(facts, ask.documents if first else documents_for(ask.documents, search.start, last=True))
    return _found(check, all_of((when_for(ask.when, search.action, search.start, first=first, last=True), mine.domain)))


def _found(check: Check, demanded: Term) -> Found:
    when = demanded if demanded is TRUE else reduce(demanded, check.lookup)
    return Found(check, when, None, (), all_of((problem_of(check), when)))


def _exact_goal(
    closure: Closure, node: Node, target: Target, needs: frozenset[Change]
) -> tuple[bool, tuple[str, ...]] | None:
    reasons: set[str] = set()
    possible = False
    for route in routes(closure, node.name):
        made = joint_goal(closure, route.entry, route.hops, target, needs)
        found = None if made is None else verdict_of(closure, made[2], made[3])
        if found is None:
            continue
        if found[0]:
            return True, ()
        possible = True
        reasons.update(found[1])
    return (False, tuple(sorted(reasons))) if possible else None


def goal_along(closure: Closure, route: Route, target: Target, needs: frozenset[Change]) -> bool:
    """Whether the request is certainly allowed to the session to which the route leads."""
    made = joint_goal(closure, route.entry, route.hops, target, needs)
    found = None if made is None else verdict_of(closure, made[2], made[3])
    return found is not None and found[0]


def joint_goal(
    closure: Closure, entry: Node, hops: tuple[Firing, ...], target: Target, needs: frozenset[Change]
) -> tuple[tuple[HopCheck, ...], Found, Term, tuple[object, ...]] | None:
    """Hops and request as one problem."""
    found = joined(closure, entry, hops)
    if found is None:
        return None
    checks, session = found
    search = closure.search
    arn = session.caller.arn or ""
    about = (arn, target.resource) if target.resource and ":iam:" in target.resource else (arn,)
    best: tuple[tuple[HopCheck, ...], Found, Term, tuple[object, ...]] | None = None
    for env in worlds(search.env, needs, about):
        ask = replace(search.ask, env=env)
        session = replace(session, caller=caller_in(search.env, env, session.caller))
        mine = replace(target, owner=session.caller.account) if target.resource == "*" else target
        facts = last_facts(facts_of(ask, session.caller, search.action, mine), session, ask, search.start)
        check = check_of(facts, documents_for(ask.documents, search.start, last=True))
        last = _found(
            check, all_of((when_for(ask.when, search.action, search.start, first=False, last=True), mine.domain))
        )
        if last.term is FALSE:
            continue
        read = read_of(checks, [last.term])
        term = path_term(checks, read, last.term)
        background = (*(h.check.facts for h in checks), check.facts)
        outcome = verdict_of(closure, term, background)
        if outcome is not None and (best is None or outcome[0]):
            best = (checks, last, term, background)
        if outcome is not None and outcome[0]:
            break
    return best

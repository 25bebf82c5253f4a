"""Near misses: of what nearly works, the one thing that is missing.

Looked at is what every caller that the attacker comes to control could do: the request asked for, role assumption, and each
technique of the catalogue in each binding. Where all but one of its calls and preconditions hold, or one amendment would mend
all that do not, that is a candidate; whether it would change the answer is for whoever asks again to find out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.env.amend import Amendment, Lack, amended
from iamsim.graph.calls import call_checks
from iamsim.graph.derive import depths
from iamsim.graph.firing import attempt, outcome_of
from iamsim.graph.hops import hop_technique
from iamsim.graph.lacking import NONE, lacking, meet, spoken
from iamsim.graph.means import TAKEOVERS, may_do, plausible, techniques_of
from iamsim.graph.names import names_in, values
from iamsim.graph.outcomes import fact_of, gained
from iamsim.graph.preconditions import holds
from iamsim.graph.reach import fires_within_reach, within_reach
from iamsim.graph.search import doors
from iamsim.graph.sources import filled
from iamsim.graph.state import OUTSIDER, START, later
from iamsim.graph.takeover import beside, governing, rewriting
from iamsim.graph.trusts import roles_for
from iamsim.graph.world import Node, caller_in, worlds
from iamsim.ir.bounds import may
from iamsim.ir.term import FALSE
from iamsim.judge.candidates import Target
from iamsim.judge.check import check_of
from iamsim.judge.judge import facts_of
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from iamsim.aws.escalations import Precondition, Technique, Variant
    from iamsim.env.types import Environment
    from iamsim.graph.lacking import Amendments
    from iamsim.graph.state import Closure
    from iamsim.judge.check import Check

REQUEST, ASSUME = "", "sts-assume-role"
MAX_LOOKED_AT = 2000
"""Bindings of techniques, roles and requests that one search for near misses looks at."""

_SIGNED = (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.ROOT)
_TARGETS = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that `node` lacks for `technique` (empty: for the request itself, else the id of a technique).

    `held` counts what of it holds already: calls and preconditions; `depth` the steps that lead to the node.
    `close` iff a statement speaks of what is missing.
    """

    amendment: Amendment
    node: str
    technique: str
    held: int
    depth: int
    close: bool


@dataclass(slots=True)
class Budget:
    """How many cases may still be looked at."""

    left: int = MAX_LOOKED_AT

    def spend(self) -> bool:
        """True iff one more case may be looked at, which is then counted."""
        self.left -= 1
        return self.left >= 0


def candidates(closure: Closure, targets: tuple[Target, ...], budget: Budget) -> Iterator[Candidate]:
    """What the nodes of the closure lack, nodes nearer to the start first; as far as the budget reaches."""
    depth, env = depths(closure), closure.search.env
    for name in sorted(closure.nodes, key=lambda n: (depth.get(n, 0), n)):
        if name == OUTSIDER:
            continue
        node = closure.nodes[name]
        for made in (_request(closure, node, targets, budget), _hops(closure, node, budget),
                     _takeovers(closure, node, targets, budget), _techniques(closure, node, budget)):  # fmt: skip
            for candidate in made:
                if (
                    name != START
                    and candidate.amendment.on == f"AWS {node.caller.arn}"
                    and node.caller.arn not in env.principals
                ):
                    continue  # nobody names whom the attacker is yet to create
                yield replace(candidate, depth=depth.get(name, 0))


def _world(closure: Closure, node: Node, *more: str) -> Environment:
    """The environment in which the node fares best: all changes that cost nothing are made."""
    focus = (node.caller.arn or "", *more)
    return worlds(closure.search.env, closure.relevant_to(node, *focus), focus)[0]


def _all(node: Node, technique: str, found: Amendments, held: int, *, close: bool) -> Iterator[Candidate]:
    for amendment in sorted(found, key=lambda a: (a.lack, a.who, a.what, a.on)):
        near = close or amendment.lack in (Lack.DENY, Lack.CONDITION)
        yield Candidate(amendment, node.name, technique, held, 0, near)


def _request(closure: Closure, node: Node, targets: tuple[Target, ...], budget: Budget) -> Iterator[Candidate]:
    """What keeps the node itself from the request."""
    search = closure.search
    if not within_reach(node, search.action):
        return
    for target in targets[:_TARGETS]:
        if not budget.spend():
            return
        env = _world(closure, node, *([target.resource] if ":iam:" in (target.resource or "") else ()))
        mine = replace(target, owner=node.caller.account) if target.resource == "*" else target
        made = facts_of(search.ask, caller_in(search.env, env, node.caller), search.action, mine)
        check = check_of(replace(made, env=env, on_path=node.made or node.name != START))
        on = target.resource or (target.holder.arn + "/*" if target.holder is not None else "*")
        near = spoken(check)
        yield from _all(node, REQUEST, lacking(check, on), int(near), close=near)


def _hops(closure: Closure, node: Node, budget: Budget) -> Iterator[Candidate]:
    """The roles of which one side would let the node in."""
    search, caller = closure.search, node.caller
    if caller.kind in (CallerKind.WEB_IDENTITY, CallerKind.SAML):
        for role, check in zip(
            roles_for(search.env, caller, "closed"), doors(search.ask, caller, search.action), strict=True
        ):
            if not budget.spend():
                return
            yield from _all(node, hop_technique(caller), lacking(check, role.arn), 1, close=True)
    if not node.full or caller.kind not in (CallerKind.USER, CallerKind.ROLE_SESSION):
        return
    held = {n.caller.arn for n in closure.nodes.values() if n.full}
    ask = search.ask if node.name == START else later(search.ask, search.action, search)
    # as if it were allowed to ask: else roles of other accounts would not be looked up
    asking = amended(search.env, Amendment(Lack.PERMISSION, caller.arn or "", "sts:AssumeRole", "*")) or search.env
    named = {r.arn for r in roles_for(asking, caller, "closed")}
    for arn, role in search.env.principals.items():
        if role.trust is None or arn in held:
            continue
        if arn not in named and not plausible(search.env, node, "sts:assumerole", arn):
            continue
        if not budget.spend():
            return
        env = _world(closure, node, arn)
        facts = facts_of(replace(ask, given={}), caller_in(search.env, env, caller), "sts:AssumeRole", _target(role))
        check = check_of(replace(facts, env=env, on_path=node.made))
        yield from _all(node, ASSUME, lacking(check, arn), 1, close=True)


def _target(role: object) -> Target:
    return Target(role.arn, role.account)  # type: ignore[attr-defined]


def _takeovers(closure: Closure, node: Node, targets: tuple[Target, ...], budget: Budget) -> Iterator[Candidate]:
    """What keeps the node from the policy of a resource asked for."""
    search = closure.search
    if node.caller.kind not in _SIGNED:
        return
    env = _world(closure, node)
    able = may_do(search, env, node)
    for target in targets[:_TARGETS]:
        for technique in rewriting(search, target):
            name = technique.outcome.get("resource")
            arn = governing(search, target, name.removeprefix("$owned-"))
            for number, variant in enumerate(technique.variants if arn else ()):
                if not any(c.action.lower() in able for c in variant.calls):
                    continue
                whose = {name: arn or "", **beside(search, variant, name, arn or "")}
                bound = {**whose, "$self": node.caller.parent or node.caller.arn or ""}
                yield from _binding(closure, node, env, technique, number, bound, able, budget)


def _techniques(closure: Closure, node: Node, budget: Budget) -> Iterator[Candidate]:
    """What keeps the node from techniques of which it holds something."""
    search = closure.search
    if node.caller.kind not in _SIGNED:
        return
    env = _world(closure, node)
    able = may_do(search, env, node)
    composed = [t for t in search.catalogue.techniques.values() if t.composed_of]
    for technique in (*techniques_of(search, None), *composed):
        if technique.outcome.type in (*TAKEOVERS, "sets-tags") or technique.id == ASSUME:
            continue
        for number, variant in enumerate(technique.variants):
            actions = {c.action.lower() for c in variant.calls}
            if len(actions - able) > 1 or not (actions & able or _trusted(variant)):
                continue
            if not fires_within_reach(node, tuple(c.action for c in variant.calls)):
                continue
            for bound in _bindings(closure, env, node, technique, variant, able):
                if budget.left <= 0:
                    return
                yield from _binding(closure, node, env, technique, number, bound, able, budget)


def _trusted(variant: Variant) -> bool:
    """Whether a role has to let a service or a provider in, which by itself is something that may hold."""
    return any(p.fact.startswith("role-trusts") for p in variant.preconditions)


def _bindings(
    closure: Closure, env: Environment, node: Node, technique: Technique, variant: Variant, able: frozenset[str]
) -> Iterator[dict[str, str]]:
    """The bindings of the names in which at most one call cannot be allowed by identity policies, or one trust is missing."""
    names = names_in(technique, variant)
    loose = replace(variant, preconditions=tuple(p for p in variant.preconditions if p.fact != "role-trusts-service"))
    missing = frozenset(c.action for c in variant.calls if c.action.lower() not in able)

    def bind(at: int, bound: dict[str, str], lost: frozenset[str]) -> Iterator[dict[str, str]]:
        if at == len(names):
            yield dict(bound)
            return
        name = names[at]
        for value in _values(closure, env, node, loose, name, bound):
            calls = [c.action for c in variant.calls if name in c.resources and ":" in value]
            now = lost | {a for a in calls if a not in lost and not plausible(env, node, a.lower(), value)}
            if len(now) <= 1:
                yield from bind(at + 1, {**bound, name: value}, now)

    yield from bind(0, {}, missing)


def _values(
    closure: Closure, env: Environment, node: Node, variant: Variant, name: str, bound: Mapping[str, str]
) -> Iterable[str]:
    """What a name can stand for; roles and users that are not held first."""
    found = list(dict.fromkeys(values(closure.search, env, node, variant, name, bound)))
    held = {n.caller.arn for n in closure.nodes.values() if n.full}
    return sorted(found, key=lambda v: (v in held, v))


def _binding(
    closure: Closure, node: Node, env: Environment, technique: Technique, number: int, bound: dict[str, str],
    able: frozenset[str], budget: Budget,
) -> Iterator[Candidate]:  # fmt: skip
    """What one technique lacks in one binding, unless what it gives is held already."""
    if not budget.spend():
        return
    search, variant = closure.search, technique.variants[number]
    if technique.outcome.type not in TAKEOVERS:
        try:
            gains = gained(search, env, technique, variant, node, bound)
        except KeyError:  # a principal that is only made on the way
            return
        have = (closure.how if not isinstance(g, Node) else closure.nodes for g in gains)
        facts = map(fact_of, gains)
        if not gains or all(f in known for f, known in zip(facts, have, strict=True)):
            return
    found = _lacks(closure, node, env, technique, number, bound)
    if found is None:
        return
    mends, held = found
    if not {c.action.lower() for c in variant.calls} & able:
        held = 0  # nothing but the trust of the role
    single = len(variant.calls) == 1 and variant.calls[0].action.lower() in able
    yield from _all(node, technique.id, mends, held, close=single)


def _lacks(
    closure: Closure, node: Node, env: Environment, technique: Technique, number: int, bound: dict[str, str]
) -> tuple[Amendments, int] | None:
    """The amendments that would mend all that does not hold, and how much holds; None if it works or nothing would."""
    search, variant = closure.search, technique.variants[number]
    out: Amendments | None = None
    held = 0
    for condition in variant.preconditions:
        about = [bound[n] for f in ("role", "principal") if (n := condition.get(f)) in bound]
        if any(a not in env.principals for a in about):
            return None  # a root user
        seen = holds(search, env, node, condition, bound, variant.calls)
        if may(seen.term) is not FALSE:
            held += not condition.assumed and condition.fact.startswith("role-trusts")
            continue
        mends = _precondition(env, condition, bound).union(*(_in_the_way(c) for c in seen.checks))
        out = mends if out is None else meet(out, mends)
        if not out:
            return None
    soft: Amendments = NONE
    for call in variant.calls:
        for resource in call.resources:
            made = call_checks(search, node, technique, call, resource, bound, (env,))
            mends = lacking(made.checks[0], _named(closure, node, resource, bound))
            if may(made.term(0)) is not FALSE:
                held, soft = held + 1, soft | mends
                continue
            out = mends if out is None else meet(out, mends)
            if not out:
                return None
    if out is not None:
        return out, held
    tried = attempt(search, node, technique, variant, bound, closure.changes)
    if tried is not None and outcome_of(search, tried) is not None:
        return None
    return soft, held


def _in_the_way(check: Check) -> Amendments:
    """The denies and conditions that keep a service out."""
    return frozenset(a for a in lacking(check, "*") if a.lack in (Lack.DENY, Lack.CONDITION))


def _named(closure: Closure, node: Node, resource: str, bound: Mapping[str, str]) -> str:
    """The resource that a statement would name: what is bound or, for any of a type, all of that type."""
    if not resource.startswith("$") or resource in bound:
        return bound.get(resource, resource)
    types = closure.search.catalogue.resource_types
    template = types.get(resource[1:]) or types.get(resource[1:].partition("-")[2])
    return "*" if template is None else filled(template.split()[0], node.caller.partition, node.caller.account or "*")


def _precondition(env: Environment, condition: Precondition, bound: Mapping[str, str]) -> Amendments:
    """What would make a precondition hold that the inputs show not to."""
    role = bound.get(condition.get("role"), "")
    if role not in env.principals:
        return NONE
    match condition.fact:
        case "role-trusts-service":
            actions = ",".join(condition.all("actions") or ("sts:AssumeRole",))
            return frozenset({Amendment(Lack.TRUST, role, actions, f"Service {condition.get('service')}")})
        case "instance-profile":
            return frozenset({Amendment(Lack.PROFILE, role)})
        case "role-allows":
            actions = ",".join(condition.all("action"))
            return frozenset({Amendment(Lack.PERMISSION, role, actions, "*")}) if actions else NONE
        case _:
            return NONE

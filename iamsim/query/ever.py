"""The part of a question that escalation answers: the search for ways, and its outcome as evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind
from iamsim.graph.ever import ever
from iamsim.graph.exact import ASSUMES
from iamsim.graph.state import BASE
from iamsim.graph.world import Node, Search, short
from iamsim.ir.term import FALSE, strip
from iamsim.judge.answer import Decision, Evidence, Hop
from iamsim.judge.witness import witness_of
from iamsim.query.techniques import catalogue_of, read_ruling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.aws.escalations import Technique
    from iamsim.graph.ever import Step, Way
    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Closure
    from iamsim.judge.judge import Found
    from iamsim.query.prepare import Prepared


@dataclass(frozen=True, slots=True)
class NotEver:
    """No way is certain: the reasons why there may be one (none: there is none), and the principals that can be controlled.

    `changed` are the requests that stay refuted after every change that somebody controlled can make.
    """

    reasons: tuple[str, ...]
    reached: tuple[str, ...]
    changed: tuple[Found, ...] = ()


def searches(about: Prepared, avoided: frozenset[str] = frozenset()) -> list[tuple[Search, tuple[object, ...]]]:
    """One search per caller and action of the question; through none of the principals `avoided`, as `Search` has it."""
    catalogue, _ = catalogue_of(about.options.techniques)
    ruling = read_ruling(about.ask.env, catalogue, about.options.assume, about.options.rule_out)
    out: list[tuple[Search, tuple[object, ...]]] = []
    for caller, action, targets in about.runs:
        names = tuple(t.resource for t in targets if t.resource is not None)
        out.append((Search(about.ask, action, caller, catalogue, ruling, names, avoided=avoided), targets))
    return out


def by_escalation(about: Prepared, avoided: frozenset[str] = frozenset()) -> Evidence | NotEver:
    """The evidence of a way by which the question's caller can ever do what is asked, or why there is none.

    No way leads through `avoided` (ARNs); then the question's environment must not be asked anything else.
    """
    reasons: set[str] = set()
    reached: dict[str, None] = {}
    changed: list[Found] = []
    for search, targets in searches(about, avoided):
        found = ever(search, targets)  # type: ignore[arg-type]
        if found.way is not None:
            return evidence_of(found.closure, found.way)
        reasons.update(found.reasons)
        reached.update((n.caller.arn or n.name, None) for name, n in found.closure.nodes.items() if name not in BASE)
        changed += (f for f in found.refuted if f.check.facts.env is not search.env and f.term is FALSE)
    return NotEver(tuple(sorted(reasons)), tuple(sorted(reached)), tuple(changed))


def evidence_of(closure: Closure, way: Way) -> Evidence:
    """The way as hops with witnesses, each confirmed by the independent evaluator."""
    hops = tuple(hop_of(closure, step) for step in way.steps)
    last = witness_of(way.last.check, way.assignment)
    fired = tuple(s.fired for s in way.steps)
    # an answer keeps no closure
    search, nodes = replace(closure.search, kept={}), {f.node: closure.nodes[f.node] for f in fired}
    return Evidence(
        decision=Decision.ALLOWED,
        witness=last,
        path=hops,
        residual=strip(way.last.term),
        techniques=lambda: techniques_of_way(search, nodes, fired),
    )


def hop_of(closure: Closure, step: Step) -> Hop:
    """One step of a way as a hop of an answer."""
    fired = step.fired
    title = _title(closure, fired)
    gains = "; ".join(said(g) for g in fired.gains)
    if step.hop is not None:
        witness = witness_of(step.hop.check, step.assignment)
        return Hop(caller=witness.request.caller, action=witness.request.action, target=step.hop.role.arn, witness=witness,
                   technique=fired.technique, title=title, gains=gains)  # fmt: skip
    assert step.tried is not None
    calls = tuple(witness_of(check, step.assignment) for check in step.tried.checks_under(step.assignment))
    return Hop(
        caller=calls[0].request.caller,
        action="+".join(dict.fromkeys(w.request.action for w in calls)),
        target=fired.target,
        witness=calls[0],
        technique=named(closure, fired),
        title=title,
        gains=gains,
        calls=calls,
        assumptions=fired.assumed,
    )


def _title(closure: Closure, fired: Firing) -> str:
    catalogue = closure.search.catalogue
    technique = catalogue.techniques.get(fired.technique) or catalogue.primitives.get(fired.technique)
    return technique.title if technique is not None else ""


def named(closure: Closure, fired: Firing) -> str:
    """The id of the technique of a firing: where it is a single call that prepares the ground, of the technique it is part of."""
    primitive = closure.search.catalogue.primitives.get(fired.technique)
    return (
        next(iter(_with_calls(closure.search, primitive, fired.variant)), fired.technique)
        if primitive
        else fired.technique
    )


def _with_calls(search: Search, primitive: Technique, variant: int) -> list[str]:
    """The techniques that make the same calls for the same kind of outcome."""
    calls = {c.action for c in primitive.variants[variant].calls}
    return [
        t.id
        for t in search.catalogue.techniques.values()
        if t.outcome.type == primitive.outcome.type and any({c.action for c in v.calls} == calls for v in t.variants)
    ]


def said(gain: Node | Change) -> str:
    """What a firing gains, in words."""
    if isinstance(gain, Node):
        what = {"session": _SESSION, "console": "a console sign-in as"}.get(gain.reach, f"calls ({gain.reach}) as")
        return f"{what} {short(gain.caller.arn or gain.name)}"
    return _SAID[gain.kind].format(who=short(gain.who), what=short(gain.what) or "none")


def gained_by_hop(role: str) -> str:
    """What the hop to a role gains, in words."""
    return f"{_SESSION} {short(role)}"


_SESSION = "credentials of"

_SAID = {
    Kind.WRITES: "any inline policy on {who}",
    Kind.GAINS: "{what} attached to {who}",
    Kind.DROPS: "{what} taken from {who}",
    Kind.REWRITES: "any document in {who}",
    Kind.SWITCHES: "version {what} of {who} in force",
    Kind.TRUST: "any trust policy on {who}",
    Kind.BOUNDARY: "the permissions boundary of {who} is {what}",
    Kind.JOINS: "{who} in {what}",
    Kind.LEAVES: "{who} out of {what}",
    Kind.TAGS: "tag {what} on {who}",
    Kind.FACTOR: "a second factor of {who}",
    Kind.CREATED: "{who} created",
    Kind.RESOURCE: "any resource policy on {who}",
    Kind.UNGUARDED: "no resource policy on {who}",
    Kind.GRANTED: "a grant by the policy of {who}",
    Kind.UNBLOCKED: "Block Public Access of the {what} of {who} off",
    Kind.LABELS: "tag {what} on {who}",
    Kind.LIFTED: "{what} lifted at {who}",
    Kind.DISABLED: "{what} policies switched off in {who}",
    Kind.ATTACHED: "{what} attached to {who}",
    Kind.MOVED: "account {who} moved to {what}",
    Kind.DELEGATED: "account {who} a delegated administrator of {what}",
    Kind.ENTERED: "an account of one's own in the organization",
    Kind.LEFT: "account {who} out of its organization",
}


def techniques_of_way(search: Search, nodes: Mapping[str, Node], fired: tuple[Firing, ...]) -> tuple[str, ...]:
    """The techniques of the firings by these nodes, those that would give the same from the same principal, and those composed of
    them.
    """
    out = {f.technique for f in fired}
    for f in fired:
        out.update(o.technique for o in alternatives(search, nodes[f.node], f))
        primitive = search.catalogue.primitives.get(f.technique)
        if primitive is not None:
            out.update(_with_calls(search, primitive, f.variant))
    for technique in search.catalogue.techniques.values():
        if technique.composed_of and all(part in out or _same(part, out) for part in technique.composed_of):
            out.add(technique.id)
    return tuple(sorted(out))


def _same(part: str, out: set[str]) -> bool:
    return part == "sts-assume-role" and bool(out & set(ASSUMES))


def alternatives(search: Search, node: Node, fired: Firing) -> list[Firing]:
    """All uses of techniques by the same node that give the same."""
    from iamsim.graph.closure import leading_to
    from iamsim.graph.means import NODES
    from iamsim.graph.moves import firings

    if fired.technique in ASSUMES:
        return []
    catalogue = search.catalogue
    own = catalogue.techniques.get(fired.technique) or catalogue.primitives.get(fired.technique)
    if own is None or own.outcome.type not in NODES:
        return []
    names = {g.name for g in fired.gains if isinstance(g, Node)}
    who = frozenset(f.caller.arn or "" for f in fired.gains if isinstance(f, Node))
    same = [t for t in leading_to(search, node, fired.needs, who) if t.outcome.type == own.outcome.type]
    found = firings(search, node, fired.needs, same, {"who": who}, every=True)
    return [f for f in found if f.sure and names & {g.name for g in f.gains if isinstance(g, Node)}]

"""Targets that nothing tells apart: what the use of a technique comes to with one of them it comes to with the others.

A check of a call on a user or role reads its ARN where statements name resources and where AWS refuses calls by ARN, its tags
and its boundary where conditions ask for them. All else that a technique asks of it is in its preconditions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.aws.keys import key_row
from iamsim.aws.refusals import refusals
from iamsim.aws.services import TRUST_ACTIONS
from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.facts import place
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.graph.before import held_before, told_before
from iamsim.graph.candidates import texts_of
from iamsim.graph.firing import may_call
from iamsim.graph.means import rows_on
from iamsim.graph.names import TARGETS, to_bind, unnamed, values
from iamsim.ir.lower import resource_term
from iamsim.ir.term import TRUE, variables
from iamsim.model.arn import parse_arn
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from iamsim.aws.escalations import Call, Technique, Variant
    from iamsim.env.types import Environment
    from iamsim.graph.before import Before
    from iamsim.graph.world import Node, Search
    from iamsim.ir.term import Term
    from iamsim.model.policy import Match, Policy, PolicyKind


@dataclass(frozen=True, slots=True)
class Common:
    """What a use of a variant comes to, whoever of the twins it is about; `assumed` without what the preconditions assume.

    Of nodes that share out the calls, `main` is the place of the one whose use it is.
    """

    sure: bool
    session: bool
    assumed: tuple[str, ...]
    reasons: tuple[str, ...]
    main: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What statements on an action ask of the resource: their Resource elements, and whether conditions read its tags or its
    boundary.
    """

    action: str
    elements: tuple[tuple[Match, PolicyKind], ...]
    reads: bool


@dataclass(frozen=True, slots=True)
class Twins:
    """The outcomes of one variant for one node, or all that are alike for it, by what tells targets apart.

    `name` is the one name of the variant, or that of the user or role that it creates, `asked` is about the calls on what it
    stands for, and `made` keeps the outcomes: None where the variant does not work. `may` are those whose calls may be allowed.
    """

    name: str
    account: str | None
    asked: tuple[Asked, ...]
    made: dict[object, Common | None] = field(default_factory=dict)
    may: dict[object, bool] = field(default_factory=dict)

    def key(self, search: Search, bound: Mapping[str, str], before: Before) -> object:
        """What decides the outcome in one binding, in which the preconditions come to `before`."""
        others = tuple(v for k, v in sorted(bound.items()) if k != self.name)
        return (told_before(search, search.env, before), others, *self.told(search.env, bound[self.name]))

    def told(self, env: Environment, arn: str) -> tuple[object, ...]:
        """What of a target decides whether the calls on it are allowed."""
        return tuple(_told(env, self.account, a, arn) for a in self.asked)


def twins_of(search: Search, node: Node, technique: Technique, number: int, kin: object) -> Twins | None:
    """The twins for uses of a variant by the node as everything was loaded, of targets or of users and roles that it creates; None
    if each may be another matter.

    `kin` stands for all nodes that are `alike` for the technique.
    """
    by = (node,) * len(technique.variants[number].calls)
    created = technique.outcome.get("who") if technique.outcome.type == "creates-principal" else None
    return twins_among(search, by, technique, number, kin or (node.caller, node.made), created)


def may_be_made(
    search: Search,
    among: tuple[Environment, ...],
    node: Node,
    technique: Technique,
    calls: list[Call],
    name: str,
    arn: str,
    twins: Twins | None,
) -> bool:
    """False only if the node is never allowed one of the calls on what is to be created as `arn`."""

    def made() -> bool:
        return all(any(may_call(search, env, node, technique, c, name, arn) for env in among) for c in calls)

    if twins is None or twins.name != name or len(among) > 1 or among[0] is not search.env:
        return made()
    return once(twins.may, twins.told(search.env, arn), made)


def twins_among(
    search: Search, by: tuple[Node, ...], technique: Technique, number: int, kin: object, created: str | None = None
) -> Twins | None:
    """As `twins_of`, where each call is made by its own node of `by`, all of one account; `kin` stands for all who are alike.

    `created`: the name of what is created, which is then told apart in place of a target.
    """
    ask = search.ask
    if ask.given or ask.when is not TRUE or ask.documents != NO_DOCUMENTS or search.env.endpoints:
        return None
    if any(n.caller.kind not in (CallerKind.USER, CallerKind.ROLE_SESSION) for n in by):
        return None
    variant, names = technique.variants[number], to_bind(search, technique, number)
    name = created if created in names else names[0] if len(names) == 1 and names[0] in TARGETS else None
    if not by or name is None or _passes_on(search, variant, name):
        return None
    key = ("twins", id(variant), id(search.catalogue), kin, ask.missing, ask.ever)
    return once(search.env.memo, key, _twins, search, by, variant, name)[0]


def may_be_about(search: Search, node: Node, technique: Technique, number: int, value: Callable[[str], bool]) -> bool:
    """Whether some role, or user, that the one name of a variant can stand for, the node itself not left out, has `value` and may
    meet the preconditions as everything was loaded.
    """
    every, fits = _fitting_of(search, node, technique, number)
    return any(value(v) and once(fits, v, _fits, search, node, technique, number, v) for v in every)


def unfit(search: Search, node: Node, technique: Technique, number: int) -> Iterator[str]:
    """What the one name of a variant can stand for that does not meet the preconditions as everything was loaded."""
    every, fits = _fitting_of(search, node, technique, number)
    return (v for v in every if not once(fits, v, _fits, search, node, technique, number, v))


def _fitting_of(
    search: Search, node: Node, technique: Technique, number: int
) -> tuple[tuple[str, ...], dict[str, bool]]:
    caller, ask = node.caller, search.ask
    around = (caller.kind, caller.account, caller.partition, ask.missing, ask.ever, search.ruling)
    key = ("fitting", technique.id, number, id(search.catalogue), around)
    return once(search.env.memo, key, _none_fitting, search, technique, number, node)[:2]


def _none_fitting(
    search: Search, technique: Technique, number: int, node: Node
) -> tuple[tuple[str, ...], dict[str, bool], object]:
    variant, name = technique.variants[number], to_bind(search, technique, number)[0]
    every = dict.fromkeys(values(search, search.env, unnamed(node), variant, name, {}))
    return tuple(every), {}, search.catalogue


def _fits(search: Search, node: Node, technique: Technique, number: int, value: str) -> bool:
    name = to_bind(search, technique, number)[0]
    return held_before(search, search.env, unnamed(node), technique.variants[number], {name: value}) is not None


def fits_some(search: Search, node: Node, technique: Technique, number: int) -> bool:
    """False only if as loaded no role, or user, that the variant may be about meets its preconditions."""
    names = to_bind(search, technique, number)
    return len(names) != 1 or names[0] not in TARGETS or may_be_about(search, node, technique, number, lambda _: True)


def told_among_new(search: Search, node: Node, variant: Variant, name: str, arn: str) -> object:
    """What decides, of a user or role that is created, whether the calls of a variant on it are allowed to the node as loaded."""
    asked = (_asked(search.env, node, c.action.lower()) for c in variant.calls if name in c.resources)
    return tuple(_told(search.env, node.caller.account, a, arn) for a in asked)


def _passes_on(search: Search, variant: Variant, name: str) -> bool:
    """Whether a call sends more of the target than its ARN as the resource, or asks whether it may be assumed."""
    sent = {v for c in variant.calls for _, v in c.context}
    if name in sent or "$current-boundary" in sent:
        return True
    if any(c.action.lower().startswith(TRUST_ACTIONS) for c in variant.calls if name in c.resources):
        return True
    return "$instance-profile" in sent and bool(texts_of(search.env, ("ec2:instanceprofile",)))


def _twins(search: Search, by: tuple[Node, ...], variant: Variant, name: str) -> tuple[Twins, object]:
    calls = zip(variant.calls, by, strict=True)
    asked = (_asked(search.env, n, c.action.lower()) for c, n in calls if name in c.resources)
    return Twins(name, by[0].caller.account, tuple(asked)), (variant, search.catalogue)  # kept, so that their ids stay


def _asked(env: Environment, node: Node, action: str) -> Asked:
    """What the policies of the node, and the SCPs and RCPs of its account, ask of the resource of an action (lower case)."""
    elements: dict[tuple[int, PolicyKind], tuple[Match, PolicyKind]] = {}
    reads = False
    for policy in _policies(env, node):
        for row in rows_on(env, action, policy):
            resource = row.statement.resource
            if row.certain is None and resource is not None:
                elements[id(resource), policy.kind] = (resource, policy.kind)
            reads = reads or any(_of_target(v, action) for v in variables(row.conditions))
    return Asked(action, tuple(elements.values()), reads)


def _policies(env: Environment, node: Node) -> Iterator[Policy]:
    principal = env.principals.get(node.caller.arn or "")
    every: list[Policy | MissingPolicy] = []
    if principal is not None:
        groups = (env.groups.get(g) for g in principal.groups)
        every += [*principal.policies, *(p for g in groups if g is not None for p in g.policies)]
        every += [] if principal.boundary is None else [principal.boundary]
    found = place(env, node.caller.account or "")
    every += [p for at in found[1] for p in (*at.scps, *at.rcps)] if found is not None else []
    return (p for p in every if not isinstance(p, MissingPolicy) and p.malformed is None)


def _of_target(key: str, action: str) -> bool:
    """Whether a condition key may tell users, or roles, of an account apart that a call is made on.

    With iam:PassRole tags are of no account (semantics X27).
    """
    tags = key_row(key, action).present == "resource-tag" and action != "iam:passrole"
    return tags or key == "iam:permissionsboundary"


def _told(env: Environment, account: str | None, asked: Asked, arn: str) -> object:
    """What of a user or role of the account decides whether a call on it is allowed; the ARN itself where that may be anything."""
    parsed = parse_arn(arn)
    if asked.reads or parsed is None or parsed.account != account or arn in env.resources:
        return arn
    out: list[Term] = []
    for element, kind in asked.elements:
        term = resource_term(element, kind, arn, asked.action.partition(":")[0])
        if variables(term):
            return arn
        out.append(term)
    rows = refusals(asked.action, parsed.service, parsed.resource, cross=False, aws_owned=False)
    return (parsed.partition, *(r.id for r in rows), *out)

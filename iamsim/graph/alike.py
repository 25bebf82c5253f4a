"""Nodes that are alike for techniques: no document that bears on the calls tells one of them from the other.

Of one of them the techniques are worked out; the others give the same, but for themselves as targets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.memo import Memo, once
from iamsim.env.types import MissingPolicy
from iamsim.graph.apart import favoured_by_resources, spared_by_ceilings
from iamsim.graph.means import means_of, within_means
from iamsim.graph.names import names_in
from iamsim.graph.newtags import tagging_new
from iamsim.graph.world import relevant, subjects_of, worlds
from iamsim.ir.lower import action_term
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.reads import is_fine, of_session
from iamsim.model.caller import CallerKind, kin_of
from iamsim.model.pattern import match

if TYPE_CHECKING:
    from iamsim.aws.escalations import Technique
    from iamsim.env.changes import Change
    from iamsim.env.types import Environment, Principal
    from iamsim.graph.world import Node, Search
    from iamsim.model.pattern import Pattern
    from iamsim.model.policy import Policy, Statement

Policies = "Iterable[Policy | MissingPolicy]"
_ALIKE = (CallerKind.USER, CallerKind.ROLE_SESSION)
OWN_NAMES = frozenset(
    {"$self", "$self-group", "$any-user", "$any-role", "$helper-role", "$attached-policy", "$denying-policy", "$boundary-policy"}
)  # fmt: skip
"""Names whose values hang on who uses a technique, the one whom it gives aside."""


def alike(search: Search, node: Node, mine: frozenset[Change], types: tuple[str, ...]) -> object | None:
    """What decides the uses of techniques with outcomes of these types by the node after the changes `mine`.

    Two nodes for which it is equal have the same, but for what is about themselves. None: the node is like no other.
    """
    arn = node.caller.arn or ""
    among = worlds(search.env, relevant(search.env, mine, (arn,)), (arn,))
    techniques = within_means(search, types, means_of(search, among, node))
    actions = once(search.env.memo, (id(techniques), "actions"), _actions, search, techniques)[0]
    return told_alike(search, node, mine, among, actions)


def told_alike(
    search: Search, node: Node, mine: frozenset[Change], among: tuple[Environment, ...], actions: frozenset[str]
) -> object | None:
    """What decides calls of the actions (lower case) by the node in the environments `among`, as `alike` has it."""
    env, caller = search.env, node.caller
    arn = caller.arn or ""
    principal = env.principals.get(arn)
    if principal is None or caller.kind not in _ALIKE or env.endpoints:
        return None
    if len(among) != 1 or any(c.who in subjects_of(env, arn) for c in mine):
        return None
    held = held_of(env, principal, actions)
    told = once(env.memo, ("told", actions), _told, env, actions)
    if held is None or told is None:
        return None
    kin = (kin_of(caller), node.reach, node.only, node.made, mine, held, tuple(match(p, arn) for p in told), actions)
    return once(env.memo, ("as one", kin), object)


def shared(techniques: list[Technique]) -> tuple[list[Technique], list[Technique]]:
    """The techniques whose uses nodes that are alike share, and those of which each has its own."""
    own = [t for t in techniques if any(OWN_NAMES.intersection(names_in(t, v)) for v in t.variants)]
    return [t for t in techniques if t not in own], own


def _actions(search: Search, techniques: list[Technique]) -> tuple[frozenset[str], object]:
    """The actions that the techniques call, and those that decide which tags what they create may have."""
    every = (v.actions | tagging_new(search, v.calls) for t in techniques for v in t.variants)
    return frozenset[str]().union(*every), techniques


def _told(env: Environment, actions: frozenset[str]) -> tuple[Pattern, ...] | None:
    by_ceilings, by_resources = spared_by_ceilings(env, actions), favoured_by_resources(env, actions)
    return None if by_ceilings is None or by_resources is None else (*by_ceilings, *by_resources)


def held_of(env: Environment, principal: Principal, actions: frozenset[str]) -> object | None:
    """What the identity policies and the boundary of a user or role say of the actions; None if that hangs on who it is."""
    policies: list[Policy | MissingPolicy] = list(principal.policies)
    for name in principal.groups:
        group = env.groups.get(name)
        if group is None:
            return None
        policies += group.policies
    identity = [_bearing(env, p, actions) for p in policies]
    boundary = _bearing(env, principal.boundary, actions) if principal.boundary is not None else frozenset[int]()
    if boundary is None or None in identity:
        return None
    return frozenset[int]().union(*(i for i in identity if i is not None)), principal.boundary is not None, boundary


def _bearing(env: Environment, policy: Policy | MissingPolicy, actions: frozenset[str]) -> frozenset[int] | None:
    """What a document says of the actions, by number; None if it cannot be read or a statement on one of them reads the caller."""
    if isinstance(policy, MissingPolicy) or policy.malformed is not None:
        return None
    key = (id(policy.statements), "bearing", policy.variables, actions)
    return once(env.memo, key, _numbers, env, policy, actions)[0]


def _numbers(env: Environment, policy: Policy, actions: frozenset[str]) -> tuple[frozenset[int] | None, object]:
    root = env.memo
    while isinstance(root, Memo):
        root = root.parent  # one numbering for all environments that come of one
    numbers: dict[object, int] = root.setdefault("statement-numbers", {})
    out = set()
    for s in policy.statements:
        about = actions if s.malformed is not None or s.action is None else [
            a for a in actions if action_term(s.action, a) is not FALSE
        ]  # fmt: skip
        if not about:
            continue
        if _reads_caller(s):
            return None, policy.statements
        said = (policy.variables, s.effect, s.principal, s.resource, s.conditions)
        number = numbers.setdefault(said, len(numbers))
        for a in about:
            # what a statement says of further actions, and its name, are left out
            of = a if s.action is not None and action_term(s.action, a) is TRUE else (a, s.action)
            out.add(numbers.setdefault((number, of), len(numbers)))
    return frozenset(out), policy.statements  # kept, so that their id stays their own


def alike_for(search: Search, node: Node, env: Environment, action: str, kin: object) -> object:
    """What stands for all nodes of which the same is said of one action (lower case), in an environment in which the node is one
    of those of whom `kin` is the sign that nothing tells them apart.
    """
    return once(
        env.memo,
        ("alike-for", kin, action),
        lambda: told_alike(search, node, frozenset(), (env,), frozenset({action})) or kin,
    )


def _reads_caller(statement: Statement) -> bool:
    if statement.malformed is not None or statement.action is None:
        return True
    patterns = statement.resource.patterns if statement.resource is not None else ()
    texts = (*(v for c in statement.conditions for v in c.values), *(getattr(p, "text", "${") for p in patterns))
    keys = [c.key.lower() for c in statement.conditions]
    return any("${" in t for t in texts) or any(c.malformed for c in statement.conditions) or any(map(_of_caller, keys))


def _of_caller(key: str) -> bool:
    return is_fine(key) or of_session(key)

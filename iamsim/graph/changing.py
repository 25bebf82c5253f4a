"""Changes that a node can make: to itself first, then to what else is worth it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind
from iamsim.graph.accept import accept
from iamsim.graph.candidates import texts_of
from iamsim.graph.dominated import not_dominated
from iamsim.graph.means import LATE, across_accounts, means_of, within_means
from iamsim.graph.moves import BESIDES, Firing, firings
from iamsim.graph.organized import worth_delegating, worth_provisioning
from iamsim.graph.outcomes import AGAIN, RECREATES, bare
from iamsim.graph.ruled import ruled, signature
from iamsim.graph.state import SIGNED, Closure, loaded
from iamsim.graph.wants import creatable, wanted_anywhere, wants
from iamsim.graph.world import Node, reads_paths, relevant, subjects_of, worlds
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.aws.escalations import Technique


_OWN_CHANGES = ("arbitrary-identity-policy", "gains-managed-policy", "lifts-boundary", "rewrites-policy")


def free_itself(closure: Closure, name: str, node: Node) -> None:
    """Changes that the node may make to itself, which come first: with them most others are needless."""
    arn = node.caller.arn or ""
    mine = signature(closure, node)
    if closure.done.get(("itself", name)) == mine or closure.frees(node) or node.caller.kind not in SIGNED:
        return
    closure.done["itself", name] = mine
    if not loaded(closure, node) or arn not in closure.search.env.principals:
        return
    if ruled(closure, node):
        return  # what it needs of this is found as a change by the other
    search = closure.search
    among = worlds(search.env, relevant(search.env, mine, (arn,)), (arn,))
    techniques = within_means(search, _OWN_CHANGES, means_of(search, among, node))
    if not techniques:
        return
    own = subjects_of(search.env, arn, closure.changes)
    policies = frozenset(s for s in own if ":policy/" in s)
    wanted = {"who": frozenset({arn}), "policy": policies}
    for technique in techniques:
        subject = SUBJECT[technique.outcome.type]
        for fired in firings(search, node, mine, [technique], {subject: wanted[subject]}):
            accept(closure, fired)


def changes_by(closure: Closure, name: str, node: Node, types: tuple[str, ...] | None = None) -> Iterator[Firing]:
    """Changes that the node may make to what is controlled, and to the trust of roles that are not."""
    search = closure.search
    if node.caller.kind not in SIGNED or not loaded(closure, node):
        return
    mine = signature(closure, node)
    arn = node.caller.arn or ""
    among = worlds(search.env, relevant(search.env, mine, (arn,)), (arn,))
    techniques = within_means(search, types, means_of(search, among, node), leave=LATE)
    if not closure.every and node.caller.kind is not CallerKind.ROOT and ruled(closure, node):
        techniques = not_dominated(search.env, techniques, arn)
    if not techniques:
        return
    wanted = wants(closure, node.caller.account)
    if (
        types is None
        and not any(wanted.values())
        and not _governs(closure, node)
        and ("offered", name) in closure.done
        and closure.done["offered", name] == mine
    ):
        return
    if types is None:
        closure.done["offered", name] = mine
    for technique in techniques:
        if technique.outcome.type in _OF_ORGANIZATIONS and _all_lifted(closure):
            continue
        if closure.sure and technique.outcome.type in RECREATES:
            continue  # whether it can be deleted is not known
        if technique.outcome.type == "renames-user" and not _renames(closure, node):
            continue
        subject = SUBJECT.get(technique.outcome.type)
        if subject is None:
            if technique.outcome.type == "joins-organization" and not texts_of(search.env, _MEMBERSHIP):
                continue
            about = (
                mine.union(closure.known.of_kind(Kind.ENTERED)) if technique.outcome.type == "moves-account" else mine
            )
            if _once(closure, name, technique.id, about):
                continue
            if (
                technique.outcome.type == "creates-principal"
                and (bare(technique) or not closure.every)
                and not creatable(closure, node, technique)
            ):
                continue
            yield from firings(search, node, about, [technique], {})
            continue
        every = _worth(closure, node, technique, wanted, WANTED.get(technique.outcome.type, subject))
        left = every - _tried(closure, name, technique.id, subject, mine)
        if left:
            _mark(closure, name, technique.id, subject, mine, left)
            fresh = frozenset(closure.known.by_kind.get(Kind.CREATED, ()))
            found = firings(search, node, mine | fresh, [technique], {subject: left})
            match technique.outcome.type:
                case "renames-user":
                    yield from _of_held(closure, found)
                case "recreates-principal" | "recreates-elsewhere":
                    yield from (replace(f, sure=False, reasons=AGAIN) for f in found)
                case _:
                    yield from found


def _worth(
    closure: Closure, node: Node, technique: Technique, wanted: Mapping[str, frozenset[str]], what: str
) -> frozenset[str]:
    """What the subject of a change may be, where it is of use to somebody."""
    match technique.outcome.type:
        case "provisions-role":
            return worth_provisioning(closure, node)
        case "delegates-administration":
            return worth_delegating(closure, node)
        case _ if any(map(across_accounts, technique.variants)):
            return frozenset().union(*wanted_anywhere(closure, what))
        case _:
            return wanted[what]


_MEMBERSHIP = ("aws:principalorgid", "aws:principalorgpaths")
"""Keys that tell the principals of members from others."""

_OF_ORGANIZATIONS = ("lifts-org-policy", "attaches-org-policy", "moves-account")


def _renames(closure: Closure, node: Node) -> bool:
    """Whether it may matter that the node gives users other names: once the rest is found, where nobody has all the means."""
    return closure.every or (closure.late and node.caller.account not in closure.rulers()) or bool(closure.search.fresh)


def _of_held(closure: Closure, found: Iterator[Firing]) -> Iterator[Firing]:
    """The firings that give controlled users other names, each with the node of the user, who stays controlled."""
    by = {n.caller.arn: k for k, n in closure.nodes.items() if n.full and n.caller.kind is CallerKind.USER}
    for fired in found:
        who = dict(fired.bound)["$either-user"]
        if who in by:
            yield replace(fired, others=((BESIDES, by[who]),) if by[who] != fired.node else ())


def _governs(closure: Closure, node: Node) -> bool:
    """Whether the node's account may change what belongs to the whole organization."""
    account = node.caller.account
    return any(
        account == o.management_account or account in {a for a, _ in o.delegated}
        for o in closure.search.env.organizations
    )


def _all_lifted(closure: Closure) -> bool:
    """Whether no SCP and no RCP need be left, and nothing else depends on where an account stands."""
    return not closure.every and closure.known.off >= {"scp", "rcp"} and not reads_paths(closure.search.env)


SUBJECT = {
    "arbitrary-identity-policy": "who", "gains-managed-policy": "who", "arbitrary-group-policy": "group",
    "group-gains-managed-policy": "group", "joins-group": "user", "leaves-group": "user", "rewrites-policy": "policy",
    "switches-policy-version": "policy", "drops-identity-deny": "who", "drops-group-deny": "group",
    "drops-inline-policies": "who", "drops-group-inline-policies": "group", "lifts-boundary": "who",
    "replaces-boundary": "who", "rewrites-trust": "role", "renames-user": "user", "gains-second-factor": "who",
    "recreates-principal": "who", "recreates-elsewhere": "was", "provisions-role": "who",
    "delegates-administration": "account",
}  # fmt: skip
"""The field of an outcome that says what is changed."""

WANTED = {
    "gains-managed-policy": "unwritten", "group-gains-managed-policy": "unwritten-group", "joins-group": "unwritten-user",
    "recreates-principal": "recreated", "recreates-elsewhere": "recreated", "gains-second-factor": "unarmed",
    "lifts-boundary": "bounded", "replaces-boundary": "rebounded",
}  # fmt: skip
"""Where only some of what the field could name is worth a change: which."""


def _tried(closure: Closure, node: str, technique: str, field: str, mine: frozenset[Change]) -> frozenset[str]:
    found = closure.done.get(("changes", node, technique, field, mine), frozenset())
    assert isinstance(found, frozenset)
    return found


def _mark(
    closure: Closure, node: str, technique: str, field: str, mine: frozenset[Change], what: frozenset[str]
) -> None:
    closure.done["changes", node, technique, field, mine] = _tried(closure, node, technique, field, mine) | what


def _once(closure: Closure, node: str, technique: str, mine: frozenset[Change]) -> bool:
    key = ("once", node, technique, mine)
    if key in closure.done:
        return True
    closure.done[key] = True
    return False

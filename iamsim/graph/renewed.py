"""Roles that are held, and whose trust policies are written for other sessions: with tags, a source identity or a name that they
do not let in as they stand.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.aws.paths import FIXED
from iamsim.env.changes import Kind
from iamsim.env.memo import once
from iamsim.env.types import PrincipalKind
from iamsim.graph.dominated import asked_for
from iamsim.graph.issued import told_by_session, told_issuers
from iamsim.graph.names import of_account
from iamsim.graph.said import names_said, says
from iamsim.graph.sessions import possible_when_written
from iamsim.graph.state import ASSUME, Closure
from iamsim.graph.world import made_of
from iamsim.judge.callers import trusted_services

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.env.changes import Change
    from iamsim.env.types import Environment
    from iamsim.graph.world import Node


def renewable(closure: Closure, account: str | None, held: frozenset[str]) -> frozenset[str]:
    """Those of the roles `held` of an account whose other sessions may matter, once the rest is found. Where somebody may do
    everything in the account it is those alone that are asked for by name, and a few where policies ask for what a service issued.
    """
    env = closure.search.env
    if not closure.late or not told_by_session(env):
        return frozenset()
    if closure.ruled_from_within(account) and not closure.every:
        held &= closure.extra | _named(closure, account) | some_issued(closure, account)
    return frozenset(r for r in held if r in env.principals)


_EACH = 3
"""Of how many roles under one path an administrator has sessions from services."""


def some_issued(closure: Closure, account: str | None) -> frozenset[str]:
    """A few roles of each path of an account that may stand for all where policies ask which service issued a session."""
    env = closure.search.env
    return once(env.memo, ("some-issued", account), _some_issued, env, account) if told_issuers(env) else frozenset()


def _some_issued(env: Environment, account: str | None) -> frozenset[str]:
    told, out, count = told_issuers(env), set(), dict[object, int]()
    for arn in sorted(of_account(env, PrincipalKind.ROLE, account)):
        role = env.principals[arn]
        key = (role.path, not told.isdisjoint(trusted_services(role.trust)))
        count[key] = count.get(key, 0) + 1
        if count[key] <= _EACH and not role.path.startswith(FIXED):
            out.add(arn)
    return frozenset(out)


def _named(closure: Closure, account: str | None) -> frozenset[str]:
    """The users and roles of an account for which some role that is not held asks by their names."""
    env, controlled = closure.search.env, closure.known.controlled
    asking = ((roles - controlled, arns & names_said(env)) for roles, arns in asked_for(env, account).items())
    return frozenset(a for roles, arns in asking for a in arns if any(says(env, r, a) for r in roles))


def renewed(closure: Closure) -> frozenset[str]:
    """The roles that are held, whose trust policies can be written, and that nobody was found to assume after that."""
    if not closure.late or not told_by_session(closure.search.env):
        return frozenset()
    done: set[str] = closure.done.setdefault("renewed", set())  # type: ignore[assignment]
    written = {c.who for c in closure.known.of_kind(Kind.TRUST) if c.who not in done and c.who in closure.nodes}
    done.update(r for r in written if _assumed_as_written(closure, r))
    return frozenset(written - done)


def _assumed_as_written(closure: Closure, role: str) -> bool:
    assumed = (f.needs for f in closure.how[role] if f.technique == ASSUME)
    return any(c.kind is Kind.TRUST and c.who == role for needs in assumed for c in needs)


def look_again(closure: Closure, roles: Iterable[str]) -> None:
    """What sessions of the roles could not do before they may do as others, and those after them: all of it is tried once more."""
    about = _after(closure, set(roles))
    as_others(closure).update(about & closure.nodes.keys())
    for key in [k for k in closure.done if isinstance(k, tuple) and k[0] in _TRIED and not about.isdisjoint(k[1:3])]:
        del closure.done[key]
    closure.done.pop("callers", None)
    for role in closure.search.env.principals.keys() & set(roles):
        caller = possible_when_written(closure.search.env, closure.search.env.principals[role])
        closure.nodes[role] = replace(closure.nodes[role], caller=caller)


def as_others(closure: Closure) -> set[str]:
    """The names of nodes whose sessions came to be others than those with which what they give was worked out elsewhere."""
    return closure.done.setdefault("as-others", set())  # type: ignore[return-value]


def issued_as_written(closure: Closure, node: Node) -> frozenset[Change]:
    """That the trust policy of the node is written, where some policy asks which service issued a session."""
    if not node.made or made_of(node) is not None or not told_issuers(closure.search.env):
        return frozenset()
    return frozenset(c for c in closure.known.by_who.get(node.caller.arn or "", ()) if c.kind is Kind.TRUST)


def _after(closure: Closure, names: set[str]) -> set[str]:
    """The nodes of these names, and those to which they lead."""
    nexts: dict[str, list[str]] = {}
    for name in closure.nodes:
        for fired in closure.how.get(name, ()):
            for caller in fired.callers:
                nexts.setdefault(caller, []).append(name)
    todo = list(names)
    while todo:
        more = [n for n in nexts.get(todo.pop(), ()) if n not in names]
        names.update(more)
        todo += more
    return names


_TRIED = ("given", "itself", "offered", "changes", "once")
"""What tells what was tried, in `closure.done`."""

"""Which changes are worth looking for: those to what is controlled, or to what leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.changes import WITHOUT, Kind, changed
from iamsim.env.memo import once
from iamsim.env.types import PrincipalKind
from iamsim.graph.apart import own_tags_matter, reads_tags, tags_matter, told_at_the_door
from iamsim.graph.candidates import FRESH, new_principals, texts_of, told_by_name
from iamsim.graph.dominated import asked_by, asked_for
from iamsim.graph.entering import edge_in
from iamsim.graph.exempt import exempt
from iamsim.graph.issued import told_by_session
from iamsim.graph.names import of_account
from iamsim.graph.outcomes import bare
from iamsim.graph.outdone import fully
from iamsim.graph.outside import role_at
from iamsim.graph.policies import open_to_all
from iamsim.graph.renewed import renewable
from iamsim.graph.ruled import not_held, ruled, ruler_of
from iamsim.graph.said import names_said, says
from iamsim.graph.state import Closure, account_of, everyone_of
from iamsim.graph.unbound import anyhow, most_of, node_in
from iamsim.graph.world import is_again
from iamsim.ir.term import TRUE
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from iamsim.aws.escalations import Technique
    from iamsim.env.types import Environment
    from iamsim.graph.world import Node, Search


def wants(closure: Closure, account: str | None) -> dict[str, frozenset[str]]:
    """`_wanted`, worked out once for what is known."""
    found = closure.known
    gained = len(found.by_kind.get(Kind.GAINS, ()))
    key, size = ("wanted", account), (found.seen.get(account, 0), gained, closure.late and len(closure.nodes))
    known = closure.done.get(key)
    if known is None or known[0] != size:  # type: ignore[index]
        known = closure.done[key] = (size, _wanted(closure, account))
    return known[1]  # type: ignore[index,no-any-return]


def wanted_anywhere(closure: Closure, what: str) -> tuple[frozenset[str], ...]:
    """What of each account of which somebody is held may usefully be changed, as one field of outcomes names it."""
    key, seen = ("wanted anywhere", what), (len(closure.how), len(closure.nodes), closure.late)
    known = closure.done.get(key)
    if known is None or known[0] != seen:  # type: ignore[index]
        known = closure.done[key] = (seen, tuple(wants(closure, a)[what] for a in closure.known.of_account))
    return known[1]  # type: ignore[index,no-any-return]


def _wanted(closure: Closure, account: str | None) -> dict[str, frozenset[str]]:
    """What of an account may usefully be changed, by the field of the outcomes that name it."""
    env, known = closure.search.env, closure.known
    written = {c.who for c in known.of_kind(Kind.WRITES)}
    lifted = {c.who for c in known.of_kind(Kind.BOUNDARY) if not c.what}
    tested = bool(texts_of(env, ("iam:permissionsboundary",)))
    within = closure.ruled_from_within(account) and not closure.every
    some = _some(closure, account) if closure.late else closure.extra
    controlled = sorted(a for a in closure.held(account) if a in env.principals and (not within or a in some))
    made = (c.who for c in known.of_kind(Kind.CREATED) if account_of(c.who) == account)
    created = {w for w in made if ":policy/" not in w}
    renewed = {c.who for c in known.again if account_of(c.who) == account}
    who: set[str] = set()
    groups: set[str] = set()
    policies: set[str] = set()
    users: set[str] = set()
    policies.update(p for c in known.again if c.who in renewed for p in c.what.split(",")[:2] if p)
    for arn in (*controlled, *sorted(created | renewed)):
        plain = within and arn not in closure.extra
        if (plain and not (closure.late and _special(closure, arn))) or (closure.free(arn) and arn not in renewed):
            continue
        who.add(arn)
        principal = env.principals.get(arn)
        if principal is None:
            ways = [c.what.split(",") for c in known.by_who[arn] if c.kind is Kind.CREATED]
            policies.update(p for way in ways for p in way[:2] if p not in ("", WITHOUT))
            if ":user/" in arn:
                users.add(arn)
                groups.update(g for way in ways for g in way[2:] if g in env.groups)
            continue
        if principal.kind is PrincipalKind.USER:
            users.add(arn)
            joined = [c.what for c in known.by_who.get(arn, ()) if c.kind is Kind.JOINS]
            groups.update(g for g in (*principal.groups, *joined) if g in env.groups)
        if principal.boundary is not None and principal.boundary.arn:
            policies.add(principal.boundary.arn)
    bounded = (
        frozenset(a for a in who if a in created or a in renewed or env.principals[a].boundary is not None) - lifted
    )
    for carrier in (*who, *groups):
        own = env.principals.get(carrier) or env.groups.get(carrier)
        policies.update(p.arn for p in (own.policies if own is not None else ()) if p.arn)
    policies.update(c.what for c in known.of_kind(Kind.GAINS))
    return {
        "who": frozenset(who - written),
        "unwritten": frozenset(who - written),
        "unwritten-group": frozenset(groups - written),
        "unwritten-user": frozenset(users - written),
        "bounded": bounded,
        "rebounded": frozenset(who) | everyone_of(env, account) if tested else bounded,
        "group": frozenset(groups - written),
        "policy": frozenset(policies - {c.who for c in known.of_kind(Kind.REWRITES)}),
        "user": frozenset(users),
        "role": _roles(closure, account),
        "unarmed": _unarmed(closure, account),
        "recreated": frozenset() if closure.sure else _recreated(closure, who | not_held(closure, account)),
    }


def _recreated(closure: Closure, among: Collection[str]) -> frozenset[str]:
    """Those of the users and roles that may usefully be created again: where a new one will not do, whatever it is called."""
    env = closure.search.env
    new = {c.who.partition("/")[0] for c in closure.known.of_kind(Kind.CREATED) if c.who.endswith("/" + FRESH)}
    return frozenset(
        a for a in among if a in env.principals and (a.partition("/")[0] not in new or told_by_name(env, a))
    )


def _unarmed(closure: Closure, account: str | None) -> frozenset[str]:
    """The controlled users who have no second factor where some policy asks for one."""
    env, known = closure.search.env, closure.known
    if not texts_of(env, ("aws:multifactorauth",)):
        return frozenset()
    armed = {c.who for c in known.of_kind(Kind.FACTOR)}
    # who asks for those of an account that becomes a member is not known by their names
    within = closure.ruled_from_within(account) and not closure.every and bool(everyone_of(env, account))
    some = _some(closure, account) if within else frozenset()
    out = set()
    for node in map(closure.nodes.__getitem__, known.of_account.get(account, ())):
        arn = node.caller.arn or ""
        if (within and arn not in some) or node.caller.kind is not CallerKind.USER or node.caller.mfa is not False:
            continue
        plain = within and arn not in closure.extra
        if arn not in armed and not (plain and not _special(closure, arn)):
            out.add(arn)
    return frozenset(out)


_GRANTEE = "kms:granteeprincipal"
"""A key that names who is granted to, whatever that one's own policies are."""


def creatable(closure: Closure, node: Node, technique: Technique) -> bool:
    """Whether a name for which the technique could create a principal does not have a free one yet."""
    if bare(technique) and not (open_to_all(closure.search.env) or texts_of(closure.search.env, (_GRANTEE,))):
        return False
    key = ("all made", node.name, technique.id, closure.extra)  # the names stay the same, and what is made only grows
    if key in closure.done:
        return False
    made = fully_made(closure)
    names = iter(_new_names(closure.search, node, technique))
    if closure.free(node.caller.arn or "") or ruled(closure, node):
        # an ordinary new principal could do no more than the node itself, but for what a role's sessions can carry
        apart = told_by_session(closure.search.env)
        names = (n for n in names if not n.endswith("/" + FRESH) or n in closure.extra or (apart and ":role/" in n))
    free = any(n not in made for n in names)
    if not free:
        closure.done[key] = True
    return free


def _new_names(search: Search, node: Node, technique: Technique) -> Iterator[str]:
    """The names that new principals of the technique can have, in any variant."""
    who = technique.outcome.get("who")
    each = (tuple(c.action for c in v.calls if who in c.resources) for v in technique.variants)
    for actions in dict.fromkeys(each):
        yield from new_principals(search, search.env, node, who, actions)


def fully_made(closure: Closure) -> frozenset[str]:
    """The users, roles and policies that can be created and may then do everything."""
    known = closure.done.get("made")
    every = closure.known.by_kind.get(Kind.CREATED, {})
    if known is None or known[0] != len(every):  # type: ignore[index]
        known = closure.done["made"] = (len(every), frozenset(c.who for c in every if fully(c)))
    return known[1]  # type: ignore[index,no-any-return]


def _some(closure: Closure, account: str | None) -> frozenset[str]:
    """The users and roles of an account for whom some role asks that is not held yet, or the question itself, and those exempt from
    what binds the others.
    """
    controlled = closure.known.controlled
    asking = asked_for(closure.search.env, account)
    asked = (arns for roles, arns in asking.items() if not roles <= controlled)
    return closure.extra.union(exempt(closure.search, account), *asked)


def worth_tagging(closure: Closure, account: str | None) -> frozenset[str]:
    """The users and roles of an account whose tags may matter."""
    every, told = everyone_of(closure.search.env, account), _taggable_in(closure, account)
    if closure.ruled_from_within(account) and not closure.every:
        every &= not_held(closure, account) | _some(closure, account) | told
    return frozenset(
        a for a in every if a in closure.extra or worthwhile(closure, a) or (a in told and tagged(closure, a))
    )


def worthwhile(closure: Closure, arn: str) -> bool:
    """Whether changes to a principal may matter: it is not held yet, or nobody of its account has the means it would give."""
    account = account_of(arn)
    plain = closure.ruled_from_within(account) and not closure.every and arn not in closure.extra
    if plain and arn not in not_held(closure, account):
        return any(_enters_tagged(closure, arn, r) for r in _asking(closure, arn)) and not closure.free(arn)
    return not closure.free(arn)


def tagged(closure: Closure, arn: str) -> bool:
    """Whether some role that is not held yet asks for this principal with a tag, by its name or as the first of its account."""
    search = closure.search
    if arn not in search.env.principals or not texts_of(search.env, ("aws:principaltag/",)):
        return False
    ruler = closure.nodes.get(ruler_of(closure, account_of(arn)) or "?")
    first = ruler is not None and ruler.caller.arn == arn
    ask, kept = search.ask, search.env.memo
    plain = not ask.given and ask.when is TRUE
    key = ("tagged-by", arn, first, ask.missing, ask.ever)
    asking = once(kept if plain else {}, key, lambda: _tagged_by(closure, arn, first=first))
    return not asking <= closure.known.controlled


def taggable(closure: Closure) -> frozenset[str]:
    """All of which `tagged` may hold: those whom trust policies tell by their names, and the first of each account."""
    rulers = (closure.nodes.get(ruler_of(closure, a) or "?") for a in closure.known.of_account)
    return names_said(closure.search.env) | {n.caller.arn or "" for n in rulers if n is not None}


def _taggable_in(closure: Closure, account: str | None) -> frozenset[str]:
    """The users and roles of an account of whom `tagged` may hold."""
    env, ask = closure.search.env, closure.search.ask
    ruler = closure.nodes.get(ruler_of(closure, account) or "?")
    first = frozenset({ruler.caller.arn or ""}) if ruler is not None else frozenset[str]()
    if ask.given or ask.when is not TRUE:
        return everyone_of(env, account)
    key = ("taggable", account, ask.missing, ask.ever)
    return first | once(env.memo, key, _asked_tagged, closure, account)


def _asked_tagged(closure: Closure, account: str | None) -> frozenset[str]:
    said = everyone_of(closure.search.env, account) & names_said(closure.search.env)
    return frozenset(a for a in said if _tagged_by(closure, a, first=False))


def _tagged_by(closure: Closure, arn: str, *, first: bool) -> frozenset[str]:
    """The roles that ask for the principal with a tag; unless it is the first, those that say its name."""
    env = closure.search.env
    every = asked_by(env, arn) if first or arn in names_said(env) else ()
    if not own_tags_matter(env, arn):
        every = tuple(roles & _reading_tags(env) for roles in every)
    asking = (r for roles in every for r in roles if first or says(env, r, arn))
    return frozenset(r for r in asking if _enters_tagged(closure, arn, r))


def _reading_tags(env: Environment) -> frozenset[str]:
    """The loaded roles whose trust policies may read the tags of who assumes them."""
    return once(env.memo, "reading-tags", _made_reading_tags, env)


def _made_reading_tags(env: Environment) -> frozenset[str]:
    return frozenset(a for a, p in env.principals.items() if p.trust is not None and reads_tags(env, p.trust))


def _enters_tagged(closure: Closure, arn: str, role: str) -> bool:
    """Whether the principal might assume the role if nothing of its own bound it, depending on its tags."""
    env = closure.search.env
    return tags_matter(env, arn, role_at(env, role)) and _could_enter(closure, arn, role) == "tagged"


def _special(closure: Closure, arn: str) -> bool:
    """Whether some role that is not held yet asks for this very principal, once nothing of its own binds it, or it is exempt."""
    if arn in exempt(closure.search, account_of(arn)):
        return True
    return any(_could_enter(closure, arn, r) for r in _asking(closure, arn))


def _asking(closure: Closure, arn: str) -> list[str]:
    """The roles not held yet whose trust policies may let the principal in where they let in nobody else of its account."""
    env = closure.search.env
    if arn not in env.principals:
        return []  # changes to one that is made on the way are found with its creation
    controlled = closure.known.controlled
    return [r for roles in asked_by(env, arn) for r in sorted(roles - controlled)]


def _could_enter(closure: Closure, arn: str, role: str) -> str:
    """Whether the principal might assume the role if nothing of its own bound it: `tagged` where it hangs on its tags, `yes`,
    or nothing; worked out once.
    """
    search = closure.search
    ask, target = search.ask, role_at(search.env, role)
    plain = not ask.given and ask.when is TRUE
    told = told_at_the_door(search.env, arn, target)
    caller = node_in(search.env, arn).caller
    alike = arn if told is None else (caller.account, caller.kind, caller.mfa, told)
    key = ("could-enter", alike, role, ask.missing, ask.ever)
    found: str | None = search.env.memo.get(key) if plain else None
    if found is None:
        env = changed(search.env, most_of(search.env, arn), (arn,))
        edge = edge_in(closure, anyhow(env, arn), env, role)
        tagged = edge is not None and any("aws:principaltag/" in v for v in edge.read)
        found = "" if edge is None else "tagged" if tagged else "yes"
        if plain:
            search.env.memo[key] = found
    return found


def _roles(closure: Closure, account: str | None) -> frozenset[str]:
    """Roles of the account that are not controlled yet, and those asked for."""
    env = closure.search.env
    known = closure.known
    mine = map(closure.nodes.__getitem__, known.of_account.get(account, ()))
    held = {n.caller.arn or "" for n in mine if n.made and n.full and not is_again(n)}
    out = {r for r in of_account(env, PrincipalKind.ROLE, account) if r not in held}
    # the trust policy of a role that is held may come to let its sessions bring tags
    if closure.late:
        out |= {r for r in held & _taggable_in(closure, account) if r in env.principals and tagged(closure, r)}
    out |= renewable(closure, account, frozenset(held))
    out |= {e for e in closure.extra if e in env.principals and env.principals[e].kind is PrincipalKind.ROLE}
    given = (Kind.TRUST, Kind.CREATED)
    return frozenset(r for r in out if not any(c.kind in given for c in known.by_who.get(r, ())))

"""What principals can become: whom they can come to control, and what they can come to change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.changes import Change, Kind
from iamsim.env.memo import once
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.graph.closure import grow
from iamsim.graph.derive import smallest
from iamsim.graph.ever import controlled, unordered
from iamsim.graph.roles import is_admin
from iamsim.graph.state import BASE, START, begin
from iamsim.graph.world import Search, is_again, worlds
from iamsim.ir.term import TRUE
from iamsim.judge.callers import read_callers
from iamsim.query.ever import named, said
from iamsim.query.prepare import Options, prepare
from iamsim.query.spread import slices, spread
from iamsim.query.techniques import catalogue_of, read_ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from iamsim.env.types import Environment
    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Closure
    from iamsim.graph.world import Node
    from iamsim.judge.judge import Ask

    Progress = Callable[[int], None]

_ASKED = "sts:GetCallerIdentity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """A principal that can be controlled, by the fewest steps.

    `admin` iff it can then certainly do any action of IAM, EC2 and S3 on all resources; `steps` include those that make it so.
    `reach` is `session` for credentials, else what else is gained: console, api-any, api-write, provision or only.
    `techniques` are those of the steps in order, the first of them `first`. `created`: the principal is a new one.
    """

    principal: str
    admin: bool
    steps: int
    first: str
    techniques: tuple[str, ...]
    assumptions: tuple[str, ...] = ()
    reach: str = "session"
    created: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeable:
    """A change that can be made by the fewest steps, said in words."""

    change: str
    steps: int
    techniques: tuple[str, ...]
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalations:
    """What one principal can become, administrators first, then by number of steps; and the changes that it can make.

    `admin` iff it is an administrator as it stands. `undecided` are principals that it may be able to control, with the
    reasons why that is not known. All that is listed elsewhere is certain.
    """

    source: str
    admin: bool
    rows: tuple[Escalation, ...]
    changes: tuple[Changeable, ...]
    undecided: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def administrator(self) -> Escalation | None:
        """The nearest way to be an administrator, if there is one and the source is none yet."""
        return next((r for r in self.rows if r.admin), None) if not self.admin else None


def escalations(env: Environment, source: str, *, progress: Progress | None = None, **options: Any) -> Escalations:
    """What `source` can become. `options` are those of `can`. Raises QueryError unless `source` means one caller."""
    searches = _searches(env, source, options)
    if len(searches) != 1:
        raise QueryError(f"`{printable(source)}` means {len(searches)} callers", "name one, or ask for all of them")
    return _of(searches[0], source, progress)


def all_escalations(
    env: Environment,
    pattern: str = "*",
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> Iterator[Escalations]:
    """What each caller can become that `pattern` means (`*`: each loaded user and role), in order of ARN.

    An administrator has no rows: it needs no escalation. Steps may lead by way of an administrator whom nobody needs, which
    `escalations` and `can` leave out. With `executor` parts of the list are worked out by its workers,
    with the same outcome. Raises QueryError for what cannot be asked.
    """
    names = sorted(env.principals) if pattern.strip() == "*" else None
    if names is None:
        names = [c.arn or pattern for c in read_callers(env, pattern)]
    if executor is None:
        for name in names:
            yield from _each(env, name, options, progress)
        return
    parts = list(_parts(names))
    # from a management account all others are reached: what takes longest is begun first
    managing = {o.management_account for o in env.organizations}
    order = sorted(range(len(parts)), key=lambda n: _account(parts[n][0]) not in managing)
    found: dict[int, list[Escalations]] = {}
    following = 0
    for number, some in zip(order, spread(executor, (env,), _unit, options, (parts[n] for n in order)), strict=True):
        found[number] = some
        while following in found:
            yield from found.pop(following)
            following += 1


def _parts(names: list[str]) -> Iterator[list[str]]:
    """The names by account, since what is worked out for one caller of an account serves the others; but no part is more than
    an eighth of all.
    """
    most = max(len(names) // _PARTS, _PART)
    for _, some in groupby(names, _account):
        mine = list(some)
        size = -(-len(mine) // -(-len(mine) // most))  # parts of an account are of one size
        yield from (mine[start:stop] for start, stop in slices(len(mine), size))


def _account(name: str) -> str:
    return name.split(":")[4] if name.count(":") > 4 else ""


_PARTS, _PART = 8, 25


def _unit(envs: tuple[Environment, ...], options: dict[str, Any], names: list[str]) -> list[Escalations]:
    """In a worker: what the callers of a part can become."""
    return [found for name in names for found in _each(envs[0], name, options, None)]


def _each(env: Environment, name: str, options: dict[str, Any], progress: Progress | None) -> Iterator[Escalations]:
    for search in _searches(env, name, options):
        yield _of(search, name, progress, deep=False)


def _searches(env: Environment, source: str, options: Any) -> list[Search]:
    about = prepare(env, source, _ASKED, "*", Options(**options))
    catalogue, _ = catalogue_of(about.options.techniques)
    ruling = read_ruling(about.ask.env, catalogue, about.options.assume, about.options.rule_out)
    return [Search(about.ask, action, caller, catalogue, ruling) for caller, action, _ in about.runs]


def _of(search: Search, source: str, progress: Progress | None, *, deep: bool = True) -> Escalations:
    own = search.start.parent or search.start.arn or source
    principal = search.env.principals.get(own)
    admin = principal is not None and is_admin(search.ask, principal)
    if admin and not deep:
        return Escalations(source=source, admin=True, rows=(), changes=(), undecided=())
    closure = grow(begin(search), sure=True, progress=progress)
    rows = _rows(closure, own, admin=admin, straight=deep)
    return Escalations(
        source=source,
        admin=admin,
        rows=rows,
        changes=_changes(closure) if deep else (),
        undecided=_undecided(closure, {own, *(r.principal for r in rows)}, progress),
    )


def _rows(closure: Closure, own: str, *, admin: bool, straight: bool) -> tuple[Escalation, ...]:
    """A row for each principal that can be controlled, of full reach where possible, and for the source itself
    where changes make it an administrator.
    """
    best: dict[str, Escalation] = {}
    for name, node in closure.nodes.items():
        arn = node.caller.parent or node.caller.arn or name
        if name in BASE:
            if name != START or admin:
                continue
            row = _row(closure, node, own, straight=straight)
            if row is None or not row.admin:
                continue
        elif arn == own:
            continue
        else:
            row = _row(closure, node, arn, straight=straight)
        if row is not None and (arn not in best or _order(row) < _order(best[arn])):
            best[arn] = row
    return tuple(sorted(best.values(), key=_order))


def _order(row: Escalation) -> tuple[bool, bool, int, int, str]:
    return (not row.admin, row.reach != "session", row.steps, len(row.assumptions), row.principal)


def _row(closure: Closure, node: Node, arn: str, *, straight: bool) -> Escalation | None:
    needs = _to_be_admin(closure, node, arn)
    fired = controlled(closure, node.name, needs or frozenset(), straight=straight)
    if fired is None and needs:
        needs, fired = None, controlled(closure, node.name, straight=straight)
    if fired is None or (needs is not None and not fired and node.name != START):
        return None
    techniques = tuple(named(closure, f) for f in fired)
    return Escalation(
        principal=arn,
        admin=needs is not None,
        steps=len(fired),
        first=techniques[0] if techniques else "",
        techniques=techniques,
        assumptions=_assumed(fired),
        reach=node.reach,
        created=arn not in closure.search.env.principals,
    )


def _assumed(fired: tuple[Firing, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(a for f in fired for a in f.assumed))


def _to_be_admin(closure: Closure, node: Node, arn: str) -> frozenset[Change] | None:
    """Changes after which the principal is an administrator, none of them superfluous; None if nothing makes it one."""
    if not node.full:
        return None
    search = closure.search
    whole = closure.relevant_to(node, arn)
    made = frozenset(c for c in whole if c.kind is Kind.CREATED and c.who == arn and c.what in node.name)
    if arn in search.env.principals and not is_again(node) and _admin_after(search, arn, frozenset()):
        return frozenset()
    if made and _admin_after(search, arn, made):
        return made
    if not _admin_after(search, arn, whole):
        return None
    needs = whole
    for change in sorted(whole, key=lambda c: (-closure.cost.get(c, 0), c)):
        if _admin_after(search, arn, needs - {change}):
            needs -= {change}
    return needs


def _admin_after(search: Search, arn: str, changes: frozenset[Change]) -> bool:
    ask: Ask = search.ask
    plain = not ask.given and ask.when is TRUE and ask.documents == NO_DOCUMENTS
    key = ("is-admin", arn, ask.missing, ask.ever, ask.limits)
    for env in worlds(search.env, changes, (arn,)) if changes else (search.env,):
        principal = env.principals.get(arn)
        if principal is not None and once(env.memo if plain else {}, key, is_admin, replace(ask, env=env), principal):
            return True
    return False


_QUIET = (Kind.TAGS, Kind.CREATED)
"""Changes that are not listed by themselves: they only matter for what follows from them."""


def _changes(closure: Closure) -> tuple[Changeable, ...]:
    out: list[Changeable] = []
    for change in sorted(closure.changes):
        if change.kind in _QUIET or change in BASE:
            continue
        fired = controlled(closure, START, frozenset({change}))
        if fired is not None:
            names = tuple(named(closure, f) for f in fired)
            words = said(change)
            out.append(Changeable(change=words, steps=len(fired), techniques=names, assumptions=_assumed(fired)))
    return tuple(sorted(out, key=lambda c: (c.steps, c.change)))


def _undecided(closure: Closure, told: set[str], progress: Progress | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The principals, but those `told` of, that only become controlled where what is not known is taken to hold, or for which no
    order of the steps was found.
    """
    wide = grow(closure, sure=False, progress=progress)
    known = {n.caller.arn for n in closure.nodes.values()}
    out: dict[str, tuple[str, ...]] = {}
    for name, node in sorted(wide.nodes.items()):
        if name in closure.nodes:
            arn = node.caller.parent or node.caller.arn or name
            if name not in BASE and arn not in told:
                out.setdefault(arn, (unordered(closure.search.env),))
            continue
        arn = node.caller.arn or name
        if arn in known:
            continue
        fired = smallest(wide, name, frozenset()) or ()
        out.setdefault(arn, tuple(sorted({r for f in fired for r in f.reasons})) or ("budget:techniques",))
    return tuple(out.items())

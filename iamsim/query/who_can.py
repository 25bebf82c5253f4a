"""The question "who can do ACTION on RESOURCE": all callers for which `can` says yes or unknown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from iamsim.env.granted import granted_actions, has_action
from iamsim.env.index import index_of
from iamsim.errors import QueryError
from iamsim.judge.answer import Verdict
from iamsim.judge.callers import read_callers
from iamsim.judge.members import by_kind, concerned, concerned_roots, groups, members_of, outcome, scene_of
from iamsim.query.actions import suiting_actions
from iamsim.query.can import answered, can
from iamsim.query.prepare import Options, asked_of, prepare, read_actions, targets_of
from iamsim.query.spread import slices, spread
from iamsim.query.who_rows import Who, row_like, row_of, row_of_answer, with_more

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from iamsim.diagnostics import Diagnostic
    from iamsim.env.types import Environment
    from iamsim.judge.candidates import Target
    from iamsim.judge.judge import Ask
    from iamsim.judge.members import Scene

    Progress = Callable[[int], None]

_FEW = 40
_PART = 50


@dataclass(frozen=True, slots=True)
class WhoAsked:
    """A question as it was understood, its warnings, and its rows, which are decided while they are read."""

    action: str
    resource: str
    via: str
    warnings: tuple[Diagnostic, ...]
    rows: Iterator[Who]


def who_can(
    env: Environment,
    action: str,
    resource: str,
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> Iterator[Who]:
    """The callers that can ever do `action` on `resource`, and those of which it is not known, as they are decided.

    A loaded user or role (as some session of it) is listed iff `can` with the same `options` says yes or unknown for it;
    `via` is `direct` by default. Besides, as far as policies of the resource reach them: root users, services, other
    accounts, holders of tokens, anonymous callers. Order: users and roles by account and ARN, then the others by kind and
    name. `progress` is called with the number of users and roles that are decided. With `executor` accounts are decided by
    its workers, with the same rows. Raises QueryError, at once, for a question that cannot be asked.
    """
    return ask_who(env, action, resource, progress=progress, executor=executor, **options).rows


def ask_who(
    env: Environment,
    action: str,
    resource: str,
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> WhoAsked:
    """As `who_can`, with what has to be said of the question itself."""
    given = Options(**{"via": "direct", **options})
    if given.also:
        raise QueryError("who-can takes one check", "ask `can` about each caller with --also")
    _, warnings = read_actions(action)
    meant = _meant(env, action, resource, given)
    meant.of(next((a for a in meant.accounts if a is not None), None))
    rows = _rows(meant, progress) if executor is None else _spread(executor, meant, progress)
    return WhoAsked(action, resource, given.via, warnings, rows)


def _meant(env: Environment, action: str, resource: str, options: Options) -> _Meanings:
    ask = asked_of(env, "*", action, resource, options)
    named, _ = read_actions(action)
    actions = suiting_actions(named, resource, any_resource=options.any_resource)
    return _Meanings(ask, action, _spoken(env, actions), resource, options, members_of(env))


def _spoken(env: Environment, actions: tuple[str, ...]) -> tuple[str, ...]:
    """The actions of `actions` of which some Allow of the environment speaks, at least one; few are returned as they are."""
    if len(actions) <= _FEW:
        return actions
    index = index_of(env)
    policies = [*index.documents, *(r.policy for r in env.resources.values()), *(p.trust for p in index.principals)]
    bits = granted_actions(policies)
    return tuple(a for a in actions if has_action(bits, a.lower())) or actions[:1]


@dataclass(frozen=True, slots=True)
class _Posted:
    """Scenes that mean the same for callers of all loaded accounts, and which ones are about whom.

    `near` are the numbers of those that are only about some accounts, by account, `everywhere` of the others.
    """

    scenes: tuple[Scene, ...]
    near: Mapping[str | None, Sequence[int]]
    everywhere: Sequence[int]

    def about(self, account: str | None) -> list[Scene]:
        """In order, those that can be about callers of the account."""
        return [self.scenes[n] for n in sorted((*self.near.get(account, ()), *self.everywhere))]


def _post(scenes: tuple[Scene, ...], concerned: Callable[[Scene], frozenset[str] | None]) -> _Posted:
    near: dict[str | None, list[int]] = {}
    everywhere: list[int] = []
    for n, scene in enumerate(scenes):
        some = concerned(scene)
        if some is None:
            everywhere.append(n)
        for account in some or ():
            near.setdefault(account, []).append(n)
    return _Posted(scenes, near, everywhere)


class _Meanings:
    """What the question means for the callers of an account: scenes, each made once."""

    def __init__(
        self,
        ask: Ask,
        action: str,
        actions: tuple[str, ...],
        resource: str,
        options: Options,
        accounts: Mapping[str | None, tuple[int, ...]],
    ) -> None:
        self.ask = ask
        self.action = action
        self.actions = actions
        self.resource = resource
        self.options = options
        self.accounts = accounts
        self.made: dict[object, Scene] = {}
        self.shared: dict[object, Any] = {}
        self.fixed = "*" not in resource and "?" not in resource
        self.same: dict[str, tuple[Target, ...] | None] = {}
        self.members: dict[str, _Posted] = {}
        self.roots: dict[str, _Posted] = {}

    def of(self, account: str | None) -> Iterator[Scene]:
        """The scenes for callers of `account`. Raises QueryError, at once, if no action fits the resource."""
        return (s for name, targets in self._targets(account) for s in self._scenes(name, targets))

    def about(self, account: str | None) -> Iterator[Scene]:
        """Of these the scenes that can be about a loaded user or role of the account."""
        for name, targets in self._targets(account):
            if targets is not self.same.get(name):
                yield from self._scenes(name, targets)
                continue
            if name not in self.members:
                self.members[name] = _post(tuple(self._scenes(name, targets)), concerned)
            yield from self.members[name].about(account)

    def of_root(self, account: str | None, name: str, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """Of the meanings of the resource for an action those that can be about the root user of the account."""
        if targets is not self.same.get(name):
            return targets
        if name not in self.roots:
            self.roots[name] = _post(tuple(self._scenes(name, targets)), concerned_roots)
        return tuple(s.target for s in self.roots[name].about(account))

    def _targets(self, account: str | None) -> list[tuple[str, tuple[Target, ...]]]:
        out: list[tuple[str, tuple[Target, ...]]] = []
        unfit: QueryError | None = None
        loaded = self.fixed or account in self.ask.env.accounts
        for name in self.actions:
            found = self.same.get(name) if loaded else None
            if found is None:
                try:
                    found = targets_of(self.ask, name, self.resource, account, self.options)
                except QueryError as error:
                    unfit = error
                    continue
                if loaded and all(t.resource != "*" for t in found):
                    self.same[name] = found
            out.append((name, found))
        if not any(found for _, found in out) and unfit is not None:
            raise unfit
        return out

    def _scenes(self, name: str, targets: Sequence[Target]) -> Iterator[Scene]:
        if name in self.members and targets is self.same.get(name):
            return iter(self.members[name].scenes)
        return (self._scene(name, target) for target in targets)

    def _scene(self, name: str, target: Target) -> Scene:
        key = _key_of(name.lower(), target)
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = scene_of(self.ask, name.lower(), target, self.shared)
        elif found.target != target:
            found = self.made[key] = replace(found, target=target)
        return found

    def all(self) -> tuple[Scene, ...]:
        """The scenes for callers of every account, each once, in the order in which they are met."""
        found: dict[object, Scene] = {}
        seen: set[str] = set()
        for account in self.accounts or (None,):
            for name, targets in self._targets(account):
                if targets is not self.same.get(name) or name not in seen:
                    found.update((_key_of(s.action, s.target), s) for s in self._scenes(name, targets))
                if targets is self.same.get(name):
                    seen.add(name)
        return tuple(found.values())


def _key_of(action: str, target: Target) -> object:
    return action, target.resource, target.domain, None if target.holder is None else target.holder.arn


def _rows(meant: _Meanings, progress: Progress | None) -> Iterator[Who]:
    done = 0
    for account, members in meant.accounts.items():
        for row, number in _of_account(meant, account, members):
            if row is not None:
                yield row
            done += number
            if progress is not None and number:
                progress(done)
    yield from _beside(meant)


def _of_account(meant: _Meanings, account: str | None, members: Sequence[int]) -> Iterator[tuple[Who | None, int]]:
    """The rows of users and roles of an account, and how many of these are decided with it."""
    index = index_of(meant.ask.env)
    found = _decided(meant, meant.about(account), members)
    if meant.options.via == "direct":
        yield from ((found[i], 0) for i in members if i in found)
        yield None, len(members)
        return
    for i in members:
        row = found.get(i)
        if row is None or row.verdict is not Verdict.YES:
            row = _further(meant, index.principals[i].arn, index.principals[i].kind.value)
        yield row, 1


def _beside(meant: _Meanings) -> Iterator[Who]:
    """The rows of callers that are no loaded users and roles."""
    from iamsim.query.who_else import any_account, others

    scenes = meant.all()
    one = (
        meant.options.via == "direct" and meant.ask.engine != "replay" and [s.target.resource for s in scenes] == ["*"]
    )
    for name, kind in others(meant.ask, scenes):
        row = _root(meant, name) if one and kind == "root" else _further(meant, name, kind)
        if row is not None:
            yield row
    beyond = any_account(meant.ask, scenes)
    if beyond is not None:
        yield beyond


# --- on an executor


def _spread(executor: Executor, meant: _Meanings, progress: Progress | None) -> Iterator[Who]:
    """The rows, account by account (in parts where each caller is a question of its own); then those beside."""
    units: list[tuple[str | None, int, int] | None] = []
    for account, members in meant.accounts.items():
        size = len(members) if meant.options.via == "direct" else _PART
        units += [(account, start, stop) for start, stop in slices(len(members), max(size, 1))]
    shared = (meant.action, meant.resource, meant.options)
    done = 0
    for rows, number in spread(executor, (meant.ask.env,), _unit, shared, [*units, None]):
        yield from rows
        done += number
        if progress is not None and number:
            progress(done)


def _unit(
    envs: tuple[Environment, ...], shared: tuple[str, str, Options], unit: tuple[str | None, int, int] | None
) -> tuple[list[Who], int]:
    """In a worker: the rows of a part of an account, or (None) of those beside, and how many are decided."""
    (env,) = envs
    known = env.memo.get("who-asked")
    if known is None or known[0] != shared:
        known = env.memo["who-asked"] = (shared, _meant(env, *shared))
    meant: _Meanings = known[1]
    if unit is None:
        return list(_beside(meant)), 0
    account, start, stop = unit
    rows = _of_account(meant, account, meant.accounts[account][start:stop])
    return [row for row, _ in rows if row is not None], stop - start


# --- the rows


def _decided(meant: _Meanings, scenes: Iterator[Scene], members: Sequence[int]) -> dict[int, Who]:
    """The rows of the principals that are no NO by themselves."""
    index = index_of(meant.ask.env)
    out: dict[int, Who] = {}
    left = by_kind(meant.ask.env, members)
    for scene in scenes:
        if not left:
            break
        done: set[int] = set()
        for found, alike in groups(scene, left):
            first = index.principals[alike[0]]
            model = row_of(first.arn, first.kind.value, first.account, found)
            for i in alike:
                made = row_like(model, index.principals[i].arn)
                out[i] = made if found.yes or i not in out else with_more(out[i], made)
            if found.yes:
                done.update(alike)
        if done:
            rest = ((kind, [i for i in some if i not in done]) for kind, some in left.items())
            left = {kind: some for kind, some in rest if some}
    return out


def _root(meant: _Meanings, name: str) -> Who | None:
    """As `_further` for a root user, by one check that is about no resource, whose formula was solved for others."""
    (caller,) = read_callers(meant.ask.env, name)
    (scene,) = meant.of(caller.account)
    found = outcome(scene, caller)
    if not (found.yes or found.unknown):
        return None
    row = row_of(name, "root", caller.account, found)
    return row if found.yes else replace(row, action=meant.action, resource=meant.resource)


def _further(meant: _Meanings, name: str, kind: str) -> Who | None:
    """The row of a caller by the answer of `can`, if that is no NO; None also for what is no caller."""
    env = meant.ask.env
    try:
        callers = read_callers(env, name)
    except QueryError:
        return None
    options = meant.options
    if kind == "root" and options.via == "direct" and not options.strict:
        asked = prepare(env, name, meant.action, meant.resource, options)
        runs = ((caller, action, meant.of_root(caller.account, action, found)) for caller, action, found in asked.runs)
        answer = answered(replace(asked, runs=tuple(runs)))
    else:
        answer = can(env, name, meant.action, meant.resource, **options_of(options))
    if answer.verdict is Verdict.NO:
        return None
    return row_of_answer(answer, name, kind, callers[0].account)


def options_of(options: Options) -> dict[str, Any]:
    """The options as keyword arguments of `can`."""
    return {name: getattr(options, name) for name in Options.__slots__}


def excused(env: Environment, names: Sequence[str]) -> Callable[[Who], bool]:
    """Whether a row is one of the callers that `names` mean, as `can` reads them; patterns mean all that fit.

    `root` means every root user, `ACCOUNT:root` that of one account, `nobody` nobody. Raises QueryError for a name that fits
    nothing or, without wildcards, more than one principal.
    """
    meant: set[str] = set()
    for name in names:
        text = name.strip()
        if text == "nobody":
            continue
        if text == "root":
            meant.add("root")
        elif text.startswith(("oidc://", "saml://")):
            meant.add(text)
        else:
            meant |= {c.arn or str(c).removeprefix("service ") for c in read_callers(env, text)}
    return lambda row: row.principal in meant or (row.kind == "root" and "root" in meant)

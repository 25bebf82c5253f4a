"""The question "who can do ACTION on RESOURCE": all callers for which `can` says yes or unknown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from iamsim.env.granted import granted_actions, has_action
from iamsim.env.index import index_of
from iamsim.errors import QueryError
from iamsim.ir.term import TRUE, Term, strip
from iamsim.judge.answer import Verdict
from iamsim.judge.callers import read_callers
from iamsim.judge.members import groups, scene_of
from iamsim.query.can import can
from iamsim.query.prepare import Options, asked_of, read_actions, targets_of
from iamsim.query.spread import slices, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from iamsim.diagnostics import Diagnostic
    from iamsim.env.types import Environment, Principal
    from iamsim.judge.answer import Answer
    from iamsim.judge.candidates import Target
    from iamsim.judge.judge import Ask, Found
    from iamsim.judge.members import Scene

    Progress = Callable[[int], None]

_FEW = 40
_PART = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A caller that can have the request allowed (YES), or of which that is not known (UNKNOWN).

    `principal` is a caller as `can` takes it: an ARN, a service, `anonymous`, `oidc://…`; it is `*` for accounts that no input
    holds. `kind` is user, role, root, account, service, token, anonymous or outside. `condition` is what the request has to
    satisfy, TRUE if nothing. `steps` are the principals that a path goes through, empty for a direct yes. Of a question with
    wildcards `action` and `resource` are those that are allowed, the resource `*` where it is some resource.
    """

    principal: str
    kind: str
    account: str | None
    verdict: Verdict
    action: str
    resource: str
    condition: Term = TRUE
    steps: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


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
    index = index_of(env)
    accounts: dict[str | None, list[int]] = {a: [] for a in sorted(env.accounts)}
    for i, principal in enumerate(index.principals):
        accounts.setdefault(principal.account, []).append(i)
    ask = asked_of(env, "*", action, resource, options)
    actions, _ = read_actions(action)
    return _Meanings(
        ask, action, _spoken(env, actions), resource, options, {a: accounts[a] for a in sorted(accounts, key=str)}
    )


def _spoken(env: Environment, actions: tuple[str, ...]) -> tuple[str, ...]:
    """The actions of `actions` of which some Allow of the environment speaks, at least one; few are returned as they are."""
    if len(actions) <= _FEW:
        return actions
    index = index_of(env)
    policies = [*index.documents, *(r.policy for r in env.resources.values()), *(p.trust for p in index.principals)]
    bits = granted_actions(policies)
    return tuple(a for a in actions if has_action(bits, a.lower())) or actions[:1]


class _Meanings:
    """What the question means for the callers of an account: scenes, each made once."""

    def __init__(
        self,
        ask: Ask,
        action: str,
        actions: tuple[str, ...],
        resource: str,
        options: Options,
        accounts: dict[str | None, list[int]],
    ) -> None:
        self.ask = ask
        self.action = action
        self.actions = actions
        self.resource = resource
        self.options = options
        self.accounts = accounts
        self.made: dict[object, Scene] = {}
        fixed = "*" not in resource and "?" not in resource
        self.same: tuple[tuple[str, Target], ...] | None = None
        self.fixed = fixed

    def of(self, account: str | None) -> Iterator[Scene]:
        """The scenes for callers of `account`. Raises QueryError, at once, if no action fits the resource."""
        found = self.same
        if found is None:
            found = self._targets(account)
            if self.fixed and all(t.resource != "*" for _, t in found):
                self.same = found
        return (self._scene(name, target) for name, target in found)

    def _targets(self, account: str | None) -> tuple[tuple[str, Target], ...]:
        out: list[tuple[str, Target]] = []
        unfit: QueryError | None = None
        for name in self.actions:
            try:
                out += ((name, t) for t in targets_of(self.ask, name, self.resource, account, self.options))
            except QueryError as error:
                unfit = error
        if not out and unfit is not None:
            raise unfit
        return tuple(out)

    def _scene(self, name: str, target: Target) -> Scene:
        key = _key_of(name.lower(), target)
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = scene_of(self.ask, name.lower(), target)
        elif found.target != target:
            found = self.made[key] = replace(found, target=target)
        return found

    def all(self) -> tuple[Scene, ...]:
        """The scenes for callers of every account, each once, in the order in which they are met."""
        found: dict[object, Scene] = {}
        for account in self.accounts or (None,):
            found.update((_key_of(s.action, s.target), s) for s in self.of(account))
            if self.same is not None:
                break
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


def _of_account(meant: _Meanings, account: str | None, members: list[int]) -> Iterator[tuple[Who | None, int]]:
    """The rows of users and roles of an account, and how many of these are decided with it."""
    index = index_of(meant.ask.env)
    found = _decided(meant, meant.of(account), members)
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
    for name, kind in others(meant.ask, scenes, meant.options.resource_account):
        row = _further(meant, name, kind)
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


def _decided(meant: _Meanings, scenes: Iterator[Scene], members: list[int]) -> dict[int, Who]:
    """The rows of the principals that are no NO by themselves."""
    index = index_of(meant.ask.env)
    out: dict[int, Who] = {}
    left = list(members)
    for scene in scenes:
        if not left:
            break
        for found, alike in groups(scene, left):
            first = index.principals[alike[0]]
            model = _row(first.arn, first.kind.value, first.account, found)
            for i in alike:
                made = _as(model, index.principals[i])
                out[i] = made if found.yes or i not in out else _with_more(out[i], made)
        left = [i for i in left if i not in out or out[i].verdict is not Verdict.YES]
    return out


def _as(model: Who, principal: Principal) -> Who:
    """The row of another principal of the same group; `dataclasses.replace` takes twice as long."""
    return Who(
        principal=principal.arn,
        kind=principal.kind.value,
        account=principal.account,
        verdict=model.verdict,
        action=model.action,
        resource=model.resource,
        condition=model.condition,
        reasons=model.reasons,
        assumptions=model.assumptions,
    )


def _row(name: str, kind: str, account: str, found: Found) -> Who:
    facts = found.check.facts
    return Who(
        principal=name,
        kind=kind,
        account=account,
        verdict=Verdict.YES if found.yes else Verdict.UNKNOWN,
        action=_spelled(facts.action or "*"),
        resource=facts.resource or (f"{facts.holder.arn}/*" if facts.holder is not None else "*"),
        condition=strip(found.term),
        reasons=found.reasons,
        assumptions=found.check.assumptions,
    )


def _with_more(before: Who, made: Who) -> Who:
    """An unknown with the reasons of another meaning of the question."""
    return replace(
        before,
        reasons=tuple(sorted({*before.reasons, *made.reasons})),
        assumptions=tuple(sorted({*before.assumptions, *made.assumptions})),
    )


def _spelled(action: str) -> str:
    from iamsim.aws.actions import action_info

    info = action_info(action)
    return info.name if info is not None else action


def _further(meant: _Meanings, name: str, kind: str) -> Who | None:
    """The row of a caller by the answer of `can`, if that is no NO; None also for what is no caller."""
    env = meant.ask.env
    try:
        callers = read_callers(env, name)
    except QueryError:
        return None
    answer = can(env, name, meant.action, meant.resource, **options_of(meant.options))
    if answer.verdict is Verdict.NO:
        return None
    return _of_answer(answer, name, kind, callers[0].account)


def _of_answer(answer: Answer, name: str, kind: str, account: str | None) -> Who:
    witness = answer.witness
    return Who(
        principal=name,
        kind=kind,
        account=account,
        verdict=answer.verdict,
        action=answer.question.action if witness is None else witness.request.action,
        resource=answer.question.resource if witness is None else witness.request.resource,
        condition=answer.residual if answer.residual is not None else TRUE,
        steps=tuple(hop.target for hop in answer.path),
        reasons=answer.reasons,
        assumptions=answer.assumptions,
    )


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

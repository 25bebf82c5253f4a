"""Who among the loaded users and roles can have one request allowed: candidates by index, grouped, each group decided once.

A principal is left out only if no grant can reach it: no resource grant that needs no identity policy, and no identity
policy that may allow. Two principals are of one group only if every statement that bears on the request comes to the same
term for both, so that the check of one is the check of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from iamsim.aws.limits import BINDS, Grant, Limit, Scope
from iamsim.aws.services import TRUST_ACTIONS
from iamsim.env.applicable import layers_of
from iamsim.env.facts import entities, principal_at
from iamsim.env.hits import principal_classes, slice_policy
from iamsim.env.index import document_key, index_of, speaking
from iamsim.env.memo import once
from iamsim.env.resource_policy import holder_of
from iamsim.env.types import MissingPolicy
from iamsim.ir.decide import counts
from iamsim.ir.lower import resource_term
from iamsim.ir.term import (
    FALSE,
    Const,
    Label,
    LabelKind,
    all_of,
    strip,
    variables,
)
from iamsim.judge.callers import caller_of, read_callers
from iamsim.judge.check import Models, reasons_of, settle
from iamsim.judge.judge import decided, facts_of, operation_of
from iamsim.judge.likeness import classes, facts_in, key_of, reads_in
from iamsim.judge.named import account_in, entries_of, governing, named_by
from iamsim.judge.reads import is_fine, of_session
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.policy import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from iamsim.env.facts import Facts
    from iamsim.env.index import Index
    from iamsim.env.types import Environment
    from iamsim.ir.term import Term
    from iamsim.judge.candidates import Target
    from iamsim.judge.judge import Ask, Found
    from iamsim.judge.reads import Reads
    from iamsim.model.policy import Policy

_LABEL = Label(LabelKind.LAYER, "document")

_NOBODY: frozenset[int] = frozenset()

Kind = tuple[object, ...]
Signature = tuple[tuple["Term", ...], tuple["Term", ...], "Term"]
Rows = tuple[tuple[Label, "Term"], ...]


@dataclass(slots=True)
class Scene:
    """One action on one meaning of the resource, and what was worked out about it so far.

    `speaks` are the documents that speak of the action, `bearing` those that may match on what the target means: of things in
    a bucket, statements about those of another one stay in the condition of an answer, but decide nothing.
    """

    ask: Ask
    index: Index
    action: str
    target: Target
    speaks: Mapping[int, bool]
    bearing: Mapping[int, bool]
    holding: frozenset[int]
    named: frozenset[int]
    sample: Facts
    governing: Policy | None
    session: bool
    accounts: frozenset[str] = frozenset()
    rough: frozenset[int] = frozenset()
    fine_when: bool = False
    shared: dict[str, tuple[tuple[Policy, ...], bool]] = field(default_factory=dict)
    made: dict[object, Signature] = field(default_factory=dict)
    plain: dict[int, Signature] = field(default_factory=dict)
    rows: dict[object, int] = field(default_factory=dict)
    numbers: dict[Rows, int] = field(default_factory=dict)
    read: dict[int, tuple[Reads, Policy]] = field(default_factory=dict)
    reached: dict[object, tuple[bool, bool]] = field(default_factory=dict)
    above: dict[object, object] = field(default_factory=dict)
    bound: dict[object, object] = field(default_factory=dict)
    models: Models | None = None
    elsewhere: dict[Term, bool] = field(default_factory=dict)
    outcomes: dict[object, Found] = field(default_factory=dict)
    solved: dict[object, tuple[Mapping[str, tuple[str, ...]] | None, tuple[str, ...]]] = field(default_factory=dict)


def scene_of(ask: Ask, action: str, target: Target, shared: dict[object, Any]) -> Scene:
    """The scene of an action (in lower case) and a target. `shared` is what the scenes of a question share."""
    env = ask.env
    index = index_of(env)
    speaks = bearing = speaking(index, action, target.resource)
    if target.resource is None and target.holder is not None:
        bearing = speaking(index, action, f"{target.holder.arn}/", inside=True)
    some = caller_of(env, index.principals[0]) if index.principals else Caller(kind=CallerKind.ANONYMOUS)
    facts = facts_of(ask, some, action, target)
    policy = governing(facts)
    none: frozenset[int] = frozenset()
    scene = Scene(ask, index, action, target, speaks, bearing, none, none, facts, policy, session=False)
    _name(scene, shared)
    if ask.engine == "auto":
        scene.models = once(shared, "models", Models)
    read = variables(all_of((ask.when, target.domain)))
    scene.holding = once(shared, ("holding", *scene.bearing.items()), _holding, scene)
    scene.rough, session = once(shared, ("rough", action, *speaks), _rough, scene)
    scene.session = session or any(of_session(v) for v in read)
    scene.fine_when = any(is_fine(v) for v in read)
    return scene


def _name(scene: Scene, shared: dict[object, Any]) -> None:
    """Whom the policies of the resource name; worked out once for trust policies that are one document, and for roles or
    users of whose policies the action does not ask.
    """
    policy, facts = scene.governing, scene.sample

    def made() -> tuple[frozenset[int], frozenset[str], dict[object, tuple[bool, bool]]]:
        entries = tuple(entries_of(scene.ask, policy, facts))
        named = frozenset(named_by(scene.index, scene.ask.env, entries))
        return named, frozenset(a for e in entries for a in [account_in(e)] if a), {}

    at = principal_at(facts.env, facts.resource or "") if holder_of(facts) is None else None
    if at is None or (policy is None and _is_trust(scene)):
        scene.named, scene.accounts, scene.reached = made()
    else:
        key = ("named", scene.action, at.kind, None if policy is None else document_key(policy))
        scene.named, scene.accounts, scene.reached = once(shared, key, made)


def _holding(scene: Scene) -> frozenset[int]:
    return frozenset(i for d, allows in scene.bearing.items() if allows for i in scene.index.holders[d])


def _rough(scene: Scene) -> tuple[frozenset[int], bool]:
    """The documents that read more than is shared in an account, and whether one reads how a session came about."""
    documents = ((d, scene.index.documents[d]) for d in scene.speaks)
    reads = [(d, reads_in(scene, p)) for d, p in documents if not isinstance(p, MissingPolicy)]
    return frozenset(d for d, r in reads if r.fine or r.session), any(r.session for _, r in reads)


def concerned(scene: Scene) -> frozenset[str] | None:
    """The accounts whose users and roles the scene can be about; None for all.

    Others are alike for it, so one of each kind tells whether a grant reaches them.
    """
    if scene.target.resource == "*":
        return None
    if _means_nothing(scene):
        return frozenset()
    near = _near(scene)
    for standing in _kinds_anywhere(scene.ask.env):
        stranger = next(((kind, i) for kind, i in standing if kind[1] not in near), None)
        if stranger is not None and any(_reach(scene, stranger[0], (stranger[1],))):
            return None
    return near


def concerned_roots(scene: Scene) -> frozenset[str] | None:
    """As `concerned`, of root users."""
    if scene.target.resource == "*":
        return None
    if _means_nothing(scene):
        return frozenset()
    near = _near(scene)
    stranger = next((a for a in sorted(scene.ask.env.accounts) if a not in near), None)
    if stranger is None:
        return near
    found = scene.reached.get("root")
    if found is None:
        (caller,) = read_callers(scene.ask.env, f"arn:aws:iam::{stranger}:root")
        found = scene.reached["root"] = _reach_of(scene, facts_of(scene.ask, caller, scene.action, scene.target))
    return None if any(found) else near


def _means_nothing(scene: Scene) -> bool:
    """Whether no resource is one that the target means: all that fit the question are loaded."""
    target = scene.target
    if target.resource is not None or target.holder is not None:
        return False
    return not settle(target.domain, (scene.sample,), scene.ask.limits).possible


def _near(scene: Scene) -> frozenset[str]:
    owner = scene.target.owner
    named = {scene.index.principals[i].account for i in scene.named}
    return scene.accounts | named | ({owner} if owner is not None else set())


def _kinds_anywhere(env: Environment) -> Sequence[Sequence[tuple[Kind, int]]]:
    """For each kind, whatever its account, the first one of each account."""

    def made() -> list[list[tuple[Kind, int]]]:
        out: dict[object, list[tuple[Kind, int]]] = {}
        for among in members_of(env).values():
            for kind, members in by_kind(env, among).items():
                out.setdefault((kind[0], kind[2:]), []).append((kind, members[0]))
        return list(out.values())

    return once(env.memo, "kinds-anywhere", made)


def groups(scene: Scene, kinds: Mapping[Kind, Sequence[int]]) -> Iterator[tuple[Found, tuple[int, ...]]]:
    """The outcomes that are no NO, each with the principals (by number) of `kinds` that share it.

    These are principals, by kind, for which the target means the same.
    """
    for kind, shared, portable in _keyed(scene, kinds, scene.bearing):
        found = scene.outcomes.get(portable) if portable is not None else None
        if found is None:
            found = outcome(scene, caller_of(scene.ask.env, scene.index.principals[shared[0]]))
            if portable is not None:
                scene.outcomes[portable] = found
        if not (found.yes or found.unknown):
            continue
        if scene.bearing is scene.speaks:
            yield found, tuple(shared)
            continue
        for _, alike, _ in _keyed(scene, {kind: shared}, scene.speaks):
            yield _as(scene, caller_of(scene.ask.env, scene.index.principals[alike[0]]), found), tuple(alike)


def _keyed(
    scene: Scene, kinds: Mapping[Kind, Sequence[int]], speaks: Mapping[int, bool]
) -> Iterable[tuple[Kind, list[int], object | None]]:
    """The principals of `kinds` that a grant can reach, by what their outcomes depend on, with what that is in any account.

    Of their own policies the documents `speaks` are looked at.
    """
    keyed: dict[object, tuple[Kind, list[int], object | None]] = {}
    for kind, members in kinds.items():
        anyone, holders = _reach(scene, kind, members)
        holding = scene.holding if holders else _NOBODY
        reached = members if anyone else [i for i in members if i in holding or i in scene.named]
        for alike in classes(scene, kind, reached, speaks):
            found = key_of(scene, kind, alike[0], speaks, granted=anyone or alike[0] in scene.named)
            if found is not None:
                keyed.setdefault(found[0], (kind, [], found[1]))[1].extend(alike)
    return keyed.values()


def outcome(scene: Scene, caller: Caller) -> Found:
    """The outcome for a caller; formulas that are the same for others were solved once."""
    ask = scene.ask
    asked = _asked(scene, caller)
    term = strip(asked.term)
    if isinstance(term, Const) and term.value is False:
        return asked
    key = (term, caller.kind, bool(caller.open_services))
    solved = scene.solved.get(key)
    if solved is None:
        found = decided(ask, asked, scene.models)
        solved = scene.solved[key] = (found.assignment, found.reasons)
    return replace(asked, assignment=solved[0], reasons=solved[1])


def _as(scene: Scene, caller: Caller, found: Found) -> Found:
    """The outcome for a caller that has besides only policies of which no statement matches where `found` can be allowed."""
    if any(r.startswith("budget:") for r in found.reasons):
        return outcome(scene, caller)
    asked = _asked(scene, caller)
    return replace(asked, assignment=found.assignment, reasons=reasons_of(asked.term) if found.unknown else ())


def _asked(scene: Scene, caller: Caller) -> Found:
    return operation_of(scene.ask, facts_of(scene.ask, caller, scene.action, scene.target), scene.target.domain)


def members_of(env: Environment) -> Mapping[str | None, tuple[int, ...]]:
    """The users and roles (by number) of each account, in order."""
    return once(env.memo, "members", _members, env)


def _members(env: Environment) -> Mapping[str | None, tuple[int, ...]]:
    accounts: dict[str | None, list[int]] = {a: [] for a in env.accounts}
    for i, principal in enumerate(index_of(env).principals):
        accounts.setdefault(principal.account, []).append(i)
    return {a: tuple(accounts[a]) for a in sorted(accounts, key=str)}


def by_kind(env: Environment, among: Sequence[int]) -> Mapping[Kind, Sequence[int]]:
    """Principals of one account by kind; of a whole account that is worked out once."""
    account = index_of(env).principals[among[0]].account if among else None
    if among is members_of(env).get(account):
        whole: Mapping[Kind, Sequence[int]] = once(env.memo, ("kinds", account), _kinds, env, among)
        return whole
    return _kinds(env, among)


def _kinds(env: Environment, among: Sequence[int]) -> Mapping[Kind, Sequence[int]]:
    index = index_of(env)
    out: dict[Kind, list[int]] = {}
    for i in among:
        c = caller_of(env, index.principals[i])
        out.setdefault((c.kind, c.account, c.partition, c.service_linked, c.bounded), []).append(i)
    return out


# --- which grants can reach whom


def _reach(scene: Scene, kind: Kind, members: Sequence[int]) -> tuple[bool, bool]:
    """Whether some grant can reach any of the members, and whether one can reach those with an identity policy that allows.

    Both are asked of one that no policy names; those that are named are always looked at. Accounts are alike unless they
    own the resource or a policy names them.
    """
    plain = next((i for i in members if i not in scene.named), None)
    if plain is None:
        return False, False
    account = kind[1]
    own = account == scene.target.owner or scene.target.resource == "*"
    key = (*kind[:1], *kind[2:], own, account if account in scene.accounts else None)
    found = scene.reached.get(key)
    if found is None:
        found = scene.reached[key] = _reach_of(scene, facts_in(scene, plain))
    return found


def _reach_of(scene: Scene, facts: Facts) -> tuple[bool, bool]:
    layers, _ = layers_of(facts, scene.ask.documents)
    if layers.refused is not None:
        return False, False
    if layers.free is not None or layers.doubtful:
        return True, True
    granted = _granted(scene, facts)
    resource = layers.resource
    unknown = resource is not None and resource.side.unknown is not FALSE
    if layers.unread is not None:
        granted |= {Grant.DIRECT, Grant.ACCOUNT}
    anyone = holders = False
    for scope in (layers.scope,) if layers.scope is not None else (Scope.SAME, Scope.CROSS):
        for grant in Grant:
            limits = BINDS.get((scope, grant))
            if limits is None or not counts(layers, scope, grant):
                continue
            if grant is not Grant.IDENTITY and not (unknown or grant in granted):
                continue
            if grant is Grant.IDENTITY or Limit.IDENTITY in limits:
                holders = True
            else:
                anyone = True
    return anyone, holders or anyone


def _granted(scene: Scene, facts: Facts) -> set[Grant]:
    """The classes of grant that statements of the resource policy may give a caller, whatever their conditions."""
    holder = holder_of(facts)
    if holder is not None and holder.kms_grants:
        return set(Grant)
    policy = scene.governing
    if policy is None or policy.malformed is not None:
        return set()
    out: set[Grant] = set()
    service = scene.action.partition(":")[0]
    for row in slice_policy(facts, policy):
        element = row.statement.resource
        if row.statement.effect is Effect.DENY:
            continue
        if element is not None and resource_term(element, policy.kind, facts.resource, service) is FALSE:
            continue
        classes = principal_classes(facts, row.statement, entities(facts.env), trust=_is_trust(scene))
        found = ((Grant.DIRECT, classes.direct), (Grant.VIA, classes.via), (Grant.ACCOUNT, classes.account))
        out |= {grant for grant, term in found if term is not FALSE}
    return out


def _is_trust(scene: Scene) -> bool:
    return scene.action.startswith(TRUST_ACTIONS)

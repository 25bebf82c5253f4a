"""Who among the loaded users and roles can have one request allowed: candidates by index, grouped, each group decided once.

A principal is left out only if no grant can reach it: no resource grant that needs no identity policy, and no identity
policy that may allow. Two principals are of one group only if every statement that bears on the request comes to the same
term for both, so that the check of one is the check of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from iamsim.aws.limits import BINDS, Grant, Limit, Scope
from iamsim.aws.services import TRUST_ACTIONS
from iamsim.env.context import lookup_of
from iamsim.env.facts import entities, place
from iamsim.env.hits import principal_classes, side, slice_policy
from iamsim.env.index import document_key, index_of, speaking
from iamsim.env.memo import once
from iamsim.env.resource_policy import holder_of
from iamsim.env.types import MissingPolicy
from iamsim.ir.lower import resource_term
from iamsim.ir.reduce import reduce
from iamsim.ir.term import (
    FALSE,
    TRUE,
    Const,
    Label,
    LabelKind,
    Opaque,
    all_of,
    strip,
    variables,
)
from iamsim.judge.callers import caller_of
from iamsim.judge.check import check_of
from iamsim.judge.judge import decided, facts_of, operation_of
from iamsim.judge.named import account_in, endpoint_policies, entries_of, governing, named_by
from iamsim.judge.reads import is_fine, of_session, reads_of, values_of
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.policy import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from iamsim.env.facts import Facts
    from iamsim.env.index import Index
    from iamsim.ir.decide import Side
    from iamsim.ir.term import Term
    from iamsim.judge.candidates import Target
    from iamsim.judge.judge import Ask, Found
    from iamsim.judge.reads import Reads
    from iamsim.model.policy import Policy

_LABEL = Label(LabelKind.LAYER, "document")

Kind = tuple[object, ...]
Signature = tuple[frozenset["Term"], frozenset["Term"], "Term"]
Rows = tuple[tuple[Label, "Term"], ...]


@dataclass(slots=True)
class Scene:
    """One action on one meaning of the resource, and what was worked out about it so far."""

    ask: Ask
    index: Index
    action: str
    target: Target
    speaks: Mapping[int, bool]
    holding: frozenset[int]
    named: frozenset[int]
    sample: Facts
    governing: Policy | None
    session: bool
    accounts: frozenset[str] = frozenset()
    shared: dict[str, tuple[tuple[Policy, ...], bool]] = field(default_factory=dict)
    made: dict[object, Signature] = field(default_factory=dict)
    plain: dict[int, Signature] = field(default_factory=dict)
    rows: dict[object, int] = field(default_factory=dict)
    numbers: dict[Rows, int] = field(default_factory=dict)
    read: dict[int, tuple[Reads, Policy]] = field(default_factory=dict)
    reached: dict[object, tuple[bool, bool]] = field(default_factory=dict)
    solved: dict[object, tuple[Mapping[str, tuple[str, ...]] | None, tuple[str, ...]]] = field(default_factory=dict)


def scene_of(ask: Ask, action: str, target: Target) -> Scene:
    """The scene of an action (in lower case) and a target."""
    env = ask.env
    index = index_of(env)
    speaks = speaking(index, action, target.resource)
    holding = {i for d, allows in speaks.items() if allows for i in index.holders[d]}
    some = caller_of(env, index.principals[0]) if index.principals else Caller(kind=CallerKind.ANONYMOUS)
    facts = facts_of(ask, some, action, target)
    policy = governing(facts)
    scene = Scene(ask, index, action, target, speaks, frozenset(holding), frozenset(), facts, policy, session=False)
    entries = tuple(entries_of(ask, policy, facts))
    scene.named = frozenset(named_by(index, env, entries))
    scene.accounts = frozenset(a for e in entries for a in [account_in(e)] if a)
    documents = (index.documents[d] for d in speaks)
    read = variables(all_of((ask.when, target.domain)))
    scene.session = any(_reads(scene, p).session for p in documents if not isinstance(p, MissingPolicy))
    scene.session = scene.session or any(of_session(v) for v in read)
    return scene


def groups(scene: Scene, among: Iterable[int]) -> Iterator[tuple[Found, tuple[int, ...]]]:
    """The outcomes that are no NO, each with the principals (by number) of `among` that share it.

    `among` are principals for which the target means the same.
    """
    keyed: dict[object, list[int]] = {}
    for kind, members in _by_kind(scene, among).items():
        anyone, holders = _reach(scene, kind, members)
        for i in members:
            if i in scene.named or anyone or (holders and i in scene.holding):
                key = _key(scene, kind, i, granted=anyone or i in scene.named)
                if key is not None:
                    keyed.setdefault(key, []).append(i)
    for shared in keyed.values():
        found = _decided(scene, shared[0])
        if found.yes or found.unknown:
            yield found, tuple(shared)


def _decided(scene: Scene, i: int) -> Found:
    """The outcome for a principal; formulas that are the same for others were solved once."""
    ask, facts = scene.ask, _facts(scene, i)
    asked = operation_of(ask, facts, scene.target.domain)
    term = strip(asked.term)
    if isinstance(term, Const) and term.value is False:
        return asked
    caller = facts.caller
    key = (term, caller.kind, bool(caller.open_services))
    outcome = scene.solved.get(key)
    if outcome is None:
        found = decided(ask, asked)
        outcome = scene.solved[key] = (found.assignment, found.reasons)
    return replace(asked, assignment=outcome[0], reasons=outcome[1])


def _facts(scene: Scene, i: int) -> Facts:
    caller = caller_of(scene.ask.env, scene.index.principals[i])
    return facts_of(scene.ask, caller, scene.action, scene.target)


def _by_kind(scene: Scene, among: Iterable[int]) -> dict[Kind, list[int]]:
    env = scene.ask.env
    kinds: dict[int, Kind] = env.memo.setdefault("kinds", {})
    out: dict[Kind, list[int]] = {}
    for i in among:
        kind = kinds.get(i)
        if kind is None:
            c = caller_of(env, scene.index.principals[i])
            kind = kinds[i] = (c.kind, c.account, c.partition, c.service_linked, c.bounded)
        out.setdefault(kind, []).append(i)
    return out


# --- which grants can reach whom


def _reach(scene: Scene, kind: Kind, members: list[int]) -> tuple[bool, bool]:
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
        found = scene.reached[key] = _reach_of(scene, _facts(scene, plain))
    return found


def _reach_of(scene: Scene, facts: Facts) -> tuple[bool, bool]:
    check = check_of(facts, scene.ask.documents)
    layers = check.layers
    if layers.refused is not None:
        return False, False
    if layers.free is not None or layers.doubtful:
        return True, True
    granted = _granted(scene, check.facts)
    resource = layers.resource
    unknown = resource is not None and resource.side.unknown is not FALSE
    if layers.unread is not None:
        granted |= {Grant.DIRECT, Grant.ACCOUNT}
    anyone = holders = False
    for scope in (layers.scope,) if layers.scope is not None else (Scope.SAME, Scope.CROSS):
        for grant in Grant:
            limits = BINDS.get((scope, grant))
            if limits is None or (grant is not Grant.IDENTITY and not (unknown or grant in granted)):
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


# --- what makes two principals alike


def _key(scene: Scene, kind: Kind, i: int, *, granted: bool) -> object | None:
    """What the outcome for a principal depends on; None if no grant reaches it or a Deny always stops it."""
    principal = scene.index.principals[i]
    allow: set[Term] = set()
    deny: set[Term] = set()
    lost: list[Term] = []
    for d in scene.index.held[i]:
        if d in scene.speaks:
            allows, denies, unknown = scene.plain.get(d) or _of_document(scene, kind, i, d)
            allow |= allows
            deny |= denies
            lost.append(unknown)
    if not granted and (TRUE in deny or not (allow or any(u is not FALSE for u in lost))):
        return None
    shared, session = _shared(scene, principal.account, i)
    boundary: object = None
    if principal.boundary is not None:
        boundary = _signature(scene, kind, i, principal.boundary)
        if not isinstance(principal.boundary, MissingPolicy):
            session = session or _reads(scene, principal.boundary).session
    ways: object = None
    if session or scene.session:
        c = caller_of(scene.ask.env, principal)
        ways = (c.open_tags, c.tags_known, c.open_source_identity, c.open_provider, c.open_services)
    return (
        kind,
        principal.arn if i in scene.named else None,
        (TRUE,) if TRUE in allow else frozenset(allow),
        frozenset(deny),
        frozenset(u for u in lost if u is not FALSE),
        boundary,
        tuple(_by_statement(scene, kind, i, p) for p in shared),
        _when(scene, i),
        ways,
    )


def _shared(scene: Scene, account: str, i: int) -> tuple[tuple[Policy, ...], bool]:
    """The documents that bear on all principals of an account and look at the caller itself, and whether one reads how its
    session came about.
    """
    found = scene.shared.get(account)
    if found is None:
        facts = _facts(scene, i)
        found = scene.shared[account] = _bearing(scene, facts, account)
    return found


def _bearing(scene: Scene, facts: Facts, account: str) -> tuple[tuple[Policy, ...], bool]:
    env = scene.ask.env
    many: list[Policy] = [scene.governing] if scene.governing is not None else []
    many += endpoint_policies(scene.ask)
    many += scene.ask.documents.session or ()
    for at in dict.fromkeys((account, facts.owner)):
        placed = place(env, at) if at is not None else None
        for node in placed[1] if placed is not None else ():
            many += [*node.scps, *node.rcps]
    kept: list[Policy] = []
    session = False
    for policy in many:
        reads = _reads(scene, policy)
        session = session or reads.session
        if reads.fine and policy not in kept:
            kept.append(policy)
    return tuple(kept), session


def _when(scene: Scene, i: int) -> object:
    """The question's own condition as it is for the caller."""
    condition = all_of((scene.ask.when, scene.target.domain))
    if condition is TRUE or not any(is_fine(v) for v in variables(condition)):
        return None
    return strip(reduce(condition, lookup_of(_facts(scene, i))))


def _of_document(scene: Scene, kind: Kind, i: int, number: int) -> Signature:
    """The signature of an indexed document; one that reads nothing of its holder is kept by its number."""
    policy = scene.index.documents[number]
    found = _signature(scene, kind, i, policy)
    if isinstance(policy, MissingPolicy) or _reads(scene, policy).nothing:
        scene.plain[number] = found
    return found


def _signature(scene: Scene, kind: Kind, i: int, policy: Policy | MissingPolicy) -> Signature:
    """The terms of the statements of a document that may match: those that allow, those that deny, and what is unknown."""
    if isinstance(policy, MissingPolicy):
        return frozenset(), frozenset(), Opaque(f"missing:{policy.arn}")
    caller = caller_of(scene.ask.env, scene.index.principals[i])
    key = _alike(scene, kind, caller, policy)
    found = scene.made.get(key)
    if found is None:
        made = _side(scene, caller, policy)
        allows = frozenset(strip(h.term) for h in made.allow)
        found = scene.made[key] = (allows, frozenset(strip(h.term) for h in made.deny), made.unknown)
    return found


def _by_statement(scene: Scene, kind: Kind, i: int, policy: Policy) -> int:
    """As `_signature`, statement by statement, for policies whose statements also name principals: a number for what they say."""
    caller = caller_of(scene.ask.env, scene.index.principals[i])
    key = _alike(scene, kind, caller, policy)
    found = scene.rows.get(key)
    if found is None:
        made = _side(scene, caller, policy)
        rows = tuple((h.label, strip(h.term)) for h in (*made.allow, *made.deny))
        found = scene.rows[key] = scene.numbers.setdefault(rows, len(scene.numbers))
    return found


def _alike(scene: Scene, kind: Kind, caller: Caller, policy: Policy) -> object:
    """What the statements of a document come to for a caller depends on this alone."""
    reads = _reads(scene, policy)
    if reads.nothing:
        return (document_key(policy), policy.kind)
    ways = (caller.open_source_identity, caller.open_provider, caller.open_services) if reads.session else None
    tables = scene.ask.env.memo.setdefault("arn-tables", {})
    return (document_key(policy), policy.kind, kind, values_of(reads, caller, tables), ways)


def _side(scene: Scene, caller: Caller, policy: Policy) -> Side:
    facts = facts_of(scene.ask, caller, scene.action, scene.target)
    return side(facts, lookup_of(facts), _LABEL, (policy,))


def _reads(scene: Scene, policy: Policy) -> Reads:
    """What the statements on the action read of the caller; worked out once for a document and an action."""
    found = scene.read.get(id(policy))
    if found is None:
        key = ("reads", document_key(policy), scene.action)
        kept = once(scene.ask.env.memo, key, lambda: (reads_of(scene.sample, policy), policy))[0]
        found = scene.read[id(policy)] = (kept, policy)
    return found[0]

"""What makes two principals alike for one scene: all that the outcome depends on, as far as it tells principals apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.context import lookup_of
from iamsim.env.facts import place
from iamsim.env.hits import side
from iamsim.env.index import document_key
from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.ir.lower import RESOURCE
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, And, Label, LabelKind, Like, Opaque, Or, all_of, strip, variables
from iamsim.judge.callers import caller_of
from iamsim.judge.judge import facts_of
from iamsim.judge.named import endpoint_policies
from iamsim.judge.reads import is_fine, reads_of, values_of
from iamsim.model.pattern import Literal, Pattern, fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from iamsim.env.facts import Facts
    from iamsim.ir.decide import Side
    from iamsim.ir.term import Term
    from iamsim.judge.members import Kind, Scene, Signature
    from iamsim.judge.reads import Reads
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy

_NOT_YET = object()
_ROUGH = object()
_LABEL = Label(LabelKind.LAYER, "document")


def classes(scene: Scene, kind: Kind, members: Sequence[int], speaks: Mapping[int, bool]) -> Iterable[list[int]]:
    """`members` of a kind, parted so that `key_of` is the same for all of a part, by what is cheaper to tell.

    That is the documents of a principal among `speaks`, its boundary, and what shared policies read of it.
    """
    if not members:
        return ()
    index, named, rough = scene.index, scene.named, scene.rough
    shared, session = _shared(scene, index.principals[members[0]].account, members[0])
    each = scene.fine_when
    tables = [_table(scene, policy) for policy in shared]
    _, _, _, _, bounded = kind
    out: dict[object, list[int]] = {}
    for i in members:
        held = tuple([d for d in index.held[i] if d in speaks])
        key: object = i
        if not (each or i in named or not rough.isdisjoint(held)):
            more = _boundary(scene, i) if bounded else None
            if more is not _ROUGH:
                ways = _ways(scene, i) if session or scene.session else None
                key = (held, more, tuple([_number(scene, t, i) for t in tables]), ways)
        out.setdefault(key, []).append(i)
    return out.values()


def _boundary(scene: Scene, i: int) -> object:
    boundary = scene.index.principals[i].boundary
    if boundary is None or isinstance(boundary, MissingPolicy):
        return None if boundary is None else document_key(boundary)
    reads = reads_in(scene, boundary)
    return _ROUGH if reads.fine or reads.session else document_key(boundary)


def key_of(
    scene: Scene, kind: Kind, i: int, speaks: Mapping[int, bool], *, granted: bool
) -> tuple[object, object | None] | None:
    """What the outcome for a principal depends on; None if no grant reaches it or a Deny always stops it. Of its documents
    `speaks` are looked at.

    The second is the same for principals of any account whose formulas are the same, in the same order; None where that is
    not known.
    """
    principal = scene.index.principals[i]
    allow: dict[Term, None] = {}
    deny: dict[Term, None] = {}
    lost: dict[Term, None] = {}
    for d in scene.index.held[i]:
        if d in speaks:
            allows, denies, unknown = scene.plain.get(d) or _of_document(scene, kind, i, d)
            allow |= dict.fromkeys(allows)
            deny |= dict.fromkeys(denies)
            lost[unknown] = None
    if speaks is not scene.speaks:
        allow, deny = _bearing_terms(scene, allow), _bearing_terms(scene, deny)
    lost.pop(FALSE, None)
    if not granted and (TRUE in deny or not (allow or lost)):
        return None
    shared, session = _shared(scene, principal.account, i)
    bound: Signature | None = None
    if principal.boundary is not None:
        bound = _signature(scene, kind, i, principal.boundary)
        if not isinstance(principal.boundary, MissingPolicy):
            session = session or reads_in(scene, principal.boundary).session
    ways = _ways(scene, i) if session or scene.session else None
    rows = tuple(_by_statement(scene, kind, i, p) for p in shared)
    key = (
        kind,
        principal.arn if i in scene.named else None,
        (TRUE,) if TRUE in allow else frozenset(allow),
        frozenset(deny),
        frozenset(lost),
        None if bound is None else (frozenset(bound[0]), frozenset(bound[1]), bound[2]),
        rows,
        _when(scene, i),
        ways,
    )
    above = _above(scene, kind, i)
    if above is None:
        return key, None
    return key, (kind[0], kind[2:], tuple(allow), tuple(deny), tuple(lost), bound, rows, ways, above)


def _bearing_terms(scene: Scene, terms: Iterable[Term]) -> dict[Term, None]:
    """Those of the terms of statements that can hold for something in the bucket that the target means."""
    holder, known = scene.target.holder, scene.elsewhere
    inside = fold(f"{holder.arn}/") if holder is not None else ""
    for t in terms:
        if t not in known:
            known[t] = _is_elsewhere(t, inside)
    return {t: None for t in terms if not known[t]}


def _is_elsewhere(term: Term, inside: str) -> bool:
    """Whether a term holds for no resource that begins with `inside`; False where that is not plain."""
    match term:
        case And(args):
            return any(_is_elsewhere(t, inside) for t in args)
        case Or(args):
            return all(_is_elsewhere(t, inside) for t in args)
        case Like(var, Pattern(parts=(Literal(text), *_))) if var == RESOURCE:
            head = fold(text)
            return not (inside.startswith(head) or head.startswith(inside))
        case _:
            return False


def _ways(scene: Scene, i: int) -> object:
    """How the session of a principal may have come about."""
    c = caller_of(scene.ask.env, scene.index.principals[i])
    return c.open_tags, c.tags_known, c.open_source_identity, c.open_provider, c.open_services


def _above(scene: Scene, kind: Kind, i: int) -> object | None:
    """What bears on a principal of an account beside its own policies, for a check that is about no resource of any account.

    None where that is not all, or where its answer would name the account.
    """
    if scene.target.resource != "*" or scene.named or scene.ask.documents != NO_DOCUMENTS or scene.ask.env.endpoints:
        return None
    account = kind[1]
    found = scene.above.get(account, _NOT_YET)
    if found is _NOT_YET:
        found = scene.above[account] = _ceilings(scene, kind, i)
    return found


def _ceilings(scene: Scene, kind: Kind, i: int) -> object | None:
    account = scene.index.principals[i].account
    placed = place(scene.ask.env, account)
    if placed is None or _condition(scene) is not TRUE:
        return None
    organization, nodes = placed
    levels: list[object] = []
    for node in nodes:
        many = (*node.scps, *node.rcps)
        if not node.scps or any(p.malformed is not None or reads_in(scene, p).session for p in many):
            return None
        levels += (tuple(_standing(scene, kind, i, p) for p in some) for some in (node.scps, node.rcps))
    return id(organization), account == organization.management_account, tuple(levels)


def _standing(scene: Scene, kind: Kind, i: int, policy: Policy) -> object:
    """What a policy says to all of an account; where it tells principals apart, which one it is."""
    return ("of each", id(policy)) if reads_in(scene, policy).fine else _by_statement(scene, kind, i, policy)


Table = tuple[dict[int, int], dict[object, int], "Reads"]


def _table(scene: Scene, policy: Policy) -> Table:
    """What a policy reads of principals, as numbers: by principal and by what it is."""
    reads = reads_in(scene, policy)
    known, numbers = once(scene.ask.env.memo, ("valued", reads.fine, reads.arns), _no_values)
    return known, numbers, reads


def _number(scene: Scene, table: Table, i: int) -> int:
    known, numbers, reads = table
    found = known.get(i)
    if found is None:
        caller = caller_of(scene.ask.env, scene.index.principals[i])
        found = known[i] = numbers.setdefault(values_of(reads, caller, _tables(scene)), len(numbers))
    return found


def _no_values() -> tuple[dict[int, int], dict[object, int]]:
    return {}, {}


def _tables(scene: Scene) -> dict[object, dict[str, object]]:
    tables: dict[object, dict[str, object]] = once(scene.ask.env.memo, "arn-tables", dict)
    return tables


def _shared(scene: Scene, account: str, i: int) -> tuple[tuple[Policy, ...], bool]:
    """The documents that bear on all principals of an account and look at the caller itself, and whether one reads how its
    session came about.
    """
    found = scene.shared.get(account)
    if found is None:
        facts = facts_in(scene, i)
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
        reads = reads_in(scene, policy)
        session = session or reads.session
        if reads.fine and policy not in kept:
            kept.append(policy)
    return tuple(kept), session


def _when(scene: Scene, i: int) -> object:
    """The question's own condition as it is for the caller."""
    condition = _condition(scene)
    if condition is TRUE or not any(is_fine(v) for v in variables(condition)):
        return None
    return strip(reduce(condition, lookup_of(facts_in(scene, i))))


def _condition(scene: Scene) -> Term:
    return scene.ask.when if scene.target.domain is TRUE else all_of((scene.ask.when, scene.target.domain))


def _of_document(scene: Scene, kind: Kind, i: int, number: int) -> Signature:
    """The signature of an indexed document; one that reads nothing of its holder is kept by its number."""
    policy = scene.index.documents[number]
    found = _signature(scene, kind, i, policy)
    if isinstance(policy, MissingPolicy) or reads_in(scene, policy).nothing:
        scene.plain[number] = found
    return found


def _signature(scene: Scene, kind: Kind, i: int, policy: Policy | MissingPolicy) -> Signature:
    """The terms of the statements of a document that may match: those that allow, those that deny, and what is unknown."""
    if isinstance(policy, MissingPolicy):
        return (), (), Opaque(f"missing:{policy.arn}")
    caller = caller_of(scene.ask.env, scene.index.principals[i])
    key = _alike(scene, kind, caller, policy)
    found = scene.made.get(key)
    if found is None:
        made = _side(scene, caller, policy)
        allows = tuple(dict.fromkeys(strip(h.term) for h in made.allow))
        found = scene.made[key] = (allows, tuple(dict.fromkeys(strip(h.term) for h in made.deny)), made.unknown)
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
    reads = reads_in(scene, policy)
    if reads.nothing:
        return (document_key(policy), policy.kind)
    ways = (caller.open_source_identity, caller.open_provider, caller.open_services) if reads.session else None
    rest = _bindings(scene, kind, caller, reads.coarse) if ways is None else kind
    return (document_key(policy), policy.kind, rest, values_of(reads, caller, _tables(scene)), ways)


def _bindings(scene: Scene, kind: Kind, caller: Caller, names: tuple[str, ...]) -> object:
    """What the keys `names`, which are the same for all of a kind, are bound to."""
    found = scene.bound.get((kind, names))
    if found is None:
        facts = facts_of(scene.ask, caller, scene.action, scene.target)
        found = scene.bound[kind, names] = tuple(map(lookup_of(facts), names))
    return found


def facts_in(scene: Scene, i: int) -> Facts:
    """The facts of the scene's check for a principal."""
    caller = caller_of(scene.ask.env, scene.index.principals[i])
    return facts_of(scene.ask, caller, scene.action, scene.target)


def _side(scene: Scene, caller: Caller, policy: Policy) -> Side:
    facts = facts_of(scene.ask, caller, scene.action, scene.target)
    return side(facts, lookup_of(facts), _LABEL, (policy,))


def reads_in(scene: Scene, policy: Policy) -> Reads:
    """What the statements on the action read of the caller; worked out once for a document and an action."""
    found = scene.read.get(id(policy))
    if found is None:
        key = ("reads", document_key(policy), scene.action)
        kept = once(scene.ask.env.memo, key, lambda: (reads_of(scene.sample, policy), policy))[0]
        found = scene.read[id(policy)] = (kept, policy)
    return found[0]

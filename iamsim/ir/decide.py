"""The policy evaluation logic, once: the layers that apply to a check become one term for its authorization."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.aws.limits import BINDS, Grant, Limit, Scope
from iamsim.ir.term import FALSE, TRUE, Label, LabelKind, Named, Opaque, agree, all_of, any_of, not_

if TYPE_CHECKING:
    from iamsim.ir.term import Term


@dataclass(frozen=True, slots=True)
class Hit:
    """A statement that may match: its label and the term under which it does (TRUE: it does)."""

    label: Label
    term: Term


@dataclass(frozen=True, slots=True)
class Side:
    """One layer: all policies of one kind (or one level of SCPs) that apply, as the statements that may match.

    `unknown` is the term of documents that could not be read or are missing: FALSE, or an Opaque.
    """

    label: Label
    allow: tuple[Hit, ...] = ()
    deny: tuple[Hit, ...] = ()
    unknown: Term = FALSE

    @property
    def allows(self) -> Term:
        """Whether some Allow statement of the layer matches."""
        return _hits(self.allow, self.unknown)

    @property
    def denies(self) -> Term:
        """Whether some Deny statement of the layer matches."""
        return _hits(self.deny, self.unknown)


@dataclass(frozen=True, slots=True)
class ResourceSide:
    """The resource policy by class of grant (semantics 2.5); `side.allow` holds all of them for explanations."""

    side: Side
    direct: tuple[Hit, ...] = ()
    via: tuple[Hit, ...] = ()
    account: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Everything that applies to one check. A limit that does not apply is None or empty.

    `scope` None means that the owner of the resource is not known. `needs_resource_grant`: identity policies count only
    if the resource policy lets the account decide. `resource_policy_possible`: false where the type has none.
    `doubtful` are grants of which it is not known
    whether any limit binds them. `refused` and `free` are
    the reasons for which the call is denied or allowed without any policy (semantics 5.7). `unread` is the class and
    reason of a grant that no input kind holds; it is among the resource's hits.
    """

    scope: Scope | None
    identity: Side
    boundary: Side | None = None
    session: Side | None = None
    scps: tuple[Side, ...] = ()
    rcps: tuple[Side, ...] = ()
    resource: ResourceSide | None = None
    endpoints: tuple[Side, ...] = ()
    service_deny: tuple[Hit, ...] = ()
    service_refuses: tuple[Hit, ...] = ()
    needs_resource_grant: bool = False
    resource_policy_possible: bool = True
    refused: str | None = None
    refused_unknown: Term = FALSE
    doubtful: tuple[Hit, ...] = ()
    free: str | None = None
    unread: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The meaning of a check: it is allowed iff `allowed`, explicitly denied iff `denied`; `granted` ignores denies.

    `grants` and `limits` are the parts of which `granted` is made, for explanations: (label, term).
    """

    allowed: Term
    denied: Term
    granted: Term
    grants: tuple[tuple[Label, Term], ...] = ()
    limits: tuple[tuple[Label, Term], ...] = ()
    denies: tuple[Hit, ...] = field(default=())


def _hits(hits: tuple[Hit, ...], unknown: Term) -> Term:
    if not hits:
        return unknown
    parts = [h.term if h.term is TRUE else Named(h.label, h.term) for h in hits]
    return TRUE if TRUE in parts else any_of([*parts, unknown])


def _rule(text: str) -> Label:
    return Label(LabelKind.RULE, text)


def decide(layers: Layers) -> Authorization:
    """The authorization of a check by its layers: some grant that passes every limit that binds it, and no Deny.

    Source: IAM User Guide, "Policy evaluation logic"; which limit binds which grant is a row of aws/limits.py.
    """
    if layers.refused is not None:
        label = _rule(layers.refused)
        return Authorization(allowed=FALSE, denied=FALSE, granted=FALSE, limits=((label, FALSE),))
    if layers.free is not None:
        return Authorization(allowed=TRUE, denied=FALSE, granted=TRUE, grants=((_rule(layers.free), TRUE),))
    denies = tuple(h for side in _denying(layers) for h in side.deny) + layers.service_deny
    denied = any_of([_hits(denies, FALSE), *(side.unknown for side in _denying(layers) if side.unknown is not FALSE)])
    limits = _common_limits(layers)
    grants = _grants(layers)
    granted = all_of([any_of(t for _, t in grants), *(t for _, t in limits)])
    allowed = all_of((granted, not_(denied)))
    return Authorization(allowed=allowed, denied=denied, granted=granted, grants=grants, limits=limits, denies=denies)


def _denying(layers: Layers) -> list[Side]:
    sides = [layers.identity, layers.boundary, layers.session, *layers.scps, *layers.rcps, *layers.endpoints]
    out = [s for s in sides if s is not None]
    return [*out, layers.resource.side] if layers.resource is not None else out


def _common_limits(layers: Layers) -> tuple[tuple[Label, Term], ...]:
    """Limits of every grant. RCPs only deny, so the managed allow-all RCP leaves nothing to pass."""
    out = [(s.label, s.allows) for s in (*layers.scps, *layers.endpoints)]
    out += [(h.label, not_(h.term)) for h in layers.service_refuses]
    if layers.refused_unknown is not FALSE:
        out.append((_rule("service"), not_(layers.refused_unknown)))
    return tuple((label, t) for label, t in out if t is not TRUE)


def _grants(layers: Layers) -> tuple[tuple[Label, Term], ...]:
    return (*_certain_grants(layers), *((h.label, h.term) for h in layers.doubtful))


def _certain_grants(layers: Layers) -> tuple[tuple[Label, Term], ...]:
    if layers.scope is not None:
        return _scoped(layers, layers.scope)
    same, cross = _scoped(layers, Scope.SAME), _scoped(layers, Scope.CROSS)
    merged = agree(any_of(t for _, t in same), any_of(t for _, t in cross), "missing:owner of the resource")
    return ((_rule("owner of the resource is not known"), merged),)


def _scoped(layers: Layers, scope: Scope) -> tuple[tuple[Label, Term], ...]:
    """Each grant of the scope with the limits that bind it."""
    out: list[tuple[Label, Term]] = []
    for grant in Grant:
        limits = BINDS.get((scope, grant))
        if limits is None or not counts(layers, scope, grant):
            continue
        term = _grant_term(layers, grant)
        if term is FALSE:
            continue
        bound = [_limit_term(layers, limit) for limit in limits]
        out.append((_grant_label(layers, grant), all_of([term, *bound])))
    return tuple(out)


def counts(layers: Layers, scope: Scope, grant: Grant) -> bool:
    """Whether a grant of this class can be one in the scope, whatever it says."""
    if grant is Grant.IDENTITY:
        return not layers.needs_resource_grant
    if not layers.resource_policy_possible:
        return False
    if grant is Grant.ACCOUNT and scope in (Scope.SAME, Scope.ROOT):
        return layers.needs_resource_grant
    return True


def _grant_term(layers: Layers, grant: Grant) -> Term:
    if grant is Grant.IDENTITY:
        return layers.identity.allows
    res = layers.resource
    if res is None:
        return FALSE
    hits = {Grant.DIRECT: res.direct, Grant.VIA: res.via, Grant.ACCOUNT: res.account}[grant]
    return _hits(hits, res.side.unknown)


def _grant_label(layers: Layers, grant: Grant) -> Label:
    if grant is Grant.IDENTITY or layers.resource is None:
        return layers.identity.label
    return layers.resource.side.label


def _limit_term(layers: Layers, limit: Limit) -> Term:
    side = {Limit.IDENTITY: layers.identity, Limit.BOUNDARY: layers.boundary, Limit.SESSION: layers.session}[limit]
    return TRUE if side is None else side.allows


def unknown_side(label: Label, reason: str) -> Side:
    """A layer about which nothing is known: it may allow and it may deny."""
    return Side(label, unknown=Opaque(reason))

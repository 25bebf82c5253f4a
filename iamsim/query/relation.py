"""How two policies stand to each other: equivalent, narrower, wider or incomparable, with a request for each difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

from iamsim import replay
from iamsim.aws.actions import action_info, data_date, resource_arn_patterns
from iamsim.aws.keys import key_row
from iamsim.env.hits import label_of
from iamsim.errors import InternalError
from iamsim.judge.answer import Cited, Verdict
from iamsim.judge.axioms import hint_of
from iamsim.query.compare import DEFAULT_LIMITS, holding, narrower, narrower_in_future

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.model.policy import Policy
    from iamsim.query.compare import Comparison
    from iamsim.smt.types import Limits


class Relation(StrEnum):
    """What policy A is to policy B."""

    EQUIVALENT = "equivalent"
    NARROWER = "narrower"
    WIDER = "wider"
    INCOMPARABLE = "incomparable"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Excess:
    """A request that one policy allows and the other does not: with the statements of the one that allow it, and those of
    the other that deny it (none: it has nothing that allows it). `context` has the keys that matter.
    """

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]]
    allowed_by: tuple[Cited, ...]
    denied_by: tuple[Cited, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How A stands to B. `only_a` is a request that A allows and B does not, `only_b` the other way round.

    UNDECIDED has `reasons` (codes of the semantics ledger) and may have one of the two requests. `future` is the relation
    when actions that AWS may add one day count as well; `future_a` and `future_b` are such actions.
    """

    relation: Relation
    only_a: Excess | None = None
    only_b: Excess | None = None
    reasons: tuple[str, ...] = ()
    future: Relation
    future_a: str | None = None
    future_b: str | None = None
    data_date: str = field(default="", compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """One dict per request that tells the policies apart: side (`a` or `b`), action, resource, context, statements."""
        return [
            {
                "only": side,
                "action": found.action,
                "resource": found.resource,
                "context": {k: list(v) for k, v in found.context.items()},
                "allowed_by": [c.text for c in found.allowed_by],
                "denied_by": [c.text for c in found.denied_by],
            }
            for side, found in (("a", self.only_a), ("b", self.only_b))
            if found is not None
        ]


def compare(a: Policy, b: Policy, *, any_resource: bool = False, limits: Limits = DEFAULT_LIMITS) -> Compared:
    """How `a` stands to `b` as identity policies of a caller of whom nothing is known.

    A request that tells them apart has been confirmed by the independent evaluator (else InternalError). The resource of
    a request is of a type that its action works on; with `any_resource` it may be any.
    """
    ab = narrower(a, b, limits, any_resource=any_resource)
    ba = narrower(b, a, limits, any_resource=any_resource)
    future_ab, future_ba = narrower_in_future(a, b, limits), narrower_in_future(b, a, limits)
    return Compared(
        relation=_relation(ab.verdict, ba.verdict),
        only_a=excess_of(a, b, ab),
        only_b=excess_of(b, a, ba),
        reasons=tuple(
            sorted({r for c in (ab, ba) if c.verdict is Verdict.UNKNOWN for r in (c.reason or "").split("; ")})
        ),
        future=_relation(_both(ab, future_ab), _both(ba, future_ba)),
        future_a=future_ab.action,
        future_b=future_ba.action,
        data_date=data_date(),
    )


def _both(today: Comparison, later: Comparison) -> Verdict:
    found = {today.verdict, later.verdict}
    return Verdict.NO if Verdict.NO in found else Verdict.UNKNOWN if Verdict.UNKNOWN in found else Verdict.YES


def _relation(ab: Verdict, ba: Verdict) -> Relation:
    match ab, ba:
        case (Verdict.YES, Verdict.YES):
            return Relation.EQUIVALENT
        case (Verdict.YES, Verdict.NO):
            return Relation.NARROWER
        case (Verdict.NO, Verdict.YES):
            return Relation.WIDER
        case (Verdict.NO, Verdict.NO):
            return Relation.INCOMPARABLE
        case _:
            return Relation.UNDECIDED


def excess_of(a: Policy, b: Policy, found: Comparison) -> Excess | None:
    """The request of a NO, confirmed by the independent evaluator; None for other verdicts."""
    if found.verdict is not Verdict.NO or found.action is None or found.assignment is None:
        return None
    assignment = _plausible(a, b, found.action, dict(found.assignment))
    resource = assignment.get("resource", ("*",))[0]
    context = {k: v for k, v in assignment.items() if k not in ("resource", "action") and v and not _internal(k)}
    _confirm(a, b, found.action, resource, context)
    info = action_info(found.action)
    return Excess(
        action=info.name if info is not None else found.action,
        resource=resource,
        context={key_row(k, None).name: v for k, v in sorted(context.items())},
        allowed_by=_cited(a, found.action, assignment, deny=False),
        denied_by=_cited(b, found.action, assignment, deny=True),
    )


def _internal(key: str) -> bool:
    return "|" in key or key.startswith("=")


def _cited(policy: Policy, action: str, assignment: Mapping[str, tuple[str, ...]], *, deny: bool) -> tuple[Cited, ...]:
    out = {}
    for index in holding(policy, action, assignment, deny=deny):
        label = label_of(policy, policy.statements[index])
        out[label.text] = Cited(label.text, "identity", label.origin)
    return tuple(out.values())


def _plausible(a: Policy, b: Policy, action: str, assignment: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The assignment with a resource that looks like a real one, if such a one tells the policies apart as well."""
    if assignment.get("resource", ("*",))[0] == "*":
        return assignment
    for resource in islice(_samples(a, action), _TRIED):
        tried = {**assignment, "resource": (resource,)}
        if _decision(a, action, resource, tried) == "allowed" and _decision(b, action, resource, tried) in _DENIED:
            return tried
    return assignment


def _samples(a: Policy, action: str) -> Iterator[str]:
    """Resources of the types of the action: names from the policy, then invented ones."""
    from iamsim.aws.actions import fits

    stated = {
        p.text
        for s in a.statements
        if s.resource is not None and not s.resource.negated
        for p in s.resource.patterns
        if hasattr(p, "text") and p.text.count(":") >= 5 and "${" not in p.text
    }
    for text in (*sorted(stated), *resource_arn_patterns(action)):
        made = _filled(text)
        if fits(action, made) is True:
            yield made


def _filled(template: str) -> str:
    fields = template.split(":", 5)
    names = ("aws", "", "us-east-1", "123456789012")
    head = [fields[0], fields[1].replace("*", names[0]), fields[2]]
    head += [f if "*" not in f else n for f, n in zip(fields[3:5], names[2:], strict=True)]
    return ":".join([*head, fields[5].replace("*", "example").replace("?", "x")])


_TRIED = 24
_DENIED = ("implicitDeny", "explicitDeny")
_ACCOUNT = "123456789012"
_USER = f"arn:aws:iam::{_ACCOUNT}:user/example"
_CALLER = {
    "aws:principalarn": (_USER,),
    "aws:principalaccount": (_ACCOUNT,),
    "aws:principaltype": ("User",),
    "aws:username": ("example",),
}


def _decision(policy: Policy, action: str, resource: str, context: Mapping[str, tuple[str, ...]]) -> str:
    """What the independent evaluator makes of a request under the policy alone; keys that `context` lacks are absent."""
    keys = {k: list(v) for k, v in context.items() if k not in ("resource", "action") and v and not _internal(k)}
    problem = {
        "caller": {"kind": "user", "arn": _USER, "account": _ACCOUNT, "credentials": "long-term", "service_names": []},
        "action": action,
        "resource": resource,
        "owner": _ACCOUNT,
        "context": keys,
        "multivalued": sorted(k for k in keys if hint_of(k).multivalued),
        "given": sorted({*keys, *_CALLER}),
        "policies": {"identity": [policy.document], "resource_kind": "none"},
    }
    return str(replay.says(problem)["decision"])


def _confirm(a: Policy, b: Policy, action: str, resource: str, context: Mapping[str, tuple[str, ...]]) -> None:
    found = (_decision(a, action, resource, context), _decision(b, action, resource, context))
    if found[0] != "allowed" or found[1] not in _DENIED:
        raise InternalError(
            f"the independent evaluator says {found[0]} and {found[1]} of a request found to tell two policies apart",
            {"action": action, "resource": resource, "context": dict(context), "policies": [a.document, b.document]},
        )

"""What one policy document allows that another does not, action by action: a change of a policy in review."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from iamsim.aws.actions import data_date
from iamsim.aws.universe import shape_groups, universe
from iamsim.diagnostics import Origin
from iamsim.env.types import Environment, Principal, PrincipalKind
from iamsim.errors import QueryError
from iamsim.ir.lower import RESOURCE
from iamsim.ir.term import FALSE, Like, Term, all_of, not_
from iamsim.judge.answer import Request, Verdict, Witness
from iamsim.model.arn import parse_arn
from iamsim.model.pattern import Pattern, tokenize
from iamsim.model.policy import Effect, Malformed, PolicyKind
from iamsim.model.read_policy import read_policy
from iamsim.query.affected import bit_indices
from iamsim.query.compare import (
    DEFAULT_LIMITS,
    Comparison,
    allows,
    classes,
    covered,
    model_of,
    representatives,
    term_of,
)
from iamsim.query.diff import diff
from iamsim.query.diff_rows import Diff, Row
from iamsim.query.relation import excess_of
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from iamsim.model.policy import Policy
    from iamsim.query.compare import Mask
    from iamsim.smt.types import Limits

    Found = tuple[int, tuple[str, ...], Comparison]

WHOEVER = "whoever has the policy"
_ACCOUNT = "123456789012"
_NOBODY = "999999999999"
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_STATED = 24


def diff_policies(
    before: Policy, after: Policy, *, limits: Limits = DEFAULT_LIMITS, progress: Callable[[int], None] | None = None
) -> Diff:
    """What became possible and ceased to be from one policy document to another, as rows of `diff`.

    Identity policies (boundaries and SCPs read alike) are compared as those of a caller of whom nothing is known, so that a row
    holds for some caller; a request has been confirmed by the independent evaluator. Trust policies are compared as those of a
    role in an account of its own: who may assume it. Raises QueryError for documents of two kinds, and for resource policies,
    which need the resource.
    """
    if before.kind is not after.kind:
        raise QueryError(f"one document is a {before.kind}, the other a {after.kind}", "give two of one kind")
    match before.kind:
        case PolicyKind.TRUST:
            return _of_trust(before, after)
        case PolicyKind.RESOURCE:
            raise QueryError(
                "a resource policy says nothing without its resource",
                'give two snapshots: [{"Resource": "ARN", "Account": "ID", "Policy": {…}}]',
            )
        case _:
            lost, gained = _rows(before, after, limits, gained=False), _rows(after, before, limits, gained=True)
            rows = [*gained, *lost]
            if progress is not None:
                progress(len(rows))
            return Diff(rows=tuple(rows), notes=(), data_date=data_date())


def _of_trust(before: Policy, after: Policy) -> Diff:
    callers = dict.fromkeys(p for policy in (before, after) for p in _trusted(policy))
    found = diff(_role(before, callers), _role(after, callers))
    notes = (
        f"the policies are read as those of a role of account {_ACCOUNT}",
        "whom they name has every permission of its own; SOMEBODY is any such user or role of its account",
    )
    return replace(found, notes=notes)


def _trusted(trust: Policy) -> Iterator[str]:
    """The ARNs of the users and roles that the policy names; for an account and for `*` that of some user of it."""
    for statement in trust.statements:
        for entry in statement.principal.entries if statement.principal is not None else ():
            if isinstance(entry, Malformed) or entry.type not in ("AWS", "*"):
                continue
            arn = parse_arn(entry.value)
            if arn is not None and arn.service == "iam" and arn.resource.startswith(("user/", "role/")):
                yield entry.value
            elif entry.value == "*":
                yield _somebody(_NOBODY)
            elif entry.value.isdigit() or (arn is not None and arn.account.isdigit()):
                yield _somebody(entry.value if arn is None else arn.account)


def _somebody(account: str) -> str:
    return f"arn:aws:iam::{account}:user/SOMEBODY"


def _role(trust: Policy, callers: Iterable[str]) -> Environment:
    """The role of the trust policy, and its callers with every permission."""
    arn = f"arn:aws:iam::{_ACCOUNT}:role/example"
    everything, _ = read_policy(_EVERYTHING, PolicyKind.IDENTITY, "everything", Origin("<everything>"))
    made = {a: _principal(a, (everything,), None) for a in callers}
    principals = {**made, arn: _principal(arn, (), trust)}
    return Environment(
        accounts=frozenset(a.split(":")[4] for a in principals),
        principals=MappingProxyType(dict(sorted(principals.items()))),
    )


def _principal(arn: str, policies: tuple[Policy, ...], trust: Policy | None) -> Principal:
    kind, _, path = arn.split(":", 5)[5].partition("/")
    return Principal(
        arn=arn,
        kind=PrincipalKind(kind),
        account=arn.split(":")[4],
        name=path.rpartition("/")[2],
        path=f"/{path.rpartition('/')[0]}/".replace("//", "/"),
        unique_id=None,
        policies=policies,
        trust=trust if kind == "role" else None,
        tags_known=False,
        origin=Origin("<policies>"),
    )


def _rows(a: Policy, b: Policy, limits: Limits, *, gained: bool) -> list[Row]:
    """One row for the actions with a difference on the same resources."""
    places: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[int, Comparison]] = {}
    for bits, resources, found in _differences(a, b, limits):
        reasons = () if found.verdict is Verdict.NO else tuple(sorted(set((found.reason or "").split("; "))))
        known = places.get((resources, reasons))
        places[resources, reasons] = (bits, found) if known is None else (known[0] | bits, known[1])
    names = universe().names
    rows = []
    for (resources, reasons), (bits, found) in places.items():
        actions = tuple(sorted((names[i] for i in bit_indices(bits)), key=str.lower))
        rows.append(
            Row(
                gained=gained,
                principals=(WHOEVER,),
                actions=actions,
                resources=resources,
                witness=None if reasons else _witness(a, b, found),
                reasons=reasons,
            )
        )
    return sorted(rows, key=lambda r: (bool(r.reasons), r.actions, r.resources))


def _differences(a: Policy, b: Policy, limits: Limits) -> Iterator[Found]:
    """Known actions (a bit set) of which A allows some request that B does not, where, and one; or why that is not known."""
    for mask_a, bits_a in classes(a):
        if not allows(a, mask_a):
            continue
        for mask_b, bits_b in classes(b):
            common = bits_a & bits_b
            if common and not covered(a, mask_a, b, mask_b):
                yield from _of_class(a, mask_a, b, mask_b, common, limits)


def _of_class(a: Policy, mask_a: Mask, b: Policy, mask_b: Mask, common: int, limits: Limits) -> Iterator[Found]:
    names = universe().names
    stated = _stated(a, mask_a)
    for _, service, actions in representatives(common):
        difference = all_of((term_of(a, mask_a, service), not_(term_of(b, mask_b, service))))
        if difference is FALSE:
            continue
        kinds = [(actions, ())] if service else [(here, p) for bits, p in shape_groups() if (here := actions & bits)]
        for here, patterns in kinds:
            found = model_of(difference, patterns, limits)
            if found is None:
                continue
            name = names[next(iter(bit_indices(here)))]
            resources = ("*",) if service else _where(difference, patterns, stated, limits)
            if isinstance(found, Sat):
                yield here, resources, Comparison(Verdict.NO, name, found.assignment)
            else:
                yield here, resources, Comparison(Verdict.UNKNOWN, name, reason=found)


def _stated(policy: Policy, mask: Mask) -> tuple[str, ...]:
    """The resource patterns of the Allow statements, none if some of them has no plain list of them."""
    out: dict[str, None] = {}
    for statement in (policy.statements[i] for i in mask):
        element = statement.resource
        if statement.effect is Effect.DENY:
            continue
        if element is None or element.negated:
            return ()
        for pattern in element.patterns:
            if not isinstance(pattern, Pattern) or pattern.variables:
                return ()
            out[pattern.text] = None
    return tuple(out) if len(out) <= _STATED and "*" not in out else ()


def _where(difference: Term, kinds: tuple[str, ...], stated: tuple[str, ...], limits: Limits) -> tuple[str, ...]:
    """Those of the patterns within which something differs, `*` without any."""
    found = [
        t for t in stated
        if model_of(all_of((difference, Like(RESOURCE, tokenize(t, variables=False)))), kinds, limits) is not None
    ]  # fmt: skip
    return tuple(sorted(found)) or ("*",)


def _witness(a: Policy, b: Policy, found: Comparison) -> Witness | None:
    excess = excess_of(a, b, found)
    if excess is None:
        return None
    request = Request(
        caller=WHOEVER,
        action=excess.action,
        resource=excess.resource,
        owner=None,
        context=excess.context,
        chosen=tuple(excess.context),
    )
    return Witness(request=request, allowed_by=excess.allowed_by)

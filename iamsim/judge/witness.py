"""Witnesses: a model decoded to a request, the statements that allow it, and the check by the independent evaluator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim import replay
from iamsim.aws.keys import key_row
from iamsim.errors import InternalError
from iamsim.ir.bindings import Alias, Ambivalent, Cases
from iamsim.ir.evaluate import evaluate
from iamsim.judge.answer import Cited, Request, Witness
from iamsim.judge.problem import replay_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from iamsim.ir.decide import Hit
    from iamsim.judge.check import Check


def witness_of(check: Check, assignment: Mapping[str, tuple[str, ...]], *, verify: bool = True) -> Witness:
    """The request that `assignment` makes of the check, with what allows it.

    Raises InternalError, with the problem attached, if the independent evaluator does not allow the request.
    """
    problem = replay_problem(check, assignment)
    if verify:
        _verify(problem)
    chosen = tuple(sorted(key_row(k, None).name for k in problem["context"] if _is_chosen(check, k)))
    context = {key_row(k, None).name: tuple(v) for k, v in problem["context"].items()}
    caller = problem["caller"]
    request = Request(
        caller=caller["arn"] or str(check.facts.caller),
        action=_action_name(problem["action"]),
        resource=problem["resource"],
        owner=problem["owner"],
        context=dict(sorted(context.items())),
        chosen=chosen,
    )
    return Witness(request=request, allowed_by=tuple(_allowed_by(check, assignment)))


def _verify(problem: dict[str, Any]) -> None:
    try:
        found = replay.check(problem)
    except ValueError as error:
        raise InternalError(f"the replay of a witness was refused: {error}", problem) from error
    if found["decision"] != "allowed":
        raise InternalError(
            f"the independent evaluator says {found['decision']} {found['reasons']} of a request found allowed", problem
        )


def _is_chosen(check: Check, key: str) -> bool:
    return key not in check.facts.given and isinstance(check.lookup(key), Alias | Cases | Ambivalent)


def _action_name(action: str) -> str:
    from iamsim.aws.actions import action_info

    info = action_info(action)
    return info.name if info is not None else action


def _allowed_by(check: Check, assignment: Mapping[str, tuple[str, ...]]) -> Iterable[Cited]:
    """The statements that match, by layer: the grants first, then what each limit lets pass."""
    layers = check.layers
    if layers.free is not None:
        yield Cited(layers.free, "rule")
        return
    yield from _cited(layers.identity.allow, "identity", assignment)
    if layers.resource is not None:
        yield from _cited(layers.resource.side.allow, "resource", assignment)
    if layers.boundary is not None:
        yield from _cited(layers.boundary.allow, "boundary", assignment)
    if layers.session is not None:
        yield from _cited(layers.session.allow, "session", assignment)
    for scp in layers.scps:
        yield from list(_cited(scp.allow, "scp", assignment))[:1]
    for endpoint in layers.endpoints:
        yield from _cited(endpoint.allow, "endpoint", assignment)


def _cited(hits: tuple[Hit, ...], role: str, assignment: Mapping[str, tuple[str, ...]]) -> Iterable[Cited]:
    seen = set()
    for hit in hits:
        if hit.label not in seen and evaluate(hit.term, assignment):
            seen.add(hit.label)
            yield Cited(hit.label.text, role, hit.label.origin)

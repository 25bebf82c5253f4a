"""Answers and errors as JSON values of the schema `iamsim/1`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from iamsim.errors import InputError, QueryError
from iamsim.report.term_text import term_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iamsim.diagnostics import Diagnostic
    from iamsim.judge.answer import Answer, Cited, Hop, Request, Witness
    from iamsim.query.escalations import Escalations
    from iamsim.query.minimal import Path

SCHEMA = "iamsim/1"
_LONG = 1_000_000


def answer_json(answer: Answer, id: Any = None, *, more_notes: tuple[str, ...] = ()) -> dict[str, Any]:  # noqa: A002
    """The answer as a JSON value with members in fixed order; `id` is that of the question."""
    core = answer.core
    residual = answer.residual
    return {
        "schema": SCHEMA,
        "id": id,
        "verdict": answer.verdict.value,
        "decision": answer.decision.value,
        "path": [_hop(hop) for hop in answer.path],
        "witness": None if answer.witness is None else _witness(answer.witness),
        "core": None if core is None else [_item(c) for c in core.items],
        "remedy": [] if core is None else list(core.remedy),
        "residual": None if residual is None else term_text(residual, _LONG),
        "reasons": list(answer.reasons),
        "assumptions": list(answer.assumptions),
        "notes": [*answer.notes, *more_notes],
        "warnings": [diagnostic_json(d) for d in answer.warnings],
        "data_date": answer.data_date,
    }


def error_json(error: Exception, id: Any = None) -> dict[str, Any]:  # noqa: A002
    """The error object that stands in place of an answer; `kind` is `input`, `query` or `internal`."""
    match error:
        case InputError():
            kind, remedy, found = "input", error.help, [diagnostic_json(d) for d in error.diagnostics]
        case QueryError():
            kind, remedy, found = "query", error.help, []
        case _:
            kind, remedy, found = "internal", "set IAMSIM_DEBUG=1 to see where, and report it", []
    about: dict[str, Any] = {"message": str(error), "help": remedy, "kind": kind}
    if found:
        about["diagnostics"] = found
    return {"schema": SCHEMA, "id": id, "error": about}


def json_line(value: Any) -> str:
    """The value on one line of ASCII, members as they are ordered."""
    return json.dumps(value, separators=(", ", ": "))


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "caller": hop.caller,
        "action": hop.action,
        "target": hop.target,
        "request": _request(hop.witness.request),
        "statements": [_statement(c) for c in hop.witness.allowed_by],
        "technique": hop.technique,
        "title": hop.title,
        "gains": hop.gains or f"a session of {hop.target}",
        "assumptions": list(hop.assumptions),
        "requests": [_witness(w) for w in hop.calls or (hop.witness,)],
    }


def way_json(hops: Iterable[Hop], witness: Witness | None) -> dict[str, Any]:
    """The steps of a way and the request at its end as members of a JSON value."""
    return {"path": [_hop(hop) for hop in hops], "witness": None if witness is None else _witness(witness)}


def path_json(path: Path) -> dict[str, Any]:
    """One way as a JSON value with members in fixed order."""
    return {
        "steps": len(path.hops),
        "caller": path.caller,
        **way_json(path.hops, path.witness),
        "residual": None if path.residual is None else term_text(path.residual, _LONG),
        "techniques": list(path.techniques),
        "assumptions": list(path.assumptions),
    }


def paths_json(paths: list[Path], *, more: bool, reasons: tuple[str, ...], notes: tuple[str, ...]) -> dict[str, Any]:
    """Ways as one JSON value; `more` iff there are further ones, `reasons` why there may be one if none is listed."""
    return {
        "schema": SCHEMA,
        "paths": [path_json(p) for p in paths],
        "more": more,
        "reasons": list(reasons),
        "notes": list(notes),
    }


def escalations_json(found: Escalations) -> dict[str, Any]:
    """What one principal can become as a JSON value with members in fixed order."""
    return {
        "source": found.source,
        "admin": found.admin,
        "rows": [
            {
                "principal": r.principal,
                "admin": r.admin,
                "steps": r.steps,
                "first": r.first,
                "techniques": list(r.techniques),
                "reach": r.reach,
                "created": r.created,
                "assumptions": list(r.assumptions),
            }
            for r in found.rows
        ],
        "changes": [
            {
                "change": c.change,
                "steps": c.steps,
                "techniques": list(c.techniques),
                "assumptions": list(c.assumptions),
            }
            for c in found.changes
        ],
        "undecided": [{"principal": p, "reasons": list(r)} for p, r in found.undecided],
    }


def all_escalations_json(found: list[Escalations], notes: tuple[str, ...]) -> dict[str, Any]:
    """What several principals can become as one JSON value."""
    return {"schema": SCHEMA, "principals": [escalations_json(e) for e in found], "notes": list(notes)}


def _witness(witness: Witness) -> dict[str, Any]:
    return {**_request(witness.request), "statements": [_statement(c) for c in witness.allowed_by]}


def _request(request: Request) -> dict[str, Any]:
    return {
        "caller": request.caller,
        "action": request.action,
        "resource": request.resource,
        "owner": request.owner,
        "context": {key: list(request.context[key]) for key in sorted(request.context)},
        "chosen": sorted(request.chosen),
    }


def _statement(cited: Cited) -> dict[str, Any]:
    return {
        "text": cited.text,
        "file": None if cited.origin is None else cited.origin.source,
        "pointer": None if cited.origin is None else cited.origin.pointer,
    }


def _item(cited: Cited) -> dict[str, Any]:
    place = _statement(cited)
    return {"text": place.pop("text"), "role": cited.role, **place, "details": list(cited.details)}


def diagnostic_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as a JSON value."""
    return {
        "id": diagnostic.id,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "file": diagnostic.origin.source,
        "pointer": diagnostic.origin.pointer,
        "line": diagnostic.span[0] if diagnostic.span else None,
        "column": diagnostic.span[1] if diagnostic.span else None,
        "help": diagnostic.help,
    }

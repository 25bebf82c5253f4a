"""The order of roles by what they are allowed, as text and as JSON: `iamsim equivalent-roles`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.graph.world import short
from iamsim.report.json import SCHEMA
from iamsim.report.lines import Line, Style, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.query.equivalent import RoleOrder
    from iamsim.query.relation import Excess

_TEXT = 2000


def roles_lines(found: Iterable[RoleOrder]) -> Iterator[Line]:
    """Account by account: roles that are allowed the same, roles within others, and what could not be placed."""
    for number, order in enumerate(found):
        if number:
            yield line("")
        count = sum(map(len, order.classes)) + len(order.left)
        same = [names for names in order.classes if len(names) > 1]
        yield line(
            f"{order.account}: {count} role{'s' if count != 1 else ''}, {len(same)} group{'s' if len(same) != 1 else ''} that "
            "may do the same",
            style=Style.HEAD,
        )
        yield from _same(order, same)
        yield from _steps(order)
        yield from _told("not placed", [(short(arn), why) for arn, why in order.left])
        yield from _told("not known whether within", [(short(a), short(b)) for a, b in order.undecided])


def _same(order: RoleOrder, groups: list[tuple[str, ...]]) -> Iterator[Line]:
    if not groups:
        return
    yield line("")
    yield line("may do the same", indent=2, style=Style.HEAD)
    apart: dict[str, list[str]] = {}
    for arn, why in order.apart:
        apart.setdefault(arn, []).append(why)
    for names in groups:
        yield line(f"- {' = '.join(printable(short(n), _TEXT) for n in names)}", indent=4)
        for name in names:
            yield from (
                line(f"but of {printable(short(name))}: {printable(w, _TEXT)}", indent=6) for w in apart.get(name, ())
            )


def _steps(order: RoleOrder) -> Iterator[Line]:
    if not any(order.above):
        return
    yield line("")
    yield line("may do part of what another may", indent=2, style=Style.HEAD)
    for i, above in enumerate(order.above):
        for j in above:
            names = (" = ".join(printable(short(n), _TEXT) for n in order.classes[k]) for k in (i, j))
            yield line(f"- {' < '.join(names)}", indent=4)
            if (i, j) in order.more:
                yield line(f"which also may {_excess(order.more[i, j])}", indent=6)


def _excess(excess: Excess) -> str:
    keys = "".join(
        f", {printable(k)} = {' and '.join(printable(json.dumps(x, ensure_ascii=False)) for x in v)}"
        for k, v in excess.context.items()
    )
    return f"{printable(excess.action)} on {printable(excess.resource, _TEXT)}{keys}"


def _told(head: str, pairs: list[tuple[str, str]]) -> Iterator[Line]:
    if pairs:
        yield line("")
        yield line(head, indent=2, style=Style.HEAD)
    for name, why in pairs:
        yield line(f"- {printable(name, _TEXT)}: {printable(why, _TEXT)}", indent=4)


def roles_json(found: Iterable[RoleOrder], notes: tuple[str, ...], data_date: str) -> dict[str, Any]:
    """The order as one JSON value with members in fixed order."""
    return {
        "schema": SCHEMA,
        "accounts": [
            {
                "account": o.account,
                "classes": [list(names) for names in o.classes],
                "within": [
                    {"class": i, "of": j, "more": _excess_json(o.more.get((i, j)))}
                    for i, above in enumerate(o.above)
                    for j in above
                ],
                "apart": [{"role": arn, "why": why} for arn, why in o.apart],
                "left": [{"role": arn, "why": why} for arn, why in o.left],
                "undecided": [list(pair) for pair in o.undecided],
            }
            for o in found
        ],
        "notes": list(notes),
        "data_date": data_date,
    }


def _excess_json(excess: Excess | None) -> dict[str, Any] | None:
    if excess is None:
        return None
    return {
        "action": excess.action,
        "resource": excess.resource,
        "context": {k: list(v) for k, v in excess.context.items()},
        "allowed_by": [c.text for c in excess.allowed_by],
    }

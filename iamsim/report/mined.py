"""Rules that were found to hold, as a file of rules and as JSON: `iamsim mine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.findings import printable
from iamsim.report.json import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iamsim.check.mine import Mined


def mined_text(found: Sequence[Mined], sources: Sequence[str]) -> str:
    """A file of rules that `iamsim check` reads; every one of them holds."""
    count = "1 rule that holds" if len(found) == 1 else f"{len(found)} rules that hold"
    head = f"# {count} in {', '.join(printable(s) for s in sources)}, proposed by `iamsim mine`.\n"
    return "\n".join([head, *(m.text for m in found)])


def mined_json(found: Sequence[Mined], notes: tuple[str, ...]) -> dict[str, Any]:
    """The rules as one JSON value with members in fixed order."""
    return {
        "schema": SCHEMA,
        "rules": [
            {
                "id": m.rule.id,
                "text": m.text,
                "action": m.rule.questions[0].action,
                "resource": m.rule.questions[0].resource,
                "verb": m.rule.questions[0].verb.value,
                "callers": list(m.callers),
                "unsure": list(m.unsure),
            }
            for m in found
        ],
        "notes": list(notes),
    }

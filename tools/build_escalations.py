"""Rebuild `iamsim/aws/data/escalations.json` from `escalations.yaml` beside it; `--check` compares instead of writing."""  # noqa: INP001

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from iamsim.aws.actions import action_info

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parent.parent / "iamsim" / "aws" / "data"


def built() -> str:
    """The text of the JSON file: every scalar as text, one line a technique, the same for the same source."""
    value = yaml.load((DATA / "escalations.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    rows = value.pop("resource_policies")
    value["resource_types"] |= {row["type"]: row["arn"] for row in rows}
    value["primitives"] += [primitive for row in rows for primitive in primitives_of(row)]
    parts = []
    for name, item in value.items():
        if isinstance(item, list):
            rows = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in item)
            parts.append(f"{json.dumps(name)}:[\n{rows}\n]")
        else:
            parts.append(f"{json.dumps(name)}:{json.dumps(item, ensure_ascii=False, separators=(',', ':'))}")
    return "{" + ",\n".join(parts) + "}\n"


REFERENCE = ["AWS Service Authorization Reference"]
ALL = ["*"]


def primitives_of(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The primitives that a row of `resource_policies` stands for."""
    says, writes, adds, grants = row["says"], row.get("writes", []), row.get("adds", []), row.get("grants", [])
    if writes:
        title = (
            f"Write a policy of {says} that grants the caller" if grants else f"Leave out a deny in a policy of {says}"
        )
        yield _primitive(row, "put-policy", title, writes, _written(grants))
    if adds and grants:
        listed = {"type": "gains-resource-actions", "actions": grants}
        yield _primitive(row, "add-statement", f"Add a statement to a policy of {says}", adds, listed)
    if not grants or "more" in row:
        made = _primitive(
            row, "put-more", f"Write a policy of {says} that may grant the caller", [*writes, *adds], _written(ALL)
        )
        yield {**made, "preconditions": [{"fact": "policy-may-grant", "resource": f"$owned-{row['type']}"}]}
    for name, title, gains in (
        ("deletes", f"Delete a policy of {says} whose deny is in the way", "whatever identity policies already allow"),
        ("removes", f"Remove a deny from a policy of {says}", "whatever the rest of the policy allows"),
    ):
        if name in row:
            about = "delete-policy" if name == "deletes" else "remove-statement"
            yield _primitive(row, about, title, row[name], {"type": "rewrites-resource-policy", "gains": gains})


def _written(grants: list[str]) -> dict[str, Any]:
    if grants == ALL:
        return {"type": "rewrites-resource-policy", "gains": "any action on it"}
    if not grants:
        return {"type": "rewrites-resource-policy", "gains": "no action"}
    return {"type": "rewrites-resource-policy", "gains": "the listed actions", "actions": grants}


def _primitive(
    row: dict[str, Any], about: str, title: str, actions: list[str], outcome: dict[str, Any]
) -> dict[str, Any]:
    """A primitive of one call, any of `actions`; what AWS documents of it is in the sources of the row."""
    owned = f"$owned-{row['type']}"
    first, *others = [{"action": a, "resource": "*" if _without_resource(a) else owned} for a in actions]
    alternatives = [{"when": f"with {c['action']}", "replaces": [first["action"]], "adds": [c]} for c in others]
    return {
        "id": f"{row['type']}-{about}",
        "title": title,
        "kind": "resource-takeover",
        "requires": [first],
        **({"alternatives": alternatives} if alternatives else {}),
        "outcome": {"resource": owned, **outcome},
        "sources": row["sources"] if "actions" in outcome else REFERENCE,
    }


def _without_resource(action: str) -> bool:
    info = action_info(action)
    return info is not None and info.wildcard_only


def main() -> int:
    """0 if written, or if `--check` finds the same content; 1 if it differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the bundled file, write nothing")
    options = parser.parse_args()
    target, text = DATA / "escalations.json", built()
    if options.check:
        same = target.exists() and target.read_text(encoding="utf-8") == text
        sys.stdout.write("same content\n" if same else "content differs\n")
        return 0 if same else 1
    target.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(json.loads(text)['techniques'])} techniques, {len(text.encode())} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

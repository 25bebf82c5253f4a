"""Whether iamsim says what was planted: concrete and symbolic questions, and who can, of generated organizations.

`python -m benchmarks.truth ORG...`: each a folder with truth.json. The status is 0 iff every answer is right.
Chains of escalation: `python -m benchmarks.escalation`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.questions import ask
from benchmarks.rows import aligned, snapshot
from iamsim import Verdict, load, who_can


def compared(org: Path) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """For each kind of question how many were asked and how many answered right, and a sentence for each that was not."""
    env = load(*snapshot(org.parent, org.name))
    truth = json.loads((org / "truth.json").read_bytes())
    counts: dict[str, tuple[int, int]] = {}
    wrong: list[str] = []

    def count(kind: str, right: bool, said: str) -> None:
        asked, good = counts.get(kind, (0, 0))
        counts[kind] = asked + 1, good + right
        if not right:
            wrong.append(f"{org.name}: {said}")

    for query in truth["queries"]:
        kind = query["kind"]
        verdict = ask(env, query, strict=kind == "concrete", proof=True)
        wanted = Verdict.YES if query["expected"] else Verdict.NO
        count(kind, verdict is wanted, f"{query['id']} ({query['tag']}): {verdict.value}, not {wanted.value}")
    for question in truth["who_can"]:
        found = _who(env, question)
        missing, more = set(question["expected"]) - found, found - set(question["expected"])
        what = f"{question['action']} on {question['resource']}"
        count("who-can", not (missing or more), f"{what}: {len(missing)} missing, {len(more)} too many")
    return counts, wrong


def _who(env: Any, question: dict[str, Any]) -> set[str]:
    """The users and roles that can; the truth gives each caller the keys that serve it best."""
    rows = who_can(env, question["action"], question["resource"])
    return {row.principal for row in rows if row.principal in env.principals and row.verdict is Verdict.YES}


def main() -> int:
    """Compare each organization and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("orgs", type=Path, nargs="+", metavar="ORG")
    lines = [("organization", "seed", "concrete", "symbolic", "who-can", "")]
    wrongs: list[str] = []
    for org in parser.parse_args().orgs:
        counts, wrong = compared(org)
        seed = json.loads((org / "truth.json").read_bytes())["seed"]
        cells = ["{1} of {0}".format(*counts.get(kind, (0, 0))) for kind in ("concrete", "ever", "who-can")]
        lines.append((org.name, str(seed), *cells, "FAILED" if wrong else "ok"))
        wrongs += wrong
    print(aligned(lines, (1,)))
    for sentence in wrongs:
        print(sentence, file=sys.stderr)
    return 1 if wrongs else 0


if __name__ == "__main__":
    raise SystemExit(main())

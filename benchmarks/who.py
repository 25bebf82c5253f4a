"""Who can do something: M, L and XL, warm, in CPU time; each size in a process of its own, which tells its peak.

`python -m benchmarks.who ORGS SIZE`. Warm: the index of the organization is made, the answers are not kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.loading import peak
from benchmarks.rows import Row, present, snapshot

WANTED = {"M": 0.05, "L": 0.15, "XL": 0.5}
ROUNDS = 5
ANYWHERE = ("ec2:RunInstances", "iam:PassRole", "s3:GetObject", "kms:Decrypt", "sts:AssumeRole")
"""Actions that are also asked about on `*`: some resource that is loaded, or any other. These rows have no bound."""


def asked(orgs: Path, size: str) -> list[tuple[str, str, frozenset[str] | None]]:
    """Actions and resources with the users and roles that the truth expects, one without resource, and some on any."""
    truth = json.loads((orgs / size / "truth.json").read_bytes())
    return [
        *((w["action"], w["resource"], frozenset(w["expected"])) for w in truth["who_can"]),
        ("ec2:DescribeInstances", "*", None),
        *((action, "*", None) for action in (ANYWHERE if size != "XL" else ())),
    ]


def measured(orgs: Path, size: str) -> dict[str, Any]:
    """For each question the median CPU time of an answer, the number of callers, and whether the truth agrees."""
    from iamsim import load, who_can

    env = load(*snapshot(orgs, size))
    start = time.process_time()
    questions = []
    for action, resource, expected in asked(orgs, size):
        listed = [w for w in who_can(env, action, resource) if w.principal in env.principals]
        sure = {w.principal for w in listed if w.verdict.value == "yes"}
        # the truth gives each caller the keys that serve it best: who can at all is who can with these
        right = expected is None or sure == expected
        times = []
        for _ in range(ROUNDS):
            begun = time.process_time()
            for _ in who_can(env, action, resource):
                pass
            times.append(time.process_time() - begun)
        questions.append(
            {
                "action": action,
                "anywhere": action in ANYWHERE and resource == "*",
                "seconds": median(times),
                "found": len(sure),
                "listed": len(listed),
                "right": right,
            }
        )
    return {"questions": questions, "first": time.process_time() - start, "peak": peak()}


def rows(orgs: Path) -> list[Row]:
    """A row for each size and question."""
    out = []
    for size in present(orgs, *WANTED):
        command = [sys.executable, "-m", "benchmarks.who", str(orgs), size]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        out += [
            Row(
                name=f"who-can {q['action']}{' on *' * q['anywhere']}, {size}",
                value=q["seconds"] * 1000,
                floor=WANTED[size] * 1000,
                unit="ms",
                bound=None if q["anywhere"] else 1.0,
                peak=found["peak"],
                remark=f"{q['found']} can, {q['listed'] - q['found']} unknown",
                failed=not q["right"],
            )
            for q in found["questions"]
        ]
    return out


if __name__ == "__main__":
    json.dump(measured(Path(sys.argv[1]), sys.argv[2]), sys.stdout)

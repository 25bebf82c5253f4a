"""One concrete question from the command line, in a new process, against an interpreter that imports json and typer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.rows import Row, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BOUND = 4.0
ROUNDS = 7
FLOOR = ("-c", "import json, typer")
FORBIDDEN = ("z3", "networkx", "lark")


def question(orgs: Path) -> tuple[str, ...]:
    """The command line of the question that the truth of S names for this, with `-m iamsim` in front."""
    truth = json.loads((orgs / "S" / "truth.json").read_bytes())
    (asked,) = (q for q in truth["queries"] if q["id"] == truth["cli"]["allow"])
    context = [word for key, value in asked["context"].items() for word in ("--context", f"{key}={value}")]
    inputs = [word for path in snapshot(orgs, "S") for word in ("-s", str(path))]
    options = ("--strict", "--via", "direct", "--resource-account", asked["resource_account"])
    return ("-m", "iamsim", "can", asked["principal"], asked["action"], asked["resource"], *options, *context, *inputs)


def run(arguments: Sequence[str], *options: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """The seconds that the interpreter took for `arguments`, and what it gave."""
    # both sides run from compiled modules, as an installed program does
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *options, *arguments]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return time.perf_counter() - start, done


def loaded(arguments: Sequence[str]) -> list[str]:
    """Which of the forbidden modules the question loads."""
    _, done = run(arguments, "-X", "importtime")
    names = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    return sorted(names & set(FORBIDDEN))


def rows(orgs: Path) -> list[Row]:
    """The row of the cold question: medians of alternating runs."""
    asked = question(orgs)
    _, first = run(asked)  # compiles what is not compiled yet
    run(FLOOR)
    mine: list[float] = []
    floor: list[float] = []
    for _ in range(ROUNDS):
        mine.append(run(asked)[0])
        floor.append(run(FLOOR)[0])
    heavy = loaded(asked)
    said = (first.stdout.splitlines() or first.stderr.splitlines() or [""])[0]
    remark = f"loads {', '.join(heavy)}" if heavy else f"loads none of {', '.join(FORBIDDEN)}"
    if first.returncode:
        remark = f"status {first.returncode}: {said[:60]}"
    return [
        Row(
            name="cold question, S",
            value=1e3 * median(mine),
            floor=1e3 * median(floor),
            unit="ms",
            bound=BOUND,
            remark=f"{remark}; {os.cpu_count()} cores",
            failed=bool(first.returncode or heavy),
        )
    ]

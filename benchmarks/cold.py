"""Questions from the command line, each in a new process, against an interpreter that imports json and typer.

The snapshot was asked before, so that a compiled one is in the cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.rows import Row, present, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BOUND = 4.0
SYMBOLIC = 0.5
ROUNDS = 7
FLOOR = ("-c", "import json, typer")
FORBIDDEN = ("z3", "networkx", "lark")


def question(orgs: Path, size: str, *, strict: bool = True) -> tuple[str, ...]:
    """The command line of the question that the truth names for this, with `-m iamsim` in front; without `strict` no key
    is given and the question is symbolic.
    """
    truth = json.loads((orgs / size / "truth.json").read_bytes())
    (asked,) = (q for q in truth["queries"] if q["id"] == truth["cli"]["allow"])
    context = [word for key, value in asked["context"].items() for word in ("--context", f"{key}={value}")]
    inputs = [word for path in snapshot(orgs, size) for word in ("-s", str(path))]
    options = ("--via", "direct", "--resource-account", asked["resource_account"])
    more = ("--strict", *context) if strict else ()
    words = (asked["principal"], asked["action"], asked["resource"])
    return ("-m", "iamsim", "can", *words, *options, *more, *inputs)


def run(arguments: Sequence[str], *options: str, cache: str = "off") -> tuple[float, subprocess.CompletedProcess[str]]:
    """The seconds that the interpreter took for `arguments`, and what it gave."""
    command = [sys.executable, *options, *arguments]
    start = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "IAMSIM_CACHE": cache}
    )
    return time.perf_counter() - start, done


def loaded(arguments: Sequence[str], cache: str) -> list[str]:
    """Which of the forbidden modules the question loads."""
    _, done = run(arguments, "-X", "importtime", cache=cache)
    names = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    return sorted(names & set(FORBIDDEN))


def rows(orgs: Path, factor: float = 1.0, sizes: tuple[str, ...] = ("S", "M", "L"), rounds: int = ROUNDS) -> list[Row]:
    """The rows of the cold questions: medians of alternating runs; the bounds are wider by `factor`."""
    out: list[Row] = []
    with tempfile.TemporaryDirectory() as cache:
        for size in present(orgs, *sizes):
            concrete, symbolic = question(orgs, size), question(orgs, size, strict=False)
            _, first = run(concrete, cache=cache)  # compiles what is not compiled yet
            run(symbolic, cache=cache)
            run(FLOOR)
            mine: list[float] = []
            other: list[float] = []
            floor: list[float] = []
            for _ in range(rounds):
                mine.append(run(concrete, cache=cache)[0])
                other.append(run(symbolic, cache=cache)[0])
                floor.append(run(FLOOR)[0])
            heavy = loaded(concrete, cache)
            said = (first.stdout.splitlines() or first.stderr.splitlines() or [""])[0]
            remark = f"loads {', '.join(heavy)}" if heavy else f"loads none of {', '.join(FORBIDDEN)}"
            if first.returncode:
                remark = f"status {first.returncode}: {said[:60]}"
            out += [
                Row(
                    name=f"cold question, {size}",
                    value=1e3 * median(mine),
                    floor=1e3 * median(floor),
                    unit="ms",
                    bound=BOUND * factor,
                    remark=f"{remark}; floor: import json, typer; {os.cpu_count()} cores",
                    failed=bool(first.returncode or heavy),
                ),
                Row(
                    name=f"cold symbolic question, {size}",
                    value=1e3 * median(other),
                    floor=1e3 * SYMBOLIC,
                    unit="ms",
                    bound=factor,
                    remark=f"floor: {SYMBOLIC} s wanted",
                ),
            ]
    return out

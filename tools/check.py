"""Format, lint, types, tests and the short benchmarks, in this order: `python -m tools.check [--fast] [pytest arguments]`.

Every step runs even if an earlier one failed; the status is 0 iff all of them passed. `--fast` leaves out the last two.
"""  # noqa: INP001 - a script, no package

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def steps(arguments: list[str]) -> list[tuple[str, list[str]]]:
    """The name and the arguments of each step; programs are modules of this interpreter."""
    lint = [
        ("format", ["ruff", "format", "--check", "--quiet", "."]),
        ("lint", ["ruff", "check", "--quiet", "."]),
        ("types", ["mypy", "--no-error-summary"]),
    ]
    if "--fast" in arguments:
        return lint
    # the laws that take longest come last and beside each other; who has nothing left to do takes half of what another has
    tests = ["pytest", "-n", str(min(os.cpu_count() or 1, 8)), "--dist", "worksteal", *arguments]
    return [*lint, ("tests", tests), ("benchmarks", ["benchmarks", "--short"])]


def main(arguments: list[str]) -> int:
    """Run the steps; 0 iff all passed."""
    failed = []
    for name, command in steps(arguments):
        start = time.monotonic()
        status = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode
        print(f"{name}: {'ok' if status == 0 else 'FAILED'} ({time.monotonic() - start:.0f} s)", flush=True)
        failed += [name] if status else []
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""All benchmarks in one run: `python -m benchmarks --orgs DIR`.

DIR holds generated organizations, the folders S, M and L; the truth of escalation is also compared in others that begin
with S or M, such as S8. The status is 0 iff every ratio keeps its bound.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import cold, compare_policies, escalation, loading, questions
from benchmarks.rows import Row, table

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "cold": cold.rows,
    "loading": loading.rows,
    "questions": questions.rows,
    "escalation": escalation.rows,
    "compare": lambda _: compare_policies.rows(),
}


def measured(name: str, orgs: Path) -> list[Row]:
    """The rows of one part, or one failed row that says why there are none."""
    try:
        return PARTS[name](orgs)
    except Exception as error:  # noqa: BLE001 - one broken part must not hide the others
        traceback.print_exc(file=sys.stderr)
        return [Row(name=name, value=float("nan"), floor=float("nan"), unit="", remark=str(error), failed=True)]


def main() -> int:
    """Measure the parts asked for and print their table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--orgs", type=Path, required=True, help="folder with generated organizations S, M and L")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="parts to run; all if none is named")
    options = parser.parse_args()
    rows = [row for name in options.parts or PARTS for row in measured(name, options.orgs)]
    print(table(rows))
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""All benchmarks in one run: `python -m benchmarks --orgs DIR`.

DIR holds generated organizations, the folders S, M, L and XL (those that are missing are made, see `--sizes`); the truth of
escalation is also compared in others that begin with S, M or L, such as S8. The status is 0 iff every ratio keeps its bound.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import cold, compare_policies, escalation, loading, questions, spread, who
from benchmarks.rows import Row, comparison, save, table

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = ("S", "M", "L", "XL")
PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "cold": cold.rows,
    "loading": loading.rows,
    "questions": questions.rows,
    "who": who.rows,
    "spread": spread.rows,
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


def made(orgs: Path, sizes: list[str]) -> None:
    """Makes those organizations of `sizes` that `orgs` lacks; XL takes about a minute."""
    from benchmarks.gen_org import generate

    for size in sizes:
        if not (orgs / size / "truth.json").is_file():
            print(f"making {size} in {orgs}", file=sys.stderr)
            generate(size, str(orgs / size), collect=False)


def main() -> int:
    """Measure the parts asked for and print their table, or compare two runs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--orgs", type=Path, help="folder of generated organizations")
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=[], help="sizes to make if the folder lacks them")
    parser.add_argument(
        "--short", action="store_true", help="a few seconds on a small organization that is made for it"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the run as JSON")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("A", "B"), help="compare two runs that were written")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="parts to run; all if none is named")
    options = parser.parse_args()
    if options.compare:
        print(comparison(*options.compare))
        return 0
    if options.short:
        from benchmarks import short

        rows = short.rows()
    elif options.orgs is None:
        parser.error("give --orgs DIR, --short or --compare A B")
    else:
        made(options.orgs, options.sizes)
        rows = [row for name in options.parts or PARTS for row in measured(name, options.orgs)]
    print(table(rows))
    if options.save:
        save(rows, options.save)
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Rows of the benchmark table: a value, the floor that it is held against, and the bound on their ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`value` against `floor`: their ratio must not exceed `bound` or, with `at_least`, not fall below it.

    Without a bound the row only informs. `remark` says what else was seen; `failed` that the run itself went wrong.
    """

    name: str
    value: float
    floor: float
    unit: str
    bound: float | None = None
    at_least: bool = False
    remark: str = ""
    failed: bool = False

    @property
    def ratio(self) -> float:
        """The value in units of the floor."""
        return self.value / self.floor if self.floor else float("inf")

    @property
    def ok(self) -> bool:
        """True iff the run went well and the ratio keeps the bound."""
        if self.failed or self.bound is None:
            return not self.failed
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


def snapshot(orgs: Path, size: str) -> list[Path]:
    """The inputs of the generated organization of `size` in `orgs`: account details, tree and resource policies."""
    return [orgs / size / part for part in ("gaad", "organization.json", "resources.json")]


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    lines = [("", "value", "floor", "unit", "ratio", "bound", "", "")]
    for row in rows:
        bound = "" if row.bound is None else f"{'≥' if row.at_least else '≤'} {row.bound:g}"
        cells = (f"{row.value:,.4g}", f"{row.floor:,.4g}", row.unit, f"{row.ratio:.2f}", bound)
        lines.append((row.name, *cells, "ok" if row.ok else "FAILED", row.remark))
    widths = [max(len(line[i]) for line in lines) for i in range(7)]
    right = (1, 2, 4)
    return "\n".join(
        "  ".join(
            [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=False))]
            + [line[7]]
        ).rstrip()
        for line in lines
    )

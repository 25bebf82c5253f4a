"""Rows of the benchmark table: a value, the floor that it is held against, and the bound on their ratio."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`value` against `floor`: their ratio must not exceed `bound` or, with `at_least`, not fall below it.

    Without a bound the row only informs. `peak` is the largest memory of the process, in MiB, where it was measured; it
    must not exceed `most`. `remark` says what else was seen; `failed` that the run itself went wrong.
    """

    name: str
    value: float
    floor: float
    unit: str
    bound: float | None = None
    at_least: bool = False
    peak: float | None = None
    most: float | None = None
    remark: str = ""
    failed: bool = False

    @property
    def ratio(self) -> float:
        """The value in units of the floor."""
        return self.value / self.floor if self.floor else float("inf")

    @property
    def ok(self) -> bool:
        """True iff the run went well, the ratio keeps its bound, and the memory too."""
        if self.failed or (self.peak is not None and self.most is not None and self.peak > self.most):
            return False
        if self.bound is None:
            return True
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


def snapshot(orgs: Path, size: str) -> list[Path]:
    """The inputs of the generated organization of `size` in `orgs`: account details, tree and resource policies."""
    return [orgs / size / part for part in ("gaad", "organization.json", "resources.json")]


def present(orgs: Path, *sizes: str) -> list[str]:
    """Those of `sizes` that `orgs` holds."""
    return [size for size in sizes if (orgs / size / "gaad").is_dir()]


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    lines = [("", "value", "floor", "unit", "ratio", "bound", "peak MiB", "", "")]
    for row in rows:
        bound = "" if row.bound is None else f"{'≥' if row.at_least else '≤'} {row.bound:g}"
        peak = "" if row.peak is None else f"{row.peak:,.0f}" + (f" ≤ {row.most:,.0f}" if row.most else "")
        cells = (f"{row.value:,.4g}", f"{row.floor:,.4g}", row.unit, f"{row.ratio:.2f}", bound, peak)
        lines.append((row.name, *cells, "ok" if row.ok else "FAILED", row.remark))
    return aligned(lines, (1, 2, 4, 6))


def aligned(lines: Sequence[tuple[str, ...]], right: tuple[int, ...]) -> str:
    """The cells in columns, those of the columns `right` to the right; the last column is as wide as it is."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]) - 1)]
    return "\n".join(
        "  ".join(
            [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=False))]
            + [line[-1]]
        ).rstrip()
        for line in lines
    )


def save(rows: list[Row], file: Path) -> None:
    """Writes a run as JSON: when and where it was, and its rows."""
    from iamsim import __version__

    where = {"python": platform.python_version(), "machine": platform.machine(), "iamsim": __version__}
    run: dict[str, Any] = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **where}
    run["rows"] = [{**asdict(row), "ratio": row.ratio, "ok": row.ok} for row in rows]
    file.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")


def comparison(first: Path, second: Path) -> str:
    """The ratios of two saved runs side by side, and by what the second differs."""
    runs = [json.loads(f.read_text(encoding="utf-8")) for f in (first, second)]
    before, after = ({row["name"]: row for row in run["rows"]} for run in runs)
    lines = [("ratio", runs[0]["date"], runs[1]["date"], "change", "peak MiB", "")]
    for name in dict.fromkeys((*before, *after)):
        a, b = before.get(name), after.get(name)
        change = f"{b['ratio'] / a['ratio'] - 1:+.0%}" if a and b and a["ratio"] else ""
        shown = ["" if row is None else f"{row['ratio']:.2f}" for row in (a, b)]
        peaks = " → ".join(f"{row['peak']:,.0f}" for row in (a, b) if row and row.get("peak") is not None)
        lines.append((name, shown[0], shown[1], change, peaks, "" if b is None or b["ok"] else "FAILED"))
    return aligned(lines, (1, 2, 3, 4))

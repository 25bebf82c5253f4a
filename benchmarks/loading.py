"""Loading M against `json.loads` of the same bytes."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.rows import Row, snapshot
from iamsim import load

if TYPE_CHECKING:
    from pathlib import Path

BOUND = 10.0
ROUNDS = 5


def files(orgs: Path, size: str) -> list[Path]:
    """The JSON files of a generated organization that `load` reads."""
    return [f for path in snapshot(orgs, size) for f in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]


def rows(orgs: Path) -> list[Row]:
    """The row of loading: medians of alternating rounds; the floor decodes bytes that are in memory."""
    contents = [f.read_bytes() for f in files(orgs, "M")]
    inputs = snapshot(orgs, "M")
    load(*inputs)
    mine: list[float] = []
    floor: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        env = load(*inputs)
        mine.append(time.perf_counter() - start)
        start = time.perf_counter()
        for content in contents:
            json.loads(content)
        floor.append(time.perf_counter() - start)
    size = sum(map(len, contents)) / 1e6
    return [
        Row(
            name="loading, M",
            value=1e3 * median(mine),
            floor=1e3 * median(floor),
            unit="ms",
            bound=BOUND,
            remark=f"{len(env.principals):,} principals, {size:.1f} MB; floor: json.loads",
        )
    ]

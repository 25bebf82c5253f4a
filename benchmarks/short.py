"""A run of a few seconds on a small organization, for every commit: it fails if a ratio is several times what it should be."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import cold, loading
from benchmarks.gen_org import generate
from benchmarks.questions import ask
from benchmarks.rows import Row, snapshot
from iamsim import load

FACTOR = 3.0
QUESTIONS = {True: 4.0, False: 10.0}
"""How many times decoding 20 kB of JSON a warm question may cost at most, concrete and symbolic, before the factor."""

# what does not grow with the organization weighs more in a small one, and seconds depend on the machine
_WIDER = {"reopening, M": 6.0, "cold symbolic question, M": None}
_DECODED = 20_000


def rows() -> list[Row]:
    """The rows of the short run."""
    with TemporaryDirectory() as folder:
        orgs = Path(folder)
        generate("S", str(orgs / "M"), collect=False, accounts=2, principals=200)
        found = loading.rows(orgs, FACTOR, ("M",)) + cold.rows(orgs, FACTOR, ("M",), 3) + _questions(orgs)
    return [
        replace(row, name=row.name.replace(", M", ", 2 accounts"), bound=_WIDER.get(row.name, row.bound))
        for row in found
    ]


def _questions(orgs: Path) -> list[Row]:
    env = load(*snapshot(orgs, "M"))
    queries = json.loads((orgs / "M" / "truth.json").read_bytes())["queries"]
    asked = [q for q in queries if q["kind"] == "concrete"]
    text = _text(orgs)
    out = []
    for strict, name in ((True, "concrete"), (False, "symbolic")):
        for query in asked:
            ask(env, query, strict=strict)
        mine: list[float] = []
        floor: list[float] = []
        for _ in range(3):
            start = time.perf_counter()
            for query in asked:
                ask(env, query, strict=strict)
            mine.append((time.perf_counter() - start) / len(asked))
            start = time.perf_counter()
            for _ in range(20):
                json.loads(text)
            floor.append((time.perf_counter() - start) / 20)
        out.append(
            Row(
                name=f"{name} question, M",
                value=1e6 * median(mine),
                floor=1e6 * median(floor),
                unit="µs",
                bound=QUESTIONS[strict] * FACTOR,
                remark=f"{len(asked)} questions; floor: json.loads of {len(text) / 1e3:.0f} kB",
            )
        )
    return out


def _text(orgs: Path) -> str:
    """About 20 kB of account details as JSON."""
    page: Any = json.loads(next((orgs / "M" / "gaad").iterdir()).read_bytes())
    roles = page["RoleDetailList"]
    count = 1
    while count < len(roles) and len(json.dumps(roles[:count])) < _DECODED:
        count += 1
    return json.dumps(roles[:count])

"""Loading M, L and XL from the files and from the cache, against `json.loads` of the same bytes.

Each size is measured in a process of its own, so that its peak of memory is its own: `python -m benchmarks.loading ORGS SIZE`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rows import Row, present, snapshot

BOUND, REOPENED = 5.0, 0.5
MOST = {"XL": 2560.0}
ROUNDS = {"XL": 3}


def files(orgs: Path, size: str) -> list[Path]:
    """The JSON files of a generated organization that `load` reads."""
    return [f for path in snapshot(orgs, size) for f in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]


def peak() -> float:
    """The largest memory so far of the program that runs in this process, in MiB; NaN where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss begins with the peak of the process that started this one
        found = [
            line.split()[1] for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:")
        ]
        if found:
            return int(found[0]) / 1024
    try:
        import resource
    except ImportError:
        return float("nan")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def seconds(orgs: Path, size: str, rounds: int, cache: str | None) -> dict[str, Any]:
    """Medians of alternating rounds; the floor decodes bytes that are in memory, after the peak was taken."""
    from iamsim import load

    inputs = snapshot(orgs, size)
    if cache is not None:
        subprocess.run([sys.executable, "-c", _FILL, cache, *map(str, inputs)], check=True)
    env = load(*inputs, cache=cache)
    highest = peak()
    contents = [f.read_bytes() for f in files(orgs, size)]
    mine: list[float] = []
    floor: list[float] = []
    for _ in range(rounds):
        del env
        start = time.perf_counter()
        env = load(*inputs, cache=cache)
        mine.append(time.perf_counter() - start)
        start = time.perf_counter()
        for content in contents:
            json.loads(content)
        floor.append(time.perf_counter() - start)
    bytes_ = sum(map(len, contents))
    return {
        "value": median(mine),
        "floor": median(floor),
        "peak": highest,
        "principals": len(env.principals),
        "bytes": bytes_,
    }


_FILL = "import sys; from iamsim import load; load(*sys.argv[2:], cache=sys.argv[1])"


def measured(orgs: Path, size: str, cache: str | None = None) -> dict[str, Any]:
    """`seconds` in a new process."""
    command = [sys.executable, "-m", "benchmarks.loading", str(orgs), size, *([cache] if cache else [])]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(orgs: Path, factor: float = 1.0, sizes: tuple[str, ...] = ("M", "L", "XL")) -> list[Row]:
    """The rows of loading and of opening again; the bounds are wider by `factor`."""
    out: list[Row] = []
    for size in present(orgs, *sizes):
        with tempfile.TemporaryDirectory() as cache:
            for name, found, bound in (
                ("loading", measured(orgs, size), BOUND),
                ("reopening", measured(orgs, size, cache), REOPENED),
            ):
                out.append(
                    Row(
                        name=f"{name}, {size}",
                        value=1e3 * found["value"],
                        floor=1e3 * found["floor"],
                        unit="ms",
                        bound=bound * factor,
                        peak=found["peak"],
                        most=MOST.get(size),
                        remark=f"{found['principals']:,} principals, {found['bytes'] / 1e6:.1f} MB; floor: json.loads",
                    )
                )
    return out


if __name__ == "__main__":
    where, of, *rest = sys.argv[1:]
    print(json.dumps(seconds(Path(where), of, ROUNDS.get(of, 9), rest[0] if rest else None)))

"""How cost grows with the organization: `python -m benchmarks.growth measure ORGS FILE`, then `… plot FILE PNG`.

Each size is measured in a process of its own, in CPU time: loading from the files, who can (the median of the questions
of the truth, warm), a symbolic question (likewise), and the closures of all principals, for the sizes named by
`--graph`. The plot needs matplotlib (iamsim[bench]).
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import who
from benchmarks.escalation import whole_graph
from benchmarks.loading import peak
from benchmarks.questions import concrete, middle
from benchmarks.rows import present, snapshot

SIZES = ("S", "M", "L", "XL")
LINES = {
    "load": ("loading from the files", "o"),
    "who": ("who can, warm", "s"),
    "question": ("a symbolic question, warm", "^"),
    "graph": ("the closures of all principals", "D"),
}


def measured(orgs: Path, size: str, *, graph: bool) -> dict[str, Any]:
    """Seconds of each measure, and the number of principals."""
    from iamsim import load

    start = time.process_time()
    env = load(*snapshot(orgs, size))
    found: dict[str, Any] = {"size": size, "load": time.process_time() - start, "principals": len(env.principals)}
    found["question"] = middle(env, concrete(orgs, size)) / 1000
    if graph:
        start = time.process_time()
        whole_graph(orgs, size)
        found["graph"] = time.process_time() - start - found["load"]
    asked = who.measured(orgs, size)["questions"]
    found["who"] = median(q["seconds"] for q in asked if not q["anywhere"])  # those are not asked of XL
    return {**found, "peak": peak()}


def run(orgs: Path, file: Path, graph: list[str]) -> None:
    """Measures the sizes that `orgs` holds and writes them as JSON."""
    found = []
    for size in present(orgs, *SIZES):
        command = [
            sys.executable,
            "-m",
            "benchmarks.growth",
            "one",
            str(orgs),
            size,
            *(["--graph"] if size in graph else []),
        ]
        found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(json.dumps(found[-1]), file=sys.stderr)
    where = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "python": platform.python_version()}
    file.write_text(json.dumps({**where, "sizes": found}, indent=1) + "\n", encoding="utf-8")


def plot(file: Path, picture: Path) -> None:
    """Draws a saved run, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    saved = json.loads(file.read_text(encoding="utf-8"))
    figure, axes = plt.subplots(figsize=(7, 4.5), dpi=120)
    for name, (label, marker) in LINES.items():
        points = [(s["principals"], s[name]) for s in saved["sizes"] if name in s]
        if points:
            axes.plot(*zip(*points, strict=True), marker=marker, label=label)
    axes.set(xscale="log", yscale="log", xlabel="users and roles", ylabel="seconds of CPU time")
    axes.set_title(f"iamsim on generated organizations, {saved['date'][:10]}", fontsize=10)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8, loc="upper left")
    figure.tight_layout()
    figure.savefig(picture, metadata={"Software": None})


def main() -> int:
    """Measure, or draw what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    measure = commands.add_parser("measure")
    measure.add_argument("orgs", type=Path)
    measure.add_argument("file", type=Path)
    measure.add_argument("--graph", nargs="*", default=["S"], metavar="SIZE", help="sizes whose escalation is measured")
    one = commands.add_parser("one")
    one.add_argument("orgs", type=Path)
    one.add_argument("size")
    one.add_argument("--graph", action="store_true")
    draw = commands.add_parser("plot")
    draw.add_argument("file", type=Path)
    draw.add_argument("picture", type=Path)
    options = parser.parse_args()
    match options.command:
        case "measure":
            run(options.orgs, options.file, options.graph)
        case "one":
            json.dump(measured(options.orgs, options.size, graph=options.graph), sys.stdout)
        case _:
            plot(options.file, options.picture)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

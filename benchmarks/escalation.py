"""Escalation: questions on M and L, the closure of every principal with its peak memory, and the planted truth.

`python -m benchmarks.escalation --orgs DIR S S8 …` prints the truth of the named organizations alone; any folder of DIR with
a `truth.json` can be named, and `python -m benchmarks` takes all whose names begin with S, M or L. The whole graph is made in
a child, so that its peak is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.loading import peak
from benchmarks.rows import Row, present, snapshot, table
from iamsim import Verdict, all_escalations, can, escalations, load

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

    from iamsim import Environment

SEED = 7
ASKED = 100
QUESTION_MS = {"M": 50.0, "L": 200.0}
GRAPH_SECONDS = {"M": 2.0, "L": 20.0, "XL": 300.0}
PEAK_MIB = {"L": 1536.0, "XL": 4096.0}
PATIENCE = {"M": 120.0, "L": 240.0, "XL": 600.0}
"""Seconds after which a part that has not ended is cut short, and its row failed."""

EVERYBODY = "SM"
"""The sizes of which everybody is asked what it can become; of others those of whom something was planted."""

WORKERS = (1, 2)
"""How many processes make the whole graph; of XL only the most."""

SPEEDUP = 1.6
"""How many times as fast two workers are to make the whole graph of L."""

HELD = "resource-exists"
"""The fact that something runs with a role, which no input tells; ways that need it go beyond what was planted."""


@dataclass(frozen=True, slots=True)
class Question:
    """A principal, action and resource of which `can` is asked, and the account of the resource."""

    principal: str
    action: str
    resource: str
    account: str


@dataclass(frozen=True, slots=True)
class Graph:
    """The closures of all principals: how many were made of how many, in which time, with which peak of memory."""

    made: int
    principals: int
    seconds: float
    loaded_mib: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Truth:
    """What is found of what was planted.

    `chains` are the planted ones, `broken` those whose start does not come to control the end. `extra` are escalators that
    were not planted, `certain` those of them that need nothing to run with a role of which the inputs do not tell.
    """

    chains: int
    broken: tuple[str, ...]
    planted: int
    missing: tuple[str, ...]
    decoys: int
    reported: tuple[str, ...]
    extra: tuple[str, ...]
    certain: tuple[str, ...]
    seconds: float


def questions(truth: dict[str, Any], count: int = ASKED, seed: int = SEED) -> list[Question]:
    """A seeded sample, no principal twice: escalators that create a user, and background principals that use S3."""
    draw = random.Random(seed)
    planted = draw.sample(truth["escalators"], min(count // 2, len(truth["escalators"])))
    out = [Question(p, "iam:CreateUser", _newcomer(p), p.split(":")[4]) for p in planted]
    queries = truth["queries"]
    goals = sorted({(q["action"], q["resource"], q["resource_account"]) for q in queries if q["action"][:3] == "s3:"})
    others = sorted({q["principal"] for q in queries if q["tag"] == "background"} - set(truth["escalators"]))
    out += [Question(p, *draw.choice(goals)) for p in draw.sample(others, min(count - len(out), len(others)))]
    draw.shuffle(out)
    return out


def _newcomer(principal: str) -> str:
    return f"arn:aws:iam::{principal.split(':')[4]}:user/newcomer"


def ask(env: Environment, question: Question) -> tuple[float, Verdict]:
    """The milliseconds that the verdict took, its evidence included, and the verdict."""
    start = time.perf_counter()
    answer = can(env, question.principal, question.action, question.resource, resource_account=question.account)
    _ = (answer.witness, answer.core)
    return 1e3 * (time.perf_counter() - start), answer.verdict


def question_rows(orgs: Path, size: str) -> list[Row]:
    """p95 of questions against the bound: of callers never asked of before, of these for another request, then all of the first
    ones once more.
    """
    env = load(*snapshot(orgs, size))
    truth = json.loads((orgs / size / "truth.json").read_bytes())
    asked = questions(truth)
    warm = next(p for p in sorted(env.principals) if p not in {q.principal for q in asked})
    ask(
        env, Question(warm, "iam:CreateUser", _newcomer(warm), warm.split(":")[4])
    )  # loads the catalogue and the indexes
    out = []
    for what in ("", ", another request", ", asked again"):
        spent: list[float] = []
        verdicts = dict.fromkeys(Verdict, 0)
        start = time.perf_counter()
        for question in _turned(asked) if what == ", another request" else asked:
            if time.perf_counter() - start > PATIENCE[size]:
                break
            ms, verdict = ask(env, question)
            spent.append(ms)
            verdicts[verdict] += 1
        short = len(spent) < len(asked)
        asked = asked[: len(spent)]
        spent.sort()
        said = ", ".join(f"{n} {v.value}" for v, n in verdicts.items() if n)
        cut = f"only {len(spent)} of {ASKED} asked; " if short else ""
        remark = f"{cut}p50 {spent[len(spent) // 2]:.1f}, max {spent[-1]:.0f} ms; {said}"
        name = f"can, escalation{what}, p95, {size}"
        p95 = spent[int(len(spent) * 0.95)]
        out.append(
            Row(name=name, value=p95, floor=QUESTION_MS[size], unit="ms", bound=1.0, remark=remark, failed=short)
        )
    return out


def _turned(asked: list[Question]) -> list[Question]:
    """Each caller with the request of the next one."""
    nexts = (*asked[1:], *asked[:1])
    return [Question(q.principal, n.action, n.resource, n.account) for q, n in zip(asked, nexts, strict=True)]


def whole_graph(orgs: Path, size: str, workers: int = 1) -> Graph:
    """The closures of every loaded principal, but no more of them than its `PATIENCE` allows.

    Several workers take an account each; they are started, and have loaded, before the clock runs. The peak is their sum, with that
    of this process, which hands the accounts out and loads nothing.
    """
    paths = snapshot(orgs, size)
    if workers == 1:
        _open(paths)
        env, loaded, start = _OPENED[0], peak(), time.perf_counter()
        made = _close((sorted(env.principals), time.time() + PATIENCE.get(size, PATIENCE["M"])))[0]
        return Graph(made, len(env.principals), time.perf_counter() - start, loaded, peak())
    context = get_context("spawn")
    together = context.Barrier(workers)
    with ProcessPoolExecutor(workers, context, initializer=_open, initargs=(paths, together)) as pool:
        loads = dict(pool.map(_idle, [0.5] * workers))
        accounts = pool.submit(_accounts).result()
        start, until = time.perf_counter(), time.time() + PATIENCE.get(size, PATIENCE["M"])
        found = list(pool.map(_close, [(names, until) for names in accounts]))
        seconds = time.perf_counter() - start
    peaks = loads | {number: peak for _, number, peak in found}
    return Graph(
        sum(made for made, *_ in found),
        sum(map(len, accounts)),
        seconds,
        sum(loads.values()) + peak(),
        sum(peaks.values()) + peak(),
    )


_OPENED: list[Environment] = []


def _open(paths: list[Path], together: Barrier | None = None) -> None:
    """In a worker: loads what is asked about, and waits for those that load at the same time."""
    _OPENED[:] = [load(*paths)]
    if together is not None:
        together.wait(timeout=_LOADING)


_LOADING = 300.0
"""Seconds in which all workers must have loaded."""


def _accounts() -> list[list[str]]:
    """In a worker: the principals of each account, first of those that manage an organization, which take longest."""
    env = _OPENED[0]
    managing = {o.management_account for o in env.organizations}
    every = [list(some) for _, some in groupby(sorted(env.principals), _account)]
    return sorted(every, key=lambda names: _account(names[0]) not in managing)


def _account(arn: str) -> str:
    return arn.split(":")[4]


def _idle(seconds: float) -> tuple[int, float]:
    """In a worker: its number and its peak of memory, after some seconds in which the others start."""
    time.sleep(seconds)
    return os.getpid(), peak()


def _close(unit: tuple[list[str], float]) -> tuple[int, int, float]:
    """The closures of some principals until a time: how many were made, by which process, with which peak of memory."""
    from iamsim.graph.ever import closed
    from iamsim.graph.world import Search
    from iamsim.query.prepare import Options, prepare
    from iamsim.query.techniques import catalogue_of

    names, until = unit
    env, made = _OPENED[0], 0
    catalogue, _ = catalogue_of(None)
    for name in names:
        if time.time() > until:
            break
        about = prepare(env, name, "sts:GetCallerIdentity", "*", Options())
        caller, action, _ = about.runs[0]
        closed(Search(about.ask, action, caller, catalogue), sure=True)
        made += 1
    return made, os.getpid(), peak()


def graph_rows(orgs: Path, size: str, workers: int) -> list[Row]:
    """The time of the whole graph after loading, and the peak memory of the processes that made it."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.escalation",
        "--orgs",
        str(orgs),
        "--graph",
        size,
        "--workers",
        str(workers),
    ]
    found = Graph(**json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    short = found.made < found.principals
    remark = f"{found.made:,} of {found.principals:,} principals" + (", then cut short" if short else "")
    by = "" if workers == 1 else f", {workers} workers"
    seconds = Row(
        name=f"whole escalation graph, {size}{by}", value=found.seconds, floor=GRAPH_SECONDS[size], unit="s",
        bound=1.0 if workers > 1 else None,  # what is wanted is wanted of two cores
        remark=remark, failed=short,
    )  # fmt: skip
    if size not in PEAK_MIB:
        return [seconds]
    most = Row(
        name=f"peak memory of that, {size}{by}", value=found.peak_mib, floor=PEAK_MIB[size], unit="MiB", bound=1.0,
        remark=f"{found.loaded_mib:.0f} MiB after loading", failed=short,
    )  # fmt: skip
    return [seconds, most]


def truth_of(orgs: Path, size: str) -> Truth:
    """The planted chains of an organization against what every principal of it can become."""
    env = load(*snapshot(orgs, size))
    truth = json.loads((orgs / size / "truth.json").read_bytes())
    start = time.perf_counter()
    asked = ["*"] if size[0] in EVERYBODY else sorted({*truth["escalators"], *(d["start"] for d in truth["decoys"])})
    every = (e for name in asked for e in all_escalations(env, name))
    ends = {e.source: {r.principal for r in e.rows if r.admin} for e in every}
    spent = time.perf_counter() - start
    found = {source for source, admins in ends.items() if admins}
    planted, decoys = set(truth["escalators"]), {d["start"] for d in truth["decoys"]}
    extra = sorted(found - planted)
    certain = [e for e in extra if escalations(env, e, rule_out=(HELD,)).administrator is not None]
    return Truth(
        chains=len(truth["chains"]),
        broken=tuple(c["id"] for c in truth["chains"] if not _ends_in({c["start"]} | ends[c["start"]], c, found)),
        planted=len(planted),
        missing=tuple(sorted(planted - found)),
        decoys=len(decoys),
        reported=tuple(sorted(decoys & found)),
        extra=tuple(extra),
        certain=tuple(certain),
        seconds=spent,
    )


def _ends_in(controlled: set[str], chain: dict[str, Any], found: set[str]) -> bool:
    """Whether the start can be an administrator and controls the end of the chain, which may be itself."""
    return chain["start"] in found and chain["steps"][-1][1] in controlled


def truth_row(orgs: Path, size: str) -> Row:
    """How many of the planted escalators are found.

    Failed if a chain or an escalator is missing, a decoy is reported, or one is certain that was not planted.
    """
    found = truth_of(orgs, size)
    remark = (
        f"{found.chains - len(found.broken)} of {found.chains} chains, {len(found.reported)} of {found.decoys} decoys; "
        f"{len(found.extra)} more, {len(found.certain)} of them if nothing runs with their roles; {found.seconds:.0f} s"
    )
    return Row(
        name=f"planted escalators, {size}", value=found.planted - len(found.missing), floor=found.planted, unit="",
        bound=1.0, at_least=True, remark=remark, failed=bool(found.broken or found.missing or found.reported or found.certain),
    )  # fmt: skip


def planted_in(orgs: Path) -> list[str]:
    """The organizations of `orgs` whose truth is compared: those of sizes S, M and L, whatever the seed."""
    return sorted((p.parent.name for p in orgs.glob("[SML]*/truth.json")), key=lambda n: ("SML".index(n[0]), n))


def rows(orgs: Path) -> list[Row]:
    """All rows of escalation."""
    out = [truth_row(orgs, size) for size in planted_in(orgs)]
    for size in present(orgs, *QUESTION_MS):
        out += question_rows(orgs, size)
    for size in present(orgs, *GRAPH_SECONDS):
        each = [graph_rows(orgs, size, n) for n in WORKERS if n > 1 or size != "XL"]
        out += [row for rows in each for row in rows]
        if size == "L":
            one, two = (rows[0].value for rows in each)
            name = "2 workers against 1, whole escalation graph, L"
            out.append(Row(name=name, value=one, floor=two, unit="s", bound=SPEEDUP, at_least=True))
    return out


def main() -> int:
    """Print the truth of the organizations named, or the graph of one as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.escalation")
    parser.add_argument("--orgs", type=Path, required=True, help="folder with generated organizations")
    parser.add_argument("--graph", metavar="SIZE", help="make the whole graph of one and print what it took as JSON")
    parser.add_argument("--workers", type=int, default=1, help="processes that make the whole graph")
    parser.add_argument(
        "sizes", nargs="*", help="organizations whose truth is compared; S, M and L of every seed if none"
    )
    options = parser.parse_args()
    if options.graph:
        print(json.dumps(asdict(whole_graph(options.orgs, options.graph, options.workers))))
        return 0
    found = [truth_row(options.orgs, size) for size in options.sizes or planted_in(options.orgs)]
    print(table(found))
    return 0 if all(row.ok for row in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())

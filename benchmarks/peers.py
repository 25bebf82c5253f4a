"""Other tools beside iamsim, on the same files and the same concrete questions: `python -m benchmarks.peers --orgs DIR …`.

Each peer is named by an argument; without it the table says how it is installed. None is imported, and nothing depends on one:

  --iamspy PROGRAM       the command line of IAMSpy, or of its fork on PyPI, `zeuscloud-iamspy` with `pydantic<2`
  --iam-simulate FOLDER  a folder in which npm has installed `@cloud-copilot/iam-simulate`
  --pmapper PROGRAM      the command line of PMapper; the graph of the account is where PMAPPER_STORAGE says

Rounds alternate between a peer and iamsim; what is printed are medians over the rounds. Only what the peers publish
as their command line or README is used, so an input that those do not name is not given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.peer_files import read_files, resource_policy, simulation
from benchmarks.questions import other_keys
from benchmarks.rows import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Question = dict[str, Any]
Verdicts = dict[str, str]
Contexts = dict[str, dict[str, str]]

HOW = {
    "iam_simulate": "`npm install @cloud-copilot/iam-simulate` in a folder, then --iam-simulate FOLDER",
    "iamspy": "`pip install zeuscloud-iamspy 'pydantic<2'`, then --iamspy PROGRAM",
    "pmapper": "`pip install principalmapper` for Python 3.9 or older, store a graph of the account, then --pmapper PROGRAM",
}
"""How each peer is installed and named."""

TIMEOUT = 120.0
WARM_PASSES = 5
THINNED = 12
GRANTED = {"Allowed": "yes", "ExplicitlyDenied": "no", "ImplicitlyDenied": "no"}
NODE_DRIVER = """
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
const found = createRequire(process.cwd() + '/x.js').resolve('@cloud-copilot/iam-simulate')
const library = await import(pathToFileURL(found))
const asked = JSON.parse(readFileSync(0, 'utf8'))
const verdicts = {}
for (const [id, simulation] of Object.entries(asked.simulations)) {
  const given = await library.runSimulation(simulation, {})
  verdicts[id] = given.overallResult ?? 'error: ' + given.errors?.message
}
const start = performance.now()
for (const contexts of asked.passes)
  for (const [id, simulation] of Object.entries(asked.simulations)) {
    const request = { ...simulation.request, contextVariables: contexts[id] }
    await library.runSimulation({ ...simulation, request }, {})
  }
console.log(JSON.stringify({ verdicts, seconds: (performance.now() - start) / 1000 }))
"""
OWN_DRIVER = """
import json, sys, time
from iamsim import can, load
from iamsim.smt.types import Limits
asked = json.load(sys.stdin)
env = load(*asked["snapshot"])
anew = {"limits": Limits()} if asked["anew"] else {}
def ask(q, context):
    return can(env, q["principal"], q["action"], q["resource"], context=context,
               resource_account=q["resource_account"], strict=True, via="direct", **anew).verdict
verdicts = {q["id"]: str(ask(q, q["context"])) for q in asked["queries"]}
start = time.perf_counter()
for contexts in asked["passes"]:
    for q in asked["queries"]:
        ask(q, contexts[q["id"]])
print(json.dumps({"verdicts": verdicts, "seconds": time.perf_counter() - start}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table: `peer` and `own` in `unit`, medians of alternating rounds; `agree` out of `asked` verdicts."""

    what: str
    size: str
    unit: str
    peer: float
    own: float
    asked: int
    agree: int
    own_agree: int
    remark: str = ""


# --- what the truth asks ------------------------------------------------------------------------------------------


def concrete(orgs: Path, size: str, limit: int | None) -> list[Question]:
    """The concrete questions of the truth of `size`, evenly thinned out to at most `limit`."""
    truth = json.loads((orgs / size / "truth.json").read_bytes())
    queries = [q for q in truth["queries"] if q["kind"] == "concrete"]
    return queries if limit is None or limit >= len(queries) else queries[:: -(-len(queries) // limit)]


def agreeing(queries: Sequence[Question], verdicts: Mapping[str, str]) -> int:
    """How many verdicts are the ones of the truth."""
    return sum(verdicts.get(q["id"]) == ("yes" if q["expected"] else "no") for q in queries)


def wrongs(queries: Sequence[Question], verdicts: Mapping[str, str]) -> str:
    """The verdicts that differ from the truth, counted by kind."""
    seen: Counter[str] = Counter()
    for query in queries:
        verdict, expected = verdicts.get(query["id"], "none"), "yes" if query["expected"] else "no"
        if verdict != expected:
            seen[f"{verdict} for {expected}" if verdict in ("yes", "no") else verdict] += 1
    return ", ".join(f"{count} × {kind}" for kind, count in seen.most_common())


def timed(command: Sequence[str], **options: Any) -> tuple[float, subprocess.CompletedProcess[str]]:
    """The seconds that a process took from start to end, and what it gave."""
    start = time.perf_counter()
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=TIMEOUT, **options)
    return time.perf_counter() - start, done


# --- iamsim -------------------------------------------------------------------------------------------------------


def own_batch(orgs: Path, size: str, queries: Sequence[Question], *, tree: bool = True) -> tuple[float, Verdicts]:
    """Wall time of one `iamsim batch` of these questions, start and reading of the snapshot included.

    Without `tree` the organization is not read, so that no SCP and no RCP counts.
    """
    paths = [path for path in snapshot(orgs, size) if tree or path.name != "organization.json"]
    inputs = [word for path in paths for word in ("-s", str(path))]
    keys = ("id", "principal", "action", "resource", "resource_account", "context")
    lines = [json.dumps({**{k: q[k] for k in keys}, "strict": True, "via": "direct"}) for q in queries]
    seconds, done = timed([sys.executable, "-m", "iamsim", "batch", "-q", *inputs, "-"], input="\n".join(lines))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return seconds, {q["id"]: a.get("verdict", "error") for q, a in zip(queries, answers, strict=False)}


def own_warm(
    orgs: Path, size: str, queries: Sequence[Question], passes: Sequence[Contexts], *, anew: bool
) -> tuple[float, Verdicts]:
    """Questions a second of the library in a process of its own, after one pass that is not counted.

    With `anew` each one is decided by itself; else what a question like it looked at is recalled, as `can` does.
    """
    asked = {"snapshot": [str(p) for p in snapshot(orgs, size)], "queries": queries, "passes": passes, "anew": anew}
    _, done = timed([sys.executable, "-c", OWN_DRIVER], input=json.dumps(asked))
    given = json.loads(done.stdout)
    return len(passes) * len(queries) / given["seconds"], given["verdicts"]


def other_contexts(queries: Sequence[Question]) -> list[Contexts]:
    """For each counted pass the keys of each question by its id, as they were never given before."""
    r = Random(7)
    return [{q["id"]: q["context"] for q in other_keys(list(queries), r)} for _ in range(WARM_PASSES)]


# --- iam-simulate: a library that is handed the policies of each request --------------------------------------------


def node_run(folder: Path, simulations: Mapping[str, Any], passes: Sequence[Contexts]) -> tuple[float, float, Verdicts]:
    """Wall time of the process, seconds of the counted passes, and the verdicts."""
    asked = json.dumps({"simulations": simulations, "passes": passes})
    wall, done = timed(["node", "--input-type=module", "-e", NODE_DRIVER], input=asked, cwd=folder)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or "node failed")
    given = json.loads(done.stdout)
    return wall, given["seconds"], {i: GRANTED.get(v, v) for i, v in given["verdicts"].items()}


def iam_simulate(orgs: Path, size: str, folder: Path, queries: list[Question], rounds: int) -> list[Line]:
    """A batch in a new process, and warm with other keys in each pass; questions of principals with a boundary are left out.

    Warm iamsim is measured twice: as it is, and with each question decided by itself, as the peer decides it.
    """
    files = read_files(orgs, size)
    askable = [q for q in queries if "PermissionsBoundary" not in files.principals[q["principal"]]]
    simulations = {q["id"]: simulation(files, q) for q in askable}
    passes = other_contexts(askable)
    whole = [{i: {**simulations[i]["request"]["contextVariables"], **c} for i, c in p.items()} for p in passes]
    walls: list[tuple[float, float]] = []
    rates: list[tuple[float, float]] = []
    anew: list[tuple[float, float]] = []
    verdicts, own = Verdicts(), Verdicts()
    for _ in range(rounds):
        wall, _, verdicts = node_run(folder, simulations, [])
        mine, own = own_batch(orgs, size, askable)
        walls.append((wall, mine))
        _, seconds, _ = node_run(folder, simulations, whole)
        rate = WARM_PASSES * len(askable) / seconds
        rates.append((rate, own_warm(orgs, size, askable, passes, anew=False)[0]))
        anew.append((rate, own_warm(orgs, size, askable, passes, anew=True)[0]))
    remark = "; ".join(x for x in (f"{len(queries) - len(askable)} left out", wrongs(askable, verdicts)) if x)
    counts = {"asked": len(askable), "agree": agreeing(askable, verdicts), "own_agree": agreeing(askable, own)}
    return [
        _line("iam-simulate, batch with start", size, "s", walls, counts, remark),
        _line("iam-simulate, warm, keys never given before", size, "1/s", rates, counts, remark),
        _line("iam-simulate, warm, iamsim decides each anew", size, "1/s", anew, counts, remark),
    ]


# --- tools with one process a question ------------------------------------------------------------------------------


def single(
    name: str, orgs: Path, size: str, queries: list[Question], rounds: int, ask: Callable[[Question], tuple[float, str]]
) -> Line:  # fmt: skip
    """Wall time of one question in one process, `ask` and iamsim in turn on some of the questions; verdicts on all."""
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        for query in queries[::THINNED]:
            seconds, _ = ask(query)
            mine, _ = own_batch(orgs, size, [query])
            times.append((seconds, mine))
    verdicts = {query["id"]: ask(query)[1] for query in queries}
    _, own = own_batch(orgs, size, queries)
    known = [
        {**q, "context": {**q["context"], "aws:PrincipalOrgID": q["derived"]["aws:PrincipalOrgID"]}} for q in queries
    ]
    _, bare = own_batch(orgs, size, known, tree=False)
    alike = sum(verdicts[i] == bare[i] for i in verdicts)
    remark = f"{alike} as iamsim without the tree; {wrongs(queries, verdicts)}"
    counts = {"asked": len(queries), "agree": agreeing(queries, verdicts), "own_agree": agreeing(queries, own)}
    return _line(name, size, "s", times, counts, remark)


def iamspy(orgs: Path, size: str, program: str, queries: list[Question], rounds: int) -> list[Line]:
    """Loading once into a model file, with nothing beside it; then one process a question, with the model loaded."""
    with tempfile.TemporaryDirectory() as folder:  # its working directory too: it writes `model.vars` there
        model = str(Path(folder) / "model.smt2")
        inputs = [("load-gaad", str(p.resolve())) for p in sorted((orgs / size / "gaad").glob("*.json"))]
        spent = 0.0
        for command, path in (*inputs, ("load-resources", str((orgs / size / "resources.json").resolve()))):
            seconds, done = timed([program, command, "-f", model, path], cwd=folder)
            spent += seconds
            if done.returncode:
                raise RuntimeError(_last(done))

        def ask(query: Question) -> tuple[float, str]:
            pairs = {**query["context"], **query["derived"]}.items()
            given = [word for key, value in pairs for word in ("-c", f"{key}={value}")]
            what = (query["principal"], query["action"], query["resource"])
            seconds, done = timed([program, "can-i", "-f", model, "--strict-conditions", *given, *what], cwd=folder)
            return seconds, {"True": "yes", "False": "no"}.get(done.stdout.strip(), _last(done))

        line = single("IAMSpy, one question a process", orgs, size, queries, rounds, ask)
    loading = f"loading once {spent:.1f} s"
    return [_with(line, f"{loading}; {line.remark}" if line.remark else loading)]


def pmapper(orgs: Path, size: str, program: str, queries: list[Question], rounds: int) -> list[Line]:
    """One process a question over the stored graph, with the resource policy as text and without SCPs."""
    files = read_files(orgs, size)
    account = queries[0]["principal"].split(":")[4]
    _, stored = timed([program, "--account", account, "graph", "display"])
    if stored.returncode:  # it makes its graph from a live account alone
        _, made = timed([program, "graph", "create"])
        raise RuntimeError(f"no graph of {account} ({_last(stored)}), and `graph create`: {_last(made)}")

    def ask(query: Question) -> tuple[float, str]:
        kind, name = query["principal"].split(":")[5].split("/")[0], query["principal"].split("/")[-1]
        pairs = {**query["context"], **query["derived"]}.items()
        given = [word for key, value in pairs for word in ("--condition", f"{key}={value}")]
        policy = resource_policy(files, query["resource"])
        if policy is not None:
            given += ["--resource-policy-text", json.dumps(policy), "--resource-owner", query["resource_account"]]
        what = ["--principal", f"{kind}/{name}", "--action", query["action"], "--resource", query["resource"]]
        account = query["principal"].split(":")[4]
        seconds, done = timed([program, "--account", account, "argquery", "-u", *what, *given])
        if done.returncode:
            return seconds, _last(done)
        direct = done.stdout.startswith(f"{kind}/{name} IS authorized to call ")  # else by a hop, or not at all
        return seconds, "yes" if direct else "no"

    return [single("PMapper, one question a process", orgs, size, queries, rounds, ask)]


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return f"error: {lines[-1][:80]}" if lines else f"error: status {done.returncode}"


# --- the table ------------------------------------------------------------------------------------------------------


def _line(
    what: str, size: str, unit: str, pairs: Sequence[tuple[float, float]], counts: Mapping[str, int], remark: str
) -> Line:  # fmt: skip
    peer, own = (median(column) for column in zip(*pairs, strict=True))
    return Line(what=what, size=size, unit=unit, peer=peer, own=own, remark=remark, **counts)


def _with(line: Line, remark: str) -> Line:
    return Line(**{name: getattr(line, name) for name in Line.__slots__ if name != "remark"}, remark=remark)


def table(lines: Sequence[Line], missing: Sequence[tuple[str, str, str]] = ()) -> str:
    """The lines as a Markdown table; the ratio is how many times faster iamsim was. `missing`: peer, size and why."""
    head = "| peer | org | unit | peer | iamsim | ratio | peer agrees | iamsim agrees | remark |"
    rows = [head, "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    for x in lines:
        ratio = x.own / x.peer if x.unit == "1/s" else x.peer / x.own
        cells = (x.what, x.size, x.unit, f"{x.peer:,.4g}", f"{x.own:,.4g}", f"{ratio:.2f}")
        rows.append("| " + " | ".join((*cells, f"{x.agree}/{x.asked}", f"{x.own_agree}/{x.asked}", x.remark)) + " |")
    rows += [f"| {peer} | {size} |" + " |" * 6 + f" {why} |" for peer, size, why in missing]
    return "\n".join(rows)


def main() -> int:
    """Measure the peers that are named and print the table; a peer that fails is reported and the rest goes on."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--orgs", type=Path, required=True, help="folder with generated organizations")
    parser.add_argument("--sizes", nargs="+", default=["S", "M"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="at most so many questions where each one is a process")
    parser.add_argument("--iamspy", metavar="PROGRAM")
    parser.add_argument("--iam-simulate", metavar="FOLDER", type=Path)
    parser.add_argument("--pmapper", metavar="PROGRAM")
    options = parser.parse_args()
    lines: list[Line] = []
    missing: list[tuple[str, str, str]] = []
    for size in options.sizes:
        every, some = concrete(options.orgs, size, None), concrete(options.orgs, size, options.limit)
        for measure, where, asked in (
            (iam_simulate, options.iam_simulate, every),
            (iamspy, options.iamspy, some),
            (pmapper, options.pmapper, some),
        ):
            if where is None:
                missing.append((measure.__name__, size, f"not installed: {HOW[measure.__name__]}"))
                continue
            try:
                lines += measure(options.orgs, size, where, asked, options.rounds)
            except (OSError, RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
                missing.append((measure.__name__, size, f"stopped: {error}"))
    print(table(lines, missing))
    return 0 if lines else 1


if __name__ == "__main__":
    raise SystemExit(main())

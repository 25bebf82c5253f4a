"""Is everything that policy A allows allowed by B? 300 seeded pairs of the AWS managed policies, and the order of all."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

from benchmarks.rows import Row
from iamsim import Verdict
from iamsim.aws.managed import managed_policies
from iamsim.diagnostics import Origin
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy
from iamsim.query.compare import narrower
from iamsim.query.documents import all_managed
from iamsim.query.lattice import lattice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.model.policy import Policy

SEED = 20250101
P95 = 10.0
WHOLE = 60.0
Pair = tuple[Any, Any]


def pairs(seed: int = SEED) -> list[Pair]:
    """100 pairs of full and read-only access to one service, 80 of the largest, 60 of one service, 60 mutants."""
    documents = {row["name"]: row["document"] for _, row in sorted(managed_policies().items())}
    draw = random.Random(seed)
    names = sorted(documents)
    large = sorted(names, key=lambda n: (-len(json.dumps(documents[n])), n))
    stems = [(n, n.replace("FullAccess", "ReadOnlyAccess")) for n in names if n.endswith("FullAccess")]
    named = [p for full, read in stems if read in documents for p in ((full, read), (read, full))]
    chosen = [*draw.sample(named, min(100, len(named)))]
    chosen += [(a, b) for a, b in (draw.sample(large[:60], 2) for _ in range(180 - len(chosen)))]
    groups = [g for g in _by_service(documents).values() if len(g) > 1]
    chosen += [(a, b) for a, b in (draw.sample(draw.choice(groups), 2) for _ in range(60))]
    out: list[Pair] = [(documents[a], documents[b]) for a, b in chosen]
    for i in range(60):
        whole = documents[large[i % 30]]
        part = _mutant(whole, draw)
        out.append((whole, part) if i % 2 else (part, whole))
    return out


def _statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = document["Statement"]
    return list(found) if isinstance(found, list) else [found]


def _by_service(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for name, document in documents.items():
        first = _statements(document)[0].get("Action", "*")
        action = first if isinstance(first, str) else first[0]
        out.setdefault(action.partition(":")[0], []).append(name)
    return out


def _mutant(document: Mapping[str, Any], draw: random.Random) -> dict[str, Any]:
    """`document` without one statement, action or condition."""
    found = [dict(s) for s in _statements(document)]
    at = draw.randrange(len(found))
    actions = found[at].get("Action")
    if "Condition" in found[at] and draw.random() < 0.5:
        del found[at]["Condition"]
    elif isinstance(actions, list) and len(actions) > 1:
        left = draw.randrange(len(actions))
        found[at]["Action"] = [a for i, a in enumerate(actions) if i != left]
    elif len(found) > 1:
        del found[at]
    return {**document, "Statement": found}


def policy(document: Mapping[str, Any]) -> Policy:
    """The document as an identity policy."""
    return read_policy(document, PolicyKind.IDENTITY, "managed policy", Origin("<managed>"))[0]


def rows() -> list[Row]:
    """p95 in processor time against its bound, with p50, maximum and the number of pairs that were not decided.

    Each document is read and split into classes of actions once, before the pairs are compared; that is a row of its own.
    """
    drawn = pairs()
    documents = {json.dumps(d, sort_keys=True): d for pair in drawn for d in pair}
    narrower(policy(drawn[0][0]), policy(drawn[0][1]))  # loads the reference data
    start = time.perf_counter()
    read = {key: policy(d) for key, d in documents.items()}
    for one in read.values():
        narrower(one, one)
    compiling = 1e3 * (time.perf_counter() - start) / len(read)
    compiled = [(read[json.dumps(a, sort_keys=True)], read[json.dumps(b, sort_keys=True)]) for a, b in drawn]
    spent: list[float] = []
    found = dict.fromkeys(Verdict, 0)
    for a, b in compiled:
        start = time.process_time()
        verdict = narrower(a, b).verdict
        spent.append(1e3 * (time.process_time() - start))
        found[verdict] += 1
    spent.sort()
    p50, p95 = spent[len(spent) // 2], spent[int(len(spent) * 0.95)]
    undecided = found[Verdict.UNKNOWN]
    remark = f"p50 {p50:.2f}, max {spent[-1]:.1f} ms; {found[Verdict.YES]} narrower, {undecided} undecided"
    name = f"policy comparison p95, {len(spent)} pairs"
    made = f"{len(read)} documents, read and split into classes"
    return [
        Row(name="policy, prepared", value=compiling, floor=P95, unit="ms", bound=None, remark=made),
        Row(name=name, value=p95, floor=P95, unit="ms", bound=1.0, remark=remark, failed=undecided > 0),
        whole(),
    ]


def whole() -> Row:
    """The order of all bundled documents, reading them included, in processor time of the one process."""
    start = time.process_time()
    found = lattice(all_managed())
    spent = time.process_time() - start
    policies, steps = sum(map(len, found.classes)), sum(map(len, found.above))
    remark = f"{found.pairs} pairs, {len(found.classes)} classes, {steps} steps, {len(found.undecided)} undecided"
    name = f"policy lattice, {policies} documents"
    return Row(name=name, value=spent, floor=WHOLE, unit="s", bound=1.0, remark=remark)

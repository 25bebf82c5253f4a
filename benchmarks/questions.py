"""Warm questions to the library: concrete and symbolic, on M, and on S against L."""

from __future__ import annotations

import gc
import json
import time
from typing import TYPE_CHECKING, Any

from benchmarks.rows import Row, snapshot
from iamsim import Verdict, can, load

if TYPE_CHECKING:
    from pathlib import Path

    from iamsim import Environment

CONCRETE, SYMBOLIC = 5000.0, 500.0
SPREAD = 2.0
SECONDS = 1.0


def ask(env: Environment, query: dict[str, Any], *, strict: bool, proof: bool = False) -> Verdict:
    """The verdict on one query of the truth; with `proof` its witness, core or reasons are made as well."""
    answer = can(
        env,
        query["principal"],
        query["action"],
        query["resource"],
        context=query["context"] if strict else None,
        resource_account=query["resource_account"],
        strict=strict,
        via="direct",
    )
    if proof:
        _ = (answer.witness, answer.core)
    return answer.verdict


def rate(env: Environment, queries: list[dict[str, Any]], *, strict: bool, proof: bool = False) -> float:
    """Questions a second: the best of three runs, after one round that is not counted."""
    for query in queries:
        ask(env, query, strict=strict, proof=proof)
    best = 0.0
    for _ in range(3):
        gc.collect()
        asked, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < SECONDS:
            for query in queries:
                ask(env, query, strict=strict, proof=proof)
            asked += len(queries)
        best = max(best, asked / spent)
    return best


def wrong(env: Environment, queries: list[dict[str, Any]]) -> int:
    """How many concrete queries have a verdict that is not the expected one."""
    return sum(ask(env, q, strict=True) is not (Verdict.YES if q["expected"] else Verdict.NO) for q in queries)


def rows(orgs: Path) -> list[Row]:
    """Rates on M against their floors, and S against L."""
    rates: dict[tuple[str, bool], float] = {}
    out: list[Row] = []
    for size in ("S", "M", "L"):
        env = load(*snapshot(orgs, size))
        truth = json.loads((orgs / size / "truth.json").read_bytes())
        queries = [q for q in truth["queries"] if q["kind"] == "concrete"]
        bad = wrong(env, queries)
        for strict in (True, False):
            rates[size, strict] = rate(env, queries, strict=strict)
        if size != "M":
            continue
        remark = f"{len(queries)} queries, {bad} wrong"
        for strict, name, floor in ((True, "concrete", CONCRETE), (False, "symbolic", SYMBOLIC)):
            value = rates[size, strict]
            out.append(_at_least(f"{name} questions, M", value, floor, remark, failed=bad > 0))
            value = rate(env, queries, strict=strict, proof=True)
            out.append(Row(name=f"{name} with proofs, M", value=value, floor=floor, unit="1/s"))
    for strict, name in ((True, "concrete"), (False, "symbolic")):
        small, large = rates["S", strict], rates["L", strict]
        out.append(Row(name=f"{name}, S against L", value=small, floor=large, unit="1/s", bound=SPREAD))
    return out


def _at_least(name: str, value: float, floor: float, remark: str, *, failed: bool) -> Row:
    return Row(
        name=name, value=value, floor=floor, unit="1/s", bound=1.0, at_least=True, remark=remark, failed=failed
    )  # fmt: skip

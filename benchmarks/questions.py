"""Warm questions to the library: concrete and symbolic, on M and L, and whether the size of the organization matters.

Rates are of CPU time, so that other work on the machine counts for less. Concrete questions are never the same twice: each
round asks with other keys. How long one takes whose resource was never asked about is told beside it.
"""

from __future__ import annotations

import gc
import json
import time
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.rows import Row, present, snapshot
from iamsim import Verdict, can, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from iamsim import Environment

CONCRETE, SYMBOLIC, MIDDLE = 20_000.0, 1_500.0, 1.0
SPREAD = 2.0
SECONDS = 1.0

Queries = list[dict[str, Any]]


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


def concrete(orgs: Path, size: str) -> Queries:
    """The concrete queries of the truth of `size`."""
    truth = json.loads((orgs / size / "truth.json").read_bytes())
    return [q for q in truth["queries"] if q["kind"] == "concrete"]


def rate(
    env: Environment,
    queries: Queries,
    *,
    strict: bool,
    proof: bool = False,
    other: Callable[[Queries], Queries] = lambda queries: queries,
) -> float:
    """Questions a second of CPU time: the median of three runs, after one round that is not counted; `other` makes the
    questions of each round, outside of the time.
    """
    for query in queries:
        ask(env, query, strict=strict, proof=proof)
    found = []
    for _ in range(3):
        gc.collect()
        asked, spent = 0, 0.0
        while spent < SECONDS:
            round_ = other(queries)
            start = time.process_time()
            for query in round_:
                ask(env, query, strict=strict, proof=proof)
            spent += time.process_time() - start
            asked += len(round_)
        found.append(asked / spent)
    return median(found)


def other_keys(queries: Queries, r: Random) -> Queries:
    """The queries at another time, from another address, by another program; addresses do not come again."""
    out = []
    for query in queries:
        network = query["context"]["aws:SourceIp"].split(".")[0]
        address = ".".join([network, *(str(r.randint(1, 254)) for _ in range(3))])
        more = {
            "aws:CurrentTime": f"2026-11-{r.randint(10, 29)}T10:{r.randint(10, 59)}:00Z",
            "aws:SourceIp": address,
            "aws:UserAgent": str(r.random()),
        }
        out.append({**query, "context": {**query["context"], **more}})
    return out


def other_resources(queries: Queries, r: Random) -> Queries:
    """Of the queries those about an object of S3, each of another object beside it."""
    mine = [q for q in queries if q["resource"].startswith("arn:aws:s3:::") and "/" in q["resource"]]
    return [{**q, "resource": f"{q['resource']}{r.randint(0, 10**9)}"} for q in mine]


def middle(env: Environment, queries: Queries) -> float:
    """The median time of a symbolic question, in milliseconds of CPU time: each the least of five."""
    times = []
    for query in queries:
        own = []
        for _ in range(5):
            start = time.process_time()
            ask(env, query, strict=False)
            own.append(time.process_time() - start)
        times.append(min(own) * 1000)
    return median(times)


def wrong(env: Environment, queries: Queries) -> int:
    """How many concrete queries have a verdict that is not the expected one."""
    return sum(ask(env, q, strict=True) is not (Verdict.YES if q["expected"] else Verdict.NO) for q in queries)


def rows(orgs: Path) -> list[Row]:
    """Rates on M and L against what is wanted, and S against L."""
    found: dict[tuple[str, bool], float] = {}
    out: list[Row] = []
    for size in present(orgs, "S", "M", "L"):
        env = load(*snapshot(orgs, size))
        queries = concrete(orgs, size)
        bad = wrong(env, queries)
        r = Random(7)
        known = rate(env, queries, strict=True, other=lambda q, r=r: other_keys(q, r))  # type: ignore[misc]
        found[size, True] = rate(env, queries, strict=True, other=lambda q, r=r: other_resources(q, r))  # type: ignore[misc]
        found[size, False] = rate(env, queries, strict=False)
        if size == "S":
            continue
        remark = f"{len(queries)} queries, {bad} wrong"
        out.append(_at_least(f"concrete questions, {size}", known, CONCRETE, remark, failed=bad > 0))
        new = found[size, True]
        out.append(Row(name=f"concrete, object never asked about, {size}", value=new, floor=CONCRETE, unit="1/s"))
        out.append(_at_least(f"symbolic questions, {size}", found[size, False], SYMBOLIC, remark, failed=bad > 0))
        out.append(
            Row(name=f"symbolic, median, {size}", value=middle(env, queries), floor=MIDDLE, unit="ms", bound=1.0)
        )
        if size == "M":
            for strict, name in ((True, "concrete"), (False, "symbolic")):
                value = rate(env, queries, strict=strict, proof=True)
                out.append(Row(name=f"{name} with proofs, M", value=value, floor=1000.0, unit="1/s"))
    for strict, name in ((True, "concrete, object never asked about"), (False, "symbolic")):
        if ("S", strict) in found and ("L", strict) in found:
            small, large = found["S", strict], found["L", strict]
            out.append(Row(name=f"{name}, S against L", value=small, floor=large, unit="1/s", bound=SPREAD))
    return out


def _at_least(name: str, value: float, floor: float, remark: str, *, failed: bool) -> Row:
    return Row(
        name=name, value=value, floor=floor, unit="1/s", bound=1.0, at_least=True, remark=remark, failed=failed
    )  # fmt: skip

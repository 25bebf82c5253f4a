"""Two workers against one, on questions about all callers, in alternating rounds; the snapshot is in the cache, as for a command.

What counts is the CPU time of the worker that works longest, its start included: the time that all takes where each worker has a
core. Wall time is told beside it; it is the same on a machine that does nothing else.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.rows import Row, present, snapshot
from iamsim import all_escalations, load, who_can

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor
    from pathlib import Path

    from iamsim import Environment

    Asked = Callable[[Environment, Executor | None], Iterable[object]]

WANTED, ROUNDS = 1.6, 3
OBJECT = ("s3:GetObject", "arn:aws:s3:::acct103998-shared/direct/report.csv")

QUESTIONS: dict[str, tuple[str, Asked]] = {
    "who-can by role hops, M": ("M", lambda env, e: who_can(env, *OBJECT, via="roles", executor=e)),
    "all escalations, S": ("S", lambda env, e: all_escalations(env, executor=e)),
    "all escalations, L": ("L", lambda env, e: all_escalations(env, executor=e)),
}
LONG = frozenset({"all escalations, L"})
"""Questions that are asked only when they are named: they take minutes."""


class Timed(ProcessPoolExecutor):
    """A pool of processes that knows the CPU time of each, as of its last unit."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers, get_context("spawn"))
        self.spent: dict[int, float] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The result of `fn` alone; the time that came with it is kept."""
        outer: Future[Any] = Future()
        inner = super().submit(_timed, fn, *args, **kwargs)

        def done(inner: Future[Any]) -> None:
            error = inner.exception()
            if error is not None:
                outer.set_exception(error)
                return
            number, spent, result = inner.result()
            self.spent[number] = spent
            outer.set_result(result)

        inner.add_done_callback(done)
        return outer


def _timed(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[int, float, Any]:
    result = fn(*args, **kwargs)
    return os.getpid(), time.process_time(), result


def seconds(paths: list[Path], cache: str, workers: int, ask: Asked) -> tuple[float, float]:
    """CPU time of the longest worker, and wall time from the opened snapshot to the last row."""
    env = load(*paths, cache=cache)
    start = time.perf_counter()
    with Timed(workers) as pool:
        for _ in ask(env, pool):
            pass
        return max(pool.spent.values()), time.perf_counter() - start


def rows(orgs: Path, names: Iterable[str] = QUESTIONS.keys() - LONG) -> list[Row]:
    """A row for each question: how many times as fast two workers are."""
    out = []
    with tempfile.TemporaryDirectory() as cache:
        for name in sorted(names):
            size, ask = QUESTIONS[name]
            if not present(orgs, size):
                continue
            paths = snapshot(orgs, size)
            load(*paths, cache=cache)
            rounds = [[seconds(paths, cache, n, ask) for n in (1, 2)] for _ in range(ROUNDS)]
            one, two = (median(r[n][0] for r in rounds) for n in (0, 1))
            wall, walls = (median(r[n][1] for r in rounds) for n in (0, 1))
            out.append(
                Row(
                    name=f"2 workers against 1, {name}",
                    value=one,
                    floor=two,
                    unit="s",
                    bound=WANTED if name in LONG else None,  # the others are over before a worker has started
                    at_least=True,
                    remark=f"wall {wall:.1f} s and {walls:.1f} s",
                )
            )
    return out

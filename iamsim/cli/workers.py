"""The workers of a command: processes of this machine (`--jobs`), or a Dask cluster (`--scheduler`)."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from iamsim.cli.options import workers_wanted
from iamsim.errors import QueryError, WorkerError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor


@contextmanager
def workers() -> Iterator[Executor | None]:
    """What the command line asked for, as long as the context lasts; None: the work is done in this process.

    Workers that are still at it when the context is left by an error, or by an interrupt, are ended.
    """
    jobs, scheduler = workers_wanted()
    if scheduler is not None:
        if jobs is not None:
            raise QueryError("`--jobs` and `--scheduler` contradict each other", "give one of the two")
        with _cluster(scheduler) as executor:
            yield executor
    elif jobs is None or jobs == 1:
        yield None
    else:
        with _processes(jobs) as executor:
            yield executor


_ENDING = 10.0
"""Seconds for which the threads of a pool are waited for once its processes were told to end."""


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children, get_context

    before, threads = set(active_children()), set(threading.enumerate())
    pool = ProcessPoolExecutor(count, get_context("spawn"), _begin)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(active_children()) - before:
            child.terminate()
        for thread in set(threading.enumerate()) - threads:
            # Python wakes the thread of the pool at exit, and fails with a traceback where that is just ending
            thread.join(_ENDING)
        raise
    pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """In a new worker: an interrupt is for the process that asks, and without that one there is nothing to do but to tidy up."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    from iamsim.env.handed import remove_forsaken

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is None:
        return

    def watch(sentinel: int, pid: int | None) -> None:
        wait([sentinel])
        try:
            remove_forsaken(pid)
        finally:
            os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel, parent.pid), daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
        from distributed.comm import resolve_address
    except ImportError as error:
        raise QueryError("`--scheduler` needs Dask", "install iamsim[dask], or give --jobs N") from error
    shown = printable(address)
    try:
        resolve_address(address)  # a client of an address that is none leaves a thread with a traceback
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise WorkerError(
            f"no scheduler answers at `{shown}`", "start one with `dask scheduler`, and give its address"
        ) from error
    try:
        if not client.scheduler_info()["workers"]:
            raise WorkerError(f"the scheduler at `{shown}` has no workers", f"start some: dask worker {shown}")
        yield client.get_executor(pure=False)
    finally:
        with suppress(OSError, TimeoutError):
            client.close()

"""Questions about a whole environment on any executor: units of work as plain data out, their results back in order.

What a unit needs of the environment is not sent with it: a worker opens the compiled snapshot once and keeps it. A worker
that cannot read the file (of another machine) says so, and is sent the content with its next unit.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.env.handed import handed, taken, whole
from iamsim.errors import WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from iamsim.env.handed import Handed
    from iamsim.env.types import Environment

    Job = Callable[[tuple[Environment, ...], Any, Any], Any]

_AHEAD = 64
"""Units that are handed out before the results of the first are read."""

_KEPT = 4

# A worker has nowhere else to keep what it was sent once. Of several threads of a process one works at a time: what is
# kept with an environment is not made for more, and the interpreter runs no more than one of them anyway.
_LOCK = threading.Lock()
_OPENED: dict[str, Environment] = {}


@dataclass(frozen=True, slots=True)
class _Lacking:
    """What a worker returns that can read none of the environments that it was given."""


def spread(
    executor: Executor, envs: Sequence[Environment], job: Job, shared: Any, units: Iterable[Any]
) -> Iterator[Any]:
    """What `job(envs, shared, unit)` returns for each of `units`, in their order, worked out by `executor`.

    `job` is a function of a module; `shared`, the units and the results are data. Errors that it raises are raised here;
    WorkerError if a worker was lost. What was not begun when the caller stops reading is cancelled.
    """
    with ExitStack() as stack:
        places = tuple(stack.enter_context(handed(env)) for env in envs)
        waiting: deque[tuple[Any, Future[Any]]] = deque()
        left = iter(units)

        def hand_out() -> None:
            while len(waiting) < _AHEAD and (unit := next(left, _OPENED)) is not _OPENED:
                waiting.append((unit, _submitted(executor, places, job, shared, unit)))

        try:
            hand_out()
            while waiting:
                unit, future = waiting.popleft()
                found = _result(executor, places, envs, job, shared, unit, future)
                hand_out()
                if not waiting:
                    break
                yield found
            else:
                return
        finally:
            for _, future in waiting:
                future.cancel()
    yield found  # whoever reads no further than this keeps no file


def _result(
    executor: Executor,
    places: tuple[Handed, ...],
    envs: Sequence[Environment],
    job: Job,
    shared: Any,
    unit: Any,
    future: Future[Any],
) -> Any:
    found = _waited(future)
    if not isinstance(found, _Lacking):
        return found
    # another worker may have the snapshot by now
    found = _waited(_submitted(executor, places, job, shared, unit))
    if not isinstance(found, _Lacking):
        return found
    full = tuple(whole(p, e) for p, e in zip(places, envs, strict=True))
    return _waited(_submitted(executor, full, job, shared, unit))


def _submitted(executor: Executor, places: tuple[Handed, ...], job: Job, shared: Any, unit: Any) -> Future[Any]:
    try:
        return executor.submit(_worked, places, job, shared, unit)
    except BrokenExecutor as error:
        raise _lost(error) from error


def _waited(future: Future[Any]) -> Any:
    try:
        return future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise _lost(error) from error
    except Exception as error:
        # Dask has its own words for it, and is not imported to compare them
        if type(error).__module__.partition(".")[0] == "distributed":
            raise _lost(error) from error
        raise


def _lost(error: BaseException) -> WorkerError:
    said = str(error).split("\n", 1)[0].rstrip(".")
    return WorkerError(
        f"a worker was lost: {said[:1].lower() + said[1:] or type(error).__name__}",
        "each worker needs as much memory as one process: ask with fewer, or without",
    )


def _worked(places: tuple[Handed, ...], job: Job, shared: Any, unit: Any) -> Any:
    """In a worker: what `job` returns for a unit."""
    with _LOCK:
        envs = [_opened(p) for p in places]
        if any(env is None for env in envs):
            return _Lacking()
        return job(tuple(e for e in envs if e is not None), shared, unit)


def _opened(place: Handed) -> Environment | None:
    env = _OPENED.get(place.key)
    if env is None:
        env = taken(place)
        if env is None:
            return None
        while len(_OPENED) >= _KEPT:
            del _OPENED[next(iter(_OPENED))]
        _OPENED[place.key] = env
    return env


def slices(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and stop of the parts, of `size` each, of a sequence of `count`."""
    return ((start, min(start + size, count)) for start in range(0, count, size))

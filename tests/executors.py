"""Executors and jobs for the tests of spread work; functions stand in a module, so that workers can be sent their names."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

from iamsim.errors import QueryError


class Backwards(Executor):
    """Runs what it was given only when a result is asked for, the last first; every argument and result goes through pickle."""

    def __init__(self):
        self.waiting = []
        self.most = 0

    def submit(self, fn, /, *args, **kwargs):
        import pickle

        executor = self
        sent = pickle.dumps((fn, args, kwargs))

        class Lazy(Future):
            def result(self, timeout=None):
                while executor.waiting and not self.done():
                    executor.waiting.pop()()
                return super().result(timeout)

        future = Lazy()

        def run():
            if not future.set_running_or_notify_cancel():
                return
            try:
                run_fn, run_args, run_kwargs = pickle.loads(sent)
                future.set_result(pickle.loads(pickle.dumps(run_fn(*run_args, **run_kwargs))))
            except Exception as error:  # noqa: BLE001 - it is what a worker would send back
                future.set_exception(error)

        self.waiting.append(run)
        self.most = max(self.most, len(self.waiting))
        return future


class Elsewhere(Backwards):
    """Its workers do not have the files of this machine; `contents` counts how often a content was sent."""

    def __init__(self):
        super().__init__()
        self.contents = 0

    def submit(self, fn, /, places, *args):
        self.contents += any(p.content for p in places)
        return super().submit(fn, tuple(replace(p, path="/nowhere/x.iamsim") for p in places), *args)


class Deadly(Executor):
    """Passes work on to `inner`; the worker that gets the unit `number` is killed in the middle of it, once."""

    def __init__(self, inner, number, marker):
        self.inner, self.left, self.marker = inner, number, str(marker)

    def submit(self, fn, /, *args):
        self.left -= 1
        marker = self.marker if self.left == 0 else None
        return self.inner.submit(die_once, marker, fn, *args)


def die_once(marker, fn, *args):
    if marker is not None:
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return fn(*args)


def counted(envs, shared, unit):
    return [len(env.principals) for env in envs], shared, unit


def refusing(envs, shared, unit):
    if unit == shared:
        raise QueryError(f"unit {unit} cannot be asked", "ask another")
    return unit


def dying(envs, shared, unit):
    os.kill(os.getpid(), signal.SIGKILL)


def waiting(envs, shared, unit):
    import time

    Path(shared, str(os.getpid())).touch()
    time.sleep(600)

"""What the commands share: reading a snapshot, remarks on standard error, exit statuses, and errors without tracebacks."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

from iamsim.cli.options import OnUnknown, cache_directory
from iamsim.errors import InputError, InternalError, QueryError, WorkerError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from enum import StrEnum

    from iamsim.diagnostics import Diagnostic
    from iamsim.env.types import Environment

_SHOWN = 10
_LONG = 1000


class Status(IntEnum):
    """The exit statuses."""

    AS_EXPECTED = 0
    NOT_EXPECTED = 1
    INPUT = 2
    UNKNOWN = 3
    INTERNAL = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class Loud(IntEnum):
    """How much is said on standard error: nothing but errors, errors and warnings, or everything."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


def say(text: str) -> None:
    """Prints one line on standard error; what it cannot encode is escaped."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def say_error(error: Exception) -> None:
    """Prints an error as one line with place and remedy, after the remarks that belong to it."""
    found: tuple[Diagnostic, ...] = error.diagnostics if isinstance(error, InputError) else ()
    own = [d for d in found if d.message == str(error)]
    remarks([*own, *(d for d in found if d not in own and d.severity == "error")], Loud.NORMAL)
    if own:
        return
    remedy = getattr(error, "help", "")
    if "\n" in remedy or "\n" in str(error):
        say("error: " + _many(str(error)))
        say("  " + _many(remedy).replace("\n", "\n  "))
    else:
        say(f"error: {printable(str(error), _LONG)}" + (f"; help: {printable(remedy, _LONG)}" if remedy else ""))


def _many(text: str) -> str:
    return "\n".join(printable(row, _LONG) for row in text.split("\n"))


def remarks(diagnostics: Iterable[Diagnostic], loud: Loud) -> None:
    """Prints the first of the diagnostics that are asked for, one line each, and how many more there are."""
    if loud is Loud.QUIET:
        return
    listed = [d for d in diagnostics if loud is Loud.VERBOSE or d.severity != "info"]
    if not listed:
        return
    from iamsim.report.places import diagnostic_text, places

    place = places()
    order = {"error": 0, "warning": 1, "info": 2}
    listed.sort(key=lambda d: order[d.severity.value])
    shown = len(listed) if loud is Loud.VERBOSE else _SHOWN
    for diagnostic in listed[:shown]:
        say(diagnostic_text(diagnostic, place))
    if len(listed) > shown:
        say(f"and {len(listed) - shown} more (-v shows all)")


def doubts_of_question(diagnostics: Iterable[Diagnostic], loud: Loud) -> None:
    """Prints what is odd about the question, such as an action that nobody knows, however quiet: its answer may mean nothing."""
    remarks(diagnostics, max(loud, Loud.NORMAL))


def doubts_of_action(action: str | None, loud: Loud) -> None:
    """Says that nobody knows the action of a question, if one is given and nobody does."""
    if action is not None:
        from iamsim.query.prepare import read_actions

        doubts_of_question(read_actions(action)[1], loud)


def environment(paths: tuple[str, ...], loud: Loud) -> Environment:
    """The environment of the paths; what was not understood is said."""
    from iamsim.env.build import load

    progress = _progress() if loud is not Loud.QUIET and sys.stderr.isatty() else None
    try:
        directory, named = cache_directory()
        found = load(*paths, progress=progress, cache=directory)
    finally:
        if progress is not None:
            sys.stderr.write("\r\x1b[K")
    said = (d for d in found.diagnostics if named or loud is Loud.VERBOSE or d.id != "cache-directory")
    remarks(said, loud)
    broken = unread(found)
    if broken and loud is not Loud.QUIET:
        say(f"note: {_parts(len(broken))} of the input could not be read; the answer counts what was read")
    return found


def _parts(count: int) -> str:
    return "1 part" if count == 1 else f"{count} parts"


def unread(env: Environment) -> tuple[Diagnostic, ...]:
    """The errors that mean that some input could not be read as a whole."""
    return tuple(d for d in env.diagnostics if d.severity == "error" and d.id.startswith("input-"))


def unread_notes(env: Environment) -> tuple[str, ...]:
    """One sentence for each input that could not be read as a whole."""
    return tuple(f"{d.origin} could not be read whole: {d.message}" for d in unread(env))


def _progress() -> Callable[[str, int, int], None]:
    started = time.monotonic()

    def progress(path: str, number: int, count: int) -> None:
        what = f"reading {number} of {count}" if number else f"{count} files read, keeping what they say"
        if time.monotonic() - started > 0.5:
            sys.stderr.write(f"\r\x1b[K{what}: {printable(path, 60)}")
            sys.stderr.flush()

    return progress


@contextmanager
def working(what: str, loud: Loud, things: str = "principals") -> Iterator[Callable[[int], None] | None]:
    """Says on a terminal, once a second after the first, what takes so long; with the number that is reported last.

    Gives what to call with that number, or None where nothing is said.
    """
    if loud is Loud.QUIET or not sys.stderr.isatty():
        yield None
        return
    started = time.monotonic()
    last = [0]
    over = threading.Event()

    def report() -> None:
        while not over.wait(1):
            reached = f", {last[0]} {things} so far" if last[0] else ""
            sys.stderr.write(f"\r\x1b[K{what} for {time.monotonic() - started:.0f} s{reached}")
            sys.stderr.flush()

    def progress(number: int) -> None:
        last[0] = number

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        over.set()
        thread.join()
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def technique_remarks(file: str | None, loud: Loud) -> bool:
    """Says what is wrong in a file of techniques; true iff some entry, or all of it, was left out."""
    if file is None:
        return False
    from iamsim.query.techniques import catalogue_of

    _, found = catalogue_of(file)
    broken = [d for d in found if d.severity == "error"]
    # an exit status is never left unexplained, however quiet
    remarks(found, Loud.NORMAL if broken and loud is Loud.QUIET else loud)
    if broken:
        say("note: the techniques with a mistake were left out; the answer counts the others")
    return bool(broken)


def or_json(form: StrEnum, run: Callable[[], int]) -> int:
    """What `run` returns; its errors are also printed as JSON where that is the form."""
    try:
        return run()
    except (InputError, QueryError, WorkerError) as error:
        if form == "json":
            from iamsim.report.json import error_json, json_line

            sys.stdout.write(json_line(error_json(error)) + "\n")
        raise


def unknown_status(wanted: OnUnknown | None) -> Status:
    """The status for an answer that is not known."""
    match wanted:
        case OnUnknown.PASS:
            return Status.AS_EXPECTED
        case OnUnknown.FAIL:
            return Status.NOT_EXPECTED
        case None:
            return Status.UNKNOWN


def guarded(run: Callable[[], int]) -> int:
    """The status that `run` returns, or that of the error which it raises, after saying it; tracebacks only for debugging."""
    try:
        status = run()
        sys.stdout.flush()
    except (InputError, QueryError) as error:
        say_error(error)
        return Status.INPUT
    except WorkerError as error:
        say_error(error)
        return Status.INTERNAL
    except KeyboardInterrupt:
        say("interrupted")
        return Status.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return Status.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last resort: users never see a traceback
        say_internal(error)
        return Status.INTERNAL
    return status


def say_internal(error: Exception) -> None:
    """Prints an error of ours; with IAMSIM_DEBUG=1 the traceback and the problem as well."""
    if os.environ.get("IAMSIM_DEBUG"):
        import traceback

        traceback.print_exception(error)
        if isinstance(error, InternalError):
            say(f"problem: {error.problem!r}")
    name = "" if isinstance(error, InternalError) else f"{type(error).__name__}: "
    say(f"internal error: {printable(name + str(error), _LONG)}; help: set IAMSIM_DEBUG=1 to see where, and report it")

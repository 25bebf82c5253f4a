"""Long text on a terminal goes to a pager, as git has it: IAMSIM_PAGER, else PAGER, else less or more.

What is there at once and longer than the screen is paged. What comes bit by bit, which a command flushes, is shown as it
comes.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

HOLD = 1.0
_NONE = ("", "cat", "off")


def pager_command(environ: Mapping[str, str]) -> list[str]:
    """The program to page with and its arguments, empty if there is none."""
    for name in ("IAMSIM_PAGER", "PAGER"):
        if name in environ:
            said = environ[name].strip()
            return [] if said in _NONE else _split(said)
    return next(([p] for p in ("less", "more") if shutil.which(p)), [])


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


class Held(io.TextIOBase):
    """Standard output of a terminal, held back until it is released, or ends and may be paged."""

    def __init__(self, stream: TextIO, rows: int) -> None:
        self.stream = stream
        self.rows = rows
        self.parts: list[str] = []
        self.holding = True
        self.lock = threading.Lock()
        self.timer = threading.Timer(HOLD, self.release)
        self.timer.daemon = True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the terminal."""
        return self.stream.encoding

    def isatty(self) -> bool:
        """True: it stands for a terminal."""
        return True

    def fileno(self) -> int:
        """That of the terminal."""
        return self.stream.fileno()

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, text: str) -> int:
        """Keeps the text while holding, else writes it."""
        with self.lock:
            if not self.holding:
                return self.stream.write(text)
            self.parts.append(text)
            return len(text)

    def flush(self) -> None:
        """Flushes the terminal if nothing is held; else what is held by now is shown after a while, if there is no end before."""
        with self.lock:
            if not self.holding:
                self.stream.flush()
            elif self.parts and self.timer.ident is None:
                self.timer.start()

    def release(self) -> None:
        """Writes what was held, and from now on at once."""
        with self.lock:
            if self.holding:
                self.holding = False
                self.stream.write("".join(self.parts))
                self.stream.flush()

    def end(self, command: list[str]) -> None:
        """Shows what is still held: by the pager if it is longer than the screen."""
        self.timer.cancel()
        with self.lock:
            held = self.holding
            text = "".join(self.parts)
            self.holding = False
        if not held:
            return
        if text.count("\n") < self.rows or not _paged(text, command, self.stream.encoding or "utf-8"):
            self.stream.write(text)
            self.stream.flush()


def _paged(text: str, command: list[str], encoding: str) -> bool:
    """Shows the text by the pager; false if it cannot be started."""
    import signal
    import subprocess

    environ = {"LESS": "FRX", "LV": "-c", **os.environ}
    try:
        shown = subprocess.Popen(command, stdin=subprocess.PIPE, env=environ)  # noqa: S603 - the user's own program
    except OSError:
        return False
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the pager's: it ends a search, not the pager
    try:
        with suppress(OSError):  # the reader may leave early
            shown.communicate(text.encode(encoding, "backslashreplace"))
        shown.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return True


@contextmanager
def paged_output(*, wanted: bool = True) -> Iterator[Held | None]:
    """Within it, standard output is held back for a pager, if it is a terminal and there is a pager."""
    stream = sys.stdout
    command = pager_command(os.environ) if wanted and stream.isatty() and os.environ.get("TERM") != "dumb" else []
    if not command:
        yield None
        return
    held = Held(stream, shutil.get_terminal_size().lines)
    sys.stdout = held
    try:
        yield held
    finally:
        sys.stdout = stream
        held.end(command)

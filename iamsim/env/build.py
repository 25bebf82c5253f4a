"""Paths or values → the environment, from a compiled snapshot where there is one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Diagnostic
from iamsim.env.collector import undisturbed
from iamsim.env.files import paths_below
from iamsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iamsim.env.types import Environment


def load(
    *paths: str | os.PathLike[str],
    progress: Callable[[str, int, int], None] | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Environment:
    """The environment that the files and directories `paths` tell together, in whatever order.

    `progress` is called with the file, its number from 1 and the count; with 0 for a number, and the directory, when all
    are read and the compiled snapshot is about to be written. `cache` is a directory for compiled snapshots, made
    if it does not exist: a snapshot that was loaded before is opened from there, unless a file of it has changed. What
    cannot be used is said in the diagnostics of the environment; raises InputError if a path does not exist, a directory
    is empty, or nothing could be used.
    """
    with undisturbed(lasting=True):  # what is loaded lives as long as the environment
        return _loaded([os.fspath(p) for p in paths], progress, None if cache is None else Path(cache))


def environment_of(files: Mapping[str, Any]) -> Environment:
    """The environment that JSON values tell, by the name of their source; raises InputError if none could be used."""
    from iamsim.env.read_files import environment_from
    from iamsim.env.records import Reading

    return environment_from([], {source: (value,) for source, value in files.items()}, frozenset(), Reading())


def _loaded(paths: list[str], progress: Callable[[str, int, int], None] | None, directory: Path | None) -> Environment:
    from iamsim.env.cache import Walk, opened

    said: list[Diagnostic] = []
    asked: dict[str, bool] = {}
    for path in paths:
        found, problems = paths_below(path)
        said += problems
        for file in found:
            asked[file] = asked.get(file, False) or file == path
    fatal = [d for d in said if d.id in ("input-missing", "input-empty-directory")]
    if fatal or not paths:
        _refuse(fatal, said)
    explicit = frozenset(file for file, named in asked.items() if named)
    walk = Walk(tuple(sorted(asked)), tuple(said), explicit)

    def read(directory: Path | None) -> Environment:
        from iamsim.env.read_files import read_walk

        return read_walk(walk, progress, directory)

    if directory is None:
        return read(None)
    env = opened(directory, walk, lambda: read(None))
    if isinstance(env, Diagnostic):
        # one remark is enough: whether the next one can be kept shows the next time
        found_here = read(directory)
        others = tuple(d for d in found_here.diagnostics if not d.id.startswith("cache-"))
        return replace(found_here, diagnostics=(*others, env))
    return read(directory) if env is None else env


def _refuse(fatal: list[Diagnostic], said: list[Diagnostic]) -> None:
    from iamsim.env.read_files import REMEDY
    from iamsim.env.resolve import tidied

    message = fatal[0].message if fatal else "no input is given"
    raise InputError(message, tidied(said), fatal[0].help if fatal else REMEDY)

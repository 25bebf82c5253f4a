"""`iamsim data`: the sets of AWS data in use, newer ones of the user's, and the way back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from iamsim.cli.options import Format
from iamsim.cli.output import Status
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.data_sets import DataSet
    from iamsim.report.lines import Line

_WIDTH = 18


def status_command(form: Format) -> int:
    """Lists the sets in use; 0."""
    from iamsim.env.data_sets import data_sets
    from iamsim.report.text import print_lines

    if form is Format.JSON:
        from iamsim.report.json import SCHEMA, json_line

        sys.stdout.write(json_line({"schema": SCHEMA, "data": [data_json(s) for s in data_sets()]}) + "\n")
        return Status.AS_EXPECTED
    print_lines(status_lines())
    return Status.AS_EXPECTED


def status_lines() -> Iterator[Line]:
    """The sets in use and the rows of the tables, one paragraph each."""
    from iamsim.env.data_sets import data_sets
    from iamsim.report.lines import Style, line

    for found in data_sets():
        yield _head(found.name, f"{found.date}  {found.count}")
        yield line(printable(f"{found.source} ({found.license})"), indent=_WIDTH)
        if found.place is not None:
            newer = found.bundled > found.date
            more = f"those of the packages are {'newer: ' if newer else 'of '}{found.bundled}"
            yield line(f"installed by you in {printable(str(found.place))}; {more}", indent=_WIDTH)
            if newer:
                yield line(f"`iamsim data reset {found.name}` returns to them", indent=_WIDTH, style=Style.UNKNOWN)
    from iamsim import __version__
    from iamsim.aws.tables import table_rows

    rows = sum(len(t.rows) for t in table_rows())
    yield _head("tables", f"{rows} rows, each with its source")
    yield line(f"iamsim {__version__} (Apache-2.0)", indent=_WIDTH)


def _head(name: str, text: str) -> Line:
    from iamsim.report.lines import Line, Span, Style

    return Line((Span(name, Style.HEAD), Span(" " * (_WIDTH - len(name)) + text)), hang=_WIDTH)


def data_json(found: DataSet) -> dict[str, str | None]:
    """A set as a JSON value."""
    return {
        "name": found.name,
        "date": found.date,
        "count": found.count,
        "source": found.source,
        "license": found.license,
        "installed": None if found.place is None else str(found.place),
    }


def update_command(path: str, *, older: bool) -> int:
    """Installs what is found at `path`; 0."""
    from iamsim.env.data_sets import update

    for found in update(path, older=older):
        sys.stdout.write(f"{found.name}: {found.count} of {found.date} are in use now ({found.source})\n")
    sys.stdout.write("`iamsim data reset` returns to the data of the packages\n")
    return Status.AS_EXPECTED


def reset_command(names: list[str]) -> int:
    """Returns to the data of the packages; 0."""
    from iamsim.env.data_sets import reset

    gone = reset(names)
    text = ", ".join(gone) + ": the data of the packages are in use again" if gone else "nothing was installed"
    sys.stdout.write(text + "\n")
    return Status.AS_EXPECTED

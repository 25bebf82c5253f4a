"""The plugin of pytest: the fixture `iam_env`, and files of rules (`*.iamq`) as tests.

pytest imports this module in every run of an environment that iamsim is installed in, so all else loads when it is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date
    from pathlib import Path

    from iamsim.check.model import Outcome, Problem, Rule
    from iamsim.env.types import Environment
    from iamsim.report.lines import Line

_WIDTH = 100
_LOADED: pytest.StashKey[Environment | str] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options and settings of the plugin."""
    group = parser.getgroup("iamsim")
    group.addoption(
        "--iamsim-snapshot",
        action="append",
        metavar="PATH",
        help="file or directory that `iam_env` is read from; may be repeated",
    )
    group.addoption(
        "--iamsim-today",
        metavar="DAY",
        help="the day (YYYY-MM-DD) that waivers of rules are measured by; default: today",
    )
    parser.addini("iamsim_snapshot", "files or directories that `iam_env` is read from", type="paths", default=[])
    parser.addini(
        "iamsim_fail_on",
        "the lowest severity at which a rule of a *.iamq file fails: error (default), warning, info or never",
        default="error",
    )


@pytest.fixture(scope="session")
def iam_env(request: pytest.FixtureRequest) -> Environment:
    """The environment of the snapshot that is configured.

    The test has an error if there is none, or if part of it cannot be read.
    """
    return _environment(request.config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Files of rules are collected, a test for each rule."""
    return RulesFile.from_parent(parent, path=file_path) if file_path.suffix == ".iamq" else None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says what of the snapshot was not understood, if one was read."""
    env = config.stash.get(_LOADED, None)
    if env is None or isinstance(env, str):
        return
    graver = [d for d in env.diagnostics if d.severity != "info"]
    if graver:
        from iamsim.report.places import diagnostic_text, places

        more = f" (and {len(graver) - 1} more: the command line shows all with -v)"
        first = _short(diagnostic_text(graver[0], places()))
        terminalreporter.write_line(f"iamsim: {first}{more if len(graver) > 1 else ''}")


# --- the snapshot


def _environment(config: pytest.Config) -> Environment:
    """The environment of the run, read once; fails the test, with a message alone, if it cannot be had."""
    __tracebackhide__ = True
    found = config.stash.get(_LOADED, None)
    if found is None:
        found = config.stash[_LOADED] = _read(config)
    if isinstance(found, str):
        pytest.fail(found, pytrace=False)
    return found


def _read(config: pytest.Config) -> Environment | str:
    """The environment, or why there is none."""
    from iamsim.cli.options import cache_directory
    from iamsim.cli.output import unread_notes
    from iamsim.env.build import load
    from iamsim.errors import InputError, QueryError
    from iamsim.findings import printable

    try:
        directory, _ = cache_directory()
        env = load(*_paths(config), cache=directory)
    except (InputError, QueryError) as error:
        rows = [f"iamsim: {error}", *([f"help: {error.help}"] if error.help else [])]
        rows += [f"{d.origin}: {d.message}" for d in getattr(error, "diagnostics", ()) if d.message != str(error)]
        return "\n".join(_short(printable(row, 2000)) for row in rows)
    broken = unread_notes(env)
    if broken:
        return "\n".join(
            ["iamsim: part of the snapshot could not be read", *(_short(printable(b, 2000)) for b in broken)]
        )
    return env


def _paths(config: pytest.Config) -> tuple[str, ...]:
    """What is given on the command line, else in the configuration of pytest, else to the command `iamsim`."""
    given: list[str] = config.getoption("--iamsim-snapshot") or []
    if given:
        return tuple(str(config.invocation_params.dir / p) for p in given)
    if configured := config.getini("iamsim_snapshot"):
        return tuple(str(p) for p in configured)
    from iamsim.cli.options import snapshots
    from iamsim.errors import QueryError

    try:
        # absolute, so that a test may change the working directory
        return tuple(os.path.abspath(p) for p in snapshots([]))  # noqa: PTH100 - as the user wrote it, links kept
    except QueryError as error:
        help_ = "set `iamsim_snapshot` in the configuration of pytest, or give --iamsim-snapshot PATH"
        raise QueryError(str(error), help_) from None


def _short(text: str) -> str:
    """The text with files below the working directory named from there."""
    return text.replace(os.getcwd().rstrip(os.sep) + os.sep, "")  # noqa: PTH109 - a text is cut off a text


# --- files of rules: pytest collects by classes of its own


class RulesFile(pytest.File):
    """A file `*.iamq`: a test for each rule, and one that fails for each entry that cannot be read."""

    def collect(self) -> Iterator[pytest.Item]:
        """The rules and what could not be read, in order of lines."""
        from iamsim.check.files import read_file
        from iamsim.check.model import Rule
        from iamsim.errors import InputError
        from iamsim.findings import printable

        _fail_on(self.config)
        _day(self.config)
        try:
            found = read_file(_named(self.path))
        except InputError as error:
            raise self.CollectError(
                printable(f"{error}; help: {error.help}" if error.help else str(error), 2000)
            ) from None
        entries: list[Rule | Problem] = [*found.rules, *found.problems]
        for entry in sorted(entries, key=lambda e: (e.line, e.column)):
            plain = isinstance(entry, Rule) and entry.questions[0].id
            name = printable(plain) if plain else f"line {entry.line}"
            yield RuleItem.from_parent(self, name=name, entry=entry)


class RuleItem(pytest.Item):
    """One rule, or one entry that cannot be read."""

    def __init__(self, *, entry: Rule | Problem, **more: Any) -> None:
        super().__init__(**more)
        self.entry = entry

    def runtest(self) -> None:
        """Passes iff the rule holds; expected to fail iff it is waived, or of a severity that does not count."""
        from iamsim.check.counting import grave
        from iamsim.check.model import Problem, State
        from iamsim.check.run import decide
        from iamsim.errors import QueryError
        from iamsim.report.checked import waiver_sentence

        entry = self.entry
        if isinstance(entry, Problem):
            pytest.fail(_problem(entry), pytrace=False)
        env = _environment(self.config)
        wrong = ""
        try:
            outcome = decide(env, entry, _day(self.config))
        except QueryError as error:
            wrong = _unasked(entry, error)
        if wrong:  # outside of the handler, so that pytest shows no chain of errors
            pytest.fail(wrong, pytrace=False)
        if outcome.state is State.HOLDS:
            return
        fail_on = _fail_on(self.config)
        if outcome.waived:
            pytest.xfail(waiver_sentence(outcome))
        elif not grave(entry.severity, fail_on):
            pytest.xfail(
                f"{outcome.state.value}, of severity {entry.severity.value}: iamsim_fail_on is {fail_on.value}"
            )
        pytest.fail(_outcome(outcome), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The place of the rule."""
        return self.path, self.entry.line - 1, self.name


def _named(path: Path) -> str:
    """The file as seen from the working directory."""
    try:
        return os.path.relpath(path)
    except ValueError:  # on another drive
        return str(path)


def _outcome(outcome: Outcome) -> str:
    from iamsim.report.checked import outcome_lines
    from iamsim.report.places import places

    return _rows(outcome_lines(outcome, places(), verbose=False))


def _problem(problem: Problem) -> str:
    from iamsim.report.checked import problem_lines

    return _rows(problem_lines(problem))


def _unasked(rule: Rule, error: Any) -> str:
    from iamsim.check.model import Problem

    return _problem(
        Problem(source=rule.source, line=rule.line, column=rule.column, message=str(error), help=error.help)
    )


def _rows(lines: Iterable[Line]) -> str:
    from dataclasses import replace

    from iamsim.report.lines import plain_text

    short = (replace(x, spans=tuple(replace(s, text=_short(s.text)) for s in x.spans)) for x in lines)
    return plain_text(short, _WIDTH).rstrip("\n")


def _fail_on(config: pytest.Config) -> Any:
    from iamsim.check.counting import FailOn

    text = str(config.getini("iamsim_fail_on"))
    try:
        return FailOn(text)
    except ValueError:
        raise pytest.UsageError(f"iamsim_fail_on is {text!r}: expected one of {', '.join(FailOn)}") from None


def _day(config: pytest.Config) -> date:
    from datetime import date

    text = config.getoption("--iamsim-today")
    try:
        return date.today() if text is None else date.fromisoformat(text)  # noqa: DTZ011 - as `iamsim check` has it
    except ValueError:
        raise pytest.UsageError(f"--iamsim-today {text!r} is no day: write it as 2030-01-31") from None

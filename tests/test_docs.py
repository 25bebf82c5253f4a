"""What the documentation shows is what happens.

A fence `console` holds commands behind `$ `, each followed by exactly what it prints to standard output; a line `…`
stands for lines that are left out, and `$ echo $?` shows the exit status of the command before. Commands of iamsim are
run, others are not. The fences `pycon` of a page are one
session of doctests; a fence `python` is run from top to bottom in one namespace per page.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "corpus/organizations/acme/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


def fences(language):
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for m in FENCE.finditer(text):
            if m[1] == language:
                line = text.count("\n", 0, m.start()) + 2
                yield pytest.param(page, m[2], id=f"{page.relative_to(ROOT).as_posix()}:{line}")


def transcript(body):
    """(command, lines that it prints) in order; a command goes on behind a final backslash."""
    out = []
    for line in body.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            out.append((line[2:], []))
        elif out:
            out[-1][1].append(line.rstrip())
    return out


def same(shown, printed):
    """True iff the lines `printed` are those `shown`, in which `…` stands for any number of lines."""
    pattern = "".join("(?:.*\n)*" if line.strip() == "…" else re.escape(line) + "\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


def run_iamsim(words, monkeypatch):
    from typer.testing import CliRunner

    from iamsim.cli.app import app

    monkeypatch.chdir(ROOT)
    for name in [n for n in os.environ if n.startswith("IAMSIM_")]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(app, words, env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    return result.stdout.rstrip("\n"), result.exit_code


@pytest.mark.parametrize(("page", "body"), [*fences("console")])
def test_commands_print_what_is_shown(page, body, monkeypatch):
    status = None
    for command, shown in transcript(body):
        if command == "echo $?":
            assert shown == [str(status)], command
            continue
        words = shlex.split(command, comments=True)
        if not words or words[0] != "iamsim":
            continue
        printed, status = run_iamsim(words[1:], monkeypatch)
        lines = [line.rstrip() for line in printed.splitlines()]
        assert same(shown, lines), f"{command}\n{printed}"


@pytest.mark.parametrize("page", dict.fromkeys(p.values[0] for p in fences("pycon")), ids=lambda p: p.name)
def test_sessions_print_what_is_shown(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    names, said = {}, []
    for fence in fences("pycon"):
        if fence.values[0] == page:
            test = doctest.DocTestParser().get_doctest(fence.values[1], names, fence.id, str(page), 0)
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
            names.update(test.globs)
    assert not said, "".join(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_python_runs(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    namespace = {}
    for m in FENCE.finditer(page.read_text(encoding="utf-8")):
        if m[1] == "python":
            exec(compile(m[2], str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("folder", ["iamsim", "tests", "docs", "benchmarks", "tools", "corpus", "grammar"])
def test_no_path_of_a_machine_is_written_down(folder):
    wrong = re.compile(r"(?<![\w.<:$*}/-])/(?:work|home|root|tmp|Users)/\w")
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".jsonl", ".ipynb"} and "__pycache__" not in path.parts:
            found = wrong.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.relative_to(ROOT)}: {found[0]}"

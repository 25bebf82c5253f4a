"""The wheel holds what the package needs, and answers a question where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
QUESTION = """
from iamsim import Verdict, can, load
import iamsim, sys
env = load(sys.argv[1])
assert can(env, "user/alice", "s3:GetObject", "arn:aws:s3:::tiny-reports/q1.csv").verdict is Verdict.YES
assert can(env, "role/ReportWriter", "s3:GetObject", "arn:aws:s3:::tiny-reports/q1.csv").verdict is Verdict.NO
print(iamsim.__file__)
"""


def run(*arguments, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (found,) = out.glob("iamsim-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    target = tmp_path_factory.mktemp("installed")
    run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel, cwd=target)
    return target


def tracked_below(folder, *suffixes):
    return {p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*") if p.is_file() and p.suffix in suffixes}


def test_the_wheel_holds_code_data_and_grammars(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert tracked_below("iamsim", ".py", ".gz", ".yaml", ".json", ".typed") - names == set()
    assert {f"iamsim/{n}" for n in tracked_below("grammar", ".lark")} - names == set()
    assert "iamsim/py.typed" in names
    assert "iamsim/aws/data/managed_policies.json.gz" in names
    assert any(n.endswith("/licenses/LICENSE") for n in names)


def test_the_wheel_holds_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {n.split("/")[0].split("-")[0] for n in names} == {"iamsim"}
    assert [n for n in names if "__pycache__" in n or n.endswith((".pyc", ".orig"))] == []


def test_the_wheel_describes_itself(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
        (entry,) = (n for n in archive.namelist() if n.endswith(".dist-info/entry_points.txt"))
        entries = archive.read(entry).decode()
        assert "iamsim = iamsim.cli.app:main" in entries
        assert "[pytest11]\niamsim = iamsim.pytest_plugin\n" in entries
    assert "License-Expression: Apache-2.0" in text
    assert "Requires-Python: >=3.11" in text


def test_an_installed_wheel_answers(installed, tmp_path):
    snapshot = ROOT / "corpus" / "organizations" / "tiny" / "snapshot"
    printed = run("-c", QUESTION, snapshot, cwd=tmp_path, PYTHONPATH=str(installed))
    assert Path(printed.strip()).is_relative_to(installed)


def test_an_installed_wheel_has_its_grammars(installed, tmp_path):
    code = "from iamsim.query.language import parse_file; print(len(parse_file('who can do s3:* on *', 'x')))"
    assert run("-c", code, cwd=tmp_path, PYTHONPATH=str(installed)).strip() == "1"


def test_an_installed_wheel_runs_as_a_command(installed, tmp_path):
    assert "can" in run("-m", "iamsim", "--help", cwd=tmp_path, PYTHONPATH=str(installed))


def test_pytest_finds_the_plugin_where_it_is_installed(installed, tmp_path):
    (tmp_path / "tiny.iamq").write_text("can user/alice do s3:GetObject on arn:aws:s3:::tiny-reports/x expect yes\n")
    snapshot = ROOT / "corpus/organizations/tiny/snapshot"
    said = run("-m", "pytest", "--iamsim-snapshot", snapshot, "-v", cwd=tmp_path, PYTHONPATH=str(installed))
    assert "1 passed" in said

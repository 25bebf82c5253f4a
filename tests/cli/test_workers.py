"""Commands that work in other processes: the same bytes, errors, interrupts, and a Dask cluster that loses a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
ACME = "corpus/organizations/acme/snapshot"
BUCKET = ("s3:GetObject", "arn:aws:s3:::acme-prod-exports/a.csv")
QUESTIONS = {
    "who-can": ("who-can", *BUCKET, "-s", ACME, "--via", "roles"),
    "who-can-json": ("who-can", *BUCKET, "-s", ACME, "--format", "json"),
    "escalations": ("escalations", "--all", "-s", "corpus/organizations/tiny/snapshot"),
    "check": ("check", "corpus/organizations/acme/invariants.iamq", "-s", ACME, "--today", "2026-11-24"),
    "diff": ("diff", "docs/examples/before.json", "docs/examples/after.json"),
    "diff-roles": (
        "diff",
        "docs/examples/before.json",
        "docs/examples/after.json",
        "--via",
        "roles",
        "--format",
        "json",
    ),
    "compare": ("compare", "--all", "ReadOnlyAccess", "ViewOnlyAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess"),
}


def command(*argv):
    return [sys.executable, "-m", "iamsim", *argv]


def environ(**more):
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "NO_COLOR": "1", **more}


def run(*argv):
    done = subprocess.run(command(*argv), cwd=ROOT, env=environ(), capture_output=True, check=False, timeout=300)
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("argv", QUESTIONS.values(), ids=QUESTIONS)
def test_jobs_change_nothing(argv):
    assert run(*argv, "--jobs", "2") == run(*argv)


def test_what_cannot_be_asked_is_said_all_the_same(cli):
    asked = ("who-can", "s3:Nonsense", "arn:aws:s3:::x/y", "-s", ACME, "--only", "nobody")
    assert cli(*asked, "--jobs", "2") == cli(*asked)
    assert cli("who-can", *BUCKET, "-s", ACME, "--jobs", "0")[0] == 2


def test_jobs_and_scheduler_contradict_each_other(cli):
    status, _, err = cli("who-can", *BUCKET, "-s", ACME, "--jobs", "2", "--scheduler", "tcp://127.0.0.1:9")
    assert status == 2
    assert "contradict" in err


def broken(job, tmp_path):
    """Who-can whose workers do `job` of `executors`: how it is started, and a directory for temporary files."""
    script, temp = tmp_path / "script.py", tmp_path / "temp"
    temp.mkdir()
    script.write_text(
        "import executors\n"
        "import iamsim.query.who_can as module\n"
        f"module._unit, before = executors.{job}, module.spread\n"
        f"module.spread = lambda e, envs, job, shared, units: before(e, envs, job, {str(tmp_path)!r}, units)\n"
        "import sys\n"
        "from iamsim.cli.app import main\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(main())\n",
        encoding="utf-8",
    )
    argv = [sys.executable, str(script), "who-can", *BUCKET, "-s", ACME, "-q", "--jobs", "2", "--no-cache"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    more = {"cwd": ROOT, "env": environ(TMPDIR=str(temp)), "start_new_session": True, "text": True}
    # tests that run in the background of a shell ignore interrupts, and so would what they start
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(argv, **pipes, **more), temp
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_and_no_file_outlives_the_command(how, tmp_path):
    started, temp = broken("waiting", tmp_path)
    with started as process:
        workers = _when(lambda: len(n := [int(f.name) for f in tmp_path.iterdir() if f.name.isdigit()]) == 2 and n)
        assert [p.suffix for p in temp.iterdir()] == [".iamsim"]
        if how is signal.SIGINT:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        else:
            process.send_signal(how)
        err = _said_at_the_end(process)[1]
    assert _when(lambda: not any(_alive(pid) for pid in workers))
    assert not list(temp.iterdir())
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    assert err == "interrupted\n" or (how is not signal.SIGINT and "Traceback" not in err)


def test_a_lost_worker_is_said_and_leaves_no_file(tmp_path):
    started, temp = broken("dying", tmp_path)
    with started as process:
        out, err = _said_at_the_end(process)
    assert (process.returncode, out) == (70, "")
    assert err.startswith("error: a worker was lost")
    assert not list(temp.iterdir())


def _said_at_the_end(process):
    try:
        return process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # else the test would wait for it without end
        raise


def _when(condition):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about in a minute")


def _alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- Dask


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two worker processes on this machine, with a nanny for each."""
    pytest.importorskip("distributed", reason="needs the extra iamsim[dask]")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = environ()["PYTHONPATH"]
    from distributed import LocalCluster

    try:
        with LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster:
            yield cluster
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("argv", list(QUESTIONS.values())[:5], ids=list(QUESTIONS)[:5])
def test_a_cluster_changes_nothing(argv, cluster):
    assert run(*argv, "--scheduler", cluster.scheduler_address) == run(*argv)


@pytest.mark.filterwarnings("default")
def test_a_cluster_that_loses_a_worker_midway_gives_the_same(cluster, tmp_path):
    from distributed import Client
    from executors import Deadly

    from iamsim import load
    from iamsim.query.who_can import who_can
    from iamsim.report.json import json_line
    from iamsim.report.who import row_json

    def rows(**more):
        found = who_can(load(ROOT / ACME), *BUCKET, via="roles", **more)
        return [json_line(row_json(row)) for row in found]

    with Client(cluster) as client:
        before = set(client.run(os.getpid).values())
        executor = Deadly(client.get_executor(pure=False), 3, tmp_path / "died")
        found = rows(executor=executor)
        client.wait_for_workers(2)
        after = set(client.run(os.getpid).values())
    assert (tmp_path / "died").exists()
    assert len(before - after) == 1
    assert found == rows()


@pytest.mark.filterwarnings("default")
def test_no_scheduler_is_said():
    pytest.importorskip("distributed", reason="needs the extra iamsim[dask]")
    status, out, err = run("who-can", *BUCKET, "-s", ACME, "-q", "--scheduler", "tcp://127.0.0.1:9")
    assert (status, out) == (70, b"")
    assert err.startswith(b"error: no scheduler answers at `tcp://127.0.0.1:9`; help: start one")
    status, _, err = run("who-can", *BUCKET, "-s", ACME, "-q", "--scheduler", "nonsense://x")
    assert status == 70
    assert err.startswith(b"error: no scheduler answers")

"""Work on executors: order, what is sent, errors, and workers that are lost."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zlib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import executors
import pytest
from executors import Backwards, Elsewhere, counted, dying, refusing

from iamsim import load
from iamsim.env import handed as handing
from iamsim.env.build import environment_of
from iamsim.env.facts import entities
from iamsim.errors import QueryError, WorkerError
from iamsim.ir.term import FALSE, TRUE, Like, Opaque, all_of, any_of, not_, present
from iamsim.model.pattern import tokenize
from iamsim.query import spread as spreading
from iamsim.query.spread import slices, spread

TINY = "corpus/organizations/tiny/snapshot"


@pytest.fixture
def env():
    return load(TINY)


@pytest.fixture(autouse=True)
def _nothing_opened(monkeypatch):
    monkeypatch.setattr(spreading, "_OPENED", {})


def test_results_come_in_order_whatever_comes_first(env):
    executor = Backwards()
    found = list(spread(executor, (env, env), counted, "shared", range(200)))
    count = len(env.principals)
    assert found == [([count, count], "shared", n) for n in range(200)]
    assert executor.most <= 64


def test_results_are_read_as_they_come(env):
    executor = Backwards()
    found = spread(executor, (env,), counted, None, iter(range(1000)))
    assert next(found)[2] == 0
    assert len(executor.waiting) < 64
    found.close()
    for run in executor.waiting:
        run()  # what was cancelled does nothing


def test_a_worker_opens_a_snapshot_once(env, tmp_path, monkeypatch):
    opened = []
    take = spreading.taken
    monkeypatch.setattr(spreading, "taken", lambda place: opened.append(place.path) or take(place))
    cached = load(TINY, cache=tmp_path)
    again = load(TINY, cache=tmp_path)
    for given in (cached, again):
        list(spread(Backwards(), (given,), counted, None, range(5)))
    assert opened == [str(next((tmp_path / "snapshots").iterdir()))]


def test_a_file_that_was_made_for_workers_is_removed(env, tmp_path, monkeypatch):
    monkeypatch.setattr(handing.tempfile, "tempdir", str(tmp_path))
    found = spread(Backwards(), (env,), counted, None, range(3))
    next(found)
    assert len(list(tmp_path.iterdir())) == 1
    list(found)
    assert list(tmp_path.iterdir()) == []


def test_who_reads_all_results_keeps_no_file(env, tmp_path, monkeypatch):
    monkeypatch.setattr(handing.tempfile, "tempdir", str(tmp_path))
    found = spread(Backwards(), (env,), counted, None, range(70))
    assert [next(found)[2] for _ in range(70)] == list(range(70))
    assert list(tmp_path.iterdir()) == []
    assert list(spread(Backwards(), (env,), counted, None, ())) == []


def test_files_of_processes_that_are_no_more_are_removed(env, tmp_path, monkeypatch):
    monkeypatch.setattr(handing.tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = [f"iamsim-{n}-x.iamsim" for n in (ended.pid, os.getpid(), os.getppid(), "x", 10**30)]
    for name in (*names, "iamsim-x.iamsim", f"other-{ended.pid}-x.iamsim"):
        (tmp_path / name).touch()
    with handing.handed(env):
        assert not (tmp_path / names[0]).exists()
        assert len(list(tmp_path.iterdir())) == 7
    handing.remove_forsaken(os.getpid())
    assert not (tmp_path / names[1]).exists()
    assert len(list(tmp_path.iterdir())) == 5


def test_a_compiled_snapshot_that_is_gone_is_made_again(tmp_path):
    env = load(TINY, cache=tmp_path)
    next((tmp_path / "snapshots").iterdir()).unlink()
    assert list(spread(Backwards(), (env,), counted, None, [1])) == [([len(env.principals)], None, 1)]


def test_a_worker_without_the_file_is_sent_the_content_once(env):
    executor = Elsewhere()
    assert [n for _, _, n in spread(executor, (env,), counted, None, range(30))] == list(range(30))
    assert executor.contents == 1


def test_an_environment_arrives_as_it_is(env):
    with handing.handed(env) as place:
        for given in (place, handing.whole(place, env)):
            assert handing.taken(given) == env


def test_another_version_is_refused(env, monkeypatch):
    with handing.handed(env) as place:
        monkeypatch.setattr(handing, "data_date", lambda: "2020-01-01")
        with pytest.raises(WorkerError, match=r"a worker has iamsim .* with data of 2020-01-01, not iamsim"):
            handing.taken(place)


def test_broken_content_is_said(env):
    with handing.handed(env) as place:
        whole = handing.whole(place, env)
    cut = zlib.compress(zlib.decompress(whole.content)[:-9])
    with pytest.raises(WorkerError, match="cannot read the snapshot"):
        handing.taken(replace(whole, content=cut))


def test_an_error_of_a_worker_is_raised(env):
    found = spread(Backwards(), (env,), refusing, 7, range(20))
    seen = []
    with pytest.raises(QueryError, match="unit 7") as raised:
        seen += found
    assert raised.value.help == "ask another"
    with ThreadPoolExecutor(3) as pool, pytest.raises(QueryError, match="unit 7"):
        list(spread(pool, (env,), refusing, 7, range(20)))


def test_a_lost_process_is_said(env, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{Path(executors.__file__).parent}:{Path.cwd()}")
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as pool,
        pytest.raises(WorkerError, match="a worker was lost: a process in the process pool was terminated"),
    ):
        list(spread(pool, (env,), dying, None, range(3)))


def test_terms_are_the_same_after_pickle():
    like = Like("aws:userid", tokenize("a*${aws:username}", variables=True))
    term = any_of((all_of((like, not_(present("k")))), Opaque("x"), not_(like)))
    before = hash(term)
    object.__setattr__(term, "_hash", 12345)  # as if it came from a process with other hashes
    again = pickle.loads(pickle.dumps(term))
    assert again == term
    assert hash(again) == before
    assert pickle.loads(pickle.dumps((TRUE, FALSE))) == (TRUE, FALSE)
    assert pickle.loads(pickle.dumps(TRUE)) is TRUE


def test_parts_cover_all():
    assert list(slices(7, 3)) == [(0, 3), (3, 6), (6, 7)]
    assert list(slices(0, 3)) == []


def test_an_edited_environment_is_handed_over(env):
    changed = replace(env, principals=dict(list(env.principals.items())[1:]), memo={})
    for given in (changed, environment_of({"a.json": {"Version": "2012-10-17", "Statement": []}})):
        with handing.handed(given) as place:
            assert handing.taken(place) == given
            assert dict(entities(handing.taken(place))) == dict(entities(given))

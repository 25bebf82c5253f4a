"""`--cache`, `--no-cache` and IAMSIM_CACHE: the answer never depends on them."""

from __future__ import annotations

import pytest

QUESTION = (
    "can",
    "user/alice",
    "s3:GetObject",
    "arn:aws:s3:::tiny-data/x",
    "-s",
    "corpus/organizations/tiny",
    "--format",
    "json",
)


@pytest.fixture
def plain(cli):
    return cli(*QUESTION, "--no-cache")


def test_the_answer_is_the_same_with_and_without(cli, plain, tmp_path):
    assert cli(*QUESTION, "--cache", tmp_path / "c") == plain
    assert len(list((tmp_path / "c" / "snapshots").iterdir())) == 1
    assert cli(*QUESTION, "--cache", tmp_path / "c") == plain


def test_the_variable_names_the_directory_or_switches_it_off(cli, plain, tmp_path, monkeypatch):
    monkeypatch.setenv("IAMSIM_CACHE", str(tmp_path / "v"))
    assert cli(*QUESTION) == plain
    assert (tmp_path / "v" / "snapshots").is_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    monkeypatch.setenv("IAMSIM_CACHE", "off")
    assert cli(*QUESTION) == plain
    assert not (tmp_path / "x").exists()
    monkeypatch.delenv("IAMSIM_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    assert cli(*QUESTION) == plain


def test_the_user_has_a_directory(cli, plain, tmp_path, monkeypatch):
    monkeypatch.delenv("IAMSIM_CACHE", raising=False)
    monkeypatch.setattr("iamsim.env.cache.default_directory", lambda _: tmp_path / "own")
    assert cli(*QUESTION) == plain
    assert (tmp_path / "own" / "snapshots").is_dir()


def test_a_directory_that_cannot_be_used_is_said_only_if_it_was_named(cli, plain, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    status, out, err = cli(*QUESTION, "--cache", tmp_path / "file" / "c")
    assert (status, out) == plain[:2]
    (line,) = set(err.splitlines()) - set(plain[2].splitlines())
    assert "no compiled snapshot is kept in" in line
    assert "help: give a directory with --cache DIR, or --no-cache" in line
    monkeypatch.delenv("IAMSIM_CACHE", raising=False)
    monkeypatch.setattr("iamsim.env.cache.default_directory", lambda _: tmp_path / "file" / "c")
    assert cli(*QUESTION) == plain

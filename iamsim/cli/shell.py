"""`iamsim shell`: one question of the query language after the other, with history and completion."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iamsim.cli.options import snapshots
from iamsim.cli.output import Loud, Status, doubts_of_question, environment, say, say_error, unread, working
from iamsim.errors import InputError, QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from iamsim.check.ask import Reply
    from iamsim.env.types import Environment

    Names = dict[str, tuple[str, ...]]

PROMPT = "iamsim> "
_LEAVE = ("exit", "quit")
_WAYS = 3
HELP = """\
can user/carol do s3:GetObject on arn:aws:s3:::vault/k    is it possible, and how
why can user/carol do s3:GetObject on arn:aws:s3:::vault/k    the same, with near misses under a no
who can do s3:GetObject on arn:aws:s3:::vault/k    everybody who can
what can user/carol do on arn:aws:s3:::vault/*    everything that one can
paths from user/carol to role/Admin    the ways to a principal, or `to do ACTION on RESOURCE`
only via role/Admin do s3:DeleteObject on arn:aws:s3:::vault/*    nobody can without that role
let people = user/carol, user/kim    a name for several: can $people do …
behind it: `when aws:SourceIp in 10.0.0.0/8`, `with KEY = VALUE`, `via direct`, `via roles`, `expect no`
tab completes, the arrow keys go through what was asked, ctrl-C breaks off, ctrl-D or `quit` leaves
"""


def shell_command(paths: list[str], loud: Loud) -> int:
    """Answers questions until the end of input; 0, or 2 iff input that is no terminal held a question without an answer."""
    env = environment(snapshots(paths), loud)
    names: dict[str, tuple[str, ...]] = {}
    if not sys.stdin.isatty():
        return _answer_all(env, sys.stdin, names, loud)
    read = _reader(lambda: env)
    sys.stdout.write(f"{_loaded(env)}; `help` shows what can be asked, ctrl-D leaves\n")
    while True:
        try:
            text = read()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return Status.AS_EXPECTED
        if text.strip() in _LEAVE:
            return Status.AS_EXPECTED
        try:
            with _breakable():
                _answer(env, text, names, loud)
        except KeyboardInterrupt:
            say("interrupted")
            # what the question had begun to work out is dropped with it
            env = replace(env, memo={})


@contextmanager
def _breakable() -> Iterator[None]:
    """Within it ctrl-C raises KeyboardInterrupt again and again until it is out: Python drops one that meets a destructor."""
    import signal

    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: object) -> None:  # noqa: ARG001 - the form of handlers
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGALRM)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _answer_all(env: Environment, lines: Iterable[str], names: Names, loud: Loud) -> int:
    good = True
    for text in lines:
        if text.strip() in _LEAVE:
            break
        good = _answer(env, text, names, loud) and good
    return Status.AS_EXPECTED if good and not unread(env) else Status.INPUT


def _answer(env: Environment, text: str, names: Names, loud: Loud) -> bool:
    """Prints the answers to the questions of a line; false iff one has none, which is said. `names` are those of `let`."""
    from iamsim.check.ask import replies
    from iamsim.check.model import Problem

    text = text.strip()
    if text in ("help", "?"):
        sys.stdout.write(HELP)
        return True
    good = True
    try:
        found = replies(env, text, source="", names=names, limit=_WAYS)
        while True:
            with working("looking for an answer", loud):
                reply = next(found, None)
            if reply is None:
                return good
            if isinstance(reply, Problem):
                good = False
                say_error(QueryError(reply.message, reply.help))
            else:
                _say(reply, loud)
    except (InputError, QueryError) as error:
        say_error(error)
        return False


def _say(reply: Reply, loud: Loud) -> None:
    from iamsim.cli.pager import paged_output
    from iamsim.report.asked import reply_lines
    from iamsim.report.text import print_lines

    doubts_of_question(reply.warnings, loud)
    with working("looking for what shows it", loud):
        lines = list(reply_lines(reply, headed=False, verbose=loud is Loud.VERBOSE))
    with paged_output():
        print_lines(lines)
    sys.stdout.flush()


def _loaded(env: Environment) -> str:
    count = {"account": len(env.accounts), "principal": len(env.principals), "resource": len(env.resources)}
    return ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for what, n in count.items())


def history_file(environ: Mapping[str, str], platform: str = sys.platform) -> Path | None:
    """Where the shell keeps what was asked, None if that cannot be told.

    Source: XDG Base Directory Specification (a relative path is to be ignored).
    """
    if platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return Path(local) / "iamsim" / "history" if local else None
    for name, more in (("XDG_STATE_HOME", "iamsim"), ("HOME", ".local/state/iamsim")):
        if environ.get(name, "").startswith("/"):
            return Path(environ[name]) / more / "history"
    return None


def _reader(env: Callable[[], Environment]) -> Callable[[], str]:
    """What reads the next line from the terminal, with history and completion."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    except ImportError as error:
        raise InputError("`prompt_toolkit` is not installed", (), "pip install prompt_toolkit") from error
    session: Any = PromptSession(
        history=_history(),
        completer=_completer(env),
        complete_in_thread=True,
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
    )
    return lambda: str(session.prompt(PROMPT))


def _history() -> Any:
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    file = history_file(os.environ)
    if file is not None:
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
            return FileHistory(str(file))
    return InMemoryHistory()


def _completer(env: Callable[[], Environment]) -> Any:
    from prompt_toolkit.completion import Completer, Completion

    from iamsim.query.complete import completions

    def offered(_: Any, document: Any, event: Any) -> Iterable[Any]:  # noqa: ARG001 - the form of the library
        text = document.text_before_cursor
        for found in completions(env(), text):
            yield Completion(found.text, start_position=-found.length, display_meta=found.kind)

    return type("Questions", (Completer,), {"get_completions": offered})()

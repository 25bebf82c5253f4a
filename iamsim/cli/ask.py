"""`iamsim ask`: questions of the query language, from the command line or from files."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.cli.options import Format, OnUnknown, snapshots
from iamsim.cli.output import (
    Loud,
    Status,
    doubts_of_question,
    environment,
    or_json,
    unknown_status,
    unread,
    unread_notes,
    working,
)
from iamsim.errors import InputError, QueryError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.check.ask import Reply
    from iamsim.check.model import Problem
    from iamsim.env.types import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """What `iamsim ask` was given beside the text."""

    files: list[str]
    snapshot: list[str]
    limit: int
    unknown: OnUnknown | None
    format: Format
    loud: Loud


def ask_command(text: str | None, options: AskOptions) -> int:
    """Answers each question as it is worked out. 2 iff some could not be read or asked, or for bad input; else 1 if an answer is
    certain and not as expected; else what `--unknown` says if one is not known; else 0.
    """
    return or_json(options.format, lambda: _ask(text, options))


def _ask(text: str | None, options: AskOptions) -> int:
    if options.limit < 1:
        raise QueryError(f"`--limit {options.limit}` leaves no way", "give a number from 1 upwards")
    sources = [("<question>", text)] if text is not None else []
    sources += [_read(file) for file in options.files]
    if not sources:
        raise QueryError("nothing is asked", "give a question, or a file of them with -f")
    env = environment(snapshots(options.snapshot), options.loud)
    found: list[Reply | Problem] = []
    headed = bool(options.files) or _several(sources[0][1])
    for reply in _replies(env, sources, options):
        found.append(reply)
        _say(reply, options, headed=headed)
    if not found:
        raise QueryError("nothing is asked", "a question reads `can CALLER do ACTION on RESOURCE`")
    if options.format is Format.JSON:
        from iamsim.aws.actions import data_date
        from iamsim.report.asked import asked_json
        from iamsim.report.json import json_line

        sys.stdout.write(json_line(asked_json(found, unread_notes(env), data_date())) + "\n")
    return Status.INPUT if unread(env) else _status(found, options)


def _several(text: str) -> bool:
    """Whether the text holds more than one entry."""
    from iamsim.check.files import entries

    parsed, problems = entries(text, "<question>")
    return sum(len(root.nodes()) for _, root in parsed) + len(problems) > 1


def _read(file: str) -> tuple[str, str]:
    from iamsim.check.files import read_questions

    if file != "-":
        return file, read_questions(file)
    try:
        return "<input>", sys.stdin.read()
    except UnicodeDecodeError as error:
        raise InputError("standard input is no UTF-8 text", (), "give the questions as UTF-8") from error


def _replies(env: Environment, sources: list[tuple[str, str]], options: AskOptions) -> Iterator[Reply | Problem]:
    from iamsim.check.ask import replies

    for source, text in sources:
        found = replies(env, text, source=printable(source), limit=options.limit)
        while True:
            with working("asking", options.loud):
                reply = next(found, None)
            if reply is None:
                break
            yield reply


def _say(reply: Reply | Problem, options: AskOptions, *, headed: bool) -> None:
    from iamsim.check.model import Problem

    if not isinstance(reply, Problem):
        doubts_of_question(reply.warnings, options.loud)
    if options.format is Format.JSON:
        return
    from iamsim.report.asked import reply_lines
    from iamsim.report.text import print_lines

    with working("asking", options.loud):
        lines = list(reply_lines(reply, headed=headed, verbose=options.loud is Loud.VERBOSE))
    print_lines(lines)
    sys.stdout.flush()


def _status(found: list[Reply | Problem], options: AskOptions) -> Status:
    from iamsim.check.model import Problem, State
    from iamsim.judge.answer import Verdict

    if any(isinstance(r, Problem) for r in found):
        return Status.INPUT
    asked = [r for r in found if not isinstance(r, Problem)]
    if any(r.state is State.BROKEN for r in asked):
        return Status.NOT_EXPECTED
    if any(r.state is State.UNKNOWN or (r.state is None and r.verdict is Verdict.UNKNOWN) for r in asked):
        return unknown_status(options.unknown)
    return Status.AS_EXPECTED

"""`iamsim what-if`: what edits of a snapshot would make possible, what they would end, and which rules would flip."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from iamsim.cli.check import rule_files
from iamsim.cli.diff import DiffFormat, status_of
from iamsim.cli.options import json_file, snapshots
from iamsim.cli.output import Loud, Status, environment, or_json, remarks, unread, working
from iamsim.env.edit import Edit, EditKind
from iamsim.errors import InputError, QueryError
from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from iamsim.check.flips import Flip
    from iamsim.check.model import RuleFile
    from iamsim.cli.diff import DiffOptions
    from iamsim.env.types import Environment
    from iamsim.query.diff_rows import Diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """The edits as `iamsim what-if` was given them; they are made in the order of these fields."""

    delete: list[str]
    detach: list[str]
    attach: list[str]
    put_policy: list[str]
    trust: list[str]
    add_scp: list[str]


def what_if_command(snapshot: list[str], edits: Edits, rules: list[str], options: DiffOptions) -> int:
    """Prints the diff and the rules that flip; 0 iff both are as expected, 1 if not, 3 if that is not known, 2 for bad input."""
    return or_json(options.format, lambda: _what_if(snapshot, edits, rules, options))


def _what_if(snapshot: list[str], edits: Edits, rules: list[str], options: DiffOptions) -> int:
    from iamsim.query.what_if import what_if

    made = list(_edits(edits))
    if not made:
        raise QueryError(
            "nothing is to be changed", "give --delete, --attach, --detach, --put-policy, --trust or --add-scp"
        )
    files = _readable(rules)
    env = environment(snapshots(snapshot), options.loud)
    with working("comparing what principals can do", options.loud) as progress:
        found = what_if(
            env,
            made,
            principals=options.principals,
            actions=options.actions,
            missing=options.missing.value,
            progress=progress,
        )
    remarks(found.after.diagnostics[len(env.diagnostics) :], options.loud)
    flips = _flips(env, found.after, files, options.loud) if files else None
    _print(found.diff, flips, options)
    if unread(env):
        return Status.INPUT
    said = {status_of(found.diff, options.expect), _status(flips or ())}
    return next(s for s in (Status.NOT_EXPECTED, Status.UNKNOWN, Status.AS_EXPECTED) if s in said)


def _edits(edits: Edits) -> Iterator[Edit]:
    yield from (Edit(EditKind.DELETE, who) for who in edits.delete)
    for kind, given in ((EditKind.DETACH, edits.detach), (EditKind.ATTACH, edits.attach)):
        for text in given:
            who, policy = _split(text, f"--{kind.value}", "role/NAME=POLICY")
            yield Edit(kind, who, policy)
    for text in edits.put_policy:
        form = "role/NAME=POLICYNAME=FILE or policy/NAME=FILE"
        who, rest = _split(text, "--put-policy", form)
        name, file = (
            ("", rest) if ":policy/" in who or who.startswith("policy/") else _split(rest, "--put-policy", form)
        )
        yield _written(EditKind.PUT_POLICY, who, name, file)
    for text in edits.trust:
        who, file = _split(text, "--trust", "role/NAME=FILE")
        yield _written(EditKind.TRUST, who, "", file)
    for text in edits.add_scp:
        who, file = _split(text, "--add-scp", "NODE=FILE")
        yield _written(EditKind.ADD_SCP, who, Path(file).stem or file, file)


def _split(text: str, option: str, form: str) -> tuple[str, str]:
    head, _, tail = text.partition("=")
    if not head or not tail:
        raise QueryError(f"`{option} {printable(text)}` is incomplete", f"write it as {form}")
    return head, tail


def _written(kind: EditKind, who: str, name: str, file: str) -> Edit:
    from iamsim.query.documents import policy_document

    return Edit(kind, who, name, policy_document(json_file(file, "one policy document")), file)


def _readable(rules: list[str]) -> list[RuleFile]:
    files = rule_files(rules)
    for problem in (p for f in files for p in f.problems):
        raise InputError(f"{problem.source}:{problem.line}:{problem.column}: {problem.message}", (), problem.help)
    return files


def _flips(before: Environment, after: Environment, files: list[RuleFile], loud: Loud) -> tuple[Flip, ...]:
    from iamsim.check.flips import flips

    with working("checking rules", loud):
        return flips(before, after, files, date.today())  # noqa: DTZ011 - as `iamsim check`


def _status(flips: Sequence[Flip]) -> Status:
    """1 iff a rule that counts as an error no longer holds, 3 if it is no longer known whether one does."""
    from iamsim.diagnostics import Severity

    after = {
        f.states[1]
        for f in flips
        for o in (f.before or f.after,)
        if o and o.rule.severity is Severity.ERROR and not o.waived
    }
    if "broken" in after:
        return Status.NOT_EXPECTED
    return Status.UNKNOWN if after & {"unknown", "not askable"} else Status.AS_EXPECTED


def _print(found: Diff, flips: tuple[Flip, ...] | None, options: DiffOptions) -> None:
    from iamsim.cli.diff import print_diff
    from iamsim.report.flips import flips_json, flips_lines, flips_markdown

    if flips is not None and options.format is DiffFormat.JSON:
        from iamsim.report.diff import diff_json
        from iamsim.report.json import json_line

        sys.stdout.write(json_line({**diff_json(found), "rules": flips_json(flips)}) + "\n")
        return
    print_diff(found, options.format, options.loud)
    if flips is None:
        return
    from iamsim.report.text import encodable, print_lines

    if options.format is DiffFormat.MARKDOWN:
        sys.stdout.write(encodable(flips_markdown(flips)))
    else:
        print_lines(flips_lines(flips))

"""Assertions about a snapshot for tests: `assert_can`, `assert_cannot`, `assert_only_via`.

They need no pytest. What fails shows the whole answer: the way step by step, with the statements that allow it at file and
line. Under pytest no line of iamsim stands in the traceback.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iamsim.errors import InputError, QueryError
from iamsim.findings import printable
from iamsim.judge.answer import Verdict
from iamsim.query.can import can
from iamsim.query.only_via import only_via

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from iamsim.diagnostics import Diagnostic
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Answer
    from iamsim.query.only_via import Bypass, OnlyVia
    from iamsim.report.lines import Line

__all__ = ["assert_can", "assert_cannot", "assert_only_via"]

_WIDTH = 100
_LONG = 2000
_SHOWN = 3
_NAMED = 5


def assert_can(
    env: Environment, principal: str, action: str, resource: str, *, unknown: str = "fail", **options: Any
) -> Answer:
    """The answer of `can` with these `options`. Raises AssertionError iff it is NO, or UNKNOWN and `unknown` is `fail`.

    `unknown="pass"` takes an UNKNOWN for what was expected. The message holds the answer with file and line of what forbids
    the request, or with what is missing to decide it. Raises QueryError and InputError as `can` does.
    """
    __tracebackhide__ = True
    try:
        answer = can(env, principal, action, resource, **options)
        said = _against(answer, Verdict.YES, unknown)
    except (QueryError, InputError) as error:
        raise _whole(error) from None
    if said:
        raise AssertionError(said)
    return answer


def assert_cannot(
    env: Environment, principal: str, action: str, resource: str, *, unknown: str = "fail", **options: Any
) -> Answer:
    """The answer of `can` with these `options`. Raises AssertionError iff it is YES, or UNKNOWN and `unknown` is `fail`.

    The message holds the way step by step, with file and line of the statements that allow it. An action that the data of AWS
    does not know is a QueryError: that nobody can do it would say nothing.
    """
    __tracebackhide__ = True
    try:
        answer = can(env, principal, action, resource, **options)
        said = _against(answer, Verdict.NO, unknown)
        if not said:
            _refuse_unknown(answer.warnings)
    except (QueryError, InputError) as error:
        raise _whole(error) from None
    if said:
        raise AssertionError(said)
    return answer


def assert_only_via(
    env: Environment,
    role: str,
    action: str,
    resource: str,
    *,
    except_: Sequence[str] | str = (),
    via: str = "roles",
    unknown: str = "fail",
    **options: Any,
) -> None:
    """Raises AssertionError iff somebody can do `action` on `resource` without `role` and without those of `except_`.

    That is `iamsim.only_via`: every user and role that is loaded is asked about and, as far as policies reach them, root users,
    services, other accounts, holders of tokens and anonymous callers. Roles count if somebody gets to them without `role`.
    It also passes if nobody can: say with `assert_can` who must. By default chains of roles are followed and no escalation
    techniques, which change policies; `via="escalation"` follows them, too.

    `role` and `except_` are callers as `can` takes them, patterns included; `root` means every root user. A caller of which the
    answer is not known fails unless `unknown="pass"`. `options` are those of `can` but `also`. Raises QueryError as
    `assert_cannot` does.
    """
    __tracebackhide__ = True
    try:
        strict = _strict(unknown)
        found = only_via(env, role, action, resource, except_=except_, via=via, **options)
    except (QueryError, InputError) as error:
        raise _whole(error) from None
    against = [b for b in found.bypasses if strict or b.verdict is Verdict.YES]
    if against:
        raise AssertionError(_bypasses(found, against))


def _whole(error: QueryError | InputError) -> QueryError | InputError:
    """The error with its remedy in its message, since nothing else of it is shown by a test."""
    text = f"{error}\nhelp: {error.help}" if error.help else str(error)
    if isinstance(error, QueryError):
        return QueryError(text, error.help)
    return InputError(text, error.diagnostics, error.help)


def _refuse_unknown(warnings: tuple[Diagnostic, ...]) -> None:
    """Raises QueryError iff the question has a warning: that its action is not known."""
    for warning in warnings:
        raise QueryError(f"{warning.message}, so that a claim about it would be empty", warning.help)


def _strict(unknown: str) -> bool:
    if unknown not in ("pass", "fail"):
        raise QueryError(f"`unknown={unknown!r}` is neither `pass` nor `fail`", "an unknown answer fails by default")
    return unknown == "fail"


def _against(answer: Answer, expected: Verdict, unknown: str) -> str:
    """What is to be said if the answer is not as expected; else nothing."""
    strict = _strict(unknown)
    if answer.verdict is expected or (answer.verdict is Verdict.UNKNOWN and not strict):
        return ""
    from iamsim.report.text import answer_lines

    head = f"expected {expected.value}, the answer is {answer.verdict.value}"
    return f"{head}\n\n{_text(answer_lines(answer))}"


def _text(lines: Iterable[Line]) -> str:
    """The lines as text; files below the working directory are named from there."""
    from iamsim.report.lines import plain_text

    here = os.getcwd().rstrip(os.sep) + os.sep  # noqa: PTH109 - a text is cut off texts
    short = (replace(x, spans=tuple(replace(s, text=s.text.replace(here, "")) for s in x.spans)) for x in lines)
    return plain_text(short, _WIDTH).rstrip("\n")


def _bypasses(found: OnlyVia, against: list[Bypass]) -> str:
    can_ = sum(b.verdict is Verdict.YES for b in against)
    count = f"{_callers(can_)} can as well" if can_ else f"of {_callers(len(against))} it is not known"
    parts = [printable(f"expected only {found.role} to do {found.action} on {found.resource}: {count}", _LONG)]
    parts += map(_bypass, against[:_SHOWN])
    if len(against) > _SHOWN:
        names = ", ".join(printable(b.row.principal, _LONG) for b in against[_SHOWN : _SHOWN + _NAMED])
        more = len(against) - _SHOWN - _NAMED
        parts.append(f"and {names}{f' and {more} more' if more > 0 else ''}")
    return "\n\n".join(parts)


def _callers(number: int) -> str:
    return "1 other caller" if number == 1 else f"{number} other callers"


def _bypass(bypass: Bypass) -> str:
    """What lets this caller do it, and for a role who may take it."""
    from iamsim.report.only import bypass_lines
    from iamsim.report.who import Told, row_lines

    if bypass.row.principal == "*":  # accounts that no input holds are no caller that can be asked about
        return _text(row_lines(bypass.row, Told()))
    text = f"{bypass.verdict.value.upper()}  {printable(bypass.row.principal, _LONG)}\n{_text(bypass_lines(bypass))}"
    if not bypass.entered_by:
        return text
    names = ", ".join(printable(t, _LONG) for t in bypass.entered_by[:_NAMED])
    return f"{text}\n\n  the role can be assumed by {names}{' and others' if len(bypass.entered_by) > _NAMED else ''}"

"""`%load_ext iamsim.notebook`: environments and answers are shown as HTML, and as a report where only text is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iamsim.env.types import Environment


def load_ipython_extension(ipython: Any) -> None:
    """Registers how IPython displays answers and environments."""
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Answer
    from iamsim.report.html import answer_html, environment_html
    from iamsim.report.text import answer_text

    def show_answer(answer: Answer, printer: Any, cycle: bool) -> None:  # noqa: ARG001 - the form that IPython calls
        printer.text(answer_text(answer).rstrip("\n"))

    def show_environment(environment: Environment, printer: Any, cycle: bool) -> None:  # noqa: ARG001 - likewise
        printer.text(_summary(environment))

    formatters = ipython.display_formatter.formatters
    formatters["text/html"].for_type(Answer, answer_html)
    formatters["text/html"].for_type(Environment, environment_html)
    formatters["text/plain"].for_type(Answer, show_answer)
    formatters["text/plain"].for_type(Environment, show_environment)


def unload_ipython_extension(ipython: Any) -> None:
    """Takes the registrations back."""
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Answer

    for mime in ("text/html", "text/plain"):
        for shown in (Answer, Environment):
            ipython.display_formatter.formatters[mime].pop(shown, None)


def _summary(environment: Environment) -> str:
    return (
        f"Environment of {len(environment.accounts)} accounts, {len(environment.principals)} users and roles, "
        f"{len(environment.resources)} resources, {len(environment.diagnostics)} diagnostics"
    )

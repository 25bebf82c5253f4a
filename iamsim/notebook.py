"""`%load_ext iamsim.notebook`: environments, answers and ways are shown as HTML, and as a report where only text is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from iamsim.env.types import Environment


def load_ipython_extension(ipython: Any) -> None:
    """Registers how IPython displays answers, ways, escalations and environments."""
    formatters = ipython.display_formatter.formatters
    for shown, html, text in _forms():
        formatters["text/html"].for_type(shown, html)
        formatters["text/plain"].for_type(shown, _printed(text))


def unload_ipython_extension(ipython: Any) -> None:
    """Takes the registrations back."""
    for mime in ("text/html", "text/plain"):
        for shown, _, _ in _forms():
            ipython.display_formatter.formatters[mime].pop(shown, None)


def _forms() -> tuple[tuple[type, Callable[[Any], str], Callable[[Any], str]], ...]:
    """What is displayed: the type, its form as HTML and its form as text."""
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Answer
    from iamsim.query.escalations import Escalations
    from iamsim.query.paths import Path
    from iamsim.report.html import answer_html, environment_html, escalations_html, path_html
    from iamsim.report.text import answer_text
    from iamsim.report.ways import escalations_text, path_text

    return (
        (Answer, answer_html, answer_text),
        (Environment, environment_html, _summary),
        (Path, path_html, path_text),
        (Escalations, escalations_html, escalations_text),
    )


def _printed(text: Callable[[Any], str]) -> Callable[[Any, Any, bool], None]:
    def show(value: Any, printer: Any, cycle: bool) -> None:  # noqa: ARG001 - the form that IPython calls
        printer.text(text(value).rstrip("\n"))

    return show


def _summary(environment: Environment) -> str:
    return (
        f"Environment of {len(environment.accounts)} accounts, {len(environment.principals)} users and roles, "
        f"{len(environment.resources)} resources, {len(environment.diagnostics)} diagnostics"
    )

"""`%load_ext iamsim.notebook`: answers are shown as HTML, `%iamsim` asks questions, and names are completed by tab."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from iamsim.check.ask import Reply
    from iamsim.env.types import Environment
    from iamsim.query.complete import Completion

_GRAPH = ("networkx.classes.multidigraph", "MultiDiGraph")
_MAGIC = re.compile(r"\s*%iamsim\s+(.*)", re.DOTALL)
_CELL = re.compile(r"\s*%%iamsim\b")
_CALL = re.compile(r"\b(?:can|who_can|what_can|paths|escalations|explain|role_graph|assert_\w+)\s*\(")
_STRING = re.compile(r"""["']([^"']*)\Z""")


def load_ipython_extension(ipython: Any) -> None:
    """Registers how IPython displays what iamsim answers, the magic `%iamsim`, and the completion of names."""
    formatters = ipython.display_formatter.formatters
    for shown, html, text in _forms():
        formatters["text/html"].for_type(shown, html)
        formatters["text/plain"].for_type(shown, _printed(text))
    formatters["text/html"].for_type_by_name(*_GRAPH, _graph)
    formatters["text/plain"].for_type_by_name(*_GRAPH, _printed(_graph_text))
    ipython.register_magic_function(_magic(ipython), "line_cell", "iamsim")
    completer = getattr(ipython, "Completer", None)
    if completer is not None:
        completer.custom_matchers.append(_matcher(ipython))


def unload_ipython_extension(ipython: Any) -> None:
    """Takes the registrations back."""
    for mime in ("text/html", "text/plain"):
        for shown, _, _ in _forms():
            ipython.display_formatter.formatters[mime].pop(shown, None)
        ipython.display_formatter.formatters[mime].pop(".".join(_GRAPH), None)
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("iamsim", None)
    completer = getattr(ipython, "Completer", None)
    if completer is not None:
        ours = [m for m in completer.custom_matchers if getattr(m, "matcher_identifier", "") == "iamsim"]
        for matcher in ours:
            completer.custom_matchers.remove(matcher)


def _forms() -> tuple[tuple[type, Callable[[Any], str], Callable[[Any], str]], ...]:
    """What is displayed: the type, its form as HTML and its form as text."""
    from iamsim.check.ask import Reply
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Answer
    from iamsim.query.diff_rows import Diff
    from iamsim.query.escalations import Escalations
    from iamsim.query.minimal import Path
    from iamsim.query.only_via import OnlyVia
    from iamsim.query.what_if import WhatIf
    from iamsim.report.asked import asked_text
    from iamsim.report.diff import diff_lines
    from iamsim.report.html import answer_html, environment_html, escalations_html, path_html
    from iamsim.report.html_lists import diff_html, only_html, reply_html, what_if_html
    from iamsim.report.lines import plain_text
    from iamsim.report.only import only_lines
    from iamsim.report.text import answer_text
    from iamsim.report.ways import escalations_text, path_text

    return (
        (Answer, answer_html, answer_text),
        (Environment, environment_html, _summary),
        (Path, path_html, path_text),
        (Escalations, escalations_html, escalations_text),
        (Diff, diff_html, lambda d: plain_text(diff_lines(d), 100)),
        (WhatIf, what_if_html, lambda w: plain_text(diff_lines(w.diff), 100)),
        (OnlyVia, only_html, lambda o: plain_text(only_lines(o), 100)),
        (Reply, reply_html, lambda r: asked_text([r])),
    )


def _graph(graph: Any) -> str | None:
    """A graph as HTML iff it is one of iamsim's: others are displayed as ever."""
    from iamsim.report.html import graph_html

    return graph_html(graph) if _is_ours(graph) else None


def _graph_text(graph: Any) -> str:
    """A graph in numbers iff it is one of iamsim's."""
    return f"graph of {len(graph)} nodes and {graph.number_of_edges()} edges" if _is_ours(graph) else repr(graph)


def _is_ours(graph: Any) -> bool:
    named = len(graph) and all("kind" in found for _, found in graph.nodes(data=True))
    return bool(named) and all("technique" in found for _, _, found in graph.edges(data=True))


def _printed(text: Callable[[Any], str]) -> Callable[[Any, Any, bool], None]:
    def show(value: Any, printer: Any, cycle: bool) -> None:  # noqa: ARG001 - the form that IPython calls
        printer.text(text(value).rstrip("\n"))

    return show


def _summary(environment: Environment) -> str:
    return (
        f"Environment of {len(environment.accounts)} accounts, {len(environment.principals)} users and roles, "
        f"{len(environment.resources)} resources, {len(environment.diagnostics)} diagnostics"
    )


# --- the magic


def _magic(ipython: Any) -> Callable[..., Reply | None]:
    def iamsim(line: str, cell: str | None = None) -> Reply | None:
        """Ask questions of the query language: `%iamsim can user/x do …` in a line, or `%%iamsim` over several.

        They are asked of the environment called `env`, else of the only one that there is; `%%iamsim NAME` names another.
        """
        from iamsim.check.ask import ask
        from iamsim.errors import IamsimError

        try:
            env = _environment(ipython, "" if cell is None else line.strip())
            found = ask(env, line if cell is None else cell)
        except IamsimError as error:
            raise _usage(str(error), getattr(error, "help", "")) from None
        if cell is None and len(found) == 1:
            return found[0]
        for reply in found:
            _display(reply)
        return None

    return iamsim


def _display(found: Reply) -> None:
    from IPython.display import display

    display(found)


def _usage(message: str, help_: str) -> Exception:
    """What IPython shows as one message without a traceback."""
    from IPython.core.error import UsageError

    error: Exception = UsageError(f"{message}\n{help_}" if help_ else message)
    return error


def _environment(ipython: Any, name: str) -> Environment:
    found = _environments(ipython)
    if name and name not in found:
        raise _usage(f"`{name}` is no environment", "load one: env = iamsim.load('snapshot/')")
    chosen = name or ("env" if "env" in found else next(iter(found), "") if len(found) == 1 else "")
    if not chosen:
        known = f"name one of {', '.join(sorted(found))}: %%iamsim NAME" if found else "env = iamsim.load('snapshot/')"
        raise _usage("there is no environment called `env`", known)
    return found[chosen]


def _environments(ipython: Any) -> dict[str, Environment]:
    from iamsim.env.types import Environment

    return {n: v for n, v in ipython.user_ns.items() if isinstance(v, Environment) and not n.startswith("_")}


# --- completion


def _matcher(ipython: Any) -> Any:
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher(identifier="iamsim")  # type: ignore[untyped-decorator]
    def match(context: Any) -> Any:
        found = completed(ipython, context.full_text, context.cursor_line, context.text_until_cursor)
        length = found[0].length if found else 0
        return {
            "completions": [SimpleCompletion(text=c.text, type=c.kind) for c in found if c.length == length],
            "matched_fragment": context.text_until_cursor[len(context.text_until_cursor) - length :],
            "suppress": bool(found),
            "ordered": True,
        }

    return match


def completed(ipython: Any, full: str, row: int, line: str) -> tuple[Completion, ...]:
    """What may stand at the end of `line`, the part of row `row` before the cursor: in the magic by the grammar, in a text
    that a function of iamsim is called with by its beginning; nothing elsewhere.
    """
    from iamsim.query.complete import completions

    found = _environments(ipython)
    env = found.get("env") or next(iter(found.values()), None)
    if env is None:
        return ()
    in_line = _MAGIC.match(line)
    if in_line is not None:
        return completions(env, in_line[1])
    if row > 0 and _CELL.match(full):
        return completions(env, line)
    opened = _STRING.search(line)
    if opened is None or _CALL.search(line) is None:
        return ()
    return _in_text(env, opened[1])


def _in_text(env: Environment, typed: str) -> tuple[Completion, ...]:
    """Names that begin so: ARNs, condition keys and actions behind a colon, else principals."""
    from iamsim.query.complete import Completion, actions, keys, principals, resources

    if typed.startswith("arn:"):
        offered = [("resource", resources(env, typed))]
    elif ":" in typed and not typed[:1].isdigit():
        offered = [("action", actions(typed)), ("key", keys(typed))]
    else:
        offered = [("principal", principals(env, typed))]
        if typed and "/" not in typed:
            offered.append(("action", actions(typed)))
    return tuple(Completion(n, len(typed), kind) for kind, names in offered for n in names)

"""Pieces of HTML for notebooks: a frame with its own style, lists, tables; every text is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from iamsim.findings import printable
from iamsim.judge.answer import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TEXT = 2000
COLOURS = {Verdict.YES: "#1a7f37", Verdict.NO: "#cf222e", Verdict.UNKNOWN: "#9a6700"}

# Colours of the page's theme where it names them (JupyterLab), else plain ones.
_STYLE = """<style>
.iamsim {font: 13px/1.5 system-ui, sans-serif; color: var(--jp-content-font-color1, #1f2328)}
.iamsim .badge {color: #fff; border-radius: 1em; padding: .1em .7em; margin-right: .5em; font-size: 12px}
.iamsim .quiet, .iamsim small {color: var(--jp-content-font-color2, #59636e)}
.iamsim code {font: 12px/1.5 ui-monospace, monospace; background: var(--jp-layout-color2, #eff1f3);
  border-radius: 3px; padding: 0 .3em; overflow-wrap: break-word}
.iamsim p, .iamsim li {max-width: 76em} .iamsim li code {overflow-wrap: anywhere}
.iamsim p {margin: .5em 0 .2em} .iamsim ul, .iamsim ol {margin: .2em 0; padding-left: 1.6em}
.iamsim li {margin: .15em 0} .iamsim details {margin: .3em 0} .iamsim summary {cursor: pointer}
.iamsim table {border-collapse: collapse; margin: .3em 0; font-size: 12px}
.iamsim th, .iamsim td {text-align: left; vertical-align: top; padding: .2em 1em .2em 0; white-space: normal;
  border-bottom: 1px solid var(--jp-border-color2, #d8dee4); background: none; max-width: 40em}
.iamsim th {font-weight: 600; color: var(--jp-content-font-color2, #59636e)}
.iamsim .wide {overflow-x: auto; margin: .4em 0}
</style>"""


def framed(parts: Iterable[str]) -> str:
    """The parts as one self-contained fragment: without scripts, links, or anything to load."""
    return f'<div class="iamsim">{_STYLE}{"".join(parts)}</div>'


def badge(verdict: Verdict, word: str = "") -> str:
    """The verdict, or another word, in its colour."""
    return f'<b style="background: {COLOURS[verdict]}" class="badge">{escape(word or verdict.value.upper())}</b>'


def text(value: str) -> str:
    """The text, escaped and printable."""
    return escape(printable(value, TEXT))


def code(value: str) -> str:
    """The text as a name or value, escaped and printable."""
    return f"<code>{text(value)}</code>"


def head(value: str) -> str:
    """A heading within a fragment."""
    return f"<p><b>{escape(value)}</b></p>"


def items(parts: Iterable[str], kind: str = "ul") -> str:
    """Fragments as a list."""
    return f"<{kind}>" + "".join(f"<li>{p}</li>" for p in parts) + f"</{kind}>"


def listed(heading: str, sentences: Iterable[str]) -> str:
    """Sentences under a heading, nothing if there are none."""
    found = [text(s) for s in sentences]
    return head(heading) + items(found) if found else ""


def folded(summary: str, body: str, *, open_: bool = False) -> str:
    """A fragment behind a summary, which a click opens."""
    return f"<details{' open' if open_ else ''}><summary>{summary}</summary>{body}</details>"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Fragments as a table, without the columns that hold nothing."""
    found = list(rows)
    kept = [i for i in range(len(columns)) if any(row[i] for row in found)]
    top = "".join(f"<th>{escape(columns[i])}</th>" for i in kept)
    body = "".join("<tr>" + "".join(f"<td>{row[i]}</td>" for i in kept) + "</tr>" for row in found)
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'

"""Reference pages for the documentation, made from what they describe: the commands, the tables of AWS facts, the techniques."""  # noqa: INP001

from __future__ import annotations

from html import escape
from typing import Any

from iamsim.aws.escalations import catalogue, catalogue_date
from iamsim.aws.keys import PRESENCE
from iamsim.aws.tables import Table, table_rows
from iamsim.cli.app import app
from iamsim.findings import FINDINGS


def commands() -> str:
    """Every command with its arguments, options and examples, as Markdown."""
    from typer.main import get_command

    root: Any = get_command(app)
    return "\n".join(_command(root, "iamsim") + _below(root, "iamsim"))


def _below(group: Any, path: str) -> list[str]:
    out: list[str] = []
    for name, found in group.commands.items():
        out += _command(found, f"{path} {name}")
        if hasattr(found, "commands"):
            out += _below(found, f"{path} {name}")
    return out


def _command(found: Any, path: str) -> list[str]:
    arguments = [p for p in found.params if p.param_type_name == "argument"]
    options = [p for p in found.params if p.param_type_name == "option"]
    words = [p.metavar or p.human_readable_name.upper() for p in arguments]
    words += ["COMMAND …"] if hasattr(found, "commands") else []
    out = [f"## {path}", "", f"`{' '.join([path, *(['[OPTIONS]'] if options else []), *words])}`", ""]
    out += [" ".join(part.split()) + "\n" for part in (found.help or "").replace("\b", "").split("\n\n")]
    if arguments:
        out += ["| argument | meaning |", "| --- | --- |"]
        out += [f"| `{p.metavar or p.human_readable_name.upper()}` | {_cell(p.help or '')} |" for p in arguments]
        out.append("")
    if options:
        out += ["| option | meaning | default |", "| --- | --- | --- |"]
        out += [f"| {_flags(p)} | {_cell(p.help or '')} | {_default(p)} |" for p in options]
        out.append("")
    lines = [e.strip() for e in (found.epilog or "").replace("\b", "").splitlines()[1:]]
    shown = [e for e in lines if e and not e.endswith(":")]
    return [*out, *(["```bash", *shown, "```", ""] if shown else [])]


def _flags(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or _choices(option)}"
    return ", ".join(f"`{flag}{value}`" for flag in option.opts)


def _choices(option: Any) -> str:
    choices = getattr(option.type, "choices", None)
    return "\u2009|\u2009".join(str(getattr(c, "value", c)) for c in choices) if choices else option.type.name.upper()


def _default(option: Any) -> str:
    default = option.default
    if default in (None, False, "") or callable(default):
        return ""
    return f"`{getattr(default, 'value', default)}`"


def _cell(text: str) -> str:
    for sign in "\\|*_[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(escape(text, quote=False).split())


def tables() -> str:
    """Every table of AWS facts with all of its rows and their sources, as Markdown."""
    return "\n".join(part for table in table_rows() for part in _table(table))


def _table(table: Table) -> list[str]:
    columns = table.columns()
    rows = [
        [PRESENCE.get(cell, cell) if column == "present" else cell for column, cell in zip(columns, row, strict=True)]
        for row in table.cells()
    ]
    return [
        f"## {table.name}",
        "",
        f"{table.says[0].upper()}{table.says[1:]}: {len(rows)} rows.",
        "",
        "| " + " | ".join(c.replace("_", " ") for c in columns) + " |",
        "| " + " | ".join("---" for _ in columns) + " |",
        *("| " + " | ".join(map(_cell, row)) + " |" for row in rows),
        "",
    ]


def techniques() -> str:
    """The catalogue of escalation techniques, as Markdown."""
    found = catalogue()
    out = [f"{len(found.techniques)} techniques and {len(found.primitives)} primitives, of {catalogue_date()}.", ""]
    out += ["| technique | what is done | calls | sources |", "| --- | --- | --- | --- |"]
    for t in (*found.techniques.values(), *found.primitives.values()):
        calls = ", ".join(dict.fromkeys(f"`{c.action}`" for c in t.variants[0].calls))
        out.append(f"| `{t.id}` | {_cell(t.title)} | {calls} | {_cell('; '.join(t.sources))} |")
    return "\n".join([*out, ""])


def diagnostics() -> str:
    """Every diagnostic with its severity, title and remedy, as Markdown."""
    out = ["| id | severity | what | remedy |", "| --- | --- | --- | --- |"]
    out += [f"| `{f.id}` | {f.severity.value} | {_cell(f.title)} | {_cell(f.help)} |" for f in FINDINGS.values()]
    return "\n".join([*out, ""])


MADE = {"commands": commands, "tables": tables, "techniques": techniques, "diagnostics": diagnostics}
"""What a page of docs/ that says `<!-- made: NAME -->` has in that place."""

"""Files with techniques of the user's own: JSON or YAML text to a catalogue with them, or what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iamsim.aws.escalations import read_catalogue
from iamsim.diagnostics import Diagnostic, Origin
from iamsim.findings import diagnostic, printable
from iamsim.model.json_text import DECODER

if TYPE_CHECKING:
    from iamsim.aws.escalations import Catalogue


def with_file(base: Catalogue, path: str) -> tuple[Catalogue, tuple[Diagnostic, ...]]:
    """`base` with the techniques of a JSON or YAML file added, or replaced where they have its ids; and the mistakes.

    A file that cannot be read, or is neither, is a mistake too; then `base` is returned as it is.
    """
    at = Origin(path)
    shown = printable(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as e:
        why = (e.strerror or "it cannot be read").lower()
        return base, (diagnostic("technique-file", at, f"`{shown}` cannot be read: {why}"),)
    except ValueError:
        return base, (diagnostic("technique-file", at, f"`{shown}` is not UTF-8 text", help="save the file as UTF-8"),)
    decoded = _json(text, at) if path.lower().endswith(".json") else _yaml(text, at)
    if isinstance(decoded, Diagnostic):
        return base, (decoded,)
    return read_catalogue(decoded, path, base)


def _json(text: str, at: Origin) -> Any:
    """The value of a JSON text, or what is wrong with it."""
    try:
        return DECODER.decode(text.strip())
    except json.JSONDecodeError as e:
        message = f"not JSON: {e.msg.lower()}"
        return diagnostic(
            "technique-file", at, message, span=(e.lineno, e.colno), help="correct the text at this place"
        )
    except RecursionError:
        return diagnostic("technique-file", at, "nested too deeply", help="no technique nests this deeply")
    except ValueError as e:
        return diagnostic("technique-file", at, f"not JSON: {printable(str(e))}")


def _yaml(text: str, at: Origin) -> Any:
    """The value of a YAML text with every scalar as text, or what is wrong with it."""
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        if (twice := _repeated(node)) is not None:
            line = (twice.start_mark.line + 1, twice.start_mark.column + 1)
            message = f"`{printable(str(twice.value))}` occurs twice"
            return diagnostic("technique-file", at, message, span=line, help="keep one of the two")
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes texts, lists and objects only
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        span = (mark.line + 1, mark.column + 1) if mark else None
        message = f"not YAML: {printable(e.problem or 'malformed')}"
        return diagnostic("technique-file", at, message, span=span, help="correct the text at this place")
    except yaml.YAMLError as e:
        return diagnostic("technique-file", at, f"not YAML: {printable(str(e).splitlines()[0])}")
    except RecursionError:
        return diagnostic("technique-file", at, "nested too deeply", help="no technique nests this deeply")


def _repeated(root: Any) -> Any:
    """The node of some name that one mapping below `root` has twice, or None."""
    todo, done = [root], set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in done or isinstance(node.value, str):
            continue
        done.add(id(node))
        if node.id == "sequence":
            todo.extend(node.value)
            continue
        names = set()
        for name, item in node.value:
            if name.id == "scalar" and name.value in names:
                return name
            names.add(name.value if name.id == "scalar" else None)
            todo.append(item)
    return None

"""What MkDocs does beside building docs/: makes the reference, and takes in what pages link to outside of docs/.

So the site is whole: it can be read without the repository and without a network.
"""  # noqa: INP001

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.reference import MADE  # noqa: E402 - it stands beside this file, wherever MkDocs was started

_LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?([^)]*\))")
_MARK = re.compile(r"<!-- made: (\w+) -->")
_FENCE = re.compile(r"^```.*?^```\s*?$", re.MULTILINE | re.DOTALL)


def _home(path: str) -> str:
    """The place in the site of a file of the repository."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}"


def _origin(path: str) -> str:
    """The file of the repository that a place in the site shows."""
    return path.removeprefix("repository/") if path.startswith("repository/") else f"docs/{path}"


def _target(page: str, link: str) -> str | None:
    """The file of the repository that a page links to, None for other links."""
    if re.match(r"[a-z]+:|/", link):
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    if (ROOT / found).is_dir():
        found = f"{found}/README.md" if (ROOT / found / "README.md").is_file() else f"{found}/index.md"
    return found


def _links(page: str, text: str) -> set[str]:
    return {t for m in _LINK.finditer(_FENCE.sub("", text)) if (t := _target(page, m[2])) is not None}


def _text(path: str) -> str:
    """The text of a page; of a folder without one a list of what is in it."""
    if (ROOT / path).is_file():
        return (ROOT / path).read_text(encoding="utf-8")
    folder = (ROOT / path).parent
    names = sorted(p.name + ("/README.md" if (p / "README.md").is_file() else "") for p in folder.iterdir())
    rows = [f"- [{n}]({n})" for n in names if (folder / n).is_file()]
    return "\n".join([f"# {folder.name}", "", *rows, ""])


def on_files(files: Any, config: Any) -> Any:
    """Adds the files outside of docs/ that pages link to, and those that these link to."""
    from mkdocs.structure.files import File

    todo = [f"docs/{f.src_uri}" for f in files if f.src_uri.endswith(".md")]
    seen = set(todo)
    while todo:
        page = todo.pop()
        for target in sorted(_links(page, _text(page)) - seen):
            seen.add(target)
            listing = target.endswith("/index.md") and (ROOT / target).parent.is_dir()
            if not listing and (target.startswith("docs/") or not (ROOT / target).is_file()):
                continue  # it is there already, or MkDocs says that it is missing
            if target.endswith(".md"):
                todo.append(target)
                files.append(File.generated(config, _home(target), content=_text(target)))
            else:
                files.append(File.generated(config, _home(target), abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001 - as MkDocs calls it
    """Puts in what is made, and lets links lead to where files stand in the site."""
    origin = _origin(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        target = _target(origin, link[2])
        if target is None:
            return link[0]
        there = posixpath.relpath(_home(target), posixpath.dirname(page.file.src_uri) or ".")
        return f"{link[1]}{there}{link[3] or ''}{link[4]}"

    parts = []
    last = 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(moved, markdown[last : fence.start()]), fence[0]]
        last = fence.end()
    text = "".join([*parts, _LINK.sub(moved, markdown[last:])])
    return _MARK.sub(lambda m: MADE[m[1]](), text)

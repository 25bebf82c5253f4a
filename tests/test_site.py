"""The documentation is built by MkDocs without a warning, needs no network, and leaves no command out."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return target


class _Loaded(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "link" and "stylesheet" in (values.get("rel") or ""):
            self.found.append(values.get("href"))
        if tag in ("script", "img", "iframe", "source", "object", "embed"):
            self.found += [values.get(n) for n in ("src", "data") if values.get(n)]


def test_nothing_is_loaded_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        reader = _Loaded()
        reader.feed(page.read_text(encoding="utf-8"))
        assert [f for f in reader.found if re.match(r"(?:[a-z]+:)?//", f)] == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style.name


def test_the_reference_is_whole(site):
    from typer.main import get_command

    from iamsim.aws.escalations import catalogue
    from iamsim.cli.app import app
    from iamsim.findings import FINDINGS

    text = (site / "reference/cli.html").read_text(encoding="utf-8")
    for name, command in get_command(app).commands.items():
        assert f"iamsim {name}" in text
        for option in (o for p in command.params for o in p.opts if o.startswith("--")):
            assert option in text, (name, option)
    text = (site / "reference/techniques.html").read_text(encoding="utf-8")
    assert [t for t in catalogue().techniques if f"<code>{t}</code>" not in text] == []
    text = (site / "reference/diagnostics.html").read_text(encoding="utf-8")
    assert [f for f in FINDINGS if f"<code>{f}</code>" not in text] == []


def test_tables_have_all_rows_and_sources(site):
    from iamsim.aws.tables import table_rows

    text = (site / "reference/tables.html").read_text(encoding="utf-8")
    assert text.count("<tr>") == sum(len(t.rows) + 1 for t in table_rows())
    for table in table_rows():
        assert table.columns()[-1] == "source"
        assert all(row[-1] for row in table.cells()), table.name


def test_what_pages_link_to_is_in_the_site(site):
    for name in ("CONTRIBUTING.html", "grammar/index.html", "notebooks/03-the-only-way.ipynb", "corpus/index.html"):
        assert (site / "repository" / name).is_file(), name
    assert "Why two evaluators?" in (site / "repository/CONTRIBUTING.html").read_text(encoding="utf-8")

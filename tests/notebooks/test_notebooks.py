"""Every notebook runs without an error cell and shows what it shows in the repository."""

import re
import warnings
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
_DATE = re.compile(r"data on actions of [0-9-]+")


def _shown(cell):
    """What the outputs of a cell show, without the date of the data."""
    shown = []
    for output in cell.get("outputs", ()):
        assert output["output_type"] != "error", output
        data = output.get("data", {})
        texts = [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
        shown.append([_DATE.sub("data on actions of DATE", text) for text in texts])
    return shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_shows_what_is_stored(path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    stored = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the Jupyter libraries
        NotebookClient(run, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    for number, (before, after) in enumerate(zip(stored.cells, run.cells, strict=True)):
        assert _shown(after) == _shown(before), f"cell {number}"


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_extension_comes_and_goes():
    from IPython.core.interactiveshell import InteractiveShell

    from iamsim import Answer, Environment, Verdict, notebook
    from iamsim.judge.answer import Question

    shell = InteractiveShell()
    answer = Answer(question=Question(principal="user/a", action="s3:GetObject", resource="*"), verdict=Verdict.UNKNOWN)
    notebook.load_ipython_extension(shell)
    data, _ = shell.display_formatter.format(answer)
    assert data["text/plain"].startswith("UNKNOWN  whether user/a can do s3:GetObject on *")
    assert "<b style" in data["text/html"]
    data, _ = shell.display_formatter.format(Environment())
    assert data["text/plain"] == "Environment of 0 accounts, 0 users and roles, 0 resources, 0 diagnostics"
    notebook.unload_ipython_extension(shell)
    data, _ = shell.display_formatter.format(answer)
    assert data["text/plain"].startswith("<Answer unknown")

"""Run the notebooks of notebooks/ (or those that are named) from the root of the repository, and store what they show."""  # noqa: INP001

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(names: list[str]) -> int:
    """0 once all are stored; a cell that raises ends the run with its traceback."""
    import nbformat
    from nbclient import NotebookClient

    os.environ["PYTHONPATH"] = str(ROOT)
    for path in [Path(n) for n in names] or sorted((ROOT / "notebooks").glob("*.ipynb")):
        book = nbformat.read(path, as_version=4)
        NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
        for number, cell in enumerate(book.cells):
            cell["id"] = f"{path.stem[:2]}-{number:02}"
            cell.get("metadata", {}).pop("execution", None)
        book.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(book, path)
        print(path.name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

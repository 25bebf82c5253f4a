from pathlib import Path

import pytest
from typer.testing import CliRunner


@pytest.fixture
def cli(monkeypatch):
    """Runs a command line at the root of the repository: exit status, standard output, standard error."""
    from iamsim.cli.app import app

    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("IAMSIM_SNAPSHOT", raising=False)
    monkeypatch.delenv("IAMSIM_DEBUG", raising=False)

    def run(*argv, typed=None):
        result = CliRunner().invoke(app, [str(a) for a in argv], input=typed)
        assert "Traceback" not in result.output
        return result.exit_code, result.stdout, result.stderr

    return run

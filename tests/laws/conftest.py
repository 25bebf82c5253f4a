"""What several laws are tried on."""

from __future__ import annotations

from functools import partial

import pytest

from benchmarks.gen_org import generate
from benchmarks.rows import snapshot
from iamsim import load


@pytest.fixture(scope="session")
def organization(tmp_path_factory):
    """How to load a small organization of some accounts in which many come to be administrators, as the benchmarks have it."""

    def made(accounts, principals):
        orgs = tmp_path_factory.mktemp("orgs")
        generate("S", str(orgs / "S"), accounts=accounts, principals=principals)
        return partial(load, *snapshot(orgs, "S"))

    return made

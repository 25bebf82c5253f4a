"""Every question of every regression page, by each engine."""

from __future__ import annotations

import pytest
from pages import CORPUS, read_page
from test_rules import ENGINES, VERDICTS, answer, spoken

from iamsim.env.build import environment_of

PAGES = sorted((CORPUS / "regressions").glob("*.md"))


def cases():
    for path in PAGES:
        if path.name == "README.md":
            continue
        for scenario in read_page(path).scenarios:
            for asked in scenario.questions:
                for engine in ENGINES:
                    if engine == "replay" and asked.question.ever:
                        continue  # the independent evaluator decides concrete requests; a YES is replayed by the others
                    yield pytest.param(scenario, asked, engine, id=f"{path.stem}:{asked.line}-{engine}")


@pytest.mark.parametrize(("scenario", "asked", "engine"), tuple(cases()))
def test_what_went_wrong_once_is_right(scenario, asked, engine):
    found = answer(environment_of(scenario.files), asked, ENGINES[engine])
    verdict, decision = VERDICTS[asked.question.expect]
    assert (str(found.verdict.value), found.decision) == (verdict, decision or found.decision), spoken(found)
    if asked.question.because and engine != "replay":
        assert asked.question.because.lower() in spoken(found)

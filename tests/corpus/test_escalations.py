"""Every question of every escalation page; each technique has a page where it works and one where a little is missing."""

from __future__ import annotations

import re
from functools import cache

import pytest
from pages import ESCALATIONS, escalation_pages, read_page
from test_rules import VERDICTS, answer, environment, spoken

from iamsim.query.language import Verb

ENGINES = {"trace": "auto", "z3": "z3"}
FOLDERS = ("techniques", "chains", "regressions")
CHAINS = 20
PAGE = """# A page of techniques reads as it is written
Prose.
Source: IAM User Guide, "Somewhere".
Rows: iam-set-default-policy-version.

## One
```json user u
null
```
```json managed p version=v1
{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
```
```json managed p version=v2 default=true
{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
```
```json managed 444455556666:team/q version=v7
{"Statement": []}
```
```json attach user/u arn=arn:aws:iam::111122223333:policy/p
null
```
```json boundary user/u arn=arn:aws:iam::aws:policy/ReadOnlyAccess
null
```
```json boundary role/r arn=arn:aws:iam::111122223333:policy/b
{"Statement": []}
```
```json profile role/r
"front"
```
```json organization
{"id": "o-x", "management": "777788889999", "tree": {"accounts": ["111122223333", "444455556666"]}}
```
```json delegated sso.amazonaws.com
["444455556666"]
```
```ask
can user/u do s3:GetObject on arn:aws:s3:::b/k via escalation ever expect yes because iam-set-default-policy-version
```
## Two
```json organization
{"id": "o-x", "management": "777788889999", "tree": {"accounts": ["111122223333"]}}
```
## Three
```json organization
{"id": "o-x", "management": "777788889999", "tree": {"accounts": ["111122223333"]}}
```
```json delegated sso.amazonaws.com
null
```
"""


def pages():
    return [path for folder in FOLDERS for path in escalation_pages(folder)]


@cache
def page(path):
    return read_page(path)


def cases():
    for path in pages():
        name = f"{path.parent.name}/{path.stem}"
        try:
            found = page(path)
        except Exception as error:  # noqa: BLE001 - one broken page must not hide the others
            yield pytest.param(path, None, error, id=f"{name}-unreadable")
            continue
        for scenario in found.scenarios:
            for asked in scenario.questions:
                yield pytest.param(path, scenario, asked, id=f"{name}:{asked.line}")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("path", "scenario", "asked"), tuple(cases()))
def test_a_page_is_right(path, scenario, asked, engine):
    if scenario is None:
        raise asked
    q = asked.question
    assert q.verb is Verb.CAN
    assert q.via == "escalation", "a question of these pages says `via escalation`"
    assert q.expect in ("yes", "no", "unknown"), "a question of these pages expects yes, no or unknown"
    found = answer(environment(path, scenario.title), asked, ENGINES[engine])
    verdict, _ = VERDICTS[q.expect]
    assert str(found.verdict.value).lower() == verdict, spoken(found)
    if q.because and verdict == "yes":
        assert q.because in {step.technique for step in found.path} | set(found.techniques)
    elif q.because:
        assert q.because.lower() in spoken(found)


def expected(path):
    """What the questions of a page expect: (verdict, because) of each."""
    return [(a.question.expect, a.question.because) for s in page(path).scenarios for a in s.questions]


def techniques():
    from iamsim.aws.escalations import catalogue

    return tuple(catalogue().techniques)


def excluded():
    """The ids that corpus/escalations/EXCLUDED.md gives a reason for: lines `- ID: reason`."""
    path = ESCALATIONS / "EXCLUDED.md"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else ()
    rows = (re.match(r"- `?([a-z0-9-]+)`?: *\w", line) for line in lines)
    return {m[1] for m in rows if m}


def test_every_technique_has_a_page_with_a_yes_and_a_no():
    have = {path.stem: path for path in escalation_pages("techniques")}
    assert not set(have) - set(techniques()), "a page is named by its technique"
    assert not excluded() - set(techniques())
    assert not excluded() & set(have)
    assert set(techniques()) - set(have) - excluded() == set()
    assert [name for name, path in have.items() if ("yes", name) not in expected(path)] == []
    assert [name for name, path in have.items() if not any(verdict == "no" for verdict, _ in expected(path))] == []


def test_chains_have_a_yes_and_a_no():
    chains = escalation_pages("chains")
    assert len(chains) >= CHAINS
    assert [p.stem for p in chains if not {"yes", "no"} <= {verdict for verdict, _ in expected(p)}] == []


def test_rows_name_techniques():
    known = set(techniques())
    assert {path.stem: found for path in pages() if (found := set(page(path).rows) - known)} == {}
    assert [path.stem for path in escalation_pages("techniques") if path.stem not in page(path).rows] == []


def test_headings_and_titles_are_unique():
    titles = [page(path).title for path in pages()]
    assert sorted(titles) == sorted(set(titles))
    for path in pages():
        scenarios = [s.title for s in page(path).scenarios]
        assert sorted(scenarios) == sorted(set(scenarios)), path.name


def test_a_page_becomes_input_files(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    one, two, three = read_page(path).scenarios
    home = one.files["gaad-111122223333.json"]
    listed = {p["Arn"]: p for p in home["Policies"]}
    assert list(listed) == ["arn:aws:iam::111122223333:policy/b", "arn:aws:iam::111122223333:policy/p"]
    p = listed["arn:aws:iam::111122223333:policy/p"]
    versions = [(v["VersionId"], v["IsDefaultVersion"]) for v in p["PolicyVersionList"]]
    assert (p["DefaultVersionId"], versions) == ("v2", [("v1", False), ("v2", True)])
    (q,) = one.files["gaad-444455556666.json"]["Policies"]
    assert (q["Arn"], q["Path"]) == ("arn:aws:iam::444455556666:policy/team/q", "/team/")
    assert [(v["VersionId"], v["IsDefaultVersion"]) for v in q["PolicyVersionList"]] == [("v7", True)]
    (user,), (role,) = home["UserDetailList"], home["RoleDetailList"]
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == "arn:aws:iam::aws:policy/ReadOnlyAccess"
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == "arn:aws:iam::111122223333:policy/b"
    assert [i["Arn"] for i in role["InstanceProfileList"]] == ["arn:aws:iam::111122223333:instance-profile/front"]
    assert one.files["organization.json"]["DelegatedAdministrators"] == [
        {"Id": "444455556666", "DelegatedServices": [{"ServicePrincipal": "sso.amazonaws.com"}]}
    ]
    assert two.files["organization.json"]["DelegatedAdministrators"] == []
    assert "DelegatedAdministrators" not in three.files["organization.json"]


@pytest.mark.parametrize(
    ("fence", "message"),
    [
        ("json managed p version=v1\n{}\n```\n```json managed p version=v2\n{}", "exactly one version"),
        ("json managed p version=v1\n{}\n```\n```json managed p version=v1\n{}", "stands twice"),
        ("json managed p\nnull", "needs its document"),
        ('json profile user/u\n"front"', "a role is in it"),
        ("json delegated sso.amazonaws.com\n[]", "need an organization"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_page_is_said(tmp_path, fence, message):
    path = tmp_path / "page.md"
    path.write_text(f'# T\nSource: G, "T".\nRows: x.\n\n## One\n```{fence}\n```\n', encoding="utf-8")  # fmt: skip
    with pytest.raises((ValueError, KeyError), match=message):
        read_page(path)

"""Laws of closures: what is shared, or passed over, is what would have been found anyway.

The environments are those of the pages on escalation, and a part of the organization acme. Where only some are looked at,
IAMSIM_SEED says which.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache, partial

import pytest
from pages import CORPUS, escalation_pages, read_page

from iamsim import Verdict, can, load
from iamsim.env import forgetting
from iamsim.env.build import environment_of
from iamsim.env.changes import Change, Kind, changed
from iamsim.graph import (
    closure,
    combined,
    crews,
    derive,
    edges,
    firing,
    gains,
    granted,
    means,
    moves,
    search,
    settled,
    state,
    tags,
    takeover,
    wants,
)
from iamsim.graph import goals as ever_goals
from iamsim.graph.abroad import granted_abroad
from iamsim.graph.before import _held_before
from iamsim.graph.ever import closed
from iamsim.graph.known import Known
from iamsim.graph.sessions import Session, possible, possible_when_written
from iamsim.graph.state import BASE, begin, everyone_of
from iamsim.graph.unbound import administrators, node_in
from iamsim.graph.world import Search
from iamsim.query.prepare import Options, prepare
from iamsim.query.techniques import catalogue_of

FIRST = int(os.environ.get("IAMSIM_SEED", "0"))
EACH = 12
"""Of how many environments and principals one is looked at where it takes long."""

FOLDERS = ("chains", "regressions")
PAGES = [p for folder in FOLDERS for p in escalation_pages(folder)]
ACME = CORPUS / "organizations" / "acme" / "snapshot"


@cache
def scenarios(path):
    return [(s.title, s.files) for s in read_page(path).scenarios]


def search_from(env, arn):
    about = prepare(env, arn, "sts:GetCallerIdentity", "*", Options())
    caller, action, _ = about.runs[0]
    return Search(about.ask, action, caller, catalogue_of(None)[0])


def hops_differ(env, arns):
    """The principals whose role hops are others when nothing is shared, and how many were looked at."""
    looked, out = 0, []
    for arn in arns:
        search, node = search_from(env, arn), node_in(env, arn)
        session = Session(node.caller, ever=True, made=node.made)
        ask = replace(search.ask, ever=True)
        found = [edges._edges(ask, session, 2, search.action, alone) for alone in (True, False)]
        looked += len(found[1])
        if found[0] != found[1]:
            out.append(arn)
    return looked, out


def test_hops_that_callers_share_are_those_of_each():
    looked = 0
    for path in PAGES:
        for title, files in scenarios(path):
            env = environment_of(files)
            some, wrong = hops_differ(env, sorted(env.principals))
            looked += some
            assert not wrong, (path.stem, title)
    env = load(ACME)
    some, wrong = hops_differ(env, sorted(env.principals))
    assert not wrong
    assert looked + some > 200


def test_who_might_enter_is_told_for_all_who_are_alike():
    looked = 0
    for path in PAGES:
        for title, files in scenarios(path):
            env, alone = environment_of(files), environment_of(files)
            for arn in sorted(env.principals):
                for role in (a for a in sorted(env.principals) if ":role/" in a):
                    told = wants._could_enter(begin(search_from(env, arn)), arn, role)
                    alone.memo.clear()
                    looked += 1
                    own = wants._could_enter(begin(search_from(alone, arn)), arn, role)
                    assert told == own, (path.stem, title, arn, role)
    assert looked > 1000


def facts(env, arns, *, sure):
    return {arn: frozenset(closed(search_from(env, arn), sure=sure).how) for arn in arns}


def found_in_some(of, *, sure, step=EACH):
    """What `of` finds for some callers of some environments: where, how to make the environment anew, and what is found."""
    every = [((path.stem, title), partial(environment_of, files)) for path in PAGES for title, files in scenarios(path)]
    out = []
    for where, make in every[FIRST % EACH :: step]:
        env = make()
        out.append((where, make, of(env, sorted(env.principals)[:3], sure=sure)))
    if sure:
        acme = load(ACME)
        out.append(("acme", partial(load, ACME), of(acme, sorted(acme.principals)[FIRST % EACH :: step], sure=sure)))
    return out


@pytest.mark.parametrize("sure", [True, False])
def test_what_is_passed_over_gives_nothing(monkeypatch, sure):
    kept = found_in_some(facts, sure=sure)
    for module in (settled, closure):
        monkeypatch.setattr(module, "is_barren", lambda *_: False)
    monkeypatch.setattr(settled, "_is_idle_new", lambda *_: False)
    monkeypatch.setattr(settled, "_is_beneath", lambda *_: (False, None))
    for module in (edges, wants):
        monkeypatch.setattr(module, "told_at_the_door", lambda *_: None)
    monkeypatch.setattr(wants, "tags_matter", lambda *_: True)
    for name in ("_some", "_taggable_in"):
        monkeypatch.setattr(wants, name, lambda closure, account: everyone_of(closure.search.env, account))
    monkeypatch.setattr(combined, "_with_means", lambda _, __, nodes: nodes)
    monkeypatch.setattr(crews, "_in_vain", lambda *_: set())
    monkeypatch.setattr(means, "not_refused", lambda _, actions: actions)
    for where, make, found in kept:
        assert facts(make(), found, sure=sure) == found, where


def asked(env, questions):
    """What was said of each question: the verdict, by which techniques, and what is not known."""
    out = []
    for question in questions:
        answer = can(env, *question)
        out.append((answer.verdict, answer.techniques, answer.reasons))
    return out


def questions_about(env):
    goals = [("iam:CreateUser", f"arn:aws:iam::{a}:user/newcomer") for a in sorted(env.accounts)[:2]]
    goals += [("sts:AssumeRole", a) for a in sorted(env.principals) if ":role/" in a][:2]
    return [(p, *goal) for goal in goals for p in sorted(env.principals)[:3]]


def test_what_may_follow_from_administrators_is_the_same_for_all_who_come_to_be_one(monkeypatch):
    every = [(path.stem, title, files) for path in PAGES for title, files in scenarios(path)][FIRST % EACH :: EACH]
    quick = [asked(env, questions_about(env)) for env in (environment_of(files) for _, _, files in every)]
    monkeypatch.setattr(closure, "_widen", lambda _: None)
    for (page, title, files), before in zip(every, quick, strict=True):
        env = environment_of(files)
        assert asked(env, questions_about(env)) == before, (page, title)
    assert {Verdict.YES, Verdict.NO} <= {v for answers in quick for v, *_ in answers}


def test_a_role_that_rules_its_account_has_what_others_have_by_it(monkeypatch):
    def about(env):
        rulers = [a for account in sorted(env.accounts) for a in administrators(env, account) if ":role/" in a]
        return [(a, *goal) for a in rulers for _, *goal in questions_about(env)[::3]]

    every = [(path.stem, partial(environment_of, files)) for path in PAGES for _, files in scenarios(path)]
    every = [("acme", partial(load, ACME)), *[e for e in every if about(e[1]())][FIRST % EACH :: EACH]]
    quick = [asked(env, about(env)) for env in (make() for _, make in every)]
    monkeypatch.setattr(closure, "_starting", lambda node, every: () if ":role/" in node.caller.arn else every)
    for (where, make), before in zip(every, quick, strict=True):
        env = make()
        for question, *answers in zip(about(env), asked(env, about(env)), before, strict=True):
            (verdict, _, reasons), (told, _, said) = answers
            assert (verdict, reasons) == (told, said), (where, question)
    assert {Verdict.YES, Verdict.NO} <= {v for answers in quick for v, *_ in answers}


def test_what_earlier_questions_leave_behind_changes_no_answer():
    verdicts = set()
    for path in PAGES[FIRST % EACH :: EACH]:
        for title, files in scenarios(path):
            env = environment_of(files)
            questions = questions_about(env)
            together = asked(env, questions)
            alone = [asked(environment_of(files), [q])[0] for q in questions]
            assert together == alone, (path.stem, title)
            verdicts.update(v for v, *_ in together)
    assert {Verdict.YES, Verdict.NO} <= verdicts


def test_what_is_let_go_again_changes_no_answer(monkeypatch):
    kept = [found_in_some(firings_of, sure=sure, step=2 * EACH) for sure in (True, False)]
    monkeypatch.setattr(forgetting, "MANY_CHANGED", 3)
    monkeypatch.setattr(forgetting, "MANY_KEPT", 50)
    gone = 0
    for found, sure in zip(kept, (True, False), strict=True):
        for where, make, firings in found:
            env = make()
            assert firings_of(env, firings, sure=sure) == firings, where
            gone += "entries that are kept" in env.memo
    assert gone > 10


def firings_of(env, arns, *, sure):
    """The firings of each fact of each closure, without the numbers in which they were found."""
    every = {arn: closed(search_from(env, arn), sure=sure).how for arn in arns}
    return {arn: {fact: frozenset(fired) for fact, fired in how.items()} for arn, how in every.items()}


@pytest.mark.parametrize("sure", [True, False])
def test_what_is_worked_out_once_for_all_that_are_alike_gives_the_same_firings(monkeypatch, sure):
    kept = found_in_some(firings_of, sure=sure, step=2 * EACH)
    alike = gains.alike
    monkeypatch.setattr(gains, "alike", lambda *args: None if alike(*args) is None else object())
    monkeypatch.setattr(firing, "alike_for", lambda *args: args[-1])
    for module, name in ((moves, "twins_of"), (crews, "twins_among"), (crews, "_tried"), (combined, "_as_node")):
        monkeypatch.setattr(module, name, lambda *_: None)
    for module, name in ((combined, "may_give"), (moves, "fits_some")):
        monkeypatch.setattr(module, name, lambda *_: True)
    monkeypatch.setattr(means, "_within_bounds", means.may_do)
    for module in (closure, combined, tags):
        monkeypatch.setattr(module, "unsettled", settled._unsettled)
    for module in (firing, moves, crews):
        monkeypatch.setattr(module, "held_before", _held_before)
    monkeypatch.setattr(
        state.Closure, "perhaps_free", lambda c, a: ((k, c.nodes[k]) for k in c.known.of_account.get(a, ()))
    )
    for where, make, found in kept:
        assert firings_of(make(), found, sure=sure) == found, where


@pytest.mark.parametrize("sure", [True, False])
def test_what_absorbers_and_roles_that_let_in_alike_leave_out_gives_no_other_firings(monkeypatch, sure):
    kept = found_in_some(firings_of, sure=sure)
    monkeypatch.setattr(closure, "leading_to", lambda search, *_: means.techniques_of(search, means.NODES))
    for module in (settled, combined):
        monkeypatch.setattr(module, "stands_alone", lambda _: False)
    monkeypatch.setattr(edges, "lets_in_others", lambda *_: False)
    monkeypatch.setattr(edges, "door_of", lambda *_: None)
    monkeypatch.setattr(means, "_task_refuses", lambda *_: False)
    for where, make, found in kept:
        assert firings_of(make(), found, sure=sure) == found, where


@pytest.mark.parametrize("sure", [True, False])
def test_tags_that_are_set_without_other_changes_are_those_that_are_set_after_all(monkeypatch, sure):
    unaided, alone = tags._unaided, []
    monkeypatch.setattr(tags, "_unaided", lambda *args: (alone.append(unaided(*args)), alone[-1])[1])
    kept = found_in_some(firings_of, sure=sure)
    assert any(alone) or not sure
    monkeypatch.setattr(tags, "_unaided", lambda *_: None)
    monkeypatch.setattr(tags, "_worthless", lambda *_: False)
    for where, make, found in kept:
        assert firings_of(make(), found, sure=sure) == found, where


@pytest.fixture(scope="module")
def generated(organization):
    return organization(accounts=2, principals=40)


def test_who_is_granted_nothing_abroad_is_left_out_and_changes_no_answer(generated, monkeypatch):
    env = generated()
    buckets = [a for a in sorted(env.resources) if ":s3:::" in a]
    goals = [
        (action, f"{a}/{path}/x" if "Object" in action else a)
        for a in buckets
        for action in _USES
        for path in ("org", "direct")
    ]
    questions = [(p, *goal) for p in sorted(env.principals)[FIRST % EACH :: EACH] for goal in goals]
    found = asked(env, questions)
    told = [granted_abroad(env, resource, action.lower(), "assume") for action, resource in goals]
    assert None in told
    assert any(told)
    assert frozenset() in told
    for module in (granted, takeover):
        monkeypatch.setattr(module, "granted_abroad", lambda *_: None)
    for module in (ever_goals, search, takeover):
        monkeypatch.setattr(module, "unspoken", lambda *_: False)
    assert asked(generated(), questions) == found


_USES = ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:PutBucketPolicy")


def test_depths_counted_on_from_an_administrator_are_those_of_all_firings(generated):
    counted, env = 0, generated()
    for arn in sorted(env.principals):
        for sure in (True, False):
            known = closed(search_from(env, arn), sure=sure)
            every = dict.fromkeys(BASE, 0)
            derive._deepen(every, known.how)
            counted += "beneath" in known.done
            assert derive.depths(known) == every, arn
    assert counted > 40


def test_what_is_known_is_told_again_from_the_administrator(generated):
    told, env = 0, generated()
    for arn in sorted(env.principals):
        found = closed(search_from(env, arn), sure=True)
        again, plain = found.known, Known(found.how, found.nodes)
        plain.update()
        told += "base" in found.done
        assert again.changes() == plain.changes(), arn
        assert all(getattr(again, name) == getattr(plain, name) for name in _TOLD), arn
    assert told > 10


_TOLD = (
    "facts", "callers", "who", "acting", "by_who", "by_kind", "everywhere", "off", "opened", "again", "seen", "held",
    "controlled", "of_account",
)  # fmt: skip


def test_sessions_of_a_role_whose_trust_is_written_are_those_of_the_changed_role():
    looked = 0
    for path in PAGES:
        for _, files in scenarios(path):
            env = environment_of(files)
            for arn in (a for a in sorted(env.principals) if ":role/" in a):
                there = changed(env, (Change(Kind.TRUST, arn),), (arn,))
                looked += 1
                assert possible_when_written(env, env.principals[arn]) == possible(there, there.principals[arn])
    assert looked > 100

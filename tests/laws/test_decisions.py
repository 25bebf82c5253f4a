"""Laws of whole answers on small random environments: each is a sentence about AWS or about our own promises."""

from __future__ import annotations

from itertools import islice, product

from hypothesis import assume, example, given, note
from hypothesis import strategies as st
from strategies import WORLD, A, M, environment, policies, requests, statements

from iamsim import Verdict, can, replay
from iamsim.ir.bounds import may, must
from iamsim.ir.evaluate import evaluate
from iamsim.ir.reduce import reduce
from iamsim.ir.term import variables
from iamsim.judge.callers import read_callers
from iamsim.judge.candidates import targets
from iamsim.judge.check import check_of, problem_of
from iamsim.judge.judge import Ask, facts_of
from iamsim.judge.problem import replay_problem

DECISIONS = {"allowed": True, "implicitDeny": False, "explicitDeny": False, "unknown": None}
ORDER = {Verdict.NO: 0, Verdict.UNKNOWN: 1, Verdict.YES: 2}
FULL = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


def checks(env, request, *, ever):
    """The direct checks of a question, one for each meaning of it."""
    caller, action, resource, context = request
    given_ = {k.lower(): (v,) if isinstance(v, str) else tuple(v) for k, v in context.items()}
    ask = Ask(env=env, given=given_, ever=ever)
    for who in read_callers(env, caller):
        for target in targets(env, action, resource, who.account, any_resource=True, owner=None, closed=False):
            yield check_of(facts_of(ask, who, action, target))


def answer(env, request, *, strict=False, via="direct"):
    caller, action, resource, context = request
    return can(env, caller, action, resource, context=context, strict=strict, via=via, any_resource=True)


def with_statement(document, statement, *, first=False):
    """`document`, which may be None, with one more statement."""
    if document is None:
        return {"Version": "2012-10-17", "Statement": [statement]}
    old = document["Statement"]
    old = old if isinstance(old, list) else [old]
    return {**document, "Statement": [statement, *old] if first else [*old, statement]}


# --- the readers of terms agree


@given(WORLD, requests())
def test_trace_is_replay(world, request):
    env = environment(world)
    for check in checks(env, request, ever=False):
        problem = replay_problem(check, {})
        note(str(problem))
        found = replay.check(problem)
        term = problem_of(check)
        assert evaluate(term, {}) is DECISIONS[found["decision"]], found
        if found["decision"] in ("implicitDeny", "explicitDeny"):
            assert (evaluate(check.authorization.denied, {}) is True) == (found["decision"] == "explicitDeny")


@given(WORLD, requests())
def test_the_strict_answer_is_replay(world, request):
    env = environment(world)
    found = answer(env, request, strict=True)
    (check,) = checks(env, request, ever=False)
    assert str(found.decision) == replay.check(replay_problem(check, {}))["decision"]


@given(WORLD, requests(concrete=False))
def test_must_implies_may(world, request):
    for check in checks(environment(world), request, ever=True):
        term = problem_of(check)
        low, high = must(term), may(term)
        for assignment in sampled(check, 12):
            assert not evaluate(low, assignment) or evaluate(high, assignment)


@given(WORLD, requests(concrete=False))
def test_reduce_with_everything_bound_is_evaluate(world, request):
    from iamsim.ir.bindings import Known

    for check in checks(environment(world), request, ever=True):
        term = problem_of(check)
        for assignment in sampled(check, 6):
            left = reduce(term, lambda name, a=assignment: Known(a.get(name, ())))
            assert variables(left) == frozenset()
            assert evaluate(left, {}) == evaluate(term, assignment)


# --- answers hold what they promise


@given(WORLD, requests(concrete=False))
def test_a_yes_witness_is_allowed(world, request):
    env = environment(world)
    found = answer(env, request)
    assume(found.verdict is Verdict.YES)
    made = found.witness.request
    context = {**made.context, **{k: None for k in request[3] if k not in made.context}}
    again = can(
        env, made.caller, made.action, made.resource, context=context, strict=True, via="direct", any_resource=True
    )
    assert again.verdict is Verdict.YES


def sampled(check, number):
    """Assignments of the free variables of a check: values that its terms speak of, and absence."""
    from iamsim.judge.axioms import hint_of

    free = sorted(variables(problem_of(check)))[:6]
    choices = [((), *((s,) if isinstance(s, str) else s for s in hint_of(v).samples[:3]), ("red",)) for v in free]
    for values in islice(product(*choices), number):
        yield dict(zip(free, values, strict=True))


@given(WORLD, requests(), st.lists(requests(), min_size=1, max_size=4))
def test_after_no_no_sampled_request_is_allowed(world, request, others):
    env = environment(world)
    caller, action, resource, _ = request
    assume(answer(env, (caller, action, resource, {})).verdict is Verdict.NO)
    for _, _, _, context in others:
        assert answer(env, (caller, action, resource, context), strict=True).verdict is Verdict.NO


@given(WORLD, requests())
def test_a_no_has_a_core_and_an_unknown_its_reasons(world, request):
    found = answer(environment(world), request)
    assert (found.core is not None) == (found.verdict is Verdict.NO)
    assert (found.witness is not None) == (found.verdict is Verdict.YES)
    assert bool(found.reasons) == (found.verdict is Verdict.UNKNOWN)


@given(WORLD, requests(concrete=False))
def test_hops_only_add(world, request):
    env = environment(world)
    direct, roles = answer(env, request), answer(env, request, via="roles")
    assert ORDER[roles.verdict] >= ORDER[direct.verdict]


@given(WORLD, requests())
def test_one_request_is_no_more_than_some_request(world, request):
    env = environment(world)
    if answer(env, request, strict=True).verdict is Verdict.YES:
        assert answer(env, request).verdict is Verdict.YES


# --- monotony

IDENTITIES = st.sampled_from(["user", "role", "foreign", "group"])


@given(WORLD, requests(concrete=False), IDENTITIES, statements("identity", "Allow"))
def test_adding_an_allow_never_turns_yes_into_no(world, request, where, statement):
    before = answer(environment(world), request).verdict
    after = answer(environment({**world, where: with_statement(world[where], statement)}), request).verdict
    assert ORDER[after] >= ORDER[before]


@given(WORLD, requests(concrete=False), st.sampled_from(["b", "bb"]), statements("resource", "Allow"))
def test_adding_an_allow_to_a_resource_policy_never_turns_yes_into_no(world, request, where, statement):
    assume("NotPrincipal" not in statement)
    before = answer(environment(world), request).verdict
    after = answer(environment({**world, where: with_statement(world[where], statement)}), request).verdict
    assert ORDER[after] >= ORDER[before]


@given(WORLD, requests(concrete=False), IDENTITIES, statements("identity", "Deny"))
def test_adding_a_deny_never_turns_no_into_yes(world, request, where, statement):
    before = answer(environment(world), request).verdict
    after = answer(environment({**world, where: with_statement(world[where], statement)}), request).verdict
    assert ORDER[after] <= ORDER[before]


@given(WORLD, requests(concrete=False), st.sampled_from(["b", "bb", "trust", "foreign trust"]), st.data())
def test_adding_a_deny_to_a_resource_policy_never_turns_no_into_yes(world, request, where, data):
    statement = data.draw(statements("trust" if "trust" in where else "resource", "Deny"))
    before = answer(environment(world), request).verdict
    after = answer(environment({**world, where: with_statement(world[where], statement)}), request).verdict
    assert ORDER[after] <= ORDER[before]


@given(WORLD, requests(concrete=False), st.sampled_from(["scp", "rcp"]), st.data())
def test_adding_a_deny_to_an_organization_never_turns_no_into_yes(world, request, kind, data):
    statement = data.draw(statements(kind, "Deny"))
    world = {**world, "organization": True, "scp": [FULL, *world["scp"]]}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    before = answer(environment(world), request).verdict
    after = answer(environment({**world, kind: [*world[kind], document]}), request).verdict
    assert ORDER[after] <= ORDER[before]


@given(WORLD, requests(concrete=False), st.sampled_from(["boundary", "role boundary"]), policies())
def test_adding_a_boundary_never_turns_no_into_yes(world, request, where, boundary):
    world = {**world, where: None}
    before = answer(environment(world), request).verdict
    after = answer(environment({**world, where: boundary}), request).verdict
    assert ORDER[after] <= ORDER[before]


# --- what does not matter


@given(WORLD, requests(concrete=False), st.sampled_from(["user", "role", "trust", "b", "boundary"]), st.randoms())
def test_order_and_duplicates_of_statements_do_not_matter(world, request, where, random):
    assume(world[where] is not None)
    old = world[where]["Statement"]
    mixed = [*old, *old] if isinstance(old, list) else [old, old]
    random.shuffle(mixed)
    changed = {**world, where: {**world[where], "Statement": mixed}}
    one, other = answer(environment(world), request), answer(environment(changed), request)
    assert (one.verdict, one.decision) == (other.verdict, other.decision)


@given(WORLD, requests(concrete=False))
def test_the_same_question_has_the_same_answer(world, request):
    one, other = answer(environment(world), request), answer(environment(world), request)
    for part in ("verdict", "decision", "witness", "core", "path", "reasons", "assumptions", "notes"):
        assert getattr(one, part) == getattr(other, part), part


@given(WORLD, requests(concrete=False))
def test_a_deny_of_everything_denies(world, request):
    caller = request[0]
    assume(caller.startswith("arn:aws:iam::" + A + ":user/u"))
    statement = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    found = answer(environment({**world, "user": with_statement(world["user"], statement)}), request)
    assert (found.verdict, str(found.decision)) == (Verdict.NO, "explicitDeny")


@given(WORLD)
@example({"user": FULL, "other": None, "group": None, "role": FULL, "foreign": FULL, "boundary": None, "role boundary": None,
          "trust": FULL, "foreign trust": FULL, "b": None, "bb": None, "scp": [], "rcp": [], "team": "red",
          "organization": True})  # fmt: skip
def test_scps_do_not_bind_the_management_account(world):
    env = environment(
        {**world, "scp": [{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}]}
    )
    found = can(env, f"arn:aws:iam::{M}:root", "s3:ListAllMyBuckets", "*", via="direct", strict=True)
    assert found.verdict is Verdict.YES

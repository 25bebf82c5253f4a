import subprocess
import sys
from fractions import Fraction
from ipaddress import ip_network
from itertools import pairwise

import pytest

from iamsim.errors import InternalError, QueryError
from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import (
    FALSE,
    TRUE,
    Compare,
    InNetwork,
    Label,
    LabelKind,
    Opaque,
    Parses,
    Sort,
    Within,
    all_of,
    any_of,
    each,
    like,
    named,
    not_,
    present,
    some,
)
from iamsim.model.pattern import tokenize
from iamsim.smt.solve import minimal_core, solve
from iamsim.smt.types import Hint, Limits, Sat, Unknown, Unsat

HINTS = {
    "ip": Hint(sort=Sort.ADDRESS),
    "mfa": Hint(sort=Sort.BOOL),
    "age": Hint(sort=Sort.NUMBER, minimum=Fraction(0)),
    "issued": Hint(sort=Sort.DATE),
    "now": Hint(sort=Sort.DATE),
    "tags": Hint(multivalued=True),
    "session": Hint(alphabet="abc-", min_length=2, max_length=6),
    "region": Hint(samples=("eu-west-1", "us-east-1")),
}
ENGINES = ("auto", "tableau", "z3", "z3-strings", "cvc5")


def hints(var):
    return HINTS.get(var, Hint())


def lk(var, text, **options):
    return like(var, tokenize(text), **options)


def num(var, op, value):
    return Compare(var, op, Fraction(value), Sort.NUMBER)


def day(var, op, value):
    return Compare(var, op, Fraction(value), Sort.DATE)


SATISFIABLE = {
    "nothing": TRUE,
    "absent": not_(present("x")),
    "prefix without a part": all_of([lk("r", "arn:aws:s3:::prod-*"), not_(lk("r", "*secret*"))]),
    "denied network": all_of(
        [InNetwork("ip", ip_network("10.0.0.0/8")), not_(InNetwork("ip", ip_network("10.0.0.0/9")))]
    ),
    "two families": all_of([present("ip"), not_(InNetwork("ip", ip_network("0.0.0.0/0")))]),
    "any value": all_of(
        [some("tags", lk("tags", "a*")), each("tags", not_(lk("tags", "a"))), some("tags", lk("tags", "b"))]
    ),
    "no value": each("tags", FALSE),
    "bool": all_of([present("mfa"), not_(lk("mfa", "true", fold_case=True))]),
    "open interval": all_of([num("age", ">", 1), num("age", "<", 2)]),
    "session name": all_of([present("session"), not_(lk("session", "aa*"))]),
    "linked": all_of([Within("issued", "now", 3600), day("now", ">=", 10**9), day("issued", "<", 10**9)]),
    "not linked": all_of([not_(Within("issued", "now", 3600)), present("issued"), day("now", "==", 10**9)]),
    "template": all_of([lk("r", "home/${name}/*"), lk("r", "home/al*/x")]),
    "template denied": all_of([present("r"), present("name"), not_(lk("r", "${name}*"))]),
    "template default": all_of([lk("r", "home/${name, 'any'}"), not_(present("name"))]),
    "template known": all_of([lk("r", "a-${name}-z"), lk("r", "a-b-z")]),
    "names": named(Label(LabelKind.RULE, "all"), lk("r", "x")),
}
UNSATISFIABLE = {
    "nothing": FALSE,
    "disjoint": all_of([lk("r", "a*"), lk("r", "b*")]),
    "covered": all_of([lk("r", "ab*"), not_(lk("r", "a*"))]),
    "absent": all_of([not_(present("r")), lk("r", "*")]),
    "networks": all_of([InNetwork("ip", ip_network("10.0.0.0/9")), not_(InNetwork("ip", ip_network("10.0.0.0/8")))]),
    "families": all_of([InNetwork("ip", ip_network("::/0")), InNetwork("ip", ip_network("0.0.0.0/0"))]),
    "every value": all_of([some("tags", lk("tags", "a*")), each("tags", lk("tags", "b*"))]),
    "no value": all_of([present("tags"), each("tags", FALSE)]),
    "bool": all_of([present("mfa"), not_(lk("mfa", "true", fold_case=True)), not_(lk("mfa", "false", fold_case=True))]),
    "interval": all_of([num("age", ">", 2), num("age", "<", 2)]),
    "minimum": num("age", "<", 0),
    "session name": lk("session", "*x*"),
    "session length": lk("session", "a"),
    "linked": all_of([Within("issued", "now", 3600), day("now", ">", 10**9), day("issued", "<", 10**9 - 3600)]),
    "later": all_of(
        [Within("issued", "now", None), Within("now", "issued", None), day("now", "<", 5), day("issued", ">", 5)]
    ),
    "template": all_of([lk("r", "home/${name}/*"), lk("r", "tmp/*")]),
    "template equality": all_of([lk("a", "${p}"), lk("p", "1*"), not_(lk("a", "1*"))]),
    "template chain": all_of([lk("a", "${b}"), lk("b", "${c}"), lk("c", "1"), lk("a", "2")]),
    "template absent": all_of([lk("a", "${b}"), not_(present("b"))]),
    "template captured": all_of([lk("a", "x-${b}"), lk("a", "x-1"), lk("b", "2")]),
    "either": all_of([any_of([lk("r", "a*"), lk("r", "b*")]), lk("r", "c*")]),
}


@pytest.mark.parametrize("name", SATISFIABLE)
@pytest.mark.parametrize("engine", ["auto", "tableau", "z3"])
def test_satisfiable(engine, name):
    term = SATISFIABLE[name]
    found = solve(term, hints, engine=engine)
    assert isinstance(found, Sat)
    assert evaluate(term, found.assignment) is True


@pytest.mark.parametrize("name", UNSATISFIABLE)
@pytest.mark.parametrize("engine", ["auto", "tableau", "z3"])
def test_unsatisfiable(engine, name):
    assert isinstance(solve(UNSATISFIABLE[name], hints, engine=engine), Unsat)


@pytest.mark.parametrize("engine", ["z3-strings", "cvc5"])
def test_string_solvers(engine):
    if engine == "cvc5":
        pytest.importorskip("cvc5", reason="a second solver, of iamsim[dev], to compare with")
    for name in ("any value", "template known", "linked", "two families"):
        assert isinstance(solve(SATISFIABLE[name], hints, engine=engine), Sat), name
    for name in ("template equality", "linked", "every value", "session length"):
        assert isinstance(solve(UNSATISFIABLE[name], hints, engine=engine), Unsat), name


def test_an_assignment_has_only_what_must_be_present():
    term = all_of([lk("r", "a*"), any_of([not_(present("x")), lk("x", "y")]), not_(lk("z", "q"))])
    found = solve(term, hints)
    assert isinstance(found, Sat)
    assert found.assignment == {"r": ("ax",)}


def test_a_disjunction_prefers_absence():
    found = solve(any_of([lk("x", "y"), not_(present("z"))]), hints)
    assert isinstance(found, Sat)
    assert not found.assignment


def test_samples_are_tried_first():
    found = solve(not_(any_of([not_(present("region")), lk("region", "eu-*")])), hints)
    assert found == Sat({"region": ("us-east-1",)}, "theory")


def test_a_plain_conjunction_needs_no_decision():
    found = solve(SATISFIABLE["prefix without a part"], hints)
    assert found.engine == "theory"
    assert found.cost.nodes == 0


def test_unknown_parts_are_refused():
    with pytest.raises(InternalError):
        solve(all_of([present("x"), Opaque("reason")]), hints)


def test_unknown_engines_are_refused():
    with pytest.raises(QueryError, match="unknown engine `z4`") as found:
        solve(TRUE, hints, engine="z4")
    assert "z3-strings" in found.value.help


def test_more_branches_than_the_budget_go_to_z3():
    keys = [f"k{i}" for i in range(14)]
    clauses = [any_of([lk(k, "a*"), lk(k, "b*")]) for k in keys]
    clauses += [any_of([lk(a, "c*"), not_(lk(b, "?x")), lk(b, "b*")]) for a, b in pairwise(keys)]
    term = all_of(clauses)
    small = Limits(nodes=2, strings_seconds=0)
    assert solve(term, hints, small, engine="tableau") == Unknown("too many branches")
    assert solve(term, hints, small).engine == "z3"


def test_three_values_that_differ_pairwise_among_two():
    keys = ("x", "y", "z")
    two = [any_of([lk(k, "a"), lk(k, "b")]) for k in keys]
    differ = [not_(all_of([lk(a, t), lk(b, t)])) for t in "ab" for a, b in (("x", "y"), ("y", "z"), ("x", "z"))]
    for engine in ("tableau", "z3"):
        assert isinstance(solve(all_of([*two, *differ]), hints, engine=engine), Unsat)


def test_the_sort_of_a_key_settles_patterns_on_it():
    assert isinstance(solve(lk("age", "*x*"), hints), Unsat)
    assert isinstance(solve(lk("now", "*:*"), hints), Sat)
    assert isinstance(solve(lk("ip", "10.*.7"), hints), Sat)
    assert isinstance(solve(all_of([Parses("x", Sort.NUMBER), Parses("x", Sort.ADDRESS)]), hints), Unsat)
    both = [Parses("x", Sort.NUMBER), Parses("x", Sort.DATE), num("x", ">", 5), day("x", "<", 7)]
    assert solve(all_of(both), hints).assignment == {"x": ("6",)}
    year = [num("x", "==", 2020), day("x", ">", 10**9)]
    assert solve(all_of(year), hints).assignment == {"x": ("2020",)}
    assert isinstance(solve(all_of([num("x", "<", 5), day("x", ">", 7)]), hints), Unsat)


def test_a_core_is_minimal_and_keeps_the_background_out():
    conjuncts = [lk("k", "a*"), lk("r", "q"), lk("k", "b*"), lk("k", "c*")]
    assert minimal_core(conjuncts, hints) == (0, 2)
    assert minimal_core(conjuncts[:2], hints, background=lk("k", "x")) == (0,)
    assert minimal_core(conjuncts[:2], hints, background=FALSE) == ()
    assert minimal_core(conjuncts[:2], hints) == (0, 1)


def test_z3_loads_only_when_it_is_needed():
    code = (
        "import sys; from iamsim.smt.solve import solve; from iamsim.smt.types import Hint; "
        "from iamsim.ir.term import present; solve(present('x'), lambda v: Hint()); "
        "sys.exit('z3' in sys.modules or 'subprocess' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

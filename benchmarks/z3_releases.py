"""How long the installed z3-solver takes for what iamsim asks of Z3, and whether its answers are right.

Imports only z3 and the standard library, so that any virtual environment holding any z3-solver can run it:

    python benchmarks/z3_releases.py --json > 5.4.1.0.json
    python benchmarks/z3_releases.py --compare 4.16.0.0.json 5.4.1.0.json

Every run of a case is a child of its own, killed at the wall limit (Z3 does not always keep its own timeout). The child
imports z3, makes the context and answers one trivial query before its clock starts. Every case has a known answer;
a string found for a glob case is also checked with `re`, and an unsatisfiable core by checking it again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EVERY = {"range": r'(re.* (re.range "\u{0}" "\u{2ffff}"))', "all": "re.all", "allchar": "(re.* re.allchar)"}
LIMIT = 10.0
MEMORY_MB = 2000


@dataclass(frozen=True, slots=True)
class Globs:
    """x matches every glob of `inside` and none of `outside`; `star` says how `*` is written for Z3.

    With `folded`, `outside` is one negated union instead of one negation each.
    """

    inside: tuple[str, ...]
    outside: tuple[str, ...]
    star: str = "range"
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A question with a known answer; `why` says what the question stands for."""

    name: str
    expected: str
    why: str
    run: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Result:
    """One case on one release: the worst answer of its runs, and the time of each run that ended."""

    case: str
    expected: str
    answer: str
    ms: tuple[float, ...]

    @property
    def median(self) -> float | None:
        """The median time in milliseconds; None iff no run ended."""
        return statistics.median(self.ms) if self.ms else None


def regex(glob: str, star: str) -> str:
    """The SMT-LIB regular expression of a glob."""
    parts = [EVERY[star] if part == "*" else f'(str.to_re "{part}")' for part in re.split(r"(\*)", glob) if part]
    return parts[0] if len(parts) == 1 else f"(re.++ {' '.join(parts)})"


def text(globs: Globs) -> str:
    """The SMT-LIB script of a glob case, without check-sat."""
    lines = ["(declare-const x String)"]
    lines += [f"(assert (str.in_re x {regex(glob, globs.star)}))" for glob in globs.inside]
    outside = [regex(glob, globs.star) for glob in globs.outside]
    if globs.folded:
        outside = [f"(re.union {' '.join(outside)})"]
    lines += [f"(assert (not (str.in_re x {one})))" for one in outside]
    return "\n".join(lines)


def holds(globs: Globs, value: str) -> bool:
    """Whether the value is a solution of the case, decided by `re`."""

    def matches(glob: str) -> bool:
        return re.fullmatch(".*".join(map(re.escape, glob.split("*"))), value, re.DOTALL) is not None

    return all(map(matches, globs.inside)) and not any(map(matches, globs.outside))


def unescape(value: str) -> str:
    """The string behind the SMT-LIB escapes that z3py leaves in `as_string`."""
    return re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda found: chr(int(found[1], 16)), value)


def ask(script: str) -> tuple[str, Any]:
    """Z3's answer to a script, and the solver for reading a model."""
    import z3

    solver = z3.Solver()
    solver.from_string(script)
    return str(solver.check()), solver


def ask_globs(globs: Globs) -> str:
    """Z3's answer to a glob case; `wrong` iff it shows a string that is no solution."""
    import z3

    answer, solver = ask(text(globs))
    if answer == "sat" and not holds(globs, unescape(solver.model().eval(z3.String("x"), True).as_string())):
        return "wrong"
    return answer


def ask_variables() -> str:
    """`h/${u}/` and `h/${v}/` both start r, u ≠ v, neither holds a slash."""
    names = "".join(f"(declare-const {name} String)" for name in "uvr")
    starts = "".join(f'(assert (str.prefixof (str.++ "h/" {name} "/") r))' for name in "uv")
    slash = "".join(f'(assert (not (str.contains {name} "/")))' for name in "uv")
    return ask(f"{names}{starts}{slash}(assert (not (= u v)))")[0]


def clauses(rng: random.Random, count: int, variables: int) -> list[tuple[int, ...]]:
    """Random clauses of three literals; a literal is ±(index + 1)."""
    picks = (rng.sample(range(1, variables + 1), 3) for _ in range(count))
    return [tuple(pick if rng.random() < 0.5 else -pick for pick in three) for three in picks]


def clause_text(clause: Iterable[int]) -> str:
    return f"(or {' '.join(f'k{one}' if one > 0 else f'(not k{-one})' for one in clause)})"


def declare(prefix: str, count: int) -> str:
    return "".join(f"(declare-const {prefix}{index} Bool)" for index in range(1, count + 1))


def satisfiable(formula: Iterable[tuple[int, ...]], table: list[int]) -> bool:
    """Whether the clauses have a solution; `table` holds each variable's column of the truth table as bits."""
    left = full = (1 << (1 << len(table))) - 1
    for clause in formula:
        true = 0
        for one in clause:
            true |= table[one - 1] if one > 0 else full ^ table[-one - 1]
        left &= true
    return left != 0


def statements() -> list[tuple[int, ...]]:
    """300 statements over 240 keys, satisfiable but for three planted ones that force k1 → k2 → k3 → ¬k1."""
    found = clauses(random.Random(7), 297, 240)
    found[40:40] = [(-1, 2)]
    found[150:150] = [(-2, 3)]
    found[260:260] = [(-3, -1)]
    return found


def ask_core() -> str:
    """Whether 300 tracked statements contradict k1, with a core that is itself a contradiction."""
    import z3

    solver = z3.SolverFor("QF_FD")
    rules = "".join(f"(assert (=> s{n} {clause_text(one)}))" for n, one in enumerate(statements(), 1))
    solver.from_string(f"{declare('k', 240)}{declare('s', 300)}{rules}(assert k1)")
    answer = str(solver.check([z3.Bool(f"s{n}") for n in range(1, 301)]))
    if answer != "unsat":
        return answer
    core = solver.unsat_core()
    return "unsat" if 3 <= len(core) < 300 and str(solver.check(list(core))) == "unsat" else "wrong"


def ask_reused() -> str:
    """300 questions under one assumption each to one QF_FD solver."""
    import z3

    solver = z3.SolverFor("QF_FD")
    rules = "".join(f"(assert (=> s{n} {clause_text(one)}))" for n, one in enumerate(statements(), 1))
    solver.from_string(f"{declare('k', 240)}{declare('s', 300)}{rules}")
    answers = [str(solver.check(z3.Bool(f"s{n}"))) for n in range(1, 301)]
    return next((answer for answer in answers if answer != "sat"), "sat")


def ask_fresh() -> str:
    """500 small formulas, a new QF_FD solver each, every answer checked by truth table."""
    import z3

    rng = random.Random(11)
    formulas = [clauses(rng, 34, 8) for _ in range(500)]
    answers = []
    for formula in formulas:
        solver = z3.SolverFor("QF_FD")
        solver.from_string(declare("k", 8) + "".join(f"(assert {clause_text(one)})" for one in formula))
        answers.append(str(solver.check()))
    if "unknown" in answers:
        return "unknown"
    table = [sum(1 << row for row in range(256) if row >> index & 1) for index in range(8)]
    truth = ["sat" if satisfiable(formula, table) else "unsat" for formula in formulas]
    return "sat" if answers == truth and len(set(answers)) == 2 else "wrong"


def ask_floor() -> str:
    """100 trivial Boolean questions: the unit for the guard, much the same on every release."""
    answers = {ask(f"(declare-const b Bool)(assert (or b (= {n} 0)))")[0] for n in range(100)}
    return "sat" if answers == {"sat"} else "wrong"


def ask_trivial() -> str:
    """40 questions of one glob each."""
    answers = {ask_globs(Globs((f"team-{n}-*",), ())) for n in range(40)}
    return "sat" if answers == {"sat"} else "wrong"


def buckets(n: int) -> tuple[str, ...]:
    return tuple(f"arn:aws:s3:::team-{index:03}-*" for index in range(n))


def tables(n: int) -> tuple[str, ...]:
    three = (f"arn:aws:dynamodb:*:*:table/app{index}-*" for index in range(0, n, 2))
    four = (f"arn:aws:dynamodb:*:*:table/*-{index}/index/*" for index in range(1, n, 2))
    return tuple(itertools.chain(three, four))


def tokens(n: int, stem: str = "tok") -> tuple[str, ...]:
    return tuple(f"*{stem}{index:02}*" for index in range(n))


def glob_case(name: str, expected: str, why: str, globs: Globs) -> Case:
    return Case(name, expected, why, lambda: ask_globs(globs))


def prefix_case(n: int, star: str) -> Case:
    globs = Globs(("arn:aws:s3:::*",), buckets(n), star)
    return glob_case(f"prefixes-{star}-{n}", "sat", "inside a bucket pattern, outside n bucket prefixes", globs)


def cases() -> list[Case]:
    """Every case, in the order in which they run; the names are stable."""
    killer = ("a" + "*".join("b" * 8),), ("a" + "*b" * 8,)
    ordered = Globs(tokens(8), ("*tok00*tok01*", "*tok01*tok00*"))
    one = ("arn:aws:s3:::team-050-logs/*",)
    arns = ("arn:aws:dynamodb:*:*:table/*",)
    return [
        Case("floor", "sat", "100 trivial Boolean questions", ask_floor),
        Case("trivial-40", "sat", "40 questions of one glob", ask_trivial),
        *(prefix_case(n, "range") for n in (3, 10, 100)),
        *(prefix_case(n, "all") for n in (3, 10)),
        prefix_case(10, "allchar"),
        glob_case("union-range-100", "unsat", "one glob inside a union of 100", Globs(one, buckets(100))),
        glob_case("union-folded-100", "unsat", "same, one regex", Globs(one, buckets(100), folded=True)),
        glob_case("union-all-100", "unsat", "same, re.all", Globs(one, buckets(100), "all", folded=True)),
        glob_case("arns-range-100", "sat", "ARNs with 3-4 stars, 100 negated", Globs(arns, tables(100))),
        glob_case("arns-all-100", "sat", "same, re.all", Globs(arns, tables(100), "all")),
        glob_case("killer-range-8", "unsat", "ab*b*b… inside a*b*b…", Globs(*killer)),
        glob_case("killer-all-8", "unsat", "same, re.all", Globs(*killer, star="all")),
        glob_case("tokens-range-8", "sat", "8 different *tok* at once", Globs(tokens(8), ())),
        glob_case("tokens-range-16", "sat", "16 different *tok* at once", Globs(tokens(16), ())),
        *(
            glob_case(
                f"tokens-not-{n}", "sat", "n tokens at once, n others negated", Globs(tokens(n), tokens(n, "bad"))
            )
            for n in (4, 8, 16)
        ),
        glob_case("tokens-order-8", "unsat", "8 tokens, two of them in neither order", ordered),
        Case("variables-2", "unsat", "two policy variables before a slash", ask_variables),
        Case("fd-core-300", "unsat", "QF_FD, unsat core of 300 tracked statements", ask_core),
        Case("fd-reused-300", "sat", "QF_FD, 300 questions to one solver", ask_reused),
        Case("fd-fresh-500", "sat", "QF_FD, 500 small solvers", ask_fresh),
    ]


def child(name: str) -> None:
    """Wait for a line on stdin, run the case, print its answer and time as JSON."""
    import z3

    case = next(case for case in cases() if case.name == name)
    z3.set_param("memory_max_size", MEMORY_MB)
    ask_globs(Globs(("warm*",), ()))
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    try:
        answer = case.run()
    except z3.Z3Exception as error:
        answer = f"error: {error}"
    print(json.dumps({"answer": answer, "ms": (time.perf_counter() - start) * 1000}))


def run_once(case: Case, limit: float) -> tuple[str, float | None]:
    """The answer and the milliseconds of one run in a child; (`timeout`, None) iff it was killed at the limit."""
    command = [sys.executable, __file__, "--child", case.name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            return "crash", None
        try:
            output, _ = process.communicate("go\n", timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            return "timeout", None
    if process.returncode or not output:
        return "crash", None
    found = json.loads(output)
    right = found["answer"] == case.expected or found["answer"] not in ("sat", "unsat", "wrong")
    return (found["answer"] if right else f"WRONG {found['answer']}"), found["ms"]


def run_case(case: Case, limit: float, repeats: int) -> Result:
    """The case run `repeats` times, but not again after a run that gave no answer or a wrong one."""
    times: list[float] = []
    answer = "timeout"
    for _ in range(repeats):
        answer, ms = run_once(case, limit)
        if ms is not None:
            times.append(round(ms, 2))
        if answer != case.expected:
            break
    return Result(case.name, case.expected, answer, tuple(times))


def release() -> str:
    """The version of the installed z3-solver."""
    import z3

    return str(z3.get_version_string())


def table(results: Iterable[Result]) -> str:
    """The results as text: case, answer, median milliseconds."""
    rows = [(one.case, one.answer, "-" if one.median is None else f"{one.median:.1f}") for one in results]
    return "\n".join(f"{case:<18} {answer:<14} {ms:>9}" for case, answer, ms in [("case", "answer", "ms"), *rows])


def load(files: Iterable[Path]) -> dict[str, dict[str, Result]]:
    """Results by release and case; files of one release are pooled, and the worst answer is kept."""
    found: dict[str, dict[str, Result]] = {}
    for file in files:
        data = json.loads(file.read_text(encoding="utf-8"))
        of_release = found.setdefault(data["z3"], {})
        for row in data["results"]:
            new = Result(row["case"], row["expected"], row["answer"], tuple(row["ms"]))
            old = of_release.get(new.case, new)
            bad = old.answer if old.answer != old.expected else new.answer
            of_release[new.case] = Result(new.case, new.expected, bad, new.ms if old is new else old.ms + new.ms)
    return found


def compare(files: Iterable[Path]) -> str:
    """A Markdown table of medians in milliseconds, each with its ratio to the last release named."""
    found = load(files)
    reference = found[list(found)[-1]]
    lines = ["| case | " + " | ".join(found) + " |", "| --- |" + " ---: |" * len(found)]
    for name, base in reference.items():
        cells = []
        for results in found.values():
            one = results.get(name)
            if one is None or one.median is None or one.answer != one.expected:
                cells.append("" if one is None else one.answer)
                continue
            ms = f"{one.median:.{int(one.median < 10)}f}"
            unit = base.median if base.answer == base.expected and one is not base else None
            cells.append(ms if unit is None else f"{ms} ({one.median / unit:.1f}×)")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--limit", type=float, default=LIMIT, help="wall limit of one run in seconds")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each case")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="only cases whose name contains one of these")
    parser.add_argument("--compare", nargs="+", type=Path, metavar="FILE", help="tabulate --json files, reference last")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    if options.compare:
        print(compare(options.compare))
        return
    chosen = [case for case in cases() if not options.only or any(part in case.name for part in options.only)]
    results = [run_case(case, options.limit, options.repeats) for case in chosen]
    if options.json:
        print(
            json.dumps({"z3": release(), "limit": options.limit, "results": [asdict(one) for one in results]}, indent=1)
        )
    else:
        print(f"z3 {release()}, median of {options.repeats}, limit {options.limit:g} s\n{table(results)}")


if __name__ == "__main__":
    main()

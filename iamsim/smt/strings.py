"""The last resort: the SMT-LIB text of a problem, given to a string solver in a child process that can be killed."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from itertools import islice, product
from typing import TYPE_CHECKING

from iamsim.errors import InternalError, QueryError
from iamsim.ir import values
from iamsim.ir.evaluate import evaluate
from iamsim.smt.smtlib import header, script
from iamsim.smt.types import Sat, Unknown, Unsat
from iamsim.theory.hint import fits
from iamsim.theory.texts import solve_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from iamsim.ir.term import Term, Var
    from iamsim.smt.smtlib import Script
    from iamsim.smt.types import Limits, Outcome
    from iamsim.theory.hint import Hint

MODEL = "; model\n"
Z3_CHILD = """
import sys, z3
question, model = sys.stdin.read().split("; model\\n")
context = z3.main_ctx().ref()
verdict = z3.Z3_eval_smtlib2_string(context, question)
print(verdict.strip())
if verdict.strip() == "sat":
    print(z3.Z3_eval_smtlib2_string(context, model))
"""
CVC5_CHILD = """
import sys, cvc5
solver = cvc5.Solver(cvc5.TermManager())
for option, value in (("produce-models", "true"), ("strings-exp", "true"), ("seed", "0")):
    solver.setOption(option, value)
parser = cvc5.InputParser(solver)
parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, sys.stdin.read(), "stdin")
while not (command := parser.nextCommand()).isNull():
    answer = command.invoke(solver, parser.getSymbolManager())
    print(answer, end="", flush=True)
    if answer.strip() in ("unsat", "unknown"):
        break
"""
COMBINATIONS = 64
WORD = re.compile(r'"(?:[^"]|"")*"|[()]|\|[^|]*\||[^\s()"]+')
ESCAPE = re.compile(r"\\u\{([0-9a-fA-F]+)\}|\\u([0-9a-fA-F]{4})")


def solve_strings(term: Term, hints: Callable[[Var], Hint], limits: Limits, *, engine: str = "z3-strings") -> Outcome:
    """The outcome of the string solver of Z3 (`z3-strings`) or of `cvc5`.

    A model counts only if `term` is true under it.
    """
    if engine == "cvc5" and importlib.util.find_spec("cvc5") is None:
        raise QueryError("the solver cvc5 is not installed", help="pip install 'iamsim[cvc5]'")
    made = script(term, hints)
    names = list(made.constants)
    first = [] if engine == "cvc5" else [f"(set-option :rlimit {limits.rlimit})"]
    model = f"(get-value ({' '.join(names)}))\n" if names else ""
    text = "\n".join([*first, *header(made, names=False), *made.lines, "(check-sat)", MODEL + model])
    answer = _ask(text, engine, limits.strings_seconds)
    verdict, _, rest = answer.lstrip().partition("\n")
    match verdict.strip():
        case "unsat":
            return Unsat(engine)
        case "sat":
            found = _decode(made, _model(rest) if names else {}, term, limits)
            return Sat(found, engine) if found is not None else Unknown(f"the model of {engine} does not hold")
        case "unknown" | "":
            return Unknown(f"{engine} gave up")
        case _:
            raise InternalError(f"{engine} did not accept the problem", (verdict, text))


def _ask(text: str, engine: str, seconds: float) -> str:
    """What the solver prints; nothing if it is killed after `seconds` or dies."""
    code = CVC5_CHILD if engine == "cvc5" else Z3_CHILD
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONUTF8": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", code],
            input=text.encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return ""
    if done.returncode > 0 and not done.stdout:
        raise InternalError(f"the child process of {engine} failed", (done.stderr.decode(errors="replace"), text))
    return done.stdout.decode(errors="replace")


# --- models ------------------------------------------------------------------------------------------------------

Value = bool | int | str | Fraction | None


def _model(text: str) -> dict[str, Value]:
    """The values by name of an answer to `get-value`."""
    stack: list[list[object]] = [[]]
    for word in WORD.findall(text):
        if word == "(":
            stack.append([])
        elif word == ")" and len(stack) > 1:
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(word)
    pairs = stack[0][0] if stack[0] else []
    return {str(p[0]): _value(p[1]) for p in pairs if isinstance(p, list) and len(p) == 2}  # type: ignore[attr-defined]


def _value(shown: object) -> Value:
    match shown:
        case "true" | "false":
            return shown == "true"
        case str() if shown.startswith('"'):
            return ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)), shown[1:-1].replace('""', '"'))
        case str() if shown.startswith(("#x", "#b")):
            return int("0" + shown[1:], 0)
        case str() if re.fullmatch(r"\d+(\.\d+)?", shown):
            return Fraction(shown)
        case ["-", inner]:
            value = _value(inner)
            return -value if isinstance(value, Fraction) else None
        case ["/", above, below]:
            up, down = _value(above), _value(below)
            return up / down if isinstance(up, Fraction) and isinstance(down, Fraction) and down else None
        case ["_", str(bits), _] if bits.startswith("bv"):
            return int(bits[2:])
        case _:
            return None


def _decode(made: Script, model: Mapping[str, Value], term: Term, limits: Limits) -> dict[Var, tuple[str, ...]] | None:
    """An assignment that the model can mean and that makes `term` true, if there is one among the first."""
    slots: dict[tuple[Var, int], dict[str, Value]] = {}
    for name, (var, index, kind) in made.constants.items():
        slots.setdefault((var, index), {})[kind] = model.get(name)
    present = sorted((s for s in slots if slots[s].get("p") is True), key=lambda s: (made.numbers[s[0]], s[1]))
    options = [list(_texts(slots[s], made.hints(s[0]), limits)) for s in present]
    for choice in islice(product(*options), COMBINATIONS):
        found: dict[Var, tuple[str, ...]] = {}
        for (var, _), text in zip(present, choice, strict=True):
            found[var] = (*found.get(var, ()), text)
        if evaluate(term, found) is True:
            return found
    return None


def _texts(slot: Mapping[str, Value], hint: Hint, limits: Limits) -> Iterator[str]:
    """The texts that the values of one slot can mean."""
    read = list(_read(slot))
    text = slot.get("s")
    own = [text] if isinstance(text, str) else []
    yield from (t for t in dict.fromkeys([*own, *read] if not read or own else read) if fits(t, hint))
    if not read and not own:
        plausible = solve_text((), hint, limits.states)
        if isinstance(plausible, str):
            yield plausible


def _read(slot: Mapping[str, Value]) -> Sequence[str]:
    out = []
    number, date, octets = slot.get("n"), slot.get("d"), slot.get("b")
    if slot.get("is_n") and isinstance(number, Fraction):
        out.append(values.number_text(number))
    if slot.get("is_d") and isinstance(date, Fraction):
        out.append(values.date_text(date))
    if slot.get("is_b") and isinstance(octets, str):
        out += _base64(octets)
    if slot.get("is_a"):
        four, six = slot.get("a4"), slot.get("a6")
        if slot.get("v4") and isinstance(four, int):
            out.append(str(IPv4Address(four)))
        elif slot.get("v4") is False and isinstance(six, int):
            out.append(str(IPv6Address(six)))
        else:
            out += ["203.0.113.10", "2001:db8::10"]
    return out


def _base64(octets: str) -> list[str]:
    import base64

    try:
        return [base64.b64encode(bytes.fromhex(octets)).decode()]
    except ValueError:
        return ["AA=="]

"""iamprover beside iamsim: `python -m benchmarks.iamprover --orgs DIR --program PROGRAM`, PROGRAM being its command line.

Both are asked the same in one process: of one account's details, whether nobody can do an action on a resource, for all
that the truth asks about in that account. No organization and no resource policies: both read only the one file. Rounds
alternate. Only what iamprover publishes as its command line and README is used; it is neither imported nor needed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROUNDS = 3
TIMEOUT = 600.0


def asked(org: Path) -> tuple[Path, list[tuple[str, str]]]:
    """The account that the truth asks about most, and actions with resources of it, each once."""
    truth = json.loads((org / "truth.json").read_bytes())
    queries = [q for q in truth["queries"] if q["resource"] != "*" and q["kind"] == "concrete"]
    accounts = [q["principal"].split(":")[4] for q in queries]
    most = max(sorted(set(accounts)), key=accounts.count)
    pairs = {(q["action"], q["resource"]): None for q, a in zip(queries, accounts, strict=True) if a == most}
    return org / "gaad" / f"{most}.json", list(pairs)


def theirs(program: str, account: Path, pairs: list[tuple[str, str]], folder: Path) -> tuple[float, list[bool]]:
    """Seconds, and for each pair whether iamprover proves that nobody can."""
    file = folder / "invariants.json"  # JSON is YAML
    listed = [
        {"id": f"i{n}", "description": "nobody", "forbid": {"action": a, "resource": r}}
        for n, (a, r) in enumerate(pairs)
    ]
    file.write_text(json.dumps({"invariants": listed}), encoding="utf-8")
    command = [program, "verify", "--gaad", str(account), "--invariants", str(file), "--format", "json"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    spent = time.perf_counter() - start
    if done.returncode not in (0, 2):
        raise SystemExit(f"iamprover: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    found = {r["id"]: r["passed"] for r in json.loads(done.stdout)}
    return spent, [found[f"i{n}"] for n in range(len(pairs))]


def ours(account: Path, pairs: list[tuple[str, str]], folder: Path) -> tuple[float, list[bool]]:
    """Seconds, and for each pair whether no user or role of the account can."""
    file = folder / "rules.iamq"
    lines = [f'who can do {a} on "{r}" via direct except anonymous expect no id i{n}' for n, (a, r) in enumerate(pairs)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "iamsim",
        "check",
        str(file),
        "--no-findings",
        "-q",
        "-s",
        str(account),
        "--no-cache",
    ]
    start = time.perf_counter()
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    spent = time.perf_counter() - start
    rules = {r["id"]: r["state"] for r in json.loads(done.stdout)["rules"]}
    return spent, [rules[f"i{n}"] == "holds" for n in range(len(pairs))]


def main() -> int:
    """Measure each size and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.iamprover")
    parser.add_argument("--orgs", type=Path, required=True, help="folder with generated organizations")
    parser.add_argument("--program", required=True)
    parser.add_argument("--sizes", nargs="+", default=["S", "M"])
    options = parser.parse_args()
    print("| org | principals | questions | iamprover | iamsim | ratio | same verdict |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in options.sizes:
        account, pairs = asked(options.orgs / size)
        details = json.loads(account.read_bytes())
        count = len(details["UserDetailList"]) + len(details["RoleDetailList"])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rounds = [
                (theirs(options.program, account, pairs, folder), ours(account, pairs, folder)) for _ in range(ROUNDS)
            ]
        a, b = (median(r[side][0] for r in rounds) for side in (0, 1))
        same = sum(x == y for x, y in zip(rounds[0][0][1], rounds[0][1][1], strict=True))
        print(f"| {size} | {count} | {len(pairs)} | {a:.2f} s | {b:.2f} s | {a / b:.1f} | {same} of {len(pairs)} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

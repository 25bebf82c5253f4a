"""Exit 1 iff the installed z3-solver cannot be relied on for what iamsim asks of it.

    python -m benchmarks.z3_guard

A release passes iff it decides every decisive case, rightly, and none takes more than FACTOR times as long as the
floor: trivial questions asked in the same run, so that a slow machine slows both sides. The cases were chosen by
measurement (docs/z3-versions.md).
"""

from __future__ import annotations

import argparse

from benchmarks.z3_releases import LIMIT, Result, cases, release, run_case

DECISIVE = ("arns-range-100", "killer-range-8", "tokens-order-8")
FACTOR = 20.0


def verdict(result: Result, floor: float) -> str:
    """`ok`, or what is wrong with the result measured against the floor in milliseconds."""
    if result.answer != result.expected or result.median is None:
        return f"not {result.expected}"
    return "ok" if result.median <= FACTOR * floor else f"over {FACTOR:g}× the floor"


def measure(limit: float, repeats: int) -> tuple[Result, tuple[Result, ...]]:
    """The floor and the decisive cases, run on the installed release."""
    by_name = {case.name: case for case in cases()}
    floor, *decisive = (run_case(by_name[name], limit, repeats) for name in ("floor", *DECISIVE))
    return floor, tuple(decisive)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--limit", type=float, default=LIMIT, help="wall limit of one run in seconds")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each case")
    options = parser.parse_args()
    floor, decisive = measure(options.limit, options.repeats)
    print(f"z3 {release()}, median of {options.repeats}, limit {options.limit:g} s")
    if floor.answer != floor.expected or floor.median is None:
        print(f"floor: {floor.answer} instead of {floor.expected}")
        return 1
    print(f"{'case':<20} {'answer':<10} {'ms':>9} {'× floor':>9}  verdict")
    print(f"{'floor':<20} {floor.answer:<10} {floor.median:>9.1f} {1:>9}")
    verdicts = [verdict(one, floor.median) for one in decisive]
    for one, word in zip(decisive, verdicts, strict=True):
        ms, ratio = ("-", "-") if one.median is None else (f"{one.median:.1f}", f"{one.median / floor.median:.2f}")
        print(f"{one.case:<20} {one.answer:<10} {ms:>9} {ratio:>9}  {word}")
    return 0 if all(word == "ok" for word in verdicts) else 1


if __name__ == "__main__":
    raise SystemExit(main())

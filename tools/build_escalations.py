"""Rebuild `iamsim/aws/data/escalations.json` from `escalations.yaml` beside it; `--check` compares instead of writing."""  # noqa: INP001

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import yaml

DATA = Path(__file__).parent.parent / "iamsim" / "aws" / "data"


def built() -> str:
    """The text of the JSON file: every scalar as text, one line a technique, the same for the same source."""
    value = yaml.load((DATA / "escalations.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    parts = []
    for name, item in value.items():
        if isinstance(item, list):
            rows = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in item)
            parts.append(f"{json.dumps(name)}:[\n{rows}\n]")
        else:
            parts.append(f"{json.dumps(name)}:{json.dumps(item, ensure_ascii=False, separators=(',', ':'))}")
    return "{" + ",\n".join(parts) + "}\n"


def main() -> int:
    """0 if written, or if `--check` finds the same content; 1 if it differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the bundled file, write nothing")
    options = parser.parse_args()
    target, text = DATA / "escalations.json", built()
    if options.check:
        same = target.exists() and target.read_text(encoding="utf-8") == text
        sys.stdout.write("same content\n" if same else "content differs\n")
        return 0 if same else 1
    target.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(json.loads(text)['techniques'])} techniques, {len(text.encode())} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

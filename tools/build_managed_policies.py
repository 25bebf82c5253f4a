"""Rebuild `iamsim/aws/data/managed_policies.json.gz` from an installed moto package (Apache-2.0).

Run it with the Python of an environment that holds moto; `--check` compares instead of writing.
"""  # noqa: INP001

from __future__ import annotations

import argparse
import ast
import gzip
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "iamsim" / "aws" / "data" / "managed_policies.json.gz"


def raw_policies() -> dict[str, dict[str, Any]]:
    """The policies that the installed moto bundles, by name; moto itself is not imported."""
    spec = importlib.util.find_spec("moto")
    if spec is None or spec.origin is None:
        raise SystemExit("moto is not installed in this environment")
    module = ast.parse((Path(spec.origin).parent / "iam" / "aws_managed_policies.py").read_text(encoding="utf-8"))
    values = [s.value for s in module.body if isinstance(s, ast.Assign)]
    policies: dict[str, dict[str, Any]] = json.loads(ast.literal_eval(values[0]))
    return policies


def bundle(raw: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The bundle's JSON value: where it comes from, its date, and each policy by ARN."""
    policies = {}
    for name, row in raw.items():
        arn = f"arn:aws:iam::aws:policy{row['Path']}{name}"
        policies[arn] = {"name": name, "version": row["DefaultVersionId"], "document": row["Document"]}
    dates = [row[field][:10] for row in raw.values() for field in ("CreateDate", "UpdateDate") if row.get(field)]
    return {
        "source": f"moto {importlib.metadata.version('moto')}, moto/iam/aws_managed_policies.py",
        "license": "Apache-2.0",
        "date": max(dates),
        "policies": policies,
    }


def packed(value: dict[str, Any]) -> bytes:
    """The gzip file of `value`: the same bytes for the same value on one version of zlib."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    out = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(text.encode())
    return out.getvalue()


def main() -> int:
    """0 if written, or if `--check` finds the same content; 1 if it differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the bundled file, write nothing")
    options = parser.parse_args()
    value = bundle(raw_policies())
    if options.check:
        same = TARGET.exists() and json.loads(gzip.decompress(TARGET.read_bytes())) == value
        sys.stdout.write("same content\n" if same else "content differs\n")
        return 0 if same else 1
    data = packed(value)
    TARGET.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    sys.stdout.write(f"{len(value['policies'])} policies, {value['date']}, {len(data)} bytes, sha256 {digest}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

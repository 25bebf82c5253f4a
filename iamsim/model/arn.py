"""ARNs: six fields, parsed and printed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


def is_account_id(text: str) -> bool:
    """Whether a text is the id of an account. Source: AWS Account Management Guide, "View AWS account identifiers"."""
    return len(text) == 12 and text.isascii() and text.isdigit()


@dataclass(frozen=True, slots=True)
class Arn:
    """An Amazon Resource Name. `resource` keeps its colons and slashes.

    Source: IAM User Guide, "Identify AWS resources with Amazon Resource Names (ARNs)".
    """

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


@lru_cache(maxsize=65536)
def parse_arn(text: str) -> Arn | None:
    """The fields of `text`, or None if it is no ARN; the first five fields are lower-cased, `resource` is kept."""
    fields = text.split(":", 5)
    if len(fields) != 6 or fields[0].lower() != "arn" or not fields[2]:
        return None
    partition, service, region, account = (f.lower() for f in fields[1:5])
    return Arn(partition, service, region, account, fields[5])

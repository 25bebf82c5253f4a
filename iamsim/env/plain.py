"""Users, roles and managed policies of account details that need no remark, told apart without reading them.

Most records of a snapshot are plain: of the shape that AWS documents, with documents on which there is nothing to
remark. They are read when a question asks for them; all others are read, and remarked on, when the snapshot is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from iamsim.model.plain_policy import plain_size
from iamsim.model.policy import PolicyKind

_ARN = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):(?:(user)|role)/[!-~]+", re.ASCII)
_IAM_ARN = re.compile(r"arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):[!-~]+", re.ASCII)
_MANAGED_ARN = re.compile(r"arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):policy/[!-~]+", re.ASCII)
_LIMITS = {"User": 2048, "Role": 10240}
_TRUST_LIMIT, _MANAGED_LIMIT = 4096, 6144


@dataclass(slots=True)
class Pending:
    """A user or role that is not read yet: its record, what the API calls its kind (`User`, `Role`), and its place.

    Not frozen, yet never changed, for there are thousands. `attached`, `boundary` and `groups` are as the record has them.
    """

    arn: str
    account: str
    what: str
    record: dict[str, Any]
    source: str
    pointer: str
    attached: list[str]
    boundary: str | None
    groups: list[str]


@dataclass(frozen=True, slots=True)
class PendingPolicy:
    """A managed policy that is not read yet: its record and its place."""

    arn: str
    record: dict[str, Any]
    source: str
    pointer: str


def pending(record: Any, what: str, source: str, pointer: str, known: set[str]) -> Pending | None:
    """The user or role in `record`, to be read later, or None if it has to be read now.

    `known` are ARNs that were found to be in order before; more are added.
    """
    try:
        arn = record["Arn"]
        m = _ARN.fullmatch(arn)
        if m is None or (what == "User") is (m[2] is None):
            return None
        attached = [item["PolicyArn"] for item in _listed(record, "AttachedManagedPolicies")]
        boundary = record.get("PermissionsBoundary")
        if boundary is not None:
            boundary = boundary["PermissionsBoundaryArn"]
        if not _in_order(attached if boundary is None else [*attached, boundary], known):
            return None
        groups = _listed(record, "GroupList") if what == "User" else []
        if groups and not all(type(g) is str for g in groups):
            return None
        fine = (what == "User" or _plain_role(record)) and _plain_inline(record, what) and _plain_tags(record)
    except (KeyError, TypeError):
        return None
    return Pending(arn, m[1], what, record, source, pointer, attached, boundary, groups) if fine else None


def plain_managed(record: Any) -> bool:
    """True iff `record` is a managed policy with one version, which is in force, and needs no remark."""
    try:
        (version,) = record["PolicyVersionList"]
        if _MANAGED_ARN.fullmatch(record["Arn"]) is None or version["IsDefaultVersion"] is not True:
            return False
        return 0 < plain_size(version["Document"], PolicyKind.IDENTITY) <= _MANAGED_LIMIT
    except (KeyError, TypeError, ValueError):
        return False


def _listed(record: dict[str, Any], member: str) -> list[Any]:
    """The list `member`, which may be absent; raises TypeError if it is no list."""
    value = record.get(member)
    if type(value) is list:
        return value
    if value is None:
        return []
    raise TypeError(member)


def _in_order(arns: list[Any], known: set[str]) -> bool:
    """True iff all of `arns` are ARNs of IAM."""
    if known.issuperset(arns):
        return True
    if not all(_IAM_ARN.fullmatch(arn) for arn in arns):
        return False
    known.update(arns)
    return True


def _plain_role(record: dict[str, Any]) -> bool:
    if not 0 < plain_size(record["AssumeRolePolicyDocument"], PolicyKind.TRUST) <= _TRUST_LIMIT:
        return False
    return all(_IAM_ARN.fullmatch(item["Arn"]) for item in _listed(record, "InstanceProfileList"))


def _plain_inline(record: dict[str, Any], what: str) -> bool:
    """True iff the inline policies have names, need no remark, and together are not too large."""
    total = 0
    for item in _listed(record, f"{what}PolicyList"):
        name = item["PolicyName"]
        size = plain_size(item["PolicyDocument"], PolicyKind.IDENTITY) if type(name) is str and name else 0
        if not size:
            return False
        total += size
    return total <= _LIMITS[what]


def _plain_tags(record: dict[str, Any]) -> bool:
    if "Tags" not in record:
        return True
    tags = record["Tags"]
    return type(tags) is list and all(type(t["Key"]) is str and type(t["Value"]) is str for t in tags)

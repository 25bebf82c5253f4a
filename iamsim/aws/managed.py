"""AWS managed policies, bundled with the package or installed by the user."""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iamsim.aws.data_files import MANAGED, damaged, own_file

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = "data/managed_policies.json.gz"


@lru_cache(maxsize=1)
def _bundle() -> dict[str, Any]:
    own = own_file(MANAGED)
    if own is None:
        data = resources.files("iamsim.aws").joinpath(_FILE).read_bytes()
        value: dict[str, Any] = json.loads(gzip.decompress(data))
        return value
    try:
        value = json.loads(gzip.decompress(own.read_bytes()))
    except (OSError, EOFError, ValueError) as error:
        raise damaged(own) from error
    return value


@lru_cache(maxsize=1)
def managed_policies() -> Mapping[str, Mapping[str, Any]]:
    """The bundled policies by ARN (partition `aws`): each with `name`, `version` and `document`. Not to be changed."""
    return MappingProxyType(_bundle()["policies"])


def managed_policy(arn: str) -> tuple[dict[str, Any], str] | None:
    """The document and the name of an AWS managed policy, or None iff the bundle lacks it.

    A policy of another partition (`arn:aws-cn:iam::aws:policy/…`) is taken to read as the one of the partition `aws`;
    a few of them differ there in their ARNs and services. Source: IAM User Guide, "Managed policies and inline policies".
    """
    fields = arn.split(":", 5)
    if len(fields) != 6 or fields[2:5] != ["iam", "", "aws"] or not fields[1].startswith("aws"):
        return None
    row = managed_policies().get(f"arn:aws:iam::aws:{fields[5]}")
    return None if row is None else (row["document"], row["name"])


def managed_date() -> str:
    """The date (`YYYY-MM-DD`) of the latest change that the bundle knows."""
    return str(_bundle()["date"])


def managed_source() -> str:
    """Where the bundle was taken from, with its licence, for reports."""
    return f"{_bundle()['source']} ({_bundle()['license']})"

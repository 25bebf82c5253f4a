"""JSON value → kind of input, by the shape of the content and never by name."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

_GAAD = ("UserDetailList", "RoleDetailList", "GroupDetailList", "Policies")


class InputKind(StrEnum):
    """The kinds of input that are read."""

    GAAD = "account authorization details"
    RESOURCES = "resource policies"
    ORGANIZATION = "organization tree"
    POLICY = "policy document"
    UNKNOWN = "unknown"


def recognised(value: Any) -> tuple[InputKind, str]:
    """The kind of input that `value` is, and for UNKNOWN the reason."""
    if isinstance(value, list):
        return _recognised_list(value)
    if not isinstance(value, dict):
        return InputKind.UNKNOWN, "it is neither an object nor a list"
    identifier = value.get("Id")
    if isinstance(identifier, str) and identifier.startswith("r-") and ("Children" in value or "Policies" in value):
        return InputKind.ORGANIZATION, ""
    if any(isinstance(value.get(name), list) for name in _GAAD):
        return InputKind.GAAD, ""
    if _is_policy(value):
        return InputKind.POLICY, ""
    if any(name in value for name in _GAAD):
        return InputKind.UNKNOWN, "its account details are not lists"
    names = ", ".join(f"`{name}`" for name in sorted(value)[:3] if name.isprintable() and len(name) < 40)
    return InputKind.UNKNOWN, f"its members {names} are those of no known input" if names else "it is an empty object"


def _is_policy(value: dict[str, Any]) -> bool:
    return any(name in value for name in ("Statement", "statement")) or ("Version" in value and "Id" in value)


def _recognised_list(value: list[Any]) -> tuple[InputKind, str]:
    if not value:
        return InputKind.UNKNOWN, "it is an empty list"
    if any(isinstance(v, dict) and ("Resource" in v or "PublicAccessBlock" in v) and "Effect" not in v for v in value):
        return InputKind.RESOURCES, ""
    return InputKind.UNKNOWN, "its entries are those of no known input"


def pages(value: Any) -> tuple[Any, ...] | None:
    """The entries of a list whose first entry is a known kind of input by itself (pages put into a list), or None."""
    if isinstance(value, list) and value and recognised(value)[0] is InputKind.UNKNOWN:
        kinds = {recognised(v)[0] for v in value if isinstance(v, dict)}
        if kinds - {InputKind.UNKNOWN}:
            return tuple(value)
    return None

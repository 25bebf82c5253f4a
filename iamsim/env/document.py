"""One bare policy document → record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.env.records import Reading, Records, policy_of
from iamsim.model.policy import PolicyKind

if TYPE_CHECKING:
    from iamsim.diagnostics import Origin


def read_document(value: dict[str, Any], origin: Origin, reading: Reading) -> Records:
    """The policy that `value` states; its kind is read off its elements by `kind_of`."""
    policy = policy_of(reading, value, kind_of(value), origin.source, origin)
    return Records(
        bare_policies=(policy,),
    )


def kind_of(value: Any) -> PolicyKind:
    """The kind of policy that a document without context is: a trust policy iff its statements name principals, no
    resources and `sts:` actions only; else a resource policy iff one names a principal; else an identity policy.
    """
    raw = value.get("Statement", value.get("statement")) if isinstance(value, dict) else None
    statements = [s for s in (raw if isinstance(raw, list) else [raw]) if isinstance(s, dict)]
    if not any("Principal" in s or "NotPrincipal" in s for s in statements):
        return PolicyKind.IDENTITY
    if any("Resource" in s or "NotResource" in s for s in statements):
        return PolicyKind.RESOURCE
    return PolicyKind.TRUST if all(_only_sts(s.get("Action")) for s in statements) else PolicyKind.RESOURCE


def _only_sts(action: Any) -> bool:
    names = action if isinstance(action, list) else [action]
    return bool(names) and all(isinstance(n, str) and n.lower().startswith("sts:") for n in names)

"""All tables of AWS facts in one list, for whoever shows them: `iamsim data status` and the reference in docs/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name, what a row of it says, and the rows, dataclasses with a `source` each."""

    name: str
    says: str
    rows: tuple[Any, ...]

    def columns(self) -> tuple[str, ...]:
        """The names of the fields that differ from their default in some row, `source` last."""
        names = [f.name for f in fields(self.rows[0]) if f.name != "source"]
        return (*(n for n in names if any(_text(getattr(r, n)) for r in self.rows)), "source")

    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The rows as texts, in the order of `columns`."""
        return tuple(tuple(_text(getattr(row, name)) for name in self.columns()) for row in self.rows)


def table_rows() -> tuple[Table, ...]:
    """The tables, in the order in which a decision asks them."""
    from iamsim.aws import issuers, keys, limits, operators, refusals, resource_policies, service_sessions, services

    return (
        Table("Condition operators", "what an operator compares, and how", operators.ROWS),
        Table("Condition keys", "which requests have a key, and who decides its value", keys.ROWS),
        Table("Grants and limits", "what a grant must pass besides", limits.ROWS),
        Table("Calls outside the rule", "who may or may not call what, whatever policies say", services.CALLS),
        Table("Refusals", "what a service refuses, or decides by what no policy says", refusals.REFUSALS),
        Table("Resource policies", "resources that can carry a policy", resource_policies.RESOURCE_POLICIES),
        Table(
            "Requests without resource account",
            "actions whose requests lack `aws:ResourceAccount`",
            resource_policies.RESOURCE_ACCOUNT_EXCEPTIONS,
        ),
        Table("Token issuers", "what the tokens of an issuer look like", issuers.ISSUERS),
        Table("Sessions of services", "what a service passes when it assumes a role", service_sessions.PASSING),
        Table("Sources of services", "for which resources a service assumes roles", service_sessions.SOURCE_TYPES),
        Table("Second layers", "services that authorize beside IAM", services.NOTES),
    )


def _text(value: Any) -> str:
    """A field as text: empty for what is not set."""
    if value is None or value is False or value == ():
        return ""
    if value is True:
        return "yes"
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {_text(v)}" for k, v in value.items())
    if isinstance(value, tuple | list | set | frozenset):
        parts = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return ", ".join(_text(v) for v in parts)
    if is_dataclass(value):
        return ", ".join(t for f in fields(value) if (t := _text(getattr(value, f.name))))
    return str(value)

"""Conditions and reasons of rows: told where they first come, and named by their number after that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iamsim.findings import printable
from iamsim.report.lines import Line, line
from iamsim.report.reasons import explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TEXT = 2000
_CONDITION = 600


@dataclass(slots=True)
class Numbered:
    """The conditions and reasons that were told so far, with their numbers."""

    conditions: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    def known_reasons(self, codes: Iterable[str]) -> list[str]:
        """The numbers of those reasons that were told."""
        return [str(self.reasons[code]) for code in codes if code in self.reasons]

    def tell(self, condition: str, codes: Iterable[str], *, verbose: bool, indent: int) -> Iterator[Line]:
        """The condition (empty: there is none) and the reasons, those apart that were told; they are numbered here."""
        if condition and condition not in self.conditions:
            self.conditions[condition] = len(self.conditions) + 1
            whole = verbose or len(condition) <= _CONDITION
            shown = condition if whole else condition[:_CONDITION] + " … (-v shows all)"
            yield line(f"condition {len(self.conditions)}: {shown}", indent=indent)
        for code in codes:
            if code not in self.reasons:
                self.reasons[code] = len(self.reasons) + 1
                sentence = printable(explain(code).sentence, _TEXT)
                yield line(f"reason {self.reasons[code]}, why it is not known: {sentence}", indent=indent)

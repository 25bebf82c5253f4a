"""Origins and diagnostics: where something was read, and what is to be said about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How grave a diagnostic is: an error means that something could not be read or is malformed."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in an input: the file as the user named it and a JSON pointer (RFC 6901) in it."""

    source: str
    pointer: str = ""

    def child(self, *parts: object) -> Origin:
        """The place below this one reached by `parts`, which are member names or indices."""
        pointer = self.pointer
        for part in parts:
            text = str(part)
            if "/" in text or "~" in text:
                text = text.replace("~", "~0").replace("/", "~1")
            pointer = f"{pointer}/{text}"
        return Origin(self.source, pointer)

    def __str__(self) -> str:
        return f"{self.source}#{self.pointer}" if self.pointer else self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One remark about an input. `id` is a row of findings.py; `span` is (line, column), 1-based, where known."""

    id: str
    message: str
    origin: Origin = field(compare=False)
    severity: Severity = Severity.ERROR
    span: tuple[int, int] | None = None
    help: str = ""

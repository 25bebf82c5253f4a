"""The exceptions of iamsim. Users see all but InternalError as one clear message; that one is a bug of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iamsim.diagnostics import Diagnostic


class IamsimError(Exception):
    """The base of every error that iamsim raises on purpose."""


class InputError(IamsimError):
    """An input that cannot be used; `diagnostics` name file, place and remedy."""

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...] = (), help: str = "") -> None:  # noqa: A002
        super().__init__(message)
        self.diagnostics = diagnostics
        self.help = help


class QueryError(IamsimError):
    """A question that cannot be asked; `help` says what would."""

    def __init__(self, message: str, help: str = "") -> None:  # noqa: A002
        super().__init__(message)
        self.help = help


class WorkerError(IamsimError):
    """Workers that cannot do their work, or were lost; `help` says what to do."""

    def __init__(self, message: str, help: str = "") -> None:  # noqa: A002
        super().__init__(message)
        self.help = help


class InternalError(IamsimError):
    """A broken promise of iamsim, such as two engines that disagree; `problem` holds what is needed to repeat it."""

    def __init__(self, message: str, problem: object = None) -> None:
        super().__init__(message)
        self.problem = problem

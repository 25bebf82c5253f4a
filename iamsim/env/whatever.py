"""Policies that say whatever whoever writes them likes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.services import PASSED_TO
from iamsim.diagnostics import Origin
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from iamsim.model.policy import Policy

_WHATEVER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_ANYONE = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": who, "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}
        for who in ("*", {"Service": [f"{s}.amazonaws.com" for s in PASSED_TO]})
    ],
}  # fmt: skip


@lru_cache(maxsize=4096)
def whatever(kind: PolicyKind, name: str) -> Policy:
    """The policy that allows everything, as whoever writes a policy may write it."""
    return replace(_read(kind), name=name, origin=Origin(f"<{name}>"))


@lru_cache(maxsize=16)
def _read(kind: PolicyKind) -> Policy:
    document = _ANYONE if kind is PolicyKind.TRUST else _WHATEVER
    return read_policy(document, kind, "", Origin("<>"))[0]

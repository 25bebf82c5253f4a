"""Federated users that a user may become: under each name for which some policy asks."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.candidates import allowed_patterns, texts_of
from iamsim.graph.policies import every_policy
from iamsim.graph.tag_values import meeting
from iamsim.graph.world import Node
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.policy import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment

_KEYS = ("aws:principalarn", "aws:principaltype", "aws:userid", "aws:username")
_KIND = ":federated-user/"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=,.@-"
_SIZES = range(2, 33)
"""The length of a name. Source: AWS STS API Reference, "GetFederationToken", Name."""

MOST = 60
"""Names that are tried for the federated users of one user."""


def told_apart(env: Environment) -> bool:
    """Whether some policy tells federated users from the users that they are of."""
    return bool(texts_of(env, _KEYS)) or bool(_entries(env))


def federated(env: Environment, node: Node) -> Iterator[Node]:
    """The federated users of the user `node`: with its tags, and with session policies that allow everything.

    Source: AWS STS API Reference, "GetFederationToken".
    """
    caller = node.caller
    for name in _names(env, node):
        arn = f"arn:{caller.partition}:sts::{caller.account}{_KIND}{name}"
        yield Node(
            f"{arn}#{caller.arn}",
            Caller(
                kind=CallerKind.FEDERATED_USER, arn=arn, account=caller.account, partition=caller.partition, name=name,
                parent=caller.arn, tags=caller.tags, tags_known=caller.tags_known, bounded=caller.bounded,
            ),
            made=False,
        )  # fmt: skip


def _names(env: Environment, node: Node) -> Iterator[str]:
    texts = texts_of(env, ("aws:principalarn", "aws:userid"))
    read = {t.rpartition("/")[2] for t in (*_entries(env), *texts.get("aws:principalarn", ())) if _KIND in t}
    read |= {t.rpartition(":")[2] for t in texts.get("aws:userid", ()) if ":" in t}
    asked = {t.rpartition("/")[2] if _KIND in t else "*" for t in allowed_patterns(env, node)}
    found = dict.fromkeys(("iamsim", *meeting({t for t in read if "${" not in t}, asked, _LETTERS)))
    yield from islice((n for n in found if len(n) in _SIZES), MOST)


def _entries(env: Environment) -> tuple[str, ...]:
    """The federated users that policies name as principals."""
    return once(env.memo, "federated-entries", lambda: tuple(sorted(_found(env))))


def _found(env: Environment) -> Iterator[str]:
    for policy in every_policy(env):
        for s in policy.statements:
            for e in s.principal.entries if s.principal is not None else ():
                if not isinstance(e, Malformed) and _KIND in e.value:
                    yield e.value

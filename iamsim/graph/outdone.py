"""Which gains make others needless: one may give all that another of its kind gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.changes import Change, Kind
from iamsim.graph.candidates import ADMINISTRATOR, is_picky
from iamsim.graph.world import Node, name_before, name_made, reads_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.graph.outcomes import Gain


def subject(gains: tuple[Gain, ...]) -> object:
    """What tells gains apart of which one may give all that the others give: by whom they are about; None for other gains."""
    last = gains[-1]
    if isinstance(last, Change) and last.kind in (Kind.DISABLED, Kind.LIFTED):
        rcp = last.what == "rcp" or "/resource_control_policy/" in last.what
        return (Kind.DISABLED, "rcp" if rcp else "scp")
    if not isinstance(last, Change) or last.kind not in (Kind.CREATED, Kind.GAINS, Kind.BOUNDARY, Kind.MOVED):
        return None
    return (last.kind, last.who)


def _parts(gains: tuple[Gain, ...]) -> tuple[object, object] | None:
    """What the user or role that is created is bound by, and what it has besides; None for other gains."""
    last = gains[-1]
    if not isinstance(last, Change) or last.kind is not Kind.CREATED or ":policy/" in last.who:
        return None
    if name_before(last) not in ("", last.who):
        return None
    boundary, _, rest = last.what.partition(",")
    return (last.who, "boundary", boundary), (last.who, "besides", rest)


def beaten(gains: tuple[Gain, ...], have: set[object]) -> bool:
    """Whether the same can be had without a boundary, or under the same boundary with a policy of choice."""
    parts = _parts(gains)
    return parts is not None and not have.isdisjoint(parts)


def beats(gains: tuple[Gain, ...]) -> Iterator[object]:
    """What `beaten` looks for, once this is had."""
    parts, last = _parts(gains), gains[-1]
    if parts is not None and isinstance(last, Change):
        boundary, policy, group, *_ = (*last.what.split(","), "", "", "")
        yield from (parts[1],) if not boundary else ()
        yield from (parts[0],) if not policy and not group else ()


def as_made(gain: Gain, changes: frozenset[Change]) -> Gain:
    """The gain; of a principal that one of `changes` creates it is that which this makes of it."""
    arn = gain.caller.arn if isinstance(gain, Node) else None
    made = next((c for c in changes if c.kind is Kind.CREATED and c.who == arn), None) if changes and arn else None
    if made is None or not isinstance(gain, Node) or not gain.name.startswith(made.who) or "," in gain.name:
        return gain
    return replace(gain, name=name_made(made) + gain.name.removeprefix(made.who))


def told_apart(env: Environment, gain: Gain) -> bool:
    """Whether policies ask which boundary there is, or where an account stands, so that one that allows less may be needed."""
    if not isinstance(gain, Change):
        return False
    return (gain.kind is Kind.BOUNDARY and is_picky(env)) or (gain.kind is Kind.MOVED and reads_paths(env))


def fully(change: object) -> bool:
    """True iff the change gives more than any other of its kind could: everything, without a boundary."""
    if not isinstance(change, Change):
        return False
    if change.kind is Kind.MOVED:
        return change.what.startswith("r-")  # only what binds every account binds one directly below the root
    if change.kind is Kind.DISABLED:
        return True  # no policy of the type is left
    if change.kind in (Kind.GAINS, Kind.BOUNDARY):
        return not change.what or change.what.endswith(":iam::aws:" + ADMINISTRATOR)
    return change.kind is Kind.CREATED and (not change.what.strip(",") or change.what == f",,,{change.who}")

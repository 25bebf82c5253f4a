"""What a question says of techniques: facts to assume or to rule out, and a file of the user's own."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iamsim.aws.escalation_files import with_file
from iamsim.aws.escalations import Catalogue, catalogue
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.graph.outcomes import SECOND_FACTOR
from iamsim.graph.world import Ruling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from iamsim.aws.escalations import Precondition
    from iamsim.diagnostics import Diagnostic
    from iamsim.env.types import Environment


def catalogue_of(file: str | None) -> tuple[Catalogue, tuple[Diagnostic, ...]]:
    """The bundled catalogue, with the techniques of the file added or replaced, and what was wrong in the file."""
    if file is None:
        return catalogue(), ()
    try:
        at = Path(file).stat()
    except (OSError, ValueError):
        return with_file(catalogue(), file)
    return _read(file, at.st_mtime_ns, at.st_size)


@lru_cache(maxsize=1)
def no_techniques() -> Catalogue:
    """The catalogue for role assumption alone, made once."""
    empty: Mapping[str, Any] = MappingProxyType({})
    return Catalogue(empty, empty, empty)


@lru_cache(maxsize=8)
def _read(file: str, time: int, size: int) -> tuple[Catalogue, tuple[Diagnostic, ...]]:
    """The catalogue with the file as it is now: one object for one state, as what is worked out with it is kept."""
    del time, size
    return with_file(catalogue(), file)


OFTEN_TOLD = frozenset({"caller-in", "instance-profile", "policy-version-slot-free", "provider-gone"})
"""Facts that are read from the input, and that it may leave open."""


def fact_names(every: Catalogue) -> tuple[str, ...]:
    """The names of facts that may be assumed or ruled out: those that no input shows, and those of `OFTEN_TOLD`."""
    found = {c.fact for c in _preconditions(every) if c.assumed}
    return tuple(sorted(found | OFTEN_TOLD | {SECOND_FACTOR}))


def _preconditions(every: Catalogue) -> Iterator[Precondition]:
    techniques = (*every.techniques.values(), *every.primitives.values())
    return (c for t in techniques for v in t.variants for c in v.preconditions)


def read_ruling(env: Environment, every: Catalogue, assume: Sequence[str], rule_out: Sequence[str]) -> Ruling:
    """What the user says of facts, each with ARNs or types of resources for the subjects that were named.

    Raises QueryError for a fact that the catalogue does not have or that the input tells, for a subject that is not in the
    snapshot, and for what is both assumed and ruled out.
    """
    if not assume and not rule_out:
        return Ruling()
    assumed, ruled_out = (frozenset(r for t in said for r in _read_fact(env, every, t)) for said in (assume, rule_out))
    both = sorted(assumed & ruled_out)
    if both:
        raise QueryError(f"`{printable(both[0])}` is both assumed and ruled out", "say one of the two")
    return Ruling(assumed, ruled_out)


def _read_fact(env: Environment, every: Catalogue, text: str) -> Iterator[str]:
    """A fact that was said, once for each subject that it may mean."""
    fact, colon, subject = text.partition(":")
    known = fact_names(every)
    if fact not in known:
        if any(c.fact == fact for c in _preconditions(every)):
            remedy = "change the input instead; facts are " + ", ".join(known)
            raise QueryError(f"`{fact}` is told by the input, so it cannot be assumed or ruled out", remedy)
        near = get_close_matches(fact, known, n=1)
        remedy = f"did you mean `{near[0]}`?" if near else "facts are " + ", ".join(known)
        raise QueryError(f"`{printable(text)}` is no fact of the catalogue", remedy)
    if not colon:
        yield fact
    else:
        yield from (f"{fact}:{s}" for s in _subjects(env, every, subject, text))


def _subjects(env: Environment, every: Catalogue, subject: str, text: str) -> tuple[str, ...]:
    """What the subject of a fact means: what of the snapshot has that ARN or short name, or a type of resource."""
    if subject in every.resource_types:
        return (subject,)
    loaded = (*env.principals, *env.groups, *env.managed_policies, *env.providers, *env.resources)
    found = tuple(a for a in loaded if subject in _spoken(a))
    fields = subject.split(":")
    if not found and subject.startswith("arn:") and len(fields) > _ACCOUNT and fields[_ACCOUNT] not in env.accounts:
        return (subject,)  # of an account that no input tells about
    if not found:
        short = (n for a in (*env.principals, *env.groups) for n in _spoken(a) if n and not n.startswith("arn:"))
        near = get_close_matches(subject, [*short, *every.resource_types], n=1)
        about = (
            "a subject is an ARN, user/NAME, role/NAME, ACCOUNT:role/NAME or a type of resource such as ec2-instance"
        )
        remedy = f"did you mean `{near[0]}`?" if near else about
        raise QueryError(f"nothing that is loaded is the subject of `{printable(text)}`", remedy)
    return found


_ACCOUNT = 4


def _spoken(arn: str) -> tuple[str, ...]:
    """The ARN, and in which short forms people name it: with or without its account and its path."""
    fields = arn.split(":", 5)
    if len(fields) <= _ACCOUNT + 1:
        return (arn,)
    account, name = fields[_ACCOUNT], fields[_ACCOUNT + 1]
    kind, slash, path = name.partition("/")
    forms = (name, f"{kind}{slash}{path.rpartition('/')[2]}")
    return (arn, *forms, *(f"{account}:{n}" for n in forms))

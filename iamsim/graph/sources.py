"""For which resource a service obtains a role: the values that `aws:SourceArn` may have in its call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iamsim.aws.service_sessions import source_types
from iamsim.env.memo import once
from iamsim.ir.lower import RESOURCE
from iamsim.ir.term import Like, Present, Term, all_of, implies, not_, subterms
from iamsim.model.pattern import Literal, Pattern, Star, Variable, tokenize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.aws.escalations import Call, Precondition
    from iamsim.aws.service_sessions import SourceType
    from iamsim.graph.world import Search

MADE_UP = 6
"""So many characters of an identifier that a service makes up are not met by trying."""

_ANY = "*"


def filled(template: str, partition: str, account: str) -> str:
    """An ARN template of the catalogue with `*` for what is not given."""
    out = template.replace("${Partition}", partition).replace("${Account}", account)
    while "${" in out:
        head, _, rest = out.partition("${")
        out = head + "*" + rest.partition("}")[2]
    return out


def values_in(template: str, arn: str) -> dict[str, str] | None:
    """What the variables of an ARN template of the catalogue stand for in `arn`; None if it does not fit."""
    parts = re.split(r"\$\{(\w+)\}", template)
    shape = "".join(f"(?P<{p}>.*?)" if n % 2 else re.escape(p) for n, p in enumerate(parts))
    found = re.fullmatch(shape, arn, re.DOTALL)
    return None if found is None else found.groupdict()


def ways_of(search: Search, condition: Precondition) -> tuple[tuple[Call, ...], ...]:
    """The calls of each variant of a technique that demands `condition`."""

    def made() -> tuple[tuple[Call, ...], ...]:
        techniques = (*search.catalogue.techniques.values(), *search.catalogue.primitives.values())
        return tuple(v.calls for t in techniques for v in t.variants if condition in v.preconditions)

    return once(search.env.memo, ("ways-of", id(search.catalogue), condition), made)


def source_term(
    search: Search, condition: Precondition, bound: Mapping[str, str], ways: tuple[tuple[Call, ...], ...],
    place: tuple[str, str], trust: Term, var: str,
) -> Term:  # fmt: skip
    """What `aws:SourceArn`, the variable `var`, is in the call of the service, where the trust policy demands `trust`.

    It is an ARN of the account of `place` (partition and account). If the technique works with one resource that exists, it
    is that one; if in all `ways` with a new one whose identifier AWS makes up, no policy names it.
    Source: IAM User Guide, "The confused deputy problem"; Service Authorization Reference, resource types.
    """
    partition, account = place
    types = source_types(condition.get("service"))
    only = [t for t in types if t.only]
    templates = [filled(search.catalogue.resource_types[t.name], partition, account) for t in only]
    shape = templates[0] if templates else f"arn:*:*:*:{account}:*"
    parts: list[Term] = [_like(var, shape)]
    held = condition.get("source_arn")
    if held:
        kind = held.partition("-")[2]
        template = search.catalogue.resource_types.get(kind)
        parts += [] if template is None else [_like(var, filled(template, partition, account))]
        parts.append(Like(var, _itself(bound.get(held, held))))
    else:
        new = [t for t in types if t.only or all(_creates(t, calls) for calls in ways)]
        named = {t.pattern: t for t in subterms(trust) if isinstance(t, Like) and t.var == var}
        parts += [not_(atom) for pattern, atom in named.items() if any(_pins(pattern, t) for t in new)]
    whole = all_of(parts)
    return all_of((Present(var), whole)) if only else implies(Present(var), whole)


def _like(var: str, glob: str) -> Term:
    return Like(var, tokenize(glob, variables=False))


def _itself(name: str) -> Pattern:
    """The ARN of a resource of the technique: fixed, or the same as in its calls."""
    if not name.startswith("$"):
        return tokenize(name, wildcards=False, variables=False)
    return Pattern(name, (Variable(f"{name}|{RESOURCE}"),))


def _creates(kind: SourceType, calls: tuple[Call, ...]) -> bool:
    return any(r == f"$new-{kind.name}" for c in calls for r in c.resources)


def _pins(pattern: Pattern, kind: SourceType) -> bool:
    """Whether a pattern states more of the identifier of a resource of the type than can be met by chance."""
    text = "".join(p.text if isinstance(p, Literal) else _ANY if isinstance(p, Star) else "?" for p in pattern.parts)
    fields = text.split(":", 5)
    parts = fields[-1].split("/")
    if len(parts) > kind.place and parts[0] != kind.head and _ANY not in parts[0]:
        return False
    part = parts[kind.place] if len(parts) > kind.place else parts[-1]
    if kind.suffix:
        part = part.rpartition("-")[2]
    return len([c for c in part if c not in "*?-"]) >= MADE_UP

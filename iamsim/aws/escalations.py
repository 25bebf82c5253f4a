"""The catalogue of escalation techniques: which calls give which further permissions, and what must hold for that.

Data, with a source for each technique; the closure treats all entries alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iamsim.aws.data_files import ESCALATIONS, damaged, own_file
from iamsim.aws.escalation_checks import Names, check_entry, check_type, texts
from iamsim.aws.escalation_shapes import unknown_member
from iamsim.diagnostics import Diagnostic, Origin
from iamsim.findings import diagnostic, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILE = "data/escalations.json"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a technique: it is authorized on each of `resources` (targets such as `$self`, or `*`).

    `context` are the condition keys that the technique fixes: the key in lower case and its value or a `$name`; an empty
    value says that the request does not have the key.
    """

    action: str
    resources: tuple[str, ...]
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold in the environment. `assumed` iff no input shows it, so that "ever" takes it to hold and says so."""

    fact: str
    fields: tuple[tuple[str, tuple[str, ...]], ...]
    assumed: bool

    def get(self, name: str, default: str = "") -> str:
        """The first value of the field, or `default` iff there is none."""
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of the field; empty iff there is none."""
        return _field(self.fields, name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is gained: session, console, api-any, api-write, provision or, with the actions, only."""

    type: str
    fields: tuple[tuple[str, tuple[str, ...]], ...]
    reach: str = "session"
    only: tuple[str, ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """The first value of the field, or `default` iff there is none."""
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of the field; empty iff there is none."""
        return _field(self.fields, name)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to do it: the entry itself (`when` is empty), or one of its alternatives applied to it.

    `actions` are the actions of its calls, in lower case; `asked` the names that its preconditions are about.
    """

    when: str
    calls: tuple[Call, ...]
    preconditions: tuple[Precondition, ...]
    actions: frozenset[str] = field(init=False, repr=False, compare=False)
    asked: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", frozenset(c.action.lower() for c in self.calls))
        asked = (v for p in self.preconditions for _, values in p.fields for v in values if v.startswith("$"))
        object.__setattr__(self, "asked", tuple(dict.fromkeys(asked)))


@dataclass(frozen=True, slots=True)
class Technique:
    """One entry of the catalogue; its first variant is the entry itself.

    `passed_to` is the service principal of `iam:PassedToService` in the `iam:PassRole` calls on `$target-role`.
    `limits` are pairs (`on_the_calls` or `on_the_result`, names): the entry's own, or those of its kind.
    """

    id: str
    title: str
    kind: str
    variants: tuple[Variant, ...]
    outcome: Outcome
    passed_to: str | None
    composed_of: tuple[str, ...]
    helpful: tuple[str, ...]
    condition_keys: tuple[str, ...]
    limits: tuple[tuple[str, tuple[str, ...]], ...]
    assumes: tuple[str, ...]
    gaad_alone: str
    also_needs: tuple[str, ...]
    confidence: str
    sources: tuple[str, ...]
    note: str
    primitive: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Techniques and primitives by id in file order, and the templates of the resource types that they name."""

    techniques: Mapping[str, Technique]
    primitives: Mapping[str, Technique]
    resource_types: Mapping[str, str]
    not_enough_alone: tuple[tuple[str, str], ...] = ()
    leads: tuple[tuple[str, str], ...] = ()
    retired: tuple[tuple[str, str], ...] = ()

    def entry(self, id_: str) -> Technique:
        """The technique or primitive of this id. Raises KeyError if there is none."""
        found = self.techniques.get(id_)
        return found if found is not None else self.primitives[id_]


def _field(fields: tuple[tuple[str, tuple[str, ...]], ...], name: str) -> tuple[str, ...]:
    return next((values for field, values in fields if field == name), ())


# --- entries that passed the checks


def _calls(values: list[dict[str, Any]]) -> tuple[Call, ...]:
    return tuple(
        Call(
            action=value["action"],
            resources=texts(value["resource"]),
            context=tuple((key.lower(), text) for key, text in value.get("context", {}).items()),
        )
        for value in values
    )


def _fields(value: dict[str, Any], *own: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((name, texts(item)) for name, item in value.items() if name not in own)


def _preconditions(values: list[dict[str, Any]]) -> tuple[Precondition, ...]:
    return tuple(
        Precondition(v["fact"], _fields(v, "fact", "offline"), assumed=v.get("offline") == "assumed") for v in values
    )


def _outcome(value: dict[str, Any]) -> Outcome:
    fields = _fields(value, "type", "reach")
    match value.get("reach", "session"):
        case {"only": actions}:
            return Outcome(value["type"], fields, "only", tuple(actions))
        case reach:
            return Outcome(value["type"], fields, reach)


def _variants(entry: dict[str, Any]) -> Iterator[Variant]:
    base = Variant("", _calls(entry["requires"]), _preconditions(entry.get("preconditions", [])))
    yield base
    for value in entry.get("alternatives", ()):
        calls = tuple(c for c in base.calls if c.action not in value.get("replaces", ()))
        kept = tuple(p for p in base.preconditions if p.fact not in value.get("drops", ()))
        yield Variant(
            when=value["when"],
            calls=calls + _calls(value.get("adds", [])),
            preconditions=kept + _preconditions(value.get("preconditions", [])),
        )


def _technique(entry: dict[str, Any], *, primitive: bool) -> Technique:
    offline = entry.get("offline", {})
    limits = {**_bundled()["default_limits"][entry["kind"]], **entry.get("limits", {})}
    return Technique(
        id=entry["id"],
        title=entry["title"],
        kind=entry["kind"],
        variants=tuple(_variants(entry)),
        outcome=_outcome(entry["outcome"]),
        passed_to=entry.get("passed_to"),
        composed_of=tuple(entry.get("composed_of", ())),
        helpful=tuple(entry.get("helpful", ())),
        condition_keys=tuple(entry.get("condition_keys", ())),
        limits=tuple((where, tuple(names)) for where, names in limits.items()),
        assumes=tuple(offline.get("assumes", ())),
        gaad_alone=offline.get("gaad_alone", "yes"),
        also_needs=tuple(offline.get("also_needs", ())),
        confidence=entry.get("confidence", "documented"),
        sources=tuple(entry["sources"]),
        note=entry.get("note", ""),
        primitive=primitive,
    )


# --- the bundled catalogue


@lru_cache(maxsize=1)
def _bundled() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(resources.files("iamsim.aws").joinpath(_FILE).read_text(encoding="utf-8"))
    return value


@lru_cache(maxsize=1)
def _used() -> dict[str, Any]:
    """The bundled file, or the one that the user installed."""
    own = own_file(ESCALATIONS)
    if own is None:
        return _bundled()
    try:
        value: dict[str, Any] = json.loads(own.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(own) from error
    return value


def catalogue_date() -> str:
    """The date (`YYYY-MM-DD`) of the catalogue."""
    return str(_used()["date"])


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The catalogue in use, made once. Its entries are checked by the tests or when they are installed, not here."""
    value = _used()
    return Catalogue(
        techniques=_by_id([_technique(e, primitive=False) for e in value["techniques"]]),
        primitives=_by_id([_technique(e, primitive=True) for e in value["primitives"]]),
        resource_types=MappingProxyType(value["resource_types"]),
        not_enough_alone=_remarks(value["not_enough_alone"]),
        leads=_remarks(value["leads"]),
        retired=_remarks(value["retired"]),
    )


def _by_id(techniques: list[Technique]) -> Mapping[str, Technique]:
    return MappingProxyType({t.id: t for t in techniques})


def _remarks(values: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((", ".join(texts(v.get("what") or v["actions"])), v["why"]) for v in values)


# --- other catalogues

_MEMBERS = ("format", "techniques", "primitives", "resource_types")
_BUNDLED_ONLY = ("date", "vocabulary", "default_limits", "not_enough_alone", "leads", "retired")


def read_catalogue(value: Any, source: str, base: Catalogue | None = None) -> tuple[Catalogue, tuple[Diagnostic, ...]]:
    """`base` with the entries of a decoded file added, or replaced where they have its ids; and the mistakes found.

    An entry with a mistake is left out, the others are used. Without `base` the catalogue holds the file's entries only.
    """
    base = base or Catalogue(MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))
    at = Origin(source)
    if not isinstance(value, dict):
        help_ = "write `techniques:` with a list of techniques"
        return base, (diagnostic("technique-shape", at, "a file of techniques is an object", help=help_),)
    found: list[Diagnostic] = [
        unknown_member(name, item, _MEMBERS, at)
        for name, item in value.items()
        if name not in _MEMBERS and not (name in _BUNDLED_ONLY and not base.techniques)
    ]
    if str(value.get("format", 1)) != "1":
        message = f"unknown format `{printable(str(value['format']))}`"
        found.append(diagnostic("technique-shape", at.child("format"), message, help="write `format: 1`"))
    types = {**base.resource_types, **_own_types(value.get("resource_types", {}), at.child("resource_types"), found)}
    sections = [(name, _section(value, name, at, found)) for name in ("techniques", "primitives")]
    ids = {e["id"] for _, es in sections for e in es if isinstance(e, dict) and isinstance(e.get("id"), str)}
    every = {**_bundled()["resource_types"], **types}
    names = Names(_bundled()["vocabulary"], every, frozenset(ids.union(base.techniques, base.primitives)))
    made: dict[str, dict[str, Technique]] = {}
    for name, es in sections:
        taken = {*base.primitives} if name == "techniques" else {*base.techniques, *made["techniques"]}
        made[name] = _entries(es, name, at.child(name), names, taken, found)
    merged = replace(
        base,
        techniques=MappingProxyType({**base.techniques, **made["techniques"]}),
        primitives=MappingProxyType({**base.primitives, **made["primitives"]}),
        resource_types=MappingProxyType(types),
    )
    return merged, tuple(found)


def _section(value: dict[str, Any], name: str, at: Origin, found: list[Diagnostic]) -> list[Any]:
    section = value.get(name, [])
    if isinstance(section, list):
        return section
    found.append(diagnostic("technique-shape", at.child(name), f"`{name}` is no list", help="write a list of entries"))
    return []


def _own_types(value: Any, at: Origin, found: list[Diagnostic]) -> dict[str, str]:
    """The resource types of a file without those that have a mistake."""
    if not isinstance(value, dict):
        found.append(diagnostic("technique-shape", at, "`resource_types` is no object"))
        return {}
    out = {}
    for name, template in value.items():
        wrong = tuple(check_type(name, template, at.child(name)))
        found.extend(wrong)
        if not wrong:
            out[name] = template
    return out


def _entries(
    entries: list[Any], section: str, at: Origin, names: Names, taken: set[str], found: list[Diagnostic]
) -> dict[str, Technique]:
    """The entries of a section by id without those that have a mistake or an id that is taken."""
    out = {}
    for i, entry in enumerate(entries):
        wrong = tuple(check_entry(entry, at.child(i), names))
        found.extend(wrong)
        if wrong:
            continue
        id_ = entry["id"]
        if id_ in taken:
            found.append(diagnostic("technique-duplicate", at.child(i, "id"), f"`{id_}` occurs twice"))
            continue
        taken.add(id_)
        out[id_] = _technique(entry, primitive=section == "primitives")
    return out

"""Whether the names in a catalogue of escalation techniques mean anything: actions, targets, facts, outcomes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import action_info, expand, fits, known_key, lists_key, nearest
from iamsim.aws.escalation_shapes import shape_mistakes, unknown_name
from iamsim.findings import diagnostic, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from iamsim.diagnostics import Diagnostic, Origin


@dataclass(frozen=True, slots=True)
class Names:
    """The names that an entry may use: the bundled vocabulary, resource types with their templates, ids of entries."""

    vocabulary: Mapping[str, Any]
    resource_types: Mapping[str, str]
    ids: frozenset[str]


def _known(name: str, known: Iterable[str], what: str, at: Origin) -> Iterator[Diagnostic]:
    names = tuple(known)
    if name not in names:
        yield unknown_name("technique-unknown", what, name, names, at)


# --- entries

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com")


def check_entry(entry: Any, at: Origin, names: Names) -> Iterator[Diagnostic]:
    """The mistakes of one technique or primitive, in any JSON value; none iff it can be used."""
    shaped = tuple(shape_mistakes(entry, at))
    yield from shaped or _names(entry, at, names)


def _names(entry: dict[str, Any], at: Origin, names: Names) -> Iterator[Diagnostic]:
    vocabulary = names.vocabulary
    if not _ID.fullmatch(entry["id"]) or len(entry["id"]) > 80:
        message = f"`{printable(entry['id'])}` is no id"
        yield diagnostic(
            "technique-shape", at.child("id"), message, help="use lower-case words with hyphens, such as `ec2-run`"
        )
    yield from _known(entry["kind"], vocabulary["kinds"], "kind", at.child("kind"))
    for i, call in enumerate(entry["requires"]):
        yield from _call(call, at.child("requires", i), names)
    for i, condition in enumerate(entry.get("preconditions", ())):
        yield from _precondition(condition, at.child("preconditions", i), names)
    for i, alternative in enumerate(entry.get("alternatives", ())):
        yield from _alternative(alternative, entry, at.child("alternatives", i), names)
    if not entry["requires"] and not entry.get("preconditions"):
        help_ = "add the calls, or what must hold"
        yield diagnostic("technique-missing", at, "neither a call nor a precondition", help=help_)
    yield from _outcome(entry, at.child("outcome"), names)
    if "passed_to" in entry:
        yield from _service(entry["passed_to"], at.child("passed_to"))
    for i, action in enumerate(entry.get("helpful", ())):
        yield from _action(action, at.child("helpful", i))
    for i, name in enumerate(entry.get("composed_of", ())):
        yield from _known(name, names.ids, "technique", at.child("composed_of", i))
    for where, limits in entry.get("limits", {}).items():
        for i, name in enumerate(limits):
            yield from _known(name, vocabulary["limits"], "limit", at.child("limits", where, i))
    if "confidence" in entry:
        yield from _known(entry["confidence"], vocabulary["confidence"], "confidence", at.child("confidence"))
    offline = entry.get("offline", {})
    if "gaad_alone" in offline:
        yield from _known(offline["gaad_alone"], vocabulary["gaad_alone"], "value", at.child("offline", "gaad_alone"))


def _action(action: str, at: Origin) -> Iterator[Diagnostic]:
    info = action_info(action)
    if info is None:
        yield unknown_name("technique-unknown", "action", action, (), at, near=nearest(action))
    elif info.name != action:
        message = f"`{printable(action)}` is not AWS's spelling"
        yield diagnostic("technique-unknown", at, message, help=f"write `{info.name}`")


def _call(call: dict[str, Any], at: Origin, names: Names) -> Iterator[Diagnostic]:
    action = call["action"]
    wrong = tuple(_action(action, at.child("action")))
    yield from wrong
    where = at.child("resource")
    if isinstance(call["resource"], bool):
        yield diagnostic("technique-shape", where, "true or false where a text or a list of texts belongs")
        return
    for name in texts(call["resource"]):
        unknown = tuple(_target(name, where, names)) if name != "*" else ()
        yield from unknown
        if not wrong and not unknown:
            yield from _resource(action, name, where, names)
    for key, value in call.get("context", {}).items():
        if not wrong and not lists_key(action, key) and known_key(key, action) is None:
            yield diagnostic("technique-unknown", at.child("context", key), f"unknown condition key `{printable(key)}`")
        if value.startswith("$"):
            yield from _target(value, at.child("context", key), names)


def _target(name: str, at: Origin, names: Names) -> Iterator[Diagnostic]:
    """What is wrong with a name such as `$self` or `$new-lambda-function`."""
    targets, prefixes = names.vocabulary["targets"], names.vocabulary["target_prefixes"]
    if name in targets:
        return
    prefix = next((p for p in prefixes if name.startswith(p)), None)
    if prefix is not None:
        yield from _known(name.removeprefix(prefix), names.resource_types, "resource type", at)
    elif name.startswith("$"):
        yield unknown_name("technique-unknown", "target", name, targets, at)
    else:
        help_ = "write `*` or a target such as `$self` or `$any-s3-bucket`"
        yield diagnostic("technique-unknown", at, f"`{printable(name)}` is no target", help=help_)


def _types(name: str, names: Names) -> tuple[str, ...]:
    """The resource types that a known target stands for."""
    if name in names.vocabulary["targets"]:
        return tuple(names.vocabulary["targets"][name].get("types", ()))
    return (name.removeprefix(next(p for p in names.vocabulary["target_prefixes"] if name.startswith(p))),)


_OPEN = ":${Resource}"


def _resource(action: str, name: str, at: Origin, names: Names) -> Iterator[Diagnostic]:
    """What is wrong with a known action on a known target.

    Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS services".
    """
    info = action_info(action)
    assert info is not None
    if info.wildcard_only:
        if name != "*":
            message = f"`{action}` has no resource types, so `{printable(name)}` is never its resource"
            yield diagnostic("technique-resource", at, message, help="write `*`")
        return
    kinds = ", ".join(use.name for use in info.resource_types)
    help_ = f"its resource types in AWS's reference: {kinds}"
    if name == "*":
        yield diagnostic(
            "technique-resource", at, f"`{action}` has resource types and is not evaluated on `*`", help=help_
        )
        return
    templates = [t for kind in _types(name, names) for t in names.resource_types[kind].split()]
    # a type that leaves the whole last field of ARNs open is any resource of the service that the action takes
    if all(t.split(":", 2)[2].startswith(f"{action.partition(':')[0]}:") and t.endswith(_OPEN) for t in templates):
        return
    if not any(fits(action, re.sub(r"\$\{[^}]*\}", "x", t)) for t in templates):
        message = f"`{printable(name)}` is no resource of `{action}`"
        yield diagnostic("technique-resource", at, message, help=help_)


def _service(name: str, at: Origin) -> Iterator[Diagnostic]:
    if not _SERVICE.fullmatch(name):
        help_ = "write it as `lambda.amazonaws.com`"
        yield diagnostic("technique-unknown", at, f"`{printable(name)}` is no service principal", help=help_)


def _fields(
    value: dict[str, Any], row: Mapping[str, Any], own: frozenset[str], at: Origin, names: Names
) -> Iterator[Diagnostic]:
    """What is wrong with the fields of a precondition or an outcome, given its row of the vocabulary."""
    fields = row.get("fields", ())
    for name in fields:
        if name not in value:
            yield diagnostic("technique-missing", at, f"`{name}` is missing", help=f"add `{name}`")
    for name, item in value.items():
        if name in own:
            continue
        if name not in fields and name not in row.get("optional", ()):
            yield unknown_name(
                "technique-member", "member", name, (*fields, *row.get("optional", ()), *own), at.child(name)
            )
            continue
        for text in texts(item):
            if text.startswith("$"):
                yield from _target(text, at.child(name), names)
            elif name in row.get("values", {}):
                yield from _known(text, row["values"][name], "value", at.child(name))
            elif name in {"action", "actions"}:
                yield from _action(text, at.child(name))
            elif name == "service":
                yield from _service(text, at.child(name))


def _precondition(value: dict[str, Any], at: Origin, names: Names) -> Iterator[Diagnostic]:
    facts = names.vocabulary["facts"]
    if value["fact"] not in facts:
        yield from _known(value["fact"], facts, "fact", at.child("fact"))
        return
    yield from _fields(value, facts[value["fact"]], frozenset({"fact", "offline"}), at, names)
    if "offline" in value:
        yield from _known(value["offline"], names.vocabulary["offline"], "value", at.child("offline"))


def _alternative(value: dict[str, Any], entry: dict[str, Any], at: Origin, names: Names) -> Iterator[Diagnostic]:
    actions = {call["action"] for call in entry["requires"]}
    facts = {condition["fact"] for condition in entry.get("preconditions", ())}
    for member, known, what in (("replaces", actions, "call"), ("drops", facts, "precondition")):
        for i, name in enumerate(value.get(member, ())):
            if name not in known:
                yield unknown_name("technique-reference", f"{what} of the entry", name, known, at.child(member, i))
    for i, call in enumerate(value.get("adds", ())):
        yield from _call(call, at.child("adds", i), names)
    for i, condition in enumerate(value.get("preconditions", ())):
        yield from _precondition(condition, at.child("preconditions", i), names)


def _outcome(entry: dict[str, Any], at: Origin, names: Names) -> Iterator[Diagnostic]:
    outcome, outcomes = entry["outcome"], names.vocabulary["outcomes"]
    if outcome["type"] not in outcomes:
        yield from _known(outcome["type"], outcomes, "outcome", at.child("type"))
        return
    row = outcomes[outcome["type"]]
    own = frozenset({"type", "reach"} if "reach" not in row["fields"] else {"type"})
    rest = {name: item for name, item in outcome.items() if name != "reach"}
    yield from _fields(rest, {**row, "fields": [f for f in row["fields"] if f != "reach"]}, own, at, names)
    if "reach" in outcome or "reach" in row["fields"]:
        yield from _reach(outcome, "reach" in (*row["fields"], *row.get("optional", ())), at, names)
    mentioned = _mentioned(entry)
    for name, item in rest.items():
        if name in row.get("free", ()):
            continue
        for text in texts(item):
            if text.startswith("$") and text not in mentioned:
                message = f"`{printable(text)}` is in no call and no precondition"
                yield diagnostic("technique-reference", at.child(name), message)


def _reach(outcome: dict[str, Any], belongs: bool, at: Origin, names: Names) -> Iterator[Diagnostic]:
    match outcome.get("reach"):
        case None:
            yield diagnostic("technique-missing", at, "`reach` is missing", help="add `reach`")
        case _ if not belongs:
            yield unknown_name("technique-member", "member", "reach", (), at.child("reach"))
        case {"only": actions}:
            for i, action in enumerate(actions):
                if "*" not in action or not expand(action):
                    yield from _action(action, at.child("reach", "only", i))
        case "only":
            message = "`only` without the actions"
            yield diagnostic("technique-missing", at.child("reach"), message, help="write `{only: [the actions]}`")
        case reach:
            yield from _known(reach, names.vocabulary["reach"], "reach", at.child("reach"))


def _mentioned(entry: dict[str, Any]) -> set[str]:
    """The `$names` of the calls and preconditions of an entry and its alternatives, and those that need no mention."""
    parts = (entry, *entry.get("alternatives", ()))
    calls = [call for part in parts for call in (*part.get("requires", ()), *part.get("adds", ()))]
    conditions = [condition for part in parts for condition in part.get("preconditions", ())]
    found = {"$self", "$self-account"}
    for call in calls:
        found.update(texts(call["resource"]), call.get("context", {}).values())
    for condition in conditions:
        for item in condition.values():
            found.update(texts(item))
    return found


def texts(value: Any) -> tuple[str, ...]:
    """A field of an entry as texts: a list's items, `true` or `false`, or the text itself."""
    match value:
        case bool():
            return ("true" if value else "false",)
        case list():
            return tuple(value)
        case _:
            return (value,)


# --- the parts of a file besides the entries


_TEMPLATE = r"arn:[^:\s]+:[a-z0-9-]+:[^:\s]*:[^:\s]*:\S+"


def check_type(name: Any, template: Any, at: Origin) -> Iterator[Diagnostic]:
    """The mistakes of a resource type of a file: its name and the template of its ARNs, or several with a blank between."""
    if not isinstance(name, str) or not _ID.fullmatch(name):
        help_ = "use lower-case words with hyphens, such as `s3-bucket`"
        yield diagnostic("technique-shape", at, f"`{printable(str(name))}` is no name of a resource type", help=help_)
    elif not isinstance(template, str) or not re.fullmatch(rf"{_TEMPLATE}(?: {_TEMPLATE})*", template):
        help_ = "write an ARN with variables, such as `arn:${Partition}:s3:::${BucketName}`"
        yield diagnostic("technique-shape", at, f"the template of `{name}` is no ARN", help=help_)

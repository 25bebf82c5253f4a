"""A second, naive evaluator of one concrete check, straight from policy JSON.

It shares no code with the rest and imports the standard library only, so that a mistake is not made twice. Section
numbers in comments refer to `the semantics ledger`.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import itertools
import json
import re
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# --- three values (0.1) -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Truth:
    """`T`, `F` or `U`; a `U` says why."""

    value: str
    why: frozenset[str] = frozenset()


T = Truth("T")
F = Truth("F")


def _unknown(*why: str) -> Truth:
    return Truth("U", frozenset(why))


def _known(*, value: bool) -> Truth:
    return T if value else F


def _not(truth: Truth) -> Truth:
    return F if truth.value == "T" else T if truth.value == "F" else truth


def _all(truths: Iterable[Truth]) -> Truth:
    why: list[frozenset[str]] = []
    for truth in truths:
        if truth.value == "F":
            return F
        if truth.value == "U":
            why.append(truth.why)
    return Truth("U", frozenset().union(*why)) if why else T


def _any(truths: Iterable[Truth]) -> Truth:
    why: list[frozenset[str]] = []
    for truth in truths:
        if truth.value == "T":
            return T
        if truth.value == "U":
            why.append(truth.why)
    return Truth("U", frozenset().union(*why)) if why else F


def _agree(readings: list[Truth], why: Iterable[str]) -> Truth:
    """The common value of all readings, or `U` if they differ."""
    if len({reading.value for reading in readings}) == 1:
        return Truth(readings[0].value, frozenset().union(*(reading.why for reading in readings)))
    return Truth("U", frozenset(why).union(*(reading.why for reading in readings)))


# --- the problem --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class World:
    """Everything a leaf may read."""

    kind: str
    arn: str | None
    parent: str | None
    account: str | None
    unique_id: str | None
    service_names: frozenset[str]
    provider: str | None
    bounded: bool
    action: str
    resource: str
    context: Mapping[str, list[str]]
    multivalued: frozenset[str]
    given: frozenset[str]
    unknown: frozenset[str]
    wavering: tuple[tuple[str, tuple[tuple[str, ...], ...], str], ...]  # key, its possible values, reason
    entities: Mapping[str, str]
    canonical: Mapping[str, str]


FEDERATION = ("web-identity", "saml")


def _text(value: Any) -> str | None:
    """The text of a JSON scalar; `None` for anything that cannot be a value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _world(problem: dict[str, Any]) -> World:
    caller = problem["caller"]
    kind = caller["kind"]
    context = {
        key.lower(): [text for text in map(_text, _listed(values)) if text is not None]
        for key, values in problem["context"].items()
    }
    context = {key: values for key, values in context.items() if values}  # no value at all is absent (3.1)
    given = {key.lower() for key in problem.get("given", [])}
    wavering = [(key.lower(), ((), ("false",)), "X15") for key in problem.get("ambivalent", [])]
    provider_key = "aws:federatedprovider"
    if kind == "saml" and provider_key not in context and provider_key not in given and caller.get("provider"):
        wavering.append((provider_key, ((), (caller["provider"],)), "X18"))
    names = [*(caller.get("service_names") or []), *context.get("aws:principalservicenameslist", [])]
    parent_is_root = kind == "federated-user" and _is_root(caller.get("parent"))
    can_be_bounded = kind in {"user", "role-session", "federated-user"} and not parent_is_root
    facts = problem.get("facts") or {}
    return World(
        kind=kind,
        arn=_arn_key(caller.get("arn")),
        parent=_arn_key(caller.get("parent")),
        account=caller.get("account"),
        unique_id=caller.get("unique_id"),
        service_names=frozenset(name.lower() for name in names) if kind == "service" else frozenset(),
        provider=_provider_key(caller.get("provider")),
        bounded=can_be_bounded and problem["policies"].get("boundary") is not None,
        action=problem["action"],
        resource=problem["resource"],
        context=context,
        multivalued=frozenset(key.lower() for key in problem.get("multivalued", [])),
        given=frozenset(given),
        unknown=frozenset(key.lower() for key in problem.get("unknown_keys", [])),
        wavering=tuple(wavering),
        entities=facts.get("entities") or {},
        canonical=facts.get("canonical_users") or {},
    )


def _is_root(arn: str | None) -> bool:
    return arn is not None and arn.split(":", 5)[-1] == "root"


def _arn_key(text: str | None) -> str | None:
    """An ARN with everything before its fifth colon in lower case; a host in lower case (1.3)."""
    if text is None:
        return None
    parts = text.split(":", 5)
    if len(parts) < 6 or parts[0].lower() != "arn":
        return text.lower()
    return ":".join([*(part.lower() for part in parts[:5]), parts[5]])


def _provider_key(text: str | None) -> str | None:
    """The key of an identity provider: the host of an OIDC issuer ignores case too, its path does not (1.3)."""
    key = _arn_key(text)
    if key is None or ":oidc-provider/" not in key:
        return key
    return re.sub(r"(?<=:oidc-provider/)[^/]*", lambda host: host[0].lower(), key, count=1)


def _derived(caller: dict[str, Any]) -> dict[str, str | None]:
    """The principal keys that do not depend on the request (4.2, 4.3); `None` is absent."""
    kind, arn = caller["kind"], caller.get("arn")
    principal_type = {
        "user": "User",
        "role-session": "AssumedRole",
        "federated-user": "FederatedUser",
        "root": "Account",
        "anonymous": "Anonymous",
    }[kind]
    return {
        "aws:principalarn": caller.get("parent") if kind == "role-session" else arn if kind != "anonymous" else None,
        "aws:principalaccount": "anonymous" if kind == "anonymous" else caller.get("account"),
        "aws:username": arn.rsplit("/", 1)[-1] if kind == "user" and arn else None,
        "aws:principaltype": principal_type,
    }


def _verify(problem: dict[str, Any]) -> None:
    """Raise `ValueError` naming the key if the context contradicts the caller."""
    caller = problem["caller"]
    if caller["kind"] not in {"user", "role-session", "federated-user", "root", "anonymous"}:
        return
    arn, account = caller.get("arn"), caller.get("account")
    if arn is not None and arn.split(":")[4] != account:
        raise ValueError(f"account `{account}` of the caller is not that of `{arn}`")
    context = {key.lower(): [_text(value) for value in _listed(values)] for key, values in problem["context"].items()}
    exempt = {key.lower() for key in [*problem.get("given", []), *problem.get("unknown_keys", [])]}
    for key, value in _derived(caller).items():
        expected = [] if value is None else [value]
        if key not in exempt and context.get(key, []) != expected:
            raise ValueError(f"context has `{key}` = {context.get(key, [])}, the caller makes it {expected}")


# --- text with wildcards and variables (2, 2.7) -------------------------------------------------------------------

_KEPT = 4096  # what functions of texts alone return is kept for so many texts

Glyph = tuple[str, str]  # ("is", character), ("star" | "one", "" = any character, ":" = no colon)
Glyphs = tuple[Glyph, ...]

_VARIABLE = re.compile(r"\$\{([^\s,{}'$](?:[^,{}'$]*[^\s,{}'$])?)(?:, '([^']*)')?\}")


def _glob(glyphs: Iterable[Glyph], text: str) -> bool:
    reach = {0}
    for kind, detail in glyphs:
        if kind == "is":
            reach = {at + 1 for at in reach if text[at : at + 1] == detail}
        elif kind == "one":
            reach = {at + 1 for at in reach if at < len(text) and text[at] != detail}
        else:
            reach = {
                end for at in reach for end in range(at, len(text) + 1) if not detail or detail not in text[at:end]
            }
    return len(text) in reach


@lru_cache(_KEPT)
def _wild(text: str) -> Glyphs:
    return tuple({"*": ("star", ""), "?": ("one", "")}.get(char, ("is", char)) for char in text)


@lru_cache(_KEPT)
def _literal(text: str) -> Glyphs:
    return tuple(("is", char) for char in text)


Piece = tuple[str, str, str | None]


@lru_cache(_KEPT)
def _pieces(text: str, *, variables: bool) -> tuple[Piece, ...]:
    """The text cut into ("text", it), ("char", it), ("variable", name, default) and ("bad", reason)."""
    if not variables:
        return (("text", text, None),)
    pieces: list[Piece] = []
    plain, at = "", 0
    while at < len(text):
        if text[at : at + 2] != "${" or "}" not in text[at:]:
            plain, at = plain + text[at], at + 1
            continue
        pieces.append(("text", plain, None))
        plain = ""
        found = _VARIABLE.match(text, at)
        if text[at : at + 4] in ("${*}", "${?}", "${$}"):
            pieces.append(("char", text[at + 2], None))
            at += 4
        elif found is None or "${" in (found[2] or ""):
            nested = "${" in text[at + 2 : text.index("}", at)] or found is not None
            return (*pieces, ("bad", "X34" if nested else "malformed:variable", None))
        else:
            pieces.append(("variable", found[1], found[2]))
            at = found.end()
    return tuple(piece for piece in [*pieces, ("text", plain, None)] if piece[0] != "text" or piece[1])


@dataclass(frozen=True, slots=True)
class Substituted:
    """Every reading of a text; none and no doubt: a variable has no value."""

    readings: tuple[Glyphs, ...]
    doubt: frozenset[str] = frozenset()


def _variable(name: str, default: str | None, world: World, *, wildcards: bool) -> Substituted:
    key = name.lower()
    if doubt := _key_doubt(key, world):
        return Substituted((), frozenset([doubt]))
    values = world.context.get(key, [])
    if key in world.multivalued or len(values) > 1:
        return Substituted((), frozenset(["X7"]))
    if not values:
        texts = [] if default is None else [default]
    elif values[0] == "" and default is not None:
        texts = ["", default]
    else:
        texts = [values[0]]
    if wildcards and any(char in text for text in texts for char in "*?"):
        return Substituted((), frozenset(["X6"]))
    return Substituted(tuple(_literal(text) for text in texts))


def _substitute(pieces: Sequence[Piece], world: World, *, wildcards: bool) -> Substituted:
    parts: list[Substituted] = []
    for kind, text, default in pieces:
        match kind:
            case "text":
                parts.append(Substituted((_wild(text) if wildcards else _literal(text),)))
            case "char":
                parts.append(Substituted((_literal(text),)))
            case "variable":
                parts.append(_variable(text, default, world, wildcards=wildcards))
            case _:
                parts.append(Substituted((), frozenset([text])))
    if any(not part.readings and not part.doubt for part in parts):
        return Substituted(())
    doubt = frozenset().union(*(part.doubt for part in parts)) if parts else frozenset()
    if doubt:
        return Substituted((), doubt)
    combined = itertools.product(*(part.readings for part in parts))
    return Substituted(tuple(tuple(itertools.chain(*choice)) for choice in combined))


# --- condition keys -----------------------------------------------------------------------------------------------

_UNSURE_PRINCIPAL = {"aws:principalarn", "aws:principalaccount", "aws:userid", "aws:principaltype"}


def _key_doubt(key: str, world: World) -> str | None:
    """Why the value of a key cannot be known, if so."""
    if key in world.unknown:
        if key in _UNSURE_PRINCIPAL and world.kind in {"service", *FEDERATION}:
            return "X17"
        if key in {"aws:sourcearn", "aws:sourceaccount"} and world.kind == "service":
            return "X26"
        return f"missing:{key}"
    if (
        key == "aws:sourceip"
        and key not in world.given
        and [text.lower() for text in world.context.get("aws:viaawsservice", [])] == ["true"]
    ):
        return "X23"
    if world.action.lower() == "iam:passrole" and key.startswith(("iam:resourcetag/", "aws:resourcetag/")):
        return "X27"
    return None


def _each_reading(world: World, leaf: Callable[[World], Truth]) -> Truth:
    """The leaf under every reading of the ambivalent keys (4.6): equal results stand."""
    if not world.wavering and all(world.context.values()):
        return leaf(world)
    worlds = []
    for choice in itertools.product(*(values for _, values, _ in world.wavering)):
        changed = {key: list(values) for (key, _, _), values in zip(world.wavering, choice, strict=True)}
        context = {key: values for key, values in {**world.context, **changed}.items() if values}
        worlds.append(replace(world, context=context))
    return _agree([leaf(each) for each in worlds], [reason for _, _, reason in world.wavering])


# --- base comparisons (3.3) ---------------------------------------------------------------------------------------

# operator in lower case: (family, test, negated)
OPERATORS = {
    "stringequals": ("string", "equal", False),
    "stringnotequals": ("string", "equal", True),
    "stringequalsignorecase": ("string", "ignorecase", False),
    "stringnotequalsignorecase": ("string", "ignorecase", True),
    "stringlike": ("string", "like", False),
    "stringnotlike": ("string", "like", True),
    "bool": ("bool", "equal", False),
    "binaryequals": ("binary", "equal", False),
    "ipaddress": ("ip", "in", False),
    "notipaddress": ("ip", "in", True),
    "arnequals": ("arn", "like", False),
    "arnlike": ("arn", "like", False),
    "arnnotequals": ("arn", "like", True),
    "arnnotlike": ("arn", "like", True),
} | {
    f"{family}{name}": (family, test, name == "notequals")
    for family in ("numeric", "date")
    for name, test in (
        ("equals", "equal"),
        ("notequals", "equal"),
        ("lessthan", "<"),
        ("lessthanequals", "<="),
        ("greaterthan", ">"),
        ("greaterthanequals", ">="),
    )
}


def _order(test: str, wanted: Any, actual: Any) -> bool:
    match test:
        case "equal":
            return bool(actual == wanted)
        case "<":
            return bool(actual < wanted)
        case "<=":
            return bool(actual <= wanted)
        case ">":
            return bool(actual > wanted)
        case _:
            return bool(actual >= wanted)


def _number(text: str) -> list[Fraction]:
    return [Fraction(text)] if re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", text) else []


_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2}))?)?"
)


def _instants(text: str) -> list[Fraction]:
    """Every instant (seconds since 1970) that the text can mean (3.4); none if it is no date."""
    if re.fullmatch(r"[+-]?[0-9]+", text):
        seconds = [Fraction(text)]
        return [*seconds, *_instants(f"{text}-01")] if re.fullmatch(r"[0-9]{4}", text) else seconds
    found = _DATE.fullmatch(text)
    if found is None:
        return []
    year, month, day, hour, minute, second = (int(found[at] or default) for at, default in enumerate("011000", 1))
    zone = found[8] or "Z"
    shift = 0 if zone == "Z" else (int(zone[1:3]) * 60 + int(zone[4:])) * (-1 if zone[0] == "-" else 1)
    if hour > 23 or minute > 59 or second > 59 or (zone != "Z" and (int(zone[1:3]) > 23 or int(zone[4:]) > 59)):
        return []
    try:
        days = date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return []
    fraction = Fraction("0" + found[7]) if found[7] else Fraction(0)
    return [Fraction(days * 86400 + (hour * 60 + minute - shift) * 60 + second) + fraction]


def _boolean(text: str) -> list[bool]:
    return {"true": [True], "false": [False]}.get(text.lower(), [])


def _bytes(text: str) -> list[bytes]:
    try:
        return [base64.b64decode(text, validate=True)]
    except (binascii.Error, ValueError):
        return []


def _block(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    if not re.fullmatch(r"[0-9A-Fa-f:.]+(/[0-9]{1,3})?", text):
        return []
    try:
        return [ipaddress.ip_network(text, strict=False)]
    except ValueError:
        return []


def _compare_ip(wanted: str, actual: str, *, negated: bool) -> Truth:
    blocks, addresses = _block(wanted), _block(actual) if "/" not in actual else []
    if not blocks:
        return _unknown("X16")
    if not addresses:
        return _unknown("X16") if negated else F
    address = addresses[0].network_address
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped and blocks[0].version == 4:
        return _unknown("X12")
    return _known(value=address in blocks[0])


def _compare_parsed(family: str, test: str, wanted: str, actual: str, *, negated: bool) -> Truth:
    """Numbers, dates, booleans and bytes; several readings of one text must agree [X11]."""
    parsers: dict[str, Callable[[str], list[Any]]] = {
        "numeric": _number,
        "date": _instants,
        "bool": _boolean,
        "binary": _bytes,
    }
    left, right = parsers[family](wanted), parsers[family](actual)
    if not left:
        return _unknown("X16")
    if not right:
        return _unknown("X16") if negated else F
    return _agree([_known(value=_order(test, one, other)) for one in left for other in right], ["X11"])


def _spell(glyphs: Glyphs) -> str:
    return "".join(char for _, char in glyphs)


def _compare_string(test: str, wanted: Glyphs, actual: str) -> Truth:
    if test == "like":
        return _known(value=_glob(wanted, actual))
    text = _spell(wanted)
    if test == "equal" or text == actual:
        return _known(value=text == actual)
    if _ascii_lower(text) == _ascii_lower(actual):
        return T
    alike = text.lower() == actual.lower() or text.casefold() == actual.casefold() or text.upper() == actual.upper()
    return _unknown("missing:case of non-ASCII letters") if alike else F


def _ascii_lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def _components(glyphs: Glyphs) -> list[Glyphs]:
    """The pattern cut at its first five colons (3.6)."""
    parts: list[list[Glyph]] = [[]]
    for glyph in glyphs:
        if glyph == ("is", ":") and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append(glyph)
    return [tuple(part) for part in parts]


def _is_arn(text: str) -> bool:
    return text.startswith("arn:") and text.count(":") >= 5


@lru_cache(_KEPT)
def _compare_arn(wanted: Glyphs, actual: str, *, negated: bool) -> Truth:
    pattern, parts = _components(wanted), actual.split(":", 5)
    if len(pattern) < 6:
        return _unknown("X13")
    if not _is_arn(actual):
        return _unknown("X16") if negated else F
    return _known(value=all(_glob(glyphs, part) for glyphs, part in zip(pattern, parts, strict=True)))


def _compare(operator: str, wanted: str | None, actual: str, world: World, *, variables: bool) -> Truth:
    """`m(v, k)` of 3.3 for one policy value and one request value."""
    family, test, negated = OPERATORS[operator]
    if wanted is None:
        return _unknown("malformed:condition value")
    pieces = _pieces(wanted, variables=variables)
    if family not in {"string", "arn"}:
        if family == "bool" and any(kind == "variable" for kind, _, _ in pieces):
            return _unknown("X4")
        if family == "ip":
            return _compare_ip(wanted, actual, negated=negated)
        return _compare_parsed(family, test, wanted, actual, negated=negated)
    text = _substitute(pieces, world, wildcards=test == "like")
    if text.doubt:
        return Truth("U", text.doubt)
    if not text.readings:  # the value is dropped from the list (2.7)
        return _unknown("X16") if family == "arn" and negated and not _is_arn(actual) else F
    if family == "arn" and sum(piece.count(":") for kind, piece, _ in pieces if kind == "text") < 5:
        return _unknown("X13")
    if family == "arn":
        return _agree([_compare_arn(glyphs, actual, negated=negated) for glyphs in text.readings], ["X7"])
    return _agree([_compare_string(test, glyphs, actual) for glyphs in text.readings], ["X7"])


# --- conditions (3.1, 3.2) ----------------------------------------------------------------------------------------


@lru_cache(_KEPT)
def _split_operator(name: str) -> tuple[str, str, bool] | None:
    """Quantifier, base operator, IfExists; `None` if there is no such operator."""
    base, quantifier = name.lower(), ""
    for prefix in ("forallvalues:", "foranyvalue:"):
        if base.startswith(prefix):
            base, quantifier = base.removeprefix(prefix), prefix
    bare = base.removesuffix("ifexists")
    return (quantifier, bare, bare != base) if bare in OPERATORS or bare == "null" else None


def _null_leaf(values: list[str | None], actual: list[str]) -> Truth:
    wanted = {value.lower() if value is not None else "" for value in values}
    if not wanted <= {"true", "false"}:
        return _unknown("malformed:condition value")
    readings = [
        _known(value=("true" if not present else "false") in wanted) for present in (actual, list(filter(None, actual)))
    ]
    return _agree(readings, ["X10"])


def _quantified(quantifier: str, actual: list[str], one: Callable[[str], Truth], *, if_exists: bool) -> Truth:
    if quantifier == "forallvalues:":
        return _all(one(value) for value in actual)
    if not actual and if_exists:
        return _unknown("X9")
    return _any(one(value) for value in actual)


def _pair(operator: str, key: str, raw: Any, world: World, *, variables: bool) -> Truth:
    """One operator and key of a Condition element."""
    parsed, values, name = _split_operator(operator), [_text(value) for value in _listed(raw)], key.lower()
    if parsed is None:
        return _unknown("malformed:operator")
    if not values or None in values:
        return _unknown("malformed:condition value")
    if doubt := _key_doubt(name, world):
        return _unknown(doubt)
    quantifier, base, if_exists = parsed
    actual = world.context.get(name, [])
    if base == "null":
        return _null_leaf(values, actual)
    negated = OPERATORS[base][2]

    def one(value: str) -> Truth:
        hit = _any(_compare(base, wanted, value, world, variables=variables) for wanted in values)
        return _not(hit) if negated else hit

    if quantifier:
        readings = [
            _quantified(quantifier, present, one, if_exists=if_exists)
            for present in (actual, [value for value in actual if value])
        ]
        return _agree(readings, ["X10"])
    if not actual:
        return _known(value=negated or if_exists)
    if name in world.multivalued:
        return _unknown("X8")
    return _agree([one(value) for value in actual], ["X8"])


def _condition(element: Any, world: World, *, variables: bool) -> Truth:
    if not isinstance(element, dict):
        return _unknown("malformed:condition")
    leaves: list[Truth] = []
    for operator, keys in element.items():
        if not isinstance(keys, dict):
            leaves.append(_unknown("malformed:condition"))
            continue
        for key, raw in keys.items():

            def leaf(each: World, operator: str = operator, key: str = key, raw: Any = raw) -> Truth:
                return _pair(operator, key, raw, each, variables=variables)

            leaves.append(_each_reading(world, leaf))
    return _all(leaves)


# --- actions and resources (2.1, 2.2) -----------------------------------------------------------------------------


def _action_leaf(pattern: Any, world: World, kind: str) -> Truth:
    if pattern in ("*", "*:*"):
        return _unknown("malformed:action") if kind == "rcp" else T
    return _of_action(pattern, world.action) if isinstance(pattern, str) else _unknown("malformed:action")


@lru_cache(_KEPT)
def _of_action(pattern: str, action: str) -> Truth:
    if ":" not in pattern or re.search(r"\s", pattern):
        return _unknown("malformed:action")
    prefix, name = pattern.lower().split(":", 1)
    if not prefix or not name or "*" in prefix or "?" in prefix:
        return _unknown("malformed:action")
    wanted_prefix, wanted_name = action.lower().split(":", 1)
    return _known(value=prefix == wanted_prefix and _glob(_wild(name), wanted_name))


def _translate(glyphs: Glyphs) -> Glyphs:
    """The table of 2.2."""
    translated: list[Glyph] = []
    colons = 0
    for at, (kind, char) in enumerate(glyphs):
        head = colons < 5
        crosses = not head or at + 1 == len(glyphs) or glyphs[at + 1] == ("is", ":")
        if kind == "is":
            colons += char == ":"
            translated.append(("is", char.lower() if head else char))
        else:
            translated.append((kind, "" if (crosses if kind == "star" else not head) else ":"))
    return tuple(translated)


@lru_cache(_KEPT)
def _resource_glyphs(glyphs: Glyphs, resource: str, action: str, kind: str) -> Truth:
    parts = _components(glyphs)
    padded = glyphs + (("is", ":"), ("star", "")) * (6 - len(parts))
    if resource == "*":
        fields = _components(padded)
        whole = bool(fields[5]) and all(glyph == ("star", "") for glyph in fields[5])
        own = fields[2] == (("star", ""),) or _spell(fields[2]).lower() == action.split(":", maxsplit=1)[0].lower()
        return _unknown("X3") if whole and own else F
    subject = _arn_key(resource) or ""
    if _glob(_translate(glyphs), subject):
        return T
    if len(parts) < 6 and _glob(_translate(padded), subject):
        return T if kind == "identity" else _unknown("X2")
    return F


def _resource_leaf(pattern: Any, world: World, kind: str, *, variables: bool) -> Truth | None:
    """Whether one entry matches; `None` if a variable in it has no value."""
    if pattern == "*":
        return T
    if not isinstance(pattern, str) or not pattern.lower().startswith("arn:"):
        return _unknown("malformed:resource")
    pieces = _pieces(pattern, variables=variables)
    if len(pieces) > 1 and pieces[0][1].count(":") < 5:
        return _unknown("malformed:resource")
    segments = pieces[0][1].split(":")
    if len(segments) > 2 and re.search(r"[*?]", segments[2]):
        return _unknown("malformed:resource")
    text = _substitute(pieces, world, wildcards=True)
    if text.doubt:  # only stars match a check without a resource
        return Truth("U", text.doubt) if world.resource != "*" else F
    if not text.readings:
        return None
    return _agree([_resource_glyphs(glyphs, world.resource, world.action, kind) for glyphs in text.readings], ["X7"])


def _resources(patterns: list[Any], world: World, kind: str, *, variables: bool, excluded: bool) -> Truth:
    leaves = [_resource_leaf(pattern, world, kind, variables=variables) for pattern in patterns]
    matched = _any(leaf for leaf in leaves if leaf is not None)
    if not excluded:
        return matched
    return _not(_any([matched, _unknown("X43")])) if None in leaves else _not(matched)


# --- principals (2.4 to 2.6) --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Classes:
    """How far a principal entry or element matches, by class."""

    direct: Truth = F
    via: Truth = F
    account: Truth = F


NOBODY = Classes()
BAD_ENTRY = Classes(*[_unknown("malformed:principal")] * 3)


def _union(found: list[Classes]) -> Classes:
    return Classes(
        _any(each.direct for each in found), _any(each.via for each in found), _any(each.account for each in found)
    )


def _account_entry(account: str, world: World, kind: str) -> Classes:
    if world.account != account or world.kind in {"service", "anonymous", *FEDERATION}:
        return NOBODY
    if world.kind == "root":
        return Classes(direct=T)
    return NOBODY if kind == "gateway" else Classes(account=T)


def _named_entry(arn: str, world: World) -> Classes:
    """An entry that names one user, role or session."""
    if world.kind in {"user", "role-session", "federated-user"} and arn == world.arn:
        return Classes(direct=T)
    if world.kind in {"role-session", "federated-user"} and arn == world.parent:
        return Classes(via=T)
    return NOBODY


def _id_entry(value: str, world: World) -> Classes:
    unique, _, session = value.partition(":")
    if session and not unique.startswith("AROA"):
        return BAD_ENTRY
    entity = world.arn if world.kind == "user" else world.parent
    if world.kind not in {"user", "role-session", "federated-user"} or entity is None:
        return NOBODY
    if world.unique_id != unique if world.unique_id else _arn_key(world.entities.get(unique)) != entity:
        return NOBODY
    if session:
        return Classes(direct=_known(value=(world.arn or "").rsplit("/", 1)[-1] == session))
    return Classes(direct=T) if world.kind == "user" else Classes(via=T)


def _aws_entry(value: str, world: World, kind: str) -> Classes:
    if re.search(r"[*?]|\$\{", value):
        return BAD_ENTRY
    if re.fullmatch(r"[0-9]{12}", value):
        return _account_entry(value, world, kind)
    if re.fullmatch(r"(AIDA|AROA)[A-Z0-9]*(:.+)?", value):
        return BAD_ENTRY if kind == "gateway" else _id_entry(value, world)
    arn = _arn_key(value) or ""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return BAD_ENTRY
    service, account, name = parts[2], parts[4], parts[5]
    if service == "iam" and account == "cloudfront" and name.startswith("user/"):
        return NOBODY
    if not re.fullmatch(r"[0-9]{12}", account):
        return BAD_ENTRY
    if service == "iam" and name == "root":
        same = world.arn is not None and world.arn.split(":")[1] == parts[1]
        return _account_entry(account, world, kind) if same else NOBODY
    shapes = {"iam": ("user/", "role/"), "sts": ("assumed-role/", "federated-user/")}
    if kind == "gateway" or not name.startswith(shapes.get(service, ("\0",))):
        return BAD_ENTRY
    return _named_entry(arn, world)


def _everyone(world: World, kind: str) -> Classes:
    return Classes(direct=_unknown("X41") if kind == "trust" and world.kind in FEDERATION else T)


def _provider_entry(value: str, world: World) -> Classes:
    key = _provider_key(value)
    if key == world.provider:
        return Classes(direct=T)
    only_case = world.provider is not None and value.lower() == world.provider.lower()
    return Classes(direct=_unknown("X44") if only_case else F)


def _entry(principal_type: str, value: Any, world: World, kind: str) -> Classes:
    if not isinstance(value, str) or not value:
        return BAD_ENTRY
    if principal_type == "AWS":
        return _everyone(world, kind) if value == "*" else _aws_entry(value, world, kind)
    if kind == "gateway" or re.search(r"[*?]|\$\{", value):
        return BAD_ENTRY
    match principal_type:
        case "Service":
            return Classes(direct=_known(value=value.lower() in world.service_names))
        case "Federated":
            return _provider_entry(value, world) if kind == "trust" and world.kind in FEDERATION else NOBODY
        case "CanonicalUser":
            if world.account is None or world.kind in {"service", "anonymous", *FEDERATION}:
                return NOBODY
            known = world.canonical.get(value)
            return Classes(
                account=_unknown("missing:canonical user") if known is None else _known(value=known == world.account)
            )
        case _:
            return BAD_ENTRY


def _entries(element: Any) -> list[tuple[str, Any]]:
    """(type, value) of every entry of a Principal element; a shape that is none is one bad entry."""
    if element == "*":
        return [("AWS", "*")]
    if not isinstance(element, dict) or not element:
        return [("", None)]
    return [(kind, value) for kind, values in element.items() for value in (_listed(values) or [None])]


def _principal(element: Any, world: World, kind: str) -> Classes:
    entries = _entries(element)
    if kind == "rcp" and any(entry != ("AWS", "*") for entry in entries):
        return BAD_ENTRY
    return _union([_entry(principal_type, value, world, kind) for principal_type, value in entries])


def _not_principal(element: Any, world: World, kind: str, *, deny: bool) -> Truth:
    """2.6: the classes are exactly the parts of the chain."""
    entries = _entries(element)
    listed = _union([_entry(principal_type, value, world, kind) for principal_type, value in entries])
    via = _any([listed.via, listed.account]) if _is_root(world.parent) else listed.via
    parts = {
        "user": [listed.direct, listed.account],
        "role-session": [listed.direct, listed.via, listed.account],
        "federated-user": [listed.direct, via, listed.account],
    }.get(world.kind, [listed.direct])
    everyone = any(entry == ("AWS", "*") for entry in entries)
    full = T if everyone else _all(parts)
    if not deny:
        return F if full == T else _unknown("malformed:NotPrincipal")
    if world.bounded:
        return T
    if full == T:
        return F
    none = _all(_not(part) for part in parts)
    return none if none.value != "F" else _unknown("X19", *full.why)


# --- statements and documents (1) ---------------------------------------------------------------------------------

_ELEMENTS = {
    name.lower(): name
    for name in (
        *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"),
        *("Resource", "NotResource", "Condition"),
    )
}
_WITH_PRINCIPAL = {"resource", "trust", "key", "interface", "gateway", "rcp"}


@dataclass(frozen=True, slots=True)
class Sides:
    """What a set of documents says; kinds without principals use `direct` for their Allow."""

    direct: Truth = F
    via: Truth = F
    account: Truth = F
    deny: Truth = F

    def allow(self) -> Truth:
        """The Allow of any class."""
        return _any([self.direct, self.via, self.account])


def _silent(why: str) -> Sides:
    return Sides(*[_unknown(why)] * 4)


def _elements(statement: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Elements by canonical name, case ignored [X33], and the names of unknown ones."""
    known: dict[str, Any] = {}
    strangers: list[str] = []
    for name, value in statement.items():
        element = _ELEMENTS.get(name.lower())
        if element is None:
            strangers.append(name)
        else:
            known[element] = value
    return known, strangers


def _action_part(parts: dict[str, Any], world: World, kind: str) -> Truth:
    if ("Action" in parts) == ("NotAction" in parts):
        return F if kind == "key" and "Action" not in parts else _unknown("malformed:statement")
    if kind == "rcp" and "NotAction" in parts:
        return _unknown("malformed:statement")
    patterns = _listed(parts.get("Action", parts.get("NotAction")))
    if not patterns:
        return F if kind == "key" else _unknown("malformed:statement")
    matched = _any(_action_leaf(pattern, world, kind) for pattern in patterns)
    return matched if "Action" in parts else _not(matched)


def _resource_part(parts: dict[str, Any], world: World, kind: str, *, variables: bool) -> Truth:
    present = [name for name in ("Resource", "NotResource") if name in parts]
    if kind == "trust":
        return _unknown("malformed:statement") if present else T
    if not present and kind == "resource" and world.resource.split(":")[2:3] == ["ecr"]:
        return T
    patterns = _listed(parts[present[0]]) if len(present) == 1 else []
    if not patterns:
        return F if kind == "key" and len(present) < 2 else _unknown("malformed:statement")
    excluded = present == ["NotResource"]
    return _each_reading(world, lambda each: _resources(patterns, each, kind, variables=variables, excluded=excluded))


def _principal_part(parts: dict[str, Any], world: World, kind: str, *, deny: bool) -> Classes:
    present = [name for name in ("Principal", "NotPrincipal") if name in parts]
    bad = Classes(*[_unknown("malformed:statement")] * 3)
    if kind not in _WITH_PRINCIPAL:
        return bad if present else Classes(direct=T)
    if len(present) != 1 or (present == ["NotPrincipal"] and kind in {"trust", "rcp"}):
        return bad
    if present == ["Principal"]:
        return _principal(parts["Principal"], world, kind)
    leaf = _not_principal(parts["NotPrincipal"], world, kind, deny=deny)
    return Classes(leaf, leaf, leaf) if leaf.value == "U" else Classes(direct=leaf)


def _statement(statement: Any, world: World, kind: str, *, variables: bool) -> Sides:
    if not isinstance(statement, dict):
        return _silent("malformed:statement")
    parts, strangers = _elements(statement)
    if len(parts) + len(strangers) < len(statement):
        return _silent("malformed:statement")  # two spellings of one element
    action = _action_part(parts, world, kind)
    if action.value == "F":
        return Sides()  # a false part makes all false, whatever the others are
    condition = T if "Condition" not in parts else _condition(parts["Condition"], world, variables=variables)
    body = _all([action, _resource_part(parts, world, kind, variables=variables), condition])
    effect = parts.get("Effect")
    usable = T if effect in ("Allow", "Deny") else _unknown("malformed:effect")
    sides = Sides()
    if effect != "Deny":
        who = _principal_part(parts, world, kind, deny=False)
        extent = [body, usable, *([_unknown("malformed:statement")] if strangers else [])]
        sides = Sides(*(_all([of_class, *extent]) for of_class in (who.direct, who.via, who.account)))
    if effect != "Allow":
        who = _principal_part(parts, world, kind, deny=True)
        sides = replace(sides, deny=_all([_any([who.direct, who.via, who.account]), body, usable]))
    return sides


def _join(found: list[Sides]) -> Sides:
    return Sides(
        _any(each.direct for each in found),
        _any(each.via for each in found),
        _any(each.account for each in found),
        _any(each.deny for each in found),
    )


def _document_parts(document: Any, kind: str) -> tuple[list[Any], bool] | str:
    """Its statements and whether it has variables, or why it is no policy."""
    if not isinstance(document, dict):
        return "malformed:document"
    if "iamsim:missing" in document:
        return f"missing:{document['iamsim:missing']}"
    members = {name.lower(): value for name, value in document.items()}
    if len(members) < len(document) or "statement" not in members or members["statement"] is None:
        return "malformed:document"
    if "id" in members and kind in {"identity", "boundary", "session"}:
        return "malformed:document"
    version = members.get("version", "2008-10-17")
    if version not in ("2012-10-17", "2008-10-17"):
        return "malformed:version"
    return _listed(members["statement"]), version == "2012-10-17"


def _document(document: Any, world: World, kind: str) -> Sides:
    parts = _document_parts(document, kind)
    if isinstance(parts, str):
        return _silent(parts)
    statements, variables = parts
    return _join([_statement(statement, world, kind, variables=variables) for statement in statements])


def _documents(documents: list[Any], world: World, kind: str) -> Sides:
    return _join([_document(document, world, kind) for document in documents])


# --- the layers (5.1, 5.4, 5.5) -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layers:
    """The inputs of 5.1; each of the pairs is (allow, deny)."""

    identity: tuple[Truth, Truth]
    boundary: tuple[Truth, Truth]
    session: tuple[Truth, Truth]
    scp: tuple[Truth, Truth]
    rcp_deny: Truth
    endpoint: tuple[Truth, Truth]
    resource: Sides


def _pair_of(documents: list[Any], world: World, kind: str) -> tuple[Truth, Truth]:
    sides = _documents(documents, world, kind)
    return sides.allow(), sides.deny


def _identity(policies: dict[str, Any], world: World) -> tuple[Truth, Truth]:
    if world.kind == "root" or (world.kind == "federated-user" and _is_root(world.parent)):
        return T, F
    if world.kind in {"service", "anonymous", *FEDERATION}:
        return F, F
    return _pair_of(policies.get("identity") or [], world, "identity")


def _session(policies: dict[str, Any], world: World, *, assumed_root: bool) -> tuple[Truth, Truth]:
    documents = policies.get("session")
    limited = world.kind in {"role-session", "federated-user"} or assumed_root
    if limited and documents:
        return _pair_of(documents, world, "session")
    if assumed_root:
        return _unknown("missing:task policy"), F
    return (F if world.kind == "federated-user" else T), F


def _layers(problem: dict[str, Any], world: World) -> Layers:
    policies, caller = problem["policies"], problem["caller"]
    exempt = bool(caller.get("service_linked"))
    boundary = _pair_of([policies["boundary"]], world, "boundary") if world.bounded else (T, F)
    levels = policies.get("scp")
    if levels is None or exempt or world.kind in {"service", "anonymous", *FEDERATION}:
        scp = (T, F)
    else:
        sides = [_pair_of(level, world, "scp") for level in levels]
        scp = (_all(allow for allow, _ in sides), _any(deny for _, deny in sides))
    rcps = [] if exempt or world.action.lower() == "kms:retiregrant" else policies.get("rcp") or []
    endpoint = policies.get("endpoint")
    kind = policies.get("endpoint_type") or "interface"
    return Layers(
        identity=_identity(policies, world),
        boundary=boundary,
        session=_session(policies, world, assumed_root=bool(caller.get("assumed_root"))),
        scp=scp,
        rcp_deny=_any(_documents(level, world, "rcp").deny for level in rcps),
        endpoint=(T, F) if endpoint is None else _pair_of([endpoint], world, kind),
        resource=_resource_side(problem, world),
    )


def _resource_side(problem: dict[str, Any], world: World) -> Sides:
    """The resource's policy, and what no input tells of it in strict mode (0.3)."""
    sides = _policy_side(problem, world)
    unread = problem["policies"].get("unread")
    if not unread:
        return sides
    kind, reason = unread
    doubt = _unknown(reason)
    if kind == "direct":
        return replace(sides, direct=_any([sides.direct, doubt]))
    return replace(sides, account=_any([sides.account, doubt]))


def _policy_side(problem: dict[str, Any], world: World) -> Sides:
    policies = problem["policies"]
    document, kind = policies.get("resource"), policies.get("resource_kind") or "none"
    if kind == "none" or (kind == "trust" and not _assumes(world.action)):
        return Sides()
    if _is_access_point(world.resource):
        return _silent("missing:access point policy")
    if document is None:
        return _silent("missing:owner") if problem.get("owner") is None and world.resource != "*" else Sides()
    sides = _document(document, world, kind)
    owner_root = world.kind == "root" and problem.get("owner") == world.account
    if owner_root and world.action.lower() in _REPAIRING:
        return replace(sides, deny=F)
    return sides


_REPAIRING = {
    *("s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"),
    *("sqs:setqueueattributes", "sqs:getqueueattributes", "sqs:addpermission", "sqs:removepermission"),
}


# --- rules of single services (5.6) -------------------------------------------------------------------------------


def _arn_parts(resource: str) -> tuple[str, str]:
    """Service and resource part of an ARN; two empty texts for `*`."""
    parts = resource.split(":", 5)
    return (parts[2].lower(), parts[5]) if len(parts) == 6 else ("", "")


def _assumes(action: str) -> bool:
    name = action.lower()
    return name.startswith("sts:assumerole") or name in {"sts:tagsession", "sts:setsourceidentity", "sts:setcontext"}


def _is_access_point(resource: str) -> bool:
    service, name = _arn_parts(resource)
    return service == "s3-object-lambda" or (service == "s3" and name.startswith("accesspoint/"))


def _needs_resource_grant(world: World) -> bool:
    service, name = _arn_parts(world.resource)
    return (service == "iam" and name.startswith("role/") and _assumes(world.action)) or (
        service == "kms" and name.startswith("key/")
    )


_KMS_ACROSS_ACCOUNTS = re.compile(
    r"kms:(decrypt|encrypt|generatedatakey.*|generatemac|verifymac|reencrypt.*|sign|verify|derivesharedsecret"
    r"|creategrant|describekey|getkeyrotationstatus|getpublickey|listgrants|retiregrant|revokegrant)"
)


# 5.6: what S3 and SQS let the owner's account do alone.
_OWN_ACCOUNT_ONLY = re.compile(
    r"s3:(get|put|delete)bucketpolicy"
    r"|sqs:(addpermission|removepermission|createqueue|deletequeue|setqueueattributes|listqueues|listqueuetags"
    r"|tagqueue|untagqueue|startmessagemovetask|cancelmessagemovetask|listmessagemovetasks)"
)


# 6.6: what customers may do to a service-linked role: create, delete, describe, tag and pass it.
_ON_SERVICE_LINKED = {
    *("iam:createservicelinkedrole", "iam:deleteservicelinkedrole", "iam:passrole"),
    *("iam:updaterole", "iam:updateroledescription", "iam:tagrole", "iam:untagrole"),
}


def _iam_ok(action: str, resource: str, world: World) -> Truth:
    name = _arn_parts(resource)[1]
    writes = action.startswith("iam:") and not re.match("iam:(get|list|simulate|generate)", action)
    if world.kind == "service":
        return T
    if resource.split(":")[4:5] == ["aws"] or name.startswith("role/aws-reserved/"):
        return _known(value=not writes)
    if name.startswith("role/aws-service-role/"):
        return _known(value=not _assumes(action) and (not writes or action in _ON_SERVICE_LINKED))
    return T


def _service_ok(world: World, same: Truth) -> Truth:
    """`F` where a service refuses whatever policies say."""
    service, name = _arn_parts(world.resource)
    action = world.action.lower()
    if service == "iam":
        ok = _iam_ok(action, world.resource, world)
        return _all([ok, same]) if action == "iam:passrole" else ok
    if service == "kms":
        if name.startswith("alias/aws/") and action in {"kms:createalias", "kms:updatealias", "kms:deletealias"}:
            return F
        if world.account is not None and not _KMS_ACROSS_ACCOUNTS.fullmatch(action):
            return same
    ok = _unknown("missing:access point policy") if _is_access_point(world.resource) else T
    if world.account is not None and _OWN_ACCOUNT_ONLY.fullmatch(action):
        return _all([ok, same])
    return ok


# Positive conditions on these keys with fixed values make an Allow not public (5.6.1).
_NARROWING = {
    *("aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths"),
    *("aws:principalservicename", "aws:userid", "aws:sourcearn", "aws:sourceaccount", "aws:sourceowner"),
    *("aws:sourcevpc", "aws:sourcevpce", "s3:dataaccesspointaccount", "s3:dataaccesspointarn"),
}
_UNSETTLED = {
    *("aws:sourcevpcarn", "aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths"),
    *("aws:sourceorgid", "aws:sourceorgpaths", "aws:principalservicenameslist"),
}


def _narrow_value(key: str, base: str, text: str | None) -> Truth:
    """Whether one value of a condition is fixed enough."""
    if text is None:
        return _unknown("malformed:condition value")
    if key == "aws:sourceip":
        blocks = _block(text)
        if not blocks:
            return _unknown("X16")
        limit = 8 if blocks[0].version == 4 else 32
        private = blocks[0].version == 6 and ipaddress.ip_address("fc00::") in blocks[0] and blocks[0].prefixlen >= 7
        return _known(value=blocks[0].prefixlen >= limit or private)
    if "${" in text:
        return F
    if not re.search(r"[*?]", text):
        return T
    if base not in {"stringlike", "arnlike", "arnequals"}:
        return _unknown("missing:public status")
    if key == "aws:userid":
        return _known(value=re.fullmatch(r"[A-Z0-9]+:\*", text) is not None)
    parts = text.split(":", 5)
    fixed_account = len(parts) == 6 and not re.search(r"[*?]", "".join(parts[:5]))
    if key == "s3:dataaccesspointarn":
        return _known(value=fixed_account and parts[5].startswith("accesspoint/"))
    return _unknown("missing:public status") if key == "aws:principalarn" and fixed_account else F


def _narrows(operator: str, key: str, raw: Any) -> Truth:
    parsed, name = _split_operator(operator), key.lower()
    if name in _UNSETTLED:
        return _unknown("missing:public status")
    if name not in _NARROWING and name != "aws:sourceip":
        return F
    if parsed is None:
        return _unknown("malformed:operator")
    quantifier, base, if_exists = parsed
    if base != "null" and OPERATORS[base][2]:
        return F
    if if_exists:
        return F
    usual = base == "ipaddress" if name == "aws:sourceip" else base.startswith(("string", "arn"))
    if not usual or quantifier == "forallvalues:":
        return _unknown("missing:public status")
    values = _listed(raw)
    return (
        _all(_narrow_value(name, base, _text(value)) for value in values) if values else _unknown("malformed:condition")
    )


def _public_statement(statement: Any) -> Truth:
    if not isinstance(statement, dict):
        return _unknown("malformed:statement")
    parts, _ = _elements(statement)
    if parts.get("Effect") == "Deny":
        return F
    if parts.get("Effect") != "Allow" or "Principal" not in parts:
        return _unknown("missing:public status")
    entries = _entries(parts["Principal"])
    wild = [entry for entry in entries if not isinstance(entry[1], str) or re.search(r"[*?]", entry[1])]
    if not wild:
        return F
    condition = parts.get("Condition", {})
    if not isinstance(condition, dict) or not all(isinstance(keys, dict) for keys in condition.values()):
        return _unknown("malformed:condition")
    narrow = _any(_narrows(operator, key, raw) for operator, keys in condition.items() for key, raw in keys.items())
    return _all([_not(narrow), T if ("AWS", "*") in wild else _unknown("malformed:principal")])


def _public(document: Any) -> Truth:
    if document is None:
        return F
    parts = _document_parts(document, "resource")
    return _unknown(parts) if isinstance(parts, str) else _any(_public_statement(each) for each in parts[0])


def _service_deny(problem: dict[str, Any], world: World, same: Truth) -> Truth:
    """S3 `RestrictPublicBuckets` (5.6.1)."""
    if _arn_parts(world.resource)[0] != "s3" or world.kind == "service":
        return F
    policies = problem["policies"]
    setting = policies.get("restrict_public_buckets", False)
    switched_on = _unknown("missing:RestrictPublicBuckets") if setting is None else _known(value=setting)
    return _all([switched_on, _not(same), _public(policies.get("resource"))])


# --- KMS grants ---------------------------------------------------------------------------------------------------


def _constraint(name: str, wanted: Any, world: World) -> Truth:
    prefix = "kms:encryptioncontext:"
    if name.lower() in {"sourcearn", "aws:sourcearn"}:
        return (
            _unknown("X26")
            if "aws:sourcearn" in world.unknown
            else _known(value=world.context.get("aws:sourcearn") in [[value] for value in _listed(wanted)])
        )
    if name.lower() not in {"encryptioncontextsubset", "encryptioncontextequals"} or not isinstance(wanted, dict):
        return _unknown("missing:grant constraint")
    if any(key.startswith(prefix) for key in world.unknown):
        return _unknown("missing:kms:encryptioncontext")
    asked = {prefix + key.lower(): [value] for key, value in wanted.items()}
    actual = {key: values for key, values in world.context.items() if key.startswith(prefix)}
    if name.lower() == "encryptioncontextequals":
        return _known(value=asked == actual)
    return _known(value=all(actual.get(key) == values for key, values in asked.items()))


def _kms_grants(problem: dict[str, Any], world: World) -> Classes:
    found = []
    service, name = _arn_parts(world.resource)
    for grant in problem["policies"].get("kms_grants") or []:
        if service != "kms" or not name.startswith("key/"):
            continue
        grantee = grant["grantee"]
        is_service = ":" not in grantee and "." in grantee
        who = _entry("Service" if is_service else "AWS", grantee, world, "key")
        operations = {f"kms:{operation}".lower() for operation in grant["operations"]}
        holds = _all(_constraint(key, wanted, world) for key, wanted in (grant.get("constraints") or {}).items())
        body = _all([_known(value=world.action.lower() in operations), holds])
        found.append(Classes(_all([who.direct, body]), _all([who.via, body]), _all([who.account, body])))
    return _union(found)


# --- the decision (5.2, 5.7) --------------------------------------------------------------------------------------


def _cannot_call(problem: dict[str, Any], world: World) -> bool:
    """5.7: the rows that say denied."""
    action, kind = world.action.lower(), world.kind
    credentials = problem["caller"].get("credentials")
    assumed_root = bool(problem["caller"].get("assumed_root"))
    if action == "sts:getcalleridentity":
        return False
    if action == "sts:getsessiontoken":
        return kind not in {"user", "root"} or credentials != "long-term" or assumed_root
    if kind == "federated-user" and action.startswith(("iam:", "sts:")):
        return True
    shared = {"sts:tagsession", "sts:setsourceidentity"}
    if _unregistered(problem):
        return True
    if kind == "web-identity" or action == "sts:assumerolewithwebidentity":
        return kind != "web-identity" or action not in {"sts:assumerolewithwebidentity", *shared}
    if kind == "saml" or action == "sts:assumerolewithsaml":
        return kind != "saml" or action not in {"sts:assumerolewithsaml", *shared}
    if action in {"sts:assumerole", "sts:tagsession"} and _replaces_transitive(problem):
        return True
    if action.startswith("iam:") and credentials == "session-token":
        return True
    allowed = {"sts:assumerole", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext"}
    if action.startswith("sts:") and credentials in {"session-token", "session-token-mfa"} and action not in allowed:
        return True
    if action == "sts:getfederationtoken" and kind not in {"user", "root"}:
        return True
    if kind == "anonymous" and action in allowed:
        return True
    return kind == "root" and action in {"sts:assumerole", "sts:assumeroot"}


def _unregistered(problem: dict[str, Any]) -> bool:
    """6.3: STS rejects a token whose audience is not registered with the provider."""
    audiences = (problem.get("facts") or {}).get("audiences")
    if audiences is None:
        return False
    found = [v for key, values in problem["context"].items() if key.lower().endswith(":aud") for v in values]
    return bool(found) and not set(found) & set(audiences)


def _replaces_transitive(problem: dict[str, Any]) -> bool:
    """4.5: a passed tag whose key an inherited transitive tag has makes the operation fail."""
    held = {key.lower() for key in problem["caller"].get("transitive") or []}
    passed = {key.lower().partition("/")[2] for key in problem["context"] if key.lower().startswith("aws:requesttag/")}
    return bool(held & passed)


def _unconditional(world: World, layers: Layers) -> Truth | None:
    """5.7: the verdict of an action that needs no permission; `None` for any other."""
    action = world.action.lower()
    if action == "sts:getsessiontoken":
        return T
    if action != "sts:getcalleridentity" or world.kind in {"anonymous", *FEDERATION}:
        return None
    allow, deny = layers.endpoint
    return T if allow == T and deny == F else _unknown("missing:effect of the endpoint policy")


def _grant_same(world: World, layers: Layers) -> Truth:
    resource, idp = layers.resource, layers.identity[0]
    bnd, ses = layers.boundary[0], layers.session[0]
    needs = _needs_resource_grant(world)
    if world.kind == "root":
        return _all([ses, _any([resource.direct, resource.account]) if needs else T])
    own = _all([resource.account, idp, bnd, ses]) if needs else _all([idp, bnd, ses])
    return _any([resource.direct, _all([resource.via, bnd, ses]), own])


def _grant_across(world: World, layers: Layers, *, possible: bool, administers: bool = False) -> Truth:
    if not possible:
        # what the management account and delegated administrators do to the organization as a whole
        whole = world.action.lower().startswith(("sts:assumeroot", "sso:", "sso-directory:", "identitystore:"))
        return _all([layers.identity[0], layers.boundary[0], layers.session[0]]) if whole or administers else F
    return _all([layers.resource.allow(), layers.identity[0], layers.boundary[0], layers.session[0]])


def _grant_by_kms(grants: Classes, layers: Layers, same: Truth) -> Truth:
    def soft(truth: Truth) -> Truth:
        return _any([truth, _unknown("X22")])

    idp, bnd, ses = layers.identity[0], soft(layers.boundary[0]), soft(layers.session[0])
    inside = _any([grants.direct, _all([grants.via, bnd, ses]), _all([grants.account, idp, bnd, ses])])
    across = _all([_any([grants.direct, grants.via, grants.account]), soft(idp), bnd, ses])
    return _owned(same, inside, across)


def _owned(same: Truth, inside: Truth, across: Truth) -> Truth:
    if same.value != "U":
        return inside if same == T else across
    return _agree([inside, across], same.why)


def _grant(problem: dict[str, Any], world: World, layers: Layers, same: Truth) -> Truth:
    granted = _grant_by_policy(problem, world, layers, same)
    document = problem["policies"].get("resource")
    silent = document is None or (isinstance(document, dict) and "iamsim:missing" in document)
    if world.action.lower().startswith("elasticfilesystem:client") and silent:
        return _any([granted, _unknown("missing:EFS without policy")])
    return granted


def _grant_by_policy(problem: dict[str, Any], world: World, layers: Layers, same: Truth) -> Truth:
    grants = _kms_grants(problem, world)
    if world.kind in {"anonymous", "service", *FEDERATION}:
        return _any([layers.resource.direct, grants.direct])
    possible = (problem["policies"].get("resource_kind") or "none") != "none"
    administers = bool((problem.get("facts") or {}).get("administers"))
    across = _grant_across(world, layers, possible=possible, administers=administers)
    ruled = _owned(same, _grant_same(world, layers), across)
    return _any([ruled, _grant_by_kms(grants, layers, same)])


def _same_account(problem: dict[str, Any], world: World) -> Truth:
    if world.resource == "*" or problem.get("owner") == "aws":
        return T  # what is AWS's own is for everybody to use whom identity policies let
    if problem.get("owner") is None:
        return _unknown("missing:owner")
    return _known(value=world.account is not None and problem["owner"] == world.account)


def _elsewhere(problem: dict[str, Any], world: World) -> bool:
    """5.6: whether the resource is of another partition than the one that issued the caller's credentials."""
    home = (problem.get("facts") or {}).get("partition")
    signed = world.kind in {"user", "role-session", "federated-user"}
    return signed and home is not None and ":" in world.resource and world.resource.split(":")[1].lower() != home


def _decide(problem: dict[str, Any], world: World, layers: Layers) -> tuple[Truth, Truth]:
    """(allowed, explicitly denied) of 5.2."""
    same = _same_account(problem, world)
    deny = _any(
        [
            layers.identity[1],
            layers.boundary[1],
            layers.session[1],
            layers.scp[1],
            layers.rcp_deny,
            layers.resource.deny,
            layers.endpoint[1],
            _service_deny(problem, world, same),
        ]
    )
    at_home = _known(value=not _elsewhere(problem, world))
    guard = _all([layers.scp[0], layers.endpoint[0], _service_ok(world, same), at_home])
    return _all([_grant(problem, world, layers, same), guard, _not(deny)]), deny


def _decide_api(problem: dict[str, Any], world: World, layers: Layers) -> tuple[Truth, Truth]:
    """`execute-api`: the method's authorization decides which rule holds."""
    setting = (problem.get("facts") or {}).get("execute_api_authorization")
    if setting == "AWS_IAM":
        return _decide(problem, world, layers)
    deny = _any([layers.rcp_deny, layers.resource.deny, layers.endpoint[1]])
    open_api = T if problem["policies"].get("resource") is None else layers.resource.allow()
    granted = open_api if setting == "NONE" else _unknown("missing:method authorization")
    return _all([granted, layers.endpoint[0], _not(deny)]), deny


def check(problem: dict[str, Any]) -> dict[str, Any]:
    """The decision of one concrete check and, iff it is `unknown`, the sorted reasons.

    `decision` is `allowed`, `implicitDeny`, `explicitDeny` or `unknown`. Raises `ValueError` naming the key iff the
    context contradicts a principal key that follows from the caller.

    Source: IAM User Guide, "Policy evaluation logic"
    """
    _verify(problem)
    world = _world(problem)
    if _cannot_call(problem, world):
        return {"decision": "implicitDeny", "reasons": []}
    layers = _layers(problem, world)
    allowed, deny = _unconditional(world, layers), F
    if allowed is None:
        api = world.action.lower().startswith("execute-api:")
        allowed, deny = (_decide_api if api else _decide)(problem, world, layers)
    match allowed.value:
        case "T":
            return {"decision": "allowed", "reasons": []}
        case "F":
            return {"decision": "explicitDeny" if deny == T else "implicitDeny", "reasons": []}
        case _:
            return {"decision": "unknown", "reasons": sorted(allowed.why)}


def says(problem: dict[str, Any]) -> dict[str, Any]:
    """What the identity policies of a check say by themselves of its request, in the terms of `check`.

    No rule of a service, no other layer and no owner has a say.
    """
    sides = _documents(problem["policies"]["identity"], _world(problem), "identity")
    allowed = _all([sides.allow(), _not(sides.deny)])
    if allowed.value == "U":
        return {"decision": "unknown", "reasons": sorted(allowed.why)}
    denied = "explicitDeny" if sides.deny == T else "implicitDeny"
    return {"decision": "allowed" if allowed == T else denied, "reasons": []}

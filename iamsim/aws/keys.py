"""Condition keys: type, single or multivalued, when present, how iamsim knows them.

`key_row` answers for one key in one request: a row of the tables below, else one made from the reference data.
Source: IAM User Guide, "AWS global condition context keys" and "IAM and AWS STS condition context keys".
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache

from iamsim.aws import actions
from iamsim.aws.key_tables import GLOBAL, SERVICE, VPCE_SERVICES, KeyTuple
from iamsim.aws.resource_policies import resource_account_absent


class Listing(StrEnum):
    """What AWS's reference says of a key in requests of an action."""

    LISTED = "listed"
    NOT_LISTED = "not-listed"
    UNKNOWN = "unknown"


# What the codes of `KeyRow.present` say: when the key is in the request context.
PRESENCE = {
    "always": "in every request",
    "signed": "in every signed request",
    "caller-organization": "the caller's account is in an organization",
    "caller-tag": "the caller carries the tag",
    "service-caller": "an AWS service calls for itself",
    "user": "the caller is an IAM user",
    "assumed-root": "AssumeRoot sessions",
    "oidc-session": "sessions of a web identity of that provider, and while its AssumeRoleWithWebIdentity is decided",
    "oidc-token": "only while AssumeRoleWithWebIdentity with a token of that provider is decided",
    "oidc-unknown-claim": "no claim that AWS is known to read from tokens of that provider",
    "saml-session": "sessions from SAML, and while AssumeRoleWithSAML is decided",
    "saml-assertion": "only while AssumeRoleWithSAML is decided",
    "temporary": "temporary credentials",
    "mfa-credentials": "by the kind of credentials",
    "mfa-used": "multi-factor authentication was used for these credentials",
    "source-identity": "a source identity was set at some hop",
    "console-session": "sign-in sessions of the console",
    "chat": "calls through chat applications",
    "instance": "credentials of an instance profile",
    "function": "credentials of a function's execution role, in calls of its code",
    "service-session": "credentials that the service issued",
    "public-endpoint": "the request came by a public endpoint",
    "vpc-endpoint": "the request came through a VPC endpoint",
    "vpc-endpoint-organization": "the request came through a VPC endpoint whose owner is in an organization",
    "resource": "all actions but a documented few",
    "resource-organization": "the owner of the resource is in an organization; all actions but a documented few",
    "resource-tag": "the resource has the tag and the action supports the key",
    "forwarded": "an AWS service calls with the caller's own identity",
    "mcp": "calls through MCP servers that AWS manages",
    "caller-sent": "the caller sent it",
    "request-tag": "the request sets the tag",
    "request-tag-keys": "the request names tag keys",
    "service-source": "an AWS service calls directly for a resource of a customer and sends it",
    "service-source-organization": "as `service-source`, the source being in an organization",
    "request": "the request has the parameter",
    "access-point": "the request goes through an access point, whose policy has a say as well",
    "action": "may be in requests of the actions that list it",
    "never": "not in requests of this action",
    "unknown": "not known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A condition key in requests of an action.

    `name` is AWS's spelling, with the asked part of a family. `type` is S string, B bool, N number, D date, I IP address
    or A ARN. `present` is a code of `PRESENCE`. `got`: *derived* from caller, resource and snapshot; *given* by the
    question, else free; *free* for the solver; *absent* unless the question says otherwise; *mfa* by the caller's kind of
    credentials. `pattern` is true iff the row stands for a family (`aws:PrincipalTag/k`).
    """

    name: str
    type: str
    multivalued: bool
    present: str
    got: str
    pattern: bool
    listing: Listing
    source: str


def _row(name: str, row: KeyTuple, source: str) -> KeyRow:
    kind, present, got = row
    return KeyRow(
        name=name,
        type=kind[0],
        multivalued=kind.endswith("[]"),
        present=present,
        got=got,
        pattern=name.endswith(("/*", ":*")),
        listing=Listing.LISTED,
        source=source,
    )


_GUIDE = 'IAM User Guide, "AWS global condition context keys"'
_SERVICE_GUIDES = {
    "iam": 'IAM User Guide, "IAM and AWS STS condition context keys"',
    "sts": 'IAM User Guide, "IAM and AWS STS condition context keys"',
    "kms": 'AWS KMS Developer Guide, "AWS KMS condition keys"',
    "s3": 'Amazon S3 User Guide, "Policies and permissions in Amazon S3"',
    "lambda": 'AWS Lambda Developer Guide, "Control access to Lambda function URLs"',
}
_REFERENCE = 'Service Authorization Reference, "Condition keys for …"'

ROWS: tuple[KeyRow, ...] = (
    *(_row(name, row, _GUIDE) for name, row in GLOBAL.items()),
    *(_row(name, row, _SERVICE_GUIDES[name.partition(":")[0]]) for name, row in SERVICE.items()),
)
_BY_NAME = {row.name.lower(): row for row in ROWS if not row.pattern}
_FAMILIES = {row.name[:-1].lower(): row for row in ROWS if row.pattern}

ALWAYS_PRESENT = frozenset(name for name, row in _BY_NAME.items() if row.present == "always")
"""Lower-cased names of the keys that are in every request."""

MULTIVALUED = frozenset(name for name, row in _BY_NAME.items() if row.multivalued)
"""Lower-cased names of the table's keys that take the set operators; for others ask `key_row`."""

# Checks that share the request, and so the context, of another operation.
_SHARED = {
    "sts:tagsession": (
        "sts:AssumeRole",
        "sts:AssumeRoleWithSAML",
        "sts:AssumeRoleWithWebIdentity",
        "sts:GetFederationToken",
    ),
    "sts:setsourceidentity": ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"),
    "sts:setcontext": ("sts:AssumeRole",),
}
_BOUNDARY_IN_REQUEST = frozenset(
    {"iam:createuser", "iam:createrole", "iam:putuserpermissionsboundary", "iam:putrolepermissionsboundary"}
)
_RESOURCE_OWNER = frozenset({"aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths"})
_ENDPOINT_OWNER = frozenset({"aws:sourcevpcarn", "aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths"})
_LISTED_ONLY = frozenset({"resource-tag", "request-tag", "request-tag-keys"})


@lru_cache(maxsize=65536)
def key_row(key: str, action: str | None = None) -> KeyRow:
    """What is known of a condition key (case ignored) in requests of `action`; without an action, in general.

    `listing` is LISTED if the key can be in such a request, NOT_LISTED (then `got` is absent) if the reference knows the
    key but not for this action, UNKNOWN (then `got` is free, to be reported with a warning) if nothing is known of it.
    For an action that is unknown, or a pattern, every known key counts as listed.
    """
    lower = key.lower()
    prefix = lower.partition(":")[0]
    if (row := _table_row(key, lower)) is not None:
        return _for_action(row, lower, action)
    if prefix == "saml":
        return _saml_row(key, lower, action)
    if "." in prefix:
        return _oidc_row(key, lower, action)
    return _reference_row(key, lower, action)


def _table_row(key: str, lower: str) -> KeyRow | None:
    if (row := _BY_NAME.get(lower)) is not None:
        return row
    for separator in ("/", ":"):
        stem, sep, rest = lower.partition(separator) if separator == "/" else _second_colon(lower)
        if rest and (family := _FAMILIES.get(stem + sep)) is not None:
            return replace(family, name=family.name[:-1] + key[len(stem) + 1 :])
    return None


def _second_colon(lower: str) -> tuple[str, str, str]:
    service, _, rest = lower.partition(":")
    name, sep, tail = rest.partition(":")
    return f"{service}:{name}", sep, tail


def _for_action(row: KeyRow, lower: str, action: str | None) -> KeyRow:
    """A row of the tables, as it is in requests of `action`."""
    if action is None:
        return row
    name = action.lower()
    if lower == "iam:permissionsboundary" and name in _BOUNDARY_IN_REQUEST:
        row = replace(row, got="given")
    if lower in _RESOURCE_OWNER:
        absent = resource_account_absent(action)
        return _absent(row) if absent else row
    if lower in _ENDPOINT_OWNER:
        supported = name.partition(":")[0] in VPCE_SERVICES[lower] and name != "iam:passrole"
        return row if supported else _absent(row)
    if row.present in _LISTED_ONLY or row.source != _GUIDE:
        return row if _can_be(name, lower) else _absent(row)
    return row


def _can_be(action: str, key: str) -> bool:
    """False iff the reference knows the action and excludes the key.

    It does not exclude what it lists for the action or for an operation whose request the action shares, what its copy may
    have lost, nor the tags of a resource that the request creates, which count as the resource's.
    """
    listed = [actions.lists_key(a, key) for a in (action, *_SHARED.get(action, ()))]
    service = action.partition(":")[0]
    lost = service in actions.MERGED_SERVICES and key.startswith(f"{service}:")
    created = ":resourcetag/" in key and actions.lists_key(action, "aws:requesttag/k") is True
    return True in listed or listed[0] is None or lost or created


def _absent(row: KeyRow) -> KeyRow:
    return replace(row, present="never", got="absent", listing=Listing.NOT_LISTED)


def _unknown(key: str, present: str = "unknown") -> KeyRow:
    return KeyRow(
        name=key,
        type="S",
        multivalued=False,
        present=present,
        got="free",
        pattern=False,
        listing=Listing.UNKNOWN,
        source=_REFERENCE,
    )


_TYPES = {"String": "S", "Bool": "B", "Numeric": "N", "Date": "D", "IPAddress": "I", "ARN": "A"}


def _reference_row(key: str, lower: str, action: str | None) -> KeyRow:
    """The row of a key that only the reference data knows: rules (a), (b) and (c) of its section."""
    known = actions.known_key(key, action)
    if known is None:
        return _unknown(key)
    name, kind = known
    family = "${" in name or "<" in name
    tags = family and ":resourcetag/" in lower
    row = KeyRow(
        name=key if family else name,
        type=_TYPES.get(kind.removeprefix("ArrayOf"), "S"),
        multivalued=kind.startswith("ArrayOf"),
        present="resource-tag" if tags else "action",
        got="derived" if tags else "free",
        pattern=family,
        listing=Listing.LISTED,
        source=_REFERENCE,
    )
    return row if action is None or _can_be(action.lower(), lower) else _absent(row)


# --- identity providers

_WEB = "sts:assumerolewithwebidentity"
_SHARES_TOKEN = frozenset({_WEB, "sts:tagsession", "sts:setsourceidentity"})
_SHARES_ASSERTION = frozenset({"sts:assumerolewithsaml", "sts:tagsession", "sts:setsourceidentity"})
_SAML_SESSION = frozenset({"saml:namequalifier", "saml:sub", "saml:sub_type"})
# AWS-defined providers without OIDC claims, with the keys that stay in the session.
_OAUTH_CLAIMS = {"www.amazon.com": ("app_id", "user_id"), "graph.facebook.com": ("app_id", "id")}


def _oidc_row(key: str, lower: str, action: str | None) -> KeyRow:
    """The row of `<provider>:<claim>`. Source: IAM User Guide, "Available keys for AWS web identity federation"."""
    provider, _, claim = lower.partition(":")
    known = actions.known_key(key, _WEB)
    classic = _OAUTH_CLAIMS.get(provider, ("aud", "sub", "amr"))
    more = () if provider in _OAUTH_CLAIMS else ("oaud", "email")
    if claim in classic:
        present = "oidc-session"
    elif claim in more or known is not None:
        present = "oidc-token"
    else:
        return _unknown(key, "oidc-unknown-claim")
    row = KeyRow(
        name=key,
        type=_TYPES.get(known[1].removeprefix("ArrayOf"), "S") if known else "S",
        multivalued=claim == "amr" or (known is not None and known[1].startswith("ArrayOf")),
        present=present,
        got="given",
        pattern=False,
        listing=Listing.LISTED,
        source='IAM User Guide, "Available keys for AWS web identity federation"',
    )
    if action is None or action.lower() in _SHARES_TOKEN:
        return row
    return replace(row, got="derived") if present == "oidc-session" else _absent(row)


def _saml_row(key: str, lower: str, action: str | None) -> KeyRow:
    """The row of a `saml:` key. Source: IAM User Guide, "Available keys for SAML-based AWS STS federation"."""
    known = actions.known_key(key, "sts:AssumeRoleWithSAML")
    if known is None:
        return _unknown(key)
    session = lower in _SAML_SESSION
    row = KeyRow(
        name=known[0],
        type=_TYPES.get(known[1].removeprefix("ArrayOf"), "S"),
        multivalued=known[1].startswith("ArrayOf"),
        present="saml-session" if session else "saml-assertion",
        got="given",
        pattern=False,
        listing=Listing.LISTED,
        source='IAM User Guide, "Available keys for SAML-based AWS STS federation"',
    )
    if action is None or action.lower() in _SHARES_ASSERTION:
        return row
    return replace(row, got="derived") if session else _absent(row)


# --- values


def typed_text(kind: str, value: str | float | Decimal | datetime) -> str | None:
    """The text that a value of a key of type `kind` has in the request context, or None iff it is no such value.

    Booleans are `true` and `false`, numbers decimal digits, dates `YYYY-MM-DDThh:mm:ssZ`; string operators compare these.
    Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
    """
    text = str(value).strip()
    match kind:
        case "B":
            return text.lower() if text.lower() in ("true", "false") else None
        case "N":
            return _number_text(text)
        case "D":
            return _date_text(value)
        case "I":
            try:
                return str(ipaddress.ip_address(text))
            except ValueError:
                return None
        case "A":
            return text if text.startswith("arn:") and text.count(":") >= 5 else None
        case _:
            return str(value).lower() if isinstance(value, bool) else str(value)


def _number_text(text: str) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _date_text(value: object) -> str | None:
    if isinstance(value, datetime):
        moment = value
    elif (number := _number_text(str(value))) is not None:
        try:
            moment = datetime.fromtimestamp(float(number), UTC)
        except (OverflowError, OSError, ValueError):
            return None
    else:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            return None
        moment = moment.replace(tzinfo=UTC) if len(str(value)) == 10 else moment
    if moment.tzinfo is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

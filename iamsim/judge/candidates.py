"""Which resources a question can mean: one ARN, or for a pattern the loaded resources that fit and all others at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info, fits, resource_arn_patterns
from iamsim.aws.services import TRUST_ACTIONS
from iamsim.aws.shapes import globs_meet
from iamsim.env.memo import once
from iamsim.env.resource_policy import owner_of
from iamsim.errors import QueryError
from iamsim.ir.lower import RESOURCE, arn_pattern, normal_arn
from iamsim.ir.term import TRUE, Like, Term, all_of, any_of, not_
from iamsim.model.arn import parse_arn
from iamsim.model.pattern import Literal, Pattern, Star, join, tokenize

if TYPE_CHECKING:
    from iamsim.env.types import Environment, Resource
    from iamsim.model.pattern import Part


@dataclass(frozen=True, slots=True)
class Target:
    """One meaning of the asked resource: an ARN, `*`, or (None) every ARN for which `domain` holds.

    `owner` is its account if known; `holder` the loaded resource whose policy governs a symbolic one.
    """

    resource: str | None
    owner: str | None
    domain: Term = TRUE
    holder: Resource | None = None
    note: str = ""


def targets(
    env: Environment,
    action: str,
    text: str,
    account: str | None,
    *,
    any_resource: bool,
    owner: str | None,
    closed: bool,
) -> tuple[Target, ...]:
    """The meanings of the resource `text` for `action`, concrete ones first, in order of ARN.

    `account` is the caller's, `owner` overrides the account of the resource. Raises QueryError if the resource does not
    fit the action and `any_resource` is not set.
    """
    info = action_info(action)
    if info is not None and info.wildcard_only and not any_resource:
        note = "" if text == "*" else f"{info.name} has no resource types: `*` was evaluated instead of `{text}`"
        return (Target("*", account, note=note),)
    if text == "*" and info is None:
        return (Target("*", account),)
    if text != "*" and parse_arn(text) is None:
        raise QueryError(f"`{text}` is neither an ARN nor `*`", "a resource is an ARN such as arn:aws:s3:::bucket/key")
    resource = normal_arn(text)
    if text != "*" and not any_resource and fits(action, resource) is False:
        shapes = ", ".join(f"`{p}`" for p in resource_arn_patterns(action)[:4])
        raise QueryError(
            f"resource `{text}` does not fit action `{action}`",
            f"the action works on {shapes}; --any-resource asks all the same",
        )
    if "*" not in text and "?" not in text:
        return (Target(resource, owner or owner_of(env, resource, account)),)
    beside = None if account in env.accounts else account
    kept: dict[object, tuple[Target, ...]] = once(env.memo, "symbolic", dict)
    if len(kept) >= _KEPT:
        kept.clear()
    return once(kept, (action, text, beside, owner, closed), _symbolic, env, action, text, beside, owner, closed)


_KEPT = 64
"""Of how many symbolic resources the meanings are kept."""


def _symbolic(
    env: Environment,
    action: str,
    text: str,
    beside: str | None,
    owner: str | None,
    closed: bool,
) -> tuple[Target, ...]:
    """The meanings of a text with wildcards; `beside` is the caller's account if it is not loaded."""
    asked = Pattern("*", (Star(),)) if text == "*" else arn_pattern(tokenize(text, variables=False))[0]
    shapes = [shape_of(p) for p in resource_arn_patterns(action)]
    domain = all_of((Like(RESOURCE, asked), any_of(Like(RESOURCE, s) for s in shapes) if shapes else TRUE))
    loaded = _loaded(env, action, text, owner, domain)
    rest = [] if closed else _rest(env, action, text, beside, owner, domain)
    return (*loaded, *rest)


# Services whose resource names and ids hold no colon, so that a wildcard of an ARN's shape stands for no other field.
# Source: the services' API references, naming rules of their resources.
_NO_COLON = frozenset(
    [
        "ec2",
        "iam",
        "sts",
        "kms",
        "sqs",
        "sns",
        "lambda",
        "secretsmanager",
        "ecs",
        "ecr",
        "eks",
        "elasticloadbalancing",
        "rds",
        "autoscaling",
        "ssm",
        "cloudformation",
        "sagemaker",
        "apprunner",
        "scheduler",
        "pipes",
        "elasticmapreduce",
        "datapipeline",
    ]
)


_FIELDS = 5
"""The colons of an ARN before its resource."""


def shape_of(template: str) -> Pattern:
    """The pattern of an ARN template in which `*` stands for what is not given."""
    pattern = arn_pattern(tokenize(template, variables=False))[0]
    everywhere = template.split(":", 3)[2] in _NO_COLON
    parts: list[Part] = []
    colons = 0
    for part in pattern.parts:
        # the fields before the resource hold no colon
        parts.append(Star(field=True) if isinstance(part, Star) and (everywhere or colons < _FIELDS) else part)
        colons += part.text.count(":") if isinstance(part, Literal) else 0
    return Pattern(pattern.text, tuple(parts))


def _loaded(env: Environment, action: str, text: str, owner: str | None, domain: Term) -> list[Target]:
    """One target per loaded resource (or role, user) that fits: itself, or for a container the things in it."""
    out: list[Target] = []
    service = action.partition(":")[0]
    for arn, resource in env.resources.items():
        parsed = parse_arn(arn)
        if parsed is None:
            continue
        inside = f"{arn}/*" if parsed.service == "s3" else None
        if inside is not None and fits(action, arn) is False:
            if text == "*" or globs_meet(text, inside):
                contained = Like(RESOURCE, join(arn, [Literal(arn + "/"), Star()]))
                out.append(Target(None, owner or resource.account, all_of((domain, contained)), resource))
        elif fits(action, arn) is True and (text == "*" or globs_meet(text, arn)):
            out.append(Target(normal_arn(arn), owner or resource.account))
    if service in ("iam", "sts"):
        for arn, principal in env.principals.items():
            if fits(action, arn) is True and (text == "*" or globs_meet(text, arn)):
                out.append(Target(normal_arn(arn), owner or principal.account))
    return sorted(out, key=lambda t: t.resource or (t.holder.arn if t.holder else ""))


def _rest(
    env: Environment, action: str, text: str, beside: str | None, owner: str | None, domain: Term
) -> list[Target]:
    """All resources that no input names, by account; those of accounts that are not loaded have an unknown owner."""
    named = [normal_arn(a) for a in env.resources]
    others = not_(any_of(t for a in named for t in _itself_and_inside(a)))
    field = text.split(":", 5)[4] if text != "*" else "*"
    trust = action.lower().startswith(TRUST_ACTIONS)
    accounts = sorted({*env.accounts, *([beside] if beside else [])})
    regular = any(":s3:::" not in p for p in resource_arn_patterns(action))
    out: list[Target] = []
    if owner is not None:
        return [Target(None, owner, all_of((domain, others)))]
    if regular and (field == "*" or field.isdigit() or "*" in field):
        for a in accounts:
            if (field.isdigit() and field != a) or (trust and a in env.accounts):
                continue
            out.append(Target(None, a, all_of((domain, others, _in_account(a)))))
    foreign = all_of((domain, others, not_(any_of(_in_account(a) for a in accounts))))
    if not (field.isdigit() and field in accounts):
        out.append(Target(None, None, foreign))
    return out


def _itself_and_inside(arn: str) -> tuple[Term, ...]:
    whole = Like(RESOURCE, join(arn, [Literal(arn)]))
    return (whole, Like(RESOURCE, join(arn, [Literal(arn + "/"), Star()])))


def _in_account(account: str) -> Term:
    parts: list[Part] = []
    for _ in range(3):
        parts += [Star(field=True), Literal(":")]
    parts += [Star(field=True), Literal(f":{account}:"), Star()]
    return Like(RESOURCE, join(account, parts))


def _unnamed(env: Environment, services: frozenset[str]) -> Term:
    """That a resource of some services (of any, if there are none) is none that an input names; made once."""

    def made() -> Term:
        every = not services or "*" in services
        own = (a for a in env.resources if every or a.count(":") < 5 or a.split(":")[2] in services)
        return not_(any_of(t for a in own for t in _itself_and_inside(normal_arn(a))))

    return once(env.memo, ("unnamed", services), made)


def rest_of(env: Environment, action: str, text: str, account: str) -> Target | None:
    """The resources that `text` means, that no input names, and that belong to the account of the ARN or, where it tells
    none, to `account`; None if there are none.

    The roles of a loaded account are all known, so that there are no others to assume.
    """
    if text != "*" and (parse_arn(text) is None or fits(action, normal_arn(text)) is False):
        return None
    field = text.split(":", 5)[4] if text != "*" else "*"
    owner = field if field.isdigit() else account
    if action.lower().startswith(TRUST_ACTIONS) and owner in env.accounts:
        return None
    asked = Pattern("*", (Star(),)) if text == "*" else arn_pattern(tokenize(text, variables=False))[0]
    shapes = [shape_of(p) for p in resource_arn_patterns(action)]
    named = _unnamed(env, frozenset(t.split(":")[2] for t in resource_arn_patterns(action)))
    where = TRUE if field == owner else any_of((_in_account(owner), _in_account("")))
    fitting = any_of(Like(RESOURCE, s) for s in shapes) if shapes else TRUE
    return Target(None, owner, all_of((Like(RESOURCE, asked), fitting, where, named)))

"""The calls of a technique, each as a check of one request, with what is demanded of it besides the permission."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.services import RESERVED_NAMES
from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.facts import Facts
from iamsim.env.memo import once
from iamsim.env.resource_policy import owner_of
from iamsim.graph.given import given_for, when_for
from iamsim.graph.hops import session_facts
from iamsim.graph.kubernetes import namespaced
from iamsim.graph.sources import filled
from iamsim.graph.world import caller_in
from iamsim.ir.lower import RESOURCE
from iamsim.ir.reduce import reduce
from iamsim.ir.term import (
    TRUE,
    Like,
    Opaque,
    Present,
    Term,
    all_of,
    any_of,
    iff,
    implies,
    not_,
    some,
    subterms,
    variables,
)
from iamsim.judge.candidates import shape_of
from iamsim.judge.check import Check, check_of
from iamsim.model.pattern import Literal, Pattern, Star, Variable, plain, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from iamsim.aws.escalations import Call, Technique
    from iamsim.env.types import Environment
    from iamsim.graph.sessions import Session
    from iamsim.graph.world import Node, Search

# The name that stands for one of the values of a key, whatever the others are.
_AMONG = "$operation"

# Bound where a tag is not set or removed alone: its key is one among others.
MORE = "$more"
_KEY = "$key"


@dataclass(frozen=True, slots=True)
class CallChecks:
    """A call on one resource: its check in each environment that the attacker may choose, and what is demanded besides.

    Calls of one `request` are made in one of these environments, the same for all.
    """

    action: str
    resource: str
    request: int
    checks: tuple[Check, ...]
    demanded: Term

    def term(self, choice: int) -> Term:
        """When the call is allowed in one of the environments."""
        return all_of((self.checks[choice].authorization.allowed, self.demanded))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call stands in an attempt: `hop` and `part` tell its variables from those of others, `request` says with
    which others it is made in one environment, `session` by which session, None for any that the node stands for.
    """

    hop: str = "1|"
    part: str = ""
    request: int = 1
    session: Session | None = None


ALONE = Place()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call on one resource, or on one that `target`, a `$name`, leaves open, with the condition keys that are `fixed`.

    `hop` and `part` are those of its place.
    """

    action: str
    target: str
    fixed: tuple[tuple[str, tuple[str, ...]], ...]
    hop: str = ALONE.hop
    part: str = ALONE.part


def call_checks(
    search: Search,
    node: Node,
    technique: Technique,
    call: Call,
    resource: str,
    bound: Mapping[str, str],
    among: tuple[Environment, ...],
    place: Place = ALONE,
) -> CallChecks:
    """A call of the technique on one of its resources, in each of the environments `among`."""
    fixed = tuple(sorted(_fixed(technique, call, resource, bound, among[0]).items()))
    wanted = Wanted(call.action, bound.get(resource, resource), fixed, place.hop, place.part)
    checks = tuple(check_in(search, env, node, wanted, place.session) for env in among)
    demanded = _demanded(search, node, technique, call, bound, checks)
    return CallChecks(call.action, wanted.target, place.request, checks, demanded)


def _demanded(
    search: Search, node: Node, technique: Technique, call: Call, bound: Mapping[str, str], checks: tuple[Check, ...]
) -> Term:
    """What must hold besides the permission for the call, which `checks` decide in each environment."""
    first = checks[0]
    demanded: list[Term] = []
    if first.facts.resource is None:
        demanded.append(_domain(search, node, first))
    when = when_for(search.ask.when, search.action, search.start, first=_starts(search, node), last=False)
    if when is not TRUE:
        demanded.append(reduce(when, first.lookup))
    demanded += _shared(technique, call, bound, first)
    demanded += _associated(technique, call, checks)
    demanded += _launched(search, call, bound, checks)
    demanded += _provisioned(checks)
    demanded += namespaced(search.env, call, search.env.principals.get(bound.get("$target-role", "")), checks)
    if len(call.resources) > 1 and first.facts.resource_var:
        demanded += _placed(checks, first.facts.resource_var)
    return all_of(demanded)


def _placed(checks: tuple[Check, ...], var: str) -> Iterator[Term]:
    """What one request is made on is in the region in which it is made, where policies tell regions of the resource apart.

    Source: IAM User Guide, "Identify AWS resources with Amazon Resource Names (ARNs)".
    """
    told = (t for c in checks for t in subterms(c.authorization.allowed) if isinstance(t, Like) and t.var == var)
    regions = {(*t.pattern.text.split(":"), "*", "*", "*", "*")[3] for t in told if not t.pattern.variables} - {"", "*"}
    for region in sorted(regions):
        there = Like(var, shape_of(f"arn:*:*:{region}:*:*"))
        yield iff(there, Like(f"{checks[0].facts.hop}{_PLACE}", tokenize(region, variables=False)))


_PLACE = "at-region"
"""The region of a request, as far as its resources tell."""


def _reads(checks: tuple[Check, ...], var: str) -> bool:
    return any(var in variables(c.authorization.allowed) for c in checks)


def _launched(search: Search, call: Call, bound: Mapping[str, str], checks: tuple[Check, ...]) -> Iterator[Term]:
    """The instance profile with which an instance is launched, where that is read: it holds the role, or is the new one.

    Source: Service Authorization Reference, "Amazon EC2", ec2:InstanceProfile.
    """
    value = dict(call.context).get(_PROFILE)
    var = f"{checks[0].facts.hop}{_PROFILE}"
    if value is None or not _reads(checks, var):
        return
    yield Present(var)
    if value == "$instance-profile":
        role = search.env.principals.get(bound.get("$target-role", ""))
        yield any_of(Like(var, plain(arn)) for arn in (role.instance_profiles if role is not None else ()))


_PROFILE = "ec2:instanceprofile"


def _provisioned(checks: tuple[Check, ...]) -> Iterator[Term]:
    """What a stack may hold, where that is read: anything if the request lists no types; what a list leaves is not worked out.

    Source: AWS CloudFormation API Reference, "CreateStack", ResourceTypes.
    """
    var = f"{checks[0].facts.hop}{_TYPES}"
    if _reads(checks, var):
        yield any_of((not_(Present(var)), Opaque("unsupported:what a stack may do whose resource types are limited")))


_TYPES = "cloudformation:resourcetypes"


def _shared(technique: Technique, call: Call, bound: Mapping[str, str], check: Check) -> Iterator[Term]:
    """Keys that hold the ARN of a free resource, which is the one that other calls are made on, and keys that hold a value
    among others.
    """
    for key, value in call.context:
        if bound.get(value) and _is_among(value, bound):
            yield reduce(some(key, Like(key, plain(bound[value]), fold_case=value == _KEY)), check.lookup)
            if value == _KEY:
                yield from _all_set(check, key)
                yield from _stated(check, bound.get(MORE, ""))
        elif value.startswith("$") and value not in bound and _is_free(technique, value):
            names = Variable(f"{value}|{RESOURCE}")
            yield implies(Present(f"{check.facts.hop}{key}"), Like(f"{check.facts.hop}{key}", Pattern("", (names,))))


def stated(tags: tuple[tuple[str, str | None], ...]) -> str:
    """What `MORE` is bound to where the other tags are known: each key with its value, None if it is not set."""
    return json.dumps(tags)


def _stated(check: Check, more: str) -> Iterator[Term]:
    for key, value in json.loads(more) if more.startswith("[") else ():
        name = f"aws:requesttag/{key}"
        yield reduce(not_(Present(name)) if value is None else Like(name, plain(value)), check.lookup)


def _is_among(value: str, bound: Mapping[str, str]) -> bool:
    return value == _AMONG or (value == _KEY and MORE in bound)


def _all_set(check: Check, keys: str) -> Iterator[Term]:
    """Each tag whose key is named is set to something.

    Source: IAM User Guide, "Controlling access during AWS requests".
    """
    head = "aws:requesttag/"
    for var in sorted(variables(check.authorization.allowed)):
        name = var.removeprefix(check.facts.hop)
        if name.startswith(head) and "untag" not in (check.facts.action or ""):
            key = plain(name.removeprefix(head))
            yield reduce(implies(some(keys, Like(keys, key, fold_case=True)), Present(name)), check.lookup)


def _associated(technique: Technique, call: Call, checks: tuple[Check, ...]) -> Iterator[Term]:
    """The resource with which a role is associated, where that is read: one of the service to which it is passed.

    Source: IAM User Guide, "Available keys for IAM", iam:AssociatedResourceArn.
    """
    if call.action.lower() != "iam:passrole":
        return
    key = "iam:associatedresourcearn"
    if not any(f"{c.facts.hop}{key}" in variables(c.authorization.allowed) for c in checks):
        return
    passed = technique.passed_to.removesuffix(".amazonaws.com").rpartition(".")[2] if technique.passed_to else ""
    called = {c.action.partition(":")[0].lower() for v in technique.variants for c in v.calls} - {"iam", "sts"}
    services = sorted(called | {passed} - {""})
    of_service = any_of(Like(key, _anything_of(s)) for s in services)
    yield reduce(implies(Present(key), of_service), checks[0].lookup)


def _anything_of(service: str) -> Pattern:
    """The pattern of ARNs of a service: of the resource itself nothing is known, and it may hold colons."""
    field = Star(field=True)
    parts = (Literal("arn:"), field, Literal(f":{service}:"), field, Literal(":"), field, Literal(":"), Star())
    return Pattern("", parts)


def _is_free(technique: Technique, name: str) -> bool:
    return any(name in c.resources for v in technique.variants for c in v.calls)


def _starts(search: Search, node: Node) -> bool:
    return node.caller is search.start


def check_in(search: Search, env: Environment, node: Node, wanted: Wanted, session: Session | None = None) -> Check:
    """The check of a call by the node, or by one session of it; made once where it does not hang on the question."""
    ask, starts = search.ask, _starts(search, node)
    given = given_for(ask.given, search.action, search.start, first=starts, last=False)
    if session is not None or (starts and (ask.given or ask.documents != NO_DOCUMENTS)):
        return _made_check(search, env, node, wanted, given, session)
    key = ("check", node.caller, node.made, ask.missing, ask.ever, tuple(sorted(given.items())), wanted)
    return once(env.memo, key, _made_check, search, env, node, wanted, given, None)


def _made_check(
    search: Search,
    env: Environment,
    node: Node,
    wanted: Wanted,
    given: Mapping[str, tuple[str, ...]],
    session: Session | None,
) -> Check:
    ask, caller, target = search.ask, caller_in(search.env, env, node.caller), wanted.target
    symbolic = target.startswith("$")
    facts = Facts(
        env=env,
        caller=caller if session is None else caller_in(search.env, env, session.caller),
        action=wanted.action.lower(),
        resource=None if symbolic else target,
        owner=caller.account if symbolic or target == "*" else owner_of(env, target, caller.account),
        given={**given, **dict(wanted.fixed)},
        ever=ask.ever,
        missing=ask.missing,
        hop=wanted.hop,
        part=wanted.part,
        resource_var=f"{target}|{RESOURCE}" if symbolic else None,
        **(session_facts(session) if session is not None else {"on_path": node.made}),
    )
    if facts.owner is None:
        facts = replace(facts, owner=caller.account)
    return check_of(facts, ask.documents if _starts(search, node) and not node.made else NO_DOCUMENTS)


def _domain(search: Search, node: Node, check: Check) -> Term:
    """What the ARN of a free resource looks like: of its type, in the caller's account where the type names one."""
    name = check.facts.resource_name.partition("|")[0]
    kind = name[1:].partition("-")[2]
    known = search.catalogue.resource_types.get(name[1:]) or search.catalogue.resource_types.get(kind)
    templates = (known or "arn:${Partition}:*:${Region}:${Account}:*").split()
    place = node.caller.partition, node.caller.account or "*"
    shaped = any_of(_shaped(t, *place, regional=known is not None) for t in templates)
    return reduce(all_of((shaped, not_(_reserved(kind)))), check.lookup)


@lru_cache(maxsize=64)
def _reserved(kind: str) -> Term:
    """That the ARN of a free resource of the type is one that only resources of AWS have."""
    return any_of(Like(RESOURCE, tokenize(arn, variables=False)) for arn in RESERVED_NAMES.get(kind, ()))


@lru_cache(maxsize=4096)
def _shaped(template: str, partition: str, account: str, *, regional: bool) -> Term:
    """That the ARN of a resource fits the template; with `regional` that it has a region where the template has one."""
    wanted = Like(RESOURCE, shape_of(filled(template, partition, account)))
    return (
        all_of((wanted, not_(Like(RESOURCE, shape_of("arn:*:*::*:*")))))
        if regional and "${Region}" in template
        else wanted
    )


_PASSED = ("$target-role", "$administration-role")


def _fixed(
    technique: Technique, call: Call, resource: str, bound: Mapping[str, str], env: Environment
) -> dict[str, tuple[str, ...]]:
    """The condition keys that the technique fixes in one call."""
    out: dict[str, tuple[str, ...]] = {}
    if call.action.lower() == "iam:passrole" and technique.passed_to and resource in _PASSED:
        out["iam:passedtoservice"] = (technique.passed_to,)
    for named, value in call.context:
        key = named.replace("${key}", bound.get("$key", "").lower())
        if value == "$current-boundary":
            principal = env.principals.get(bound.get(resource, ""))
            arn = principal.boundary.arn if principal is not None and principal.boundary is not None else None
            out[key] = (arn,) if arn else ()
        elif value.startswith("$"):
            if value in bound and not _is_among(value, bound):
                out[key] = (bound[value],) if bound[value] else ()
        else:
            out[key] = (value,) if value else ()
    return out


def told_keys(
    technique: Technique, call: Call, resource: str, env: Environment
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The keys that the technique fixes to a value, whatever its names are bound to."""
    return tuple(sorted((k, v) for k, v in _fixed(technique, call, resource, {}, env).items() if v))

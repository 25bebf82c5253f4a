"""Strategies of Hypothesis for property tests of users' own: `requests`, `policies`, `environments`.

All that is drawn is valid: a request can be asked, a policy and an environment are read without an error. Everything shrinks
to what comes first: the first principal, action and resource, no context, one Allow without conditions, an account alone.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict

try:
    from hypothesis import currently_in_test_context, note
    from hypothesis import strategies as st
except ImportError as error:  # an optional dependency
    raise ImportError("iamsim.strategies needs hypothesis: install `iamsim[test]`") from error

from iamsim.aws.actions import action_info, expand, fits, resource_types_for
from iamsim.env.build import environment_of
from iamsim.env.index import index_of
from iamsim.env.types import MissingPolicy
from iamsim.errors import QueryError
from iamsim.model.arn import parse_arn
from iamsim.model.policy import Malformed
from iamsim.query.prepare import read_actions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from iamsim.env.types import Environment

    Drawn = Sequence[str] | st.SearchStrategy[str] | None
    Draw = Callable[[st.SearchStrategy[Any]], Any]
    Json = dict[str, Any]

__all__ = ["ACCOUNTS", "Request", "contexts", "environments", "policies", "requests"]

ACCOUNTS = ("111122223333", "444455556666")
"""The accounts of `environments`, in the order in which they are there."""


class Request(TypedDict):
    """A question as arguments of `can`: `can(env, **request, strict=True)`."""

    principal: str
    action: str
    resource: str
    context: dict[str, str]


# --- requests

_FEW = 60
"""A pattern of so many actions at most is taken for a list of them."""

# keys that a request may bring whoever makes it
_KEYS: dict[str, tuple[str, ...]] = {
    "aws:SecureTransport": ("true", "false"),
    "aws:SourceIp": ("203.0.113.7", "10.1.2.3", "2001:db8::1"),
    "aws:CurrentTime": ("2026-01-01T00:00:00Z", "2040-06-15T12:00:00Z"),
    "aws:RequestedRegion": ("us-east-1", "eu-west-1"),
    "aws:UserAgent": ("aws-cli",),
}


def contexts() -> st.SearchStrategy[dict[str, str]]:
    """Values for some condition keys that any request may bring: address, time, region, transport, user agent."""
    return st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in _KEYS.items()})


def requests(
    env: Environment,
    *,
    principals: Drawn = None,
    actions: Drawn = None,
    resources: Drawn = None,
    context: st.SearchStrategy[dict[str, str]] | None = None,
) -> st.SearchStrategy[Request]:
    """Requests that can be asked of `env`: the action works on the resource, and is known.

    `principals`, `actions` and `resources` are names, of which one is drawn, or strategies of names. Actions that are listed may
    be patterns (`s3:Get*`) and mean all known actions that match. Default: every user and role of `env`; every known resource of
    `env`, with an object for each bucket, its users and roles; every action that works on such a resource, often one that a
    policy names. `context` defaults to `contexts()`. Raises QueryError if no request would be left.
    """
    who = _choice(principals, lambda: sorted(env.principals), "principal")
    brought = contexts() if context is None else context
    if isinstance(resources, st.SearchStrategy) or isinstance(actions, st.SearchStrategy):
        pairs = _pairs_of_strategies(env, actions, resources)
    else:
        named = _resources(env) if resources is None else _listed(resources, "resource")
        pairs = _pairs(named, _known(actions), _spoken(env) if actions is None else frozenset())

    def made(principal: str, pair: tuple[str, str], given: dict[str, str]) -> Request:
        return {"principal": principal, "action": pair[0], "resource": pair[1], "context": given}

    return st.builds(made, who, pairs, brought)


def _choice(given: Drawn, default: Callable[[], list[str]], what: str) -> st.SearchStrategy[str]:
    if isinstance(given, st.SearchStrategy):
        return given
    return st.sampled_from(_listed(default() if given is None else given, what))


def _listed(names: Sequence[str], what: str) -> list[str]:
    found = [names] if isinstance(names, str) else list(names)
    if not found:
        raise QueryError(f"no {what} is left to draw", f"name some with `{what}s=[…]`")
    return found


def _known(actions: Sequence[str] | None) -> tuple[str, ...] | None:
    """The actions that patterns mean, in order; None for every action."""
    if actions is None:
        return None
    out: dict[str, None] = {}
    for text in _listed(actions, "action"):
        found, warnings = read_actions(text)
        if warnings:
            raise QueryError(warnings[0].message, warnings[0].help)
        out.update(dict.fromkeys(found))
    return tuple(out)


def _spoken(env: Environment) -> frozenset[str]:
    """The actions that statements of `env` name, or mean by a pattern of few actions."""
    policies = [*index_of(env).documents, *(r.policy for r in env.resources.values())]
    policies += [p.trust for p in env.principals.values()]
    texts = {
        pattern.text
        for policy in policies
        if policy is not None and not isinstance(policy, MissingPolicy)
        for statement in policy.statements
        if statement.action is not None and not statement.action.negated
        for pattern in statement.action.patterns
        if not isinstance(pattern, Malformed) and ":" in pattern.text
    }
    return frozenset(a for text in texts if len(meant := expand(text)) <= _FEW for a in meant)


def _pairs(
    resources: Sequence[str], actions: tuple[str, ...] | None, spoken: frozenset[str]
) -> st.SearchStrategy[tuple[str, str]]:
    """(action, resource) that go together: a resource first, then an action that works on it, often one of `spoken`."""
    by_resource = {r: found for r in dict.fromkeys(resources) if (found := _fitting(r, actions))}
    if not by_resource:
        raise QueryError("no action works on any of the resources", "name actions and resources that go together")

    def of(table: Mapping[str, Sequence[str]]) -> st.SearchStrategy[tuple[str, str]]:
        return st.sampled_from(list(table)).flatmap(lambda r: st.sampled_from(table[r]).map(lambda action: (action, r)))

    likely = {r: told for r, found in by_resource.items() if (told := [a for a in found if a in spoken])}
    return of(likely) | of(by_resource) if likely else of(by_resource)


def _fitting(resource: str, actions: tuple[str, ...] | None) -> tuple[str, ...]:
    """The actions of `actions`, or of all, that work on the resource; on `*` those that have no other."""
    if resource != "*" and parse_arn(resource) is None:
        raise QueryError(
            f"`{resource}` is neither an ARN nor `*`", "a resource is an ARN such as arn:aws:s3:::bucket/key"
        )
    return _all_fitting(resource) if actions is None else tuple(a for a in actions if _works(a, resource))


@lru_cache(maxsize=4096)
def _all_fitting(resource: str) -> tuple[str, ...]:
    services = dict.fromkeys(t.partition(":")[0] for t in resource_types_for(resource))
    actions = (a for s in services for a in expand(f"{s}:*")) if resource != "*" else expand("*")
    return tuple(a for a in actions if _works(a, resource))


def _works(action: str, resource: str) -> bool:
    info = action_info(action)
    if info is None or info.wildcard_only or resource == "*":
        return info is not None and info.wildcard_only and resource == "*"
    return fits(action, resource) is True


def _pairs_of_strategies(env: Environment, actions: Drawn, resources: Drawn) -> st.SearchStrategy[tuple[str, str]]:
    """(action, resource) where one of them is drawn by the user; those that do not go together are drawn again."""
    what = _choice(resources, lambda: _resources(env), "resource")
    if isinstance(actions, st.SearchStrategy):
        return st.tuples(actions, what).filter(lambda pair: _works(*pair))
    known = _known(actions)
    return what.filter(lambda r: bool(_fitting(r, known))).flatmap(
        lambda r: st.sampled_from(_fitting(r, known)).map(lambda action: (action, r))
    )


def _resources(env: Environment) -> list[str]:
    """The ARNs of what is loaded; a bucket is followed by an object in it."""
    out: dict[str, None] = {}
    for arn in env.resources:
        out[arn] = None
        found = parse_arn(arn)
        if found is not None and found.service == "s3" and "/" not in found.resource and ":" not in found.resource:
            out[f"{arn}/key"] = None
    out.update(dict.fromkeys(env.principals))
    return [arn for arn in out if resource_types_for(arn)]


# --- policies

_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:Get*", "sts:AssumeRole", "s3:*", "*")
_BUCKET = "arn:aws:s3:::bucket"
_CONDITIONS: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (("Bool", "BoolIfExists"), "aws:SecureTransport", ("true", "false")),
    (("Bool", "BoolIfExists"), "aws:MultiFactorAuthPresent", ("true", "false")),
    (("IpAddress", "NotIpAddress"), "aws:SourceIp", ("10.0.0.0/8", "203.0.113.0/24")),
    (("StringEquals", "StringNotEquals", "StringEqualsIfExists"), "aws:PrincipalTag/team", ("red", "blue")),
    (("StringLike", "StringNotLike"), "aws:RequestedRegion", ("us-*", "eu-west-1")),
    (("StringEquals", "StringNotEquals"), "aws:PrincipalAccount", ACCOUNTS),
    (("DateLessThan", "DateGreaterThan"), "aws:CurrentTime", ("2030-01-01T00:00:00Z",)),
    (("Null",), "aws:PrincipalTag/team", ("true", "false")),
)
_KINDS = ("identity", "boundary", "session", "scp", "resource", "trust")


def _roles(account: str) -> tuple[str, ...]:
    return tuple(f"arn:aws:iam::{account}:role/{name}" for name in ("r", "s"))


def _conditions() -> st.SearchStrategy[Json]:
    """A Condition element of one test, whose key, operator and value are of one type."""

    def of(row: tuple[tuple[str, ...], str, tuple[str, ...]]) -> st.SearchStrategy[Json]:
        operators, key, values = row
        return st.builds(lambda o, v: {o: {key: v}}, st.sampled_from(operators), st.sampled_from(values))

    return st.sampled_from(_CONDITIONS).flatmap(of)


def _principals(kind: str) -> st.SearchStrategy[Any]:
    named = [{"AWS": f"arn:aws:iam::{a}:{n}"} for a in ACCOUNTS for n in ("user/u", "role/r", "role/s", "root")]
    services: list[Any] = (
        [{"Service": "ec2.amazonaws.com"}] if kind == "trust" else ["*", {"Service": "sns.amazonaws.com"}]
    )
    return st.sampled_from([*named, *services])


@st.composite
def _statements(draw: Draw, kind: str, works: Mapping[str, Sequence[str]]) -> Json:
    effect = draw(st.sampled_from(["Allow", "Allow", "Deny"]))
    out: Json = {"Effect": effect}
    if kind in ("trust", "resource"):
        out["Principal"] = draw(_principals(kind))
    out["Action"] = "sts:AssumeRole" if kind == "trust" else draw(st.sampled_from(list(works)))
    if kind != "trust":
        out["Resource"] = draw(st.sampled_from(works[out["Action"]]))
    if draw(st.sampled_from([False, False, True])):
        out["Condition"] = draw(_conditions())
    return out


@lru_cache(maxsize=1024)
def _worked(action: str, resources: tuple[str, ...]) -> tuple[str, ...]:
    """The resources that some action of the pattern works on; all of them if none is known to."""
    if action == "*":
        return resources
    meant = expand(action)
    return tuple(r for r in resources if r == "*" or any(fits(a, r) for a in meant)) or resources


def policies(
    kind: str = "identity",
    *,
    actions: Sequence[str] | None = None,
    resources: Sequence[str] | None = None,
    max_statements: int = 3,
) -> st.SearchStrategy[Json]:
    """Valid policy documents as JSON values, of one to `max_statements` statements.

    `kind` is identity, boundary, session, scp, resource or trust. `actions` and `resources` are what statements name, those that
    go together; by default a few of S3 and STS, a bucket `bucket`, and the roles of `environments`. A resource policy is one
    of that bucket.
    Raises QueryError for another kind.
    """
    if kind not in _KINDS:
        raise QueryError(f"`{kind}` is no kind of policy", f"kinds are {', '.join(_KINDS)}")
    own = (f"{_BUCKET}/*", _BUCKET, f"{_BUCKET}*")
    everywhere = own if kind == "resource" else (*own, *(r for a in ACCOUNTS for r in _roles(a)), "*")
    known = [a for a in _ACTIONS if kind != "resource" or a.startswith("s3:")]
    on = tuple(_listed(everywhere if resources is None else resources, "resource"))
    one = _statements(kind, {a: _worked(a, on) for a in _listed(known if actions is None else actions, "action")})
    return st.lists(one, min_size=1, max_size=max_statements).map(
        lambda found: {"Version": "2012-10-17", "Statement": found}
    )


# --- environments


@st.composite
def _account(draw: Draw, account: str) -> Json:
    """Account details: user `u`, roles `r` and `s`, with an inline policy each or none, and perhaps a tag or a boundary."""
    boundary = f"arn:aws:iam::{account}:policy/boundary"
    users, roles = [], []
    bounded = draw(st.none() | st.none() | policies("boundary"))
    for number, name in enumerate(("u", "r", "s")):
        word = "User" if name == "u" else "Role"
        found = draw(st.one_of(st.none(), policies(), policies()))
        row: Json = {
            "Path": "/",
            f"{word}Name": name,
            f"{word}Id": f"{'AIDA' if name == 'u' else 'AROA'}{account}{number:05d}",
            "Arn": f"arn:aws:iam::{account}:{word.lower()}/{name}",
            f"{word}PolicyList": [] if found is None else [{"PolicyName": "inline", "PolicyDocument": found}],
            "AttachedManagedPolicies": [],
            "Tags": draw(st.sampled_from([[], [{"Key": "team", "Value": "red"}]])),
        }
        if name != "s" and bounded is not None:
            row["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
        if name == "u":
            users.append({**row, "GroupList": []})
        else:
            trust = draw(policies("trust", max_statements=2))
            roles.append({**row, "InstanceProfileList": [], "AssumeRolePolicyDocument": trust})
    version = {"VersionId": "v1", "IsDefaultVersion": True, "Document": bounded}
    managed = {"PolicyName": "boundary", "Arn": boundary, "DefaultVersionId": "v1", "PolicyVersionList": [version]}
    return {
        "UserDetailList": users,
        "GroupDetailList": [],
        "RoleDetailList": roles,
        "Policies": [] if bounded is None else [managed],
    }


@st.composite
def _snapshots(draw: Draw, accounts: int) -> Json:
    files: Json = {f"{a}.json": draw(_account(a)) for a in ACCOUNTS[: draw(st.integers(1, accounts))]}
    resource: Json = {"Resource": _BUCKET, "Account": ACCOUNTS[0]}
    files["resources.json"] = [{**resource, "Policy": draw(st.none() | policies("resource"))}]
    return files


def environments(*, accounts: int = 2) -> st.SearchStrategy[Environment]:
    """Small environments: one or two accounts (at most `accounts`), each with user `u` and roles `r` and `s`, and a bucket.

    The bucket `bucket` belongs to the first of `ACCOUNTS`. The input files of a failing example are printed with it, as JSON.
    """
    if not 1 <= accounts <= len(ACCOUNTS):
        raise QueryError(f"`accounts={accounts}` is not from 1 to {len(ACCOUNTS)}", "environments are small")

    def built(files: Json) -> Environment:
        if currently_in_test_context():
            note("input files: " + json.dumps(files))
        return environment_of(files)

    return _snapshots(accounts).map(built)

"""Holders of web identity tokens and SAML assertions as callers, and what their free claims look like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from iamsim.aws.issuers import fits, issuer_of, parameter, shapes_of
from iamsim.aws.services import BUILT_IN_PROVIDERS
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.ir.term import FALSE, TRUE, Like, Present, all_of, any_of, implies, not_
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.pattern import Literal, Pattern, Star, Variable

if TYPE_CHECKING:
    from iamsim.aws.issuers import Issuer
    from iamsim.env.facts import Facts
    from iamsim.ir.term import Term
    from iamsim.model.caller import ClaimShape

_OTHER_KEYS = ("aws:", "sts:", "saml:")


def read_token(text: str) -> Caller:
    """The holder of a token, or some holder, that `oidc://ISSUER?…` or `saml://PROVIDER-ARN?…` (percent-encoded) means.

    Behind the issuer stand claims, `CLAIM=VALUE`, and for the issuers of `iamsim.aws.issuers` parameters that constrain the
    claims which are not given, such as `repo=o/r`; `issuer=NAME` says whose tokens those of another host look like.
    Raises QueryError for what is neither, and for claims that contradict each other.
    """
    scheme, _, rest = text.partition("://")
    place, _, query = rest.partition("?")
    place = unquote(place).rstrip("/")
    if not place:
        raise QueryError(
            f"`{printable(text)}` names no provider", "write oidc://token.actions.githubusercontent.com?sub=…"
        )
    bare = next((part for part in query.split("&") if part and "=" not in part), None)
    if bare is not None:
        raise QueryError(f"`{printable(bare)}` in `{printable(text)}` has no value", "write CLAIM=VALUE")
    pairs = parse_qsl(query, keep_blank_values=True)
    if scheme == "saml" and not place.startswith("arn:"):
        remedy = "write saml://arn:aws:iam::ACCOUNT:saml-provider/NAME?…"
        raise QueryError(f"`{printable(place)}` is no ARN of a SAML provider", remedy)
    if scheme == "saml":
        return Caller(kind=CallerKind.SAML, provider=place, claims=_claims("saml", pairs))
    host = place.lower().removeprefix("https://")
    provider = host if host in BUILT_IN_PROVIDERS else place.removeprefix("https://").removeprefix("HTTPS://")
    named = [v for k, v in pairs if k == "issuer"]
    issuer = issuer_of(host, named[-1] if named else "")
    pairs = [p for p in pairs if p[0] != "issuer"]
    if issuer is None:
        return Caller(kind=CallerKind.WEB_IDENTITY, provider=provider, claims=_claims(host, pairs))
    given, pairs = _split(issuer, host, pairs)
    free = ("sub", "*") in pairs
    claims = dict(_claims(host, [p for p in pairs if p != ("sub", "*")]))
    told = {k.removeprefix(host + ":"): v[0] for k, v in claims.items()}
    shapes = shapes_of(issuer, host, given, told)
    if free:
        shapes = tuple(s for s in shapes if s.key != f"{host}:sub")
    caller = Caller(kind=CallerKind.WEB_IDENTITY, provider=provider, issuer=issuer.name)
    return _settled(caller, claims, shapes, strict=bool(given))


def _claims(prefix: str, pairs: list[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The values by condition key, sorted; a name that is no key gets the prefix of the provider."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        key = name if name.lower().startswith((prefix + ":", *_OTHER_KEYS)) else f"{prefix}:{name}"
        found.setdefault(key.lower(), []).append(value)
    return tuple((k, tuple(v)) for k, v in sorted(found.items()))


def _split(issuer: Issuer, host: str, pairs: list[tuple[str, str]]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The parameters, and the pairs that are claims; beside `sub` claims say no more than themselves."""
    given: dict[str, str] = {}
    rest: list[tuple[str, str]] = []
    told = any(name.lower() == "sub" for name, _ in pairs)
    for name, value in pairs:
        own = name.lower().startswith((host + ":", *_OTHER_KEYS))
        found = None if own else parameter(issuer, name)
        claim = found is not None and name.lower() in issuer.aliases and "*" not in value
        if found is None or claim:
            rest.append((name, value))
        if found is None or (claim and told):
            continue
        if given.setdefault(found, value) != value:
            raise QueryError(f"`{printable(name)}` is given twice", "ask a question for each value")
    return given, rest


def _settled(
    caller: Caller, claims: dict[str, tuple[str, ...]], shapes: tuple[ClaimShape, ...], *, strict: bool
) -> Caller:
    """The caller with its claims, to which those are added whose shape leaves one text."""
    open_ = []
    for shape in shapes:
        told = claims.get(shape.key)
        if told is None:
            open_.append(shape)
        elif strict and not all(fits(shape, v) for v in told):
            name = shape.key.rpartition(":")[2]
            raise QueryError(
                f"the claim `{name}={printable(told[0])}` contradicts the other parameters", "leave one of them out"
            )
    for shape in open_:
        text = shape.allowed[0].literal if shape.allowed and len(shape.allowed) == 1 and shape.when is None else None
        if text and shape.key not in claims:
            if not all(fits(s, text) for s in open_ if s.key == shape.key):
                raise QueryError("no token has these parameters together", "leave one of them out")
            claims[shape.key] = (text,)
    left = tuple(s for s in open_ if s.key not in claims)
    return replace(caller, claims=tuple(sorted(claims.items())), claim_shapes=left)


def claim_terms(facts: Facts, name: str) -> list[Term]:
    """What holds for the free key `name` of a check: the claim looks as the caller's token says, and agrees with `sub`."""
    caller = facts.caller
    if caller.kind is not CallerKind.WEB_IDENTITY:
        return []
    var = facts.hop + name
    parts = [_shape_term(s, var) for s in caller.claim_shapes if s.key == name]
    if caller.issuer == "github":
        parts += _agreement(facts, name)
    return parts


def _shape_term(shape: ClaimShape, var: str) -> Term:
    allowed = TRUE if shape.allowed is None else any_of(Like(var, p) for p in shape.allowed)
    body = all_of((allowed, *(not_(Like(var, p, fold_case=True)) for p in shape.excluded)))
    when = Present(var) if shape.when is None else Like(var, shape.when)
    return not_(when) if allowed is FALSE else implies(when, body)


_NAMED = Pattern("", (Literal("repo:"), Star()))
_WITH_IDS = tuple(
    Pattern("", (Literal("repo:"), Star(field=True), Literal("@"), Star(field=True), *end))
    for end in ((), (Literal(":"), Star()))
)


def _agreement(facts: Facts, name: str) -> list[Term]:
    """The repository of a GitHub token is the one that its subject names, if that names one without ids.

    Source: GitHub Actions documentation, "OpenID Connect reference".
    """
    issuer, _, claim = name.rpartition(":")
    sub, var = f"{issuer}:sub", facts.hop + name
    if claim != "repository" or sub in facts.given or sub in dict(facts.caller.claims):
        return []
    subject = facts.hop + sub
    head = (Literal("repo:"), Variable(var))
    same = (Pattern("", head), Pattern("", (*head, Literal(":"), Star())))
    named = all_of((Present(var), Like(subject, _NAMED), *(not_(Like(subject, p)) for p in _WITH_IDS)))
    return [implies(named, any_of(Like(subject, p) for p in same))]

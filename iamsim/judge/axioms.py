"""Facts about free condition keys: what no request can look like, for the keys that occur in a problem."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

from iamsim.aws import issuers
from iamsim.aws.keys import Listing, key_row
from iamsim.aws.service_sessions import SESSION_NAMES
from iamsim.env.resource_policy import at_home
from iamsim.ir.principals import SESSION
from iamsim.ir.term import (
    TRUE,
    Compare,
    InNetwork,
    Like,
    Parses,
    Present,
    Sort,
    Within,
    all_of,
    any_of,
    each,
    iff,
    implies,
    not_,
    some,
    variables,
)
from iamsim.judge.organization_keys import base_name, elsewhere, of_source
from iamsim.judge.tokens import claim_terms
from iamsim.model.caller import CallerKind, Credentials
from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, Variable, plain, tokenize
from iamsim.smt.types import Hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iamsim.env.facts import Facts
    from iamsim.ir.term import Term

_HOURS = 3600
_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-"
_SORTS = {"B": Sort.BOOL, "N": Sort.NUMBER, "D": Sort.DATE, "I": Sort.ADDRESS, "A": Sort.ARN, "S": Sort.STRING}
_MAPPED = ip_network("::ffff:0:0/96")
_SAMPLES = {
    "aws:sourceip": ("203.0.113.10",),
    "aws:vpcsourceip": ("10.0.0.10",),
    "aws:sourcevpce": ("vpce-0a1b2c3d4e5f60718",),
    "aws:sourcevpc": ("vpc-0a1b2c3d4e5f60718",),
    "aws:useragent": ("iamsim",),
    "aws:currenttime": ("2026-01-01T12:00:00Z",),
    "aws:tokenissuetime": ("2026-01-01T11:30:00Z",),
    "aws:multifactorauthage": ("60",),
    "aws:multifactorauthpresent": ("true",),
    "aws:securetransport": ("true",),
    "aws:viaawsservice": ("false",),
    "aws:requestedregion": ("us-east-1", "eu-west-1"),
    "aws:orgid": ("o-exampleorgid",),
    "aws:orgpaths": ("o-exampleorgid/r-ab12/",),
    "sts:externalid": ("example-external-id",),
    "sts:rolesessionname": ("iamsim",),
    "session": ("iamsim",),
    "aws:sourceidentity": ("iamsim",),
    "sts:sourceidentity": ("iamsim",),
    "aws:calledvia": ("athena.amazonaws.com",),
}


@lru_cache(maxsize=4096)
def hint_of(var: str) -> Hint:
    """How a free variable is read and what its values look like.

    Source: IAM User Guide, "AWS global condition context keys"; AWS STS API Reference, patterns of the parameters.
    """
    name = base_name(var)
    if var.startswith("="):
        return Hint(samples=(var[1:],))
    if name in ("session", "sts:rolesessionname", "sts:sourceidentity", "aws:sourceidentity"):
        return Hint(samples=_SAMPLES[name], alphabet=_NAME, min_length=2, max_length=64)
    if name in ("resource", "action"):
        return Hint()
    if name == "aws:orgpaths":
        return Hint(multivalued=True, samples=_SAMPLES[name])
    row = key_row(name, None)
    sort = _SORTS[row.type]
    samples = _SAMPLES.get(name) or issuers.samples(name)
    if not samples and name.endswith("account"):
        samples = ("123456789012",)
    if name == "aws:multifactorauthage":
        from fractions import Fraction

        return Hint(sort=sort, samples=samples, minimum=Fraction(0), integers=True)
    if name == "sts:externalid":
        return Hint(samples=samples, alphabet=_NAME + ":/", min_length=2, max_length=1224)
    return Hint(sort=sort, multivalued=row.multivalued or row.listing is Listing.UNKNOWN, samples=samples)


def axioms(facts: Facts, read: frozenset[str]) -> list[Term]:
    """The constraints between free keys that bear on a problem over the variables `read` (semantics 4.4).

    Source: IAM User Guide, "AWS global condition context keys".
    """
    hop = facts.hop
    seen: set[str] = set()
    parts: list[Term] = []
    todo = {v for v in read if _own(v, hop)}
    while todo:
        fresh = sorted(todo - seen)
        seen |= todo
        added = [t for v in fresh for t in _of_key(facts, v[len(hop) :])]
        parts += added
        todo = {v for t in added for v in variables(t) if _own(v, hop)} - seen
    parts += [*_session_name(facts, read), *at_home(facts, read), *elsewhere(facts, read), *of_source(facts, read)]
    return list(dict.fromkeys(parts))


def _session_name(facts: Facts, read: frozenset[str]) -> list[Term]:
    """A service names the sessions that it issues, and those that it asks for, in its own way.

    Source: IAM User Guide, "IAM policy elements: Variables and tags", where principal key values are determined.
    """
    caller = facts.caller
    asking = caller.kind is CallerKind.SERVICE
    service = next(iter(caller.services), None) if asking else caller.issuing_service
    var = facts.hop + "sts:rolesessionname" if asking else facts.session or SESSION
    shapes = SESSION_NAMES.get(service or "", ()) if var in read else ()
    return [any_of(Like(var, tokenize(s)) for s in shapes)] if shapes else []


def shapes(read: frozenset[str]) -> list[Term]:
    """The constraints on single keys alone, for problems without a request: values that fit the type of the key."""
    out = [t for v in sorted(read) if "|" not in v and not v.startswith("=") for t in _shape(v, v)]
    return [t for t in out if t is not TRUE] + constants(read)


def _own(var: str, hop: str) -> bool:
    return var.startswith(hop) and "|" not in var[len(hop) :] and not var.startswith("=")


def constants(read: frozenset[str]) -> list[Term]:
    """What variables named `=text` mean: they are always that text."""
    return [Like(v, plain(v[1:])) for v in sorted(read) if v.startswith("=")]


def _of_key(facts: Facts, name: str) -> list[Term]:
    var = facts.hop + name
    parts = [*_shape(var, name)]
    match name:
        case "aws:sourceip" | "aws:sourcevpce" | "aws:sourcevpc" | "aws:vpcsourceip":
            parts += _network(facts)
        case "aws:calledvia" | "aws:viaawsservice" | "aws:calledviafirst" | "aws:calledvialast":
            parts += _forwarded(facts)
        case "aws:currenttime":
            parts.append(Present(var))
        case "aws:tokenissuetime":
            parts += _issued(facts, var)
        case "aws:multifactorauthpresent" | "aws:multifactorauthage":
            parts += _mfa(facts)
        case "aws:securetransport":
            parts.append(Present(var))
        case "aws:requestedregion":
            parts += _region(facts, var)
        case "aws:sourcearn" | "aws:sourceaccount":
            parts += _source(facts)
        case "sts:rolesessionname":
            parts.append(Present(var))
        case "aws:tagkeys":
            parts += _given_tags(facts, var)
        case "sts:transitivetagkeys":
            parts.append(_subset(facts, var))
        case "session":
            parts.append(Present(var))
        case "resource":
            parts.append(Present(var))
        case _ if name.startswith("aws:requesttag/"):
            parts.append(_tag_key(facts, name))
        case _ if name.startswith("kms:encryptioncontext"):
            parts += _encryption_context(facts, name)
        case _ if name.endswith((":aud", ":sub")):
            parts.append(Present(var))
        case _:
            pass
    parts += claim_terms(facts, name)
    return [p for p in parts if p is not TRUE]


@lru_cache(maxsize=4096)
def _shape(var: str, name: str) -> Sequence[Term]:
    """Values that the type of the key rules out: other texts than booleans, empty elements, mapped addresses."""
    if name in ("session", "resource", "action"):
        return []
    row = key_row(name, None)
    present = Present(var)
    if row.multivalued:
        return [each(var, not_(Like(var, plain(""))))]
    match row.type:
        case "B":
            return [implies(present, any_of(Like(var, plain(w)) for w in ("true", "false")))]
        case "I":
            return [implies(present, all_of((Parses(var, Sort.ADDRESS), not_(InNetwork(var, _MAPPED)))))]
        case "N":
            return [implies(present, Parses(var, Sort.NUMBER))]
        case "D":
            return [implies(present, Parses(var, Sort.DATE))]
        case "A":
            return [implies(present, Parses(var, Sort.ARN))]
        case _:
            return (
                [implies(present, _account_like(var))] if name.endswith(("principalaccount", "sourceaccount")) else []
            )


def _account_like(var: str) -> Term:
    return Like(var, Pattern("????????????", (AnyChar(),) * 12))


def _network(facts: Facts) -> list[Term]:
    """A request comes by a public endpoint or through a VPC endpoint, and only one of them."""
    h = facts.hop
    ip, vpce = Present(h + "aws:sourceip"), Present(h + "aws:sourcevpce")
    known = [v for v in ("aws:sourceip", "aws:sourcevpce") if v in facts.given]
    parts: list[Term] = []
    if not known:
        forwarded = _maybe_forwarded(facts)
        parts.append(not_(all_of((ip, vpce))))
        parts.append(any_of((ip, vpce, forwarded)))
    if facts.inside and "aws:sourcevpce" not in facts.given:
        parts.append(Like(h + "aws:sourcevpce", tokenize("?*")))
    inside = [v for v in ("aws:sourcevpc", "aws:vpcsourceip") if v not in facts.given]
    if "aws:sourcevpce" not in facts.given:
        parts += [iff(Present(h + v), vpce) for v in inside]
    for endpoint in facts.env.endpoints.values():
        if endpoint.vpc and "aws:sourcevpce" not in facts.given and "aws:sourcevpc" not in facts.given:
            at = Like(h + "aws:sourcevpce", plain(endpoint.id))
            parts.append(implies(at, Like(h + "aws:sourcevpc", plain(endpoint.vpc))))
    return parts


def _maybe_forwarded(facts: Facts) -> Term:
    given = facts.given.get("aws:viaawsservice")
    if given is not None:
        return TRUE if given == ("true",) else any_of(())
    return Like(facts.hop + "aws:viaawsservice", plain("true"))


def _forwarded(facts: Facts) -> list[Term]:
    """A request is forwarded by a service iff it says through which ones."""
    h = facts.hop
    via, called = h + "aws:viaawsservice", h + "aws:calledvia"
    parts: list[Term] = []
    if "aws:viaawsservice" not in facts.given:
        parts.append(Present(via))
        if "aws:calledvia" not in facts.given:
            parts.append(iff(Like(via, plain("true")), Present(called)))
    if "aws:calledvia" not in facts.given:
        ends = [h + "aws:calledviafirst", h + "aws:calledvialast"]
        parts += [iff(Present(e), Present(called)) for e in ends]
        parts += [implies(Present(e), some(called, Like(called, _same(e)))) for e in ends]
    return parts


def _same(var: str) -> Pattern:
    return Pattern("${" + var + "}", (Variable(var),))


def _issued(facts: Facts, var: str) -> list[Term]:
    """Temporary credentials carry the time of their issue; they live at most 36 hours, sessions of roles 12.

    Source: AWS STS API Reference, "AssumeRole", "GetSessionToken" and "GetFederationToken", DurationSeconds.
    """
    caller = facts.caller
    now = facts.hop + "aws:currenttime"
    hours = 12 if caller.kind is CallerKind.ROLE_SESSION else 36
    if caller.instance or caller.open_services:
        hours = 0
    link = Within(var, now, hours * _HOURS if hours else None)
    given = facts.given.get("aws:currenttime") or facts.given.get("aws:epochtime")
    if given:
        from iamsim.ir import values

        end = values.date(given[0])
        link_term: Term = TRUE if end is None else Compare(var, "<=", end, Sort.DATE)
        if end is not None and hours:
            link_term = all_of((link_term, Compare(var, ">=", end - hours * _HOURS, Sort.DATE)))
    else:
        link_term = link
    temporary = caller.credentials is Credentials.SESSION_TOKEN or caller.kind in (
        CallerKind.ROLE_SESSION,
        CallerKind.FEDERATED_USER,
    )
    parts = [implies(Present(var), link_term)]
    if temporary or caller.assumed_root:
        parts.append(Present(var))
    return parts


def _mfa(facts: Facts) -> list[Term]:
    """MFA keys of a user: with temporary credentials the flag is there, with long-term keys only in AssumeRole with a code."""
    h = facts.hop
    flag, age, issued = h + "aws:multifactorauthpresent", h + "aws:multifactorauthage", h + "aws:tokenissuetime"
    used = Like(flag, plain("true"))
    given = facts.given
    if "aws:multifactorauthpresent" in given:
        value = given["aws:multifactorauthpresent"]
        return [] if "aws:multifactorauthage" in given else [Present(age) if value == ("true",) else not_(Present(age))]
    parts: list[Term] = []
    caller = facts.caller
    if caller.mfa is not None:
        if caller.mfa and "aws:multifactorauthage" not in given:
            parts.append(Present(age))
        return parts
    if "aws:multifactorauthage" not in given:
        parts.append(iff(Present(age), used))
    if caller.credentials is Credentials.SESSION_TOKEN:
        parts.append(Present(flag))
    elif "aws:tokenissuetime" not in given and caller.credentials is Credentials.ANY:
        parts.append(implies(Present(issued), Present(flag)))
        if facts.action == "sts:assumerole":
            parts.append(implies(all_of((Present(flag), not_(Present(issued)))), used))
        else:
            parts.append(implies(Present(flag), Present(issued)))
    else:
        parts.append(implies(Present(flag), used))
    return parts


def _region(facts: Facts, var: str) -> list[Term]:
    """A symbolic resource with a region is asked for in that region; no name of a region has a colon."""
    if facts.resource is not None:
        return [Present(var)]
    colon, any_field = Literal(":"), Star(field=True)
    head = (any_field, colon, any_field, colon, any_field, colon)
    resource = facts.resource_name
    same = Like(resource, Pattern("", (*head, Variable(var), colon, any_field, colon, Star())))
    none = Like(resource, Pattern("", (*head, colon, any_field, colon, Star())))
    return [Like(var, Pattern("", (any_field,))), any_of((same, none))]


def _source(facts: Facts) -> list[Term]:
    """The account in `aws:SourceArn`, if it has one, is `aws:SourceAccount`."""
    h = facts.hop
    arn, account = h + "aws:sourcearn", h + "aws:sourceaccount"
    colon, any_field = Literal(":"), Star(field=True)
    head = (any_field, colon, any_field, colon, any_field, colon, any_field, colon)
    if "aws:sourcearn" in facts.given or "aws:sourceaccount" in facts.given:
        given = facts.given.get("aws:sourceaccount")
        if given and "aws:sourcearn" not in facts.given:
            same = Like(arn, Pattern("", (*head, Literal(given[0]), colon, Star())))
            return [implies(Present(arn), any_of((same, Like(arn, Pattern("", (*head, colon, Star()))))))]
        from iamsim.model.arn import parse_arn

        source = facts.given.get("aws:sourcearn")
        parsed = parse_arn(source[0]) if source else None
        if parsed is not None and parsed.account and not given:
            return [implies(Present(account), Like(account, plain(parsed.account)))]
        return []
    same = Like(arn, Pattern("", (*head, Variable(account), colon, Star())))
    none = Like(arn, Pattern("", (*head, colon, Star())))
    return [implies(all_of((Present(arn), Present(account))), any_of((same, none)))]


def _tag_key(facts: Facts, name: str) -> Term:
    keys = facts.hop + "aws:tagkeys"
    tag = name.partition("/")[2]
    if "aws:tagkeys" in facts.given:
        listed = any(k.lower() == tag for k in facts.given["aws:tagkeys"])
        return TRUE if listed else not_(Present(facts.hop + name))
    return implies(Present(facts.hop + name), some(keys, Like(keys, plain(tag), fold_case=True)))


def _encryption_context(facts: Facts, name: str) -> list[Term]:
    """`kms:EncryptionContextKeys` holds the name of every pair that is sent.

    Source: AWS KMS Developer Guide, "AWS KMS condition keys", kms:EncryptionContextKeys.
    """
    keys, prefix = "kms:encryptioncontextkeys", "kms:encryptioncontext:"
    if keys in facts.given:
        return []
    listed = facts.hop + keys
    sent = [k for k, v in facts.given.items() if k.startswith(prefix) and v]
    parts = [some(listed, Like(listed, plain(k.removeprefix(prefix)), fold_case=True)) for k in sorted(sent)]
    if name != keys:
        own = some(listed, Like(listed, plain(name.removeprefix(prefix)), fold_case=True))
        parts.append(implies(Present(facts.hop + name), own))
    return parts


def _given_tags(facts: Facts, var: str) -> list[Term]:
    """The key of each tag that the question says is passed is among the tag keys."""
    names = [k.partition("/")[2] for k, v in facts.given.items() if k.startswith("aws:requesttag/") and v]
    return [some(var, Like(var, plain(n), fold_case=True)) for n in sorted(names)]


def _subset(facts: Facts, var: str) -> Term:
    """Transitive tag keys are passed in the same call; without tag keys there are none."""
    return implies(Present(var), Present(facts.hop + "aws:tagkeys"))
